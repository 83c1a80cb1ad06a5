package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/strategies/internal/idptest"
)

// signingKey is the key of all providers: making one takes long.
var signingKey = sync.OnceValue(func() *idptest.Key {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return &idptest.Key{ID: "k1", Algorithm: "RS256", Private: k}
})

// Of the client that the provider knows.
const clientID, clientSecret = "shop client", "s3cret/+:&"

// A provider is an OpenID provider that does as it is told: it signs in whoever comes, and its answers can be tampered with.
type provider struct {
	t   testing.TB
	URL string
	srv *httptest.Server
	now func() time.Time

	mu       sync.Mutex
	key      *idptest.Key
	codes    map[string]grant
	refresh  map[string]grant // by refresh token
	n        int
	requests map[string]int
	last     url.Values // of the last authorization request
	ended    url.Values // of the last logout
	status   map[string]int

	// What tests change.
	metadata   map[string]any
	claims     map[string]any // of ID tokens
	access     map[string]any // of access tokens, nil: opaque ones
	userinfo   map[string]any
	expiresIn  int // of access tokens
	noRefresh  bool
	noPKCE     bool
	onID       func(claims map[string]any)
	onCallback func(q url.Values)
	onToken    func(m map[string]any)
	hold       chan struct{} // the token endpoint waits for it
	revoked    chan bool     // whether what was revoked was a token that counted
}

type grant struct {
	q   url.Values
	sub string
}

func newProvider(t testing.TB, now func() time.Time) *provider {
	p := &provider{t: t, now: now, key: signingKey(), codes: map[string]grant{}, refresh: map[string]grant{}, requests: map[string]int{}, status: map[string]int{},
		claims: map[string]any{"sub": "u-1", "name": "Alice Ada", "email": "alice@example.com", "roles": []string{"admin"}, "sid": "sid-1"}, expiresIn: 3600, revoked: make(chan bool, 100)}
	p.srv = httptest.NewServer(http.HandlerFunc(p.serve))
	p.URL = p.srv.URL
	t.Cleanup(p.srv.Close)
	return p
}

func (p *provider) set(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
}

func (p *provider) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[path]
}

func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests[r.URL.Path]++
	hold := p.hold
	p.mu.Unlock()
	if r.URL.Path == "/token" && hold != nil {
		<-hold
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if code := p.status[r.URL.Path]; code != 0 {
		http.Error(w, `{"error":"server_error","error_description":"it is down"}`, code)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/jwks", "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"userinfo_endpoint": p.URL + "/userinfo", "end_session_endpoint": p.URL + "/end", "revocation_endpoint": p.URL + "/revoke", "authorization_response_iss_parameter_supported": true}
		maps.Copy(m, p.metadata)
		writeJSON(w, m)
	case "/jwks":
		writeJSON(w, map[string]any{"keys": []any{p.key.JWK()}})
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.token(w, r)
	case "/userinfo":
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(401)
			return
		}
		writeJSON(w, p.userinfo)
	case "/revoke":
		if id, _, _ := r.BasicAuth(); id == url.QueryEscape(clientID) {
			_, known := p.refresh[r.FormValue("token")]
			delete(p.refresh, r.FormValue("token"))
			p.revoked <- known
		}
	case "/end":
		p.ended = r.URL.Query()
		http.Redirect(w, r, p.ended.Get("post_logout_redirect_uri"), http.StatusFound)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.last = q
	p.n++
	code := fmt.Sprintf("code-%d", p.n)
	sub, _ := p.claims["sub"].(string)
	p.codes[code] = grant{q, sub}
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}
	if p.onCallback != nil {
		p.onCallback(back)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// token answers as RFC 6749 and 7636 want it.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	if !ok || id != clientID || secret != clientSecret {
		oauthError(w, "invalid_client")
		return
	}
	var g grant
	switch r.FormValue("grant_type") {
	case "authorization_code":
		g, ok = p.codes[r.FormValue("code")]
		delete(p.codes, r.FormValue("code"))
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || g.q.Get("redirect_uri") != r.FormValue("redirect_uri") || !p.noPKCE && (g.q.Get("code_challenge_method") != "S256" || g.q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:])) {
			oauthError(w, "invalid_grant")
			return
		}
	case "refresh_token":
		g, ok = p.refresh[r.FormValue("refresh_token")]
		delete(p.refresh, r.FormValue("refresh_token")) // each counts once
		if !ok {
			oauthError(w, "invalid_grant")
			return
		}
	default:
		oauthError(w, "unsupported_grant_type")
		return
	}
	p.n++
	access := fmt.Sprintf("access-%d", p.n)
	if p.access != nil {
		access = p.sign(merge(map[string]any{"iss": p.URL, "sub": g.sub, "aud": "api"}, p.access))
	}
	claims := merge(map[string]any{"iss": p.URL, "aud": clientID, "at_hash": atHash(access)}, p.claims)
	if n := g.q.Get("nonce"); n != "" && r.FormValue("grant_type") == "authorization_code" {
		claims["nonce"] = n
	}
	if p.onID != nil {
		p.onID(claims)
	}
	m := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": p.expiresIn, "id_token": p.sign(claims)}
	if !p.noRefresh {
		rt := fmt.Sprintf("refresh-%d", p.n)
		p.refresh[rt] = g
		m["refresh_token"] = rt
	}
	if p.onToken != nil {
		p.onToken(m)
	}
	writeJSON(w, m)
}

func (p *provider) sign(claims map[string]any) string { return p.key.Sign(p.t, claims, p.now()) }

func atHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func merge(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func oauthError(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, `{"error":%q,"error_description":"secret detail %s"}`, code, strings.Repeat("x", 10))
}
