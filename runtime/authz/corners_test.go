package authz

import (
	"strconv"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// with is a user with one attribute.
func with(attr, value string, roles ...string) *auth.User {
	return auth.New(auth.User{ID: "u", Attrs: map[string][]string{attr: {value}}}, roles...)
}

// TestDecide_unknown: a condition on the user that cannot be evaluated in memory is left to the database where there are rows, and does not hold where
// there are none. One that denies denies then.
func TestDecide_unknown(t *testing.T) {
	m, p, diags := policyOf(t, `
service S {
  @restrict: [{ grant: '*', where: 'weird($user.level) = 1' }] entity G { key ID : Integer; } actions { action go(); };
  @restrict: [{ grant: '*', where: '$user.level = 1' }, { grant: '*', where: 'weird($user.level) = 1' }] entity H { key ID : Integer; }
  @restrict: [{ grant: '*' }, { deny: '*', where: 'weird($user.level) = 1' }] entity D { key ID : Integer; } actions { action go(); };
  @restrict: [{ where: 'weird($user.level) = 1' }] action grants();
  @restrict: [{ grant: '*' }, { deny: '*', where: 'weird($user.level) = 1' }] action denies();
  entity E { key ID : Integer;
    @restrict: [{ grant: '*', where: 'weird($user.level) = 1' }] granted : Integer;
    @restrict: [{ grant: '*' }, { deny: '*', where: 'weird($user.level) = 1' }] denied : Integer; }
}
@restrict: [{ grant: '*', where: 'weird($user.level) = 1' }] service Grants { entity E { key ID : Integer; } }
@restrict: [{ grant: '*' }, { deny: '*', where: 'weird($user.level) = 1' }] service Denies { entity E { key ID : Integer; } }`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	u := with("level", "1")
	for what, want := range map[string]string{
		"UPDATE S.G": "if weird($user.level) = 1", "READ S.G": "if weird($user.level) = 1", "go S.G": "if weird($user.level) = 1", "UPDATE S.H": "if $user.level = 1 or weird($user.level) = 1",
		"UPDATE S.D": "if not weird($user.level) = 1", "go S.D": "if not weird($user.level) = 1", "S.grants": "403", "S.denies": "403", "READ Grants.E": "403", "READ Denies.E": "403", "Grants": "403", "Denies": "403", "READ S.E": "allow",
	} {
		a := access(t, m, what)
		d := p.Decide(u, a)
		got := verdicts[d.Verdict]
		if d.Verdict == AllowIf {
			got += " " + condition(d.Guard.Subject(), a.Path[0], map[bool]sqlgen.Use{true: sqlgen.Root, false: sqlgen.Update}[a.Event == Read])
		}
		if got != want {
			t.Errorf("%s: %s, want %s %v", what, got, want, d.Rules)
		}
	}
	e := m.Entity("S.E")
	d := p.Decide(u, access(t, m, "READ S.E"))
	for name, open := range map[string]bool{"ID": true, "granted": false, "denied": false} {
		if err := d.Guard.Element(e.Element(name), sqlgen.Root); (err == nil) != open {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestElements_asked: a condition of an element's privilege opens it for those only whom the privilege names, and one that denies denies whoever does not
// make it false.
func TestElements_asked(t *testing.T) {
	m, p, diags := policyOf(t, `service S { entity E { key ID : Integer;
  @restrict: [{ grant: '*', to: 'a', where: '$user.level > 3' }] x : Integer;
  @restrict: [{ grant: '*' }, { deny: '*', to: 'a', where: '$user.level < 5' }] y : Integer; } }`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	e := m.Entity("S.E")
	for _, c := range []struct {
		user *auth.User
		x, y bool
	}{
		{with("level", "7", "a"), true, true}, {with("level", "2", "a"), false, false}, {with("level", "4", "a"), true, false}, {with("level", "7"), false, true}, {with("level", "2"), false, true},
		{named("u", "a"), false, true}, {named("u"), false, true}, {with("level", "many", "a"), false, true}, {auth.NewDummy("d"), true, true},
	} {
		d := p.Decide(c.user, access(t, m, "READ S.E"))
		for name, open := range map[string]bool{"x": c.x, "y": c.y} {
			if err := d.Guard.Element(e.Element(name), sqlgen.Root); (err == nil) != open {
				t.Errorf("%s by %v with level %v: %v", name, c.user.Roles(), c.user.Attrs["level"], err)
			}
		}
	}
}

// TestElements_texts: translations are restricted as what they translate, unless the model says something else of them.
func TestElements_texts(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.A { key ID : Integer; @requires: 'a' x : localized String; @requires: 'a' y : localized String; z : localized String; @requires: 'a' w : String; }
service S { entity A as projection on d.A; }
annotate S.A.texts with { y @requires: 'b'; };`)
	e := m.Entity("S.A.texts")
	for name, want := range map[string]string{"x": "a", "y": "b", "z": "", "locale": "", "ID": ""} {
		for _, role := range []string{"", "a", "b"} {
			d := p.Decide(named("u", role), access(t, m, "READ S.A"))
			if err := d.Guard.Element(e.Element(name), sqlgen.Root); (err == nil) != (want == "" || want == role) {
				t.Errorf("%s as %q: %v", name, role, err)
			}
		}
	}
}

// TestDecide_operations: an access with an operation is to the operation, whatever event is named, and its own restriction is a 403.
func TestDecide_operations(t *testing.T) {
	m, p, _ := policyOf(t, `service S {
  @restrict: [{ grant: ['READ', 'held'] }, { grant: 'go', where: 'ID > 1' }] entity A { key ID : Integer; } actions { action go(); @requires: 'boss' action held(); };
}`)
	e := m.Entity("S.A")
	for _, ev := range []Event{Read, "go", ""} {
		d := p.Decide(named("u"), Access{Service: e.Service, Event: ev, Op: e.Action("go"), Path: []*csn.Entity{e}})
		if d.Verdict != AllowIf || condition(d.Guard.Subject(), e, sqlgen.Root) != "ID > 1" {
			t.Errorf("go as %q: %s", ev, verdicts[d.Verdict])
		}
	}
	if d := p.Decide(named("u"), access(t, m, "held S.A")); d.Verdict != Deny403 {
		t.Errorf("held: %s", verdicts[d.Verdict])
	}
	if d := p.Decide(named("u", "boss"), access(t, m, "held S.A")); d.Verdict != Allow {
		t.Errorf("held by boss: %s", verdicts[d.Verdict])
	}
}

// TestDecide_paths: the parent in a path decides on all levels; writing asks for the last step only, and for that one if it is a composition.
func TestDecide_paths(t *testing.T) {
	m, p, _ := policyOf(t, `service S {
  @restrict: [{ grant: '*', where: 'ID > 1' }] entity P { key ID : Integer; ks : Composition of many K on ks.p = $self; @restrict: [{ grant: 'READ' }] held : Composition of many K on held.r = $self; }
  @restrict: [{ grant: '*', where: 'ID > 2' }] entity Q { key ID : Integer; ks : Composition of many K on ks.q = $self; @restrict: [{ grant: 'READ' }] p : Association to P; }
  entity K { key ID : Integer; p : Association to P; q : Association to Q; r : Association to P; ls : Composition of many L on ls.k = $self; }
  entity L { key ID : Integer; k : Association to K; }
}`)
	l := m.Entity("S.L")
	for do, want := range map[string]string{
		"READ S.P/ks/ls":   "exists S.K over ls[exists S.P over ks[ID > 1]]",
		"READ S.Q/ks/ls":   "exists S.K over ls[exists S.Q over ks[ID > 2]]",
		"UPDATE S.P/ks/ls": "exists S.K over ls[exists S.P over ks[ID > 1]]",
	} {
		d := p.Decide(named("u"), access(t, m, do))
		if got := condition(d.Guard, l, sqlgen.Root); got != want {
			t.Errorf("%s: where %s", do, got)
		}
	}
	for do, allowed := range map[string]bool{
		"READ S.P/held": true, "UPDATE S.P/held": false, "DELETE S.P/held": false, "UPDATE S.P/held/ls": true, "UPDATE S.Q/p": true, "READ S.Q/p": true, "UPDATE S.Q/p/held": false, "UPDATE S.P/ks": true,
	} {
		if d := p.Decide(named("u"), access(t, m, do)); d.Allowed() != allowed {
			t.Errorf("%s: %s %v", do, verdicts[d.Verdict], d.Rules)
		}
	}
	a := access(t, m, "READ S.P/ks")
	a.Via = append(a.Via, a.Via[0]) // more steps than entities
	if d := p.Decide(named("u"), a); d.Verdict != AllowIf {
		t.Errorf("more steps than entities: %s", verdicts[d.Verdict])
	}
}

// TestDecide_tenants: who has no tenant is refused what belongs to tenants, and nothing else.
func TestDecide_tenants(t *testing.T) {
	m, p, diags := policyOf(t, `
entity d.A { key ID : Integer; @tenant mandant : String; f : Association to d.F; parts : Composition of many { key n : Integer; } }
@tenant: false entity d.F { key ID : Integer; many : Association to many d.A on many.f = $self; }
service S { @cds.redirection.target entity A as projection on d.A; entity F as projection on d.F; entity V as select from d.A { key ID, f }; action go(); }`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	none, some := named("u"), auth.New(auth.User{ID: "u", Tenant: "t1"})
	dummy := auth.NewDummy("d")
	for _, c := range []struct {
		do   string
		user *auth.User
		want Verdict
	}{
		{"READ S.A", none, Deny403}, {"READ S.A", auth.Anonymous, Deny401}, {"READ S.A", some, Allow}, {"CREATE S.A", none, Deny403}, {"READ S.A", dummy, Deny403}, {"READ S.A", auth.Privileged, Allow},
		{"READ S.F", none, Allow}, {"READ S.F", auth.Anonymous, Allow}, {"READ S.A/f", none, Deny403}, {"READ S.F/many", none, Deny403}, {"READ S.A/parts", none, Deny403}, {"READ S.V", none, Deny403}, {"READ S.V", some, Allow},
		{"S.go", none, Allow}, {"S", none, Allow},
	} {
		d := p.Decide(c.user, access(t, m, c.do))
		if d.Verdict != c.want {
			t.Errorf("%s by %v: %s %v", c.do, c.user, verdicts[d.Verdict], d.Rules)
		}
		if wantCode := map[Verdict]string{Deny401: "401", Deny403: CodeNoTenant}[c.want]; d.Code != wantCode {
			t.Errorf("%s by %v: code %s", c.do, c.user, d.Code)
		}
	}
	for _, c := range []struct {
		user *auth.User
		want string
	}{{none, "forbidden"}, {some, "all"}, {auth.Anonymous, "forbidden 401"}, {dummy, "forbidden"}, {auth.Privileged, "all"}} {
		d := p.Decide(c.user, access(t, m, "READ S.F"))
		for _, e := range []string{"S.A", "d.A", "S.A.parts", "S.V"} {
			if got := condition(d.Guard, m.Entity(e), sqlgen.Expand); got != c.want {
				t.Errorf("%s over F by %v: %s", e, c.user, got)
			}
		}
		if got := condition(d.Guard, m.Entity("S.F"), sqlgen.Expand); got != "all" {
			t.Errorf("F by %v: %s", c.user, got)
		}
	}
	d, e := p.Decide(none, access(t, m, "READ S.F")), p.Decide(some, access(t, m, "READ S.F"))
	if d.Guard.Key() == e.Guard.Key() {
		t.Error("plans are shared by those with and those without a tenant")
	}
}

// TestDrafts_rules: what the rights to active rows are for drafts.
func TestDrafts_rules(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, `
@restrict: [{ grant: 'READ' }, { grant: 'CREATE', to: 'creator' }, { grant: 'UPDATE', to: 'updater' }, { grant: '*', to: ['all', 'dropper'] }, { grant: 'NEW', to: 'namer' }]
service S {
  @odata.draft.enabled @restrict: [{ grant: '*', to: 'all' }, { grant: 'READ' }, { grant: 'CREATE', to: 'creator' }, { grant: 'UPDATE', to: 'updater' }, { grant: ['DELETE', 'go'], where: (x = 1), to: 'dropper' }, { grant: 'NEW', to: 'namer' },
    { deny: 'DELETE', to: 'keeper' }, { deny: 'UPDATE', to: 'fixer' }, { deny: '*', where: (x > 3), to: 'some' }, { deny: 'go', where: (x > 4), to: 'other' }, { deny: '*', where: ($user.blocked = 'yes') }]
  entity A { key ID : Integer; x : Integer; parts : Composition of many P on parts.a = $self; @restrict: [{ grant: 'UPDATE', to: 'ued' }, { grant: 'CREATE', to: 'ced' }] el : Integer; } actions { action go(); action ![NEW](); };
  entity P { key ID : Integer; a : Association to A; };
}`), "")
	if m == nil {
		t.Fatal(diags)
	}
	p, faults := Compile(m, Options{Strict: true})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	drafts, parts, active := m.Entity("S.A.drafts"), m.Entity("S.P.drafts"), m.Entity("S.A")
	decide := func(u *auth.User, ev Event, e *csn.Entity) Decision {
		a := Access{Service: e.Service, Event: ev, Path: []*csn.Entity{e}}
		if ev == "go" || ev == "NEW()" {
			a.Op = e.Action(string(ev[:min(3, len(ev))]))
			a.Event = Event(a.Op.Name)
		}
		return p.Decide(u, a)
	}
	free := func(roles ...string) *auth.User { return with("blocked", "no", roles...) }
	for _, c := range []struct {
		user *auth.User
		ev   Event
		e    *csn.Entity
		want bool
	}{
		{free("creator"), Read, drafts, true}, {free("creator"), New, drafts, true}, {free("creator"), Patch, drafts, true}, {free("creator"), Discard, drafts, true},
		{free("updater"), Patch, drafts, true}, {free("updater"), New, drafts, false}, {free("updater"), Discard, drafts, true}, {free(), Read, drafts, true}, {free(), Patch, drafts, false},
		{free("all"), New, drafts, true}, {free("all"), New, active, true}, {free("updater"), New, active, false}, {free("creator"), New, active, true},
		{free("dropper", "all"), Discard, drafts, true}, {free("dropper"), Discard, drafts, false},
		{free("all", "keeper"), Discard, drafts, true}, {free("all", "fixer"), Patch, drafts, true}, {free("all", "fixer"), New, drafts, true}, {with("blocked", "yes", "all"), Patch, drafts, false}, {with("blocked", "yes", "all"), Read, drafts, true},
		{free("creator"), New, parts, true}, {free("creator"), Patch, parts, true}, {free(), New, parts, false},
	} {
		if d := decide(c.user, c.ev, c.e); d.Allowed() != c.want {
			t.Errorf("%s of %s by %v: %s %v", c.ev, c.e.Name, c.user.Roles(), verdicts[d.Verdict], d.Rules)
		}
	}
	// conditions on rows are those of operations only
	const own = "DraftOwner.InProcessByUser = $user"
	for _, c := range []struct {
		roles []string
		ev    Event
		want  string
	}{
		{[]string{"all"}, Read, own}, {[]string{"all", "some"}, Read, own}, {[]string{"all", "some"}, "go", "not x > 3 and not $user.blocked = 'yes' and " + own}, {[]string{"all", "other"}, "go", "not x > 4 and not $user.blocked = 'yes' and " + own},
	} {
		d := decide(free(c.roles...), c.ev, drafts)
		if got := condition(d.Guard.Subject(), drafts, sqlgen.Root); got != c.want && got != "not $user.blocked = 'yes' and "+c.want {
			t.Errorf("%s by %v: where %s, want %s", c.ev, c.roles, got, c.want)
		}
	}
	d := decide(free("all"), Patch, parts)
	if got := show(d.Check); got != "not $user.blocked = 'yes' and "+own+" and exists S.A.drafts over parts["+own+"]" && got != own+" and exists S.A.drafts over parts["+own+"]" {
		t.Errorf("parts of drafts are checked by %s", got)
	}
	for role, want := range map[string]bool{"ued": true, "ced": true, "": false} {
		d := decide(free("all", role), Patch, drafts)
		if err := d.Guard.Element(drafts.Element("el"), sqlgen.Update); (err == nil) != want {
			t.Errorf("el of a draft as %q: %v", role, err)
		}
	}
	if d := decide(free("namer"), "NEW()", active); !d.Allowed() {
		t.Errorf("an operation called NEW: %v", d.Rules)
	}
}

// TestElements_inputs: what is computed from a restricted element is restricted, however a view names it.
func TestElements_inputs(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, `
entity d.A { key ID : Integer; @requires: 'hr' pay : Integer; free : Integer; b : Association to d.B; net : Integer = pay * 2; }
entity d.B { key ID : Integer; @requires: 'hr' secret : Integer; n : Integer; st { @requires: 'hr' deep : Integer; flat : Integer; } }
entity d.H { key ID : Integer; @requires: 'hr' hx : Integer; @requires: 'hr' hy : Integer; open : Integer; }
service S {
  entity Uh as select from d.B { key ID, n as hx, n as hall : Integer, n as open } union all select from d.H { ID, hx, hy, open };
  entity Us as select from d.H { * } union all select from d.H { * };
  entity Fi as projection on d.A { ID, b[secret = 1].n as hfil, b[n = 1].n as fil, b.st.deep as hdeep, b.st.flat as flat, b.st.deep + 1 as hdeep1 : Integer };
  entity Al as select from d.A as q { key ID, q.pay * 2 as hq : Integer, q.free * 2 as fr : Integer, pay + free as hsum : Integer, q.b.secret * 2 as hs : Integer, q.net as hnet };
  entity Jo as select from d.A as a join d.B as z on a.ID = z.ID { key a.ID, z.secret * 2 as hz : Integer, a.pay as hp, z.n * 2 as n : Integer };
  entity Un as select from d.A { key ID, free as hmixed, pay as hpay, free } union all select from d.B { key ID, secret as hmixed, n as hpay, n as free };
  entity St as select from d.B { *, 1 as cone : Integer } excluding { secret };
  entity Ca as select from d.A { key ID, case when pay > 1 then 1 else 2 end as hcase : Integer, (case when free > 1 then 1 else 2 end) as cs : Integer };
  @odata.draft.enabled entity Dr { key ID : Integer; @requires: 'hr' hpay : Integer; hnet : Integer = hpay * 2; free : Integer; }
}`), "")
	if m == nil {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{})
	n := 0
	for _, name := range []string{"S.Fi", "S.Uh", "S.Us", "S.Al", "S.Jo", "S.Un", "S.St", "S.Ca", "S.Dr", "S.Dr.drafts", "S.Dr.activeOrDraft"} {
		e := m.Entity(name)
		for _, el := range e.Flat {
			if el.Internal {
				continue
			}
			for _, u := range []*auth.User{named("u"), named("u", "hr")} {
				d := p.Decide(u, Access{Service: e.Service, Event: Read, Path: []*csn.Entity{m.Entity("S.Fi")}})
				err := d.Guard.Element(el, sqlgen.Root)
				if want := !u.Is("hr") && (el.Name[0] == 'h' || el.Name == "st_deep"); (err != nil) != want {
					t.Errorf("%s.%s, hr %v: %v", name, el.Name, u.Is("hr"), err)
				}
				n++
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d elements", n)
	}
}

// TestCheck_parts: new values of the target are held to its own rules and to its parent's, those of others to their own.
func TestCheck_parts(t *testing.T) {
	m, p, _ := policyOf(t, `service S {
  @restrict: [{ grant: '*', where: 'ID > 1' }] entity A { key ID : Integer; parts : Composition of many P on parts.a = $self; }
  @restrict: [{ grant: ['READ', 'UPDATE'], where: 'ID > 2' }] entity P { key ID : Integer; a : Association to A; }
}`)
	a, part := m.Entity("S.A"), m.Entity("S.P")
	d := p.Decide(named("u"), access(t, m, "UPDATE S.P"))
	for _, c := range []struct {
		e    *csn.Entity
		ev   Event
		want string
	}{
		{part, Update, "ID > 2 and exists S.A over parts[ID > 1]"}, {part, Create, "forbidden"}, {a, Update, "ID > 1"}, {a, Create, "ID > 1"},
	} {
		for _, g := range []*Guard{d.Guard, d.Guard.Narrow(m.Entity("S.P"), never()), d.Guard.Narrow(a, never())} {
			x, err := g.Check(c.e, c.ev)
			got, want := show(x), c.want
			if err != nil {
				got = "forbidden"
			}
			if want != "forbidden" && len(g.state.narrow) > 0 && g.state.narrow[0].entity == c.e {
				want = show(and(and(map[*csn.Entity]cqn.Expr{part: idAbove(2), a: idAbove(1)}[c.e], never()), nil))
				if c.e == part {
					want += " and exists S.A over parts[ID > 1]"
				}
			}
			if got != want {
				t.Errorf("%s of %s, narrowed %v: %s, want %s", c.ev, c.e.Name, g.state.narrow, got, want)
			}
		}
	}
	denied := p.Decide(named("u"), access(t, m, "CREATE S.P"))
	if _, err := denied.Guard.Check(a, Update); err == nil {
		t.Error("a denied request may write")
	}
	if err := denied.Guard.Element(a.Element("ID"), sqlgen.Root); err == nil {
		t.Error("a denied request may read")
	}
	if got := condition(denied.Guard, a, sqlgen.Root); got != "forbidden" || denied.Guard.Key() != "deny" {
		t.Errorf("a denied request reads where %s, with key %s", got, denied.Guard.Key())
	}
}

func idAbove(n int64) cqn.Expr {
	return &cqn.Binary{Op: cqn.Gt, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(n)}}
}

// TestKeys_apart: guards that answer differently have different keys, however alike their names are.
func TestKeys_apart(t *testing.T) {
	text := "service S { "
	for range 30 {
		text += "entity E" + string(rune('A'+len(text)%26)) + strconv.Itoa(len(text)) + " { key ID : Integer; } actions { action go(); action go1(); action go2(); }; "
	}
	m, p, _ := policyOf(t, text+"} service T { entity X { key ID : Integer; } "+
		"@restrict: [{ grant: '*', where: 'ID > 1' }] entity P { key ID : Integer; one : Composition of many K on one.p = $self; two : Composition of many K on two.p2 = $self; } "+
		"entity Q { key ID : Integer; one : Composition of many K on one.q = $self; } entity K { key ID : Integer; p : Association to P; p2 : Association to P; q : Association to Q; } }")
	seen := map[string]string{}
	see := func(what string, g *Guard) {
		k := g.Key()
		if was := seen[k]; was != "" {
			t.Errorf("%s and %s have the key %s", was, what, k)
		}
		seen[k] = what
	}
	for _, e := range m.Service("S").Entities {
		for _, op := range e.Actions {
			a := Access{Service: e.Service, Event: Event(op.Name), Op: op, Path: []*csn.Entity{e}}
			d := p.Decide(named("u"), a)
			see(op.Name+" of "+e.Name, d.Guard)
		}
	}
	x := m.Entity("T.X")
	k := m.Entity("T.K") // by which composition a part was come to
	for _, path := range []string{"READ T.P/one", "READ T.P/two", "READ T.Q/one"} {
		d := p.Decide(named("u"), access(t, m, path))
		see(path+" where "+condition(d.Guard, k, sqlgen.Root), d.Guard)
	}
	read := Access{Service: x.Service, Event: Read, Path: []*csn.Entity{x}}
	for name, u := range map[string]*auth.User{"anonymous": auth.Anonymous, "somebody": named("u"), "dummy": auth.NewDummy("d")} {
		d := p.Decide(u, read)
		see(name, d.Guard)
		see(name+" above 1", d.Guard.Narrow(x, idAbove(1)))
		see(name+" above 2", d.Guard.Narrow(x, idAbove(2)))
		see(name+" above 1 and 2", d.Guard.Narrow(x, idAbove(1)).Narrow(x, idAbove(2)))
		see(name+" above 12", d.Guard.Narrow(x, idAbove(12)))
		see(name+" of another", d.Guard.Narrow(m.Service("S").Entities[0], idAbove(1)))
	}
}

// TestNormal_foreign: annotations of a model that is made elsewhere may lack what ours always have. What is not there is not understood, and closes.
func TestNormal_foreign(t *testing.T) {
	text := func(s string) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoString, Text: s} }
	list := func(vs ...*cqn.AnnoValue) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoArray, Items: vs} }
	privilege := func(name string, v *cqn.AnnoValue) *cqn.AnnoValue {
		return &cqn.AnnoValue{Kind: cqn.AnnoStruct, Fields: []cqn.AnnoField{{Name: "grant", Value: text("READ")}, {Name: name, Value: v}}}
	}
	for i, c := range []struct {
		name   string
		v      *cqn.AnnoValue
		closed bool
	}{
		{"requires", nil, true}, {"requires", list(nil), true}, {"requires", list(text("a"), nil), true}, {"requires", &cqn.AnnoValue{Kind: cqn.AnnoBool}, true}, {"requires", list(text("a")), false}, {"requires", &cqn.AnnoValue{Kind: cqn.AnnoNull}, false},
		{"restrict", nil, true}, {"restrict", list(nil), true}, {"restrict", list(text("READ")), true}, {"restrict", text("READ"), true}, {"restrict", &cqn.AnnoValue{Kind: cqn.AnnoNull}, false}, {"restrict", list(&cqn.AnnoValue{Kind: cqn.AnnoStruct}), true},
		{"restrict", list(privilege("to", nil)), true}, {"restrict", list(privilege("to", list(nil))), true}, {"restrict", list(privilege("where", nil)), true}, {"restrict", list(privilege("if", nil)), true}, {"restrict", list(privilege("message", nil)), true},
		{"restrict", list(privilege("grant", text("READ"))), true}, {"restrict", list(privilege("to", text("a"))), false}, {"restrict", list(privilege("deny", text("READ"))), true},
	} {
		m := compiled(t, "service S { entity E { key ID : Integer; } }")
		e := m.Entity("S.E")
		e.Annotations = append(e.Annotations, cqn.AnnoField{Name: c.name, Value: c.v})
		for _, strict := range []bool{true, false} {
			p, diags := Compile(m, Options{Strict: strict})
			d := p.Decide(named("u", "a"), access(t, m, "READ S.E"))
			if d.Allowed() == c.closed || diags.HasErrors() != (c.closed && strict) {
				t.Errorf("%d: %s, strict %v: %s %v", i, c.name, strict, verdicts[d.Verdict], diags)
			}
		}
	}
	_, diags := Compile(compiled(t, "service S { @restrict: [{ deny: 'READ' }] entity E { key ID : Integer; } }"), Options{})
	if codesOf(diags) == "" {
		t.Error("nobody is told that a @restrict grants nothing")
	}
}
