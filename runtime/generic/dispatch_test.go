package generic_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

const phases = `
context db {
entity Books { key ID : Integer; title : String(20) @mandatory; stock : Integer; owner : String; }
entity Logs { key ID : Integer; text : String; }
}
service Cat {
  @restrict: [{ grant: 'READ' }, { grant: ['WRITE', 'order', 'peek'], to: 'Editor', where: 'owner = $user' }]
  entity Books as projection on db.Books actions {
    action order(n : Integer not null) returns Integer;
    function peek() returns Integer;
  };
  @requires: 'authenticated-user' action act(a : Integer @assert.range: [1, 5]) returns String;
  action undone();
  @requires: 'admin' entity Logs as projection on db.Logs;
}`

const phasesData = `INSERT INTO db_Books (ID, title, stock, owner) VALUES (1, 'A', 5, 'ed'), (2, 'B', 5, 'other');`

// journal records which handlers ran.
type journal []string

func (j *journal) before(name string) cds.Before {
	return func(context.Context, *cds.RawRequest) error { *j = append(*j, name); return nil }
}

func (j *journal) take() string {
	s := strings.Join(*j, " ")
	*j = nil
	return s
}

func newPhases(t *testing.T, j *journal, opt cds.AppOptions, more func(*cds.App)) *app {
	return newApp(t, phases, phasesData, opt, func(a *cds.App) {
		s := a.Service("Cat")
		s.Before(cds.Match{}, j.before("before"))
		s.Before(cds.Match{Events: []cds.Event{authz.Update}, Entities: []string{"Books"}}, j.before("before-update"))
		s.On(cds.Match{Events: []cds.Event{authz.Update, authz.Read}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			*j = append(*j, "on")
			res, err := next(ctx, r)
			*j = append(*j, "on-done")
			return res, err
		})
		s.On(cds.Match{Events: []cds.Event{"act", "order", "peek"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			*j = append(*j, string(r.Event))
			v := cqn.String("ok")
			return &cds.Result{Value: &v}, nil
		})
		s.After(cds.Match{}, func(ctx context.Context, r *cds.RawRequest, res *cds.Result) error {
			*j = append(*j, "after")
			return nil
		})
		if more != nil {
			more(a)
		}
	})
}

func TestOrderOfPhases(t *testing.T) {
	var j journal
	a := newPhases(t, &j, cds.AppOptions{}, nil)
	ed := user("ed", "Editor")
	a.want(req{event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("stock", 1)}, 200)
	// The read of the answer is a request of its own, inside.
	if got := j.take(); got != "before before-update on before on on-done after on-done after" {
		t.Error(got)
	}
	for name, q := range map[string]req{
		"role":       {event: authz.Update, path: "Cat.Books(1)", user: user("x"), data: row("stock", 1)},
		"entity":     {event: authz.Read, path: "Cat.Logs", user: user("x")},
		"invalid":    {event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("title", "")},
		"unknown":    {event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("frob", "")},
		"anonymous":  {path: "Cat.act", data: row("a", 1)},
		"parameter":  {path: "Cat.act", user: ed, data: row("a", 9)},
		"missing":    {path: "Cat.Books(1)/order", user: ed, data: row()},
		"bound role": {path: "Cat.Books(1)/order", user: user("x"), data: row("n", 1)},
		"bound row":  {path: "Cat.Books(2)/order", user: ed, data: row("n", 1)},
		"bound gone": {path: "Cat.Books(9)/order", user: ed, data: row("n", 1)},
		"bound fn":   {path: "Cat.Books(2)/peek", user: ed},
	} {
		if _, err := a.do(q); err == nil {
			t.Errorf("%s: allowed", name)
		}
		if got := j.take(); got != "" {
			t.Errorf("%s: handlers ran: %s", name, got)
		}
	}
	a.want(req{path: "Cat.act", user: ed, data: row("a", 5)}, 200)
	a.want(req{path: "Cat.Books(1)/order", user: ed, data: row("n", 1)}, 200)
	a.want(req{path: "Cat.Books(2)/order", user: ed, data: row("n", 1)}, 403)
	a.want(req{path: "Cat.Books(9)/order", user: ed, data: row("n", 1)}, 404)
	if _, e := a.want(req{path: "Cat.undone"}, 501); e.Message != `Service "Cat" has no handler for "undone".` {
		t.Error(e.Message)
	}
}

func TestNewValuesMustSatisfyTheCondition(t *testing.T) {
	var j journal
	a := newPhases(t, &j, cds.AppOptions{}, nil)
	ed := user("ed", "Editor")
	_, e := a.want(req{event: authz.Create, path: "Cat.Books", user: ed, data: row("ID", 5, "title", "x", "owner", "other")}, 403)
	if e.Code != "AUTHZ_DATA" {
		t.Errorf("%+v", e)
	}
	// A key that is taken says nothing to those who may not insert the row anyway.
	a.want(req{event: authz.Create, path: "Cat.Books", user: ed, data: row("ID", 2, "title", "x", "owner", "other")}, 403)
	a.want(req{event: authz.Create, path: "Cat.Books", user: ed, data: row("ID", 6, "title", "x", "owner", "ed")}, 200)
	_, e = a.want(req{event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("owner", "other")}, 403)
	if e.Code != "AUTHZ_DATA" {
		t.Errorf("%+v", e)
	}
	a.want(req{event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("title", "y")}, 200)
	if s := a.sql("db.Books", "ID", "title", "owner"); s != "1,y,ed;2,B,other;6,x,ed" {
		t.Error(s)
	}
}

func TestPanicRollsBackAndTheServerGoesOn(t *testing.T) {
	var j journal
	a := newPhases(t, &j, cds.AppOptions{}, func(a *cds.App) {
		a.Service("Cat").After(cds.Match{Events: []cds.Event{authz.Update}}, func(ctx context.Context, r *cds.RawRequest, res *cds.Result) error {
			panic("boom")
		})
	})
	ed := user("ed", "Editor")
	for range 3 {
		_, e := a.want(req{event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("title", "lost")}, 500)
		if strings.Contains(e.Error(), "boom") {
			t.Errorf("the client sees %q", e.Error())
		}
	}
	if s := a.sql("db.Books", "ID", "title"); s != "1,A;2,B" {
		t.Error(s)
	}
	if !strings.Contains(a.log.String(), "boom") {
		t.Error("the panic is not in the log")
	}
}

func TestTransactionsAndNestedCalls(t *testing.T) {
	var committed []string
	a := newApp(t, phases, phasesData, cds.AppOptions{}, func(a *cds.App) {
		s := a.Service("Cat")
		s.On(cds.Match{Events: []cds.Event{"act"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			if err := cds.Succeeded(ctx, func(context.Context) { committed = append(committed, "done") }); err != nil {
				return nil, err
			}
			if _, err := s.Run(ctx, &cqn.Update{Entity: cqn.NewRef("Books"), Where: eq("ID", 1), With: []cqn.Assignment{
				{Name: "stock", X: &cqn.Binary{Op: cqn.Sub, L: cqn.NewRef("stock"), R: &cqn.Lit{Value: cqn.Int(2)}}}}}); err != nil {
				return nil, err
			}
			// A nested call that fails leaves nothing behind, and its caller may go on.
			_, err := s.Run(ctx, &cqn.Insert{Into: "Cat.Books", Rows: []*cds.Row{row("ID", 7, "title", "new", "owner", "ed"), row("ID", 1, "title", "dup", "owner", "ed")}})
			if status(err) != 409 {
				t.Errorf("duplicate: %v", err)
			}
			// Authorized again, with the same user.
			if _, err := s.Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Logs")}}); status(err) != 403 {
				t.Errorf("nested call: %v", err)
			}
			err = cds.Privileged(ctx, "audit", func(ctx context.Context) error {
				_, err := s.Run(ctx, &cqn.Insert{Into: "Logs", Rows: []*cds.Row{row("ID", 1, "text", cds.UserFrom(ctx).ID)}})
				return err
			})
			if err != nil {
				return nil, err
			}
			if r.Data.Value("a").Int() == 2 {
				return nil, cds.Reject(418, "TEAPOT", "no %s", "coffee")
			}
			return nil, nil
		})
	})
	ed := user("ed", "Editor")
	a.want(req{path: "Cat.act", user: ed, data: row("a", 2)}, 418)
	if s := a.sql("db.Books", "ID", "stock") + a.sql("db.Logs", "ID"); s != "1,5;2,5" || len(committed) > 0 {
		t.Errorf("%s %v", s, committed)
	}
	a.want(req{path: "Cat.act", user: ed, data: row("a", 1)}, 200)
	if s := a.sql("db.Books", "ID", "stock") + "/" + a.sql("db.Logs", "ID", "text"); s != "1,3;2,5/1,ed" || len(committed) != 1 {
		t.Errorf("%s %v", s, committed)
	}
	if !strings.Contains(a.log.String(), "reason=audit user=ed") {
		t.Error("elevation is not logged")
	}
}

func eq(name string, n int64) cqn.Expr {
	return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(name), R: &cqn.Lit{Value: cqn.Int(n)}}
}

