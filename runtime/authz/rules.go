package authz

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/token"
	"cds/runtime/sqlgen"
)

// events is a set of standard events.
type events uint8

const (
	evRead events = 1 << iota
	evCreate
	evUpdate
	evDelete
	evUpsert
	evWrite = evCreate | evUpdate | evDelete | evUpsert
)

// grantWords are the words of `grant` beside names of operations (N3). They compare exactly.
var grantWords = [...]struct {
	word string
	ev   events
}{
	{"READ", evRead}, {"CREATE", evCreate}, {"UPDATE", evUpdate}, {"DELETE", evDelete}, {"UPSERT", evUpsert}, {"WRITE", evWrite},
}

func eventOf(word string) (events, bool) {
	for _, g := range grantWords {
		if g.word == word {
			return g.ev, true
		}
	}
	return 0, false
}

// A privilege is one {grant, to, where} in normal form (section 2).
type privilege struct {
	name   string   // for explain: "CatalogService.Books#1"
	names  []string // name alone, so that a match needs no new list
	all    bool     // `*`: all standard events and all operations
	ev     events
	ops    []string
	words  []string // grant as written, for the table
	to     roleSet  // empty grants nothing
	roles  []string
	where  cqn.Expr // nil for none
	static bool     // where needs no row
	text   string   // of where, for the table and explain
	span   token.Span
	// opsOnly leaves the standard events out of all.
	opsOnly bool
	asked   bool // where was put into to, see askFirst
	// deny makes it one that takes away: whom it fits may not, whatever is granted (decision 16).
	deny bool
	// message is the text of a 403 for whom this privilege lacks a role or a condition, or whom it denies; "" for the usual one.
	message string
	// data marks those that are not the model's, see DataPolicy; keep is, of one that restricts, what is left: where is its negation.
	data bool
	keep cqn.Expr
}

func (p *privilege) covers(e Event) bool {
	if p.opsOnly {
		if _, std := eventOf(string(e)); std {
			return false
		}
	}
	if p.all {
		return true
	}
	if ev, ok := eventOf(string(e)); ok && e != "WRITE" {
		return p.ev&ev == ev
	}
	return slices.Contains(p.ops, string(e))
}

// rules are the restrictions of one resource in normal form: @requires and @restrict, of which both must be fulfilled (N6). A nil
// *rules restricts nothing.
type rules struct {
	on         string
	requires   *privilege  // @requires, as a grant of * without condition; nil for none
	privileges []privilege // @restrict
	denies     []privilege // those of @restrict that take away
	restricted bool        // @restrict is there, be it empty (N7)
	closed     string      // why nobody may do anything; "" for not closed
	span       token.Span
	computed   bool  // those of what an element is computed from
	mask       *mask // of an element; nil for none
	// also are those of structures around an element that has a restriction of its own: all of them must let it through.
	also []*rules
}

// A match is what rules say to one event of one user, before conditions are looked at.
type match struct {
	ok      bool
	privs   []*privilege // conditional privileges, of which one must hold; nil: no condition
	names   []string     // privileges that matched or, if !ok, the resource that refused
	lacking []string     // roles of which one would have been enough
	denies  []*privilege // conditional ones that take away, of which all must be false
	message string       // text of the 403; "" for the usual one
	mask    *sqlgen.Mask // of an element: what is shown in its place
}

// match applies the table of section 5, and masks.
func (r *rules) match(s subject, e Event) match {
	if s.all || r == nil {
		return match{ok: true}
	}
	for _, o := range r.also {
		if m := o.match(s, e); !m.ok {
			return m
		}
	}
	m := r.grants(s, e)
	if m.ok && r.mask != nil {
		return r.refuses(s, e, m)
	}
	return m
}

