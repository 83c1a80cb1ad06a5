package authz

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"cds/parser/csn"
	"cds/runtime/auth"
)

// A Row is one line of a policy's table, for people to read and for reviews to compare: who may do what, on which condition. A
// resource with several lines of the same On is open to whom any of them fits; On ending in "@requires" must hold in addition.
type Row struct {
	On      string   // absolute name of a service, entity, operation or element
	Grant   []string // events, operations or "*", sorted; none for a line that grants nothing
	To      []string // roles, any of; "any" is everybody
	Where   string   // condition as written; "" for none
	Closed  string   // why nobody may do anything; "" for not closed
	Follows []string // restricted composition parents whose rules hold too, sorted
	// Deny marks a line that takes away what Grant names: whom it fits may not, whatever else is granted.
	Deny bool
	// Shown, of a line whose On ends in "@mask", is what is shown to all others in the place of an element: a literal, an expression or a function.
	Shown string
}

// compare orders rows by all their parts.
func (r Row) compare(o Row) int {
	for _, c := range []int{
		strings.Compare(r.On, o.On), slices.Compare(r.Grant, o.Grant), slices.Compare(r.To, o.To),
		strings.Compare(r.Where, o.Where), compareBool(r.Deny, o.Deny), strings.Compare(r.Shown, o.Shown), strings.Compare(r.Closed, o.Closed), slices.Compare(r.Follows, o.Follows),
	} {
		if c != 0 {
			return c
		}
	}
	return 0
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Table returns what the policy compiler decided for the model, sorted. Resources without a restriction have no line.
func (p *Policy) Table() []Row {
	var out []Row
	for _, r := range p.state.all {
		out = append(out, r.rows()...)
	}
	for i := range p.state.entities {
		er := &p.state.entities[i]
		if er.entity == nil || er.entity.Service == nil || len(er.roots) == 0 || er.entity.Active != nil {
			continue
		}
		row := Row{On: er.entity.Name}
		for _, r := range er.roots {
			if p.state.restricts(r.ruler()) {
				row.Follows = append(row.Follows, r.ruler().Name)
			}
		}
		if len(row.Follows) > 0 {
			row.Follows = sorted(row.Follows)
			out = append(out, row)
		}
	}
	slices.SortFunc(out, Row.compare)
	return out
}

func (r *rules) rows() []Row {
	if r.closed != "" {
		return []Row{{On: r.on, Closed: r.closed}}
	}
	var out []Row
	if r.requires != nil {
		out = append(out, r.requires.row(r.on+"@requires"))
	}
	if r.restricted && len(r.privileges) == 0 {
		out = append(out, Row{On: r.on})
	}
	for i := range r.privileges {
		out = append(out, r.privileges[i].row(r.on))
	}
	for i := range r.denies {
		out = append(out, r.denies[i].row(r.on))
	}
	return append(out, r.mask.rows(r.on)...)
}

func (p *privilege) row(on string) Row {
	row := Row{On: on, Deny: p.deny}
	if len(p.words) == 0 || len(p.roles) == 0 {
		return row
	}
	row.Grant, row.To = sorted(p.words), sorted(p.roles)
	if p.where != nil || p.asked {
		row.Where = p.text
	}
	return row
}

func sorted(names []string) []string {
	out := slices.Clone(names)
	slices.Sort(out)
	return slices.Compact(out)
}

// Digest is a hash of the table, in hexadecimal. Generated code carries it, so that a stale table is found at start.
func (p *Policy) Digest() string {
	h := sha256.New()
	var b []byte
	put := func(s string) {
		b = strconv.AppendQuote(b, s)
		b = append(b, ' ')
	}
	for _, r := range p.Table() {
		b = b[:0]
		put(r.On)
		for _, g := range r.Grant {
			put(g)
		}
		b = append(b, '|')
		for _, t := range r.To {
			put(t)
		}
		b = append(b, '|')
		put(r.Where)
		if r.Deny {
			put("deny")
		}
		if r.Shown != "" {
			put("shown " + r.Shown)
		}
		put(r.Closed)
		for _, f := range r.Follows {
			put(f)
		}
		b = append(b, '\n')
		h.Write(b)
	}
	for _, role := range sortedKeys(keysOf(p.state.included)) {
		b = b[:0]
		put("@roles." + role)
		for _, r := range p.Includes(role) {
			put(r)
		}
		b = append(b, '\n')
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func keysOf[V any](m map[string]V) map[string]bool {
	out := make(map[string]bool, len(m))
	for k := range m {
		out[k] = true
	}
	return out
}

// Open returns the entities and unbound operations that somebody without a login may read or call, in order of the model (U5).
// Parts that are reachable over their parents only are left out.
func (p *Policy) Open() []string {
	var out []string
	for _, s := range p.model.Services {
		for _, e := range s.Entities {
			d := p.Decide(auth.Anonymous, Access{Service: s, Event: Read, Path: []*csn.Entity{e}})
			if d.Allowed() {
				out = append(out, e.Name)
				continue
			}
			for _, ev := range []Event{Create, Update, Delete} {
				if d := p.Decide(auth.Anonymous, Access{Service: s, Event: ev, Path: []*csn.Entity{e}}); d.Allowed() {
					out = append(out, e.Name)
					break
				}
			}
		}
		for _, op := range s.Ops {
			if d := p.Decide(auth.Anonymous, Access{Service: s, Event: Event(op.LocalName()), Op: op}); d.Allowed() {
				out = append(out, op.Name)
			}
		}
	}
	return out
}

// Roles returns the role names that the rules of a service mention, sorted, without the pseudo-roles any and authenticated-user; of
// the whole model if s is nil.
func (p *Policy) Roles(s *csn.Service) []string {
	var out []string
	for _, r := range p.state.all {
		if s != nil && r.on != s.Name && !strings.HasPrefix(r.on, s.Name+".") {
			continue
		}
		if r.requires != nil {
			out = append(out, r.requires.roles...)
		}
		for i := range r.privileges {
			out = append(out, r.privileges[i].roles...)
		}
		for i := range r.denies {
			out = append(out, r.denies[i].roles...)
		}
		out = append(out, r.mask.roleNames()...)
	}
	for role := range p.state.included { // whoever has it has others
		if s == nil || slices.ContainsFunc(p.Includes(role), func(r string) bool { return slices.Contains(out, r) }) {
			out = append(out, role)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(n string) bool { return n == auth.RoleAny || n == auth.RoleAuthenticated })
}
