// Package deploy brings a model into an empty database: its tables and views, and initial data from CSV files.
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
	"time"

	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen/ddl"
)

// Deploy creates the tables and views of a model in an empty database and loads the CSV files that it finds in files, a project's root; nil for
// no data. It logs what it loads, and warns about files whose entity is unknown. log may be nil.
//
// Cells without text are null. Keys of type UUID that are missing are generated; elements with @cds.on.insert that have no column in a file get the
// time of the deployment or the user "anonymous", as in CAP. Errors are of type *Error.
func Deploy(ctx context.Context, pool db.Pool, m *csn.Model, files fs.FS, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	stmts, err := ddl.Create(m, pool.Dialect())
	if err != nil {
		return modelError(err)
	}
	tx, err := pool.Write(ctx, db.Session{})
	if err != nil {
		return databaseError("the database cannot be written to", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	for _, s := range stmts {
		if err := tx.Script(ctx, s); err != nil {
			return databaseError("a statement failed: "+firstLine(s), err)
		}
	}
	if err := load(ctx, tx, m, pool, files, log); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return databaseError("the deployment could not be committed", err)
	}
	return nil
}

// load loads all files. It reads on after a fault, so that one run tells as many as possible.
func load(ctx context.Context, tx db.Tx, m *csn.Model, pool db.Pool, files fs.FS, log *slog.Logger) error {
	found, strange := find(files, m)
	for _, p := range strange {
		log.Warn("data file passed over: its name tells no entity of the model", "file", p)
	}
	all := &Error{}
	rows := 0
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	for _, f := range found {
		if f.entity.SkipPersistence { // as code lists are that nobody uses
			log.Warn("data file passed over: its entity has no table", "file", f.path, "entity", f.entity.Name)
			continue
		}
		l := &loader{tx: tx, d: pool.Dialect(), file: f, now: now, faults: all, log: log}
		if err := l.run(ctx, files); err != nil {
			return err
		}
		log.Debug("data loaded", "file", f.path, "entity", f.entity.Name, "rows", l.rows)
		rows += l.rows
	}
	if len(all.Faults) > 0 {
		return all
	}
	if len(found) > 0 {
		log.Info("data loaded", "files", len(found), "rows", rows)
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
