package authz

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/runtime/auth"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

const dataModel = `
@roles: { admin: ['clerk'] }
@requires: ['clerk', 'guest', 'any']
service S {
  @restrict: [{ grant: ['READ', 'UPDATE', 'approve'], to: 'clerk' }, { grant: 'READ', to: 'guest', where: 'total < 50' }, { deny: 'DELETE' }]
  entity Orders { key ID : Integer; owner : String; total : Integer; country : String; items : Composition of many Items on items.order = $self; } actions { action approve(); };
  entity Items { key ID : Integer; order : Association to Orders; qty : Integer; }
  entity Open { key ID : Integer; country : String; }
  @readonly entity Fixed { key ID : Integer; }
  @restrict: [{ grant: 'READ', to: 'clerk' }] entity Closed { key ID : Integer; total : Integer; }
  action go();
}
@requires: 'boss' service T { @restrict: [{ grant: 'READ', to: 'boss' }] entity Secrets { key ID : Integer; } }
`

func dataPolicy(t testing.TB, id, entity string, effect Effect, where string, events ...string) DataPolicy {
	t.Helper()
	d := DataPolicy{ID: id, Entity: entity, Effect: effect, Text: where, Events: events}
	if where != "" {
		x, diags := parser.ParseExpr(where)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		d.Where = x
	}
	return d
}

func to(d DataPolicy, roles ...string) DataPolicy { d.Roles = roles; return d }

