package authz

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/diag"
	"cds/runtime/auth"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

const denyModel = `
@roles: { admin: ['editor', 'auditor'], editor: 'viewer' }
@restrict: [{ grant: '*', to: 'any' }, { deny: 'DELETE', to: 'temp' }]
service S {
  @restrict: [
    { grant: 'READ', to: 'viewer', message: 'Books are for viewers.' },
    { grant: 'WRITE', to: 'editor', where: 'stock > 0' },
    { deny: '*', to: 'banned' },
    { deny: 'READ', to: 'intern', where: 'secret = true' },
    { deny: 'UPDATE', where: (stock > 100), message: '{i18n>TOO_MANY}' } ]
  entity Books { key ID : Integer; stock : Integer; secret : Boolean; } actions { action sell(); };

  @restrict: [{ grant: '*', to: ['viewer', 'auditor'] }, { deny: ['READ'], where: '$user.blocked = ''yes''' }, { deny: 'DELETE', where: 'true' }, { deny: 'UPDATE', where: '1 = 2' }]
  entity Notes { key ID : Integer; @restrict: [{ grant: '*' }, { deny: 'READ', to: 'intern' }, { deny: 'READ', to: 'guest', where: '$user.level < 5' }] cost : Integer; }

  @restrict: [{ grant: '*' }, { deny: '*', to: 'intern' }] action go();
}`

func TestDeny(t *testing.T) {
	m, p, diags := policyOf(t, denyModel)
	if len(diags) > 0 {
		t.Fatal(codesOf(diags))
	}
	for _, c := range []struct {
		access string
		user   *auth.User
		want   string // verdict, condition of a READ or UPDATE, message
	}{
		{"READ S.Books", named("v", "viewer"), "allow | "},
		{"READ S.Books", named("e", "editor"), "allow | "}, // includes viewer
		{"READ S.Books", named("a", "admin"), "allow | "},
		{"READ S.Books", named("u", "auditor"), "403 Books are for viewers."},
		{"READ S.Books", auth.Anonymous, "401 Unauthorized"},
		{"READ S.Books", named("b", "viewer", "banned"), "403 Forbidden"},
		{"READ S.Books", named("i", "viewer", "intern"), "if not secret = true | "},
		{"UPDATE S.Books", named("e", "editor"), "if stock > 0 and not stock > 100 | {i18n>TOO_MANY}"},
		{"UPDATE S.Books", named("a", "admin"), "if stock > 0 and not stock > 100 | {i18n>TOO_MANY}"},
		{"DELETE S.Books", named("a", "admin"), "if stock > 0 | "},
		{"DELETE S.Books", named("a", "admin", "temp"), "403 Forbidden"}, // by the service
		{"sell S.Books", named("a", "admin"), "403 Forbidden"},
		{"READ S.Notes", named("v", "viewer"), "if not $user.blocked = 'yes' | "},
		{"DELETE S.Notes", named("v", "viewer"), "403 Forbidden"},
		{"UPDATE S.Notes", named("v", "viewer"), "if not false | "},
		{"S.go", named("v"), "allow | "},
		{"S.go", named("i", "intern"), "403 Forbidden"},
	} {
		a := access(t, m, c.access)
		d := p.Decide(c.user, a)
		got := verdicts[d.Verdict] + " " + d.Message
		if d.Allowed() {
			got = verdicts[d.Verdict]
			if d.Verdict == AllowIf {
				use := sqlgen.Root
				switch a.Event {
				case Update:
					use = sqlgen.Update
				case Delete:
					use = sqlgen.Delete
				}
				got += " " + condition(d.Guard, a.Path[0], use)
			}
			got += " | " + d.Message
		}
		if got != c.want {
			t.Errorf("%s by %s: %q, not %q", c.access, c.user.ID, got, c.want)
		}
	}
	cost := m.Entity("S.Notes").Flat.Lookup("cost")
	for _, c := range []struct {
		user *auth.User
		ok   bool
	}{
		{named("v", "viewer"), true}, {named("i", "viewer", "intern"), false},
		{auth.New(auth.User{ID: "g", Attrs: map[string][]string{"level": {"9"}}}, "viewer", "guest"), true},
		{auth.New(auth.User{ID: "g", Attrs: map[string][]string{"level": {"1"}}}, "viewer", "guest"), false},
	} {
		d := p.Decide(c.user, access(t, m, "READ S.Notes"))
		if err := d.Guard.Element(cost, sqlgen.Root); (err == nil) != c.ok {
			t.Errorf("cost for %s %v: %v", c.user.ID, c.user.Attrs, err)
		}
	}
}

// What is unknown denies, in memory as on the database.
func TestDenyUnknown(t *testing.T) {
	m, p, _ := policyOf(t, denyModel)
	d := p.Decide(named("e", "editor"), access(t, m, "UPDATE S.Books"))
	e := m.Entity("S.Books")
	for stock, want := range map[cqn.Value]eval.Truth{cqn.Int(5): eval.True, cqn.Int(101): eval.False, cqn.Null: eval.Unknown} {
		row := cqn.NewRow()
		row.Set("stock", stock)
		if got, err := eval.Test(d.Check, row, e, nil); err != nil || got != want {
			t.Errorf("stock %v: %v %v", stock, got, err)
		}
	}
	if d := p.Decide(auth.New(auth.User{ID: "x", Attrs: map[string][]string{"blocked": {"yes"}}}, "viewer"), access(t, m, "READ S.Notes")); d.Verdict != AllowIf {
		t.Errorf("reading with a static condition that denies is an empty list, not %v", d.Verdict)
	}
}

