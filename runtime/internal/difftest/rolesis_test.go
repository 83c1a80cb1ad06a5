package difftest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
)

// TestUserIs: handlers, and code that they call, are told of roles that are included by the model's @roles.
func TestUserIs(t *testing.T) {
	app := cdstest.New(t, cdstest.Config{Users: []cdstest.TestUser{cdstest.User("m", cdstest.Roles("manager")), cdstest.User("c", cdstest.Roles("clerk"))},
		Model: func() (*csn.Model, error) {
			res := parser.CompileString("roles.cds", `
@roles: { manager: 'clerk' } @protocol: [{ kind: 'odata', path: '/s' }] @requires: 'clerk' service S { function who() returns String; function inner() returns String; }
service T { @requires: 'manager' function f() returns String; }`)
			if res.Model == nil {
				return nil, res.Diags
			}
			return res.Model, nil
		}, Register: func(app *cds.App) error {
			s := app.Service("S")
			s.On(cds.Match{Events: []cds.Event{"inner"}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
				v := cqn.String(fmt.Sprint(r.User.Is("clerk"), cds.UserFrom(ctx).Is("clerk"), r.User.Is("manager")))
				return &cds.Result{Value: &v}, nil
			})
			s.On(cds.Match{Events: []cds.Event{"who"}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
				res, err := s.Call(ctx, "inner", nil)
				if err != nil {
					return nil, err
				}
				v := cqn.String(fmt.Sprint(r.User.Is("clerk"), cds.UserFrom(ctx).Is("clerk"), r.User.Is("manager"), " ", res.Value.Str()))
				return &cds.Result{Value: &v}, nil
			})
			return nil
		}})
	for user, want := range map[string]string{"m": "true true true true true true", "c": "true true false true true false"} {
		rec := send(app.Server.Handler(), &person{name: user}, "GET", "/s/who()", "")
		if rec.Code != 200 || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s: %d %s, not %s", user, rec.Code, rec.Body, want)
		}
	}
}
