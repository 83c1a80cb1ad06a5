package authz_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

const rightsModel = `
entity db.Orders { key ID : Integer; owner : String; total : Integer; iban : String; note : String; secret : String; items : Composition of many db.Items on items.order = $self; kind : Association to db.Kinds; }
entity db.Items { key ID : Integer; order : Association to db.Orders; lots : Composition of many db.Lots on lots.item = $self; }
entity db.Lots { key ID : Integer; item : Association to db.Items; }
@cds.autoexpose entity db.Kinds { key code : String; }
entity db.Logs { key ID : Integer; text : String; }
@requires: 'any' service S {
  @restrict: [
    { grant: 'READ', to: 'authenticated-user' },
    { grant: ['CREATE', 'UPDATE'], to: 'clerk', where: 'owner = $user' },
    { grant: 'approve', to: 'clerk', where: '$user.country = ''DE''' },
    { grant: '*', to: 'boss' },
    { deny: 'DELETE', where: '$user.country = ''FR''' }
  ]
  entity Orders as projection on db.Orders actions { action approve(); action many(in : many $self); };
  @readonly @restrict: [{ grant: '*', to: 'boss' }, { grant: 'READ', where: '$user.country is not null' }] entity Logs as projection on db.Logs;
  @requires: 'boss' action close();
  function open() returns String;
}
annotate S.Orders with { iban @mask: { unless: 'boss' }; note @restrict: [{ grant: 'READ' }, { grant: 'UPDATE', to: 'boss' }]; secret @requires: 'boss'; };
`

// rightsText writes rights in short: read, create, update, delete by their first letters, - for none and in capitals for all.
func rightsText(r *authz.Rights) string {
	letter := func(l string, x authz.Extent) string {
		switch x {
		case authz.All:
			return strings.ToUpper(l)
		case authz.Some:
			return l
		}
		return "-"
	}
	var b strings.Builder
	for i := range r.Entities {
		e := &r.Entities[i]
		fmt.Fprintf(&b, "%s %s%s%s%s", e.Entity.LocalName(), letter("r", e.Read), letter("c", e.Create), letter("u", e.Update), letter("d", e.Delete))
		for _, o := range e.Ops {
			fmt.Fprintf(&b, " %s:%s", o.Op.LocalName(), o.Call)
		}
		for j, el := range e.Entity.Flat {
			x := e.Elements[j]
			if x.Read != authz.All || x.Create != authz.All || x.Update != authz.All {
				fmt.Fprintf(&b, " %s=%s%s%s", el.Name, letter("r", x.Read), letter("c", x.Create), letter("u", x.Update))
			}
			if x.Masked {
				b.WriteString("*")
			}
		}
		if len(e.Path) > 1 {
			fmt.Fprintf(&b, " by %d", len(e.Path))
		}
		b.WriteString("\n")
	}
	for _, o := range r.Ops {
		fmt.Fprintf(&b, "%s %s\n", o.Op.LocalName(), o.Call)
	}
	return b.String()
}

func rightsPolicy(t *testing.T) (*authz.Policy, *csn.Service) {
	t.Helper()
	res := parser.CompileString("s.cds", rightsModel)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	p, diags := authz.Compile(res.Model, authz.Options{Strict: true})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p, res.Model.Service("S")
}

