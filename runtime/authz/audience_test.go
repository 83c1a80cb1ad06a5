package authz

import (
	"fmt"
	"slices"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// TestAudience: a policy is for whoever has one of its roles or is one of its users, or for everybody without both; with a tenant, for its users only.
func TestAudience(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	a := access(t, m, "READ S.Open")
	users := []*auth.User{auth.Anonymous}
	for _, id := range []string{"ann", "bob", "eve"} {
		for _, tenant := range []string{"", "t1", "t2"} {
			for _, role := range []string{"clerk", "guest"} {
				users = append(users, auth.New(auth.User{ID: id, Tenant: tenant}, role))
			}
		}
	}
	for _, tenant := range []string{"", "t1", "t2"} {
		for _, names := range [][]string{nil, {"ann"}, {"bob", "ann"}} {
			for _, roles := range [][]string{nil, {"clerk"}, {"temp"}, {"temp", "guest"}, {auth.RoleAny}} {
				deny := DataPolicy{ID: "p", Entity: "S.Open", Effect: Refuse, Roles: roles, Users: names, Tenant: tenant}
				other := DataPolicy{ID: "q", Entity: "S.Open", Effect: Refuse, Users: []string{"eve"}, Tenant: "t2"} // must not take its place
				for _, list := range [][]DataPolicy{{deny}, {deny, other}, {other, deny}} {
					p, faults := base.With(list, false)
					if len(faults) > 0 {
						t.Fatal(faults)
					}
					for _, u := range users {
						fits := tenant == "" || u.Tenant == tenant
						if len(names)+len(roles) > 0 {
							fits = fits && (slices.Contains(names, u.ID) || slices.ContainsFunc(roles, u.Is))
						}
						if fits = fits || len(list) > 1 && u.ID == "eve" && u.Tenant == "t2"; p.Decide(u, a).Verdict == Allow == fits {
							t.Errorf("roles %v, users %v, tenant %q: %v: %v", roles, names, tenant, u, !fits)
						}
					}
				}
			}
		}
	}
}

// TestAudience_anonymous: who is not logged in is no user of a tenant, whatever a strategy filled in.
func TestAudience_anonymous(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	p, _ := base.With([]DataPolicy{to(dataPolicy(t, "g", "S.Closed", Extend, "", "READ"), auth.RoleAny)}, true)
	if p.Decide(auth.Anonymous, access(t, m, "READ S.Closed")).Verdict != Allow {
		t.Error("a policy for everybody is not for the anonymous user")
	}
	d := to(dataPolicy(t, "g", "S.Closed", Extend, "", "READ"), auth.RoleAny)
	d.Tenant = "t1"
	p, _ = base.With([]DataPolicy{d}, true)
	for _, c := range []struct {
		user *auth.User
		want bool
	}{
		{auth.New(auth.User{ID: "ann", Tenant: "t1"}), true}, {auth.New(auth.User{ID: "ann", Tenant: "t2"}), false}, {auth.Anonymous, false}, {&auth.User{Tenant: "t1"}, false},
	} {
		if d := p.Decide(c.user, access(t, m, "READ S.Closed")); d.Allowed() != c.want {
			t.Errorf("%+v: %v", c.user, d.Allowed())
		}
	}
}

// TestWith_again: what a policy was made of stays as it is: neither whom policies are for nor their rules show in it.
func TestWith_again(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	a, ann := access(t, m, "READ S.Open"), named("ann")
	one, _ := base.With([]DataPolicy{{ID: "p", Entity: "S.Open", Effect: Refuse, Users: []string{"ann"}}}, false)
	two, _ := one.With([]DataPolicy{{ID: "r", Entity: "S.Orders", Effect: Refuse, Users: []string{"bob"}}}, false)
	none, faults := base.With(nil, false)
	for i, want := range []bool{true, false, true} {
		p := []*Policy{base, one, none}[i]
		if d := p.Decide(ann, a); d.Allowed() != want {
			t.Errorf("%d: %v", i, d.Allowed())
		}
	}
	if len(faults) > 0 || none.state.data != nil {
		t.Error("no policies leave something")
	}
	if d := two.Decide(named("bob", "clerk"), access(t, m, "READ S.Orders")); d.Allowed() {
		t.Error("the second policy does not hold")
	}
	if len(base.Roles(nil)) != len(one.Roles(nil)) || fmt.Sprint(base.state.roles.ids) == fmt.Sprint(one.state.roles.ids) {
		t.Error("roles of policies are roles of the model")
	}
}

// TestWith_drafts: a policy holds for the drafts of its entity as far as it says something of them, and not for their administration.
func TestWith_drafts(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, "service S { @odata.draft.enabled entity A { key ID : Integer; x : Integer; } entity B { key ID : Integer; } }"), "")
	if m == nil {
		t.Fatal(diags)
	}
	base, _ := Compile(m, Options{Strict: true})
	active, drafts := m.Entity("S.A"), m.Entity("S.A.drafts")
	decide := func(p *Policy, ev Event, e *csn.Entity) bool {
		d := p.Decide(named("u"), Access{Service: e.Service, Event: ev, Path: []*csn.Entity{e}})
		return d.Allowed()
	}
	for _, entity := range []string{"S.A", "S", "*", "T.Gone"} {
		p, _ := base.With([]DataPolicy{{ID: "p", Entity: entity, Effect: Refuse, Events: []string{"CREATE", "UPDATE"}}}, false)
		if decide(p, Create, active) || decide(p, Update, active) || decide(p, New, drafts) || decide(p, Patch, drafts) || !decide(p, Read, drafts) || !decide(p, Read, active) || !decide(p, Delete, active) {
			t.Errorf("%s: create %v, update %v, new draft %v, patch %v, read drafts %v, read %v, delete %v", entity, decide(p, Create, active), decide(p, Update, active), decide(p, New, drafts), decide(p, Patch, drafts),
				decide(p, Read, drafts), decide(p, Read, active), decide(p, Delete, active))
		}
		if got := decide(p, Create, m.Entity("S.B")); got != (entity == "S.A") {
			t.Errorf("%s: B may be created: %v", entity, got)
		}
	}
	for _, name := range []string{"S.A.drafts", "S.A.activeOrDraft", "DRAFT.DraftAdministrativeData"} {
		if _, faults := base.With([]DataPolicy{{ID: "p", Entity: name, Effect: Refuse}}, false); len(faults) != 1 || faults[0].Closed == name {
			t.Errorf("%s can be named: %v", name, faults)
		}
	}
}

