package command

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"cds/runtime/serve"
)

// Bounds of what is taken out of a revision.
const (
	maxRevisionFile  = 32 << 20
	maxRevisionTotal = 512 << 20
)

// revisionFiles are the endings of files that models and configurations consist of.
var revisionFiles = []string{".cds", ".csn", ".json", ".yaml", ".yml", ".properties"}

// exportRevision writes the models and configuration of a revision to a folder. It returns the part of it that is dir.
func exportRevision(ctx context.Context, dir, rev, to string) (string, error) {
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return "", &serve.StartError{Code: "authz-revision", Message: fmt.Sprintf("%s is neither a file nor a folder nor a revision of %s: %v", rev, dir, err),
			Hint: "name a folder, or what git knows: a branch, a tag, HEAD~1"}
	}
	prefix, err := git(ctx, dir, "rev-parse", "--show-prefix")
	if err != nil {
		return "", err
	}
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	if err := unpackRevision(ctx, strings.TrimSpace(top), strings.TrimSpace(commit), to); err != nil {
		return "", &serve.StartError{Code: "authz-revision", Message: fmt.Sprintf("%s can't be read: %v", rev, err), Hint: "see: git archive"}
	}
	sub := filepath.Join(to, filepath.FromSlash(strings.TrimSpace(prefix)))
	if st, err := os.Stat(sub); err != nil || !st.IsDir() {
		return "", &serve.StartError{Code: "authz-revision", Message: fmt.Sprintf("%s has no models in %s", rev, prefix), Hint: "name a later revision, or another folder by --dir"}
	}
	return sub, nil
}

// git runs git in a folder and returns what it prints.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var errText bytes.Buffer
	cmd.Stderr = &errText
	out, err := cmd.Output()
	if text := strings.TrimSpace(errText.String()); err != nil && text != "" {
		return "", errors.New(text)
	}
	return string(out), err
}

func unpackRevision(ctx context.Context, top, commit, to string) error {
	cmd := exec.CommandContext(ctx, "git", "archive", "--format=tar", commit)
	cmd.Dir = top
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	faulty := unpack(out, to)
	if _, err := io.Copy(io.Discard, out); faulty == nil {
		faulty = err
	}
	if err := cmd.Wait(); faulty == nil {
		faulty = err
	}
	return faulty
}

// unpack writes the files of an archive that models and configurations consist of. Names that lead out of the folder, and links, are left out.
func unpack(r io.Reader, to string) error {
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer root.Close()
	total := int64(0)
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) || !slices.Contains(revisionFiles, strings.ToLower(filepath.Ext(h.Name))):
			continue
		}
		if total += h.Size; h.Size > maxRevisionFile || total > maxRevisionTotal {
			return fmt.Errorf("%s: the models are too large", h.Name)
		}
		if err := root.MkdirAll(filepath.Dir(h.Name), 0o700); err != nil {
			return err
		}
		f, err := root.OpenFile(h.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.CopyN(f, tr, h.Size)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
}
