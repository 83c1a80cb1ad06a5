package odata_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/cdstest"
)

// asked is an Authorizer that answers as a test says.
type asked struct {
	answer func(a cds.Access) (cds.Narrowing, error)
	about  []string
}

func (z *asked) Decide(_ context.Context, a cds.Access) (cds.Narrowing, error) {
	name := "rows "
	if a.Request {
		name = "request "
	}
	name += string(a.Event)
	if a.Target != nil {
		name += " " + a.Target.LocalName()
	}
	z.about = append(z.about, name)
	return z.answer(a)
}

func newAsked(t *testing.T) (*cdstest.App, *asked) {
	t.Helper()
	z := &asked{}
	cfg := ordersConfig()
	cfg.Model = compiled(orders)
	cfg.Register = func(app *cds.App) error {
		app.Authorize(z)
		return nil
	}
	return cdstest.New(t, cfg), z
}

// TestCapabilities_authorizer asks for the document where Authorizers narrow: as requests would be.
func TestCapabilities_authorizer(t *testing.T) {
	app, z := newAsked(t)
	document := func(user string) string { return app.HTTP().As(user).GET("/shop/-/capabilities").Status(200).Body() }
	few := cds.Narrowing{Where: &cqn.Binary{Op: cqn.Lt, L: cqn.NewRef("total"), R: &cqn.Lit{Value: cqn.Int(600)}}}
	none := `"read":"none","create":"none","update":"none","delete":"none","actions":{"approve":"none","archive":"none"}`
	for _, tc := range []struct {
		name   string
		answer func(a cds.Access) (cds.Narrowing, error)
		want   []string
	}{
		{"nothing is said", func(cds.Access) (cds.Narrowing, error) { return cds.Narrowing{}, nil },
			[]string{`"close":"all"`, `"Orders":{"read":"all","create":"all","update":"all","delete":"all","actions":{"approve":"all","archive":"all"}`}},
		{"changes have a condition, deleting is denied", narrow{}.decide,
			[]string{`"close":"all"`, `"Orders":{"read":"all","create":"all","update":"some","delete":"none","actions":{"approve":"some","archive":"some"}`,
				`"Items":{"read":"all","create":"some","update":"some","delete":"none"`}},
		{"rows have a condition", func(a cds.Access) (cds.Narrowing, error) {
			if a.Event == "READ" && !a.Request && a.Target.LocalName() == "Orders" {
				return few, nil
			}
			return cds.Narrowing{}, nil
		}, []string{`"Orders":{"read":"some","create":"all","update":"all"`, `"Items":{"read":"some","create":"all"`}},
		{"an operation is denied", func(a cds.Access) (cds.Narrowing, error) {
			return cds.Narrowing{Deny: a.Op != nil && a.Op.LocalName() != "approve"}, nil
		}, []string{`"close":"none"`, `"actions":{"approve":"all","archive":"none"}`}},
		{"one entity is denied", func(a cds.Access) (cds.Narrowing, error) {
			return cds.Narrowing{Deny: a.Target != nil && a.Target.LocalName() == "Orders"}, nil
		}, []string{`"Orders":{` + none, `"elements":{"read":[],"masked":[],"create":[],"update":[]}`, `"Items":{"read":"none","create":"none","update":"none","delete":"none"`, `"Secrets":{"read":"all"`}},
		{"an error", func(a cds.Access) (cds.Narrowing, error) {
			if a.Target != nil && a.Target.LocalName() == "Orders" {
				return cds.Narrowing{}, errors.New("cannot tell")
			}
			return cds.Narrowing{}, nil
		}, []string{`"Orders":{` + none, `"Items":{"read":"none"`, `"Secrets":{"read":"all"`}},
	} {
		z.answer = tc.answer
		body := document("vera")
		for _, want := range tc.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %s\nlacks %s", tc.name, body, want)
			}
		}
		if strings.Contains(body, "cannot tell") {
			t.Errorf("the error is shown: %s", body)
		}
	}
	// What the model does not allow, nobody is asked about; and nothing opens again.
	z.answer, z.about = func(cds.Access) (cds.Narrowing, error) { return cds.Narrowing{}, nil }, nil
	if body := document("bob"); !strings.Contains(body, `"Orders":{"read":"all","create":"none","update":"some","delete":"some","actions":{"approve":"some","archive":"none"}`) {
		t.Error(body)
	}
	seen := map[string]bool{}
	for _, q := range z.about {
		if q == "request CREATE Orders" || q == "request archive Orders" || strings.HasSuffix(q, " Secrets") || seen[q] {
			t.Errorf("%s is asked in vain, of %v", q, z.about)
		}
		seen[q] = true
	}
}

// decide is Decide as a function.
func (n narrow) decide(a cds.Access) (cds.Narrowing, error) { return n.Decide(context.Background(), a) }

// TestRights_end asks with a context that ends: what was not asked about is not allowed. Privileged code asks nobody.
func TestRights_end(t *testing.T) {
	app, z := newAsked(t)
	s := app.CDS.Service("Shop")
	ctx, cancel := context.WithCancel(app.As("vera"))
	defer cancel()
	z.answer = func(cds.Access) (cds.Narrowing, error) {
		if len(z.about) == 3 {
			cancel()
		}
		return cds.Narrowing{}, nil
	}
	r := s.Rights(ctx)
	if o := r.Entity(s.Model.Entity("Orders")); o.Read != cds.MayAll || o.Update != cds.MayNone || r.Entity(s.Model.Entity("Secrets")).Read != cds.MayNone || len(z.about) > 4 {
		t.Errorf("%+v after %v", o, z.about)
	}
	z.about = nil
	if err := cds.Privileged(app.As("bob"), "test", func(ctx context.Context) error {
		if r := s.Rights(ctx).Entity(s.Model.Entity("Orders")); r.Delete != authz.All || len(z.about) > 0 {
			t.Errorf("privileged: %+v after %v", r, z.about)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
