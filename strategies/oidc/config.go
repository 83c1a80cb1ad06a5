package oidc

import (
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/settings"
	"cds/strategies/internal/token"
)

// at is the place of the settings.
const at = "requires.auth.oidc"

// Bounds of the session's times.
const (
	defaultIdle, defaultAbsolute, defaultCache = time.Hour, 12 * time.Hour, 10 * time.Second
	maxLifetime                                = 90 * 24 * time.Hour
)

// section is the section requires.auth.oidc.
type section struct {
	issuer                 string
	issuers                []string // of tokens that requests bring; some providers have two names
	clientID, clientSecret string
	clientAuth             string // "", basic or post
	audience               []string
	noAudience             bool
	scopes, algorithms     []string
	claimsFrom             []string // id, access, userinfo
	leeway                 time.Duration
	ttl, refetch, stale    time.Duration
	loopback               bool // http is fine for an issuer on a loopback address
	params                 url.Values

	// The rest is for browsers; base is nil if there is no login.
	base        *url.URL
	path        string // where the pages are: /auth
	callback    string // path of redirectURI
	redirectURI string
	postLogout  string
	login       string // "" (401), page or redirect
	title       string
	keys        [][]byte
	idle        time.Duration
	absolute    time.Duration
	cache       time.Duration
	origins     []string
}

var knownKeys = []string{"issuer", "clientId", "clientSecret", "clientAuth", "audience", "scopes", "redirectUri", "baseUrl", "postLogoutRedirectUri", "session", "login", "algorithms",
	"leeway", "insecureLoopback", "path", "title", "claimsFrom", "params", "jwksTtl", "jwksRefetch", "jwksStale"}

