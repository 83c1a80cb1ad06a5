package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// current returns the session of a request, for the pages of the login.
func (s *Strategy) current(r *http.Request) (*live, bool) {
	value := readCookie(r, s.cookies.session)
	if value == "" {
		return nil, false
	}
	l, err := s.session(r.Context(), s.sessionID(value))
	return l, err == nil
}

// serveLogoutPage asks whether to sign out: following a link must not do it.
func (s *Strategy) serveLogoutPage(w http.ResponseWriter, r *http.Request) {
	l, ok := s.current(r)
	if !ok {
		redirect(w, s.cfg.path+"/logged-out")
		return
	}
	s.pages.show(w, r, http.StatusOK, page{Heading: "Sign out", Text: "You are signed in as " + printable(s.display(l.user)) + ".", Post: s.cfg.path + "/logout", Label: "Sign out",
		Other: "/", OtherLabel: "Stay signed in"})
}

// serveLogout ends the session here, and sends the browser to the issuer to end its session there (RP-Initiated Logout 1.0). A script, which asks for JSON, is told where to
// send the browser.
func (s *Strategy) serveLogout(w http.ResponseWriter, r *http.Request) {
	if err := s.cross.Check(r); err != nil {
		s.log().WarnContext(r.Context(), "oidc: logout refused", "reason", err.Error())
		s.pages.show(w, r, http.StatusForbidden, page{Heading: "Not signed out", Text: "Another site wanted to sign you out.", Link: s.cfg.path + "/logout", Label: "Sign out"})
		return
	}
	to := s.cfg.path + "/logged-out"
	if value := readCookie(r, s.cookies.session); value != "" {
		id := s.sessionID(value)
		rec, err := s.read(r.Context(), id)
		if err != nil && !errors.Is(err, errEnded) {
			s.unavailable(w, r, err)
			return
		}
		if refresh := s.end(r.Context(), id); refresh != "" {
			go s.revoke(s.background, refresh) // nobody waits for it
		}
		if rec != nil {
			to = s.endSession(r, rec, to)
		}
	}
	s.cookies.set(w, s.cookies.session, "", -1)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		writeJSON(w, http.StatusOK, map[string]string{"redirect": to})
		return
	}
	if !strings.HasPrefix(to, "/") {
		// Not a redirect: browsers hold the policy about form targets against all hosts that the issuer may lead to.
		w.Header().Set("Refresh", "0; url="+to)
		s.pages.show(w, r, http.StatusOK, page{Heading: "Signing out", Text: "You are signed out here. " + s.issuerName() + " is next.", Link: to, Label: "Continue"})
		return
	}
	redirect(w, to)
}

// endSession returns the issuer's address for logout, here if it has none.
func (s *Strategy) endSession(r *http.Request, rec *record, here string) string {
	m, err := s.discovery.Metadata(r.Context())
	if err != nil || m.EndSessionEndpoint == "" {
		return here
	}
	u, err := url.Parse(m.EndSessionEndpoint)
	if err != nil {
		return here
	}
	q := u.Query()
	q.Set("client_id", s.cfg.clientID)
	q.Set("post_logout_redirect_uri", s.cfg.postLogout)
	if rec.ID != "" {
		q.Set("id_token_hint", rec.ID)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func (s *Strategy) serveLoggedOut(w http.ResponseWriter, r *http.Request) {
	if l, ok := s.current(r); ok {
		s.pages.show(w, r, http.StatusOK, page{Heading: "Signed in", Text: "You are signed in as " + printable(s.display(l.user)) + ".", Link: "/", Label: "Continue",
			Other: s.cfg.path + "/logout", OtherLabel: "Sign out"})
		return
	}
	s.pages.show(w, r, http.StatusOK, page{Heading: "Signed out", Text: "You are signed out. Close the browser if others use it, too.", Link: s.cfg.path + "/login", Label: "Sign in again"})
}

// serveUser tells a page who is signed in: 401 if nobody is.
func (s *Strategy) serveUser(w http.ResponseWriter, r *http.Request) {
	l, ok := s.current(r)
	if !ok {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"login": s.cfg.path + "/login"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"id": l.user.ID, "name": s.display(l.user), "expires": l.expires.UTC().Format(time.RFC3339), "logout": s.cfg.path + "/logout"})
}

// display is the name to show for a user.
func (s *Strategy) display(u *auth.User) string {
	c, _ := u.Info.(map[string]any)
	for _, name := range []string{"name", "preferred_username", "email"} {
		if v, ok := c[name].(string); ok && v != "" {
			return v
		}
	}
	return u.ID
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusServiceUnavailable, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}

// Names and bounds of back-channel logout.
const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	maxForm     = 32 << 10
)

