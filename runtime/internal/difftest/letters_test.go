package difftest

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// A grammar makes up query options as text. They may fail, be forbidden or mean nothing.
type grammar struct {
	*twin
	n    int
	next int // a key that no row has
}

// path is a path from e to an element; kinds of them are numbers.
func (g *grammar) path(e *entity, at string, depth int) (text string, end *entity) {
	for depth > 0 && g.IntN(3) == 0 {
		as := g.toOne(e)
		if len(as) == 0 {
			break
		}
		a := pick(g.Rand, as...)
		at, e, depth = at+a.name+"/", a.to, depth-1
	}
	if e == g.drafts && g.IntN(8) == 0 {
		at += "SiblingEntity/"
	}
	return at, e
}

func (g *grammar) numeric(e *entity, at string) string {
	p, end := g.path(e, at, 2)
	switch {
	case g.secret[end] != "" && g.IntN(12) == 0:
		return p + pick(g.Rand, "x", "y")
	case g.IntN(8) == 0:
		return p + "ID"
	}
	return p + end.label("n", false)
}

func (g *grammar) textual(e *entity, at string) string {
	p, _ := g.path(e, at, 2)
	return p + pick(g.Rand, "s", "s", "c", "owner")
}

func (g *grammar) many(e *entity) []*assoc {
	var out []*assoc
	for _, a := range e.assocs {
		if a.many {
			out = append(out, a)
		}
	}
	return out
}

// number is an expression with a number, which may fail on some rows.
func (g *grammar) number(e *entity, at string, depth int) string {
	if depth <= 0 {
		return g.numeric(e, at)
	}
	many := g.many(e)
	switch g.IntN(12) {
	case 0, 1:
		return "(" + strconv.Itoa(100*g.IntN(2)+1) + pick(g.Rand, " div ", " mod ") + g.number(e, at, depth-1) + ")"
	case 2:
		return "(" + g.number(e, at, depth-1) + pick(g.Rand, " add ", " sub ", " mul ", " divby ") + g.number(e, at, depth-1) + ")"
	case 3:
		return "length(" + g.textual(e, at) + ")"
	case 4:
		return "case(" + g.truth(e, at, depth-1) + ":" + g.number(e, at, depth-1) + ",true:" + g.number(e, at, 0) + ")"
	case 5, 6:
		if len(many) > 0 {
			a := pick(g.Rand, many...)
			return at + a.name + "/$count" + pick(g.Rand, "", "($filter="+g.truth(a.to, "", depth-1)+")")
		}
	case 7:
		if e2 := pick(g.Rand, g.entities...); !e2.auto && g.IntN(2) == 0 {
			return fmt.Sprintf("$root/%s(%d)/%s", e2.name, 1+g.IntN(8), e2.label("n", false))
		}
	case 8:
		return pick(g.Rand, "cast("+g.textual(e, at)+",Edm.Int32)", "year("+g.textual(e, at)+")", "floor("+g.numeric(e, at)+")", "round("+g.numeric(e, at)+" divby 2)")
	case 9:
		return "9223372036854775807 sub " + g.numeric(e, at) + " mul 3"
	}
	return g.numeric(e, at)
}

// truth is a condition.
func (g *grammar) truth(e *entity, at string, depth int) string {
	many := g.many(e)
	if depth > 0 {
		switch g.IntN(9) {
		case 0:
			return "(" + g.truth(e, at, depth-1) + pick(g.Rand, " and ", " or ") + g.truth(e, at, depth-1) + ")"
		case 1:
			return "not (" + g.truth(e, at, depth-1) + ")"
		case 2, 3:
			if len(many) > 0 {
				a := pick(g.Rand, many...)
				g.n++
				v := "v" + strconv.Itoa(g.n)
				return at + a.name + "/" + pick(g.Rand, "any", "all") + "(" + v + ":" + g.truth(a.to, v+"/", depth-1) + ")"
			}
		case 4:
			if e == g.drafts {
				return at + pick(g.Rand, "IsActiveEntity", "HasDraftEntity", "HasActiveEntity") + " eq " + pick(g.Rand, "true", "false")
			}
			return "matchesPattern(" + g.textual(e, at) + ",'" + pick(g.Rand, "(", "a", "^D") + "')"
		case 5:
			if len(many) > 0 {
				a := pick(g.Rand, many...)
				return pick(g.Rand, "'ab' in "+at+a.name+"/s", "1 in "+at+a.name+"/"+a.to.label("n", false))
			}
		case 6:
			if as := g.toOne(e); len(as) > 0 {
				return at + pick(g.Rand, as...).name + pick(g.Rand, " eq null", " ne null")
			}
		}
	}
	if g.IntN(3) == 0 {
		return pick(g.Rand, "contains", "startswith") + "(" + g.textual(e, at) + ",'" + pick(g.Rand, "a", "b", "D", "-de") + "')"
	}
	return g.number(e, at, depth) + pick(g.Rand, " eq ", " ne ", " gt ", " le ") + strconv.Itoa(g.IntN(7))
}

