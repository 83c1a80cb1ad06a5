package oidc_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cds/strategies/internal/idptest"
)

// Signing out asks, ends the session here, and goes on to the issuer.
func TestLogout(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	u.login()
	value := u.cookie("session")
	if r := u.visit("/auth/logout"); r.StatusCode != 200 || !strings.Contains(r.body, `<form method="post" action="/auth/logout">`) || !strings.Contains(r.body, "Alice Ada") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	u.expect("u-1") // following a link has not signed out
	r := u.do("POST", "/auth/logout", "Origin", a.URL, "Sec-Fetch-Site", "same-origin")
	if !<-a.p.revoked {
		t.Error("the refresh token is not revoked")
	}
	refresh := r.Header.Get("Refresh")
	if r.StatusCode != 200 || !strings.HasPrefix(refresh, "0; url="+a.p.URL+"/end?") || u.cookie("session") != "" {
		t.Fatalf("%d %q %s", r.StatusCode, refresh, r.body)
	}
	u.visit(strings.TrimPrefix(refresh, "0; url="))
	q := a.p.ended
	if q.Get("client_id") != clientID || q.Get("post_logout_redirect_uri") != a.URL+"/auth/logged-out" || strings.Count(q.Get("id_token_hint"), ".") != 2 {
		t.Errorf("%v", q)
	}
	if last := u.trail[len(u.trail)-1]; last != a.URL+"/auth/logged-out" {
		t.Errorf("ended at %s", last)
	}
	u.setCookie("session", value)
	u.expect("")
	if r := u.visit("/auth/logout"); !strings.Contains(r.body, "You are signed out") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

func TestLogout_Variants(t *testing.T) {
	t.Run("by a script", func(t *testing.T) {
		a := newApp(t, nil)
		u := a.browser()
		u.login()
		if r := u.do("POST", "/auth/logout", "Accept", "application/json", "Origin", a.URL); r.StatusCode != 200 || !strings.Contains(r.body, `"redirect":"`+a.p.URL+"/end?") {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
		u.expect("")
	})
	t.Run("an issuer without logout", func(t *testing.T) {
		a := newApp(t, nil)
		a.p.metadata = map[string]any{"end_session_endpoint": nil}
		u := a.browser()
		u.login()
		if r := u.do("POST", "/auth/logout", "Origin", a.URL); r.StatusCode != 200 || !strings.Contains(r.body, "You are signed out") {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		a := newApp(t, nil)
		if r := a.browser().do("POST", "/auth/logout"); r.StatusCode != 200 || !strings.Contains(r.body, "You are signed out") || a.p.count("/end") != 0 {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	})
	t.Run("by another site", func(t *testing.T) {
		a := newApp(t, nil)
		u := a.browser()
		u.login()
		if r := u.do("POST", "/auth/logout", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); r.StatusCode != 403 {
			t.Errorf("%d", r.StatusCode)
		}
		u.expect("u-1")
	})
}

// back calls the endpoint of the back channel as the issuer does.
func (a *app) back(form string) int {
	a.t.Helper()
	return a.backAs("application/x-www-form-urlencoded", form)
}

func (a *app) backAs(media, form string) int {
	a.t.Helper()
	res, err := http.Post(a.URL+"/auth/backchannel-logout", media, strings.NewReader(form))
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.Header.Get("Cache-Control") != "no-store" || res.StatusCode == 400 && string(b) != `{"error":"invalid_request"}` {
		a.t.Errorf("%v %s", res.Header, b)
	}
	return res.StatusCode
}

const event = "http://schemas.openid.net/event/backchannel-logout"

// logoutToken makes a logout token for a session; claims that are nil are left out.
func (a *app) logoutToken(jti string, claims map[string]any) string {
	all := merge(map[string]any{"iss": a.p.URL, "aud": clientID, "sub": "u-1", "sid": "sid-1", "jti": jti, "events": map[string]any{event: map[string]any{}}}, claims)
	return "logout_token=" + url.QueryEscape(a.p.sign(all))
}

func TestBackchannel(t *testing.T) {
	for _, tt := range []struct {
		name         string
		claims       map[string]any
		first, other string // who the browsers are afterwards: two sessions of one user
	}{
		{"the session", nil, "", "u-1"},
		{"the session, without a user", map[string]any{"sub": nil}, "", "u-1"},
		{"the user", map[string]any{"sid": nil}, "", ""},
		{"another session", map[string]any{"sid": "sid-9"}, "u-1", "u-1"},
		{"another user", map[string]any{"sid": nil, "sub": "u-2"}, "u-1", "u-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, nil)
			u, v := a.browser(), a.browser()
			u.login()
			a.p.set(func() { a.p.claims = merge(a.p.claims, map[string]any{"sid": "sid-2"}) })
			v.login()
			if code := a.back(a.logoutToken("j1", tt.claims)); code != 200 {
				t.Fatalf("%d %s", code, a.log)
			}
			u.expect(tt.first) // at once, though the session was read just now
			v.expect(tt.other)
		})
	}
}

// Logout tokens that are forged, old, used or something else end nothing.
func TestBackchannel_Attacks(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	u.login()
	foreign := idptest.NewKey(t, "RS256")
	foreign.ID = "k1"
	good := map[string]any{"iss": a.p.URL, "aud": clientID, "sub": "u-1", "sid": "sid-1", "jti": "x", "events": map[string]any{event: map[string]any{}}}
	now := a.clock.now()
	for name, form := range map[string]string{
		"another key":           "logout_token=" + foreign.Sign(t, good, now),
		"the client's secret":   "logout_token=" + idptest.HS256(t, clientSecret, good),
		"another audience":      a.logoutToken("1", map[string]any{"aud": "api"}),
		"another issuer":        a.logoutToken("2", map[string]any{"iss": "https://evil.example"}),
		"no event":              a.logoutToken("3", map[string]any{"events": nil}),
		"another event":         a.logoutToken("4", map[string]any{"events": map[string]any{"x": map[string]any{}}}),
		"an event that is text": a.logoutToken("5", map[string]any{"events": map[string]any{event: "x"}}),
		"events as a list":      a.logoutToken("6", map[string]any{"events": []string{event}}),
		"a nonce":               a.logoutToken("7", map[string]any{"nonce": "n"}),
		"a nonce that is null":  "logout_token=" + a.p.key.SignRaw(t, `{"alg":"RS256","kid":"k1"}`, `{"iss":"`+a.p.URL+`","aud":"shop client","sub":"u-1","jti":"8","nonce":null,"iat":`+now.Format("20060102")+`,"exp":9999999999,"events":{"`+event+`":{}}}`),
		"neither user nor sid":  a.logoutToken("9", map[string]any{"sub": nil, "sid": nil}),
		"a sid that is no text": a.logoutToken("10", map[string]any{"sid": 1}),
		"no jti":                a.logoutToken("", map[string]any{"jti": nil}),
		"an empty jti":          a.logoutToken("", nil),
		"no iat":                a.logoutToken("11", map[string]any{"iat": nil}),
		"old":                   a.logoutToken("12", map[string]any{"iat": now.Add(-12 * time.Minute).Unix()}),
		"of the future":         a.logoutToken("13", map[string]any{"iat": now.Add(2 * time.Minute).Unix()}),
		"expired":               a.logoutToken("14", map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}),
		"no exp":                a.logoutToken("15", map[string]any{"exp": nil}),
		"an ID token":           "logout_token=" + a.p.sign(map[string]any{"iss": a.p.URL, "aud": clientID, "sub": "u-1", "sid": "sid-1"}),
		"two tokens":            a.logoutToken("16", nil) + "&" + a.logoutToken("17", nil),
		"none":                  "x=y",
		"garbage":               "logout_token=a.b.c",
		"a long form":           "logout_token=" + strings.Repeat("x", 100_000),
	} {
		if code := a.back(form); code != 400 {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code := a.backAs("application/json", `{"logout_token":"x"}`); code != 400 {
		t.Errorf("JSON: %d", code)
	}
	u.expect("u-1")
	if code := a.back(a.logoutToken("once", nil)); code != 200 {
		t.Errorf("a good one: %d %s", code, a.log)
	}
	u.expect("")
	u.login()
	if code := a.back(a.logoutToken("once", nil)); code != 400 {
		t.Errorf("the same once more: %d", code)
	}
	u.expect("u-1")
	// A logout token lets nobody in.
	raw, _ := url.QueryUnescape(strings.TrimPrefix(a.logoutToken("in", nil), "logout_token="))
	if r := a.browser().do("GET", who, "Authorization", "Bearer "+raw); r.StatusCode != 401 {
		t.Errorf("a logout token as access token: %d %s", r.StatusCode, r.body)
	}
	if r := a.browser().do("GET", "/auth/backchannel-logout"); r.StatusCode != 405 {
		t.Errorf("GET: %d", r.StatusCode)
	}
}
