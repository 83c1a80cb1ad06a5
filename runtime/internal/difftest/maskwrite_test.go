package difftest

import (
	"strings"
	"testing"

	"cds/runtime/db"
)

// TestMaskWrite: what a user sees masked he does not change, so that a mask that a client sends back never takes the place of the value.
func TestMaskWrite(t *testing.T) { both(t, maskWrite) }

func maskWrite(t *testing.T, database func(testing.TB) db.Pool) {
	h := maskedApp(t, database, computedModel, computedData).Server.Handler()
	for _, c := range []struct {
		user, method, url, body string
		status                  int
		want                    string // of what hr reads then
	}{
		{"u1", "PATCH", "/s/Staff(1)", `{"iban":"XX11"}`, 403, `"iban":"DESECRET11"`},
		{"u1", "PATCH", "/s/Staff(1)", `{"name":"anna","iban":"XX11"}`, 403, `"name":"ann","owner":"u1","iban":"DESECRET11"`},
		{"u1", "PATCH", "/s/Staff(1)", `{"name":"anna"}`, 200, `"name":"anna","owner":"u1","iban":"DESECRET11"`},
		{"u1", "PATCH", "/s/Staff(1)", `{"pay":1}`, 403, `"pay":7777`}, // whose pay is shown: on a condition only
		{"u1", "PATCH", "/s/Staff(1)", `{"band":"much"}`, 403, `"band":"SECRET"`},
		{"c", "PATCH", "/s/Staff(1)", `{"band":"low"}`, 200, `"band":"low"`},
		{"c", "PATCH", "/s/Staff(1)", `{"iban":"XX11"}`, 403, `"iban":"DESECRET11"`},
		{"u1", "PUT", "/s/Staff(1)/iban", `{"value":"XX11"}`, 403, `"iban":"DESECRET11"`},
		{"u1", "DELETE", "/s/Staff(1)/iban", ``, 403, `"iban":"DESECRET11"`},
		{"u1", "PUT", "/s/Staff(1)", `{"name":"ann","iban":"XX11"}`, 403, `"iban":"DESECRET11"`},
		{"u1", "PUT", "/s/Staff(1)", `{"name":"ann"}`, 200, `"name":"ann","owner":"u1","iban":"DESECRET11"`},
		{"u1", "PATCH", "/rest/s/Staff/1", `{"iban":"XX11"}`, 403, `"iban":"DESECRET11"`},
		{"u1", "PATCH", "/s/Staff(1)", `{"team":[{"ID":1,"note":"S***"}]}`, 403, `"note":"SECRET3"`},
		{"u1", "PATCH", "/s/Staff(1)", `{"team":[{"ID":1},{"ID":2,"note":"new"}]}`, 200, `"team":[{"ID":1,"chief_ID":1,"note":"SECRET3"},{"ID":2,"chief_ID":1,"note":"new"}]`},
		{"u1", "POST", "/s/Staff", `{"ID":9,"name":"new","owner":"u1","iban":"FRSECRET99","pay":1234}`, 201, ``},
		{"u1", "PUT", "/s/Staff(8)", `{"name":"put","iban":"FRSECRET88"}`, 201, ``},
		{"hr", "PATCH", "/s/Staff(1)", `{"iban":"ITSECRET11"}`, 200, `"iban":"ITSECRET11"`},
	} {
		rec := send(h, &person{name: c.user}, c.method, c.url, c.body)
		if got := rec.Code; got != c.status && !(c.status == 200 && got == 204) {
			t.Errorf("%s: %s %s %s: %d %s, not %d", c.user, c.method, c.url, c.body, got, rec.Body, c.status)
		}
		if b := rec.Body.String(); c.user != "hr" && (strings.Contains(b, "SECRET") || strings.Contains(b, "1234")) && !strings.Contains(b, `"pay":1234`) {
			t.Errorf("%s: %s %s: its answer shows what is masked: %s", c.user, c.method, c.url, b)
		}
		if rec := send(h, &person{name: "hr"}, "GET", "/s/Staff(1)?$expand=team", ""); !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("after %s: %s %s %s: %s, not %s", c.user, c.method, c.url, c.body, rec.Body, c.want)
		}
	}
	if rec := send(h, &person{name: "hr"}, "GET", "/s/Staff(8)", ""); !strings.Contains(rec.Body.String(), "FRSECRET88") {
		t.Errorf("a new row: %s", rec.Body)
	}
}

