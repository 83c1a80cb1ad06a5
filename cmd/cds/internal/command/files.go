package command

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// debounce is how long a change must be followed by silence, since editors and generators write several files at once.
const debounce = 80 * time.Millisecond

// A change says what kinds of files changed.
type change struct {
	model  bool // .cds, .csn
	data   bool // .csv
	code   bool // .go, go.mod
	config bool // .json, .env, .properties
}

func (c change) any() bool { return c.model || c.data || c.code || c.config }

// watchFiles reports changes of a project's files until ctx ends. Contents are compared, so that a touched file is no change. Folders
// made later are watched too; hidden ones, node_modules and generated code are not.
func watchFiles(ctx context.Context, dir string) (<-chan change, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	t := &tracker{dir: dir, w: w, sums: map[string][32]byte{}}
	if err := t.add(dir); err != nil {
		w.Close()
		return nil, err
	}
	out := make(chan change)
	go func() {
		defer w.Close()
		defer close(out)
		t.loop(ctx, out)
	}()
	return out, nil
}

type tracker struct {
	dir     string
	w       *fsnotify.Watcher
	sums    map[string][32]byte
	pending map[string]bool
}

func (t *tracker) loop(ctx context.Context, out chan<- change) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	t.pending = map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-t.w.Events:
			if !ok {
				return
			}
			if ev.Has(fsnotify.Create) {
				if st, err := os.Stat(ev.Name); err == nil && st.IsDir() && !skipDir(filepath.Base(ev.Name)) {
					_ = t.add(ev.Name) // gone again: its removal is an event of its own
					t.pendDir(ev.Name)
				}
			}
			if interesting(ev.Name) {
				t.pending[ev.Name] = true
			}
			if len(t.pending) > 0 {
				timer.Reset(debounce)
			}
		case <-t.w.Errors: // an overflow: look at everything
			t.pendDir(t.dir)
			timer.Reset(debounce)
		case <-timer.C:
			c := t.settle()
			if !c.any() {
				continue
			}
			select {
			case out <- c:
			case <-ctx.Done():
				return
			}
		}
	}
}

// settle compares the pending files with what they were.
func (t *tracker) settle() change {
	var c change
	for path := range t.pending {
		sum, ok := fileSum(path)
		old, had := t.sums[path]
		if ok == had && sum == old {
			continue
		}
		if ok {
			t.sums[path] = sum
		} else {
			delete(t.sums, path)
		}
		switch filepath.Ext(path) {
		case ".cds", ".csn":
			c.model = true
		case ".csv":
			c.data = true
		case ".go", ".mod":
			c.code = true
		default:
			c.config = true
		}
	}
	t.pending = map[string]bool{}
	return c
}

func (t *tracker) add(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone in the meantime
		}
		if !d.IsDir() {
			if interesting(path) {
				if _, seen := t.sums[path]; !seen && root == t.dir {
					t.sums[path], _ = fileSum(path)
				}
			}
			return nil
		}
		if path != t.dir && skipDir(d.Name()) {
			return filepath.SkipDir
		}
		return t.w.Add(path)
	})
}

func (t *tracker) pendDir(root string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case d.IsDir() && path != t.dir && skipDir(d.Name()):
			return filepath.SkipDir
		case !d.IsDir() && interesting(path):
			t.pending[path] = true
		}
		return nil
	})
}

func fileSum(path string) ([32]byte, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return [32]byte{}, false
	}
	return sha256.Sum256(b), true
}

func skipDir(name string) bool {
	return name == "node_modules" || name == "gen" || name == "testdata" || name != "." && name != ".." && strings.HasPrefix(name, ".")
}

func interesting(path string) bool {
	name := filepath.Base(path)
	switch name {
	case ".cdsrc.json", ".cdsrc-private.json", "package.json", ".env", "go.mod":
		return true
	}
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "_test.go") {
		return false
	}
	switch filepath.Ext(name) {
	case ".cds", ".csn", ".csv", ".go", ".properties":
		return true
	}
	return false
}
