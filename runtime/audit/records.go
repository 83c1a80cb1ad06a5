package audit

import (
	"context"
	"errors"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// Shown returns the entities of a model that show the audit log: those with @audit.log.
func Shown(m *csn.Model) []*csn.Entity {
	var out []*csn.Entity
	for _, e := range m.Entities {
		if e.Active == nil && e.Exists && authz.AuditLog(e) {
			out = append(out, e)
		}
	}
	return out
}

// columns are what such an entity shows: how each dialect gets it out of the table.
func columns(dialect string) [][2]string {
	field := func(name string) string { return "json_extract(data, '$." + name + "')" }
	number, at := field, "strftime('%Y-%m-%dT%H:%M:%fZ', at / 1000.0, 'unixepoch')"
	if dialect == "postgres" {
		field = func(name string) string { return "(data::jsonb ->> '" + name + "')" }
		number = func(name string) string { return "(data::jsonb ->> '" + name + "')::integer" }
		at = "(to_timestamp(at / 1000.0) AT TIME ZONE 'UTC')"
	}
	out := [][2]string{{"ID", "id"}, {"time", at}, {"event", "event"}, {"user", "user_id"}, {"tenant", "tenant"}, {"status", number("status")}}
	for _, name := range []string{"correlation", "service", "request", "target", "action", "client", "reason", "grants", "object", "objects", "attributes"} {
		out = append(out, [2]string{name, field(name)})
	}
	return out
}

// PrepareShown makes the views of entities that show the audit log, where they are missing. Rows are bound to tenants by the guard of whoever reads them.
// Errors are *TableError.
func PrepareShown(ctx context.Context, pool db.Pool, m *csn.Model) error {
	for _, e := range Shown(m) {
		ok, err := hasColumns(ctx, pool, e)
		if err != nil {
			return &TableError{err}
		}
		if ok {
			continue
		}
		d := pool.Dialect()
		name := sqlgen.Quote(sqlgen.TableName(e), d)
		var cols []string
		for _, c := range columns(d.Name()) {
			cols = append(cols, c[1]+" AS "+sqlgen.Quote(c[0], d))
		}
		err = db.InTx(ctx, pool, func(tx db.Tx) error {
			if err := tx.Script(ctx, "DROP VIEW IF EXISTS "+name); err != nil { // one of an older version
				return err
			}
			return tx.Script(ctx, "CREATE VIEW "+name+" AS SELECT "+strings.Join(cols, ", ")+" FROM "+Table)
		})
		if err == nil {
			continue
		}
		if ok, rerr := hasColumns(ctx, pool, e); rerr != nil || !ok { // else another process has made it at the same time
			return &TableError{err}
		}
	}
	return nil
}

// hasColumns reports whether the view of an entity is there, with all its columns.
func hasColumns(ctx context.Context, pool db.Pool, e *csn.Entity) (bool, error) {
	tx, err := pool.Read(ctx, db.Session{})
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }()
	d := pool.Dialect()
	for _, el := range e.Flat {
		n := int64(0)
		st := db.Stmt{SQL: d.Tables().HasColumn, Binds: []cqn.Value{cqn.String(sqlgen.Quote(sqlgen.TableName(e), d)), cqn.String(el.Name)}, Anonymous: true}
		if err := db.Each(ctx, tx, st, func(r db.Rows) error { n = r.Int(0); return nil }); err != nil || n == 0 {
			return false, err
		}
	}
	return true, nil
}

// ErrOff is the error for a model that shows an audit log which is not kept in its table.
var ErrOff = errors.New("an entity shows the audit log, which is not kept in the table of the database")

// ServeRecords makes the entities with @audit.log show the records of the log, and keeps account of each reading. Rights are those of the entity, which has to be
// restricted to a role; rows are those of the user's tenant. It belongs before App.Start. Errors are ErrOff and *TableError.
func (l *Log) ServeRecords(ctx context.Context, app *cds.App) error {
	all := Shown(app.Model)
	if len(all) == 0 {
		return nil
	}
	if !l.opt.Enabled || len(l.opt.Sinks) > 0 && !l.opt.Table {
		return ErrOff
	}
	if err := PrepareShown(ctx, l.pool, app.Model); err != nil {
		return err
	}
	for _, e := range all {
		s := app.Service(e.Service.Name)
		s.GenericBefore(cds.Match{Events: []cds.Event{authz.Read}, Entities: []string{e.LocalName()}, Name: "audit"}, func(ctx context.Context, r *cds.RawRequest) error {
			r.Account(ctx, cds.AuditLogRead, "")
			return nil
		})
	}
	return nil
}
