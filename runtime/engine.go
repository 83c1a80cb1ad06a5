package cds

import (
	"context"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// read runs a query and returns its rows as values. more is set if limit (0: none) cut them.
func (t *unit) read(ctx context.Context, q cqn.Query, g sqlgen.Guarder, u *User, limit int64) (rows []*Row, more bool, err error) {
	err = t.with(q, g, u, false, limit, func(p *plan, rd *reader) error {
		rd.ctx = ctx
		rows, more, err = rd.rows(p.Plan)
		return err
	})
	return rows, more, err
}

// readJSON runs a query and returns its rows as JSON objects separated by commas.
func (t *unit) readJSON(ctx context.Context, q cqn.Query, g sqlgen.Guarder, u *User, f Format, limit int64) (out []byte, n int, more bool, err error) {
	err = t.with(q, g, u, false, limit, func(p *plan, rd *reader) error {
		rd.ctx = ctx
		out, n, more, err = rd.json(p.encoder(f), make([]byte, 0, 1024))
		return err
	})
	return out, n, more, err
}

// write runs an Insert, Update or Delete of one table. row has the values of the columns that are set.
func (t *unit) write(ctx context.Context, q cqn.Query, g sqlgen.Guarder, u *User, row *Row) (n int64, err error) {
	err = t.with(q, g, u, true, 0, func(p *plan, rd *reader) error {
		rd.binds.row = row
		binds, err := rd.binds.fill(make([]cqn.Value, 0, len(p.Binds)), p.Binds)
		if err != nil {
			return err
		}
		n, err = rd.tx.Exec(ctx, db.Stmt{SQL: p.SQL, Binds: binds})
		return err
	})
	return n, err
}

// with finds the plan of a query and runs fn with it inside the transaction, one at a time.
func (t *unit) with(q cqn.Query, g sqlgen.Guarder, u *User, write bool, limit int64, fn func(*plan, *reader) error) error {
	p, lits, release, err := t.app.plan(q, g)
	if err != nil {
		return err
	}
	defer release()
	t.mu.Lock()
	defer t.mu.Unlock()
	tx, err := t.begin(write)
	if err != nil {
		return err
	}
	return fn(p, &reader{tx: tx, limit: limit, binds: bindings{user: u, unit: t, lits: lits}})
}

// A keyBuilder writes parts of plan keys so that different parts never make equal keys.
type keyBuilder struct{ strings.Builder }

// value appends a constant with its kind and length.
func (b *keyBuilder) value(v cqn.Value) {
	if l := v.List(); l != nil {
		b.WriteString("[" + strconv.Itoa(len(l)))
		for _, i := range l {
			b.value(i)
		}
		return
	}
	s := v.Format()
	b.WriteString("," + strconv.Itoa(int(v.Kind())) + ":" + strconv.Itoa(len(s)) + ":" + s)
}
