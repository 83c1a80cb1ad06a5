package token

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"cds/runtime/auth"
)

func TestExtract(t *testing.T) {
	type h = map[string][]string
	for _, c := range []struct {
		name    string
		from    []string
		headers h
		want    string // "-" for none, "!" for an error
	}{
		{"none", nil, nil, "-"},
		{"bearer", nil, h{"Authorization": {"Bearer a.b.c"}}, "a.b.c"},
		{"any case, more blanks", nil, h{"Authorization": {" bEARER \t a.b.c "}}, "a.b.c"},
		{"another scheme", nil, h{"Authorization": {"Basic abc"}}, "-"},
		{"a longer scheme", nil, h{"Authorization": {"Bearers abc"}}, "-"},
		{"no scheme", nil, h{"Authorization": {"a.b.c"}}, "-"},
		{"no token", nil, h{"Authorization": {"Bearer"}}, "!"},
		{"blanks for a token", nil, h{"Authorization": {"Bearer   "}}, "!"},
		{"two headers", nil, h{"Authorization": {"Bearer a", "Bearer a"}}, "!"},
		{"two headers, one foreign", nil, h{"Authorization": {"Basic a", "Bearer b"}}, "!"},
		{"empty header", nil, h{"Authorization": {""}}, "-"},
		{"not from elsewhere", nil, h{"X-Token": {"a"}, "Cookie": {"token=a"}}, "-"},

		{"raw", []string{"raw"}, h{"Authorization": {"a.b.c"}}, "a.b.c"},
		{"raw with Bearer", []string{"raw"}, h{"Authorization": {"Bearer a.b.c"}}, "a.b.c"},
		{"raw with any scheme", []string{"raw"}, h{"Authorization": {"Basic a.b.c"}}, "a.b.c"},
		{"raw, more blanks", []string{"raw"}, h{"Authorization": {"Bearer a b"}}, "a b"},
		{"raw, none", []string{"raw"}, nil, "-"},
		{"raw, empty", []string{"raw"}, h{"Authorization": {""}}, "-"},
		{"raw, a scheme alone is a token", []string{"raw"}, h{"Authorization": {"Bearer"}}, "Bearer"},

		{"header", []string{"header:x-token"}, h{"X-Token": {"a.b.c"}}, "a.b.c"},
		{"header with Bearer", []string{"header:X-Token"}, h{"X-Token": {"Bearer a.b.c"}}, "a.b.c"},
		{"header, empty", []string{"header:X-Token"}, h{"X-Token": {""}}, "-"},
		{"header, twice", []string{"header:X-Token"}, h{"X-Token": {"a", "b"}}, "!"},
		{"cookie", []string{"cookie:tok"}, h{"Cookie": {"a=b; tok=a.b.c"}}, "a.b.c"},
		{"cookie twice", []string{"cookie:tok"}, h{"Cookie": {"tok=a; tok=b"}}, "!"},
		{"cookie twice in two headers", []string{"cookie:tok"}, h{"Cookie": {"tok=a", "tok=b"}}, "!"},
		{"cookie, empty", []string{"cookie:tok"}, h{"Cookie": {"tok="}}, "-"},
		{"first place wins", []string{"bearer", "cookie:tok"}, h{"Authorization": {"Bearer a"}, "Cookie": {"tok=b"}}, "a"},
		{"second place", []string{"bearer", "cookie:tok"}, h{"Authorization": {"Basic a"}, "Cookie": {"tok=b"}}, "b"},
		{"an error in the first place", []string{"bearer", "cookie:tok"}, h{"Authorization": {"Bearer"}, "Cookie": {"tok=b"}}, "!"},
	} {
		e, err := NewExtractor(c.from)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for k, v := range c.headers {
			r.Header[k] = v
		}
		tok, ok, err := e.Token(r)
		got := tok
		switch {
		case err != nil:
			got = "!"
			if !errors.Is(err, auth.ErrCredentials) || ok {
				t.Errorf("%s: %v", c.name, err)
			}
		case !ok:
			got = "-"
		}
		if got != c.want {
			t.Errorf("%s: %q, %v, %v; want %q", c.name, tok, ok, err, c.want)
		}
	}
}

func TestExtractorSettings(t *testing.T) {
	for _, bad := range []string{"", "Bearer", "bearer:x", "raw:", "header", "header:", "header:a b", "header:Authorization", "header:cookie", "cookie:", "cookie:a;b", "query:token"} {
		if _, err := NewExtractor([]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	e, err := NewExtractor([]string{"bearer", "raw", "header:x-token", "cookie:tok"})
	if err != nil || !slices.Equal(e.Headers(), []string{"Authorization", "X-Token", "Cookie"}) || !e.Cookies() {
		t.Errorf("%v, %v", e.Headers(), err)
	}
}

func TestFromMessage(t *testing.T) {
	e, err := NewExtractor(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ msg, want string }{
		{`{"data":{"token":"a.b.c"}}`, "a.b.c"},
		{`{"type":"connection_init","payload":{"authToken":"a.b.c"}}`, "a.b.c"},
		{`{"data":{"token":""}}`, "-"},
		{`{"data":{"token":null}}`, "-"},
		{`{"data":{}}`, "-"},
		{`{"data":"token"}`, "-"},
		{`{"token":"a.b.c"}`, "-"},
		{`{}`, "-"},
		{`{"data":{"token":1}}`, "!"},
		{`{"data":{"token":["a"]}}`, "!"},
		{`{"data":{"token":"a","token":"b"}}`, "!"},
		{`{"data":{"token":"a","Token":"b"}}`, "!"},
		{`[]`, "!"}, {``, "!"}, {`{`, "!"}, {"\xff", "!"}, {strings.Repeat(`{"data":`, 1000), "!"},
	} {
		tok, ok, err := e.FromMessage([]byte(c.msg))
		got := tok
		switch {
		case err != nil && errors.Is(err, auth.ErrCredentials):
			got = "!"
		case !ok:
			got = "-"
		}
		if got != c.want {
			t.Errorf("%.60s: %q, %v, %v; want %q", c.msg, tok, ok, err, c.want)
		}
	}
}
