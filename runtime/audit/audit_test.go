package audit_test

import (
	"testing"

	"cds/parser/cqn"
	"cds/runtime/audit"
	"cds/runtime/db"
)

var all = audit.Options{Enabled: true, Table: true, ShowPersonal: true}

func TestThin(t *testing.T) {
	both(t, func(t *testing.T, pool db.Pool) {
		a := newApp(t, pool, all, nil)
		_, err := a.run(a.as("eve"), &cqn.Delete{From: cqn.NewRef("Customers"), Where: is("ID", cqn.Int(1))})
		if status(err) != 403 {
			t.Fatal(err)
		}
		a.must(a.as("ann"), &cqn.Update{Entity: cqn.NewRef("Customers"), Where: is("ID", cqn.Int(1)), Data: row("name", "Anna", "card", "999", "points", 7)})
		a.must(a.as("ann"), from("Customers"))
		t.Log(a.records())
	})
}
