package cds

import (
	"context"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
)

// A laterWrite is an insert that is sent to the database together with others: before whatever else the unit of work asks it, and before
// its end. Each is compiled, guarded and checked when it is asked for; only the message waits.
type laterWrite struct {
	by     *RawRequest
	entity *csn.Entity
	stmt   db.Stmt
}

// failed is the answer for a row that the database has not taken.
func (w *laterWrite) failed(ctx context.Context, err error) error {
	return w.by.unwritten(ctx, w.entity, err)
}

// maxLater bounds the inserts that wait.
const maxLater = 64

// writeLater is write for the insertion of one row, where the database can take several at once: it may run later. Its error is then that
// of flush, or of the next use of the transaction.
func (t *unit) writeLater(ctx context.Context, r *RawRequest, e *csn.Entity, q *cqn.Insert, row *Row) error {
	g, u := r.state.guard, r.User
	if _, w := t.watched(q); w != nil { // its record follows at once
		_, err := t.write(ctx, q, g, u, row)
		return r.unwritten(ctx, e, err)
	}
	buf := bufferPool.Get().(*buffers)
	defer buf.release()
	p, err := t.app.plan(q, g, buf)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.identify(ctx, u); err != nil {
		return err
	}
	if len(t.later) == 0 || t.ended || len(t.later) >= maxLater {
		if _, err := t.begin(true); err != nil {
			return err
		}
	}
	rd := t.reader(ctx, t.tx, u, buf)
	rd.binds.row = row
	binds, err := rd.fillAll(p.Plan)
	if err != nil {
		return err
	}
	t.app.logStatement(ctx, p.SQL, len(binds))
	stmt := db.Stmt{SQL: p.SQL, Binds: binds, Anonymous: p.Anonymous, Opens: p.Opens}
	if _, ok := t.tx.(db.Batcher); !ok {
		_, err := t.tx.Exec(ctx, stmt)
		return r.unwritten(ctx, e, err)
	}
	stmt.Binds = slices.Clone(binds)
	t.later = append(t.later, laterWrite{r, e, stmt})
	return nil
}

// flush sends the inserts that wait. Callers hold t.mu.
func (t *unit) flush(ctx context.Context) error {
	all := t.later
	if len(all) == 0 {
		return nil
	}
	t.later, t.flushed = nil, true
	b, ok := t.tx.(db.Batcher)
	if !ok {
		return errEnded // cannot be: only with a Batcher do inserts wait
	}
	stmts := make([]db.Stmt, len(all))
	for i := range all {
		stmts[i] = all[i].stmt
	}
	done, err := b.ExecAll(ctx, stmts)
	if err != nil && done < len(all) {
		err = all[done].failed(ctx, err)
	}
	t.failed = err
	return err
}

// InsertLater is Execute for an insert whose answer is not needed at once: the database may hear of it together with others that follow, at the
// latest with the next statement that is no such insert, or at the end of the request. Rights and new values are checked before it returns, as
// by Execute; what the database objects to may be the error of Flush instead.
func (r *RawRequest) InsertLater(ctx context.Context, q *cqn.Insert) error {
	if r.state == nil || r.state.guard == nil {
		return &Error{Status: 403, Code: "403", Message: "Forbidden", Cause: errOutside}
	}
	w, err := r.forWrite(ctx, q)
	if err == nil {
		_, err = w.insert(ctx, q, true)
	}
	if err != nil {
		err = clientError(err)
		r.logForbidden(ctx, err)
	}
	return err
}

// Flush sends the inserts of InsertLater that the database has not heard of yet. Its error is that of the first that failed, also if it was sent
// before, with a query.
func (r *RawRequest) Flush(ctx context.Context) error {
	if r.state == nil || r.state.unit == nil {
		return nil
	}
	t := r.state.unit
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readLast = false
	err := t.flush(ctx)
	if err == nil {
		err = t.failed
	}
	if err != nil {
		return clientError(err)
	}
	return nil
}
