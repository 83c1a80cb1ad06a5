package difftest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// A change is a random POST, PATCH, PUT or DELETE.
type change struct {
	method string
	path   request // its rows are read by nobody: only start, key and steps count
	body   map[string]any
}

func (c *change) target() *entity {
	e, _ := c.path.end()
	return e
}

// key is that of the addressed row; POST has it in the body.
func (c *change) key() int {
	if n := len(c.path.steps); n > 0 {
		return c.path.steps[n-1].key
	}
	return c.path.key
}

func (w *world) change() *change {
	c := &change{method: pick(w.Rand, "POST", "PATCH", "PATCH", "PUT", "DELETE")}
	for c.path.start == nil || c.path.start.auto {
		c.path.start = pick(w.Rand, w.entities...)
	}
	var many []*assoc
	for _, a := range c.path.start.assocs {
		if a.many {
			many = append(many, a)
		}
	}
	if len(many) > 0 && w.IntN(3) == 0 {
		c.path.key = 1 + w.IntN(7)
		c.path.steps = []step{{a: pick(w.Rand, many...)}}
	}
	if c.method != "POST" {
		if key := 1 + w.IntN(9); c.path.steps != nil {
			c.path.steps[0].key = key
		} else {
			c.path.key = key
		}
	}
	c.path.q = &query{top: -1}
	if c.method != "DELETE" {
		c.body = w.body(c.target(), 2)
		if c.method == "POST" {
			c.body["ID"] = 1 + w.IntN(14)
		}
	}
	return c
}

func (w *world) body(e *entity, depth int) map[string]any {
	b := map[string]any{}
	for _, el := range []string{"s", "n", "c", "owner", "b"} {
		if w.IntN(3) == 0 {
			b[e.label(el, false)] = w.orNull(w.literal(el))
		}
	}
	for _, a := range e.assocs {
		switch {
		case w.IntN(4) > 0:
		case !a.many && !a.part:
			b[a.name+"_ID"] = w.orNull(1 + w.IntN(8))
		case a.part && depth > 0:
			rows := []any{}
			for range 1 + w.IntN(2) {
				k := w.body(a.to, depth-1)
				k["ID"] = 1 + w.IntN(14)
				rows = append(rows, k)
			}
			if a.many {
				b[a.name] = rows
			} else {
				b[a.name] = rows[0]
			}
		}
	}
	return b
}

// load reads all rows as they are in the database.
func (w *world) load(t *testing.T, app *cdstest.App) {
	t.Helper()
	ctx := app.As("")
	for _, e := range w.entities {
		res, err := cds.DB(ctx).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("d." + e.name)}, OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}})
		if err != nil {
			t.Fatal(err)
		}
		e.rows = nil
		for _, r := range res.Rows {
			m := row{}
			for _, f := range r.Fields() {
				switch f.Value.Kind() {
				case cqn.KindInt:
					m[f.Name] = int(f.Value.Int())
				case cqn.KindBool:
					m[f.Name] = f.Value.Bool()
				case cqn.KindNull:
					m[f.Name] = nil
				default:
					m[f.Name] = f.Value.Str()
				}
			}
			e.rows = append(e.rows, m)
		}
	}
}

// A state is what all entities hold at some time.
type state map[*entity][]row

func (w *world) state() state {
	s := state{}
	for _, e := range w.entities {
		s[e] = e.rows
	}
	return s
}

func (s state) row(e *entity, id int) row {
	for _, r := range s[e] {
		if r.id() == id {
			return r
		}
	}
	return nil
}

// in runs fn with an oracle for a state.
func (w *world) in(s state, who *person, fn func(*oracle)) {
	now := w.state()
	for e, rows := range s {
		e.rows = rows
	}
	fn(newOracle(w, who))
	for e, rows := range now {
		e.rows = rows
	}
}

// own tells whether the entity's own rule lets the user do something with a row.
func (o *oracle) own(e *entity, event string, r row) bool {
	ok, where := o.granted(e, event)
	return ok && o.any(where, e, r)
}

// may does it with the rules of parents: to write a part takes the right to change some parent of it.
func (o *oracle) may(e *entity, event string, r row) bool {
	if !o.own(e, event, r) {
		return false
	}
	if len(e.up) == 0 {
		return true
	}
	for _, a := range e.up {
		for _, p := range a.from.rows {
			if a.links(p, r) && o.may(a.from, "UPDATE", p) {
				return true
			}
		}
	}
	return o.open(e)
}

