package odata

import (
	"strings"
	"testing"

	"cds/runtime/odata/internal/testmodel"
)

// TestReferences reads and writes links between rows.
func TestReferences(t *testing.T) {
	s := shelf(t)
	for _, tc := range []struct {
		request, body string
		status        int
		want          string // the body, or a part of it
	}{
		{"GET /shop/Books(1)/author/$ref", "", 200, `{"@odata.context":"../$metadata#$ref","@odata.id":"Authors(` + jane + `)"}`},
		{"GET /shop/Books(1)/$ref", "", 200, `{"@odata.context":"$metadata#$ref","@odata.id":"Books(1)"}`},
		{"GET /shop/Books(1)/items/$ref?$orderby=pos desc&$count=true", "", 200, `{"@odata.context":"../$metadata#Collection($ref)","@odata.count":2,"value":[{"@odata.id":"Items(book_ID=1,pos=2)"},{"@odata.id":"Items(book_ID=1,pos=1)"}]}`},
		{"GET /shop/Books/$ref?$filter=stock eq 12&$top=1", "", 200, `"value":[{"@odata.id":"Books(1)"}]`},
		{"GET /shop/Books(3)/author/$ref", "", 204, ``},
		{"GET /shop/Books(9)/author/$ref", "", 404, ``},
		{"GET /shop/Books(9)/items/$ref", "", 404, ``},
		{"GET /shop/Books/$ref?$select=ID", "", 400, ``},
		{"GET /shop/Books/$ref/$count", "", 404, ``},
		{"GET /shop/Books(1)/title/$ref", "", 404, ``},
		{"GET /shop/Books?$id=Books(1)", "", 400, ``},
		{"HEAD /shop/Books(1)/author/$ref", "", 405, ``},
		{"PATCH /shop/Books(1)/author/$ref", `{}`, 405, ``},
		{"PUT /shop/Books(1)/$ref", `{}`, 405, ``},

		{"PUT /shop/Books(3)/author/$ref", `{"@odata.id":"Authors(` + emil + `)"}`, 204, ``},
		{"GET /shop/Books(3)/author/name/$value", "", 200, `Emil`},
		{"PUT /shop/Books(3)/author/$ref", `{"@odata.context":"x","@odata.id":"http://host/shop/Authors(` + jane + `)"}`, 204, ``},
		{"GET /shop/Books(3)/author/name/$value", "", 200, `Jane`},
		{"PUT /shop/Books(3)/author/$ref", `{"@odata.id":"Books(1)"}`, 400, ``},
		{"PUT /shop/Books(3)/author/$ref", `{"@odata.id":7}`, 400, ``},
		{"PUT /shop/Books(3)/author/$ref", `{"id":"x"}`, 400, ``},
		{"PUT /shop/Books(3)/author/$ref", `{}`, 400, ``},
		{"PUT /shop/Books(3)/author/$ref?$frob=1", `{"@odata.id":"Authors(` + emil + `)"}`, 400, ``},
		{"PUT /shop/Books(9)/author/$ref", `{"@odata.id":"Authors(` + emil + `)"}`, 404, ``},
		{"POST /shop/Books(3)/author/$ref", `{"@odata.id":"Authors(` + emil + `)"}`, 405, ``},
		{"DELETE /shop/Books(3)/author/$ref", "", 204, ``},
		{"GET /shop/Books(3)/author", "", 204, ``},
		{"DELETE /shop/Books(2)/author", "", 204, ``}, // unlinks
		{"GET /shop/Books(2)/author", "", 204, ``},
		{"GET /shop/Authors(" + emil + ")/name/$value", "", 200, `Emil`},
		{"DELETE /shop/Books(9)/author", "", 404, ``},

		{"POST /shop/Authors(" + emil + ")/books/$ref", `{"@odata.id":"Books(2)"}`, 204, ``},
		{"GET /shop/Books(2)/author/name/$value", "", 200, `Emil`},
		{"POST /shop/Authors(" + emil + ")/books/$ref", `{"@odata.id":"Books(99)"}`, 404, ``},
		{"POST /shop/Authors(" + strings.Replace(emil, "b", "f", 1) + ")/books/$ref", `{"@odata.id":"Books(2)"}`, 404, ``},
		{"PUT /shop/Authors(" + emil + ")/books/$ref", `{"@odata.id":"Books(2)"}`, 405, ``},
		{"DELETE /shop/Authors(" + jane + ")/books(2)/$ref", "", 404, ``}, // linked to another one
		{"DELETE /shop/Authors(" + emil + ")/books/$ref", "", 400, ``},
		{"DELETE /shop/Authors(" + emil + ")/books/$ref?$id=Books(2)", "", 204, ``},
		{"DELETE /shop/Authors(" + emil + ")/books(2)/$ref", "", 404, ``},
		{"DELETE /shop/Authors(" + jane + ")/books(1)/$ref", "", 204, ``},
		{"GET /shop/Authors(" + jane + ")/books/$count", "", 200, `0`},

		{"DELETE /shop/Books(1)/items(pos=1)/$ref", "", 405, ``}, // parts stay with their whole
		{"POST /shop/Books(2)/items/$ref", `{"@odata.id":"Items(book_ID=1,pos=1)"}`, 405, ``},
	} {
		w := s.do(tc.request, tc.body)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s: %d %s\nwant %d %s", tc.request, w.Code, w.Body, tc.status, tc.want)
		}
	}
}

// TestReferencesAreGuarded: a reference to what may not be read is refused like the row itself, and linking needs the right to change the
// row that has the key.
func TestReferencesAreGuarded(t *testing.T) {
	s := servedModel(t, testmodel.Restricted(t))
	s.user = userWith("staff", "admin")
	for _, p := range [][2]string{{"Authors", `{"ID":"` + jane + `"}`}, {"Books", `{"ID":1,"title":"Emma","author_ID":"` + jane + `"}`}} {
		if w := s.do("POST /shop/"+p[0], p[1]); w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	for _, tc := range []struct {
		roles   []string
		request string
		status  int
	}{
		{nil, "GET /shop/Books/$ref", 403}, {nil, "DELETE /shop/Books(1)/author/$ref", 403}, {nil, "DELETE /shop/Books(1)/author", 403},
		{nil, "PUT /shop/Nope(1)/author/$ref", 403}, {nil, "PUT /shop/Books(1)/$ref", 403},
		{[]string{"staff"}, "GET /shop/Books/$ref", 200}, {[]string{"staff"}, "GET /shop/Authors/$ref", 403}, {[]string{"staff"}, "GET /shop/Books(1)/author/$ref", 403},
		{[]string{"staff"}, "GET /shop/Books/$ref?$filter=author/name eq 'x'", 403}, {[]string{"staff"}, "POST /shop/Authors(" + jane + ")/books/$ref", 403},
		{[]string{"staff"}, "DELETE /shop/Authors(" + jane + ")/books(1)/$ref", 403},
		{[]string{"staff", "admin"}, "DELETE /shop/Authors(" + jane + ")/books(1)/$ref", 204},
	} {
		s.user = userWith(tc.roles...)
		body := ""
		if strings.HasPrefix(tc.request, "P") {
			body = `{"@odata.id":"Books(1)"}`
		}
		if w := s.do(tc.request, body); w.Code != tc.status {
			t.Errorf("%v %s: %d %s, want %d", tc.roles, tc.request, w.Code, w.Body, tc.status)
		}
	}
}
