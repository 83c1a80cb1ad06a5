package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cds/strategies/internal/idptest"
)

// refusedPage checks the page that a login ends with that cannot go on: no session, nothing of what was sent, no way elsewhere.
func (u *user) refusedPage(r *response, reason string) {
	u.a.t.Helper()
	if r.StatusCode < 400 || r.StatusCode >= 500 || !strings.Contains(r.body, "Sign-in did not work") || !strings.Contains(r.Header.Get("Content-Type"), "text/html") {
		u.a.t.Errorf("%d %.200s", r.StatusCode, r.body)
	}
	if u.cookie("session") != "" {
		u.a.t.Error("a session was begun")
	}
	if s := u.a.log.String(); !strings.Contains(s, reason) {
		u.a.t.Errorf("the log does not say %q: %s", reason, s)
	}
}

// begin starts a login and returns where the issuer sends the browser, which has not gone there yet.
func (u *user) begin() string {
	u.a.t.Helper()
	check := u.c.CheckRedirect
	defer func() { u.c.CheckRedirect = check }()
	u.stopAt(u.a.URL + "/auth/callback")
	r := u.visit("/auth/start")
	if r.StatusCode != 302 {
		u.a.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return r.Header.Get("Location")
}

// with changes the query of an address.
func with(t *testing.T, address string, change func(q url.Values)) string {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := at.Query()
	change(q)
	at.RawQuery = q.Encode()
	return at.String()
}

func TestAttack_Callback(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(q url.Values)
		reason string
	}{
		{"no state", func(q url.Values) { q.Del("state") }, "no login was begun"},
		{"a wrong state", func(q url.Values) { q.Set("state", strings.Repeat("A", 43)) }, "not that of a login under way"},
		{"a state that is none", func(q url.Values) { q.Set("state", "x' or 1=1") }, "no login was begun"},
		{"two states", func(q url.Values) { q.Add("state", "x") }, "comes twice"},
		{"two codes", func(q url.Values) { q.Add("code", "x") }, "comes twice"},
		{"a code of somebody else", func(q url.Values) { q.Set("code", "stolen") }, "invalid_grant"},
		{"another issuer (RFC 9207)", func(q url.Values) { q.Set("iss", "https://evil.example") }, "the answer is of the issuer"},
		{"no issuer, though it says that it sends it", func(q url.Values) { q.Del("iss") }, "the answer is of the issuer"},
		{"an issuer with a slash", func(q url.Values) { q.Set("iss", q.Get("iss")+"/") }, "the answer is of the issuer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, nil)
			u := a.browser()
			u.refusedPage(u.visit(with(t, u.begin(), tt.change)), tt.reason)
		})
	}
}

// A malformed query is refused too, and nothing of it is in the page.
func TestAttack_Query(t *testing.T) {
	a := newApp(t, nil)
	for _, q := range []string{"?%zz", "?state=%00", "?code=x;state=y", "?" + strings.Repeat("a=b&", 3000), "?error=<script>alert(1)</script>&error_description=<script>alert(1)</script>"} {
		u := a.browser()
		u.begin()
		r := u.visit("/auth/callback" + q)
		if u.refusedPage(r, ""); strings.Contains(r.body, "alert(1)") {
			t.Errorf("%s is in the page", q)
		}
	}
}

// An answer counts once.
func TestAttack_Replay(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	to := u.begin()
	if r := u.visit(to); r.StatusCode != 200 && r.StatusCode != 404 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	u.expect("u-1")
	session := u.cookie("session")
	if r := u.visit(to); r.StatusCode != 400 || !strings.Contains(a.log.String(), "not that of a login under way") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if u.cookie("session") != session {
		t.Error("the session has changed")
	}
}

// Login CSRF: an answer made for another browser, such as the attacker's own, is refused, also where that browser has begun a login of its own. The attacker's
// login is not used up by it.
func TestAttack_OtherBrowser(t *testing.T) {
	a := newApp(t, nil)
	attacker, victim := a.browser(), a.browser()
	to := attacker.begin()
	victim.refusedPage(victim.visit(to), "no login was begun in this browser")
	victim.begin()
	victim.refusedPage(victim.visit(to), "begun in another browser")
	victim.setCookie("login", "junk")
	victim.refusedPage(victim.visit(to), "no login was begun in this browser")
	if attacker.visit(to); attacker.cookie("session") == "" {
		t.Error("the login was used up by somebody else")
	}
}

// Whoever has got hold of somebody's code can't log in with it: the issuer refuses it for want of the verifier (PKCE), and where it does not look, the nonce is
// another one.
func TestAttack_CodeInjection(t *testing.T) {
	for _, noPKCE := range []bool{false, true} {
		a := newApp(t, nil)
		a.p.noPKCE = noPKCE
		victim, attacker := a.browser(), a.browser()
		stolen, err := url.Parse(victim.begin())
		if err != nil {
			t.Fatal(err)
		}
		to := with(t, attacker.begin(), func(q url.Values) { q.Set("code", stolen.Query().Get("code")) })
		attacker.refusedPage(attacker.visit(to), map[bool]string{false: "invalid_grant", true: "nonce"}[noPKCE])
	}
}

