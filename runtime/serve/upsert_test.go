package serve_test

import (
	"net/http"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/config"
)

// TestUpsertByConfiguration: PUT creates a missing row unless configured otherwise, PATCH only if configured; never with If-Match, and never a row
// that is there and hidden.
func TestUpsertByConfiguration(t *testing.T) {
	model := func() (*csn.Model, error) {
		res := parser.CompileString("s.cds", `service S {
			entity Books { key ID : Integer; title : String @mandatory @title: '{i18n>Title}'; }
			@restrict: [{ grant: '*', where: 'owner = $user' }] entity Own { key ID : Integer; owner : String @cds.on.insert: $user; note : String; }
		}`)
		return res.Model, res.Diags.Err()
	}
	files := fstest.MapFS{"db/data/S.Own.csv": {Data: []byte("ID,owner\n1,other\n")}, "_i18n/i18n.properties": {Data: []byte("Title = Titel\n")}}
	for _, tt := range []struct {
		runtime         map[string]any
		put, patch      int
		hidden, ifMatch int // of PUT
	}{
		{nil, 201, 404, 403, 412},
		{map[string]any{"patch_as_upsert": true}, 201, 201, 403, 412},
		{map[string]any{"put_as_upsert": false}, 404, 404, 404, 404},
	} {
		app := cdstest.New(t, cdstest.Config{Model: model, FS: files, Users: []cdstest.TestUser{cdstest.User("u")}, Overrides: config.Section{"runtime": tt.runtime}})
		c := app.HTTP().As("u")
		c.Do(http.MethodPut, "/odata/v4/s/Books(1)", `{"title":"a"}`).Status(tt.put)
		c.Do(http.MethodPatch, "/odata/v4/s/Books(2)", `{"title":"a"}`).Status(tt.patch)
		c.Do(http.MethodPut, "/odata/v4/s/Own(1)", `{"note":"a"}`).Status(tt.hidden)
		c.With("If-Match", "*").Do(http.MethodPut, "/odata/v4/s/Own(1)", `{"note":"a"}`).Status(tt.ifMatch)
		c.With("If-Match", "*").Do(http.MethodPut, "/odata/v4/s/Own(7)", `{"note":"a"}`).Status(tt.ifMatch)
		if tt.patch == 201 {
			c.Do(http.MethodPatch, "/odata/v4/s/Books(3)", `{}`).Status(400).Contains("ASSERT_MANDATORY")
			c.Do(http.MethodPatch, "/odata/v4/s/Own(1)", `{"note":"a"}`).Status(403)
			c.Do(http.MethodPatch, "/odata/v4/s/Books(1)", `{"title":"b"}`).Status(200)
		}
		c.GET("/odata/v4/s/$metadata").Status(200).Contains(`String="Titel"`)
	}
}
