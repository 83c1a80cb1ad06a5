package token

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// MaxLeeway is the most that clocks may differ.
const MaxLeeway = time.Minute

// A Verifier decides about tokens with several keys side by side.
type Verifier struct {
	// Keys returns the keys that count at the moment. Their order does not matter but for messages.
	Keys   func() []*Key
	Now    func() time.Time
	Leeway time.Duration // for exp and nbf, at most MaxLeeway
}

// Verify checks the signature and the claims exp, nbf, iss, aud and sub. It returns the key that did; errors are *Refusal.
//
// A token whose header names a key (kid) is judged by that one only: by the set that has it, else by the static key with that id; no other is
// tried. Where several sets have it, the one that expects the token's issuer counts. A token without kid passes if any static key
// accepts it; sets never do.
func (v *Verifier) Verify(ctx context.Context, t *Token) (*Key, error) {
	keys, err := v.candidates(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, c := range keys {
		if e := v.try(t, c); e == nil {
			return c.key, nil
		} else if err == nil || rank(e) > rank(err) {
			err = e
		}
	}
	return nil, err
}

// A candidate is a key and what it found for a token.
type candidate struct {
	key      *Key
	material any
}

func (v *Verifier) candidates(ctx context.Context, t *Token) ([]candidate, error) {
	var list []candidate
	keys := v.Keys()
	if t.Header.Kid == "" {
		for _, k := range keys {
			if k.Set == nil {
				m, _ := k.material(ctx, t.Header)
				list = append(list, candidate{k, m})
			}
		}
		if len(list) == 0 {
			return nil, refuse("token-no-kid", "the token names no key (kid), and only key sets are configured")
		}
		return list, nil
	}
	c, failed := fromSets(ctx, t, keys)
	switch {
	case c != nil:
		return []candidate{*c}, nil
	case hasCode(failed, "token-algorithm"): // a set has the key, and it is not for this
		return nil, failed
	}
	for _, k := range keys {
		if k.Set == nil && k.Kid == t.Header.Kid {
			m, _ := k.material(ctx, t.Header)
			list = append(list, candidate{k, m})
		}
	}
	switch {
	case len(list) > 0:
		return list, nil
	case failed != nil:
		return nil, failed
	}
	return nil, refuse("token-unknown-key", "no configured key has the kid %.60q", t.Header.Kid)
}

// fromSets looks for the token's kid in the sets, first in those that expect its issuer: a foreign token must not make us ask every issuer for
// new keys. The error is of a set that could not be asked.
func fromSets(ctx context.Context, t *Token, keys []*Key) (*candidate, error) {
	var failed error
	iss, _ := t.Claims["iss"].(string)
	for _, k := range keys {
		if k.Set == nil || !k.issuerOK(iss) {
			continue
		}
		m, err := k.Set.Key(ctx, t.Header.Kid, t.Header.Alg)
		switch {
		case err == nil:
			return &candidate{k, m}, nil
		case !hasCode(err, "token-unknown-key") && !hasCode(failed, "token-algorithm"):
			failed = err
		}
	}
	if failed != nil {
		return nil, failed
	}
	for _, k := range keys { // for the message only: the right key of another issuer
		if k.Set != nil && !k.issuerOK(iss) && k.Set.has(t.Header.Kid) {
			return nil, refuse("token-issuer", "the issuer %.100q is not the one that %s expects", iss, k.Name)
		}
	}
	return nil, nil
}

func hasCode(err error, code string) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Code == code
}

func (v *Verifier) try(t *Token, c candidate) error {
	if err := verifySignature(t, c.key.algorithms(), c.material); err != nil {
		return err
	}
	return v.CheckClaims(t, c.key)
}

// A Verdict is what one key makes of a token; Err is nil if it accepts it.
type Verdict struct {
	Key *Key
	Err error
}

