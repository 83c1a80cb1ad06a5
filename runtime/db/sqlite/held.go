package sqlite

import (
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"
)

// To begin and end a read transaction takes SQLite longer than to find a row: three system calls for locks and sizes, and all checks of an opened
// database. So a reader keeps its transaction open after a request, and the next one goes on with it if nothing has been committed since: the state
// that it sees is still the newest one then, which the head of the wal-index tells. After a commit everything is as without: the transaction
// ends, and another one is begun and kept only once two reads in a row have found the same state.
//
// An open transaction keeps the log from being begun anew, and parts of it from being copied. So no transaction is kept longer than
// maxTicks, none that is not used longer than idleTicks, and none while the log is begun anew.
const (
	tickEvery = 250 * time.Millisecond
	idleTicks = 2
	maxTicks  = 4
)

// held is the transaction that a reader keeps.
type held struct {
	open   bool    // begun and not ended
	spoilt bool    // something failed in it, or was done that may have changed more than a statement does
	head   walHead // before its first statement; without one, before the last transaction
	born   uint32  // tick of its beginning
	used   uint32  // tick of its last use
}

// A holder is what a pool knows of the transactions that its readers keep.
type holder struct {
	index   *walIndex // nil where none are kept
	ticks   atomic.Uint32
	ticking atomic.Bool
	timer   *time.Timer
	barred  atomic.Bool // none may be kept for now
}

// hold has readers keep their transactions from now on, if the database has a log.
func (p *pool) hold(writer *conn) error {
	mode, err := writer.value("PRAGMA journal_mode")
	if err != nil || mode != "wal" {
		return err
	}
	if _, err := writer.value("SELECT count(*) FROM sqlite_schema"); err != nil { // so that the wal-index is there
		return err
	}
	p.held.index = openWalIndex(p.path)
	p.held.timer = time.AfterFunc(time.Hour, p.tick)
	p.held.timer.Stop()
	return nil
}

// value returns the first column of the first row of a statement that is run once.
func (c *conn) value(sql string) (v string, err error) {
	s, _, err := c.conn.PrepareTransient(sql)
	if err != nil {
		return "", wrap(err)
	}
	defer func() { _ = s.Finalize() }() // what it reports is the error of Step
	row, err := s.Step()
	if err != nil || !row {
		return "", wrap(err)
	}
	if s.ColumnType(0) == sqlite.TypeNull {
		return "", nil
	}
	return s.ColumnText(0), nil
}

// beginRead begins a transaction of a reader, for one statement or for several.
func (p *pool) beginRead(c *conn, one bool) (*tx, error) {
	if p.held.index == nil {
		if !one {
			return &tx{c: c}, c.run("BEGIN")
		}
		return &tx{c: c, one: true}, nil
	}
	h, head, now := &c.held, p.held.index.head(), p.held.ticks.Load()
	same := head == h.head
	h.head = head
	barred := p.held.barred.Load()
	if h.open {
		if same && !barred && now-h.born < maxTicks {
			h.used = now
			return &tx{c: c, one: one}, nil
		}
		if err := c.letGo(); err != nil {
			return nil, err
		}
	}
	if one && (!same || barred) {
		return &tx{c: c, one: true}, nil
	}
	if err := c.run("BEGIN"); err != nil {
		return nil, err
	}
	h.open, h.spoilt, h.born, h.used = true, false, now, now
	return &tx{c: c, one: one}, nil
}

// keeps reports whether a reader's transaction stays open at its end.
func (p *pool) keeps(c *conn) bool {
	h := &c.held
	if !h.open || h.spoilt || p.held.barred.Load() || c.conn.AutocommitEnabled() || p.held.index.head() != h.head {
		return false
	}
	if p.held.ticking.CompareAndSwap(false, true) {
		p.held.timer.Reset(tickEvery)
	}
	return true
}

// letGo ends the transaction that a reader keeps.
func (c *conn) letGo() error {
	c.held.open = false
	err := c.run("COMMIT")
	if err != nil && !c.conn.AutocommitEnabled() {
		err = c.run("ROLLBACK")
	}
	return err
}

// tick ends the transactions that nobody has used for a while, and comes again as long as there may be others.
func (p *pool) tick() {
	select {
	case <-p.done:
		return
	default:
	}
	now := p.held.ticks.Add(1)
	p.held.ticking.Store(false) // who keeps one from here on has it set again
	if !p.letAllGo(func(h *held) bool { return now-h.used >= idleTicks }) && p.held.ticking.CompareAndSwap(false, true) {
		p.held.timer.Reset(tickEvery)
	}
}

// letAllGo ends the transactions that unused readers keep, where which says so. It reports whether none is left open and no reader was in use.
func (p *pool) letAllGo(which func(*held) bool) bool {
	idle, left := 0, false
	for range p.size {
		select {
		case c := <-p.readers:
			idle++
			if c != nil && c.held.open {
				if which(&c.held) {
					_ = c.letGo() // where it fails, what is done next on the connection fails too
				} else {
					left = true
				}
			}
			p.readers <- c
		default:
		}
	}
	return idle == p.size && !left
}
