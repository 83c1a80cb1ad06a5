package generic_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

const eventful = `
context db { entity Books { key ID : Integer; stock : Integer; } entity Log { key ID : Integer; text : String; } }
service Cat {
  entity Books as projection on db.Books;
  @requires: 'admin' entity Log as projection on db.Log;
  event Sold : { book : Integer; at : DateTime; };
  action act(a : Integer);
}
service Audit { event Other : { x : String; }; }`

func TestEvents(t *testing.T) {
	var got []string
	var a *app
	note := func(ctx context.Context, m *cds.EventMessage) error {
		got = append(got, m.Name+"("+m.Data.Value("book").Format()+") by "+m.User.ID)
		// In a transaction of its own, with the user's rights only.
		if _, err := a.Service("Cat").Run(ctx, &cqn.Insert{Into: "Cat.Log", Rows: []*cds.Row{row("ID", 1, "text", "x")}}); status(err) != 403 {
			t.Errorf("a subscriber may more than its user: %v", err)
		}
		return cds.Privileged(ctx, "audit", func(ctx context.Context) error {
			_, err := a.Service("Cat").Run(ctx, &cqn.Upsert{Into: "Cat.Log", Rows: []*cds.Row{row("ID", 1, "text", "sold")}})
			return err
		})
	}
	a = newApp(t, eventful, `INSERT INTO db_Books (ID, stock) VALUES (1, 5);`, cds.AppOptions{}, func(core *cds.App) {
		core.Subscribe("Cat.Sold", "faulty", func(ctx context.Context, m *cds.EventMessage) error {
			m.Data.Set("book", cqn.Int(99)) // a copy
			_, err := core.Service("Cat").Run(ctx, &cqn.Update{Entity: cqn.NewRef("Books"), Data: row("stock", 0)})
			return errors.Join(err, errors.New("faulty"))
		})
		core.Subscribe("Cat.Sold", "panics", func(context.Context, *cds.EventMessage) error { panic("boom") })
		core.Subscribe("Cat.Sold", "note", note)
		core.Subscribe("*", "all", func(_ context.Context, m *cds.EventMessage) error { got = append(got, "all "+m.Name); return nil })
		s := core.Service("Cat")
		s.On(cds.Match{Events: []cds.Event{"act"}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
			if err := s.Emit(ctx, "Sold", row("book", 1, "at", "2024-01-01T00:00:00Z")); err != nil {
				return nil, err
			}
			if len(got) > 0 {
				t.Error("an event went out before the commit")
			}
			if r.Data.Value("a").Int() == 1 {
				return nil, cds.Reject(409, "NO", "no")
			}
			return nil, nil
		})
	})
	u := user("u")
	a.want(req{path: "Cat.act", user: u, data: row("a", 1)}, 409)
	if len(got) > 0 {
		t.Errorf("a request that failed has emitted %v", got)
	}
	a.want(req{path: "Cat.act", user: u, data: row("a", 2)}, 200)
	if s := strings.Join(got, "; "); s != "Cat.Sold(1) by u; all Cat.Sold" {
		t.Error(s)
	}
	if s := a.sql("db.Log", "ID", "text") + a.sql("db.Books", "stock"); s != "1,sold5" {
		t.Error(s)
	}
	for _, what := range []string{"faulty", "boom"} {
		if !strings.Contains(a.log.String(), what) {
			t.Errorf("%s is not in the log", what)
		}
	}
	got = nil
	if err := a.Service("Audit").Emit(a.as(u), "Other", row("x", "y")); err != nil || strings.Join(got, "") != "all Audit.Other" {
		t.Errorf("%v, %v", err, got)
	}
	for _, err := range []error{
		a.Service("Cat").Emit(a.as(u), "Sould", nil), a.Service("Cat").Emit(a.as(u), "Sold", row("bok", 1)), a.Service("Cat").Emit(a.as(u), "Sold", row("book", "x")),
	} {
		if err == nil {
			t.Error("an event that the model does not have was emitted")
		}
	}
}