// TestWith_corners: what policies in the database mean where they are about several things, constants, operations and the user alone.
func TestWith_corners(t *testing.T) {
	m, base, diags := policyOf(t, `
service S {
  @restrict: [{ grant: ['READ', 'UPDATE'], to: 'clerk' }] entity E { key ID : Integer; n : Integer; } actions { action mark(); };
  action go(); action stop();
}
service Closed { @restrict: [{ grants: 'READ' }] entity E { key ID : Integer; } }`)
	if diags.HasErrors() {
		t.Fatal(codesOf(diags))
	}
	clerk := with("level", "5", "clerk")
	extend := func(where string, events ...string) DataPolicy {
		return to(dataPolicy(t, "g", "S.E", Extend, where, events...), "guest")
	}
	for _, c := range []struct {
		policies []DataPolicy
		do       string
		user     *auth.User
		want     string
	}{
		{[]DataPolicy{dataPolicy(t, "p", "S", Refuse, "", "*")}, "S.go", clerk, "403"}, {[]DataPolicy{dataPolicy(t, "p", "S", Refuse, "", "*")}, "READ S.E", clerk, "403"}, {[]DataPolicy{dataPolicy(t, "p", "S", Refuse, "", "go")}, "S.stop", clerk, "allow"},
		{[]DataPolicy{to(dataPolicy(t, "p", "S", Refuse, "", "go"), "clerk"), to(dataPolicy(t, "q", "S", Refuse, "", "go"), "guest")}, "S.go", clerk, "403"}, {[]DataPolicy{to(dataPolicy(t, "p", "S", Refuse, "", "go"), "clerk"), to(dataPolicy(t, "q", "S", Refuse, "", "go"), "guest")}, "S.go", named("g", "guest"), "403"},
		{[]DataPolicy{dataPolicy(t, "p", "S", Refuse, "", "READ")}, "S.go", clerk, "allow"}, {[]DataPolicy{dataPolicy(t, "p", "S", Refuse, "", "frob")}, "S.go", clerk, "403"}, {[]DataPolicy{dataPolicy(t, "p", "S", Refuse, "", "mark")}, "S.go", clerk, "allow"},
		// a condition on rows needs rows
		{[]DataPolicy{dataPolicy(t, "p", "S", Restrict, "n > 1")}, "READ S.E", clerk, "403"}, {[]DataPolicy{dataPolicy(t, "p", "S", Restrict, "n > 1")}, "S.go", clerk, "403"}, {[]DataPolicy{dataPolicy(t, "p", "S", Restrict, "n > 1", "READ")}, "READ S.E", clerk, "if n > 1"}, {[]DataPolicy{dataPolicy(t, "p", "S", Restrict, "n > 1", "READ")}, "S.go", clerk, "allow"},
		{[]DataPolicy{dataPolicy(t, "p", "S", Restrict, "n > 1", "READ", "go")}, "READ S.E", clerk, "403"},
		// constants, and conditions on the user alone
		{[]DataPolicy{extend("1 = 1", "UPDATE")}, "UPDATE S.E", named("g", "guest"), "allow"}, {[]DataPolicy{extend("1 = 2", "UPDATE")}, "UPDATE S.E", named("g", "guest"), "403"}, {[]DataPolicy{extend("1 = 2", "READ")}, "READ S.E", named("g", "guest"), "if false"},
		{[]DataPolicy{extend("$user.level > 3", "UPDATE")}, "UPDATE S.E", with("level", "5", "guest"), "if $user.level > 3"}, {[]DataPolicy{extend("$user.level > 3", "UPDATE")}, "UPDATE S.E", with("level", "2", "guest"), "403"}, {[]DataPolicy{extend("$user.level > 3", "mark")}, "mark S.E", with("level", "2", "guest"), "403"},
		{[]DataPolicy{dataPolicy(t, "p", "S.E", Restrict, "$user.level > 3", "UPDATE")}, "UPDATE S.E", with("level", "2", "clerk"), "403"}, {[]DataPolicy{dataPolicy(t, "p", "S.E", Restrict, "1 = 1", "READ")}, "READ S.E", clerk, "allow"},
		{[]DataPolicy{to(dataPolicy(t, "g", "Closed.E", Extend, "", "READ"), "clerk")}, "READ Closed.E", clerk, "403"},
	} {
		p, _ := base.With(c.policies, true)
		a := access(t, m, c.do)
		d := p.Decide(c.user, a)
		got := verdicts[d.Verdict]
		if d.Verdict == AllowIf {
			got += " " + condition(d.Guard, a.Path[0], map[Event]sqlgen.Use{Read: sqlgen.Root, Update: sqlgen.Update}[a.Event])
		}
		if got != c.want {
			t.Errorf("%s by %v with %s %v %s: %s, want %s", c.do, c.user.Roles(), c.policies[0].Entity, c.policies[0].Events, c.policies[0].Text, got, c.want)
		}
	}
	if _, faults := base.With([]DataPolicy{to(dataPolicy(t, "g", "Closed.E", Extend, "", "READ"), "clerk")}, true); len(faults) != 1 {
		t.Errorf("what is closed is extended: %v", faults)
	}
}

