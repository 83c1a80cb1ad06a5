package ddl

import (
	"errors"
	"strings"

	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// A Schema is what a deployed model has in a database of one dialect, in an order in which it can be created: tables, views, indexes. It is stored
// with the deployment, as JSON, so that the next one can tell what has changed.
type Schema struct {
	Dialect string  `json:"dialect"`
	Tables  []Table `json:"tables"`
	Views   []View  `json:"views"`
	Indexes []Index `json:"indexes,omitempty"`
}

// A Table is a table. Names are as in the model, unquoted.
type Table struct {
	Name        string       `json:"name"`
	Entity      string       `json:"entity"`
	Columns     []Column     `json:"columns"`
	Key         []string     `json:"key,omitempty"`
	Constraints []Constraint `json:"constraints,omitempty"`
}

// A Column is a column of a table. Default and Generated are SQL, "" for none.
type Column struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	NotNull   bool   `json:"notNull,omitempty"`
	Default   string `json:"default,omitempty"`
	Generated string `json:"generated,omitempty"`
}

// A Constraint is a named constraint of a table; SQL is what follows its name.
type Constraint struct {
	Name string `json:"name"`
	SQL  string `json:"sql"`
	Refs string `json:"refs,omitempty"` // the table that a foreign key leads to
}

// A View is a view. SQL is its query.
type View struct {
	Name   string `json:"name"`
	Entity string `json:"entity"`
	SQL    string `json:"sql"`
}

// An Index is an index, with the reason why it is there.
type Index struct {
	Name  string `json:"name"`
	Table string `json:"table"`
	SQL   string `json:"sql"` // what follows the table's name
	Why   string `json:"why,omitempty"`
}

// Key returns the columns of a table's primary key: the keys of the entity, or its elements with @cds.valid.key.
func Key(e *csn.Entity) []string {
	els := versionKeys(e)
	if els == nil {
		els = e.Keys
	}
	out := make([]string, len(els))
	for i, el := range els {
		out[i] = el.Name
	}
	return out
}

// SchemaOptions say what a schema has beside what the model needs.
type SchemaOptions struct {
	// Integrity adds foreign key constraints for managed associations to one, as CAP's assert_integrity: db. Without it integrity is a matter of the runtime.
	Integrity bool
}

// SchemaOf returns what Create makes of a model, by name. Errors are those of Create. Indexes are added by those who know what is asked for.
func SchemaOf(m *csn.Model, d sqlgen.Dialect, opt SchemaOptions) (*Schema, error) {
	g, err := create(m, d)
	if err != nil {
		return nil, err
	}
	g.schema.Dialect = d.Name()
	if opt.Integrity {
		g.references()
	}
	return &g.schema, errors.Join(g.errs...)
}

// Create returns the statements that make everything in an empty database.
func (s *Schema) Create(d sqlgen.Dialect) []string {
	var out []string
	for _, t := range s.Tables {
		out = append(out, t.create(t.Name, d))
	}
	for i := range s.Tables {
		out = append(out, s.Tables[i].references(d)...)
	}
	for _, v := range s.Views {
		out = append(out, v.create(d))
	}
	for _, x := range s.Indexes {
		out = append(out, x.create(d))
	}
	return out
}

// Drop returns the statements that remove everything, in an order in which they can run. What is missing is no error for them.
func (s *Schema) Drop(d sqlgen.Dialect) []string {
	out := s.dropViews(d)
	for i := len(s.Tables) - 1; i >= 0; i-- {
		out = append(out, "DROP TABLE IF EXISTS "+sqlgen.Quote(s.Tables[i].Name, d))
	}
	return out
}

func (s *Schema) dropViews(d sqlgen.Dialect) []string {
	var out []string
	for i := len(s.Views) - 1; i >= 0; i-- {
		out = append(out, "DROP VIEW IF EXISTS "+sqlgen.Quote(s.Views[i].Name, d))
	}
	return out
}

func (s *Schema) table(name string) *Table {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i]
		}
	}
	return nil
}

// create returns the statement that creates the table under a name.
func (t *Table) create(name string, d sqlgen.Dialect) string {
	var parts []string
	for i := range t.Columns {
		parts = append(parts, t.Columns[i].definition(d))
	}
	if len(t.Key) > 0 {
		parts = append(parts, "PRIMARY KEY("+names(t.Key, d)+")")
	}
	for _, c := range t.Constraints {
		if c.Refs == "" || d.Tables().AlterColumn == "" { // else added when all tables are there
			parts = append(parts, c.definition(d))
		}
	}
	return "CREATE TABLE " + sqlgen.Quote(name, d) + " (\n  " + strings.Join(parts, ",\n  ") + "\n)"
}

// references returns the statements that add foreign keys, where they are not part of the table's own statement.
func (t *Table) references(d sqlgen.Dialect) []string {
	var out []string
	for _, c := range t.Constraints {
		if c.Refs != "" && d.Tables().AlterColumn != "" {
			out = append(out, "ALTER TABLE "+sqlgen.Quote(t.Name, d)+" ADD "+c.definition(d))
		}
	}
	return out
}

func (t *Table) column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

func names(list []string, d sqlgen.Dialect) string {
	quoted := make([]string, len(list))
	for i, n := range list {
		quoted[i] = sqlgen.Quote(n, d)
	}
	return strings.Join(quoted, ", ")
}

func (c *Column) definition(d sqlgen.Dialect) string {
	s := sqlgen.Quote(c.Name, d) + " " + c.Type
	if c.Generated != "" {
		return s + " GENERATED ALWAYS AS (" + c.Generated + ") STORED"
	}
	if c.NotNull {
		s += " NOT NULL"
	}
	if c.Default != "" {
		s += " DEFAULT " + c.Default
	}
	return s
}

func (c Constraint) definition(d sqlgen.Dialect) string {
	return "CONSTRAINT " + sqlgen.Quote(c.Name, d) + " " + c.SQL
}

func (v View) create(d sqlgen.Dialect) string {
	return "CREATE VIEW " + sqlgen.Quote(v.Name, d) + " AS " + v.SQL
}

func (x Index) create(d sqlgen.Dialect) string {
	return "CREATE INDEX " + sqlgen.Quote(x.Name, d) + " ON " + sqlgen.Quote(x.Table, d) + " " + x.SQL
}

// view notes a view.
func (g *generator) view(name string, e *csn.Entity, body string) {
	v := View{Name: name, Entity: e.Name, SQL: body}
	g.schema.Views = append(g.schema.Views, v)
	g.out = append(g.out, v.create(g.d))
}