func TestErrorHandlers(t *testing.T) {
	a := newApp(t, eventful, "", cds.AppOptions{}, func(core *cds.App) {
		s := core.Service("Cat")
		s.OnError(cds.Match{}, func(_ context.Context, r *cds.RawRequest, e *cds.Error) *cds.Error {
			e.Message = "first " + e.Message // a copy, which nobody sees unless it is returned
			return nil
		})
		s.OnError(cds.Match{Events: []cds.Event{authz.Create}}, func(_ context.Context, r *cds.RawRequest, e *cds.Error) *cds.Error {
			return cds.Reject(e.Status, "MINE", "mine: %s", e.Message)
		})
	})
	u := user("u")
	_, e := a.want(req{event: authz.Create, path: "Cat.Books", user: u, data: row("ID", "x")}, 400)
	if e.Code != "MINE" || e.Message != "mine: Value x is not a valid Integer" {
		t.Errorf("%+v", e)
	}
	_, e = a.want(req{event: authz.Update, path: "Cat.Books(7)", user: u, data: row("stock", 1)}, 404)
	if e.Message != "Not Found" {
		t.Errorf("%+v", e)
	}
	a.want(req{event: authz.Create, path: "Cat.Log", user: u, data: row("ID", 1)}, 403) // a denial stays one
}