func TestNamedConditions(t *testing.T) {
	m, p, diags := policyOf(t, `
@authz.condition.own: (owner = $user)
aspect Owned { owner : String; }
context db { entity Books : Owned { key ID : Integer; stock : Integer; } entity Orders : Owned { key ID : Integer; } }
@authz.condition.office: ($user.office = 'HQ')
service S {
  @restrict: [{ grant: 'READ', if: 'own' }, { grant: 'WRITE', if: ['own', 'office'], where: 'stock > 0' }] entity Books as select from db.Books { ID, stock, owner as holder };
  @restrict: [{ grant: '*', if: 'own' }] entity Orders as projection on db.Orders;
}`)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for text, want := range map[string]string{"READ S.Books": "holder = $user", "READ S.Orders": "owner = $user"} {
		a := access(t, m, text)
		if got := condition(p.Decide(named("u"), a).Guard, a.Path[0], sqlgen.Root); got != want {
			t.Errorf("%s: %q, not %q", text, got, want)
		}
	}
	a := access(t, m, "UPDATE S.Books")
	if got := condition(p.Decide(named("u"), a).Guard, a.Path[0], sqlgen.Update); got != "stock > 0 and holder = $user and $user.office = 'HQ'" && got != "holder = $user and $user.office = 'HQ' and stock > 0" {
		t.Error(got)
	}
}

func codesOf(l diag.List) string {
	var out []string
	for _, d := range l {
		out = append(out, string(d.Code)+": "+d.Message)
	}
	return strings.Join(out, "\n")
}

// What is misspelt stops the start, and closes what it stands on where it does not.
func TestRuleFaults(t *testing.T) {
	for _, c := range []struct{ annos, want string }{
		{"@restrict: [{ grant: '*' }, { deny: 'READS' }]", "authz-grant"},
		{"@restrict: [{ grant: '*' }, { deny: 'UPSERT' }]", "authz-grant"},
		{"@restrict: [{ grant: '*' }, { deny: [] }]", "authz-grant"},
		{"@restrict: [{ grant: '*' }, { denny: 'READ' }]", "authz-privilege-property"},
		{"@restrict: [{ grant: '*', deny: 'READ' }]", "authz-privilege-property"},
		{"@restrict: [{ grant: '*' }, { deny: 'READ', were: 'ID = 1' }]", "authz-privilege-property"},
		{"@restrict: [{ grant: '*' }, { deny: 'READ', where: 'IDD = 1' }]", "authz-where"},
		{"@restrict: [{ grant: '*', message: 5 }]", "authz-message"},
		{"@restrict: [{ grant: '*', message: '' }]", "authz-message"},
		{"@restrict: [{ grant: '*', if: 'own' }]", "authz-condition"},
		{"@authz.condition.own: 'ID = 1' @restrict: [{ grant: '*', if: 'own' }]", "authz-condition"},
		{"@authz.condition.own: (ID = 1) @restrict: [{ grant: '*', if: [] }]", "authz-condition"},
	} {
		_, p, diags := policyOf(t, "service S { "+c.annos+" entity E { key ID : Integer; } }")
		if !strings.Contains(codesOf(diags), c.want) {
			t.Errorf("%s: %v", c.annos, codesOf(diags))
		}
		if r := p.state.entities[p.model.Entity("S.E").ID].own; r == nil || r.closed == "" {
			t.Errorf("%s: open", c.annos)
		}
	}
	for _, c := range []struct{ model, want string }{
		{"@roles: { admin: ['edtior'] } service S { @requires: 'editor' entity E { key ID : Integer; } }", "no restriction mentions the role edtior"},
		{"@roles: { a: 'b', b: 'a' } service S { @requires: ['a','b'] entity E { key ID : Integer; } }", "includes itself"},
		{"@roles: { a: 'any' } service S { @requires: ['a','b'] entity E { key ID : Integer; } }", "follows from who a user is"},
		{"@roles: { any: 'a' } service S { @requires: ['a','b'] entity E { key ID : Integer; } }", "follows from who a user is"},
		{"@roles: 'a' service S { @requires: ['a','b'] entity E { key ID : Integer; } }", "@roles is not understood"},
		{"@roles: { a: 5 } service S { @requires: ['a','b'] entity E { key ID : Integer; } }", "must be a role"},
		{"service S { @roles: { a: 'b' } @requires: ['a','b'] entity E { key ID : Integer; } }", "has no effect on entity"},
	} {
		m := compiled(t, c.model)
		if _, diags := Compile(m, Options{Strict: true}); !diags.HasErrors() || !strings.Contains(diags.Error(), c.want) {
			t.Errorf("%s: %v", c.model, diags)
		}
	}
	_, p, _ := policyOf(t, "@roles: { a: 'b', b: 'a' } service S { @requires: 'b' entity E { key ID : Integer; } }")
	if d := p.Decide(named("x", "c"), access(t, p.model, "READ S.E")); d.Allowed() {
		t.Error("a circle of roles opens")
	}
}

func TestDenyOracle(t *testing.T) {
	m, p, _ := policyOf(t, strings.NewReplacer("@roles: { admin: ['editor', 'auditor'], editor: 'viewer' }", "", ", where: 'true'", "", "{ deny: 'UPDATE', where: '1 = 2' }", "{ deny: 'UPDATE', to: 'editor' }").Replace(denyModel))
	n := 0
	for _, a := range accesses(m.Services[0]) {
		for _, u := range people(p.Roles(nil)) {
			if n++; strings.HasPrefix(oracle(a, u), "4") != strings.HasPrefix(answer(p, a, u), "4") {
				t.Errorf("%s: policy says %q, the rules say %q", where(a, u), answer(p, a, u), oracle(a, u))
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d decisions", n)
	}
}
