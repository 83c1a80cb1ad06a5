package local

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/internal/token"
)

// Tokens with odd claims, signed with the right secret.
func TestClaims(t *testing.T) {
	w := newWorld(t, nil)
	alice, bob := w.user(auth.StoredUser{Name: "alice"}), w.user(auth.StoredUser{Name: "bob"})
	raw := func(claims map[string]any) string {
		t.Helper()
		all := map[string]any{"iss": "local", "aud": "local", "user_id": json.Number(alice.ID)}
		for k, v := range claims {
			all[k] = v
			if v == nil {
				delete(all, k)
			}
		}
		tok, err := auth.Sign(w.cfg.signer, all, w.clock.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	for name, c := range map[string]map[string]any{"plain": {}, "with sub": {"sub": alice.ID}, "no iat": {"iat": nil}, "several audiences": {"aud": []string{"x", "local"}}} {
		if id, err := w.who(raw(c)); id != alice.ID {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
	w.accepted(raw(map[string]any{"user_id": json.Number(bob.ID), "roles": []string{"admin"}, "is_admin": true}), bob.ID)
	u, err := w.Authenticate(t.Context(), bearer(raw(map[string]any{"roles": []string{"admin"}, "is_admin": true, "tenant": "t9"})))
	if err != nil || u.Is("admin") || u.Tenant != "" {
		t.Errorf("rights of the token count: %+v, %v", u, err)
	}
	for name, tt := range map[string]struct {
		claims map[string]any
		code   string
	}{
		"no user":           {map[string]any{"user_id": nil}, "token-claim"},
		"sub only":          {map[string]any{"user_id": nil, "sub": alice.ID}, "token-claim"},
		"text":              {map[string]any{"user_id": alice.ID}, "token-claim"},
		"boolean":           {map[string]any{"user_id": true}, "token-claim"},
		"list":              {map[string]any{"user_id": []int{1}}, "token-claim"},
		"object":            {map[string]any{"user_id": map[string]any{"$ne": 0}}, "token-claim"},
		"null":              {map[string]any{"user_id": json.RawMessage("null")}, "token-claim"},
		"fraction":          {map[string]any{"user_id": 1.5}, "token-user"},
		"another form":      {map[string]any{"user_id": json.RawMessage("1.0")}, "token-user"},
		"exponent":          {map[string]any{"user_id": json.RawMessage("1e0")}, "token-user"},
		"negative":          {map[string]any{"user_id": -1}, "token-user"},
		"huge":              {map[string]any{"user_id": json.RawMessage(strings.Repeat("9", 40))}, "token-user"},
		"nobody":            {map[string]any{"user_id": 77}, "token-user"},
		"two users":         {map[string]any{"sub": bob.ID}, "token-user"},
		"sub number":        {map[string]any{"sub": 1}, "token-claim"},
		"other issuer":      {map[string]any{"iss": "https://elsewhere"}, "token-issuer"},
		"no issuer":         {map[string]any{"iss": nil}, "token-issuer"},
		"other audience":    {map[string]any{"aud": "elsewhere"}, "token-audience"},
		"no audience":       {map[string]any{"aud": nil}, "token-audience"},
		"no exp":            {map[string]any{"exp": json.RawMessage("null")}, "token-claim"},
		"expired":           {map[string]any{"exp": w.clock.Now().Add(-2 * time.Minute).Unix()}, "token-expired"},
		"later":             {map[string]any{"nbf": w.clock.Now().Add(2 * time.Minute).Unix()}, "token-not-yet"},
		"sid number":        {map[string]any{"sid": 1}, "token-claim"},
		"sid empty":         {map[string]any{"sid": ""}, "token-claim"},
		"unknown login":     {map[string]any{"sid": "x"}, "token-ended"},
		"duplicate in case": {map[string]any{"Exp": 1}, "token-malformed"},
	} {
		_, err := w.who(raw(tt.claims))
		if code := codeOf(err); code != tt.code && (code != "token-claim" || tt.code != "token-malformed") {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
}

func codeOf(err error) string {
	var r *token.Refusal
	if !errors.As(err, &r) {
		return ""
	}
	return r.Code
}

// A login of one user does not help a token of another.
func TestForeignLogin(t *testing.T) {
	w := newWorld(t, nil)
	w.user(auth.StoredUser{Name: "alice"})
	bob := w.user(auth.StoredUser{Name: "bob"})
	in, err := token.Parse(w.mustLogin("alice", "password").str("token"))
	if err != nil {
		t.Fatal(err)
	}
	sid, _ := in.Claims.Str("sid")
	tok, err := w.sign(bob, sid, nil, w.clock.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.refused(tok, "token-ended")
}

// A secret is replaced by another while tokens of the old one still count.
func TestRotation(t *testing.T) {
	before := newWorld(t, nil)
	u := before.user(auth.StoredUser{Name: "alice"})
	old, err := before.sign(u, "", nil, before.clock.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	next := map[string]any{"secret": "another secret of more than 32 bytes"}
	after := newWorld(t, config.Section{"jwt": next, "local": map[string]any{"oldSecrets": []any{secret}}})
	after.user(auth.StoredUser{Name: "alice"})
	after.accepted(old, u.ID)
	if tok := after.mustLogin("alice", "password").str("token"); true {
		after.accepted(tok, u.ID)
		before.refused(tok, "token-unknown-key")
	}
	last := newWorld(t, config.Section{"jwt": next})
	last.user(auth.StoredUser{Name: "alice"})
	last.refused(old, "token-unknown-key")
}

// Tokens are revoked by their id, or as they are.
func TestRevoked(t *testing.T) {
	w := newWorld(t, nil)
	u := w.user(auth.StoredUser{Name: "alice"})
	for _, byID := range []bool{true, false} {
		tok, err := w.sign(u, "", nil, w.clock.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		w.accepted(tok, u.ID)
		id := tok
		if byID {
			parsed, _ := token.Parse(tok)
			id, _ = parsed.Claims.Str("jti")
		}
		if err := auth.Revoke(t.Context(), w.store, id, w.clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		w.clock.Pass(5 * time.Second)
		w.refused(tok, "token-revoked")
	}
}

func TestByName(t *testing.T) {
	w := newWorld(t, config.Section{"local": map[string]any{"id": "name"}})
	w.user(auth.StoredUser{Name: "alice"})
	tok := w.mustLogin("alice", "password").str("token")
	w.accepted(tok, "alice")
	if err := w.store.RemoveUser(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	w.user(auth.StoredUser{Name: "alice"})
	w.clock.Pass(5 * time.Second)
	w.refused(tok, "token-user") // another alice
}

func TestExplain(t *testing.T) {
	w := newWorld(t, nil)
	u := w.user(auth.StoredUser{Name: "alice", Tenant: "t1", Roles: []string{"Editor"}})
	tok := w.mustLogin("alice", "password").str("token")
	lines, user, err := w.Explain(t.Context(), "Bearer "+tok)
	text := strings.Join(lines, "\n")
	if err != nil || user.ID != u.ID || !strings.Contains(text, "requires.auth.jwt.secret") || !strings.Contains(text, "its login is there") ||
		!strings.Contains(text, `accepted: user "1" (alice), tenant "t1", roles: Editor`) {
		t.Errorf("%v\n%s", err, text)
	}
	for _, bad := range []string{"", "x", tok[:len(tok)-5] + "AAAAA"} {
		lines, user, err := w.Explain(t.Context(), bad)
		text := strings.Join(lines, "\n")
		if err == nil || user != nil || !strings.Contains(text, "refused: ") || strings.Contains(text, secret) {
			t.Errorf("%.20q: %v\n%s", bad, err, text)
		}
	}
}

// A configuration that cannot work stops the start, and says which key to set.
func TestConfiguration(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  config.Section
		want string
	}{
		"no secret":        {config.Section{}, "requires.auth.jwt.secret: is missing"},
		"empty secret":     {config.Section{"jwt": map[string]any{"secret": ""}}, "requires.auth.jwt.secret: is missing"},
		"PEM":              {config.Section{"jwt": map[string]any{"secret": "-----BEGIN PUBLIC KEY-----"}}, "requires.auth.jwt.secret: "},
		"unknown key":      {section(config.Section{"local": map[string]any{"regster": true}}), "requires.auth.local.regster: "},
		"algorithm":        {section(config.Section{"jwt": map[string]any{"algorithms": "RS256"}}), "requires.auth.jwt.algorithms: "},
		"audience":         {section(config.Section{"jwt": map[string]any{"audience": []any{}}}), "requires.auth.jwt.audience: "},
		"path":             {section(config.Section{"local": map[string]any{"path": "auth"}}), "requires.auth.local.path: "},
		"expires":          {section(config.Section{"local": map[string]any{"expires": "1000h"}}), "requires.auth.local.expires: "},
		"setup token":      {section(config.Section{"local": map[string]any{"setupToken": "short"}}), "requires.auth.local.setupToken: "},
		"register admins":  {section(config.Section{"local": map[string]any{"registerRoles": "admin"}}), "requires.auth.local.registerRoles: "},
		"register system":  {section(config.Section{"local": map[string]any{"registerRoles": []any{"system-user"}}}), "requires.auth.local.registerRoles: "},
		"cheap hashes":     {section(config.Section{"local": map[string]any{"passwords": map[string]any{"memory": 64}}}), "requires.auth.local.passwords: "},
		"no length":        {section(config.Section{"local": map[string]any{"passwords": map[string]any{"length": 0}}}), "requires.auth.local.passwords.length: "},
		"cookies":          {section(config.Section{"token": map[string]any{"from": "cookie:token"}}), "requires.auth.token.from: "},
		"tokens elsewhere": {section(config.Section{"token": map[string]any{"from": "query"}}), "requires.auth.token.from: "},
	} {
		_, err := New(tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	st, err := New(config.Section{"jwt": map[string]any{"secret": "short"}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	env := w.env()
	if err := st.(auth.Setter).Setup(t.Context(), env); err != nil || !strings.Contains(w.log.String(), "too short") {
		t.Errorf("in development: %v", err)
	}
	env.Production = true
	if err := st.(auth.Setter).Setup(t.Context(), env); err == nil || !strings.Contains(err.Error(), "requires.auth.jwt.secret: the secret has 5 bytes") {
		t.Errorf("in production: %v", err)
	}
	env.Users = nil
	if err := st.(auth.Setter).Setup(t.Context(), env); err == nil {
		t.Error("without a store")
	}
	if _, err := st.Authenticate(t.Context(), bearer("x")); err == nil {
		t.Error("before Setup")
	}
}
