// Package rls makes row-level security for PostgreSQL from a model's restrictions: a second lock, in the database itself, that holds for whatever SQL the
// application's role sends, be it by a fault of ours or by an injection.
//
// A row of a table is shown if some entity of a service shows it to the user; it may be changed if some entity lets it be changed. The conditions are those of
// the policy (runtime/authz), made into SQL by the compiler that makes those of requests (runtime/sqlgen). The package writes the statements, and compares what
// is deployed with the model; it decides nothing.
package rls

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// A Schema is the row-level security of a model.
type Schema struct {
	Tables    []Table
	Functions []Function // for conditions that look at other rows, by name
	Views     []string   // which are to be read with the rights of who asks, in SQL
	Claims    []Claim    // what the database has to be told of the user
	Exists    []string   // tables that somebody else makes, in SQL
	Logs      []string   // views of our own that show the audit log, in SQL
	Notes     []Note
	dialect   sqlgen.Dialect
}

// A Table is a table with its policies.
type Table struct {
	Name     string // in SQL
	Plain    string // without quotes
	Entity   string
	Policies []Policy
}

// A Policy is one policy of a table. Using says which rows are there, Check which may be written; "" for what the command does not have.
type Policy struct {
	Name, Command string
	Restrictive   bool
	Using, Check  string
}

// A Function tells of a row whether a condition holds that looks at other rows as well, with the definer's right.
type Function struct{ Name, Table, Declare, Body string }

// A Claim is a value that conditions ask of the user or the time, by the key that the database finds it under.
type Claim struct {
	Key  string
	Bind sqlgen.Bind
}

// A Note says what the second lock leaves to the first one.
type Note struct{ Entity, Text string }

// Names of what belongs to the second lock all begin with it.
const prefix = "cds_rls_"

// Compile makes the row-level security of a model with drafts (csn.WithDrafts) and its policy. Where an entity shows rows that no condition on the table can
// tell, the list has an error with its place.
func Compile(m *csn.Model, p *authz.Policy, d sqlgen.Dialect) (*Schema, diag.List) {
	c := &compiler{m: m, p: p, d: &markingDialect{d}, out: &Schema{dialect: d}, claims: map[string]bool{}, functions: map[string]bool{}}
	shown := map[*csn.Entity][]*csn.Entity{}
	for _, e := range m.Entities {
		t := e.Table()
		if e.Service == nil || t == nil || len(e.Union) > 0 || e.SkipPersistence || t.SkipPersistence {
			continue
		}
		shown[t] = append(shown[t], e)
	}
	for _, e := range m.Entities {
		switch {
		case e.SkipPersistence || len(e.Union) > 0:
		case e.Exists && authz.AuditLog(e):
			c.out.Logs = append(c.out.Logs, sqlgen.Quote(sqlgen.TableName(e), c.d))
		case e.Exists:
			c.out.Exists = append(c.out.Exists, sqlgen.Quote(sqlgen.TableName(e), c.d))
			c.note(e, "is made by somebody else (@cds.persistence.exists): it has no policies, and the role of the server has no right on it unless somebody gives it one")
		case e.Source != nil:
			c.view(e)
		default:
			c.table(e, shown[e])
		}
	}
	slices.SortFunc(c.out.Functions, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(c.out.Claims, func(a, b Claim) int { return strings.Compare(a.Key, b.Key) })
	c.diags.Sort()
	return c.out, c.diags
}

type compiler struct {
	m         *csn.Model
	p         *authz.Policy
	d         sqlgen.Dialect
	out       *Schema
	diags     diag.List
	claims    map[string]bool
	functions map[string]bool
}

func (c *compiler) note(e *csn.Entity, format string, args ...any) {
	n := Note{e.Name, fmt.Sprintf(format, args...)}
	if !slices.Contains(c.out.Notes, n) {
		c.out.Notes = append(c.out.Notes, n)
	}
}

func (c *compiler) view(e *csn.Entity) {
	c.out.Views = append(c.out.Views, sqlgen.Quote(sqlgen.TableName(e), c.d))
	if e.Localized {
		c.out.Views = append(c.out.Views, sqlgen.Quote(ddl.LocalizedName(e), c.d))
	}
	if e.Service != nil && e.Table() == nil {
		c.note(e, "joins, unites or groups: SQL that reads it sees what the policies of its tables show")
	}
}

// table makes the policies of a table from what the entities over it show.
func (c *compiler) table(e *csn.Entity, shown []*csn.Entity) {
	if len(ddl.Columns(e)) == 0 {
		return
	}
	if e.Localized {
		c.out.Views = append(c.out.Views, sqlgen.Quote(ddl.LocalizedName(e), c.d))
	}
	plain := sqlgen.TableName(e)
	t := Table{Name: sqlgen.Quote(plain, c.d), Plain: plain, Entity: e.Name}
	open := once("cds_rls_open(" + quote(plain) + ")")
	may := once("cds_rls_may(" + quote(plain) + ")")
	read, create := c.any(t, shown, authz.Read, false), c.any(t, shown, authz.Create, true)
	update, updated := c.any(t, shown, authz.Update, false), c.any(t, shown, authz.Update, true)
	drop := c.any(t, shown, authz.Delete, false)
	t.Policies = []Policy{
		{Name: prefix + "select", Command: "SELECT", Using: or(open, read)},
		{Name: prefix + "insert", Command: "INSERT", Check: or(may, create)},
		{Name: prefix + "update", Command: "UPDATE", Using: or(may, update), Check: or(may, updated)},
		{Name: prefix + "delete", Command: "DELETE", Using: or(may, drop)},
	}
	if tenant := c.tenant(e, t); tenant != "" {
		tenant = or(once("cds_rls_open('"+allTenants+"')"), tenant)
		t.Policies = append(t.Policies, Policy{Name: prefix + "tenant", Command: "ALL", Restrictive: true, Using: tenant, Check: tenant})
	}
	c.out.Tables = append(c.out.Tables, t)
}

// allTenants is what a statement has open that looks at rows of all tenants.
const allTenants = "cds.tenants"

func (c *compiler) tenant(e *csn.Entity, t Table) string {
	row, err := sqlgen.CompileRowTenant(e, c.m, c.d, "cds_row")
	if err != nil {
		c.fail(e, err)
		return "FALSE"
	}
	if row == nil {
		return ""
	}
	if row.Alone {
		if row, err = sqlgen.CompileRowTenant(e, c.m, c.d, t.Name); err != nil {
			c.fail(e, err)
			return "FALSE"
		}
	}
	sql, err := c.place(row, t)
	if err != nil {
		c.fail(e, err)
		return "FALSE"
	}
	return sql
}

// any is the condition under which one of the entities lets an event through. written makes that for new values: what looks at other rows, which may come
// later in the same transaction, is left to the server then.
func (c *compiler) any(t Table, shown []*csn.Entity, ev authz.Event, written bool) string {
	out := ""
	for _, e := range shown {
		x, ok := c.p.Everyone(e, ev)
		if !ok {
			continue
		}
		b := &alternative{compiler: c, table: t, entity: e, written: written}
		sql, err := b.cond(x)
		if err == nil && !written {
			sql, err = b.shown(sql)
		}
		if err != nil {
			c.fail(e, err)
			continue
		}
		if b.weaker {
			c.note(e, "new values for %s are held to the roles and to conditions on their own row only; the server checks the others", ev)
		}
		if sql == "" {
			return ""
		}
		if out == "" {
			out = sql
		} else if !strings.Contains(" OR "+out+" OR ", " OR "+sql+" OR ") {
			out += " OR " + sql
		}
	}
	if out == "" {
		return "FALSE"
	}
	return out
}

func (c *compiler) fail(e *csn.Entity, err error) {
	d := c.diags.Add(diag.Error, CodeRow, e.Span, "%s: its rows cannot be told by a condition on its table: %v", e.Name, err)
	d.Hint = "let it show the keys of the table, or leave out row-level security (requires.db.rls)"
	d.Home = "entity:" + e.Name
}

// or adds what holds always to a condition; "" is true, "FALSE" false.
func or(always, cond string) string {
	switch cond {
	case "":
		return "TRUE"
	case "FALSE":
		return always
	}
	return always + " OR " + cond
}

// once has a value computed once for a statement, not for each row.
func once(call string) string { return "(SELECT " + call + ")" }

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func hash(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:10])
}