// readSettings reads and checks the section. Errors name the key.
func readSettings(cfg config.Section) (*section, error) {
	all := settings.New(cfg, "requires.auth")
	r := all.Section("oidc")
	r.Known(knownKeys...)
	s := &section{
		issuer: r.Text("issuer"), clientID: r.Text("clientId"), clientSecret: r.Text("clientSecret"), clientAuth: r.Text("clientAuth"), algorithms: r.Texts("algorithms"),
		claimsFrom: r.Texts("claimsFrom"), scopes: r.Texts("scopes"), loopback: r.Bool("insecureLoopback", false), title: r.Text("title"),
		leeway: r.Duration("leeway", token.MaxLeeway, 0, token.MaxLeeway),
		ttl:    r.Duration("jwksTtl", 0, 30*time.Second, 24*time.Hour), refetch: r.Duration("jwksRefetch", 0, time.Second, time.Hour), stale: r.Duration("jwksStale", 0, time.Minute, 30*24*time.Hour),
	}
	if v, ok := r.Config["audience"].(bool); ok && !v {
		s.noAudience = true
	} else {
		s.audience = r.Texts("audience")
	}
	s.defaults()
	s.fromPreset(all)
	s.checkProtocol(r)
	s.readParams(r.Section("params"))
	if s.wantsLogin(r) {
		s.readLogin(r)
		s.readSession(r.Section("session"))
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return s, s.missing(r)
}

func (s *section) defaults() {
	if s.audience == nil && s.clientID != "" {
		s.audience = []string{s.clientID}
	}
	if s.scopes == nil {
		s.scopes = []string{"openid", "profile", "email"}
	}
	if len(s.scopes) == 1 {
		s.scopes = strings.Fields(s.scopes[0])
	}
	if s.claimsFrom == nil {
		s.claimsFrom = []string{"id"}
	}
}

// fromPreset takes the issuer of requires.auth.provider where none is written.
func (s *section) fromPreset(r *settings.Reader) {
	if r.Text("provider") == "" {
		s.issuers = []string{s.issuer}
		return
	}
	if s.issuers = r.Config.Strings("jwt.issuer"); len(s.issuers) == 0 || s.issuers[0] == "false" {
		r.Fail("provider", "providers with an issuer are auth0, azure, clerk, cognito, keycloak, okta", "there is no login at %q", r.Text("provider"))
		return
	}
	if s.issuer == "" {
		s.issuer = s.issuers[0]
	} else {
		s.issuers = []string{s.issuer}
	}
}

// missing says which setting is needed and not there.
func (s *section) missing(r *settings.Reader) error {
	switch {
	case s.issuer == "":
		return auth.Missing(at+".issuer", "tokens and logins of one issuer are accepted", `"https://login.example.com"`)
	case !s.noAudience && len(s.audience) == 0:
		return auth.Missing(at+".audience", "tokens that were issued for other applications would be accepted; with clientId it is that one by default", `"my-api"`)
	case s.wantsLogin(r) && s.clientID == "":
		return auth.Missing(at+".clientId", "the login needs the id under which the application is registered", `"my-app"`)
	case s.wantsLogin(r) && s.base == nil:
		return auth.Missing(at+".baseUrl", "the login needs the address that browsers see the application under", `"https://shop.example.com"`)
	}
	return nil
}

func (s *section) checkProtocol(r *settings.Reader) {
	if s.issuer != "" {
		if err := token.CheckURL(s.issuer, s.loopback); err != nil {
			r.Fail("issuer", "the address that tokens name in iss, and that /.well-known/openid-configuration is below", "%v", err)
		} else if strings.Contains(s.issuer, "?") {
			r.Fail("issuer", "", "an issuer has no query")
		}
	}
	for _, a := range s.algorithms {
		if !token.Known(a) || token.Symmetric(a) {
			r.Fail("algorithms", "such as RS256, PS256, ES256 or EdDSA", "%q is no algorithm for public keys", a)
		}
	}
	if !slices.Contains(s.scopes, "openid") {
		r.Fail("scopes", `such as ["openid", "profile", "email"]`, "openid is missing, without which there is no ID token")
	}
	if !slices.Contains([]string{"", "basic", "post"}, s.clientAuth) {
		r.Fail("clientAuth", `"basic" (client_secret_basic) and "post" (client_secret_post) are; by default it is what the issuer says it supports`, "%q is not known", s.clientAuth)
	}
	for _, c := range s.claimsFrom {
		if !slices.Contains([]string{"id", "access", "userinfo"}, c) {
			r.Fail("claimsFrom", `such as ["id", "access"]`, "%q is not known: id, access and userinfo are", c)
		}
	}
}

// fixed are parameters of the authorization request that are not for the configuration to say.
var fixed = []string{"client_id", "response_type", "response_mode", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "request", "request_uri", "id_token_hint"}

// readParams reads more parameters of the authorization request, such as Auth0's audience.
func (s *section) readParams(r *settings.Reader) {
	s.params = url.Values{}
	for _, k := range r.Config.Keys() {
		if slices.Contains(fixed, k) {
			r.Fail(k, "", "the parameter %s is part of the protocol", k)
		}
		s.params.Set(k, r.Text(k))
		if _, err := strconv.ParseUint(r.Text(k), 10, 31); k == "max_age" && err != nil {
			r.Fail(k, "", "a number of seconds is expected")
		}
	}
}

// wantsLogin reports whether browsers are to log in here, rather than just bring tokens.
func (s *section) wantsLogin(r *settings.Reader) bool {
	for _, k := range []string{"redirectUri", "baseUrl", "clientSecret", "session", "login", "postLogoutRedirectUri"} {
		if v, ok := r.Config[k]; ok && v != nil && v != false && v != "false" {
			return true
		}
	}
	return false
}

// pathChars may be in the path of the pages, which is part of the names of cookies.
const pathChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./"

func (s *section) readLogin(r *settings.Reader) {
	s.path = strings.TrimSuffix(r.Text("path"), "/")
	if s.path == "" {
		s.path = "/auth"
	}
	if !strings.HasPrefix(s.path, "/") || strings.ContainsFunc(s.path, func(r rune) bool { return !strings.ContainsRune(pathChars, r) }) || strings.Contains(s.path, "//") || strings.Contains(s.path, "/.") {
		r.Fail("path", "such as /auth", "%q is no absolute path of letters, digits and - _ .", s.path)
	}
	s.redirectURI = r.Text("redirectUri")
	base := r.Text("baseUrl")
	if base == "" && s.redirectURI != "" {
		if u, err := url.Parse(s.redirectURI); err == nil {
			base = u.Scheme + "://" + u.Host
		}
	}
	if base != "" {
		s.readBase(r, base)
	}
	switch s.login = r.Text("login"); s.login {
	case "false", "none":
		s.login = ""
	case "", "page", "redirect":
	default:
		r.Fail("login", `"redirect" sends a browser to the identity provider, "page" shows a page first, false answers 401`, "%q is not known", s.login)
	}
}

// readBase checks the addresses of our own. They are configured, never taken from a request, whose Host header anybody may write.
func (s *section) readBase(r *settings.Reader, base string) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u)):
		r.Fail("baseUrl", "such as https://shop.example.com, or http://localhost:4004 for development", "%q is no https address", base)
		return
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		r.Fail("baseUrl", "such as https://shop.example.com", "%q has more than scheme, host and port", base)
		return
	}
	s.base = &url.URL{Scheme: u.Scheme, Host: u.Host}
	if s.title == "" {
		s.title = u.Host
	}
	if s.redirectURI == "" {
		s.redirectURI = s.base.String() + s.path + "/callback"
	}
	s.callback = s.ownPath(r, "redirectUri", s.redirectURI)
	if s.postLogout = r.Text("postLogoutRedirectUri"); s.postLogout == "" {
		s.postLogout = s.base.String() + s.path + "/logged-out"
	} else if err := token.CheckURL(s.postLogout, true); err != nil {
		r.Fail("postLogoutRedirectUri", "", "%v", err)
	}
}

