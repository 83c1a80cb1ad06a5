package tenanttest

import (
	"context"
	"slices"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
)

// No handler of an operation that everybody may call hears of a row of another tenant: it is as missing as one that is nowhere.
func TestBoundOperation(t *testing.T) {
	on(t, func(t *testing.T) {
		var reached []string
		note := func(step string) func(_ context.Context, r *cds.RawRequest) error {
			return func(_ context.Context, r *cds.RawRequest) error {
				reached = append(reached, step+" "+string(r.Event))
				return nil
			}
		}
		a := cdstest.New(t, cdstest.Config{Model: compiled, FS: files(0), Users: people, Register: func(app *cds.App) error {
			s := app.Service("d.S")
			m := cds.Match{Events: []cds.Event{"touch", "pages"}}
			s.Before(m, note("before"))
			s.On(m, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
				v := cqn.Int(1)
				if r.Event == "touch" {
					v = cqn.String("touched")
				}
				return &cds.Result{Value: &v}, note("on")(ctx, r)
			})
			return nil
		}})
		ask := func(user, method, path string, status int, want ...string) {
			t.Helper()
			reached = nil
			var body any
			if method == "POST" {
				body = "{}"
			}
			if r := a.HTTP().As(user).Do(method, "/odata/v4/s/"+path, body); r.Code() != status {
				t.Errorf("%s %s %s: %d %s", user, method, path, r.Code(), r.Body())
			}
			if !slices.Equal(reached, want) {
				t.Errorf("%s %s %s: handlers %q", user, method, path, reached)
			}
		}
		paper := func(id, active string) string {
			return "Papers(ID=" + id + ",IsActiveEntity=" + active + ")/d.S.pages()"
		}
		ask("alice", "POST", "Orders("+id(1, 1)+")/d.S.touch", 200, "before touch", "on touch")
		ask("bob", "POST", "Orders("+id(2, 1)+")/d.S.touch", 200, "before touch", "on touch")
		ask("alice", "GET", paper(id(1, 1), "true"), 200, "before pages", "on pages")
		for user, other := range map[string]int{"alice": 2, "bob": 1, "carl": 1} {
			for _, n := range []string{id(other, 1), id(7, 7)} {
				ask(user, "POST", "Orders("+n+")/d.S.touch", 404)
				ask(user, "GET", paper(n, "true"), 404)
				ask(user, "GET", paper(n, "false"), 404)
			}
		}
		ask("nobody", "POST", "Orders("+id(1, 1)+")/d.S.touch", 403)

		// Code is held to it as well, elevated or not.
		touch := func(ctx context.Context, n string) error {
			s := a.CDS.Service("d.S")
			e := s.Model.Entity("Orders")
			_, err := s.Dispatch(ctx, &cds.RawRequest{Event: "touch", Target: e, Op: e.Action("touch"), Data: cqn.NewRow(), Params: []cds.Keys{{Values: cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.String(n)})}}})
			return err
		}
		if err := touch(a.As("alice"), id(1, 1)); err != nil {
			t.Error(err)
		}
		reached = nil
		if err := touch(a.As("alice"), id(2, 1)); cds.AsError(err) == nil || cds.AsError(err).Status != 404 {
			t.Error(err)
		}
		err := cds.Privileged(a.As("alice"), "test", func(ctx context.Context) error { return touch(ctx, id(2, 1)) })
		if cds.AsError(err) == nil || cds.AsError(err).Status != 404 {
			t.Error(err)
		}
		if len(reached) > 0 {
			t.Errorf("handlers %q", reached)
		}
		if err := cds.AsTenant(a.As("alice"), "t2", "test", func(ctx context.Context) error { return touch(ctx, id(2, 1)) }); err != nil {
			t.Error(err)
		}
	})
}
