// Package ddl writes the SQL that creates a model's tables and views in a database of one dialect. It is pure: it returns
// statements and runs none.
package ddl

import (
	"errors"
	"fmt"
	"strings"

	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	"cds/runtime/sqlgen"
)

// An Error is a model that has no counterpart in the database.
type Error struct {
	Code   diag.Code // see Messages
	Entity string
	Span   token.Span // the entity's place, invalid if it is not known
	Msg    string
	Err    error
}

func (e *Error) Error() string { return e.Entity + ": " + e.Msg + " [" + string(e.Code) + "]" }

// Unwrap returns the cause, nil for none.
func (e *Error) Unwrap() error { return e.Err }

// Create returns the statements that create everything a model needs in an empty database, in an order in which they can run: tables, then
// views after those that they read from, then the views with texts in the language of the session (localized_…).
//
// Left out are entities with @cds.persistence.skip and @cds.persistence.exists. All faults of a model are reported at once, as joined *Error.
//
// Entities with @odata.draft.enabled bring the tables of their drafts along (see WithDrafts).
func Create(m *csn.Model, d sqlgen.Dialect) ([]string, error) {
	g, err := create(m, d)
	if err != nil {
		return nil, err
	}
	return g.out, errors.Join(g.errs...)
}

func create(m *csn.Model, d sqlgen.Dialect) (*generator, error) {
	m, err := WithDrafts(m)
	if err != nil {
		return nil, err
	}
	g := &generator{m: m, d: d, names: map[string]string{}}
	g.tables()
	g.views(false)
	g.localizedTables()
	g.views(true)
	return g, nil
}

// Drop returns the statements that remove what Create makes, views first. Missing tables and views are no error for them.
func Drop(m *csn.Model, d sqlgen.Dialect) []string {
	m, _ = WithDrafts(m) // what cannot be made is not there
	g := &generator{m: m, d: d}
	var views, tables []string
	for _, e := range g.inOrder() {
		name := sqlgen.Quote(sqlgen.TableName(e), d)
		if e.Source != nil {
			views = append(views, "DROP VIEW IF EXISTS "+name)
		} else {
			tables = append(tables, "DROP TABLE IF EXISTS "+name)
		}
		if e.Localized {
			views = append(views, "DROP VIEW IF EXISTS "+sqlgen.Quote(LocalizedName(e), d))
		}
	}
	reverse(views)
	reverse(tables)
	return append(views, tables...)
}

func reverse(s []string) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}

// LocalizedName returns the name of an entity's view with texts in the language of the session.
func LocalizedName(e *csn.Entity) string { return "localized_" + sqlgen.TableName(e) }

type generator struct {
	m      *csn.Model
	d      sqlgen.Dialect
	out    []string // the statements, in order
	schema Schema   // the same by name
	errs   []error
	names  map[string]string // lower-case name in the database → entity
}

func (g *generator) fail(code diag.Code, e *csn.Entity, err error, format string, args ...any) {
	g.errs = append(g.errs, &Error{Code: code, Entity: e.Name, Span: e.Span, Msg: fmt.Sprintf(format, args...), Err: err})
}

// persisted reports whether the entity has a table or view that Create makes.
func persisted(e *csn.Entity) bool { return !e.SkipPersistence && !e.Exists }

// claim notes a name, which must be new. Names differ by more than case, since databases fold it.
func (g *generator) claim(e *csn.Entity, name string) bool {
	key := strings.ToLower(name)
	if n := g.d.Tables().MaxName; n > 0 && len(key) > n {
		key = key[:n] // what comes after is lost, and with it the difference
	}
	if other, taken := g.names[key]; taken {
		g.fail(CodeNameClash, e, nil, "its name in the database, %s, is that of %s as well: dots become underscores and case does not count", name, other)
		return false
	}
	g.names[key] = e.Name
	return true
}

// inOrder returns the persisted entities, each after those that it reads from.
func (g *generator) inOrder() []*csn.Entity {
	const visiting, done = 1, 2
	state := make([]uint8, len(g.m.Entities))
	var out []*csn.Entity
	var visit func(e *csn.Entity)
	visit = func(e *csn.Entity) {
		switch state[e.ID] {
		case done:
			return
		case visiting:
			g.fail(CodeCycle, e, nil, "the view reads from itself")
			return
		}
		state[e.ID] = visiting
		for _, r := range e.Reads {
			if r != e {
				visit(r)
			}
		}
		state[e.ID] = done
		if persisted(e) {
			out = append(out, e)
		}
	}
	for _, e := range g.m.Entities {
		visit(e)
	}
	return out
}

// views creates views, or their localized variants.
func (g *generator) views(localized bool) {
	for _, e := range g.inOrder() {
		if e.Source == nil || localized && !e.Localized {
			continue
		}
		name := sqlgen.TableName(e)
		if localized {
			name = LocalizedName(e)
		}
		if !g.claim(e, name) {
			continue
		}
		if len(e.Params) > 0 {
			g.fail(CodeView, e, nil, "views with parameters are not supported by %s", g.d.Name())
			continue
		}
		body, err := sqlgen.CompileView(e.Source, e, g.m, g.d, sqlgen.ViewOptions{Localized: localized})
		if err != nil {
			g.fail(CodeView, e, err, "the view cannot be created: %s", err)
			continue
		}
		g.view(name, e, body)
	}
}
