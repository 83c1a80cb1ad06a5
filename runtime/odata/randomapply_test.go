package odata

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/odata/internal/testmodel"
	"context"
)

// A pipeline makes up values of $apply over Books.
type pipeline struct {
	r     *rand.Rand
	names []string // numbers of the result so far
	texts []string
	rows  bool // still rows of Books
	n     int
}

func (p *pipeline) pick(xs ...string) string { return xs[p.r.IntN(len(xs))] }

func (p *pipeline) fresh() string {
	p.n++
	return fmt.Sprintf("x%d", p.n)
}

func (p *pipeline) number(depth int) string {
	if depth > 0 && p.r.IntN(2) == 0 {
		switch p.r.IntN(4) {
		case 0:
			return fmt.Sprintf("case(%s:%s,true:%s)", p.cond(depth-1), p.number(depth-1), p.number(depth-1))
		case 1:
			if p.rows {
				return p.pick("items/$count", "author/books/$count", "length(title)", "items/$count($filter=pos gt 1)")
			}
		}
		return fmt.Sprintf("(%s %s %s)", p.number(depth-1), p.pick("add", "sub", "mul"), p.number(depth-1))
	}
	if len(p.names) == 0 || p.r.IntN(4) == 0 {
		return p.pick("0", "1", "2", "7")
	}
	return p.pick(p.names...)
}

func (p *pipeline) cond(depth int) string {
	switch {
	case depth > 0 && p.r.IntN(3) == 0:
		return fmt.Sprintf("(%s %s %s)", p.cond(depth-1), p.pick("and", "or"), p.cond(depth-1))
	case depth > 0 && p.r.IntN(4) == 0:
		return "not (" + p.cond(depth-1) + ")"
	case p.rows && p.r.IntN(3) == 0:
		return p.pick("out", "contains(title,'m')", "items/any(i:i/pos gt 1)", "author/name eq 'Jane'", "author eq null", "'a' in tags", "items/$count gt 1")
	case len(p.texts) > 0 && p.r.IntN(4) == 0:
		return p.pick(p.texts...) + p.pick(" eq 'Emma'", " ne null", " gt 'D'")
	}
	return fmt.Sprintf("%s %s %s", p.number(depth-1), p.pick("eq", "ne", "gt", "le"), p.number(0))
}

func (p *pipeline) aggregates() (text string, names []string) {
	var parts []string
	for range 1 + p.r.IntN(3) {
		n := p.fresh()
		names = append(names, n)
		switch {
		case p.r.IntN(3) == 0:
			parts = append(parts, "$count as "+n)
		case p.rows && p.r.IntN(4) == 0:
			parts = append(parts, p.pick("items/$count", "items/pos with sum", "items/pos with max", "author with countdistinct")+" as "+n)
		default:
			parts = append(parts, p.number(1)+" with "+p.pick("sum", "min", "max", "countdistinct")+" as "+n)
		}
	}
	return "aggregate(" + strings.Join(parts, ",") + ")", names
}

// step returns one more transformation.
func (p *pipeline) step(depth int) string {
	switch p.r.IntN(9) {
	case 0:
		return "filter(" + p.cond(2) + ")"
	case 1:
		n := p.fresh()
		s := "compute(" + p.number(2) + " as " + n + ")"
		p.names = append(p.names, n)
		return s
	case 2:
		return "orderby(" + p.property() + p.pick("", " desc") + ")/" + p.pick("top(2)", "skip(1)", "top(1)")
	case 3:
		return p.pick("topcount(2,", "bottomcount(1,") + p.ranked() + ")"
	case 4:
		return p.pick("topsum(5,", "toppercent(50,", "bottomsum(3,") + p.ranked() + ")"
	case 5:
		if p.rows {
			return p.pick("search(emma)", "search(NOT emma)", "search(off OR quoted)")
		}
		return "identity"
	case 6:
		if depth > 0 {
			return p.concat(depth)
		}
		return "identity"
	case 7:
		text, names := p.aggregates()
		p.names, p.texts, p.rows = names, nil, false
		return text
	}
	return p.group()
}

func (p *pipeline) ranked() string {
	if x := p.number(1); strings.ContainsAny(x, "x") || strings.Contains(x, "I") {
		return x
	}
	return p.property()
}

// property is a number that is no constant.
func (p *pipeline) property() string {
	if len(p.names) == 0 {
		n := p.pick("items/$count")
		if !p.rows {
			return "x1"
		}
		return n
	}
	return p.pick(p.names...)
}

