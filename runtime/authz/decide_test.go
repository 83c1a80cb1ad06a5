package authz

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

const shop = `
context db {
entity Orders { key ID : Integer; title : String; owner : String; status : String; customer : Association to Customers;
  items : Composition of many Items on items.order = $self; notes : Composition of many { key pos : Integer; text : String } }
entity Items { key ID : Integer; order : Association to Orders; qty : Integer; parts : Composition of many Parts on parts.item = $self }
entity Parts { key ID : Integer; item : Association to Items; name : String }
entity Customers { key ID : Integer; country : String; orders : Association to many Orders on orders.customer = $self }
entity Genres { key ID : Integer; parent : Association to Genres; children : Composition of many Genres on children.parent = $self }
entity Logs { key ID : Integer; text : String }
entity Docs { key ID : Integer; code : Association to Codes; pages : Composition of many { key n : Integer; text : String } }
}
@cds.autoexpose entity Codes { key code : String; name : String }

@requires: 'authenticated-user'
service S {
  @restrict: [
    { grant: 'READ', where: 'owner = $user' },
    { grant: 'READ', to: 'Support' },
    { grant: ['CREATE', 'UPDATE'], where: 'owner = $user' },
    { grant: 'DELETE', to: 'Support', where: 'status = ''closed''' },
    { grant: 'ship', to: 'Shipper', where: 'status = ''open''' },
    { grant: 'vip', where: '$user.level = ''gold''' }
  ]
  entity Orders as projection on db.Orders actions { action ship(); action vip(); function peek() returns String; action every(in : many $self); }
  entity Items as projection on db.Items actions { action count(); function size() returns Integer; }
  @restrict: [{ grant: 'READ', to: 'Support' }, { grant: 'UPDATE', to: 'Support', where: 'name is not null' }]
  entity Parts as projection on db.Parts;
  @requires: 'Support' entity Customers as projection on db.Customers;
  entity Genres as projection on db.Genres;
  @readonly entity Logs as projection on db.Logs;
  entity Docs as projection on db.Docs;
  @readonly entity Frozen { key ID : Integer; pages : Composition of many { key n : Integer; text : String } }
  @insertonly entity Inbox { key ID : Integer; letters : Composition of many { key n : Integer } }

  action open();
  @requires: 'Support' action help();
  @restrict: [{ to: 'Shipper', where: '$user.level = ''gold''' }] action gold();
  @restrict: [{ where: '$now > ''2030-01-01''' }] function later() returns String;
}

@restrict: [{ grant: 'READ', to: 'Reader' }, { grant: 'run', to: 'Runner' }, { grant: '*', to: 'Boss' }, { grant: 'WRITE', where: '$user.level = ''gold''' }]
service G {
  entity Things { key ID : Integer } actions { action run(); action halt(); }
  action run();
  action halt();
}
service Open { entity E { key ID : Integer; } @requires: 'any' function f() returns String; }
`

