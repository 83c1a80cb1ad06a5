package local

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cds/runtime/auth"
	"cds/strategies/internal/token"
)

// Explain says what each key makes of a token, whether its login is still there, and what the user would be. It is for `cds auth inspect`.
func (s *Strategy) Explain(ctx context.Context, credentials string) ([]string, *auth.User, error) {
	run := s.run.Load()
	if run == nil {
		return nil, nil, token.Refuse("token-not-ready", "the strategy has not been set up")
	}
	raw := strings.TrimSpace(credentials)
	if scheme, rest, ok := strings.Cut(raw, " "); ok && strings.EqualFold(scheme, "Bearer") {
		raw = strings.TrimSpace(rest)
	}
	t, err := token.Parse(raw)
	if err != nil {
		return []string{"refused: " + reason(err)}, nil, err
	}
	var lines []string
	for _, v := range run.verifier.Explain(ctx, t) {
		verdict := "accepts the token"
		if v.Err != nil {
			verdict = reason(v.Err)
		}
		lines = append(lines, fmt.Sprintf("%s (secret, %s, kid %s): %s", v.Key.Name, strings.Join(v.Key.Algorithms, " "), v.Key.Kid, verdict))
	}
	in, err := s.check(ctx, run, raw)
	var u *auth.User
	if err == nil {
		if in.sid == "" {
			lines = append(lines, "it belongs to no login: it counts until it expires, is revoked, or all logins of the user are ended")
		} else {
			lines = append(lines, "its login is there")
		}
		u, err = s.userOf(in.user, raw)
	}
	if err != nil {
		return append(lines, "refused: "+reason(err)), nil, err
	}
	text := fmt.Sprintf("accepted: user %q (%s)", u.ID, in.user.Name)
	if u.Tenant != "" {
		text += fmt.Sprintf(", tenant %q", u.Tenant)
	}
	list := strings.Join(roles(in.user), ", ")
	if list == "" {
		list = "none"
	}
	return append(lines, text+", roles: "+list), u, nil
}

func reason(err error) string {
	var r *token.Refusal
	if errors.As(err, &r) {
		return r.Text + " [" + r.Code + "]"
	}
	return err.Error()
}
