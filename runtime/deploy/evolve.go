package deploy

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/rls"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// stateTable has one row: what was deployed last.
const stateTable = "cds_model"

// Evolve brings a model into a database that may have one deployed already: it compares the two, has the plan shown, and then changes tables and views, loads
// data files (rows are replaced by key) and remembers what it has deployed, all in one transaction. Run again it does nothing but load the
// data. Errors are of type *Error, or what Options.Show returns.
func Evolve(ctx context.Context, pool db.Pool, m *csn.Model, opt Options) error {
	opt = opt.complete()
	tx, err := pool.Write(ctx, db.Session{})
	if err != nil {
		return databaseError("the database cannot be written to", err)
	}
	defer func() { _ = tx.Rollback() }()
	p, err := plan(ctx, tx, pool.Dialect(), m, opt)
	if err != nil {
		return err
	}
	if opt.Show != nil {
		if err := opt.Show(p); err != nil {
			return err
		}
	}
	if len(p.Refused) > 0 {
		return refusals(p.Refused)
	}
	if err := run(ctx, tx, slices.Concat(p.Unlock, p.Script())); err != nil {
		return err
	}
	created := map[string]bool{}
	for _, t := range p.Created {
		created[t] = true
	}
	empty := func(table string) bool { return created[table] }
	if err := load(ctx, tx, m, pool, opt, empty); err != nil {
		return err
	}
	if err := lockRows(ctx, tx, opt); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return databaseError("the deployment could not be committed", err)
	}
	return nil
}

// PlanFor returns what a first deployment of a model would do, without a database.
func PlanFor(m *csn.Model, d sqlgen.Dialect, opt Options) (*Plan, error) {
	opt = opt.complete()
	schema, err := schemaOf(m, d, opt)
	if err != nil {
		return nil, modelError(err)
	}
	return newPlan(m, d, &ddl.Schema{Dialect: d.Name()}, schema, opt)
}

// plan compares a model with what is deployed.
func plan(ctx context.Context, tx db.Tx, d sqlgen.Dialect, m *csn.Model, opt Options) (*Plan, error) {
	schema, err := schemaOf(m, d, opt)
	if err != nil {
		return nil, modelError(err)
	}
	old, err := deployed(ctx, tx, d)
	if err != nil {
		return nil, err
	}
	if old == nil {
		if err := unknown(ctx, tx, d, schema, opt); err != nil {
			return nil, err
		}
		old = &ddl.Schema{Dialect: d.Name()}
		if opt.Fresh {
			old = schema
		}
	}
	var drops []string
	if opt.Fresh {
		drops = old.Drop(d)
		old = &ddl.Schema{Dialect: d.Name()}
	}
	p, err := newPlan(m, d, old, schema, opt)
	if err != nil {
		return nil, err
	}
	if p.Unlock, err = unlocking(ctx, tx, d, opt); err != nil {
		return nil, err
	}
	if len(drops) > 0 {
		p.SQL = append(drops, p.SQL...)
		p.Changes = append([]ddl.Change{{Kind: "drop", Object: "everything that was deployed", Detail: "with all data"}}, p.Changes...)
	}
	return p, nil
}

func newPlan(m *csn.Model, d sqlgen.Dialect, old, schema *ddl.Schema, opt Options) (*Plan, error) {
	p := &Plan{Plan: ddl.Delta(old, schema, d, ddl.DeltaOptions{AllowDrop: opt.AllowDrop}), Schema: schema, First: len(old.Tables)+len(old.Views) == 0}
	p.Same = len(p.Changes) == 0 && len(p.Refused) == 0
	if opt.Rows != nil {
		p.Rows = opt.Rows.Schema.Script(rls.Application{Role: opt.Rows.App.Role})
	}
	var err error
	p.state, err = remember(m, schema, opt)
	return p, err
}

