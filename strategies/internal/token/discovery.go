package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Metadata is what an issuer says about itself (OpenID Connect Discovery section 3).
type Metadata struct {
	Issuer, JWKSURI                              string
	AuthorizationEndpoint, TokenEndpoint         string
	UserinfoEndpoint, EndSessionEndpoint         string
	IntrospectionEndpoint, RevocationEndpoint    string
	IDTokenAlgorithms, CodeChallengeMethods      []string
	BackchannelLogout, AuthorizationIssParameter bool
	Claims                                       Claims // the whole document
}

// Discovery finds an issuer's metadata, when they are needed first, and keeps them as a key set is kept.
type Discovery struct {
	issuer string
	opt    JWKSOptions
	r      remote[*Metadata]
}

// NewDiscovery returns the discovery of an issuer. Of the options, those about URL, file and keys do not matter.
func NewDiscovery(issuer string, opt JWKSOptions) *Discovery {
	opt.defaults()
	d := &Discovery{issuer: issuer, opt: opt}
	d.r = remote[*Metadata]{name: "the configuration of " + issuer, load: d.load, now: opt.Now, log: opt.Log, stale: opt.Stale, pause: opt.Refetch, least: minTTL}
	d.r.start()
	return d
}

// Metadata returns the issuer's metadata.
func (d *Discovery) Metadata(ctx context.Context) (*Metadata, error) {
	m, err := d.r.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("the configuration of %s is not available: %w", d.issuer, err)
	}
	return m, nil
}

// JWKS returns the set of the issuer's keys, whose URL discovery finds.
func (d *Discovery) JWKS() *JWKS {
	opt := d.opt
	opt.URL, opt.File = "", ""
	opt.Find = func(ctx context.Context) (string, error) {
		m, err := d.Metadata(ctx)
		if err != nil {
			return "", err
		}
		return m.JWKSURI, nil
	}
	return NewJWKS(opt)
}

// Close ends a fetch that is under way.
func (d *Discovery) Close() { d.r.close() }

func (d *Discovery) load(ctx context.Context, _ *Metadata) (*Metadata, time.Duration, error) {
	b, ttl, err := fetch(ctx, d.opt.Client, WellKnown(d.issuer), d.opt.Header, d.opt.MaxBytes, d.opt.Loopback, d.opt.Now())
	if err != nil {
		return nil, 0, err
	}
	if ttl == 0 {
		ttl = d.opt.TTL
	}
	m, err := parseMetadata(b, d.issuer, d.opt.Loopback)
	return m, ttl, err
}

// WellKnown is the URL of an issuer's metadata.
func WellKnown(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// Discover fetches an issuer's metadata once. The client should follow no redirects. Errors: anything but 200, more than 1 MB, no strict JSON, another issuer than
// the one that was asked, a key set or endpoint that is not https.
func Discover(ctx context.Context, client *http.Client, issuer string) (*Metadata, error) {
	d := NewDiscovery(issuer, JWKSOptions{Client: client})
	defer d.Close()
	m, _, err := d.load(ctx, nil)
	return m, err
}

func parseMetadata(b []byte, issuer string, loopback bool) (*Metadata, error) {
	doc, err := decodeObject(b)
	if err != nil {
		return nil, fmt.Errorf("no metadata: %w", err)
	}
	c := Claims(doc)
	if iss, _ := doc["issuer"].(string); iss != issuer {
		return nil, fmt.Errorf("the metadata are of the issuer %.100q, not of %.100q", iss, issuer)
	}
	m := &Metadata{Issuer: issuer, Claims: c}
	for name, p := range map[string]*string{
		"jwks_uri": &m.JWKSURI, "authorization_endpoint": &m.AuthorizationEndpoint, "token_endpoint": &m.TokenEndpoint,
		"userinfo_endpoint": &m.UserinfoEndpoint, "end_session_endpoint": &m.EndSessionEndpoint,
		"introspection_endpoint": &m.IntrospectionEndpoint, "revocation_endpoint": &m.RevocationEndpoint,
	} {
		v, ok := doc[name]
		if !ok || v == nil {
			continue
		}
		s, _ := v.(string)
		if err := CheckURL(s, loopback); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		*p = s
	}
	if m.JWKSURI == "" {
		return nil, errors.New("the metadata name no key set (jwks_uri)")
	}
	m.IDTokenAlgorithms = listOf(doc["id_token_signing_alg_values_supported"])
	m.CodeChallengeMethods = listOf(doc["code_challenge_methods_supported"])
	m.BackchannelLogout, _ = doc["backchannel_logout_supported"].(bool)
	m.AuthorizationIssParameter, _ = doc["authorization_response_iss_parameter_supported"].(bool)
	return m, nil
}

func listOf(v any) []string {
	list, _ := texts(v)
	return list
}