func TestDataPolicies(t *testing.T) {
	m, base, diags := policyOf(t, dataModel)
	if len(diags) > 0 {
		t.Fatal(codesOf(diags))
	}
	tenant := func(d DataPolicy, name string) DataPolicy { d.Tenant = name; return d }
	users := func(d DataPolicy, names ...string) DataPolicy { d.Users = names; return d }
	clerk, admin, ann := named("c", "clerk"), named("a", "admin", "clerk"), named("ann", "clerk")
	t1 := auth.New(auth.User{ID: "x", Tenant: "t1"}, "clerk")
	restrict := dataPolicy(t, "de", "S.Orders", Restrict, "country = 'DE'", "READ")
	for _, c := range []struct {
		policies []DataPolicy
		access   string
		user     *auth.User
		want     string
	}{
		{[]DataPolicy{restrict}, "READ S.Orders", clerk, "if country = 'DE'"},
		{[]DataPolicy{restrict}, "UPDATE S.Orders", clerk, "allow"},
		{[]DataPolicy{restrict}, "READ S.Items", clerk, "if exists"},
		{[]DataPolicy{to(restrict, "clerk")}, "READ S.Orders", admin, "if country = 'DE'"},
		{[]DataPolicy{to(restrict, "guest")}, "READ S.Orders", clerk, "allow"},
		{[]DataPolicy{to(restrict, "guest")}, "READ S.Orders", named("g", "guest"), "if total < 50 and country = 'DE'"},
		{[]DataPolicy{users(restrict, "ann")}, "READ S.Orders", clerk, "allow"},
		{[]DataPolicy{users(restrict, "ann")}, "READ S.Orders", ann, "if country = 'DE'"},
		{[]DataPolicy{users(to(restrict, "guest"), "ann")}, "READ S.Orders", named("g", "guest"), "if total < 50 and country = 'DE'"},
		{[]DataPolicy{tenant(restrict, "t1")}, "READ S.Orders", clerk, "allow"},
		{[]DataPolicy{tenant(restrict, "t1")}, "READ S.Orders", t1, "if country = 'DE'"},
		{[]DataPolicy{tenant(to(restrict, "guest"), "t1")}, "READ S.Orders", t1, "allow"},
		{[]DataPolicy{tenant(users(restrict, "x"), "t2")}, "READ S.Orders", t1, "allow"},
		{[]DataPolicy{dataPolicy(t, "no", "S.Orders", Refuse, "", "READ")}, "READ S.Orders", admin, "403 policy:no"},
		{[]DataPolicy{dataPolicy(t, "no", "S.Orders", Refuse, "", "READ")}, "READ S.Items", admin, "403 policy:no"},
		{[]DataPolicy{dataPolicy(t, "no", "S.Orders", Refuse, "total > 5", "READ")}, "READ S.Orders", clerk, "if not total > 5"},
		{[]DataPolicy{dataPolicy(t, "no", "S.Orders", Refuse, "", "approve")}, "approve S.Orders", clerk, "403 policy:no"},
		{[]DataPolicy{dataPolicy(t, "no", "S.Open", Refuse, "", "WRITE")}, "CREATE S.Open", auth.Anonymous, "401 policy:no"},
		{[]DataPolicy{dataPolicy(t, "no", "S.Open", Refuse, "", "WRITE")}, "READ S.Open", auth.Anonymous, "allow"},
		{[]DataPolicy{dataPolicy(t, "de", "S.Open", Restrict, "country = 'DE'")}, "READ S.Open", auth.Anonymous, "if country = 'DE'"},
		{[]DataPolicy{dataPolicy(t, "no", "S", Refuse, "")}, "S.go", clerk, "403 policy:no"},
		{[]DataPolicy{dataPolicy(t, "no", "*", Refuse, "", "go")}, "S.go", clerk, "403 policy:no"},
		{[]DataPolicy{dataPolicy(t, "no", "*", Refuse, "", "WRITE")}, "CREATE S.Open", clerk, "403 policy:no"},
		{[]DataPolicy{dataPolicy(t, "u", "S", Restrict, "$user.country = 'DE'")}, "S.go", clerk, "403 policy:u"},
		{[]DataPolicy{dataPolicy(t, "u", "S", Restrict, "$user.country = 'DE'")}, "CREATE S.Open", clerk, "403 policy:u"},
		{[]DataPolicy{dataPolicy(t, "u", "S.Open", Restrict, "1 = 1")}, "READ S.Open", clerk, "allow"},
		{[]DataPolicy{dataPolicy(t, "u", "S.Open", Restrict, "1 = 2")}, "READ S.Open", clerk, "403 policy:u"},
		{[]DataPolicy{dataPolicy(t, "u", "S.Open", Refuse, "1 = 2")}, "READ S.Open", clerk, "allow"},
		// Those that do not fit.
		{[]DataPolicy{dataPolicy(t, "f", "S.Orders", Restrict, "land = 'DE'", "READ")}, "READ S.Orders", clerk, "403 policy:f: does not fit the model, the condition land = 'DE' cannot be resolved: there is no element land in S.Orders"},
		{[]DataPolicy{dataPolicy(t, "f", "S.Orders", Restrict, "land = 'DE'", "READ")}, "UPDATE S.Orders", clerk, "allow"},
		{[]DataPolicy{to(dataPolicy(t, "f", "S.Orders", Restrict, "land = 'DE'"), "guest")}, "READ S.Orders", clerk, "allow"},
		{[]DataPolicy{dataPolicy(t, "f", "S.Gone", Restrict, "land = 'DE'", "READ")}, "READ S.Open", clerk, "403 policy:f: does not fit the model, there is no service and no entity of a service called S.Gone"},
		{[]DataPolicy{dataPolicy(t, "f", "S.Gone", Restrict, "land = 'DE'", "READ")}, "READ T.Secrets", named("b", "boss"), "allow"},
		{[]DataPolicy{dataPolicy(t, "f", "U.Gone", Restrict, "land = 'DE'", "READ")}, "READ T.Secrets", named("b", "boss"), "403 policy:f: does not fit the model, there is no service and no entity of a service called U.Gone"},
		{[]DataPolicy{dataPolicy(t, "f", "S.Open", Refuse, "", "frob")}, "CREATE S.Open", clerk, "403 policy:f: does not fit the model, \"frob\" is no event of S.Open"},
		{[]DataPolicy{dataPolicy(t, "f", "S.Open", "allow", "")}, "CREATE S.Open", clerk, "403 policy:f: does not fit the model, \"allow\" is no effect"},
		{[]DataPolicy{{ID: "f", Entity: "S.Open", Effect: Restrict, Fault: "the condition is not understood"}}, "READ S.Open", clerk, "403 policy:f: does not fit the model, the condition is not understood"},
		// Granting.
		{[]DataPolicy{to(dataPolicy(t, "g", "S.Closed", Extend, "", "READ"), "guest")}, "READ S.Closed", named("g", "guest"), "allow"},
		{[]DataPolicy{to(dataPolicy(t, "g", "S.Closed", Extend, "total < 5", "READ"), "guest")}, "READ S.Closed", named("g", "guest"), "if total < 5"},
		{[]DataPolicy{to(dataPolicy(t, "g", "S.Closed", Extend, "", "READ"), "guest")}, "UPDATE S.Closed", named("g", "guest"), "403 S.Closed: no grant of UPDATE"},
		{[]DataPolicy{to(dataPolicy(t, "g", "S.Orders", Extend, "", "DELETE"), "clerk")}, "DELETE S.Orders", clerk, "403 S.Orders#3"},
		{[]DataPolicy{to(dataPolicy(t, "g", "T.Secrets", Extend, "", "READ"), "clerk")}, "READ T.Secrets", clerk, "403 T@requires"},
		{[]DataPolicy{to(dataPolicy(t, "g", "S.Closed", Extend, "", "READ"), "guest"), dataPolicy(t, "n", "S.Closed", Refuse, "", "READ")}, "READ S.Closed", named("g", "guest"), "403 policy:n"},
	} {
		p, _ := base.With(c.policies, true)
		a := access(t, m, c.access)
		d := p.Decide(c.user, a)
		got := verdicts[d.Verdict]
		switch {
		case d.Verdict == AllowIf:
			use := sqlgen.Root
			switch a.Event {
			case Update:
				use = sqlgen.Update
			case Delete:
				use = sqlgen.Delete
			}
			got += " " + condition(d.Guard, a.Path[0], use)
			if strings.Contains(got, "exists") {
				got = "if exists"
			}
		case !d.Allowed():
			got += " " + d.Rules[len(d.Rules)-1]
		}
		if got != c.want {
			t.Errorf("%s by %s with %s: %q, not %q", c.access, c.user.ID, c.policies[0].ID+" on "+c.policies[0].Entity+" "+c.policies[0].Text, got, c.want)
		}
	}
}

