package mediatest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/strategies"
)

// Room for temporary files comes back however a request ends: with an error after the data were read, refused by a handler, or with data put in the place of
// others.
func TestRoom(t *testing.T) {
	change := func(c *cdstest.Config) {
		set(map[string]any{"spool": "2mb"})(c)
		c.Register = func(app *cds.App) error {
			s := app.Service("S")
			s.After(cds.Match{Events: []cds.Event{"READ"}, Entities: []string{"Files"}}, func(_ context.Context, r *cds.RawRequest, res *cds.Result) error {
				if r.HTTP != nil && r.HTTP.Header.Get("X-Fail") != "" {
					return errors.New("no")
				}
				return nil
			})
			s.Before(cds.Match{Events: []cds.Event{"UPDATE"}, Entities: []string{"Files"}}, func(_ context.Context, r *cds.RawRequest) error {
				if r.HTTP.Header.Get("X-Fail") != "" {
					return r.Reject(400, "NO", "no")
				}
				if r.HTTP.Header.Get("X-Other") != "" {
					r.Data.Set("data", cds.MediaValue(noise(3, 400_000), 400_000))
				}
				return nil
			})
			return nil
		}
	}
	both(t, change, func(t *testing.T, a *cdstest.App) {
		alice := a.HTTP().As("alice")
		data := bytesOf(2, 500_000)
		alice.PUT("/s/Files(1)/data", data).Status(204)
		for range 5 {
			alice.With("X-Fail", "1").PUT("/s/Files(1)/data", data).Status(400)
			alice.With("X-Fail", "1").GET("/s/Files(1)/data").Status(500)
		}
		for range 5 {
			alice.With("X-Other", "1").PUT("/s/Files(1)/data", data).Status(204)
		}
		if got := alice.GET("/s/Files(1)/data").Status(200).Body(); got != bytesOf(3, 400_000) {
			t.Errorf("%d bytes", len(got))
		}
	})
}

// A folder that is not there stops the start.
func TestFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, fs.ModePerm); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, file + "/none"} {
		m, err := compiled()
		if err != nil {
			t.Fatal(err)
		}
		app := serve.New(func() (*csn.Model, error) { return m, nil })
		app.Databases(sqlite.New())
		app.Strategies(strategies.Builtin())
		_, err = app.Build(t.Context(), serve.Options{FS: fstest.MapFS{}, Env: []string{}, Profiles: []string{"test"}, InMemory: true,
			Overrides: config.Section{"server": map[string]any{"media": map[string]any{"dir": dir}}}})
		var e *config.Error
		if !errors.As(err, &e) || e.Place != "server.media.dir" {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
