package jwt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/settings"
	"cds/strategies/internal/token"
)

// settingsOf is the section requires.auth as this strategy reads it.
type settingsOf struct {
	section config.Section // with the preset expanded
	from    []string
	origins []string // of other sites whose pages may send cookies with tokens
	leeway  time.Duration
	keys    []*keySpec
	common  keySpec // what keys inherit
	file    string  // of more keys (jwt.keysFile), "" for none
	set     token.JWKSOptions

	introspection *introspection
	revocation    bool
	revocationAge time.Duration
	optional      bool
}

// A keySpec is one key of the configuration.
type keySpec struct {
	name                      string
	kid                       string
	algorithms                []string
	secret, publicKey         string
	secretFile, publicKeyFile string
	jwksURL, jwksFile         string

	issuer, audience     []string
	noIssuer, noAudience bool
	subject              string
	noExp                bool
	audienceClaims       []string
	types                []string
}

// keyNames are the settings of a key; the section jwt has them too, for one key and as defaults of those in keys.
var keyNames = [...]string{
	"kid", "algorithms", "secret", "secretFile", "publicKey", "publicKeyFile", "jwksUrl", "jwksFile",
	"issuer", "audience", "subject", "requireExp", "audienceClaims", "types",
}

func read(cfg config.Section) (*settingsOf, error) {
	cfg, err := expand(cfg)
	if err != nil {
		return nil, err
	}
	r := settings.New(cfg, "requires.auth")
	j := r.Section("jwt")
	j.Known(append(keyNames[:], "jwkUrl", "keys", "keysFile", "claimsNamespace", "leeway", "jwksTtl", "jwksRefetch", "jwksStale", "insecureLoopback")...)
	s := &settingsOf{
		section:  config.Merge(cfg, config.Section{"jwt": map[string]any{"claimsNamespace": j.Text("claimsNamespace")}}),
		leeway:   j.Duration("leeway", token.MaxLeeway, 0, token.MaxLeeway),
		optional: r.Bool("optional", false),
		file:     j.Text("keysFile"),
		set: token.JWKSOptions{
			TTL:      j.Duration("jwksTtl", 5*time.Minute, 30*time.Second, 24*time.Hour),
			Refetch:  j.Duration("jwksRefetch", 30*time.Second, time.Second, time.Hour),
			Stale:    j.Duration("jwksStale", 24*time.Hour, 0, 7*24*time.Hour),
			Loopback: j.Bool("insecureLoopback", false),
		},
	}
	tok := r.Section("token")
	tok.Known("from", "origins")
	s.from, s.origins = tok.Texts("from"), tok.Texts("origins")
	s.readKeys(j)
	s.readIntrospection(r.Section("introspection"))
	rev := r.Section("revocation")
	rev.Known("store", "maxAge")
	s.revocation = rev.Bool("store", false)
	s.revocationAge = rev.Duration("maxAge", 5*time.Second, 0, time.Minute)
	if err := r.Err(); err != nil {
		return nil, err
	}
	if len(s.keys) == 0 && s.file == "" && s.introspection == nil {
		return nil, auth.Missing("requires.auth.jwt.jwksUrl", "there is no key that tokens could be verified with (jwksUrl, jwksFile, publicKey, secret, keys or a provider), and no service is bound",
			`"https://issuer.example/.well-known/jwks.json"`)
	}
	return s, nil
}

// readKeys reads the key that the section jwt itself names, if any, and those of its list.
func (s *settingsOf) readKeys(j *settings.Reader) {
	if j.Has("jwkUrl") {
		if j.Has("jwksUrl") {
			j.Fail("jwkUrl", "", "is another name of jwksUrl, which is there too")
		}
		j.Config = config.Merge(j.Config, config.Section{"jwksUrl": j.Text("jwkUrl")})
	}
	s.common = keySpec{name: j.Path}
	s.common.readRules(j, keySpec{})
	own := s.common
	own.readMaterial(j)
	for _, k := range own.split() {
		s.add(j, k)
	}
	for i, v := range j.List("keys") {
		k := j.Object(fmt.Sprintf("keys[%d]", i), v)
		s.addKey(k)
	}
}

func (s *settingsOf) addKey(k *settings.Reader) {
	spec := s.readKey(k)
	s.add(k, spec)
}