// What grants has no effect unless that is allowed, and no faulty policy that grants closes anything.
func TestDataPoliciesGrant(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	guest := named("g", "guest")
	for _, c := range []struct {
		policy DataPolicy
		extend bool
		fault  string
	}{
		{to(dataPolicy(t, "g", "S.Closed", Extend, "", "READ"), "guest"), false, "policies may not grant here"},
		{to(dataPolicy(t, "g", "S.Closed", Extend, "nothing = 1", "READ"), "guest"), true, "cannot be resolved"},
		{to(dataPolicy(t, "g", "S.Open", Extend, "", "READ"), "guest"), true, "S.Open has no @restrict that could be extended"},
		{to(dataPolicy(t, "g", "S", Extend, "", "READ"), "guest"), true, "only entities can be granted"},
		{to(dataPolicy(t, "g", "*", Extend, "", "READ"), "guest"), true, "only entities can be granted"},
		{to(dataPolicy(t, "g", "S.Closed", Extend, ""), "guest"), true, "names its events"},
		{dataPolicy(t, "g", "S.Closed", Extend, "", "READ"), true, "names roles or users"},
	} {
		p, faults := base.With([]DataPolicy{c.policy}, c.extend)
		if len(faults) != 1 || !strings.Contains(faults[0].Message, c.fault) || faults[0].Closed != "" {
			t.Errorf("%v: %+v", c.policy, faults)
		}
		for _, a := range []string{"READ S.Closed", "READ S.Open", "READ S.Orders"} {
			x, y := base.Decide(guest, access(t, m, a)), p.Decide(guest, access(t, m, a))
			if x.Verdict != y.Verdict {
				t.Errorf("%s: %s, without the policy %s", a, verdicts[y.Verdict], verdicts[x.Verdict])
			}
		}
	}
}

