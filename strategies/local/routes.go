package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"

	"cds/runtime/auth"
	"cds/runtime/password"
	"cds/strategies/internal/backoff"

	"golang.org/x/text/unicode/norm"
)

// Routes returns the endpoints: login, refresh, logout, password, register and setup, by default below /auth. They take and give JSON; who may not ask for
// something is told so with 401 or 403 and a msg.
func (s *Strategy) Routes() map[string]http.Handler {
	out := map[string]http.Handler{}
	for name, fn := range map[string]func(*call) (any, error){
		"login": s.postLogin, "refresh": s.postRefresh, "logout": s.postLogout, "password": s.postPassword, "register": s.postRegister, "setup": s.postSetup,
	} {
		out["POST "+s.cfg.path+"/"+name] = s.handler(name, fn)
	}
	if !s.cfg.pages {
		return out
	}
	for name, p := range map[string]struct {
		get, post func(*call, http.ResponseWriter)
	}{"login": {s.getLogin, s.formLogin}, "logout": {s.getLogout, s.formLogout}} {
		where := s.cfg.path + "/" + name
		data, form := out["POST "+where], s.pageHandler(p.post)
		out["GET "+where] = s.pageHandler(p.get)
		out["POST "+where] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isForm(r) {
				form.ServeHTTP(w, r)
			} else {
				data.ServeHTTP(w, r)
			}
		})
	}
	return out
}

// pageHandler serves a page.
func (s *Strategy) pageHandler(fn func(*call, http.ResponseWriter)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := s.call(r); c != nil {
			fn(c, w)
			return
		}
		http.Error(w, "not ready", http.StatusServiceUnavailable)
	})
}

// call returns what a request is handled with; nil before Setup.
func (s *Strategy) call(r *http.Request) *call {
	run := s.run.Load()
	if run == nil {
		return nil
	}
	c := &call{running: run, ctx: r.Context(), r: r, client: r.RemoteAddr}
	if run.env.Client != nil {
		c.client = run.env.Client(r)
	}
	return c
}

// maxBody bounds what is sent to the endpoints.
const maxBody = 16 << 10

// A call is a request to one of the endpoints.
type call struct {
	*running
	ctx    context.Context
	r      *http.Request
	client string
	body   map[string]json.RawMessage // nil if there was none
}

// A fault is an answer that is none of what was asked for.
type fault struct {
	status int
	msg    string
	wait   time.Duration // Retry-After
}

func (f *fault) Error() string { return f.msg }

func fail(status int, format string, args ...any) *fault {
	return &fault{status: status, msg: fmt.Sprintf(format, args...)}
}

// success is the answer where there is nothing to tell.
var success = map[string]string{"msg": "success"}

func (s *Strategy) handler(name string, fn func(*call) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := s.call(r)
		if c == nil {
			answer(w, http.StatusServiceUnavailable, map[string]string{"msg": "not ready"})
			return
		}
		err := c.read(w, name)
		var out any
		if err == nil {
			out, err = fn(c)
		}
		if err == nil {
			answer(w, http.StatusOK, out)
			return
		}
		c.refuse(w, name, err)
	})
}

// read reads the body: an object as JSON, with the content type of JSON, which no form of another site can send. Logout and setup need none.
func (c *call) read(w http.ResponseWriter, name string) error {
	b, err := io.ReadAll(http.MaxBytesReader(w, c.r.Body, maxBody))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return fail(http.StatusRequestEntityTooLarge, "at most %d bytes are expected", maxBody)
	case err != nil:
		return fail(http.StatusBadRequest, "failed to read the request")
	case len(b) == 0 && (name == "logout" || name == "setup"):
		return nil
	}
	if t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return fail(http.StatusUnsupportedMediaType, "the content type application/json is expected")
	}
	if err := json.Unmarshal(b, &c.body); err != nil || c.body == nil {
		if name == "login" {
			return fail(http.StatusBadRequest, "failed to parse post json data")
		}
		return fail(http.StatusBadRequest, "failed to decode json data")
	}
	return nil
}

// text returns a member of the body, which has to be a text.
func (c *call) text(name string) (string, error) {
	raw, ok := c.body[name]
	var s *string
	if !ok || json.Unmarshal(raw, &s) != nil || s == nil {
		return "", fail(http.StatusBadRequest, "%s is missing or no text", name)
	}
	return *s, nil
}

