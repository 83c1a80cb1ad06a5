package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"cds/strategies/internal/token"
)

// Bounds of what an issuer says.
const (
	maxSubject  = 255 // OpenID Connect Core section 2
	maxUserinfo = 64 << 10
	maxIssued   = 10 * time.Minute // how old a logout token may be
)

// verifyIdentity verifies an ID token (OpenID Connect Core 3.1.3.7): signature, issuer, audience, the party that it was issued to, times, and that it
// belongs to the access token where it says so. The nonce is for the caller.
func (s *Strategy) verifyIdentity(ctx context.Context, raw, access string) (token.Claims, error) {
	t, err := token.Parse(raw)
	if err != nil {
		return nil, err
	}
	if _, err := s.identity.Verify(ctx, t); err != nil {
		return nil, err
	}
	c := t.Claims
	if err := s.checkIssued(c, 0); err != nil {
		return nil, err
	}
	switch sub, _ := c.Str("sub"); {
	case sub == "" || len(sub) > maxSubject:
		return nil, fmt.Errorf("the subject (sub) has %d bytes, not 1 to %d", len(sub), maxSubject)
	case !s.authorizedParty(c):
		return nil, errors.New("the ID token was issued to another party (azp)")
	}
	if v, has := c["at_hash"]; has {
		want, ok := halfHash(t.Header.Alg, access)
		if got, _ := v.(string); ok && subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
			return nil, errors.New("the ID token belongs to another access token (at_hash)")
		}
	}
	return c, nil
}

// authorizedParty reports whether a token was issued to this client: with several audiences azp has to say so.
func (s *Strategy) authorizedParty(c token.Claims) bool {
	if v, has := c["azp"]; has {
		return v == any(s.cfg.clientID)
	}
	return len(c.Strings("aud")) == 1
}

// checkIssued checks iat: it must be there, not in the future, and not older than most allows, 0 for any age.
func (s *Strategy) checkIssued(c token.Claims, most time.Duration) error {
	at, has, err := c.Time("iat")
	now := s.env.Now()
	switch {
	case err != nil:
		return err
	case !has:
		return errors.New("the token does not say when it was issued (iat)")
	case at.After(now.Add(s.cfg.leeway)):
		return errors.New("the token was issued in the future (iat)")
	case most > 0 && now.Sub(at) > most+s.cfg.leeway:
		return errors.New("the token is too old (iat)")
	}
	return nil
}

// checkAge checks that the person logged in not longer ago than max_age, where the configuration asks the issuer for that (OpenID Connect Core 3.1.2.1).
func (s *Strategy) checkAge(c token.Claims) error {
	most := s.cfg.params.Get("max_age")
	if most == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(most, 10, 31)
	if err != nil {
		return errors.New("max_age is no number of seconds")
	}
	at, has, err := c.Time("auth_time")
	switch {
	case err != nil:
		return err
	case !has:
		return errors.New("the ID token does not say when the user logged in (auth_time), though max_age was asked for")
	case s.env.Now().Sub(at) > time.Duration(seconds)*time.Second+s.cfg.leeway:
		return errors.New("the user logged in too long ago (auth_time)")
	}
	return nil
}

// checkType refuses access tokens that are more than a text to be sent along, such as those bound to a key: nothing here could use them.
func checkType(t *oauth2.Token) error {
	if !strings.EqualFold(t.Type(), "Bearer") {
		return fmt.Errorf("the access token is of the type %.40q", t.Type())
	}
	return nil
}

// halfHash is the value of at_hash: the first half of the hash that the algorithm uses. ok is false for EdDSA, for which it is not settled.
func halfHash(alg, access string) (string, bool) {
	var sum []byte
	switch {
	case strings.HasSuffix(alg, "256"):
		h := sha256.Sum256([]byte(access))
		sum = h[:]
	case strings.HasSuffix(alg, "384"):
		h := sha512.Sum384([]byte(access))
		sum = h[:]
	case strings.HasSuffix(alg, "512"):
		h := sha512.Sum512([]byte(access))
		sum = h[:]
	default:
		return "", false
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]), true
}

// claims returns the claims that the user is made of, from the sources that claimsFrom names. What an earlier source says counts. The sources must be
// about the same subject.
func (s *Strategy) claims(ctx context.Context, id token.Claims, access string) (json.RawMessage, error) {
	out := token.Claims{}
	for _, from := range s.cfg.claimsFrom {
		c := id
		var err error
		switch from {
		case "access":
			c, err = s.verifyBearer(ctx, access)
		case "userinfo":
			c, err = s.userinfo(ctx, access)
		}
		if err != nil {
			return nil, fmt.Errorf("claims from %s: %w", from, err)
		}
		if sub, _ := c.Str("sub"); sub != id["sub"] {
			return nil, fmt.Errorf("the claims from %s are of another user", from)
		}
		for name, v := range maps.All(c) {
			if _, has := out[name]; !has {
				out[name] = v
			}
		}
	}
	return json.Marshal(out)
}

// userinfo asks the issuer about the user (OpenID Connect Core 5.3).
func (s *Strategy) userinfo(ctx context.Context, access string) (token.Claims, error) {
	m, err := s.discovery.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	if m.UserinfoEndpoint == "" {
		return nil, errors.New("the issuer's metadata name no userinfo_endpoint")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.UserinfoEndpoint, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+access)
	req.Header.Set("Accept", "application/json")
	res, err := s.env.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); res.StatusCode != http.StatusOK || media != "application/json" {
		return nil, fmt.Errorf("the userinfo endpoint answered %d with %.60q, JSON was expected", res.StatusCode, media)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxUserinfo+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxUserinfo {
		return nil, fmt.Errorf("the userinfo endpoint answered with more than %d bytes", maxUserinfo)
	}
	return token.ParseClaims(b)
}
