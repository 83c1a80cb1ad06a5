package command

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"cds/runtime/auth"
	"cds/runtime/authstore"
	"cds/runtime/config"
	"cds/runtime/serve"
	"cds/strategies"
	"cds/strategies/chain"
	"cds/strategies/local"

	"github.com/spf13/cobra"
)

func (e *env) authInspect(f *authFlags) *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "inspect [token]",
		Short: "Say which configured key, issuer, audience or claim accepts or refuses a token, and why",
		Long: `Show the header and the claims of a token, with times in words, then what the configured authentication makes of it: which key, issuer, audience or claim accepts
or refuses it and why, and who the user would be. Without a token, or with a hyphen, it is read from standard input. Secrets are never shown. The command
fails if the token is refused.`,
		Example: "  cds auth inspect eyJhbGciOiJIUzI1NiIs…\n  pbpaste | cds auth inspect --profile production",
		Args:    e.between(0, 1, "cds auth inspect <token>"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := e.tokenInput(args)
			if err != nil {
				return err
			}
			e.showToken(raw, time.Now())
			if offline {
				return nil
			}
			return e.explainToken(cmd.Context(), f, raw)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "show header and claims only")
	f.databaseFlag(cmd)
	return cmd
}

func (e *env) tokenInput(args []string) (string, error) {
	raw := ""
	if len(args) > 0 && args[0] != "-" {
		raw = args[0]
	} else {
		b, err := io.ReadAll(io.LimitReader(e.in, maxInput))
		if err != nil {
			return "", err
		}
		raw = string(b)
	}
	raw = strings.TrimSpace(raw)
	if h, ok := strings.CutPrefix(raw, "Authorization:"); ok {
		raw = strings.TrimSpace(h)
	}
	if scheme, rest, ok := strings.Cut(raw, " "); ok && strings.EqualFold(scheme, "Bearer") {
		raw = strings.TrimSpace(rest)
	}
	if raw == "" {
		return "", e.usageText("cds auth inspect <token>")
	}
	return raw, nil
}

// showToken prints what is in a token, without judging it.
func (e *env) showToken(raw string, now time.Time) {
	part := strings.Split(raw, ".")
	if len(part) != 3 {
		fmt.Fprintf(e.out, "it is no JSON Web Token: it has %d parts, not three\n", len(part))
		return
	}
	for i, name := range []string{"header", "claims"} {
		fmt.Fprintln(e.out, name)
		b, err := base64.RawURLEncoding.DecodeString(part[i])
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		var m map[string]any
		if err == nil {
			err = d.Decode(&m)
		}
		if err != nil || m == nil {
			fmt.Fprintln(e.out, "  is no JSON object in base64url")
			continue
		}
		width := 0
		keys := claimOrder(m)
		for _, k := range keys {
			width = max(width, min(len(k), 20))
		}
		for _, k := range keys {
			fmt.Fprintf(e.out, "  %-*s  %s\n", width, visible(k), claimText(k, m[k], now))
		}
	}
}

// claimOrder puts the claims that decide first.
func claimOrder(m map[string]any) []string {
	first := []string{"alg", "typ", "kid", "iss", "aud", "sub", "iat", "nbf", "exp"}
	out := slices.Collect(func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	})
	rank := func(k string) int {
		if i := slices.Index(first, k); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortFunc(out, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return out
}

// claimText is the value of a claim; of times also what they are in words.
func claimText(name string, v any, now time.Time) string {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return "?"
		}
		text = string(b)
	}
	const most = 300
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	text = visible(text)
	n, ok := v.(json.Number)
	if !ok || !slices.Contains([]string{"exp", "nbf", "iat", "auth_time", "updated_at"}, name) {
		return text
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1e11 {
		return text + " (is no time)"
	}
	at := time.Unix(int64(f), 0).UTC()
	return fmt.Sprintf("%s (%s, %s)", text, at.Format(time.RFC3339), inWords(at.Sub(now)))
}

// inWords is a distance from now: in 42 minutes, 3 days ago.
func inWords(d time.Duration) string {
	d = d.Round(time.Second)
	abs := max(d, -d)
	if d == 0 {
		return "now"
	}
	text := ""
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{365 * 24 * time.Hour, "year"}, {24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int((abs + u.unit/2) / u.unit); n >= 2 || u.unit == time.Second || n == 1 && abs >= u.unit {
			text = fmt.Sprintf("%d %s", n, u.name)
			if n != 1 {
				text += "s"
			}
			break
		}
	}
	if d < 0 {
		return text + " ago"
	}
	return "in " + text
}

