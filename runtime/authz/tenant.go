package authz

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	"cds/runtime/sqlgen"
)

// Tenants in shared tables. That each occurrence of a table with a @tenant column is bound to the user's tenant is the business of sqlgen, where occurrences
// are made; here it is refused who has no tenant (decision 32), and a model is refused that leaves a way around.

// CodeNoTenant is the code of a 403 for users without a tenant where rows belong to tenants.
const CodeNoTenant = "AUTHZ_TENANT"

const noTenant = "the user belongs to no tenant"

// isolate notes which entities have rows of tenants and reports holes. Models without @tenant cost nothing.
func (p *policy) isolate(n *normalizer, m *csn.Model) {
	var bound []bool
	for _, e := range m.Entities {
		if sqlgen.TenantBound(e) {
			if bound == nil {
				bound = make([]bool, len(m.Entities))
			}
			if e.ID >= 0 && e.ID < len(bound) {
				bound[e.ID] = true
			}
		}
	}
	p.tenants = bound
	sev := diag.Error
	if !n.strict {
		sev = diag.Warning
	}
	for _, h := range holesOf(m, bound != nil) {
		d := n.diags.Add(sev, codeTenant, h.Span, "%s %s", h.Entity.Name, h.Why)
		d.Home, d.Hint = "entity:"+h.Entity.Name, h.Hint
	}
}

// ofTenants reports whether rows of e belong to tenants.
func (p *policy) ofTenants(e *csn.Entity) bool {
	return e != nil && e.ID >= 0 && e.ID < len(p.tenants) && p.tenants[e.ID]
}

// stranger returns the first entity of the path whose rows belong to tenants if the user has none, else nil.
func (g *guard) stranger() *csn.Entity {
	if !g.noTenant {
		return nil
	}
	for _, e := range g.access.Path {
		if g.p.ofTenants(e) {
			return e
		}
	}
	return nil
}

// Tenants reports whether rows of some entity belong to tenants.
func (p *Policy) Tenants() bool { return p.state.tenants != nil }

// OfTenants reports whether rows of an entity belong to tenants.
func (p *Policy) OfTenants(e *csn.Entity) bool { return p.state.ofTenants(e) }

// TenantTables tells how the entities of a model are bound to tenants: by entity, in order of the model.
func (p *Policy) TenantTables() []TenantTable {
	var out []TenantTable
	for _, e := range p.model.Entities {
		out = append(out, TenantTable{Entity: e, Column: sqlgen.TenantColumn(e), Parents: sqlgen.TenantParents(e), Bound: sqlgen.TenantBound(e), Shared: shared(e, 0)})
	}
	return out
}

// A TenantTable tells how the rows of an entity are bound to tenants.
type TenantTable struct {
	Entity  *csn.Entity
	Column  *csn.Element   // says whose a row is; nil for none
	Parents []*csn.Element // compositions by which rows belong to tenants, without a column
	Bound   bool           // some rows that it reads belong to tenants
	Shared  bool           // the model says that its rows are everybody's: @tenant: false
}

// A TenantHole is a place where rows are not bound to a tenant though the model has tenants, or where it is not clear that they should not.
type TenantHole struct {
	Entity *csn.Entity
	Span   token.Span
	Why    string
	Hint   string
}

// TenantHoles returns the holes of the model, in its order; none without @tenant.
func (p *Policy) TenantHoles() []TenantHole { return holesOf(p.model, p.state.tenants != nil) }

func holesOf(m *csn.Model, tenants bool) []TenantHole {
	var out []TenantHole
	add := func(e *csn.Entity, at token.Span, why, hint string) { out = append(out, TenantHole{e, at, why, hint}) }
	for _, e := range m.Entities {
		if e.Active != nil {
			continue // as the entity whose drafts it has
		}
		meantTenant(e, add)
		columnHoles(e, add)
	}
	if !tenants {
		return out
	}
	open := reachable(m)
	for _, e := range m.Entities {
		if e.Active != nil || framework(e) || e.Source != nil && !e.Exists {
			continue
		}
		switch parents := sqlgen.TenantParents(e); {
		case sqlgen.TenantColumn(e) != nil:
			if shared(e, 0) {
				add(e, e.Span, "has a column of the tenant and says @tenant: false", "say one of both")
			}
		case len(parents) > 0:
			partHoles(e, parents, add)
		case open[e] && !shared(e, 0):
			add(e, e.Span, "is read by services, but no column says whose its rows are: all tenants share them",
				"give it an element with @tenant, or say @tenant: false if everybody may see its rows")
		}
	}
	return out
}

