package odata

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"
)

// A grammar makes random expressions that OData allows on Books.
type grammar struct{ *rand.Rand }

func (g grammar) pick(s ...string) string { return s[g.IntN(len(s))] }

func (g grammar) text(d int) string {
	if d <= 0 || g.IntN(2) == 0 {
		return g.pick("title", "mime", "author/name", "'x'", "'it''s'", "'50%'", "''", "null")
	}
	switch g.IntN(5) {
	case 0:
		return g.pick("tolower", "toupper", "trim") + "(" + g.text(d-1) + ")"
	case 1:
		return "concat(" + g.text(d-1) + "," + g.text(d-1) + ")"
	case 2:
		return fmt.Sprintf("substring(%s,%d)", g.text(d-1), g.IntN(4))
	case 3:
		return fmt.Sprintf("substring(%s,%d,%d)", g.text(d-1), g.IntN(4), g.IntN(4))
	}
	return "title"
}

func (g grammar) number(d int) string {
	if d <= 0 || g.IntN(2) == 0 {
		return g.pick("stock", "big", "price", "rate", "ID", "1", "-2", "2.5", "3000000000", "1e3")
	}
	switch g.IntN(6) {
	case 0:
		return "(" + g.number(d-1) + g.pick(" add ", " sub ", " mul ", " divby ") + g.number(d-1) + ")"
	case 1:
		return g.pick("round", "floor", "ceiling") + "(" + g.pick("price", "rate") + ")"
	case 2:
		return "length(" + g.pick("title", "mime") + ")"
	case 3:
		return "indexof(title," + g.pick("'m'", "mime") + ")"
	case 4:
		return g.pick("year", "month", "day") + "(" + g.pick("day", "at", "dt") + ")"
	}
	return "-stock"
}

func (g grammar) condition(d int) string {
	cmp := g.pick(" eq ", " ne ", " lt ", " le ", " gt ", " ge ")
	if d <= 0 {
		return g.pick("out", "true", "stock eq null", "author ne null", "items/any()", "day gt 2020-01-01", "tod lt 12:00:00", "at le now()", "dt eq 2024-01-01T00:00:00Z")
	}
	switch g.IntN(9) {
	case 0:
		return "(" + g.condition(d-1) + g.pick(" and ", " or ") + g.condition(d-1) + ")"
	case 1:
		return "not (" + g.condition(d-1) + ")"
	case 2:
		return g.text(d-1) + cmp + g.text(d-1)
	case 3, 4:
		return g.number(d-1) + cmp + g.number(d-1)
	case 5:
		return g.pick("contains", "startswith", "endswith") + "(" + g.text(d-1) + "," + g.text(d-1) + ")"
	case 6:
		return "items/" + g.pick("any", "all") + "(i:" + g.pick("i/note"+cmp+"'x'", "i/pos"+cmp+g.number(d-1), "i/author/name"+cmp+"title", "i/book/stock"+cmp+"2") + ")"
	case 7:
		return g.pick("stock in (1,2.5,null)", "title in ('a','b')", "price in (1,12.5)", "tags/any(t:t eq 'a')", "uid in ("+jane+")")
	}
	return "author/books/any(b:b/title" + cmp + g.text(d-1) + ")"
}

// TestRandomFilters: what OData allows is answered, and x and not (x) share no row.
func TestRandomFilters(t *testing.T) {
	s := shelf(t)
	g := grammar{rand.New(rand.NewPCG(1, 2))}
	for range 1500 {
		f := g.condition(4)
		w := s.do("GET /shop/Books?$select=ID&$orderby=ID&$filter="+url.PathEscape(f), "")
		if w.Code != 200 {
			t.Errorf("%s: %d %s", f, w.Code, w.Body)
			continue
		}
		found := map[rune]bool{}
		for _, r := range ids(t, w.Body.String()) {
			found[r] = r != ' '
		}
		n := s.do("GET /shop/Books?$select=ID&$filter="+url.PathEscape("not ("+f+")"), "")
		if n.Code != 200 {
			t.Errorf("not (%s): %d %s", f, n.Code, n.Body)
			continue
		}
		for _, r := range ids(t, n.Body.String()) {
			if found[r] {
				t.Errorf("%s and its negation both hold for %c", f, r)
			}
		}
	}
}