// serveBackchannel ends the sessions that the issuer says have ended (Back-Channel Logout 1.0, section 2.5). It is the issuer that calls, not a browser.
func (s *Strategy) serveBackchannel(w http.ResponseWriter, r *http.Request) {
	raw, err := logoutToken(w, r)
	var subject, group string
	if err == nil {
		subject, group, err = s.verifyLogout(r, raw)
	}
	if err != nil {
		s.log().WarnContext(r.Context(), "oidc: logout token refused", "reason", err.Error())
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	n, err := s.env.Sessions.EndSessions(r.Context(), subject, group)
	s.sessions.dropAll(subject, group)
	if err != nil {
		s.log().ErrorContext(r.Context(), "oidc: sessions can't be ended", "err", err)
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
		return
	}
	s.log().InfoContext(r.Context(), "oidc: the issuer has ended sessions", "records", n)
	w.WriteHeader(http.StatusOK)
}

// logoutToken reads the one parameter.
func logoutToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return "", errors.New("a form was expected")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return "", errors.New("the form is too long or incomplete")
	}
	q, err := url.ParseQuery(string(b))
	if err != nil || len(q["logout_token"]) != 1 {
		return "", errors.New("one logout_token was expected")
	}
	return q.Get("logout_token"), nil
}

// verifyLogout verifies a logout token (section 2.6) and returns which sessions it is about: those of the issuer's session, or all of the user.
func (s *Strategy) verifyLogout(r *http.Request, raw string) (subject, group string, err error) {
	ctx := r.Context()
	t, err := token.Parse(raw)
	if err != nil {
		return "", "", err
	}
	if _, err := s.logout.Verify(ctx, t); err != nil {
		return "", "", err
	}
	c := t.Claims
	if err := s.checkIssued(c, maxIssued); err != nil {
		return "", "", err
	}
	events, _ := c["events"].(map[string]any)
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return "", "", errors.New("the token tells of no logout (events)")
	}
	if _, has := c["nonce"]; has {
		return "", "", errors.New("a logout token has no nonce")
	}
	sub, sid := "", ""
	for name, p := range map[string]*string{"sub": &sub, "sid": &sid} {
		if v, has := c[name]; has {
			text, ok := v.(string)
			if !ok || text == "" || len(text) > 1000 {
				return "", "", fmt.Errorf("the claim %s is no text", name)
			}
			*p = text
		}
	}
	if sub == "" && sid == "" {
		return "", "", errors.New("the logout token names neither user nor session")
	}
	if err := s.once(r, c); err != nil {
		return "", "", err
	}
	if sid != "" {
		return "", s.group(sid), nil
	}
	return s.subject(sub), "", nil
}

// once refuses a logout token that came before.
func (s *Strategy) once(r *http.Request, c token.Claims) error {
	jti, _ := c.Str("jti")
	if jti == "" || len(jti) > 1000 {
		return errors.New("the logout token has no id (jti)")
	}
	id := s.digest("j:", jti)
	switch _, err := s.env.Sessions.Session(r.Context(), id); {
	case err == nil:
		return errors.New("the logout token came before (jti)")
	case !errors.Is(err, auth.ErrNotFound):
		return err
	}
	keep := s.env.Now().Add(maxIssued + 2*token.MaxLeeway)
	if exp, has, _ := c.Time("exp"); has && exp.Add(token.MaxLeeway).Before(keep) {
		keep = exp.Add(token.MaxLeeway)
	}
	return s.env.Sessions.PutSession(r.Context(), &auth.Session{ID: id, Expires: keep})
}
