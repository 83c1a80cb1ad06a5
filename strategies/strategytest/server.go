package strategytest

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"cds/runtime/auth"
	"cds/runtime/authstore"
)

// Env returns what a server lends, for tests: stores in memory, an empty folder, and a client that reaches nobody.
func Env(*testing.T) *auth.Env {
	stores := authstore.Memory(time.Now)
	return &auth.Env{
		Now: time.Now, Log: slog.New(slog.DiscardHandler), HTTP: &http.Client{Transport: nobody{}}, Files: fstest.MapFS{}, Sessions: stores, Users: stores,
		Client:  func(r *http.Request) string { return r.RemoteAddr },
		Trusted: func(*http.Request) bool { return false },
	}
}

// nobody is a network without hosts.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}

func (s Subject) setup(t *testing.T, setter auth.Setter, env *auth.Env) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	if err := setter.Setup(ctx, env); err != nil {
		t.Fatalf("Setup: %v", err)
	}
}

// odd sends requests that no server of net/http would hand on, or that nobody expects.
func (s Subject) odd(t *testing.T) {
	st := s.fresh(t)
	for name, change := range map[string]func(r *http.Request){
		"no address":    func(r *http.Request) { r.RemoteAddr = "" },
		"a strange one": func(r *http.Request) { r.RemoteAddr = "@" },
		"a cookie":      func(r *http.Request) { r.Header.Set("Cookie", `__Host-session=x; session="; =; sid=a.b.c`) },
		"a long cookie": func(r *http.Request) { r.Header.Set("Cookie", "s="+strings.Repeat("x", 1<<15)) },
		"many cookies":  func(r *http.Request) { r.Header["Cookie"] = strings.Split(strings.Repeat("a=b,", 500), ",") },
		"forwarded": func(r *http.Request) {
			r.Header.Set("X-Forwarded-Client-Cert", "Hash=x;Cert=%%%")
			r.Header.Set("X-Forwarded-For", "x")
		},
		"a path":           func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/\x00/..", "/%00/%2e%2e" },
		"keys":             func(r *http.Request) { r.Header.Set("X-Api-Key", "\x00"); r.Header.Set("X-Token", "a.b.c") },
		"no header at all": func(r *http.Request) { r.Header = nil },
		"an upgrade": func(r *http.Request) {
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Sec-WebSocket-Protocol", "x,y")
		},
	} {
		r := request("")
		change(r)
		u, err := st.Authenticate(t.Context(), r)
		switch {
		case err != nil && (u != nil || !errors.Is(err, auth.ErrCredentials) && !errors.Is(err, auth.ErrForbidden)):
			t.Errorf("%s: user %v, error %v", name, u, err)
		case err == nil:
			sound(t, u)
			if u.Identified() && !s.Always {
				t.Errorf("%s: the request is of %s", name, u.ID)
			}
		}
	}
}

// secrets checks that errors, which end in logs, don't repeat what was presented.
func (s Subject) secrets(t *testing.T) {
	st := s.fresh(t)
	for _, h := range s.Bad {
		_, err := st.Authenticate(t.Context(), request(h))
		if err == nil {
			continue // told by another test
		}
		scheme, rest, _ := strings.Cut(h, " ")
		texts := []string{strings.TrimSpace(rest)}
		if strings.EqualFold(scheme, "basic") {
			if b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(rest, "=")); err == nil {
				_, pw, _ := strings.Cut(string(b), ":")
				texts = append(texts, pw)
			}
		}
		for _, x := range texts {
			if len(x) > 5 && strings.Contains(err.Error(), x) {
				t.Errorf("the error for %.40q tells what was sent: %v", h, err)
			}
		}
	}
}