func (c *call) texts(names ...string) ([]string, error) {
	out := make([]string, len(names))
	for i, n := range names {
		var err error
		if out[i], err = c.text(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"msg":"internal error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}

// refuse answers with an error. What is no fault of the client is logged, and told without its cause.
func (c *call) refuse(w http.ResponseWriter, name string, err error) {
	var f *fault
	switch {
	case errors.As(err, &f):
	case errors.Is(err, password.ErrBusy):
		f = &fault{status: http.StatusServiceUnavailable, msg: "too many logins at once, try again", wait: time.Second}
	case c.ctx.Err() != nil:
		return // the client has gone
	default:
		c.log().Error("auth: "+name+" failed", "err", err)
		f = &fault{status: http.StatusServiceUnavailable, msg: "not available, try again later", wait: 5 * time.Second}
	}
	if f.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.wait.Seconds()))))
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	answer(w, f.status, map[string]string{"msg": f.msg})
}

// errLogin is what everybody is told whose name or password is wrong: not which of them.
var errLogin = fail(http.StatusUnauthorized, "failed to authenticate user, password doesn't match")

func tooMany(d time.Duration) error {
	return &fault{status: http.StatusTooManyRequests, msg: "too many failures, try again later", wait: d}
}

// authenticate finds the user of a name and password. Tries of one name from one address take turns, so that many at once are no way around the wait after
// failures.
func (s *Strategy) authenticate(c *call, name, pw string) (*auth.StoredUser, error) {
	leave, err := c.turns.enter(c.ctx, name)
	if err != nil {
		return nil, err
	}
	defer leave()
	var u *auth.StoredUser
	ok, rehash := false, false
	d, err := c.guard.Try(name, c.client, func() (bool, error) {
		var err error
		u, err = c.env.Users.UserByName(c.ctx, name)
		hash := s.cfg.params.None()
		switch {
		case errors.Is(err, auth.ErrNotFound):
		case err != nil:
			return false, err
		case !u.Disabled && u.Hash != "":
			hash = u.Hash
		}
		ok, rehash, err = s.cfg.params.Verify(c.ctx, hash, pw)
		return ok, err
	})
	switch {
	case err != nil:
		return nil, err
	case d > 0:
		return nil, tooMany(d)
	case !ok:
		who := "unknown" // the name may be a password in the wrong field
		if u != nil {
			who = u.Name
		}
		c.env.Refused(c.r, fmt.Errorf("login refused: user %q from %s", who, c.client))
		return nil, errLogin
	}
	if rehash {
		s.rehash(c, u, pw)
	}
	return u, nil
}

// rehash replaces a hash that costs less than it should, while the password is known.
func (s *Strategy) rehash(c *call, u *auth.StoredUser, pw string) {
	hash, err := s.cfg.params.Hash(c.ctx, pw)
	if err == nil {
		err = auth.SetPassword(c.ctx, c.env.Users, u.ID, u.Hash, hash, time.Time{})
	}
	if err == nil {
		u.Hash = hash
	} else if !errors.Is(err, auth.ErrNotFound) && c.ctx.Err() == nil {
		c.log().Warn("auth: a password's hash could not be renewed", "user", u.Name, "err", err)
	}
}

func (s *Strategy) postLogin(c *call) (any, error) {
	in, err := c.texts("username", "password")
	if err != nil {
		return nil, err
	}
	u, err := s.authenticate(c, in[0], in[1])
	if err != nil {
		return nil, err
	}
	return s.begin(c.ctx, c.running, u)
}

func (s *Strategy) postRefresh(c *call) (any, error) {
	value, err := c.text("refresh_token")
	if err != nil {
		return nil, err
	}
	t, err := s.refresh(c.ctx, c.running, value)
	if errors.Is(err, errRefresh) {
		return nil, fail(http.StatusUnauthorized, "%s", errRefresh)
	}
	return t, err
}

// postLogout ends the login of the request's access token, or of a refresh_token; with "all": true all logins of the user. It succeeds where there was nothing to
// end.
func (s *Strategy) postLogout(c *call) (any, error) {
	raw, _, err := s.extract.Token(c.r)
	if err != nil {
		raw = ""
	}
	refresh := ""
	if c.body["refresh_token"] != nil {
		if refresh, err = c.text("refresh_token"); err != nil {
			return nil, err
		}
	}
	var all bool
	if v := c.body["all"]; v != nil && json.Unmarshal(v, &all) != nil {
		return nil, fail(http.StatusBadRequest, "all is true or false")
	}
	return success, s.end(c.ctx, c.running, raw, refresh, all)
}

