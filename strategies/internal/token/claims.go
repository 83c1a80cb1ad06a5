package token

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// Claims are the claims of a token, strictly decoded: numbers are json.Number.
type Claims map[string]any

// Get returns the claim at a path: the claim with that whole name if there is one, so that "https://ns.example/roles" works, else the value that dotted
// names lead to through objects, the longest name first.
func (c Claims) Get(path string) (any, bool) {
	return lookup(c, path, 0)
}

func lookup(m map[string]any, path string, depth int) (any, bool) {
	if v, ok := m[path]; ok {
		return v, true
	}
	if depth == maxDepth {
		return nil, false
	}
	for i := strings.LastIndexByte(path, '.'); i > 0; i = strings.LastIndexByte(path[:i], '.') {
		if sub, ok := m[path[:i]].(map[string]any); ok {
			if v, ok := lookup(sub, path[i+1:], depth+1); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// Str returns the text at a path; false if there is none or it is no text.
func (c Claims) Str(path string) (string, bool) {
	v, _ := c.Get(path)
	s, ok := v.(string)
	return s, ok
}

// Strings returns the texts at a path: of a list or of a single text. nil if there are none or anything there is no text.
func (c Claims) Strings(path string) []string {
	v, _ := c.Get(path)
	list, _ := texts(v)
	return list
}

// texts reads a text or a list of texts; null is none.
func texts(v any) (list []string, ok bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
		return list, true
	}
	return nil, false
}

// Time returns the date at a top-level claim such as exp: seconds since 1970, which may have a fraction. false if there is none; an error that wraps
// auth.ErrCredentials if it is anything else than a number between 0 and the year 9999.
func (c Claims) Time(name string) (time.Time, bool, error) {
	v, ok := c[name]
	if !ok {
		return time.Time{}, false, nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false, refuse("token-claim", "the claim %s is no number", name)
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || f < 0 || f > 253402300799 {
		return time.Time{}, false, refuse("token-claim", "the claim %s is no date", name)
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(frac*1e9)), true, nil
}

// check refuses registered claims (RFC 7519 section 4.1) of the wrong type, whether they are used or not, and names that differ from them in
// case only.
func (c Claims) check() error {
	for name, v := range c {
		if err := exactName(name, "payload", "exp", "nbf", "iat", "iss", "sub", "aud", "jti"); err != nil {
			return err
		}
		switch name {
		case "exp", "nbf", "iat":
			if _, _, err := c.Time(name); err != nil {
				return err
			}
		case "iss", "sub", "jti":
			if _, ok := v.(string); !ok {
				return refuse("token-claim", "the claim %s is no text", name)
			}
		case "aud":
			if _, ok := texts(v); !ok || v == nil {
				return refuse("token-claim", "the claim aud is neither a text nor a list of texts")
			}
		}
	}
	return nil
}
