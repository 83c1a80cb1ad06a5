// Package apikey is the strategy for machines that send a key with each request, in a header of its own.
//
// The configuration knows digests of keys only. A key made of randomness is kept as its SHA-256; one that a person has chosen needs a slow hash
// (argon2id or bcrypt), and is sent with the name of its entry before it: NAME.KEY.
package apikey

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/password"
	"cds/strategies/internal/backoff"
	"cds/strategies/internal/users"
)

// section is where the settings are.
const section = "requires.auth.apikey"

// Bounds.
const (
	maxKey  = 512  // bytes of a key
	maxKeys = 1000 // entries
)

// DefaultHeader is the header of keys where none is configured.
const DefaultHeader = "X-Api-Key"

// A Strategy lets in who has a key.
type Strategy struct {
	header string // in canonical form; "" if only the scheme counts
	scheme string // of Authorization: "" for none
	secret [sha256.Size]byte
	byMAC  map[digest]*entry // by a keyed digest of the key's digest, so that time tells nothing of those that are kept
	byName map[string]*entry // those with a slow hash
	right  *users.Cache
	now    func() time.Time
	guard  *backoff.Table
	client func(r *http.Request) string
}

type digest = [sha256.Size]byte

type entry struct {
	name    string
	user    *auth.User
	hash    string // slow; "" for a digest
	expires time.Time
}

// New makes the strategy from the section requires.auth. Errors are *auth.ConfigError.
func New(cfg config.Section) (auth.Strategy, error) {
	s := &Strategy{header: DefaultHeader, byMAC: map[digest]*entry{}, byName: map[string]*entry{}, right: users.NewCache(), now: time.Now, guard: newGuard(time.Now)}
	rand.Read(s.secret[:]) // never fails
	own := cfg.Sub("apikey")
	for _, name := range own.Keys() {
		if !slices.Contains([]string{"header", "scheme", "keys"}, name) {
			return nil, &auth.ConfigError{Key: section + "." + name, Message: "unknown property; known are header, keys and scheme"}
		}
	}
	if v, ok := own.Get("scheme"); ok && v != nil {
		s.scheme, s.header = own.Str("scheme"), ""
		if !isToken(s.scheme) || strings.EqualFold(s.scheme, "basic") || strings.EqualFold(s.scheme, "bearer") {
			return nil, &auth.ConfigError{Key: section + ".scheme", Message: "a scheme of Authorization is expected, other than Basic and Bearer", Example: `"ApiKey"`}
		}
	}
	if v, ok := own.Get("header"); ok && v != nil {
		s.header = textproto.CanonicalMIMEHeaderKey(own.Str("header"))
		if !isToken(s.header) || s.header == "Authorization" || s.header == "Cookie" {
			return nil, &auth.ConfigError{Key: section + ".header", Message: "the name of a header is expected; for Authorization there is scheme", Example: `"X-API-Key"`}
		}
	}
	keys, err := keysOf(own)
	if err != nil {
		return nil, err
	}
	m := &users.Maker{Own: []string{"hash", "expires", "user"}}
	for _, name := range keys.Keys() {
		if err := s.add(m, name, keys[name]); err != nil {
			return nil, users.Within(section+".keys."+name, err)
		}
	}
	return s, nil
}

func keysOf(own config.Section) (config.Section, error) {
	keys := own.Sub("keys")
	if len(keys) == 0 {
		return nil, auth.Missing(section+".keys", "nobody could come in; each key has a name, its hash and roles", `{ "billing": { "hash": "sha256:…", "roles": ["Importer"] } }`)
	}
	if len(keys) > maxKeys {
		return nil, &auth.ConfigError{Key: section + ".keys", Message: fmt.Sprintf("has more than %d keys", maxKeys)}
	}
	return keys, nil
}

// add reads one key.
func (s *Strategy) add(m *users.Maker, name string, v any) error {
	raw, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("an object with hash, roles, attr, tenant and expires is expected")
	}
	sec := config.Section(raw)
	if strings.Contains(name, ".") || name == "" {
		return fmt.Errorf("the name of a key has no dots")
	}
	id := name
	if v, ok := sec.Get("user"); ok {
		if id, ok = v.(string); !ok {
			return &auth.ConfigError{Key: "user", Message: "a text is expected"}
		}
	}
	u, err := m.User(id, raw)
	if err != nil {
		return err
	}
	e := &entry{name: name, user: u}
	if text := sec.Str("expires"); text != "" {
		if e.expires, err = expiry(text); err != nil {
			return &auth.ConfigError{Key: "expires", Message: err.Error(), Example: `"2030-12-31"`}
		}
	} else if v, ok := sec.Get("expires"); ok && v != nil {
		return &auth.ConfigError{Key: "expires", Message: "a day or a time is expected", Example: `"2030-12-31"`}
	}
	return s.keep(e, sec.Str("hash"))
}

// keep puts an entry where it is found by its hash.
func (s *Strategy) keep(e *entry, hash string) error {
	if password.Is(hash) {
		if err := password.Valid(hash); err != nil {
			return &auth.ConfigError{Key: "hash", Message: err.Error()}
		}
		e.hash = hash
		s.byName[e.name] = e
		return nil
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(hash, "sha256:"))
	if err != nil || len(sum) != sha256.Size {
		return &auth.ConfigError{Key: "hash", Message: `the hash of a key is expected, never the key itself: "sha256:" with 64 hexadecimal digits, or an argon2id or bcrypt hash`}
	}
	if empty := sha256.Sum256(nil); hmac.Equal(sum, empty[:]) {
		return &auth.ConfigError{Key: "hash", Message: "is the hash of an empty key"}
	}
	mac := s.mac(sum)
	if other := s.byMAC[mac]; other != nil {
		return &auth.ConfigError{Key: "hash", Message: "is that of " + other.name + ": each key has one user"}
	}
	s.byMAC[mac] = e
	return nil
}

