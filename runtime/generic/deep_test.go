package generic_test

import (
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

const deepModel = `
context db {
entity Roots { key ID : Integer; name : String(10); kids : Composition of many Kids on kids.root = $self; }
@assert.unique: { code: [code] } entity Kids { key ID : Integer; root : Association to Roots; code : String(5); }
}
service S { entity Roots as projection on db.Roots;
  @restrict: [{ grant: '*', where: 'code != ''no''' }] entity Kids as projection on db.Kids; }`

// TestDeepInsertErrors: rows of a deep insert may reach the database together, and still each error is that of its row, nothing of a request
// that failed stays, and what may not be created is refused as such.
func TestDeepInsertErrors(t *testing.T) {
	a := newApp(t, deepModel, `INSERT INTO db_Roots (ID) VALUES (1); INSERT INTO db_Kids (ID, root_ID, code) VALUES (1, 1, 'a'), (2, 1, 'no');`, cds.AppOptions{}, nil)
	kid := func(id int, code string) *cds.Row { return row("ID", id, "code", code) }
	const taken = "UNIQUE_CONSTRAINT_VIOLATION An entity with these key or unique values exists already. "
	for _, tt := range []struct {
		name string
		kids []*cds.Row
		want string
	}{
		{"unique element", []*cds.Row{kid(10, "b"), kid(11, "a")}, taken + "code"},
		{"unique among themselves", []*cds.Row{kid(10, "b"), kid(11, "b"), kid(12, "c")}, taken + "code"},
		{"key", []*cds.Row{kid(10, "b"), kid(1, "c")}, taken},
		{"key of a hidden row", []*cds.Row{kid(10, "b"), kid(2, "c")}, taken},
		{"not to be created", []*cds.Row{kid(10, "b"), kid(11, "no")}, "AUTHZ_DATA Forbidden "},
		{"not to be created, with a key that is taken", []*cds.Row{kid(10, "b"), kid(2, "no")}, "AUTHZ_DATA Forbidden "},
		{"all well", []*cds.Row{kid(10, "b"), kid(11, "c")}, "ok"},
	} {
		data := row("ID", 5, "name", "five")
		data.Set("kids", cqn.OfRows(tt.kids))
		res, err := a.do(req{event: authz.Create, path: "S.Roots", user: user("u"), data: data})
		if got := faults(err); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		if err == nil && (len(res.Rows) != 1 || len(res.Rows[0].Value("kids").Rows()) != 2) {
			t.Errorf("%s: %v", tt.name, res.Rows)
		}
	}
}
