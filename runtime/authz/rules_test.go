package authz

import (
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// TestRefused_parts: what may be a part of something that nobody may change is not changed, on whatever way it is reached; levels of a hierarchy end.
func TestRefused_parts(t *testing.T) {
	parts := ` @cds.autoexposed entity Nodes as projection on d.Nodes; @cds.autoexposed entity K as projection on d.K; @cds.autoexposed entity L as projection on d.L;
  @cds.autoexposed @cds.autoexpose entity Codes as projection on d.Codes; @cds.autoexposed entity Names as projection on d.Names;`
	base := compiled(t, `
entity d.Tree { key ID : Integer; nodes : Composition of many d.Nodes on nodes.tree = $self; }
entity d.Nodes { key ID : Integer; tree : Association to d.Tree; up : Association to d.Nodes; children : Composition of many d.Nodes on children.up = $self; }
entity d.One { key ID : Integer; ks : Composition of many d.K on ks.one = $self; }
entity d.Two { key ID : Integer; ks : Composition of many d.K on ks.two = $self; }
entity d.K { key ID : Integer; one : Association to d.One; two : Association to d.Two; ls : Composition of many d.L on ls.k = $self; }
entity d.L { key ID : Integer; k : Association to d.K; }
entity d.Codes { key ID : Integer; names : Composition of many d.Names on names.code = $self; }
entity d.Names { key ID : Integer; code : Association to d.Codes; }
entity d.Other { key ID : Integer; node : Association to d.Nodes; k : Association to d.K; l : Association to d.L; name : Association to d.Names; code : Association to d.Codes; }
service Free {`+parts+` entity Tree as projection on d.Tree; entity One as projection on d.One; entity Two as projection on d.Two; entity Other as projection on d.Other; }
service Fixed {`+parts+` @readonly entity Tree as projection on d.Tree; entity One as projection on d.One; @readonly entity Two as projection on d.Two; entity Other as projection on d.Other; }
service Inbox { @insertonly entity E { key ID : Integer; } }`)
	m, diags := csn.Read(csn.Marshal(base, csn.MarshalOptions{}))
	if m == nil {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{})
	for _, c := range []struct{ do, want string }{
		{"UPDATE Free.Other/node", "allow"}, {"UPDATE Free.Other/k", "allow"}, {"UPDATE Free.Other/l", "allow"},
		{"UPDATE Fixed.Other/node", "ENTITY_IS_READ_ONLY"}, {"UPDATE Fixed.Other/k", "ENTITY_IS_READ_ONLY"}, {"UPDATE Fixed.Other/l", "ENTITY_IS_READ_ONLY"}, {"READ Fixed.Other/k", "allow"},
		{"UPDATE Free.Other/name", "ENTITY_IS_READ_ONLY"}, {"READ Free.Other/name", "allow"}, {"DELETE Free.Other/name", "ENTITY_IS_READ_ONLY"},
		{"READ Inbox.E", "ENTITY_IS_INSERT_ONLY"}, {"CREATE Inbox.E", "allow"}, {"UPDATE Inbox.E", "ENTITY_IS_INSERT_ONLY"}, {"DELETE Inbox.E", "ENTITY_IS_INSERT_ONLY"}, {"UPSERT Inbox.E", "ENTITY_IS_INSERT_ONLY"},
	} {
		d := p.Decide(named("u"), access(t, m, c.do))
		got := verdicts[d.Verdict]
		if d.Verdict == Deny405 {
			got = d.Code
		}
		if got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.do, got, d.Message, c.want)
		}
	}
}

