package xsuaa_test

import (
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/ql"
	"cds/strategies/internal/saptest"
)

// TestLeaks: scopes of other applications are no roles of ours, whatever stands behind their prefix, at no door and on no database. (Row 33 of
// runtime/internal/leaktest.)
func TestLeaks(t *testing.T) {
	l := saptest.New(t)
	s := strategy(t, l, section(l), nil)
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run("33-scopes-of-other-applications/"+database, func(t *testing.T) {
			if database == "postgres" && testing.Short() {
				t.Skip("SQLite only in short mode")
			}
			t.Setenv("CDS_TEST_DB", database)
			for want, scopes := range map[int][]string{
				200: {"shop!t1.admin"},
				403: {"other!t1.admin", "shop!t2.admin", "x.shop!t1.admin", "fooshop!t1.admin", "shop!t1.other.admin", "shop!t1.Admin", "shop!t1", "openid"},
			} {
				token := l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", claims{"scope": scopes}), now)
				user, err := s.Authenticate(t.Context(), bearer(token))
				if err != nil {
					t.Fatal(err)
				}
				app := cdstest.New(t, cdstest.Config{DefaultUser: user,
					Model: func() (*csn.Model, error) {
						res := parser.CompileString("shop.cds", `entity d.Codes { key ID : Integer; text : String; }
							@protocol: ['odata', 'rest'] @path: 'shop' @requires: 'any' service Shop { @requires: 'admin' entity Codes as projection on d.Codes; }`)
						return res.Model, res.Diags.Err()
					},
					FS: fstest.MapFS{"db/data/d-Codes.csv": {Data: []byte("ID,text\n1,SECRET\n")}},
				})
				for _, root := range []string{"/odata/v4/shop/", "/rest/shop/"} {
					if res := app.HTTP().GET(root + "Codes").Status(want); want == 200 {
						res.Contains("SECRET")
					} else {
						res.Lacks("SECRET")
					}
				}
				rows, err := ql.Select("Codes").Rows(app.As(""), app.CDS.Service("Shop"))
				if want == 200 && (err != nil || len(rows) != 1) || want != 200 && err == nil {
					t.Errorf("%v: %d rows, %v", scopes, len(rows), err)
				}
				if want != 200 {
					cdstest.Forbidden(t, err)
				}
			}
		})
	}
}
