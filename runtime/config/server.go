package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Server holds the limits and deadlines of the HTTP server: the section server of the configuration. Durations are seconds or texts such as
// "1m30s", sizes are bytes or texts such as "1mb". Each field says its key below server and its default; 0 is off where that is said.
type Server struct {
	ReadHeaderTimeout time.Duration // read_header_timeout: 10 s
	ReadTimeout       time.Duration // read_timeout: 30 s, for a whole request with its body
	WriteTimeout      time.Duration // write_timeout: 60 s, for a whole answer; streamed ones have a bound for each piece in its place
	IdleTimeout       time.Duration // idle_timeout: 120 s, of a connection without requests
	// RequestTimeout (request_timeout: 30 s, 0 is off) is the deadline of a request. It ends statements in the database too.
	RequestTimeout time.Duration
	MaxHeader      int           // header_limit: 32 KB
	MaxBody        int64         // body_parser.limit: 1 MB, of JSON bodies and batches; services may say otherwise by @cds.server.body_parser.limit
	MaxMedia       int64         // media.limit: 16 MB, of what is written to streams
	MaxSpool       int64         // media.spool: 1 GB, of all temporary files for media data that are on their way; beyond it requests are answered by 503
	SpoolDir       string        // media.dir: the folder for them; "" for the system's
	MaxBatch       int           // batch_limit: 100 requests; odata.batch_limit counts too
	Drain          time.Duration // shutdown.drain: 2 s in production, else 0. So long requests are still taken after /health is down
	Grace          time.Duration // shutdown.grace: 30 s, for requests that are under way then
	// Metrics is the address of a listener of its own for counters as plain text (metrics, such as "127.0.0.1:9464"); "" for none.
	Metrics string
	// TrustedProxies (trusted_proxies: none) are the addresses whose X-Forwarded-Proto is believed. Other forwarded headers are not looked at.
	TrustedProxies []netip.Prefix
	// HSTS is the max-age of Strict-Transport-Security where a request came by TLS (hsts: a year, 0 is off).
	HSTS time.Duration
	CORS CORS
}

// CORS says which pages of other origins may call (cors). The default is none in production and all of them, without credentials of
// theirs, elsewhere.
type CORS struct {
	Any         bool     // cors: true
	Origins     []string // cors.origins: scheme://host[:port] each
	Credentials bool     // cors.credentials: cookies and the like may be sent along; needs origins
	Headers     []string // cors.headers: request headers beyond those that the protocol needs
	MaxAge      time.Duration
}

// Enabled reports whether any other origin may call.
func (c *CORS) Enabled() bool { return c.Any || len(c.Origins) > 0 }

// ServerOf reads the section. An unusable value is an *Error: it is not replaced by the default, which nobody asked for.
func ServerOf(c *Config) (Server, error) {
	production := c.Is(Production)
	drain := time.Duration(0)
	if production {
		drain = 2 * time.Second
	}
	r := &reader{s: c.Section}
	s := Server{
		ReadHeaderTimeout: r.duration("server.read_header_timeout", 10*time.Second, 1),
		ReadTimeout:       r.duration("server.read_timeout", 30*time.Second, 1),
		WriteTimeout:      r.duration("server.write_timeout", 60*time.Second, 1),
		IdleTimeout:       r.duration("server.idle_timeout", 120*time.Second, 1),
		RequestTimeout:    r.duration("server.request_timeout", 30*time.Second, 0),
		MaxHeader:         int(r.size("server.header_limit", 32<<10, 1<<10, 1<<20)),
		MaxBody:           r.size("server.body_parser.limit", 1<<20, 1, 1<<30),
		MaxMedia:          r.size("server.media.limit", 16<<20, 1, 1<<40),
		MaxSpool:          r.size("server.media.spool", 1<<30, 1<<20, 1<<50),
		SpoolDir:          c.Str("server.media.dir"),
		MaxBatch:          r.count("server.batch_limit", r.count("odata.batch_limit", 100)),
		Drain:             r.duration("server.shutdown.drain", drain, 0),
		Grace:             r.duration("server.shutdown.grace", 30*time.Second, 1),
		HSTS:              r.duration("server.hsts", 365*24*time.Hour, 0),
		Metrics:           c.Str("server.metrics"),
	}
	if _, _, err := net.SplitHostPort(s.Metrics); s.Metrics != "" && err != nil {
		r.fail("server.metrics", "host:port", "such as 127.0.0.1:9464")
	}
	for _, p := range c.Strings("server.trusted_proxies") {
		prefix, err := netip.ParsePrefix(p)
		if addr, aerr := netip.ParseAddr(p); err != nil && aerr == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			r.fail("server.trusted_proxies", "a list of addresses or networks", "such as 10.0.0.0/8")
		}
		s.TrustedProxies = append(s.TrustedProxies, prefix.Masked())
	}
	s.CORS = r.cors(production)
	c.Warnings = append(c.Warnings, unknownServerKeys(c.Sub("server"))...)
	return s, r.err
}

