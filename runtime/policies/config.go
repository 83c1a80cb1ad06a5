package policies

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"cds/runtime/config"
)

// A Config is the section authz.policies of the configuration.
type Config struct {
	On, Extend     bool
	Refresh, Stale time.Duration
	Path, Role     string // of the service for managing policies; Path is "" for none
}

// The defaults of the service.
const (
	DefaultPath = "/authz/policies"
	DefaultRole = "policy-admin"
)

var known, knownService = []string{"mode", "refresh", "service", "stale"}, []string{"path", "role"}

// FromConfig reads authz.policies from the section authz: false (default), true or 'narrow', 'extend', or an object:
//
//	mode     narrow (default): policies restrict and deny; extend: they may grant, too
//	refresh  how often other processes' changes are looked for; default 5s
//	stale    how long the policies that were read last hold while they cannot be read; default 1m
//	service  true or { path, role }: policies are managed over HTTP, at /authz/policies by users with the role policy-admin; default false
//
// Errors are *config.Error: nothing that is not understood is passed over.
func FromConfig(authz config.Section) (Config, error) {
	c := Config{Refresh: 5 * time.Second, Stale: time.Minute}
	v, ok := authz.Get("policies")
	if !ok || v == nil {
		return c, nil
	}
	sec := authz.Sub("policies")
	if sec == nil {
		return c, c.mode(authz.Str("policies"), "")
	}
	if err := unknown(sec, known, ""); err != nil {
		return c, err
	}
	if err := c.mode(orElse(sec.Str("mode"), "narrow"), ".mode"); err != nil {
		return c, err
	}
	for _, d := range []struct {
		key         string
		to          *time.Duration
		least, most time.Duration
	}{{"refresh", &c.Refresh, time.Second, time.Hour}, {"stale", &c.Stale, 5 * time.Second, 24 * time.Hour}} {
		if _, ok := sec.Get(d.key); !ok {
			continue
		}
		var err error
		if *d.to, err = duration(sec.Str(d.key)); err != nil || *d.to < d.least || *d.to > d.most {
			return c, bad("."+d.key, "is no duration from "+d.least.String()+" to "+d.most.String(), `seconds, or a text such as "5s"`)
		}
	}
	if c.Stale < c.Refresh {
		return c, bad(".stale", "is less than refresh", "policies that were read last hold at least until the next look")
	}
	return c, c.service(sec)
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func (c *Config) mode(text, key string) error {
	switch text {
	case "true", "narrow":
		c.On = true
	case "extend":
		c.On, c.Extend = true, true
	case "false":
	default:
		return bad(key, strconv.Quote(text)+" is not understood", "write true, 'narrow' or 'extend'")
	}
	return nil
}

// service reads whether policies are managed over HTTP.
func (c *Config) service(sec config.Section) error {
	v, ok := sec.Get("service")
	if !ok || v == nil {
		return nil
	}
	s := sec.Sub("service")
	if s == nil {
		on, err := strconv.ParseBool(sec.Str("service"))
		if err != nil {
			return bad(".service", "is not understood", "write true, or { path: …, role: … }")
		}
		if on {
			c.Path, c.Role = DefaultPath, DefaultRole
		}
		return nil
	}
	if err := unknown(s, knownService, ".service"); err != nil {
		return err
	}
	c.Path, c.Role = orElse(s.Str("path"), DefaultPath), orElse(s.Str("role"), DefaultRole)
	if !strings.HasPrefix(c.Path, "/") || strings.HasSuffix(c.Path, "/") || strings.ContainsAny(c.Path, "?#{}% ") || strings.Contains(c.Path, "//") || strings.Contains(c.Path, "/.") {
		return bad(".service.path", strconv.Quote(c.Path)+" is no path", "such as "+DefaultPath)
	}
	if c.Role == "any" || c.Role == "authenticated-user" {
		return bad(".service.role", "lets everybody write policies", "name a role that is given to few")
	}
	return nil
}

func duration(text string) (time.Duration, error) {
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1e6 {
		return time.Duration(n * float64(time.Second)), nil
	}
	return time.ParseDuration(text)
}

func unknown(sec config.Section, keys []string, at string) error {
	for _, k := range sec.Keys() {
		if !slices.Contains(keys, k) {
			hint := "known keys: " + strings.Join(keys, ", ")
			if near := config.Closest(k, keys); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			return bad(at+"."+k, "is not known", hint)
		}
	}
	return nil
}

func bad(key, message, hint string) error {
	return &config.Error{Code: "config-bad-value", Place: "authz.policies" + key, Message: message, Hint: hint}
}