// meantTenant reports annotations of tables that are clearly meant to be @tenant: rows would belong to everybody.
func meantTenant(e *csn.Entity, add func(*csn.Entity, token.Span, string, string)) {
	if e.Source != nil && !e.Exists {
		return // it has them from its tables
	}
	look := func(d *csn.Def, on string) {
		for i := range d.Annotations {
			a := &d.Annotations[i]
			if csn.MeantAnnotation(a) != "tenant" || a.Value.Kind == cqn.AnnoNull {
				continue
			}
			at := a.Span
			if !at.Valid() {
				at = d.Span
			}
			add(e, at, "has @"+a.Name+on+", which looks like a misspelt @tenant", "write @tenant, or give the annotation another name")
		}
	}
	look(&e.Def, "")
	for _, el := range e.Elements {
		look(&el.Def, " on "+el.Name)
	}
}

// columnHoles reports elements with @tenant that cannot be the column.
func columnHoles(e *csn.Entity, add func(*csn.Entity, token.Span, string, string)) {
	col := sqlgen.TenantColumn(e)
	for _, el := range e.Flat {
		if !el.Annotations.Is("tenant") || el == col {
			continue
		}
		switch {
		case e.Source != nil && !e.Exists:
			if el.Origin == nil && !sqlgen.TenantBound(e) {
				add(e, el.Span, "has @tenant on "+el.Name+", but none of its tables has a column of the tenant", "write @tenant to an element of the table")
			}
		case el.Assoc() != nil && len(el.Assoc().FK) == 1:
			// its foreign key is the column
		case col == nil:
			add(e, el.Span, "has @tenant on "+el.Name+", which is no column", "the tenant is kept in an element of type String or UUID")
		default:
			add(e, el.Span, "has @tenant on "+col.Name+" and on "+el.Name, "one column says whose a row is")
		}
	}
	if col == nil {
		return
	}
	if t := col.Scalar(); t.Kind != csn.String && t.Kind != csn.UUID {
		add(e, col.Span, "has @tenant on "+col.Name+", which is no text", "the tenant is kept in an element of type String or UUID")
	}
}

// partHoles reports parts of tenants' rows that can hang on something else too.
func partHoles(e *csn.Entity, parents []*csn.Element, add func(*csn.Entity, token.Span, string, string)) {
	const hint = "give it an element with @tenant"
	for _, el := range e.Parents {
		if el.Owner == e {
			add(e, e.Span, "is a part of itself: deeper levels do not tell whose they are", hint)
			return
		}
	}
	for _, el := range parents {
		if !sqlgen.TenantBound(el.Owner) {
			add(e, e.Span, "is a part of "+el.Owner.Name+" too, whose rows belong to no tenant", hint)
			return
		}
	}
}

// shared reports whether the model says that an entity's rows are everybody's: it, or all that it is a part of, has @tenant: false.
func shared(e *csn.Entity, depth int) bool {
	if v := e.Annotations.Get("tenant"); v != nil && v.Kind == cqn.AnnoBool && !v.Bool {
		return true
	}
	if depth > 20 {
		return false
	}
	others := false // than itself: a level of a hierarchy says nothing of its rows
	for _, el := range e.Parents {
		if el.Owner == e {
			continue
		}
		if !shared(el.Owner, depth+1) {
			return false
		}
		others = true
	}
	return others
}

// framework reports whether an entity is one of the framework's own.
func framework(e *csn.Entity) bool {
	return strings.HasPrefix(e.Name, "DRAFT.") || strings.HasPrefix(e.Name, "cds.")
}

// reachable returns the entities of services and what these read, over whatever path.
func reachable(m *csn.Model) map[*csn.Entity]bool {
	out, seen := map[*csn.Entity]bool{}, map[*csn.Entity]bool{}
	var todo []*csn.Entity
	push := func(e *csn.Entity) {
		if e != nil && !seen[e] {
			seen[e] = true
			todo = append(todo, e)
		}
	}
	for _, s := range m.Services {
		for _, e := range s.Entities {
			push(e)
		}
	}
	for len(todo) > 0 {
		e := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		out[e] = !e.SkipPersistence
		for _, r := range e.Reads {
			push(r)
		}
		for _, el := range e.Elements {
			if a := el.Assoc(); a != nil {
				push(a.Target)
			}
		}
	}
	return out
}
