package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cds/parser/cqn"
	"cds/runtime/db"
)

// Back-off after a failed delivery: from one to the other, doubled each time.
const (
	firstWait = time.Second
	longWait  = 5 * time.Minute
)

// deliverer delivers from time to time, and when something was written.
func (l *Log) deliverer() {
	defer l.group.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		select {
		case <-l.stop:
			cancel()
		case <-stopped:
		}
	}()
	defer close(stopped)
	tick := time.NewTicker(l.opt.Interval)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		case <-l.wake:
		}
		if err := l.Deliver(ctx); err != nil && ctx.Err() == nil {
			l.opt.Log.ErrorContext(ctx, "audit: records are not delivered yet", "err", err.Error())
		}
	}
}

// Deliver gives all sinks what is due for them. What a sink does not take stays in the outbox, to be tried again later; the error tells of it.
func (l *Log) Deliver(ctx context.Context) error {
	var err error
	waiting := false
	for i, s := range l.opt.Sinks {
		n, derr := l.deliverTo(ctx, i, s)
		if derr != nil {
			err = errors.Join(err, fmt.Errorf("sink %s: %w", s.Name(), derr))
		}
		waiting = waiting || n >= int64(l.opt.Outbox)
	}
	l.full.Store(waiting)
	return err
}

// deliverTo gives one sink what is due for it, and returns how many records wait for it then.
func (l *Log) deliverTo(ctx context.Context, i int, s Sink) (left int64, err error) {
	l.work[i].Lock()
	defer l.work[i].Unlock()
	for {
		due, err := l.count(ctx, "SELECT COUNT(*) FROM "+OutboxTable+" WHERE sink = ? AND due <= ?", cqn.String(s.Name()), cqn.Int(l.opt.Now().UnixMilli()))
		if err != nil || due == 0 {
			break
		}
		claimed, err := l.claim(ctx, s.Name())
		if err != nil || len(claimed) == 0 {
			return 0, err
		}
		if err := l.deliverSome(ctx, s, claimed); err != nil {
			n, cerr := l.count(ctx, "SELECT COUNT(*) FROM "+OutboxTable+" WHERE sink = ?", cqn.String(s.Name()))
			return n, errors.Join(err, cerr)
		}
	}
	return l.count(ctx, "SELECT COUNT(*) FROM "+OutboxTable+" WHERE sink = ?", cqn.String(s.Name()))
}

func (l *Log) count(ctx context.Context, sql string, binds ...cqn.Value) (n int64, err error) {
	tx, err := l.pool.Read(ctx, db.Session{})
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	err = db.Each(ctx, tx, stmt(l.pool.Dialect(), sql, binds...), func(r db.Rows) error { n = r.Int(0); return nil })
	return n, err
}

// A claim is a record that this process delivers; others leave it alone until it must have been delivered.
type claim struct {
	id    string
	tries int64
	data  string
}

// claim takes records that are due.
func (l *Log) claim(ctx context.Context, sink string) (out []claim, err error) {
	now := l.opt.Now()
	until := now.Add(2 * l.opt.Timeout).UnixMilli()
	d := l.pool.Dialect()
	err = db.InTx(ctx, l.pool, func(tx db.Tx) error {
		out = nil
		st := stmt(d, "UPDATE "+OutboxTable+" SET due = ?, tries = tries + 1 WHERE sink = ? AND due <= ? AND id IN (SELECT id FROM "+OutboxTable+
			" WHERE sink = ? AND due <= ? ORDER BY id LIMIT "+fmt.Sprint(atOnce)+") RETURNING id, tries",
			cqn.Int(until), cqn.String(sink), cqn.Int(now.UnixMilli()), cqn.String(sink), cqn.Int(now.UnixMilli()))
		if err := db.Each(ctx, tx, st, func(r db.Rows) error {
			out = append(out, claim{id: string(r.Text(0)), tries: r.Int(1)})
			return nil
		}); err != nil || len(out) == 0 {
			return err
		}
		slices.SortFunc(out, func(a, b claim) int { return strings.Compare(a.id, b.id) })
		marks, binds := idList(out)
		return db.Each(ctx, tx, stmt(d, "SELECT id, data FROM "+Table+" WHERE id IN ("+marks+")", binds...), func(r db.Rows) error {
			id := string(r.Text(0))
			if i := slices.IndexFunc(out, func(c claim) bool { return c.id == id }); i >= 0 {
				out[i].data = string(r.Text(1))
			}
			return nil
		})
	})
	return out, err
}

func idList(all []claim) (marks string, binds []cqn.Value) {
	for i, c := range all {
		if i > 0 {
			marks += ", "
		}
		marks += "?"
		binds = append(binds, cqn.String(c.id))
	}
	return marks, binds
}

// deliverSome gives a sink claimed records and takes them out of its outbox, or sets when they are tried again.
func (l *Log) deliverSome(ctx context.Context, s Sink, all []claim) error {
	var records []Record
	for _, c := range all {
		var r Record
		if c.data == "" { // somebody has removed it from the table
			continue
		}
		if err := json.Unmarshal([]byte(c.data), &r); err != nil {
			return fmt.Errorf("record %s is damaged: %w", c.id, err)
		}
		records = append(records, r)
	}
	sctx, cancel := context.WithTimeout(ctx, l.opt.Timeout)
	err := deliverSafely(sctx, s, records)
	cancel()
	ctx = context.WithoutCancel(ctx) // what was delivered is noted, also if the log is being closed
	marks, binds := idList(all)
	d := l.pool.Dialect()
	if err != nil {
		wait := longWait
		if n := all[0].tries - 1; n < 9 {
			wait = min(firstWait<<n, longWait)
		}
		werr := db.InTx(ctx, l.pool, func(tx db.Tx) error {
			_, err := tx.Exec(ctx, stmt(d, "UPDATE "+OutboxTable+" SET due = ? WHERE sink = ? AND id IN ("+marks+")",
				append([]cqn.Value{cqn.Int(l.opt.Now().Add(wait).UnixMilli()), cqn.String(s.Name())}, binds...)...))
			return err
		})
		return errors.Join(err, werr)
	}
	return db.InTx(ctx, l.pool, func(tx db.Tx) error {
		_, err := tx.Exec(ctx, stmt(d, "DELETE FROM "+OutboxTable+" WHERE sink = ? AND id IN ("+marks+")", append([]cqn.Value{cqn.String(s.Name())}, binds...)...))
		if err != nil || l.opt.Table {
			return err
		}
		_, err = tx.Exec(ctx, stmt(d, "DELETE FROM "+Table+" WHERE id IN ("+marks+") AND NOT EXISTS (SELECT 1 FROM "+OutboxTable+" o WHERE o.id = "+Table+".id)", binds...))
		return err
	})
}

// deliverSafely calls a sink; a panic of it is a failure like any other.
func deliverSafely(ctx context.Context, s Sink, records []Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if len(records) == 0 {
		return nil
	}
	return s.Deliver(ctx, records)
}
