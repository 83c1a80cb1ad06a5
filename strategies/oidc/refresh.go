package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"cds/runtime/auth"
)

// Times of refreshing.
const (
	tendTimeout  = 20 * time.Second
	refreshAhead = time.Minute      // before the access token ends, or a fifth of its life where that is less
	refreshPause = 30 * time.Second // after a failure of the issuer
	missingPause = 2 * time.Second  // while another instance refreshes
	missingLimit = time.Minute      // after which the refresh token is lost

	revokeTimeout = 5 * time.Second
)

// flights are pieces of work of which one for each session is under way at most.
type flights struct {
	mu sync.Mutex
	of map[string]*flight
}

type flight struct {
	done chan struct{}
	l    *live
	err  error
}

// join returns the work that is under way for a session, or begins it.
func (f *flights) join(id string, work func() (*live, error)) (fl *flight, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl = f.of[id]; fl != nil {
		return fl, false
	}
	if f.of == nil {
		f.of = map[string]*flight{}
	}
	fl = &flight{done: make(chan struct{}), err: errors.New("it was not tended to")}
	f.of[id] = fl
	go func() {
		defer func() {
			if p := recover(); p != nil { // nobody else would catch it here
				fl.l, fl.err = nil, fmt.Errorf("panic: %v", p)
			}
			f.mu.Lock()
			delete(f.of, id)
			f.mu.Unlock()
			close(fl.done)
		}()
		fl.l, fl.err = work()
	}()
	return fl, true
}

