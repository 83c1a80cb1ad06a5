package difftest

import (
	"strings"
	"testing"

	"cds/runtime/db"
)

// TestComputedTellsNothing is TestErrorsTellNothing for what is computed, grouped, aggregated and sorted by: wherever a request may have an expression,
// it must not be tried on rows that the user may not see.
func TestComputedTellsNothing(t *testing.T) { both(t, computedTellsNothing) }

func computedTellsNothing(t *testing.T, database func(testing.TB) db.Pool) {
	h := newAttacked(t, database).Server.Handler()
	u1 := &person{name: "u1"}
	// X is an expression that fails on the hidden row.
	statuses := map[int]int{}
	for _, x := range []string{"100 div n", "100 mod n", "9223372036854775807 sub n add 5", "round(5 divby n)", "ratio", "ratio add 1", "cast(body,Edm.Int32)",
		"substring(title,0,n sub 1)", "-(-9223372036854775807 sub 6 add n)", "notes/$count div n", "100 div length(substring(title,0,n))"} {
		for _, url := range []string{
			"/s/Papers?$compute=X as x&$filter=body eq 'GUESS' and x gt 0",
			"/s/Papers?$compute=X as x&$select=ID,x&$orderby=x&$filter=body eq 'GUESS'",
			"/s/Papers?$filter=body eq 'GUESS'&$orderby=X",
			"/s/Papers?$apply=filter(body eq 'GUESS')/compute(X as x)",
			"/s/Papers?$apply=filter(body eq 'GUESS')/compute(X as x)/filter(x gt 0)",
			"/s/Papers?$apply=compute(X as x)/filter(body eq 'GUESS' and x gt 0)",
			"/s/Papers?$apply=compute(X as x)/filter(body eq 'GUESS')/aggregate(x with max as m)",
			"/s/Papers?$apply=filter(body eq 'GUESS')/compute(X as x)/groupby((x))",
			"/s/Papers?$apply=filter(body eq 'GUESS')/compute(X as x)/groupby((x),aggregate($count as c))/filter(x gt 0)",
			"/s/Papers?$apply=groupby((body,n))/filter(body eq 'GUESS' and 100 div n gt 0)",
			"/s/Papers?$apply=filter(body eq 'GUESS')/aggregate(n with sum as s)&$filter=100 div s gt 0",
			"/s/Papers?$apply=filter(body eq 'GUESS')/compute(X as x)/topcount(1,x)",
			"/s/Papers?$apply=filter(body eq 'GUESS')/orderby(X)",
			"/s/Papers?$apply=filter(body eq 'GUESS')/concat(compute(X as x),aggregate($count as c))",
			"/s/Notes?$apply=filter(paper/body eq 'GUESS')/groupby((paper/n),aggregate($count as c))/filter(100 div paper/n gt 0)",
			"/s/Notes?$expand=paper($compute=X as x;$select=ID,x;$filter=body eq 'GUESS')",
			"/s/Notes?$filter=paper/body eq 'GUESS' and 100 div paper/n gt 0&$orderby=100 div paper/n",
			"/s/Papers?$search=GUESS&$filter=X gt 0",
			"/s/Papers?$filter=case(body eq 'GUESS':X,true:1) gt 0",
			"/s/Papers?$filter=notes/any(y:y/paper/body eq 'GUESS' and 100 div y/paper/n gt 0)&$count=true",
		} {
			var answers []string
			for _, guess := range []string{"treasure", "treasury", "nonsense"} {
				text := strings.NewReplacer("X", x, "GUESS", guess).Replace(url)
				rec := send(h, u1, "GET", escapeQuery(text), "")
				if rec.Code >= 500 && rec.Code != 501 {
					t.Errorf("%s: %d %s", text, rec.Code, rec.Body)
				}
				statuses[rec.Code]++
				answers = append(answers, strings.ReplaceAll(rec.Body.String(), guess, "GUESS"))
			}
			if answers[0] != answers[2] || answers[1] != answers[2] {
				t.Errorf("%s with %s: the answer tells of a hidden row: %q", url, x, answers)
			}
		}
	}
	t.Logf("answers: %v", statuses)
	if statuses[200] < 200 {
		t.Errorf("only %d requests were understood: the test has lost its sense", statuses[200])
	}
}

// escapeQuery escapes the options of a URL, keeping what separates them.
func escapeQuery(url string) string {
	path, query, _ := strings.Cut(url, "?")
	parts := strings.Split(query, "&")
	for i, p := range parts {
		parts[i] = escape(p)
	}
	return path + "?" + strings.Join(parts, "&")
}