// postPassword changes the password of the user of the access token, who has to know the old one, ends all other logins and answers with new tokens.
func (s *Strategy) postPassword(c *call) (any, error) {
	raw, ok, err := s.extract.Token(c.r)
	if err != nil || !ok {
		return nil, fail(http.StatusUnauthorized, "login required")
	}
	in, err := s.check(c.ctx, c.running, raw)
	switch {
	case errors.Is(err, auth.ErrCredentials):
		return nil, fail(http.StatusUnauthorized, "login required")
	case err != nil:
		return nil, err
	}
	pw, err := c.texts("old_password", "new_password")
	if err != nil {
		return nil, err
	}
	if err := s.cfg.rule(in.user.Name, pw[1]); err != nil {
		return nil, fail(http.StatusBadRequest, "new_password: %v", err)
	}
	u, err := s.authenticate(c, in.user.Name, pw[0])
	switch {
	case err != nil:
		return nil, err
	case u.ID != in.user.ID: // somebody else has the name by now
		return nil, errLogin
	}
	hash, err := s.cfg.params.Hash(c.ctx, pw[1])
	if err != nil {
		return nil, err
	}
	err = replacePassword(c.ctx, c.env.Users, c.env.Sessions, u, hash, c.env.Now())
	c.cache.Clear()
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return nil, fail(http.StatusConflict, "the password was changed at the same time")
	case err != nil:
		return nil, err
	}
	c.log().Info("password changed", "user", u.Name)
	return s.begin(c.ctx, c.running, u)
}

// postRegister adds a user, where requires.auth.local.register allows it. Rights that the body asks for are ignored.
func (s *Strategy) postRegister(c *call) (any, error) {
	if !s.cfg.register {
		return nil, fail(http.StatusForbidden, "registration is not open")
	}
	in, err := c.texts("username", "password")
	if err != nil {
		return nil, err
	}
	if err := s.newcomerWaits(c); err != nil {
		return nil, err
	}
	if in[0] == Admin {
		return nil, fail(http.StatusConflict, "the user name is taken")
	}
	if !norm.NFC.IsNormalString(in[0]) { // it would look like another name
		return nil, fail(http.StatusBadRequest, "the user name is not in the normal form of Unicode (NFC)")
	}
	if err := s.cfg.rule(in[0], in[1]); err != nil {
		return nil, fail(http.StatusBadRequest, "password: %v", err)
	}
	hash, err := s.cfg.params.Hash(c.ctx, in[1])
	if err != nil {
		return nil, err
	}
	_, err = c.env.Users.AddUser(c.ctx, &auth.StoredUser{Name: in[0], Hash: hash, Roles: s.cfg.registerRoles})
	switch {
	case errors.Is(err, auth.ErrExists):
		return nil, fail(http.StatusConflict, "the user name is taken")
	case errors.Is(err, auth.ErrInvalid):
		return nil, fail(http.StatusBadRequest, "%v", err)
	case err != nil:
		return nil, err
	}
	c.log().Info("user registered", "user", in[0], "client", c.client)
	return success, nil
}

// newcomerWaits counts tries to come in anew from an address.
func (s *Strategy) newcomerWaits(c *call) error {
	addr := backoff.Address(c.client)
	if d, wait := c.newcomer.Wait(addr); wait {
		return tooMany(d)
	}
	c.newcomer.Fail(addr)
	return nil
}

// postSetup makes the first user, for those who have the token of the configuration.
func (s *Strategy) postSetup(c *call) (any, error) {
	if s.cfg.setupToken == "" {
		return nil, fail(http.StatusForbidden, "setup is done with: cds auth setup")
	}
	if err := s.newcomerWaits(c); err != nil {
		return nil, err
	}
	given, _, err := s.extract.Token(c.r)
	if err != nil || !equal(given, s.cfg.setupToken) {
		c.env.Refused(c.r, fmt.Errorf("setup refused: the setup token is wrong, from %s", c.client))
		return nil, fail(http.StatusUnauthorized, "the setup token is expected as Authorization: Bearer")
	}
	name, pw, err := bootstrap(c.ctx, c.env.Users, s.cfg.params)
	switch {
	case errors.Is(err, ErrDone):
		return nil, fail(http.StatusConflict, "%v", ErrDone)
	case err != nil:
		return nil, err
	}
	c.log().Info("the first user was made", "user", name, "client", c.client)
	return struct{ Username, Password string }{name, pw}, nil
}

// turns lets one at a time try passwords of a name, or of one of those that share its place.
type turns struct {
	seed   maphash.Seed
	places [64]chan struct{}
}

func newTurns() *turns {
	t := &turns{seed: maphash.MakeSeed()}
	for i := range t.places {
		t.places[i] = make(chan struct{}, 1)
	}
	return t
}

func (t *turns) enter(ctx context.Context, name string) (leave func(), err error) {
	p := t.places[maphash.String(t.seed, name)%uint64(len(t.places))]
	select {
	case p <- struct{}{}:
		return func() { <-p }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", password.ErrBusy, ctx.Err())
	}
}
