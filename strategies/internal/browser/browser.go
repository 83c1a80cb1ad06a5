// Package browser holds what strategies with a login for browsers share: who is a person that opened a page, and where a login may lead back to.
package browser

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

// Navigation reports whether a request is a person's who opened a page, rather than a program's or a script's.
func Navigation(r *http.Request) bool {
	h := r.Header
	if r.Method != http.MethodGet || h.Get("Authorization") != "" || h.Get("X-Requested-With") != "" || !strings.Contains(h.Get("Accept"), "text/html") {
		return false
	}
	if dest := h.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return false
	}
	mode := h.Get("Sec-Fetch-Mode")
	return mode == "" || mode == "navigate"
}

// maxTarget bounds the length of a target.
const maxTarget = 2000

// Target returns to if it is a path of this server, else the root. Browsers take a backslash for a slash, leave out tabs and line ends, and read two
// slashes as the beginning of a host; and the pages of the login, below own, are no place to come back to.
func Target(to, own string) string {
	if to == "" || len(to) > maxTarget || to[0] != '/' || bad(to) {
		return "/"
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || bad(u.Path) {
		return "/"
	}
	at := root.ResolveReference(&url.URL{Path: u.Path}).Path // where a browser goes: /.// is not within the server's paths for everyone
	if bad(at) || at == own || strings.HasPrefix(at, own+"/") {
		return "/"
	}
	return to
}

var root = &url.URL{Scheme: "https", Host: "localhost", Path: "/"}

func bad(s string) bool {
	return strings.HasPrefix(s, "//") || strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || unicode.IsSpace(r) || !unicode.IsGraphic(r) })
}
