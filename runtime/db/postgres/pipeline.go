package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"cds/runtime/db"
)

var _ db.Pipeliner = (*tx)(nil)

var (
	errNoMore = errors.New("all queries that were sent together have been asked for")
	errUndone = errors.New("the database has rolled the transaction back")
)

// A pipeline is what is left of queries that were sent together.
type pipeline struct {
	next  []*entry  // of the queries in the message whose rows have not been asked for
	later []db.Stmt // queries that needed a message of their own; nobody has sent them yet
	last  bool      // COMMIT is behind the queries
	ended bool      // COMMIT was answered
	err   error     // by which it failed
}

// QueryAll implements db.Pipeliner.
func (t *tx) QueryAll(ctx context.Context, before, queries []db.Stmt, last bool) (done int, rows db.Rows, err error) {
	if t.one {
		return 0, nil, errUsed
	}
	if err := t.ready(ctx); err != nil {
		return 0, nil, err
	}
	all := make([]db.Stmt, 0, len(before)+len(queries))
	all = append(append(all, before...), queries...)
	if len(all) > maxBatch {
		return t.queryApart(ctx, before, queries)
	}
	t.c.watch(ctx, t.ctx)
	t.rows.ctx = ctx
	entries, err := t.prepareAll(all)
	if err == nil && len(entries) < len(all) {
		t.c.unwatch()
		return t.queryApart(ctx, before, queries)
	}
	if err == nil {
		done, err = t.sendPipeline(all, entries, len(before), last)
	}
	if err != nil {
		t.c.unwatch()
		return done, nil, t.ended(err, ctx)
	}
	return done, &t.rows, nil
}

// queryApart is QueryAll with a message for each query.
func (t *tx) queryApart(ctx context.Context, before, queries []db.Stmt) (done int, rows db.Rows, err error) {
	if done, err = t.ExecAll(ctx, before); err != nil {
		return done, nil, err
	}
	if rows, err = t.Query(ctx, queries[0]); err == nil {
		t.pipe.later = queries[1:]
	}
	return done, rows, err
}

// sendPipeline sends statements of which the first have no rows, and reads up to the rows of the first query.
func (t *tx) sendPipeline(all []db.Stmt, entries []*entry, before int, last bool) (done int, err error) {
	var end *entry
	if last {
		if end, err = t.c.prepare(context.Background(), "COMMIT", nil); err != nil {
			return 0, err
		}
	}
	b, bracket, err := t.batch(all, entries)
	if err != nil {
		return 0, err
	}
	if last {
		b.ExecStatement(end.stmt, nil, nil, nil)
	}
	t.used = true
	res := t.c.pg.ExecBatch(context.Background(), b)
	for i := range bracket + before {
		if !res.NextResult() {
			return done, t.c.wrap(res.Close())
		}
		if _, err := res.ResultReader().Close(); err != nil {
			_ = res.Close() // says the same
			return done, t.c.wrap(err)
		}
		if i >= bracket {
			done++
		}
	}
	if !res.NextResult() {
		return done, t.c.wrap(res.Close())
	}
	t.rows.all, t.rows.rr, t.rows.fields, t.rows.vals = res, res.ResultReader(), entries[before].stmt.Fields, nil
	t.pipe = pipeline{next: entries[before+1:], last: last}
	return done, nil
}

// NextRows implements db.Pipeliner.
func (t *tx) NextRows(ctx context.Context) (db.Rows, error) {
	switch {
	case t.c == nil:
		return nil, errDone
	case t.rows.rr != nil:
		return nil, errOpen
	case len(t.pipe.later) > 0:
		rest := t.pipe.later[1:]
		rows, err := t.Query(ctx, t.pipe.later[0])
		t.pipe.later = rest
		return rows, err
	case len(t.pipe.next) == 0:
		return nil, errNoMore
	}
	r := &t.rows
	if !r.all.NextResult() {
		return nil, t.ended(t.stopped(), r.ctx)
	}
	r.rr, r.fields, r.vals = r.all.ResultReader(), t.pipe.next[0].stmt.Fields, nil
	t.pipe.next = t.pipe.next[1:]
	return r, nil
}

// stopped ends the reading of a message of which a part has failed, and returns its error.
func (t *tx) stopped() error {
	err := t.c.wrap(t.rows.all.Close())
	t.rows.all, t.pipe.next, t.pipe.last = nil, nil, false
	t.c.unwatch()
	return err
}

// passOver reads what is left of queries that were sent together.
func (t *tx) passOver() error {
	t.pipe.later = nil
	for len(t.pipe.next) > 0 {
		rows, err := t.NextRows(t.ctx)
		if err == nil {
			err = rows.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readEnd reads the answer to a COMMIT that is behind the queries. What it says is for Commit to tell.
func (t *tx) readEnd(all *pgconn.MultiResultReader) {
	t.pipe.last, t.pipe.ended = false, true
	if !all.NextResult() {
		if t.pipe.err = t.c.wrap(all.Close()); t.pipe.err == nil {
			t.pipe.err = errUndone
		}
		return
	}
	tag, err := all.ResultReader().Close()
	if err == nil && tag.String() != "COMMIT" {
		err = errUndone
	}
	t.pipe.err = t.c.wrap(err)
}
