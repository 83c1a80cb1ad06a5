package authz

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/eval"
)

// conditionRole begins the names of roles that stand for conditions. No user has such a role by name.
const conditionRole = "\x00"

// A userCondition of an element's privilege looks at the user and the time only. It is a role that whoever fulfils it has for one request: so it
// is part of a guard's key, and plans are shared by those only who may see the same.
type userCondition struct {
	to    roleSet // who it is asked for
	where cqn.Expr
	role  int
	deny  bool // who denies by it: it holds unless it is false
}

// askFirst takes the conditions out of the privileges of an element and has them asked before each decision.
func (p *policy) askFirst(r *rules) *rules {
	for i := range r.privileges {
		p.askRole(&r.privileges[i])
	}
	for i := range r.denies {
		p.askRole(&r.denies[i])
	}
	r.mask.ask(p)
	return r
}

func (p *policy) askRole(pr *privilege) {
	if pr.where == nil {
		return
	}
	n := p.roles.intern(conditionRole + strconv.Itoa(len(p.asked)))
	p.asked = append(p.asked, userCondition{to: pr.to, where: pr.where, role: n, deny: pr.deny})
	pr.to, pr.where, pr.asked = roleSet(nil).add(n), nil, true
}

// ask gives a subject the roles of the conditions that hold. One that can't be evaluated does not hold, unless it denies.
func (p *policy) ask(s *subject, env *eval.Env) {
	if s.all {
		return
	}
	for i := range p.asked {
		c := &p.asked[i]
		if !c.to.meets(s.mask) {
			continue
		}
		t, err := eval.Test(c.where, nil, nil, env)
		if holds := err == nil && t == eval.True; holds || c.deny && (err != nil || t != eval.False) {
			s.mask = s.mask.add(c.role)
		}
	}
}

// texts gives translations the restrictions of the elements that they translate.
func (p *policy) texts() {
	if len(p.elements) == 0 {
		return
	}
	for i := range p.entities {
		e := p.entities[i].entity
		if e == nil || !e.Localized {
			continue
		}
		el := translations(e)
		if el == nil {
			continue
		}
		for _, t := range el.Assoc().Target.Flat {
			if o := e.Flat.Lookup(t.Name); o != nil && o.Localized && p.elements[t] == nil && p.elements[o] != nil {
				r := *p.elements[o]
				r.on = name(t.Owner) + "." + t.Name
				r.mask = r.mask.translated(el)
				p.elements[t] = &r
			}
		}
	}
}

// translations returns the composition of an entity's translations, nil for none in its service. A view may call another element so.
func translations(e *csn.Entity) *csn.Element {
	el := e.Elements.Lookup("texts")
	if e.Active != nil {
		if translations(e.Active) == nil {
			return nil
		}
		return el
	}
	table := e.Table()
	if el == nil || table == nil || !table.Localized {
		return nil
	}
	from := el
	for from.Origin != nil {
		from = from.Origin
	}
	if from != table.Elements.Lookup("texts") || el.Assoc() == nil || el.Assoc().Target.Service != e.Service {
		return nil
	}
	return el
}

// findTranslations notes whose translations entities are: of projections that share them, of that which they are called after, and else of the first.
func (p *policy) findTranslations(m *csn.Model) {
	p.translates = map[*csn.Entity]*csn.Element{}
	for _, e := range m.Entities {
		el := translations(e)
		if el == nil {
			continue
		}
		named := e.Name
		if e.Active != nil {
			named = e.Active.Name
		}
		if t := el.Assoc().Target; p.translates[t] == nil || strings.HasPrefix(t.Name, named+".texts") {
			p.translates[t] = el
		}
	}
}

// masked adds the mask of an element to its rules, which may be nil. That of a translation, which has its annotations from the element that it translates, is about
// the row of that element.
func (p *policy) masked(n *normalizer, res resource, e *csn.Entity, el *csn.Element, r *rules) *rules {
	of := p.translates[e]
	if of == nil {
		return n.masked(res, e, el, r)
	}
	o := of.Owner.Flat.Lookup(el.Name)
	if o == nil || !saysMask(el, o) || !saysMask(o, el) {
		return n.masked(res, e, el, r)
	}
	if r = n.masked(res, of.Owner, o, r); r != nil {
		r.mask = r.mask.translated(of)
	}
	return r
}

// saysMask reports whether all that is said of the mask of x is said of that of y, in the same places.
func saysMask(x, y *csn.Element) bool {
	for i := range x.Annotations {
		a := &x.Annotations[i]
		if base, _ := split(a.Name); (base == "mask" || csn.MeantAnnotation(a) == "mask") && !annotated(y, a) {
			return false
		}
	}
	return true
}

