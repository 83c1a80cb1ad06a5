package jwt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/idptest"
)

func introspecting(idp *idptest.Server, more config.Section) config.Section {
	return config.Merge(config.Section{
		"jwt":           map[string]any{"issuer": idp.URL, "audience": "app", "insecureLoopback": true},
		"introspection": map[string]any{"url": idp.Introspection(), "clientId": "me", "clientSecret": "s:e c"},
	}, more)
}

// Opaque tokens, which only their issuer understands.
func TestIntrospection(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	exp := c.now().Add(30 * time.Second).Unix()
	answers := map[string]map[string]any{
		"good":          {"active": true, "sub": "alice", "aud": "app", "iss": idp.URL, "scope": "read write", "exp": exp},
		"no-issuer":     {"active": true, "sub": "alice", "aud": "app"},
		"inactive":      {"active": false, "sub": "alice", "aud": "app"},
		"text":          {"active": "true", "sub": "alice", "aud": "app"},
		"silent":        {"sub": "alice", "aud": "app"},
		"other":         {"active": true, "sub": "alice", "aud": "other"},
		"nobody":        {"active": true, "sub": "alice"},
		"foreign":       {"active": true, "sub": "alice", "aud": "app", "iss": "https://evil"},
		"expired":       {"active": true, "sub": "alice", "aud": "app", "exp": 1},
		"without-user":  {"active": true, "aud": "app"},
		"reserved":      {"active": true, "aud": "app", "sub": "privileged"},
		"wrong-type":    {"active": true, "aud": "app", "sub": "x", "exp": "soon"},
		"in-both-cases": {"active": true, "Active": false, "aud": "app", "sub": "x"},
	}
	idp.Active = func(tok string) map[string]any { return answers[tok] }
	s := set(t, introspecting(idp, nil), c, idp.Client)
	if u := accepted(t, s, "good"); u.ID != "alice" || !u.Is("read") || !u.Is("write") {
		t.Errorf("%+v", u)
	}
	accepted(t, s, "no-issuer")
	for tok, code := range map[string]string{
		"inactive": "token-inactive", "unknown": "token-inactive", "other": "token-audience", "nobody": "token-audience", "foreign": "token-issuer", "expired": "token-expired",
		"without-user": "token-claim", "reserved": "token-claim", "text": "token-introspection-unavailable", "silent": "token-introspection-unavailable",
		"wrong-type": "token-introspection-unavailable", "in-both-cases": "token-introspection-unavailable",
	} {
		t.Run(tok, func(t *testing.T) { refused(t, s, tok, code) })
	}
	if user, password, _ := (&http.Request{Header: idp.Header("/introspect")}).BasicAuth(); user != "me" || password != "s%3Ae+c" {
		t.Errorf("client %q, secret %q", user, password)
	}
	n := idp.Requests("/introspect")
	for range 10 {
		accepted(t, s, "good")
		refused(t, s, "inactive", "token-inactive")
	}
	if m := idp.Requests("/introspect"); m != n {
		t.Errorf("%d requests for what is known", m-n)
	}
	answers["good"] = nil
	c.add(29 * time.Second)
	accepted(t, s, "good") // known until it ends
	c.add(61 * time.Second)
	refused(t, s, "good", "token-inactive")
}

// A failure of the endpoint lets nobody in, and nothing but a 401 comes of it.
func TestIntrospectionFails(t *testing.T) {
	for _, mode := range []idptest.Mode{idptest.Fail, idptest.Drop, idptest.Garbage, idptest.HTML, idptest.Empty, idptest.Huge, idptest.Redirect} {
		c, idp := newClock(), idptest.New(t)
		idp.Active = func(string) map[string]any { return map[string]any{"active": true, "sub": "x", "aud": "app"} }
		idp.Set(mode)
		s := set(t, introspecting(idp, nil), c, idp.Client)
		refused(t, s, "opaque", "token-introspection-unavailable")
		idp.Set(idptest.OK)
		accepted(t, s, "opaque")
	}
}

