package authz

import (
	"slices"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

const everyoneModel = `
context d {
  entity Orders { key ID : Integer; owner : String; n : Integer; code : Association to Codes; items : Composition of many Items on items.order = $self; }
  entity Items { key ID : Integer; order : Association to Orders; n : Integer; parts : Composition of many Parts on parts.item = $self; }
  entity Parts { key ID : Integer; item : Association to Items; box : Association to Boxes; }
  @cds.autoexpose entity Codes { key ID : Integer; }
  entity Boxes { key ID : Integer; parts : Composition of many Parts on parts.box = $self; }
}
@roles: { boss: 'clerk' }
service S {
  @restrict: [{ grant: 'READ', where: 'owner = $user' }, { grant: '*', to: 'boss' }, { grant: 'UPDATE', to: 'clerk', where: 'n > 1' }, { grant: 'DELETE', to: 'cleaner', where: 'n > 2' }, { deny: 'READ', to: 'temp', where: 'n > 9' }, { deny: 'UPDATE', to: 'banned' }]
  entity Orders as projection on d.Orders;
  entity Items as projection on d.Items;
  entity Parts as projection on d.Parts;
  @restrict: [{ grant: 'READ', to: 'clerk' }, { grant: 'WRITE', to: 'boss' }] entity Boxes as projection on d.Boxes;
  entity Plain { key ID : Integer; }
  @readonly entity Fixed { key ID : Integer; }
  @insertonly entity Inbox { key ID : Integer; }
  @requires: 'clerk' entity Login { key ID : Integer; }
  @requires: ['clerk', 'temp'] @restrict: [{ grant: 'READ', to: 'temp' }, { grant: 'READ', where: 'ID > 1' }, { deny: '*', to: 'banned', where: 'ID > 5' }, { deny: 'WRITE' }] entity Mixed { key ID : Integer; }
  @restrict: [{ grant: 'READ', to: 'any' }, { deny: 'READ', where: 'ID = 3' }] entity Denied { key ID : Integer; }
  @restrict: [{ grant: 'READ', to: 'clerk', where: 'ID = 1' }, { grant: 'READ', to: 'temp', where: 'ID = 2' }] entity Two { key ID : Integer; }
  @restrict: [] entity Nobody { key ID : Integer; }
}
@requires: 'clerk' service C { entity E { key ID : Integer; } @restrict: [{ grant: 'READ', to: 'temp' }] entity F { key ID : Integer; } }
@restrict: [{ grant: 'READ', to: 'clerk' }, { grant: 'UPDATE', to: 'temp' }] service R { entity E { key ID : Integer; } entity F { key ID : Integer; } }
@requires: 'any' service A { entity E { key ID : Integer; } }
entity d.Tops { key ID : Integer; n : Integer; nodes : Composition of many d.Nodes on nodes.top = $self; }
entity d.Nodes { key ID : Integer; top : Association to d.Tops; parent : Association to d.Nodes; children : Composition of many d.Nodes on children.parent = $self; }
service H { @restrict: [{ grant: '*', to: 'boss' }, { grant: 'READ', where: 'n > 1' }] entity Tops as projection on d.Tops; entity Nodes as projection on d.Nodes; }
service F { @restrict: [{ grant: 'READ', to: 'temp' }, { grant: 'READ', to: 'clerk', where: 'm > 1' }] entity Orders as projection on d.Orders { ID, n as m }; entity Items as projection on d.Items; entity Parts as projection on d.Parts; }`

// forUser takes the user's roles out of a condition of Everyone: what is left, nil for always, and false for never.
func forUser(x cqn.Expr, u *auth.User, p *Policy) (cqn.Expr, bool) {
	switch x := x.(type) {
	case nil:
		return nil, true
	case *cqn.Unary:
		if x.Op == cqn.Not {
			switch y, can := forUser(x.X, u, p); {
			case !can:
				return nil, true
			case y == nil:
				return nil, false
			default:
				return &cqn.Unary{Op: cqn.Not, X: y}, true
			}
		}
	case *cqn.Binary:
		if par, ok := x.R.(*cqn.Param); ok && par.Name == RoleAttribute {
			return nil, p.Has(u, x.L.(*cqn.Lit).Value.Str())
		}
		if x.Op != cqn.And && x.Op != cqn.Or {
			break
		}
		l, okL := forUser(x.L, u, p)
		r, okR := forUser(x.R, u, p)
		switch {
		case x.Op == cqn.And:
			return and(l, r), okL && okR
		case okL && l == nil || okR && r == nil:
			return nil, true
		case !okL:
			return r, okR
		case !okR:
			return l, true
		}
		return or(l, r), true
	case *cqn.Exists:
		pred, can := forUser(x.Pred, u, p)
		y := *x
		y.Pred = pred
		return &y, can
	}
	return x, true
}

// spread makes alternatives of a whole's condition alternatives of their own.
func spread(x cqn.Expr) cqn.Expr {
	switch x := x.(type) {
	case *cqn.Unary:
		return &cqn.Unary{Op: x.Op, X: spread(x.X)}
	case *cqn.Binary:
		return &cqn.Binary{Op: x.Op, L: spread(x.L), R: spread(x.R)}
	case *cqn.Exists:
		if b, ok := spread(x.Pred).(*cqn.Binary); ok && b.Op == cqn.Or {
			l, r := *x, *x
			l.Pred, r.Pred = b.L, b.R
			return or(spread(&l), spread(&r))
		}
	}
	return x
}

// implies reports whether y holds wherever x does, with parts that are no and, or and not taken for facts of their own.
func implies(x, y cqn.Expr) bool {
	var facts []string
	var collect func(x cqn.Expr)
	collect = func(x cqn.Expr) {
		switch x := x.(type) {
		case nil:
			return
		case *cqn.Unary:
			if x.Op == cqn.Not {
				collect(x.X)
				return
			}
		case *cqn.Binary:
			if x.Op == cqn.And || x.Op == cqn.Or {
				collect(x.L)
				collect(x.R)
				return
			}
		}
		if text := cqn.Format(x); !slices.Contains(facts, text) {
			facts = append(facts, text)
		}
	}
	x, y = spread(x), spread(y)
	collect(x)
	collect(y)
	var holds func(x cqn.Expr, set int) bool
	holds = func(x cqn.Expr, set int) bool {
		switch x := x.(type) {
		case nil:
			return true
		case *cqn.Unary:
			if x.Op == cqn.Not {
				return !holds(x.X, set)
			}
		case *cqn.Binary:
			if x.Op == cqn.And {
				return holds(x.L, set) && holds(x.R, set)
			}
			if x.Op == cqn.Or {
				return holds(x.L, set) || holds(x.R, set)
			}
		}
		return set&(1<<slices.Index(facts, cqn.Format(x))) != 0
	}
	for set := range 1 << len(facts) {
		if holds(x, set) && !holds(y, set) {
			return false
		}
	}
	return true
}

// TestEveryone: the condition for everybody lets each user read what is decided for him alone, and write it; on what is no part of something else, nothing more.
func TestEveryone(t *testing.T) {
	m, p, diags := policyOf(t, everyoneModel)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	n := 0
	for _, s := range m.Services {
		for _, e := range s.Entities {
			for _, ev := range []Event{Read, Create, Update, Delete} {
				x, ok := p.Everyone(e, ev)
				for _, u := range append(people([]string{"clerk", "boss", "temp", "banned", "cleaner"}), named("all", "clerk", "boss", "temp", "banned", "cleaner")) {
					n++
					d := p.Decide(u, Access{Service: s, Event: ev, Path: []*csn.Entity{e}})
					var decided cqn.Expr
					may := d.Allowed()
					if may {
						use := map[Event]sqlgen.Use{Read: sqlgen.Root, Create: sqlgen.Insert, Update: sqlgen.Update, Delete: sqlgen.Delete}[ev]
						c, err := d.Guard.Condition(e, use)
						if err != nil {
							t.Fatal(err)
						}
						if decided, _ = c.Expr(); ev == Create {
							decided = d.Check
						}
					}
					if y, never := decided.(*cqn.Lit); never && !y.Value.Bool() {
						may, decided = false, nil
					}
					left, can := forUser(x, u, p)
					can = can && ok
					part := len(p.WholesOf(e)) > 0 && ev != Read
					if may && (!can || !implies(decided, left)) || !part && can && (!may || !implies(left, decided)) {
						t.Errorf("%s of %s by %v: decided %v %s, everybody %v %s", ev, e.Name, u.Roles(), may, show(decided), can, show(left))
					}
				}
			}
		}
	}
	if n < 500 {
		t.Errorf("only %d decisions", n)
	}
}

// TestEveryone_parts: parts may be written by whoever may change their document, or make or delete it as a whole.
func TestEveryone_parts(t *testing.T) {
	m, p, _ := policyOf(t, everyoneModel)
	role := func(names ...string) string {
		for i, n := range names {
			names[i] = "'" + n + "' = $user." + RoleAttribute
		}
		return strings.Join(names, " or ")
	}
	for _, c := range []struct {
		entity string
		ev     Event
		user   string
		want   string // "-" for never
	}{
		{"S.Items", Read, "", "exists S.Orders over items[owner = $user]"}, {"S.Items", Read, "boss", ""}, {"S.Items", Read, "temp", "exists S.Orders over items[owner = $user and not n > 9]"},
		{"S.Items", Update, "", "-"}, {"S.Items", Update, "clerk", "exists S.Orders over items[n > 1]"}, {"S.Items", Update, "cleaner", "exists S.Orders over items[n > 2]"}, {"S.Items", Update, "boss", ""}, {"S.Items", Update, "clerk banned", "-"}, {"S.Items", Delete, "cleaner", "exists S.Orders over items[n > 2]"},
		{"S.Items", Create, "boss", ""}, {"S.Items", Create, "clerk cleaner", "exists S.Orders over items[n > 1 or n > 2]"}, {"S.Boxes", Update, "boss", ""}, {"S.Boxes", Update, "clerk", "-"}, {"S.Fixed", Update, "boss", "-"}, {"S.Fixed", Read, "", ""}, {"S.Inbox", Read, "", "-"}, {"S.Inbox", Update, "", "-"}, {"S.Inbox", Create, "", ""},
		{"S.Parts", Update, "cleaner", "exists S.Items over parts[exists S.Orders over items[n > 2]]"}, {"S.Parts", Update, "temp", "-"}, {"S.Parts", Update, "boss", ""}, {"S.Parts", Read, "clerk", "exists S.Items over parts[exists S.Orders over items[owner = $user]] or exists S.Boxes over parts"}, {"S.Nobody", Read, "boss", "-"}, {"C.F", Read, "temp", "-"}, {"C.F", Read, "temp clerk", ""}, {"F.Items", Read, "temp", ""}, {"F.Items", Read, "clerk", "-"}, {"R.E", Delete, "temp", "-"},
	} {
		x, ok := p.Everyone(m.Entity(c.entity), c.ev)
		left, can := forUser(x, named("u", strings.Fields(c.user)...), p)
		got := "-"
		if ok && can {
			if got = ""; left != nil {
				got = cqn.Format(left)
			}
		}
		if got != c.want {
			t.Errorf("%s of %s as %q: %q, want %q", c.ev, c.entity, c.user, got, c.want)
		}
	}
	if x, ok := p.Everyone(m.Entity("S.Login"), Read); !ok || cqn.Format(x) != role("boss", "clerk") {
		t.Errorf("who has a role that includes another: %s", show(x))
	}
	for _, e := range []*csn.Entity{nil, compiled(t, "entity X { key ID : Integer; }").Entities[0]} {
		if x, ok := p.Everyone(e, Read); ok {
			t.Errorf("an unknown entity: %s", show(x))
		}
	}
	if with, _ := p.With([]DataPolicy{{ID: "p", Entity: "S.Plain", Effect: Refuse}}, false); true {
		if x, ok := with.Everyone(m.Entity("S.Plain"), Read); !ok || x != nil {
			t.Errorf("policies beside the model: %v %s", ok, show(x))
		}
	}
}

// TestLift: a condition is lifted by what it says of roles alone, never by what it says of a row.
func TestLift(t *testing.T) {
	role := func(n string) cqn.Expr {
		return &cqn.Binary{Op: cqn.Eq, L: &cqn.Lit{Value: cqn.String(n)}, R: &cqn.Param{From: cqn.FromUserAttr, Name: RoleAttribute}}
	}
	not := func(x cqn.Expr) cqn.Expr { return &cqn.Unary{Op: cqn.Not, X: x} }
	a, b, row := role("a"), role("b"), idAbove(1)
	for _, c := range []struct{ x, want cqn.Expr }{
		{a, a}, {or(a, b), or(a, b)}, {and(a, b), and(a, b)}, {row, never()}, {and(a, row), never()}, {or(a, row), a}, {or(row, a), a}, {or(and(a, row), b), b}, {or(row, idAbove(2)), never()}, {nil, nil},
		{not(and(a, row)), not(a)}, {not(a), not(a)}, {not(row), never()}, {not(or(a, row)), never()}, {and(or(a, row), not(and(b, row))), and(a, not(b))}, {and(row, not(and(b, row))), never()},
		{or(and(a, b), a), or(and(a, b), a)}, {or(not(a), b), or(not(a), b)}, {not(or(a, b)), not(or(a, b))}, {not(not(row)), never()}, {or(&cqn.Exists{Path: cqn.NewRef("x")}, a), a}, {not(&cqn.Exists{Path: cqn.NewRef("x")}), never()},
		{&cqn.Unary{Op: cqn.IsNull, X: a}, never()}, {&cqn.Binary{Op: cqn.Ne, L: a.(*cqn.Binary).L, R: a.(*cqn.Binary).R}, never()}, {&cqn.Binary{Op: cqn.Eq, L: a, R: b}, never()},
		{&cqn.Binary{Op: cqn.Eq, L: a.(*cqn.Binary).L, R: &cqn.Param{From: cqn.FromUserAttr, Name: "level"}}, never()}, {&cqn.Binary{Op: cqn.Eq, L: a.(*cqn.Binary).L, R: &cqn.Param{From: cqn.FromUserID, Name: RoleAttribute}}, never()},
	} {
		got, can := lift(c.x)
		if want := show(c.want); !can && want != show(never()) || can && show(got) != want {
			t.Errorf("%s is lifted by %v %s, want %s", show(c.x), can, show(got), want)
		}
	}
	// of several parents, all of them
	l := lifted{}
	l.add(or(a, row), true)
	l.add(b, true)
	if l.no || show(l.x) != show(and(a, b)) {
		t.Errorf("of two parents: %v %s", l.no, show(l.x))
	}
	for _, again := range []bool{true, false} {
		m := lifted{x: a}
		m.add(row, again)
		m.add(a, true)
		if !m.no {
			t.Error("a parent that must be asked for is forgotten")
		}
	}
	if m := (lifted{}); true {
		if m.add(a, false); !m.no {
			t.Error("a parent that nobody has lifts")
		}
	}
}