// open tells whether all parents of a part may be changed, whichever rows they are; then it needs none.
func (o *oracle) open(e *entity) bool {
	for _, a := range e.up {
		if ok, where := o.granted(a.from, "UPDATE"); !ok || where != nil || !o.open(a.from) {
			return false
		}
	}
	return true
}

// A place is one row.
type place struct {
	e  *entity
	id int
}

// parts returns a row and all that is composed of it.
func (s state) parts(e *entity, id int, into map[place]bool) {
	r := s.row(e, id)
	if r == nil || into[place{e, id}] {
		return
	}
	into[place{e, id}] = true
	for _, a := range e.assocs {
		if !a.part {
			continue
		}
		for _, k := range s[a.to] {
			if a.links(r, k) {
				s.parts(a.to, k.id(), into)
			}
		}
	}
}

// judge checks every row that a successful request changed; it returns what must not have happened.
func (w *world) judge(c *change, who *person, before, after state) string {
	key := c.key()
	if c.method == "POST" {
		key = c.body["ID"].(int)
	}
	reach := map[place]bool{}
	before.parts(c.target(), key, reach)
	later := map[place]bool{}
	after.parts(c.target(), key, later)
	fault := ""
	for _, e := range w.entities {
		for id := range 40 {
			old, now := before.row(e, id), after.row(e, id)
			if maps.Equal(old, now) {
				continue
			}
			at := place{e, id}
			event := "UPDATE"
			switch {
			case old == nil:
				event = "CREATE"
			case now == nil:
				event = "DELETE"
			}
			what := fmt.Sprintf("%s of %s(%d) from %v to %v", event, e.name, id, old, now)
			switch {
			case old != nil && !reach[at]:
				fault = what + ": the row does not belong to what the request addresses"
			case now != nil && !later[at]:
				fault = what + ": the row was given to another parent"
			}
			isTarget := e == c.target() && id == key
			w.in(before, who, func(o *oracle) {
				if old != nil && (isTarget && !o.may(e, event, old)) {
					fault = what + ": the old row must not be written"
				}
			})
			w.in(after, who, func(o *oracle) {
				if now == nil {
					return
				}
				if isTarget && !o.may(e, event, now) || !isTarget && !o.own(e, event, now) {
					fault = what + ": the new row must not be written"
				}
			})
			if !isTarget && old != nil {
				// Rules of parts are asked while the request writes, when their root may be the old or the new one.
				ok := false
				w.in(before, who, func(o *oracle) { ok = o.own(e, event, old) })
				mixed := maps.Clone(after)
				mixed[e] = before[e]
				w.in(mixed, who, func(o *oracle) { ok = ok || o.own(e, event, old) })
				if !ok {
					fault = what + ": the old part must not be written"
				}
			}
		}
	}
	return fault
}

// status foretells the answer where that is simple: entities that neither have parts nor are some, without a path. 0 means that it is not.
func (w *world) status(c *change, who *person, before, after state) int {
	e, key := c.target(), c.key()
	if c.path.steps != nil || len(e.up) > 0 || c.method == "PUT" {
		return 0
	}
	for _, a := range e.assocs {
		if a.part {
			return 0
		}
	}
	refused := 403
	if who.name == "" {
		refused = 401
	}
	event := map[string]string{"POST": "CREATE", "PATCH": "UPDATE", "DELETE": "DELETE"}[c.method]
	o := newOracle(w, who)
	ok, where := o.granted(e, event)
	if e.rule != nil {
		if on, _ := o.denied(e.rule, event); on != nil {
			return 0
		}
	}
	if where != nil { // conditions that look at no row are settled before any is looked for
		ok = false
		for _, n := range where {
			ok = ok || !n.static() || o.test(n, nil, false) == yes
		}
	}
	if !ok {
		return refused
	}
	now := row{}
	if c.method == "POST" {
		key = c.body["ID"].(int)
		if before.row(e, key) != nil {
			return 0 // a conflict, or refused before
		}
		for _, r := range before[e] {
			for name := range r {
				now[name] = nil
			}
		}
		now["ID"] = key
	} else {
		old := before.row(e, key)
		if old == nil {
			return 404
		}
		if !o.own(e, event, old) {
			if seen := o.see(e); !seen.denied && withKey(seen.rows, key) != nil {
				return refused
			}
			return 404
		}
		if c.method == "DELETE" {
			return 204
		}
		now = maps.Clone(old)
	}
	for name, v := range c.body {
		if name == e.num {
			name = "n"
		}
		now[name] = v
	}
	next := state{}
	maps.Copy(next, before)
	next[e] = nil
	for _, r := range before[e] {
		if r.id() != key {
			next[e] = append(next[e], r)
		}
	}
	next[e] = append(next[e], now)
	answer := refused
	w.in(next, who, func(o *oracle) {
		if !o.own(e, event, now) {
			return
		}
		answer = 204
		if v := o.see(e); !v.denied && withKey(v.rows, key) != nil {
			answer = map[string]int{"POST": 201, "PATCH": 200}[c.method]
		}
	})
	return answer
}

