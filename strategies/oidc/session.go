package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// A record is what a session holds, encrypted in the store. Times are seconds since 1970.
type record struct {
	Claims  json.RawMessage // of the user, from the sources that claimsFrom names
	Sub     string
	SID     string `json:",omitempty"` // the issuer's name of the session
	ID      string `json:",omitempty"` // ID token, to tell the issuer at logout which session is meant
	Access  string `json:",omitempty"` // access token, for calls in the user's name
	Refresh bool   `json:",omitempty"` // there is a refresh token, in a record of its own
	// Renew is when the tokens are to be refreshed, Until when the access token ends; 0 for never.
	Renew, Until int64
	Begun, Seen  int64
}

// maxRecord bounds the data of a session before encryption.
const maxRecord = 60 << 10

// errEnded says that there is no such session, or no more.
var errEnded = auth.ErrNotFound

// expires is when a session ends unless it is used again.
func (s *Strategy) expires(rec *record) time.Time {
	idle, absolute := time.Unix(rec.Seen, 0).Add(s.cfg.idle), time.Unix(rec.Begun, 0).Add(s.cfg.absolute)
	if idle.Before(absolute) {
		return idle
	}
	return absolute
}

// subject and group find the sessions that the issuer wants to end.
func (s *Strategy) subject(sub string) string { return s.digest("u:", sub) }
func (s *Strategy) group(sid string) string {
	if sid == "" {
		return ""
	}
	return s.digest("g:", sid)
}

func (s *Strategy) sessionID(value string) string { return s.digest("s:", value) }

// refreshID is the id of the record with the refresh token of a session: a record of its own, since of all instances of the server the one that takes it
// may use it.
func (s *Strategy) refreshID(id string) string { return s.digest("r:", id) }

// pack makes the stored form of a record. Tokens that do not fit are left out: logout is less smooth then, or calls in the user's name fail.
func (s *Strategy) pack(id string, rec *record) (*auth.Session, error) {
	b, err := json.Marshal(rec)
	for _, drop := range []*string{&rec.ID, &rec.Access} {
		if err == nil && len(b) > maxRecord {
			*drop = ""
			b, err = json.Marshal(rec)
		}
	}
	if err == nil && len(b) > maxRecord {
		err = fmt.Errorf("the user's claims have more than %d bytes", maxRecord)
	}
	if err != nil {
		return nil, err
	}
	return &auth.Session{ID: id, Subject: s.subject(rec.Sub), Group: s.group(rec.SID), Data: s.seal.seal(id, b), Expires: s.expires(rec)}, nil
}

// read returns a session's record, errEnded if there is none that counts.
func (s *Strategy) read(ctx context.Context, id string) (*record, error) {
	stored, err := s.env.Sessions.Session(ctx, id)
	if err != nil {
		return nil, err
	}
	b, err := s.seal.open(id, stored.Data)
	if err != nil {
		return nil, errEnded // the key was changed
	}
	rec := &record{}
	if err := json.Unmarshal(b, rec); err != nil {
		return nil, errEnded
	}
	if !s.env.Now().Before(s.expires(rec)) { // whatever the store says: the times may have been made shorter since
		return nil, errEnded
	}
	return rec, nil
}

// user makes the user of a session.
func (s *Strategy) user(rec *record) (*auth.User, error) {
	dec := json.NewDecoder(bytes.NewReader(rec.Claims))
	dec.UseNumber()
	var c token.Claims
	if err := dec.Decode(&c); err != nil {
		return nil, err
	}
	u, err := s.mapping.User(c)
	if err != nil {
		return nil, err
	}
	u.Token = auth.Secret(rec.Access)
	return u, nil
}

// A live session is one that was read not long ago. It does not change.
type live struct {
	user           *auth.User
	subject, group string
	checked        time.Time // when it was read
	expires        time.Time
	until          time.Time // end of the access token, zero for none
	work           time.Time // when something is to be done: tokens to refresh, use to note
	pause          time.Time // no refresh before, after a failure
	missing        time.Time // since when the refresh token is not there: zero if it is, or nobody has looked
	renew          int64     // which refresh pause and missing are about: what its record says of Renew
}

