package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"cds/runtime/auth"
)

// prefix is what our sessions' ids, subjects and groups begin with.
const prefix = "local:"

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Two records belong to a login: one that is there as long as it lasts, whose id is in the access tokens, and one for the refresh token that comes next. The
// login's group ends both.
func sessionID(sid string) string    { return prefix + "login:" + digest(sid) }
func refreshID(family string) string { return prefix + "refresh:" + digest(family) }
func groupOf(sid string) string      { return prefix + digest(sid) }

func subjectOf(u *auth.StoredUser) string { return prefix + u.ID }

func random(n int) (string, error) {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// refreshState is what the record of a refresh token holds.
type refreshState struct {
	Hash  string `json:"hash"` // of the secret part
	SID   string `json:"sid"`
	User  string `json:"user"`
	Since int64  `json:"since"` // when the login was, in milliseconds since 1970
}

// tokens is the answer to a login. The names are those of RFC 6749 section 5.1; token is the access token too, for clients of rest-go.
type tokens struct {
	Token   string `json:"token"`
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"` // seconds
	Refresh string `json:"refresh_token"`
}

// begin begins a login.
func (s *Strategy) begin(ctx context.Context, run *running, u *auth.StoredUser) (*tokens, error) {
	sid, err1 := random(16)
	family, err2 := random(16)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	now := run.env.Now()
	err := run.env.Sessions.PutSession(ctx, &auth.Session{ID: sessionID(sid), Subject: subjectOf(u), Group: groupOf(sid), Expires: now.Add(s.cfg.login)})
	if err != nil {
		return nil, err
	}
	return s.issue(ctx, run, u, family, refreshState{SID: sid, User: u.ID, Since: now.UnixMilli()})
}

// issue makes an access token and the next refresh token of a login.
func (s *Strategy) issue(ctx context.Context, run *running, u *auth.StoredUser, family string, st refreshState) (*tokens, error) {
	now := run.env.Now()
	end := time.UnixMilli(st.Since).Add(s.cfg.login)
	ttl := min(s.cfg.access, end.Sub(now))
	secret, err := random(32)
	if err != nil {
		return nil, err
	}
	access, err := s.sign(u, st.SID, nil, now, ttl)
	if err != nil {
		return nil, err
	}
	st.Hash = digest(secret)
	data, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	err = run.env.Sessions.PutSession(ctx, &auth.Session{ID: refreshID(family), Subject: subjectOf(u), Group: groupOf(st.SID), Data: data, Expires: end})
	if err != nil {
		return nil, err
	}
	return &tokens{access, access, "Bearer", int64(ttl.Seconds()), family + "." + secret}, nil
}

// own are the claims that a user's attributes cannot take the place of.
var own = map[string]bool{"iss": true, "aud": true, "sub": true, "exp": true, "nbf": true, "iat": true, "jti": true, "sid": true, "azp": true, "typ": true, "u": true,
	"user_id": true, "username": true, "is_admin": true, "roles": true, "scope": true, "tenant": true, "locale": true, "kind": true, "grant_type": true, "act": true, "cnf": true}

// sign makes an access token. Roles and attributes are in it for other services; here the database counts.
func (s *Strategy) sign(u *auth.StoredUser, sid string, more map[string]any, now time.Time, ttl time.Duration) (string, error) {
	jti, err := random(12)
	if err != nil {
		return "", err
	}
	claims := map[string]any{"sub": s.subject(u), "username": u.Name, "is_admin": u.Admin, "jti": jti}
	if n, ok := userNumber(u); ok {
		claims["user_id"] = n
	}
	for name, v := range map[string]string{"iss": s.cfg.issuer, "aud": s.cfg.audience, "sid": sid, "tenant": u.Tenant} {
		if v != "" {
			claims[name] = v
		}
	}
	if list := roles(u); len(list) > 0 {
		claims["roles"] = list
	}
	for name, values := range u.Attrs {
		if !own[name] && !strings.Contains(name, ":") {
			claims[name] = values
		}
	}
	maps.Copy(claims, more)
	return auth.Sign(s.cfg.signer, claims, now, ttl)
}

// errRefresh is a refresh token that gets nothing. Clients learn no more.
var errRefresh = errors.New("the refresh token does not count")

// refresh exchanges a refresh token for new tokens. One that was used before ends its login: somebody has a copy.
func (s *Strategy) refresh(ctx context.Context, run *running, value string) (*tokens, error) {
	family, secret, ok := strings.Cut(value, ".")
	if !ok || len(value) > 200 {
		return nil, errRefresh
	}
	x, err := run.env.Sessions.TakeSession(ctx, refreshID(family))
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return nil, errRefresh
	case err != nil:
		return nil, err
	}
	var st refreshState
	if err := json.Unmarshal(x.Data, &st); err != nil || x.Subject != prefix+st.User || x.Group != groupOf(st.SID) {
		return nil, errRefresh
	}
	if subtle.ConstantTimeCompare([]byte(digest(secret)), []byte(st.Hash)) != 1 {
		run.log().Warn("a refresh token was used twice: its login is ended", "kind", Kind, "user", st.User)
		_, err := run.env.Sessions.EndSessions(ctx, "", x.Group)
		run.cache.Clear()
		return nil, errors.Join(errRefresh, err)
	}
	u, err := run.env.Users.UserByID(ctx, st.User)
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return nil, errRefresh
	case err != nil:
		return nil, err
	case u.Disabled || time.UnixMilli(st.Since).Before(u.Valid):
		return nil, errRefresh
	}
	if _, err := run.env.Sessions.Session(ctx, sessionID(st.SID)); err != nil {
		if errors.Is(err, auth.ErrNotFound) {
			return nil, errRefresh
		}
		return nil, err
	}
	return s.issue(ctx, run, u, family, st)
}

