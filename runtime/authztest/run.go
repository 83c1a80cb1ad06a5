package authztest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A runner tries cases at all doors.
type runner struct {
	*doors
	restore func() error
	pass    func(time.Duration)
	// inconclusive are cases that a door answered for another reason than rights, as a fault of the data.
	inconclusive int
	answers      int
	names        map[string]bool
}

// undecided is the note of answers that tell nothing of rights.
const undecided = "not decided by rights"

// note notes what a door said.
func (x *runner) note(c *Case, door string, status int, note string) {
	a := Answer{Door: door, Status: status, OK: c.x.fits(status), Note: note}
	if door == "go" && c.code != nil {
		a.OK = c.code.fits(status)
	}
	if door == "go" && c.x.byRow && status == http.StatusNotFound {
		a.OK = true
	}
	if !a.OK && c.op != nil && c.x.allowed && !slices.Contains([]int{401, 403, 404, 405}, status) && status < 500 {
		a.OK = true // the operation has run, and had its reasons
	}
	if !a.OK && (status == 400 || status == 409 || status == 412 || status == 422) {
		a.OK, a.Note = true, undecided
		x.inconclusive++
	}
	x.names[door] = true
	x.answers++
	c.Doors = append(c.Doors, a)
}

// run tries one case.
func (x *runner) run(c *Case) error {
	switch {
	case c.draft != nil:
		return x.intrude(c)
	case c.el != nil:
		return x.element(c)
	case c.keys != nil:
		x.list(c)
	case c.op != nil:
		return x.operation(c)
	case c.Event == evRead:
		x.read(c)
	default:
		return x.write(c)
	}
	return nil
}

func (x *runner) read(c *Case) {
	if c.r.e.Exposure != csn.AutoExposed {
		url := address(c.r)
		x.note(c, "odata", x.send(x.odata[c.service.Name], c, http.MethodGet, url, "").status, "")
		x.note(c, "rest", x.send(x.rest[c.service.Name], c, http.MethodGet, url, "").status, "")
		x.note(c, "batch", x.batch(c, http.MethodGet, url, "").status, "")
		x.note(c, "go", x.code(c, &cqn.Select{From: &cqn.From{Path: c.r.path()}, One: true}).status, "")
		x.within(c, "filter", "/"+setName(c.e)+"?$filter="+filterText(c.r), "", "")
	}
	x.ways(c)
}

// filterText asks for a row by its key in a condition of a client.
func filterText(r *row) string {
	var parts []string
	for _, k := range r.e.Keys {
		parts = append(parts, k.Name+"%20eq%20"+literal(k, r.values[k.Name]))
	}
	return strings.Join(parts, "%20and%20")
}

// within looks for the row of a case among those of an answer.
func (x *runner) within(c *Case, door, path, at, note string) {
	a := x.send(x.odata[c.service.Name], c, http.MethodGet, path, "")
	status := a.status
	if status < 400 {
		keys, ok := keysIn(c.e, a.body, at)
		switch {
		case !ok && status != http.StatusNoContent:
			status = http.StatusInternalServerError
		case !slices.Contains(keys, c.r.id()):
			status = http.StatusNotFound
		}
	}
	x.note(c, door, status, note)
}

// ways reads the row over associations from rows that the user sees: as a nested row, and over the path.
func (x *runner) ways(c *Case) {
	o := newOracle(x.w, c.u)
	for _, e := range c.service.Entities {
		if e.Active != nil || e.Drafts != nil || e.Exposure == csn.AutoExposed || x.w.unserved(e) != "" {
			continue
		}
		_, enters := o.entity(e, evRead, false)
		for _, el := range e.Flat {
			a := el.Assoc()
			if a == nil || a.Target != c.e || a.Join == nil || x.w.policy.rules[el] != nil {
				continue
			}
			seen, hidden := false, false
			for _, from := range x.w.of(e) {
				switch {
				case !x.w.joined(o.judge, a, from, c.r):
				case enters && o.sees(from) && o.fault == "":
					if !seen {
						x.way(c, el, from)
					}
					seen = true
				case !hidden && o.fault == "":
					x.blocked(c, el, from)
					hidden = true
				}
			}
			o.fault = ""
		}
	}
}

// blocked asks for the row over one that the user may not read: whatever the row itself is, it must not be answered.
func (x *runner) blocked(c *Case, el *csn.Element, from *row) {
	path := address(from) + "/" + el.Name
	if el.Assoc().Many {
		path += "(" + keyText(c.r) + ")"
	}
	a := x.send(x.odata[c.service.Name], c, http.MethodGet, path, "")
	x.names["path"] = true
	x.answers++
	c.Doors = append(c.Doors, Answer{Door: "path", Status: a.status, OK: a.status >= 400 && a.status < 500, Note: "from " + address(from) + ", which is hidden, over " + el.Name})
}

func (x *runner) way(c *Case, el *csn.Element, from *row) {
	note := "from " + address(from) + " over " + el.Name
	x.within(c, "expand", address(from)+"?$expand="+el.Name, el.Name, note)
	path := address(from) + "/" + el.Name
	if el.Assoc().Many {
		path += "(" + keyText(c.r) + ")"
	}
	a := x.send(x.odata[c.service.Name], c, http.MethodGet, path, "")
	if a.status == http.StatusNoContent { // a to-one association to a row that is not to be seen
		a.status = http.StatusNotFound
	}
	x.note(c, "path", a.status, note)
}

