package db

import (
	"context"
	"errors"

	"cds/runtime/sqlgen"
)

// tries is how often a transaction is run whose rows another one changes at the same time.
const tries = 8

// InTx runs fn in a transaction that writes, again where others were changing the same rows (ErrConflict), a few times at most. fn may run more than once.
func InTx(ctx context.Context, pool Pool, fn func(tx Tx) error) (err error) {
	once := func() error {
		tx, err := pool.Write(ctx, Session{})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Commit()
	}
	for range tries {
		if err = once(); !errors.Is(err, ErrConflict) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// Each calls fn for each row of a query. An error of fn ends it.
func Each(ctx context.Context, tx Tx, st Stmt, fn func(Rows) error) error {
	rows, err := tx.Query(ctx, st)
	if err != nil {
		return err
	}
	for {
		ok, err := rows.Next()
		if err != nil || !ok {
			return errors.Join(err, rows.Close())
		}
		if err := fn(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
}

// Numbered writes the parameters of a statement as the dialect does. In sql each is a question mark, which stands for nothing else there: it is for
// statements written by hand, never for anything from outside.
func Numbered(d sqlgen.Dialect, sql string) string {
	out := make([]byte, 0, len(sql)+16)
	n := 0
	for i := range len(sql) {
		if sql[i] == '?' {
			n++
			out = d.Param(out, n, nil)
			continue
		}
		out = append(out, sql[i])
	}
	return string(out)
}
