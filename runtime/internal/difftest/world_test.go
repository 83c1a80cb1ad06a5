// Package difftest compares what the server answers with a naive in-memory oracle: random models, data, users and requests. The oracle
// shares no code with the policy, the query compiler or the evaluator; it loads all rows, keeps those that the rules let through, and
// then does what the request says.
package difftest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cds/runtime/db"
)

// A world is a random model with data and users.
type world struct {
	database func(testing.TB) db.Pool // nil for SQLite in memory
	*rand.Rand
	entities []*entity
	people   []*person
	flat     bool   // conditions look at the row itself only
	more     string // of the model, written behind all else
}

// An entity has the elements ID, s, n, c, owner, b, and associations. Each is in the database and, as a projection, in the service.
type entity struct {
	name   string
	num    string // what n is called in the service
	assocs []*assoc
	up     []*assoc // compositions that lead here
	rule   *rule
	below  bool // the rule is written on the database's entity and inherited
	auto   bool // exposed by its composition only
	rows   []row
}

type row map[string]any // nil, int, string, bool; associations to one as name_ID

func (r row) id() int { return r["ID"].(int) }

// An assoc leads from rows of one entity to rows of another: by from.name_ID = to.ID or, to many, by to.back_ID = from.ID, by equal c, or
// to those with a smaller n.
type assoc struct {
	name     string
	from, to *entity
	many     bool
	part     bool // a composition
	back     string
}

func (a *assoc) links(p, q row) bool {
	switch {
	case a.back == "c":
		return p["c"] != nil && p["c"] == q["c"]
	case a.back == "n":
		return compare(q["n"], "<", p["n"]) == yes
	case a.many:
		return q[a.back+"_ID"] == p["ID"]
	}
	return p[a.name+"_ID"] == q["ID"]
}

// A rule is a restriction: @requires, @restrict, or both.
type rule struct {
	requires   []string
	grants     []grant
	denies     []grant
	restricted bool
}

type grant struct {
	events []string
	to     []string
	where  *node
}

// A person is a user; the one without a name is anonymous.
type person struct {
	name  string
	roles []string
	attrs map[string][]string
}

func (p *person) has(roles []string) bool {
	for _, r := range roles {
		if r == "any" || r == "authenticated-user" && p.name != "" {
			return true
		}
		for _, mine := range p.roles {
			if r == mine {
				return true
			}
		}
	}
	return false
}

var (
	roleNames = []string{"A", "B", "C", "authenticated-user", "any"}
	countries = []string{"DE", "FR", "US"}
	texts     = []string{"ab", "abc", "Bc", "xyz", "a%c", "DE"}
	names     = []string{"u1", "u2", "u3", "anonymous"}
)

func pick[T any](r *rand.Rand, xs ...T) T { return xs[r.IntN(len(xs))] }

// newWorld makes a world from a seed.
func newWorld(seed uint64) *world { return newWorldOf(seed, false) }

func newWorldOf(seed uint64, flat bool) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 20260101)), flat: flat}
	for i := range 2 + w.IntN(3) {
		w.add(fmt.Sprintf("E%d", i))
	}
	roots := len(w.entities)
	for _, e := range w.entities[:roots] {
		for i := range 1 + w.IntN(2) {
			to := w.entities[w.IntN(roots)]
			w.link(e, to, fmt.Sprintf("a%d", i))
		}
	}
	for i, by := range []string{"c", "n"} {
		if from := pick(w.Rand, w.entities...); w.IntN(3) == 0 {
			from.assocs = append(from.assocs, &assoc{name: fmt.Sprintf("x%d", i), from: from, to: pick(w.Rand, w.entities...), many: true, back: by})
		}
	}
	for i := range w.IntN(3) {
		w.addPart(i)
	}
	for i, e := range w.entities {
		w.restrict(e, i >= roots)
	}
	w.addRows()
	w.addPeople()
	return w
}

func (w *world) add(name string) *entity {
	e := &entity{name: name, num: pick(w.Rand, "n", "n", "num")}
	w.entities = append(w.entities, e)
	return e
}

