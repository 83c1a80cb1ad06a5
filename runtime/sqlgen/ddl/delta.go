package ddl

import (
	"fmt"
	"slices"
	"strings"

	"cds/runtime/sqlgen"
)

// A Plan brings a database from one schema to another.
type Plan struct {
	Changes []Change // for people, in order of the statements
	SQL     []string
	Refused []Refusal // changes that lose data or cannot be made; with any of them SQL must not be run
	Created []string  // tables that are new
}

// A Change is one thing that a plan does.
type Change struct {
	Kind   string // "create table", "add column", "alter column", "drop column", "drop table", "rebuild table", "create view", …
	Object string
	Detail string
}

func (c Change) String() string {
	s := c.Kind + " " + c.Object
	if c.Detail != "" {
		s += " (" + c.Detail + ")"
	}
	return s
}

// A Refusal is a change that is not made, with the reason and what to do.
type Refusal struct {
	Code    string // "delta-drop", "delta-narrow", "delta-key", "delta-not-null"
	Object  string
	Message string
	Hint    string
}

// DeltaOptions say what a plan may do.
type DeltaOptions struct {
	AllowDrop bool // tables and columns that the new schema does not have are dropped, with their data
}

// Delta compares two schemas of one dialect. Added are tables, columns with a default or that may be null, views, indexes and constraints; types become
// wider, columns may be null that must not before. Nothing is ever lost: without AllowDrop nothing is dropped, and nothing that would
// make values shorter, coarser or forbidden is done at all. Names decide: a renamed element is one that is gone and one that is new.
func Delta(from, to *Schema, d sqlgen.Dialect, opt DeltaOptions) *Plan {
	p := &planner{from: from, to: to, d: d, opt: opt, plan: &Plan{}}
	for i := range to.Tables {
		t := &to.Tables[i]
		if old := from.table(t.Name); old != nil {
			p.alter(old, t)
			continue
		}
		p.do("create table", t.Name, "", t.create(t.Name, d))
		p.late = append(p.late, t.references(d)...)
		p.plan.Created = append(p.plan.Created, t.Name)
	}
	for i := len(from.Tables) - 1; i >= 0; i-- {
		if t := &from.Tables[i]; to.table(t.Name) == nil {
			p.dropTable(t)
		}
	}
	p.views()
	p.indexes()
	p.plan.SQL = slices.Concat(p.before, p.tables, p.late, p.after)
	return p.plan
}

type planner struct {
	from, to *Schema
	d        sqlgen.Dialect
	opt      DeltaOptions
	plan     *Plan
	// statements: what has to go away first, the tables, and what is made on them
	before, tables, late, after []string
	rebuilt                     map[string]bool
}

func (p *planner) do(kind, object, detail string, sql ...string) {
	p.plan.Changes = append(p.plan.Changes, Change{kind, object, detail})
	p.tables = append(p.tables, sql...)
}

func (p *planner) refuse(code, object, hint, format string, args ...any) {
	p.plan.Refused = append(p.plan.Refused, Refusal{code, object, fmt.Sprintf(format, args...), hint})
}

const dropHint = "--allow-drop drops it, with its data; or keep it in the model"

func (p *planner) dropTable(t *Table) {
	if !p.opt.AllowDrop {
		p.refuse("delta-drop", t.Name, dropHint, "the table %s of %s is no longer part of the model", t.Name, t.Entity)
		return
	}
	p.do("drop table", t.Name, "", "DROP TABLE "+sqlgen.Quote(t.Name, p.d))
}

// A tableDelta is what has changed in a table.
type tableDelta struct {
	old, now             *Table
	added, dropped       []*Column
	altered              [][2]*Column
	constraintsOff, onto []Constraint
}

func (p *planner) alter(old, now *Table) {
	if !slices.Equal(old.Key, now.Key) {
		p.refuse("delta-key", now.Name, "move the data to a new entity", "the key of %s changes from (%s) to (%s)", now.Entity,
			strings.Join(old.Key, ", "), strings.Join(now.Key, ", "))
		return
	}
	td := tableDelta{old: old, now: now}
	ok := true
	for i := range now.Columns {
		c := &now.Columns[i]
		switch was := old.column(c.Name); {
		case was == nil:
			ok = p.mayAdd(now, c) && ok
			td.added = append(td.added, c)
		case *was != *c:
			ok = p.mayAlter(now, was, c) && ok
			td.altered = append(td.altered, [2]*Column{was, c})
		}
	}
	for i := range old.Columns {
		if c := &old.Columns[i]; now.column(c.Name) == nil {
			ok = p.mayDrop(now, c) && ok
			td.dropped = append(td.dropped, c)
		}
	}
	for _, c := range old.Constraints {
		if !slices.Contains(now.Constraints, c) {
			td.constraintsOff = append(td.constraintsOff, c)
		}
	}
	for _, c := range now.Constraints {
		if !slices.Contains(old.Constraints, c) {
			td.onto = append(td.onto, c)
		}
	}
	if !ok || len(td.added)+len(td.dropped)+len(td.altered)+len(td.constraintsOff)+len(td.onto) == 0 {
		return
	}
	p.describe(&td)
	if p.d.Tables().AlterColumn == "" && !td.onlyAdds() {
		p.rebuild(&td)
		return
	}
	p.alterInPlace(&td)
}