// ended sends good credentials with a context that has ended: that may fail, but lets nobody in as somebody else.
func (s Subject) ended(t *testing.T) {
	st, r := s.fresh(t), s.Good(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	u, err := st.Authenticate(ctx, r)
	if err == nil && (u == nil || u.ID != s.UserID) || err != nil && u != nil {
		t.Errorf("user %v, error %v", u, err)
	}
}

// broken takes the stores and the network away: whoever has credentials is known or refused, never anonymous.
func (s Subject) broken(t *testing.T) {
	st := s.New(t)
	setter, ok := st.(auth.Setter)
	if !ok || s.Env == nil {
		t.Skip("nothing is set up")
	}
	env := s.Env(t)
	env.Sessions, env.Users, env.HTTP = failing{}, failing{}, &http.Client{Transport: nobody{}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if setter.Setup(ctx, env) != nil {
		return // it told so at start
	}
	u, err := st.Authenticate(t.Context(), s.Good(t))
	if err == nil && (u == nil || u.ID != s.UserID) || err != nil && u != nil {
		t.Errorf("user %v, error %v", u, err)
	}
}

// refresh checks that a Refresher adds headers only, for whatever user.
func (s Subject) refresh(t *testing.T) {
	st := s.fresh(t)
	f, ok := st.(auth.Refresher)
	if !ok {
		t.Skip("no Refresher")
	}
	r := s.Good(t)
	u, err := st.Authenticate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		r *http.Request
		u *auth.User
	}{{r, u}, {request(""), auth.Anonymous}, {request("Bearer x"), u}} {
		w := httptest.NewRecorder()
		w.Code = 0
		f.Refresh(w, c.r, c.u)
		if w.Code != 0 || w.Body.Len() > 0 {
			t.Errorf("Refresh wrote an answer: %d %q", w.Code, w.Body)
		}
	}
}

// vary checks the names of headers.
func (s Subject) vary(t *testing.T) {
	v, ok := s.fresh(t).(auth.Varier)
	if !ok {
		t.Skip("no Varier")
	}
	for _, name := range v.Vary() {
		if name == "" || strings.ContainsAny(name, " ,:;\r\n") {
			t.Errorf("%q is no name of a header", name)
		}
	}
}

// bodies are what routes must not stumble over.
var bodies = []string{"", "{", "null", "[]", `{"username":5}`, `{"a":{}}`, "a=b&a=c", "%zz", "\x00\xff", strings.Repeat("[", 100000), strings.Repeat("x", 2<<20)}

// routes checks that pages have patterns that can be mounted, and that no request makes them fail with 500.
func (s Subject) routes(t *testing.T) {
	p, ok := s.fresh(t).(auth.Routes)
	if !ok {
		t.Skip("no Routes")
	}
	mux := http.NewServeMux()
	for pattern, h := range p.Routes() {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok || method == "" || !strings.HasPrefix(path, "/") || h == nil {
			t.Errorf("%q is no method and path, or has no handler", pattern)
			continue
		}
		if !mounts(mux, pattern, h) {
			t.Errorf("%q is no pattern of net/http, or conflicts with another", pattern)
			continue
		}
		for _, b := range bodies {
			for _, kind := range []string{"", "application/json", "application/x-www-form-urlencoded", "multipart/form-data", "\x00"} {
				s.visit(t, h, method, path, kind, b)
			}
		}
	}
}

func mounts(mux *http.ServeMux, pattern string, h http.Handler) (ok bool) {
	defer func() { ok = recover() == nil }()
	mux.Handle(pattern, h)
	return true
}

// visit sends one request to a page.
func (s Subject) visit(t *testing.T, h http.Handler, method, path, kind, body string) {
	t.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL.Path = strings.NewReplacer("{", "", "}", "", "$", "").Replace(path)
	r.URL.RawQuery = "code=x&state=%zz&returnTo=//evil.example&error=<script>"
	if kind != "" {
		r.Header["Content-Type"] = []string{kind}
	}
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s %s with %q %.20q: panic: %v", method, path, kind, body, p)
		}
	}()
	h.ServeHTTP(w, r)
	res := w.Result()
	text, _ := io.ReadAll(res.Body)
	switch {
	case res.StatusCode == http.StatusInternalServerError:
		t.Errorf("%s %s with %q %.20q: 500 %.200s", method, path, kind, body, text)
	case strings.Contains(string(text), "<script>"):
		t.Errorf("%s %s shows what it was sent", method, path)
	case strings.Contains(res.Header.Get("Location"), "evil.example") && !strings.Contains(res.Header.Get("Location"), "?"):
		t.Errorf("%s %s sends the client to %s", method, path, res.Header.Get("Location"))
	}
}

// failing is a store that is down.
type failing struct{}

var errDown = errors.New("the database is down")

func (failing) Session(context.Context, string) (*auth.Session, error)         { return nil, errDown }
func (failing) PutSession(context.Context, *auth.Session) error                { return errDown }
func (failing) TakeSession(context.Context, string) (*auth.Session, error)     { return nil, errDown }
func (failing) EndSessions(context.Context, string, string) (int, error)       { return 0, errDown }
func (failing) UserByName(context.Context, string) (*auth.StoredUser, error)   { return nil, errDown }
func (failing) UserByID(context.Context, string) (*auth.StoredUser, error)     { return nil, errDown }
func (failing) AddUser(context.Context, *auth.StoredUser) (string, error)      { return "", errDown }
func (failing) SetUser(context.Context, *auth.StoredUser) error                { return errDown }
func (failing) RemoveUser(context.Context, string) error                       { return errDown }
func (failing) Users(context.Context, string, int) ([]*auth.StoredUser, error) { return nil, errDown }