func (r *rules) grants(s subject, e Event) match {
	if r.closed != "" {
		return match{names: []string{r.on + ": closed"}}
	}
	if s.everyone != nil {
		return r.forEveryone(s.everyone, e)
	}
	if r.requires != nil && !r.requires.to.meets(s.mask) {
		return match{names: r.requires.names, lacking: r.requires.roles}
	}
	denies, by := r.denied(s, e)
	if by != nil {
		return match{names: by.names, message: by.message}
	}
	if !r.restricted {
		return match{ok: true, names: narrowed(r.requires.named(), denies), denies: denies}
	}
	m := match{}
	for i := range r.privileges {
		p := &r.privileges[i]
		switch {
		case !p.covers(e) || !p.to.meets(s.mask):
		case p.where == nil:
			return match{ok: true, names: narrowed(p.names, denies), denies: denies} // wins over conditional ones
		case !m.ok:
			m = match{ok: true, privs: []*privilege{p}, names: p.names[:1:1], denies: denies}
		default:
			m.privs = append(m.privs, p)
			m.names = append(m.names, p.name)
		}
	}
	m.names = narrowed(m.names, denies)
	if !m.ok {
		m.names, m.lacking, m.message = []string{r.on + ": no grant of " + string(e)}, r.wanted(e), r.message(e)
	}
	return m
}

// denied returns the privileges that take an event from a user on a condition, or the one that takes it without.
func (r *rules) denied(s subject, e Event) (on []*privilege, always *privilege) {
	for i := range r.denies {
		d := &r.denies[i]
		switch {
		case !d.covers(e) || !d.to.meets(s.mask):
		case d.where == nil:
			return nil, d
		default:
			on = append(on, d)
		}
	}
	return on, nil
}

// message is the text for those to whom no privilege grants an event: that of the first one that would, to other users.
func (r *rules) message(e Event) string {
	for i := range r.privileges {
		if p := &r.privileges[i]; p.message != "" && p.covers(e) {
			return p.message
		}
	}
	return ""
}

// text is the text for rows and new values that fulfil none of the conditions of a match: that of the first privilege that has one.
func (m match) text() string {
	for _, p := range m.privs {
		if p.message != "" {
			return p.message
		}
	}
	for _, p := range m.denies {
		if p.message != "" {
			return p.message
		}
	}
	return ""
}

// named returns the privilege's name as a list; none for a nil one.
func (p *privilege) named() []string {
	if p == nil {
		return nil
	}
	return p.names
}

// wanted returns the roles to which an event is granted.
func (r *rules) wanted(e Event) []string {
	var out []string
	for i := range r.privileges {
		if p := &r.privileges[i]; p.covers(e) {
			out = append(out, p.roles...)
		}
	}
	return out
}

// narrowed adds those policies to the names of a match that are not in the model: who looks for them there would not find them.
func narrowed(names []string, denies []*privilege) []string {
	for _, d := range denies {
		if d.data {
			names = append(names[:len(names):len(names)], d.names...)
		}
	}
	return names
}

// condition returns what a match asks of rows, nil for nothing: one of the conditions of those that grant, and none of those that deny. Where a
// denying condition is unknown, so is its negation: the row is denied.
func (m match) condition() cqn.Expr {
	var x cqn.Expr
	for _, p := range m.privs {
		x = or(x, p.where)
	}
	for _, d := range m.denies {
		if d.keep != nil {
			x = and(x, d.keep)
			continue
		}
		x = and(x, &cqn.Unary{Op: cqn.Not, X: d.where})
	}
	return x
}

// and combines two conditions, nil being true.
func and(a, b cqn.Expr) cqn.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &cqn.Binary{Op: cqn.And, L: a, R: b}
}

// or combines two conditions for collecting alternatives: nil is "none yet".
func or(a, b cqn.Expr) cqn.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &cqn.Binary{Op: cqn.Or, L: a, R: b}
}

// never is the condition that holds for no row.
func never() cqn.Expr { return &cqn.Lit{Value: cqn.Bool(false)} }