func (g *grammar) fresh() string {
	g.n++
	return pick(g.Rand, "k"+strconv.Itoa(g.n), "k"+strconv.Itoa(g.n), "k"+strconv.Itoa(g.n), "n", "owner", "x", "c", "ID")
}

// apply makes up transformations; what follows the first that changes the shape often makes no sense.
func (g *grammar) apply(e *entity, depth int) string {
	var steps []string
	for range 1 + g.IntN(3) {
		switch g.IntN(11) {
		case 0:
			steps = append(steps, "filter("+g.truth(e, "", 2)+")")
		case 1:
			steps = append(steps, "compute("+g.number(e, "", 2)+" as "+g.fresh()+")")
		case 2:
			steps = append(steps, "orderby("+g.number(e, "", 1)+")/"+pick(g.Rand, "top(2)", "skip(1)"))
		case 3:
			steps = append(steps, pick(g.Rand, "topcount(2,", "bottomcount(1,", "topsum(5,", "toppercent(50,", "bottompercent(50,")+g.number(e, "", 1)+")")
		case 4:
			steps = append(steps, "search("+g.search()+")")
		case 5:
			if depth > 0 {
				steps = append(steps, "concat("+g.apply(e, depth-1)+","+g.apply(e, depth-1)+")")
			}
		case 6, 7:
			return strings.Join(append(steps, g.aggregate(e)), "/")
		default:
			by := pick(g.Rand, g.textual(e, ""), g.numeric(e, ""), g.textual(e, "")+","+g.numeric(e, ""))
			if as := g.toOne(e); len(as) > 0 && g.IntN(5) == 0 {
				by = pick(g.Rand, as...).name
			}
			if g.IntN(4) == 0 {
				by = pick(g.Rand, "rollup($all,"+g.textual(e, "")+")", "rollup("+g.textual(e, "")+","+g.numeric(e, "")+")", "rollup("+g.numeric(e, "")+","+by+"),"+g.textual(e, ""))
			}
			inner := pick(g.Rand, ","+g.aggregate(e), "", ",filter("+g.truth(e, "", 1)+")/"+g.aggregate(e), ",topcount(1,"+g.numeric(e, "")+")")
			return strings.Join(append(steps, "groupby(("+by+")"+inner+")"), "/") + pick(g.Rand, "", "", "/filter("+g.truth(e, "", 1)+")")
		}
	}
	if steps == nil {
		return "identity"
	}
	return strings.Join(steps, "/")
}

func (g *grammar) aggregate(e *entity) string {
	var parts []string
	for range 1 + g.IntN(2) {
		g.n++
		as := " as k" + strconv.Itoa(g.n)
		part := g.number(e, "", 1) + " with " + pick(g.Rand, "sum", "min", "max", "average", "countdistinct") + as
		switch many := g.many(e); {
		case g.IntN(3) == 0:
			part = "$count" + as
		case len(many) > 0 && g.IntN(2) == 0:
			a := pick(g.Rand, many...)
			part = a.name + pick(g.Rand, "/$count", "/"+g.numeric(a.to, "")+" with sum", "/"+g.textual(a.to, "")+" with max") + as
		}
		parts = append(parts, part)
	}
	return "aggregate(" + strings.Join(parts, ",") + ")"
}

func (g *grammar) search() string {
	return pick(g.Rand, "a", "NOT a", "de OR bc", "NOT (ab OR de)", `"u1"`, "zz", "a AND NOT b", "DE")
}

