package config

import (
	"fmt"
	"net/url"
	"strings"
)

// Masked stands for a secret that is not shown.
const Masked = "***"

// Mask returns a value of the configuration for people to read: secrets in it are replaced. key is its name, or its dotted path. Secret is what has the
// name of one (SecretName), what looks like one whatever its name (private keys, hashes of passwords, tokens), and the password in an URL.
func Mask(key string, v any) any {
	return mask(strings.Split(key, "."), v, 0)
}

// maxMask bounds how deep Mask looks; what is deeper is not shown.
const maxMask = 100

func mask(path []string, v any, depth int) any {
	if depth > maxMask {
		return Masked
	}
	switch v := v.(type) {
	case Section:
		return mask(path, map[string]any(v), depth)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = mask(append(path[:len(path):len(path)], k), x, depth+1)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = mask(path, v[i], depth+1)
		}
		return out
	case nil, bool:
		return v
	}
	s := text(v)
	if s == "" {
		s = fmt.Sprint(v)
	}
	if s == "" {
		return v
	}
	last := path[len(path)-1]
	_, isText := v.(string)
	if SecretName(last) && !pointerName(path) || isText && (userPassword(path) || secretText(s)) {
		return Masked
	}
	if masked, ok := withoutPassword(s); ok {
		return masked
	}
	return v
}

// SecretName reports whether a setting of that name holds a secret.
func SecretName(name string) bool {
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name))
	switch name {
	case "key", "pem", "cert", "hash", "pwd", "pass", "cookie", "authorization", "connectionstring", "dsn", "assertion", "jwk":
		return true
	}
	for _, suffix := range [...]string{"url", "uri", "endpoint", "ttl", "lifetime", "expires", "header", "namespace", "algorithms", "file", "name", "publickey"} {
		if strings.HasSuffix(name, suffix) {
			return false
		}
	}
	for _, part := range [...]string{"password", "passwd", "passphrase", "secret", "token", "credential", "privatekey", "apikey", "accesskey", "certificate", "signingkey", "encryptionkey", "masterkey"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return strings.HasSuffix(name, "pwd") || strings.HasSuffix(name, "privkey")
}

// pointerName reports whether a text is the name of a key or of a secret in what `cds bind` writes (requires.x.binding), not the secret itself.
func pointerName(path []string) bool {
	last := path[len(path)-1]
	return len(path) > 1 && path[len(path)-2] == "binding" && (last == "key" || last == "secret")
}

// userPassword reports whether a text is the short form of a user with a password, users: { bob: "secret" }, or stands where only keys do, or is sent as a header
// to who decides (authz.webhooks): services call those of keys as they like.
func userPassword(path []string) bool {
	if len(path) < 2 {
		return false
	}
	switch parent := path[len(path)-2]; parent {
	case "users":
		return true
	case "apikey", "encryption":
		return path[len(path)-1] == "keys"
	case "keys":
		return len(path) > 2 && path[len(path)-3] == "apikey"
	case "headers":
		return len(path) > 3 && path[len(path)-4] == "webhooks"
	}
	return false
}

// secretText recognizes secrets by their form.
func secretText(s string) bool {
	switch {
	case strings.Contains(s, "PRIVATE KEY-----"):
		return true
	case strings.HasPrefix(s, "$argon2"), strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"), strings.HasPrefix(s, "sha256:"):
		return true
	}
	return strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") >= 2 // a token
}

// withoutPassword masks the password in an URL, and in the parameters of a connection (host=… password=…).
func withoutPassword(s string) (string, bool) {
	if i := strings.Index(s, "://"); i > 0 {
		u, err := url.Parse(s)
		if err != nil {
			if at := strings.LastIndexByte(s, '@'); at > i { // no URL, but like one
				return s[:i+3] + Masked + s[at:], true
			}
			return Masked, true
		}
		changed := false
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), "MASKED")
			changed = true
		}
		if q := u.Query(); u.RawQuery != "" {
			for name := range q {
				if SecretName(name) {
					q.Set(name, "MASKED")
					changed = true
				}
			}
			if changed {
				u.RawQuery = q.Encode()
			}
		}
		if !changed {
			return "", false
		}
		return strings.ReplaceAll(u.String(), "MASKED", Masked), true
	}
	low := strings.ToLower(s)
	for _, word := range [...]string{"password=", "passwd=", "pwd=", "secret="} {
		if i := strings.Index(low, word); i >= 0 {
			return s[:i+len(word)] + Masked, true // what follows may belong to it
		}
	}
	return "", false
}