// ownPath returns the path of an address of the application itself.
func (s *section) ownPath(r *settings.Reader, key, raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != s.base.Scheme || !strings.EqualFold(u.Host, s.base.Host) || len(u.Path) < 2 || u.RawQuery != "" || u.Fragment != "" || u.RawPath != "" ||
		strings.ContainsAny(u.Path, "{}") || strings.Contains(u.Path, "//") || strings.Contains(u.Path, "/.") {
		r.Fail(key, "such as "+s.base.String()+s.path+"/callback", "%q is no address below %s", raw, s.base)
		return ""
	}
	return u.Path
}

func (s *section) readSession(r *settings.Reader) {
	r.Known("key", "idle", "absolute", "cache", "origins")
	s.absolute = r.Duration("absolute", defaultAbsolute, time.Minute, maxLifetime)
	s.idle = r.Duration("idle", min(defaultIdle, s.absolute), time.Minute, maxLifetime)
	s.cache = r.Duration("cache", defaultCache, 0, time.Minute)
	if s.idle > s.absolute {
		r.Fail("idle", "", "%s is longer than session.absolute, %s", s.idle, s.absolute)
	}
	for _, text := range r.Texts("key") {
		k := readKey(text)
		if k == nil {
			r.Fail("key", "write one with: openssl rand -base64 32", "a key has 32 random bytes, in base64 or hex") // which the text is must not be told: it is a secret
			continue
		}
		s.keys = append(s.keys, k)
	}
	if len(s.keys) > 5 {
		r.Fail("key", "the first one encrypts, the others are for sessions from before a change", "more than five keys")
	}
	for _, o := range r.Texts("origins") {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || u.Scheme != "https" && !loopback(u) || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
			r.Fail("origins", "such as https://app.example.com", "%q is no origin", o)
			continue
		}
		s.origins = append(s.origins, u.Scheme+"://"+u.Host)
	}
}

// readKey reads 32 bytes in base64, with either alphabet, or hex; nil for anything else.
func readKey(text string) []byte {
	text = strings.TrimSpace(text)
	if b, err := hex.DecodeString(text); err == nil && len(b) == 32 {
		return b
	}
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	if b, err := base64.RawStdEncoding.DecodeString(plain); err == nil && len(b) == 32 {
		return b
	}
	return nil
}

// loopback reports whether a URL is plain http to this machine, as in development.
func loopback(u *url.URL) bool {
	host := u.Hostname()
	ip := net.ParseIP(host)
	return u.Scheme == "http" && (host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback())
}
