package authzmatrix

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// secondDoors reports entities and elements by which somebody gets at what another entity keeps from him: rows of the same table, or values of the same
// element, with fewer rights. Only what says nothing of who may read it is reported: whoever writes a restriction has decided. So has who opens a service
// to any, or to a role that the other entity gives nothing.
func (l *linter) secondDoors() {
	closed := l.closedEntities()
	for _, s := range l.model.Services {
		for _, e := range s.Entities {
			if e.Active != nil || len(e.Union) > 0 || doorless(s) {
				continue
			}
			if !opened(s) && !l.policy.Restricted(e) && !authz.Freed(e) && !l.sibling(e) {
				l.secondDoor(e, closed)
			}
			l.secondElements(e)
		}
	}
}

// opened reports whether a service says that it is for everybody.
func opened(s *csn.Service) bool {
	return slices.Contains(roleNames(s.Annotations.Get("requires")), auth.RoleAny)
}

// doorless reports whether a service has no door: it is for code in the same process.
func doorless(s *csn.Service) bool {
	return slices.Contains(roleNames(s.Annotations.Get("protocol")), "none")
}

// roleNames are the texts of an annotation.
func roleNames(v *cqn.AnnoValue) []string {
	if v == nil {
		return nil
	}
	out := []string{v.Str()}
	for _, i := range v.Items {
		out = append(out, i.Str())
	}
	return out
}

// sibling reports whether the policy compiler has said the same already.
func (l *linter) sibling(e *csn.Entity) bool {
	return slices.ContainsFunc(l.found, func(d diag.Diagnostic) bool {
		return d.Code == "authz-sibling-open" && d.Home == "entity:"+e.Name
	})
}

// closedEntities are the service entities with a restriction, by the tables whose rows they show.
func (l *linter) closedEntities() map[*csn.Entity][]*csn.Entity {
	out := map[*csn.Entity][]*csn.Entity{}
	for _, s := range l.model.Services {
		for _, e := range s.Entities {
			if e.Active != nil || len(e.Union) > 0 || !l.policy.Restricted(e) {
				continue
			}
			for _, t := range withParts(authz.Tables(e, false)) {
				out[t] = append(out[t], e)
			}
		}
	}
	return out
}

// withParts adds the tables of the parts of rows, which follow them.
func withParts(tables []*csn.Entity) []*csn.Entity {
	for i := 0; i < len(tables); i++ {
		for _, el := range tables[i].Elements {
			if a := el.Assoc(); a != nil && a.Composition && a.Target != nil && !slices.Contains(tables, a.Target) {
				tables = append(tables, a.Target)
			}
		}
	}
	return tables
}

// A gain is what somebody gets at a second door.
type gain struct {
	by        *csn.Entity // the entity that keeps it from him
	roles     []string
	events    []string
	sample    *Sample
	undecided bool
}

// secondDoor reports an entity without a restriction if it gives anybody more than a restricted one over the same tables.
func (l *linter) secondDoor(e *csn.Entity, closed map[*csn.Entity][]*csn.Entity) {
	var best *gain
	seen := map[*csn.Entity]bool{e: true}
	for _, t := range authz.Tables(e, true) {
		for _, a := range closed[t] {
			if seen[a] || e.Exposure == csn.AutoExposed && a.Table() != e.Table() { // what leads to a part is looked at itself
				continue
			}
			seen[a] = true
			if g := l.gain(a, e); g != nil && (best == nil || best.undecided && !g.undecided) {
				best = g
			}
		}
	}
	if best == nil {
		return
	}
	what := strings.Join(best.events, ", ")
	if best.undecided {
		d := l.add(codeSecondDoor, e.Span, "it is undecided whether %s lets %s %s what %s keeps from them", e.Name, roleWords(best.roles), what, best.by.Name)
		d.Severity = diag.Info
		l.otherDoor(d, best.by)
		return
	}
	d := l.add(codeSecondDoor, e.Span, "%s lets %s %s what %s keeps from them%s", e.Name, roleWords(best.roles), what, best.by.Name, best.example())
	l.otherDoor(d, best.by)
}

// example tells a user and a row.
func (g *gain) example() string {
	if g.sample == nil || len(g.sample.Row)+len(g.sample.Given) == 0 {
		return ""
	}
	return ": " + g.sample.String()
}