func TestDecide(t *testing.T) {
	m, p, diags := policyOf(t, shop)
	for _, d := range diags {
		t.Error(d.Code, d.Message)
	}
	gold := auth.New(auth.User{ID: "gold", Attrs: map[string][]string{"level": {"silver", "gold"}}}, "Shipper")
	silver := auth.New(auth.User{ID: "silver", Attrs: map[string][]string{"level": {"silver"}}}, "Shipper")
	bob, support := named("bob"), named("sue", "Support")
	for _, c := range []struct {
		user *auth.User
		do   string
		want string // verdict, and the message where it is not the usual one
	}{
		// service first: strangers learn nothing, not even which entities exist
		{auth.Anonymous, "S", "401"},
		{auth.Anonymous, "READ S.Orders", "401"},
		{auth.Anonymous, "CREATE S.Logs", "401"},
		{bob, "S", "allow"},
		// entity
		{bob, "READ S.Orders", "if"},
		{support, "READ S.Orders", "allow"}, // a grant without condition wins
		{bob, "CREATE S.Orders", "if"},
		{bob, "DELETE S.Orders", "403"},
		{support, "DELETE S.Orders", "if"},
		{bob, "UPSERT S.Orders", "if"}, // CREATE and UPDATE together
		{bob, "READ S.Customers", "403"},
		// capabilities come before roles, for everybody
		{bob, "CREATE S.Logs", `405 ENTITY_IS_READ_ONLY Entity "S.Logs" is read-only`},
		{bob, "READ S.Inbox", `405 ENTITY_IS_INSERT_ONLY Entity "S.Inbox" is insert-only`},
		{bob, "CREATE S.Inbox", "allow"},
		{bob, "UPSERT S.Inbox", `405 ENTITY_IS_INSERT_ONLY Entity "S.Inbox" is insert-only`},
		{auth.NewDummy("d"), "CREATE S.Logs", `405 ENTITY_IS_READ_ONLY Entity "S.Logs" is read-only`},
		{auth.Privileged, "CREATE S.Logs", "allow"},
		// auto-exposed: A1 and A2
		{bob, "READ S.Orders.notes", `405 ENTITY_IS_AUTOEXPOSED Entity "S.Orders.notes" is not explicitly exposed as part of the service`},
		{support, "READ S.Orders.notes", `405 ENTITY_IS_AUTOEXPOSED Entity "S.Orders.notes" is not explicitly exposed as part of the service`},
		{bob, "READ S.Docs/pages", "allow"},
		{bob, "CREATE S.Docs/pages", "allow"},
		{bob, "READ S.Codes", "allow"},
		{bob, "UPDATE S.Codes", `405 ENTITY_IS_READ_ONLY Entity "S.Codes" is read-only`},
		{bob, "UPDATE S.Docs/code", `405 ENTITY_IS_READ_ONLY Entity "S.Codes" is read-only`},
		{bob, "READ S.Docs/code", "allow"},
		{bob, "CREATE S.Frozen/pages", `405 ENTITY_IS_READ_ONLY Entity "S.Frozen" is read-only`},
		{bob, "UPDATE S.Frozen.pages", `405 ENTITY_IS_READ_ONLY Entity "S.Frozen" is read-only`},
		{bob, "READ S.Frozen/pages", "allow"},
		{bob, "READ S.Frozen.pages", "allow"},
		{bob, "READ S.Inbox/letters", `405 ENTITY_IS_INSERT_ONLY Entity "S.Inbox" is insert-only`},
		// paths need READ on what they pass (decision 5)
		{bob, "READ S.Customers/orders", "403"},
		{support, "READ S.Customers/orders", "allow"},
		{bob, "READ S.Orders/customer", "403"},
		{support, "READ S.Orders/customer", "allow"},
		// composition children follow their root (decision 6)
		{bob, "READ S.Items", "if"},
		{support, "READ S.Items", "allow"},
		{bob, "READ S.Orders/items", "if"},
		{bob, "UPDATE S.Items", "if"},
		{bob, "DELETE S.Items", "if"},     // deleting an item is changing the order
		{support, "DELETE S.Items", "if"}, // so the right to delete orders is not enough: the order must be hers
		{bob, "DELETE S.Orders/items", "if"},
		{bob, "READ S.Orders/notes", "if"},
		{bob, "READ S.Parts", "403"}, // own restriction and root's, both
		{support, "READ S.Parts", "allow"},
		{support, "UPDATE S.Parts", "if"},
		{support, "CREATE S.Parts", "403"},
		{bob, "READ S.Genres", "allow"}, // a hierarchy is its own root
		{bob, "UPDATE S.Genres/children", "allow"},
		// operations
		{bob, "S.open", "allow"},
		{auth.Anonymous, "S.open", "401"},
		{bob, "S.help", "403"},
		{support, "S.help", "allow"},
		{gold, "S.gold", "allow"},
		{silver, "S.gold", "403"},
		{bob, "S.later", "403"}, // without the time nothing is known, so denied
		{bob, "ship S.Orders", "403"},
		{gold, "ship S.Orders", "if"},
		{gold, "vip S.Orders", "if"},
		{silver, "vip S.Orders", "403"}, // static condition, decided before any handler
		{bob, "peek S.Orders", "403"},   // not granted to anybody
		{bob, "every S.Orders", "403"},
		{bob, "count S.Items", "if"}, // an action on a part: UPDATE on the root
		{bob, "size S.Items", "if"},  // a function: READ
		{support, "size S.Items", "allow"},
		// grants on a service narrow (decision 38)
		{named("r", "Reader"), "READ G.Things", "allow"},
		{named("r", "Reader"), "G", "allow"},
		{named("r", "Reader"), "CREATE G.Things", "403"},
		{named("r", "Reader"), "run G.Things", "403"},
		{named("u", "Runner"), "run G.Things", "allow"},
		{named("u", "Runner"), "G.run", "allow"},
		{named("u", "Runner"), "G.halt", "403"},
		{named("u", "Runner"), "G", "403"},
		{named("b", "Boss"), "halt G.Things", "allow"},
		{gold, "DELETE G.Things", "allow"},
		{gold, "READ G.Things", "403"},
		{silver, "DELETE G.Things", "403"},
		{auth.Anonymous, "READ G.Things", "401"},
		{auth.Anonymous, "READ Open.E", "allow"},
		{auth.Anonymous, "Open.f", "allow"},
		// what is not understood
		{bob, "FROB S.Logs", "403"},
		// dummy and privileged
		{auth.NewDummy("d"), "DELETE S.Orders", "allow"},
		{auth.NewDummy("d"), "peek S.Orders", "allow"},
		{auth.Privileged, "READ S.Customers/orders", "allow"},
		{nil, "READ S.Orders", "401"},
	} {
		d := p.Decide(c.user, access(t, m, c.do))
		got := verdicts[d.Verdict]
		if d.Verdict == Deny405 {
			got += " " + d.Code + " " + d.Message
		}
		id := "nobody"
		if c.user != nil {
			id = c.user.ID
		}
		if got != c.want {
			t.Errorf("%s by %s: got %s, want %s (rules %v)", c.do, id, got, c.want, d.Rules)
		}
		if d.Guard == nil {
			t.Errorf("%s by %s: no guard", c.do, id)
		}
		if !d.Allowed() {
			if len(d.Rules) == 0 {
				t.Errorf("%s by %s: nobody says why", c.do, id)
			}
			if got := condition(d.Guard, m.Entity("S.Docs"), sqlgen.Root); !strings.HasPrefix(got, "forbidden") {
				t.Errorf("%s by %s: denied, yet the guard says %s", c.do, id, got)
			}
		}
	}
}