// An answer comes too late.
func TestAttack_Late(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	to := u.begin()
	a.clock.add(11 * 60e9)
	u.refusedPage(u.visit(to), "not that of a login under way")
}

// What is wrong with an ID token ends the login.
func TestAttack_IDToken(t *testing.T) {
	foreign := idptest.NewKey(t, "RS256")
	foreign.ID = "k1"
	for _, tt := range []struct {
		name   string
		claims func(p *provider, c map[string]any)
		answer func(p *provider, m map[string]any)
		reason string
	}{
		{name: "wrong nonce", claims: func(_ *provider, c map[string]any) { c["nonce"] = "x" }, reason: "nonce"},
		{name: "no nonce", claims: func(_ *provider, c map[string]any) { delete(c, "nonce") }, reason: "nonce"},
		{name: "a nonce that is no text", claims: func(_ *provider, c map[string]any) { c["nonce"] = []string{"x"} }, reason: "nonce"},
		{name: "another issuer", claims: func(_ *provider, c map[string]any) { c["iss"] = "https://evil.example" }, reason: "token-"},
		{name: "another audience", claims: func(_ *provider, c map[string]any) { c["aud"] = "api" }, reason: "token-audience"},
		{name: "several audiences without azp", claims: func(_ *provider, c map[string]any) { c["aud"] = []string{clientID, "api"} }, reason: "azp"},
		{name: "another azp", claims: func(_ *provider, c map[string]any) { c["azp"] = "api" }, reason: "azp"},
		{name: "azp that is no text", claims: func(_ *provider, c map[string]any) { c["azp"] = []string{clientID} }, reason: "azp"},
		{name: "expired", claims: func(p *provider, c map[string]any) { c["exp"] = p.now().Unix() - 61 }, reason: "token-expired"},
		{name: "no exp", claims: func(_ *provider, c map[string]any) { c["exp"] = nil }, reason: "token-claim"},
		{name: "no iat", claims: func(_ *provider, c map[string]any) { c["iat"] = nil }, reason: "iat"},
		{name: "issued in the future", claims: func(p *provider, c map[string]any) { c["iat"] = p.now().Unix() + 120 }, reason: "future"},
		{name: "no subject", claims: func(_ *provider, c map[string]any) { c["sub"] = "" }, reason: "sub"},
		{name: "a long subject", claims: func(_ *provider, c map[string]any) { c["sub"] = strings.Repeat("x", 256) }, reason: "sub"},
		{name: "a reserved user", claims: func(_ *provider, c map[string]any) { c["sub"] = "privileged" }, reason: "reserved"},
		{name: "of another access token", claims: func(_ *provider, c map[string]any) { c["at_hash"] = atHash("other") }, reason: "at_hash"},
		{name: "a logout token", claims: func(_ *provider, c map[string]any) { c["events"] = map[string]any{} }, reason: "event"},
		{name: "no ID token", answer: func(_ *provider, m map[string]any) { delete(m, "id_token") }, reason: "no ID token"},
		{name: "an ID token that is none", answer: func(_ *provider, m map[string]any) { m["id_token"] = "x.y.z" }, reason: "token-malformed"},
		{name: "a list of ID tokens", answer: func(_ *provider, m map[string]any) { m["id_token"] = []any{m["id_token"]} }, reason: "no ID token"},
		{name: "a token that is bound to a key", answer: func(_ *provider, m map[string]any) { m["token_type"] = "DPoP" }, reason: "of the type"},
		{name: "claims without end", claims: func(_ *provider, c map[string]any) { c["x"] = strings.Repeat("x", 10_000) }, answer: func(_ *provider, m map[string]any) { m["access_token"] = strings.Repeat("y", 100_000) }, reason: "at_hash"},
		{name: "another key", answer: func(p *provider, m map[string]any) {
			m["id_token"] = foreign.Sign(p.t, map[string]any{"iss": p.URL, "aud": clientID, "sub": "u-1", "nonce": p.last.Get("nonce")}, p.now())
		}, reason: "token-signature"},
		{name: "the client's secret as key", answer: func(p *provider, m map[string]any) {
			m["id_token"] = idptest.HS256(p.t, clientSecret, map[string]any{"iss": p.URL, "aud": clientID, "sub": "u-1", "nonce": p.last.Get("nonce"), "iat": p.now().Unix(), "exp": p.now().Unix() + 60})
		}, reason: "token-"},
		{name: "unsigned", answer: func(p *provider, m map[string]any) {
			parts := strings.Split(m["id_token"].(string), ".")
			m["id_token"] = "eyJhbGciOiJub25lIn0." + parts[1] + "."
		}, reason: "token-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, nil)
			a.p.set(func() {
				if tt.claims != nil {
					a.p.onID = func(c map[string]any) { tt.claims(a.p, c) }
				}
				if tt.answer != nil {
					a.p.onToken = func(m map[string]any) { tt.answer(a.p, m) }
				}
			})
			u := a.browser()
			u.refusedPage(u.visit(u.begin()), tt.reason)
		})
	}
}

