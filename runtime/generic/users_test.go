package generic_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// TestUsersOfOneTransaction: what several users do in one transaction is each one's own: what views see, and who acts in hooks and subscribers.
func TestUsersOfOneTransaction(t *testing.T) {
	var seen []string
	note := func(what string, ctx context.Context) { seen = append(seen, what+":"+cds.UserFrom(ctx).ID) }
	var mine func(ctx context.Context) string
	a := newApp(t, `context db {
  entity Orders { key ID : Integer; owner : String; }
  entity Own as select from Orders { ID, owner } where owner = $user.id;
}
@requires: 'any' service S {
  @readonly entity Mine as projection on db.Own;
  event Done {}
  action act();
  action other();
}`, "INSERT INTO db_Orders (ID, owner) VALUES (1, 'alice'), (2, 'bob');\n", cds.AppOptions{}, func(a *cds.App) {
		s := a.Service("S")
		a.Subscribe("S.Done", "test", func(ctx context.Context, m *cds.EventMessage) error {
			note("event", ctx)
			return nil
		})
		s.On(cds.Match{Events: []cds.Event{"act"}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
			return &cds.Result{}, errors.Join(
				cds.BeforeCommit(ctx, func(ctx context.Context) error { note("commit/"+mine(ctx), ctx); return nil }),
				cds.Succeeded(ctx, func(ctx context.Context) { note("succeeded/"+mine(ctx), ctx) }),
				cds.Done(ctx, func(ctx context.Context, _ error) { note("done", ctx) }),
				s.Emit(ctx, "Done", nil))
		})
		s.On(cds.Match{Events: []cds.Event{"other"}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
			seen = append(seen, mine(ctx), mine(cds.NewContext(ctx, user("bob"), "")), mine(ctx), "nobody:"+mine(cds.NewContext(ctx, nil, "")))
			return &cds.Result{}, nil
		})
	})
	s := a.Service("S")
	mine = func(ctx context.Context) string {
		res, err := s.Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Mine")}, Columns: []cqn.Column{{X: cqn.NewRef("owner")}}})
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, r := range res.Rows {
			out = append(out, r.Value("owner").Str())
		}
		return strings.Join(out, "+")
	}
	call := func(ctx context.Context, id, op string) {
		t.Helper()
		if _, err := s.Dispatch(ctx, &cds.RawRequest{Op: s.Model.Operation(op), User: user(id), Data: cqn.NewRow()}); err != nil {
			t.Error(err)
		}
	}
	call(context.Background(), "alice", "other")
	if got := strings.Join(seen, " "); got != "alice bob alice nobody:" {
		t.Errorf("views as alice, bob, alice, nobody: %s", got)
	}
	seen = nil
	err := a.Tx(a.as(user("admin")), func(ctx context.Context) error {
		call(ctx, "alice", "act")
		call(ctx, "bob", "act")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(seen, " "), "commit/alice:alice commit/bob:bob succeeded/alice:alice event:alice succeeded/bob:bob event:bob done:alice done:bob"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// TestTimesOfOneTransaction: the time that one request names is not that of the next one.
func TestTimesOfOneTransaction(t *testing.T) {
	a := newApp(t, strings.ReplaceAll(temporal, `\'`, `''`), temporalData, cds.AppOptions{}, nil)
	s, u := a.Service("Cat"), user("u")
	err := a.Snapshot(a.as(u), func(ctx context.Context) error {
		for _, tt := range []struct{ query, want string }{{"sap-valid-at=2021-06-01", "clerk gone"}, {"", "boss"}} {
			q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Cat.Jobs")}, OrderBy: []cqn.Order{{X: cqn.NewRef("ID")}}}
			res, err := s.Dispatch(ctx, &cds.RawRequest{Event: authz.Read, Target: s.Model.Entity("Jobs"), Query: q, User: u, HTTP: httptest.NewRequest("GET", "/?"+tt.query, nil)})
			if err != nil {
				return err
			}
			var got []string
			for _, r := range res.Rows {
				got = append(got, r.Value("title").Str())
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%q: got %v, want %s", tt.query, got, tt.want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