// onlyAdds reports whether a database that can do no more than add columns can do it: none that is computed.
func (td *tableDelta) onlyAdds() bool {
	for _, c := range td.added {
		if c.Generated != "" || strings.HasPrefix(c.Default, "(") || strings.HasPrefix(strings.ToUpper(c.Default), "CURRENT_") {
			return false
		}
	}
	return len(td.dropped)+len(td.altered)+len(td.constraintsOff)+len(td.onto) == 0
}

func (p *planner) mayAdd(t *Table, c *Column) bool {
	if c.NotNull && c.Default == "" {
		p.refuse("delta-not-null", t.Name+"."+c.Name, "give the element a default, or let it be null",
			"the new column %s of %s must not be null, but rows that are there have no value for it", c.Name, t.Entity)
		return false
	}
	return true
}

func (p *planner) mayDrop(t *Table, c *Column) bool {
	if c.Generated == "" && !p.opt.AllowDrop {
		p.refuse("delta-drop", t.Name+"."+c.Name, dropHint, "the column %s of %s is no longer part of the model", c.Name, t.Entity)
		return false
	}
	return true
}

func (p *planner) mayAlter(t *Table, was, c *Column) bool {
	object := t.Name + "." + c.Name
	switch {
	case was.Generated != "" && c.Generated != "":
		return true // computed anew
	case c.Generated != "" && !p.opt.AllowDrop:
		p.refuse("delta-drop", object, dropHint, "the values of %s in %s would be replaced by calculated ones", c.Name, t.Entity)
	case c.Generated != "" || was.Generated != "":
		return true
	case !wider(was.Type, c.Type):
		p.refuse("delta-narrow", object, "use another name for the new element and move the data", "the type of %s in %s cannot become %s from %s: values could be lost",
			c.Name, t.Entity, c.Type, was.Type)
	case c.NotNull && !was.NotNull:
		p.refuse("delta-not-null", object, "fill the gaps, and say not null for a new element", "%s in %s must not be null any more, but may be in rows that are there", c.Name, t.Entity)
	default:
		return true
	}
	return false
}

// describe tells people what happens to a table.
func (p *planner) describe(td *tableDelta) {
	say := func(kind, name, detail string) {
		p.plan.Changes = append(p.plan.Changes, Change{kind, td.now.Name + "." + name, detail})
	}
	for _, c := range td.added {
		say("add column", c.Name, c.Type)
	}
	for _, c := range td.altered {
		say("alter column", c[1].Name, whatChanged(c[0], c[1]))
	}
	for _, c := range td.dropped {
		say("drop column", c.Name, "")
	}
	for _, c := range td.constraintsOff {
		say("drop constraint", c.Name, "")
	}
	for _, c := range td.onto {
		say("add constraint", c.Name, c.SQL)
	}
}

func whatChanged(was, c *Column) string {
	var out []string
	if was.Type != c.Type {
		out = append(out, was.Type+" → "+c.Type)
	}
	if was.NotNull && !c.NotNull {
		out = append(out, "may be null")
	}
	if was.Default != c.Default {
		out = append(out, "default "+c.Default)
	}
	if was.Generated != c.Generated {
		out = append(out, "calculated as "+c.Generated)
	}
	return strings.Join(out, ", ")
}

// alterInPlace changes a table by ALTER TABLE.
func (p *planner) alterInPlace(td *tableDelta) {
	head := "ALTER TABLE " + sqlgen.Quote(td.now.Name, p.d) + " "
	run := func(sql string) { p.tables = append(p.tables, head+sql) }
	for _, c := range td.constraintsOff {
		run("DROP CONSTRAINT " + sqlgen.Quote(c.Name, p.d))
	}
	computed := td.computedAnew()
	for _, c := range computed {
		run("DROP COLUMN " + sqlgen.Quote(c, p.d))
	}
	for _, c := range td.added {
		if c.Generated == "" {
			run("ADD COLUMN " + c.definition(p.d))
		}
	}
	for _, pair := range td.altered {
		was, c := pair[0], pair[1]
		name := sqlgen.Quote(c.Name, p.d)
		if c.Generated != "" || was.Generated != "" {
			if c.Generated == "" {
				run("ADD COLUMN " + c.definition(p.d))
			}
			continue
		}
		if was.Type != c.Type {
			run("ALTER COLUMN " + name + " " + p.d.Tables().AlterColumn + " " + c.Type)
		}
		if was.NotNull && !c.NotNull {
			run("ALTER COLUMN " + name + " DROP NOT NULL")
		}
		if was.Default != c.Default {
			if c.Default == "" {
				run("ALTER COLUMN " + name + " DROP DEFAULT")
			} else {
				run("ALTER COLUMN " + name + " SET DEFAULT " + c.Default)
			}
		}
	}
	for _, c := range td.dropped {
		if !slices.Contains(computed, c.Name) {
			run("DROP COLUMN " + sqlgen.Quote(c.Name, p.d))
		}
	}
	for i := range td.now.Columns { // when what they are computed of is there
		if c := &td.now.Columns[i]; c.Generated != "" && (slices.Contains(computed, c.Name) || td.old.column(c.Name) == nil) {
			run("ADD COLUMN " + c.definition(p.d))
		}
	}
	for _, c := range td.onto {
		p.late = append(p.late, head+"ADD "+c.definition(p.d))
	}
}

