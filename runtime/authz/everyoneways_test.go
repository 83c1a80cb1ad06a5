package authz

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// TestEveryone_corners: grants to nobody and denials of everything, alternatives, what services ask of drafts, and the ways to write a part.
func TestEveryone_corners(t *testing.T) {
	model := `
context d {
  entity Orders { key ID : Integer; n : Integer; items : Composition of many Items on items.order = $self; }
  entity Items { key ID : Integer; order : Association to Orders; n : Integer; parts : Composition of many Parts on parts.item = $self; }
  entity Parts { key ID : Integer; item : Association to Items; lots : Composition of many Lots on lots.part = $self; }
  entity Lots { key ID : Integer; part : Association to Parts; }
}
service S {
  @requires: [] entity Closed { key ID : Integer; }
  @restrict: [{ grant: 'READ', to: [] }] entity Untold { key ID : Integer; }
  @restrict: [{ grant: 'READ', to: '` + "\x00" + `x' }] entity Reserved { key ID : Integer; }
  @restrict: [{ grant: 'READ' }, { deny: 'READ', to: [], where: 'ID = 1' }] entity Undenied { key ID : Integer; }
  @restrict: [{ grant: '*' }, { deny: 'UPDATE' }] entity Still { key ID : Integer; }
  @restrict: [{ grant: 'READ', to: 'a', where: 'ID = 1' }, { grant: 'READ' }] entity Open { key ID : Integer; }
  @requires: 'any' @restrict: [{ deny: 'READ', where: 'ID = 1' }] entity Nothing { key ID : Integer; }
  @restrict: [{ grant: 'READ', to: 'a' }] entity Few { key ID : Integer; }
  @readonly entity Fixed { key ID : Integer; }
}
service Ways {
  @restrict: [{ grant: 'UPDATE', to: 'u' }, { grant: 'CREATE', to: 'c' }, { grant: 'DELETE', to: 'd' }] entity Orders as projection on d.Orders;
  @restrict: [{ grant: 'UPDATE', to: 'iu' }, { grant: 'CREATE', to: 'ic' }, { grant: 'DELETE', to: 'id' }] entity Items as projection on d.Items;
  entity Parts as projection on d.Parts;
}
service Deep {
  @restrict: [{ grant: 'UPDATE', to: 'u' }, { grant: 'CREATE', to: 'c' }] entity Orders as projection on d.Orders;
  @restrict: [{ grant: 'UPDATE', to: 'iu' }] entity Items as projection on d.Items;
  @restrict: [{ grant: 'CREATE', to: 'pc' }] entity Parts as projection on d.Parts;
  entity Lots as projection on d.Lots;
}
service Kept {
  @restrict: [{ grant: ['READ', 'UPDATE'], to: 'u' }, { grant: 'DELETE', to: 'd' }] @Capabilities.DeleteRestrictions.Deletable: false entity Orders as projection on d.Orders;
  @readonly entity Items as projection on d.Items;
}
service Shown { @restrict: [{ grant: 'READ' }] entity Orders as projection on d.Orders; entity Items as projection on d.Items; }
service Changed { @restrict: [{ grant: ['READ', 'UPDATE'] }, { grant: 'CREATE', to: 'c', where: 'n > 1' }] entity Orders as projection on d.Orders; entity Items as projection on d.Items; }
@restrict: [{ grant: 'UPDATE', to: 'u' }, { grant: 'CREATE', to: 'c' }, { grant: 'READ' }] service Drafted { @odata.draft.enabled entity E { key ID : UUID; } }`
	m, diags := csn.WithDrafts(compiled(t, model), "")
	if m == nil {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{})
	p, faults := p.With([]DataPolicy{{ID: "g", Entity: "S.Few", Events: []string{"READ"}, Roles: []string{"b"}, Effect: Extend}}, true)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, c := range []struct {
		entity string
		ev     Event
		users  string // roles with + between them: "user:what he may", "-" for nothing, "*" for all
	}{
		{"S.Closed", Read, ":- a:-"}, {"S.Untold", Read, ":- a:-"}, {"S.Reserved", Read, ":- x:- \x00x:-"}, {"S.Undenied", Read, ":*"}, {"S.Still", Update, ":-"}, {"S.Still", Delete, ":*"}, {"S.Open", Read, ":* a:*"},
		{"S.Nothing", Read, ":-"}, {"S.Few", Read, "a:* b:-"}, {"S.Fixed", Delete, ":-"},
		// a part is written by changing its document, or by making or deleting one further up
		{"Ways.Items", Update, "iu:- u:- iu+u:* iu+c:* iu+d:*"},
		{"Ways.Parts", Update, "iu+u:* iu+c:* iu+d:* ic+u:* id+u:* ic+c:- id+d:- ic+d:- iu:- u:- iu+x:-"},
		{"Deep.Lots", Update, "pc+iu+u:* pc+iu+c:- pc+iu:-"},
		{"Kept.Items", Update, "u:* d:-"}, {"Kept.Items", Read, "u:* d:-"}, {"Shown.Items", Update, ":-"}, {"Shown.Items", Read, ":*"}, {"Changed.Items", Update, ":* c:*"},
		{"Drafted.E.drafts", Update, "u:own c:own :-"}, {"Drafted.E", Update, "u:* c:-"}, {"Drafted.E", Create, "u:- c:*"},
	} {
		e := m.Entity(c.entity)
		if e == nil {
			t.Errorf("no %s", c.entity)
			continue
		}
		x, ok := p.Everyone(e, c.ev)
		for user := range strings.FieldsSeq(c.users) {
			roles, want, _ := strings.Cut(user, ":")
			got := "-"
			if left, can := forUser(x, named("u", strings.FieldsFunc(roles, func(r rune) bool { return r == '+' })...), p); ok && can {
				got = "*"
				if left != nil {
					got = "own"
					if text := cqn.Format(left); text != cqn.Format(owned()) {
						got = text
					}
				}
			}
			if got != want {
				t.Errorf("%s of %s by %q: %s, want %s", c.ev, c.entity, roles, got, want)
			}
		}
	}
	// what is denied to all is no condition, which a database would have to be told
	if x, ok := p.Everyone(m.Entity("S.Still"), Update); ok {
		t.Errorf("what is denied to all: %s", show(x))
	}
	for _, ev := range []Event{Read, Create, Update, Delete} {
		if x, ok := p.Everyone(nil, ev); ok {
			t.Errorf("%s of no entity: %s", ev, show(x))
		}
	}
}
