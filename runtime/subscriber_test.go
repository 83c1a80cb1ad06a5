package cds_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

const stocks = `
context db { entity Books { key ID : Integer; @requires: 'buyer' cost : Integer; } }
@requires: 'authenticated-user'
service Stock {
  event Plain : { n : Integer; };
  @requires: 'clerk' event Closed : { n : Integer; };
  @restrict: [{ where: 'country = $user.country and n > 10' }, { to: 'boss' }, { deny: '*', to: 'barred', where: 'n > 100' }]
  event Low : { n : Integer; country : String; tags : array of String; cost : db.Books:cost; @mask: { value: 0, unless: 'boss' } secret : Integer; };
  @restrict: [{ grant: 'Static', where: '$user.level = ''gold''' }] event Static { n : Integer; };
  @restrict: [] event Nobody { n : Integer; };
}
@requires: 'boss' service Inner { event Told { n : Integer; }; }
service Open { @requires: 'any' event Told { n : Integer; }; }`

func stockApp(t *testing.T, text string, opt cds.AppOptions) *cds.App {
	t.Helper()
	res := parser.CompileString("model.cds", text)
	if res.Model == nil || res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	opt.Authz = authz.Options{Strict: true}
	app, diags := cds.NewApp(res.Model, opt)
	if app == nil {
		t.Fatal(diags)
	}
	if err := app.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return app
}

func who(id string, roles ...string) *cds.User {
	u := auth.User{ID: id, Attrs: map[string][]string{}}
	var plain []string
	for _, r := range roles {
		if k, v, ok := strings.Cut(r, "="); ok && k == "tenant" {
			u.Tenant = v
		} else if ok {
			u.Attrs[k] = append(u.Attrs[k], v)
		} else {
			plain = append(plain, r)
		}
	}
	return auth.New(u, append(plain, auth.RoleAuthenticated)...)
}

func TestSubscribe(t *testing.T) {
	app := stockApp(t, stocks, cds.AppOptions{})
	for _, c := range []struct {
		user  *cds.User
		event string
		want  int
	}{
		{nil, "Stock.Plain", 401},
		{who("bob"), "Stock.Plain", 0},
		{who("bob"), "Stock.Closed", 403},
		{who("bob", "clerk"), "Stock.Closed", 0},
		{nil, "Stock.Closed", 401},
		{who("bob"), "Stock.Low", 0},
		{who("bob", "level=gold"), "Stock.Static", 0},
		{who("bob", "level=tin"), "Stock.Static", 403},
		{who("bob"), "Stock.Nobody", 403},
		{who("bob", "boss"), "Stock.Nobody", 403},
		{who("bob"), "Inner.Told", 403},
		{who("bob", "boss"), "Inner.Told", 0},
		{nil, "Open.Told", 0},
		{who("bob"), "Stock.None", 404},
		{nil, "Stock.None", 401},
		{who("bob"), "Inner.None", 403},
		{who("bob"), "None", 404},
		{who("bob"), "", 404},
	} {
		s, err := app.SubscribeUser(context.Background(), c.user, c.event, func(*cds.EventMessage) {})
		got := 0
		if err != nil {
			var e *cds.Error
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			got = e.Status
		} else {
			s.Close()
			s.Close()
		}
		if got != c.want {
			t.Errorf("%+v to %s: %d, want %d", c.user, c.event, got, c.want)
		}
	}
}

