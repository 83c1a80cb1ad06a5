package generic_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

const forest = `
entity d.Roots { key ID : Integer; name : String; kids : Composition of many d.Kids on kids.root = $self;
  notes : Composition of many { key n : Integer; text : String } }
entity d.Kids { key a : Integer; key b : Integer; root : Association to d.Roots; locked : Boolean;
  leaves : Composition of many d.Leaves on leaves.kid = $self; }
entity d.Leaves { key ID : Integer; kid : Association to d.Kids; }
@requires: 'any' service S {
  entity Roots as projection on d.Roots excluding { notes };
  @restrict: [{ grant: ['READ', 'CREATE', 'UPDATE'] }, { grant: 'DELETE', where: 'locked is null' }]
  entity Kids as projection on d.Kids;
  entity Leaves as projection on d.Leaves;
}`

// TestRemoveMany: a root goes with all that is composed of it, more than one statement takes, and what the service does not show; of another root nothing
// goes. One child that may not be deleted keeps all.
func TestRemoveMany(t *testing.T) {
	const kids = 1100
	var sql strings.Builder
	sql.WriteString("INSERT INTO d_Roots (ID) VALUES (1), (2);\n")
	for i := range kids {
		fmt.Fprintf(&sql, "INSERT INTO d_Kids (a, b, root_ID) VALUES (%d, %d, %d);\n", i, i%7, 1+i/(kids-1))
		fmt.Fprintf(&sql, "INSERT INTO d_Leaves (ID, kid_a, kid_b) VALUES (%d, %d, %d);\n", i, i, i%7)
	}
	sql.WriteString("INSERT INTO d_Roots_notes (up__ID, n) VALUES (1, 1), (1, 2), (2, 1);\nUPDATE d_Kids SET locked = TRUE WHERE a = 5;\n")
	a := newApp(t, forest, sql.String(), cds.AppOptions{}, nil)
	count := func(table, want string) {
		t.Helper()
		tx, err := a.DB.Read(context.Background(), db.Session{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		rows, err := tx.Query(context.Background(), db.Stmt{SQL: "SELECT count(*) FROM " + table, Opens: sqlgen.EverythingOpen})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = rows.Close() }()
		if ok, err := rows.Next(); !ok || err != nil || string(rows.Text(0)) != want {
			t.Errorf("%s has %s rows, want %s", table, rows.Text(0), want)
		}
	}
	a.want(req{event: authz.Delete, path: "S.Roots(1)", user: user("u")}, 403)
	count("d_Kids", "1100")
	count("d_Leaves", "1100")
	count("d_Roots_notes", "3")
	a.want(req{event: authz.Update, path: "S.Kids(5,5)", user: user("u"), data: cqn.NewRow(cqn.Field{Name: "locked", Value: cqn.Null})}, 200)
	a.want(req{event: authz.Delete, path: "S.Roots(1)", user: user("u")}, 200)
	count("d_Roots", "1")
	count("d_Kids", "1")
	count("d_Leaves", "1")
	count("d_Roots_notes", "1")
}

// TestRemoveAsksTheWhole: a right to delete that is about the parts of a row is looked at while these are there, at each level.
func TestRemoveAsksTheWhole(t *testing.T) {
	a := newApp(t, `
entity d.Roots { key ID : Integer; kids : Composition of many d.Kids on kids.root = $self; }
entity d.Kids { key ID : Integer; open : Boolean; root : Association to d.Roots; leaves : Composition of many d.Leaves on leaves.kid = $self; }
entity d.Leaves { key ID : Integer; kid : Association to d.Kids; }
@requires: 'any' service S {
  @restrict: [{ grant: ['READ', 'UPDATE'] }, { grant: 'DELETE', where: 'exists kids[open = true]' }]
  entity Roots as projection on d.Roots;
  @restrict: [{ grant: ['READ', 'UPDATE'] }, { grant: 'DELETE', where: 'exists leaves and root.ID > 0' }]
  entity Kids as projection on d.Kids;
  entity Leaves as projection on d.Leaves;
}`, `INSERT INTO d_Roots (ID) VALUES (1), (2), (3), (4);
INSERT INTO d_Kids (ID, open, root_ID) VALUES (1, TRUE, 1), (2, FALSE, 2), (3, TRUE, 3);
INSERT INTO d_Leaves (ID, kid_ID) VALUES (1, 1), (2, 2);`, cds.AppOptions{}, nil)
	u := user("u")
	a.want(req{event: authz.Delete, path: "S.Roots(2)", user: u}, 403) // no kid is open
	a.want(req{event: authz.Delete, path: "S.Roots(3)", user: u}, 403) // its kid has no leaf
	a.want(req{event: authz.Delete, path: "S.Roots(4)", user: u}, 403) // no kid at all
	a.want(req{event: authz.Delete, path: "S.Kids(3)", user: u}, 403)
	a.want(req{event: authz.Delete, path: "S.Roots(1)", user: u}, 200)
	a.want(req{event: authz.Delete, path: "S.Roots(1)", user: u}, 404)
	a.want(req{event: authz.Delete, path: "S.Kids(1)", user: u}, 404)
	a.want(req{event: authz.Delete, path: "S.Kids(3)", user: u}, 403) // what was refused has left all as it was
}

// TestRemoveAsksFirst: a right to delete that is about rows that go with it, be they sisters, or more than one statement takes, is looked at before any of them
// has gone.
func TestRemoveAsksFirst(t *testing.T) {
	var sql strings.Builder
	sql.WriteString("INSERT INTO d_Roots (ID) VALUES (1), (2), (3);\nINSERT INTO d_Notes (ID, root_ID) VALUES (1, 1);\nINSERT INTO d_Kids (ID, open, root_ID) VALUES (1, TRUE, 1), (2, TRUE, 2)")
	for i := range 1100 {
		fmt.Fprintf(&sql, ", (%d, TRUE, 3)", i+10)
	}
	a := newApp(t, `
entity d.Roots { key ID : Integer; kids : Composition of many d.Kids on kids.root = $self; notes : Composition of many d.Notes on notes.root = $self; }
entity d.Kids { key ID : Integer; open : Boolean; root : Association to d.Roots; }
entity d.Notes { key ID : Integer; root : Association to d.Roots; }
@requires: 'any' service S {
  @restrict: [{ grant: ['READ', 'UPDATE'] }, { grant: 'DELETE', where: 'exists kids[open = true]' }]
  entity Roots as projection on d.Roots;
  @restrict: [{ grant: ['READ', 'UPDATE'] }, { grant: 'DELETE', where: 'exists root.kids[ID <> 2]' }]
  entity Kids as projection on d.Kids;
  @restrict: [{ grant: ['READ', 'UPDATE'] }, { grant: 'DELETE', where: 'exists root.kids' }]
  entity Notes as projection on d.Notes;
}`, sql.String()+";", cds.AppOptions{}, nil)
	u := user("u")
	a.want(req{event: authz.Delete, path: "S.Roots(1)", user: u}, 200) // the note asks for the kids, which come first
	a.want(req{event: authz.Delete, path: "S.Roots(2)", user: u}, 403) // no other kid than the second
	a.want(req{event: authz.Delete, path: "S.Roots(3)", user: u}, 200) // the last kids ask for the first
	for path, want := range map[string]int{"S.Roots": 1, "S.Kids": 1, "S.Notes": 0} {
		if res, _ := a.want(req{event: authz.Read, path: path, user: u}, 200); len(res.Rows) != want {
			t.Errorf("%s has %d rows, want %d", path, len(res.Rows), want)
		}
	}
}

// TestRemoveByOtherKeys: where a view has keys that other rows have too, those that the user may not delete stay.
func TestRemoveByOtherKeys(t *testing.T) {
	a := newApp(t, `
entity d.Roots { key ID : Integer; name : String; owner : String; kids : Composition of many d.Kids on kids.root = $self; }
entity d.Kids { key ID : Integer; root : Association to d.Roots; }
@requires: 'any' service S {
  @restrict: [{ grant: ['READ', 'DELETE'], where: (owner = $user) }]
  entity Names as select from d.Roots { key name, ID, owner, kids };
  @cds.redirection.target @requires: 'any' entity Roots as projection on d.Roots;
  @requires: 'any' entity Kids as projection on d.Kids;
}`, "INSERT INTO d_Roots (ID, name, owner) VALUES (1, 'a', 'u'), (2, 'a', 'v'), (3, 'b', 'u'); INSERT INTO d_Kids (ID, root_ID) VALUES (1, 1), (2, 2);", cds.AppOptions{}, nil)
	u := user("u")
	a.want(req{event: authz.Delete, path: "S.Names(a)", user: u}, 200)
	for path, want := range map[string]string{"S.Roots": "[2 3]", "S.Kids": "[2]"} {
		res, _ := a.want(req{event: authz.Read, path: path, user: u}, 200)
		var ids []string
		for _, row := range res.Rows {
			ids = append(ids, row.Value("ID").Format())
		}
		if got := fmt.Sprint(ids); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	a.want(req{event: authz.Delete, path: "S.Names(a)", user: u}, 404)
}

// TestRemoveFromView: what is a row of no table is not deleted, with or without parts.
func TestRemoveFromView(t *testing.T) {
	a := newApp(t, `
entity d.Roots { key ID : Integer; owner : String; au : Association to d.Authors; kids : Composition of many d.Kids on kids.root = $self; }
entity d.Authors { key ID : Integer; }
entity d.Kids { key ID : Integer; root : Association to d.Roots; }
@requires: 'any' service S {
  entity Joined as select from d.Roots as r left join d.Authors as a on r.au.ID = a.ID { key r.ID, r.kids };
  entity Grouped as select from d.Roots { key ID, kids } group by ID;
  @cds.redirection.target entity Kids as projection on d.Kids;
}`, "INSERT INTO d_Roots (ID) VALUES (1); INSERT INTO d_Kids (ID, root_ID) VALUES (1, 1);", cds.AppOptions{}, nil)
	u := user("u")
	a.want(req{event: authz.Delete, path: "S.Joined(1)", user: u}, 405)
	a.want(req{event: authz.Delete, path: "S.Grouped(1)", user: u}, 405)
	a.want(req{event: authz.Read, path: "S.Kids(1)", user: u}, 200)
}