// expiry reads a day, which counts to its end in UTC, or a time.
func expiry(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t.AddDate(0, 0, 1), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("a day (2030-12-31) or a time (2030-12-31T12:00:00Z) is expected")
}

func (s *Strategy) mac(sum []byte) (d digest) {
	h := hmac.New(sha256.New, s.secret[:])
	h.Write(sum)
	h.Sum(d[:0])
	return d
}

func newGuard(now func() time.Time) *backoff.Table {
	t := backoff.New(now)
	t.Free = 20 // several clients may share an address
	return t
}

// Setup implements auth.Setter.
func (s *Strategy) Setup(_ context.Context, env *auth.Env) error {
	s.now, s.guard, s.client = env.Now, newGuard(env.Now), env.Client
	s.right.Clock(env.Now)
	for _, e := range s.all() {
		if !e.expires.IsZero() && !env.Now().Before(e.expires) {
			env.Log.Warn("a key of requires.auth.apikey has expired", "name", e.name, "expired", e.expires.Format(time.RFC3339))
		}
	}
	return nil
}

func (s *Strategy) all() []*entry {
	var out []*entry
	for _, e := range s.byMAC {
		out = append(out, e)
	}
	for _, e := range s.byName {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *entry) int { return strings.Compare(a.name, b.name) })
	return out
}

// Authenticate returns the user of the key that a request carries; Anonymous where there is none.
func (s *Strategy) Authenticate(ctx context.Context, r *http.Request) (*auth.User, error) {
	key, ok, err := s.key(r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return auth.Anonymous, nil
	}
	e, err := s.find(ctx, r, key)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, fmt.Errorf("%w: unknown key", auth.ErrCredentials)
	}
	if !e.expires.IsZero() && !s.now().Before(e.expires) {
		return nil, fmt.Errorf("%w: key %s has expired", auth.ErrCredentials, e.name)
	}
	return e.user, nil
}

func (s *Strategy) address(r *http.Request) string {
	if s.client != nil {
		return backoff.Address(s.client(r))
	}
	return backoff.Address(r.RemoteAddr)
}

// key finds the key in a request.
func (s *Strategy) key(r *http.Request) (string, bool, error) {
	key, ok := "", false
	if s.header != "" {
		values := r.Header[s.header]
		if len(values) > 1 {
			return "", false, fmt.Errorf("%w: more than one %s header", auth.ErrCredentials, s.header)
		}
		if len(values) == 1 {
			key, ok = strings.TrimSpace(values[0]), true
		}
	}
	if s.scheme != "" {
		values := r.Header["Authorization"]
		if len(values) > 1 {
			return "", false, fmt.Errorf("%w: more than one Authorization header", auth.ErrCredentials)
		}
		if len(values) == 1 {
			if scheme, rest, _ := strings.Cut(strings.TrimSpace(values[0]), " "); strings.EqualFold(scheme, s.scheme) {
				if ok {
					return "", false, fmt.Errorf("%w: two keys", auth.ErrCredentials)
				}
				key, ok = strings.TrimSpace(rest), true
			}
		}
	}
	if ok && (key == "" || len(key) > maxKey) {
		return "", false, fmt.Errorf("%w: a key of %d bytes", auth.ErrCredentials, len(key))
	}
	return key, ok, nil
}

// find returns the entry of a key, nil for none. Random keys need no defence against guessing; who sends a named one that is wrong has to wait.
func (s *Strategy) find(ctx context.Context, r *http.Request, key string) (*entry, error) {
	sum := sha256.Sum256([]byte(key))
	if e := s.byMAC[s.mac(sum[:])]; e != nil {
		return e, nil
	}
	name, rest, named := strings.Cut(key, ".")
	if !named || len(s.byName) == 0 {
		return nil, nil // by its form none of those
	}
	addr := s.address(r)
	if d, wait := s.guard.Wait(addr); wait {
		return nil, waiting(d)
	}
	e, hash := s.byName[name], password.None
	if e != nil {
		hash = e.hash
	}
	ok, err := s.right.Verify(ctx, name, hash, rest)
	if err != nil {
		return nil, err
	}
	if d, wait := s.guard.Wait(addr); wait { // for others that failed at the same time
		return nil, waiting(d)
	}
	if !ok {
		s.guard.Fail(addr)
		return nil, nil
	}
	return e, nil
}

// Challenge names the scheme, if there is one: what headers are asked for is no matter of HTTP authentication, but a challenge has to be there.
func (s *Strategy) Challenge() string {
	if s.scheme != "" {
		return s.scheme + ` realm="Keys"`
	}
	return `ApiKey realm="Keys", header="` + s.header + `"`
}

// Vary implements auth.Varier.
func (s *Strategy) Vary() []string {
	if s.header == "" {
		return nil
	}
	return []string{s.header}
}

// waiting is the refusal of a try that came too early.
type waiting time.Duration

func (w waiting) Error() string {
	return fmt.Sprintf("%v: too many unknown keys, wait %s", auth.ErrCredentials, time.Duration(w).Round(time.Second))
}

func (w waiting) Unwrap() error { return auth.ErrCredentials }

// RetryAfter implements auth.Waiter.
func (w waiting) RetryAfter() time.Duration { return time.Duration(w) }

// isToken reports whether a text may be the name of a header or scheme (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	}) < 0
}
