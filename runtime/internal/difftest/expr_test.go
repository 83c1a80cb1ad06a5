package difftest

import (
	"fmt"
	"strconv"
	"strings"
)

// A node is a condition: of a restriction, written in CDL and looking at all rows, or of a request, written in OData and looking at what
// the user may see.
type node struct {
	op    string // and or not cmp null notnull in between like exists all
	kids  []*node
	left  operand
	rel   string
	right operand
	list  []any    // in, between
	to    *assoc   // exists and all: the last step
	path  []*assoc // and those before it
}

// An operand is a literal, something of the user, or an element at the end of a path over associations to one.
type operand struct {
	path  []*assoc
	owner *entity // of el
	el    string  // n s c owner b ID
	fn    string  // length tolower; requests only
	user  string  // id, country or limit
	lit   any
}

func (w *world) toOne(e *entity) []*assoc {
	var out []*assoc
	for _, a := range e.assocs {
		if !a.many {
			out = append(out, a)
		}
	}
	return out
}

// element returns an element of e or, up to depth steps away, of another entity.
func (w *world) element(e *entity, depth int) operand {
	var path []*assoc
	for depth > 0 && w.IntN(3) == 0 {
		as := w.toOne(e)
		if len(as) == 0 {
			break
		}
		a := pick(w.Rand, as...)
		path, e, depth = append(path, a), a.to, depth-1
	}
	return operand{path: path, owner: e, el: pick(w.Rand, "n", "s", "c", "owner", "b", "ID")}
}

func (w *world) literal(el string) any {
	switch el {
	case "n":
		return w.IntN(7)
	case "ID":
		return 1 + w.IntN(6)
	case "s":
		return pick(w.Rand, texts...)
	case "c":
		return pick(w.Rand, countries...)
	case "b":
		return w.IntN(2) == 0
	}
	return pick(w.Rand, names...)
}

// condition makes a random condition for a restriction.
func (w *world) condition(e *entity, depth int) *node {
	if depth > 0 && w.IntN(3) == 0 {
		return w.logic(func() *node { return w.condition(e, depth-1) })
	}
	far := 2
	if w.flat {
		far = 0
	}
	if len(e.assocs) > 0 && depth > 0 && !w.flat && w.IntN(4) == 0 {
		n, at := &node{op: "exists"}, e
		if as := w.toOne(e); len(as) > 0 && w.IntN(4) == 0 {
			n.path = []*assoc{pick(w.Rand, as...)}
			at = n.path[0].to
		}
		if len(at.assocs) > 0 {
			n.to = pick(w.Rand, at.assocs...)
			if w.IntN(3) > 0 {
				n.kids = []*node{w.condition(n.to.to, depth-1)}
			}
			return n
		}
	}
	x := w.element(e, far)
	n := &node{op: "cmp", left: x, rel: pick(w.Rand, "=", "=", "!=")}
	switch {
	case x.el == "c" && w.IntN(4) > 0:
		n.right.user = "country"
		switch w.IntN(8) {
		case 0:
			return &node{op: "null", left: operand{user: "country"}}
		case 1:
			return &node{op: "notnull", left: operand{user: "country"}}
		case 2:
			n.op, n.rel = "in", "="
		}
	case x.el == "owner" && w.IntN(4) > 0:
		n.right.user = "id"
	case x.el == "n" && w.IntN(2) == 0:
		n.right.user, n.rel = "limit", pick(w.Rand, "=", "!=", "<", ">=", ">", "<=")
	default:
		return w.plain(x)
	}
	return n
}

func (w *world) logic(sub func() *node) *node {
	switch w.IntN(5) {
	case 0, 1:
		return &node{op: "and", kids: []*node{sub(), sub()}}
	case 2, 3:
		return &node{op: "or", kids: []*node{sub(), sub()}}
	}
	return &node{op: "not", kids: []*node{sub()}}
}

// plain compares an element with constants.
func (w *world) plain(x operand) *node {
	n := &node{op: "cmp", left: x, rel: pick(w.Rand, "=", "!=", "<", "<=", ">", ">="), right: operand{lit: w.literal(x.el)}}
	switch w.IntN(7) {
	case 0:
		return &node{op: pick(w.Rand, "null", "notnull"), left: x}
	case 1:
		if x.el != "b" {
			return &node{op: "in", left: x, list: []any{w.literal(x.el), w.literal(x.el)}}
		}
	case 2:
		if x.el == "s" || x.el == "owner" {
			return &node{op: "like", left: x, rel: pick(w.Rand, "contains", "startswith", "endswith"), right: operand{lit: pick(w.Rand, "a", "b", "c", "1")}}
		}
	}
	if x.el == "b" {
		n.rel = pick(w.Rand, "=", "!=")
	}
	return n
}

