package saptest

import (
	"crypto/rand"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// login is the state of logins by authorization code.
type login struct {
	zid, secret string
	claims      map[string]any
	sign        func(claims map[string]any) string
	codes       map[string]string // code → user name
}

// Login makes the pages of a login work, for clients with a secret, in a zone. Tokens have the claims besides those of XSUAA.
func (l *Landscape) Login(t testing.TB, zid, secret string, claims map[string]any) {
	key := l.Key(t, zid)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.login = login{zid: zid, secret: secret, claims: claims, codes: map[string]string{}, sign: func(c map[string]any) string { return key.Sign(t, c, time.Now()) }}
}

var page = template.Must(template.New("").Parse(`<!doctype html><title>Log in</title>
<form method="post"><label>User <input name="user" autofocus></label><button>Log in</button></form>`))

// authorize is the page where the user logs in: any name will do.
func (l *Landscape) authorize(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, nil)
		return
	}
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Hostname() != "localhost" || q.Get("response_type") != "code" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	l.mu.Lock()
	l.login.codes[code] = r.FormValue("user")
	l.mu.Unlock()
	answer := back.Query()
	answer.Set("code", code)
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}

// token exchanges a code for tokens.
func (l *Landscape) token(w http.ResponseWriter, r *http.Request) {
	client, secret, ok := r.BasicAuth()
	if !ok {
		client, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	l.mu.Lock()
	user, known := l.login.codes[r.PostFormValue("code")]
	delete(l.login.codes, r.PostFormValue("code"))
	in := l.login
	l.mu.Unlock()
	if !known || secret != in.secret || r.PostFormValue("grant_type") != "authorization_code" {
		w.WriteHeader(http.StatusUnauthorized)
		l.answer(w, map[string]any{"error": "invalid_grant"})
		return
	}
	claims := XSUAA(in.zid, map[string]any{"user_name": user, "cid": client, "client_id": client, "azp": client, "jti": rand.Text()})
	maps.Copy(claims, in.claims)
	access := in.sign(claims)
	l.answer(w, map[string]any{"access_token": access, "refresh_token": rand.Text(), "token_type": "bearer", "expires_in": 3600, "scope": "openid", "jti": claims["jti"]})
}
