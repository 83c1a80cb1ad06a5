// Package idptest is an identity provider for tests: metadata, key sets, introspection and tokens of an issuer that can rotate and retire its keys,
// stall, lie and die.
package idptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cds/runtime/auth"
)

// A Mode is how the issuer answers requests for its documents.
type Mode int

// The modes.
const (
	OK       Mode = iota
	Fail          // 500
	Hang          // no answer until the mode changes or the client goes
	Drop          // the connection is closed
	Garbage       // bytes that are no JSON
	HTML          // a page, with 200
	Empty         // an empty key set, or metadata without members
	Huge          // more than 1 MB
	Redirect      // to another host
	TooMany       // a key set with 101 keys
)

// A Key is one of the issuer's keys.
type Key struct {
	ID, Algorithm string
	Private       crypto.Signer
}

// A Server is the issuer.
type Server struct {
	URL    string       // the issuer, without a slash at the end
	Client *http.Client // knows its certificate; follows no redirects
	HTTP   *httptest.Server
	// Metadata are merged into the metadata; null takes a member away.
	Metadata map[string]any
	// MaxAge is what answers say in Cache-Control, in seconds; 0 for nothing.
	MaxAge int
	// Active decides about introspected tokens; the result is the answer, nil for an inactive one.
	Active func(token string) map[string]any

	mu       sync.Mutex
	mode     Mode
	changed  chan struct{} // closed when the mode changes
	keys     []*Key        // published, the newest last
	next     int
	requests map[string]int
	headers  map[string]http.Header
}

// New starts an issuer with http and one ES256 key. It ends with the test.
func New(t testing.TB) *Server { return start(t, httptest.NewServer) }

// NewTLS starts an issuer with https.
func NewTLS(t testing.TB) *Server { return start(t, httptest.NewTLSServer) }

func start(t testing.TB, listen func(http.Handler) *httptest.Server) *Server {
	s := &Server{changed: make(chan struct{}), requests: map[string]int{}, headers: map[string]http.Header{}}
	s.HTTP = listen(http.HandlerFunc(s.serve))
	s.URL = s.HTTP.URL
	client := *s.HTTP.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Timeout = 30 * time.Second
	s.Client = &client
	s.Rotate(t, "ES256")
	t.Cleanup(func() {
		s.Set(Drop) // lets go of requests that hang
		s.HTTP.Close()
	})
	return s
}

// JWKS is the URL of the key set. The same set is at /token_keys and /oauth2/certs.
func (s *Server) JWKS() string { return s.URL + "/jwks.json" }

// Introspection is the URL of the introspection endpoint.
func (s *Server) Introspection() string { return s.URL + "/introspect" }

// Set changes the mode, and answers requests that hang by the new one.
func (s *Server) Set(m Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = m
	close(s.changed)
	s.changed = make(chan struct{})
}

// Rotate adds a key and makes it the one that signs; the older ones stay published.
func (s *Server) Rotate(t testing.TB, alg string) *Key {
	t.Helper()
	k := NewKey(t, alg)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	k.ID = fmt.Sprintf("key-%d", s.next)
	s.keys = append(s.keys, k)
	return k
}

// Retire takes all keys but the newest out of the set.
func (s *Server) Retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[len(s.keys)-1:]
}

// Key returns the key that signs.
func (s *Server) Key() *Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1]
}

// Requests returns how many requests a path has got, such as /jwks.json, in any mode.
func (s *Server) Requests(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[path]
}

// Discoveries and Fetches return how often the metadata and the key set were asked for.
func (s *Server) Discoveries() int { return s.Requests("/.well-known/openid-configuration") }

// Fetches is described at Discoveries.
func (s *Server) Fetches() int { return s.Requests("/jwks.json") }

// Header returns the header of the last request for a path.
func (s *Server) Header(path string) http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.headers[path]
}

// Token signs claims with the newest key; see Key.Sign. iss is the issuer unless the claims say otherwise.
func (s *Server) Token(t testing.TB, claims map[string]any, now time.Time) string {
	t.Helper()
	all := map[string]any{"iss": s.URL}
	maps.Copy(all, claims)
	return s.Key().Sign(t, all, now)
}

// NewKey makes a key for an algorithm.
func NewKey(t testing.TB, alg string) *Key {
	t.Helper()
	var p crypto.Signer
	var err error
	switch {
	case alg == "EdDSA":
		_, p, err = ed25519.GenerateKey(rand.Reader)
	case strings.HasPrefix(alg, "ES"):
		p, err = ecdsa.GenerateKey(map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg], rand.Reader)
	default:
		p, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &Key{Algorithm: alg, Private: p}
}

// Sign makes a token with iat and, one hour later, exp, unless the claims have them. A claim that is nil is left out.
func (k *Key) Sign(t testing.TB, claims map[string]any, now time.Time) string {
	t.Helper()
	all := map[string]any{"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	header := map[string]any{"alg": k.Algorithm, "typ": "JWT"}
	if k.ID != "" {
		header["kid"] = k.ID
	}
	return k.SignRaw(t, marshal(t, header), marshal(t, all))
}

func marshal(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// JWK is the public key as a member of a key set.
func (k *Key) JWK() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"}
}

// Signing is the key as what auth.Sign takes.
func (k *Key) Signing() auth.SigningKey {
	return auth.SigningKey{Kid: k.ID, Algorithm: k.Algorithm, Private: k.Private}
}
