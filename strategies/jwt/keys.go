package jwt

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cds/runtime/auth"
	"cds/strategies/internal/settings"
	"cds/strategies/internal/token"
)

// checkEvery is how often files are looked at, and key sets that are about to end.
const checkEvery = time.Second

// A keyring holds the keys that count. Those in files, and a file that lists keys, are read again when the file changes.
type keyring struct {
	cfg     *settingsOf
	env     *auth.Env
	log     *slog.Logger
	changed func() // after keys were taken away

	next  atomic.Int64 // when to look at files again, in Unix nanoseconds
	start time.Time

	mu     sync.Mutex
	loaded bool
	files  map[string]*token.File
	good   map[string][]byte      // what was in files that could be used
	sets   map[string]*token.JWKS // by where they come from, kept over reloads

	keys atomic.Pointer[[]*token.Key]
}

// newKeyring makes a keyring. Files are relative to what the server lends: without it, they are read when a key is needed first.
func newKeyring(cfg *settingsOf, env *auth.Env, changed func()) (*keyring, error) {
	k := &keyring{cfg: cfg, env: env, log: env.Log, changed: changed, files: map[string]*token.File{}, good: map[string][]byte{}, sets: map[string]*token.JWKS{}, start: env.Now()}
	k.keys.Store(&[]*token.Key{})
	if env.Files == nil && cfg.hasFiles() {
		return k, nil
	}
	return k, k.load()
}

func (s *settingsOf) hasFiles() bool {
	return s.file != "" || slices.ContainsFunc(s.keys, func(k *keySpec) bool { return k.secretFile != "" || k.publicKeyFile != "" })
}

// list returns the keys that count at the moment.
func (k *keyring) list() []*token.Key { return *k.keys.Load() }

// any reports whether tokens can be verified here at all.
func (k *keyring) any() bool { return len(k.cfg.keys) > 0 || k.cfg.file != "" }

// refresh looks after files and sets, once in a while, without waiting for the network.
func (k *keyring) refresh() {
	now := int64(k.env.Now().Sub(k.start))
	next := k.next.Load()
	if now < next && next-now <= int64(checkEvery) || !k.next.CompareAndSwap(next, now+int64(checkEvery)) {
		return
	}
	if err := k.load(); err != nil {
		k.log.Warn("auth: the keys can't be read again; those from before are kept", "error", err)
	}
	for _, key := range k.list() {
		if key.Set != nil {
			key.Set.Refresh()
		}
	}
}

// load builds the keys, if there are none yet or a file has changed.
func (k *keyring) load() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.loaded && !k.stale() {
		return nil
	}
	specs := k.cfg.keys
	if k.cfg.file != "" {
		more, err := k.listed()
		if err != nil {
			return err
		}
		specs = append(specs[:len(specs):len(specs)], more...)
	}
	var keys []*token.Key
	ids := map[string]string{}
	for _, spec := range specs {
		key, err := k.build(spec)
		if err != nil {
			return err
		}
		if other, twice := ids[spec.kid]; twice && spec.kid != "" {
			return &auth.ConfigError{Key: spec.name, Message: "has the same kid as " + other}
		}
		ids[spec.kid] = spec.name
		keys = append(keys, key)
	}
	k.drop(keys)
	k.keys.Store(&keys)
	first := !k.loaded
	k.loaded = true
	if !first {
		k.log.Info("auth: keys were read again", "keys", len(keys))
		k.changed()
	}
	return nil
}

func (k *keyring) stale() bool {
	changed := false
	for _, f := range k.files {
		changed = f.Changed() || changed
	}
	return changed
}

// drop closes sets that no key uses any more.
func (k *keyring) drop(keys []*token.Key) {
	used := map[*token.JWKS]bool{}
	for _, key := range keys {
		used[key.Set] = true
	}
	for name, set := range k.sets {
		if !used[set] {
			set.Close()
			delete(k.sets, name)
		}
	}
}

// listed reads the file of keys: a list in the form of jwt.keys.
func (k *keyring) listed() ([]*keySpec, error) {
	var specs []*keySpec
	_, err := k.file("requires.auth.jwt.keysFile", k.cfg.file, func(b []byte) (err error) {
		specs, err = k.parseList(b)
		return err
	})
	return specs, err
}

