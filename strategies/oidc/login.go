package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"cds/runtime/auth"
	"cds/strategies/internal/backoff"
	"cds/strategies/internal/browser"
	"cds/strategies/internal/token"
)

// loginTime is how long a login may take.
const loginTime = 10 * time.Minute

// An attempt is a login that was begun: a record of its own, found by the state, which counts once.
type attempt struct {
	Browser  string // digest of the cookie of the browser that began it
	Nonce    string
	Verifier string // of PKCE
	Return   string
}

// Routes implements auth.Routes. Without a login there are none.
func (s *Strategy) Routes() map[string]http.Handler {
	if s.cfg.base == nil {
		return nil
	}
	p := s.cfg.path
	return map[string]http.Handler{
		"GET " + p + "/login":               http.HandlerFunc(s.serveLogin),
		"GET " + p + "/start":               http.HandlerFunc(s.serveStart),
		"GET " + s.cfg.callback:             http.HandlerFunc(s.serveCallback),
		"GET " + p + "/logout":              http.HandlerFunc(s.serveLogoutPage),
		"POST " + p + "/logout":             http.HandlerFunc(s.serveLogout),
		"GET " + p + "/logged-out":          http.HandlerFunc(s.serveLoggedOut),
		"POST " + p + "/backchannel-logout": http.HandlerFunc(s.serveBackchannel),
		"GET " + p + "/user":                http.HandlerFunc(s.serveUser),
	}
}

// client is the OAuth client at the issuer.
func (s *Strategy) client(m *token.Metadata) *oauth2.Config {
	style := oauth2.AuthStyleInHeader
	methods := m.Claims.Strings("token_endpoint_auth_methods_supported")
	unsupported := len(methods) > 0 && !slices.Contains(methods, "client_secret_basic")
	if s.cfg.clientSecret == "" || s.cfg.clientAuth == "post" || s.cfg.clientAuth == "" && unsupported {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: s.cfg.clientID, ClientSecret: s.cfg.clientSecret, RedirectURL: s.cfg.redirectURI, Scopes: s.cfg.scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint, AuthStyle: style}}
}

// metadata returns the issuer's metadata if a login is possible with them.
func (s *Strategy) metadata(ctx context.Context) (*token.Metadata, error) {
	m, err := s.discovery.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	if m.AuthorizationEndpoint == "" || m.TokenEndpoint == "" {
		return nil, errors.New("the issuer's metadata name no authorization_endpoint or no token_endpoint")
	}
	return m, nil
}

// serveLogin is where browsers are sent: a page with a button, or the issuer at once where login is redirect.
func (s *Strategy) serveLogin(w http.ResponseWriter, r *http.Request) {
	if s.cfg.login == "redirect" {
		s.serveStart(w, r)
		return
	}
	to := s.returnTo(r)
	d := page{Heading: "Sign in", Text: "You sign in at " + s.issuerName() + " and come back here afterwards."}
	d.Link, d.Label = s.startLink(to), "Continue"
	if l, ok := s.current(r); ok {
		d.Heading, d.Text, d.Label, d.Link = "Signed in", "You are signed in as "+printable(s.display(l.user))+".", "Continue", to
		d.Other, d.OtherLabel = s.cfg.path+"/logout", "Sign out"
	}
	s.pages.show(w, r, http.StatusOK, d)
}

func (s *Strategy) startLink(to string) string {
	q := url.Values{}
	if to != "/" {
		q.Set("returnTo", to)
	}
	return withQuery(s.cfg.path+"/start", q)
}

// serveStart begins a login: it notes what has to come back, and sends the browser to the issuer.
func (s *Strategy) serveStart(w http.ResponseWriter, r *http.Request) {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		s.fail(w, r, http.StatusForbidden, "a login was begun from within a page", nil) // a picture, a script, a frame
		return
	}
	if !s.starts.allow(backoff.Address(s.env.Client(r))) {
		w.Header().Set("Retry-After", "60")
		s.pages.show(w, r, http.StatusTooManyRequests, page{Heading: "Too many tries", Text: "Please wait a minute, then sign in again.", Link: s.cfg.path + "/login", Label: "Sign in"})
		return
	}
	m, err := s.metadata(r.Context())
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	state, browser := newSecret(), readCookie(r, s.cookies.login)
	if browser == "" { // one cookie serves logins in several tabs
		browser = newSecret()
	}
	a := attempt{Browser: s.digest("b:", browser), Nonce: newSecret(), Verifier: oauth2.GenerateVerifier(), Return: s.returnTo(r)}
	if err := s.putAttempt(r.Context(), state, &a); err != nil {
		s.unavailable(w, r, err)
		return
	}
	opts := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(a.Verifier), oauth2.SetAuthURLParam("nonce", a.Nonce)}
	for name := range s.cfg.params {
		opts = append(opts, oauth2.SetAuthURLParam(name, s.cfg.params.Get(name)))
	}
	s.cookies.set(w, s.cookies.login, browser, loginTime)
	redirect(w, s.client(m).AuthCodeURL(state, opts...))
}