// Explain says what each key makes of a token, whether Verify would ask it or not.
func (v *Verifier) Explain(ctx context.Context, t *Token) []Verdict {
	var out []Verdict
	for _, k := range v.Keys() {
		var m any
		var err error
		switch {
		case k.Set == nil && t.Header.Kid != "" && t.Header.Kid != k.Kid:
			err = refuse("token-unknown-key", "not asked: the token names another key (kid)")
		case k.Set != nil && t.Header.Kid == "":
			err = refuse("token-no-kid", "not asked: the token names no key (kid)")
		default:
			m, err = k.material(ctx, t.Header)
		}
		if err == nil {
			err = v.try(t, candidate{k, m})
		}
		out = append(out, Verdict{k, err})
	}
	return out
}

// rank orders refusals by how far a token came, so that of several the most telling is reported.
func rank(err error) int {
	var r *Refusal
	if !errors.As(err, &r) {
		return 0
	}
	return slices.Index([]string{"token-algorithm", "token-signature", "token-typ", "token-issuer", "token-audience", "token-subject", "token-claim", "token-not-yet", "token-expired"}, r.Code)
}

// CheckClaims checks the claims and the type of a token by the rules of a key, without its signature.
func (v *Verifier) CheckClaims(t *Token, k *Key) error {
	if !typeOK(t.Header.Typ, k.Types) {
		return refuse("token-typ", "the token is of the type %.40q, which is not accepted", t.Header.Typ)
	}
	if _, is := t.Claims["events"].(map[string]any); is && !typeOK(logoutType, k.Types) {
		return refuse("token-typ", "the token tells of an event, it lets nobody in")
	}
	if err := v.checkTimes(t.Claims, k); err != nil {
		return err
	}
	iss, hasIss := t.Claims["iss"].(string)
	if !k.NoIssuer && (!hasIss || !k.issuerOK(iss)) {
		return refuse("token-issuer", "the issuer (iss) is %.100q, expected: %s", iss, strings.Join(k.Issuer, ", "))
	}
	if err := k.checkAudience(t.Claims); err != nil {
		return err
	}
	if sub, _ := t.Claims["sub"].(string); k.Subject != "" && sub != k.Subject {
		return refuse("token-subject", "the subject (sub) is not the expected one")
	}
	return nil
}

func (v *Verifier) checkTimes(c Claims, k *Key) error {
	now, leeway := v.Now(), min(max(v.Leeway, 0), MaxLeeway)
	exp, ok, err := c.Time("exp")
	switch {
	case err != nil:
		return err
	case !ok && !k.NoExp:
		return refuse("token-claim", "the token never expires: it has no exp")
	case ok && !now.Before(exp.Add(leeway)):
		return refuse("token-expired", "the token expired at %s", exp.UTC().Format(time.RFC3339))
	}
	nbf, ok, err := c.Time("nbf")
	switch {
	case err != nil:
		return err
	case ok && now.Add(leeway).Before(nbf):
		return refuse("token-not-yet", "the token counts from %s", nbf.UTC().Format(time.RFC3339))
	}
	return nil
}

func (k *Key) issuerOK(iss string) bool {
	if k.IssuerOK != nil {
		return k.IssuerOK(iss)
	}
	return k.NoIssuer || slices.Contains(k.Issuer, iss)
}

func (k *Key) checkAudience(c Claims) error {
	if k.NoAudience {
		return nil
	}
	list, _ := texts(c["aud"])
	if k.Audiences != nil {
		list = k.Audiences(c)
	}
	for _, a := range list {
		if a != "" && slices.Contains(k.Audience, a) {
			return nil
		}
	}
	if len(list) == 0 {
		return refuse("token-audience", "the token names no audience (aud), expected: %s", strings.Join(k.Audience, ", "))
	}
	return refuse("token-audience", "the audience (aud) is %.200q, expected: %s", list, strings.Join(k.Audience, ", "))
}

// logoutType is the type of tokens that tell of an event (RFC 8417): those of logouts, which not every issuer calls so. They are for the same application and
// of the same issuer as tokens that let somebody in.
const logoutType = "logout+jwt"

// typeOK checks typ (RFC 8725 section 3.11): a token made for something else, such as a logout token, is no access token.
func typeOK(typ string, types []string) bool {
	if types == nil {
		types = []string{"", "JWT", "at+jwt"}
	}
	const media = "application/"
	if len(typ) > len(media) && strings.EqualFold(typ[:len(media)], media) {
		typ = typ[len(media):]
	}
	return slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(t, typ) })
}