// remember returns the statements that store what is deployed.
func remember(m *csn.Model, schema *ddl.Schema, opt Options) ([]string, error) {
	objects, err := json.Marshal(schema)
	if err != nil {
		return nil, databaseError("what is deployed cannot be written down", err)
	}
	var model strings.Builder
	if err := csn.Write(&model, m, csn.MarshalOptions{}); err != nil {
		return nil, databaseError("the model cannot be written down", err)
	}
	print := m.Fingerprint()
	text := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	return []string{
		"CREATE TABLE IF NOT EXISTS " + stateTable + " (csn TEXT, objects TEXT, fingerprint VARCHAR(64), deployed VARCHAR(40))",
		"DELETE FROM " + stateTable,
		"INSERT INTO " + stateTable + " (csn, objects, fingerprint, deployed) VALUES (" + text(model.String()) + ", " + text(string(objects)) + ", " +
			text(hex.EncodeToString(print[:])) + ", " + text(opt.Now().UTC().Format("2006-01-02T15:04:05Z")) + ")",
	}, nil
}

// deployed reads what was deployed last; nil if nothing was.
func deployed(ctx context.Context, tx db.Tx, d sqlgen.Dialect) (*ddl.Schema, error) {
	there, err := hasColumn(ctx, tx, d, stateTable, "objects")
	if err != nil || !there {
		return nil, err
	}
	rows, err := tx.Query(ctx, db.Stmt{SQL: "SELECT objects FROM " + stateTable})
	if err != nil {
		return nil, databaseError("the last deployment cannot be read", err)
	}
	defer func() { _ = rows.Close() }()
	ok, err := rows.Next()
	if err != nil || !ok {
		return nil, wrapRead(err)
	}
	var s ddl.Schema
	if err := json.Unmarshal(rows.Text(0), &s); err != nil || s.Dialect != d.Name() {
		return nil, &Error{Faults: []Fault{{Code: "deploy-unknown-state", Message: "the table " + stateTable + " cannot be understood", Hint: freshHint}}}
	}
	return &s, wrapRead(rows.Close())
}

func wrapRead(err error) error {
	if err == nil {
		return nil
	}
	return databaseError("the last deployment cannot be read", err)
}

const freshHint = "deploy to an empty database; or --fresh drops the model's tables and views, with all data, and begins anew"

// unknown refuses a database that has tables of the model but does not say from which deployment.
func unknown(ctx context.Context, tx db.Tx, d sqlgen.Dialect, schema *ddl.Schema, opt Options) error {
	if opt.Fresh {
		return nil
	}
	for _, t := range schema.Tables {
		there, err := hasColumn(ctx, tx, d, t.Name, t.Columns[0].Name)
		if err != nil {
			return err
		}
		if there {
			return &Error{Faults: []Fault{{Code: "deploy-unknown-state", Hint: freshHint,
				Message: fmt.Sprintf("the database has a table %s already, but does not say how it was deployed", t.Name)}}}
		}
	}
	return nil
}

func hasColumn(ctx context.Context, tx db.Tx, d sqlgen.Dialect, table, column string) (bool, error) {
	rows, err := tx.Query(ctx, db.Stmt{SQL: d.Tables().HasColumn, Binds: []cqn.Value{cqn.String(sqlgen.Quote(table, d)), cqn.String(column)}})
	if err != nil {
		return false, wrapRead(err)
	}
	defer func() { _ = rows.Close() }()
	ok, err := rows.Next()
	if err != nil {
		return false, wrapRead(err)
	}
	return ok && rows.Int(0) > 0, wrapRead(rows.Close())
}

// refusals are the faults of a plan that cannot be carried out.
func refusals(list []ddl.Refusal) *Error {
	out := &Error{}
	for _, r := range list {
		out.add(Fault{Code: r.Code, Message: r.Message, Hint: r.Hint})
	}
	return out
}

// Compare tells whether a database remembers a deployment, and whether the tables and views of that are those of the model.
func Compare(ctx context.Context, pool db.Pool, m *csn.Model, integrity bool) (known, same bool, err error) {
	tx, err := pool.Read(ctx, db.Session{})
	if err != nil {
		return false, false, databaseError("the database cannot be read", err)
	}
	defer func() { _ = tx.Rollback() }()
	old, err := deployed(ctx, tx, pool.Dialect())
	if err != nil || old == nil {
		return false, false, err
	}
	schema, err := schemaOf(m, pool.Dialect(), Options{Integrity: integrity, NoIndexes: true})
	if err != nil {
		return true, false, modelError(err)
	}
	old.Indexes = nil
	return true, len(ddl.Delta(old, schema, pool.Dialect(), ddl.DeltaOptions{AllowDrop: true}).Changes) == 0, nil
}