// TestRights shows what several users may do, and what their roles alone allow.
func TestRights(t *testing.T) {
	p, s := rightsPolicy(t)
	de := func(country string, roles ...string) *auth.User {
		u := auth.User{ID: "u"}
		if country != "" {
			u.Attrs = map[string][]string{"country": {country}}
		}
		return auth.New(u, roles...)
	}
	for _, tc := range []struct {
		who  string
		user *auth.User
		want string
	}{
		{"nobody", auth.Anonymous, `
Orders ---- approve:none many:none iban=-C-* note=R-- secret=---
Logs ----
Orders.items ----
Orders.items.lots ----
close none
open all`},
		{"clerk in DE", de("DE", "clerk"), `
Orders Rcu- approve:all many:none iban=-C-* note=R-- secret=---
Logs R---
close none
open all`},
		{"clerk in US", de("US", "clerk"), `
Orders Rcu- approve:none many:none iban=-C-* note=R-- secret=---
Logs R---
close none
open all`},
		{"clerk without country", de("", "clerk"), `
Orders Rcu- approve:none many:none iban=-C-* note=R-- secret=---
Logs ----
close none
open all`},
		{"boss in FR", de("FR", "boss"), `
Orders RCU- approve:all many:all note=R-U
Logs R---
close all
open all`},
		{"boss in DE", de("DE", "boss"), `
Orders RCUD approve:all many:all note=R-U
Logs R---
close all
open all`},
	} {
		have := rightsText(p.Rights(tc.user, s, ""))
		for line := range strings.Lines(strings.TrimSpace(tc.want)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "Orders.items") {
				continue // generated names; see TestRights_parts
			}
			if !slices.Contains(strings.Split(have, "\n"), line) {
				t.Errorf("%s:\n%slacks %s", tc.who, have, line)
			}
		}
	}
	roles := rightsText(p.RoleRights(auth.New(auth.User{ID: "x"}, "clerk"), s))
	for _, line := range []string{"Orders Rcu- approve:some many:none iban=-C-* note=R-- secret=---", "Logs r---", "close none", "open all"} {
		if !slices.Contains(strings.Split(roles, "\n"), line) {
			t.Errorf("the roles:\n%slack %s", roles, line)
		}
	}
}

// TestRights_parts asks for what is exposed for its parents only: over these, on all levels.
func TestRights_parts(t *testing.T) {
	p, s := rightsPolicy(t)
	boss := auth.New(auth.User{ID: "u", Attrs: map[string][]string{"country": {"DE"}}}, "boss")
	for user, want := range map[*auth.User]string{boss: "RCUD", auth.New(auth.User{ID: "u"}): "R---", auth.Anonymous: "----"} {
		r := p.Rights(user, s, "")
		seen := 0
		for i := range r.Entities {
			e := &r.Entities[i]
			if e.Entity.Exposure != csn.AutoExposed {
				continue
			}
			seen++
			text := ""
			for j, x := range []authz.Extent{e.Read, e.Create, e.Update, e.Delete} {
				if x == authz.All {
					text += "RCUD"[j : j+1]
				} else {
					text += "-"
				}
			}
			if text != want {
				t.Errorf("%v: %s %s, want %s", user.Roles(), e.Entity.Name, text, want)
			}
			if want != "----" && (len(e.Path) < 2 || len(e.Via) != len(e.Path)-1 || e.Path[len(e.Path)-1] != e.Entity) {
				t.Errorf("%s is reached by %v", e.Entity.Name, e.Path)
			}
		}
		if seen < 2 {
			t.Errorf("%d parts: the test has lost its sense", seen)
		}
	}
}

// TestRightsKey compares keys: equal where rights are, for roles that no rule mentions and conditions that come to the same.
func TestRightsKey(t *testing.T) {
	p, _ := rightsPolicy(t)
	user := func(country, tenant string, roles ...string) *auth.User {
		u := auth.User{ID: "u" + country, Tenant: tenant}
		if country != "" {
			u.Attrs = map[string][]string{"country": {country}}
		}
		return auth.New(u, roles...)
	}
	key := func(u *auth.User) string { return p.RightsKey(u, "") }
	for _, tc := range []struct {
		a, b                *auth.User
		same, sameForRights bool
	}{
		{user("DE", "", "clerk"), user("DE", "t1", "clerk", "other"), true, true},
		{user("US", "", "clerk"), user("GB", "", "clerk"), true, true},
		{user("US", "", "clerk"), user("DE", "", "clerk"), true, false},
		{user("US", "", "clerk"), user("", "", "clerk"), true, false},
		{user("DE", "", "clerk"), user("DE", "", "boss"), false, false},
		{user("DE", ""), auth.Anonymous, false, false},
		{auth.Privileged, auth.NewDummy("d"), false, false},
		{auth.Privileged, user("DE", "", "boss"), false, false},
	} {
		if (p.RoleKey(tc.a) == p.RoleKey(tc.b)) != tc.same || (key(tc.a) == key(tc.b)) != tc.sameForRights {
			t.Errorf("%s %v and %s %v: keys of roles %q and %q, of rights %q and %q", tc.a.ID, tc.a.Roles(), tc.b.ID, tc.b.Roles(), p.RoleKey(tc.a), p.RoleKey(tc.b), key(tc.a), key(tc.b))
		}
	}
	if !p.Unrestricted(auth.Privileged) || !p.Unrestricted(auth.NewDummy("d")) || p.Unrestricted(user("", "", "boss")) {
		t.Error("who is unrestricted is confused")
	}
}

