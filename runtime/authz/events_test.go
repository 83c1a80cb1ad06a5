package authz

import (
	"slices"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

const eventModel = `
entity d.A { key ID : Integer; @requires: 'hr' pay : Integer; n : Integer; st { @requires: 'hr' deep : Integer; flat : Integer; } }
type T { x : Integer; }
service S {
  entity A as projection on d.A;
  event Open { ID : Integer; st { x : Integer; } }
  @requires: 'reader' event Closed { ID : Integer; }
  @restrict: [{ grant: 'Granted', to: 'a' }, { grant: 'S.Granted', to: 'b' }, { grant: '*', to: 'boss' }, { deny: 'S.Granted', to: 'banned' }] event Granted { ID : Integer; }
  @restrict: [{ grant: '*', where: (country = $user.country) }, { grant: '*', to: 'all' }, { grant: '*', to: 'time', where: ($now > '2030-01-01') }, { deny: '*', where: (secret = true) }] event Rows { ID : Integer; country : String; secret : Boolean; }
  @restrict: [{ grant: '*' }, { deny: '*', to: 'temp', where: (weird(ID) = 1) }] event Odd { ID : Integer; }
  event Parts { ID : Integer; @requires: 'hr' own : Integer; pay : d.A:pay; n : d.A:n; deep : d.A:st.deep; @restrict: [{ grant: '*', where: ($user.level > 3) }] level : Integer; @mask: 'x' masked : String; }
  event Typed : T;
}
@requires: 'insider' service U { event E { ID : Integer; } }`

func eventOfModel(t *testing.T, m *csn.Model, name string) *csn.Event {
	t.Helper()
	e, ok := m.Lookup(name).(*csn.Event)
	if !ok {
		t.Fatalf("no event %s", name)
	}
	return e
}

// TestSubscribe: whoever the service and the event let in may subscribe.
func TestSubscribe(t *testing.T) {
	m, p, _ := policyOf(t, eventModel)
	for _, c := range []struct {
		event string
		user  *auth.User
		want  string
	}{
		{"S.Open", auth.Anonymous, "allow"}, {"S.Typed", auth.Anonymous, "allow"}, {"S.Closed", auth.Anonymous, "401"}, {"S.Closed", named("u"), "403"}, {"S.Closed", named("u", "reader"), "allow"}, {"S.Closed", auth.Privileged, "allow"},
		{"S.Granted", named("u", "reader"), "403"}, {"S.Granted", named("u", "a"), "allow"}, {"S.Granted", named("u", "b"), "allow"}, {"S.Granted", named("u", "boss"), "allow"}, {"S.Granted", named("u", "boss", "banned"), "403"}, {"S.Granted", auth.Privileged, "allow"},
		{"S.Rows", named("u"), "if"}, {"S.Rows", named("u", "all"), "if"}, {"S.Rows", auth.NewDummy("d"), "allow"}, {"S.Odd", named("u"), "allow"}, {"S.Odd", named("u", "temp"), "if"},
		{"U.E", named("u"), "403"}, {"U.E", named("u", "insider"), "allow"}, {"S.Parts", named("u"), "allow"},
	} {
		d := p.Subscribe(c.user, eventOfModel(t, m, c.event), "2024-01-01")
		if got := verdicts[d.Verdict]; got != c.want {
			t.Errorf("%s by %v: %s, want %s (%v)", c.event, c.user, got, c.want, d.Rules)
		}
		if d.Verdict == AllowIf && !slices.ContainsFunc(d.Rules, func(r string) bool { return strings.HasPrefix(r, c.event+"#") }) {
			t.Errorf("%s by %v: by %v", c.event, c.user, d.Rules)
		}
	}
	if d := p.Subscribe(auth.Privileged, nil, ""); d.Verdict != Deny403 || len(d.Rules) == 0 {
		t.Errorf("an unknown event: %+v", d)
	}
	if _, ok := p.Deliver(auth.Privileged, nil, cqn.NewRow(), ""); ok {
		t.Error("an unknown event is delivered")
	}
}

// TestDeliver: each event goes to those whose conditions it fulfils, without what they may not read.
func TestDeliver(t *testing.T) {
	m, p, _ := policyOf(t, eventModel)
	row := func(pairs ...any) *cqn.Row {
		r := cqn.NewRow()
		for i := 0; i < len(pairs); i += 2 {
			v := cqn.Null
			switch x := pairs[i+1].(type) {
			case int:
				v = cqn.Int(int64(x))
			case string:
				v = cqn.String(x)
			case bool:
				v = cqn.Bool(x)
			}
			r.Set(pairs[i].(string), v)
		}
		return r
	}
	german, other := with("country", "DE"), with("country", "FR")
	open := row("ID", 1, "country", "DE", "secret", false)
	parts := row("ID", 1, "own", 2, "pay", 3, "n", 4, "deep", 5, "level", 6, "masked", "secret", "unknown", 7)
	for _, c := range []struct {
		event string
		user  *auth.User
		data  *cqn.Row
		now   string
		want  string // names of what is delivered; "-" for nothing
	}{
		{"S.Open", auth.Anonymous, row("ID", 1, "more", 2), "", "ID more"},
		{"S.Closed", named("u"), row("ID", 1), "", "-"}, {"S.Closed", named("u", "reader"), row("ID", 1), "", "ID"}, {"U.E", named("u"), row("ID", 1), "", "-"},
		{"S.Rows", german, open, "", "ID country secret"}, {"S.Rows", other, open, "", "-"}, {"S.Rows", named("u"), open, "", "-"}, {"S.Rows", named("u", "all"), open, "", "ID country secret"}, {"S.Rows", auth.Privileged, open, "", "ID country secret"},
		{"S.Rows", german, row("ID", 1, "country", "DE", "secret", true), "", "-"}, {"S.Rows", german, row("ID", 1, "country", "DE"), "", "-"}, {"S.Rows", german, row("ID", 1, "secret", false), "", "-"}, {"S.Rows", named("u", "all"), row("secret", true), "", "-"},
		{"S.Rows", auth.Privileged, row("secret", true), "", "secret"}, {"S.Rows", auth.NewDummy("d"), row("secret", true), "", "secret"},
		{"S.Rows", named("u", "time"), open, "2029-01-01T00:00:00Z", "-"}, {"S.Rows", named("u", "time"), open, "2031-01-01T00:00:00Z", "ID country secret"},
		{"S.Odd", named("u"), row("ID", 2), "", "ID"}, {"S.Odd", named("u", "temp"), row("ID", 2), "", "-"},
		{"S.Parts", named("u"), parts, "", "ID n"}, {"S.Parts", named("u", "hr"), parts, "", "ID own pay n deep"}, {"S.Parts", with("level", "5"), parts, "", "ID n level"}, {"S.Parts", auth.Privileged, parts, "", "ID own pay n deep level masked"},
		{"S.Typed", named("u"), row("x", 1), "", "x"},
	} {
		got, ok := p.Deliver(c.user, eventOfModel(t, m, c.event), c.data, c.now)
		var names []string
		if ok {
			for _, f := range got.Fields() {
				names = append(names, f.Name)
			}
			if got == c.data {
				t.Errorf("%s: the row is shared by those whom it goes to", c.event)
			}
		} else if names = []string{"-"}; got != nil {
			t.Errorf("%s: not delivered, but %v", c.event, got)
		}
		if strings.Join(names, " ") != c.want {
			t.Errorf("%s of %v to %v: %v, want %s", c.event, c.data, c.user, names, c.want)
		}
	}
}

// TestInspectEvent: what is told of a subscription is what Subscribe decides, with the condition.
func TestInspectEvent(t *testing.T) {
	m, p, _ := policyOf(t, eventModel)
	for _, c := range []struct {
		event, roles string
		want         string
	}{
		{"S.Open", "", "allow"}, {"S.Closed", "", "403"}, {"S.Closed", "reader", "allow"}, {"U.E", "other", "403"}, {"U.E", "insider", "allow"}, {"S.Granted", "a", "allow"}, {"S.Granted", "b", "allow"}, {"S.Granted", "reader", "403"}, {"S.Granted", "boss banned", "403"},
		{"S.Rows", "", "if country = $user.country and not secret = true"}, {"S.Rows", "all", "if not secret = true"}, {"S.Odd", "", "allow"}, {"S.Odd", "temp", "if not weird(ID) = 1"}, {"S.Parts", "", "allow"},
	} {
		o := p.InspectEvent(strings.Fields(c.roles), eventOfModel(t, m, c.event))
		got := verdicts[o.Verdict]
		if o.Where != nil {
			got += " " + cqn.Format(o.Where)
		}
		if got != c.want {
			t.Errorf("%s as %q: %s, want %s", c.event, c.roles, got, c.want)
		}
		if len(o.Rules) == 0 && c.want != "allow" {
			t.Errorf("%s as %q: by nothing", c.event, c.roles)
		}
	}
	for event, want := range map[string]string{"S.Open": "", "S.Closed": "reader", "S.Granted": "a b banned boss", "U.E": "insider", "S.Rows": "all time"} {
		got := p.EventRoles(eventOfModel(t, m, event))
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s depends on %v, want %s", event, got, want)
		}
	}
}
