package sap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cds/runtime/auth"
)

// maxCA bounds a file of certificates.
const maxCA = 1 << 20

// Client returns the client for calls to the identity service. ca, the setting requires.auth.ca, are certificates of authorities beside those of the system: PEM, or the name
// of a file, in the project's folder unless it is absolute.
func Client(env *auth.Env, ca string) (*http.Client, error) {
	if ca == "" {
		return env.HTTP, nil
	}
	text, err := pemText(env.Files, ca)
	if err != nil {
		return nil, &auth.ConfigError{Key: "requires.auth.ca", Message: err.Error(), Example: `"ca.pem"`}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, &auth.ConfigError{Key: "requires.auth.ca", Message: "holds no certificate in PEM", Example: `"ca.pem"`}
	}
	base := env.HTTP.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	transport, ok := base.(*http.Transport)
	if !ok {
		return nil, errors.New("requires.auth.ca: the client for outgoing calls is not one that takes certificates")
	}
	transport = transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.RootCAs = pool
	client := *env.HTTP
	client.Transport = transport
	return &client, nil
}

func pemText(files fs.FS, ca string) ([]byte, error) {
	if strings.Contains(ca, "-----BEGIN") {
		return []byte(ca), nil
	}
	var f fs.File
	var err error
	if filepath.IsAbs(ca) {
		f, err = os.Open(ca)
	} else {
		f, err = files.Open(filepath.ToSlash(filepath.Clean(ca)))
	}
	if err != nil {
		return nil, fmt.Errorf("the file %s can't be read", ca)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCA))
	if err != nil {
		return nil, fmt.Errorf("the file %s can't be read", ca)
	}
	return b, nil
}

// DefaultClient is for strategies that were lent none: with a deadline, without redirects.
func DefaultClient() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ValidHost reports whether a text is the name of a host, maybe with a port, and nothing else: no scheme, path or user that would lead elsewhere.
func ValidHost(s string) bool {
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && (port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return false
	}
	if host == "" || len(host) > 253 {
		return false
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return false
		}
	}
	return true
}

// ValidID reports whether a text is short and plain, as the ids of tenants and clients that are sent on to the identity service.
func ValidID(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-_.!|@:+", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
