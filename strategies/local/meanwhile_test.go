package local

import (
	"context"
	"net/http"
	"strconv"
	"testing"

	"cds/runtime/auth"
	"cds/runtime/config"
)

// slow is a store that does something after it has found a session, before it tells.
type slow struct {
	auth.SessionStore
	meanwhile func()
}

func (s *slow) Session(ctx context.Context, id string) (*auth.Session, error) {
	x, err := s.SessionStore.Session(ctx, id)
	if fn := s.meanwhile; fn != nil && err == nil {
		s.meanwhile = nil
		fn()
	}
	return x, err
}

// A logout counts at once, also for a request that has been under way: what it has found is not known to the next one.
func TestLogoutMeanwhile(t *testing.T) {
	w := newWorld(t, config.Section{"local": map[string]any{"pages": true, "recheck": "1m"}})
	store := &slow{SessionStore: w.store}
	env := w.env()
	env.Sessions = store
	if err := w.Setup(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	w.user(auth.StoredUser{Name: "alice"})
	tok := w.mustLogin("alice", "password").str("token")
	store.meanwhile = func() {
		if r := w.post("logout", tok, nil); r.status != 200 {
			t.Errorf("logout: %d", r.status)
		}
	}
	if _, err := w.who(tok); err != nil || store.meanwhile != nil {
		t.Fatalf("the request that was under way: %v", err)
	}
	if id, err := w.who(tok); err == nil {
		t.Errorf("%s is let in after the logout", id)
	}

	const value = "value-of-a-cookie"
	run := w.run.Load()
	u, err := w.store.UserByName(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	put := &auth.Session{ID: cookieID(value), Subject: subjectOf(u), Group: groupOf("s"), Data: []byte(`{"sid":"s","user":"` + u.ID + `","since":` + strconv.FormatInt(w.clock.Now().UnixMilli(), 10) + `}`),
		Expires: w.clock.Now().AddDate(0, 0, 1)}
	if err := w.store.PutSession(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	r := bearer("")
	r.Header = http.Header{"Cookie": {plainCookie + "=" + value}}
	store.meanwhile = func() {
		if err := w.endCookie(&call{running: run, ctx: t.Context(), r: r}); err != nil {
			t.Error(err)
		}
	}
	if u, err := w.cookieUser(t.Context(), run, value); err != nil || u == nil || store.meanwhile != nil {
		t.Fatalf("the request that was under way: %v, %v", u, err)
	}
	if u, err := w.cookieUser(t.Context(), run, value); err != nil || u != nil {
		t.Errorf("%v is let in after the logout, %v", u, err)
	}
}

// Who has nothing to end does not make the server forget what it knows of others.
func TestLogoutOfNobody(t *testing.T) {
	w := newWorld(t, nil)
	before := w.run.Load().cache.Cleared()
	for _, body := range []any{nil, in{"refresh_token": "a.b"}, in{"all": true}} {
		if r := w.post("logout", "no.token.atall", body); r.status != 200 {
			t.Errorf("%v: %d", body, r.status)
		}
	}
	if after := w.run.Load().cache.Cleared(); after != before {
		t.Errorf("the cache was cleared %d times", after-before)
	}
}
