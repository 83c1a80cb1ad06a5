package generic_test

import (
	"testing"

	cds "cds/runtime"
	"cds/runtime/authz"
)

// TestMayWrite_compositions: whoever may not write a composition does not write its parts within the document, by the event that the document is written with.
func TestMayWrite_compositions(t *testing.T) {
	a := newApp(t, `
entity d.A { key ID : Integer; made : Composition of many d.M on made.a = $self; changed : Composition of many d.C on changed.a = $self; free : Composition of many d.F on free.a = $self; }
entity d.M { key ID : Integer; a : Association to d.A; } entity d.C { key ID : Integer; a : Association to d.A; } entity d.F { key ID : Integer; a : Association to d.A; }
@requires: 'any' service S { entity A as projection on d.A; entity M as projection on d.M; entity C as projection on d.C; entity F as projection on d.F; }
annotate S.A with { made @restrict: [{ grant: ['READ', 'CREATE'] }, { grant: 'UPDATE', to: 'boss' }]; changed @restrict: [{ grant: ['READ', 'UPDATE'] }, { grant: 'CREATE', to: 'boss' }]; };`,
		"INSERT INTO d_A (ID) VALUES (1), (2);", cds.AppOptions{}, nil)
	id := 10
	for _, c := range []struct {
		event cds.Event
		part  string
		role  string
		code  int
	}{
		{authz.Create, "made", "x", 200}, {authz.Create, "changed", "x", 403}, {authz.Create, "free", "x", 200}, {authz.Create, "changed", "boss", 200},
		{authz.Update, "made", "x", 403}, {authz.Update, "changed", "x", 200}, {authz.Update, "free", "x", 200}, {authz.Update, "made", "boss", 200},
	} {
		id++
		data := row(c.part, []*cds.Row{row("ID", id)})
		path := "S.A(1)"
		if c.event == authz.Create {
			data.Set("ID", value(id))
			path = "S.A"
		}
		if _, err := a.do(req{event: c.event, path: path, user: user("u", c.role), data: data}); status(err) != c.code {
			t.Errorf("%s of %s as %s: %d, want %d: %v", c.event, c.part, c.role, status(err), c.code, err)
		}
	}
	if got := a.sql("d.M", "ID") + "|" + a.sql("d.C", "ID") + "|" + a.sql("d.F", "ID"); got != "11;18|14;16|13;17" {
		t.Errorf("written: %s", got)
	}
}