// Policies make decisions of their own at once, keys of guards tell them apart, and the model's table stays as it is.
func TestUse(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	a, clerk := access(t, m, "READ S.Orders"), named("c", "clerk")
	digest := base.Digest()
	before := base.Decide(clerk, a)
	one, _ := base.With([]DataPolicy{dataPolicy(t, "a", "S.Orders", Restrict, "country = 'DE'")}, false)
	same, _ := base.With([]DataPolicy{dataPolicy(t, "a", "S.Orders", Restrict, "country = 'DE'")}, false)
	other, _ := base.With([]DataPolicy{dataPolicy(t, "a", "S.Orders", Restrict, "country = 'AT'")}, false)
	base.Use(one)
	x := base.Decide(clerk, a)
	if x.Verdict != AllowIf || x.Rules[len(x.Rules)-1] != "policy:a" {
		t.Errorf("%v %v", x.Verdict, x.Rules)
	}
	base.Use(same)
	y := base.Decide(clerk, a)
	base.Use(other)
	z := base.Decide(clerk, a)
	if x.Guard.Key() != y.Guard.Key() || x.Guard.Key() == z.Guard.Key() || x.Guard.Key() == before.Guard.Key() {
		t.Error("keys do not follow the policies")
	}
	if tr := base.Trace(clerk, a, nil); !slices.ContainsFunc(tr.Steps, func(s Step) bool {
		return slices.ContainsFunc(s.Grants, func(g GrantTrace) bool { return g.Rule == "policy:a" && g.Deny && g.Text == "not (country = 'AT')" })
	}) {
		t.Errorf("%+v", tr.Steps)
	}
	if o := base.Inspect([]string{"clerk"}, a); cqn.Format(o.Where) != "country = 'AT'" {
		t.Errorf("%s", cqn.Format(o.Where))
	}
	base.Use(base.Shut("the policies cannot be read"))
	if d := base.Decide(named("x", "admin", "boss", "clerk"), a); d.Verdict != Deny403 || d.Rules[0] != "the policies cannot be read" {
		t.Errorf("%+v", d)
	}
	if d := base.Decide(auth.Privileged, a); !d.Allowed() {
		t.Error("privileged code is shut out")
	}
	base.Use(nil)
	if d := base.Decide(clerk, a); d.Guard.Key() != before.Guard.Key() || base.Digest() != digest {
		t.Error("the model's policy has changed")
	}
}

// Names that look like what policies use inside are nobody's.
func TestAudienceRoles(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	d := dataPolicy(t, "p", "S.Orders", Refuse, "")
	d.Users = []string{"ann"}
	p, faults := base.With([]DataPolicy{d}, false)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	a := access(t, m, "READ S.Orders")
	if d := p.Decide(named("bob", "clerk", "\x00policy:p"), a); !d.Allowed() {
		t.Error("a role by name counts as a policy's")
	}
	if d := p.Decide(named("ann", "clerk"), a); d.Allowed() {
		t.Error("the user is not found")
	}
	for _, bad := range []DataPolicy{{Users: []string{""}}, {Users: []string{"anonymous"}}, {Roles: []string{""}}, {Roles: []string{"\x00policy:p"}}} {
		bad.ID, bad.Entity, bad.Effect = "b", "S.Orders", Refuse
		p, faults := base.With([]DataPolicy{bad}, false)
		if d := p.Decide(named("ann", "clerk"), a); len(faults) != 1 || d.Allowed() {
			t.Errorf("%+v: %+v", bad, faults)
		}
	}
}

