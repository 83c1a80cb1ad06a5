// Package authstoretest is the conformance suite of stores for sessions and users: what strategies rely on. A test of a store calls Run.
package authstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cds/runtime/auth"
)

// A Store is both kinds of store.
type Store interface {
	auth.SessionStore
	auth.UserStore
	auth.Replacer
	auth.PasswordStore
}

// A Clock is the time that stores under test are told.
type Clock struct{ ms atomic.Int64 }

// Now returns the time.
func (c *Clock) Now() time.Time { return time.UnixMilli(c.ms.Load()).UTC() }

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// NewClock returns a clock that stands still.
func NewClock() *Clock {
	c := &Clock{}
	c.ms.Store(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixMilli())
	return c
}

// Run runs the suite. open returns an empty store and is called for each subtest.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) Store) {
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, s Store, c *Clock)
	}{
		{"sessions", sessions}, {"expiry", expiry}, {"take", take}, {"take once", takeOnce}, {"replace", replace}, {"replace only", replaceOnly}, {"end", end}, {"bad sessions", badSessions},
		{"users", users}, {"bad users", badUsers}, {"names", names}, {"add once", addOnce}, {"order", order}, {"ids", ids}, {"passwords", passwords}, {"copies", copies}, {"canceled", canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewClock()
			tt.run(t, open(t, c.Now), c)
		})
	}
}

func session(c *Clock, id, subject, group string) *auth.Session {
	return &auth.Session{ID: id, Subject: subject, Group: group, Data: []byte{0, 1, 255, '\''}, Expires: c.Now().Add(time.Hour)}
}

func put(t *testing.T, s Store, x *auth.Session) {
	t.Helper()
	if err := s.PutSession(t.Context(), x); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, s Store, id string) bool {
	t.Helper()
	_, err := s.Session(t.Context(), id)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func sessions(t *testing.T, s Store, c *Clock) {
	want := session(c, "x:1", "x:alice", "x:g")
	put(t, s, want)
	got, err := s.Session(t.Context(), "x:1")
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != want.ID || got.Subject != want.Subject || got.Group != want.Group || !bytes.Equal(got.Data, want.Data) || !got.Expires.Equal(want.Expires) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, id := range []string{"x:2", "X:1", "x:1 ", "", "x:1\x00", "' OR 1=1 --", "\xff"} {
		if has(t, s, id) {
			t.Errorf("%q is found", id)
		}
	}
	put(t, s, &auth.Session{ID: "x:3", Expires: c.Now().Add(time.Second)})
	if got, err := s.Session(t.Context(), "x:3"); err != nil || len(got.Data) != 0 || got.Subject != "" {
		t.Errorf("without data: %+v, %v", got, err)
	}
}

func expiry(t *testing.T, s Store, c *Clock) {
	for i := range 20 {
		x := session(c, fmt.Sprint("x:", i), "", "")
		x.Expires = c.Now().Add(time.Duration(i+1) * time.Minute)
		put(t, s, x)
	}
	c.Pass(10 * time.Minute)
	for i := range 20 {
		if got, want := has(t, s, fmt.Sprint("x:", i)), i >= 10; got != want {
			t.Errorf("session of %d minutes after 10: %v", i+1, got)
		}
	}
	if _, err := s.TakeSession(t.Context(), "x:9"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("an expired session can be taken: %v", err)
	}
	put(t, s, session(c, "x:9", "", ""))
	if !has(t, s, "x:9") {
		t.Error("the id of an expired session cannot be used again")
	}
	put(t, s, &auth.Session{ID: "x:past", Expires: c.Now()})
	if has(t, s, "x:past") {
		t.Error("a session that ends now is there")
	}
}

func take(t *testing.T, s Store, c *Clock) {
	put(t, s, session(c, "x:1", "x:a", "x:g"))
	got, err := s.TakeSession(t.Context(), "x:1")
	if err != nil || got.ID != "x:1" || got.Group != "x:g" || len(got.Data) != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := s.TakeSession(t.Context(), "x:1"); !errors.Is(err, auth.ErrNotFound) || has(t, s, "x:1") {
		t.Errorf("it is still there: %v", err)
	}
}

// takeOnce: of many who want a session at the same time, one gets it.
func takeOnce(t *testing.T, s Store, c *Clock) {
	for round := range 5 {
		id := fmt.Sprint("x:", round)
		put(t, s, session(c, id, "", ""))
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				switch _, err := s.TakeSession(t.Context(), id); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, auth.ErrNotFound):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d have got it", won.Load())
		}
	}
}