// TestWith_keys: equal policies give equal keys in whatever order they come, others do not; what depends on the user alone is part of the key of rights.
func TestWith_keys(t *testing.T) {
	m, base, _ := policyOf(t, dataModel)
	a := access(t, m, "READ S.Open")
	key := func(list ...DataPolicy) string {
		p, _ := base.With(list, false)
		d := p.Decide(named("u", "clerk"), a)
		return d.Guard.Key()
	}
	de, at := dataPolicy(t, "a", "S.Open", Restrict, "country = 'DE'"), dataPolicy(t, "b", "S.Open", Restrict, "ID > 1")
	list := []DataPolicy{at, de}
	if key(list...) != key(de, at) || list[0].ID != "b" {
		t.Error("the order counts")
	}
	other := at
	other.Text = de.Text
	other.ID = de.ID
	if key(de) == key(other) {
		t.Error("conditions with one text share plans")
	}
	p, _ := base.With([]DataPolicy{dataPolicy(t, "a", "S.Open", Restrict, "$user.country = 'DE'")}, false)
	german, french := with("country", "DE", "clerk"), with("country", "FR", "clerk")
	if p.RightsKey(german, "") == p.RightsKey(french, "") || base.RightsKey(german, "") != base.RightsKey(french, "") {
		t.Error("rights that differ share a key")
	}
	p, _ = p.With([]DataPolicy{at}, false)
	if p.RightsKey(named("u", "clerk"), "") == "" {
		t.Error("no key")
	}
}

