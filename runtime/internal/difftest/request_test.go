package difftest

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A query is what query options ask of the rows at the end of a path, or of an expand.
type query struct {
	e       *entity
	selects []operand
	filter  *node
	orders  []orderItem
	top     int // -1 for none
	skip    int
	count   bool
	search  string
	star    bool
	expands []expand
}

type orderItem struct {
	x    operand
	desc bool
}

type expand struct {
	a *assoc
	q *query
}

// A request is a GET: an entity, perhaps a key, then associations, perhaps with keys, then $count or an element.
type request struct {
	start *entity
	key   int // 0 for none
	steps []step
	count bool
	el    string
	q     *query
}

type step struct {
	a   *assoc
	key int
}

func (r *request) end() (e *entity, single bool) {
	e, single = r.start, r.key > 0
	for _, s := range r.steps {
		e, single = s.a.to, !s.a.many || s.key > 0
	}
	return e, single
}

func (w *world) request() *request {
	r := &request{}
	for r.start == nil || r.start.auto {
		r.start = pick(w.Rand, w.entities...)
	}
	if w.IntN(2) == 0 {
		r.key = 1 + w.IntN(7)
	}
	for e, single := r.end(); single && len(e.assocs) > 0 && w.IntN(2) == 0; e, single = r.end() {
		s := step{a: pick(w.Rand, e.assocs...)}
		if s.a.many && w.IntN(4) == 0 {
			s.key = 1 + w.IntN(7)
		}
		r.steps = append(r.steps, s)
	}
	e, single := r.end()
	switch {
	case single && w.IntN(5) == 0:
		r.el = pick(w.Rand, "s", "n", "c")
		r.q = &query{e: e, top: -1}
	case single:
		r.q = w.query(e, 2)
		r.q.filter, r.q.orders, r.q.top, r.q.skip, r.q.count, r.q.search = nil, nil, -1, 0, false, ""
	case w.IntN(6) == 0:
		r.count = true
		r.q = &query{e: e, top: -1, filter: w.filter(e, 2)}
	default:
		r.q = w.query(e, 2)
	}
	return r
}

func (w *world) query(e *entity, depth int) *query {
	q := &query{e: e, top: -1}
	if w.IntN(2) == 0 {
		q.filter = w.filter(e, 2)
	}
	for range w.IntN(3) {
		x := w.element(e, 2)
		if x.el == "s" && w.IntN(3) == 0 {
			x.fn = pick(w.Rand, "length", "tolower")
		}
		q.orders = append(q.orders, orderItem{x, w.IntN(2) == 0})
	}
	if w.IntN(4) == 0 {
		q.top = w.IntN(4)
	}
	if w.IntN(5) == 0 {
		q.skip = w.IntN(3)
	}
	q.count = w.IntN(3) == 0
	if w.IntN(8) == 0 {
		q.search = pick(w.Rand, "a", "bc", "de", "u1", "zz")
	}
	if w.IntN(3) == 0 {
		for range 1 + w.IntN(3) {
			q.selects = append(q.selects, w.element(e, 2))
		}
	}
	if depth == 0 || len(e.assocs) == 0 {
		return q
	}
	if w.IntN(6) == 0 {
		q.star = true
		return q
	}
	for _, a := range e.assocs {
		if w.IntN(3) == 0 {
			sub := w.query(a.to, depth-1)
			if !a.many {
				sub.orders, sub.top, sub.skip, sub.count, sub.search = nil, -1, 0, false, ""
			}
			q.expands = append(q.expands, expand{a, sub})
		}
	}
	return q
}

// url writes the request.
func (r *request) url() string {
	text := "/s/" + r.start.name
	if r.key > 0 {
		text += fmt.Sprintf("(%d)", r.key)
	}
	for _, s := range r.steps {
		text += "/" + s.a.name
		if s.key > 0 {
			text += fmt.Sprintf("(%d)", s.key)
		}
	}
	e, _ := r.end()
	if r.count {
		text += "/$count"
	}
	if r.el != "" {
		text += "/" + e.label(r.el, false)
	}
	for i, o := range r.q.options() {
		name, value, _ := strings.Cut(o, "=")
		text += string("?&"[min(i, 1)]) + name + "=" + url.QueryEscape(value)
	}
	return text
}

func (q *query) options() []string {
	var out []string
	if q.selects != nil {
		var items []string
		for _, x := range q.selects {
			items = append(items, x.odata(""))
		}
		out = append(out, "$select="+strings.Join(items, ","))
	}
	if q.filter != nil {
		out = append(out, "$filter="+q.filter.odata(""))
	}
	if q.orders != nil {
		var items []string
		for _, x := range q.orders {
			item := x.x.odata("")
			if x.desc {
				item += " desc"
			}
			items = append(items, item)
		}
		out = append(out, "$orderby="+strings.Join(items, ","))
	}
	if q.top >= 0 {
		out = append(out, "$top="+strconv.Itoa(q.top))
	}
	if q.skip > 0 {
		out = append(out, "$skip="+strconv.Itoa(q.skip))
	}
	if q.count {
		out = append(out, "$count=true")
	}
	if q.search != "" {
		out = append(out, "$search="+q.search)
	}
	var items []string
	if q.star {
		items = append(items, "*")
	}
	for _, x := range q.expands {
		item := x.a.name
		if opts := x.q.options(); len(opts) > 0 {
			item += "(" + strings.Join(opts, ";") + ")"
		}
		items = append(items, item)
	}
	if items != nil {
		out = append(out, "$expand="+strings.Join(items, ","))
	}
	return out
}

