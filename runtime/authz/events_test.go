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

// TestDeliver_deep: restrictions hold at any depth of a payload: in structures, lists, named types, types of elements and references. What the model does not
// know of, or has another form than it says, is left out. Elements that begin with h are for hr.
func TestDeliver_deep(t *testing.T) {
	m, p, diags := policyOf(t, `
entity d.B { key ID : Integer; @requires: 'hr' hname : String; name : String; }
entity d.C { key ID : Integer; @requires: 'hr' key hkey : Integer; }
entity d.A { key ID : Integer; @requires: 'hr' hpay : Integer; n : Integer; st { @requires: 'hr' hdeep : Integer; flat : Integer; }; @requires: 'hr' hst { x : Integer; }; b : Association to d.B; @requires: 'hr' hb : Association to d.B; }
type Pay : d.A:hpay;
type Paid : Pay;
type Row { hpay : Paid; n : d.A:n; st : d.A:st; }
type Leaf { hx : Integer @requires: 'hr'; x : Integer; }
type Twig { x : Integer; @requires: 'hr' hx : Integer; below : many Leaf; }
type Tree { x : Integer; @requires: 'hr' hx : Integer; below : many Twig; }
aspect Marked { hmark : d.A:hpay; mark : Integer; }
event Other { @requires: 'hr' hx : Integer; x : Integer; hpaid : Paid; }
service S {
  event E {
    hpaid : Paid; n : d.A:n; hin : Row:hpay; hdeep : d.A:st.hdeep; flat : d.A:st.flat; hmark : Marked:hmark; mark : Marked:mark; hother : Other:hpaid; hname : d.A:b.hname; name : d.A:b.name; refs : d.A:hb.name; hstx : d.A:hst.x;
    row : Row; rows : many Row; st : d.A:st; hst : d.A:hst; own { @requires: 'hr' hx : Integer; x : Integer; more { hpay : d.A:hpay; y : Integer; } }; @requires: 'hr' hown { x : Integer; };
    texts : many String; hpays : many Pay; tree : Tree; b : Association to d.B; c : Association to d.C; hb : d.A:hb; list : many { @requires: 'hr' hx : Integer; x : Integer; }; whole : d.A;
  }
}`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	one := func() cqn.Value { return cqn.Int(1) }
	row := func(names string, more ...any) *cqn.Row {
		r := cqn.NewRow()
		for _, n := range strings.Fields(names) {
			r.Set(n, one())
		}
		for i := 0; i < len(more); i += 2 {
			switch x := more[i+1].(type) {
			case *cqn.Row:
				r.Set(more[i].(string), cqn.OfRow(x))
			case []*cqn.Row:
				r.Set(more[i].(string), cqn.OfRows(x))
			case cqn.Value:
				r.Set(more[i].(string), x)
			}
		}
		return r
	}
	rows := func(rs ...*cqn.Row) []*cqn.Row { return rs }
	list := cqn.List([]cqn.Value{one(), one()})
	inner := func() *cqn.Row { return row("hpay n zz", "st", row("hdeep flat zz")) }
	data := row("hpaid n hin hdeep flat hmark mark hother hname name refs hstx zz", "row", inner(), "rows", rows(inner(), row("n")), "st", row("hdeep flat"), "hst", row("x"), "own", row("hx x", "more", row("hpay y")), "hown", row("x"),
		"texts", list, "hpays", list, "tree", row("x hx", "below", rows(row("x hx", "below", rows(row("hx x"))))), "b", row("ID name hname zz"), "c", row("ID hkey"), "hb", row("ID"), "list", rows(row("hx x")),
		"whole", row("ID hpay n", "st", row("hdeep flat"), "hst", row("x"), "b", row("ID name"), "hb", row("ID")))
	const plain = "n flat mark name refs row(n st(flat)) rows[(n st(flat)) (n)] st(flat) own(x more(y)) texts[1 1] hpays[] tree(x below[(x below[(x)])]) b(ID) c(ID) list[(x)] whole(ID n st(flat) b(ID))"
	const full = "hpaid n hin hdeep flat hmark mark hother hname name refs hstx row(hpay n st(hdeep flat)) rows[(hpay n st(hdeep flat)) (n)] st(hdeep flat) hst(x) own(hx x more(hpay y)) hown(x) texts[1 1] hpays[1 1] tree(x hx below[(x hx below[(hx x)])]) b(ID) c(ID hkey) hb(ID) list[(hx x)] whole(ID hpay n st(hdeep flat) hst(x) b(ID) hb(ID))"
	e := eventOfModel(t, m, "S.E")
	for user, want := range map[string]string{"": plain, "hr": full} {
		got, ok := p.Deliver(named("u", user), e, data, "")
		if text := shape(cqn.OfRow(got)); !ok || text != "("+want+")" {
			t.Errorf("as %q: %v\n got %s\nwant (%s)", user, ok, text, want)
		}
	}
	// other forms than the model says
	for _, c := range []struct {
		data *cqn.Row
		want string
	}{
		{row("row rows st tree b list"), "()"}, {row("", "n", row("hx"), "flat", rows(row("hpay")), "texts", row("x"), "row", list, "row", rows(inner())), "()"}, {row("", "rows", inner(), "list", list), "(list[])"}, {row("", "n", cqn.Null, "row", cqn.Null, "rows", cqn.Null, "hpaid", cqn.Null), "(n row rows)"},
		{row("", "texts", rows(row("hx"))), "(texts[])"},
	} {
		got, ok := p.Deliver(named("u"), e, c.data, "")
		if text := shape(cqn.OfRow(got)); !ok || text != c.want {
			t.Errorf("%s is delivered as %s, want %s", shape(cqn.OfRow(c.data)), text, c.want)
		}
	}
}

// shape is a value as the names in it.
func shape(v cqn.Value) string {
	var out []string
	switch v.Kind() {
	case cqn.KindRow:
		for _, f := range v.Row().Fields() {
			if s := shape(f.Value); s == "1" || s == "null" {
				out = append(out, f.Name)
			} else {
				out = append(out, f.Name+s)
			}
		}
		return "(" + strings.Join(out, " ") + ")"
	case cqn.KindRows:
		for _, r := range v.Rows() {
			out = append(out, shape(cqn.OfRow(r)))
		}
	case cqn.KindList:
		for _, x := range v.List() {
			out = append(out, shape(x))
		}
	case cqn.KindNull:
		return "null"
	default:
		return "1"
	}
	return "[" + strings.Join(out, " ") + "]"
}
