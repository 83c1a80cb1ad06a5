package generic_test

import (
	"testing"

	cds "cds/runtime"
	"cds/runtime/authz"
)

const uniques = `
context db {
@assert.unique: { isbn: [isbn], place: [shelf, author] } @assert.unique.place.message: 'PLACE_TAKEN'
entity Books { key ID : Integer; isbn : String(20); shelf : Integer; author : Association to Authors; owner : String; }
entity Authors { key ID : Integer; }
}
service Cat { @restrict: [{ grant: ['READ', 'UPDATE'], where: 'owner = $user' }, { grant: 'CREATE' }] entity Books as projection on db.Books { *, shelf as slot };
  @requires: 'nobody' entity Authors as projection on db.Authors; }`

// TestUniqueConstraints: the answer names the elements of the constraint, by the names that the service has for them; and is the same for a hidden row.
func TestUniqueConstraints(t *testing.T) {
	a := newApp(t, uniques, `INSERT INTO db_Books (ID, isbn, shelf, author_ID, owner) VALUES (1, 'a', 1, 1, 'u'), (2, 'b', 2, 2, 'other');`,
		cds.AppOptions{Texts: texts{"de:PLACE_TAKEN": "Platz {0} ist belegt"}}, nil)
	u := user("u")
	for _, tt := range []struct {
		name string
		data *cds.Row
		want string
	}{
		{"key", row("ID", 1), "UNIQUE_CONSTRAINT_VIOLATION An entity with these key or unique values exists already. "},
		{"key of a hidden row", row("ID", 2), "UNIQUE_CONSTRAINT_VIOLATION An entity with these key or unique values exists already. "},
		{"one element", row("ID", 9, "isbn", "a"), "UNIQUE_CONSTRAINT_VIOLATION An entity with these key or unique values exists already. isbn"},
		{"one element, hidden row", row("ID", 9, "isbn", "b"), "UNIQUE_CONSTRAINT_VIOLATION An entity with these key or unique values exists already. isbn"},
		{"two elements, own message", row("ID", 9, "slot", 1, "author_ID", 1), "UNIQUE_CONSTRAINT_VIOLATION Platz shelf, author_ID ist belegt shelf"},
		{"null is unlike null", row("ID", 9), "ok"},
	} {
		_, err := a.do(req{event: authz.Create, path: "Cat.Books", user: u, data: tt.data, locale: "de"})
		if got := faults(err); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	_, e := a.want(req{event: authz.Update, path: "Cat.Books(1)", user: u, data: row("isbn", "b")}, 409)
	if e.Target != "isbn" {
		t.Errorf("%+v", e)
	}
}