// otherDoor names the place of the restriction and says what to do.
func (l *linter) otherDoor(d *diag.Diagnostic, a *csn.Entity) {
	d.Hint = "Say what holds here by @restrict or @requires, be it @requires: 'any', or leave it out of the service."
	at, ok := l.policy.RuleSpan(a.Name)
	if !ok || !at.Valid() {
		at = a.Span
	}
	if at.Valid() {
		d.Related = []diag.Related{{Message: "the restriction of " + a.Name, Span: at}}
	}
}

// roleWords says who somebody with roles is.
func roleWords(roles []string) string {
	switch {
	case slices.Equal(roles, []string{auth.RoleAny}):
		return "everybody"
	case slices.Equal(roles, []string{auth.RoleAuthenticated}):
		return "whoever has logged in"
	}
	return "who has the role " + roleText(roles)
}

// gain finds the least somebody who may do more by e than by a; nil for nobody. Roles that a gives nothing are left alone: what the service of e says of
// them is an answer. Those that a gives some rows are not.
func (l *linter) gain(a, e *csn.Entity) *gain {
	mentioned := l.policy.AccessRoles(authz.Access{Service: a.Service, Event: authz.Read, Path: []*csn.Entity{a}})
	people := base()
	for _, r := range mentioned {
		people = append(people, []string{r})
	}
	var unsure *gain
	for _, roles := range people {
		g := &gain{by: a, roles: roles}
		for _, ev := range []authz.Event{authz.Read, authz.Create, authz.Update, authz.Delete} {
			if ev != authz.Read && (e.Base == nil || a.Table() == nil || a.Table() != e.Table()) {
				continue
			}
			more, f := l.more(roles, a, e, ev)
			switch {
			case more:
				g.events = append(g.events, string(ev))
				if g.sample == nil {
					g.sample = f.sample
				}
			case f.undecided && unsure == nil:
				unsure = &gain{by: a, roles: roles, events: []string{string(ev)}, undecided: true}
			}
		}
		if len(g.events) > 0 {
			return g
		}
	}
	return unsure
}

// more reports whether somebody with the roles may do something by e with a row that a keeps from him.
func (l *linter) more(roles []string, a, e *csn.Entity, ev authz.Event) (bool, finding) {
	at := l.best(roles, e, ev)
	if !at.Allowed() {
		return false, finding{}
	}
	kept := l.best(roles, a, ev)
	if kept.Verdict == authz.Allow || kept.Verdict == authz.Deny405 || !kept.Allowed() && !pseudo(roles) {
		return false, finding{}
	}
	yes := termsOf(at.Where)
	filter, known := shown(e)
	if filter != nil {
		yes = termsOf(conj(at.Where, filter))
	}
	if kept.Verdict != authz.AllowIf {
		return len(yes) > 0, finding{}
	}
	no := termsOf(kept.Where)
	if no.covers(yes) {
		return false, finding{}
	}
	if !known || a.Table() == nil || e.Table() != a.Table() || yes.expr() != nil && (!sameNames(kept.Where, a, e) || !sameNames(yes.expr(), a, e)) {
		return false, finding{undecided: true}
	}
	f := find(roles, []*csn.Entity{a, e}, yes, no)
	return f.sample != nil, f
}

// pseudo reports whether roles are those of everybody, or of whoever has logged in.
func pseudo(roles []string) bool {
	return slices.ContainsFunc(base(), func(b []string) bool { return slices.Equal(b, roles) })
}

// best is the outcome of the widest way to an entity.
func (l *linter) best(roles []string, e *csn.Entity, ev authz.Event) authz.Outcome {
	var out authz.Outcome
	for _, w := range ways(e, 0) {
		o := l.policy.Inspect(slices.Clone(roles), authz.Access{Service: e.Service, Event: ev, Path: w.path, Via: w.via})
		if o.Verdict > out.Verdict && (!out.Allowed() || o.Verdict == authz.Allow) || out.Verdict == authz.AllowIf && o.Verdict == authz.Allow {
			out = o
		}
		if out.Verdict == authz.Allow {
			break
		}
	}
	return out
}