// TestCheckCondition_error: what of a condition does not resolve is an error.
func TestCheckCondition_error(t *testing.T) {
	e := compiled(t, "entity E { key ID : Integer; }").Entities[0]
	for text, want := range map[string]string{"ID > 1": "", "nix > 1": "nix"} {
		x, diags := parser.ParseExpr(text)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		switch err := CheckCondition(x, e); {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestDataPolicies_corners: all events by their word, conditions on the framework's records, grants that hold for nobody, and lists that are added to twice.
func TestDataPolicies_corners(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, `service S {
  @restrict: [{ grant: 'READ', to: 'boss' }] entity Closed { key ID : Integer; } actions { action go(); };
  @odata.draft.enabled entity A { key ID : UUID; x : String; }
  entity X { key ID : Integer; } entity Y { key ID : Integer; } entity Z { key ID : Integer; } action run(); }`), "")
	if m == nil {
		t.Fatal(diags)
	}
	base, _ := Compile(m, Options{})
	verdict := func(p *Policy, u *auth.User, do string) string {
		return verdicts[p.Decide(u, access(t, m, do)).Verdict]
	}
	u := named("u", "r")
	for _, c := range []struct {
		d       DataPolicy
		do      string
		want    string
		faulted bool
	}{
		{to(dataPolicy(t, "p", "S.Closed", Extend, "", "*"), "r"), "READ S.Closed", "allow", false},
		{to(dataPolicy(t, "p", "S.Closed", Extend, "", "*"), "r"), "DELETE S.Closed", "allow", false},
		{to(dataPolicy(t, "p", "S.Closed", Extend, "", "*"), "r"), "go S.Closed", "allow", false},
		{to(dataPolicy(t, "p", "S.Closed", Extend, "1 = 1", "READ"), "r"), "READ S.Closed", "allow", false},
		{to(dataPolicy(t, "p", "S.Closed", Extend, "1 = 2", "READ"), "r"), "UPDATE S.Closed", "403", false},
		{dataPolicy(t, "p", "S", Refuse, "", "*"), "S.run", "403", false}, {dataPolicy(t, "p", "S", Refuse, "", "*"), "UPDATE S.X", "403", false},
		{dataPolicy(t, "p", "S", Refuse, "", "READ"), "UPDATE S.X", "allow", false}, {dataPolicy(t, "p", "S", Refuse, "", "READ"), "S.run", "allow", false},
		{dataPolicy(t, "p", "S.X", Refuse, "1 = 2"), "READ S.X", "allow", false}, {dataPolicy(t, "p", "S.X", Refuse, "1 = 1"), "READ S.X", "403", false},
		{dataPolicy(t, "p", "S.A.activeOrDraft", Refuse, ""), "READ S.X", "403", true}, {dataPolicy(t, "p", "S.A.drafts", Refuse, ""), "READ S.X", "403", true}, // stands for the service
	} {
		p, faults := base.With([]DataPolicy{c.d}, true)
		if (len(faults) > 0) != c.faulted {
			t.Errorf("%+v: %v", c.d, faults)
		}
		if got := verdict(p, u, c.do); got != c.want {
			t.Errorf("%s with %s of %s %v: %s, want %s", c.do, c.d.Effect, c.d.Entity, c.d.Events, got, c.want)
		}
	}
	closed := m.Entity("S.Closed")
	grants := func(where string) string {
		p, _ := base.With([]DataPolicy{to(dataPolicy(t, "p", "S.Closed", Extend, where, "READ"), "r")}, true)
		return condition(p.Decide(u, access(t, m, "READ S.Closed")).Guard, closed, sqlgen.Root)
	}
	for where, want := range map[string]string{"1 = 1": "all", "1 = 2": "false", "null > 1": "false", "ID = 1": "ID = 1"} { // what is unknown grants nothing
		if got := grants(where); got != want {
			t.Errorf("a grant where %s shows %s, want %s", where, got, want)
		}
	}
	// records of drafts have elements of their own: a policy about them alone may name these, one about their service does not mean them
	records := m.Entity("S.DraftAdministrativeData")
	alone, all := dataPolicy(t, "p", records.Name, Restrict, "DraftIsProcessedByMe = true"), dataPolicy(t, "p", "S", Restrict, "ID is not null")
	if got := base.Asked(alone); len(got) != 1 || got[0] != records {
		t.Errorf("asked for %v", got)
	}
	for _, e := range base.Asked(all) {
		if e == records {
			t.Error("a policy of a service asks for the records of drafts")
		}
	}
	if got := base.Asked(dataPolicy(t, "p", "S.X", Restrict, "ID = 1")); len(got) != 1 || got[0] != m.Entity("S.X") {
		t.Errorf("asked for %v", got)
	}
	if got := base.Asked(dataPolicy(t, "p", "S.Nix", Restrict, "ID = 1")); got != nil {
		t.Errorf("asked for %v", got)
	}
	if p, faults := base.With([]DataPolicy{alone}, false); len(faults) > 0 || p.of(records) == "" || !strings.Contains(p.of(records), "DraftIsProcessedByMe") {
		t.Errorf("%v: %s", faults, p.of(records))
	}
	// whom a list is for does not change by others that are made of the same
	one := dataPolicy(t, "1", "S.Z", Refuse, "")
	for name, whom := range map[string]func(d DataPolicy, narrow bool) DataPolicy{
		"users": func(d DataPolicy, narrow bool) DataPolicy {
			d.Users = []string{"u"}
			if narrow {
				d.Tenant = "t"
			}
			return d
		},
		"tenants": func(d DataPolicy, narrow bool) DataPolicy {
			d.Tenant = "o"
			if narrow {
				d.Roles = []string{"boss"}
			}
			return d
		},
	} {
		var list []DataPolicy
		for _, id := range []string{"1", "2", "3"} { // more fits where these are
			one.ID = id
			list = append(list, whom(one, true))
		}
		q, _ := base.With(list, false)
		x, _ := q.With([]DataPolicy{whom(dataPolicy(t, "x", "S.X", Refuse, ""), true)}, false)
		y, _ := q.With([]DataPolicy{whom(dataPolicy(t, "y", "S.Y", Refuse, ""), false)}, false)
		other := auth.New(auth.User{ID: "u", Tenant: "o"})
		if got := verdict(x, other, "READ S.X") + " " + verdict(y, other, "READ S.Y"); got != "allow 403" {
			t.Errorf("%s: %s", name, got)
		}
	}
	// what is added to a list is not seen by others that are made of it
	users := func(d DataPolicy) DataPolicy { d.Users = []string{"u"}; return d }
	tenants := func(d DataPolicy) DataPolicy { d.Tenant = "t"; return d }
	of := auth.New(auth.User{ID: "u", Tenant: "t"})
	for name, whom := range map[string]func(DataPolicy) DataPolicy{"users": users, "tenants": tenants} {
		q, _ := base.With([]DataPolicy{whom(dataPolicy(t, "1", "S.Z", Refuse, "")), whom(dataPolicy(t, "2", "S.Z", Refuse, "")), whom(dataPolicy(t, "3", "S.Z", Refuse, ""))}, false)
		x, _ := q.With([]DataPolicy{whom(dataPolicy(t, "x", "S.X", Refuse, ""))}, false)
		y, _ := q.With([]DataPolicy{whom(dataPolicy(t, "y", "S.Y", Refuse, "")), whom(dataPolicy(t, "yy", "S.Y", Refuse, ""))}, false)
		z, _ := q.With([]DataPolicy{whom(dataPolicy(t, "z", "S.A", Refuse, ""))}, false)
		for i, p := range []*Policy{q, x, y, z} {
			got := verdict(p, of, "READ S.Z") + " " + verdict(p, of, "READ S.X") + " " + verdict(p, of, "READ S.Y")
			if want := []string{"403 allow allow", "403 403 allow", "403 allow 403", "403 allow allow"}[i]; got != want {
				t.Errorf("%s, list %d: %s, want %s", name, i, got, want)
			}
		}
	}
}

// of shows whom policies that are data deny an entity.
func (p *Policy) of(e *csn.Entity) string {
	out := ""
	if own := p.state.of(e).own; own != nil {
		for _, d := range own.denies {
			out += cqn.Format(d.where) + "; "
		}
	}
	return out
}

// TestFollowDraft: new values of a part of a draft are for who may write the draft.
func TestFollowDraft(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, draftText), "")
	if m == nil {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{})
	part := m.Entity("S.A.parts.drafts")
	for _, c := range []struct {
		user *auth.User
		want string
	}{{named("u"), "forbidden"}, {named("u", "editor"), "exists S.A.drafts over parts[DraftOwner.InProcessByUser = $user]"}, {named("u", "maker"), "exists S.A.drafts over parts[DraftOwner.InProcessByUser = $user]"}} {
		d := p.Decide(c.user, access(t, m, "READ S.A.drafts/parts"))
		for _, ev := range []Event{Create, Update} {
			x, err := d.Guard.Check(part, ev)
			got := "forbidden"
			if err == nil {
				got = show(x)
			}
			if !strings.HasSuffix(got, c.want) {
				t.Errorf("%s by %v: %s, want %s", ev, c.user.Roles(), got, c.want)
			}
		}
	}
}

