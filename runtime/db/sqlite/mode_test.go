package sqlite

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"cds/runtime/db"
)

// A new database file is for its owner only.
func TestFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no such modes there")
	}
	name := filepath.Join(t.TempDir(), "x.sqlite")
	p, err := New().Open(t.Context(), db.Config{URL: name})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if i, err := os.Stat(name); err != nil || i.Mode().Perm() != 0o600 {
		t.Fatal(i, err)
	}
}