// end ends the logins that a request's tokens belong to: that of the access token and that of the refresh token. Tokens that are no good end nothing.
func (s *Strategy) end(ctx context.Context, run *running, raw, refresh string, all bool) error {
	var errs []error
	if raw != "" {
		in, err := s.check(ctx, run, raw)
		switch {
		case err == nil:
			errs = append(errs, s.endLogin(ctx, run, in, raw, all))
			run.cache.Clear()
		case !errors.Is(err, auth.ErrCredentials):
			errs = append(errs, err)
		}
	}
	if family, secret, ok := strings.Cut(refresh, "."); ok && len(refresh) <= 200 {
		x, err := run.env.Sessions.Session(ctx, refreshID(family))
		var st refreshState
		switch {
		case err == nil && json.Unmarshal(x.Data, &st) == nil && subtle.ConstantTimeCompare([]byte(digest(secret)), []byte(st.Hash)) == 1:
			_, err := run.env.Sessions.EndSessions(ctx, "", x.Group)
			errs = append(errs, err)
			run.cache.Clear()
		case err != nil && !errors.Is(err, auth.ErrNotFound):
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// endLogin ends the login of a token, or all of its user.
func (s *Strategy) endLogin(ctx context.Context, run *running, in *login, raw string, all bool) error {
	id := raw
	if jti, _ := in.claims["jti"].(string); jti != "" {
		id = jti
	}
	until := in.expires
	if until.IsZero() {
		until = run.env.Now().Add(maxLogin)
	}
	errs := []error{auth.Revoke(ctx, run.env.Sessions, id, until)} // for services with the kind jwt that look at the list
	if in.sid != "" {
		_, err := run.env.Sessions.EndSessions(ctx, "", groupOf(in.sid))
		errs = append(errs, err)
	}
	if all {
		errs = append(errs, endAll(ctx, run.env.Users, run.env.Sessions, in.user, run.env.Now()))
	}
	return errors.Join(errs...)
}

// endAll ends all logins of a user, and makes all tokens of before worthless.
func endAll(ctx context.Context, users auth.UserStore, sessions auth.SessionStore, u *auth.StoredUser, now time.Time) error {
	err := auth.SetPassword(ctx, users, u.ID, u.Hash, u.Hash, now)
	if errors.Is(err, auth.ErrNotFound) { // the password was changed at the same time, which ends all as well
		err = nil
	}
	_, err2 := sessions.EndSessions(ctx, subjectOf(u), "")
	return errors.Join(err, err2)
}