// alive makes the live session of a record. before is what was known of it; nil for nothing.
func (s *Strategy) alive(rec *record, before *live) (*live, error) {
	u, err := s.user(rec)
	if err != nil {
		return nil, err
	}
	l := &live{user: u, subject: s.subject(rec.Sub), group: s.group(rec.SID), checked: s.env.Now(), expires: s.expires(rec), work: s.touchAt(rec)}
	l.renew = rec.Renew
	if before != nil && before.renew == rec.Renew {
		l.pause, l.missing = before.pause, before.missing
	}
	if rec.Refresh && rec.Renew != 0 {
		renew := time.Unix(rec.Renew, 0)
		if renew.Before(l.pause) {
			renew = l.pause
		}
		if renew.Before(l.work) {
			l.work = renew
		}
		l.until = time.Unix(rec.Until, 0)
	}
	return l, nil
}

// touchAt is when the use of a session is noted next: not with each request, which would be a write each.
func (s *Strategy) touchAt(rec *record) time.Time { return time.Unix(rec.Seen, 0).Add(s.cfg.idle / 10) }

// bySession finds the user of the session that the request's cookie points to.
func (s *Strategy) bySession(ctx context.Context, r *http.Request) (*auth.User, error) {
	value := readCookie(r, s.cookies.session)
	if value == "" {
		return auth.Anonymous, nil
	}
	l, err := s.session(ctx, s.sessionID(value))
	switch {
	case errors.Is(err, errEnded):
		return auth.Anonymous, nil
	case err != nil:
		return nil, fmt.Errorf("the session can't be read: %w", err)
	}
	// Browsers send cookies with requests that other sites make them send.
	if err := s.cross.Check(r); err != nil {
		return nil, fmt.Errorf("%w: a request of another site with the cookie of a session: %w", auth.ErrForbidden, err)
	}
	return l.user, nil
}

// session returns a session, after what was to be done for it.
func (s *Strategy) session(ctx context.Context, id string) (*live, error) {
	l := s.sessions.get(id)
	if l == nil {
		since := s.sessions.since()
		rec, err := s.read(ctx, id)
		if err != nil {
			return nil, err
		}
		if l, err = s.alive(rec, s.sessions.known(id)); err != nil {
			s.log().Warn("oidc: the user of a session can't be made any more, it counts as none", "reason", err.Error())
			return nil, errEnded
		}
		s.sessions.put(id, l, since)
	}
	if s.env.Now().Before(l.work) {
		return l, nil
	}
	return s.tend(ctx, id, l)
}

// Refresh implements auth.Refresher: it takes away a cookie that leads nowhere.
func (s *Strategy) Refresh(w http.ResponseWriter, r *http.Request, u *auth.User) {
	if s.cfg.base != nil && !u.Identified() && len(r.Header["Cookie"]) > 0 && len(r.CookiesNamed(s.cookies.session)) > 0 {
		s.cookies.set(w, s.cookies.session, "", -1)
	}
}

// maxLive bounds the sessions that are known without reading them.
const maxLive = 5000

// sessions knows live sessions for a short time (session.cache), which is how long a session that another instance of the server ended may still count here.
type sessions struct {
	ttl time.Duration
	now func() time.Time
	mu  sync.RWMutex
	of  map[string]*live
	// ends counts how often sessions were ended. What was read before an end is not kept: it may be of a session that has ended since.
	ends uint64
}

func newSessions(ttl time.Duration, now func() time.Time) *sessions {
	return &sessions{ttl: ttl, now: now, of: map[string]*live{}}
}

func (c *sessions) get(id string) *live {
	c.mu.RLock()
	l := c.of[id]
	c.mu.RUnlock()
	if l == nil {
		return nil
	}
	now := c.now()
	if age := now.Sub(l.checked); age < 0 || age >= c.ttl || !now.Before(l.expires) {
		return nil
	}
	return l
}

// known is what was known of a session last, however old; nil for nothing.
func (c *sessions) known(id string) *live {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.of[id]
}

// since is for put: what is read from now on.
func (c *sessions) since() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.ends
}

// put keeps a session that was read after since was called.
func (c *sessions) put(id string, l *live, since uint64) {
	if c.ttl == 0 && l.pause.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ends != since {
		return
	}
	if len(c.of) >= maxLive {
		now := c.now()
		for id, l := range c.of {
			if now.Sub(l.checked) >= c.ttl {
				delete(c.of, id)
			}
		}
		if len(c.of) >= maxLive {
			clear(c.of)
		}
	}
	c.of[id] = l
}

func (c *sessions) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends++
	delete(c.of, id)
}

// dropAll forgets the sessions of a subject or a group.
func (c *sessions) dropAll(subject, group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends++
	for id, l := range c.of {
		if subject != "" && l.subject == subject || group != "" && l.group == group {
			delete(c.of, id)
		}
	}
}
