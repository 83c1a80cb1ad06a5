// Package saptest is a stand-in for SAP's identity services for tests: key sets by zone as XSUAA has them, issuers below a domain as Identity Authentication has them, and
// the pages of a login by authorization code. It speaks https with a certificate of its own.
package saptest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cds/strategies/internal/idptest"
)

// IASDomain is the domain of the issuers.
const IASDomain = "accounts.test"

// A Landscape is the services. Every host leads to it: by Client, which knows its certificate.
type Landscape struct {
	Domain string // of XSUAA: host and port
	CA     []byte // its certificate as PEM
	Client *http.Client
	URL    string // https://Domain

	mu       sync.Mutex
	keys     map[string][]*idptest.Key // by zone, or by issuer, the newest last
	requests []*http.Request
	broken   bool
	login    login
}

// New starts a landscape. It ends with the test.
func New(t testing.TB) *Landscape { return NewAt(t, "127.0.0.1:0") }

// NewAt starts a landscape at an address.
func NewAt(t testing.TB, address string) *Landscape {
	t.Helper()
	cert, ca := certificate(t)
	l := &Landscape{CA: ca, keys: map[string][]*idptest.Key{}}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(l.serve))
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = srv.Listener.Close()
	srv.Listener = ln
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	addr := srv.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	l.Domain = "localhost:" + port
	l.URL = "https://" + l.Domain
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	l.Client = &http.Client{Transport: transport, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return l
}

func certificate(t testing.TB) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost", "*." + IASDomain, "*.evil.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Key returns the newest key of a zone or an issuer ("https://…"), and makes the first one.
func (l *Landscape) Key(t testing.TB, of string) *idptest.Key {
	t.Helper()
	l.mu.Lock()
	have := l.keys[of]
	l.mu.Unlock()
	if len(have) > 0 {
		return have[len(have)-1]
	}
	return l.Rotate(t, of, "RS256")
}

// Rotate adds a key.
func (l *Landscape) Rotate(t testing.TB, of, alg string) *idptest.Key {
	t.Helper()
	k := idptest.NewKey(t, alg)
	l.mu.Lock()
	defer l.mu.Unlock()
	k.ID = "key-" + of + "-" + string(rune('a'+len(l.keys[of])))
	l.keys[of] = append(l.keys[of], k)
	return k
}

// Retire takes all keys but the newest away.
func (l *Landscape) Retire(of string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.keys[of]; len(have) > 0 {
		l.keys[of] = have[len(have)-1:]
	}
}

// Break makes every answer a 500, or not.
func (l *Landscape) Break(broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
}

// Requests returns those whose URL contains a text.
func (l *Landscape) Requests(containing string) (out []*http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.requests {
		if strings.Contains(r.Host+r.URL.String(), containing) {
			out = append(out, r)
		}
	}
	return out
}

// XSUAA returns the claims of a token for the application shop!t1 with others merged in; nil takes one away.
func XSUAA(zid string, more map[string]any) map[string]any {
	c := map[string]any{
		"zid": zid, "aud": []string{"shop!t1", "openid"}, "scope": []string{"openid", "shop!t1.Editor"}, "grant_type": "authorization_code", "user_name": "alice",
		"cid": "sb-shop!t1", "client_id": "sb-shop!t1", "azp": "sb-shop!t1", "iss": "https://tenant.authentication.test/oauth/token",
	}
	maps.Copy(c, more)
	return c
}

func (l *Landscape) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.requests = append(l.requests, r.Clone(context.WithoutCancel(r.Context())))
	broken := l.broken
	l.mu.Unlock()
	if broken {
		http.Error(w, "no", http.StatusInternalServerError)
		return
	}
	switch r.URL.Path {
	case "/token_keys":
		l.set(w, r.URL.Query().Get("zid"))
	case "/.well-known/openid-configuration":
		l.answer(w, map[string]any{"issuer": "https://" + r.Host, "jwks_uri": "https://" + r.Host + "/oauth2/certs"})
	case "/oauth2/certs":
		l.set(w, "https://"+r.Host)
	case "/oauth/authorize":
		l.authorize(w, r)
	case "/oauth/token":
		l.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (l *Landscape) set(w http.ResponseWriter, of string) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	l.mu.Lock()
	for _, k := range l.keys[of] {
		jwk := k.JWK()
		jwk.Algorithm = "" // as there, so that one key serves several algorithms
		set.Keys = append(set.Keys, jwk)
	}
	l.mu.Unlock()
	l.answer(w, set)
}

func (l *Landscape) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
