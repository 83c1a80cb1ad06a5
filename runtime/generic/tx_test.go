package generic_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// newPart returns a request that inserts a book, as a door would send it for a part of a batch.
func newPart(a *app, u *cds.User, id int, owner string) *cds.RawRequest {
	e := a.Service("Cat").Model.Entity("Books")
	return &cds.RawRequest{Event: authz.Create, Target: e, Path: []*csn.Entity{e}, User: u, Data: row("ID", id, "title", "t", "owner", owner)}
}

func TestTx(t *testing.T) {
	var j journal
	a := newPhases(t, &j, cds.AppOptions{}, func(a *cds.App) {
		a.Service("Cat").Before(cds.Match{Events: []cds.Event{authz.Create}}, func(ctx context.Context, r *cds.RawRequest) error {
			switch r.Data.Value("ID").Int() {
			case 66:
				panic("boom")
			case 67:
				return errors.New("secret")
			}
			return cds.Succeeded(ctx, func(context.Context) { j = append(j, "succeeded") })
		})
	})
	ed := user("ed", "Editor")
	s := a.Service("Cat")
	ctx := cds.NewContext(context.Background(), ed, "")

	t.Run("commits all or nothing", func(t *testing.T) {
		err := a.Tx(ctx, func(ctx context.Context) error {
			for _, id := range []int{10, 11} {
				if _, err := s.Dispatch(ctx, newPart(a, ed, id, "ed")); err != nil {
					return err
				}
			}
			_, err := s.Dispatch(ctx, newPart(a, ed, 1, "ed"))
			return err
		})
		if status(err) != 409 || strings.Contains(j.take(), "succeeded") {
			t.Errorf("error is %v", err)
		}
		if got := a.sql("db.Books", "ID"); got != "1;2" {
			t.Error(got)
		}
	})
	t.Run("a part that fails is undone alone", func(t *testing.T) {
		err := a.Tx(ctx, func(ctx context.Context) error {
			if _, err := s.Dispatch(ctx, newPart(a, ed, 10, "ed")); err != nil {
				return err
			}
			for id, want := range map[int]int{1: 409, 12: 403, 66: 500, 67: 500} {
				owner := "ed"
				if id == 12 {
					owner = "other"
				}
				if _, err := s.Dispatch(ctx, newPart(a, ed, id, owner)); status(err) != want {
					t.Errorf("%d: %v", id, err)
				}
			}
			// A failed read must not end the transaction either.
			_, err := s.Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Books")}, Columns: []cqn.Column{{X: &cqn.Cast{X: cqn.NewRef("title"), Type: cqn.TypeName{Name: "cds.Integer"}}, As: "n"}}})
			_ = err // SQLite has a value for it
			res, err := s.Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Books")}})
			if err != nil || res.N != 3 {
				t.Errorf("reads in the transaction see %v, %v", res, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(j.take(), "succeeded"); n != 1 {
			t.Errorf("%d succeeded hooks ran, want that of the part that was kept", n)
		}
		if got := a.sql("db.Books", "ID"); got != "1;10;2" && got != "1;2;10" {
			t.Error(got)
		}
	})
	t.Run("each part is its own user's", func(t *testing.T) {
		x := user("x")
		err := a.Tx(ctx, func(ctx context.Context) error {
			if _, err := s.Dispatch(ctx, newPart(a, x, 20, "x")); status(err) != 403 {
				t.Errorf("x may insert: %v", err)
			}
			_, err := s.Dispatch(ctx, newPart(a, ed, 20, "ed"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("panics", func(t *testing.T) {
		err := a.Tx(ctx, func(ctx context.Context) error {
			if _, err := s.Dispatch(ctx, newPart(a, ed, 30, "ed")); err != nil {
				return err
			}
			panic("boom")
		})
		if status(err) != 500 || strings.Contains(a.sql("db.Books", "ID"), "30") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a snapshot sees one moment", func(t *testing.T) {
		err := a.Snapshot(ctx, func(ctx context.Context) error {
			count := func() int {
				res, err := s.Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Books")}})
				if err != nil {
					t.Fatal(err)
				}
				return res.N
			}
			n := count()
			if _, err := s.Dispatch(a.Detach(ctx), newPart(a, ed, 40, "ed")); err != nil {
				return err
			}
			if m := count(); m != n {
				t.Errorf("%d rows, then %d", n, m)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestHooks(t *testing.T) {
	var j journal
	var fail error
	a := newPhases(t, &j, cds.AppOptions{}, func(a *cds.App) {
		s := a.Service("Cat")
		s.Before(cds.Match{Events: []cds.Event{"act"}}, func(ctx context.Context, r *cds.RawRequest) error {
			j.take()
			return errors.Join(
				cds.Done(ctx, func(_ context.Context, err error) { j = append(j, "done:"+okOr(err)) }),
				cds.Failed(ctx, func(_ context.Context, err error) { j = append(j, "failed:"+okOr(err)) }),
				cds.Succeeded(ctx, func(ctx context.Context) {
					_, err := s.Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("Books")}}) // in a transaction of its own
					j = append(j, "succeeded:"+okOr(err))
				}),
				cds.Succeeded(ctx, func(context.Context) { panic("boom") }),
				cds.BeforeCommit(ctx, func(ctx context.Context) error {
					j = append(j, "commit")
					return cds.BeforeCommit(ctx, func(context.Context) error { j = append(j, "commit2"); return fail })
				}))
		})
	})
	x := user("x")
	a.want(req{path: "Cat.act", user: x, data: row("a", 1)}, 200)
	got := slices.DeleteFunc(strings.Fields(j.take()), func(s string) bool { return s == "act" || s == "before" || s == "on" || s == "on-done" || s == "after" })
	if strings.Join(got, " ") != "commit commit2 succeeded:ok done:ok" {
		t.Error(got)
	}
	fail = cds.Reject(409, "NO", "no")
	a.want(req{path: "Cat.act", user: x, data: row("a", 1)}, 409)
	got = slices.DeleteFunc(strings.Fields(j.take()), func(s string) bool { return s == "act" || s == "before" || s == "after" })
	if strings.Join(got, " ") != "commit commit2 failed:NO done:NO" {
		t.Error(got)
	}
	for _, err := range []error{
		cds.Succeeded(context.Background(), nil), cds.BeforeCommit(a.as(x), nil),
	} {
		if err == nil {
			t.Error("a hook outside of a request")
		}
	}
}

func okOr(err error) string {
	if err == nil {
		return "ok"
	}
	return cds.AsError(err).Code
}