// tend does what is due for a session. One request waits for it; others only if the access token has ended meanwhile. Work that has begun is not given
// up when the client goes away: a refresh token that was used and whose successor was not stored ends the session.
func (s *Strategy) tend(ctx context.Context, id string, old *live) (*live, error) {
	f, first := s.flights.join(id, func() (*live, error) {
		ctx, cancel := context.WithTimeout(s.background, tendTimeout)
		defer cancel()
		return s.work(ctx, id)
	})
	if ended := !old.until.IsZero() && !s.env.Now().Before(old.until); !first && !ended {
		return old, nil
	}
	select {
	case <-f.done:
		return f.l, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// work refreshes the tokens if it is time, and notes that the session is used. Where the issuer cannot be reached the session goes on with what is known.
func (s *Strategy) work(ctx context.Context, id string) (*live, error) {
	since := s.sessions.since()
	rec, err := s.read(ctx, id)
	if err != nil {
		s.sessions.drop(id)
		return nil, err
	}
	now := s.env.Now()
	before := live{renew: rec.Renew}
	if l := s.sessions.known(id); l != nil && l.renew == rec.Renew {
		before = *l
	}
	refresh := ""
	if rec.Refresh && rec.Renew != 0 && now.Unix() >= rec.Renew && !now.Before(before.pause) {
		if refresh, err = s.refresh(ctx, id, rec); s.failed(ctx, err, &before) {
			s.end(ctx, id)
			return nil, errEnded
		}
	}
	if refresh != "" || !now.Before(s.touchAt(rec)) {
		rec.Seen = now.Unix()
		if err := s.replace(ctx, id, rec, refresh); err != nil {
			s.sessions.drop(id)
			return nil, err
		}
	}
	l, err := s.alive(rec, &before)
	if err != nil {
		s.log().Warn("oidc: the user of a session can't be made any more, it ends", "reason", err.Error())
		s.end(ctx, id)
		return nil, errEnded
	}
	s.sessions.put(id, l, since)
	return l, nil
}

// failed notes why tokens were not refreshed, and when it is tried again. It reports whether the session ends: the issuer does not want it any more, or the refresh
// token is lost, since the instance of the server that took it has died; who has left the organization must not stay for that.
func (s *Strategy) failed(ctx context.Context, err error, l *live) (ended bool) {
	now := s.env.Now()
	switch {
	case err == nil:
		l.pause, l.missing = time.Time{}, time.Time{}
	case errors.Is(err, errEnded):
		return true
	case errors.Is(err, errElsewhere):
		if l.missing.IsZero() {
			l.missing = now
		}
		if now.Sub(l.missing) >= missingLimit {
			s.log().WarnContext(ctx, "oidc: the refresh token of a session is lost, the session ends")
			return true
		}
		l.pause = now.Add(missingPause)
	default:
		s.log().WarnContext(ctx, "oidc: the tokens of a session can't be refreshed", "err", err)
		l.pause = now.Add(refreshPause)
	}
	return false
}

// replace stores a changed session, if it has not been ended meanwhile, and then its new refresh token.
func (s *Strategy) replace(ctx context.Context, id string, rec *record, refresh string) error {
	stored, err := s.pack(id, rec)
	if err != nil {
		return err
	}
	if err := auth.ReplaceSession(ctx, s.env.Sessions, stored); err != nil {
		return err
	}
	if refresh == "" {
		return nil
	}
	return s.putRefresh(ctx, id, rec, refresh)
}

func (s *Strategy) putRefresh(ctx context.Context, id string, rec *record, refresh string) error {
	rid := s.refreshID(id)
	return s.env.Sessions.PutSession(ctx, &auth.Session{ID: rid, Subject: s.subject(rec.Sub), Group: s.group(rec.SID), Data: s.seal.seal(rid, []byte(refresh)),
		Expires: time.Unix(rec.Begun, 0).Add(s.cfg.absolute)})
}

// end removes a session. It returns the refresh token that the session had, "" for none.
func (s *Strategy) end(ctx context.Context, id string) (refresh string) {
	s.sessions.drop(id)
	rid := s.refreshID(id)
	for _, id := range []string{id, rid} {
		taken, err := s.env.Sessions.TakeSession(ctx, id)
		switch {
		case err == nil && id == rid:
			if b, err := s.seal.open(rid, taken.Data); err == nil {
				refresh = string(b)
			}
		case err != nil && !errors.Is(err, auth.ErrNotFound):
			s.log().ErrorContext(ctx, "oidc: a session can't be removed", "err", err)
		}
	}
	return refresh
}

// revoke tells the issuer that a refresh token is not used any more (RFC 7009), if it wants to know. The token is gone here in any case.
func (s *Strategy) revoke(ctx context.Context, refresh string) {
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	m, err := s.discovery.Metadata(ctx)
	if err != nil || m.RevocationEndpoint == "" {
		return
	}
	form := url.Values{"token": {refresh}, "token_type_hint": {"refresh_token"}}
	basic := s.client(m).Endpoint.AuthStyle == oauth2.AuthStyleInHeader
	if !basic {
		form.Set("client_id", s.cfg.clientID)
		if s.cfg.clientSecret != "" {
			form.Set("client_secret", s.cfg.clientSecret)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.RevocationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		req.SetBasicAuth(url.QueryEscape(s.cfg.clientID), url.QueryEscape(s.cfg.clientSecret)) // RFC 6749 section 2.3.1
	}
	res, err := s.env.HTTP.Do(req)
	if err == nil {
		_ = res.Body.Close() // nothing in it matters
		if res.StatusCode == http.StatusOK {
			return
		}
		err = fmt.Errorf("the issuer answered %d", res.StatusCode)
	}
	s.log().WarnContext(ctx, "oidc: a refresh token can't be revoked", "err", err)
}

// errElsewhere says that another instance of the server refreshes at the moment.
var errElsewhere = errors.New("refreshed elsewhere")

// refresh gets new tokens into rec and returns the refresh token to keep. The old one is taken from the store, so that of all instances one uses it:
// issuers that hand out each only once take a second use for theft. Errors: errEnded if the issuer does not want the session any more,
// errElsewhere, or what kept it from answering.
func (s *Strategy) refresh(ctx context.Context, id string, rec *record) (string, error) {
	rid := s.refreshID(id)
	taken, err := s.env.Sessions.TakeSession(ctx, rid)
	if errors.Is(err, auth.ErrNotFound) {
		return "", errElsewhere
	} else if err != nil {
		return "", err
	}
	plain, err := s.seal.open(rid, taken.Data)
	if err != nil {
		return "", errEnded
	}
	old := string(plain)
	t, err := s.askRefresh(ctx, old)
	if err != nil {
		var refused *tokenError
		if errors.As(err, &refused) && refused.code == "invalid_grant" {
			s.log().Info("oidc: the issuer has ended a session", "reason", refused.code)
			return "", errEnded
		}
		if put := s.env.Sessions.PutSession(context.WithoutCancel(ctx), taken); put != nil {
			err = errors.Join(err, put)
		}
		return "", err
	}
	if err := s.renewed(ctx, rec, t); err != nil {
		s.log().Warn("oidc: the refreshed tokens are not accepted, the session ends", "reason", err.Error())
		return "", errEnded
	}
	if t.RefreshToken == "" {
		return old, nil
	}
	return t.RefreshToken, nil
}

func (s *Strategy) askRefresh(ctx context.Context, refresh string) (*oauth2.Token, error) {
	m, err := s.discovery.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.env.HTTP)
	t, err := s.client(m).TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return nil, quiet(err)
	}
	return t, nil
}

// renewed takes refreshed tokens into the record. A new ID token must be of the same user (OpenID Connect Core 12.2).
func (s *Strategy) renewed(ctx context.Context, rec *record, t *oauth2.Token) error {
	now := s.env.Now()
	if raw, ok := t.Extra("id_token").(string); ok && raw != "" {
		c, err := s.verifyIdentity(ctx, raw, t.AccessToken)
		if err != nil {
			return err
		}
		if sub, _ := c.Str("sub"); sub != rec.Sub {
			return errors.New("the refreshed ID token is of another user")
		}
		if sid, ok := c.Str("sid"); ok && sid != rec.SID {
			return errors.New("the refreshed ID token is of another session")
		}
		claims, err := s.claims(ctx, c, t.AccessToken)
		if err != nil {
			return err
		}
		rec.Claims, rec.ID = claims, raw
	}
	if err := checkType(t); err != nil {
		return err
	}
	rec.Access = t.AccessToken
	s.lifetime(rec, t, now)
	return nil
}

// lifetime notes how long the access token counts, as the issuer says.
func (s *Strategy) lifetime(rec *record, t *oauth2.Token, now time.Time) {
	life := time.Duration(t.ExpiresIn) * time.Second
	if life <= 0 || life > maxLifetime {
		rec.Renew, rec.Until = 0, 0
		return
	}
	rec.Until = now.Add(life).Unix()
	rec.Renew = now.Add(life - min(refreshAhead, life/5)).Unix()
}

// A tokenError is an answer of the token endpoint that has no tokens. The endpoint's own words are left out: they may repeat what was sent.
type tokenError struct {
	status int
	code   string // of RFC 6749 section 5.2, "" for none
}

func (e *tokenError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the token endpoint answered %d %s", e.status, e.code))
}

// quiet turns what package oauth2 says of an answer into a tokenError.
func quiet(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return err
	}
	e := &tokenError{code: printable(refused.ErrorCode)}
	if refused.Response != nil {
		e.status = refused.Response.StatusCode
	}
	return e
}
