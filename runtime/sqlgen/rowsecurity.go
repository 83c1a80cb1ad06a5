package sqlgen

import (
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Row-level security. A database may hold a second lock on each table: it shows the rows that some entity of a service shows to the user, whatever the
// SQL says (Tables.RowSecurity). Statements of ours read more than that by right of the model: what a restriction's condition looks at, what the body of a
// view joins, the rows that an event other than READ may touch, and everything in code of the owner. Plan.Opens lists the tables for which a statement has
// this right, so that the database can lift its lock for them and for no other.

// A right says what of a table a statement needs beyond the rows that the user may read.
type right uint8

const (
	readers right = iota // nothing
	unread               // rows that the user may not read, to be seen
	owners               // everything, also to be written
)

// Unread marks a condition under which there may be rows that the user may not read: that of another event.
func (c Condition) Unread() Condition {
	c.right = max(c.right, unread)
	return c
}

// ByOwner marks a condition of elevated code, whose rights do not come from the user's.
func (c Condition) ByOwner() Condition {
	c.right = owners
	return c
}

// With returns a condition with another expression, which asks for no more rows, under the same right.
func (c Condition) With(x cqn.Expr) Condition {
	w := Where(x)
	w.right = c.right
	return w
}

// EverythingOpen is what Plan.Opens is for SQL that nothing restricts.
const EverythingOpen = `"*"`

// AllTenantsOpen is added to it for the statement that looks at rows of all tenants.
const AllTenantsOpen = `"cds.tenants"`

// auditOpen is what a statement has open that reads the audit log by an entity of the model, whose condition is that of the entity alone: the log is no table of the model.
const auditOpen = "cds.audit"

// mayAll stands before the name of a table that may be written too.
const mayAll = "+"

// open notes what a new source needs beyond the rows that the user may read.
func (sc *scope) open(src *source, use Use, localized bool, r right) {
	c := sc.compiler
	if c.reads != nil {
		*c.reads = append(*c.reads, tableUse{src.entity, localized})
		return
	}
	if !c.t.RowSecurity || sc.view {
		return
	}
	e := src.entity
	own := e.Table()
	switch {
	case c.locking: // databases ask for the right to change what is locked; the statement changes nothing
		r = owners
	case use == Update || use == Delete || e.Service == nil || sc.definer:
		r = max(r, unread)
	}
	if src.mapped {
		if use != Insert || r == owners {
			c.openTable(own, r)
		}
		return
	}
	for _, t := range c.tablesOf(e, localized) {
		if t.Annotations.Is("audit.log") {
			c.openName(auditOpen)
			continue
		}
		switch {
		case t == own && own != nil:
			c.openTable(t, r)
		case r == owners:
			c.openTable(t, owners)
		default:
			c.openTable(t, unread)
		}
	}
}

func (c *compiler) openTable(t *csn.Entity, r right) {
	if t == nil || r == readers {
		return
	}
	name := TableName(t)
	if r == owners {
		name = mayAll + name
	}
	c.openName(name)
}

func (c *compiler) openName(name string) {
	name = strconv.QuoteToASCII(name)
	for _, o := range c.opened {
		if o == name {
			return
		}
	}
	c.opened = append(c.opened, name)
}

// markOpens hands what was opened to all statements of a plan: they are sent together.
func (c *compiler) markOpens(p *Plan) {
	if p == nil || len(c.opened) == 0 {
		return
	}
	p.Opens = strings.Join(c.opened, ",")
	for _, child := range p.Children {
		child.Plan.Opens = p.Opens
		c.markOpens(child.Plan)
	}
}

// A tableUse is one occurrence of an entity in the body of a view.
type tableUse struct {
	entity    *csn.Entity
	localized bool // in its localized variant
}

// tablesOf returns the tables that an entity's table or view reads, by making the bodies of all views on the way as ddl does.
func (c *compiler) tablesOf(e *csn.Entity, localized bool) []*csn.Entity {
	var out []*csn.Entity
	seen := map[tableUse]bool{}
	todo := []tableUse{{e, localized}}
	for len(todo) > 0 {
		u := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[u] {
			continue
		}
		seen[u] = true
		if u.entity.Source == nil && !u.localized {
			out = append(out, u.entity)
			continue
		}
		var reads []tableUse
		in := &compiler{m: c.m, d: c.d, t: c.t, view: true, reads: &reads}
		if u.entity.Source == nil {
			_, _ = in.localizedBody(u.entity) // what cannot be made is not there to be read
		} else {
			in.localized, in.body = u.localized, u.entity
			_, _, _ = (&scope{stmt: &stmt{compiler: in}, definer: true, result: u.entity}).query(u.entity.Source)
		}
		todo = append(todo, reads...)
	}
	return out
}

// A RowRule is a condition on one row of a table, as SQL without a FROM clause.
type RowRule struct {
	SQL     string
	Binds   []Bind
	Alone   bool // looks at nothing but the row
	ByTable bool // looks the row up by its key: only rows that are there already fulfil it
}

// CompileRow compiles a condition of e on a row of its table. row is how the SQL names the row. Everything in the condition is read with the definer's right.
// The table of e must be known (Entity.Table); where the condition looks at what is no column of it, e must show its key, else it is ErrNotUpdatable.
func CompileRow(x cqn.Expr, e *csn.Entity, m *csn.Model, d Dialect, row string) (*RowRule, error) {
	if e.Table() == nil {
		return nil, notUpdatable(e)
	}
	r := newRowRule(m, d, row)
	if err := r.add(e, "", x, judging); err == nil {
		return r.rule(), nil
	}
	return compileByKey(x, e, m, d, row)
}

// CompileShown compiles the condition that a row of a table is one that the projection e shows; nil if it shows all of them.
func CompileShown(e *csn.Entity, m *csn.Model, d Dialect, row string) (*RowRule, error) {
	if e.Table() == nil {
		return nil, notUpdatable(e)
	}
	r := newRowRule(m, d, row)
	for v := e; v.Base != nil; v = v.Base {
		s, ok := v.Source.(*cqn.Select)
		var from *cqn.From
		if ok {
			from, ok = s.From.(*cqn.From)
		}
		if !ok || len(s.GroupBy) > 0 || s.Having != nil || s.Limit != nil || s.Offset != nil || s.Distinct || s.Search != nil ||
			from.Path == nil || len(from.Path.Path) != 1 || from.Path.Path[0].Filter != nil {
			return compileByKey(nil, e, m, d, row)
		}
		if err := r.add(v.Base, from.As, s.Where, judgingNot); err != nil {
			return compileByKey(nil, e, m, d, row)
		}
	}
	if len(r.parts) == 0 {
		return nil, nil
	}
	return r.rule(), nil
}

// A rowRule is a RowRule being built, of conditions that must all hold.
type rowRule struct {
	*scope
	row   string
	parts []string
}

func newRowScope(m *csn.Model, d Dialect) *scope {
	c := &compiler{m: m, d: d, t: d.Tables()}
	return &scope{stmt: &stmt{compiler: c}, definer: true, noJoin: true}
}

func newRowRule(m *csn.Model, d Dialect, row string) *rowRule {
	return &rowRule{scope: newRowScope(m, d), row: row}
}

// add adds a condition in the scope of e, whose elements are columns of the row itself.
func (r *rowRule) add(e *csn.Entity, as string, x cqn.Expr, what int) error {
	if x == nil {
		return nil
	}
	src := &source{entity: e, alias: r.row, name: e.LocalName(), mapped: true}
	if as != "" {
		src.name, src.explicit = as, true
	}
	in := &scope{stmt: r.stmt, sources: []*source{src}, self: src, definer: true, noJoin: true}
	src.scope = in
	was := r.compiler.judge(what)
	f, err := in.cond(x)
	r.compiler.judge(was)
	r.parts = append(r.parts, f.at(precAnd))
	return err
}

func (r *rowRule) rule() *RowRule {
	return &RowRule{SQL: strings.Join(r.parts, " AND "), Binds: r.binds, Alone: r.compiler.sources == 0}
}

// compileByKey looks for the row in the view, by the key of its table.
func compileByKey(x cqn.Expr, e *csn.Entity, m *csn.Model, d Dialect, row string) (*RowRule, error) {
	ids := identity(e)
	if len(ids) == 0 {
		return nil, notUpdatable(e)
	}
	sc := newRowScope(m, d)
	src, err := sc.newSource(e, Root)
	if err != nil {
		return nil, err
	}
	sc.sources, sc.self = []*source{src}, src
	where := []string{}
	for i, k := range e.Table().Keys {
		col, err := src.column(ids[i])
		if err != nil {
			return nil, err
		}
		where = append(where, col+" = "+row+"."+Quote(k.Name, d))
	}
	if src.guard != "" {
		where = append(where, src.guard)
	}
	if x != nil {
		was := sc.compiler.judge(judging)
		f, err := sc.cond(x)
		sc.compiler.judge(was)
		if err != nil {
			return nil, err
		}
		where = append(where, f.at(precAnd))
	}
	return &RowRule{SQL: "EXISTS (SELECT 1 FROM " + src.table() + " WHERE " + strings.Join(where, " AND ") + ")", Binds: sc.binds, ByTable: true}, nil
}

// CompileRowTenant compiles the condition that a row of a table belongs to the tenant of the user; nil if its rows belong to no tenant.
func CompileRowTenant(e *csn.Entity, m *csn.Model, d Dialect, row string) (*RowRule, error) {
	if !keepsRows(e) || !TenantBound(e) {
		return nil, nil
	}
	sc := newRowScope(m, d)
	src := &source{scope: sc, entity: e, alias: row, name: e.LocalName(), mapped: true}
	if err := sc.tenant(src, Root); err != nil {
		return nil, err
	}
	return &RowRule{SQL: src.guard, Binds: sc.binds, Alone: sc.compiler.sources == 0}, nil
}

// Literal returns a constant of the model as SQL text.
func Literal(v cqn.Value, d Dialect) (string, error) {
	if v.Kind() == cqn.KindNull {
		return "NULL", nil
	}
	if v.Kind() == cqn.KindBool {
		if v.Bool() {
			return d.Tables().True, nil
		}
		return d.Tables().False, nil
	}
	return newRowScope(nil, d).literalSQL(v)
}
