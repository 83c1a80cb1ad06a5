package authzmatrix

import (
	"fmt"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/authz"
)

// The effects of a change.
const (
	Widened   = "widened"   // somebody may more, nobody less
	Narrowed  = "narrowed"  // somebody may less, nobody more
	Moved     = "moved"     // some may more, others less
	Changed   = "changed"   // a value is hidden behind something else, which tells nothing of it
	Undecided = "undecided" // whether somebody may more could not be decided
)

// A Change is what differs between two models for whoever has all of Roles.
type Change struct {
	Effect    string   `json:"effect"`
	Service   string   `json:"service"`
	Kind      string   `json:"kind"`
	Target    string   `json:"target"`
	Element   string   `json:"element,omitempty"`
	Operation string   `json:"operation"`
	Roles     []string `json:"roles,omitempty"` // none for what does not depend on roles
	Old       string   `json:"old"`             // "nothing", "everything" or a condition
	New       string   `json:"new"`
	// Gains and Loses are examples: who has a right now and had none before, and the other way round.
	Gains *Sample `json:"gains,omitempty"`
	Loses *Sample `json:"loses,omitempty"`
	// Open names the directions, "gains" and "loses", that could not be decided.
	Open []string `json:"undecided,omitempty"`
	At   []string `json:"at,omitempty"` // places in the new model or, if it says nothing, the old one
}

// A Diff is what changes between two models.
type Diff struct {
	Format  int      `json:"format"`
	Old     string   `json:"old"` // fingerprints of the models
	New     string   `json:"new"`
	Changes []Change `json:"changes"`
}

// Widens reports whether somebody may more, or may do so as far as could be found out.
func (d *Diff) Widens() bool {
	return slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Effect != Narrowed && c.Effect != Changed })
}

// Compare compares the policies of two models. The list has what the policy compiler found in either.
func Compare(before, after *csn.Model, oldOpt, newOpt Options) (*Diff, diag.List) {
	a, found := prepared(before, oldOpt)
	b, more := prepared(after, newOpt)
	found = append(found, more...)
	if a == nil || b == nil {
		return nil, found
	}
	d := &Diff{Format: Format, Old: a.out.Model, New: b.out.Model, Changes: []Change{}}
	c := comparison{a: a, b: b, out: d, oldCells: index(a.out.cells), newCells: index(b.out.cells)}
	for i := range b.out.cells {
		c.cell(c.oldCells[b.out.cells[i].key()], &b.out.cells[i])
	}
	for i := range a.out.cells {
		if x := &a.out.cells[i]; c.newCells[x.key()] == nil {
			c.cell(x, nil)
		}
	}
	return d, found
}

func index(cells []cell) map[string]*cell {
	out := make(map[string]*cell, len(cells))
	for i := range cells {
		out[cells[i].key()] = &cells[i]
	}
	return out
}

type comparison struct {
	a, b               *builder
	oldCells, newCells map[string]*cell
	out                *Diff
}

// cell compares one operation on one target; nil is one that a model does not have.
func (c *comparison) cell(x, y *cell) {
	row := cellRow(x, y)
	if (x == nil || x.ask == nil) && (y == nil || y.ask == nil) {
		c.plain(x, y, row)
		return
	}
	askOld, askNew := c.asker(x, c.a, row), c.asker(y, c.b, row)
	var roles []string
	for _, k := range []*cell{x, y} {
		if k != nil {
			roles = append(roles, k.roles...)
		}
	}
	slices.Sort(roles)
	roles = slices.Compact(roles)
	var list []*pair
	for _, p := range pairs(roles, askOld, askNew) {
		if !p.old.equal(p.new) {
			list = append(list, p)
		}
	}
	for _, p := range list {
		c.change(p, x, y, row)
	}
}

func cellRow(x, y *cell) Row {
	if y != nil {
		return y.row
	}
	return x.row
}

