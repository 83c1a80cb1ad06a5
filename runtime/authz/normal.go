package authz

import (
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	"cds/runtime/eval"
)

// A resource is what an annotation stands on.
type resource struct {
	what   string // "service", "entity", "operation", "element"
	on     string // absolute name
	entity *csn.Entity
	ops    func(name string) bool // names that grant may use beside the standard events
	events bool                   // standard events may be granted
	loose  bool                   // names that merely resemble ours are left alone, as on elements
	// named are the conditions that privileges may name: annotations of the entity, and of its service.
	named []csn.Annotations
}

// A normalizer turns annotations into rules. What it does not understand closes the resource (decision 1).
type normalizer struct {
	strict bool
	roles  *roleTable
	diags  diag.List
}

// rules reads the restrictions on a definition; nil if there are none.
func (n *normalizer) rules(res resource, d *csn.Def) *rules {
	r := &rules{on: res.on, span: d.Span}
	for i := range d.Annotations {
		a := &d.Annotations[i]
		switch base, rest := split(a.Name); {
		case a.Name == "requires":
			n.requires(r, res, a)
		case a.Name == "restrict":
			n.restrict(r, res, a)
		case base == "requires":
			n.fault(r, res, a.Span, codeRequiresForm, "@%s is not understood: @requires takes a role or a list of roles", a.Name)
		case base == "restrict":
			n.fault(r, res, a.Span, codeRestrictForm, "@%s is not understood: @restrict takes a list of privileges", a.Name).Hint =
				fmt.Sprintf("write @restrict: [{ %s: … }]", strings.TrimLeft(rest, ".#"))
		case !res.loose && resembles(a):
			n.fault(r, res, a.Span, codeMisspelt, "@%s looks like a misspelt restriction", a.Name).Hint = "write @requires or @restrict, or give the annotation another name"
		}
	}
	if r.requires == nil && !r.restricted && r.closed == "" {
		return nil
	}
	return r
}