// list compares all that the doors list with what the user may see.
func (x *runner) list(c *Case) {
	path := "/" + setName(c.e)
	whole := func(door string, a reply) {
		status, note := a.status, ""
		if status < 400 {
			got, ok := keysIn(c.e, a.body, "")
			slices.Sort(got)
			if !ok || !slices.Equal(got, c.keys) {
				status, note = http.StatusInternalServerError, fmt.Sprintf("%d rows, expected %d: %s", len(got), len(c.keys), differing(got, c.keys))
			}
		}
		x.note(c, door, status, note)
	}
	whole("odata", x.send(x.odata[c.service.Name], c, http.MethodGet, path, ""))
	whole("rest", x.send(x.rest[c.service.Name], c, http.MethodGet, path, ""))
	whole("batch", x.batch(c, http.MethodGet, path, ""))
	count := x.send(x.odata[c.service.Name], c, http.MethodGet, path+"/$count", "")
	if count.status < 400 && strings.TrimSpace(string(count.body)) != fmt.Sprint(len(c.keys)) {
		count.status = http.StatusInternalServerError
	}
	x.note(c, "count", count.status, "")
}

// differing names the first key that one list has and the other has not.
func differing(got, want []string) string {
	for _, k := range got {
		if !slices.Contains(want, k) {
			return k + " must not be there"
		}
	}
	for _, k := range want {
		if !slices.Contains(got, k) {
			return k + " is missing"
		}
	}
	return "some are there twice"
}

func (x *runner) write(c *Case) error {
	method, path, body := http.MethodPost, "/"+setName(c.e), ""
	var q cqn.Query
	switch c.Event {
	case evCreate:
		if body = jsonOf(c.body); drafted(c.e) { // at once, without a draft
			active := c.body.Clone()
			active.Set(csn.DraftActive, cqn.Bool(true))
			body = jsonOf(active)
		}
		q = &cqn.Insert{Into: c.e.Name, Rows: []*cqn.Row{c.body.Clone()}}
	case evUpdate:
		method, path, body = http.MethodPatch, address(c.r), jsonOf(c.body)
		q = &cqn.Update{Entity: c.r.path(), Data: c.body.Clone()}
	case evUpsert:
		method, path, body = http.MethodPut, address(c.r), jsonOf(c.body)
		q = x.w.upsertOf(c)
	case evDelete:
		method, path = http.MethodDelete, address(c.r)
		q = &cqn.Delete{From: c.r.path()}
	}
	plain := body
	if c.Event == evCreate {
		plain = jsonOf(c.body) // REST knows no drafts
	}
	for _, d := range []struct {
		name string
		try  func() reply
	}{
		{"odata", func() reply { return x.send(x.odata[c.service.Name], c, method, path, body) }},
		{"rest", func() reply { return x.send(x.rest[c.service.Name], c, method, path, plain) }},
		{"batch", func() reply { return x.batch(c, method, path, body) }},
		{"go", func() reply { return x.code(c, q) }},
	} {
		if err := x.tried(c, d.name, d.try()); err != nil {
			return err
		}
	}
	if drafted(c.e) && c.body != nil && (c.Event == evCreate || c.Event == evUpdate) {
		return x.choreography(c)
	}
	return nil
}

// tried notes an answer to what changes data, and takes the change back.
func (x *runner) tried(c *Case, door string, a reply) error {
	note := ""
	if a.status >= 400 {
		note = strings.TrimSpace(string(a.body[:min(len(a.body), 200)]))
	}
	x.note(c, door, a.status, note)
	last := &c.Doors[len(c.Doors)-1]
	if last.OK && last.Note == note {
		last.Note = ""
	}
	if a.status < 400 {
		return x.restore()
	}
	return nil
}

// operation calls an action or function.
func (x *runner) operation(c *Case) error {
	path, plain := "", ""
	switch {
	case c.op.Entity != nil && c.op.Collection:
		path, plain = "/"+setName(c.e)+"/"+c.service.Name+".", "/"+setName(c.e)+"/"
	case c.op.Entity != nil:
		path, plain = address(c.r)+"/"+c.service.Name+".", address(c.r)+"/"
	default:
		path, plain = "/", "/"
	}
	name := c.op.LocalName()
	path, plain = path+name, plain+name
	method, body := http.MethodPost, arguments(c.op)
	if c.op.Function {
		method, body = http.MethodGet, ""
		path += inline(c.op, "(", "=", ",", ")")
		plain += inline(c.op, "?", "=", "&", "")
	}
	for _, try := range []struct {
		door string
		ask  func() reply
	}{
		{"odata", func() reply { return x.send(x.odata[c.service.Name], c, method, path, body) }},
		{"batch", func() reply { return x.batch(c, method, path, body) }},
		{"rest", func() reply { return x.send(x.rest[c.service.Name], c, method, plain, body) }},
	} {
		if err := x.tried(c, try.door, try.ask()); err != nil {
			return err
		}
	}
	return nil
}

// argument is a value of a parameter's type; nil where none is known.
func argument(el *csn.Element) *cqn.Value {
	if len(el.Enum()) > 0 {
		v := el.Enum()[0].Val()
		return &v
	}
	t := el.Scalar()
	if t == nil {
		return nil
	}
	if v, ok := unique(el, 1); ok {
		return &v
	}
	return nil
}

func arguments(op *csn.Operation) string {
	r := cqn.NewRow()
	for _, p := range op.Params {
		if v := argument(p); v != nil {
			r.Set(p.Name, *v)
		}
	}
	return jsonOf(r)
}

func inline(op *csn.Operation, open, is, sep, end string) string {
	var parts []string
	for _, p := range op.Params {
		if v := argument(p); v != nil {
			parts = append(parts, p.Name+is+literal(p, *v))
		}
	}
	if len(parts) == 0 {
		if open == "?" {
			return ""
		}
		return open + end
	}
	return open + strings.Join(parts, sep) + end
}
