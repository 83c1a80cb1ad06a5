package odata_test

import (
	"strings"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
)

// TestSingletons: a row without a key in its URL. One that may be absent can be deleted, and is 204 then.
func TestSingletons(t *testing.T) {
	app := cdstest.New(t, cdstest.Config{
		Model: func() (*csn.Model, error) {
			res := cdl.CompileString("s.cds", `
namespace s; entity C { key ID : Integer; theme : String; a: Association to C; } entity M { key ID: Integer; theme: String; } entity N { key ID: Integer; theme: String; }
@path:'/s' @requires:'any' service S { @odata.singleton entity Conf as projection on s.C; @odata.singleton @odata.singleton.nullable entity Opt as projection on s.N; @odata.singleton entity Missing as projection on s.M;}`)
			return res.Model, res.Diags.Err()
		},
		FS: fstest.MapFS{"db/data/s-C.csv": {Data: []byte("ID,theme\n1,dark\n")}, "db/data/s-N.csv": {Data: []byte("ID,theme\n1,x\n")}},
	})
	for _, tc := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/s/Conf", "", 200}, {"GET", "/s/Conf/theme/$value", "", 200}, {"PATCH", "/s/Conf", `{"theme":"light"}`, 200}, {"PUT", "/s/Conf", `{"theme":"l2"}`, 200}, {"PUT", "/s/Conf/theme", `{"value":"l3"}`, 200},
		{"GET", "/s/Conf/$ref", "", 200}, {"GET", "/s/Conf?$select=theme&$expand=a", "", 200}, {"GET", "/s/Conf/a", "", 204}, {"POST", "/s/Conf", `{"theme":"x"}`, 405}, {"DELETE", "/s/Conf", "", 405}, {"GET", "/s/Conf/$count", "", 404},
		{"GET", "/s/Opt", "", 200}, {"DELETE", "/s/Opt", "", 204}, {"GET", "/s/Opt", "", 204}, {"GET", "/s/Opt/theme", "", 204}, {"DELETE", "/s/Opt", "", 404}, {"GET", "/s/Missing", "", 404},
	} {
		var body any
		if tc.body != "" {
			body = tc.body
		}
		if r := app.HTTP().Do(tc.method, tc.path, body); r.Code() != tc.status {
			t.Errorf("%s %s: %d %s, want %d", tc.method, tc.path, r.Code(), r.Body(), tc.status)
		}
	}
}

// TestCreateSingletons: PUT creates a singleton that is not there yet, with the rights of an upsert. One that is there and hidden is refused as one that
// may not be created.
func TestCreateSingletons(t *testing.T) {
	const model = `
namespace s; entity A { key ID : Integer; theme : String; } entity B { key ID : UUID; theme : String; owner : String; } entity C { key ID : Integer default 7; theme : String; } entity D { key ID : Integer; theme : String; }
@path:'/s' @requires:'any' service S { @odata.singleton entity Keyed as projection on s.A; @odata.singleton entity Own as projection on s.C;
  @odata.singleton @restrict: [{grant: ['READ', 'CREATE', 'UPDATE'], where: 'owner = $user'}] entity Mine as projection on s.B;
  @odata.singleton @restrict: [{grant: ['READ', 'UPDATE']}] entity Fixed as projection on s.D; }`
	onBothOf(t, model, cdstest.Config{Users: []cdstest.TestUser{cdstest.User("bob"), cdstest.User("eve")}}, func(t *testing.T, app *cdstest.App) {
		for _, tc := range []struct {
			user, method, path, body string
			status                   int
			want                     string
		}{
			{"bob", "PATCH", "/s/Keyed", `{"ID":3,"theme":"x"}`, 404, ""},
			{"bob", "PUT", "/s/Keyed", `{"theme":"x"}`, 400, "ASSERT_MANDATORY"},
			{"bob", "PUT", "/s/Keyed", `{"ID":"x"}`, 400, "ASSERT_DATA_TYPE"},
			{"bob", "GET", "/s/Keyed", ``, 404, ""},
			{"bob", "PUT", "/s/Keyed", `{"ID":3,"theme":"dark"}`, 201, `"ID":3,"theme":"dark"`},
			{"bob", "PUT", "/s/Keyed", `{"ID":4,"theme":"light"}`, 200, `"ID":3,"theme":"light"`},
			{"bob", "PUT", "/s/Own", `{"theme":"dark"}`, 201, `"ID":7,"theme":"dark"`},
			{"bob", "PUT", "/s/Fixed", `{"ID":1,"theme":"dark"}`, 403, "Forbidden"},
			{"bob", "PUT", "/s/Mine", `{"theme":"dark","owner":"eve"}`, 403, "Forbidden"},
			{"bob", "PUT", "/s/Mine", `{"theme":"dark","owner":"bob"}`, 201, `"theme":"dark"`},
			{"bob", "PUT", "/s/Mine", `{"theme":"light"}`, 200, `"theme":"light"`},
			{"eve", "PUT", "/s/Mine", `{"theme":"mine","owner":"eve"}`, 403, "Forbidden"},
			{"eve", "PUT", "/s/Mine", `{"theme":"mine","owner":"bob"}`, 403, "Forbidden"},
			{"eve", "PATCH", "/s/Mine", `{"theme":"mine"}`, 404, ""},
			{"eve", "GET", "/s/Mine", ``, 404, ""},
			{"bob", "GET", "/s/Mine", ``, 200, `"theme":"light"`},
		} {
			var body any
			if tc.body != "" {
				body = tc.body
			}
			if r := app.HTTP().As(tc.user).Do(tc.method, tc.path, body); r.Code() != tc.status || !strings.Contains(r.Body(), tc.want) {
				t.Errorf("%s %s %s %s: %d %s, want %d %s", tc.user, tc.method, tc.path, tc.body, r.Code(), r.Body(), tc.status, tc.want)
			}
		}
	})
}
