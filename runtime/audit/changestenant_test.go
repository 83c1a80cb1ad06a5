package audit_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// A key that another tenant has had, and one that begins like another row's, have a history of their own.
func TestChangesOfOthersWithTheKey(t *testing.T) {
	const model = `
@requires: 'authenticated-user'
service S { @changelog: [title] entity Notes { key ID : String(2000); @tenant tenant : String(36); @changelog title : String(2000); } actions {
  @changelog function changes() returns array of { createdBy : String; valueChangedTo : String; }; }; }`
	for name, open := range map[string]func(testing.TB) db.Pool{"sqlite": nil, "postgres": cdstest.Postgres} {
		t.Run(name, func(t *testing.T) {
			app := cdstest.New(t, cdstest.Config{FS: fstest.MapFS{}, Database: open,
				Model: func() (*csn.Model, error) {
					res := parser.CompileString("model.cds", model)
					return res.Model, res.Diags.Err()
				},
				Users: []cdstest.TestUser{cdstest.User("ann", cdstest.Tenant("t1")), cdstest.User("bob", cdstest.Tenant("t2"))}})
			const notes = "/odata/v4/s/Notes"
			changes := func(user, key string) *cdstest.Response {
				return app.HTTP().As(user).GET(notes + "('" + key + "')/S.changes()").Status(200)
			}
			app.HTTP().As("ann").POST(notes, map[string]any{"ID": "1", "title": "hers"}).Status(201)
			changes("ann", "1").Contains("hers")
			app.HTTP().As("ann").DELETE(notes + "('1')").Status(204)
			app.HTTP().As("bob").POST(notes, map[string]any{"ID": "1", "title": "his"}).Status(201)
			changes("bob", "1").Contains("his").Lacks("hers", "ann")
			long := strings.Repeat("x", 1100)
			app.HTTP().As("bob").POST(notes, map[string]any{"ID": long + "1", "title": "one"}).Status(201)
			app.HTTP().As("bob").POST(notes, map[string]any{"ID": long + "2", "title": "two"}).Status(201)
			changes("bob", long+"1").Contains("one").Lacks("two")
			app.HTTP().As("bob").POST(notes, map[string]any{"ID": "2", "title": long}).Status(201) // longer than what the history calls a row
		})
	}
}
