package token

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// An Extractor finds the token in a request: in the first of its places that has one.
type Extractor struct {
	places []place
}

type place struct {
	kind, name string // bearer, raw, header + name, cookie + name
}

// NewExtractor makes an Extractor from the list token.from: "bearer" (the default: the Authorization header with the scheme Bearer), "raw" (the whole
// Authorization header, or what follows its first blank, whatever the scheme), "header:NAME" and "cookie:NAME".
func NewExtractor(from []string) (*Extractor, error) {
	if len(from) == 0 {
		from = []string{"bearer"}
	}
	e := &Extractor{}
	for _, f := range from {
		kind, name, _ := strings.Cut(f, ":")
		name = strings.TrimSpace(name)
		switch {
		case (kind == "bearer" || kind == "raw") && f == kind:
		case kind == "header" && validName(name):
			name = textproto.CanonicalMIMEHeaderKey(name)
			if name == "Authorization" || name == "Cookie" {
				return nil, fmt.Errorf("%q: write bearer, raw or cookie:NAME", f)
			}
		case kind == "cookie" && validName(name):
		default:
			return nil, fmt.Errorf(`%q is unknown; known are "bearer", "raw", "header:NAME" and "cookie:NAME"`, f)
		}
		e.places = append(e.places, place{kind, name})
	}
	return e, nil
}

func validName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("!#$%&'*+-.^_`|~", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// Token returns the request's token. The bool is false if there are no credentials of ours, which includes an Authorization header with another
// scheme. Errors, which wrap auth.ErrCredentials: an empty token, more than one header or cookie of the name.
func (e *Extractor) Token(r *http.Request) (string, bool, error) {
	t, _, ok, err := e.find(r)
	return t, ok, err
}

// SameOrigin is Token that refuses a token from a cookie where a page of another site made the browser send it: a browser adds cookies of its own
// accord. Requests that only read are fine.
func (e *Extractor) SameOrigin(r *http.Request, cross *http.CrossOriginProtection) (string, bool, error) {
	t, kind, ok, err := e.find(r)
	if ok && kind == "cookie" {
		if e := cross.Check(r); e != nil {
			return "", false, refuse("token-cross-origin", "the token is from a cookie and the request from another site")
		}
	}
	return t, ok, err
}

func (e *Extractor) find(r *http.Request) (t, kind string, ok bool, err error) {
	for _, p := range e.places {
		t, ok, err := p.token(r)
		if ok || err != nil {
			return t, p.kind, ok, err
		}
	}
	return "", "", false, nil
}

// Headers returns the names of the headers that tokens are taken from.
func (e *Extractor) Headers() []string {
	var out []string
	for _, p := range e.places {
		name := map[string]string{"bearer": "Authorization", "raw": "Authorization", "cookie": "Cookie", "header": p.name}[p.kind]
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// Vary returns those of Headers that caches have to be told of: that Authorization decides goes without saying.
func (e *Extractor) Vary() []string {
	return slices.DeleteFunc(e.Headers(), func(h string) bool { return h == "Authorization" })
}

// Cookies reports whether tokens are taken from cookies, which browsers send of their own accord.
func (e *Extractor) Cookies() bool {
	for _, p := range e.places {
		if p.kind == "cookie" {
			return true
		}
	}
	return false
}

func (p place) token(r *http.Request) (string, bool, error) {
	switch p.kind {
	case "cookie":
		return p.cookie(r)
	case "header":
		return p.header(r, p.name)
	}
	return p.header(r, "Authorization")
}

func (p place) header(r *http.Request, name string) (string, bool, error) {
	values := r.Header[name]
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
	default:
		return "", false, refuse("token-malformed", "more than one header %s", name)
	}
	v := strings.Trim(values[0], " \t")
	scheme, rest, spaced := v, "", false
	if i := strings.IndexAny(v, " \t"); i >= 0 {
		scheme, rest, spaced = v[:i], strings.Trim(v[i:], " \t"), true
	}
	switch {
	case p.kind == "bearer" && !strings.EqualFold(scheme, "Bearer"):
		return "", false, nil
	case p.kind == "bearer", p.kind == "raw" && spaced, p.kind == "header" && strings.EqualFold(scheme, "Bearer"):
		v = rest
	}
	switch {
	case v == "" && p.kind != "bearer" && !spaced:
		return "", false, nil
	case v == "":
		return "", false, refuse("token-malformed", "the header %s has no token", name)
	}
	return v, true, nil
}

func (p place) cookie(r *http.Request) (string, bool, error) {
	list := r.CookiesNamed(p.name)
	switch {
	case len(list) == 0 || len(list) == 1 && list[0].Value == "":
		return "", false, nil
	case len(list) > 1: // one of them may have been set by a neighbouring site
		return "", false, refuse("token-malformed", "more than one cookie %s", p.name)
	}
	return list[0].Value, true, nil
}

// FromMessage finds the token in a message of a websocket, each of which has its own: the text data.token, or authToken in payload as GraphQL clients send
// it. Errors wrap auth.ErrCredentials: a message that is no strict JSON object, a token that is no text.
func (e *Extractor) FromMessage(msg []byte) (string, bool, error) {
	if len(msg) > 1<<20 {
		return "", false, refuse("token-malformed", "the message is too long")
	}
	m, err := decodeObject(msg)
	if err != nil {
		return "", false, refuse("token-malformed", "the message is no strict JSON object: %v", err)
	}
	for _, path := range [][2]string{{"data", "token"}, {"payload", "authToken"}} {
		sub, _ := m[path[0]].(map[string]any)
		v, ok := sub[path[1]]
		if !ok || v == nil || v == "" {
			continue
		}
		s, ok := v.(string)
		if !ok {
			return "", false, &Refusal{"token-malformed", path[0] + "." + path[1] + " is no text"}
		}
		return s, true, nil
	}
	return "", false, nil
}