func (p *pipeline) group() string {
	by := p.property()
	texts := []string(nil)
	if p.rows {
		by = p.pick("out", "title", "author/name", "out,stock", "author", "stock")
	}
	if strings.Contains(by, "title") {
		texts = []string{"title"}
	}
	inner := p.r.IntN(4)
	if p.rows && inner == 0 {
		return "groupby((" + by + "),topcount(1,ID))"
	}
	text, names := p.aggregates()
	if inner == 1 {
		text = "filter(" + p.cond(1) + ")/" + text
	}
	p.names, p.texts, p.rows = names, texts, false
	return "groupby((" + by + ")," + text + ")"
}

func (p *pipeline) concat(depth int) string {
	a, b := *p, *p
	b.n += 20
	x := a.step(depth - 1)
	y := b.step(depth - 1)
	p.n = b.n + 20
	both := []string{}
	for _, n := range a.names {
		for _, m := range b.names {
			if n == m {
				both = append(both, n)
			}
		}
	}
	p.names, p.texts, p.rows = both, nil, false
	return "concat(" + x + "," + y + ")"
}

func randomApply(seed uint64) string {
	p := &pipeline{r: rand.New(rand.NewPCG(seed, 1)), names: []string{"ID", "stock"}, texts: []string{"title"}, rows: true}
	var steps []string
	for range 1 + p.r.IntN(4) {
		steps = append(steps, p.step(2))
	}
	q := "$apply=" + strings.Join(steps, "/")
	if p.rows {
		q += "&$select=" + strings.Join(append([]string{"ID"}, p.names...), ",")
	}
	if p.r.IntN(3) == 0 && len(p.names) > 0 {
		q += "&$orderby=" + p.property() + p.pick("", " desc")
	}
	if p.r.IntN(4) == 0 {
		q += "&$filter=" + p.cond(1)
	}
	if p.r.IntN(4) == 0 {
		q += "&$top=2&$skip=1"
	}
	if p.r.IntN(4) == 0 {
		q += "&$count=true"
	}
	return q
}

// TestRandomApply: both databases answer made up queries alike, and none makes the server fail. CDS_DIFF=2000 makes up more.
func TestRandomApply(t *testing.T) {
	if testing.Short() {
		t.Skip("without PostgreSQL in short mode")
	}
	a := shelf(t)
	pool, err := postgres.New().Open(context.Background(), pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	b := servedFrom(t, testmodel.Shop(t), pool)
	stock(t, b)
	seeds := uint64(200)
	if n, err := strconv.ParseUint(os.Getenv("CDS_DIFF"), 10, 32); err == nil {
		seeds = n
	}
	answered := 0
	for seed := range seeds {
		q := randomApply(seed)
		x := a.do("GET /shop/Books?"+url.PathEscape(q), "")
		y := b.do("GET /shop/Books?"+url.PathEscape(q), "")
		if x.Code >= 500 && x.Code != 501 || y.Code >= 500 && y.Code != 501 || x.Code != y.Code && x.Code != 400 && y.Code != 400 {
			t.Errorf("%d %s: %d, %d\n%s\n%s", seed, q, x.Code, y.Code, x.Body, y.Body)
			continue
		}
		if x.Code != 200 || y.Code != 200 {
			t.Logf("%d %s: %d %s", seed, q, x.Code, x.Body)
			continue
		}
		answered++
		if v, w := value(t, x.Body.String()), value(t, y.Body.String()); v != w {
			t.Errorf("%d %s:\nsqlite   %s\npostgres %s", seed, q, v, w)
		}
	}
	if answered < int(seeds)/2 {
		t.Errorf("only %d of %d queries were answered", answered, seeds)
	}
}

// FuzzQuery: no query makes the server fail.
func FuzzQuery(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(randomApply(seed))
	}
	for _, s := range []string{
		"$search=(a OR \"b c\") NOT d", "$filter=at add duration'P1D' gt now() and items/$count($filter=pos gt 1) eq 1", "$expand=items($compute=pos add 1 as n;$select=n;$orderby=n),parent($levels=max),author/$ref",
		"$compute=case(stock gt 1:'a',true:'b') as c&$filter=c eq 'a'&$select=c", "$filter=title in ('a',null) or stock in @l&@l=[1,2]", "$filter=cast(stock,Edm.Double) div 2 gt $root/Books(1)/stock",
	} {
		f.Add(s)
	}
	s := shelf(f)
	f.Fuzz(func(t *testing.T, q string) {
		s.t = t
		w := s.do("GET /shop/Books?"+url.PathEscape(q), "")
		if w.Code >= 500 && w.Code != 501 {
			t.Errorf("%q: %d %s", q, w.Code, w.Body)
		}
	})
}