// onlyID lets users see books with their number only; narrow is set per test.
type narrow func(cds.Access) cds.Narrowing

func (n narrow) Decide(_ context.Context, a cds.Access) (cds.Narrowing, error) { return n(a), nil }

func TestAuthorizersNarrow(t *testing.T) {
	limit := int64(1)
	n := narrow(func(a cds.Access) cds.Narrowing {
		switch {
		case a.Target == nil || a.Target.LocalName() != "Books":
			return cds.Narrowing{}
		case a.Event == authz.Delete:
			return cds.Narrowing{Deny: true, Reason: "never"}
		case a.User.ID == "free":
			return cds.Narrowing{}
		}
		return cds.Narrowing{Where: eq("ID", limit)}
	})
	var j journal
	a := newPhases(t, &j, cds.AppOptions{Authorizers: []cds.Authorizer{n}}, nil)
	ed := user("ed", "Editor")
	for range 2 { // the second time from the plan cache
		for want, u := range map[int]*cds.User{1: user("x"), 2: user("free")} {
			if res, _ := a.want(req{event: authz.Read, path: "Cat.Books", user: u}, 200); res.N != want {
				t.Errorf("%s sees %d books, want %d", u.ID, res.N, want)
			}
		}
	}
	limit = 2
	if res, _ := a.want(req{event: authz.Read, path: "Cat.Books", user: ed}, 200); res.N != 1 || res.Rows[0].Value("ID").Int() != 2 {
		t.Error("another condition, the old plan")
	}
	a.want(req{event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("stock", 1)}, 404)
	a.want(req{event: authz.Update, path: "Cat.Books(2)", user: ed, data: row("stock", 1)}, 403) // the model's rule holds as well
	a.want(req{event: authz.Create, path: "Cat.Books", user: ed, data: row("ID", 5, "title", "x", "owner", "ed")}, 403)
	a.want(req{event: authz.Delete, path: "Cat.Books(1)", user: ed}, 403)
	a.want(req{path: "Cat.Books(1)/order", user: ed, data: row("n", 1)}, 404)
}

