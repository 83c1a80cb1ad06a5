package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

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
	if err := writeOwn(name, out.Bytes()); err != nil {
		return &serve.StartError{Code: "bind-file", Message: privateFile + " cannot be written", Hint: "check the folder and its permissions"}
	}
	return ignoreInGit(dir, privateFile)
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
	return objectOf(members), nil
}