// named calls fn for every entity that a query names beside its own; * names none.
func (q *query) named(fn func(*entity)) {
	if q.filter != nil {
		q.filter.named(fn)
	}
	for _, x := range q.orders {
		(&node{left: x.x}).named(fn)
	}
	for _, x := range q.selects {
		(&node{left: x}).named(fn)
	}
	for _, x := range q.expands {
		fn(x.a.to)
		x.q.named(fn)
	}
}

// An answer is what a request is answered with: the status, the value of the JSON body, or plain text.
type answer struct {
	status int
	body   any
}

// answer computes what the user should get.
func (o *oracle) answer(r *request) answer {
	denied := o.see(r.start).denied
	for _, s := range r.steps {
		denied = denied || o.see(s.a.to).denied
	}
	r.q.named(func(e *entity) { denied = denied || o.see(e).denied })
	if denied {
		if o.who.name == "" {
			return answer{status: 401}
		}
		return answer{status: 403}
	}
	rows := withKey(o.see(r.start).rows, r.key)
	for _, s := range r.steps {
		if len(rows) == 0 {
			return answer{status: 404}
		}
		var next []row
		for _, t := range withKey(o.see(s.a.to).rows, s.key) {
			if s.a.links(rows[0], t) {
				next = append(next, t)
			}
		}
		rows = next
	}
	e, single := r.end()
	if !single {
		return o.collection(r, rows)
	}
	if len(rows) == 0 {
		if n := len(r.steps); n > 0 && !r.steps[n-1].a.many {
			return answer{status: 204}
		}
		return answer{status: 404}
	}
	if r.el != "" {
		v := rows[0][r.el]
		if v == nil {
			return answer{status: 204}
		}
		return answer{200, map[string]any{"value": v}}
	}
	_ = e
	return answer{200, o.shape(r.q, rows[0])}
}

func withKey(rows []row, key int) []row {
	if key == 0 {
		return rows
	}
	for _, r := range rows {
		if r.id() == key {
			return []row{r}
		}
	}
	return nil
}

func (o *oracle) collection(r *request, rows []row) answer {
	page, n := o.page(r.q, rows)
	if r.count {
		return answer{200, strconv.Itoa(n)}
	}
	body := map[string]any{"value": page}
	if r.q.count {
		body["@odata.count"] = strconv.Itoa(n)
	}
	return answer{200, body}
}

// page filters, sorts, cuts and shapes rows.
func (o *oracle) page(q *query, rows []row) (page []any, n int) {
	var kept []row
	for _, r := range rows {
		if (q.filter == nil || o.test(q.filter, r, true) == yes) && (q.search == "" || found(r, q.search)) {
			kept = append(kept, r)
		}
	}
	slices.SortStableFunc(kept, func(a, b row) int {
		for _, x := range q.orders {
			c := order(o.value(x.x, a, true), o.value(x.x, b, true))
			if x.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return a.id() - b.id()
	})
	n = len(kept)
	kept = kept[min(q.skip, n):]
	if q.top >= 0 {
		kept = kept[:min(q.top, len(kept))]
	}
	page = []any{}
	for _, r := range kept {
		page = append(page, o.shape(q, r))
	}
	return page, n
}

func found(r row, word string) bool {
	for _, el := range []string{"s", "c", "owner"} {
		if s, ok := r[el].(string); ok && strings.Contains(strings.ToLower(s), strings.ToLower(word)) {
			return true
		}
	}
	return false
}

// shape makes the JSON object of a row.
func (o *oracle) shape(q *query, r row) map[string]any {
	out := map[string]any{}
	if q.selects == nil {
		for name, v := range r {
			out[q.e.label(name, false)] = v
		}
	} else {
		out["ID"] = r["ID"]
		for _, x := range q.selects {
			out[strings.ReplaceAll(x.odata(""), "/", "_")] = o.value(x, r, true)
		}
	}
	expands := q.expands
	if q.star {
		for _, a := range q.e.assocs {
			if !o.see(a.to).denied {
				expands = append(expands, expand{a, &query{e: a.to, top: -1}})
			}
		}
	}
	for _, x := range expands {
		o.expand(out, x, r)
	}
	return out
}

func (o *oracle) expand(out map[string]any, x expand, r row) {
	var rows []row
	for _, t := range o.see(x.a.to).rows {
		if x.a.links(r, t) {
			rows = append(rows, t)
		}
	}
	page, n := o.page(x.q, rows)
	switch {
	case x.a.many:
		out[x.a.name] = page
		if x.q.count {
			out[x.a.name+"@odata.count"] = strconv.Itoa(n)
		}
	case len(page) > 0:
		out[x.a.name] = page[0]
	default:
		out[x.a.name] = nil
	}
}