// link adds an association to one and perhaps the way back.
func (w *world) link(from, to *entity, name string) {
	from.assocs = append(from.assocs, &assoc{name: name, from: from, to: to})
	if w.IntN(3) > 0 {
		to.assocs = append(to.assocs, &assoc{name: "m_" + from.name + name, from: to, to: from, many: true, back: name})
	}
}

// addPart adds a composition child: of many, of one, or of two parents.
func (w *world) addPart(i int) {
	parent := w.entities[0]
	for _, e := range w.entities { // any but those that the service shows in their parent only
		if !e.auto && w.IntN(2) == 0 {
			parent = e
		}
	}
	k := w.add(fmt.Sprintf("K%d", i))
	if k.auto = w.IntN(3) == 0; k.auto {
		k.num = "n"
	}
	w.compose(parent, k, "up", w.IntN(4) == 0)
	if other := w.entities[w.IntN(len(w.entities)-1)]; w.IntN(4) == 0 && other != parent && !other.auto {
		w.compose(other, k, "up2", false)
	}
}

func (w *world) compose(parent, k *entity, back string, one bool) {
	a := &assoc{name: "p_" + k.name, from: parent, to: k, part: true, many: !one, back: back}
	if !one {
		k.assocs = append(k.assocs, &assoc{name: back, from: k, to: parent})
	}
	parent.assocs = append(parent.assocs, a)
	k.up = append(k.up, a)
}

func (w *world) restrict(e *entity, part bool) {
	e.below = w.IntN(3) == 0 || e.auto
	chance := w.IntN(10)
	if part && chance < 5 || chance < 3 {
		return
	}
	e.rule = &rule{}
	if chance < 5 {
		e.rule.requires = w.someRoles()
		if w.IntN(3) > 0 {
			return
		}
	}
	e.rule.restricted = true
	for range 1 + w.IntN(3) {
		g := grant{events: pick(w.Rand, []string{"READ"}, []string{"READ"}, []string{"*"}, []string{"READ", "WRITE"}, []string{"READ", "UPDATE"}, []string{"WRITE"}, []string{"CREATE"}, []string{"DELETE"})}
		if w.IntN(2) == 0 {
			g.to = w.someRoles()
		}
		if w.IntN(4) > 0 {
			g.where = w.condition(e, 2)
		}
		e.rule.grants = append(e.rule.grants, g)
	}
	for w.IntN(4) == 0 && len(e.rule.denies) < 2 {
		d := grant{events: pick(w.Rand, []string{"READ"}, []string{"READ"}, []string{"*"}, []string{"WRITE"}, []string{"UPDATE", "DELETE"}, []string{"CREATE"})}
		if w.IntN(3) > 0 {
			d.to = w.someRoles()
		}
		if d.to == nil || w.IntN(3) > 0 {
			d.where = w.condition(e, 2)
		}
		e.rule.denies = append(e.rule.denies, d)
	}
}

func (w *world) someRoles() []string {
	var out []string
	for _, r := range roleNames {
		if w.IntN(4) == 0 {
			out = append(out, r)
		}
	}
	if out == nil {
		out = []string{pick(w.Rand, roleNames...)}
	}
	return out
}

func (w *world) addRows() {
	for _, e := range w.entities {
		for i := range 3 + w.IntN(5) {
			r := row{"ID": i + 1, "s": w.orNull(pick(w.Rand, texts...)), "n": w.orNull(w.IntN(7)), "c": w.orNull(pick(w.Rand, countries...)),
				"owner": w.orNull(pick(w.Rand, names...)), "b": w.orNull(w.IntN(2) == 0)}
			for _, a := range e.assocs {
				if !a.many {
					r[a.name+"_ID"] = w.orNull(1 + w.IntN(8)) // may lead nowhere
				}
			}
			e.rows = append(e.rows, r)
		}
	}
}

func (w *world) orNull(v any) any {
	if w.IntN(5) == 0 {
		return nil
	}
	return v
}

