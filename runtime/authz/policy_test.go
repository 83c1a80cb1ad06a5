package authz

import (
	"strconv"
	"strings"
	"testing"

	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// TestPolicy_otherModel: what is not of the policy's model is denied, whatever its number.
func TestPolicy_otherModel(t *testing.T) {
	_, p, _ := policyOf(t, "service S { entity A { key ID : Integer; } }")
	other := compiled(t, "service S { entity A { key ID : Integer; } entity B { key ID : Integer; } entity C { key ID : Integer; } }")
	for _, e := range append(other.Services[0].Entities, &csn.Entity{Def: csn.Def{Name: "S.Made"}, Service: other.Services[0], ID: -1}, &csn.Entity{Def: csn.Def{Name: "S.Zero"}, Service: other.Services[0]}) {
		for _, ev := range []Event{Read, Create, Update, Delete} {
			if d := p.Decide(named("u"), Access{Service: e.Service, Event: ev, Path: []*csn.Entity{e}}); d.Allowed() {
				t.Errorf("%s of %s, number %d", ev, e.Name, e.ID)
			}
		}
		own := p.Decide(named("u"), access(t, p.model, "READ S.A"))
		for _, use := range []sqlgen.Use{sqlgen.Root, sqlgen.Path, sqlgen.Expand, sqlgen.Exists, sqlgen.Update, sqlgen.Delete, sqlgen.Insert} {
			if got := condition(own.Guard, e, use); got != "forbidden" {
				t.Errorf("%s in use %v: %s", e.Name, use, got)
			}
		}
		if _, err := own.Guard.Check(e, Create); err == nil {
			t.Errorf("%s may be made", e.Name)
		}
	}
}

// TestPolicy_operations: an operation finds the conditions that its service has named; one of no service has no restriction but its own.
func TestPolicy_operations(t *testing.T) {
	m, p, diags := policyOf(t, `
entity d.E { key ID : Integer; } actions { @requires: 'boss' action go(); };
@authz.condition.office: ($user.office = 'HQ') service S {
  @restrict: [{ if: 'office' }] action go();
  entity E { key ID : Integer; } actions { @restrict: [{ if: 'office' }] action go(); };
}`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, do := range []string{"S.go", "go S.E"} {
		for office, want := range map[string]bool{"HQ": true, "elsewhere": false} {
			if d := p.Decide(with("office", office), access(t, m, do)); d.Allowed() != want {
				t.Errorf("%s from %s: %v %v", do, office, d.Allowed(), d.Rules)
			}
		}
	}
}

// TestSiblings_parts: an entity that shows parts of a restricted one, and cannot follow it, does not start without a restriction of its own.
func TestSiblings_parts(t *testing.T) {
	const model = `
entity d.A { key ID : Integer; x : String; c : Association to d.C; parts : Composition of many d.P on parts.a = $self; others : Association to many d.Q on others.a = $self; up : Association to d.A; subs : Composition of many d.A on subs.up = $self; }
entity d.P { key ID : Integer; a : Association to d.A; deep : Composition of many d.D on deep.p = $self; }
entity d.D { key ID : Integer; p : Association to d.P; text : String; }
entity d.Q { key ID : Integer; a : Association to d.A; }
entity d.C { key ID : Integer; name : String; }
service S { @cds.redirection.target @requires: 'boss' entity A as select from d.A { key ID, x, c.name as cname }; VIEW }`
	for view, refused := range map[string]bool{
		"entity V as select from d.P join d.C on C.ID = P.ID { key P.ID };":                  true,
		"entity V as select from d.D join d.C on C.ID = D.ID { key D.ID };":                  true,
		"entity V as select from d.D { key text, count(*) as n : Integer } group by text;":   true,
		"entity V as select from d.Q join d.C on C.ID = Q.ID { key Q.ID };":                  false,
		"entity V as projection on d.C;":                                                     false, // what A shows of it over a path is not its rows
		"entity V as select from d.C { key ID, name };":                                      false,
		"@requires: 'any' entity V as select from d.P join d.C on C.ID = P.ID { key P.ID };": false,
	} {
		_, diags := Compile(compiled(t, strings.Replace(model, "VIEW", view, 1)), Options{Strict: true})
		told := 0
		for _, d := range diags {
			if d.Code == codeSibling {
				told++
			}
		}
		if (told > 0) != refused || told > 1 {
			t.Errorf("%s: told %d times: %v", view, told, diags)
		}
	}
}

// TestWholes: what is told of parts and their wholes is what the policy asks.
func TestWholes(t *testing.T) {
	m, p, _ := policyOf(t, deep)
	for name, want := range map[string]string{
		"S.Posts": "", "S.Comments": "S.Posts S.Pages S.Comments", "OnlyParts.Drawers": "db.Safe", "Elsewhere.Pics": "Elsewhere.Posts", "S.Loop": "",
	} {
		var got []string
		for _, w := range p.WholesOf(m.Entity(name)) {
			got = append(got, w.Entity.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is a part of %v, want %s", name, got, want)
		}
	}
	if p.WholesOf(nil) != nil {
		t.Error("nothing is a part")
	}
	for name, can := range map[string]bool{"OnlyParts.Drawers": true, "OnlyParts.Bare": false, "OnlyParts.Renamed": false} {
		for _, w := range p.WholesOf(m.Entity(name)) {
			x, ok := w.Part(idAbove(1))
			if ok != can || can && show(x) != "exists db.Safe over drawers[ID > 1]" {
				t.Errorf("%s: %v %s", name, ok, show(x))
			}
		}
	}
	for _, w := range p.WholesOf(m.Entity("Other.Pics")) { // the whole is shown with other names
		if x, ok := w.Part(p.state.of(w.Entity).own.privileges[0].where); ok {
			t.Errorf("a condition on renamed elements is asked as %s", show(x))
		}
		if x, ok := w.Part(idAbove(1)); !ok {
			t.Errorf("a condition on the key cannot be asked: %s", show(x))
		}
	}
}

// TestKeys_manyRoles: users with other roles have other keys, however many roles there are.
func TestKeys_manyRoles(t *testing.T) {
	var names []string
	for i := range 140 {
		names = append(names, "r"+strconv.Itoa(i))
	}
	m, p, _ := policyOf(t, "service S { @requires: ['"+strings.Join(names, "','")+"'] entity E { key ID : Integer; } }")
	a := access(t, m, "READ S.E")
	seen := map[string][]string{}
	see := func(roles ...string) {
		d := p.Decide(named("u", roles...), a)
		if !d.Allowed() {
			t.Fatalf("%v may not read", roles)
		}
		k := d.Guard.Key()
		if was, ok := seen[k]; ok {
			t.Errorf("%v and %v share plans", was, roles)
		}
		seen[k] = roles
	}
	for i, n := range names {
		see(n)
		for _, o := range names[i+1:] {
			see(n, o)
		}
	}
	// a role that no rule mentions is no difference
	x, y := p.Decide(named("u", "r1"), a), p.Decide(named("v", "r1", "other"), a)
	if x.Guard.Key() != y.Guard.Key() {
		t.Error("a role that nobody asks for makes plans of its own")
	}
	for _, n := range []string{"", "other", "R1", "\x00r1"} {
		if d := p.Decide(named("u", n), a); d.Allowed() {
			t.Errorf("%q may read", n)
		}
	}
}

// TestSubject_kinds: everybody has the role any, whatever a strategy filled in; who is privileged passes all, be it for one access.
func TestSubject_kinds(t *testing.T) {
	m, p, _ := policyOf(t, "service S { @requires: 'any' entity E { key ID : Integer; } @requires: 'boss' @readonly entity F { key ID : Integer; } }")
	bare := &auth.User{ID: "bare", Kind: auth.KindNamed}
	for _, u := range []*auth.User{nil, auth.Anonymous, bare, named("u")} {
		for do, want := range map[string]bool{"READ S.E": true, "CREATE S.E": true, "READ S.F": false} {
			a := access(t, m, do)
			if d := p.Decide(u, a); d.Allowed() != want {
				t.Errorf("%s by %v: %v", do, u, d.Allowed())
			}
			if a.Privileged = true; !allowed(p.Decide(u, a)) {
				t.Errorf("%s by privileged code: refused", do)
			}
		}
	}
	for do, want := range map[string]bool{"READ S.F": true, "CREATE S.F": false} { // nobody may
		if d := p.Decide(auth.NewDummy("d"), access(t, m, do)); d.Allowed() != want {
			t.Errorf("%s by a dummy user: %v", do, d.Allowed())
		}
	}
}

func allowed(d Decision) bool { return d.Allowed() }

// TestElements_loose: annotations of elements that only resemble ours are somebody else's.
func TestElements_loose(t *testing.T) {
	m, p, diags := policyOf(t, "service S { entity E { key ID : Integer; @required: true @restricted: 'x' x : String; } }")
	d := p.Decide(named("u"), access(t, m, "READ S.E"))
	if err := d.Guard.Element(m.Entity("S.E").Element("x"), sqlgen.Root); err != nil || len(diags) > 0 {
		t.Errorf("%v %v", err, diags)
	}
}

// TestRightsKey_statics: users of whom a condition on the user alone holds and others share no rights, be it of a service, an entity, an operation or one that
// denies.
func TestRightsKey_statics(t *testing.T) {
	for _, text := range []string{
		"@restrict: [{ grant: '*', where: ($user.level > 3) }] service S { entity E { key ID : Integer; } }",
		"service S { @restrict: [{ grant: '*', where: ($user.level > 3) }] entity E { key ID : Integer; } }",
		"service S { @restrict: [{ where: ($user.level > 3) }] action go(); }",
		"service S { entity E { key ID : Integer; } actions { @restrict: [{ where: ($user.level > 3) }] action go(); } }",
		"service S { @restrict: [{ grant: '*' }, { deny: '*', where: ($user.level > 3) }] entity E { key ID : Integer; } }",
		"service S { entity E { key ID : Integer; @restrict: [{ grant: '*', where: ($user.level > 3) }] x : Integer; } }",
	} {
		_, p, diags := policyOf(t, text)
		if len(diags) > 0 {
			t.Fatal(codesOf(diags))
		}
		if low, high := p.RightsKey(with("level", "2"), ""), p.RightsKey(with("level", "5"), ""); low == high {
			t.Errorf("%s: one key", text)
		}
		if p.RightsKey(with("level", "2"), "") != p.RightsKey(with("level", "1"), "") {
			t.Errorf("%s: keys differ where rights do not", text)
		}
	}
}
