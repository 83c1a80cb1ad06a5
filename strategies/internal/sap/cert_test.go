package sap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/settings"
	"cds/strategies/internal/token"
)

func newCert(t testing.TB) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func thumb(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func asPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func TestCertRule(t *testing.T) {
	mine, other := newCert(t), newCert(t)
	sum := sha256.Sum256(mine.Raw)
	hash := hex.EncodeToString(sum[:])
	otherSum := sha256.Sum256(other.Raw)
	b64 := base64.StdEncoding.EncodeToString(mine.Raw)
	flat := strings.ReplaceAll(asPEM(mine), "\n", " ")
	const proxy, stranger = "10.0.0.1:1234", "192.0.2.1:1234"
	for _, tt := range []struct {
		name   string
		from   string
		header []string
		peer   *x509.Certificate
		want   bool
	}{
		{"DER in base64", proxy, []string{b64}, nil, true},
		{"PEM with escapes", proxy, []string{url.PathEscape(asPEM(mine))}, nil, true},
		{"Envoy's hash", proxy, []string{"By=spiffe://x;Hash=" + hash + `;Subject="CN=a;b, O=c"`}, nil, true},
		{"Envoy's certificate", proxy, []string{`Cert="` + url.PathEscape(asPEM(mine)) + `"`}, nil, true},
		{"Envoy's both", proxy, []string{"Hash=" + hash + `;Cert="` + url.PathEscape(asPEM(mine)) + `"`}, nil, true},
		{"the connection's", stranger, nil, mine, true},
		{"the connection's, at a proxy that says nothing", proxy, nil, mine, true},
		{"a stranger's header", stranger, []string{b64}, nil, false},
		{"a stranger's header beside another certificate", stranger, []string{b64}, other, false},
		{"the proxy's own certificate is not the client's", proxy, []string{base64.StdEncoding.EncodeToString(other.Raw)}, mine, false},
		{"none", proxy, nil, nil, false},
		{"another", stranger, nil, other, false},
		{"another's hash", proxy, []string{"Hash=" + hex.EncodeToString(otherSum[:])}, nil, false},
		{"two headers", proxy, []string{b64, b64}, nil, false},
		{"two elements", proxy, []string{"Hash=" + hash + ",Hash=" + hex.EncodeToString(otherSum[:])}, nil, false},
		{"two elements with other names between", proxy, []string{"Hash=" + hash + ";By=x,Hash=" + hash}, nil, false},
		{"hash and certificate that differ", proxy, []string{"Hash=" + hash + `;Cert="` + url.PathEscape(asPEM(other)) + `"`}, nil, false},
		{"two certificates in PEM", proxy, []string{url.PathEscape(asPEM(mine) + asPEM(other))}, nil, false},
		{"PEM without lines", proxy, []string{flat}, nil, false},
		{"a key", proxy, []string{url.PathEscape(strings.ReplaceAll(asPEM(mine), "CERTIFICATE", "PUBLIC KEY"))}, nil, false},
		{"the thumbprint itself", proxy, []string{thumb(mine)}, nil, false},
		{"garbage", proxy, []string{"%zz"}, nil, false},
		{"an open quote", proxy, []string{`Hash="` + hash}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule := CertRule{Header: DefaultCertHeader, Trusted: func(r *http.Request) bool { return r.RemoteAddr == proxy }}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.from
			r.Header[http.CanonicalHeaderKey(DefaultCertHeader)] = tt.header
			if tt.peer != nil {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{tt.peer}}
			}
			err := rule.Check(r, token.Claims{"cnf": map[string]any{"x5t#S256": thumb(mine)}})
			if (err == nil) != tt.want || err != nil && !errors.Is(err, auth.ErrCredentials) {
				t.Errorf("got %v", err)
			}
			if err := rule.Check(r, token.Claims{}); err != nil {
				t.Errorf("a token that is not bound: %v", err)
			}
			rule.Required = true
			if err := rule.Check(r, token.Claims{}); err == nil {
				t.Error("a token that is not bound was accepted, though it has to be")
			}
			off := CertRule{Off: true}
			if err := off.Check(r, token.Claims{"cnf": map[string]any{"x5t#S256": "x"}}); err != nil {
				t.Errorf("switched off: %v", err)
			}
		})
	}
	rule := CertRule{Header: DefaultCertHeader}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{mine}}
	for _, cnf := range []any{"x", map[string]any{}, map[string]any{"jkt": "x"}, map[string]any{"x5t#S256": 1}, map[string]any{"x5t#S256": thumb(mine) + "="}, map[string]any{"x5t#S256": ""},
		map[string]any{"x5t#S256": thumb(mine), "jkt": "x"}, []any{}} {
		if err := rule.Check(r, token.Claims{"cnf": cnf}); err == nil {
			t.Errorf("cnf %v was accepted", cnf)
		}
	}
}

func TestReadCertRule(t *testing.T) {
	for _, tt := range []struct {
		cfg  config.Section
		want CertRule
		fail bool
	}{
		{config.Section{}, CertRule{Header: DefaultCertHeader}, false},
		{config.Section{"x5t": true}, CertRule{Header: DefaultCertHeader}, false},
		{config.Section{"x5t": false}, CertRule{Header: DefaultCertHeader, Off: true}, false},
		{config.Section{"x5t": "false"}, CertRule{Header: DefaultCertHeader, Off: true}, false},
		{config.Section{"x5t": "required"}, CertRule{Header: DefaultCertHeader, Required: true}, false},
		{config.Section{"x5t": map[string]any{"required": true, "header": "X-Cert"}}, CertRule{Header: "X-Cert", Required: true}, false},
		{config.Section{"config": map[string]any{"validation": map[string]any{"x5t": map[string]any{"enabled": false}}}}, CertRule{Header: DefaultCertHeader, Off: true}, false},
		{config.Section{"x5t": "on and off"}, CertRule{}, true},
		{config.Section{"x5t": map[string]any{"enabled": false, "required": true}}, CertRule{}, true},
	} {
		r := settings.New(tt.cfg, "requires.auth")
		got := ReadCertRule(r)
		if (r.Err() != nil) != tt.fail {
			t.Errorf("%v: %v", tt.cfg, r.Err())
		}
		if !tt.fail && (got.Off != tt.want.Off || got.Required != tt.want.Required || got.Header != tt.want.Header) {
			t.Errorf("%v: %+v", tt.cfg, got)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	c := newCert(f)
	f.Add(base64.StdEncoding.EncodeToString(c.Raw))
	f.Add(`Hash=00;Cert="x";Subject="a;b"`)
	f.Add("%2D%2D-----BEGIN")
	f.Fuzz(func(t *testing.T, v string) {
		if sum, ok := forwarded(v); ok && len(sum) != sha256.Size {
			t.Errorf("%d bytes", len(sum))
		}
	})
}

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"uaa.example": true, "localhost:8443": true, "a-b.c_d.example": true, "": false, "a b": false, "a/b": false, "a@b": false, "a:": false, "a:x": false, "a:123456": false,
		".a": false, "a.": false, "a..b": false, "a?b": false, "a#b": false, "é.example": false, strings.Repeat("a", 64): false, "[::1]": false, "a:1:2": false,
	} {
		if got := ValidHost(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