// filter makes a random $filter.
func (w *world) filter(e *entity, depth int) *node {
	if depth > 0 && w.IntN(3) == 0 {
		return w.logic(func() *node { return w.filter(e, depth-1) })
	}
	var many []*assoc
	for _, a := range e.assocs {
		if a.many {
			many = append(many, a)
		}
	}
	if len(many) > 0 && depth > 0 && w.IntN(3) == 0 {
		n := &node{op: pick(w.Rand, "exists", "exists", "all"), to: pick(w.Rand, many...)}
		if n.op == "all" || w.IntN(3) > 0 {
			n.kids = []*node{w.filter(n.to.to, depth-1)}
		}
		return n
	}
	x := w.element(e, 2)
	if w.IntN(6) == 0 {
		if y := w.element(e, 2); y.el == x.el && x.el != "b" {
			return &node{op: "cmp", left: x, rel: pick(w.Rand, "=", "!=", "<", ">="), right: y}
		}
	}
	if x.el == "s" && w.IntN(3) == 0 {
		if w.IntN(2) == 0 {
			x.fn = "tolower"
			return &node{op: "cmp", left: x, rel: pick(w.Rand, "=", "!=", ">"), right: operand{lit: pick(w.Rand, "ab", "bc", "b")}}
		}
		x.fn = "length"
		return &node{op: "cmp", left: x, rel: pick(w.Rand, "=", "<", ">"), right: operand{lit: 1 + w.IntN(4)}}
	}
	if x.el == "n" && w.IntN(4) == 0 { // what could fail, so that the guard is put behind a barrier
		x.fn = pick(w.Rand, " add 1", " mul 2", " mod 3")
		return &node{op: "cmp", left: x, rel: pick(w.Rand, "=", "!=", "<", ">="), right: operand{lit: w.IntN(9)}}
	}
	return w.plain(x)
}

// cdl writes a condition with the names of the database or of the service.
func (n *node) cdl(db bool) string {
	switch n.op {
	case "and", "or":
		return "(" + n.kids[0].cdl(db) + " " + n.op + " " + n.kids[1].cdl(db) + ")"
	case "not":
		return "not (" + n.kids[0].cdl(db) + ")"
	case "null":
		return n.left.cdl(db) + " is null"
	case "notnull":
		return n.left.cdl(db) + " is not null"
	case "in":
		if n.list == nil {
			return n.left.cdl(db) + " in " + n.right.cdl(db)
		}
		return n.left.cdl(db) + " in (" + literal(n.list[0]) + ", " + literal(n.list[1]) + ")"
	case "like":
		return n.left.cdl(db) + " like '" + map[string]string{"contains": "%", "endswith": "%"}[n.rel] + fmt.Sprint(n.right.lit) +
			map[string]string{"contains": "%", "startswith": "%"}[n.rel] + "'"
	case "exists":
		var path []string
		for _, a := range append(n.path[:len(n.path):len(n.path)], n.to) {
			path = append(path, a.name)
		}
		text := "exists " + strings.Join(path, ".")
		if n.kids != nil {
			text += "[" + n.kids[0].cdl(db) + "]"
		}
		return text
	}
	return n.left.cdl(db) + " " + n.rel + " " + n.right.cdl(db)
}

func (o operand) cdl(db bool) string {
	switch {
	case o.user == "id":
		return "$user"
	case o.user != "":
		return "$user." + o.user
	case o.el == "":
		return literal(o.lit)
	}
	text := ""
	for _, a := range o.path {
		text += a.name + "."
	}
	return text + o.owner.label(o.el, db)
}

// label is what an element is called.
func (e *entity) label(el string, db bool) string {
	if el == "n" && !db {
		return e.num
	}
	return el
}

func literal(v any) string {
	switch v := v.(type) {
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}

var words = map[string]string{"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

// odata writes a $filter; at is the variable of the rows it is about, "" for those of the request.
func (n *node) odata(at string) string {
	switch n.op {
	case "and", "or":
		return "(" + n.kids[0].odata(at) + " " + n.op + " " + n.kids[1].odata(at) + ")"
	case "not":
		return "not (" + n.kids[0].odata(at) + ")"
	case "null":
		return n.left.odata(at) + " eq null"
	case "notnull":
		return n.left.odata(at) + " ne null"
	case "in":
		return n.left.odata(at) + " in (" + literal(n.list[0]) + "," + literal(n.list[1]) + ")"
	case "like":
		return n.rel + "(" + n.left.odata(at) + "," + literal(n.right.lit) + ")"
	case "exists", "all":
		word := map[string]string{"exists": "any", "all": "all"}[n.op]
		if n.kids == nil {
			return at + n.to.name + "/" + word + "()"
		}
		v := "v" + strconv.Itoa(strings.Count(at, "v")+len(at))
		return at + n.to.name + "/" + word + "(" + v + ":" + n.kids[0].odata(v+"/") + ")"
	}
	return n.left.odata(at) + " " + words[n.rel] + " " + n.right.odata(at)
}

func (o operand) odata(at string) string {
	if o.el == "" {
		return literal(o.lit)
	}
	text := at
	for _, a := range o.path {
		text += a.name + "/"
	}
	text += o.owner.label(o.el, false)
	if strings.HasPrefix(o.fn, " ") {
		return text + o.fn
	}
	if o.fn != "" {
		return o.fn + "(" + text + ")"
	}
	return text
}

// named calls fn for every entity that a request's condition looks at beside its own.
func (n *node) named(fn func(*entity)) {
	for _, o := range []operand{n.left, n.right} {
		for _, a := range o.path {
			fn(a.to)
		}
	}
	if n.to != nil {
		fn(n.to.to)
	}
	for _, k := range n.kids {
		k.named(fn)
	}
}
