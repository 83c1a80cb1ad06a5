package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// The tables.
const (
	Table        = "cds_audit"
	OutboxTable  = "cds_audit_outbox"
	ChangesTable = "cds_changes"
)

// Taken returns an entity of a model whose table would be one of ours, nil if there is none.
func Taken(m *csn.Model) *csn.Entity {
	for _, e := range m.Entities {
		for _, t := range []string{Table, OutboxTable, ChangesTable} {
			if strings.EqualFold(sqlgen.TableName(e), t) {
				return e
			}
		}
	}
	return nil
}

// statements make the tables. Records are only added: a trigger refuses to change them.
func statements(dialect string) []string {
	out := []string{
		"CREATE TABLE IF NOT EXISTS " + Table + " (id VARCHAR(40) NOT NULL PRIMARY KEY, at BIGINT NOT NULL, event VARCHAR(40) NOT NULL, user_id VARCHAR(255) NOT NULL, " +
			"tenant VARCHAR(255) NOT NULL, data TEXT NOT NULL)",
		"CREATE INDEX IF NOT EXISTS " + Table + "_at ON " + Table + " (at)",
		"CREATE TABLE IF NOT EXISTS " + OutboxTable + " (sink VARCHAR(100) NOT NULL, id VARCHAR(40) NOT NULL, due BIGINT NOT NULL, tries BIGINT NOT NULL, PRIMARY KEY (sink, id))",
		"CREATE INDEX IF NOT EXISTS " + OutboxTable + "_id ON " + OutboxTable + " (id)",
		"CREATE TABLE IF NOT EXISTS " + ChangesTable + " (id VARCHAR(50) NOT NULL PRIMARY KEY, at BIGINT NOT NULL, user_id VARCHAR(255) NOT NULL, tenant VARCHAR(255) NOT NULL, " +
			"entity VARCHAR(500) NOT NULL, row_key VARCHAR(1000) NOT NULL, object VARCHAR(1000) NOT NULL, element VARCHAR(500) NOT NULL, action VARCHAR(10) NOT NULL, " +
			"old_value TEXT, new_value TEXT)",
		"CREATE INDEX IF NOT EXISTS " + ChangesTable + "_row ON " + ChangesTable + " (entity, row_key, at)",
	}
	if dialect == "postgres" {
		return append(out, "CREATE OR REPLACE FUNCTION cds_audit_keep() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION 'records are not changed'; END $f$",
			"CREATE OR REPLACE TRIGGER "+Table+"_keep BEFORE UPDATE ON "+Table+" FOR EACH ROW EXECUTE FUNCTION cds_audit_keep()",
			"CREATE OR REPLACE TRIGGER "+ChangesTable+"_keep BEFORE UPDATE ON "+ChangesTable+" FOR EACH ROW EXECUTE FUNCTION cds_audit_keep()")
	}
	return append(out, "CREATE TRIGGER IF NOT EXISTS "+Table+"_keep BEFORE UPDATE ON "+Table+" BEGIN SELECT RAISE(ABORT, 'records are not changed'); END",
		"CREATE TRIGGER IF NOT EXISTS "+ChangesTable+"_keep BEFORE UPDATE ON "+ChangesTable+" BEGIN SELECT RAISE(ABORT, 'records are not changed'); END")
}

// A TableError is tables that cannot be made.
type TableError struct{ Cause error }

func (e *TableError) Error() string {
	return "tables " + Table + ", " + OutboxTable + " and " + ChangesTable + " cannot be made: " + e.Cause.Error()
}

// Unwrap returns the error of the database.
func (e *TableError) Unwrap() error { return e.Cause }

// Prepare makes the tables where they are missing. Errors are *TableError.
func Prepare(ctx context.Context, pool db.Pool) error {
	ok, err := there(ctx, pool)
	if err != nil || ok {
		return err
	}
	err = db.InTx(ctx, pool, func(tx db.Tx) error {
		for _, sql := range statements(pool.Dialect().Name()) {
			if err := tx.Script(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		if ok, rerr := there(ctx, pool); rerr == nil && ok { // another process has made them at the same time
			return nil
		}
		return &TableError{err}
	}
	return nil
}

// there reports whether all tables are there.
func there(ctx context.Context, pool db.Pool) (bool, error) {
	tx, err := pool.Read(ctx, db.Session{})
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }()
	d := pool.Dialect()
	for _, c := range [][2]string{{Table, "data"}, {OutboxTable, "tries"}, {ChangesTable, "new_value"}} {
		n := int64(0)
		st := db.Stmt{SQL: d.Tables().HasColumn, Binds: []cqn.Value{cqn.String(sqlgen.Quote(c[0], d)), cqn.String(c[1])}, Anonymous: true}
		if err := db.Each(ctx, tx, st, func(r db.Rows) error { n = r.Int(0); return nil }); err != nil || n == 0 {
			return false, err
		}
	}
	return true, nil
}

// stmt numbers the parameters of a statement, each written as a question mark.
func stmt(d sqlgen.Dialect, sql string, binds ...cqn.Value) db.Stmt {
	return db.Stmt{SQL: db.Numbered(d, sql), Binds: binds, Anonymous: true, Opens: db.SystemTables}
}

// insert adds records, with an entry in the outbox for each sink.
func insert(ctx context.Context, tx db.Tx, d sqlgen.Dialect, records []Record, sinks []string) error {
	for i := range records {
		r := &records[i]
		data, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("a record cannot be written: %w", err)
		}
		st := stmt(d, "INSERT INTO "+Table+" (id, at, event, user_id, tenant, data) VALUES (?, ?, ?, ?, ?, ?)", cqn.String(r.ID), cqn.Int(r.Time.UnixMilli()),
			cqn.String(r.Event), cqn.String(r.User), cqn.String(r.Tenant), cqn.String(string(data)))
		if _, err := tx.Exec(ctx, st); err != nil {
			return err
		}
		for _, s := range sinks {
			if _, err := tx.Exec(ctx, stmt(d, "INSERT INTO "+OutboxTable+" (sink, id, due, tries) VALUES (?, ?, ?, ?)", cqn.String(s), cqn.String(r.ID),
				cqn.Int(r.Time.UnixMilli()), cqn.Int(0))); err != nil {
				return err
			}
		}
	}
	return nil
}
