package command

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cds/runtime/db/postgres/pgtest"
)

// cdsIn runs a command in a folder and returns what it printed; its exit code has to be the expected one.
func cdsIn(t *testing.T, dir, stdin string, want int, args ...string) string {
	t.Helper()
	var out, errw bytes.Buffer
	if code := Main(append(args, "--dir", dir), strings.NewReader(stdin), &out, &errw); code != want {
		t.Fatalf("cds %s: exit code %d\n%s%s", strings.Join(args, " "), code, &out, &errw)
	}
	return out.String() + errw.String()
}

// Users in PostgreSQL, with the tables made by the first command.
func TestAuthOnPostgres(t *testing.T) {
	cfg := pgtest.Open(t)
	cred := map[string]any{}
	for k, v := range cfg.Credentials {
		cred[k] = v
	}
	b, err := json.Marshal(map[string]any{"requires": map[string]any{
		"auth": map[string]any{"kind": "local", "jwt": map[string]any{"secret": "a secret that has more than 32 bytes"}},
		"db":   map[string]any{"kind": "postgres", "credentials": cred},
	}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".cdsrc.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	cdsIn(t, dir, "", 0, "auth", "setup")
	if got := cdsIn(t, dir, "", 1, "auth", "setup"); got != "setup is already done before\n" {
		t.Errorf("again: %s", got)
	}
	cdsIn(t, dir, "long enough\n", 0, "auth", "user", "add", "alice", "--role", "Editor")
	cdsIn(t, dir, "long enough\n", 1, "auth", "user", "add", "alice")
	if got := cdsIn(t, dir, "", 0, "auth", "user", "list"); got != "id | username | is_admin \n1 | rest_admin | true\n3 | alice | false\n" {
		t.Errorf("list: %q", got) // the second setup has used up a number
	}
	tok := cdsIn(t, dir, "", 0, "auth", "token", "--user", "alice")
	if got := cdsIn(t, dir, tok, 0, "auth", "inspect"); !strings.Contains(got, `accepted: user "3" (alice), roles: Editor`) {
		t.Error(got)
	}
	cdsIn(t, dir, "", 0, "auth", "user", "remove", "alice")
	if got := cdsIn(t, dir, tok, 1, "auth", "inspect"); !strings.Contains(got, "refused: there is no user") {
		t.Error(got)
	}
}

func TestParseExpiry(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"1h": time.Hour, "90s": 90 * time.Second, "30d": 720 * time.Hour, "2w": 14 * 24 * time.Hour, "1y": 365 * 24 * time.Hour, "60": time.Minute, "1h30m": 90 * time.Minute,
		"": 0, "0": 0, "-1h": 0, "never": 0, "11y": 0, "99999999999999999999d": 0, "1.5d": 0, "d": 0, "100000h": 0,
	} {
		got, err := parseExpiry(s)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
}

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "now", time.Second: "in 1 second", -time.Second: "1 second ago", 59 * time.Second: "in 59 seconds", time.Minute: "in 1 minute", time.Hour - time.Millisecond: "in 1 hour",
		90 * time.Minute: "in 2 hours", 25 * time.Hour: "in 1 day", -400 * 24 * time.Hour: "1 year ago", 30 * 24 * time.Hour: "in 30 days", 100 * 365 * 24 * time.Hour: "in 100 years",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// What is in a token cannot act on a terminal.
func TestVisible(t *testing.T) {
	var out bytes.Buffer
	e := &env{out: &out, err: &out}
	e.showToken("eyJhbGciOiJcdTAwMWJbMzFtIiwiXHUwMDFiIjoxfQ.eyJhIjoiXHUwMDFiXVx1MDAwNyIsImV4cCI6MWU5OTksIm5iZiI6LTEsImlhdCI6ImEifQ.x", time.Now())
	e.showToken("x.y.z", time.Now())
	e.showToken("..", time.Now())
	if strings.ContainsAny(out.String(), "\x1b\x07") {
		t.Errorf("%q", out.String())
	}
}
