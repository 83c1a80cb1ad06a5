package command

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What a revision holds never leaves the folder it is written to: not by its name, and not over a link.
func TestUnpackStaysInside(t *testing.T) {
	outer := t.TempDir()
	to := filepath.Join(outer, "in")
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "srv/a.cds", Typeflag: tar.TypeReg},
		{Name: "../out.cds", Typeflag: tar.TypeReg},
		{Name: "/abs.cds", Typeflag: tar.TypeReg},
		{Name: "srv/../../up.cds", Typeflag: tar.TypeReg},
		{Name: "link", Typeflag: tar.TypeSymlink, Linkname: outer},
		{Name: "link/over.cds", Typeflag: tar.TypeReg},
		{Name: "srv/code.go", Typeflag: tar.TypeReg},
		{Name: "hard.cds", Typeflag: tar.TypeLink, Linkname: "srv/a.cds"},
	} {
		h.Mode = 0o644
		text := ""
		if h.Typeflag == tar.TypeReg {
			text = "entity E { key ID : Integer; }"
			h.Size = int64(len(text))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unpack(&b, to); err != nil {
		t.Fatal(err)
	}
	var got []string
	_ = filepath.WalkDir(outer, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(outer, p)
			got = append(got, filepath.ToSlash(rel))
		}
		return nil
	})
	if want := []string{"in/link/over.cds", "in/srv/a.cds"}; !slices.Equal(got, want) {
		t.Errorf("%v was written, want %v", got, want)
	}
}

func TestUnpackIsBounded(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "large.json", Typeflag: tar.TypeReg, Size: maxRevisionFile + 1}); err != nil {
		t.Fatal(err)
	}
	if err := unpack(&b, t.TempDir()); err == nil {
		t.Error("a file beyond the limit was written")
	}
}