func (s *Strategy) putAttempt(ctx context.Context, state string, a *attempt) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	id := s.digest("l:", state)
	return s.env.Sessions.PutSession(ctx, &auth.Session{ID: id, Data: s.seal.seal(id, b), Expires: s.env.Now().Add(loginTime)})
}

// takeAttempt finds the login that a state belongs to, which it is then no more. The browser must be the one that began it: else somebody could have
// others log in under his own account.
func (s *Strategy) takeAttempt(r *http.Request, state string) (*attempt, error) {
	browser := readCookie(r, s.cookies.login)
	if !isSecret(state) || browser == "" {
		return nil, errors.New("no login was begun in this browser, or its cookie is gone")
	}
	id := s.digest("l:", state)
	// The record is looked at before it is taken, so that who merely knows a state cannot use it up.
	stored, err := s.env.Sessions.Session(r.Context(), id)
	if err != nil {
		return nil, fmt.Errorf("the state is not that of a login under way: %w", err)
	}
	a := &attempt{}
	b, err := s.seal.open(id, stored.Data)
	if err == nil {
		err = json.Unmarshal(b, a)
	}
	switch {
	case err != nil:
		return nil, err
	case subtle.ConstantTimeCompare([]byte(a.Browser), []byte(s.digest("b:", browser))) != 1:
		return nil, errors.New("the login was begun in another browser")
	}
	if _, err := s.env.Sessions.TakeSession(r.Context(), id); err != nil {
		return nil, fmt.Errorf("the state is not that of a login under way: %w", err)
	}
	return a, nil
}

// An answer is what the issuer sent the browser back with.
type answer struct{ code, state, iss, err string }

// readAnswer refuses answers with a parameter twice.
func readAnswer(r *http.Request) (*answer, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errors.New("the query is malformed")
	}
	a := &answer{}
	for name, p := range map[string]*string{"code": &a.code, "state": &a.state, "iss": &a.iss, "error": &a.err} {
		switch v := q[name]; {
		case len(v) > 1:
			return nil, errors.New("the parameter " + name + " comes twice")
		case len(v) == 1:
			*p = v[0]
		}
	}
	return a, nil
}

// serveCallback ends a login: it checks what came back, gets the tokens, and begins a session.
func (s *Strategy) serveCallback(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	ans, err := readAnswer(r)
	if err != nil {
		s.fail(w, r, http.StatusBadRequest, "", err)
		return
	}
	a, err := s.takeAttempt(r, ans.state)
	if err != nil {
		s.fail(w, r, http.StatusBadRequest, "", err)
		return
	}
	m, err := s.metadata(ctx)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	// RFC 9207: the answer of one issuer must not be taken to another one.
	if ans.iss != "" && ans.iss != s.cfg.issuer || ans.iss == "" && m.AuthorizationIssParameter {
		s.fail(w, r, http.StatusBadRequest, "", fmt.Errorf("the answer is of the issuer %.100q", ans.iss))
		return
	}
	if ans.err != "" || ans.code == "" {
		s.refused(w, r, ans.err)
		return
	}
	t, err := s.exchange(ctx, m, ans.code, a.Verifier)
	if err != nil {
		if refused := new(tokenError); errors.As(err, &refused) && refused.status < 500 {
			s.fail(w, r, http.StatusBadRequest, "", err)
			return
		}
		s.unavailable(w, r, err)
		return
	}
	s.begin(w, r, a, t)
}

func (s *Strategy) exchange(ctx context.Context, m *token.Metadata, code, verifier string) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.env.HTTP)
	t, err := s.client(m).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, quiet(err)
	}
	return t, nil
}

