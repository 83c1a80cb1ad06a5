package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/password"
	"cds/strategies/internal/browser"
)

// Browsers log in on a page and have a cookie from then on. It holds a random value; what it stands for is a record of the login, which ends with it. Requests
// that pages of other sites make a browser send are refused where they could change something: by SameSite, and by what the browser says of their
// origin.

// The cookie's names: the first is accepted by browsers over https only, and from this very host only.
const (
	secureCookie = "__Host-local"
	plainCookie  = "local" // over http, which production does not have
)

func cookieID(value string) string { return prefix + "cookie:" + digest(value) }

// cookieState is what the record of a cookie holds.
type cookieState struct {
	SID   string `json:"sid"`
	User  string `json:"user"`
	Since int64  `json:"since"` // in milliseconds since 1970
}

// secure reports whether the cookie of a request is one for https.
func (run *running) secure(r *http.Request) bool {
	return run.env.Production || r.TLS != nil || run.env.Trusted != nil && run.env.Trusted(r) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func (run *running) cookie(r *http.Request) string {
	name := plainCookie
	if run.secure(r) {
		name = secureCookie
	}
	if list := r.CookiesNamed(name); len(list) == 1 && len(list[0].Value) <= 100 {
		return list[0].Value
	}
	return ""
}

func (run *running) setCookie(w http.ResponseWriter, r *http.Request, value string) {
	c := &http.Cookie{Name: plainCookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if run.secure(r) {
		c.Name, c.Secure = secureCookie, true
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// byCookie returns the user of a browser's login; Anonymous if there is none, or if it has ended.
func (s *Strategy) byCookie(ctx context.Context, run *running, r *http.Request) (*auth.User, error) {
	value := run.cookie(r)
	if value == "" {
		return auth.Anonymous, nil
	}
	u, err := s.cookieUser(ctx, run, value)
	switch {
	case err != nil:
		return nil, err
	case u == nil:
		return auth.Anonymous, nil
	}
	if err := run.cross.Check(r); err != nil {
		return nil, fmt.Errorf("%w: a request of another site with the cookie of a login: %w", auth.ErrForbidden, err)
	}
	return u, nil
}

// cookieUser returns the user of a cookie; nil if its login has ended.
func (s *Strategy) cookieUser(ctx context.Context, run *running, value string) (*auth.User, error) {
	known := "cookie " + value // no token has a blank in it
	if u, ok := run.cache.Get(known); ok {
		return u, nil
	}
	cleared := run.cache.Cleared()
	in, err := s.cookieLogin(ctx, run, value)
	if in == nil || err != nil {
		return nil, err
	}
	u, err := s.userOf(in.user, "")
	if err != nil {
		return nil, err
	}
	run.cache.PutUntil(known, u, in.expires, time.Time{}, cleared)
	return u, nil
}

func (s *Strategy) cookieLogin(ctx context.Context, run *running, value string) (*login, error) {
	x, err := run.env.Sessions.Session(ctx, cookieID(value))
	if err != nil {
		return nil, absent(err)
	}
	var st cookieState
	if json.Unmarshal(x.Data, &st) != nil || x.Subject != prefix+st.User || x.Group != groupOf(st.SID) {
		return nil, nil
	}
	u, err := run.env.Users.UserByID(ctx, st.User)
	if err != nil {
		return nil, absent(err)
	}
	since := time.UnixMilli(st.Since)
	if u.Disabled || since.Before(u.Valid) {
		return nil, nil
	}
	return &login{user: u, sid: st.SID, issued: since, expires: x.Expires}, nil
}

// absent turns the error for what is not there into none.
func absent(err error) error {
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	return err
}

// Prompt sends a person who opened a page without being logged in to the login.
func (s *Strategy) Prompt(w http.ResponseWriter, r *http.Request) bool {
	if !s.cfg.pages || s.run.Load() == nil || !browser.Navigation(r) {
		return false
	}
	to := s.cfg.path + "/login"
	if back := s.safeTarget(r.URL.RequestURI()); back != "/" {
		to += "?" + url.Values{"to": {back}}.Encode()
	}
	seeOther(w, to)
	return true
}

func seeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// safeTarget returns where to go after the login: a path of this host, but none of ours; "/" for all else.
func (s *Strategy) safeTarget(to string) string { return browser.Target(to, s.cfg.path) }

// isForm reports whether a request is that of a form on one of the pages.
func isForm(r *http.Request) bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && t == "application/x-www-form-urlencoded"
}

// getLogin shows the page to log in, or who is logged in.
func (s *Strategy) getLogin(c *call, w http.ResponseWriter) {
	p := page{Heading: "Sign in", Login: true, To: s.safeTarget(c.r.URL.Query().Get("to"))}
	if value := c.cookie(c.r); value != "" {
		in, err := s.cookieLogin(c.ctx, c.running, value)
		if err != nil {
			c.log().Error("auth: login page", "err", err)
		}
		if in != nil {
			p = page{Heading: "Signed in", Text: "You are signed in as " + in.user.Name + ".", To: p.To, Continue: true, Logout: s.cfg.path + "/logout"}
		}
	}
	s.show(w, c.r, http.StatusOK, p)
}

// formLogin logs a browser in.
func (s *Strategy) formLogin(c *call, w http.ResponseWriter) {
	if !s.form(c, w) {
		return
	}
	to := s.safeTarget(c.r.PostForm.Get("to"))
	name := c.r.PostForm.Get("username")
	u, err := s.authenticate(c, name, c.r.PostForm.Get("password"))
	if err == nil {
		err = s.beginCookie(c, w, u)
	}
	if err == nil {
		seeOther(w, to)
		return
	}
	var f *fault
	p := page{Heading: "Sign in", Login: true, To: to, Name: name}
	status := http.StatusServiceUnavailable
	switch {
	case errors.As(err, &f) && f.status == http.StatusTooManyRequests:
		status, p.Fault = f.status, "Too many failures. Please wait a moment, then try again."
		w.Header().Set("Retry-After", fmt.Sprint(int(f.wait.Seconds())+1))
	case errors.As(err, &f):
		status, p.Fault = f.status, "The name or the password is wrong."
		w.Header().Set("WWW-Authenticate", "Bearer")
	default:
		p.Fault = "Signing in does not work at the moment. Please try again later."
		if !errors.Is(err, password.ErrBusy) && c.ctx.Err() == nil {
			c.log().Error("auth: login failed", "err", err)
		}
	}
	s.show(w, c.r, status, p)
}

// form reads a form of ours, and refuses one of another site.
func (s *Strategy) form(c *call, w http.ResponseWriter) bool {
	c.r.Body = http.MaxBytesReader(w, c.r.Body, maxBody)
	if c.cross.Check(c.r) != nil {
		s.show(w, c.r, http.StatusForbidden, page{Heading: "Not allowed", Text: "The form was sent by another site.", To: "/", Continue: true})
		return false
	}
	if err := c.r.ParseForm(); err != nil {
		s.show(w, c.r, http.StatusBadRequest, page{Heading: "Not understood", Text: "The form could not be read.", To: s.cfg.path + "/login", Continue: true})
		return false
	}
	return true
}

// beginCookie begins a login of a browser, and ends the one that it had.
func (s *Strategy) beginCookie(c *call, w http.ResponseWriter, u *auth.StoredUser) error {
	if err := s.endCookie(c); err != nil {
		return err
	}
	sid, err1 := random(16)
	value, err2 := random(32)
	now := c.env.Now()
	data, err3 := json.Marshal(cookieState{SID: sid, User: u.ID, Since: now.UnixMilli()})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	err := c.env.Sessions.PutSession(c.ctx, &auth.Session{ID: cookieID(value), Subject: subjectOf(u), Group: groupOf(sid), Data: data, Expires: now.Add(s.cfg.login)})
	if err == nil {
		c.setCookie(w, c.r, value)
	}
	return err
}

// endCookie ends the login of the request's cookie, if there is one.
func (s *Strategy) endCookie(c *call) error {
	value := c.cookie(c.r)
	if value == "" {
		return nil
	}
	x, err := c.env.Sessions.TakeSession(c.ctx, cookieID(value))
	if err != nil {
		return absent(err)
	}
	_, err = c.env.Sessions.EndSessions(c.ctx, "", x.Group)
	c.cache.Clear()
	return err
}

// getLogout asks whether to log out: a link on a page of another site must not do it.
func (s *Strategy) getLogout(c *call, w http.ResponseWriter) {
	s.show(w, c.r, http.StatusOK, page{Heading: "Sign out", Text: "Do you want to sign out?", Logout: s.cfg.path + "/logout"})
}

// formLogout logs a browser out.
func (s *Strategy) formLogout(c *call, w http.ResponseWriter) {
	if !s.form(c, w) {
		return
	}
	if err := s.endCookie(c); err != nil {
		c.log().Error("auth: logout failed", "err", err)
		s.show(w, c.r, http.StatusServiceUnavailable, page{Heading: "Sign out", Text: "Signing out does not work at the moment. Please try again.", Logout: s.cfg.path + "/logout"})
		return
	}
	c.setCookie(w, c.r, "")
	s.show(w, c.r, http.StatusOK, page{Heading: "Signed out", Text: "You are signed out.", To: s.cfg.path + "/login", Continue: true, Label: "Sign in"})
}
