package config

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func serverOf(t *testing.T, rc string, profiles ...string) (Server, error) {
	t.Helper()
	c, err := Load(Options{Dir: fstest.MapFS{".cdsrc.json": {Data: []byte(rc)}}, Profiles: profiles})
	if err != nil {
		t.Fatal(err)
	}
	return ServerOf(c)
}

// TestServerDefaults: without configuration the safe values hold.
func TestServerDefaults(t *testing.T) {
	s, err := serverOf(t, `{}`, Production)
	if err != nil {
		t.Fatal(err)
	}
	if s.ReadHeaderTimeout != 10*time.Second || s.ReadTimeout != 30*time.Second || s.WriteTimeout != 60*time.Second || s.IdleTimeout != 120*time.Second ||
		s.RequestTimeout != 30*time.Second || s.MaxHeader != 32<<10 || s.MaxBody != 1<<20 || s.MaxBatch != 100 || s.Drain != 2*time.Second || s.Grace != 30*time.Second {
		t.Errorf("%+v", s)
	}
	if s.CORS.Enabled() || s.Metrics != "" || len(s.TrustedProxies) > 0 {
		t.Errorf("something is open: %+v", s)
	}
	if s, err = serverOf(t, `{}`); err != nil || !s.CORS.Any || s.CORS.Credentials || s.Drain != 0 {
		t.Errorf("development: %+v %v", s, err)
	}
}

func TestServerValues(t *testing.T) {
	s, err := serverOf(t, `{"odata":{"batch_limit":7},"server":{"read_timeout":"1m30s","request_timeout":0,"idle_timeout":5,"body_parser":{"limit":"2.5mb"},"header_limit":"16 KB",
		"media":{"limit":"1gb"},"trusted_proxies":["10.0.0.0/8","::1"],"hsts":false,"metrics":"127.0.0.1:0","cors":{"origins":["HTTPS://Shop.Example/"],"credentials":true,"headers":["X-A"]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if s.ReadTimeout != 90*time.Second || s.RequestTimeout != 0 || s.IdleTimeout != 5*time.Second || s.MaxBody != 5<<19 || s.MaxHeader != 16<<10 || s.MaxMedia != 1<<30 || s.MaxBatch != 7 || s.HSTS != 0 {
		t.Errorf("%+v", s)
	}
	if len(s.TrustedProxies) != 2 || s.CORS.Any || len(s.CORS.Origins) != 1 || s.CORS.Origins[0] != "https://shop.example" || !s.CORS.Credentials {
		t.Errorf("%+v", s)
	}
}

// TestServerUnknownKeys: a limit that is misspelt does not pass unnoticed.
func TestServerUnknownKeys(t *testing.T) {
	c, err := Load(Options{Dir: fstest.MapFS{".cdsrc.json": {Data: []byte(`{"server":{"reqest_timeout":5,"port":1,"cors":true}}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ServerOf(c); err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "server.reqest_timeout") {
		t.Errorf("%v, %v", c.Warnings, err)
	}
}

// TestServerRefusals: a value that cannot be used stops the start and says where it is.
func TestServerRefusals(t *testing.T) {
	for rc, place := range map[string]string{
		`{"server":{"read_timeout":"soon"}}`:                             "server.read_timeout",
		`{"server":{"read_timeout":0}}`:                                  "server.read_timeout",
		`{"server":{"request_timeout":-1}}`:                              "server.request_timeout",
		`{"server":{"body_parser":{"limit":"much"}}}`:                    "server.body_parser.limit",
		`{"server":{"body_parser":{"limit":"-1mb"}}}`:                    "server.body_parser.limit",
		`{"server":{"body_parser":{"limit":"NaN"}}}`:                     "server.body_parser.limit",
		`{"server":{"header_limit":"1gb"}}`:                              "server.header_limit",
		`{"server":{"batch_limit":0}}`:                                   "server.batch_limit",
		`{"server":{"trusted_proxies":["everybody"]}}`:                   "server.trusted_proxies",
		`{"server":{"metrics":"9464"}}`:                                  "server.metrics",
		`{"server":{"cors":{"origins":["shop.example"]}}}`:               "server.cors.origins",
		`{"server":{"cors":{"origins":["*"],"credentials":true}}}`:       "server.cors.credentials",
		`{"server":{"cors":{"origins":["https://a.example/path?q=1"]}}}`: "server.cors.origins",
	} {
		_, err := serverOf(t, rc)
		var e *Error
		if !errors.As(err, &e) || e.Place != place || !strings.Contains(e.Message, "is not") {
			t.Errorf("%s: %v, want an error at %s", rc, err, place)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"1mb", "1e3", "b", "", "1.5 GB", "-1", "Inf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); err == nil && n < 0 {
			t.Errorf("%q: %d", s, n)
		}
	})
}