// Whatever policies that restrict and deny say, nobody sees or may do more than without them: random policies, users, rows.
func TestPoliciesOnlyNarrow(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	rnd := rand.New(rand.NewPCG(7, 11))
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	entities := []string{"S.Orders", "S.Open", "S.Closed", "S.Fixed", "S.Items", "S", "T", "*", "S.Gone"}
	var conditions []cqn.Expr
	for _, text := range []string{"total > 20", "country = 'DE'", "country = $user.country", "not country = 'AT'", "total is null", "$user.level > 3", "1 = 1", "1 = 2", "gone = 3", "country != 'DE' or total < 10"} {
		x, _ := parser.ParseExpr(text)
		conditions = append(conditions, x)
	}
	roles := []string{"clerk", "guest", "admin", "boss", "temp"}
	var rows []*cqn.Row
	for i := range 12 {
		row := cqn.NewRow()
		row.Set("ID", cqn.Int(int64(i)))
		row.Set("country", []cqn.Value{cqn.Null, cqn.String("DE"), cqn.String("AT")}[i%3])
		row.Set("total", []cqn.Value{cqn.Null, cqn.Int(5), cqn.Int(30), cqn.Int(70)}[i%4])
		rows = append(rows, row)
	}
	narrowedAny := 0
	for n := range 300 {
		var list []DataPolicy
		for i := range 1 + rnd.IntN(4) {
			d := DataPolicy{ID: fmt.Sprint(i), Entity: pick(entities...), Effect: Effect(pick("restrict", "deny", "restrict", "deny", "nonsense")), Text: "x"}
			if k := rnd.IntN(len(conditions) + 2); k < len(conditions) {
				d.Where = conditions[k]
			}
			for range rnd.IntN(3) {
				d.Events = append(d.Events, pick("READ", "CREATE", "UPDATE", "DELETE", "WRITE", "*", "approve", "go", "UPSERT"))
			}
			for range rnd.IntN(2) {
				d.Roles = append(d.Roles, pick(roles...))
			}
			d.Users, d.Tenant = [][]string{nil, nil, {"u1"}, {""}}[rnd.IntN(4)], pick("", "", "t1")
			list = append(list, d)
		}
		p, _ := base.With(list, n%2 == 0)
		var has []string
		for _, r := range roles {
			if rnd.IntN(2) == 0 {
				has = append(has, r)
			}
		}
		u := auth.New(auth.User{ID: pick("u1", "u2"), Tenant: pick("", "t1", "t2"), Attrs: map[string][]string{"country": {"DE"}, "level": {pick("2", "5")}}}, has...)
		if rnd.IntN(6) == 0 {
			u = auth.Anonymous
		}
		env := &eval.Env{User: u}
		for _, text := range []string{"READ S.Orders", "UPDATE S.Orders", "CREATE S.Orders", "DELETE S.Orders", "approve S.Orders", "READ S.Open", "CREATE S.Open", "UPDATE S.Open", "READ S.Closed", "CREATE S.Fixed", "READ S.Items", "S.go", "READ T.Secrets", "S"} {
			a := access(t, m, text)
			without, with := base.Decide(u, a), p.Decide(u, a)
			if with.Allowed() && !without.Allowed() {
				t.Fatalf("%s by %v with %+v: allowed, and not without", text, u.Roles(), list)
			}
			if with.Verdict != without.Verdict {
				narrowedAny++
			}
			if !with.Allowed() || len(a.Path) == 0 || text == "READ S.Items" {
				continue
			}
			for _, use := range []sqlgen.Use{sqlgen.Root, sqlgen.Path, sqlgen.Update, sqlgen.Delete, sqlgen.Exists} {
				for _, row := range rows {
					if rowShown(t, with.Guard, a, use, row, env) && !rowShown(t, without.Guard, a, use, row, env) {
						t.Fatalf("%s by %v with %+v: a row more", text, u.Roles(), list)
					}
				}
			}
			for _, row := range rows {
				if fulfils(t, with.Check, a, row, env) && !fulfils(t, without.Check, a, row, env) {
					t.Fatalf("%s by %v with %+v: new values more", text, u.Roles(), list)
				}
			}
		}
	}
	if narrowedAny < 300 {
		t.Errorf("only %d decisions differ", narrowedAny)
	}
}

func rowShown(t *testing.T, g *Guard, a Access, use sqlgen.Use, row *cqn.Row, env *eval.Env) bool {
	t.Helper()
	e := a.Path[len(a.Path)-1]
	c, err := g.Condition(e, use)
	if err != nil {
		return false
	}
	x, ok := c.Expr()
	return ok && (x == nil || fulfils(t, x, a, row, env))
}

func fulfils(t *testing.T, x cqn.Expr, a Access, row *cqn.Row, env *eval.Env) bool {
	t.Helper()
	if x == nil {
		return true
	}
	truth, err := eval.Test(x, row, a.Path[len(a.Path)-1], env)
	return err == nil && truth == eval.True
}