func (k *keyring) parseList(b []byte) ([]*keySpec, error) {
	list, err := token.DecodeList(b)
	if err != nil {
		return nil, err
	}
	own := *k.cfg
	own.keys = nil
	r := settings.New(nil, k.cfg.file)
	for i, v := range list {
		own.addKey(r.Object(fmt.Sprintf("[%d]", i), v))
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return own.keys, own.check(k.env)
}

// file reads a file and lets use judge what is in it. Where that fails after it went well before, what was there before is used on: a file that is being
// written, or is broken, must not take away the keys of others.
func (k *keyring) file(key, name string, use func([]byte) error) ([]byte, error) {
	f := k.files[name]
	if f == nil {
		f = token.NewFile(k.env.Files, name, 1<<20)
		k.files[name] = f
	}
	b, err := f.Read()
	if err == nil {
		err = use(b)
	}
	if err == nil {
		k.good[name] = b
		return b, nil
	}
	err = &auth.ConfigError{Key: key, Message: name + ": " + err.Error()}
	before, ok := k.good[name]
	if !ok {
		return nil, err
	}
	k.log.Warn("auth: a file of keys is broken; what it said before is used on", "error", err)
	return before, use(before)
}

// build makes the key of a spec.
func (k *keyring) build(s *keySpec) (*token.Key, error) {
	key := &token.Key{
		Name: s.name, Kid: s.kid, Issuer: s.issuer, Audience: s.audience, NoIssuer: s.noIssuer, NoAudience: s.noAudience, Subject: s.subject, NoExp: s.noExp, Types: s.types,
		Audiences: s.audiences(),
	}
	var text []byte // that the kid is made of, if need be
	var material any
	var err error
	switch {
	case s.jwksURL != "" || s.jwksFile != "":
		key.Set = k.set(s)
	case s.secret != "" || s.secretFile != "":
		key.Secret, err = k.secret(s)
		text, material = key.Secret, key.Secret
	default:
		text, key.Public, err = k.public(s)
		material = key.Public
	}
	if err != nil {
		return nil, err
	}
	if key.Set == nil && key.Kid == "" {
		key.Kid = token.KeyID(text)
	}
	if key.Algorithms, err = s.allowed(material); err != nil {
		return nil, &auth.ConfigError{Key: s.name, Message: err.Error()}
	}
	return key, nil
}

func (k *keyring) secret(s *keySpec) ([]byte, error) {
	if s.secretFile == "" {
		return []byte(s.secret), nil
	}
	b, err := k.file(s.name, s.secretFile, func(b []byte) error {
		b = bytes.TrimRight(b, "\r\n")
		if len(b) < minSecret && k.env.Production {
			return fmt.Errorf("the secret has %d bytes, production needs at least %d", len(b), minSecret)
		}
		return checkSecret(b)
	})
	return bytes.TrimRight(b, "\r\n"), err
}

func (k *keyring) public(s *keySpec) (text []byte, key any, err error) {
	if s.publicKeyFile == "" {
		key, err = parsePublic([]byte(s.publicKey))
		return []byte(s.publicKey), key, err
	}
	text, err = k.file(s.name, s.publicKeyFile, func(b []byte) (err error) {
		if key, err = parsePublic(b); err == nil {
			_, err = s.allowed(key)
		}
		return err
	})
	return text, key, err
}

func (k *keySpec) audiences() func(token.Claims) []string {
	if len(k.audienceClaims) == 0 {
		return nil
	}
	return func(c token.Claims) []string {
		var out []string
		for _, name := range k.audienceClaims {
			out = append(out, c.Strings(name)...)
		}
		return out
	}
}

func (k *keyring) set(s *keySpec) *token.JWKS {
	where := s.jwksURL + s.jwksFile
	if set := k.sets[where]; set != nil {
		return set
	}
	opt := k.cfg.set
	opt.URL, opt.File, opt.Files, opt.Client, opt.Now, opt.Log = s.jwksURL, s.jwksFile, k.env.Files, k.env.HTTP, k.env.Now, k.log
	opt.Removed = k.changed
	set := token.NewJWKS(opt)
	k.sets[where] = set
	return set
}

// prefetch fetches the sets, each on its own.
func (k *keyring) prefetch(ctx context.Context) {
	var wg sync.WaitGroup
	for _, key := range k.list() {
		if key.Set != nil {
			wg.Go(func() { _ = key.Set.Prefetch(ctx) }) // a failure is logged, and tried again when a key is needed
		}
	}
	wg.Wait()
}

func (k *keyring) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, set := range k.sets {
		set.Close()
	}
}

// checkSecret refuses what can't have been meant as a shared secret: if a public key or a key in JSON were taken for one, whoever knows it could make
// tokens.
func checkSecret(b []byte) error {
	text := strings.TrimSpace(string(b))
	switch {
	case text == "":
		return errors.New("is empty")
	case strings.Contains(text, "-----BEGIN"):
		return errors.New("is a PEM text; a public key belongs in publicKey")
	case strings.HasPrefix(text, "{") && strings.Contains(text, `"kty"`):
		return errors.New("is a JSON Web Key; a key set belongs in jwksFile")
	}
	return nil
}

// parsePublic reads a public key or a certificate in PEM.
func parsePublic(b []byte) (any, error) {
	text := strings.ReplaceAll(string(b), `\n`, "\n") // as variables of the environment have it
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errors.New("is no PEM text")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("is a private key; only its public part is needed here")
	case len(strings.TrimSpace(string(rest))) > 0:
		return nil, errors.New("has more than one PEM block")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = c.PublicKey
		}
	default:
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("is no public key")
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k, token.CheckPublic(k)
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return k, nil
	}
	return nil, fmt.Errorf("keys of the type %T can't verify tokens", key)
}
