package sqlite

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/db/stmts"

	"zombiezen.com/go/sqlite"
)

const (
	busyTimeout = 5 * time.Second
	// cacheKiB is the page cache of a connection.
	cacheKiB = 8192
	// maxText bounds the memory for texts of a row that a connection keeps for the next statement.
	maxText = 64 << 10
)

// A conn is one connection with its prepared statements. Only one goroutine uses it at a time.
type conn struct {
	pool    *pool
	conn    *sqlite.Conn
	write   bool
	session db.Session
	stmts   stmts.Cache[*sqlite.Stmt]
	regexps map[string]*regexp.Regexp // nil for patterns that are none
	folded  [2]string                 // a text that was searched for, and it in small letters
	text    []byte                    // memory for the values of a row
	stop    chan struct{}
	watcher watcher
	held    held
}

// arm gives the connection a channel whose closing interrupts it. One serves many transactions, as long as none is canceled.
func (c *conn) arm() {
	c.stop = make(chan struct{})
	c.conn.SetInterrupt(c.stop)
}

// patience is how long a transaction runs unwatched: most are over by then, and watching a context costs more than they do.
const patience = 20 * time.Millisecond

// A watcher interrupts a connection when the context of its transaction ends.
type watcher struct {
	mu      sync.Mutex // the timer runs on its own
	timer   *time.Timer
	ctx     context.Context // of the running transaction; nil for none
	unwatch func() bool
}

// watch interrupts the connection when ctx ends, until the next unwatched.
func (c *conn) watch(ctx context.Context) {
	w := &c.watcher
	w.mu.Lock()
	w.ctx = ctx
	w.mu.Unlock()
	if w.timer == nil {
		w.timer = time.AfterFunc(patience, c.watchNow)
		return
	}
	w.timer.Reset(patience)
}

// watchNow begins to watch the context of a transaction that takes its time.
func (c *conn) watchNow() {
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx == nil || w.unwatch != nil {
		return
	}
	stop := c.stop
	w.unwatch = context.AfterFunc(w.ctx, func() { close(stop) })
}

// unwatched ends watch. After an interruption the connection is made usable again.
func (c *conn) unwatched() {
	w := &c.watcher
	w.timer.Stop()
	w.mu.Lock()
	unwatch := w.unwatch
	w.ctx, w.unwatch = nil, nil
	w.mu.Unlock()
	if unwatch != nil && !unwatch() {
		<-c.stop // the function of watchNow has begun and is about to close it
		c.arm()
	}
}

// step runs a statement to its next row or its end.
func (c *conn) step(s *sqlite.Stmt) (bool, error) {
	row, err := s.Step()
	if err != nil {
		c.held.spoilt = true
		return false, wrap(err)
	}
	return row, nil
}

func (c *conn) setUp(p *pool) error {
	keys := "OFF"
	if p.foreignKeys {
		keys = "ON"
	}
	pragmas := []string{"PRAGMA foreign_keys=" + keys, fmt.Sprintf("PRAGMA cache_size=-%d", cacheKiB), "PRAGMA case_sensitive_like=ON"}
	if c.write {
		pragmas = append([]string{"PRAGMA journal_mode=WAL"}, pragmas...)
		pragmas = append(pragmas, "PRAGMA synchronous="+strings.ToUpper(p.sync))
	} else {
		pragmas = append(pragmas, "PRAGMA query_only=ON")
	}
	for _, p := range pragmas {
		if err := c.once(p); err != nil {
			return err
		}
	}
	c.arm()
	return c.register()
}

// once runs a statement without keeping it.
func (c *conn) once(sql string) error {
	s, _, err := c.conn.PrepareTransient(sql)
	if err != nil {
		return err
	}
	if s == nil {
		return nil
	}
	defer func() { _ = s.Finalize() }()
	for {
		row, err := s.Step()
		if err != nil || !row {
			return err
		}
	}
}

func (c *conn) close() error {
	c.conn.SetInterrupt(nil)
	return wrap(c.conn.Close())
}