// visible makes what a terminal would act on visible.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// errRefused says that the configured authentication refuses a token, which was shown.
var errRefused = errors.New("the token is refused")

// explainToken asks the configured strategy.
func (e *env) explainToken(ctx context.Context, f *authFlags, raw string) error {
	opt := f.options()
	var err error
	if opt.Env, err = newResolver(e).environ(ctx, opt.Dir, opt.Profiles); err != nil {
		return err
	}
	cfg, err := serve.LoadConfig(opt)
	if err != nil {
		return err
	}
	sec := serve.AuthSection(cfg)
	kind := chain.KindOf(sec)
	if kind == "" {
		fmt.Fprintln(e.out, "no authentication kind is configured: nothing says who may come in")
		return nil
	}
	table := strategies.Builtin()
	table[chain.Kind] = chain.New(table, cfg.Sub("requires.kinds"))
	newStrategy, ok := table[kind]
	if !ok {
		fmt.Fprintf(e.out, "kind %q is the application's own: it cannot be asked here\n", kind)
		return nil
	}
	strategy, err := newStrategy(sec)
	if err != nil {
		return authError(err)
	}
	x, ok := strategy.(auth.Explainer)
	if !ok {
		fmt.Fprintf(e.out, "kind %s\n  it takes no tokens: %s\n", kind, noTokensHint(kind))
		return silent{errRefused}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	env, done, err := e.inspectEnv(ctx, f, cfg)
	if err != nil {
		return err
	}
	defer done()
	if err := setUp(ctx, strategy, env); err != nil {
		return authError(err)
	}
	lines, u, err := x.Explain(ctx, raw)
	fmt.Fprintln(e.out, "kind", kind)
	judged := false
	for _, l := range lines {
		text := strings.TrimSpace(l)
		if !strings.HasPrefix(text, "header: ") && !strings.HasPrefix(text, "claims: ") { // which were shown in full
			fmt.Fprintln(e.out, " ", visible(l))
		}
		judged = judged || strings.HasPrefix(text, "accepted: ") || strings.HasPrefix(text, "refused: ")
	}
	switch {
	case judged:
	case err != nil:
		fmt.Fprintln(e.out, "  refused:", visible(err.Error()))
	case u != nil:
		fmt.Fprintf(e.out, "  accepted: user %q, roles %s\n", u.ID, strings.Join(u.Roles(), ", "))
	}
	if err != nil {
		return silent{errRefused}
	}
	return nil
}

// setUp lends a strategy what it needs, and the members of a group.
func setUp(ctx context.Context, strategy auth.Strategy, env *auth.Env) error {
	if s, ok := strategy.(auth.Setter); ok {
		return s.Setup(ctx, env)
	}
	if g, ok := strategy.(auth.Group); ok {
		for _, m := range g.Members() {
			if err := setUp(ctx, m, env); err != nil {
				return err
			}
		}
	}
	return nil
}

func noTokensHint(kind string) string {
	var se *serve.StartError
	if errors.As(noTokens(kind, ""), &se) {
		return se.Hint
	}
	return ""
}

// inspectEnv is what the strategy is lent: the project's database where it is configured and there, else empty stores.
func (e *env) inspectEnv(ctx context.Context, f *authFlags, cfg *config.Config) (*auth.Env, func(), error) {
	env := &auth.Env{Now: time.Now, Log: slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: noTime})),
		Production: cfg.Is(config.Production), HTTP: serve.OutgoingClient(), Files: os.DirFS(f.dir),
		Client: func(r *http.Request) string { return r.RemoteAddr }, Trusted: func(*http.Request) bool { return false }}
	sec, isLocal := sectionOf(cfg, local.Kind)
	if isLocal || sec.Bool("revocation.store", false) {
		d, err := e.openUsers(ctx, f)
		switch {
		case err == nil:
			env.Sessions, env.Users = d, d
			return env, d.close, nil
		case isLocal:
			return nil, nil, err
		}
		fmt.Fprintln(e.err, "note: the list of revoked tokens is not looked at:", err)
	}
	m := authstore.Memory(time.Now)
	env.Sessions, env.Users = m, m
	return env, func() {}, nil
}
