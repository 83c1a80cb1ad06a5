package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cds/runtime/serve"
)

// privateFile holds what is not shared: pointers to services, credentials.
const privateFile = ".cdsrc-private.json"

// setPrivate puts a value into the private file at a path of names, whatever is there. Other members stay in their order. The file is for its owner only, and is
// never there in part.
func setPrivate(dir string, path []string, value any) error {
	name := filepath.Join(dir, privateFile)
	old, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = []byte("{}"), nil
	}
	if err != nil {
		return &serve.StartError{Code: "bind-file", Message: privateFile + " cannot be read", Hint: "check its permissions"}
	}
	text, err := setJSON(old, path, value)
	if err != nil {
		return &serve.StartError{Code: "bind-file", Message: privateFile + " cannot be changed: it is no plain JSON object", Hint: "take comments and trailing commas out of it"}
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	if err := writePrivate(name, out.Bytes()); err != nil {
		return &serve.StartError{Code: "bind-file", Message: privateFile + " cannot be written", Hint: "check the folder and its permissions"}
	}
	return ignorePrivate(dir)
}

// writePrivate replaces a file by one that only its owner reads.
func writePrivate(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), privateFile+".*") // mode 0600
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

// setJSON replaces the member of an object that names lead to, or adds it behind the others.
func setJSON(text []byte, path []string, value any) ([]byte, error) {
	members, err := membersOf(text)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(members, func(m member) bool { return m.name == path[0] })
	if i < 0 {
		members = append(members, member{path[0], json.RawMessage("{}")})
		i = len(members) - 1
	}
	if len(path) == 1 {
		if members[i].value, err = json.Marshal(value); err != nil {
			return nil, err
		}
	} else {
		sub := members[i].value
		if !bytes.HasPrefix(bytes.TrimSpace(sub), []byte("{")) {
			sub = []byte("{}") // a short form, such as auth: "mocked"
		}
		if members[i].value, err = setJSON(sub, path[1:], value); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(mustJSON(m.name))
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// ignorePrivate keeps the private file out of version control.
func ignorePrivate(dir string) error {
	name := filepath.Join(dir, ".gitignore")
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // it can't be read: nothing is lost but the help
	}
	for _, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); strings.TrimPrefix(strings.TrimPrefix(line, "**"), "/") == privateFile {
			return nil
		}
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	text = append(text, privateFile+"\n"...)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return &serve.StartError{Code: "bind-file", Message: ".gitignore cannot be written", Hint: "keep " + privateFile + " out of version control by hand"}
	}
	return nil
}