// split cuts the name of an annotation after its first part.
func split(name string) (base, rest string) {
	if i := strings.IndexAny(name, ".#"); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// fault reports what is not understood and closes the resource.
func (n *normalizer) fault(r *rules, res resource, at token.Span, code diag.Code, format string, args ...any) *diag.Diagnostic {
	sev := diag.Error
	if !n.strict {
		sev = diag.Warning
	}
	if !at.Valid() {
		at = r.span
	}
	d := n.diags.Add(sev, code, at, format, args...)
	d.Home = res.what + ":" + res.on
	if r.closed == "" {
		r.closed = d.Message
	}
	if !n.strict {
		d.Message += "; nobody may access " + res.on
	}
	return d
}

// nothing warns of a grant that reaches nobody (decision 2).
func (n *normalizer) nothing(res resource, at token.Span, what string) {
	n.diags.Warnf(codeGrantsNothing, at, "%s grants nothing to anybody", what).Home = res.what + ":" + res.on
}

func (n *normalizer) requires(r *rules, res resource, a *cqn.AnnoField) {
	if a.Value != nil && a.Value.Kind == cqn.AnnoNull {
		return // removes an inherited one (N8)
	}
	names, ok := n.texts(res, a.Value, "@requires")
	if !ok {
		n.fault(r, res, a.Span, codeRequiresForm, "@requires must be a role or a list of roles, each as a text")
		return
	}
	r.requires = &privilege{name: res.on + "@requires", names: []string{res.on + "@requires"}, all: true, words: []string{"*"}, roles: names, to: n.roles.set(names), span: a.Span}
}

// texts reads a text or a list of texts. Empty ones and nulls are left out with a warning. It fails for anything else.
func (n *normalizer) texts(res resource, v *cqn.AnnoValue, what string) (names []string, ok bool) {
	items := []*cqn.AnnoValue{v}
	if v == nil {
		return nil, false
	}
	if v.Kind == cqn.AnnoArray {
		items = v.Items
	}
	for _, it := range items {
		switch {
		case it == nil:
			return nil, false
		case it.Kind == cqn.AnnoString && it.Text != "":
			names = append(names, it.Text)
		case it.Kind == cqn.AnnoString || it.Kind == cqn.AnnoNull:
		default:
			return nil, false
		}
	}
	if len(names) == 0 || len(names) < len(items) {
		n.nothing(res, v.Span, "an empty or null value in "+what)
	}
	return names, true
}

func (n *normalizer) restrict(r *rules, res resource, a *cqn.AnnoField) {
	v := a.Value
	switch {
	case v != nil && v.Kind == cqn.AnnoNull:
		return
	case v == nil || v.Kind != cqn.AnnoArray:
		n.fault(r, res, a.Span, codeRestrictForm, "@restrict must be a list of privileges").Hint = "write @restrict: [{ grant: …, to: …, where: … }]"
		return
	}
	r.restricted = true
	if len(v.Items) == 0 {
		n.nothing(res, a.Span, "@restrict: []")
	}
	for i, it := range v.Items {
		p := privilege{name: fmt.Sprintf("%s#%d", res.on, i+1), span: a.Span}
		p.names = []string{p.name}
		if it != nil && it.Span.Valid() {
			p.span = it.Span
		}
		switch {
		case !n.privilege(r, res, it, &p):
		case p.deny:
			r.denies = append(r.denies, p)
		default:
			r.privileges = append(r.privileges, p)
		}
	}
	if len(r.privileges) == 0 && len(r.denies) > 0 {
		n.nothing(res, a.Span, "a @restrict that only denies")
	}
}

// privilege reads one privilege; false if it is not understood.
func (n *normalizer) privilege(r *rules, res resource, v *cqn.AnnoValue, p *privilege) bool {
	if v == nil || v.Kind != cqn.AnnoStruct || len(v.Fields) == 0 {
		n.fault(r, res, p.span, codeRestrictForm, "a privilege of @restrict must have at least one of grant, to and where")
		return false
	}
	p.deny = v.Field("deny") != nil
	p.all, p.words = true, []string{"*"}
	p.roles = []string{"any"}
	seen := map[string]bool{}
	ok := true
	for i := range v.Fields {
		f := &v.Fields[i]
		if seen[f.Name] {
			n.fault(r, res, f.Span, codeProperty, "%s stands twice in one privilege", f.Name)
			return false
		}
		seen[f.Name] = true
		switch f.Name {
		case "grant", "deny":
			ok = n.grant(r, res, f, p) && ok
		case "to":
			names, fine := n.texts(res, f.Value, "to")
			if !fine {
				n.fault(r, res, f.Span, codeTo, "to must be a role or a list of roles, each as a text")
			}
			p.roles, ok = names, ok && fine
		case "where":
			ok = n.where(r, res, f, p) && ok
		case "if":
			ok = n.conditions(r, res, f, p) && ok
		case "message":
			ok = n.message(r, res, f, p) && ok
		case "_where": // a compiler's parsed form of where, beside it
		default:
			d := n.fault(r, res, f.Span, codeProperty, "a privilege has no property %s; it has grant or deny, to, where, if and message", f.Name)
			if near := nearest(f.Name, "grant", "deny", "to", "where", "if", "message"); near != "" {
				d.Hint = "did you mean " + near + "?"
			}
			ok = false
		}
	}
	if p.deny && seen["grant"] {
		n.fault(r, res, p.span, codeProperty, "a privilege has both grant and deny").Hint = "write two privileges"
		return false
	}
	p.settleConstant()
	p.to = n.roles.set(p.roles)
	return ok
}

func (n *normalizer) grant(r *rules, res resource, f *cqn.AnnoField, p *privilege) bool {
	words, ok := n.texts(res, f.Value, "grant")
	if !ok {
		n.fault(r, res, f.Span, codeGrant, "%s must be an event or a list of events, each as a text", f.Name)
		return false
	}
	p.all, p.words = false, words
	if p.deny && len(words) == 0 {
		n.fault(r, res, f.Span, codeGrant, "deny names no event").Hint = "name what is denied, * for everything"
		return false
	}
	for _, w := range words {
		ev, standard := eventOf(w)
		switch {
		case p.deny && w == "UPSERT":
			n.fault(r, res, f.Span, codeGrant, "UPSERT cannot be denied by itself: it is a CREATE or an UPDATE").Hint = "deny CREATE, UPDATE or both"
			return false
		case w == "*":
			p.all = true
		case standard && res.events:
			p.ev |= ev
		case res.ops != nil && res.ops(w):
			p.ops = append(p.ops, w)
		default:
			d := n.fault(r, res, f.Span, codeGrant, "%s %q is no event of %s %s", f.Name, w, res.what, res.on)
			if near := nearest(w, "READ", "CREATE", "UPDATE", "DELETE", "UPSERT", "WRITE"); near != "" && res.events {
				d.Hint = "did you mean " + near + "?"
			}
			return false
		}
	}
	return true
}

func (n *normalizer) where(r *rules, res resource, f *cqn.AnnoField, p *privilege) bool {
	x := conditionOf(f.Value)
	if x == nil {
		n.fault(r, res, f.Span, codeWhere, "where is not understood: a condition is expected")
		return false
	}
	return n.condition(r, res, f.Span, x, f.Value.Text, p)
}

// condition adds a condition to those that a privilege has: all of them must hold.
func (n *normalizer) condition(r *rules, res resource, at token.Span, x cqn.Expr, text string, p *privilege) bool {
	if text == "" {
		text = cqn.Format(x)
	}
	if !eval.Static(x) {
		if res.entity == nil {
			n.fault(r, res, at, codeWhere, "the condition of %s %s may only use $user, $now and constants", res.what, res.on)
			return false
		}
		if fault := checkCondition(x, res.entity); fault != "" {
			n.fault(r, res, at, codeWhere, "the condition %s cannot be resolved: %s", text, fault)
			return false
		}
	}
	if p.where != nil {
		text = "(" + p.text + ") and (" + text + ")"
	}
	p.where, p.text = and(p.where, x), text
	p.static = eval.Static(p.where)
	return true
}

// settleConstant replaces a condition that is the same for all users and rows.
func (p *privilege) settleConstant() {
	if p.where == nil || !p.static || !constant(p.where) {
		return
	}
	t, err := eval.Test(p.where, nil, nil, nil)
	switch {
	case p.deny && err == nil && t == eval.False:
		p.where = never()
	case p.deny: // what is unknown denies
		p.where = nil
	case err != nil:
	case t == eval.True:
		p.where = nil
	default:
		p.where = never()
	}
}

// resembles reports whether an annotation is clearly meant to restrict.
func resembles(a *cqn.AnnoField) bool {
	meant := csn.MeantAnnotation(a)
	return meant == "requires" || meant == "restrict"
}

// nearest returns the candidate that differs from name in case, or in at most two letters (one if it is short), "" if none does.
func nearest(name string, candidates ...string) string {
	low := strings.ToLower(name)
	for _, c := range candidates {
		most := 2
		if len(c) < 6 {
			most = 1
		}
		if csn.Edits(low, strings.ToLower(c)) <= most {
			return c
		}
	}
	return ""
}

// operationNames returns a test for the names of operations that may be granted on an entity: its own, and those of the entities
// that it projects, since restrictions are inherited.
func operationNames(e *csn.Entity) func(string) bool {
	return func(name string) bool {
		for b, depth := e, 0; b != nil && depth < maxDepth; b, depth = b.Base, depth+1 {
			if b.Action(name) != nil {
				return true
			}
		}
		return false
	}
}

// serviceOperationNames does the same for a service: its operations and those bound to its entities.
func serviceOperationNames(s *csn.Service) func(string) bool {
	return func(name string) bool {
		return s.Operation(name) != nil || slices.ContainsFunc(s.Entities, func(e *csn.Entity) bool { return e.Action(name) != nil })
	}
}
