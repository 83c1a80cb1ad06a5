package authz

import (
	"testing"

	"cds/parser/cqn"
	"cds/runtime/auth"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

const inspected = `
context db {
  entity Orders { key ID : Integer; owner : String; country : String; items : Composition of many Items on items.order = $self; }
  entity Items { key ID : Integer; order : Association to Orders; qty : Integer; }
  @cds.autoexpose entity Codes { key code : String; names : Composition of many { key locale : String; name : String; } }
  entity Prices { key ID : Integer; code : Association to Codes; @restrict: [{ grant: 'READ', to: 'Buyer' }, { grant: '*', where: ($user.level = 'high') }] cost : Integer; }
}
@roles: { Boss: ['Editor'] }
@restrict: [{ grant: 'READ' }, { grant: '*', where: ($user.desk = 'front') }]
service S {
  @restrict: [
    { grant: 'READ', where: 'country = $user.country' },
    { grant: '*', to: 'Editor', where: 'owner = $user' },
    { grant: ['READ', 'CREATE'], to: 'Clerk', where: ($user.level = 'high') },
    { deny: 'DELETE', to: 'Clerk' },
    { deny: 'READ', to: 'Trainee', where: 'country = ''US''' },
    { deny: 'UPDATE', where: ($user.blocked = 'yes') }
  ]
  entity Orders as projection on db.Orders actions { @restrict: [{ to: 'Editor', where: ($user.level = 'high') }] action approve(); };
  entity Prices as projection on db.Prices;
  @restrict: [{ to: 'Clerk', where: ($user.level = 'high') }] action tidy();
}`

// Inspect keeps open what Decide asks of the user: with the user at hand both say the same.
func TestInspectAgreesWithDecide(t *testing.T) {
	m := compiled(t, inspected)
	p, diags := Compile(m, Options{Strict: true})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	roles := [][]string{nil, {auth.RoleAuthenticated}, {"Editor"}, {"Clerk"}, {"Boss"}, {"Trainee"}, {"Editor", "Clerk"}, {"Boss", "Trainee", "Clerk"}, {"Buyer"}}
	attrs := []map[string][]string{nil, {"desk": {"front"}}, {"desk": {"front"}, "level": {"high"}}, {"desk": {"front"}, "level": {"low"}, "blocked": {"yes"}},
		{"desk": {"front"}, "level": {"high"}, "country": {"DE"}, "blocked": {"no"}}, {"level": {"high"}, "blocked": {"no"}}}
	accesses := []string{"S", "READ S.Orders", "CREATE S.Orders", "UPDATE S.Orders", "DELETE S.Orders", "UPSERT S.Orders", "approve S.Orders", "S.tidy", "READ S.Orders/items",
		"UPDATE S.Orders/items", "READ S.Prices", "CREATE S.Prices", "UPDATE S.Codes/names"}
	seen := map[Verdict]int{}
	for _, rs := range roles {
		for _, at := range attrs {
			u := auth.Anonymous
			if rs != nil {
				u = auth.New(auth.User{ID: "u", Attrs: at}, rs...)
			}
			for _, text := range accesses {
				a := access(t, m, text)
				d, o := p.Decide(u, a), p.Inspect(u.Roles(), a)
				seen[o.Verdict]++
				switch static := o.Where == nil || eval.Static(o.Where); {
				case !o.Allowed() && d.Allowed():
					t.Errorf("%v %v %s: not listed, yet allowed", rs, at, text)
				case d.Verdict == Deny405 && o.Verdict != Deny405 || o.Verdict == Deny405 && d.Allowed():
					t.Errorf("%v %v %s: %v, listed as %v", rs, at, text, d.Verdict, o.Verdict)
				case o.Verdict == Allow && !d.Allowed():
					t.Errorf("%v %v %s: listed as allowed, but %v", rs, at, text, d.Rules)
				case o.Allowed() && static && o.Check == nil && a.Event != Create:
					got := true
					if o.Where != nil {
						v, err := eval.Test(o.Where, nil, nil, &eval.Env{User: u})
						got = err == nil && v == eval.True
					}
					if d.Verdict != AllowIf && got != d.Allowed() { // what is left to the database shows in the rows
						t.Errorf("%v %v %s: %v by the list, but %v %v", rs, at, text, got, verdicts[d.Verdict], d.Rules)
					}
				}
			}
		}
	}
	for _, v := range []Verdict{Deny403, Deny405, Allow, AllowIf} {
		if seen[v] == 0 {
			t.Errorf("no case has the verdict %v", v)
		}
	}
}

func TestInspectTexts(t *testing.T) {
	m := compiled(t, inspected)
	p, _ := Compile(m, Options{})
	for _, c := range []struct{ access, role, want string }{
		{"READ S.Orders", auth.RoleAuthenticated, "country = $user.country"},
		{"READ S.Orders", "Trainee", "country = $user.country and not country = 'US'"},
		{"UPDATE S.Orders", "Editor", "$user.desk = 'front' and (owner = $user and not $user.blocked = 'yes')"},
		{"DELETE S.Orders", "Editor", "$user.desk = 'front' and owner = $user"},
		{"approve S.Orders", "Editor", "$user.desk = 'front' and $user.level = 'high' and owner = $user"},
		{"approve S.Orders", "Boss", "$user.desk = 'front' and $user.level = 'high' and owner = $user"},
		{"S.tidy", "Clerk", "$user.desk = 'front' and $user.level = 'high'"},
	} {
		o := p.Inspect([]string{c.role}, access(t, m, c.access))
		if got := cqn.Format(o.Where); got != c.want || o.Verdict != AllowIf {
			t.Errorf("%s for %s: %v %s, want %s", c.access, c.role, o.Verdict, got, c.want)
		}
	}
	cost := m.Entity("S.Prices").Element("cost")
	for _, c := range []struct {
		role    string
		verdict Verdict
		where   string
	}{{auth.RoleAuthenticated, AllowIf, "$user.level = 'high'"}, {"Buyer", Allow, ""}} {
		if o := p.InspectElement([]string{c.role}, cost, sqlgen.Root); o.Verdict != c.verdict || cqn.Format(o.Where) != c.where {
			t.Errorf("cost for %s: %v %s", c.role, o.Verdict, cqn.Format(o.Where))
		}
	}
	if span, ok := p.RuleSpan("S.Orders#4"); !ok || !span.Valid() {
		t.Error("the rule that denies has no place")
	}
}

// A2: what is exposed for reading only is not changed over its parts either.
func TestPartsOfReadOnlyExposure(t *testing.T) {
	m := compiled(t, inspected)
	p, _ := Compile(m, Options{})
	u := auth.New(auth.User{ID: "u", Attrs: map[string][]string{"desk": {"front"}}}, "Editor")
	for text, want := range map[string]Verdict{"READ S.Codes/names": Allow, "CREATE S.Codes/names": Deny405, "UPDATE S.Codes/names": Deny405, "DELETE S.Codes/names": Deny405} {
		if d := p.Decide(u, access(t, m, text)); d.Verdict != want {
			t.Errorf("%s: %v %v, want %v", text, verdicts[d.Verdict], d.Rules, verdicts[want])
		}
	}
}
