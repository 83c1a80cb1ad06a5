package authz

import (
	"strings"
	"testing"

	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// TestDeny_drafts: what is denied of active rows is denied of drafts, as far as they have it.
func TestDeny_drafts(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, `service S {
  @odata.draft.enabled @restrict: [{ grant: '*' }, { deny: '*', to: 'banned' }, { deny: ['CREATE', 'UPDATE'], to: 'reader' }, { deny: 'CREATE', to: 'editor' },
    { deny: 'go', to: 'quiet' }, { deny: 'READ', where: (x > 3), to: 'some' }]
  entity A { key ID : Integer; x : Integer; } actions { action go(); };
}`), "")
	if m == nil {
		t.Fatal(diags)
	}
	p, faults := Compile(m, Options{Strict: true})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	drafts := m.Entity("S.A.drafts")
	for role, want := range map[string]map[Event]bool{
		"":       {Read: true, New: true, Patch: true, Discard: true, "go": true},
		"banned": {Read: false, New: false, Patch: false, Discard: false, "go": false},
		"reader": {Read: true, New: false, Patch: false, Discard: true, "go": true},
		"editor": {Read: true, New: false, Patch: true, Discard: true, "go": true},
		"quiet":  {Read: true, New: true, Patch: true, Discard: true, "go": false},
		"some":   {Read: true, New: true, Patch: true, Discard: true, "go": true},
	} {
		for ev, allowed := range want {
			a := Access{Service: drafts.Service, Event: ev, Path: []*csn.Entity{drafts}}
			if ev == "go" {
				a.Op = drafts.Action("go")
			}
			if d := p.Decide(named("u", role), a); d.Allowed() != allowed {
				t.Errorf("%s of a draft as %q: allowed %v (%v)", ev, role, d.Allowed(), d.Rules)
			}
		}
	}
}

// TestDrafts_conditions: on drafts, operations of the application keep the conditions under which they are granted, also by *.
func TestDrafts_conditions(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, `service S {
  @odata.draft.enabled @restrict: [{ grant: '*', where: (owner = $user) }] entity A { key ID : Integer; owner : String; } actions { action go(); };
}`), "")
	if m == nil {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{Strict: true})
	e := m.Entity("S.A.drafts")
	d := p.Decide(named("u"), Access{Service: e.Service, Event: "go", Op: e.Action("go"), Path: []*csn.Entity{e}})
	if got := condition(d.Guard.Subject(), e, sqlgen.Root); got != "owner = $user and DraftOwner.InProcessByUser = $user" {
		t.Errorf("go is granted where %s", got)
	}
	d = p.Decide(named("u"), Access{Service: e.Service, Event: Patch, Path: []*csn.Entity{e}})
	if got := condition(d.Guard, e, sqlgen.Update); got != "DraftOwner.InProcessByUser = $user" {
		t.Errorf("a draft may be changed where %s", got)
	}
}

// TestRoots_projections: parts follow their root also where they are shown over several projections outside of the service, and where the root does not
// show them.
func TestRoots_projections(t *testing.T) {
	for _, root := range []string{"projection on d.Safes", "projection on d.Safes excluding { drawers }"} {
		m, p, _ := policyOf(t, `
entity d.Safes { key ID : Integer; owner : String; drawers : Composition of many d.Drawers on drawers.safe = $self; }
entity d.Drawers { key ID : Integer; safe : Association to d.Safes; text : String; }
entity d.Some as projection on d.Drawers;
entity d.More as projection on d.Some;
service S {
  @restrict: [{ grant: '*', where: 'owner = $user' }] entity Safes as `+root+`;
  entity Drawers as projection on d.More;
}`)
		e := m.Entity("S.Drawers")
		d := p.Decide(named("u"), Access{Service: e.Service, Event: Read, Path: []*csn.Entity{e}})
		if got := condition(d.Guard, e, sqlgen.Root); got == "all" || !strings.Contains(got, "owner = $user") {
			t.Errorf("%s: Drawers are visible where %s", root, got)
		}
	}
}