// readKey reads one member of a list of keys.
func (s *settingsOf) readKey(k *settings.Reader) *keySpec {
	k.Known(append(keyNames[:], "jwkUrl")...)
	if k.Has("jwkUrl") && !k.Has("jwksUrl") {
		k.Config = config.Merge(k.Config, config.Section{"jwksUrl": k.Text("jwkUrl")})
	}
	spec := &keySpec{name: k.Path}
	spec.readRules(k, s.common)
	spec.readMaterial(k)
	switch n := len(spec.split()); {
	case n == 0:
		k.Missing("jwksUrl", "a key has a secret, publicKey, jwksUrl, or one of them as a file", `"https://issuer.example/.well-known/jwks.json"`)
	case n > 1:
		k.Fail("", "write one entry for each", "secret, publicKey, jwksUrl and their files exclude each other in a key")
	}
	return spec
}

func (k *keySpec) readMaterial(r *settings.Reader) {
	k.secret, k.publicKey = r.Text("secret"), r.Text("publicKey")
	k.secretFile, k.publicKeyFile = r.Text("secretFile"), r.Text("publicKeyFile")
	k.jwksURL, k.jwksFile, k.kid = r.Text("jwksUrl"), r.Text("jwksFile"), r.Text("kid")
	for _, name := range []string{"secret", "publicKey", "secretFile", "publicKeyFile", "jwksUrl", "jwksFile"} {
		if r.Has(name) && r.Text(name) == "" {
			r.Fail(name, "a variable of the environment that is not set?", "is empty")
		}
	}
	if k.kid != "" && (k.jwksURL != "" || k.jwksFile != "") {
		r.Fail("kid", "", "the keys of a set have ids of their own")
	}
}

// split returns one key for each material.
func (k *keySpec) split() []*keySpec {
	var out []*keySpec
	for _, m := range []struct {
		name string
		from *string
		to   func(*keySpec) *string
	}{
		{"secret", &k.secret, func(k *keySpec) *string { return &k.secret }},
		{"secretFile", &k.secretFile, func(k *keySpec) *string { return &k.secretFile }},
		{"publicKey", &k.publicKey, func(k *keySpec) *string { return &k.publicKey }},
		{"publicKeyFile", &k.publicKeyFile, func(k *keySpec) *string { return &k.publicKeyFile }},
		{"jwksUrl", &k.jwksURL, func(k *keySpec) *string { return &k.jwksURL }},
		{"jwksFile", &k.jwksFile, func(k *keySpec) *string { return &k.jwksFile }},
	} {
		if *m.from == "" {
			continue
		}
		one := *k
		one.secret, one.secretFile, one.publicKey, one.publicKeyFile, one.jwksURL, one.jwksFile = "", "", "", "", "", ""
		*m.to(&one) = *m.from
		one.name = k.name + "." + m.name
		out = append(out, &one)
	}
	return out
}

// readRules reads what tokens of the key must say; what is not there is inherited.
func (k *keySpec) readRules(r *settings.Reader, from keySpec) {
	k.issuer, k.noIssuer = list(r, "issuer", from.issuer, from.noIssuer)
	k.audience, k.noAudience = list(r, "audience", from.audience, from.noAudience)
	k.subject, k.noExp = from.subject, from.noExp
	if r.Has("subject") {
		k.subject = r.Text("subject")
	}
	k.noExp = !r.Bool("requireExp", !from.noExp)
	k.algorithms = inherit(r, "algorithms", from.algorithms)
	k.audienceClaims = inherit(r, "audienceClaims", from.audienceClaims)
	k.types = inherit(r, "types", from.types)
	for _, a := range k.algorithms {
		if !token.Known(a) {
			r.Fail("algorithms", "known are HS256, HS384, HS512, RS…, PS…, ES256, ES384, ES512, EdDSA", "algorithm %q is unknown", a)
		}
	}
}

func inherit(r *settings.Reader, key string, from []string) []string {
	if r.Has(key) {
		return r.Texts(key)
	}
	return from
}

// list reads a text, a list of texts, or false, which says that nothing is expected.
func list(r *settings.Reader, key string, from []string, none bool) ([]string, bool) {
	v, ok := r.Config[key]
	switch {
	case !ok || v == nil:
		return from, none
	case v == false || v == "false":
		return nil, true
	case v == true:
		r.Fail(key, "", "a text, a list of texts or false is expected")
	}
	if l, isList := v.([]any); isList && len(l) == 0 {
		r.Fail(key, "false says that nothing is expected", "an empty list fits no token")
	}
	return r.Texts(key), false
}

// add checks a key and adds it.
func (s *settingsOf) add(r *settings.Reader, k *keySpec) {
	s.checkRules(r, k)
	s.checkMaterial(r, k)
	s.keys = append(s.keys, k)
}

