package chain

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// A when is the conditions under which a member is asked; all that are given must hold. They choose who looks at credentials, and protect nothing.
type when struct {
	paths   []string // the URL's path is one of them, or below
	schemes []string // of Authorization
	headers []string // one of them is there, in canonical form
	cookies []string // one of them is there
	issuers []string // the bearer token says that it is of one of them, which the member has to verify
}

// readWhen reads { path, scheme, header, cookie, issuer }, each a text or a list of texts.
func readWhen(raw any) (w when, err error) {
	if raw == nil {
		return w, nil
	}
	m, ok := raw.(map[string]any)
	if !ok {
		return w, fmt.Errorf("an object with path, scheme, header, cookie or issuer is expected")
	}
	for name, v := range m {
		values, err := texts(v)
		if err != nil {
			return w, &auth.ConfigError{Key: "when." + name, Message: err.Error()}
		}
		switch name {
		case "path":
			for _, p := range values {
				if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "*?#% ") {
					return w, &auth.ConfigError{Key: "when.path", Message: fmt.Sprintf("%q is no path such as /odata/v4/machines; what is below counts too", p)}
				}
				w.paths = append(w.paths, strings.TrimRight(p, "/"))
			}
		case "scheme":
			w.schemes = values
		case "header":
			for _, h := range values {
				w.headers = append(w.headers, textproto.CanonicalMIMEHeaderKey(h))
			}
		case "cookie":
			w.cookies = values
		case "issuer":
			w.issuers = values
		default:
			return w, &auth.ConfigError{Key: "when." + name, Message: "unknown condition; known are cookie, header, issuer, path and scheme"}
		}
	}
	return w, nil
}

// texts reads a text or a list of texts, none of them empty.
func texts(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []string
	for _, it := range list {
		s, ok := it.(string)
		if !ok || s == "" {
			return nil, fmt.Errorf("a text or a list of texts is expected")
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("is empty: the member would never be asked")
	}
	return out, nil
}

// holds reports whether a member with these conditions is asked about a request. foreign says that it would be, were the request's bearer token not of
// another issuer, or of none that can be read.
func (w *when) holds(r *http.Request) (holds, foreign bool) {
	if !w.path(r) || !w.scheme(r) || !w.header(r) || !w.cookie(r) {
		return false, false
	}
	if w.issuers == nil {
		return true, false
	}
	raw, ok := bearer(r)
	if !ok {
		return false, false
	}
	holds = w.issuer(raw)
	return holds, !holds
}

// path compares as services are found by their paths: case counts, and nothing is unescaped.
func (w *when) path(r *http.Request) bool {
	if w.paths == nil {
		return true
	}
	path := r.URL.EscapedPath()
	for _, p := range w.paths {
		if strings.HasPrefix(path, p) && (len(path) == len(p) || path[len(p)] == '/') {
			return true
		}
	}
	return false
}

func (w *when) scheme(r *http.Request) bool {
	if w.schemes == nil {
		return true
	}
	for _, v := range r.Header["Authorization"] {
		scheme, _, _ := strings.Cut(strings.TrimSpace(v), " ")
		for _, s := range w.schemes {
			if strings.EqualFold(s, scheme) {
				return true
			}
		}
	}
	return false
}

func (w *when) header(r *http.Request) bool {
	if w.headers == nil {
		return true
	}
	for _, h := range w.headers {
		if len(r.Header[h]) > 0 {
			return true
		}
	}
	return false
}

func (w *when) cookie(r *http.Request) bool {
	if w.cookies == nil {
		return true
	}
	for _, name := range w.cookies {
		if _, err := r.Cookie(name); err == nil {
			return true
		}
	}
	return false
}

// bearer returns the bearer token of a request.
func bearer(r *http.Request) (string, bool) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", false
	}
	scheme, raw, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
	return strings.TrimSpace(raw), strings.EqualFold(scheme, "bearer")
}

// issuer looks at a claim that nobody has verified yet: it only chooses who does.
func (w *when) issuer(raw string) bool {
	t, err := token.Parse(raw)
	if err != nil {
		return false
	}
	iss, ok := t.Claims.Str("iss")
	return ok && slices.Contains(w.issuers, iss)
}