// TestAuthorizersCheckNewValues: a row can't be changed into one, or created as one, that the Authorizer's condition leaves out.
func TestAuthorizersCheckNewValues(t *testing.T) {
	n := narrow(func(a cds.Access) cds.Narrowing {
		if a.Target == nil || a.Target.LocalName() != "Books" {
			return cds.Narrowing{}
		}
		return cds.Narrowing{Where: eq("stock", 5)}
	})
	var j journal
	a := newPhases(t, &j, cds.AppOptions{Authorizers: []cds.Authorizer{n}}, nil)
	ed := user("ed", "Editor")
	a.want(req{event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("title", "x")}, 200)
	if _, e := a.want(req{event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("stock", 6)}, 403); e.Code != "AUTHZ_DATA" {
		t.Errorf("%+v", e)
	}
	if _, e := a.want(req{event: authz.Create, path: "Cat.Books", user: ed, data: row("ID", 7, "title", "x", "stock", 6)}, 403); e.Code != "AUTHZ_DATA" {
		t.Errorf("%+v", e)
	}
	a.want(req{event: authz.Create, path: "Cat.Books", user: ed, data: row("ID", 7, "title", "x", "stock", 5, "owner", "ed")}, 200)
}

// TestAuthorizersOnRequests: what an Authorizer says about a request counts for its rows, beside what it says about rows in general; and it is told the keys.
func TestAuthorizersOnRequests(t *testing.T) {
	var asked []string
	n := narrow(func(a cds.Access) cds.Narrowing {
		if !a.Request {
			return cds.Narrowing{}
		}
		key := "-"
		if len(a.Params) == 1 && a.Params[0].Values != nil {
			key = a.Params[0].Values.Value("ID").Format()
		}
		asked = append(asked, string(a.Event)+" "+key)
		return cds.Narrowing{Where: eq("ID", 1)}
	})
	var j journal
	a := newPhases(t, &j, cds.AppOptions{Authorizers: []cds.Authorizer{n}}, nil)
	ed := user("ed", "Editor")
	if res, _ := a.want(req{event: authz.Read, path: "Cat.Books", user: ed}, 200); res.N != 1 {
		t.Errorf("%d rows", res.N)
	}
	a.want(req{event: authz.Update, path: "Cat.Books(2)", user: ed, data: row("title", "x")}, 403)
	a.want(req{event: authz.Update, path: "Cat.Books(1)", user: ed, data: row("title", "x")}, 200)
	if got := strings.Join(asked, ", "); !strings.HasPrefix(got, "READ -, UPDATE 2, UPDATE 1") { // what is answered is read again
		t.Errorf("asked: %s", got)
	}
}

