package sqlgen

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Tenants in shared tables. An element with @tenant is the column that says whose a row is. Every occurrence of such a table in SQL is bound to the tenant
// of the user, whoever names it: a client, code of the application, a condition of a restriction, the body of a view. In statements the tenant is a
// parameter, so that plans serve all tenants; in views it is a variable of the session. A part of a tenant's row that has no column of its own, as
// translated texts and inline compositions, belongs to the tenant of the row that it is a part of.

// TenantColumn returns the element of a table that says whose a row is, nil if there is none. A view has none: its tables have. For a view that somebody
// else makes (@cds.persistence.exists) it is the element with @tenant, as for a table.
func TenantColumn(e *csn.Entity) *csn.Element {
	if !keepsRows(e) {
		return nil
	}
	for _, el := range e.Flat {
		if isTenant(el) && !el.Virtual && el.Value() == nil && el.Scalar() != nil {
			return el
		}
	}
	return nil
}

func isTenant(el *csn.Element) bool { return el.Annotations.Is("tenant") }

// keepsRows reports whether what stands in SQL for an entity is not made of others here.
func keepsRows(e *csn.Entity) bool {
	return e != nil && len(e.Union) == 0 && (e.Source == nil || e.Exists)
}

// TenantParents returns the compositions over which the rows of a table belong to tenants, if it has no column that says so; none if its rows belong to
// nobody.
func TenantParents(e *csn.Entity) []*csn.Element {
	if e == nil || len(e.Parents) == 0 || !tenantAbove(e, map[*csn.Entity]bool{}) {
		return nil
	}
	var out []*csn.Element
	for _, el := range e.Parents {
		if el.Owner != e {
			out = append(out, el)
		}
	}
	return out
}

// tenantAbove reports whether some chain of compositions leads up from a table without a tenant's column to one that has it; seen are those that were looked at.
// Compositions may lead in circles, and there are many ways around them.
func tenantAbove(e *csn.Entity, seen map[*csn.Entity]bool) bool {
	if seen[e] || !keepsRows(e) || TenantColumn(e) != nil {
		return false
	}
	seen[e] = true
	for _, el := range e.Parents {
		if TenantColumn(el.Owner) != nil || tenantAbove(el.Owner, seen) {
			return true
		}
	}
	return false
}

// TenantBound reports whether reading or writing an entity touches rows that belong to tenants.
func TenantBound(e *csn.Entity) bool { return tenantBound(e, map[*csn.Entity]bool{}, 0) }

func tenantBound(e *csn.Entity, seen map[*csn.Entity]bool, depth int) bool {
	if e == nil || seen[e] {
		return false
	}
	seen[e] = true
	if depth > maxViews {
		return true
	}
	for _, b := range e.Union {
		if tenantBound(b, seen, depth+1) {
			return true
		}
	}
	if keepsRows(e) {
		return TenantColumn(e) != nil || len(TenantParents(e)) > 0
	}
	for _, r := range e.Reads {
		if tenantBound(r, seen, depth+1) {
			return true
		}
	}
	return false
}

// ShownTenant returns the element of a projection that shows the tenant's column of its table, nil for none.
func ShownTenant(e *csn.Entity) *csn.Element {
	if e == nil {
		return nil
	}
	col := TenantColumn(e.Table())
	if col == nil {
		return nil
	}
	for _, el := range e.Flat {
		if tableElement(e, el) == col {
			return el
		}
	}
	return nil
}

// tenant binds a new source to the tenant: its guard is then a condition that no guarder was asked for.
func (sc *scope) tenant(src *source, use Use) error {
	e := src.entity
	if sc.mapped {
		e = e.Table()
	}
	if use == Insert {
		if TenantBound(e) {
			sc.compiler.tenanted = true
		}
		return nil // there is no row yet: see payload
	}
	if !keepsRows(e) {
		if !TenantBound(e) {
			return nil
		}
		sc.compiler.tenanted = true
		if sc.definer {
			return nil // the view says it
		}
		sc.compiler.guarded = true
		src.guard = sc.t.True // so that it counts as guarded
		if el := ShownTenant(e); el != nil {
			return sc.ofTenant(src, e, el)
		}
		return nil
	}
	if col := TenantColumn(e); col != nil {
		return sc.ofTenant(src, e, col)
	}
	parents := TenantParents(e)
	if len(parents) == 0 {
		return nil
	}
	row := *src
	row.entity = e
	in := &scope{stmt: sc.stmt, sources: []*source{&row}, self: &row, definer: true, noJoin: true}
	was := sc.compiler.judge(judgingNot)
	defer sc.compiler.judge(was)
	var any []string
	for _, el := range parents {
		f, err := in.inverse(&cqn.Exists{Inverse: el.Owner.Name, Path: cqn.NewRef(el.Name)})
		if err != nil {
			return err
		}
		any = append(any, f.at(precOr))
	}
	src.guard = "(" + strings.Join(any, " OR ") + ")"
	return nil
}

// ofTenant makes the condition that a column has the tenant.
func (sc *scope) ofTenant(src *source, e *csn.Entity, col *csn.Element) error {
	sc.compiler.tenanted, sc.compiler.guarded = true, true
	row := *src
	row.entity = e
	sql, err := row.column(col)
	if err != nil {
		return err
	}
	f, err := sc.param(&cqn.Param{From: cqn.FromUserTenant}, hint{typ: col.Scalar()})
	src.guard = sql + " = " + f.at(precAdd)
	return err
}

// both combines the SQL of two conditions, of which the first may be "", which is true.
func both(a, b string) string {
	if a == "" {
		return b
	}
	return a + " AND " + b
}

// TenantsSQL returns a query for the tenants that have rows in the tables of a model, "" if no table has a column of the tenant. It is the one statement that
// looks at rows of all tenants.
func TenantsSQL(m *csn.Model, d Dialect) string {
	var parts []string
	for _, e := range m.Entities {
		col := TenantColumn(e)
		if col == nil {
			continue
		}
		c := &compiler{m: m, d: d, t: d.Tables()}
		src, err := (&scope{stmt: &stmt{compiler: c}, definer: true}).newSource(e, Root)
		if err != nil {
			continue // it is not in the database
		}
		parts = append(parts, "SELECT DISTINCT "+src.alias+"."+Quote(col.Name, d)+" AS tenant FROM "+src.table()+" WHERE "+src.alias+"."+Quote(col.Name, d)+" IS NOT NULL")
	}
	return strings.Join(parts, " UNION ")
}
