package policies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// Table is where policies are kept.
const Table = "cds_policies"

// columns are those of the table, in the order in which they are read. Times are milliseconds since 1970, lists are JSON. A tenant's ids are its own.
var columns = []struct{ name, typ string }{
	{"id", "VARCHAR(64) NOT NULL"},
	{"name", "VARCHAR(255) NOT NULL"},
	{"entity", "VARCHAR(255) NOT NULL"},
	{"events", "TEXT NOT NULL"},
	{"roles", "TEXT NOT NULL"},
	{"users", "TEXT NOT NULL"},
	{"tenant", "VARCHAR(255) NOT NULL"},
	{"effect", "VARCHAR(20) NOT NULL"},
	{"cond", "TEXT NOT NULL"},
	{"active", "BOOLEAN NOT NULL"},
	{"created_at", "BIGINT NOT NULL"},
	{"created_by", "VARCHAR(255) NOT NULL"},
	{"modified_at", "BIGINT NOT NULL"},
	{"modified_by", "VARCHAR(255) NOT NULL"},
}

// tenantColumn is the place of the tenant among the columns.
const tenantColumn = 6

// A TableError is a table that is not ours, or one that cannot be made.
type TableError struct {
	Message string
	Cause   error
}

func (e *TableError) Error() string { return "table " + Table + ": " + e.Message }

// Unwrap returns the error of the database, nil for none.
func (e *TableError) Unwrap() error { return e.Cause }

// Taken returns an entity of a model whose table would be ours, nil if there is none.
func Taken(m *csn.Model) *csn.Entity {
	for _, e := range m.Entities {
		if n := sqlgen.TableName(e); strings.EqualFold(n, Table) || strings.EqualFold(n, ChangesTable) {
			return e
		}
	}
	return nil
}

// Prepare makes the table where it is missing, gives one of an older version the key that it has now, and lets the database count its changes. Errors are
// *TableError.
func Prepare(ctx context.Context, pool db.Pool) error {
	there, err := hasColumns(ctx, pool)
	switch {
	case err != nil:
		return &TableError{"it cannot be looked for", err}
	case there > 0 && there < len(columns):
		return &TableError{Message: "it is there, but is not ours; rename it"}
	case there == 0:
		if err := prepared(ctx, pool, func(tx db.Tx) error { return tx.Script(ctx, "CREATE TABLE IF NOT EXISTS "+Table+" ("+ddl()+")") }, func() (bool, error) {
			n, err := hasColumns(ctx, pool)
			return n == len(columns), err
		}); err != nil {
			return &TableError{"it cannot be made", err}
		}
	}
	current := func() (bool, error) {
		old, err := oldKey(ctx, pool)
		return !old, err
	}
	if ok, err := current(); err != nil {
		return &TableError{"its key cannot be looked for", err}
	} else if !ok {
		if err := prepared(ctx, pool, func(tx db.Tx) error { return rekey(ctx, tx, pool.Dialect()) }, current); err != nil {
			return &TableError{"its key is that of an older version, by which tenants share ids, and cannot be changed: cds deploy, as the owner of the table, does so", err}
		}
	}
	// Without the right to, all is read at each look.
	if ok, err := counts(ctx, pool); err == nil && !ok {
		_ = prepared(ctx, pool, func(tx db.Tx) error { return tx.Script(ctx, counting(pool.Dialect())) }, func() (bool, error) { return counts(ctx, pool) })
	}
	return nil
}

// prepared changes the tables in a transaction, unless another process has done so at the same time.
func prepared(ctx context.Context, pool db.Pool, do func(db.Tx) error, done func() (bool, error)) error {
	err := db.InTx(ctx, pool, func(tx db.Tx) error { return do(tx) })
	if err == nil {
		return nil
	}
	if ok, rerr := done(); rerr == nil && ok {
		return nil
	}
	return err
}

// ddl is what stands in the parentheses of CREATE TABLE.
func ddl() string {
	out := make([]string, len(columns), len(columns)+1)
	for i, c := range columns {
		out[i] = c.name + " " + c.typ
	}
	return strings.Join(append(out, "PRIMARY KEY (tenant, id)"), ", ")
}

