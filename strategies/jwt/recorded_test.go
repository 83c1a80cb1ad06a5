package jwt_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"
)

const recorded = "../../../shared/conformance"

// recordedUsers are the users of the recorded cases about restrictions, as tokens know them. Other names are users without roles.
var recordedUsers = map[string]map[string]any{
	"alice": {"tenant": "t1", "roles": []string{"admin"}, "country": []string{"DE"}},
	"bob":   {"tenant": "t1", "roles": []string{"Viewer"}, "country": []string{"DE"}, "limit": []int{100}},
	"carol": {"tenant": "t1", "roles": []string{"Editor"}, "country": []string{"DE", "FR"}, "limit": []string{"500"}},
	"dave":  {"tenant": "t2"},
	"erin":  {"tenant": "t2", "roles": "Viewer Editor", "country": []string{}},
	"frank": {"tenant": "t2", "roles": []string{"Viewer"}, "country": "FR", "limit": 500},
	"gina":  {"tenant": "t1", "roles": []string{"Viewer"}, "country": []string{"$UNRESTRICTED"}},
	"hugo":  {"roles": []string{"Viewer", "Editor", "admin"}, "country": []string{"XX"}},
	"sys":   {"kind": "system"},
	"int":   {"kind": "internal"},
	"robot": {"roles": []string{"any", "authenticated-user"}},
}

// TestRecorded sends the recorded requests about restrictions to two servers, one with mocked users and one with tokens of the same users: every answer is
// the same, but for the challenge.
func TestRecorded(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(recorded, "cases", "authlab-*.jsonl"))
	if err != nil || len(names) == 0 {
		t.Skip("the recorded cases are not here")
	}
	dir := filepath.Join(recorded, "models", "authlab")
	model := sync.OnceValues(func() (*csn.Model, error) {
		res := parser.CompileProject(os.DirFS(dir), parser.Options{})
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	})
	total := 0
	for _, name := range names {
		if strings.Contains(name, ".expect.") {
			continue
		}
		mocked := twin(t, model, dir, config.Section{})
		tokens := twin(t, model, dir, config.Section{
			"kind": "jwt", "jwt": map[string]any{"secret": serverSecret, "issuer": "me", "audience": "app"},
			"claims": map[string]any{
				"tenant": "tenant", "attrs": map[string]any{"country": "country", "limit": "limit"}, "kind": map[string]any{"claim": "kind", "system": "system", "internal": "internal"},
			},
		})
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(f)
		sc.Buffer(nil, 1<<22)
		for sc.Scan() {
			total += compare(t, mocked, tokens, sc.Bytes())
		}
		_ = f.Close()
	}
	if total < 800 {
		t.Errorf("only %d requests were sent", total)
	}
}

func twin(t *testing.T, model func() (*csn.Model, error), dir string, section config.Section) *serve.Server {
	t.Helper()
	app := serve.New(model)
	app.Databases(sqlite.New())
	app.Strategies(strategies.Builtin())
	section["strict"] = false // restrictions that say nothing sensible are served closed
	s, err := app.Build(context.Background(), serve.Options{
		Dir: dir, Env: []string{}, InMemory: true, Overrides: config.Section{"requires": map[string]any{"auth": map[string]any(section)}},
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

type recordedRequest struct {
	Name, Method, Path string
	User               *string
	Headers            map[string]string
	Body               json.RawMessage
	Then               []recordedRequest
	Restart            bool
}

// generated are values that differ from one server to the other.
var generated = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)

// compare sends a request and those after it to both servers, and returns how many it sent.
func compare(t *testing.T, mocked, tokens *serve.Server, line []byte) int {
	t.Helper()
	var c recordedRequest
	if err := json.Unmarshal(line, &c); err != nil {
		return 0 // the name of another shape is another test's
	}
	for k := range c.Headers {
		if strings.EqualFold(k, "Authorization") {
			return 0 // about Basic
		}
	}
	list := append([]recordedRequest{c}, c.Then...)
	for _, r := range list {
		a, b := r.send(t, mocked, r.basic), r.send(t, tokens, r.bearer)
		if a.Code != b.Code || normal(a) != normal(b) {
			t.Errorf("%s: %s %s\nmocked: %d %.300s\ntoken:  %d %.300s", c.Name, r.Method, r.Path, a.Code, a.Body, b.Code, b.Body)
		}
	}
	return len(list)
}

func normal(w *httptest.ResponseRecorder) string {
	return generated.ReplaceAllString(w.Body.String()+w.Header().Get("Content-Type")+w.Header().Get("Location"), "…")
}

func (r recordedRequest) send(t *testing.T, s *serve.Server, login func(*testing.T, *http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	var body io.Reader
	var text string
	if r.Body != nil && json.Unmarshal(r.Body, &text) != nil {
		text = string(r.Body)
	}
	if r.Body != nil {
		body = bytes.NewReader([]byte(text))
	}
	req, err := http.NewRequestWithContext(t.Context(), r.Method, "http://localhost"+strings.ReplaceAll(r.Path, " ", "%20"), body)
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range r.Headers {
		req.Header.Set(k, v)
	}
	if r.User != nil {
		login(t, req)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req)
	return w
}

func (r recordedRequest) basic(_ *testing.T, req *http.Request) {
	name, password, _ := strings.Cut(*r.User, ":")
	req.SetBasicAuth(name, password)
}

// bearer brings the token of the user; a wrong password is a bad token.
func (r recordedRequest) bearer(t *testing.T, req *http.Request) {
	t.Helper()
	name, password, _ := strings.Cut(*r.User, ":")
	if name == "gina" && password != "secret" {
		req.Header.Set("Authorization", "Bearer wrong")
		return
	}
	claims := map[string]any{"iss": "me", "aud": "app", "sub": name}
	for k, v := range recordedUsers[name] {
		claims[k] = v
	}
	tok, err := auth.Sign(auth.SigningKey{Secret: serverSecret}, claims, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+tok)
}