func TestIntrospectionOnce(t *testing.T) {
	c, idp := newClock(), idptest.New(t)
	idp.Active = func(string) map[string]any { return map[string]any{"active": true, "sub": "x", "aud": "app"} }
	idp.Set(idptest.Hang)
	s := set(t, introspecting(idp, nil), c, idp.Client)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { // a client that goes away does not take the answer with it
		if _, err := s.Authenticate(ctx, bearer("opaque")); !errors.Is(err, auth.ErrCredentials) {
			t.Error(err)
		}
	})
	for idp.Requests("/introspect") == 0 {
		runtime.Gosched() // until the request has arrived
	}
	cancel()
	wg.Wait()
	for range 100 {
		wg.Go(func() {
			if _, err := s.Authenticate(t.Context(), bearer("opaque")); err != nil {
				t.Error(err)
			}
		})
	}
	idp.Set(idptest.OK)
	wg.Wait()
	if n := idp.Requests("/introspect"); n > 5 { // who comes just as the answer does may ask again
		t.Errorf("%d requests", n)
	}
}

// With keys and an endpoint, tokens have to pass both; introspection.jwt: false asks for opaque ones only.
func TestIntrospectionOfVerifiedTokens(t *testing.T) {
	for _, always := range []bool{true, false} {
		c, idp := newClock(), idptest.New(t)
		active := map[string]bool{}
		idp.Active = func(tok string) map[string]any {
			if !active[tok] {
				return nil
			}
			return map[string]any{"active": true, "sub": "from the endpoint", "aud": "app"}
		}
		s := set(t, introspecting(idp, config.Section{"jwt": map[string]any{"jwksUrl": idp.JWKS()}, "introspection": map[string]any{"jwt": always}}), c, idp.Client)
		claims := map[string]any{"sub": "x", "aud": "app"}
		good, dead := idp.Token(t, claims, c.now()), idp.Token(t, map[string]any{"sub": "y", "aud": "app"}, c.now())
		active[good], active["opaque"] = true, true
		if u := accepted(t, s, good); u.ID != "x" {
			t.Errorf("user %q", u.ID)
		}
		if u := accepted(t, s, "opaque"); u.ID != "from the endpoint" {
			t.Errorf("user %q", u.ID)
		}
		if always {
			refused(t, s, dead, "token-inactive")
		} else {
			accepted(t, s, dead)
		}
		n := idp.Requests("/introspect")
		forged := idptest.NewKey(t, "ES256")
		forged.ID = "key-1"
		tok := forged.Sign(t, map[string]any{"iss": idp.URL, "sub": "x", "aud": "app"}, c.now())
		active[tok] = true
		refused(t, s, tok, "token-signature") // the endpoint is not asked about what is wrong anyway
		refused(t, s, "a.b.c", "token-malformed")
		if idp.Requests("/introspect") != n {
			t.Error("the endpoint was asked")
		}
	}
}

// store is a SessionStore that may fail.
type store struct {
	auth.SessionStore
	mu       sync.Mutex
	sessions map[string]*auth.Session
	err      error
}

func (s *store) Session(_ context.Context, id string) (*auth.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	if v := s.sessions[id]; v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("session: %w", auth.ErrNotFound)
}

func (s *store) PutSession(_ context.Context, v *auth.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[v.ID] = v
	return nil
}

