package jwt

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
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

	mu    sync.Mutex
	specs []*keySpec // of the list's file
	files map[string]*token.File
	sets  map[string]*token.JWKS // by where they come from, kept over reloads

	keys atomic.Pointer[[]*token.Key]
}

func newKeyring(cfg *settingsOf, env *auth.Env, changed func()) (*keyring, error) {
	k := &keyring{cfg: cfg, env: env, log: env.Log, changed: changed, files: map[string]*token.File{}, sets: map[string]*token.JWKS{}, start: env.Now()}
	k.keys.Store(&[]*token.Key{})
	return k, k.load(true)
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
	if err := k.load(false); err != nil {
		k.log.Warn("auth: the keys can't be read again; those from before are kept", "error", err)
	}
	for _, key := range k.list() {
		if key.Set != nil {
			key.Set.Refresh()
		}
	}
}

// load builds the keys, if a file has changed or first is set.
func (k *keyring) load(first bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !first && !k.stale() {
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
		if other, twice := ids[key.Kid]; twice && key.Kid != "" {
			return &auth.ConfigError{Key: spec.name, Message: "has the same kid as " + other}
		}
		ids[key.Kid] = spec.name
		keys = append(keys, key)
	}
	k.drop(keys)
	k.keys.Store(&keys)
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
	b, err := k.file(k.cfg.file)
	if err != nil {
		return nil, &auth.ConfigError{Key: "requires.auth.jwt.keysFile", Message: err.Error()}
	}
	list, err := token.DecodeList(b)
	if err != nil {
		return nil, &auth.ConfigError{Key: "requires.auth.jwt.keysFile", Message: k.cfg.file + ": " + err.Error()}
	}
	own := *k.cfg
	own.keys = nil
	r := settings.New(map[string]any{}, k.cfg.file)
	for i, v := range list {
		own.addKey(r.Object(fmt.Sprintf("[%d]", i), v))
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return own.keys, own.check(k.env)
}

func (k *keyring) file(name string) ([]byte, error) {
	f := k.files[name]
	if f == nil {
		f = token.NewFile(k.env.Files, name, 1<<20)
		k.files[name] = f
	}
	return f.Read()
}

// build makes the key of a spec.
func (k *keyring) build(s *keySpec) (*token.Key, error) {
	key := &token.Key{
		Name: s.name, Kid: s.kid, Issuer: s.issuer, Audience: s.audience, NoIssuer: s.noIssuer, NoAudience: s.noAudience, Subject: s.subject, NoExp: s.noExp, Types: s.types,
		Audiences: s.audiences(),
	}
	bad := func(err error) error { return &auth.ConfigError{Key: s.name, Message: err.Error()} }
	var material []byte
	var public any
	var err error
	switch {
	case s.jwksURL != "" || s.jwksFile != "":
		key.Set = k.set(s)
	case s.secret != "":
		material, key.Secret = []byte(s.secret), []byte(s.secret)
	case s.secretFile != "":
		if material, err = k.file(s.secretFile); err != nil {
			return nil, bad(err)
		}
		key.Secret = []byte(strings.TrimRight(string(material), "\r\n"))
		if err := checkSecret(key.Secret); err != nil {
			return nil, bad(err)
		}
		if len(key.Secret) < minSecret && k.env.Production {
			return nil, bad(fmt.Errorf("the secret has %d bytes, production needs at least %d", len(key.Secret), minSecret))
		}
		material = key.Secret
	default:
		material = []byte(s.publicKey)
		if s.publicKeyFile != "" {
			if material, err = k.file(s.publicKeyFile); err != nil {
				return nil, bad(err)
			}
		}
		if public, err = parsePublic(material); err != nil {
			return nil, bad(err)
		}
		key.Public = public
	}
	if key.Set == nil && key.Kid == "" {
		key.Kid = token.KeyID(material)
	}
	if key.Secret != nil {
		public = key.Secret
	}
	if key.Algorithms, err = s.allowed(public); err != nil {
		return nil, bad(err)
	}
	return key, nil
}

func (s *keySpec) audiences() func(token.Claims) []string {
	if len(s.audienceClaims) == 0 {
		return nil
	}
	return func(c token.Claims) []string {
		var out []string
		for _, name := range s.audienceClaims {
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
		return k, token.CheckKey("RS256", k)
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return k, nil
	}
	return nil, fmt.Errorf("keys of the type %T can't verify tokens", key)
}
