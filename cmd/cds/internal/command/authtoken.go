package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/serve"
	"cds/strategies/chain"
	"cds/strategies/local"

	"github.com/spf13/cobra"
)

// tokenFlags are the flags of token.
type tokenFlags struct {
	user, tenant, expires, secret string
	roles, attrs, payload, merged []string
}

func (e *env) authToken(f *authFlags) *cobra.Command {
	var t tokenFlags
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a token for development",
		Long: `Make a token and print it. It is signed with the shared secret of the configuration (requires.auth.jwt.secret, or the first key of requires.auth.jwt.keys that has
one), for its issuer and audience, with the claims that requires.auth.claims expects. With the kind local it is the token of a user in the database. Kinds whose
tokens others sign have none to make. In production it is refused.

--payload and --u add claims of any name: name=text, or name:=JSON for numbers, lists and objects; those of --u stand in the object "u".`,
		Example: `  cds auth token --user alice --role admin --attr country=DE --tenant t1 --expires 1h
  curl -H "Authorization: Bearer $(cds auth token --user alice)" localhost:4004/odata/v4/catalog/Books
  cds auth token --secret "$SECRET" --payload role=admin --u user_id:=15 --expires 30d`,
		Args: e.between(0, 0, "cds auth token --user <id> [--role …] [--attr name=value] [--tenant …] [--expires 1h] [--payload name=value] [--u name=value]"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			tok, err := e.makeToken(cmd.Context(), f, &t)
			if err != nil {
				return err
			}
			fmt.Fprintln(e.out, tok)
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&t.user, "user", "", "the user's id; with the kind local the name")
	fl.StringArrayVar(&t.roles, "role", nil, "a role; may be repeated")
	fl.StringArrayVar(&t.attrs, "attr", nil, "an attribute, name=value; may be repeated")
	fl.StringVar(&t.tenant, "tenant", "", "the tenant")
	fl.StringVarP(&t.expires, "expires", "e", "1h", "how long it counts: 30m, 1h, 30d, 1y")
	fl.StringVar(&t.expires, "expiry", "1h", "the same as --expires")
	fl.StringVarP(&t.secret, "secret", "s", "", "sign with this secret instead of the configured one")
	fl.StringArrayVarP(&t.payload, "payload", "p", nil, "a claim, name=text or name:=JSON; may be repeated")
	fl.StringArrayVarP(&t.merged, "u", "u", nil, "a claim in the object u; may be repeated")
	_ = fl.MarkHidden("expiry") // the flag is there
	f.databaseFlag(cmd)
	return cmd
}

func (e *env) makeToken(ctx context.Context, f *authFlags, t *tokenFlags) (string, error) {
	cfg, err := serve.LoadConfig(f.options())
	if err != nil {
		return "", err
	}
	if cfg.Is(config.Production) {
		return "", &serve.StartError{Code: "auth-token-production", Message: "tokens for development are not made in production", Hint: "ask the issuer that production trusts"}
	}
	ttl, err := parseExpiry(t.expires)
	if err != nil {
		return "", usageError{fmt.Errorf("--expires: %w", err)}
	}
	claims, err := t.claims()
	if err != nil {
		return "", err
	}
	if t.secret != "" {
		fmt.Fprintln(e.err, "warning: other users of this machine may see a secret among the arguments; configure requires.auth.jwt.secret")
		maps.Copy(claims, t.standard(config.Section{}))
		return auth.Sign(auth.SigningKey{Secret: auth.Secret(t.secret)}, claims, time.Now(), ttl)
	}
	if sec, ok := sectionOf(cfg, local.Kind); ok {
		return e.localToken(ctx, f, t, sec, claims, ttl)
	}
	sec, ok := sectionOf(cfg, "jwt")
	if !ok {
		return "", noTokens(chain.KindOf(sec), t.user)
	}
	return t.sign(sec, claims, ttl)
}

// localToken makes a token of a user in the database.
func (e *env) localToken(ctx context.Context, f *authFlags, t *tokenFlags, sec config.Section, claims map[string]any, ttl time.Duration) (string, error) {
	if t.user == "" {
		return "", usageError{errors.New("--user is missing: with the kind local a token is that of a user in the database")}
	}
	if len(t.roles)+len(t.attrs) > 0 || t.tenant != "" {
		return "", usageError{errors.New("--role, --attr and --tenant have no effect with the kind local: the database says them; see: cds auth user set")}
	}
	d, err := e.openUsers(ctx, f)
	if err != nil {
		return "", err
	}
	defer d.close()
	u, err := d.UserByName(ctx, t.user)
	if err != nil {
		return "", unknownUser(err, t.user)
	}
	tok, err := local.Sign(sec, u, claims, time.Now(), ttl)
	return tok, authError(err)
}

// noTokens explains what to do with a kind that no token can be made for.
func noTokens(kind, user string) error {
	if user == "" {
		user = "alice"
	}
	hint := ""
	switch kind {
	case "mocked", "basic":
		hint = fmt.Sprintf("send the name and the password: curl -u %s: …", user)
	case "dummy":
		hint = "send nothing: everybody may do everything"
	case "":
		hint = "cds add jwt configures a kind with a secret of its own"
	case "oidc", "xsuaa", "ias":
		hint = "the identity provider signs them; log in there, or configure the kind jwt with a secret for development: cds add jwt"
	default:
		hint = "cds add jwt configures a kind with a secret of its own"
	}
	return &serve.StartError{Code: "auth-token-kind", Message: fmt.Sprintf("no token can be made for the authentication kind %q", kind), Hint: hint}
}