func TestRevocation(t *testing.T) {
	c, sessions := newClock(), &store{sessions: map[string]*auth.Session{}}
	st, err := New(section(config.Section{"revocation": map[string]any{"store": true}}))
	if err != nil {
		t.Fatal(err)
	}
	s := st.(*Strategy)
	env := &auth.Env{Now: c.now, Log: slog.New(slog.DiscardHandler), Files: os.DirFS(t.TempDir())}
	if got := place(s.Setup(t.Context(), env)); got != "requires.auth.revocation.store" {
		t.Fatalf("without a store: error at %q", got)
	}
	env.Sessions = sessions
	if err := s.Setup(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	byID := idptest.HS256(t, secret, valid(c.now(), map[string]any{"jti": "t1"}))
	plain := idptest.HS256(t, secret, valid(c.now(), nil))
	accepted(t, s, byID)
	accepted(t, s, plain)
	for _, of := range []string{"t1", plain} {
		if err := auth.Revoke(t.Context(), sessions, of, c.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	c.add(5 * time.Second)
	refused(t, s, byID, "token-revoked")
	refused(t, s, plain, "token-revoked")
	accepted(t, s, idptest.HS256(t, secret, valid(c.now(), map[string]any{"jti": "t2"})))
	for id := range sessions.sessions {
		if len(id) != len("revoked:")+64 {
			t.Errorf("the id %q is not a hash", id)
		}
	}
	sessions.err = errors.New("the database is gone")
	c.add(5 * time.Second)
	refused(t, s, idptest.HS256(t, secret, valid(c.now(), map[string]any{"jti": "t2"})), "token-revocation-unavailable")
}

// A message of a websocket has its own token.
func TestMessage(t *testing.T) {
	c := newClock()
	s := set(t, section(nil), c, nil)
	tok := idptest.HS256(t, secret, valid(c.now(), nil))
	if u, err := s.Message(t.Context(), []byte(`{"data":{"token":"`+tok+`"}}`)); err != nil || u.ID != "alice" {
		t.Error(u, err)
	}
	if u, err := s.Message(t.Context(), []byte(`{"data":{}}`)); err != nil || u != auth.Anonymous {
		t.Error(u, err)
	}
	for _, bad := range []string{`{"data":{"token":"x"}}`, `x`, `{"data":{"token":1}}`} {
		if u, err := s.Message(t.Context(), []byte(bad)); u != nil || !errors.Is(err, auth.ErrCredentials) {
			t.Error(bad, u, err)
		}
	}
}

// Tokens from elsewhere than the Authorization header.
func TestPlaces(t *testing.T) {
	c := newClock()
	s := set(t, section(config.Section{"token": map[string]any{"from": []any{"header:X-Token", "cookie:session"}}}), c, nil)
	if v := s.Vary(); !slices.Equal(v, []string{"X-Token", "Cookie"}) {
		t.Error(v)
	}
	tok := idptest.HS256(t, secret, valid(c.now(), nil))
	for name, value := range map[string]string{"X-Token": tok, "Cookie": "session=" + tok} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(name, value)
		if u, err := s.Authenticate(t.Context(), r); err != nil || u.ID != "alice" || string(u.Token) != tok {
			t.Error(name, u, err)
		}
	}
	if u, err := s.Authenticate(t.Context(), bearer(tok)); err != nil || u.Identified() {
		t.Error(u, err)
	}
}

// A page of another site can make a browser send a cookie, but not change anything with it.
func TestCookieFromElsewhere(t *testing.T) {
	c := newClock()
	s := set(t, section(config.Section{"token": map[string]any{"from": []any{"bearer", "cookie:session"}, "origins": []any{"https://app.example.com"}}}), c, nil)
	tok := idptest.HS256(t, secret, valid(c.now(), nil))
	for _, x := range []struct {
		method, site, origin string
		bearer, ok           bool
	}{
		{"POST", "same-origin", "", false, true},
		{"POST", "", "", false, true}, // no browser
		{"POST", "cross-site", "https://evil.example", false, false},
		{"POST", "same-site", "https://other.example.com", false, false},
		{"POST", "", "https://evil.example", false, false},
		{"DELETE", "cross-site", "null", false, false},
		{"POST", "cross-site", "https://app.example.com", false, true},
		{"GET", "cross-site", "https://evil.example", false, true},
		{"POST", "cross-site", "https://evil.example", true, true},
	} {
		r := httptest.NewRequest(x.method, "https://shop.example.com/", nil)
		r.Header.Set("Cookie", "session="+tok)
		for name, v := range map[string]string{"Sec-Fetch-Site": x.site, "Origin": x.origin} {
			if v != "" {
				r.Header.Set(name, v)
			}
		}
		if x.bearer {
			r.Header.Set("Authorization", "Bearer "+tok)
		}
		u, err := s.Authenticate(t.Context(), r)
		if (err == nil) != x.ok || err != nil && (!errors.Is(err, auth.ErrCredentials) || u != nil) {
			t.Errorf("%+v: %v, %v", x, u, err)
		}
	}
}