func (w *world) addPeople() {
	w.people = append(w.people, &person{})
	for i := range 4 {
		p := &person{name: fmt.Sprintf("u%d", i+1), attrs: map[string][]string{}}
		for _, r := range roleNames[:3] {
			if w.IntN(2) == 0 {
				p.roles = append(p.roles, r)
			}
		}
		for _, c := range countries {
			if w.IntN(3) == 0 {
				p.attrs["country"] = append(p.attrs["country"], c)
			}
		}
		for range w.IntN(3) {
			p.attrs["limit"] = append(p.attrs["limit"], fmt.Sprint(w.IntN(7)))
		}
		w.people = append(w.people, p)
	}
}

// cdl writes the model.
func (w *world) cdl() string {
	var b strings.Builder
	for _, e := range w.entities {
		if e.below {
			b.WriteString(e.rule.cdl(true))
		}
		fmt.Fprintf(&b, "entity d.%s { key ID : Integer; s : String(10); n : Integer; c : String(3); owner : String(20); b : Boolean;\n", e.name)
		for _, a := range e.assocs {
			kind := "Association to"
			if a.part {
				kind = "Composition of"
			}
			switch {
			case a.back == "c":
				fmt.Fprintf(&b, "  %s : Association to many d.%s on %s.c = c;\n", a.name, a.to.name, a.name)
			case a.back == "n":
				fmt.Fprintf(&b, "  %s : Association to many d.%s on %s.n < n;\n", a.name, a.to.name, a.name)
			case a.many:
				fmt.Fprintf(&b, "  %s : %s many d.%s on %s.%s = $self;\n", a.name, kind, a.to.name, a.name, a.back)
			default:
				fmt.Fprintf(&b, "  %s : %s d.%s;\n", a.name, kind, a.to.name)
			}
		}
		b.WriteString("}\n")
	}
	b.WriteString("@path: '/s' @requires: 'any' service S {\n")
	for _, e := range w.entities {
		if e.auto {
			continue
		}
		b.WriteString("  ")
		if !e.below {
			b.WriteString(e.rule.cdl(false))
		}
		fmt.Fprintf(&b, "entity %s as projection on d.%s", e.name, e.name)
		if e.num != "n" {
			fmt.Fprintf(&b, " { *, n as %s } excluding { n }", e.num)
		}
		b.WriteString(";\n")
	}
	b.WriteString("}\n")
	return b.String() + w.more
}

func (r *rule) cdl(db bool) string {
	if r == nil {
		return ""
	}
	var b strings.Builder
	if r.requires != nil {
		b.WriteString("@requires: " + quoted(r.requires) + " ")
	}
	if r.restricted {
		b.WriteString("@restrict: [")
		for i, g := range append(slices.Clone(r.grants), r.denies...) {
			if i > 0 {
				b.WriteString(", ")
			}
			word := "grant"
			if i >= len(r.grants) {
				word = "deny"
			}
			b.WriteString("{ " + word + ": " + quoted(g.events))
			if g.to != nil {
				b.WriteString(", to: " + quoted(g.to))
			}
			if g.where != nil {
				text := g.where.cdl(db)
				if i%2 == 0 {
					text = "'" + strings.ReplaceAll(text, "'", "''") + "'"
				} else {
					text = "(" + text + ")"
				}
				b.WriteString(", where: " + text)
			}
			b.WriteString(" }")
		}
		b.WriteString("] ")
	}
	return b.String()
}

func quoted(xs []string) string {
	if len(xs) == 1 {
		return "'" + xs[0] + "'"
	}
	return "['" + strings.Join(xs, "','") + "']"
}

// data writes the rows as CSV files.
func (w *world) data() fstest.MapFS {
	fs := fstest.MapFS{}
	for _, e := range w.entities {
		cols := []string{"ID", "s", "n", "c", "owner", "b"}
		for _, a := range e.assocs {
			if !a.many {
				cols = append(cols, a.name+"_ID")
			}
		}
		text := strings.Join(cols, ";") + "\n"
		for _, r := range e.rows {
			for i, c := range cols {
				if i > 0 {
					text += ";"
				}
				if r[c] != nil {
					text += fmt.Sprint(r[c])
				}
			}
			text += "\n"
		}
		fs["db/data/d-"+e.name+".csv"] = &fstest.MapFile{Data: []byte(text)}
	}
	return fs
}