func (n *node) static() bool {
	for _, k := range n.kids {
		if !k.static() {
			return false
		}
	}
	return n.to == nil && n.left.el == "" && n.right.el == ""
}

// TestWrites sends random changes. Whatever the answer, every row that differs afterwards must be one that the user may write; a refusal
// changes nothing; and simple requests are answered as foretold.
func TestWrites(t *testing.T) { writes(t, number("CDS_DIFF", 50), nil) }

// TestWrites_postgres is TestWrites on PostgreSQL.
func TestWrites_postgres(t *testing.T) { writes(t, number("CDS_DIFF", 50), cdstest.PostgresSchemas(t)) }

func writes(t *testing.T, worlds int, database func(testing.TB) db.Pool) {
	const each = 25
	statuses := map[string]int{}
	faults := 0
	inWorlds(t, worlds, &faults, func(t *testing.T, seed uint64) {
		w := newWorld(seed + 1e6)
		w.database = database
		app := w.app(t)
		h := app.Server.Handler()
		for range each {
			c, who := w.change(), pick(w.Rand, w.people...)
			w.load(t, app)
			before := w.state()
			text := ""
			if c.body != nil {
				b, err := json.Marshal(c.body)
				if err != nil {
					t.Fatal(err)
				}
				text = string(b)
			}
			want := w.status(c, who, before, nil)
			rec := send(h, who, c.method, c.path.url(), text)
			statuses[fmt.Sprint(c.method, " ", rec.Code)]++
			w.load(t, app)
			after := w.state()
			fault := ""
			switch {
			case rec.Code < 300:
				fault = w.judge(c, who, before, after)
				if fault == "" {
					fault = w.told(rec.Body.Bytes(), c, who)
				}
			case !before.equal(after):
				fault = "refused, yet the data have changed"
			case rec.Code >= 500 || rec.Code == http.StatusBadRequest && !strings.Contains(rec.Body.String(), `"message"`):
				fault = "a failure"
			}
			if fault == "" && want != 0 && want != rec.Code {
				fault = fmt.Sprintf("answer %d, want %d", rec.Code, want)
			}
			if fault != "" {
				faults++
				t.Errorf("seed %d, %q %v %v: %s %s %s\n%d %s\n%s\n%s", seed, who.name, who.roles, who.attrs, c.method, c.path.url(), text, rec.Code, rec.Body, fault, w.cdl())
			}
		}
	})
	t.Logf("%d requests, answers %v", worlds*each, statuses)
	for _, s := range []string{"POST 201", "POST 400", "POST 403", "POST 409", "PATCH 200", "PATCH 204", "PATCH 403", "PATCH 404", "DELETE 204", "DELETE 404", "PUT 200", "PUT 201", "PUT 403"} {
		if worlds >= 50 && statuses[s] == 0 {
			t.Errorf("no request was answered %s: the test has lost its sense", s)
		}
	}
}

// told checks what the answer to a write shows: a row that the user may read, as it is.
func (w *world) told(body []byte, c *change, who *person) string {
	if len(body) == 0 {
		return ""
	}
	var shown map[string]any
	if err := json.Unmarshal(body, &shown); err != nil {
		return err.Error()
	}
	id, _ := shown["ID"].(float64)
	o := newOracle(w, who)
	v := o.see(c.target())
	rows := withKey(v.rows, int(id))
	if v.denied || rows == nil {
		return "the answer shows a row that the user may not read"
	}
	for _, a := range c.target().assocs {
		list, _ := shown[a.name].([]any)
		if one, ok := shown[a.name].(map[string]any); ok {
			list = []any{one}
		}
		for _, k := range list {
			id, _ := k.(map[string]any)["ID"].(float64)
			seen := o.see(a.to)
			part := withKey(seen.rows, int(id))
			if seen.denied || part == nil || !a.links(rows[0], part[0]) {
				return "the answer shows a part that the user may not read"
			}
		}
	}
	return ""
}

func (s state) equal(t state) bool {
	for e, rows := range s {
		if len(rows) != len(t[e]) {
			return false
		}
		for i := range rows {
			if !maps.Equal(rows[i], t[e][i]) {
				return false
			}
		}
	}
	return true
}