// TestInspectEvent_service: who gets an event needs what its service asks, and what the event asks.
func TestInspectEvent_service(t *testing.T) {
	m, p, _ := policyOf(t, `@requires: 'boss' service S { @restrict: [{ to: 'any' }] event e { x : Integer; } }
@restrict: [{ grant: 'READ', where: '$user.level > 3' }] service T { @restrict: [{ where: 'x > 1' }] event e { x : Integer; } event f { x : Integer; } }`)
	for _, c := range []struct {
		service, event string
		roles          []string
		verdict        Verdict
		where          string
	}{
		{"S", "S.e", []string{"any", "authenticated-user"}, Deny403, "nil"}, {"S", "S.e", []string{"any", "boss"}, Allow, "nil"},
		{"T", "T.e", []string{"any"}, AllowIf, "$user.level > 3 and x > 1"}, {"T", "T.f", []string{"any"}, AllowIf, "$user.level > 3"},
	} {
		for _, e := range m.Service(c.service).Events {
			if e.Name != c.event {
				continue
			}
			o := p.InspectEvent(c.roles, e)
			where := "nil"
			if o.Where != nil {
				where = cqn.Format(o.Where)
			}
			if o.Verdict != c.verdict || where != c.where {
				t.Errorf("%s by %v: %s %s, want %s %s", c.event, c.roles, verdicts[o.Verdict], where, verdicts[c.verdict], c.where)
			}
		}
	}
}

