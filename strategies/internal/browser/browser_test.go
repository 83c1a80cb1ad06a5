package browser

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestTarget(t *testing.T) {
	for to, want := range map[string]string{
		"": "/", "/": "/", "/a/b?c=d#e": "/a/b?c=d#e", "https://evil.example": "/", "//evil.example": "/", "/\\evil.example": "/", "/%2Fevil.example": "/", "/%5Cevil.example": "/",
		"/\t/evil.example": "/", "javascript:alert(1)": "/", "evil": "/", "/auth": "/", "/auth/login": "/", "/auth/logout?x": "/", "/authors": "/authors", "/a\r\nX: y": "/",
		"/a\u202eb": "/", strings.Repeat("/a", 1001): "/", "/a//b": "/a//b",
	} {
		if got := Target(to, "/auth"); got != want {
			t.Errorf("%.40q: %q, want %q", to, got, want)
		}
	}
}

func TestNavigation(t *testing.T) {
	for _, c := range []struct {
		method string
		header []string
		want   bool
	}{
		{"GET", []string{"Accept", "text/html,*/*"}, true},
		{"GET", []string{"Accept", "text/html", "Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate"}, true},
		{"GET", nil, false},
		{"GET", []string{"Accept", "application/json"}, false},
		{"POST", []string{"Accept", "text/html"}, false},
		{"GET", []string{"Accept", "text/html", "Authorization", "Bearer x"}, false},
		{"GET", []string{"Accept", "text/html", "X-Requested-With", "XMLHttpRequest"}, false},
		{"GET", []string{"Accept", "text/html", "Sec-Fetch-Dest", "iframe"}, false},
		{"GET", []string{"Accept", "text/html", "Sec-Fetch-Mode", "cors"}, false},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		if got := Navigation(r); got != c.want {
			t.Errorf("%s %q: %v", c.method, c.header, got)
		}
	}
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/", "//x", "/\\x", "/a?b#c", "/%2f%2fx", "/\tx", "/auth/x", "/.//", "/x/..//evil.example", "/%2e//x", "/./auth/x", "/x/../auth"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, to string) {
		got := Target(to, "/auth")
		base, _ := url.Parse("https://shop.example/auth/callback")
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != "https" || u.User != nil || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(got, "\\\t\r\n ") || u.Path == "/auth" || strings.HasPrefix(u.Path, "/auth/") {
			t.Fatalf("%q leads to %q: %v", to, got, u)
		}
	})
}