// Who asks for a login that is not old looks at what came.
func TestLogin_MaxAge(t *testing.T) {
	a := newApp(t, func(sec map[string]any) { sec["params"] = map[string]any{"max_age": 300} })
	for _, tt := range []struct {
		at any
		in bool
	}{{nil, false}, {a.clock.now().Unix() - 400, false}, {"x", false}, {a.clock.now().Unix() - 350, true}, {a.clock.now().Unix(), true}} {
		a.p.set(func() { a.p.claims = merge(a.p.claims, map[string]any{"auth_time": tt.at}) })
		u := a.browser()
		if u.visit("/auth/start"); (u.cookie("session") != "") != tt.in || a.p.last.Get("max_age") != "300" {
			t.Errorf("auth_time %v: in %v", tt.at, !tt.in)
		}
	}
}

// Tokens that are too large to be kept are not kept; the login goes on.
func TestLogin_LargeTokens(t *testing.T) {
	a := newApp(t, nil)
	a.p.onToken = func(m map[string]any) {
		m["access_token"] = strings.Repeat("y", 70_000)
		m["id_token"] = a.p.sign(map[string]any{"iss": a.p.URL, "aud": clientID, "sub": "u-1", "nonce": a.p.last.Get("nonce")})
	}
	u := a.browser()
	if r := u.visit(who); r.StatusCode != 200 || !strings.Contains(r.body, `"u-1 "`) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// The issuer's refusal is told in our words.
func TestLogin_Refused(t *testing.T) {
	a := newApp(t, nil)
	a.p.onCallback = func(q url.Values) {
		q.Del("code")
		q.Set("error", "access_denied")
		q.Set("error_description", "call 0900-EVIL")
	}
	u := a.browser()
	r := u.visit("/auth/start")
	if r.StatusCode != 403 || !strings.Contains(r.body, "You cancelled") || strings.Contains(r.body, "EVIL") || u.cookie("session") != "" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// Whoever can plant a session cookie has no part in the session that a login begins.
func TestAttack_Fixation(t *testing.T) {
	a := newApp(t, nil)
	attacker, victim := a.browser(), a.browser()
	attacker.login()
	planted := attacker.cookie("session")
	victim.setCookie("session", planted)
	victim.visit("/auth/start?returnTo=" + url.QueryEscape(who))
	if victim.cookie("session") == planted {
		t.Fatal("the session's id is that of before the login")
	}
	attacker.expect("") // the old session has ended
	victim.expect("u-1")
	victim.setCookie("session", strings.Repeat("A", 43)) // an id of the attacker's choice
	victim.visit("/auth/start?returnTo=" + url.QueryEscape(who))
	if victim.cookie("session") == strings.Repeat("A", 43) {
		t.Fatal("the session's id is one that was chosen")
	}
}

// A cookie that was changed is none; the browser is told to forget it.
func TestAttack_Cookie(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	u.login()
	good := u.cookie("session")
	flipped := "A" + good[1:]
	if good[0] == 'A' {
		flipped = "B" + good[1:]
	}
	for _, v := range []string{flipped, good + "A", good[:42], strings.ToUpper(good), "", "x", good[:42] + "%", strings.Repeat("A", 5000)} {
		r := u.a.browser()
		r.setCookie("session", v)
		r.expect("")
		if res := r.do("GET", "/odata/v4/open/who()"); res.StatusCode != 200 || !strings.Contains(res.body, "anonymous") {
			t.Errorf("%.50q: %d %s", v, res.StatusCode, res.body)
		}
		if v != "" && r.cookie("session") != "" {
			t.Errorf("%.50q: the cookie is kept", v)
		}
	}
	// Two cookies of the name: one of them may be planted.
	two := a.browser()
	name := strings.TrimSuffix("cds-session-"+strings.Split(a.URL, ":")[2], "/")
	if r := two.do("GET", who, "Cookie", name+"="+good+"; "+name+"="+flipped); r.StatusCode != 401 {
		t.Errorf("two cookies: %d", r.StatusCode)
	}
	u.expect("u-1")
}

// Requests that another site makes the browser send don't count, whatever its cookies.
func TestAttack_CSRF(t *testing.T) {
	a := newApp(t, nil)
	u := a.browser()
	u.login()
	const act = "/odata/v4/known/touch"
	for _, tt := range []struct {
		name   string
		header []string
		status int
	}{
		{"of a page of ours", []string{"Sec-Fetch-Site", "same-origin", "Origin", a.URL}, 200},
		{"of a program", nil, 200},
		{"of another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"of a neighbour", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example"}, 403},
		{"of another site, by an old browser", []string{"Origin", "https://evil.example"}, 403},
		{"of a sandboxed frame", []string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, 403},
	} {
		if r := u.do("POST", act, append(tt.header, "Content-Type", "application/json")...); r.StatusCode != tt.status {
			t.Errorf("%s: %d %s", tt.name, r.StatusCode, r.body)
		}
	}
	if r := u.do("POST", "/odata/v4/open/touch", "Origin", "https://evil.example"); r.StatusCode != 403 {
		t.Errorf("on an open service: %d", r.StatusCode)
	}
	if r := a.browser().do("POST", "/odata/v4/open/touch", "Origin", "https://evil.example"); r.StatusCode != 200 {
		t.Errorf("without a cookie: %d %s", r.StatusCode, r.body)
	}
	token := a.p.sign(map[string]any{"iss": a.p.URL, "aud": "api", "sub": "machine"})
	if r := u.do("POST", act, "Origin", "https://evil.example", "Authorization", "Bearer "+token); r.StatusCode != 200 || !strings.Contains(r.body, "machine") {
		t.Errorf("with a token: %d %s", r.StatusCode, r.body)
	}
}

// A login is begun by a person who goes somewhere, not by a picture in a page, and not without end.
func TestAttack_Starts(t *testing.T) {
	a := newApp(t, nil)
	if r := a.browser().do("GET", "/auth/start", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"); r.StatusCode != 403 || len(r.Header["Set-Cookie"]) > 0 {
		t.Errorf("%d", r.StatusCode)
	}
	u := a.browser()
	u.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	n := 0
	for range 250 {
		if r := u.visit("/auth/start"); r.StatusCode == 303 {
			n++
		} else if r.StatusCode != 429 || r.Header.Get("Retry-After") == "" {
			t.Fatalf("%d", r.StatusCode)
		}
	}
	if n != 200 {
		t.Errorf("%d logins were begun", n)
	}
	a.clock.add(60e9)
	if r := u.visit("/auth/start"); r.StatusCode != 303 {
		t.Errorf("a minute later: %d", r.StatusCode)
	}
}

// A login leads back to a page of this server only.
func TestAttack_OpenRedirect(t *testing.T) {
	a := newApp(t, func(sec map[string]any) { sec["login"] = "page" })
	u := a.browser()
	u.stopAt(a.URL + "/auth/callback")
	for _, to := range []string{"https://evil.example", "//evil.example", `/\evil.example`, `\/evil.example`, "/%2f/evil.example", "/%5cevil.example", "/%2f%2fevil.example/", "/\t/evil.example",
		"/\n/evil.example", "javascript:alert(1)", "data:text/html,x", "http:evil.example", "///evil.example", "/%09/evil.example", "evil.example", "", "?x", "#x", "/auth/logout", "/auth/start", "/auth",
		"/ //evil.example", "/\u00a0/evil.example", "/" + strings.Repeat("x", 2000), "/x\x00", "https:/evil.example", "/x\\..\\\\evil.example"} {
		r := u.visit("/auth/start?returnTo=" + url.QueryEscape(to))
		if r.StatusCode == 429 {
			a.clock.add(60e9)
			r = u.visit("/auth/start?returnTo=" + url.QueryEscape(to))
		}
		next := r.Header.Get("Location")
		check := u.c.CheckRedirect
		u.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if r := u.visit(next); r.StatusCode != 303 || r.Header.Get("Location") != "/" {
			t.Errorf("%q leads to %d %q", to, r.StatusCode, r.Header.Get("Location"))
		}
		u.c.CheckRedirect = check
		if r := a.browser().visit("/auth/login?returnTo=" + url.QueryEscape(to)); !strings.Contains(r.body, `href="/auth/start"`) {
			t.Errorf("%q is in the page: %s", to, r.body)
		}
	}
	a.clock.add(60e9)
	for _, to := range []string{"/odata/v4/known/Things?$filter=ID%20eq%201&$top=2#x", "/authors/1", "/x/..//y", "/ä"} {
		u.c.CheckRedirect = nil
		u.stopAt(a.URL + "/auth/callback")
		next := u.visit("/auth/start?returnTo=" + url.QueryEscape(to)).Header.Get("Location")
		u.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		if r := u.visit(next); r.Header.Get("Location") != strings.ReplaceAll(to, "ä", "%C3%A4") {
			t.Errorf("%q leads to %q", to, r.Header.Get("Location"))
		}
	}
}