// An alternative is the condition of one entity over a table.
type alternative struct {
	*compiler
	table   Table
	entity  *csn.Entity
	written bool
	weaker  bool // something was left out of it
}

// cond compiles a condition; "" is true. What can be judged by the row and the user alone stands in the policy itself, where the database can plan with it;
// the rest goes into functions.
func (a *alternative) cond(x cqn.Expr) (string, error) {
	if x == nil {
		return "", nil
	}
	if b, ok := x.(*cqn.Binary); ok && (b.Op == cqn.And || b.Op == cqn.Or) {
		l, err := a.cond(b.L)
		if err != nil {
			return "", err
		}
		r, err := a.cond(b.R)
		if err != nil {
			return "", err
		}
		return combine(b.Op, l, r), nil
	}
	row, err := sqlgen.CompileRow(x, a.entity, a.m, a.d, a.table.Name)
	if err != nil {
		return "", err
	}
	if a.written && !row.Alone {
		a.weaker = true
		return "", nil
	}
	if !row.Alone {
		if row, err = sqlgen.CompileRow(x, a.entity, a.m, a.d, "cds_row"); err != nil {
			return "", err
		}
	}
	sql, err := a.place(row, a.table)
	return "(" + sql + ")", err
}

func combine(op cqn.BinaryOp, l, r string) string {
	if op == cqn.Or {
		if l == "" || r == "" {
			return ""
		}
		return "(" + l + " OR " + r + ")"
	}
	switch {
	case l == "":
		return r
	case r == "":
		return l
	}
	return "(" + l + " AND " + r + ")"
}

// shown adds that the entity shows the row.
func (a *alternative) shown(sql string) (string, error) {
	row, err := sqlgen.CompileShown(a.entity, a.m, a.d, a.table.Name)
	if err != nil || row == nil {
		return sql, err
	}
	if !row.Alone {
		if row, err = sqlgen.CompileShown(a.entity, a.m, a.d, "cds_row"); err != nil {
			return "", err
		}
	}
	shown, err := a.place(row, a.table)
	return combine(cqn.And, "("+shown+")", sql), err
}
