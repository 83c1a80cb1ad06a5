package mermaid_test

import (
	"testing"

	"cds/codegen/mermaid"
	"cds/parser"

	"github.com/google/go-cmp/cmp"
)

func TestGenerate(t *testing.T) {
	r := parser.CompileString("m.cds", `
context db {
  entity Books { key ID : Integer; title : localized String; price : Decimal(9,2); author : Association to Authors; chapters : Composition of many { key nr : Integer; }; tags : many String; }
  entity Authors { key ID : Integer; books : Association to many Books on books.author = $self; }
}
service S { entity Books as projection on db.Books { *, author : redirected to People } excluding { chapters } actions { action buy(); }; entity People as projection on db.Authors excluding { books }; }
`)
	if r.Model == nil {
		t.Fatal(r.Diags)
	}
	const want = `classDiagram
  class S_Books["S.Books"] {
    <<view>>
    #Integer ID
    +String title
    +Decimal price
    +String[] tags
    +buy()
  }
  class S_People["S.People"] {
    <<view>>
    #Integer ID
  }
  S_Books --> "0..1" S_People : author
`
	if d := cmp.Diff(want, string(mermaid.Generate(r.Model, r.Model.Service("S")))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	all := string(mermaid.Generate(r.Model, nil))
	for _, line := range []string{"  db_Books *-- \"*\" db_Books_chapters : chapters\n", "  db_Books <|.. S_Books\n", "  db_Authors --> \"*\" db_Books : books\n"} {
		if !contains(all, line) {
			t.Errorf("%q is missing in\n%s", line, all)
		}
	}
}

func contains(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}