// computed gives elements that are computed from others the restrictions of these, where they have none of their own (decision 15: what may not be
// read shows nowhere): calculated elements, and expressions in the columns of views. An own @requires, be it 'any', is the model's
// answer.
func (p *policy) computed() {
	if len(p.elements) == 0 {
		return
	}
	for range maxInputs { // what is computed may be projected, and computed with, again
		found := map[*csn.Element]*rules{}
		for i := range p.entities {
			e := p.entities[i].entity
			if e == nil {
				continue
			}
			p.derived = e.Active != nil
			for _, el := range e.Flat {
				own := p.elements[el]
				if own != nil && (own.closed != "" || e.Source == nil) { // closed it stays
					continue
				}
				in := inputs{}
				in.of(e, el, 0)
				r := (*rules)(nil)
				if own == nil {
					r = p.ofInputs(e, el, in)
				} else {
					r = p.besides(e, el, own, in)
				}
				if r != nil {
					found[el] = p.keep(r)
				}
			}
		}
		p.derived = false
		for el, r := range found {
			p.elements[el] = r
		}
		if len(found) == 0 {
			return
		}
	}
}

// ofInputs returns the rules of an element that is computed from others; nil for none.
func (p *policy) ofInputs(e *csn.Entity, el *csn.Element, in inputs) *rules {
	if len(in) == 0 {
		return nil
	}
	var from []*rules
	var as []string            // whose they are
	for _, o := range e.Flat { // what the entity itself says of an input goes before what is said below it
		hit, deepest := false, p.elements[o]
		for x, n := o, 0; x != nil && n < maxInputs; x, n = x.Origin, n+1 {
			if hit = hit || in[x]; hit && deepest != nil {
				delete(in, x)
			}
		}
		if hit && deepest != nil && o != el {
			from, as = append(from, deepest), append(as, p.restrictedAs(o, deepest))
		}
	}
	for _, x := range in.sorted() {
		// Names alone inherit annotations, which the model may take away; what those follow that are computed, it cannot.
		if r := p.elements[x]; r != nil && (in[x] || r.computed) {
			from, as = append(from, r), append(as, p.restrictedAs(x, r))
		}
	}
	if len(from) == 0 {
		return nil
	}
	out := *from[0]
	out.on, out.computed = e.Name+"."+el.Name, true
	out.mask = out.mask.forbidding()
	for _, whose := range as[1:] {
		if whose != as[0] {
			out.closed = "it is computed from several restricted elements and has no restriction of its own"
		}
	}
	return &out
}

// besides returns the rules of an element whose restriction is inherited from what it shows, where other elements are restricted that it is reached over, such as an
// association: it is closed, unless they ask for the same roles and nothing else. An own restriction is the model's answer, and nil.
func (p *policy) besides(e *csn.Entity, el *csn.Element, own *rules, in inputs) *rules {
	taken, settled := false, inputs{} // what an element that it shows is made from has been asked for there
	out := *own
	for _, x := range in.sorted() {
		if r := p.elements[x]; r != nil && inheritedFrom(el, x) {
			taken = true
			if !r.computed || r.closed == "" && len(r.also) > 0 {
				settled[x] = true
				settled.of(x.Owner, x, 0)
			}
			for _, o := range r.also { // of the structures that it is in there
				if !slices.ContainsFunc(out.also, func(x *rules) bool { return x == o || x.sameRoles(o) }) {
					out.also = append(out.also[:len(out.also):len(out.also)], o)
				}
			}
		}
	}
	others := false
	for x, counts := range in {
		_, done := settled[x]
		for o := x.Origin; o != nil && !done && x.Owner == e && inheritedFrom(x, o); o = o.Origin { // here by the name that it has there
			_, done = settled[o]
		}
		r := p.elements[x]
		others = others || r != nil && !done && (counts || r.computed) && !r.sameRoles(own)
	}
	if !taken || !others && len(out.also) == len(own.also) {
		return nil
	}
	if out.on, out.computed = e.Name+"."+el.Name, true; others {
		out.closed = "it shows one restricted element and is reached over others, and has no restriction of its own"
	}
	return &out
}

// inheritedFrom reports whether what restricts el is what restricts x, all of it, and was written for x.
func inheritedFrom(el, x *csn.Element) bool {
	found := false
	for i := range el.Annotations {
		a := &el.Annotations[i]
		if !restricts(a) {
			continue
		}
		if !annotated(x, a) {
			return false
		}
		found = true
	}
	for i := range x.Annotations { // what has come down to x from structures around it does not go further with it
		a := &x.Annotations[i]
		if restricts(a) && !annotated(el, a) && !slices.ContainsFunc(structuresOf(x), func(o *csn.Element) bool { return annotated(o, a) }) {
			return false
		}
	}
	return found
}

// structuresOf returns the structures around a flat element.
func structuresOf(el *csn.Element) []*csn.Element {
	var out []*csn.Element
	path := el.Path()
	if el.Owner == nil || len(path) < 2 {
		return nil
	}
	in := el.Owner.Elements
	for _, name := range path[:len(path)-1] {
		o := in.Lookup(name)
		if o == nil {
			break
		}
		out, in = append(out, o), nil
		if st, ok := o.Type.(*csn.Struct); ok {
			in = st.Elements
		}
	}
	return out
}