// TestElements_computed: what is computed from several restricted elements has no rule that would be right for all of them, so it is closed.
func TestElements_computed(t *testing.T) {
	m, p, _ := policyOf(t, `service S {
  entity A { key ID : Integer; @requires: 'pay' wage : Integer; @requires: 'tax' rate : Integer; net : Integer = wage * rate; twice : Integer = wage * 2; @requires: 'any' told : Integer = wage * 3; }
}`)
	e := m.Entity("S.A")
	for name, want := range map[string]map[string]bool{
		"net": {"pay": false, "tax": false, "pay tax": false}, "twice": {"pay": true, "tax": false, "pay tax": true}, "told": {"pay": true, "tax": true, "": true},
		"wage": {"pay": true, "tax": false}, "ID": {"": true},
	} {
		for roles, readable := range want {
			d := p.Decide(named("u", strings.Fields(roles)...), Access{Service: e.Service, Event: Read, Path: []*csn.Entity{e}})
			if err := d.Guard.Element(e.Element(name), sqlgen.Root); (err == nil) != readable {
				t.Errorf("%s as %q: %v", name, roles, err)
			}
		}
	}
}

// TestCapabilities_upsert: an upsert both inserts and updates, and so is refused where either is.
func TestCapabilities_upsert(t *testing.T) {
	m, p, _ := policyOf(t, `service S {
  @Capabilities.InsertRestrictions.Insertable: false entity NoInsert { key ID : Integer; }
  @Capabilities.UpdateRestrictions.Updatable: false entity NoUpdate { key ID : Integer; }
  @Capabilities.DeleteRestrictions.Deletable: false entity NoDelete { key ID : Integer; }
}`)
	for name, want := range map[string]Verdict{"S.NoInsert": Deny405, "S.NoUpdate": Deny405, "S.NoDelete": Allow} {
		e := m.Entity(name)
		if d := p.Decide(named("u"), Access{Service: e.Service, Event: Upsert, Path: []*csn.Entity{e}}); d.Verdict != want {
			t.Errorf("%s: %s", name, verdicts[d.Verdict])
		}
	}
}

// TestSiblings_views: an entity without a restriction beside a restricted view of the same rows does not start, whatever form the view has.
func TestSiblings_views(t *testing.T) {
	for view, refused := range map[string]bool{
		"entity V as select from d.A join d.B on A.ID = B.ID { key A.ID, A.x, B.y };":         true,
		"entity V as select from d.A { key x, count(*) as n : Integer } group by x;":          true,
		"entity V as select from d.A { key ID, x } union all select from d.B { ID, y as x };": true,
		"entity V as projection on d.A;":                                                      true,
		"entity V as select from d.B { key ID, y };":                                          false,
	} {
		_, diags := Compile(compiled(t, "entity d.A { key ID : Integer; x : String; }\nentity d.B { key ID : Integer; y : String; }\nservice S { @cds.redirection.target entity A as projection on d.A; @requires: 'boss' "+view+" }"), Options{Strict: true})
		if diags.HasErrors() != refused {
			t.Errorf("%s: %v", view, diags)
		}
	}
}

// TestGuard_nothing: a guard that is asked about nothing denies.
func TestGuard_nothing(t *testing.T) {
	m, p, _ := policyOf(t, `service S { entity A { key ID : Integer; } }`)
	e := m.Entity("S.A")
	d := p.Decide(named("u"), Access{Service: e.Service, Event: Read, Path: []*csn.Entity{e}})
	var none *Guard
	for _, g := range []*Guard{d.Guard, none, {}} {
		if got := condition(g, nil, sqlgen.Root); got != "forbidden" {
			t.Errorf("no entity: %s", got)
		}
		if _, err := g.Check(nil, Create); err == nil {
			t.Error("no entity may be created")
		}
	}
	for _, g := range []*Guard{none, {}} {
		if err := g.Element(e.Element("ID"), sqlgen.Root); err == nil {
			t.Error("an element is readable without a decision")
		}
		if g.Subject() != g || g.Narrow(e, never()) != g || g.Key() != "none" {
			t.Error("no decision became one")
		}
	}
}