func TestDelivery(t *testing.T) {
	app := stockApp(t, stocks, cds.AppOptions{})
	got := map[string]string{}
	for name, u := range map[string]*cds.User{
		"german": who("german", "country=DE"), "none": who("none"), "both": who("both", "country=DE", "country=FR"), "boss": who("boss", "boss"),
		"barred": who("barred", "boss", "barred"), "buyer": who("buyer", "country=DE", "buyer"), "stranger": who("stranger", "boss", "tenant=t2"),
	} {
		if _, err := app.SubscribeUser(context.Background(), u, "Stock.Low", func(m *cds.EventMessage) {
			if m.User != nil || m.Name != "Stock.Low" || m.ID == "" {
				t.Errorf("%s gets %+v", name, m)
			}
			got[name] += string(cds.Format{}.AppendValue(nil, nil, cqn.OfRow(m.Data)))
		}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	s := app.Service("Stock")
	emit := func(want map[string]string, fields ...cqn.Field) {
		t.Helper()
		clear(got)
		if err := s.Emit(app.NewContext(context.Background(), who("alice"), ""), "Low", cqn.NewRow(fields...)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"german", "none", "both", "boss", "barred", "buyer", "stranger"} {
			if got[name] != want[name] {
				t.Errorf("%v: %s gets %q, want %q", fields, name, got[name], want[name])
			}
		}
	}
	n := func(v int64) cqn.Field { return cqn.Field{Name: "n", Value: cqn.Int(v)} }
	country := func(v string) cqn.Field { return cqn.Field{Name: "country", Value: cqn.String(v)} }
	const de = `{"n":20,"country":"DE"}`
	emit(map[string]string{"german": de, "both": de, "boss": de, "barred": de, "buyer": de}, n(20), country("DE"))
	emit(map[string]string{"boss": `{"n":5,"country":"DE"}`, "barred": `{"n":5,"country":"DE"}`}, n(5), country("DE"))
	emit(map[string]string{"both": `{"n":20,"country":"FR"}`, "boss": `{"n":20,"country":"FR"}`, "barred": `{"n":20,"country":"FR"}`}, n(20), country("FR"))
	emit(map[string]string{"boss": `{"n":20}`, "barred": `{"n":20}`}, n(20)) // no country: unknown
	emit(map[string]string{"boss": `{"n":200}`}, n(200))                     // denied
	emit(map[string]string{"boss": `{"country":"DE"}`}, country("DE"))       // whether it is denied is unknown: it is
	emit(map[string]string{"german": de, "both": de, "boss": `{"n":20,"country":"DE","secret":7}`, "barred": `{"n":20,"country":"DE","secret":7}`, "buyer": `{"n":20,"country":"DE","cost":3}`},
		n(20), country("DE"), cqn.Field{Name: "cost", Value: cqn.Int(3)}, cqn.Field{Name: "secret", Value: cqn.Int(7)})
}

// Events of one tenant do not reach users of another, and a subscriber's fault is its own.
func TestDeliveryTenants(t *testing.T) {
	app := stockApp(t, stocks, cds.AppOptions{})
	got := ""
	subscribe := func(u *cds.User, fn func(*cds.EventMessage)) *cds.Subscription {
		s, err := app.SubscribeUser(context.Background(), u, "Stock.Plain", fn)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	subscribe(who("x", "tenant=t1"), func(*cds.EventMessage) { panic("a fault") })
	subscribe(who("a", "tenant=t1"), func(m *cds.EventMessage) { got += "a"; m.Data.Set("n", cqn.Int(0)) })
	b := subscribe(who("b", "tenant=t1"), func(m *cds.EventMessage) { got += "b" + m.Data.Value("n").Format() })
	subscribe(who("c", "tenant=t2"), func(*cds.EventMessage) { got += "c" })
	subscribe(who("d"), func(*cds.EventMessage) { got += "d" })
	emit := func(u *cds.User, want string) {
		t.Helper()
		got = ""
		if err := app.Service("Stock").Emit(app.NewContext(context.Background(), u, ""), "Plain", cqn.NewRow(cqn.Field{Name: "n", Value: cqn.Int(1)})); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	emit(who("u", "tenant=t1"), "ab1")
	emit(who("u", "tenant=t2"), "c")
	emit(who("u"), "d")
	b.Close()
	emit(who("u", "tenant=t1"), "a")
}

// What is not understood stops the start.
func TestEventFaults(t *testing.T) {
	for restrict, want := range map[string]string{
		"@restrict: [{ where: 'nn > 10' }]":          "nn",
		"@restrict: [{ where: 'tags = 1' }]":         "tags",
		"@restrict: [{ grant: 'READ', to: 'x' }]":    "READ",
		"@restrict: [{ grant: 'E', were: 'n = 1' }]": "were",
		"@restrict: [{ where: 'exists other' }]":     "exists",
		"@require: 'x'":                              "require",
		"@restrict: { to: 'x' }":                     "@restrict",
		"@restrict: [{ if: 'own' }]":                 "own",
	} {
		res := parser.CompileString("model.cds", "service S { "+restrict+" event E { n : Integer; tags : array of String; }; }")
		text := ""
		for _, d := range res.Diags {
			text += d.Message + "\n"
		}
		if res.Model != nil {
			_, diags := cds.NewApp(res.Model, cds.AppOptions{Authz: authz.Options{Strict: true}})
			for _, d := range diags {
				text += d.Message + "\n"
				if !d.Span.Valid() {
					t.Errorf("%s: %s has no place", restrict, d.Message)
				}
			}
			if app, _ := cds.NewApp(res.Model, cds.AppOptions{Authz: authz.Options{Strict: true}}); app != nil && !res.Diags.HasErrors() {
				t.Errorf("%s starts", restrict)
			}
		}
		if !strings.Contains(text, want) {
			t.Errorf("%s: %q does not tell %q", restrict, text, want)
		}
	}
}
