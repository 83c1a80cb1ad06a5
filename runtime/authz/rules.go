package authz

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/token"
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
	restricted bool        // @restrict is there, be it empty (N7)
	closed     string      // why nobody may do anything; "" for not closed
	span       token.Span
	computed   bool // those of what an element is computed from
}

// A match is what rules say to one event of one user, before conditions are looked at.
type match struct {
	ok      bool
	privs   []*privilege // conditional privileges, of which one must hold; nil: no condition
	names   []string     // privileges that matched or, if !ok, the resource that refused
	lacking []string     // roles of which one would have been enough
}

// match applies the table of section 5.
func (r *rules) match(s subject, e Event) match {
	if s.all || r == nil {
		return match{ok: true}
	}
	if r.closed != "" {
		return match{names: []string{r.on + ": closed"}}
	}
	if r.requires != nil && !r.requires.to.meets(s.mask) {
		return match{names: r.requires.names, lacking: r.requires.roles}
	}
	if !r.restricted {
		return match{ok: true, names: r.requires.named()}
	}
	m := match{}
	for i := range r.privileges {
		p := &r.privileges[i]
		switch {
		case !p.covers(e) || !p.to.meets(s.mask):
		case p.where == nil:
			return match{ok: true, names: p.names} // wins over conditional ones
		case !m.ok:
			m = match{ok: true, privs: []*privilege{p}, names: p.names[:1:1]}
		default:
			m.privs = append(m.privs, p)
			m.names = append(m.names, p.name)
		}
	}
	if !m.ok {
		m.names, m.lacking = []string{r.on + ": no grant of " + string(e)}, r.wanted(e)
	}
	return m
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

// condition returns the OR of the conditions of a match, nil for none.
func (m match) condition() cqn.Expr {
	var x cqn.Expr
	for _, p := range m.privs {
		x = or(x, p.where)
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