// Static conditions on $now hold or not by the time of the request.
func TestDecideNow(t *testing.T) {
	m, p, _ := policyOf(t, shop)
	a := access(t, m, "S.later")
	for now, want := range map[string]Verdict{"2029-12-31T23:59:59.999Z": Deny403, "2030-01-01T00:00:00.000Z": Allow} {
		a.Now = now
		if d := p.Decide(named("bob"), a); d.Verdict != want {
			t.Errorf("%s: %s", now, verdicts[d.Verdict])
		}
	}
}

// An access that names nothing, or nothing of this model, is denied.
func TestIncomprehensible(t *testing.T) {
	m, p, _ := policyOf(t, shop)
	s, e := m.Service("S"), m.Entity("S.Docs")
	foreign := &csn.Entity{Def: csn.Def{Name: "X"}, ID: e.ID, Service: s}
	for name, a := range map[string]Access{
		"zero":             {},
		"no service":       {Event: Read, Path: []*csn.Entity{e}},
		"no event":         {Service: s, Path: []*csn.Entity{e}},
		"write of nothing": {Service: s, Event: Update},
		"nil entity":       {Service: s, Event: Read, Path: []*csn.Entity{nil}},
		"nil on the path":  {Service: s, Event: Read, Path: []*csn.Entity{nil, e}, Via: []*csn.Element{nil}},
		"bound without it": {Service: s, Event: "ship", Op: m.Entity("S.Orders").Action("ship")},
		"another model":    {Service: s, Event: Read, Path: []*csn.Entity{foreign}},
	} {
		if d := p.Decide(named("bob"), a); d.Allowed() {
			t.Errorf("%s: allowed", name)
		}
	}
	var none *Decision
	if none.Allowed() || (&Decision{}).Allowed() {
		t.Error("no decision allows")
	}
	var g *Guard
	for _, g := range []*Guard{g, {}} {
		if condition(g, e, sqlgen.Root) != "forbidden" || g.Element(e.Flat[0], sqlgen.Root) == nil || g.Key() != "none" {
			t.Error("a guard of no decision lets pass")
		}
		if _, err := g.Check(e, Create); err == nil {
			t.Error("a guard of no decision lets new values pass")
		}
		if condition(g.Subject(), e, sqlgen.Root) != "forbidden" || condition(g.Narrow(e, never()), e, sqlgen.Root) != "forbidden" {
			t.Error("a derived guard of no decision lets pass")
		}
	}
}

func TestMessageOf403(t *testing.T) {
	text := `@requires: ['admin', 'Editor'] service M { entity E { key ID : Integer; } @requires: 'Viewer' entity V { key ID : Integer; } }`
	m := compiled(t, text)
	for _, c := range []struct {
		opt     Options
		user    *auth.User
		do      string
		message string
		lacking []string
	}{
		{Options{}, named("bob"), "READ M.E", "User 'bob' is lacking required roles: [admin,Editor]", []string{"admin", "Editor"}},
		{Options{}, named("bob"), "M", "User 'bob' is lacking required roles: [admin,Editor]", []string{"admin", "Editor"}},
		{Options{Production: true}, named("bob"), "READ M.E", "Forbidden", []string{"admin", "Editor"}},
		{Options{}, named("al", "admin"), "READ M.V", "Forbidden", []string{"Viewer"}},
		{Options{}, auth.Anonymous, "READ M.E", "Unauthorized", []string{"admin", "Editor"}},
	} {
		p, _ := Compile(m, c.opt)
		d := p.Decide(c.user, access(t, m, c.do))
		if d.Message != c.message || !slices.Equal(d.Lacking, c.lacking) {
			t.Errorf("%s by %s: %q %v, want %q %v", c.do, c.user.ID, d.Message, d.Lacking, c.message, c.lacking)
		}
	}
}

