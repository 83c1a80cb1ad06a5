package authz

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Bounds of one condition: how often an entity may stand in a chain of parents (levels of a hierarchy below a root), and how many
// parents may be asked in all. What lies beyond is denied.
const (
	maxLevels  = 3
	maxParents = 200
)

// A builder makes the condition for one entity. With dry set it only finds out whether there is one.
type builder struct {
	guard   *guard
	dry     bool
	why     string // what refused
	message string // text of a 403: of what refused, else of the conditions
	names   []string
	stack   []*csn.Entity
	parents int
	inner   bool // see parentOf
}

// some is what a dry builder returns for "there is a condition".
var some cqn.Expr = &cqn.Lit{}

// rows returns the condition under which an event may touch rows of e: nil for all, and false if it may not at all.
func (b *builder) rows(e *csn.Entity, ev Event) (cqn.Expr, bool) {
	own, ok := b.own(e, ev)
	if !ok {
		return nil, false
	}
	parent, ok := b.follow(e, ev)
	if !ok {
		return nil, false
	}
	if b.guard.p.of(e).drafts {
		return own, true // every row of a draft tells whose it is
	}
	return b.and(own, parent), true
}

// own applies the rules of e itself, of its service if the decision did not ask them for the event yet, and static capabilities for reading.
func (b *builder) own(e *csn.Entity, ev Event) (cqn.Expr, bool) {
	g := b.guard
	if g.s.all {
		return nil, true
	}
	er := g.p.of(e)
	if ev == Read {
		if r := er.caps.check(e, Read); r.code != "" {
			b.why = r.message
			return nil, false
		}
	}
	var x cqn.Expr
	if e != nil && e.Service != nil && (e.Service != g.access.Service || ev == Read && g.access.event() != Read) {
		m := g.p.serviceRules(e.Service).match(g.s, ev)
		if !m.ok {
			return nil, b.refuse(m)
		}
		x = b.condition(m)
	}
	for _, ev := range parts(ev) {
		m := er.own.match(g.s, ev)
		if !m.ok {
			return nil, b.refuse(m)
		}
		b.names = append(b.names, m.names...)
		x = b.and(x, b.condition(m))
	}
	if er.drafts {
		b.names = append(b.names, er.entity.Name+": owner")
		if b.dry {
			return some, true
		}
		x = and(x, owned())
	}
	return x, true
}

// parts splits an event into those that must be granted: an upsert is both a create and an update (decision 37).
func parts(ev Event) []Event {
	if ev == Upsert {
		return []Event{Update, Create}
	}
	return []Event{ev}
}

func (b *builder) refuse(m match) bool {
	if len(m.names) > 0 {
		b.why = m.names[0]
	}
	b.message = m.message
	return false
}

func (b *builder) condition(m match) cqn.Expr {
	if b.message == "" {
		b.message = m.text()
	}
	if b.dry && len(m.privs)+len(m.denies) > 0 {
		return some
	}
	return m.condition()
}

func (b *builder) and(x, y cqn.Expr) cqn.Expr {
	if b.dry && (x != nil || y != nil) {
		return some
	}
	return and(x, y)
}

// follow returns the condition that e's composition parents put on its rows: some parent row must exist that may be read, or
// changed if e is written (decision 6).
func (b *builder) follow(e *csn.Entity, ev Event) (cqn.Expr, bool) {
	g := b.guard
	roots := g.p.of(e).roots
	if r, ok := g.via[e]; ok {
		roots = []root{r}
	}
	if len(roots) == 0 || g.s.all {
		return nil, true
	}
	if g.p.of(e).drafts && !b.dry {
		return b.followDraft(e, ev)
	}
	b.stack = append(b.stack, e)
	defer func() { b.stack = b.stack[:len(b.stack)-1] }()
	var any cqn.Expr
	open, found := true, false
	l := lifted{}
	for _, r := range roots {
		if b.count(r.ruler()) >= maxLevels || b.parents >= maxParents {
			open = open && g.free(r.ruler(), ev)
			l.no = !open // as it is where no parent's condition could be lifted
			continue
		}
		b.parents++
		x, ok := b.parentOf(r, ev)
		if g.s.everyone != nil {
			l.add(x, ok)
		}
		switch {
		case !ok || x != nil && r.lost:
			open = false
			continue
		case x != nil:
			open = false
		}
		found = true
		if !b.dry {
			any = or(any, &cqn.Exists{Inverse: r.parent.Name, Path: pathOf(r.via), Pred: x})
		}
	}
	if g.s.everyone != nil && !l.no {
		any, found = or(any, l.x), true
	}
	switch {
	case open: // nothing is asked of any parent
		return nil, true
	case !found:
		if b.why == "" {
			b.why = e.Name + ": its composition parent is out of reach"
		}
		return nil, false
	case b.dry:
		return some, true
	}
	return any, true
}

// free reports whether no rule holds for e and what it follows: then deeper levels of a hierarchy put no condition on its rows either.
func (g *guard) free(e *csn.Entity, ev Event) bool {
	todo := []*csn.Entity{e}
	for i := 0; i < len(todo); i++ {
		e := todo[i]
		er := g.p.of(e)
		here := e.Service == nil || e.Service == g.access.Service && (ev != Read || g.access.event() == Read) // what own says of services
		if er.own != nil || !here || ev == Read && er.caps.check(e, Read).code != "" {
			return false
		}
		for _, r := range er.roots {
			if up := r.ruler(); !slices.Contains(todo, up) {
				todo = append(todo, up)
			}
		}
	}
	return true
}

// parentRows returns the condition on the rows of a root's parent.
func (b *builder) parentRows(r root, ev Event) (cqn.Expr, bool) {
	if r.as == nil {
		return b.rows(r.parent, ev)
	}
	dry := b.dry
	b.dry = false // whether the condition can be carried over depends on what it says
	x, ok := b.rows(r.as, ev)
	b.dry = dry
	if ok && x != nil && !transferable(x, r.as, r.parent) {
		if y, can := lift(x); can { // only conditions for everyone have roles
			return y, true
		}
		b.why = "the condition of " + r.as.Name + " cannot be applied to " + r.parent.Name
		return nil, false
	}
	return x, ok
}

func (b *builder) count(e *csn.Entity) int {
	n := 0
	for _, s := range b.stack {
		if s == e {
			n++
		}
	}
	return n
}

// pathOf returns the path of a composition within its entity.
func pathOf(el *csn.Element) *cqn.Ref {
	if len(el.Path()) > 1 {
		return cqn.NewRef(slices.Clone(el.Path())...)
	}
	return cqn.NewRef(el.Name)
}

// parentEvent says what writing a child asks of its parent (A4): UPDATE; but if the parent is itself the target of the request,
// the request's own event covers its parts. Functions bound to a child only read.
func (g *guard) parentEvent(parent *csn.Entity, ev Event) Event {
	switch {
	case ev == Read:
		return Read
	case parent == g.target && writes(g.access.event()):
		return g.access.event()
	case !writes(ev) && g.access.Op != nil && g.access.Op.Function:
		return Read
	}
	return Update
}
