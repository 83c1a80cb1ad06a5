package xsuaa_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/saptest"
)

// A token from a cookie is no token where a page of another site makes the browser send it to change something, and caches are told of it.
func TestCookie(t *testing.T) {
	l := saptest.New(t)
	cfg := config.Merge(section(l), config.Section{"token": map[string]any{"from": []any{"bearer", "cookie:tok", "header:X-Tok"}}})
	s := strategy(t, l, cfg, nil)
	if v := s.(auth.Varier).Vary(); !slices.Equal(v, []string{"Cookie", "X-Tok"}) {
		t.Errorf("Vary: %q", v)
	}
	good := l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", nil), now)
	for _, c := range []struct {
		method, site string
		refused      bool
	}{
		{http.MethodPost, "cross-site", true},
		{http.MethodPost, "same-site", true},
		{http.MethodPost, "same-origin", false},
		{http.MethodPost, "", false}, // no browser
		{http.MethodGet, "cross-site", false},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		r.AddCookie(&http.Cookie{Name: "tok", Value: good})
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		u, err := s.Authenticate(t.Context(), r)
		if errors.Is(err, auth.ErrCredentials) != c.refused || err == nil && u.ID != "alice" {
			t.Errorf("%s %q: %v, %v", c.method, c.site, u, err)
		}
	}
}

// A token that is known is no more when its key was taken away, as soon as that is known.
func TestRetiredKey(t *testing.T) {
	l := saptest.New(t)
	s := strategy(t, l, section(l), nil)
	old := l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", nil), now)
	for range 2 {
		if _, err := s.Authenticate(t.Context(), bearer(old)); err != nil {
			t.Fatal(err)
		}
	}
	l.Rotate(t, "t1", "RS256")
	l.Retire("t1")
	if _, err := s.Authenticate(t.Context(), bearer(l.Key(t, "t1").Sign(t, saptest.XSUAA("t1", nil), now))); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Authenticate(t.Context(), bearer(old)); !errors.Is(err, auth.ErrCredentials) {
		t.Errorf("%v is let in by a key that is no more: %v", u, err)
	}
}

// Tokens that only name tenants don't keep those of the application's own out.
func TestFloodOfTenants(t *testing.T) {
	l := saptest.New(t)
	cfg := config.Merge(section(l), config.Section{"credentials": map[string]any{"identityzoneid": "t1"}})
	clock := now
	s := strategy(t, l, cfg, func() time.Time { return clock })
	own, stranger := l.Key(t, "t1"), l.Key(t, "none")
	for i := range 60 { // more than are kept, within two windows
		clock = now.Add(time.Duration(i/30) * 10 * time.Second)
		zid := fmt.Sprint("flood-", i)
		if _, err := s.Authenticate(t.Context(), bearer(stranger.Sign(t, saptest.XSUAA(zid, nil), now))); !errors.Is(err, auth.ErrCredentials) {
			t.Fatalf("%s: %v", zid, err)
		}
	}
	if _, err := s.Authenticate(t.Context(), bearer(own.Sign(t, saptest.XSUAA("t1", nil), now))); err != nil {
		t.Errorf("the application's own tenant: %v", err)
	}
}