// prepare returns the statement for a text, ready to be bound.
func (c *conn) prepare(sql string) (*sqlite.Stmt, error) {
	if s, ok := c.stmts.Get(sql); ok {
		return s, nil
	}
	if strings.IndexByte(sql, 0) >= 0 {
		return nil, fmt.Errorf("%w: a statement contains a NUL character", db.ErrValue)
	}
	s, err := c.conn.Prepare(sql)
	if err != nil {
		return nil, wrap(err)
	}
	if c.stmts.Full() {
		if old, ok := c.stmts.Pop(); ok {
			_ = old.Finalize()
		}
	}
	c.stmts.Add(sql, s)
	return s, nil
}

// run runs a statement without binds and rows.
func (c *conn) run(sql string) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	_, err = c.step(s)
	if rerr := s.Reset(); err == nil {
		err = wrap(rerr)
	}
	return err
}

// bind fills the parameters of a statement. Numbers beyond those given are null.
func bind(s *sqlite.Stmt, values []cqn.Value) error {
	if n := s.BindParamCount(); n != len(values) {
		return fmt.Errorf("%w: the statement has %d parameters, %d are given", db.ErrValue, n, len(values))
	}
	for i, v := range values {
		switch v.Kind() {
		case cqn.KindNull:
			s.BindNull(i + 1)
		case cqn.KindBool:
			s.BindBool(i+1, v.Bool())
		case cqn.KindInt:
			s.BindInt64(i+1, v.Int())
		case cqn.KindFloat:
			s.BindFloat(i+1, v.Float())
		case cqn.KindDecimal:
			bindDecimal(s, i+1, v.Str())
		case cqn.KindBytes:
			s.BindBytes(i+1, []byte(v.Str()))
		case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
			s.BindText(i+1, v.Str())
		case cqn.KindList:
			s.BindText(i+1, listJSON(v.List()))
		default:
			return fmt.Errorf("%w: a nested row cannot be bound", db.ErrValue)
		}
	}
	return nil
}

// resultForeignKeyAction is what a foreign key's own action fails with. We make no triggers.
const resultForeignKeyAction = sqlite.ResultConstraintTrigger

// wrap turns an error of the library into one of db's kinds, keeping it as cause.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	for _, k := range [...]error{db.ErrCanceled, db.ErrValue, db.ErrClosed} {
		if errors.Is(err, k) {
			return err
		}
	}
	code := sqlite.ErrCode(err)
	var kind error
	switch code {
	case sqlite.ResultConstraintUnique, sqlite.ResultConstraintPrimaryKey, sqlite.ResultConstraintRowID:
		kind = db.ErrUnique
	case sqlite.ResultConstraintForeignKey, resultForeignKeyAction:
		kind = db.ErrForeignKey
	case sqlite.ResultConstraintNotNull:
		kind = db.ErrNotNull
	case sqlite.ResultConstraintCheck:
		kind = db.ErrCheck
	default:
		switch code.ToPrimary() {
		case sqlite.ResultBusy, sqlite.ResultLocked:
			kind = db.ErrBusy
		case sqlite.ResultFull:
			kind = db.ErrFull
		case sqlite.ResultReadOnly:
			kind = db.ErrReadOnly
		case sqlite.ResultInterrupt:
			kind = db.ErrCanceled
		case sqlite.ResultTooBig, sqlite.ResultMismatch, sqlite.ResultRange:
			kind = db.ErrValue
		case sqlite.ResultConstraint:
			kind = db.ErrCheck
		case sqlite.ResultError:
			if kind = db.ErrValue; !strings.Contains(err.Error(), "integer overflow") { // of a sum; it has no code of its own
				return fmt.Errorf("sqlite: %w", err)
			}
		default:
			return fmt.Errorf("sqlite: %w", err)
		}
	}
	if errors.Is(kind, db.ErrUnique) {
		return &db.Violation{Kind: kind, Columns: violated(err.Error()), Cause: err}
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// violated reads the columns from SQLite's text: UNIQUE constraint failed: T.a, T.b.
func violated(text string) []string {
	_, list, ok := strings.Cut(text, "UNIQUE constraint failed: ")
	if !ok {
		return nil
	}
	if i := strings.IndexByte(list, '('); i >= 0 {
		list = list[:i]
	}
	var out []string
	for _, c := range strings.Split(list, ",") {
		c = strings.TrimSpace(c)
		out = append(out, c[strings.LastIndexByte(c, '.')+1:])
	}
	return out
}