// computedAnew returns the columns that are dropped first: those that are computed in another way now, or not any more, or come to be; and all of them
// where another column changes its type, which databases don't let happen below them.
func (td *tableDelta) computedAnew() []string {
	retyped := false
	for _, pair := range td.altered {
		retyped = retyped || pair[0].Type != pair[1].Type
	}
	var out []string
	for i := range td.old.Columns {
		was := &td.old.Columns[i]
		now := td.now.column(was.Name)
		switch {
		case was.Generated != "" && (retyped || now == nil || *now != *was):
			out = append(out, was.Name)
		case was.Generated == "" && now != nil && now.Generated != "":
			out = append(out, was.Name)
		}
	}
	return out
}

// rebuild makes the table anew beside the old one, with its rows, and gives it the old one's name.
func (p *planner) rebuild(td *tableDelta) {
	aside := "cds_new_" + td.now.Name
	var cols []string
	for _, c := range td.now.Columns {
		if was := td.old.column(c.Name); was != nil && c.Generated == "" && was.Generated == "" {
			cols = append(cols, c.Name)
		}
	}
	name := sqlgen.Quote(td.now.Name, p.d)
	list := names(cols, p.d)
	p.do("rebuild table", td.now.Name, "", td.now.create(aside, p.d))
	if len(cols) > 0 {
		p.tables = append(p.tables, "INSERT INTO "+sqlgen.Quote(aside, p.d)+" ("+list+") SELECT "+list+" FROM "+name)
	}
	p.tables = append(p.tables, "DROP TABLE "+name, "ALTER TABLE "+sqlgen.Quote(aside, p.d)+" RENAME TO "+name)
	if p.rebuilt == nil {
		p.rebuilt = map[string]bool{}
	}
	p.rebuilt[td.now.Name] = true
}

// views drops all views and makes them anew as soon as one of them or a table under them has changed: databases do not let tables change under views.
func (p *planner) views() {
	changed := len(p.tables) > 0 || len(p.from.Views) != len(p.to.Views)
	old := map[string]string{}
	for _, v := range p.from.Views {
		old[v.Name] = v.SQL
	}
	for _, v := range p.to.Views {
		switch sql, ok := old[v.Name]; {
		case !ok:
			p.do("create view", v.Name, "")
		case sql != v.SQL:
			p.do("change view", v.Name, "")
		default:
			delete(old, v.Name)
			continue
		}
		changed = true
		delete(old, v.Name)
	}
	for _, v := range p.from.Views { // in their order
		if _, gone := old[v.Name]; gone {
			p.do("drop view", v.Name, "")
			changed = true
		}
	}
	if !changed {
		return
	}
	p.before = append(p.before, p.from.dropViews(p.d)...)
	for _, v := range p.to.Views {
		p.after = append(p.after, v.create(p.d))
	}
}

func (p *planner) indexes() {
	old := map[string]Index{}
	for _, x := range p.from.Indexes {
		old[x.Name] = x
	}
	same := func(a, b Index) bool { return a.Table == b.Table && a.SQL == b.SQL }
	for _, x := range p.to.Indexes {
		was, ok := old[x.Name]
		delete(old, x.Name)
		if ok && same(was, x) {
			if p.rebuilt[x.Table] { // gone with the old table
				p.after = append(p.after, x.create(p.d))
			}
			continue
		}
		if ok {
			p.before = append(p.before, "DROP INDEX IF EXISTS "+sqlgen.Quote(x.Name, p.d))
		}
		p.do("create index", x.Name, "on "+x.Table+" "+x.SQL+": "+x.Why)
		p.after = append(p.after, x.create(p.d))
	}
	for _, x := range p.from.Indexes {
		if _, gone := old[x.Name]; gone {
			p.do("drop index", x.Name, "")
			p.before = append(p.before, "DROP INDEX IF EXISTS "+sqlgen.Quote(x.Name, p.d))
		}
	}
}
