package rest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequest: no request makes the server fail, answers as OData does, or gets at another user's rows.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "Orders?$filter=note eq 'x'&$expand=items", ""}, {"GET", "Orders/2/note", ""}, {"GET", "Orders(ID=2)", ""}, {"GET", "Books/7/orders/2?$select=note", ""},
		{"POST", "Codes", `[{"a":1,"b":"x"},{"a":2}]`}, {"POST", "Codes", `[[{}]]`}, {"POST", "Orders", `[{"ID":5,"owner":"alice","note":"n"}]`},
		{"PATCH", "Orders", `[{"ID":2,"note":"n"}]`}, {"PUT", "Orders", `[{"ID":2,"note":"n"}]`}, {"DELETE", "Orders", `[{"ID":2}]`}, {"DELETE", "Orders", `[null,1,{"ID":null}]`},
		{"PATCH", "Orders/2", `{"note":"n"}`}, {"POST", "Orders/2/close", `{}`}, {"GET", "sum?a=1&b=2", ""}, {"POST", "ping", `{"x":1}`}, {"GET", "$count", ""},
		{"GET", "Orders/$count?$search=mine", ""}, {"PUT", "Pictures/1/data", "\x00"}, {"OPTIONS", "Orders", ""}, {"GET", "openapi.json", ""}, {"PATCH", "Books/7/orders", `[{"ID":2,"note":"n"}]`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	handler := start(f).Server.Handler()
	send := func(user string, r *http.Request) *httptest.ResponseRecorder {
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth(user, user)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.Parse("/rest/shop/" + strings.ReplaceAll(path, " ", "%20"))
		if err != nil {
			t.Skip()
		}
		r, err := http.NewRequest(method, u.String(), strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		w := send("bob", r)
		if w.Code >= 500 && w.Code != 501 {
			t.Errorf("%s %s %q: %d %s", method, path, body, w.Code, w.Body)
		}
		if w.Header().Get("OData-Version") != "" {
			t.Errorf("%s %s: OData shows", method, path)
		}
		if strings.Contains(w.Body.String(), "hidden") && !strings.Contains(path+body, "hid") {
			t.Errorf("%s %s %q: a hidden row shows: %s", method, path, body, w.Body)
		}
		if w := send("alice", httptest.NewRequest(http.MethodGet, "/rest/shop/Orders/2/note", nil)); w.Body.String() != `{"note":"hidden","ID":2}` {
			t.Errorf("%s %s %q: a hidden row was changed: %s", method, path, body, w.Body)
		}
	})
}
