package auth

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxBasic bounds the length of Basic credentials.
const maxBasic = 4096

// Basic reads the Basic credentials of a request as CAP does: the scheme in any case, any number of spaces after it, a name without a
// colon counting as one without a password. ok is false if there are none, also where the header has another scheme. Credentials
// of this scheme that are malformed or have no name yield an error that wraps ErrCredentials.
func Basic(r *http.Request) (name, password string, ok bool, err error) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", "", false, fmt.Errorf("%w: more than one Authorization header", ErrCredentials)
	}
	if len(headers) == 0 {
		return "", "", false, nil
	}
	scheme, rest, _ := strings.Cut(strings.TrimSpace(headers[0]), " ")
	if !strings.EqualFold(scheme, "basic") {
		return "", "", false, nil
	}
	text, err := decodeBasic(strings.TrimSpace(rest))
	if err != nil {
		return "", "", false, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	name, password, _ = strings.Cut(text, ":")
	switch {
	case name == "":
		return "", "", false, fmt.Errorf("%w: no user name", ErrCredentials)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", "", false, fmt.Errorf("%w: control characters in the user name", ErrCredentials)
	}
	return name, password, true, nil
}

// decodeBasic accepts base64 with and without padding.
func decodeBasic(s string) (string, error) {
	if len(s) > maxBasic {
		return "", fmt.Errorf("credentials longer than %d bytes", maxBasic)
	}
	var memory [192]byte // credentials are short as a rule
	b, err := base64.RawStdEncoding.AppendDecode(memory[:0], []byte(strings.TrimRight(s, "=")))
	if err != nil {
		return "", fmt.Errorf("no base64: %w", err)
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("no UTF-8")
	}
	return string(b), nil
}
