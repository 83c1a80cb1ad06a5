package deploy

import (
	"context"
	"errors"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/rls"
	"cds/runtime/sqlgen"
)

// minRows is the version of PostgreSQL from which on views are read with the rights of who asks.
const minRows = 150000

// unlocking returns the statements that take the policies away, which hold on to the columns of their tables, so that the tables can be changed. The tables stay locked,
// for the transaction, unless there is to be no row-level security any more. None are needed where the database has no policies.
func unlocking(ctx context.Context, tx db.Tx, d sqlgen.Dialect, opt Options) ([]string, error) {
	if d.Name() != "postgres" {
		if opt.Rows != nil {
			return nil, databaseError("row-level security needs PostgreSQL", errors.New("the database is "+d.Name()))
		}
		return nil, nil
	}
	there := false
	err := db.Each(ctx, tx, db.Stmt{SQL: "SELECT to_regclass($1) IS NOT NULL", Binds: []cqn.Value{cqn.String(rls.KeyTable)}}, func(r db.Rows) error {
		there = r.Int(0) != 0
		return nil
	})
	if err != nil || !there {
		return nil, wrapRead(err)
	}
	return rls.Remove(opt.Rows == nil), nil
}

// lockRows puts the policies on the tables.
func lockRows(ctx context.Context, tx db.Tx, opt Options) error {
	if opt.Rows == nil {
		return nil
	}
	version := int64(0)
	err := db.Each(ctx, tx, db.Stmt{SQL: "SELECT current_setting('server_version_num')::int"}, func(r db.Rows) error {
		version = r.Int(0)
		return nil
	})
	if err != nil {
		return wrapRead(err)
	}
	if version < minRows {
		return &Error{Faults: []Fault{{Code: "deploy-rls-version", Message: "row-level security needs PostgreSQL 15 or later: before, views are read with the rights of their owner",
			Hint: "update the database, or leave out requires.db.rls"}}}
	}
	known := false
	err = db.Each(ctx, tx, db.Stmt{SQL: "SELECT to_regrole(quote_ident($1)) IS NOT NULL", Binds: []cqn.Value{cqn.String(opt.Rows.App.Role)}}, func(r db.Rows) error {
		known = r.Int(0) != 0
		return nil
	})
	if err != nil {
		return wrapRead(err)
	}
	if !known {
		return &Error{Faults: []Fault{{Code: "deploy-rls-role", Message: "the database has no role " + opt.Rows.App.Role + " (requires.db.rls.role)",
			Hint: "make it as an administrator: CREATE ROLE … LOGIN PASSWORD …"}}}
	}
	return run(ctx, tx, opt.Rows.Schema.Script(opt.Rows.App))
}