// Policies of the same id of different tenants are different ones, and where tenants have policies of their own nobody else is decided by them.
func TestTenantsPolicies(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	a := access(t, m, "READ S.Orders")
	of := func(tenant, user string) DataPolicy {
		d := dataPolicy(t, "p", "S.Orders", Refuse, "")
		d.Tenant, d.Users = tenant, []string{user}
		return d
	}
	user := func(id, tenant string) *auth.User { return auth.New(auth.User{ID: id, Tenant: tenant}, "clerk") }
	both, _ := base.With([]DataPolicy{of("t1", "ann"), of("t2", "bob")}, false)
	one, _ := base.With([]DataPolicy{of("t1", "ann")}, false)
	all, _ := base.With([]DataPolicy{dataPolicy(t, "p", "S.Orders", Restrict, "country = 'DE'")}, false)
	for _, c := range []struct {
		user             *auth.User
		inBoth, inTenant Verdict
	}{
		{user("ann", "t1"), Deny403, Deny403},
		{user("bob", "t1"), Allow, Allow},
		{user("bob", "t2"), Deny403, AllowIf},
		{user("ann", "t2"), Allow, AllowIf},
		{user("ann", ""), Allow, AllowIf},
		{auth.Privileged, Allow, Allow},
	} {
		if d := both.Decide(c.user, a); d.Verdict != c.inBoth {
			t.Errorf("%s of %q with the policies of two tenants: %v", c.user.ID, c.user.Tenant, d.Verdict)
		}
		base.UseFor(all, map[string]*Policy{"t1": one})
		if d := base.Decide(c.user, a); d.Verdict != c.inTenant {
			t.Errorf("%s of %q with the policies of one tenant: %v", c.user.ID, c.user.Tenant, d.Verdict)
		}
		base.UseFor(nil, map[string]*Policy{"t1": one})
		if d := base.Decide(c.user, a); (d.Verdict == Deny403) != (c.inTenant == Deny403) || d.Verdict == AllowIf {
			t.Errorf("%s of %q without policies for all: %v", c.user.ID, c.user.Tenant, d.Verdict)
		}
		base.Use(base.Shut("shut"))
		if d := base.Decide(c.user, a); d.Allowed() != (c.user == auth.Privileged) {
			t.Errorf("%s of %q is not shut out", c.user.ID, c.user.Tenant)
		}
		base.Use(nil)
	}
}

// What is added to a policy that has been added to counts beside that, and leaves it as it is.
func TestWithTwice(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	read, call := access(t, m, "READ S.Orders"), access(t, m, "S.go")
	of := func(id, entity, user string) DataPolicy {
		d := dataPolicy(t, id, entity, Refuse, "")
		d.Users = []string{user}
		return d
	}
	first, _ := base.With([]DataPolicy{dataPolicy(t, "de", "S.Orders", Restrict, "country = 'DE'"), of("ann", "S.Orders", "ann")}, false)
	second, _ := first.With([]DataPolicy{of("bob", "S.Orders", "bob"), of("twice", "S.Orders", "ann"), of("go", "S", "eve")}, false)
	other, _ := first.With([]DataPolicy{of("eve", "S.Orders", "eve")}, false)
	for _, c := range []struct {
		user                 string
		first, second, other Verdict
		call                 Verdict
	}{{"ann", Deny403, Deny403, Deny403, Allow}, {"bob", AllowIf, Deny403, AllowIf, Allow}, {"eve", AllowIf, Deny403, Deny403, Deny403}, {"tom", AllowIf, AllowIf, AllowIf, Allow}} {
		u := named(c.user, "clerk")
		if a, b, o := first.Decide(u, read), second.Decide(u, read), other.Decide(u, read); a.Verdict != c.first || b.Verdict != c.second || o.Verdict != c.other {
			t.Errorf("%s: %v, %v and %v", c.user, a.Verdict, b.Verdict, o.Verdict)
		}
		if a, b, was := first.Decide(u, call), second.Decide(u, call), base.Decide(u, call); a.Verdict != Allow || b.Verdict != c.call || was.Verdict != Allow {
			t.Errorf("%s calls: %v, %v and %v", c.user, a.Verdict, b.Verdict, was.Verdict)
		}
	}
	tom := named("tom", "clerk")
	a, b, o := first.Decide(tom, read), second.Decide(tom, read), other.Decide(tom, read)
	if a.Guard.Key() == b.Guard.Key() || b.Guard.Key() == o.Guard.Key() {
		t.Error("different policies have the same key")
	}
	for _, p := range []*Policy{first, second, other} {
		if got := condition(p.Decide(tom, read).Guard, read.Path[0], sqlgen.Root); got != "country = 'DE'" && got != "if country = 'DE'" {
			t.Errorf("the first policy is lost: %s", got)
		}
	}
	if shut, _ := base.Shut("closed").With([]DataPolicy{of("bob", "S.Orders", "bob")}, false); shut.Decide(tom, read).Verdict != Deny403 {
		t.Error("it opens")
	}
}
