package serve_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/config"
)

const decisionModel = `
context db { entity Orders { key ID : Integer; owner : String; } }
@path: '/s' @requires: 'authenticated-user' service S {
  @restrict: [
    { grant: ['READ', 'UPDATE'], where: 'owner = $user' },
    { grant: 'READ', to: 'viewer' },
    { grant: 'DELETE', to: 'admin', message: '{i18n>ADMINS}' },
    { deny: 'CREATE', to: 'banned', message: 'You are <banned>.' } ]
  entity Orders as projection on db.Orders;
}`

func decisionApp(t *testing.T, profiles ...string) *cdstest.App {
	t.Helper()
	files := fstest.MapFS{
		"srv/s.cds":                {Data: []byte(decisionModel)},
		"db/data/db-Orders.csv":    {Data: []byte("ID,owner\n1,bob\n2,eve\n")},
		"_i18n/i18n.properties":    {Data: []byte("ADMINS=For admins\n")},
		"_i18n/i18n_de.properties": {Data: []byte("ADMINS=Nur Verwalter\n")},
	}
	return cdstest.New(t, cdstest.Config{FS: files, Profiles: profiles, Users: []cdstest.TestUser{cdstest.User("bob"), cdstest.User("vera", cdstest.Roles("viewer", "banned"))},
		Overrides: config.Section{"server": map[string]any{"index": true}, "requires": map[string]any{"auth": map[string]any{"allowInProduction": true}}},
		Model:     func() (*csn.Model, error) { return cdl.CompileProject(files, cdl.Options{Strict: true}).Model, nil }})
}

var decisionRequests = []struct {
	user, method, url string
	status            int
	want              string // of the header; "" for none
	message           string
}{
	{"bob", "GET", "/s/Orders(1)", 200, "", ""},
	{"bob", "GET", "/s/Orders(2)", 404, `filter; event="READ"; target="S.Orders"; rule="S@requires"; at="srv/s.cds:3"; rule="S.Orders#1"; at="srv/s.cds:5"`, ""},
	{"bob", "GET", "/s/Orders(99)", 404, `filter; event="READ"; target="S.Orders"; rule="S@requires"; at="srv/s.cds:3"; rule="S.Orders#1"; at="srv/s.cds:5"`, ""},
	{"bob", "GET", "/s/Orders?$filter=ID eq 2", 200, `filter; event="READ"; target="S.Orders"; rule="S@requires"; at="srv/s.cds:3"; rule="S.Orders#1"; at="srv/s.cds:5"`, ""},
	{"vera", "GET", "/s/Orders(99)", 404, "", ""}, // no condition: the row is not there
	{"bob", "DELETE", "/s/Orders(1)", 403, `deny; event="DELETE"; target="S.Orders"; rule="S@requires"; at="srv/s.cds:3"; rule="S.Orders: no grant of DELETE"; at="srv/s.cds:5"`, "For admins"},
	{"vera", "PATCH", "/s/Orders(1)", 403, `deny; event="UPDATE"; target="S.Orders"; rule="S@requires"; at="srv/s.cds:3"; rule="S.Orders#1"; at="srv/s.cds:5"`, "Forbidden"},
	{"vera", "POST", "/s/Orders", 403, `deny; event="CREATE"; target="S.Orders"; rule="S@requires"; at="srv/s.cds:3"; rule="S.Orders#4"; at="srv/s.cds:8"`, "You are <banned>."},
	{"", "GET", "/s/Orders", 401, `deny; event="READ"; target="S.Orders"; rule="S@requires"; at="srv/s.cds:3"`, ""},
}

