package authz

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/auth"
)

// policy is the compiled form of all restrictions of a model.
type policy struct {
	roles    roleTable
	entities []entityRules // by Entity.ID
	services map[*csn.Service]*rules
	ops      map[*csn.Operation]*rules
	elements map[*csn.Element]*rules
	events   map[*csn.Event]*eventRules // nil if none has any
	asked    []userCondition            // of elements
	included map[string][]string        // roles that a role includes directly
	tenants  []bool                     // by Entity.ID: rows belong to tenants; nil if none do
	// login is the rule of services without a restriction of their own where restrict_all_services is on; nil where it is off.
	login *rules
	all   []*rules // in order of the model, for the table
	// statics are the conditions of services, entities and operations that look at the user alone, see RightsKey.
	statics []cqn.Expr
	// derived is set while rules are read that follow from others and so are not part of the table.
	derived bool
	// translates has, by the entity of translations, the composition that leads to them; nil if there are none.
	translates map[*csn.Entity]*csn.Element
	data       *dataRules // beside the model's rules; nil for none
}

// entityRules are what holds for one entity.
type entityRules struct {
	entity *csn.Entity
	own    *rules
	caps   capabilities
	roots  []root // composition parents that it follows; none for a root
	drafts bool   // it holds drafts, which only their owners see
}

var unknownEntity = entityRules{own: &rules{on: "unknown entity", closed: "the entity is not part of the model"}}

// of returns the rules of an entity; those of an entity of another model deny.
func (p *policy) of(e *csn.Entity) *entityRules {
	if e == nil || e.ID < 0 || e.ID >= len(p.entities) || p.entities[e.ID].entity != e {
		return &unknownEntity
	}
	return &p.entities[e.ID]
}

// Compile compiles the restrictions of a model. The Policy is never nil: where a restriction is not understood, its resource is
// closed. With Options.Strict the list then has an error, which should stop the start, else a warning.
func Compile(m *csn.Model, opt Options) (*Policy, diag.List) {
	p := &policy{
		services: map[*csn.Service]*rules{}, ops: map[*csn.Operation]*rules{}, elements: map[*csn.Element]*rules{},
	}
	n := &normalizer{strict: opt.Strict, roles: &p.roles}
	p.roles.intern(auth.RoleAny)
	for _, s := range m.Services {
		p.service(n, s)
	}
	if opt.RestrictAllServices {
		names := []string{auth.RoleAuthenticated}
		p.login = &rules{on: "restrict_all_services", requires: &privilege{
			name: "restrict_all_services", names: []string{"restrict_all_services"}, all: true, words: []string{"*"}, roles: names, to: p.roles.set(names)}}
	}
	p.findTranslations(m)
	p.entities = make([]entityRules, len(m.Entities))
	for _, e := range m.Entities {
		if e.ID >= 0 && e.ID < len(p.entities) {
			p.entity(n, e)
		}
	}
	p.auditLogs(n, m)
	for i := range p.entities {
		if p.entities[i].entity != nil {
			p.entities[i].roots = p.findRoots(p.entities[i].entity)
		}
	}
	p.texts()
	p.computed()
	for _, s := range m.Services {
		for _, e := range s.Events {
			p.event(n, m, s, e)
		}
	}
	p.drafts()
	p.anchor()
	p.hierarchy(n, m)
	n.masks(m)
	n.noEffect(m)
	p.siblings(n, m)
	p.openElements(n, m)
	p.reach(n)
	p.isolate(n, m)
	p.findStatics()
	n.diags.Sort()
	return &Policy{model: m, opt: opt, state: p}, n.diags
}

// keep remembers rules for the table.
func (p *policy) keep(r *rules) *rules {
	if r != nil && !p.derived {
		p.all = append(p.all, r)
	}
	return r
}

func (p *policy) service(n *normalizer, s *csn.Service) {
	res := resource{what: "service", on: s.Name, ops: serviceOperationNames(s), events: true, named: []csn.Annotations{s.Annotations}}
	if r := p.keep(n.rules(res, &s.Def)); r != nil {
		p.services[s] = r
	}
	for _, op := range s.Ops {
		p.operation(n, op, op.Name)
	}
}

// operation compiles the rules of an operation; on is its absolute name.
func (p *policy) operation(n *normalizer, op *csn.Operation, on string) {
	res := resource{what: "operation", on: on, ops: func(name string) bool { return name == op.LocalName() }, named: []csn.Annotations{op.Annotations}}
	if op.Service != nil {
		res.named = append(res.named, op.Service.Annotations)
	}
	if r := p.keep(n.rules(res, &op.Def)); r != nil {
		p.ops[op] = r
	}
}

func (p *policy) entity(n *normalizer, e *csn.Entity) {
	p.derived = e.Active != nil
	defer func() { p.derived = false }()
	res := resource{what: "entity", on: e.Name, entity: e, ops: operationNames(e), events: true, named: namedBy(e)}
	p.entities[e.ID] = entityRules{entity: e, own: p.keep(n.rules(res, &e.Def)), caps: readCapabilities(e)}
	for _, op := range e.Actions {
		p.operation(n, op, e.Name+"."+op.Name)
	}
	p.elementRules(n, e)
}

