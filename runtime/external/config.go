package external

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"cds/runtime/config"
)

var known = []string{"attrs", "body", "cache", "events", "headers", "insecure", "on", "timeout", "token", "url"}

// FromConfig reads authz.webhooks from the section authz: by name,
//
//	url       https, or http to this machine
//	insecure  true lets http go to other machines
//	on        services, entities and operations that it is asked about, beside those with @authz.check: 'name'
//	events    READ, CREATE, UPDATE, DELETE, WRITE or names of operations; default all
//	timeout   of a call; default 1s
//	cache     how long an answer holds; default 0
//	token     sent as bearer token
//	headers   sent in addition
//	attrs     attributes of users that are sent; default all but those whose names are those of secrets
//	body      a template (text/template) that makes the JSON that is sent; default is the question as it is
//
// Errors are *config.Error: nothing that is not understood is passed over.
func FromConfig(authz config.Section) ([]Check, error) {
	v, ok := authz.Get("webhooks")
	if !ok || v == nil {
		return nil, nil
	}
	all := authz.Sub("webhooks")
	if all == nil {
		return nil, bad("", "is no object with webhooks by their names", "{ \"legal\": { \"url\": \"https://…\" } }")
	}
	var out []Check
	for _, name := range all.Keys() {
		sec := all.Sub(name)
		if sec == nil {
			return nil, bad("."+name, "is no object", "{ \"url\": \"https://…\" }")
		}
		c, err := webhook(name, sec)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func webhook(name string, sec config.Section) (Check, error) {
	at := "." + name
	for _, k := range sec.Keys() {
		if !slices.Contains(known, k) {
			hint := "known keys: " + strings.Join(known, ", ")
			if near := config.Closest(k, known); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			return Check{}, bad(at+"."+k, "is not known", hint)
		}
	}
	h := &Webhook{Name: name, URL: sec.Str("url"), Token: sec.Str("token"), Headers: map[string]string{}}
	c := Check{Name: name, On: sec.Strings("on"), Events: sec.Strings("events"), Asked: h}
	if err := checkURL(at, h.URL, sec); err != nil {
		return c, err
	}
	var err error
	if h.Timeout, err = duration(sec, at, "timeout", time.Second, 10*time.Millisecond, 30*time.Second); err != nil {
		return c, err
	}
	if h.Cache, err = duration(sec, at, "cache", 0, 0, time.Hour); err != nil {
		return c, err
	}
	if headers := sec.Sub("headers"); headers != nil {
		for _, n := range headers.Keys() {
			v := headers.Str(n)
			if !headerName(n) || strings.ContainsAny(v, "\r\n\x00") {
				return c, bad(at+".headers."+n, "is no header", "")
			}
			h.Headers[n] = v
		}
	}
	if _, ok := sec.Get("attrs"); ok {
		h.Attrs = append([]string{}, sec.Strings("attrs")...)
	}
	if text := sec.Str("body"); text != "" {
		if h.Body, err = template.New("body").Funcs(Functions()).Option("missingkey=error").Parse(text); err != nil {
			return c, bad(at+".body", "is no template: "+err.Error(), `such as {"input": {{json .}}}`)
		}
	}
	h.Client = client()
	return c, nil
}

// client makes the client of one webhook. Redirects are not followed: who decides is said by the configuration.
func client() *http.Client {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if ok {
		transport = transport.Clone()
		transport.MaxIdleConnsPerHost = maxCalls
		transport.MaxResponseHeaderBytes = 64 << 10
	} else {
		transport = &http.Transport{}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// checkURL wants questions to travel encrypted, unless they stay on this machine or the configuration says otherwise.
func checkURL(at, text string, sec config.Section) error {
	u, err := url.Parse(text)
	switch {
	case text == "" || err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return bad(at+".url", "is no address", "such as https://policy.example/decide")
	case u.User != nil:
		return bad(at+".url", "has a password in it", "use token or headers")
	case u.Scheme == "https":
		return nil
	}
	ip := net.ParseIP(u.Hostname())
	if u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() || sec.Bool("insecure", false) {
		return nil
	}
	return bad(at+".url", "is not encrypted", "use https; insecure: true allows http nevertheless")
}

func duration(sec config.Section, at, key string, def, least, most time.Duration) (time.Duration, error) {
	if _, ok := sec.Get(key); !ok {
		return def, nil
	}
	text := sec.Str(key)
	d, err := time.ParseDuration(text)
	if n, nerr := strconv.ParseFloat(text, 64); nerr == nil && n >= 0 && n < 1e6 {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d < least || d > most {
		return 0, bad(at+"."+key, fmt.Sprintf("is no duration from %s to %s", least, most), `seconds, or a text such as "500ms"`)
	}
	return d, nil
}

func headerName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// secret reports whether an attribute has the name of something that is not to be told.
func secret(name string) bool { return config.SecretName(name) }

func bad(key, message, hint string) error {
	return &config.Error{Code: "config-bad-value", Place: "authz.webhooks" + key, Message: message, Hint: hint}
}