// shown returns which rows of its table a chain of projections shows, nil for all; known is false where it is no such chain.
func shown(e *csn.Entity) (filter cqn.Expr, known bool) {
	for ; e.Base != nil; e = e.Base {
		s, ok := e.Source.(*cqn.Select)
		if !ok || s.Limit != nil || s.Having != nil {
			return nil, false
		}
		if s.Where != nil {
			if !sameNames(s.Where, e.Base, e) { // names in the body are those of what it reads
				return nil, false
			}
			filter = conj(filter, s.Where)
		}
	}
	return filter, e.Source == nil
}

func conj(a, b cqn.Expr) cqn.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &cqn.Binary{Op: cqn.And, L: a, R: b}
}

// sameNames reports whether all names of a condition begin with elements that are the same in both entities.
func sameNames(x cqn.Expr, a, b *csn.Entity) bool {
	if x == nil {
		return true
	}
	same := true
	check := func(steps []cqn.Step) {
		if len(steps) == 0 || strings.HasPrefix(steps[0].Name, "$") {
			return
		}
		p, _ := resolve(a, &cqn.Ref{Path: steps[:1]})
		q, _ := resolve(b, &cqn.Ref{Path: steps[:1]})
		if p == nil || q == nil || bottom(p) != bottom(q) {
			same = false
		}
	}
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Exists:
			if n.Path != nil {
				check(n.Path.Path)
			}
			return false // what it asks of other rows has names of its own
		case *cqn.Subquery:
			same = false
		case *cqn.Ref:
			check(n.Path)
			return false
		}
		return same
	})
	return same
}

// bottom is the element of a table that an element is by another name.
func bottom(el *csn.Element) *csn.Element {
	for n := 0; el.Origin != nil && n < 100; n++ {
		el = el.Origin
	}
	return el
}

// secondElements reports elements without a restriction that show, or are computed from, what an element of another service keeps from somebody. Within a
// service the policy compiler does so.
func (l *linter) secondElements(e *csn.Entity) {
	if l.closed == nil {
		l.closed = l.closedElements()
	}
	if len(l.closed) == 0 {
		return
	}
	for _, el := range e.Flat {
		if el.Internal || l.policy.RestrictedElement(el) {
			continue
		}
		for _, x := range authz.Lineage(e, el) {
			if l.secondElement(e, el, l.closed[x]) {
				break
			}
		}
	}
}

// closedElements are the elements with a restriction, by the elements of tables that they show.
func (l *linter) closedElements() map[*csn.Element][]*csn.Element {
	out := map[*csn.Element][]*csn.Element{}
	for _, s := range l.model.Services {
		for _, e := range s.Entities {
			for _, el := range e.Flat {
				if e.Active == nil && l.policy.RestrictedElement(el) && !el.Key {
					out[bottom(el)] = append(out[bottom(el)], el)
				}
			}
		}
	}
	return out
}

func (l *linter) secondElement(e *csn.Entity, el *csn.Element, closed []*csn.Element) bool {
	for _, c := range closed {
		if c.Owner == nil || c.Owner.Service == e.Service || c.Owner == e {
			continue
		}
		people := base()
		for _, r := range l.policy.ElementRoles(c) {
			people = append(people, []string{r})
		}
		for _, roles := range people {
			if o := l.best(roles, e, authz.Read); !o.Allowed() {
				continue
			}
			if o := l.policy.InspectElement(slices.Clone(roles), c, sqlgen.Root); o.Verdict == authz.Allow {
				continue
			}
			at := el.Span
			if !at.Valid() || l.opt.Own != nil && !l.opt.Own(at) || el.Origin != nil && at == el.Origin.Span {
				at = e.Span
			}
			d := l.add(codeSecondElement, at, "%s.%s lets %s read what %s.%s keeps from them", e.Name, el.Name, roleWords(roles), c.Owner.Name, c.Name)
			l.restrictedPlace(d, c)
			return true
		}
	}
	return false
}

func (l *linter) restrictedPlace(d *diag.Diagnostic, c *csn.Element) {
	d.Hint = "Restrict the element here too, say @requires: 'any' of it, or leave it out."
	at, ok := l.policy.RuleSpan(c.Owner.Name + "." + c.Name)
	if !ok || !at.Valid() {
		at = c.Span
	}
	if at.Valid() {
		d.Related = []diag.Related{{Message: "the restriction of " + c.Owner.Name + "." + c.Name, Span: at}}
	}
}
