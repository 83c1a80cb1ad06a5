package command

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cds/runtime/serve"
)

// dotEnv is the file with secrets of one machine, read as variables of the environment.
const dotEnv = ".env"

// addVariables adds variables to .env that are not there yet. The file is for its owner only, and stays out of version control.
func (e *env) addVariables(dir string, vars map[string]string) error {
	if len(vars) == 0 {
		return nil
	}
	name := filepath.Join(dir, dotEnv)
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &serve.StartError{Code: "add-env", Message: dotEnv + " cannot be read", Hint: "check its permissions"}
	}
	text := bytes.Clone(old)
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	for _, v := range slices.Sorted(maps.Keys(vars)) {
		if hasVariable(old, v) {
			fmt.Fprintf(e.err, "%s is in %s already\n", v, dotEnv)
			continue
		}
		text = append(text, v+"="+vars[v]+"\n"...)
		fmt.Fprintf(e.err, "%s written to %s, with a random value\n", v, dotEnv)
	}
	if err := writeOwn(name, text); err != nil {
		return &serve.StartError{Code: "add-env", Message: dotEnv + " cannot be written", Hint: "check the folder and its permissions"}
	}
	return ignoreInGit(dir, dotEnv)
}

// hasVariable reports whether a file of variables has one, in whatever case.
func hasVariable(text []byte, name string) bool {
	for line := range strings.Lines(string(text)) {
		n, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return true
		}
	}
	return false
}

// writeOwn replaces a file by one that only its owner reads; it is never there in part.
func writeOwn(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// ignoreInGit keeps a file of the project's folder out of version control.
func ignoreInGit(dir, file string) error {
	name := filepath.Join(dir, ".gitignore")
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // it can't be read: nothing is lost but the help
	}
	for line := range strings.Lines(string(text)) {
		if strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "**"), "/") == file {
			return nil
		}
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	text = append(text, file+"\n"...)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return &serve.StartError{Code: "add-gitignore", Message: ".gitignore cannot be written", Hint: "keep " + file + " out of version control by hand"}
	}
	return nil
}
