package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"

	"cds/runtime/db"
)

// maxBatch bounds the statements of one message. It is well below stmts.Max, so that preparing the last one does not end the first.
const maxBatch = 64

var _ db.Batcher = (*tx)(nil)

// ExecAll runs statements in as few messages as possible: one for up to maxBatch of them.
func (t *tx) ExecAll(ctx context.Context, all []db.Stmt) (done int, err error) {
	for done < len(all) {
		if len(all)-done == 1 {
			if _, err = t.Exec(ctx, all[done]); err == nil {
				done++
			}
			return done, err
		}
		n, err := t.execBatch(ctx, all[done:min(done+maxBatch, len(all))])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// execBatch runs the first statements of all, at least one unless it fails.
func (t *tx) execBatch(ctx context.Context, all []db.Stmt) (done int, err error) {
	if t.one {
		return 0, errUsed
	}
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	t.c.watch(ctx, t.ctx)
	defer t.c.unwatch()
	entries, err := t.prepareAll(all)
	if err == nil {
		done, err = t.sendAll(all[:len(entries)], entries)
	}
	return done, t.ended(err, ctx)
}

// prepareAll prepares the first statements of all. It stops before one whose text would have to be prepared anew, for values of other
// types: that ends the statement that it was prepared as, which those before it use.
func (t *tx) prepareAll(all []db.Stmt) ([]*entry, error) {
	out := make([]*entry, 0, len(all))
	for i, s := range all {
		if e, ok := t.c.stmts.Peek(s.SQL); ok && !e.fits(s.Binds) {
			for _, earlier := range all[:i] {
				if earlier.SQL == s.SQL {
					return out, nil
				}
			}
		}
		e, err := t.c.prepared(context.Background(), s) // is watched already
		if err != nil {
			if i > 0 {
				return out, nil // those before it first: this one is tried again
			}
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// sendAll sends prepared statements in one message, with what has to come before them.
func (t *tx) sendAll(all []db.Stmt, entries []*entry) (done int, err error) {
	b, before, err := t.batch(all, entries)
	if err != nil {
		return 0, err
	}
	t.used = true
	res := t.c.pg.ExecBatch(context.Background(), b)
	for i := 0; res.NextResult(); i++ {
		if _, err := res.ResultReader().Close(); err != nil {
			_ = res.Close() // says the same
			return done, t.c.wrap(err)
		}
		if i >= before {
			done++
		}
	}
	return done, t.c.wrap(res.Close())
}

// batch returns a message of prepared statements and the number of parts that have to come before them.
func (t *tx) batch(all []db.Stmt, entries []*entry) (b *pgconn.Batch, before int, err error) {
	tell, opens := false, ""
	for i := range all {
		tell, opens = tell || !all[i].Anonymous, alsoOpen(opens, all[i].Opens)
	}
	if b, before, err = t.bracket(context.Background(), tell, opens); err != nil {
		return nil, 0, err
	}
	for i, e := range entries {
		if err := t.c.bind(all[i].Binds, e.stmt.ParamOIDs); err != nil { // cannot be: they were bound before
			return nil, 0, err
		}
		b.ExecStatement(e.stmt, t.c.values, t.c.formats, e.formats)
	}
	return b, before, nil
}