// elementRules compiles restrictions on elements. A flat element also carries those of the association or structure it stems from.
func (p *policy) elementRules(n *normalizer, e *csn.Entity) {
	read := func(name string, el *csn.Element) *rules {
		res := resource{what: "element", on: e.Name + "." + name, events: true, loose: true, named: namedBy(e)}
		return p.masked(n, res, e, el, n.rules(res, &el.Def))
	}
	for _, el := range e.Elements {
		if r := p.keep(read(el.Name, el)); r != nil {
			p.elements[el] = p.askFirst(r)
		}
	}
	in := map[string]*rules{}
	for _, el := range e.Flat {
		if p.elements[el] != nil {
			continue
		}
		if r := p.nested(e, el, in, read); r != nil {
			p.elements[el] = r
			continue
		}
		if r := p.inherited(e, el); r != nil {
			p.elements[el] = r
			continue
		}
		if r := read(el.Name, el); r != nil {
			p.elements[el] = p.askFirst(r)
		}
	}
}

// inherited returns the rules of what a flat element stems from: its association, or the structure around it.
func (p *policy) inherited(e *csn.Entity, el *csn.Element) *rules {
	if el.ForeignKey != nil {
		if r := p.elements[el.ForeignKey]; r != nil {
			return r
		}
		if src := e.Elements.Lookup(el.ForeignKey.Name); src != nil && p.elements[src] != nil {
			return p.elements[src]
		}
	}
	if len(el.Path()) == 0 {
		return nil
	}
	if top := e.Elements.Lookup(el.Path()[0]); top != nil {
		return p.elements[top]
	}
	return nil
}

// serviceRules returns the rules of a service, or the login that is demanded where it has none (U4).
func (p *policy) serviceRules(s *csn.Service) *rules {
	if s == nil {
		return nil
	}
	if r := p.services[s]; r != nil {
		return r
	}
	return p.login
}

// siblings reports entities without a restriction that show what a restricted one of the same service hides (decision 7).
func (p *policy) siblings(n *normalizer, m *csn.Model) {
	sev := diag.Error
	if !n.strict {
		sev = diag.Warning
	}
	for _, s := range m.Services {
		for _, e := range s.Entities {
			if er := p.of(e); er.own != nil || len(er.roots) > 0 || e.Exposure != csn.Exposed || freed(e) || e.Active != nil {
				continue
			}
			if other := p.restrictedSibling(s, e); other != nil {
				d := n.diags.Add(sev, codeSibling, e.Span, "%s has no restriction, but %s, which reads the same data, has one", e.Name, other.Name)
				d.Hint = "say what holds here: @requires or @restrict, be it @requires: 'any'"
				d.Home = "entity:" + e.Name
			}
		}
	}
}

// freed reports whether the author removed an inherited restriction on purpose (N8).
func freed(e *csn.Entity) bool {
	for _, n := range []string{"restrict", "requires"} {
		if v := e.Annotations.Get(n); v != nil && v.Kind == cqn.AnnoNull {
			return true
		}
	}
	return false
}

// restrictedSibling returns an entity of the service with a restriction of its own over something that e reads too. For views that are no
// projections, which cannot follow a root, parts of its rows count as well.
func (p *policy) restrictedSibling(s *csn.Service, e *csn.Entity) *csn.Entity {
	mine := sources(e, true)
	for _, o := range s.Entities {
		if o == e || p.of(o).own == nil || o.Active != nil {
			continue
		}
		seen := map[*csn.Entity]bool{}
		for src := range sources(o, false) {
			if mine[src] || p.readsPart(src, mine, seen, 0) {
				return o
			}
		}
	}
	return nil
}

// readsPart reports whether one of the tables holds parts of a row of e, which follow it (decision 6).
func (p *policy) readsPart(e *csn.Entity, tables, seen map[*csn.Entity]bool, depth int) bool {
	if seen[e] || depth > maxDepth {
		return false
	}
	seen[e] = true
	for _, el := range e.Elements {
		if a := el.Assoc(); composition(el) && a.Target != nil {
			if t := a.Target; tables[t] || p.readsPart(t, tables, seen, depth+1) {
				return true
			}
		}
	}
	return false
}

// sources returns the tables at the bottom of an entity, itself if it is one: those whose rows it shows and, with all set, those it
// looks into by paths and subqueries.
func sources(e *csn.Entity, all bool) map[*csn.Entity]bool {
	out := map[*csn.Entity]bool{}
	seen := map[*csn.Entity]bool{}
	var walk func(e *csn.Entity, depth int)
	walk = func(e *csn.Entity, depth int) {
		if e == nil || seen[e] || depth > maxDepth {
			return
		}
		seen[e] = true
		walk(e.Base, depth+1)
		if e.Base == nil || all {
			for _, r := range e.Reads {
				walk(r, depth+1)
			}
		}
		if e.Base == nil && len(e.Reads) == 0 {
			out[e] = true
		}
	}
	walk(e, 0)
	return out
}
