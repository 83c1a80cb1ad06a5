package leaktest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser"
	"cds/parser/diag"
	"cds/runtime/authz"
)

// refused checks what the policy compiler says to a model: an error with the code, at a place.
func refused(t *testing.T, text, code string) {
	t.Helper()
	res := parser.CompileString("leaks.cds", text)
	diags := res.Diags
	if res.Model != nil && !diags.HasErrors() {
		_, diags = authz.Compile(res.Model, authz.Options{Strict: true})
	}
	for _, d := range diags {
		if (code == "" || string(d.Code) == code) && d.Severity == diag.Error && d.Span.Valid() {
			return
		}
	}
	t.Errorf("%s:\nno error %s with a place: %v", text, code, diags)
}

// viewsSayWhatHolds: views beside a restricted entity do not start without a word on who may read them.
func viewsSayWhatHolds(t *testing.T, _ door, _, _ *world) {
	for _, view := range []string{"entity GuestNames as select", "entity TripsFlat as select"} {
		open := strings.Replace(model, "@requires: 'admin' "+view, view, 1)
		if open == model {
			t.Fatal("the model has changed")
		}
		refused(t, open, "authz-sibling-open")
	}
}

// refusedThenAllowed: what is within the condition goes through, for the same user.
func refusedThenAllowed(t *testing.T, d door, a, _ *world) {
	if x := d.ask(a, request{"bob", "POST", "comp/Tours", `{"ID":9,"title":"x","country":"DE"}`}); x.status >= 400 {
		t.Errorf("%d %s", x.status, x.text)
	}
	if x := d.ask(a, request{"bob", "PATCH", "comp/Tours(9)", `{"title":"y","country":"DE"}`}); x.status >= 400 {
		t.Errorf("%d %s", x.status, x.text)
	}
}

// conflictsAreAlike: a key that is taken by a hidden row is refused in the words of one that is taken by a visible row. Who may create rows under keys of
// his choice learns which are free; he learns nothing else.
func conflictsAreAlike(t *testing.T, d door, a, _ *world) {
	x := d.ask(a, request{"bob", "POST", "comp/Tours", `{"ID":3,"title":"x","country":"DE"}`})
	y := d.ask(a, request{"bob", "POST", "comp/Tours", `{"ID":1,"title":"x","country":"DE"}`})
	if x != y || x.status < 400 || x.status >= 500 {
		t.Errorf("a hidden row: %v, a visible one: %v", x, y)
	}
	if strings.Contains(x.text, "Tours") || strings.Contains(x.text, "SECRET") || strings.Contains(strings.ToLower(x.text), "sql") {
		t.Errorf("the conflict tells of the database: %s", x.text)
	}
}

// linksShowNothing: a link to a hidden row, made by the user himself, leads nowhere, as one to a missing row.
func linksShowNothing(t *testing.T, d door, a, b *world) {
	for _, w := range []*world{a, b} {
		hiddenRow := d.ask(w, request{"bob", "PATCH", "nav/Trips(4)", `{"guest_ID":2}`})
		if x := d.ask(w, request{"ann", "GET", "nav/Trips(4)?$expand=guest", ""}); !strings.Contains(x.text, "SECRET") {
			t.Errorf("there is no link: %s", x.text)
		}
		show := d.ask(w, request{"bob", "GET", "nav/Trips(4)?$expand=guest&$select=ID", ""})
		missing := d.ask(w, request{"bob", "PATCH", "nav/Trips(4)", `{"guest_ID":77}`})
		none := d.ask(w, request{"bob", "GET", "nav/Trips(4)?$expand=guest&$select=ID", ""})
		if hiddenRow.status != missing.status || show != none || strings.Contains(show.text, "SECRET") {
			t.Errorf("linked to a hidden row: %v %v, to a missing one: %v %v", hiddenRow, show, missing, none)
		}
	}
}

// keylessShowsNothing: a row created without a key is answered by itself, or refused; never by another one.
func keylessShowsNothing(t *testing.T, d door, a, b *world) {
	for _, w := range []*world{a, b} {
		x := d.ask(w, request{"bob", "POST", "rules/Notes", `{"text":"fresh","owner":"bob"}`})
		if x.status >= 400 || strings.Contains(x.text, "SECRET") || strings.Contains(x.text, "mine") {
			t.Errorf("%d %s", x.status, x.text)
		}
		if d.name != "go" && !strings.Contains(x.text, "fresh") {
			t.Errorf("the row itself is not shown: %s", x.text)
		}
		if n := len(w.tables(t)["Notes"]); n != 3 {
			t.Errorf("there are %d notes", n)
		}
		x = d.ask(w, request{"bob", "POST", "comp/Tours", `{"title":"fresh","country":"DE"}`})
		if x.status < 400 || x.status >= 500 || strings.Contains(x.text, "SECRET") || strings.Contains(x.text, "mine") {
			t.Errorf("without a key that nobody generates: %d %s", x.status, x.text)
		}
		if x := d.ask(w, request{"ann", "GET", "comp/Tours", ""}); !strings.Contains(x.text, "SECRET") {
			t.Errorf("nothing is there to leak: %s", x.text)
		}
	}
}

