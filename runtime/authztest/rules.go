package authztest

import (
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
	"cds/runtime/auth"
)

// The events that cases are about, beside the names of operations.
const (
	evRead   = "READ"
	evCreate = "CREATE"
	evUpdate = "UPDATE"
	evDelete = "DELETE"
)

func writes(ev string) bool {
	return ev == evCreate || ev == evUpdate || ev == evDelete || ev == "UPSERT"
}

// A rule is what the annotations of one definition say, as they are written.
type rule struct {
	on       string
	requires *privilege
	grants   []*privilege
	denies   []*privilege
	// restricted is set by @restrict: what nothing grants is closed then.
	restricted bool
	closed     string // why nobody may do anything: the annotations are not understood
	mentioned  []string
	span       token.Span
}

// A privilege is one item of @restrict, or a @requires.
type privilege struct {
	name   string
	events []string
	roles  []string
	where  []cqn.Expr // all must hold; none for no condition
	text   string
	deny   bool
	span   token.Span
	// implied says that nobody has written it: it stands for what a policy narrows.
	implied bool
}

// covers reports whether a privilege is about an event.
func (p *privilege) covers(ev string) bool {
	return slices.Contains(p.events, "*") || slices.Contains(p.events, ev) || writes(ev) && slices.Contains(p.events, "WRITE")
}

// static reports whether a privilege asks no row.
func (p *privilege) static() bool {
	rows := false
	for _, x := range p.where {
		cqn.Walk(x, func(n any) bool {
			switch n.(type) {
			case *cqn.Ref, *cqn.Exists, *cqn.Subquery:
				rows = true
			}
			return !rows
		})
	}
	return !rows
}

// readRule reads the restrictions on a definition; nil if there are none. e is the entity whose operations may be granted and whose conditions may be named;
// it may be nil.
func readRule(on string, d *csn.Def, e *csn.Entity, named ...csn.Annotations) *rule {
	r := &rule{on: on, span: d.Span}
	found := false
	for i := range d.Annotations {
		a := &d.Annotations[i]
		base, _, _ := strings.Cut(strings.ReplaceAll(a.Name, "#", "."), ".")
		if base != "requires" && base != "restrict" || a.Value != nil && a.Value.Kind == cqn.AnnoNull && a.Name == base {
			continue
		}
		found = true
		if r.span = a.Span; !a.Span.Valid() {
			r.span = d.Span
		}
		switch a.Name {
		case "requires":
			roles, ok := names(a.Value)
			if !ok {
				r.closed = "@requires is not understood"
			}
			r.requires = &privilege{name: on + "@requires", events: []string{"*"}, roles: roles, text: "@requires", span: r.span}
		case "restrict":
			r.restricted = true
			if a.Value == nil || a.Value.Kind != cqn.AnnoArray {
				r.closed = "@restrict is no list"
				continue
			}
			for n, it := range a.Value.Items {
				r.privilege(fmt.Sprintf("%s#%d", on, n+1), it, e, named)
			}
		default:
			r.closed = "@" + a.Name + " is not understood"
		}
	}
	if !found {
		return nil
	}
	return r
}

// names reads a text or a list of texts; empty ones and nulls grant nothing.
func names(v *cqn.AnnoValue) (out []string, ok bool) {
	if v == nil {
		return nil, false
	}
	items := []*cqn.AnnoValue{v}
	if v.Kind == cqn.AnnoArray {
		items = v.Items
	}
	for _, it := range items {
		switch {
		case it == nil:
			return nil, false
		case it.Kind == cqn.AnnoString && it.Text != "":
			out = append(out, it.Text)
		case it.Kind != cqn.AnnoString && it.Kind != cqn.AnnoNull:
			return nil, false
		}
	}
	return out, true
}

// privilege reads one item of @restrict. What it does not understand closes the rule.
func (r *rule) privilege(name string, v *cqn.AnnoValue, e *csn.Entity, named []csn.Annotations) {
	p := &privilege{name: name, events: []string{"*"}, roles: []string{auth.RoleAny}, span: r.span}
	if v == nil || v.Kind != cqn.AnnoStruct || len(v.Fields) == 0 {
		r.closed = "a privilege is not understood"
		return
	}
	if v.Span.Valid() {
		p.span = v.Span
	}
	if to, ok := names(v.Field("to")); ok {
		r.mentioned = append(r.mentioned, to...)
	}
	ok := true
	for i := range v.Fields {
		f := &v.Fields[i]
		switch f.Name {
		case "grant", "deny":
			p.deny = f.Name == "deny"
			p.events, ok = names(f.Value)
			for _, w := range p.events {
				ok = ok && eventName(w, e)
			}
		case "to":
			p.roles, ok = names(f.Value)
		case "where":
			ok = p.condition(f.Value)
		case "if":
			var list []string
			list, ok = names(f.Value)
			for _, n := range list {
				ok = ok && p.condition(conditionNamed(n, named))
			}
		case "message", "_where":
		default:
			ok = false
		}
		if !ok {
			r.closed = f.Name + " is not understood"
			return
		}
	}
	if p.deny {
		r.denies = append(r.denies, p)
	} else {
		r.grants = append(r.grants, p)
	}
}

