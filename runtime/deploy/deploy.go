// Package deploy brings a model into a database: its tables, views and indexes, and initial data from CSV and JSON files. A database that was deployed
// before is changed to what the model has become; what would lose data is refused.
//
// Data files are named after their entity, my.bookshop-Books.csv, and stand in db/data, db/csv, data or csv, or in a folder data or
// csv beside a source of the model. Everything happens in one transaction: if anything is wrong with a file, nothing is deployed, and all faults are told.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"cds/parser/csn"
	"cds/runtime/crypt"
	"cds/runtime/db"
	"cds/runtime/rls"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// Options say what to deploy and how. The zero value deploys tables, views and indexes, without data, and changes nothing that loses data.
type Options struct {
	Files fs.FS        // a project's root, where data files are looked for; nil for no data
	Log   *slog.Logger // what is loaded, and warnings; nil for none
	// TestData loads the data files below test/ as well. Leave it off in production.
	TestData  bool
	NoIndexes bool // no indexes for associations and restrictions
	// Integrity makes foreign key constraints of managed associations to one.
	Integrity bool
	AllowDrop bool // drop tables and columns that the model does not have any more
	// Fresh drops what the database has of the last deployment, with all data, and begins anew.
	Fresh bool
	// Rows is the row-level security of the tables; nil takes away what is there. PostgreSQL only.
	Rows *RowSecurity
	// Show is called with the plan before anything is done. An error ends the deployment without a change.
	Show func(*Plan) error
	Now  func() time.Time // nil: time.Now
	// Keys encrypt what data files have for elements with @encrypted.
	Keys *crypt.Ring
}

// RowSecurity is the second lock that a deployment puts on the tables, and for whom.
type RowSecurity struct {
	Schema *rls.Schema
	App    rls.Application
}

// A Plan is what a deployment is about to do.
type Plan struct {
	*ddl.Plan
	Schema *ddl.Schema // afterwards
	First  bool        // nothing was deployed before
	Same   bool        // the database has everything already
	Unlock []string    // statements that take the policies of row-level security away, before anything is changed
	Rows   []string    // statements for row-level security, without the key, which is nobody's to read
	state  []string    // statements that remember the deployment
}

// Script returns all statements of the plan but for the data, with which the database comes to the same as by Evolve.
func (p *Plan) Script() []string { return slices.Concat(p.SQL, p.state) }

// Deploy creates the tables, views and indexes of a model in an empty database and loads the data files that it finds in files, a project's root; nil for
// no data. It logs what it loads, and warns about files whose entity is unknown. log may be nil. Nothing of the deployment is remembered
// in the database: it is for databases that live as long as the process, or are made anew.
//
// Cells without text are null. Keys of type UUID that are missing are generated; elements with @cds.on.insert that have no column in a file get the
// time of the deployment or the user "anonymous", as in CAP. Errors are of type *Error.
func Deploy(ctx context.Context, pool db.Pool, m *csn.Model, files fs.FS, log *slog.Logger) error {
	return New(ctx, pool, m, Options{Files: files, Log: log})
}

// New is Deploy with options.
func New(ctx context.Context, pool db.Pool, m *csn.Model, opt Options) error {
	opt = opt.complete()
	schema, err := schemaOf(m, pool.Dialect(), opt)
	if err != nil {
		return modelError(err)
	}
	tx, err := pool.Write(ctx, db.Session{})
	if err != nil {
		return databaseError("the database cannot be written to", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := run(ctx, tx, schema.Create(pool.Dialect())); err != nil {
		return err
	}
	all := func(string) bool { return true }
	if err := load(ctx, tx, m, pool, opt, all); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return databaseError("the deployment could not be committed", err)
	}
	return nil
}

func (o Options) complete() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// schemaOf is what a model has in a database, with the indexes that it needs.
func schemaOf(m *csn.Model, d sqlgen.Dialect, opt Options) (*ddl.Schema, error) {
	schema, err := ddl.SchemaOf(m, d, ddl.SchemaOptions{Integrity: opt.Integrity})
	if err == nil && !opt.NoIndexes {
		schema.Indexes = indexes(m, schema, d)
	}
	return schema, err
}

func run(ctx context.Context, tx db.Tx, stmts []string) error {
	for _, s := range stmts {
		if err := tx.Script(ctx, s); err != nil {
			return databaseError("a statement failed: "+firstLine(s), err)
		}
	}
	return nil
}

// load loads all files. It reads on after a fault, so that one run tells as many as possible. isNew tells whether a table had been empty.
func load(ctx context.Context, tx db.Tx, m *csn.Model, pool db.Pool, opt Options, isNew func(table string) bool) error {
	found, strange := find(opt.Files, m, opt.TestData)
	for _, p := range strange {
		opt.Log.Warn("data file passed over: its name tells no entity of the model", "file", p)
	}
	all := &Error{}
	rows := 0
	box, _ := crypt.NewBox(m, opt.Keys) // nil without keys: then values that must be encrypted are faults
	for _, f := range found {
		if f.entity.SkipPersistence { // as code lists are that nobody uses
			opt.Log.Warn("data file passed over: its entity has no table", "file", f.path, "entity", f.entity.Name)
			continue
		}
		l := &loader{tx: tx, d: pool.Dialect(), file: f, now: opt.Now().UTC().Format("2006-01-02T15:04:05.000Z"), faults: all, log: opt.Log, box: box,
			upsert: !isNew(sqlgen.TableName(f.entity)), isNew: isNew}
		if err := l.run(ctx, opt.Files); err != nil {
			return err
		}
		opt.Log.Debug("data loaded", "file", f.path, "entity", f.entity.Name, "rows", l.rows)
		rows += l.rows
	}
	if len(all.Faults) > 0 {
		return all
	}
	if len(found) > 0 {
		opt.Log.Info("data loaded", "files", len(found), "rows", rows)
	}
	return nil
}

// modelError turns what ddl says about a model into faults.
func modelError(err error) *Error {
	out := &Error{Err: err}
	list := []error{err}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		list = joined.Unwrap()
	}
	for _, x := range list {
		f := Fault{Code: "deploy-model", Message: x.Error()}
		var de *ddl.Error
		if errors.As(x, &de) {
			f.Code = string(de.Code)
		}
		out.add(f)
	}
	return out
}

func databaseError(what string, err error) *Error {
	return &Error{Faults: []Fault{{Code: "deploy-database", Message: fmt.Sprintf("%s: %s", what, err)}}, Err: err}
}

func firstLine(s string) string {
	for i, c := range s {
		if c == '\n' || c == '(' {
			return s[:i]
		}
	}
	return s
}