// options makes up system query options.
func (g *grammar) options(e *entity, depth int, one bool) []string {
	var out []string
	add := func(chance int, name string, value func() string) {
		if g.IntN(chance) == 0 {
			out = append(out, name+"="+value())
		}
	}
	if depth == 2 && !one && g.IntN(3) == 0 {
		out = append(out, "$apply="+g.apply(e, 1))
		add(5, "$filter", func() string { return g.truth(e, "", 1) })
		add(5, "$count", func() string { return "true" })
		return out
	}
	if depth < 2 && !one && g.IntN(8) == 0 { // for each parent
		out = append(out, "$apply="+pick(g.Rand, g.aggregate(e), "groupby(("+g.textual(e, "")+"),"+g.aggregate(e)+")", "filter("+g.truth(e, "", 1)+")/"+g.aggregate(e), g.apply(e, 0)))
		add(5, "$count", func() string { return "true" })
		return out
	}
	add(3, "$filter", func() string { return g.truth(e, "", 2) })
	if !one {
		add(4, "$orderby", func() string { return g.number(e, "", 2) + pick(g.Rand, "", " desc") + "," + g.textual(e, "") })
		add(6, "$search", g.search)
		add(6, "$top", func() string { return strconv.Itoa(g.IntN(3)) })
		add(8, "$skip", func() string { return strconv.Itoa(g.IntN(3)) })
		add(4, "$count", func() string { return "true" })
	}
	if g.IntN(4) == 0 {
		name := g.fresh()
		out = append(out, "$compute="+g.number(e, "", 2)+" as "+name)
		add(2, "$select", func() string { return "ID," + name })
	} else {
		add(5, "$select", func() string { return g.textual(e, "") + "," + g.numeric(e, "") })
	}
	var items []string
	if e == g.drafts && g.IntN(3) == 0 {
		items = append(items, pick(g.Rand, "DraftAdministrativeData", "SiblingEntity", "SiblingEntity($expand=DraftAdministrativeData)"))
	}
	for _, a := range e.assocs {
		if depth > 0 && g.IntN(3) == 0 {
			item := a.name
			if opts := g.options(a.to, depth-1, !a.many); len(opts) > 0 && g.IntN(4) > 0 {
				item += "(" + strings.Join(opts, ";") + ")"
			} else if g.IntN(4) == 0 {
				item += pick(g.Rand, "/$ref", "/$count", "($levels=2)", "($levels=max)")
			}
			items = append(items, item)
		}
	}
	if depth > 0 && g.IntN(10) == 0 {
		items = append(items, "*")
	}
	if items != nil {
		out = append(out, "$expand="+strings.Join(items, ","))
	}
	return out
}

// shape makes up the options of a write: what is to be seen of the row.
func (g *grammar) shape(e *entity) string {
	out := ""
	for _, o := range g.options(e, 1, true) {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "$select", "$expand", "$compute":
			out += string("?&"[min(len(out), 1)]) + name + "=" + url.QueryEscape(value)
		}
	}
	return out
}

// read makes up a GET.
func (g *grammar) read() letter {
	r := g.request()
	e, single := r.end()
	text := r.start.name
	rest := g.IntN(5) == 0
	key := func(k int) string {
		if rest {
			return "/" + strconv.Itoa(k)
		}
		return fmt.Sprintf("(%d)", k)
	}
	if r.key > 0 {
		text += key(r.key)
	}
	for _, s := range r.steps {
		text += "/" + s.a.name
		if s.key > 0 {
			text += key(s.key)
		}
	}
	if r.el != "" {
		text += "/" + e.label(r.el, false) + pick(g.Rand, "", "/$value")
	} else if !single && g.IntN(5) == 0 {
		text += "/$count"
	} else if g.IntN(12) == 0 {
		text += "/$ref"
	}
	l := letter{method: "GET", url: "/s/" + text}
	if rest {
		l.url = "/r/" + text
	}
	for i, o := range g.options(e, 2, single) {
		name, value, _ := strings.Cut(o, "=")
		l.url += string("?&"[min(i, 1)]) + name + "=" + url.QueryEscape(value)
	}
	if g.IntN(4) == 0 {
		l.header = append(l.header, [2]string{"Accept-Language", "de"})
	}
	if g.temporal != nil && g.IntN(4) == 0 {
		l.url += string("?&"[min(strings.Count(l.url, "?"), 1)]) + "sap-valid-at=" + pick(g.Rand, "1999-01-01", "2020-01-01")
	}
	return l
}

// batch puts requests into one.
func (g *grammar) batch(ls []letter) letter {
	if g.IntN(2) == 0 {
		var parts []string
		for i, l := range ls {
			part := fmt.Sprintf(`{"id":"%d","method":%q,"url":%q`, i, l.method, strings.TrimPrefix(l.url, "/s/"))
			if l.body != "" {
				part += `,"headers":{"content-type":"application/json"},"body":` + l.body
			}
			parts = append(parts, part+"}")
		}
		return letter{method: "POST", url: "/s/$batch", body: `{"requests":[` + strings.Join(parts, ",") + "]}"}
	}
	text := ""
	for _, l := range ls {
		text += "--b\r\nContent-Type: application/http\r\n\r\n" + l.method + " " + strings.TrimPrefix(l.url, "/s/") + " HTTP/1.1\r\n"
		if l.body != "" {
			text += "Content-Type: application/json\r\n"
		}
		text += "\r\n" + l.body + "\r\n"
	}
	return letter{method: "POST", url: "/s/$batch", body: text + "--b--\r\n", header: [][2]string{{"Content-Type", "multipart/mixed;boundary=b"}}}
}