func replace(t *testing.T, s Store, c *Clock) {
	put(t, s, session(c, "x:1", "x:a", "x:g"))
	put(t, s, &auth.Session{ID: "x:1", Subject: "x:b", Data: []byte("new"), Expires: c.Now().Add(2 * time.Hour)})
	c.Pass(90 * time.Minute)
	got, err := s.Session(t.Context(), "x:1")
	if err != nil || got.Subject != "x:b" || got.Group != "" || string(got.Data) != "new" {
		t.Fatalf("%+v, %v", got, err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			x := session(c, "x:same", fmt.Sprint("x:", i), "")
			if err := s.PutSession(t.Context(), x); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !has(t, s, "x:same") {
		t.Error("lost")
	}
}

// replaceOnly: changing a session does not bring back one that has ended.
func replaceOnly(t *testing.T, s Store, c *Clock) {
	x := session(c, "x:1", "x:a", "x:g")
	if err := s.ReplaceSession(t.Context(), x); !errors.Is(err, auth.ErrNotFound) || has(t, s, "x:1") {
		t.Errorf("one that was never there: %v", err)
	}
	put(t, s, x)
	x.Data, x.Expires = []byte("new"), c.Now().Add(2*time.Hour)
	if err := s.ReplaceSession(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	c.Pass(90 * time.Minute)
	if got, err := s.Session(t.Context(), "x:1"); err != nil || string(got.Data) != "new" || got.Group != "x:g" {
		t.Fatalf("%+v, %v", got, err)
	}
	c.Pass(time.Hour)
	x.Expires = c.Now().Add(time.Hour)
	if err := s.ReplaceSession(t.Context(), x); !errors.Is(err, auth.ErrNotFound) || has(t, s, "x:1") {
		t.Errorf("one that has expired: %v", err)
	}
	if err := s.ReplaceSession(t.Context(), &auth.Session{}); err == nil {
		t.Error("one without an id is accepted")
	}
}

func end(t *testing.T, s Store, c *Clock) {
	fill := func() {
		for _, x := range [...][3]string{{"1", "a", "g"}, {"2", "a", ""}, {"3", "b", "g"}, {"4", "", ""}, {"5", "b", "h"}} {
			put(t, s, session(c, x[0], x[1], x[2]))
		}
	}
	for _, tt := range []struct {
		subject, group, left string
		n                    int
	}{
		{"a", "", "345", 2}, {"", "g", "245", 2}, {"a", "g", "45", 3}, {"", "", "12345", 0}, {"A", "G", "12345", 0}, {"a", "h", "34", 3},
		{"' OR ''='", "x\x00", "12345", 0},
	} {
		fill()
		n, err := s.EndSessions(t.Context(), tt.subject, tt.group)
		left := ""
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			if has(t, s, id) {
				left += id
			}
		}
		if err != nil || n != tt.n || left != tt.left {
			t.Errorf("end(%q, %q): %d, %v, left %s; want %d, left %s", tt.subject, tt.group, n, err, left, tt.n, tt.left)
		}
	}
}

func badSessions(t *testing.T, s Store, c *Clock) {
	big := session(c, "x:big", "", "")
	big.Data = make([]byte, 64<<10)
	put(t, s, big)
	big.Data = make([]byte, 64<<10+1)
	for name, x := range map[string]*auth.Session{
		"no id": session(c, "", "", ""), "long id": session(c, strings.Repeat("x", 1000), "", ""), "long subject": session(c, "x", strings.Repeat("x", 1000), ""),
		"long group": session(c, "x", "", strings.Repeat("x", 1000)), "NUL": session(c, "x", "a\x00", ""), "no text": session(c, "x", "", "\xff"), "big": big,
	} {
		if err := s.PutSession(t.Context(), x); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func alice() *auth.StoredUser {
	return &auth.StoredUser{Name: "alice", Hash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
		Roles: []string{"admin", "Ünïcode role"}, Attrs: map[string][]string{"country": {"DE", "FR"}, "empty": {}, "quote": {`'"\`}}, Tenant: "t1", Admin: true}
}

func add(t *testing.T, s Store, u *auth.StoredUser) string {
	t.Helper()
	id, err := s.AddUser(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func same(t *testing.T, what string, got, want *auth.StoredUser) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func users(t *testing.T, s Store, c *Clock) {
	ctx := t.Context()
	if _, err := s.UserByName(ctx, "alice"); !errors.Is(err, auth.ErrNotFound) {
		t.Fatalf("in an empty store: %v", err)
	}
	want := alice()
	want.ID = add(t, s, want)
	bob := &auth.StoredUser{Name: "bob"}
	bob.ID = add(t, s, bob)
	if want.ID == "" || want.ID == bob.ID {
		t.Fatalf("ids %q and %q", want.ID, bob.ID)
	}
	got, err := s.UserByName(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "by name", got, want)
	if got, err = s.UserByID(ctx, want.ID); err != nil {
		t.Fatal(err)
	}
	same(t, "by id", got, want)
	want.Roles, want.Attrs, want.Admin, want.Disabled, want.Valid, want.Tenant = nil, nil, false, true, c.Now(), ""
	change := *want
	change.Name = "mallory"
	if err := s.SetUser(ctx, &change); err != nil {
		t.Fatal(err)
	}
	got, err = s.UserByName(ctx, "alice")
	if err != nil {
		t.Fatal("the name has changed: ", err)
	}
	same(t, "changed", got, want)
	if got, _ = s.UserByID(ctx, bob.ID); got != nil {
		same(t, "bob", got, bob)
	}
	if err := s.RemoveUser(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.RemoveUser(ctx, "alice"), s.SetUser(ctx, want)} {
		if !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("after removal: %v", err)
		}
	}
	if _, err := s.UserByID(ctx, want.ID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("after removal: %v", err)
	}
}

func badUsers(t *testing.T, s Store, _ *Clock) {
	for name, u := range map[string]*auth.StoredUser{
		"no name": {}, "anonymous": {Name: "anonymous"}, "privileged": {Name: "Privileged"}, "star": {Name: "*"}, "NUL": {Name: "a\x00b"}, "line": {Name: "a\nb"},
		"space": {Name: " a"}, "no text": {Name: "\xff"}, "long": {Name: strings.Repeat("x", 256)}, "long hash": {Name: "a", Hash: strings.Repeat("x", 256)},
		"pseudo-role": {Name: "a", Roles: []string{"system-user"}}, "empty role": {Name: "a", Roles: []string{""}},
		"attribute": {Name: "a", Attrs: map[string][]string{"x": {"a\x00"}}}, "tenant": {Name: "a", Tenant: "a\n"},
	} {
		if id, err := s.AddUser(t.Context(), u); err == nil {
			t.Errorf("%s: accepted as %s", name, id)
		}
	}
	id := add(t, s, &auth.StoredUser{Name: strings.Repeat("ü", 255)})
	if err := s.SetUser(t.Context(), &auth.StoredUser{ID: id, Roles: []string{"internal-user"}}); err == nil {
		t.Error("a pseudo-role can be given later")
	}
}

// names are compared as they are.
func names(t *testing.T, s Store, _ *Clock) {
	list := []string{"alice", "Alice", "alice@example.com", "a'b", "a--b", "Müller", "Mu\u0308ller", "ALICE", "alice smith"}
	byName := map[string]string{}
	for _, n := range list {
		byName[n] = add(t, s, &auth.StoredUser{Name: n})
	}
	for _, n := range list {
		if u, err := s.UserByName(t.Context(), n); err != nil || u.ID != byName[n] {
			t.Errorf("%q: %+v, %v", n, u, err)
		}
	}
	for _, n := range []string{"", "alicE", "alice ", "%", "_lice", "alice\x00", "\xff"} {
		if _, err := s.UserByName(t.Context(), n); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%q: %v", n, err)
		}
		if err := s.RemoveUser(t.Context(), n); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("removing %q: %v", n, err)
		}
	}
}

// addOnce: of many who want a name at the same time, one gets it.
func addOnce(t *testing.T, s Store, _ *Clock) {
	add(t, s, alice())
	if _, err := s.AddUser(t.Context(), alice()); !errors.Is(err, auth.ErrExists) {
		t.Fatalf("a name that is taken: %v", err)
	}
	for round := range 3 {
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				switch _, err := s.AddUser(t.Context(), &auth.StoredUser{Name: fmt.Sprint("user", round)}); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, auth.ErrExists):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d have got the name", won.Load())
		}
	}
}

func order(t *testing.T, s Store, _ *Clock) {
	for _, n := range []string{"b", "a", "Z", "é", "c", "_"} {
		add(t, s, &auth.StoredUser{Name: n})
	}
	page := func(after string, limit int) string {
		list, err := s.Users(t.Context(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, u := range list {
			out += u.Name
		}
		return out
	}
	for _, tt := range []struct {
		after string
		limit int
		want  string
	}{{"", 100, "Z_abcé"}, {"", 2, "Z_"}, {"_", 2, "ab"}, {"b", 2, "cé"}, {"é", 2, ""}, {"", 0, ""}, {"", -1, ""}, {"aa", 1, "b"}} {
		if got := page(tt.after, tt.limit); got != tt.want {
			t.Errorf("users(%q, %d) = %s, want %s", tt.after, tt.limit, got, tt.want)
		}
	}
}

// ids are not given again, and there is one way to write them.
func ids(t *testing.T, s Store, _ *Clock) {
	first := add(t, s, alice())
	if err := s.RemoveUser(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	second := add(t, s, alice())
	if first == second {
		t.Error("the id of a removed user is given to another")
	}
	for _, id := range []string{"", "0" + second, "+" + second, " " + second, second + ".0", second + "\x00", "-1", "alice", "99999999999999999999999", "1e0", "' OR 1=1"} {
		if u, err := s.UserByID(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%q: %+v, %v", id, u, err)
		}
	}
}

// passwords are changed only where they are the old ones, and nothing else is.
func passwords(t *testing.T, s Store, c *Clock) {
	want := alice()
	want.ID = add(t, s, want)
	other := add(t, s, &auth.StoredUser{Name: "bob", Hash: want.Hash})
	ctx, old := t.Context(), want.Hash
	for _, tt := range []struct{ id, old string }{{want.ID, "wrong"}, {want.ID, ""}, {"77", old}, {"", old}, {"x", old}} {
		if err := s.SetPassword(ctx, tt.id, tt.old, "new", c.Now()); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%v: %v", tt, err)
		}
	}
	if err := s.SetPassword(ctx, want.ID, old, strings.Repeat("x", 256), time.Time{}); err == nil {
		t.Error("a hash that is too long is accepted")
	}
	want.Hash, want.Valid = "new", c.Now()
	if err := s.SetPassword(ctx, want.ID, old, "new", c.Now()); err != nil {
		t.Fatal(err)
	}
	want.Hash = "newer"
	if err := s.SetPassword(ctx, want.ID, "new", "newer", time.Time{}); err != nil {
		t.Fatal(err)
	}
	got, err := s.UserByName(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "changed", got, want)
	if got, err := s.UserByID(ctx, other); err != nil || got.Hash != old || !got.Valid.IsZero() {
		t.Errorf("bob: %+v, %v", got, err)
	}
}

// copies: what callers do with what they gave or got changes nothing.
func copies(t *testing.T, s Store, c *Clock) {
	u, x := alice(), session(c, "x:1", "", "")
	u.ID = add(t, s, u)
	put(t, s, x)
	x.Data[0], u.Roles[0], u.Attrs["country"][0] = 9, "changed", "changed"
	for range 2 {
		got, err := s.UserByName(t.Context(), "alice")
		if err != nil || got.Roles[0] != "admin" || got.Attrs["country"][0] != "DE" {
			t.Fatalf("%+v, %v", got, err)
		}
		got.Roles[0], got.Attrs["country"][0] = "changed", "changed"
		gx, err := s.Session(t.Context(), "x:1")
		if err != nil || gx.Data[0] != 0 {
			t.Fatalf("%+v, %v", gx, err)
		}
		gx.Data[0] = 9
	}
}

// canceled: a request that has gone leaves the store usable.
func canceled(t *testing.T, s Store, c *Clock) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		_, _ = s.Session(ctx, "x")
		_ = s.PutSession(ctx, session(c, "x:c", "", ""))
		_, _ = s.UserByName(ctx, "alice")
	}
	put(t, s, session(c, "x:1", "", ""))
	if !has(t, s, "x:1") {
		t.Error("lost")
	}
}
