package authz

import (
	"fmt"
	"slices"
	"testing"

	"cds/parser/csn"
	"cds/runtime/auth"
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
	for _, name := range []string{"S.A.drafts", "DRAFT.DraftAdministrativeData"} {
		if _, faults := base.With([]DataPolicy{{ID: "p", Entity: name, Effect: Refuse}}, false); len(faults) != 1 || faults[0].Closed == name {
			t.Errorf("%s can be named: %v", name, faults)
		}
	}
}
