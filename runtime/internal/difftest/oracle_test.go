package difftest

import (
	"slices"
	"strconv"
	"strings"
)

// An oracle answers for one user.
type oracle struct {
	w    *world
	who  *person
	memo map[*entity]view
}

// A view is what the user may read of an entity. If free, no condition was asked: then rows of a part need no parent either.
type view struct {
	denied, free bool
	rows         []row
}

func newOracle(w *world, who *person) *oracle {
	return &oracle{w: w, who: who, memo: map[*entity]view{}}
}

// see returns what the user may read of e: its own rule AND, for parts, a parent that may be read.
func (o *oracle) see(e *entity) view {
	if v, ok := o.memo[e]; ok {
		return v
	}
	may, where := o.granted(e, "READ")
	v := view{denied: !may, free: where == nil}
	var parents []view
	if len(e.up) > 0 && may {
		reachable, free := false, true
		for _, a := range e.up {
			p := o.see(a.from)
			parents = append(parents, p)
			reachable = reachable || !p.denied
			free = free && p.free && !p.denied
		}
		v.denied, v.free = !reachable, v.free && free
		if free {
			parents = nil
		}
	}
	if !v.denied {
		for _, r := range e.rows {
			if o.any(where, e, r) && (parents == nil || belongs(e, r, parents)) {
				v.rows = append(v.rows, r)
			}
		}
	}
	o.memo[e] = v
	return v
}

func belongs(e *entity, r row, parents []view) bool {
	for i, a := range e.up {
		for _, p := range parents[i].rows {
			if a.links(p, r) {
				return true
			}
		}
	}
	return false
}

// granted tells whether the user may do something with some rows of e, and under which conditions, of which one must hold; nil for all rows.
func (o *oracle) granted(e *entity, event string) (bool, []*node) {
	r := e.rule
	if r == nil {
		return true, nil
	}
	if r.requires != nil && !o.who.has(r.requires) {
		return false, nil
	}
	if !r.restricted {
		return true, nil
	}
	denies, always := o.denied(r, event)
	if always {
		return false, nil
	}
	var where []*node
	for _, g := range r.grants {
		if !o.concerned(g, event) {
			continue
		}
		if g.where == nil {
			return true, o.without(nil, denies)
		}
		where = append(where, g.where)
	}
	return where != nil, o.without(where, denies)
}

// concerned tells whether a privilege is about an event and the user.
func (o *oracle) concerned(g grant, event string) bool {
	covers := slices.Contains(g.events, event) || slices.Contains(g.events, "*") || event != "READ" && slices.Contains(g.events, "WRITE")
	return covers && (g.to == nil || o.who.has(g.to))
}

// denied returns the conditions under which a rule takes an event from the user, and whether it does so always.
func (o *oracle) denied(r *rule, event string) (on []*node, always bool) {
	for _, d := range r.denies {
		switch {
		case !o.concerned(d, event):
		case d.where == nil:
			return nil, true
		default:
			on = append(on, d.where)
		}
	}
	return on, false
}

// without returns the conditions (one of where) and none of denies, as one; a denying condition that is unknown leaves the whole unknown.
func (o *oracle) without(where, denies []*node) []*node {
	if len(denies) == 0 {
		return where
	}
	var x *node
	for _, n := range where {
		if x == nil {
			x = n
		} else {
			x = &node{op: "or", kids: []*node{x, n}}
		}
	}
	for _, d := range denies {
		d = &node{op: "not", kids: []*node{d}}
		if x == nil {
			x = d
		} else {
			x = &node{op: "and", kids: []*node{x, d}}
		}
	}
	return []*node{x}
}

// any tells whether a row fulfils one of the conditions of a rule; they look at all rows.
func (o *oracle) any(where []*node, e *entity, r row) bool {
	for _, n := range where {
		if o.test(n, r, false) == yes {
			return true
		}
	}
	return where == nil
}

// Three truth values.
const (
	no = iota
	unknown
	yes
)

func truth(b bool) int {
	if b {
		return yes
	}
	return no
}

// rows are those of e that a condition may look at: with guarded set only those that the user may read.
func (o *oracle) rows(e *entity, guarded bool) []row {
	if guarded {
		return o.see(e).rows
	}
	return e.rows
}