// restricts reports whether an annotation restricts an element.
func restricts(a *cqn.AnnoField) bool {
	base, _ := split(a.Name)
	return base == "requires" || base == "restrict" || base == "mask"
}

// annotated reports whether an element has the very annotation that another one has: from there, or from where that has it.
func annotated(x *csn.Element, a *cqn.AnnoField) bool {
	k := slices.IndexFunc(x.Annotations, func(b cqn.AnnoField) bool { return a.Name == b.Name })
	return k >= 0 && a.Span == x.Annotations[k].Span && (a.Span.Valid() || reflect.DeepEqual(a.Value, x.Annotations[k].Value))
}

// sameRoles reports whether rules ask for the same roles, and for nothing else.
func (r *rules) sameRoles(o *rules) bool {
	plain := func(r *rules) bool {
		return r.requires != nil && !r.restricted && len(r.denies) == 0 && r.mask == nil && r.closed == "" && !r.computed && len(r.also) == 0
	}
	return plain(r) && plain(o) && slices.Equal(r.requires.roles, o.requires.roles)
}

// restrictedAs names the restriction of an element. Drafts have that of active rows, and where both are shown together it counts once.
func (p *policy) restrictedAs(el *csn.Element, r *rules) string {
	if e := el.Owner; e != nil && e.Active != nil {
		if o := e.Active.Element(el.Name); o != nil && p.elements[o] != nil {
			return p.elements[o].on
		}
	}
	return r.on
}

// maxInputs bounds chains of views and of calculated elements.
const maxInputs = 60

// inputs are the elements that another one is computed from; with false, those that it is by another name.
type inputs map[*csn.Element]bool

// sorted returns them in a fixed order.
func (in inputs) sorted() []*csn.Element {
	var out []*csn.Element
	for x := range in {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *csn.Element) int {
		if c := strings.Compare(name(a.Owner), name(b.Owner)); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// of adds what the value of an element of e is made from; nothing for a column of a table.
func (in inputs) of(e *csn.Entity, el *csn.Element, depth int) {
	if e == nil || depth > maxInputs {
		return
	}
	for _, u := range e.Union { // active rows and drafts together
		if o := u.Element(el.Name); o != nil && !in[o] {
			in[o] = false
			in.of(u, o, depth+1)
		}
	}
	in.through(e, el, depth)
	in.joined(e, el, depth)
	switch x := el.Value(); {
	case x != nil && (e.Source == nil || el.OnRead):
		in.names(x, []*csn.Entity{e}, depth)
	case el.Origin != nil:
		if !in[el.Origin] {
			in[el.Origin] = depth == 0 && recast(e, el) // then annotations are not inherited; deeper ones have their restriction by then
		}
		in.of(el.Origin.Owner, el.Origin, depth+1)
	case e.Source != nil:
		named := false
		cqn.Walk(e.Source, func(n any) bool { // of unions, the column of each part
			switch s := n.(type) {
			case *cqn.SetOp:
				in.positions(s, e, el, depth)
			case *cqn.Select:
				for i := range s.Columns {
					if c := &s.Columns[i]; c.X != nil && columnName(c) == el.Name {
						in.column(c.X, e, map[*cqn.Column]bool{c: true}, depth)
						named = true
					}
				}
			}
			return true
		})
		for _, from := range e.Reads { // or by *
			if o := from.Flat.Lookup(el.Name); !named && o != nil && from != e && !in[o] {
				in[o] = false
				in.of(from, o, depth+1)
			}
		}
	}
}

// columnName is what a column of a view is called.
func columnName(c *cqn.Column) string {
	if c.As != "" {
		return c.As
	}
	if r, ok := c.X.(*cqn.Ref); ok && len(r.Path) > 0 {
		return r.Path[len(r.Path)-1].Name
	}
	return ""
}

// names adds the elements that an expression names. Where it is not clear to which of several entities a name belongs, it is taken for all of them.
func (in inputs) names(x cqn.Expr, entities []*csn.Entity, depth int) {
	cqn.Walk(x, func(n any) bool {
		if r, ok := n.(*cqn.Ref); ok {
			for _, e := range entities {
				if !in.path(e, r.Path, depth) && len(r.Path) > 1 {
					in.path(e, r.Path[1:], depth) // after the alias of a source
				}
			}
		}
		return true
	})
}

// path adds the elements along a path; false if it does not begin in e.
func (in inputs) path(e *csn.Entity, steps []cqn.Step, depth int) bool {
	for e != nil && len(steps) > 0 {
		var el *csn.Element
		used, full := 0, ""
		for i := range steps { // structures are flat
			if full += steps[i].Name; el == nil {
				el, used = e.Flat.Lookup(full), i+1
			}
			full += "_"
		}
		if el == nil {
			return false
		}
		if !in[el] {
			in[el] = true
			in.of(e, el, depth+1)
		}
		if e = nil; el.Assoc() != nil {
			e = el.Assoc().Target
		}
		if f := steps[used-1].Filter; f != nil && e != nil {
			in.names(f, []*csn.Entity{e}, depth+1)
		}
		steps = steps[used:]
	}
	return true
}