// batchesGoOn: each part of a batch is decided by itself, and what is refused ends no other part.
func batchesGoOn(t *testing.T, d door, a, b *world) {
	const path = "rules/$batch"
	ask := func(w *world, who string) []int {
		res := w.HTTP().As(who).POST("/odata/v4/"+path, `{"requests":[
			{"id":"1","method":"GET","url":"ByCountry"},{"id":"2","method":"GET","url":"forViewers()"},{"id":"3","method":"GET","url":"ByCountry?$filter=ID gt 0 or true"},
			{"id":"4","method":"PATCH","url":"ByCountry(2)","headers":{"content-type":"application/json"},"body":{"name":"x"}},{"id":"5","method":"GET","url":"ByCountry/$count"}]}`).Status(200)
		if who != "ann" {
			res.Lacks("SECRET")
		} else {
			res.Contains("SECRET")
		}
		var got struct{ Responses []struct{ Status int } }
		res.JSON(&got)
		var out []int
		for _, r := range got.Responses {
			out = append(out, r.Status)
		}
		return out
	}
	for _, w := range []*world{a, b} {
		for who, want := range map[string][]int{"": {200, 401, 200, 404, 200}, "dave": {200, 403, 200, 404, 200}, "bob": {200, 200, 200, 404, 200}, "ann": {200, 200, 200, 200, 200}} {
			if diff := cmp.Diff(want, ask(w, who)); diff != "" {
				t.Errorf("%q: %s", who, diff)
			}
			if who == "ann" {
				w.restore(t)
			}
		}
		for who, want := range map[string][]string{"": {"200 OK", "401 Unauthorized"}, "dave": {"200 OK", "403 Forbidden"}} {
			body := strings.Join([]string{"--x", "GET ByCountry HTTP/1.1", "--x", "GET forViewers() HTTP/1.1", "--x", "GET ByCountry HTTP/1.1", "--x--", ""}, "\r\n")
			body = strings.ReplaceAll(body, "--x\r\n", "--x\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n")
			body = strings.ReplaceAll(body, " HTTP/1.1\r\n", " HTTP/1.1\r\n\r\n\r\n")
			res := w.HTTP().As(who).With("Content-Type", "multipart/mixed; boundary=x").With("Prefer", "odata.continue-on-error").POST("/odata/v4/"+path, body).Status(200).Contains(want...).Lacks("SECRET")
			if n := strings.Count(res.Body(), "200 OK"); n != 2 {
				t.Errorf("%q: %d parts were answered: %s", who, n, res.Body())
			}
		}
	}
}

// errorsTellNoSQL: no error has a piece of a statement, of a table's name or of a row, in no profile.
func errorsTellNoSQL(t *testing.T, d door, a, _ *world) {
	for _, profile := range []string{"test", "development", "production"} {
		w := a.others[profile]
		asked := map[request]int{
			{"bob", "POST", "comp/Tours", `{"ID":1,"country":"DE"}`}:                             409,
			{"bob", "POST", "comp/Tours", `{"ID":99999999999,"country":"DE"}`}:                   400,
			{"bob", "GET", "rules/ByCountry?$filter=ID eq 99999999999999999999999", ""}:          0,
			{"bob", "GET", "rules/ByCountry?$filter=100 div (ID sub 1) gt 1", ""}:                0,
			{"bob", "GET", "rules/ByCountry?$filter=nosuch eq 1", ""}:                            400,
			{"bob", "GET", "rules/ByCountry?$filter=contains(ID,'x')", ""}:                       0,
			{"bob", "PATCH", "comp/Tours(1)", `{"title":"` + strings.Repeat("x", 5000) + `"}`}:   400,
			{"bob", "PATCH", "comp/Tours(1)", `{"title":"x\u0000y"}`}:                            0,
			{"bob", "GET", "rules/ByCountry?$filter=name eq '%27; DROP TABLE d_Guests; --'", ""}: 0,
			{"bob", "GET", "rules/ByCountry?$orderby=(select 1)", ""}:                            400,
			{"bob", "GET", "nav/Trips?$apply=aggregate(title with sum as s)", ""}:                0,
			{"dave", "GET", "nav/Codes?$filter=text eq 'x'", ""}:                                 403,
		}
		for r, want := range asked {
			x := d.ask(w, r)
			if want != 0 && x.status != want && !(d.name == "go" && x.status >= 400) {
				t.Errorf("%s: %s %s: %d %s", profile, r.method, r.path, x.status, x.text)
			}
			tellsSQL(t, profile+": "+r.method+" "+r.path, x)
		}
		x := answer{}
		if d.name == "go" {
			_, err := w.CDS.Service("d.Rules").Call(w.As("bob"), "trouble", nil)
			x = failed(err)
		} else {
			x = d.ask(w, request{"bob", "POST", "rules/trouble", "{}"})
		}
		if tellsSQL(t, profile+": a fault of the database", x); x.status != 500 {
			t.Errorf("%s: a fault of the database: %d %s", profile, x.status, x.text)
		}
		if !strings.Contains(w.Log(), "nosuch") {
			t.Errorf("%s: the log does not tell the fault", profile)
		}
	}
}

func tellsSQL(t *testing.T, what string, x answer) {
	t.Helper()
	if x.status < 400 {
		return
	}
	for _, part := range []string{"SECRET", "SELECT", "INSERT INTO", "UPDATE d", "FROM", "d_Guests", "d_Tours", "d_Codes", "sqlite", "SQL", "pgx", "ERROR:", "t1.", ".go", "goroutine", "panic"} {
		if strings.Contains(x.text, part) {
			t.Errorf("%s: the error tells %q: %s", what, part, x.text)
		}
	}
}