// TestHierarchy_users: handlers ask users for roles under the model's hierarchy.
func TestHierarchy_users(t *testing.T) {
	_, p, _ := policyOf(t, "@roles: { boss: 'clerk', clerk: ['temp', 'reader'] } service S { @requires: ['temp', 'reader', 'clerk', 'boss'] entity E { key ID : Integer; } }")
	h := p.Hierarchy()
	for role, want := range map[string]string{"boss": "boss clerk temp reader", "clerk": "clerk temp reader", "temp": "temp", "other": ""} {
		got := ""
		for _, r := range []string{"boss", "clerk", "temp", "reader"} {
			if named("u", role).Under(h).Is(r) {
				got += " " + r
			}
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s is%s, want %s", role, got, want)
		}
	}
	if _, none, _ := policyOf(t, "service S { entity E { key ID : Integer; } }"); none.Hierarchy() != nil {
		t.Error("a hierarchy of a model without one")
	}
}

// TestRoots_forms: a part follows its parent in the form in which the service shows it, if that can be told.
func TestRoots_forms(t *testing.T) {
	const shelf = `entity d.Shelves { key ID : Integer; sets : Composition of many d.Sets on sets.shelf = $self; }
entity d.Sets { key ID : Integer; shelf : Association to d.Shelves; row : Association to d.Rows; rows : Composition of many d.Rows on rows.set = $self; }
entity d.Rows { key ID : Integer; set : Association to d.Sets; sets : Composition of many d.Sets on sets.row = $self; }
`
	for _, c := range []struct{ model, entity, want string }{
		// the parent is another form of the same table, with other names
		{`entity d.T { key ID : Integer; owner : String; n : String; } entity d.P as select from d.T mixin { ks : Composition of many d.K on ks.p = $projection.ID; } into { ID, n as owner, ks };
entity d.K { key ID : Integer; p : Integer; } service S { @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity T as projection on d.T; entity K as projection on d.K; }`, "S.K", "forbidden"},
		// two views that join have no table, and so not the same one
		{`entity d.A { key ID : Integer; } entity d.B { key ID : Integer; } entity d.V as select from d.A join d.B on A.ID = B.ID mixin { ks : Composition of many d.K on ks.v = $projection.ID; } into { key A.ID as ID, ks };
entity d.K { key ID : Integer; v : Integer; } service S { @requires: 'boss' entity J as select from d.A join d.B on A.ID = B.ID { key A.ID as ID }; entity K as projection on d.K; }`, "S.K", "all"},
		// a cycle that hangs on something restricted, which the service does not show: what is restricted itself hangs on it too
		{"annotate d.Shelves with @(restrict: [{ grant: '*', where: 'ID > 5' }]); " + shelf + "service S { entity Sets as projection on d.Sets; @restrict: [{ grant: '*', where: 'ID > 6' }] entity Rows as projection on d.Rows; }", "S.Rows",
			"ID > 6 and exists S.Sets over rows[exists S.Rows over sets[ID > 6 and exists S.Sets over rows[exists S.Rows over sets[ID > 6 and exists S.Sets over rows[exists d.Shelves over sets[ID > 5]]] or exists d.Shelves over sets[ID > 5]]] or exists d.Shelves over sets[ID > 5]]"},
		{shelf + "service S { entity Sets as projection on d.Sets; entity Rows as projection on d.Rows; }", "S.Rows", "all"},
		{shelf + "service S { entity Sets as projection on d.Sets; entity Rows as projection on d.Rows; }", "S.Sets", "all"},
		{shelf + "service S { entity Rows as projection on d.Rows; }", "S.Rows", "all"},
	} {
		m, p, diags := policyOf(t, c.model)
		d := p.Decide(named("u"), access(t, m, "READ "+c.entity))
		if got := condition(d.Guard, m.Entity(c.entity), sqlgen.Root); got != c.want {
			t.Errorf("%s:\n%s, want\n%s\n%v", c.model, got, c.want, diags)
		}
	}
}