func TestCollectedErrorsAndMessages(t *testing.T) {
	a := newApp(t, phases, phasesData, cds.AppOptions{}, func(a *cds.App) {
		a.Service("Cat").On(cds.Match{Events: []cds.Event{"act"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			r.Warn("", "careful")
			if r.Data.Value("a").Int() == 1 {
				r.Error(400, "400", "a", "first")
				r.Error(409, "409", "b", "%d", 2)
			}
			return nil, nil
		})
	})
	_, e := a.want(req{path: "Cat.act", user: user("x"), data: row("a", 1)}, 400)
	if e.Code != "MULTIPLE_ERRORS" || len(e.Details) != 2 || e.Details[1].Message != "2" || e.Details[1].Status != 409 {
		t.Errorf("%+v", e)
	}
	res, _ := a.want(req{path: "Cat.act", user: user("x"), data: row("a", 2)}, 200)
	if len(res.Messages) != 1 || res.Messages[0].Severity != 3 {
		t.Errorf("%+v", res.Messages)
	}
}

func TestInternalErrorsAreHidden(t *testing.T) {
	a := newApp(t, phases, phasesData, cds.AppOptions{Production: true}, func(a *cds.App) {
		a.Service("Cat").On(cds.Match{Events: []cds.Event{"act"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			if r.Data.Value("a").Int() == 1 {
				return nil, errors.New("password is hunter2")
			}
			return nil, cds.Reject(503, "X", "secret host is down")
		})
	})
	for _, n := range []int{1, 2} {
		_, err := a.do(req{path: "Cat.act", user: user("x"), data: row("a", n)})
		var e *cds.Error
		if !errors.As(err, &e) || strings.Contains(e.Message, "hunter2") || strings.Contains(e.Message, "secret") || e.Status < 500 {
			t.Errorf("%+v", e)
		}
	}
	if !strings.Contains(a.log.String(), "hunter2") {
		t.Error("the cause is not in the log")
	}
}

func TestFaultyRegistrations(t *testing.T) {
	a := newApp(t, phases, "", cds.AppOptions{}, nil)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a handler was registered after Start")
			}
		}()
		a.Service("Cat").Before(cds.Match{}, func(context.Context, *cds.RawRequest) error { return nil })
	}()
	for _, m := range []cds.Match{{Entities: []string{"Bokks"}}, {Events: []cds.Event{"CRATE"}}} {
		core, _ := cds.NewApp(a.Model, cds.AppOptions{})
		core.Service("Cat").Before(m, func(context.Context, *cds.RawRequest) error { return nil })
		if err := core.Start(context.Background()); err == nil {
			t.Errorf("%+v: no error", m)
		}
	}
}