// begin checks the tokens of a login and starts the session. Its id is new: whoever knew the one before knows nothing of this one.
func (s *Strategy) begin(w http.ResponseWriter, r *http.Request, a *attempt, t *oauth2.Token) {
	rec, err := s.newRecord(r.Context(), a, t)
	var u *auth.User
	if err == nil {
		u, err = s.user(rec)
	}
	if err != nil {
		s.fail(w, r, http.StatusBadRequest, "", err)
		return
	}
	value := newSecret()
	if _, err := s.pack("", rec); err != nil {
		s.fail(w, r, http.StatusBadRequest, "", err)
		return
	}
	if err := s.store(r.Context(), s.sessionID(value), rec, t.RefreshToken); err != nil {
		s.unavailable(w, r, err)
		return
	}
	if old := readCookie(r, s.cookies.session); old != "" {
		s.end(r.Context(), s.sessionID(old))
	}
	s.log().InfoContext(r.Context(), "signed in", "user", u.ID)
	s.cookies.set(w, s.cookies.session, value, 0)
	redirect(w, a.Return)
}

// store adds a session, and its refresh token if there is one.
func (s *Strategy) store(ctx context.Context, id string, rec *record, refresh string) error {
	rec.Refresh = refresh != ""
	stored, err := s.pack(id, rec)
	if err == nil {
		err = s.env.Sessions.PutSession(ctx, stored)
	}
	if err == nil && refresh != "" {
		err = s.putRefresh(ctx, id, rec, refresh)
	}
	return err
}

// newRecord verifies the tokens of a login.
func (s *Strategy) newRecord(ctx context.Context, a *attempt, t *oauth2.Token) (*record, error) {
	if err := checkType(t); err != nil {
		return nil, err
	}
	raw, ok := t.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil, errors.New("the token endpoint returned no ID token")
	}
	c, err := s.verifyIdentity(ctx, raw, t.AccessToken)
	if err != nil {
		return nil, err
	}
	nonce, _ := c.Str("nonce")
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(a.Nonce)) != 1 {
		return nil, errors.New("the ID token's nonce is not that of this login")
	}
	if err := s.checkAge(c); err != nil {
		return nil, err
	}
	now := s.env.Now()
	rec := &record{ID: raw, Access: t.AccessToken, Begun: now.Unix(), Seen: now.Unix()}
	rec.Sub, _ = c.Str("sub")
	rec.SID, _ = c.Str("sid")
	if rec.Claims, err = s.claims(ctx, c, t.AccessToken); err != nil {
		return nil, err
	}
	s.lifetime(rec, t, now)
	return rec, nil
}

// refused tells a person that the issuer did not let him in. The issuer's words are for the log: anybody can write such an address.
func (s *Strategy) refused(w http.ResponseWriter, r *http.Request, code string) {
	d := page{Heading: "Not signed in", Text: s.issuerName() + " did not sign you in.", Link: s.cfg.path + "/login", Label: "Try again"}
	if code == "access_denied" {
		d.Text = "You cancelled, or you may not use this application."
	}
	s.log().WarnContext(r.Context(), "oidc: the issuer refused a login", "code", printable(code))
	s.pages.show(w, r, http.StatusForbidden, d)
}

// fail answers a login that cannot go on.
func (s *Strategy) fail(w http.ResponseWriter, r *http.Request, status int, reason string, err error) {
	if err != nil {
		reason = err.Error()
	}
	s.log().WarnContext(r.Context(), "oidc: login failed", "reason", reason)
	s.pages.show(w, r, status, page{Heading: "Sign-in did not work", Text: "It took too long, was begun elsewhere, or was finished already. Nothing has happened to your account.",
		Link: s.cfg.path + "/login", Label: "Sign in again"})
}

// unavailable answers where the issuer or the store cannot be reached.
func (s *Strategy) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	s.log().ErrorContext(r.Context(), "oidc: login is not possible", "err", err)
	w.Header().Set("Retry-After", "10")
	s.pages.show(w, r, http.StatusServiceUnavailable, page{Heading: "Not available", Text: "Signing in is not possible at the moment. Please try again in a little while.",
		Link: s.cfg.path + "/login", Label: "Try again"})
}

// returnTo is where a login leads back to.
func (s *Strategy) returnTo(r *http.Request) string {
	return browser.Target(r.URL.Query().Get("returnTo"), s.cfg.path)
}

// printable makes a text from elsewhere fit for logs and pages.
func printable(s string) string {
	out := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r > 0xffff {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(out) > 100 {
		out = strings.ToValidUTF8(out[:100], "") + "…"
	}
	return out
}
