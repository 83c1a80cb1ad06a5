package difftest

import (
	"encoding/json"
	"fmt"

	"cds/runtime/cdstest"
)

// visible returns the key of a row that the user may see on both servers at the start, or one that no row has: what a key that is taken by a hidden row
// is answered, is not to be hidden.
func (g *grammar) visible(e *entity) int {
	if rows := newOracle(g.world, g.who).see(e).rows; len(rows) > 0 && g.IntN(2) == 0 {
		return pick(g.Rand, rows...).id()
	}
	return g.unused()
}

func (g *grammar) unused() int {
	g.next++
	return g.next
}

// payload makes up a body. Rows of parts have keys as by visible.
func (g *grammar) payload(e *entity, depth int) map[string]any {
	b := g.body(e, 0)
	if g.secret[e] != "" && g.IntN(8) == 0 {
		b["x"] = g.IntN(5)
	}
	for _, a := range e.assocs {
		switch {
		case g.IntN(3) > 0:
		case a.part && depth > 0:
			rows := []any{}
			for range g.IntN(3) {
				k := g.payload(a.to, depth-1)
				k["ID"] = g.visible(a.to)
				rows = append(rows, k)
			}
			if a.many {
				b[a.name] = rows
			} else if len(rows) > 0 {
				b[a.name] = rows[0]
			}
		case !a.many && !a.part && !a.to.auto && g.IntN(2) == 0:
			delete(b, a.name+"_ID")
			b[a.name+"@odata.bind"] = fmt.Sprintf("%s(%d)", a.to.name, 1+g.IntN(8))
		case !a.many && !a.part:
			delete(b, a.name+"_ID")
			b[a.name] = map[string]any{"ID": 1 + g.IntN(8)}
		}
	}
	return b
}

// write makes up a change of a row, of a reference, or a step of a draft.
func (g *grammar) write() letter {
	c := g.change()
	e := c.target()
	l := letter{method: c.method, url: c.path.url()}
	if g.IntN(2) == 0 || g.etag[e] != "" {
		l.header = append(l.header, [2]string{"If-Match", "*"})
	}
	if g.IntN(4) == 0 {
		l.header = append(l.header, [2]string{"Prefer", pick(g.Rand, "return=minimal", "return=representation")})
	}
	switch {
	case c.path.start == g.drafts && c.path.steps == nil && g.IntN(2) == 0:
		return g.draft(c)
	case c.method != "POST" && len(e.assocs) > 0 && g.IntN(6) == 0:
		return g.reference(l, e)
	case c.method == "DELETE":
		for _, a := range e.assocs {
			if a.part { // that a part may not be deleted keeps its root from being deleted
				l.method = "GET"
			}
		}
		return l
	}
	body := g.payload(e, 2)
	switch {
	case c.method == "POST":
		body["ID"] = g.unused()
	case c.method == "PUT":
		key := g.visible(e)
		if c.path.steps != nil {
			c.path.steps[0].key = key
		} else {
			c.path.key = key
		}
		l.url = c.path.url()
	}
	if g.IntN(3) == 0 {
		l.url += g.shape(e)
	}
	l.body = text(body)
	return l
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// reference changes what an association leads to.
func (g *grammar) reference(l letter, e *entity) letter {
	a := pick(g.Rand, e.assocs...)
	l.url += "/" + a.name
	id := text(map[string]any{"@odata.id": fmt.Sprintf("%s(%d)", a.to.name, 1+g.IntN(8))})
	switch {
	case a.many && g.IntN(3) == 0:
		l.method, l.url = "DELETE", l.url+fmt.Sprintf("(%d)/$ref", 1+g.IntN(8))
	case a.many:
		l.method, l.url, l.body = "POST", l.url+"/$ref", id
	case g.IntN(3) == 0:
		l.method, l.url = "DELETE", l.url+"/$ref"
	default:
		l.method, l.url, l.body = "PUT", l.url+"/$ref", id
	}
	return l
}

// draft is a step of the choreography.
func (g *grammar) draft(c *change) letter {
	e, key := c.path.start, 1+g.IntN(8)
	at := func(active bool, key int) string {
		return fmt.Sprintf("/s/%s(ID=%d,IsActiveEntity=%v)", e.name, key, active)
	}
	if g.IntN(3) == 0 {
		key = 100 + g.IntN(max(g.next-99, 1))
	}
	switch g.IntN(6) {
	case 0:
		b := g.payload(e, 2)
		b["ID"] = g.unused()
		return letter{method: "POST", url: "/s/" + e.name, body: text(b)}
	case 1, 2:
		return letter{method: "POST", url: at(true, key) + "/S.draftEdit", body: pick(g.Rand, `{}`, `{"PreserveChanges":true}`)}
	case 3:
		return letter{method: "PATCH", url: at(false, key), body: text(g.payload(e, 2))}
	case 4:
		return letter{method: "POST", url: at(false, key) + pick(g.Rand, "/S.draftActivate", "/S.draftPrepare"), body: `{}`}
	}
	return letter{method: pick(g.Rand, "DELETE", "GET", "GET"), url: at(false, key)}
}

// hideDrafts has others make drafts, of hidden rows and of new ones.
func (g *grammar) hideDrafts(app *cdstest.App) {
	if g.drafts == nil {
		return
	}
	seen := newOracle(g.world, g.who).see(g.drafts)
	for _, p := range g.people[1:] {
		if p == g.who {
			continue
		}
		for _, r := range g.hidden[1][g.drafts] {
			if seen.denied || withKey(seen.rows, r.id()) == nil {
				letter{method: "POST", url: fmt.Sprintf("/s/%s(ID=%d,IsActiveEntity=true)/S.draftEdit", g.drafts.name, r.id()), body: `{}`}.to(app, p)
			}
		}
		b := g.body(g.drafts, 0)
		b["ID"] = 5000 + g.unused()
		letter{method: "POST", url: "/s/" + g.drafts.name, body: text(b)}.to(app, p)
	}
}
