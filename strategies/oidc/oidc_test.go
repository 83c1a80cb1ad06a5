package oidc_test

import (
	"net/http"
	"strings"
	"testing"
)

// A person opens a page, is sent to the issuer and comes back to the page.
func TestLogin(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	u.expect("")
	r := u.visit(who + "?x=1")
	if r.StatusCode != 200 || !strings.Contains(r.body, `"u-1 access-`) || r.Request.URL.RequestURI() != who+"?x=1" {
		t.Fatalf("%d %s at %s\n%s", r.StatusCode, r.body, r.Request.URL, a.log)
	}
	if len(u.trail) != 4 || !strings.HasPrefix(u.trail[0], a.URL+"/auth/login?returnTo=") || !strings.HasPrefix(u.trail[1], a.p.URL+"/authorize?") || !strings.HasPrefix(u.trail[2], a.URL+"/auth/callback?") {
		t.Errorf("by %q", u.trail)
	}
	q := a.p.last
	for name, want := range map[string]string{"response_type": "code", "client_id": clientID, "redirect_uri": a.URL + "/auth/callback", "scope": "openid profile email", "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			t.Errorf("%s=%q", name, q.Get(name))
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) != 43 {
			t.Errorf("%s=%q", name, q.Get(name))
		}
	}
	u.expect("u-1")
	if r := u.do("GET", "/odata/v4/staff/who()"); r.StatusCode != 200 {
		t.Errorf("roles: %d %s", r.StatusCode, r.body)
	}
	if r := u.do("GET", who); r.Header.Get("Cache-Control") != "no-store" || !strings.Contains(r.Header.Get("Vary"), "Cookie") {
		t.Errorf("%v", r.Header)
	}
	if a.browser().expect(""); a.p.count("/token") != 1 {
		t.Errorf("%d requests for tokens", a.p.count("/token"))
	}
	if s := a.log.String(); strings.Contains(s, "access-") || strings.Contains(s, clientSecret) || strings.Contains(s, u.cookie("session")) {
		t.Errorf("secrets in the log: %s", s)
	}
}

// The cookie is as it should be.
func TestLogin_Cookie(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	u.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := u.visit("/auth/start")
	r = u.visit(r.Header.Get("Location"))
	r = u.visit(r.Header.Get("Location"))
	var session *http.Cookie
	for _, c := range r.Cookies() {
		session = c
	}
	if session == nil || session.Name != "cds-session-"+strings.Split(a.URL, ":")[2] || !session.HttpOnly || session.Path != "/" || session.SameSite != http.SameSiteLaxMode || session.MaxAge != 0 || len(session.Value) != 43 {
		t.Fatalf("%+v", session)
	}
}
