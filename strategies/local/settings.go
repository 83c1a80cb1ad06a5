package local

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/password"
	"cds/strategies/internal/settings"
	"cds/strategies/internal/token"
)

// settingsOf is the section requires.auth as this strategy reads it.
type settingsOf struct {
	from   []string
	path   string // of the endpoints
	keys   []*token.Key
	signer auth.SigningKey
	leeway time.Duration

	issuer, audience string // of tokens that are issued; "" for none
	access, login    time.Duration
	recheck          time.Duration
	byName           bool // the id of a user is the name

	register      bool
	registerRoles []string
	setupToken    string

	pages  bool // for browsers, who have a cookie then
	title  string
	page   *template.Template
	policy string

	least  int // characters of a password
	params password.Params
}

// The defaults of issuer and audience: tokens of other systems that happen to have the same secret don't count.
const (
	defaultIssuer   = "local"
	defaultAudience = "local"
)

// minSecret is the shortest shared secret that production accepts (RFC 7518 section 3.2 for HS256).
const minSecret = 32

const maxLogin = 366 * 24 * time.Hour

func read(cfg config.Section) (*settingsOf, error) {
	r := settings.New(cfg, "requires.auth")
	s := &settingsOf{}
	tok := r.Section("token")
	tok.Known("from")
	s.from = tok.Texts("from")
	s.readKeys(r.Section("jwt"), r.Section("local"))
	s.readLocal(r.Section("local"))
	return s, r.Err()
}

// readKeys reads the section jwt, which means the same for the kind jwt, so that one section serves both.
func (s *settingsOf) readKeys(j, l *settings.Reader) {
	j.Known("secret", "algorithms", "issuer", "audience", "requireExp", "leeway")
	secret := j.Text("secret")
	if secret == "" {
		j.Missing("secret", "tokens are signed with it; write one with: openssl rand -base64 48", `"a random text of at least 32 bytes"`)
		return
	}
	if strings.Contains(secret, "-----BEGIN") {
		j.Fail("secret", "write one with: openssl rand -base64 48", "is a PEM text, not a shared secret")
	}
	algorithms := j.Texts("algorithms")
	for _, a := range algorithms {
		if !token.Symmetric(a) || !token.Known(a) {
			j.Fail("algorithms", "known are HS256, HS384 and HS512", "algorithm %q cannot be used with a secret", a)
		}
	}
	if algorithms == nil {
		algorithms = []string{"HS256"}
	}
	s.leeway = j.Duration("leeway", token.MaxLeeway, 0, token.MaxLeeway)
	key := token.Key{Algorithms: algorithms, NoExp: !j.Bool("requireExp", true)}
	key.Issuer, key.NoIssuer = names(j, "issuer", defaultIssuer)
	key.Audience, key.NoAudience = names(j, "audience", defaultAudience)
	if len(key.Issuer) > 0 {
		s.issuer = key.Issuer[0]
	}
	if len(key.Audience) > 0 {
		s.audience = key.Audience[0]
	}
	for i, one := range append([]string{secret}, l.Texts("oldSecrets")...) {
		k := key
		k.Name, k.Secret, k.Kid = j.At("secret"), []byte(one), token.KeyID([]byte(one))
		if i > 0 {
			k.Name = fmt.Sprintf("%s[%d]", l.At("oldSecrets"), i-1)
		}
		s.keys = append(s.keys, &k)
	}
	s.signer = auth.SigningKey{Kid: s.keys[0].Kid, Algorithm: algorithms[0], Secret: auth.Secret(secret)}
}

// names reads issuers or audiences; false says that none is expected.
func names(r *settings.Reader, key, def string) (list []string, none bool) {
	switch v := r.Config[key]; {
	case v == false || v == "false":
		return nil, true
	case v == nil:
		return []string{def}, false
	}
	list = r.Texts(key)
	if len(list) == 0 {
		r.Fail(key, "a text, a list of texts, or false for none", "is empty")
	}
	return list, false
}

func (s *settingsOf) readLocal(l *settings.Reader) {
	l.Known("path", "id", "register", "registerRoles", "setupToken", "expires", "loginExpires", "recheck", "passwords", "oldSecrets", "pages", "title")
	s.path = strings.TrimSuffix(l.Text("path"), "/")
	if !l.Has("path") {
		s.path = "/auth"
	}
	if !strings.HasPrefix(s.path, "/") || strings.ContainsAny(s.path, "{} ?#%") || strings.Contains(s.path, "//") || strings.Contains(s.path, "/.") {
		l.Fail("path", `such as "/auth"`, "an absolute path is expected")
	}
	switch l.Text("id") {
	case "", "id":
	case "name":
		s.byName = true
	default:
		l.Fail("id", `"id" or "name"`, "what is the id of a user?")
	}
	s.pages, s.title, s.policy = l.Bool("pages", false), l.Text("title"), pagePolicy()
	var err error
	if s.page, err = template.New("page").Parse(pageHTML); err != nil {
		l.Fail("pages", "", "%v", err)
	}
	s.register = l.Bool("register", false)
	s.registerRoles = l.Texts("registerRoles")
	for _, r := range s.registerRoles {
		if auth.ReservedRole(r) || r == roleAdmin {
			l.Fail("registerRoles", "", "the role %q cannot be had by registering", r)
		}
	}
	s.setupToken = l.Text("setupToken")
	if s.setupToken != "" && len(s.setupToken) < minSecret {
		l.Fail("setupToken", "write one with: openssl rand -base64 33", "is shorter than %d characters", minSecret)
	}
	s.access = l.Duration("expires", 15*time.Minute, time.Minute, 24*time.Hour)
	s.login = l.Duration("loginExpires", 30*24*time.Hour, time.Minute, maxLogin)
	s.recheck = l.Duration("recheck", 5*time.Second, 0, time.Minute)
	s.readPasswords(l.Section("passwords"))
}

func (s *settingsOf) readPasswords(p *settings.Reader) {
	p.Known("length", "memory", "time", "threads")
	s.least = number(p, "length", 8)
	if s.least < 1 || s.least > 128 {
		p.Fail("length", "", "a number from 1 to 128 is expected")
	}
	s.params = password.Params{Memory: uint32(number(p, "memory", int(password.Default.Memory))), Time: uint32(number(p, "time", int(password.Default.Time))),
		Threads: uint8(min(number(p, "threads", int(password.Default.Threads)), 255))}
	if err := s.params.Check(); err != nil {
		p.Fail("", "memory is in KiB: 19456 are 19 MiB", "%v", err)
	}
}

func number(r *settings.Reader, key string, def int) int {
	if !r.Has(key) {
		return def
	}
	n := r.Config.Int(key, -1)
	if n < 0 || n > 1<<30 {
		r.Fail(key, "", "a whole number is expected")
		return def
	}
	return n
}

// check is what depends on the profile.
func (s *settingsOf) check(env *auth.Env) error {
	for _, k := range s.keys {
		if len(k.Secret) >= minSecret {
			continue
		}
		if env.Production {
			return &auth.ConfigError{Key: k.Name, Message: fmt.Sprintf("the secret has %d bytes, production needs at least %d; write one with: openssl rand -base64 48", len(k.Secret), minSecret)}
		}
		env.Log.Warn(k.Name+": the secret is too short; production refuses this", "bytes", len(k.Secret), "least", minSecret)
	}
	if s.setupToken != "" {
		env.Log.Warn("requires.auth.local.setupToken is set: take it away when the first user is there")
	}
	return nil
}