// TestDeliver_absent: a condition on a payload may ask whether something is there.
func TestDeliver_absent(t *testing.T) {
	m, p, _ := policyOf(t, "service S { @restrict: [{ grant: '*', where: (country is null) }] event E { ID : Integer; country : String; } }")
	e := eventOfModel(t, m, "S.E")
	there, absent := cqn.NewRow(), cqn.NewRow()
	there.Set("country", cqn.String("DE"))
	absent.Set("ID", cqn.Int(1))
	if _, ok := p.Deliver(named("u"), e, there, ""); ok {
		t.Error("delivered though it is there")
	}
	if _, ok := p.Deliver(named("u"), e, absent, ""); !ok {
		t.Error("not delivered though it is not there")
	}
}

// TestOpenElements_others: entities that have said what holds, or that the service shows for their parents only, are not reported; nor is what an entity says of
// its own elements twice.
func TestOpenElements_others(t *testing.T) {
	for text, want := range map[string]int{
		"entity A as projection on d.X { ID, @requires: 'hr' pay };":                                                                                                      0,
		"entity A as projection on d.X { ID, @requires: 'hr' pay, pay as two };":                                                                                          0,
		"@cds.redirection.target entity A as projection on d.X { ID, @requires: 'hr' pay }; entity B as projection on d.X { ID, pay };":                                   1,
		"@cds.redirection.target @requires: 'any' entity A as projection on d.X { ID, @requires: 'hr' pay }; @requires: 'any' entity B as projection on d.X { ID, pay };": 0,
		"@cds.redirection.target entity A as projection on d.X { ID, @requires: 'hr' pay }; @odata.draft.enabled entity B as projection on d.X { ID, pay };":              1,
		"@odata.draft.enabled @cds.redirection.target entity A as projection on d.X { ID, @requires: 'hr' pay }; entity B as projection on d.X { ID, pay };":              1,
		"@cds.redirection.target entity A as projection on d.X { ID, @requires: 'hr' free + 1 as more : Integer }; entity B as projection on d.X { ID, free };":           0,
		"@cds.redirection.target entity A as projection on d.X { ID, free, @requires: 'hr' pay }; entity B as projection on d.X { ID, free };":                            0,
	} {
		m, faults := csn.WithDrafts(compiled(t, "entity d.X { key ID : Integer; pay : Integer; free : Integer; } service S { "+text+" }"), "")
		if m == nil {
			t.Fatal(faults)
		}
		_, diags := Compile(m, Options{Strict: true})
		told := 0
		for _, d := range diags {
			if d.Code == codeSibling {
				told++
			}
		}
		if told != want {
			t.Errorf("%s: told %d times: %s", text, told, codesOf(diags))
		}
	}
}