// TestComputedMaskDraft: a draft keeps what its owner sees masked, and shows it as it is masked.
func TestComputedMaskDraft(t *testing.T) { both(t, computedMaskDraft) }

func computedMaskDraft(t *testing.T, database func(testing.TB) db.Pool) {
	model := strings.Replace(strings.Replace(computedModel, "@requires: 'any' entity Staff", "@requires: 'any' @odata.draft.enabled entity Staff", 1),
		"  entity Members as projection on d.Members;\n", "", 1)
	h := maskedApp(t, database, model, computedData).Server.Handler()
	for _, c := range []struct{ user, method, url, body, want string }{
		{"u1", "GET", "/s/Staff", "", `"iban":"XX11","pay":7777`},
		{"u1", "GET", "/s/Staff?$filter=IsActiveEntity eq true", "", `"iban":"XX22","pay":8000`},
		{"u1", "GET", "/s/Staff(ID=2,IsActiveEntity=true)", "", `"iban":"XX22","pay":8000,"bonus":"-7700.00","mail":"***"`},
		{"u1", "POST", "/s/Staff(ID=1,IsActiveEntity=true)/S.draftEdit", `{}`, `"IsActiveEntity":false`},
		{"u1", "PATCH", "/s/Staff(ID=1,IsActiveEntity=false)", `{"name":"anna"}`, ""},
		{"u1", "GET", "/s/Staff(ID=1,IsActiveEntity=false)?$expand=team,DraftAdministrativeData", "", `"name":"anna"`},
		{"u1", "GET", "/s/Staff?$filter=IsActiveEntity eq false or SiblingEntity/IsActiveEntity eq null", "", `"name":"anna"`},
		{"u1", "POST", "/s/Staff(ID=1,IsActiveEntity=false)/S.draftActivate", `{}`, ""},
		{"hr", "GET", "/s/Staff(ID=1,IsActiveEntity=true)", "", `"name":"anna","owner":"u1","iban":"DESECRET11","pay":7777,"bonus":"7777.50","mail":"a***@x.org"`},
		{"u1", "POST", "/s/Staff", `{"ID":7,"name":"new","iban":"NLSECRET77","mail":"eve@SECRET.org"}`, `"iban":"XX77"`},
		{"u1", "POST", "/s/Staff(ID=7,IsActiveEntity=false)/S.draftActivate", `{}`, `"iban":"XX77"`},
		{"hr", "GET", "/s/Staff(ID=7,IsActiveEntity=true)", "", `"iban":"NLSECRET77"`},
	} {
		rec := send(h, &person{name: c.user}, c.method, escape(c.url), c.body)
		if rec.Code >= 300 || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s: %s %s: %d %s", c.user, c.method, c.url, rec.Code, rec.Body)
		}
		if b := strings.ReplaceAll(rec.Body.String(), "***@SECRET.org", ""); c.user == "u1" && strings.Contains(b, "SECRET") {
			t.Errorf("%s %s shows a masked value: %s", c.method, c.url, b)
		}
	}
	// What was sent back masked is refused when it would take the place of the value. So is a value that was guessed, be it right or wrong.
	send(h, &person{name: "u1"}, "POST", "/s/Staff(ID=1,IsActiveEntity=true)/S.draftEdit", `{}`)
	for _, set := range []string{`{"iban":"XX11"}`, `{"iban":"DESECRET12"}`, `{"iban":"DESECRET11"}`, `{"iban":null,"bonus":7777.5}`} {
		send(h, &person{name: "u1"}, "PATCH", "/s/Staff(ID=1,IsActiveEntity=false)", set)
		if rec := send(h, &person{name: "u1"}, "POST", "/s/Staff(ID=1,IsActiveEntity=false)/S.draftActivate", `{}`); rec.Code != 403 {
			t.Errorf("%s was saved: %d %s", set, rec.Code, rec.Body)
		}
	}
	if rec := send(h, &person{name: "hr"}, "GET", "/s/Staff(ID=1,IsActiveEntity=true)", ""); !strings.Contains(rec.Body.String(), "DESECRET11") {
		t.Errorf("a mask was saved: %s", rec.Body)
	}
}
