package cds

import (
	"context"
	"strings"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// errNative is the answer to native SQL outside of Privileged.
var errNative = &Error{Status: 500, Code: "500", Message: "native SQL needs cds.Privileged with a reason: it passes by every restriction"}

// NativeQuery runs a query in the database's own SQL, in the transaction of the request, and returns its rows by the names of their columns. Nothing restricts what
// it reads: it works only within Privileged, whose reason is in the log. Values come in place of question marks, never as part of the text:
//
//	cds.Privileged(ctx, "monthly report", func(ctx context.Context) error {
//		rows, err := cds.DB(ctx).NativeQuery(ctx, "SELECT status, count(*) AS n FROM my_Orders WHERE owner = ? GROUP BY status", "alice")
//
// Question marks within quotes and comments stay as they are; one outside of them that is no value (an operator of PostgreSQL) is written twice.
// What the SQL means is the database's business: an application that runs on several has to know on which.
func (d *Database) NativeQuery(ctx context.Context, sql string, args ...any) (*Result, error) {
	res := &Result{Count: -1}
	err := d.native(ctx, false, sql, args, func(tx db.Tx, s db.Stmt) error {
		rows, err := tx.Query(ctx, s)
		if err != nil {
			return err
		}
		res.Rows, err = nativeRows(rows)
		res.N = len(res.Rows)
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// NativeExec is NativeQuery for a statement that changes rows; it returns how many.
func (d *Database) NativeExec(ctx context.Context, sql string, args ...any) (int64, error) {
	var n int64
	err := d.native(ctx, true, sql, args, func(tx db.Tx, s db.Stmt) (err error) {
		n, err = tx.Exec(ctx, s)
		return err
	})
	return n, err
}

// native runs fn with the statement in the transaction of the request, or one of its own.
func (d *Database) native(ctx context.Context, write bool, sql string, args []any, fn func(db.Tx, db.Stmt) error) error {
	if d.scope == nil || d.scope.app == nil {
		return AsError(errOutside)
	}
	if !d.scope.privileged {
		return errNative
	}
	u := d.scope.unit
	own := u == nil || u.isEnded()
	user := d.scope.user
	if user == nil {
		user = anonymous
	}
	if own {
		u = d.scope.app.newUnit(ctx, user, d.scope.locale, write)
	}
	err := u.native(ctx, user, write, sql, args, fn)
	if own {
		if ferr := u.finish(err == nil); err == nil {
			err = ferr
		}
	}
	if err != nil {
		return clientError(err)
	}
	return nil
}

func (t *unit) native(ctx context.Context, user *User, write bool, sql string, args []any, fn func(db.Tx, db.Stmt) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.identify(ctx, user); err != nil {
		return err
	}
	tx, err := t.begin(write)
	if err != nil {
		return err
	}
	s := db.Stmt{Binds: make([]cqn.Value, len(args)), Opens: sqlgen.EverythingOpen}
	for i, a := range args {
		if s.Binds[i], err = ValueOf(a); err != nil {
			return err
		}
	}
	s.SQL = placeholders(sql, t.app.DB)
	return fn(tx, s)
}

// placeholders replaces each question mark that stands for a value by the database's own.
func placeholders(sql string, pool db.Pool) string {
	out := make([]byte, 0, len(sql)+16)
	n := 0
	for i := 0; i < len(sql); i++ {
		end := i
		switch c := sql[i]; {
		case c == '\'' || c == '"':
			if j := strings.IndexByte(sql[i+1:], c); j >= 0 {
				end = i + 1 + j
			} else {
				end = len(sql) - 1
			}
		case strings.HasPrefix(sql[i:], "--"):
			if j := strings.IndexByte(sql[i:], '\n'); j >= 0 {
				end = i + j
			} else {
				end = len(sql) - 1
			}
		case strings.HasPrefix(sql[i:], "/*"):
			if j := strings.Index(sql[i+2:], "*/"); j >= 0 {
				end = i + 2 + j + 1
			} else {
				end = len(sql) - 1
			}
		case strings.HasPrefix(sql[i:], "??"):
			out = append(out, '?')
			i++
			continue
		case c == '?':
			n++
			out = pool.Dialect().Param(out, n, nil)
			continue
		}
		out = append(out, sql[i:end+1]...)
		i = end
	}
	return string(out)
}

// nativeRows reads all rows; columns have the names that the database gives them.
func nativeRows(rows db.Rows) ([]*Row, error) {
	var out []*Row
	for {
		ok, err := rows.Next()
		if err != nil || !ok {
			return out, err
		}
		fields := make([]cqn.Field, rows.Columns())
		for i := range fields {
			fields[i].Name = rows.Name(i)
			if !rows.IsNull(i) {
				fields[i].Value = keyValue(rows, i)
			}
		}
		out = append(out, cqn.NewRow(fields...))
	}
}