func eventName(w string, e *csn.Entity) bool {
	switch w {
	case "*", evRead, evCreate, evUpdate, evDelete, "UPSERT", "WRITE":
		return true
	}
	return e == nil || e.Action(w) != nil
}

func conditionNamed(name string, in []csn.Annotations) *cqn.AnnoValue {
	for _, as := range in {
		if v := as.Get("authz.condition." + name); v != nil {
			return v
		}
	}
	return nil
}

func (p *privilege) condition(v *cqn.AnnoValue) bool {
	var x cqn.Expr
	switch {
	case v == nil:
		return false
	case v.Kind == cqn.AnnoBool:
		x = &cqn.Lit{Value: cqn.Bool(v.Bool)}
	case v.Kind == cqn.AnnoString && v.Text == "true" && v.Expr == nil:
		x = &cqn.Lit{Value: cqn.Bool(true)}
	case v.Expr != nil:
		x = v.Expr
	default:
		return false
	}
	p.where = append(p.where, x)
	if p.text != "" {
		p.text += " and "
	}
	if v.Text != "" {
		p.text += v.Text
	} else {
		p.text += cqn.Format(x)
	}
	return true
}

// A policy is all rules of a model.
type policy struct {
	rules    map[any]*rule // by *csn.Service, *csn.Entity, *csn.Operation, *csn.Element
	includes map[string][]string
	parents  map[*csn.Entity][]*csn.Element
	unknown  map[*csn.Entity]string // why it can't be told who may read an entity
	login    bool                   // services without a rule need a login
}

// readPolicy reads the annotations of a model.
func readPolicy(m *csn.Model, login bool) *policy {
	p := &policy{rules: map[any]*rule{}, includes: map[string][]string{}, parents: map[*csn.Entity][]*csn.Element{}, unknown: map[*csn.Entity]string{}, login: login}
	keep := func(key any, r *rule) {
		if r != nil {
			p.rules[key] = r
		}
	}
	for _, s := range m.Services {
		keep(s, readRule(s.Name, &s.Def, nil, s.Annotations))
		for i := range s.Annotations {
			if role, ok := strings.CutPrefix(s.Annotations[i].Name, "roles."); ok {
				has, _ := names(s.Annotations[i].Value)
				p.includes[role] = append(p.includes[role], has...)
			}
		}
		for _, op := range s.Ops {
			keep(op, readRule(op.Name, &op.Def, nil, op.Annotations))
		}
	}
	for _, e := range m.Entities {
		named := []csn.Annotations{e.Annotations}
		if e.Service != nil {
			named = append(named, e.Service.Annotations)
		}
		keep(e, readRule(e.Name, &e.Def, e, named...))
		for _, op := range e.Actions {
			keep(op, readRule(e.Name+"."+op.Name, &op.Def, nil, op.Annotations))
		}
		for _, el := range e.Flat {
			keep(el, readRule(e.Name+"."+el.Name, &el.Def, nil, el.Annotations))
		}
	}
	for _, e := range m.Entities {
		p.parts(e)
	}
	return p
}

// parts finds out what an entity is a part of. Parts of themselves and those whose composition is outside the service are not judged, if it matters.
func (p *policy) parts(e *csn.Entity) {
	var own, self []*csn.Element
	for _, el := range e.Parents {
		if el.Owner == e {
			self = append(self, el)
		} else {
			own = append(own, el)
		}
	}
	switch {
	case len(own) > 0 && len(self) > 0:
		p.unknown[e] = "it is a part of itself and of others"
	case len(own) > 0:
		p.parents[e] = own
	case len(self) > 0 || e.Service == nil:
	default:
		for b, n := e.Base, 0; b != nil && n < 100; b, n = b.Base, n+1 {
			for _, el := range b.Parents {
				if el.Owner != b && p.restricted(el.Owner, e.Service) {
					p.unknown[e] = "it is a part of " + el.Owner.Name + ", which its service does not show as such"
				}
			}
			if len(b.Parents) > 0 {
				return
			}
		}
	}
}

// restricted reports whether an entity, or one of a service over the same table, has a rule.
func (p *policy) restricted(e *csn.Entity, s *csn.Service) bool {
	if p.rules[e] != nil {
		return true
	}
	for _, o := range s.Entities {
		if o.Table() != nil && o.Table() == e.Table() && p.rules[o] != nil {
			return true
		}
	}
	for _, el := range e.Parents {
		if el.Owner != e && p.restricted(el.Owner, s) {
			return true
		}
	}
	return false
}

// has reports whether a user has one of the roles, directly or by a role that includes it.
func (p *policy) has(u *auth.User, roles []string) bool {
	var reach func(role string, depth int) bool
	reach = func(role string, depth int) bool {
		if slices.Contains(roles, role) {
			return true
		}
		return depth < 50 && slices.ContainsFunc(p.includes[role], func(r string) bool { return reach(r, depth+1) })
	}
	return slices.Contains(roles, auth.RoleAny) || slices.ContainsFunc(u.Roles(), func(r string) bool { return reach(r, 0) })
}