func TestRestrictAllServices(t *testing.T) {
	m := compiled(t, `service A { entity E { key ID : Integer; } action f(); }
		@requires: 'any' service B { entity E { key ID : Integer; } }
		@requires: null service C { entity E { key ID : Integer; } }`)
	p, _ := Compile(m, Options{RestrictAllServices: true})
	for do, want := range map[string][2]Verdict{
		"READ A.E": {Deny401, Allow}, "A.f": {Deny401, Allow}, "A": {Deny401, Allow}, "READ B.E": {Allow, Allow}, "READ C.E": {Deny401, Allow},
	} {
		a := access(t, m, do)
		if anon, bob := p.Decide(auth.Anonymous, a), p.Decide(named("bob"), a); anon.Verdict != want[0] || bob.Verdict != want[1] {
			t.Errorf("%s: %s, %s", do, verdicts[anon.Verdict], verdicts[bob.Verdict])
		}
	}
	if got := p.Open(); !slices.Equal(got, []string{"B.E"}) {
		t.Errorf("open: %v", got)
	}
}

// New values must satisfy what the user may write (D1, decision 11); a part also what its parent asks (decision 6).
func TestCheck(t *testing.T) {
	m, p, _ := policyOf(t, shop)
	bob, support := named("bob"), named("sue", "Support")
	for _, c := range []struct {
		user        *auth.User
		do          string
		want, owner string // whole check, and its part about the parent
	}{
		{bob, "CREATE S.Orders", "owner = $user", ""},
		{bob, "UPDATE S.Orders", "owner = $user", ""},
		{bob, "UPSERT S.Orders", "owner = $user and owner = $user", ""},
		{bob, "READ S.Orders", "", ""},
		{support, "DELETE S.Orders", "", ""},
		{bob, "CREATE S.Docs", "", ""},
		{bob, "CREATE S.Items", "exists S.Orders over items[owner = $user]", "exists S.Orders over items[owner = $user]"},
		{bob, "UPDATE S.Orders/items", "exists S.Orders over items[owner = $user]", "exists S.Orders over items[owner = $user]"},
	} {
		d := p.Decide(c.user, access(t, m, c.do))
		if !d.Allowed() {
			t.Errorf("%s: denied %v", c.do, d.Rules)
		}
		if got := show(d.Check); got != c.want {
			t.Errorf("%s: check %q, want %q", c.do, got, c.want)
		}
		if got := show(d.Parent); got != c.owner {
			t.Errorf("%s: parent %q, want %q", c.do, got, c.owner)
		}
	}
	// Parts of a deep write: their own restriction only, since the whole has been checked.
	d := p.Decide(bob, access(t, m, "CREATE S.Orders"))
	if x, err := d.Guard.Check(m.Entity("S.Items"), Create); err != nil || x != nil {
		t.Errorf("items of a new order: %s, %v", show(x), err)
	}
	if _, err := d.Guard.Check(m.Entity("S.Parts"), Create); err == nil {
		t.Error("parts of a new order have a restriction of their own, which grants no CREATE")
	}
}

func show(x cqn.Expr) string {
	if x == nil {
		return ""
	}
	return cqn.Format(x)
}

// Explain: the names of the privileges that matched, in the order they were asked.
func TestRulesOfDecision(t *testing.T) {
	m, p, _ := policyOf(t, shop)
	for _, c := range []struct {
		user *auth.User
		do   string
		want []string
	}{
		{named("bob"), "READ S.Orders", []string{"S@requires", "S.Orders#1"}},
		{named("sue", "Support"), "READ S.Orders", []string{"S@requires", "S.Orders#2"}},
		{named("bob"), "DELETE S.Orders", []string{"S@requires", "S.Orders: no grant of DELETE"}},
		{named("bob"), "S.help", []string{"S@requires", "S.help@requires"}},
	} {
		d := p.Decide(c.user, access(t, m, c.do))
		if diff := cmp.Diff(c.want, d.Rules); diff != "" {
			t.Errorf("%s by %s (-want +got)\n%s", c.do, c.user.ID, diff)
		}
	}
}