// In development answers say which rule refused or hid, and where it stands. Whether a hidden row exists they don't say.
func TestDecisionHeader(t *testing.T) {
	app := decisionApp(t, "development")
	for _, c := range decisionRequests {
		r := decidedBy(app, c.user, c.method, c.url)
		if got := r.Header("X-Authz-Decision"); r.Code() != c.status || got != c.want || !strings.Contains(r.Body(), c.message) {
			t.Errorf("%s %s by %s: %d\n%s\nnot\n%s\n%s", c.method, c.url, c.user, r.Code(), got, c.want, r.Body())
		}
	}
	if r := app.HTTP().As("bob").With("Accept-Language", "de").DELETE("/s/Orders(1)"); !strings.Contains(r.Body(), "Nur Verwalter") {
		t.Error("the message is not translated: ", r.Body())
	}
}

func decidedBy(app *cdstest.App, user, method, target string) *cdstest.Response {
	var body any
	switch method {
	case "PATCH":
		body = map[string]any{"owner": "x"}
	case "POST":
		body = map[string]any{"ID": 7}
	}
	return app.HTTP().As(user).Do(method, strings.ReplaceAll(target, " ", "%20"), body)
}

// In production answers tell no rules, whatever is configured, and nothing can be asked.
func TestNoDecisionsInProduction(t *testing.T) {
	app := decisionApp(t, "production")
	for _, c := range decisionRequests {
		if r := decidedBy(app, c.user, c.method, c.url); r.Header("X-Authz-Decision") != "" || strings.Contains(r.Body(), "srv/s.cds") || r.Code() != c.status {
			t.Errorf("%s %s by %s: %d %s", c.method, c.url, c.user, r.Code(), r.Body())
		}
	}
	if app.CDS.Options.OnRefused != nil {
		t.Error("refusals are told")
	}
	if r := asked(app, "target=S.Orders&user=bob", nil); r.Code != 404 {
		t.Errorf("the page is there: %d %s", r.Code, r.Body)
	}
	if r := asked(app, "", func(r *http.Request) { r.URL.Path = "/" }); strings.Contains(r.Body.String(), "$authz") {
		t.Error("the index leads to the page")
	}
}

// asked asks the page as a program on the same machine does.
func asked(app *cdstest.App, query string, change func(*http.Request)) *httptest.ResponseRecorder {
	req := httptest.NewRequest("GET", "/$authz?"+query, nil)
	req.RemoteAddr, req.Host = "127.0.0.1:5000", "localhost:4004"
	if change != nil {
		change(req)
	}
	w := httptest.NewRecorder()
	app.Server.Handler().ServeHTTP(w, req)
	return w
}

func TestExplainPage(t *testing.T) {
	app := decisionApp(t, "development")
	q := url.Values{"target": {"S.Orders"}, "user": {"bob"}, "key": {"2"}}.Encode()
	r := asked(app, q, nil)
	for _, want := range []string{"deny 404", "owner = &#39;eve&#39;", "srv/s.cds:5", "with the role viewer", "1 of 2 for bob"} {
		if !strings.Contains(r.Body.String(), want) {
			t.Errorf("no %q: %d %s", want, r.Code, r.Body)
		}
	}
	if r := asked(app, q+"&format=json", nil); !strings.Contains(r.Body.String(), `"status": 404`) {
		t.Error(r.Body)
	}
	if r := asked(app, "target=<script>&user=bob", nil); strings.Contains(r.Body.String(), "<script>") || !strings.Contains(r.Body.String(), "there is no service") {
		t.Error(r.Body)
	}
	if r := asked(app, "", func(r *http.Request) { r.URL.Path = "/" }); !strings.Contains(r.Body.String(), "$authz") {
		t.Error("the index does not lead to the page")
	}
	for name, change := range map[string]func(*http.Request){
		"another machine":     func(r *http.Request) { r.RemoteAddr = "192.0.2.1:80" },
		"another name":        func(r *http.Request) { r.Host = "evil.example" },
		"a proxy":             func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
		"another site's page": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		if r := asked(app, q, change); r.Code != 404 || strings.Contains(r.Body.String(), "eve") {
			t.Errorf("%s: %d", name, r.Code)
		}
	}
	if r := asked(app, q, func(r *http.Request) { r.Method = "POST" }); r.Code != 405 {
		t.Error(r.Code)
	}
}