// test evaluates a condition on a row.
func (o *oracle) test(n *node, r row, guarded bool) int {
	switch n.op {
	case "and":
		return min(o.test(n.kids[0], r, guarded), o.test(n.kids[1], r, guarded))
	case "or":
		return max(o.test(n.kids[0], r, guarded), o.test(n.kids[1], r, guarded))
	case "not":
		return yes - o.test(n.kids[0], r, guarded)
	case "null", "notnull":
		isNull := false
		if n.left.user != "" {
			isNull = len(o.who.attrs[n.left.user]) == 0
		} else {
			isNull = o.value(n.left, r, guarded) == nil
		}
		return truth(isNull == (n.op == "null"))
	case "exists", "all":
		return o.quantify(n, r, guarded)
	case "like":
		x := o.value(n.left, r, guarded)
		if x == nil {
			return unknown
		}
		return truth(like(x.(string), n.rel, n.right.lit.(string)))
	}
	x := o.value(n.left, r, guarded)
	if n.right.user == "country" || n.right.user == "limit" {
		return o.attribute(x, n.rel, n.right.user)
	}
	if n.op == "in" {
		t := no
		for _, y := range n.list {
			t = max(t, compare(x, "=", y))
		}
		return t
	}
	if n.right.user == "id" {
		if o.who.name == "" {
			return lacking(n.rel == "!=") // the anonymous user has no name
		}
		return compare(x, n.rel, o.who.name)
	}
	return compare(x, n.rel, o.value(n.right, r, guarded))
}

// lacking is the result of comparing with what the user lacks: never true.
func lacking(ne bool) int {
	if ne {
		return no
	}
	return unknown
}

func like(s, rel, part string) bool {
	switch rel {
	case "contains":
		return strings.Contains(s, part)
	case "startswith":
		return strings.HasPrefix(s, part)
	}
	return strings.HasSuffix(s, part)
}

// attribute compares with a list: = and in mean membership, != none of them, others some of them; without values nothing holds.
func (o *oracle) attribute(x any, rel, name string) int {
	vs := o.who.attrs[name]
	if len(vs) == 0 {
		return no
	}
	if rel == "" {
		rel = "="
	}
	t := no
	for _, v := range vs {
		var y any = v
		if name == "limit" {
			y, _ = strconv.Atoi(v)
		}
		if rel == "!=" {
			t = max(t, compare(x, "=", y))
		} else {
			t = max(t, compare(x, rel, y))
		}
	}
	if rel != "!=" {
		return t
	}
	if x == nil {
		return yes
	}
	return yes - t
}

// compare compares values; != knows null, nothing else does.
func compare(x any, rel string, y any) int {
	if rel == "!=" {
		return truth(x != y)
	}
	if x == nil || y == nil {
		return unknown
	}
	c := order(x, y)
	switch rel {
	case "=":
		return truth(c == 0)
	case "<":
		return truth(c < 0)
	case "<=":
		return truth(c <= 0)
	case ">":
		return truth(c > 0)
	}
	return truth(c >= 0)
}

// order orders values, null first.
func order(x, y any) int {
	switch a := x.(type) {
	case nil:
		if y == nil {
			return 0
		}
		return -1
	case int:
		if b, ok := y.(int); ok {
			return a - b
		}
	case bool:
		if b, ok := y.(bool); ok {
			return truth(a) - truth(b)
		}
	case string:
		if b, ok := y.(string); ok {
			return strings.Compare(a, b)
		}
	}
	return 1 // y is null
}

func (o *oracle) value(x operand, r row, guarded bool) any {
	if x.el == "" {
		return x.lit
	}
	for i, a := range x.path {
		if i == len(x.path)-1 && x.el == "ID" && (!guarded || o.see(a.to).free) {
			return r[a.name+"_ID"] // the foreign key says it all, be there a row or not
		}
		if r = o.follow(a, r, guarded); r == nil {
			return nil
		}
	}
	v := r[x.el]
	if n, ok := v.(int); ok {
		switch x.fn {
		case " add 1":
			return n + 1
		case " mul 2":
			return n * 2
		case " mod 3":
			return n % 3
		}
	}
	if s, ok := v.(string); ok {
		switch x.fn {
		case "tolower":
			return strings.ToLower(s)
		case "length":
			return len(s)
		}
	}
	return v
}

// follow returns the row that an association to one leads to.
func (o *oracle) follow(a *assoc, r row, guarded bool) row {
	for _, t := range o.rows(a.to, guarded) {
		if a.links(r, t) {
			return t
		}
	}
	return nil
}

func (o *oracle) quantify(n *node, r row, guarded bool) int {
	for _, a := range n.path {
		if r = o.follow(a, r, guarded); r == nil {
			return no
		}
	}
	for _, t := range o.rows(n.to.to, guarded) {
		if !n.to.links(r, t) {
			continue
		}
		hit := n.kids == nil || o.test(n.kids[0], t, guarded) == yes
		if hit == (n.op == "exists") {
			return truth(n.op == "exists")
		}
	}
	return truth(n.op == "all")
}
