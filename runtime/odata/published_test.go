package odata_test

import (
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

const published = `
entity Authors { key ID : Integer; name : String; books : Association to many Books on books.author = $self; }
entity Books { key ID : Integer; price : Integer; owner : String; author : Association to Authors; }
@path: '/s' @requires: 'any' service S {
  @restrict: [{ grant: 'READ', to: 'any' }]
  entity A as projection on Authors { *, books[price > 5] as dear };
  @restrict: [{ grant: 'READ', where: 'owner = $user' }]
  entity B as projection on Books { *, author[ID > 1] as late };
}`

// An association that a view publishes with a filter has no columns; on its way the target's rows are guarded like on any other.
func TestPublishedWithFilter(t *testing.T) {
	for name, open := range map[string]func(testing.TB) db.Pool{"sqlite": nil, "postgres": cdstest.Postgres} {
		t.Run(name, func(t *testing.T) {
			app := cdstest.New(t, cdstest.Config{
				Model: func() (*csn.Model, error) {
					res := cdl.CompileString("s.cds", published)
					return res.Model, res.Diags.Err()
				},
				FS: fstest.MapFS{
					"db/data/Authors.csv": {Data: []byte("ID,name\n1,one\n2,two\n")},
					"db/data/Books.csv":   {Data: []byte("ID,price,owner,author_ID\n1,3,bob,1\n2,9,bob,1\n3,8,eve,1\n4,7,eve,2\n5,1,bob,2\n")},
				},
				Users:    []cdstest.TestUser{cdstest.User("bob")},
				Database: open,
			})
			for path, want := range map[string]string{
				"A?$expand=dear($select=ID)":                                 `[{"ID":1,"name":"one","dear":[{"ID":2}]},{"ID":2,"name":"two","dear":[]}]`,
				"A(1)/dear?$select=ID":                                       `[{"ID":2}]`,
				"A(2)/dear?$select=ID":                                       `[]`,
				"A?$filter=dear/any(d:d/price lt 9)&$select=ID":              `[]`,
				"A?$filter=dear/any(d:d/price eq 9)&$select=ID":              `[{"ID":1}]`,
				"A?$filter=dear/$count eq 1&$select=ID":                      `[{"ID":1}]`,
				"A?$orderby=dear/$count,ID&$select=ID":                       `[{"ID":2},{"ID":1}]`,
				"B?$expand=late&$select=ID":                                  `[{"ID":1,"late":null},{"ID":2,"late":null},{"ID":5,"late":{"ID":2,"name":"two"}}]`,
				"B?$filter=late/name eq 'two'&$select=ID":                    `[{"ID":5}]`,
				"B?$filter=late/dear/any(d:d/owner eq 'eve')&$select=ID":     `[]`,
				"A?$expand=dear($select=ID;$expand=late($select=ID))&$top=1": `[{"ID":1,"name":"one","dear":[{"ID":2,"late":null}]}]`,
			} {
				app.HTTP().As("bob").GET("/s/" + path).Status(200).Contains(`"value":` + want)
			}
			app.HTTP().As("bob").GET("/s/B(4)/late").Status(404)
		})
	}
}