// TestDeny_static: what is denied by a condition on the user is denied of services and operations too, where no row could be asked.
func TestDeny_static(t *testing.T) {
	m, p, diags := policyOf(t, `
@restrict: [{ grant: '*' }, { deny: '*', where: '$user.blocked = ''yes''' }]
service S { entity A { key ID : Integer; } action go(); }
@requires: 'any' service T {
  @restrict: [{ grant: '*' }, { deny: '*', where: '$user.blocked = ''yes''' }] entity A { key ID : Integer; }
    actions { @restrict: [{ grant: '*' }, { deny: '*', where: '$user.level < 5' }] action act(); };
  @restrict: [{ grant: '*' }, { deny: '*', where: '$user.blocked = ''yes''' }] action go();
  @restrict: [{ grant: '*', where: '$user.level > 3' }, { deny: '*', to: 'any', where: '$user.blocked is not null' }] action act();
}`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	free := auth.New(auth.User{ID: "f", Attrs: map[string][]string{"level": {"7"}}})
	blocked := auth.New(auth.User{ID: "b", Attrs: map[string][]string{"level": {"7"}, "blocked": {"yes"}}})
	low := auth.New(auth.User{ID: "l", Attrs: map[string][]string{"level": {"1"}}})
	for _, c := range []struct {
		access             string
		free, blocked, low bool
	}{
		{"READ S.A", true, false, true}, {"UPDATE S.A", true, false, true}, {"S.go", true, false, true}, {"S", true, false, true},
		{"UPDATE T.A", true, false, true}, {"DELETE T.A", true, false, true}, {"T.go", true, false, true}, {"T.act", true, false, false},
		{"act T.A", true, false, false},
	} {
		for _, u := range []struct {
			user *auth.User
			want bool
		}{{free, c.free}, {blocked, c.blocked}, {low, c.low}} {
			if d := p.Decide(u.user, access(t, m, c.access)); d.Allowed() != u.want {
				t.Errorf("%s as %s: %s %v", c.access, u.user.ID, verdicts[d.Verdict], d.Rules)
			}
		}
	}
}

// TestCapabilities_paths: what nobody may do with an entity, nobody may do on the way through it either; parts are written as their root is.
func TestCapabilities_paths(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.A { key ID : Integer; b : Association to d.B; }
entity d.B { key ID : Integer; c : Association to d.C; }
entity d.C { key ID : Integer; a : Association to d.A; }
entity d.R { key ID : Integer; s : Composition of many d.S on s.r = $self; own : Composition of many { key n : Integer; deep : Composition of many { key n : Integer; } } }
entity d.S { key ID : Integer; r : Association to d.R; t : Composition of many d.T on t.s = $self; }
entity d.T { key ID : Integer; s : Association to d.S; }
service S {
  entity A as projection on d.A; 
  @Capabilities.ReadRestrictions.Readable: false entity B as projection on d.B;
  entity C as projection on d.C;
  @Capabilities.UpdateRestrictions.Updatable: false entity R as projection on d.R;
  entity T as projection on d.T;
}
service W { @readonly entity R as projection on d.R; entity T as projection on d.T; }
service X { entity R as projection on d.R; }`)
	for what, want := range map[string]Verdict{
		"READ S.A": Allow, "READ S.A/b": Deny405, "READ S.A/b/c": Deny405, "READ S.C/a/b": Deny405, "READ S.C/a/b/c": Deny405, "READ S.B": Deny405, "UPDATE S.C/a/b": AllowIf, "READ S.C/a": Allow,
		"DELETE S.C/a/b/c": Deny405,
		"READ S.R/own":     Allow, "CREATE S.R/own": Deny405, "UPDATE S.R/own": Deny405, "DELETE S.R/own/deep": Deny405, "CREATE S.R/s": Deny405, "DELETE S.R": Allow, "CREATE S.R": Allow,
		"UPDATE W.R/own": Deny405, "DELETE W.R/own/deep": Deny405, "CREATE W.R/s": Deny405, "READ W.R/s/t": Allow,
		"UPDATE X.R/own": Allow, "DELETE X.R/own/deep": Allow, "CREATE X.R/s/t": Allow,
	} {
		a := access(t, m, what)
		d := p.Decide(named("u"), a)
		if got := d.Verdict; got != want && (want != AllowIf || got != Allow) {
			t.Errorf("%s: %s %v", what, verdicts[got], d.Rules)
		}
	}
}

// TestRoots_conditions: where a part follows a root that its service shows in another form, the root's condition must mean the same on what the part
// belongs to, or nobody gets in.
func TestRoots_conditions(t *testing.T) {
	const text = `
entity d.Orders { key ID : Integer; owner : String; n : Integer; up : Association to d.Orders; items : Composition of many d.Items on items.order = $self; tags : Association to many d.Tags on tags.order = $self; }
entity d.Items { key ID : Integer; order : Association to d.Orders; }
entity d.Tags { key ID : Integer; owner : String; order : Association to d.Orders; }
service S {
  @restrict: [{ grant: '*', where: 'COND' }] entity Orders as projection on d.Orders { *, n as m } excluding { items, n };
  entity Items as projection on d.Items;
  entity Tags as projection on d.Tags;
}`
	for cond, carried := range map[string]bool{
		"owner = $user": true, "owner = $user or ID > 3": true, "exists tags[owner = $user]": false, "m > 3": false, "up.owner = $user": false, "not exists tags": false, "owner = $user and m = 1": false,
	} {
		m, p, _ := policyOf(t, strings.Replace(text, "COND", cond, 1))
		e := m.Entity("S.Items")
		d := p.Decide(named("u"), Access{Service: e.Service, Event: Read, Path: []*csn.Entity{e}})
		got := condition(d.Guard, e, sqlgen.Root)
		if d.Allowed() != carried || (got != "forbidden") != carried || carried && !strings.Contains(got, "owner = $user") {
			t.Errorf("%s: %s, visible where %s", cond, verdicts[d.Verdict], got)
		}
	}
}

// TestElements_flat: restrictions of structures, of their parts and of associations hold for the columns that they are stored in.
func TestElements_flat(t *testing.T) {
	m, p, _ := policyOf(t, `
type Place { @requires: 'hr' street : String; town : String; deep { @requires: 'hr' door : Integer; floor : Integer; } }
service S {
  entity B { key ID : Integer; key n : Integer; }
  entity A { key ID : Integer; home : Place; @requires: 'hr' work : Place; @requires: 'hr' b : Association to B; c : Association to B; @requires: 'hr' pay { gross : Integer; } }
  entity V as projection on A { ID, home, work.town as workTown, b, c, pay };
}`)
	for _, entity := range []string{"S.A", "S.V"} {
		e := m.Entity(entity)
		for name, open := range map[string]bool{
			"ID": true, "home_street": false, "home_town": true, "home_deep_door": false, "home_deep_floor": true, "work_street": false, "work_town": false, "work_deep_floor": false,
			"b_ID": false, "b_n": false, "c_ID": true, "pay_gross": false, "workTown": false, "b": false, "c": true,
		} {
			el := e.Element(name)
			if el == nil {
				continue // of the other entity
			}
			for _, hr := range []bool{true, false} {
				u := named("u")
				if hr {
					u = named("u", "hr")
				}
				for _, ev := range []Event{Read, Update, Create} {
					d := p.Decide(u, Access{Service: e.Service, Event: ev, Path: []*csn.Entity{e}})
					use := map[Event]sqlgen.Use{Read: sqlgen.Root, Update: sqlgen.Update, Create: sqlgen.Insert}[ev]
					if err := d.Guard.Element(el, use); (err == nil) != (open || hr) {
						t.Errorf("%s of %s.%s, hr %v: %v", ev, entity, name, hr, err)
					}
				}
			}
		}
	}
}

// TestElements_views: what stands behind a restricted structure or association is restricted in views too, under whatever name.
func TestElements_views(t *testing.T) {
	m, p, diags := policyOf(t, `
type Place { street : String; town : String; }
entity d.B { key ID : Integer; key n : Integer; x : Integer; }
entity d.A { key ID : Integer; m : Integer; @requires: 'hr' work : Place; @requires: 'hr' b : Association to d.B; c : Association to d.B; }
service S {
  entity V as projection on d.A { ID, m as m2, work.town as hTown, work.{street as hs}, b.n as hn, b.x as hx, b.ID as hid, b.{x as hx2}, work as hwork, b as hb, c.x as cx, c.ID as cid };
  entity W as select from d.A as q { ID, q.m as m2, q.work.town as hTown, q.b.n as hn, q.b.x as hx };
  entity U as projection on V { ID, m2 as m3, hTown as hwt, hx as hbx };
  entity J as select from d.A join d.B as bb on A.ID = bb.ID { key A.ID, A.m, bb.x, A.work.town as hTown, A.b.x as hx };
  entity X as projection on d.A { ID, m, b.{ID as hbb, x as hx}, c.{n as cn, x as cx} };
  @requires: 'any' entity Y as projection on d.A { ID, @requires: 'any' work.town as told };
}`)
	for _, d := range diags {
		t.Log(d)
	}
	for _, name := range []string{"S.V", "S.W", "S.U", "S.J", "S.X", "S.Y"} {
		e := m.Entity(name)
		for _, el := range e.Flat {
			for _, u := range []*auth.User{named("u"), named("u", "hr")} {
				d := p.Decide(u, Access{Service: e.Service, Event: Read, Path: []*csn.Entity{e}})
				err := d.Guard.Element(el, sqlgen.Root)
				hr := u.Is("hr")
				closed := err != nil
				if want := !hr && strings.HasPrefix(el.Name, "h"); closed != want {
					t.Errorf("%s.%s, hr %v: %v", name, el.Name, hr, err)
				}
			}
		}
	}
}

// TestGuard_operations: what a bound operation writes besides its own entity needs the rights to write that, and is not let through by the operation's grant.
func TestGuard_operations(t *testing.T) {
	m, p, _ := policyOf(t, `service S {
  @restrict: [{ grant: 'READ' }, { grant: 'go', where: 'ID > 1' }, { grant: 'DELETE', where: 'ID > 2' }] entity A { key ID : Integer; b : Association to B; } actions { action go(); };
  @restrict: [{ grant: 'READ' }, { grant: 'UPDATE', where: 'ID > 3' }, { grant: 'go', where: 'ID > 4' }] entity B { key ID : Integer; } actions { action go(); };
}`)
	a, b := m.Entity("S.A"), m.Entity("S.B")
	d := p.Decide(named("u"), access(t, m, "go S.A"))
	for _, c := range []struct {
		e    *csn.Entity
		use  sqlgen.Use
		want string
	}{
		{a, sqlgen.Update, "ID > 1"}, {a, sqlgen.Delete, "ID > 1"}, {a, sqlgen.Root, "all"}, {a, sqlgen.Insert, "forbidden"},
		{b, sqlgen.Update, "ID > 3"}, {b, sqlgen.Delete, "forbidden"}, {b, sqlgen.Root, "all"}, {b, sqlgen.Insert, "forbidden"},
	} {
		if got := condition(d.Guard, c.e, c.use); got != c.want {
			t.Errorf("%s, use %v: %s, want %s", c.e.Name, c.use, got, c.want)
		}
	}
	if got := condition(d.Guard.Subject(), a, sqlgen.Root); got != "ID > 1" {
		t.Errorf("go is for rows where %s", got)
	}
	if got := condition(d.Guard.Subject(), b, sqlgen.Root); got != "all" {
		t.Errorf("others are read where %s", got)
	}
	d = p.Decide(named("u"), access(t, m, "DELETE S.A"))
	if got := condition(d.Guard, a, sqlgen.Delete); got != "ID > 2" {
		t.Errorf("rows are deleted where %s", got)
	}
}