// claims are those of --payload and --u.
func (t *tokenFlags) claims() (map[string]any, error) {
	out, err := pairs("--payload", t.payload)
	if err != nil {
		return nil, err
	}
	u, err := pairs("--u", t.merged)
	if err == nil && len(u) > 0 {
		out["u"] = u
	}
	return out, err
}

// pairs reads name=text and name:=JSON.
func pairs(flag string, list []string) (map[string]any, error) {
	out := map[string]any{}
	for _, p := range list {
		name, v, ok := strings.Cut(p, "=")
		if !ok || strings.TrimSuffix(name, ":") == "" {
			return nil, usageError{fmt.Errorf("%s %q: name=text or name:=JSON is expected", flag, p)}
		}
		key, isJSON := strings.CutSuffix(name, ":")
		if !isJSON {
			out[name] = v
			continue
		}
		var x any
		d := json.NewDecoder(strings.NewReader(v))
		d.UseNumber()
		if err := d.Decode(&x); err != nil || d.More() {
			return nil, usageError{fmt.Errorf("%s %s: %q is no JSON", flag, key, v)}
		}
		out[key] = x
	}
	return out, nil
}

// standard are the claims for user, roles, attributes and tenant, under the names that requires.auth.claims has for them.
func (t *tokenFlags) standard(sec config.Section) map[string]any {
	c := sec.Sub("claims")
	first := func(key, def string) string {
		switch v, _ := c.Get(key); v := v.(type) {
		case string:
			return v
		case []any:
			for _, e := range v {
				switch e := e.(type) {
				case string:
					return e
				case map[string]any:
					if p := config.Section(e).Str("path"); p != "" && e["role"] == nil {
						return p
					}
				}
			}
		}
		return def
	}
	out := map[string]any{}
	if t.user != "" {
		out[first("id", "sub")] = t.user
		if n, err := strconv.ParseInt(t.user, 10, 64); err == nil && c.Str("idType") == "number" {
			out[first("id", "sub")] = n
		}
	}
	if roles := nonEmpty(t.roles); len(roles) > 0 {
		for i := range roles {
			roles[i] = strings.Join(c.Strings("rolesPrefix")[:min(len(c.Strings("rolesPrefix")), 1)], "") + roles[i]
		}
		out[first("roles", "roles")] = roles
	}
	if t.tenant != "" {
		out[first("tenant", "tenant")] = t.tenant
	}
	return out
}

// sign makes a token with a shared secret of the section, whose settings say what else it needs.
func (t *tokenFlags) sign(sec config.Section, more map[string]any, ttl time.Duration) (string, error) {
	jwt := sec.Sub("jwt")
	key, rules := jwt, jwt
	if jwt.Str("secret") == "" {
		key = nil
		list, _ := jwt["keys"].([]any)
		for _, k := range list {
			if m, ok := k.(map[string]any); ok && config.Section(m).Str("secret") != "" {
				key, rules = m, config.Merge(jwt, m)
				break
			}
		}
	}
	if key == nil {
		return "", &serve.StartError{Code: "auth-token-secret", Message: "there is no shared secret in requires.auth.jwt that a token could be signed with",
			Hint: "cds add jwt writes one for development, or name one: --secret"}
	}
	attrs, err := attributes(t.attrs)
	if err != nil {
		return "", err
	}
	claims := t.standard(sec)
	names := sec.Sub("claims.attrs")
	for name, values := range attrs {
		if p := names.Str(name); p != "" {
			name = p
		}
		claims[name] = values
		if len(values) == 1 {
			claims[name] = values[0]
		}
	}
	maps.Copy(claims, more)
	if ns := jwt.Str("claimsNamespace"); ns != "" {
		claims = map[string]any{ns: claims}
	}
	for claim, setting := range map[string]string{"iss": "issuer", "aud": "audience", "sub": "subject"} {
		if list := rules.Strings(setting); len(list) > 0 && list[0] != "" && list[0] != "false" && claims[claim] == nil {
			claims[claim] = list[0]
		}
	}
	signer := auth.SigningKey{Kid: key.Str("kid"), Secret: auth.Secret(key.Str("secret"))}
	if algs := rules.Strings("algorithms"); len(algs) > 0 {
		i := slices.IndexFunc(algs, func(a string) bool { return strings.HasPrefix(a, "HS") })
		if i < 0 {
			return "", &serve.StartError{Code: "auth-token-secret", Message: "requires.auth.jwt.algorithms has none for a shared secret", Hint: "HS256 is one"}
		}
		signer.Algorithm = algs[i]
	}
	return auth.Sign(signer, claims, time.Now(), ttl)
}

// maxExpiry bounds how long a token may count.
const maxExpiry = 10 * 366 * 24 * time.Hour

// parseExpiry reads 90s, 15m, 1h, 30d, 2w, 1y, or a number of seconds.
func parseExpiry(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no time: 30m, 1h, 30d or 1y are expected", s)
	unit := time.Duration(0)
	digits := s
	for suffix, u := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour, "": time.Second} {
		if d, ok := strings.CutSuffix(s, suffix); ok && d != "" && strings.Trim(d, "0123456789") == "" {
			digits, unit = d, u
		}
	}
	d, err := time.ParseDuration(s)
	if unit > 0 {
		n, e := strconv.ParseInt(digits, 10, 32)
		d, err = time.Duration(n)*unit, e
		if e == nil && n > int64(maxExpiry/unit) {
			return 0, fmt.Errorf("%s is more than ten years", s)
		}
	}
	switch {
	case err != nil || d <= 0:
		return 0, bad
	case d > maxExpiry:
		return 0, fmt.Errorf("%s is more than ten years", s)
	}
	return d, nil
}