func (s *settingsOf) checkRules(r *settings.Reader, k *keySpec) {
	if len(k.issuer) == 0 && !k.noIssuer {
		r.Missing("issuer", "tokens of other issuers would be accepted; false says that they may be", `"https://issuer.example/"`)
	}
	if len(k.audience) == 0 && !k.noAudience {
		r.Missing("audience", "tokens for other applications would be accepted; false says that they may be", `"my-api"`)
	}
}

// checkMaterial checks what can be checked without a file or the network.
func (s *settingsOf) checkMaterial(r *settings.Reader, k *keySpec) {
	var key any
	switch {
	case k.secret != "":
		if err := checkSecret([]byte(k.secret)); err != nil {
			r.Fail("secret", "", "%v", err)
		}
		key = []byte(k.secret)
	case k.publicKey != "":
		var err error
		if key, err = parsePublic([]byte(k.publicKey)); err != nil {
			r.Fail("publicKey", "a PEM text that begins with -----BEGIN PUBLIC KEY-----", "%v", err)
			return
		}
	case k.jwksURL != "":
		if err := token.CheckURL(k.jwksURL, s.set.Loopback); err != nil {
			r.Fail("jwksUrl", "", "%v", err)
		}
	}
	if _, err := k.allowed(key); err != nil {
		r.Fail("algorithms", "", "%v", err)
	}
}

// allowed returns the algorithms that a key is bound to. key is a []byte, a public key, or nil for what is in a file or a set. Algorithms that stand for
// all keys count where they fit; those of a key itself have to fit.
func (k *keySpec) allowed(key any) ([]string, error) {
	secret, isSecret := key.([]byte)
	isSecret = isSecret || k.secretFile != ""
	list := k.algorithms
	if list == nil {
		if isSecret {
			secret = []byte{0}
		}
		if list = token.DefaultAlgorithms(secret, key); list == nil {
			return nil, fmt.Errorf("is missing: the curve of the key is used only where it is listed, such as ES512")
		}
	}
	list = slices.DeleteFunc(slices.Clone(list), func(a string) bool {
		switch {
		case isSecret || k.jwksURL != "":
			return token.Symmetric(a) != isSecret
		case key != nil:
			return token.CheckKey(a, key) != nil
		}
		return false
	})
	if len(list) == 0 {
		var why error
		for _, a := range k.algorithms {
			if key != nil {
				why = token.CheckKey(a, key)
			}
		}
		if why == nil {
			why = fmt.Errorf("%s do not fit the type of the key", strings.Join(k.algorithms, ", "))
		}
		return nil, why
	}
	return list, nil
}

// minSecret is the shortest shared secret that production accepts (RFC 7518 section 3.2 for HS256).
const minSecret = 32

// check is what depends on the profile.
func (s *settingsOf) check(env *auth.Env) error {
	if s.optional {
		if env.Production {
			return &auth.ConfigError{Key: "requires.auth.optional", Message: "true is not allowed in production: requests with bad tokens would be anonymous", Example: "false"}
		}
		env.Log.Warn("requires.auth.optional: requests with bad tokens are anonymous; production refuses this")
	}
	s.warnOfMixture(env)
	for _, k := range s.keys {
		if k.secret == "" || len(k.secret) >= minSecret {
			continue
		}
		if env.Production {
			return &auth.ConfigError{Key: k.name, Message: fmt.Sprintf("the secret has %d bytes, production needs at least %d; write one with: openssl rand -base64 48", len(k.secret), minSecret)}
		}
		env.Log.Warn(k.name+": the secret is too short; production refuses this", "bytes", len(k.secret), "least", minSecret)
	}
	return nil
}

// warnOfMixture tells of a secret beside another key where both may have come from different sources: a secret for development stays in force when the
// profile production adds a key set. In a list of keys it is meant.
func (s *settingsOf) warnOfMixture(env *auth.Env) {
	var names []string
	secret := false
	for _, k := range s.keys {
		if name, ok := strings.CutPrefix(k.name, s.common.name+"."); ok && !strings.HasPrefix(name, "keys[") {
			names = append(names, name)
			secret = secret || k.secret != "" || k.secretFile != ""
		}
	}
	if env.Production && secret && len(names) > 1 {
		env.Log.Warn("requires.auth.jwt: tokens of all these keys are accepted; null takes one away that is meant for development", "keys", strings.Join(names, ", "))
	}
}