func TestPrependAndEach(t *testing.T) {
	var j journal
	a := newApp(t, eventful, `INSERT INTO db_Books (ID, stock) VALUES (1, 5), (2, 6);`, cds.AppOptions{}, func(core *cds.App) {
		s := core.Service("Cat")
		s.Before(cds.Match{}, j.before("second"))
		err := s.Prepend(func() error {
			s.Before(cds.Match{}, j.before("zeroth"))
			s.Before(cds.Match{}, j.before("first"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Before(cds.Match{}, j.before("third"))
		s.AfterEach(cds.Match{Entities: []string{"Books"}}, func(_ context.Context, r *cds.RawRequest, row *cds.Row) error {
			row.Set("stock", cqn.Int(row.Value("stock").Int()*10))
			return nil
		})
	})
	res, _ := a.want(req{event: authz.Read, path: "Cat.Books", user: user("u")}, 200)
	if got := j.take(); got != "zeroth first second third" {
		t.Error(got)
	}
	if text(res.Rows[0]) != `{"ID":1,"stock":50}` || text(res.Rows[1]) != `{"ID":2,"stock":60}` {
		t.Errorf("%s %s", text(res.Rows[0]), text(res.Rows[1]))
	}
}

// texts are translations for tests.
type texts map[string]string

func (t texts) Text(locale, key string) (string, bool) {
	s, ok := t[locale+":"+key]
	if !ok {
		s, ok = t[":"+key]
	}
	return s, ok
}

func TestTranslatedMessages(t *testing.T) {
	bundle := texts{":NO_STOCK": "Only {0} of {1} left", "de:NO_STOCK": "Nur noch {0} von {1}", "de:ASSERT_RANGE": "Zwischen {0} und {1}, nicht {2}", "de:NOTE": "Notiz fehlt",
		":NOTE": "Note, please", "de:WELCOME": "Willkommen, {0}"}
	a := newApp(t, asserted, assertedData, cds.AppOptions{Texts: bundle}, func(core *cds.App) {
		s := core.Service("Cat")
		s.On(cds.Match{Events: []cds.Event{"act"}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
			r.Notify("OK", "WELCOME", r.User.ID)
			r.Warn("W", "plain %d", 5)
			if cds.Text(ctx, "WELCOME", "x") != "Willkommen, x" && r.Locale == "de" {
				t.Error(cds.Text(ctx, "WELCOME", "x"))
			}
			if r.Data.Value("tag").Str() == "a" {
				return nil, &cds.Error{Status: 409, Code: "NO_STOCK", Message: "NO_STOCK", Args: []any{1, "two"}}
			}
			return nil, nil
		})
	})
	u := user("u")
	for locale, want := range map[string]string{"": "NO_STOCK Only 1 of two left ", "de": "NO_STOCK Nur noch 1 von two "} {
		_, e := a.want(req{path: "Cat.act", user: u, locale: locale, data: row("tag", "a")}, 409)
		if got := faults(e); got != want {
			t.Errorf("%q: %s", locale, got)
		}
	}
	_, e := a.want(req{path: "Cat.act", user: u, locale: "de", data: row("n", []any{77})}, 400)
	if got := faults(e); got != "ASSERT_RANGE Zwischen 0 und 9, nicht 77 n[0]" {
		t.Error(got)
	}
	_, e = a.want(req{event: authz.Create, path: "Cat.Orders", user: u, data: row("ID", 9, "must", "m", "status", "paid")}, 400)
	if got := faults(e); got != "ASSERT_MANDATORY Note, please note" {
		t.Error(got)
	}
	_, e = a.want(req{event: authz.Create, path: "Cat.Orders", user: u, locale: "de", data: row("ID", 9, "must", "m", "qty", 9)}, 400)
	if got := faults(e); got != "ASSERT_RANGE Between one and five qty" { // the model's own text
		t.Error(got)
	}
	res, _ := a.want(req{path: "Cat.act", user: u, locale: "de", data: row("tag", "b")}, 200)
	if len(res.Messages) != 2 || res.Messages[0].Message != "Willkommen, u" || res.Messages[0].Severity != 1 || res.Messages[1].Message != "plain 5" {
		t.Errorf("%+v", res.Messages)
	}
}

func TestBackgroundJobs(t *testing.T) {
	tick := make(chan time.Duration)
	var mu sync.Mutex
	var ran []string
	proceed := make(chan bool)
	opt := cds.AppOptions{Sleep: func(ctx context.Context, d time.Duration) error {
		tick <- d
		select {
		case <-proceed:
		case <-ctx.Done():
		}
		return ctx.Err()
	}}
	fail := true
	var stop func()
	a := newApp(t, eventful, `INSERT INTO db_Books (ID, stock) VALUES (1, 5);`, opt, func(core *cds.App) {
		stop = core.Background(core.NewContext(context.Background(), user("job"), ""), cds.Job{Name: "sweep", After: time.Minute, Every: time.Hour, Run: func(ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			ran = append(ran, cds.UserFrom(ctx).ID)
			_, err := core.Service("Cat").Run(ctx, &cqn.Update{Entity: cqn.NewRef("Books"), Where: eq("ID", 1), Data: row("stock", len(ran))})
			if fail {
				fail = false
				return errors.New("first run fails")
			}
			return err
		}})
	})
	if d := <-tick; d != time.Minute {
		t.Error(d)
	}
	proceed <- true
	if d := <-tick; d != time.Hour { // the first run is over
		t.Error(d)
	}
	if got := a.sql("db.Books", "stock"); got != "5" {
		t.Errorf("the run that failed has left %s", got)
	}
	proceed <- true
	if d := <-tick; d != time.Hour {
		t.Error(d)
	}
	stop()
	if err := a.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := a.sql("db.Books", "stock"); got != "2" || strings.Join(ran, ",") != "job,job" {
		t.Errorf("%s %v", got, ran)
	}
	if !strings.Contains(a.log.String(), "first run fails") {
		t.Error("the failure is not in the log")
	}
	a.Background(context.Background(), cds.Job{Name: "late", Run: func(context.Context) error { t.Error("a job ran after Shutdown"); return nil }})()
}

func TestLifecycle(t *testing.T) {
	var j journal
	a := newApp(t, eventful, `INSERT INTO db_Books (ID, stock) VALUES (1, 5);`, cds.AppOptions{}, func(core *cds.App) {
		core.OnServed(func(ctx context.Context) error {
			res, err := core.Service("Cat").Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Books")}})
			if err == nil && res.N == 1 {
				j = append(j, "served")
			}
			return err
		})
		core.OnShutdown(func() { j = append(j, "closed") })
		core.OnShutdown(func() { j = append(j, "closing") })
	})
	if err := errors.Join(a.Shutdown(context.Background()), a.Shutdown(context.Background())); err != nil {
		t.Fatal(err)
	}
	if got := j.take(); got != "served closing closed" {
		t.Error(got)
	}
}
