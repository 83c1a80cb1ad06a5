package odata_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"cds/runtime/cdstest"
)

// TestDeltaPayloads: PATCH on a collection adds, changes and removes rows, each with the rights of that; if one is refused, nothing is done.
func TestDeltaPayloads(t *testing.T) {
	const model = `
namespace s; entity A { key ID : Integer; text : String(10); owner : String; parts : Composition of many P on parts.a = $self; } entity P { key a : Association to A; key n : Integer; text : String; }
entity U { key ID : UUID; text : String; } entity V { key ID : Integer; n : Integer @odata.etag; } entity D { key ID : Integer; }
@path:'/s' @requires:'any' service S {
  @restrict: [{grant: ['READ', 'CREATE', 'UPDATE', 'DELETE'], where: 'owner = $user'}] entity A as projection on s.A; @requires: 'any' entity U as projection on s.U; entity V as projection on s.V;
  @restrict: [{grant: ['READ', 'UPDATE']}] @cds.redirection.target: false entity Fixed as projection on s.U; @odata.draft.enabled entity D as projection on s.D; @readonly @cds.redirection.target: false entity R as projection on s.V; }`
	fs := fstest.MapFS{"db/data/s-A.csv": {Data: []byte("ID,text,owner\n1,one,bob\n2,two,bob\n3,hidden,eve\n")}, "db/data/s-P.csv": {Data: []byte("a_ID,n,text\n1,1,p\n")}, "db/data/s-V.csv": {Data: []byte("ID,n\n1,5\n")}}
	const head = `{"@context":"#$delta","value":`
	onBothOf(t, model, cdstest.Config{FS: fs, Users: []cdstest.TestUser{cdstest.User("bob")}}, func(t *testing.T, app *cdstest.App) {
		for i, tc := range []struct {
			method, path, body string
			status             int
			want               string
		}{
			{"PATCH", "/s/A", head + `[{"ID":1,"text":"ONE"},{"ID":9,"text":"new","owner":"bob"},{"@removed":{"reason":"deleted"},"@id":"A(2)"}]}`, 200,
				`{"@odata.context":"$metadata#A/$delta","value":[{"ID":1,"text":"ONE","owner":"bob"},{"ID":9,"text":"new","owner":"bob"},{"@odata.removed":{"reason":"deleted"},"@odata.id":"A(2)"}]}`},
			{"GET", "/s/A?$select=ID", ``, 200, `"value":[{"ID":1},{"ID":9}]`},
			{"PATCH", "/s/A", head + `[{"ID":1,"text":"1"},{"ID":3,"text":"stolen"}]}`, 403, `"target":"value[1]"`},
			{"PATCH", "/s/A", head + `[{"ID":1,"text":"1"},{"ID":10,"text":"x","owner":"eve"}]}`, 403, `"target":"value[1]"`},
			{"PATCH", "/s/A", head + `[{"ID":1,"text":"1"},{"@odata.removed":{},"ID":3}]}`, 404, `"target":"value[1]"`},
			{"PATCH", "/s/A", head + `[{"ID":1,"text":"1"},{"ID":9,"text":"much too long"}]}`, 400, `"target":"value[1]/text"`},
			{"GET", "/s/A(1)/text", ``, 200, `"ONE"`},
			{"PATCH", "/s/A(1)/parts", head + `[{"n":1,"text":"P"},{"n":2,"text":"Q"}]}`, 200, `"n":2`},
			{"PATCH", "/s/A(1)/parts", head + `[{"a_ID":3,"n":7}]}`, 400, ``},
			{"PATCH", "/s/A(3)/parts", head + `[{"a_ID":3,"n":1,"text":"P"}]}`, 404, ``},
			{"PATCH", "/s/U", `{"@odata.context":"$metadata#U/$delta","value":[{"text":"x","@type":"#s.S.U"}]}`, 200, `"text":"x"`},
			{"PATCH", "/s/Fixed", head + `[{"text":"x"}]}`, 403, ``},
			{"PATCH", "/s/V", head + `[{"ID":1,"n":6}]}`, 428, ``},
			{"PATCH", "/s/V", head + `[{"ID":1,"n":6,"@etag":"W/\"4\""}]}`, 412, ``},
			{"PATCH", "/s/V", head + `[{"ID":1,"n":6,"@odata.etag":"W/\"5\""}]}`, 200, `"n":6`},
			{"PATCH", "/s/A?$expand=parts", head + `[{"ID":1}]}`, 200, `"parts":[{"a_ID":1,"n":1`},
			{"PATCH", "/s/A", `{"value":[{"ID":1}]}`, 400, `delta payload`}, {"PATCH", "/s/A", `{"text":"x"}`, 400, ``}, {"PATCH", "/s/A", `[]`, 400, ``}, {"PATCH", "/s/A", head + `[1]}`, 400, ``}, {"PATCH", "/s/A", ``, 400, ``},
			{"PATCH", "/s/A", head + `[{"@removed":{"reason":"changed"},"@id":"A(1)"}]}`, 501, ``}, {"PATCH", "/s/A", head + `[{"@context":"#A/$link","source":"A(1)"}]}`, 501, ``},
			{"PATCH", "/s/A", head + `[{"@removed":{"reason":"deleted"}}]}`, 400, `value[0]/ID`}, {"PATCH", "/s/A", head + `[{"@removed":{"reason":"deleted"},"@id":"V(1)"}]}`, 400, ``}, {"PATCH", "/s/A", head + `[{"nope":1}]}`, 400, ``},
			{"PATCH", "/s/D", head + `[{"ID":1}]}`, 501, ``}, {"PATCH", "/s/R", head + `[{"ID":1}]}`, 405, ``}, {"DELETE", "/s/A", ``, 405, ``}, {"PUT", "/s/A", `{}`, 405, ``},
		} {
			var body any
			if tc.body != "" {
				body = tc.body
			}
			r := app.HTTP().As("bob").With("OData-Version", "4.01").Do(tc.method, tc.path, body)
			if r.Code() != tc.status || !strings.Contains(r.Body(), tc.want) || strings.Contains(r.Body(), "hidden") {
				t.Errorf("%d %s %s %s: %d %s\nwant %d %s", i, tc.method, tc.path, tc.body, r.Code(), r.Body(), tc.status, tc.want)
			}
		}
		if r := app.HTTP().As("bob").Do("PATCH", "/s/A", head+`[{"ID":1}]}`); r.Code() != 405 {
			t.Errorf("4.0: %d %s", r.Code(), r.Body())
		}
		r := app.HTTP().As("bob").With("OData-Version", "4.01").With("Prefer", "return=minimal").Do("PATCH", "/s/A", head+`[{"ID":1}]}`)
		if r.Code() != 204 || r.Body() != "" || r.Header("Preference-Applied") != "return=minimal" {
			t.Errorf("minimal: %d %s", r.Code(), r.Body())
		}
	})
}