func hasColumns(ctx context.Context, pool db.Pool) (n int, err error) {
	tx, err := pool.Read(ctx, db.Session{})
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	d := pool.Dialect()
	for _, c := range columns {
		st := db.Stmt{SQL: d.Tables().HasColumn, Binds: []cqn.Value{cqn.String(sqlgen.Quote(Table, d)), cqn.String(c.name)}, Anonymous: true}
		err := db.Each(ctx, tx, st, func(r db.Rows) error {
			if r.Int(0) > 0 {
				n++
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

func fields() string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
		if c.name == "active" {
			names[i] = "CASE WHEN active THEN 1 ELSE 0 END"
		}
	}
	return strings.Join(names, ", ")
}

// read returns the policies of a tenant's users, "" for those of all tenants; with every set those of all of them. They come in the order of tenants and ids.
// full has the tenants that have more than there may be: what exceeds is not returned.
func read(ctx context.Context, pool db.Pool, tenant string, every bool) (list []Policy, full []string, err error) {
	tx, err := readOne(ctx, pool)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = tx.Rollback() }()
	if every {
		return readIn(ctx, tx, pool.Dialect(), "", nil)
	}
	return readIn(ctx, tx, pool.Dialect(), " WHERE tenant = ?", []cqn.Value{cqn.String(tenant)})
}

func readIn(ctx context.Context, tx db.Tx, d sqlgen.Dialect, where string, binds []cqn.Value) (out []Policy, full []string, err error) {
	order := "tenant, id"
	if d.Name() == "postgres" {
		order = `tenant COLLATE "C", id COLLATE "C"` // by code points, as everywhere else
	}
	st := db.Stmt{SQL: db.Numbered(d, fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s", fields(), Table, where, order)), Binds: binds, Anonymous: true}
	n, last := 0, ""
	err = db.Each(ctx, tx, st, func(r db.Rows) error {
		if t := r.Text(tenantColumn); string(t) != last {
			n, last = 0, string(t)
		}
		switch n++; {
		case n <= MaxPolicies:
			out = append(out, scan(r))
		case n == MaxPolicies+1:
			full = append(full, last)
		}
		return nil
	})
	return out, full, err
}

// scan reads a row. A list that is not understood becomes one that no policy may have, so that the policy denies.
func scan(r db.Rows) Policy {
	at := func(i int) time.Time { return time.UnixMilli(r.Int(i)).UTC() }
	list := func(i int) []string {
		var out []string
		if b := r.Text(i); len(b) > 0 && json.Unmarshal(b, &out) != nil {
			return []string{""}
		}
		return out
	}
	return Policy{ID: string(r.Text(0)), Name: string(r.Text(1)), Entity: string(r.Text(2)), Events: list(3), Roles: list(4), Users: list(5), Tenant: string(r.Text(6)),
		Effect: string(r.Text(7)), Where: string(r.Text(8)), Active: r.Int(9) == 1, Created: at(10), CreatedBy: string(r.Text(11)), Modified: at(12), ModifiedBy: string(r.Text(13))}
}

func encode(list []string) cqn.Value {
	if len(list) == 0 {
		return cqn.String("")
	}
	b, err := json.Marshal(list)
	if err != nil { // texts can always be written
		return cqn.String("[\"\"]")
	}
	return cqn.String(string(b))
}

// insert adds a policy within a transaction. Others who add one wait for its end, so that there are never more than there may be.
func insert(ctx context.Context, tx db.Tx, d sqlgen.Dialect, p *Policy) error {
	if d.Name() == "postgres" { // SQLite has one writer at a time
		if _, err := tx.Exec(ctx, db.Stmt{SQL: "LOCK TABLE " + Table + " IN SHARE ROW EXCLUSIVE MODE", Anonymous: true}); err != nil {
			return err
		}
	}
	n := 0
	count := db.Stmt{SQL: db.Numbered(d, "SELECT count(*) FROM "+Table+" WHERE tenant = ?"), Binds: []cqn.Value{cqn.String(p.Tenant)}, Anonymous: true}
	if err := db.Each(ctx, tx, count, func(r db.Rows) error { n = int(r.Int(0)); return nil }); err != nil {
		return err
	}
	if n >= MaxPolicies {
		return ErrFull
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	st := db.Stmt{SQL: db.Numbered(d, "INSERT INTO "+Table+" ("+strings.Join(names, ", ")+") VALUES (?"+strings.Repeat(", ?", len(columns)-1)+")"), Anonymous: true,
		Binds: []cqn.Value{cqn.String(p.ID), cqn.String(p.Name), cqn.String(p.Entity), encode(p.Events), encode(p.Roles), encode(p.Users), cqn.String(p.Tenant), cqn.String(p.Effect),
			cqn.String(p.Where), cqn.Bool(p.Active), cqn.Int(p.Created.UnixMilli()), cqn.String(p.CreatedBy), cqn.Int(p.Modified.UnixMilli()), cqn.String(p.ModifiedBy)}}
	_, err := tx.Exec(ctx, st)
	if errors.Is(err, db.ErrUnique) {
		return ErrExists
	}
	return err
}

// one returns a policy of a tenant's users within a transaction.
func one(ctx context.Context, tx db.Tx, d sqlgen.Dialect, tenant, id string) (Policy, error) {
	list, _, err := readIn(ctx, tx, d, " WHERE tenant = ? AND id = ?", []cqn.Value{cqn.String(tenant), cqn.String(id)})
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Policy{}, err
	}
	return list[0], nil
}

func remove(ctx context.Context, tx db.Tx, d sqlgen.Dialect, tenant, id string) error {
	_, err := tx.Exec(ctx, db.Stmt{SQL: db.Numbered(d, "DELETE FROM "+Table+" WHERE tenant = ? AND id = ?"), Binds: []cqn.Value{cqn.String(tenant), cqn.String(id)}, Anonymous: true})
	return err
}

func activate(ctx context.Context, tx db.Tx, d sqlgen.Dialect, p *Policy) error {
	_, err := tx.Exec(ctx, db.Stmt{SQL: db.Numbered(d, "UPDATE "+Table+" SET active = ?, modified_at = ?, modified_by = ? WHERE tenant = ? AND id = ?"),
		Binds: []cqn.Value{cqn.Bool(p.Active), cqn.Int(p.Modified.UnixMilli()), cqn.String(p.ModifiedBy), cqn.String(p.Tenant), cqn.String(p.ID)}, Anonymous: true})
	return err
}