// asker answers for a cell. An element without one has no restriction of its own, if it is there; anything else that is not there nobody may use.
func (c *comparison) asker(k *cell, in *builder, row Row) asker {
	if k != nil && k.ask != nil {
		return k.ask
	}
	free := authz.Outcome{Verdict: authz.Deny403}
	if k == nil && row.Kind == KindElement && in.has(row.Target, row.Element) {
		free.Verdict = authz.Allow
	}
	return func([]string) authz.Outcome { return free }
}

// plain compares what does not depend on roles: doors, events.
func (c *comparison) plain(x, y *cell, row Row) {
	has := func(k *cell) bool { return k != nil && k.row.Answer == Served }
	change := Change{Service: row.Service, Kind: row.Kind, Target: row.Target, Operation: row.Operation, Old: "not served", New: "served"}
	switch {
	case has(x) == has(y):
		return
	case has(x):
		change.Effect, change.Old, change.New = Narrowed, change.New, change.Old
	default:
		change.Effect = Widened
	}
	c.out.Changes = append(c.out.Changes, change)
}

// A pair is what the same people may in both models.
type pair struct {
	roles    []string
	old, new *right
}

// pairs lists the combinations of roles whose rights are more than those of their parts in one of the models.
func pairs(roles []string, askOld, askNew asker) []*pair {
	a, b := map[string]*right{}, map[string]*right{}
	seen := map[string]bool{}
	var out []*pair
	for _, ask := range []struct {
		of    asker
		known map[string]*right
	}{{askOld, a}, {askNew, b}} {
		for _, r := range combinations(roles, ask.of) {
			key := roleText(r.roles)
			ask.known[key] = r
			if !seen[key] {
				seen[key] = true
				out = append(out, &pair{roles: r.roles})
			}
		}
	}
	if len(roles) > most(len(roles)) { // what no listed combination shows
		out = append(out, &pair{roles: roles})
	}
	for _, p := range out {
		key := roleText(p.roles)
		if p.old = a[key]; p.old == nil {
			p.old = rightOf(p.roles, askOld(p.roles))
		}
		if p.new = b[key]; p.new == nil {
			p.new = rightOf(p.roles, askNew(p.roles))
		}
	}
	slices.SortStableFunc(out, func(x, y *pair) int { return len(x.roles) - len(y.roles) })
	return withoutRepetition(out)
}

// withoutRepetition leaves out who changes exactly as somebody with fewer roles does.
func withoutRepetition(list []*pair) []*pair {
	var out []*pair
	for _, p := range list {
		if !slices.ContainsFunc(out, func(o *pair) bool { return p.includes(o) && o.old.equal(p.old) && o.new.equal(p.new) }) {
			out = append(out, p)
		}
	}
	return out
}

// includes reports whether whoever has p's roles has o's, too.
func (p *pair) includes(o *pair) bool {
	switch o.roles[0] {
	case base()[0][0]:
		return true
	case base()[1][0]:
		return p.roles[0] != base()[0][0]
	}
	return !slices.ContainsFunc(o.roles, func(r string) bool { return !slices.Contains(p.roles, r) })
}

// change describes one change and looks for who gains and who loses by it.
func (c *comparison) change(p *pair, x, y *cell, row Row) {
	out := Change{Service: row.Service, Kind: row.Kind, Target: row.Target, Element: row.Element, Operation: row.Operation, Roles: p.roles, Old: p.old.String(), New: p.new.String()}
	var in []*csn.Entity
	for _, k := range []*cell{y, x} {
		if k != nil {
			in = append(in, k.row.entity)
		}
	}
	gains, loses := p.search(in, p.new, p.old), p.search(in, p.old, p.new)
	out.Gains, out.Loses = gains.sample, loses.sample
	shown := p.shown()
	gain, lose := gains.sample != nil || shown == Widened, loses.sample != nil || shown == Narrowed
	gains.undecided, loses.undecided = gains.undecided || shown == Undecided, loses.undecided || shown == Undecided
	for _, f := range []struct {
		finding
		name string
	}{{gains, "gains"}, {loses, "loses"}} {
		if f.undecided {
			out.Open = append(out.Open, f.name)
		}
	}
	switch {
	case gain && lose:
		out.Effect = Moved
	case gain && !loses.undecided:
		out.Effect = Widened
	case lose && !gains.undecided:
		out.Effect = Narrowed
	case gain: // whether somebody loses is open
		out.Effect = Widened
	case shown == Changed && !gains.undecided && !loses.undecided:
		out.Effect = Changed
	case !gains.undecided && !loses.undecided: // conditions that are written in other words
		return
	case !gains.undecided:
		out.Effect = Narrowed
	default:
		out.Effect = Undecided
	}
	out.At = c.places(p, x, y)
	c.out.Changes = append(c.out.Changes, out)
}

