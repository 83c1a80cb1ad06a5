package authz

import (
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// TestParts_readOnly: a part of what nobody may change is not changed, whatever path leads to it; what has a place of its own in the service is.
func TestParts_readOnly(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.R { key ID : Integer; own : Composition of many { key n : Integer; deep : Composition of many { key n : Integer; } }; k : Composition of many d.K on k.r = $self; }
entity d.K { key ID : Integer; r : Association to d.R; subs : Composition of many d.K on subs.up = $self; up : Association to d.K; }
entity d.X { key ID : Integer; own : Association to d.R.own; deep : Association to d.R.own.deep; k : Association to d.K; r : Association to d.R; c : Association to d.C; }
@cds.autoexpose entity d.C { key ID : Integer; names : Composition of many { key n : Integer; } }
service Ro { @readonly entity R as projection on d.R; entity X as projection on d.X; }
service Rw { entity R as projection on d.R; @readonly entity X as projection on d.X; }
service Own { @readonly entity R as projection on d.R; entity K as projection on d.K; @readonly entity X as projection on d.X; }`)
	for what, want := range map[string]Verdict{
		"UPDATE Ro.R": Deny405, "UPDATE Ro.R/own": Deny405, "UPDATE Ro.R/k": Deny405, "UPDATE Ro.R/k/subs": Deny405, "CREATE Ro.X/own": Deny405, "UPDATE Ro.X/deep": Deny405, "DELETE Ro.X/r/own": Deny405, "READ Ro.X/deep": Allow,
		"UPDATE Rw.R/own": Allow, "UPDATE Rw.R/k": Allow, "UPDATE Rw.R/k/subs": Allow, "CREATE Rw.X/own": Allow, "UPDATE Rw.X/deep": Allow, "UPDATE Rw.X/r": Allow, "DELETE Rw.X/r/own": Allow, "UPDATE Rw.X": Deny405,
		"UPDATE Own.K": Allow, "UPDATE Own.X/k": Allow, "UPDATE Own.R/k": Allow, "UPDATE Own.R/own": Deny405, "UPDATE Own.X/own": Deny405,
		"UPDATE Rw.X/c": Deny405,
	} {
		d := p.Decide(named("u"), access(t, m, what))
		if d.Verdict != want && (want != Allow || d.Verdict != AllowIf) {
			t.Errorf("%s: %s %v", what, verdicts[d.Verdict], d.Rules)
		}
	}
	own := m.Entity("Ro.R.own") // by code that does not say over which composition
	if d := p.Decide(named("u"), Access{Service: own.Service, Event: Update, Path: []*csn.Entity{m.Entity("Ro.R"), own}}); d.Allowed() {
		t.Error("a part is changed over a path without associations")
	}
}

// TestParts_follow: parts are visible where one of their parents is, and only there.
func TestParts_follow(t *testing.T) {
	m, p, _ := policyOf(t, `
entity d.Tree { key ID : Integer; owner : String; nodes : Composition of many d.Nodes on nodes.tree = $self; }
entity d.Nodes { key ID : Integer; tree : Association to d.Tree; up : Association to d.Nodes; children : Composition of many d.Nodes on children.up = $self; }
entity d.P { key ID : Integer; owner : String; st { k : Composition of many d.K on k.p = $self; } }
entity d.K { key ID : Integer; p : Association to d.P; q : Association to d.Q; }
entity d.Q { key ID : Integer; ks : Composition of many d.K on ks.q = $self; }
entity d.Shop as projection on d.Q { *, more };
extend d.Q with { more : Composition of many d.M on more.q = $self; }
entity d.M { key ID : Integer; q : Association to d.Q; }
service S { @restrict: [{ grant: '*', where: 'owner = $user' }] entity P as projection on d.P; entity K as projection on d.K; @requires: 'boss' entity Q as projection on d.Q; }
service B { @requires: 'boss' entity P as projection on d.P; entity K as projection on d.K; entity Q as projection on d.Q; }
service M { entity Q as projection on d.Q; entity M as projection on d.M; }
service T { @restrict: [{ grant: '*', where: 'owner = $user' }] entity Tree as projection on d.Tree; entity Nodes as projection on d.Nodes; }
service F { entity Tree as projection on d.Tree; entity Nodes as projection on d.Nodes; }
service N { entity Tree as projection on d.Tree; @restrict: [{ grant: '*', where: 'ID > 1' }] entity Nodes as projection on d.Nodes; }
service H { @requires: 'boss' entity Q as projection on d.Q excluding { ks, more }; entity K as projection on d.K { ID, q, p }; entity M as projection on d.M { ID }; @requires: 'boss' entity P as projection on d.P { ID }; }`)
	const level0 = "exists T.Tree over nodes[owner = $user]"
	const level1 = level0 + " or exists T.Nodes over children[" + level0 + "]"
	for _, c := range []struct {
		user *auth.User
		e    string
		want string
	}{
		{named("u"), "S.K", "exists S.P over st.k[owner = $user]"},
		{named("b", "boss"), "S.K", "exists S.P over st.k[owner = $user] or exists S.Q over ks"},
		{named("u"), "B.K", "exists B.Q over ks"}, // one parent that all may read does not open the parts of the others
		{named("b", "boss"), "B.K", "all"},
		{named("u"), "H.K", "forbidden"}, {named("b", "boss"), "H.K", "all"}, {named("u"), "H.M", "forbidden"}, {named("b", "boss"), "H.M", "all"}, // the parents do not show the composition
		{named("u"), "M.M", "all"},
		{named("u"), "F.Nodes", "all"}, // no restriction, no condition, on whatever level
		{named("u"), "N.Nodes", "ID > 1 and (exists N.Tree over nodes or exists N.Nodes over children[ID > 1 and (exists N.Tree over nodes or exists N.Nodes over children[ID > 1 and exists N.Tree over nodes])])"},
		{named("u"), "T.Nodes", level0 + " or exists T.Nodes over children[" + level1 + "]"},
		{auth.NewDummy("d"), "T.Nodes", "all"},
		{auth.NewDummy("d"), "S.K", "all"},
	} {
		e := m.Entity(c.e)
		d := p.Decide(c.user, Access{Service: e.Service, Event: Read, Path: []*csn.Entity{e}})
		if got := condition(d.Guard, e, sqlgen.Root); got != c.want {
			t.Errorf("%s by %s: %s, want %s", c.e, c.user.ID, got, c.want)
		}
		if (d.Verdict == Allow) != (c.want == "all") {
			t.Errorf("%s by %s: %s", c.e, c.user.ID, verdicts[d.Verdict])
		}
	}
}

// TestParts_free: where nothing is restricted, parts and levels of a hierarchy are changed as everything else is, whether they hang on something or not.
func TestParts_free(t *testing.T) {
	m, p, _ := policyOf(t, `entity d.Tree { key ID : Integer; nodes : Composition of many d.Nodes on nodes.tree = $self; }
entity d.Nodes { key ID : Integer; tree : Association to d.Tree; up : Association to d.Nodes; children : Composition of many d.Nodes on children.up = $self; }
service F { entity Tree as projection on d.Tree; entity Nodes as projection on d.Nodes; }`)
	for _, do := range []string{"READ", "CREATE", "UPDATE", "DELETE", "UPSERT"} {
		if d := p.Decide(named("u"), access(t, m, do+" F.Nodes")); d.Verdict != Allow || d.Check != nil {
			t.Errorf("%s: %s, %v", do, verdicts[d.Verdict], d.Check)
		}
	}
}

// TestParts_ways: a parent is asked over each composition, also where it stands in several of them.
func TestParts_ways(t *testing.T) {
	var a, b strings.Builder
	for i := range 5 {
		fmt.Fprintf(&a, "b%d : Association to B; ", i)
		fmt.Fprintf(&b, "as%d : Composition of many A on as%d.b%d = $self; ", i, i, i)
	}
	m, p, _ := policyOf(t, "service S { entity A { key ID : Integer; "+a.String()+"} entity B { key ID : Integer; r : Association to R; "+b.String()+
		"} @restrict: [{ grant: '*', where: 'ID > 1' }] entity R { key ID : Integer; bs : Composition of many B on bs.r = $self; } }")
	d := p.Decide(named("u"), access(t, m, "READ S.A"))
	got := condition(d.Guard, m.Entity("S.A"), sqlgen.Root)
	for i := range 5 {
		if want := fmt.Sprintf("exists S.B over as%d[exists S.R over bs[ID > 1]]", i); !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	// more ways than are asked: what lies beyond is hidden, also where no restriction is seen
	text := "service S { @restrict: [{ grant: '*', where: 'ID > 1' }] entity E0 { key ID : Integer; "
	for i := range 6 {
		for j := range 4 {
			text += fmt.Sprintf("c%d : Composition of many E%d on c%d.p%d = $self; ", j, i+1, j, j)
		}
		text += fmt.Sprintf("} entity E%d { key ID : Integer; ", i+1)
		for j := range 4 {
			text += fmt.Sprintf("p%d : Association to E%d; ", j, i)
		}
	}
	m, p, _ = policyOf(t, text+"} }")
	d = p.Decide(named("u"), access(t, m, "READ S.E6"))
	c, err := d.Guard.Condition(m.Entity("S.E6"), sqlgen.Root)
	x, _ := c.Expr()
	n := 0
	cqn.Walk(x, func(y any) bool {
		if _, ok := y.(*cqn.Exists); ok {
			n++
		}
		return true
	})
	if err != nil || d.Verdict != AllowIf || n == 0 || n > maxParents {
		t.Errorf("%d parents are asked: %v %s", n, err, verdicts[d.Verdict])
	}
}

// TestParts_events: what writing a part asks of its parent, by the request within which it is written.
func TestParts_events(t *testing.T) {
	m, p, _ := policyOf(t, `service S {
  @restrict: [{ grant: 'READ' }, { grant: 'UPDATE', where: 'ID > 1' }, { grant: 'DELETE', where: 'ID > 2' }, { grant: ['go', 'see'], where: 'ID > 3' }]
  entity A { key ID : Integer; parts : Composition of many P on parts.a = $self; } actions { action go(); function see() returns Integer; };
  entity P { key ID : Integer; a : Association to A; } actions { action act(); function look() returns Integer; };
}`)
	a, part := m.Entity("S.A"), m.Entity("S.P")
	const over = "exists S.A over parts"
	for _, c := range []struct {
		do          string
		e           *csn.Entity
		use         string
		root, write string
	}{
		{"READ S.A", part, "update", "all", over + "[ID > 1]"}, {"UPDATE S.A", part, "update", "all", over + "[ID > 1]"}, {"DELETE S.A", part, "delete", "all", over + "[ID > 2]"},
		{"go S.A", part, "update", "all", over + "[ID > 1]"}, {"see S.A", part, "update", "all", over + "[ID > 1]"}, {"act S.P", part, "update", "all", over + "[ID > 1]"},
		{"look S.P", part, "update", "all", "all"}, {"look S.P", part, "delete", "all", "all"}, {"look S.P", a, "update", "all", "ID > 1"}, {"see S.A", a, "update", "all", "ID > 3"},
	} {
		d := p.Decide(named("u"), access(t, m, c.do))
		if got := condition(d.Guard, c.e, uses[c.use]); got != c.write {
			t.Errorf("%s: %s of %s where %s, want %s", c.do, c.use, c.e.Name, got, c.write)
		}
		if got := condition(d.Guard, c.e, sqlgen.Root); got != c.root {
			t.Errorf("%s: %s is read where %s, want %s", c.do, c.e.Name, got, c.root)
		}
	}
}

// TestServices_others: what a request of one service reaches in another is held to the rules of that service.
func TestServices_others(t *testing.T) {
	m, p, _ := policyOf(t, `
service A { entity X { key ID : Integer; o : Association to B.O; c : Association to C.O; } }
@restrict: [{ grant: ['READ', 'go'], where: '$user.level = 1' }] service B { entity O { key ID : Integer; } actions { action go(); }; }
@restrict: [{ grant: 'READ', to: 'c' }, { grant: 'go' }] service C { entity O { key ID : Integer; } actions { action go(); }; }`)
	one := func(roles ...string) *auth.User {
		return auth.New(auth.User{ID: "u", Attrs: map[string][]string{"level": {"1"}}}, roles...)
	}
	for _, c := range []struct {
		user *auth.User
		do   string
		e    string
		want string
	}{
		{one(), "READ A.X", "B.O", "$user.level = 1"}, {one(), "READ A.X", "C.O", "forbidden"}, {one("c"), "READ A.X", "C.O", "all"}, {one(), "READ A.X", "A.X", "all"},
		{one(), "READ B.O", "B.O", "all"}, {one(), "go B.O", "B.O", "$user.level = 1"}, {one(), "go C.O", "C.O", "forbidden"}, {one("c"), "go C.O", "C.O", "all"},
	} {
		d := p.Decide(c.user, access(t, m, c.do))
		if got := condition(d.Guard, m.Entity(c.e), sqlgen.Path); got != c.want {
			t.Errorf("%s: %s is read where %s, want %s (%v)", c.do, c.e, got, c.want, d.Rules)
		}
	}
}
