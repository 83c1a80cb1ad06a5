package authz

import (
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// extents writes rights in short: read, create, update, delete by their letters, - for none and in capitals for all, then operations.
func extents(r *EntityRights) string {
	if r == nil {
		return "nothing"
	}
	out := ""
	for i, x := range []Extent{r.Read, r.Create, r.Update, r.Delete} {
		out += [...]string{"-", "rcud"[i : i+1], "RCUD"[i : i+1]}[x]
	}
	for _, o := range r.Ops {
		out += " " + o.Op.LocalName() + ":" + o.Call.String()
	}
	return out
}

func way(r *EntityRights) string {
	var out []string
	for _, e := range r.Path {
		out = append(out, e.LocalName())
	}
	return strings.Join(out, "/")
}

// TestRights_narrowed: what somebody else takes away is taken from each right that is there, by the right name, and from a copy.
func TestRights_narrowed(t *testing.T) {
	m, p, _ := policyOf(t, `service S { @restrict: [{ grant: ['READ', 'UPDATE', 'go'] }, { grant: 'CREATE', where: 'ID > 1' }] entity E { key ID : Integer; } actions { action go(); action stop(); };
  entity F { key ID : Integer; } action run(); function ask() returns String; @requires: [] action never(); }`)
	s := m.Service("S")
	r := p.Rights(named("u"), s, "")
	show := func(r *Rights) string {
		out := extents(r.Entity(m.Entity("S.E"))) + ", " + extents(r.Entity(m.Entity("S.F")))
		for _, o := range r.Ops {
			out += " " + o.Op.LocalName() + ":" + o.Call.String()
		}
		return out
	}
	const before = "RcU- go:all stop:none, RCUD run:all ask:all never:none"
	if got := show(r); got != before {
		t.Fatalf("rights are %s, want %s", got, before)
	}
	for _, c := range []struct{ take, to, want string }{ // of what is left how much
		{"READ E", "none", "-cU- go:all stop:none, RCUD run:all ask:all never:none"}, {"READ E", "some", "rcU- go:all stop:none, RCUD run:all ask:all never:none"},
		{"CREATE E", "none", "R-U- go:all stop:none, RCUD run:all ask:all never:none"}, {"CREATE E", "all", before}, {"UPDATE E", "some", "Rcu- go:all stop:none, RCUD run:all ask:all never:none"},
		{"DELETE F", "none", "RcU- go:all stop:none, RCU- run:all ask:all never:none"}, {"go E go", "some", "RcU- go:some stop:none, RCUD run:all ask:all never:none"},
		{"run run", "none", "RcU- go:all stop:none, RCUD run:none ask:all never:none"}, {"ask ask", "some", "RcU- go:all stop:none, RCUD run:all ask:some never:none"},
	} {
		asked := map[string]int{}
		narrow := r.Narrowed(func(e *EntityRights, ev Event, op *csn.Operation) Extent {
			what := string(ev)
			if e != nil {
				what += " " + e.Entity.LocalName()
			}
			if op != nil {
				what += " " + op.LocalName()
			}
			asked[what]++
			if what == c.take {
				return map[string]Extent{"none": None, "some": Some, "all": All}[c.to]
			}
			return All
		})
		if got := show(narrow); got != c.want {
			t.Errorf("without %s: %s, want %s", c.take, got, c.want)
		}
		if got := show(r); got != before {
			t.Errorf("without %s: the rights themselves are %s", c.take, got)
		}
		if len(asked) != 10 || asked["stop E stop"]+asked["DELETE E"]+asked["never never"] > 0 {
			t.Errorf("asked for %v", asked)
		}
	}
	if other := compiled(t, "entity X { key ID : Integer; }"); r.Entity(other.Entities[0]) != nil || r.Entity(nil) != nil {
		t.Error("rights on an entity of something else")
	}
	for _, c := range []struct {
		r    EntityRights
		want bool
	}{
		{EntityRights{}, false}, {EntityRights{Read: Some}, true}, {EntityRights{Create: All}, true}, {EntityRights{Update: Some}, true}, {EntityRights{Delete: All}, true},
		{EntityRights{Ops: []OperationRights{{Call: None}}}, false}, {EntityRights{Ops: []OperationRights{{Call: None}, {Call: Some}}}, true}, {EntityRights{Read: Some, Ops: []OperationRights{{Call: None}}}, true},
	} {
		if c.r.Any() != c.want {
			t.Errorf("%+v: anything is %v", c.r, !c.want)
		}
	}
}

// TestRights_ways: what is exposed for its parents only has the most that any way to it gives, and the first way that may be read.
func TestRights_ways(t *testing.T) {
	base := compiled(t, `
entity d.A { key ID : Integer; cs : Composition of many d.C on cs.a = $self; @requires: 'boss' hs : Composition of many d.H on hs.a = $self; xs : Association to many d.X on xs.a = $self; }
entity d.B { key ID : Integer; cs : Composition of many d.C on cs.b = $self; }
entity d.C { key ID : Integer; a : Association to d.A; b : Association to d.B; }
entity d.H { key ID : Integer; a : Association to d.A; }
entity d.X { key ID : Integer; a : Association to d.A; ys : Composition of many d.Y on ys.x = $self; }
entity d.Y { key ID : Integer; x : Association to d.X; }
service S {
  @restrict: [{ grant: '*', to: ['boss', 'a'] }, { grant: 'READ', to: 'authenticated-user', where: 'ID > 1' }] entity A as projection on d.A;
  @restrict: [{ grant: '*', to: ['boss', 'b'] }] entity Bs as projection on d.B;
  @cds.autoexposed entity C as projection on d.C actions { @requires: 'x' action one(); action two(); @requires: 'boss' action each(); };
}
service D { @odata.draft.enabled entity E { key ID : UUID; parts : Composition of many { key n : Integer; } } actions { action go(); }; }
service P { entity Orders { key ID : Integer; items : Composition of many Items on items.o = $self; } @requires: 'boss' entity Boxes { key ID : Integer; items : Composition of many Items on items.b = $self; } entity Items { key ID : Integer; o : Association to Orders; b : Association to Boxes; } }
service T { entity Tops as projection on d.Tops; }
entity d.Tops { key ID : Integer; nodes : Composition of many d.N on nodes.top = $self; }
entity d.N { key ID : Integer; top : Association to d.Tops; up : Association to d.N; subs : Composition of many d.N on subs.up = $self; }
service Sealed { entity E { key ID : Integer; @hash pin : String; @encrypted pay : String; } }`)
	read, diags := csn.Read(csn.Marshal(base, csn.MarshalOptions{})) // where operations of what is exposed for its parents may be
	if read == nil {
		t.Fatal(diags)
	}
	m, diags := csn.WithDrafts(read, "")
	if m == nil {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{})
	for _, c := range []struct {
		service, entity string
		user            *auth.User
		want, way       string
	}{
		{"S", "S.A", named("u"), "r---", "A"},
		{"S", "S.C", named("u"), "r--- one:none two:none each:none", "A/C"},
		{"S", "S.C", named("u", "b"), "RCUD one:none two:all each:none", "A/C"}, // all of those of B
		{"S", "S.C", named("u", "a", "x"), "RCUD one:all two:all each:none", "A/C"},
		{"S", "S.C", named("u", "boss"), "RCUD one:none two:all each:all", "A/C"},
		{"S", "S.C", auth.Anonymous, "----", ""},
		{"S", "S.H", named("u"), "----", ""}, {"S", "S.H", named("u", "boss"), "RCUD", "A/H"}, // over an association that is not to be read
		{"S", "S.Bs", named("u"), "----", "Bs"}, {"S", "S.Bs", auth.Anonymous, "----", "Bs"},
		{"P", "P.Items", named("u"), "rcud", "Items"}, // by itself, not on the way that gives most
		{"P", "P.Items", named("u", "boss"), "RCUD", "Items"},
		{"T", "T.N", named("u"), "RCUD", "Tops/N"},
		{"D", "D.E", named("u"), "RCUD go:all", "E"},
	} {
		r := p.Rights(c.user, m.Service(c.service), "").Entity(m.Entity(c.entity))
		if r == nil {
			t.Errorf("no rights on %s", c.entity)
			continue
		}
		if extents(r) != c.want || way(r) != c.way || len(r.Via) != max(0, len(r.Path)-1) {
			t.Errorf("%s by %v: %s on the way %s, want %s on %s", c.entity, c.user.Roles(), extents(r), way(r), c.want, c.way)
		}
	}
	d := p.Rights(named("u"), m.Service("D"), "")
	for i := range d.Entities {
		if e := d.Entities[i].Entity; e.Active != nil {
			t.Errorf("rights on %s", e.Name)
		}
	}
	internal := 0
	for i, el := range m.Entity("D.E").Flat {
		if x := d.Entity(m.Entity("D.E")).Elements[i]; el.Internal {
			if internal++; x != (ElementRights{}) {
				t.Errorf("rights on %s, which is nobody's", el.Name)
			}
		} else if x != (ElementRights{All, All, All, false}) {
			t.Errorf("rights on %s: %v", el.Name, x)
		}
	}
	if internal == 0 {
		t.Error("no elements of the framework: the test has lost its sense")
	}
	sealed := p.Rights(named("u"), m.Service("Sealed"), "").Entities[0]
	if got, want := fmt.Sprint(sealed.Elements), "[{all all all false} {none all all false} {all all all false}]"; got != want {
		t.Errorf("what is hashed and encrypted: %s, want %s", got, want)
	}
}

// TestRights_conditions: conditions on the user and on time are asked, those on rows are some; elements have theirs, and masks.
func TestRights_conditions(t *testing.T) {
	m, p, _ := policyOf(t, `
service S {
  @restrict: [{ grant: '*', where: '$now > ''2030-01-01''' }] entity Later { key ID : Integer; } actions { action go(); };
  @restrict: [{ grant: 'CREATE', where: '$user.level > 3' }, { grant: 'READ', where: '$user.level > 3 or ID > 1' }] entity High { key ID : Integer; } actions { @restrict: [{ where: '$user.level > 3' }] action CREATE(); };
  @restrict: [{ grant: '*' }, { deny: '*', where: 'weird($user.level) = 1' }] entity Weird { key ID : Integer; }
  entity E { key ID : Integer; owner : String;
    @restrict: [{ grant: '*', where: ($user.level > 3) }] pay : Integer;
    @mask: { value: 'x', unless: { to: 'mgr', where: (owner = $user) } } iban : String;
    @mask: { value: 'x', unless: 'mgr', write: 'clerk' } phone : String; }
  @restrict: [{ where: '$now > ''2030-01-01''' }] action later();
}`)
	s := m.Service("S")
	const early, late = "2029-05-05T00:00:00Z", "2031-05-05T00:00:00Z"
	elements := func(r *EntityRights) string {
		out := ""
		for i, el := range r.Entity.Flat {
			x := r.Elements[i]
			if el.Name == "pay" || el.Name == "iban" || el.Name == "phone" {
				out += fmt.Sprintf("%s %v %v %v %v, ", el.Name, x.Read, x.Create, x.Update, x.Masked)
			}
		}
		return out
	}
	for _, c := range []struct {
		user *auth.User
		now  string
		want string
	}{
		{with("level", "2"), early, "---- go:none | r--- CREATE:none | later none | pay none none none false, iban none all none true, phone none all none true, "},
		{with("level", "5", "mgr"), late, "RCUD go:all | rC-- CREATE:all | later all | pay all all all false, iban some all none true, phone all all all false, "},
		{with("level", "5", "clerk"), late, "RCUD go:all | rC-- CREATE:all | later all | pay all all all false, iban none all none true, phone none all all true, "},
	} {
		r := p.Rights(c.user, s, c.now)
		e := func(name string) *EntityRights { return r.Entity(m.Entity("S." + name)) }
		got := extents(e("Later")) + " | " + extents(e("High")) + " | later " + r.Ops[0].Call.String() + " | " + elements(e("E"))
		if got != c.want {
			t.Errorf("%v at %s:\n%s, want\n%s", c.user.Attrs, c.now, got, c.want)
		}
		if got := extents(e("Weird")); got != "----" && got != "rcud" {
			t.Errorf("a condition that cannot be evaluated: %s", got)
		}
	}
}

// TestRightsKey_corners: keys differ where rights may, and not otherwise.
func TestRightsKey_corners(t *testing.T) {
	_, roles, _ := policyOf(t, "@requires: 'any' service S { @requires: 'boss' entity E { key ID : Integer; } @restrict: [{ grant: 'READ', where: '$user.level > 3 or owner = $user' }] entity F { key ID : Integer; owner : String; } }")
	_, tenants, _ := policyOf(t, "service S { @requires: 'boss' entity E { key ID : Integer; @tenant t : String; } }")
	_, parts, _ := policyOf(t, `service S { @restrict: [{ grant: '*', where: 'ID > 1' }, { deny: '*', where: 'concat($user.level, ''x'') = ''1x''' }] entity E { key ID : Integer; } }`)
	of := func(tenant string, roles ...string) *auth.User {
		return auth.New(auth.User{ID: "u", Tenant: tenant}, roles...)
	}
	dummy := auth.NewDummy("d")
	dummyOf := auth.NewDummy("d")
	dummyOf.Tenant = "t"
	_, unknown, _ := policyOf(t, `service S { @restrict: [{ grant: '*', where: 'ID > 1' }, { deny: '*', where: '($user.id = ''u'' and null > 1) or ($user.id = ''v'' and weird($user.level) = 1)' }] entity E { key ID : Integer; } }`)
	levels := auth.New(auth.User{ID: "v", Attrs: map[string][]string{"level": {"1", "2"}}})
	for _, c := range []struct {
		name string
		p    *Policy
		a, b *auth.User
		same bool
	}{
		{"nobody and somebody", roles, auth.Anonymous, named("u"), false},
		{"somebody and somebody else", roles, named("u"), named("v"), true},
		{"a role", roles, named("u"), named("u", "boss"), false},
		{"a condition that rows may fulfil too", roles, with("level", "2"), with("level", "5"), true},
		{"a tenant where there are none", roles, of(""), of("t"), true},
		{"a tenant", tenants, of(""), of("t"), false},
		{"another tenant", tenants, of("t"), of("u"), true},
		{"unrestricted, a tenant where there are none", roles, dummy, dummyOf, true},
		{"unrestricted, a tenant", tenants, dummy, dummyOf, false},
		{"what denies is false, or cannot be evaluated", parts, named("u"), levels, false},
		{"what denies is unknown, or cannot be evaluated", unknown, named("u"), levels, false},
		{"what denies is false, or true", parts, with("level", "2"), with("level", "1"), false},
	} {
		if (c.p.RightsKey(c.a, "") == c.p.RightsKey(c.b, "")) != c.same {
			t.Errorf("%s: keys of rights are %q and %q", c.name, c.p.RightsKey(c.a, ""), c.p.RightsKey(c.b, ""))
		}
		if c.p != parts && c.p != unknown && (c.p.RoleKey(c.a) == c.p.RoleKey(c.b)) != c.same {
			t.Errorf("%s: keys of roles are %q and %q", c.name, c.p.RoleKey(c.a), c.p.RoleKey(c.b))
		}
	}
	q, faults := roles.With([]DataPolicy{{ID: "d", Entity: "S.F", Users: []string{"u"}, Effect: Refuse}}, false)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	roles.Use(q)
	if roles.RoleKey(named("u")) == roles.RoleKey(named("v")) {
		t.Error("whom a policy names has the key of those whom it does not name")
	}
	conditions := func(p *Policy) int { return len(p.RightsKey(with("level", "5"), "")) }
	if n := conditions(parts); true {
		more, _ := parts.With([]DataPolicy{{ID: "d", Entity: "S.E", Effect: Refuse, Where: &cqn.Binary{Op: cqn.Eq, L: &cqn.Param{From: cqn.FromUserAttr, Name: "x"}, R: &cqn.Lit{Value: cqn.String("y")}}, Text: "$user.x = 'y'"}}, false)
		if conditions(more) != n+1 || conditions(parts) != n {
			t.Errorf("one condition more: keys of %d, %d and %d letters", n, conditions(more), conditions(parts))
		}
	}
}
