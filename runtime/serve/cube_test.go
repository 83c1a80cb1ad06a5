package serve_test

import (
	"bufio"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/serve"
)

// A cubeCase is a recorded answer of Cube with a custom check, or in its development mode.
type cubeCase struct {
	N           int
	Profile     string
	Name        string
	TokenClaims any `json:"token_claims"`
	Status      int
	Response    json.RawMessage
	Path        string
}

// decide says what we answer to what Cube recorded, and why it differs where it does.
func decide(c cubeCase) (want int, why string) {
	switch {
	case c.Profile == "dev":
		return 200, "without a token in development: open, by requires.auth.optional; production refuses the setting"
	case c.Status == 500 && strings.Contains(c.Name, "403"):
		return 403, "F8: a refusal of a check is no fault of the server"
	case c.Status == 500:
		return 401, "F8: a refusal of a check is no fault of the server"
	case c.Status == 400: // the check let it in; what was wrong is the query
		return 200, "authenticated; queries are judged by their own rules"
	}
	return c.Status, "as recorded"
}

// The recorded custom checks and Cube's development mode, by rule.
func TestStrategy_CubeCases(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "conformance", "seeds", "cube-auth-cases.jsonl"))
	if err != nil {
		t.Skip("the recordings are not there")
	}
	defer f.Close()
	custom := newApp(t)
	custom.Strategy("none", func(config.Section) (auth.Strategy, error) { return &probe{user: auth.Anonymous}, nil })
	custom.Identify(checkAuth)
	checked, err := startRC(t, custom, `{"requires":{"auth":"none"}}`)
	if err != nil {
		t.Fatal(err)
	}
	open, err := startRC(t, newApp(t), `{"requires":{"auth":{"kind":"mocked","optional":true}}}`)
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var c cubeCase
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		var s *serve.Server
		switch {
		case strings.HasPrefix(c.Profile, "checkAuth"):
			s = checked
		case c.Profile == "dev":
			s = open
		default:
			continue // tokens: strategies/jwt
		}
		ran++
		r := httptest.NewRequest("GET", "/odata/v4/open/Books", nil)
		if v, ok := c.TokenClaims.(string); ok {
			r.Header.Set("Authorization", v)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if want, why := decide(c); w.Code != want {
			t.Errorf("A-%d %s: %d, want %d (Cube %d): %s", c.N, c.Name, w.Code, want, c.Status, why)
		}
	}
	if ran == 0 {
		t.Error("no case was run")
	}
}
