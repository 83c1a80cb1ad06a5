package sap

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"

	"cds/strategies/internal/settings"
	"cds/strategies/internal/token"
)

// DefaultCertHeader is where proxies put the client's certificate.
const DefaultCertHeader = "X-Forwarded-Client-Cert"

// A CertRule says how tokens that are bound to a client certificate (RFC 8705 section 3: the claim cnf with x5t#S256) are checked: a token that was stolen is of
// no use without the key of the certificate.
type CertRule struct {
	Off      bool // bound tokens pass without a certificate
	Required bool // tokens that are not bound are refused
	Header   string
	// Trusted reports whether a request comes from a proxy whose header is believed; nil for never.
	Trusted func(r *http.Request) bool
}

// ReadCertRule reads requires.auth.x5t: true (the default), false or "required", or an object with enabled, required and header. CAP's
// requires.auth.config.validation.x5t.enabled counts too.
func ReadCertRule(r *settings.Reader) CertRule {
	c := CertRule{Header: DefaultCertHeader}
	if v := r.Section("config").Section("validation").Section("x5t"); v.Has("enabled") {
		c.Off = !v.Bool("enabled", true)
	}
	switch v := r.Config["x5t"]; v := v.(type) {
	case nil:
	case string:
		if v != "required" {
			c.Off = !r.Bool("x5t", true)
		}
		c.Required = v == "required"
	case bool:
		c.Off = !v
	default:
		s := r.Section("x5t")
		s.Known("enabled", "required", "header")
		c.Off, c.Required = !s.Bool("enabled", true), s.Bool("required", false)
		if h := s.Text("header"); h != "" {
			c.Header = h
		}
	}
	if c.Off && c.Required {
		r.Fail("x5t", "", "bound tokens are required and not checked at the same time")
	}
	return c
}

// Check refuses a token whose certificate the client has not shown. It belongs to the request, so it is asked for known tokens too.
func (c *CertRule) Check(r *http.Request, claims token.Claims) error {
	if c.Off {
		return nil
	}
	v, bound := claims["cnf"]
	if !bound || v == nil {
		if c.Required {
			return token.Refuse("token-certificate", "the token is not bound to a certificate, and requires.auth.x5t says that it must be")
		}
		return nil
	}
	cnf, ok := v.(map[string]any)
	if !ok {
		return token.Refuse("token-claim", "the claim cnf is no object")
	}
	want, ok := cnf["x5t#S256"].(string)
	if !ok || len(cnf) != 1 {
		return token.Refuse("token-certificate", "the token is bound in a way that is not known; x5t#S256 is") // such as to a key (DPoP) that is not checked
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(want)
	if err != nil || len(sum) != sha256.Size {
		return token.Refuse("token-claim", "the claim cnf has no SHA-256 in x5t#S256")
	}
	got, err := c.certificate(r)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(sum, got) != 1 {
		return token.Refuse("token-certificate", "the token is bound to another certificate than the client's")
	}
	return nil
}

// certificate returns the SHA-256 of the client's certificate: that of the connection, or the one that a trusted proxy tells of.
func (c *CertRule) certificate(r *http.Request) ([]byte, error) {
	if c.Trusted != nil && c.Trusted(r) {
		values := r.Header.Values(c.Header)
		switch {
		case len(values) > 1:
			return nil, token.Refuse("token-certificate", "more than one header %s", c.Header)
		case len(values) == 1 && values[0] != "":
			sum, ok := forwarded(values[0])
			if !ok {
				return nil, token.Refuse("token-certificate", "the header %s holds no single certificate", c.Header)
			}
			return sum, nil
		}
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
		return sum[:], nil
	}
	return nil, token.Refuse("token-certificate", "the token is bound to a certificate, and there is none: not in the connection, and not in %s of a trusted proxy "+
		"(server.trusted_proxies); requires.auth.x5t: false switches the check off", c.Header)
}

// forwarded reads a certificate as proxies write it: DER in base64 (Cloud Foundry), PEM, also with URL escapes (nginx), or Envoy's list with Hash or Cert. Several certificates
// are none, since it is not known whose is the first.
func forwarded(v string) ([]byte, bool) {
	v = strings.TrimSpace(v)
	if strings.Contains(v, "Hash=") || strings.Contains(v, "Cert=") {
		return envoy(v)
	}
	if strings.Contains(v, "%") {
		plain, err := url.PathUnescape(v)
		if err != nil {
			return nil, false
		}
		v = plain
	}
	der := []byte(nil)
	if strings.Contains(v, "-----BEGIN") {
		block, rest := pem.Decode([]byte(v))
		if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
			return nil, false
		}
		der = block.Bytes
	} else {
		b, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			return nil, false
		}
		der = b
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		return nil, false
	}
	sum := sha256.Sum256(der)
	return sum[:], true
}

// envoy reads one element of Envoy's header: names and values in pairs, separated by semicolons, values maybe in quotes.
func envoy(v string) ([]byte, bool) {
	var sum []byte
	quoted := false
	for _, pair := range strings.FieldsFunc(v, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ';' && !quoted
	}) {
		name, text, _ := strings.Cut(pair, "=")
		inQuotes := strings.HasPrefix(text, `"`)
		text = strings.Trim(text, `"`)
		if !inQuotes && strings.Contains(text, ",") {
			return nil, false // another element
		}
		var one []byte
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "hash":
			b, err := hex.DecodeString(text)
			if err != nil || len(b) != sha256.Size {
				return nil, false
			}
			one = b
		case "cert":
			b, ok := forwarded(text)
			if !ok {
				return nil, false
			}
			one = b
		default:
			continue
		}
		if sum != nil && subtle.ConstantTimeCompare(sum, one) != 1 {
			return nil, false
		}
		sum = one
	}
	return sum, sum != nil && !quoted
}
