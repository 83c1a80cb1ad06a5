package serve

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cds/runtime/db"
)

func loadDatabase(t *testing.T, rc string, env []string, profiles ...string) (Database, error) {
	t.Helper()
	opt := Options{FS: fstest.MapFS{".cdsrc.json": {Data: []byte(rc)}}, Env: env, Profiles: profiles, Dir: "proj"}
	cfg, err := LoadConfig(opt)
	if err != nil {
		t.Fatal(err)
	}
	return DatabaseOf(cfg, opt)
}

func TestDatabaseOf(t *testing.T) {
	const pg = `{"requires":{"db":{"kind":"postgres","credentials":{"host":"h","port":5433,"user":"u","password":"hunter2","database":"d","schema":"s","ssl":{"rejectUnauthorized":false}},
		"pool":{"min":1,"max":7,"acquireTimeoutMillis":1500,"idleTimeoutMillis":2500}}},"server":{"request_timeout":12}}`
	base := db.Config{AcquireTimeout: 5 * time.Second, StatementTimeout: 30 * time.Second}
	with := func(change func(*db.Config)) db.Config { c := base; change(&c); return c }
	cred := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for name, tt := range map[string]struct {
		rc      string
		env     []string
		profile string
		want    Database
		code    string
	}{
		"default": {want: Database{Kind: "sqlite", Shown: "sqlite in memory", Memory: true, Config: with(func(c *db.Config) { c.URL = ":memory:" })}},
		"file": {rc: `{"requires":{"db":{"kind":"sqlite","credentials":{"url":"db.sqlite"}}}}`,
			want: Database{Kind: "sqlite", Shown: "sqlite proj/db.sqlite", Config: with(func(c *db.Config) { c.URL = "proj/db.sqlite" })}},
		"production": {rc: `{"requires":{"[production]":{"db":{"kind":"sqlite","credentials":{"url":"/x/db.sqlite"}}}}}`, profile: "production",
			want: Database{Kind: "sqlite", Shown: "sqlite /x/db.sqlite", Config: with(func(c *db.Config) { c.URL, c.Synchronous = "/x/db.sqlite", "full" })}},
		"postgres": {rc: pg, want: Database{Kind: "postgres", Shown: "postgres h:5433/d.s", Config: db.Config{
			Credentials: cred("host", "h", "port", "5433", "user", "u", "password", "hunter2", "database", "d", "schema", "s", "ssl.rejectUnauthorized", "false"),
			MinConns:    1, Readers: 7, AcquireTimeout: 1500 * time.Millisecond, IdleTimeout: 2500 * time.Millisecond, StatementTimeout: 12 * time.Second}}},
		"profile pg": {rc: `{"requires":{"db":{"kind":"sql","[pg]":{"credentials":{"host":"h","database":"d"}}}}}`, profile: "pg",
			want: Database{Kind: "postgres", Shown: "postgres h/d", Config: with(func(c *db.Config) { c.Credentials = cred("host", "h", "database", "d") })}},
		"variables": {rc: `{"requires":{"db":"postgres"}}`, env: []string{"cds_requires_db_credentials_host=h", "cds_requires_db_credentials_password=123"},
			want: Database{Kind: "postgres", Shown: "postgres h/", Config: with(func(c *db.Config) { c.Credentials = cred("host", "h", "password", "123") })}},
		"DATABASE_URL": {rc: `{"requires":{"db":"postgres"}}`, env: []string{"DATABASE_URL=postgres://u:hunter2@h:1/d?sslmode=disable"},
			want: Database{Kind: "postgres", Shown: "postgres h:1/d", Config: with(func(c *db.Config) { c.Credentials = cred("url", "postgres://u:hunter2@h:1/d?sslmode=disable") })}},
		"strange URL": {rc: `{"requires":{"db":{"kind":"postgres","credentials":{"url":"host=h password=hunter2"}}}}`,
			want: Database{Kind: "postgres", Shown: "postgres (address not shown)", Config: with(func(c *db.Config) { c.Credentials = cred("url", "host=h password=hunter2") })}},
		"DATABASE_URL is not for SQLite": {env: []string{"DATABASE_URL=postgres://h/d"},
			want: Database{Kind: "sqlite", Shown: "sqlite in memory", Memory: true, Config: with(func(c *db.Config) { c.URL = ":memory:" })}},
		"nothing": {rc: `{"requires":{"db":"postgres"}}`, code: "db-credentials-missing"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.rc == "" {
				tt.rc = "{}"
			}
			var profiles []string
			if tt.profile != "" {
				profiles = []string{tt.profile}
			}
			d, err := loadDatabase(t, tt.rc, tt.env, profiles...)
			if tt.code != "" {
				var se *StartError
				if !errors.As(err, &se) || se.Code != tt.code {
					t.Fatalf("got %v, want %s", err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, d); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(d.Shown, "hunter2") {
				t.Error("the password is shown")
			}
		})
	}
}

// TestOpen_hides: what a failed start says has no secrets in it.
func TestOpen_hides(t *testing.T) {
	_, err := Database{Kind: "postgres", Shown: "postgres h/d"}.Open(context.Background(), map[string]db.Driver{"postgres": failing{}})
	var se *StartError
	if !errors.As(err, &se) || se.Code != "db-connect" || strings.Contains(err.Error(), "hunter2") || !errors.Is(err, db.ErrBusy) {
		t.Errorf("got %v", err)
	}
	if _, err := (Database{Kind: "oracle"}).Open(context.Background(), nil); !errors.As(err, &se) || se.Code != "db-kind-unknown" {
		t.Errorf("got %v", err)
	}
}

type failing struct{ db.Driver }

func (failing) Open(context.Context, db.Config) (db.Pool, error) {
	return nil, errors.Join(db.ErrBusy, errors.New("password hunter2 refused"))
}
