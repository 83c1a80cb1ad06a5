package odata_test

import (
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
