package uri

import (
	"errors"
	"net/url"
	"testing"
)

// fuzzOption feeds one query option: any text is read or refused as the client's fault, and what is read has a text form.
func fuzzOption(f *testing.F, option string, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	x := shop(f)
	f.Fuzz(func(t *testing.T, text string) {
		_, q, err := parse(x, "Books?"+option+"="+url.QueryEscape(text))
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Status != 400 && e.Status != 501 && e.Status != 414 || e.Message == "") {
			t.Fatalf("%q: %#v", text, err)
		}
		if err == nil {
			_ = selectText(q.Select)
		}
	})
}

func FuzzApply(f *testing.F) {
	fuzzOption(f, "$apply", "aggregate(stock with sum as s,$count as n)", "groupby((author/name,out),aggregate(items/$count as n))/filter(n gt 1)/compute(n mul 2 as m)",
		"concat(topcount(1,stock),groupby((out),concat(aggregate($count as n),aggregate(ID with max as m))))/orderby(n desc)/top(1)", "search(a OR NOT b)/toppercent(50,price)/aggregate($count as n)",
		"groupby((out),filter(stock gt 1)/topsum(5,stock)/aggregate(stock mul 2 with average as a))/skip(1)/identity")
}

func FuzzFilter(f *testing.F) {
	fuzzOption(f, "$filter", "title eq 'a' and items/any(i:i/pos gt 1) or not (stock in (1,null))", "items/$count($filter=pos gt 1;$search=x) gt 1", "at add duration'P1DT2H' gt now()",
		"case(stock gt 10:20,true:3) eq 20", "cast(stock,Edm.Double) div 2 gt $root/Books(1)/stock", "isof(title,Edm.String) and 'a' in tags and title in [\"x\"]", "-price lt 1e3 and @a eq 1")
}

func FuzzSearch(f *testing.F) {
	fuzzOption(f, "$search", "a b", "(a OR \"b \\\" c\") AND NOT d", "NOT NOT a", "AND", "'x y' z", "((a))")
}

func FuzzExpand(f *testing.F) {
	fuzzOption(f, "$expand", "author,items($select=note;$filter=pos gt 1;$orderby=pos desc;$top=2;$count=true)", "*($levels=2)", "parent($levels=max;$select=title)", "items/$count($search=a),author/$ref",
		"items($compute=pos add 1 as n;$select=n;@a=1)")
}
