package jwt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// Explain says what each key makes of a token, and who the user would be. It is for `cds auth inspect`: it tells more than clients may know.
func (s *Strategy) Explain(ctx context.Context, credentials string) ([]string, *auth.User, error) {
	raw := strings.TrimSpace(credentials)
	if scheme, rest, ok := strings.Cut(raw, " "); ok && strings.EqualFold(scheme, "Bearer") {
		raw = strings.TrimSpace(rest)
	}
	r := s.run.Load()
	r.keys.refresh()
	var lines []string
	t, err := token.Parse(raw)
	if err != nil {
		lines = append(lines, "the token is not read: "+reason(err))
		if r.ask == nil || !token.Opaque(raw) {
			return lines, nil, err
		}
		lines = append(lines, "it may be an opaque token: "+s.cfg.introspection.url+" is asked")
	} else {
		lines = append(lines, describe(t, r.now())...)
		for _, e := range r.verifier.Explain(ctx, t) {
			lines = append(lines, e.Key.Name+material(e.Key)+": "+verdict(e.Err))
		}
	}
	u, _, err := s.verify(ctx, r, raw)
	if err != nil {
		lines = append(lines, "refused: "+reason(err))
		var known *token.Refusal
		if errors.As(err, &known) {
			if hint := hints()[known.Code]; hint != "" {
				lines = append(lines, "hint: "+hint)
			}
		}
		return lines, nil, err
	}
	return append(lines, "accepted: "+user(u)), u, nil
}

func describe(t *token.Token, now time.Time) []string {
	head := "header: alg " + quoted(t.Header.Alg)
	if t.Header.Kid != "" {
		head += ", kid " + quoted(t.Header.Kid)
	} else {
		head += ", no kid"
	}
	if t.Header.Typ != "" {
		head += ", typ " + quoted(t.Header.Typ)
	}
	var claims []string
	for _, name := range []string{"iss", "sub"} {
		if v, ok := t.Claims.Str(name); ok {
			claims = append(claims, name+" "+quoted(v))
		}
	}
	if aud := t.Claims.Strings("aud"); len(aud) > 0 {
		claims = append(claims, fmt.Sprintf("aud %.200q", aud))
	}
	for _, name := range []string{"nbf", "exp"} {
		if at, ok, _ := t.Claims.Time(name); ok {
			claims = append(claims, fmt.Sprintf("%s %s (%s)", name, at.UTC().Format(time.RFC3339), distance(at.Sub(now))))
		}
	}
	if claims == nil {
		claims = []string{"none of iss, sub, aud, nbf, exp"}
	}
	return []string{head, "claims: " + strings.Join(claims, ", ")}
}

func quoted(s string) string { return fmt.Sprintf("%.100q", s) }

func distance(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 0:
		return (-d).String() + " ago"
	default:
		return "in " + d.String()
	}
}

func material(k *token.Key) string {
	switch {
	case k.Set != nil:
		kids := k.Set.Kids()
		if len(kids) > 10 {
			kids = append(kids[:10:10], "…")
		}
		ids := "no keys known"
		if len(kids) > 0 {
			ids = "kids " + strings.Join(kids, " ")
		}
		return fmt.Sprintf(" (%s, %s; %s)", k.Set.Name(), strings.Join(k.Algorithms, " "), ids)
	case k.Secret != nil:
		return fmt.Sprintf(" (secret, %s, kid %s)", strings.Join(k.Algorithms, " "), k.Kid)
	}
	return fmt.Sprintf(" (%s, %s, kid %s)", strings.TrimPrefix(fmt.Sprintf("%T", k.Public), "*"), strings.Join(k.Algorithms, " "), k.Kid)
}

func verdict(err error) string {
	if err == nil {
		return "accepts the token"
	}
	return reason(err)
}

func reason(err error) string {
	var r *token.Refusal
	if errors.As(err, &r) {
		return r.Text + " [" + r.Code + "]"
	}
	return err.Error()
}

func user(u *auth.User) string {
	s := "user " + quoted(u.ID)
	if u.Kind == auth.KindSystem || u.Kind == auth.KindInternal {
		s += ", a technical user"
	}
	if u.Tenant != "" {
		s += ", tenant " + quoted(u.Tenant)
	}
	var roles []string
	for _, role := range u.Roles() {
		if role != auth.RoleAny && role != auth.RoleAuthenticated {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 {
		roles = []string{"none"}
	}
	s += ", roles: " + strings.Join(roles, ", ")
	var attrs []string
	for name := range u.Attrs {
		attrs = append(attrs, name)
	}
	slices.Sort(attrs)
	if len(attrs) > 0 {
		s += "; attributes: " + strings.Join(attrs, ", ")
	}
	return s
}

// hints says what to look at, by the code of a refusal.
func hints() map[string]string {
	return map[string]string{
		"token-unknown-key":      "the kid of the header has to be in a key set, or be the kid of a key; keys without one have the kid that is shown",
		"token-no-kid":           "keys of a set are found by kid only; for tokens without one configure the public key itself (publicKey, publicKeyFile)",
		"token-algorithm":        "list the algorithm at the key (requires.auth.jwt.algorithms) if its issuer means to use it",
		"token-signature":        "the key is another one than the token was signed with, or the token was changed",
		"token-issuer":           "compare iss with requires.auth.jwt.issuer, to the last slash",
		"token-audience":         "compare aud with requires.auth.jwt.audience; audience: false accepts tokens for others too",
		"token-expired":          "get a new token; if it is new, compare the clocks",
		"token-keys-unavailable": "is the address right, and can it be reached from here?",
		"token-typ":              "list the type at requires.auth.jwt.types if such tokens are meant for this application",
	}
}