// TestRights_data asks under policies that are data: they count as soon as they are in use, for those whom they are about.
func TestRights_data(t *testing.T) {
	p, s := rightsPolicy(t)
	u, v := auth.New(auth.User{ID: "u"}, "clerk"), auth.New(auth.User{ID: "v"}, "clerk")
	read := func(u *auth.User) authz.Extent { return p.Rights(u, s, "").Entity(s.Entity("Orders")).Read }
	before := p.RightsKey(u, "")
	q, faults := p.With([]authz.DataPolicy{{ID: "1", Entity: "S.Orders", Events: []string{"READ"}, Users: []string{"u"}, Effect: authz.Refuse}}, false)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	p.Use(q)
	if p.Current(u) != q || read(u) != authz.None || read(v) != authz.All {
		t.Errorf("with a policy against u: u reads %v, v %v", read(u), read(v))
	}
	if p.RightsKey(u, "") == p.RightsKey(v, "") {
		t.Error("users with different rights have the same key")
	}
	p.Use(nil)
	if p.Current(u) != p || read(u) != authz.All || p.RightsKey(u, "") != before {
		t.Errorf("without it: u reads %v", read(u))
	}
}

// TestRights_tenantless compares those for whom roles don't count, with and without a tenant: rows of tenants are not for the latter.
func TestRights_tenantless(t *testing.T) {
	res := parser.CompileString("s.cds", `entity Orders { key ID : Integer; @tenant tenant : String; }
service S { @requires: 'any' entity Mine as projection on Orders; }`)
	p, diags := authz.Compile(res.Model, authz.Options{Strict: true})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s := res.Model.Service("S")
	a, b := auth.NewDummy("d"), auth.NewDummy("d")
	b.Tenant = "t1"
	if p.Rights(a, s, "").Entities[0].Read != authz.None || p.Rights(b, s, "").Entities[0].Read != authz.All {
		t.Error("the tenant does not count")
	}
	if p.RightsKey(a, "") == p.RightsKey(b, "") || p.RoleKey(a) == p.RoleKey(b) {
		t.Error("different rights have the same key")
	}
}

// TestRoleRights_data asks for what somebody with certain roles may do where policies that are data name him or his tenant.
func TestRoleRights_data(t *testing.T) {
	res := parser.CompileString("s.cds", `@requires: 'authenticated-user' service S {
  @restrict: [{ grant: 'READ', to: 'boss' }] entity Closed { key ID : Integer; }
  @requires: 'any' entity Free { key ID : Integer; } }`)
	p, diags := authz.Compile(res.Model, authz.Options{Strict: true})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s := res.Model.Service("S")
	q, faults := p.With([]authz.DataPolicy{
		{ID: "g", Entity: "S.Closed", Events: []string{"READ"}, Users: []string{"u"}, Effect: authz.Extend},
		{ID: "d", Entity: "S.Free", Tenant: "t1", Effect: authz.Refuse},
	}, true)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	p.Use(q)
	for _, tc := range []struct {
		id, tenant   string
		closed, free authz.Extent
	}{{"u", "", authz.All, authz.All}, {"v", "", authz.None, authz.All}, {"u", "t1", authz.All, authz.None}, {"v", "t2", authz.None, authz.All}} {
		r := p.RoleRights(auth.New(auth.User{ID: tc.id, Tenant: tc.tenant}, "clerk"), s)
		if r.Entities[0].Read != tc.closed || r.Entities[1].Read != tc.free {
			t.Errorf("%s of %q: %v and %v, want %v and %v", tc.id, tc.tenant, r.Entities[0].Read, r.Entities[1].Read, tc.closed, tc.free)
		}
	}
}