// find looks for somebody with the roles and a row for whom one condition holds and not the other. What everybody may, so may who has logged in, of whom
// conditions can ask more.
func (p *pair) find(in []*csn.Entity, yes, no terms) finding {
	f := find(p.roles, in, yes, no)
	if f.sample != nil || p.roles[0] != base()[0][0] {
		return f
	}
	if login := find(base()[1], in, yes, no); login.sample != nil || login.undecided {
		return login
	}
	return f
}

// search looks for who has a right and not the other.
func (p *pair) search(in []*csn.Entity, has, lacks *right) finding {
	switch {
	case has.none():
		return finding{}
	case lacks.none():
		lacks = &right{}
	}
	rows := p.find(in, has.where, lacks.where)
	if rows.sample != nil || has.check.equal(has.where) && lacks.check.equal(lacks.where) {
		return rows
	}
	values := p.find(in, has.check, lacks.check)
	if values.sample == nil {
		values.undecided = values.undecided || rows.undecided
	}
	return values
}

// String is a right in words.
func (r *right) String() string {
	if r.none() && r.masked != "" {
		return "masked as " + r.masked
	}
	if r.none() {
		return "nothing"
	}
	s := r.where.String()
	if s == "" {
		s = "everything"
	}
	if !r.check.equal(r.where) {
		check := r.check.String()
		if check == "" {
			check = "any"
		}
		s += "; new values: " + check
	}
	if r.masked != "" {
		s += "; else masked as " + r.masked
	}
	return s
}

func (c *comparison) places(p *pair, x, y *cell) []string {
	for _, side := range []struct {
		in    *builder
		k     *cell
		right *right
	}{{c.b, y, p.new}, {c.a, x, p.old}} {
		if side.k == nil {
			continue
		}
		row := side.k.row
		side.in.fillPlaces(&row, side.right.rules)
		if len(row.At) > 0 {
			return row.At
		}
	}
	return nil
}

// has reports whether the model has an element.
func (b *builder) has(entity, element string) bool {
	e := b.model.Entity(entity)
	return e != nil && (e.Flat.Lookup(element) != nil || e.Elements.Lookup(element) != nil)
}

// Title is a change in one line.
func (c *Change) Title() string {
	name := c.Target
	if c.Element != "" {
		name += "." + c.Element
	}
	if c.Roles == nil {
		return oneLine(fmt.Sprintf("%s: %s %s", c.Effect, name, c.Operation))
	}
	return oneLine(fmt.Sprintf("%s: %s of %s for %s", c.Effect, c.Operation, name, roleText(c.Roles)))
}

// Details are the lines below the title.
func (c *Change) Details() []string {
	out := []string{"before: " + c.Old, "now:    " + c.New}
	if c.Gains != nil {
		out = append(out, "gains:  "+c.Gains.String())
	}
	if c.Loses != nil {
		out = append(out, "loses:  "+c.Loses.String())
	}
	if len(c.Open) > 0 {
		out = append(out, "undecided: whether somebody "+strings.Join(c.Open, ", and whether somebody "))
	}
	if len(c.At) > 0 {
		out = append(out, "at:     "+places(c.At))
	}
	for i := range out {
		out[i] = oneLine(out[i])
	}
	return out
}