// serverKeys are the keys of the section. Some are read elsewhere, some are CAP's and have no meaning here.
var serverKeys = []string{"port", "read_header_timeout", "read_timeout", "write_timeout", "idle_timeout", "request_timeout", "header_limit", "body_parser", "media", "batch_limit",
	"shutdown", "hsts", "metrics", "trusted_proxies", "cors", "static", "api_docs", "index", "url", "force_exit_timeout", "shutdown_on_uncaught_errors", "exit_on_multi_install", "base"}

// unknownServerKeys tells of keys that nothing reads: a misspelt limit is no limit.
func unknownServerKeys(s Section) (out []string) {
	for _, k := range s.Keys() {
		if !slices.Contains(serverKeys, k) {
			out = append(out, fmt.Sprintf("server.%s is not known, so it has no effect", k))
		}
	}
	return out
}

// A reader reads typed values and keeps the first error.
type reader struct {
	s   Section
	err error
}

func (r *reader) fail(path, want, hint string) {
	if r.err == nil {
		v, _ := r.s.Get(path)
		r.err = &Error{"config-bad-value", path, fmt.Sprintf("%q is not %s", fmt.Sprint(v), want), hint}
	}
}

func (r *reader) duration(path string, def, least time.Duration) time.Duration {
	if _, ok := r.s.Get(path); !ok {
		return def
	}
	t := r.s.Str(path)
	if t == "false" {
		t = "0"
	}
	d, err := time.ParseDuration(t)
	if n, nerr := strconv.ParseFloat(t, 64); nerr == nil && n >= 0 && n < 1e9 {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d < least {
		r.fail(path, "a duration", `seconds, or a text such as "90s" or "1m30s"`)
		return def
	}
	return d
}

func (r *reader) size(path string, def, least, most int64) int64 {
	if _, ok := r.s.Get(path); !ok {
		return def
	}
	n, err := ParseSize(r.s.Str(path))
	if err != nil || n < least || n > most {
		r.fail(path, fmt.Sprintf("a size from %d to %d bytes", least, most), `bytes, or a text such as "500kb" or "2mb"`)
		return def
	}
	return n
}

// ParseSize reads a number of bytes: "1048576", "1024kb", "1mb" or "1GB", all powers of 1024.
func ParseSize(text string) (int64, error) {
	t := strings.ToLower(strings.TrimSpace(text))
	unit := 1.0
	for _, u := range []struct {
		suffix string
		factor float64
	}{{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"tb", 1 << 40}, {"b", 1}} {
		if rest, ok := strings.CutSuffix(t, u.suffix); ok {
			t, unit = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseFloat(t, 64)
	if err != nil || !(n >= 0 && n*unit < 1<<60) {
		return 0, fmt.Errorf("%q is no size", text)
	}
	return int64(n * unit), nil
}

func (r *reader) count(path string, def int) int {
	if _, ok := r.s.Get(path); !ok {
		return def
	}
	n, err := strconv.Atoi(r.s.Str(path))
	if err != nil || n < 1 || n > 1_000_000 {
		r.fail(path, "a number from 1 to 1000000", "")
		return def
	}
	return n
}

func (r *reader) cors(production bool) CORS {
	c := CORS{MaxAge: r.duration("server.cors.max_age", 10*time.Minute, 0)}
	sec := r.s.Sub("server.cors")
	if sec == nil {
		c.Any = r.s.Bool("server.cors", !production)
		return c
	}
	c.Origins, c.Headers, c.Credentials = sec.Strings("origins"), sec.Strings("headers"), sec.Bool("credentials", false)
	for i, o := range c.Origins {
		if o == "*" {
			c.Any, c.Origins = true, nil
			break
		}
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
			r.fail("server.cors.origins", "a list of origins", "such as https://shop.example")
			break
		}
		c.Origins[i] = strings.ToLower(u.Scheme + "://" + u.Host)
	}
	if c.Any && c.Credentials {
		r.fail("server.cors.credentials", "allowed for any origin", "name the origins, or leave credentials out")
	}
	return c
}
