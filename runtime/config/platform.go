package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Limits of what the platform hands in.
const (
	maxBindingFile = 1 << 20
	maxBindings    = 1000
)

// platform reads the bindings of the platform: VCAP_SERVICES, or the file at VCAP_SERVICES_FILE_PATH, then the folders below SERVICE_BINDING_ROOT.
// The variables count in env first, then in .env, then, outside production, in default-env.json.
func platform(opt Options, dotenv []string, local Section) ([]Binding, error) {
	variable := func(name string) string {
		if v, ok := lookup(opt.Env, name); ok {
			return v
		}
		if v, ok := lookup(dotenv, name); ok {
			return v
		}
		if m, ok := asMap(local[name]); ok { // default-env.json has VCAP_SERVICES as an object
			b, err := json.Marshal(m)
			if err != nil {
				return ""
			}
			return string(b)
		}
		return local.Str(name)
	}
	var out []Binding
	text, place := []byte(variable("VCAP_SERVICES")), "VCAP_SERVICES"
	if file := variable("VCAP_SERVICES_FILE_PATH"); len(bytes.TrimSpace(text)) == 0 && file != "" {
		var err error
		place = "VCAP_SERVICES_FILE_PATH"
		if text, err = opt.absolute(place, file); err != nil {
			return nil, err
		}
	}
	if len(bytes.TrimSpace(text)) > 0 {
		list, err := ParseVCAP(text, place)
		if err != nil {
			return nil, err
		}
		out = list
	}
	if root := variable("SERVICE_BINDING_ROOT"); root != "" {
		list, err := opt.bindingRoot(root)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	if len(out) > maxBindings {
		return nil, badBinding(fromRoot, fmt.Sprintf("%d services are bound; at most %d were expected", len(out), maxBindings))
	}
	return out, nil
}

// absolute reads a file outside of the project that a variable names.
func (o *Options) absolute(variable, file string) ([]byte, error) {
	if o.Mount == nil {
		return nil, &Error{"config-unreadable", variable, "files outside of the project can't be read here", "set VCAP_SERVICES itself"}
	}
	file = strings.ReplaceAll(file, `\`, "/")
	b, err := readLimited(o.Mount(path.Dir(file)), path.Base(file))
	if err != nil {
		return nil, &Error{"config-unreadable", variable, "the file that the variable names can't be read, or is larger than 1 MB", "check the path and its permissions"}
	}
	return b, nil
}

func readLimited(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBindingFile+1))
	if err == nil && len(b) > maxBindingFile {
		err = errors.New("too large")
	}
	return b, err
}

// bindingRoot reads the folders of bound services (servicebinding.io). A folder that can't be read is an error: a service would be missing.
func (o *Options) bindingRoot(root string) ([]Binding, error) {
	if o.Mount == nil {
		return nil, &Error{"config-unreadable", fromRoot, "folders outside of the project can't be read here", "set VCAP_SERVICES"}
	}
	dir := o.Mount(root)
	entries, err := fs.ReadDir(dir, ".")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the variable is often set where nothing is mounted
	}
	if err != nil {
		return nil, &Error{"config-unreadable", fromRoot, "the folder can't be read", "check the mount and its permissions"}
	}
	var out []Binding
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || len(out) > maxBindings {
			continue
		}
		files, err := secretFiles(dir, e.Name())
		if err != nil {
			return nil, &Error{"config-unreadable", fromRoot + "/" + e.Name(), "a file of the binding can't be read, or is larger than 1 MB", "check the mount and its permissions"}
		}
		if files == nil {
			continue
		}
		b, err := SecretBinding(e.Name(), files, fromRoot+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// secretFiles reads the files of a mounted secret, nil if it is no folder. Those that begin with ".." are Kubernetes' own.
func secretFiles(dir fs.FS, name string) (map[string][]byte, error) {
	st, err := fs.Stat(dir, name) // the entry may be a link
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, nil
	}
	entries, err := fs.ReadDir(dir, name)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") || e.Name() != ".metadata" && strings.HasPrefix(e.Name(), ".") {
			continue
		}
		file := name + "/" + e.Name()
		if st, err := fs.Stat(dir, file); err != nil {
			return nil, err
		} else if st.IsDir() {
			continue
		}
		if out[e.Name()], err = readLimited(dir, file); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// metadataFiles are those of a binding that describe it; the others are its credentials.
var metadataFiles = []string{"type", "provider", "label", "plan", "tags", "binding_name", "instance_name", "instance_guid", "instance_external_name"}

// SecretBinding makes a binding of the entries of a Kubernetes secret: type, label, plan and tags, and credentials as single entries, as one entry "credentials" with an
// object in JSON, or as the entry ".metadata" describes them. Errors are *Error that quote no values.
func SecretBinding(name string, files map[string][]byte, place string) (Binding, error) {
	b := Binding{Name: name, BindingName: name, Credentials: Section{}, Source: place}
	meta := Section{}
	if text, ok := files[".metadata"]; ok {
		if err := described(files, text, meta, b.Credentials); err != nil {
			return b, badBinding(place+"/.metadata", err.Error())
		}
	} else {
		for _, key := range slices.Sorted(maps.Keys(files)) {
			if slices.Contains(metadataFiles, key) {
				meta[key] = trimmed(files[key])
			} else {
				plain(b.Credentials, key, files[key])
			}
		}
	}
	b.Label = meta.Str("label")
	if b.Label == "" {
		b.Label = meta.Str("type")
	}
	b.Plan, b.InstanceName = meta.Str("plan"), meta.Str("instance_name")
	b.Tags = tagsOf(meta["tags"])
	if t := meta.Str("type"); t != "" && t != b.Label && !slices.Contains(b.Tags, t) {
		b.Tags = append(b.Tags, t) // so that both of them can be matched
	}
	return b, nil
}

func trimmed(v []byte) string { return strings.TrimSpace(string(v)) }

// plain takes an entry as a credential. One named "credentials" that is an object holds all of them; other objects and lists in JSON are taken as such.
func plain(into Section, key string, value []byte) {
	t := bytes.TrimSpace(value)
	if len(t) > 0 && (t[0] == '{' || t[0] == '[') {
		var v any
		if decodeObject(t, &v) == nil {
			if m, ok := v.(map[string]any); ok && key == "credentials" {
				maps.Copy(into, m)
				return
			}
			into[key] = v
			return
		}
	}
	into[key] = strings.TrimSuffix(strings.TrimSuffix(string(value), "\n"), "\r")
}

// described reads entries as .metadata says.
func described(files map[string][]byte, text []byte, meta, cred Section) error {
	type property struct {
		Name      string `json:"name"`
		Source    string `json:"sourceName"`
		Format    string `json:"format"`
		Container bool   `json:"container"`
	}
	var d struct {
		Meta []property `json:"metaDataProperties"`
		Cred []property `json:"credentialProperties"`
	}
	if err := decodeObject(text, &d); err != nil {
		return errors.New("an object with metaDataProperties and credentialProperties was expected")
	}
	read := func(p property, into Section) error {
		source := p.Source
		if source == "" {
			source = p.Name
		}
		value, ok := files[source]
		if !ok {
			return nil // described but not there: as in an incomplete mount, what needs it says so
		}
		if p.Format != "json" {
			into[p.Name] = strings.TrimSuffix(string(value), "\n")
			return nil
		}
		var v any
		if err := decodeObject(value, &v); err != nil {
			return fmt.Errorf("the entry %q was expected to be JSON", source)
		}
		if m, ok := v.(map[string]any); ok && p.Container {
			maps.Copy(into, m)
			return nil
		}
		into[p.Name] = v
		return nil
	}
	for _, p := range d.Meta {
		if err := read(p, meta); err != nil {
			return err
		}
	}
	for _, p := range d.Cred {
		if err := read(p, cred); err != nil {
			return err
		}
	}
	return nil
}

// tagsOf reads tags: a list, a list in JSON, or names separated by commas.
func tagsOf(v any) []string {
	if list, ok := v.([]any); ok {
		return Section{"t": list}.Strings("t")
	}
	t := strings.TrimSpace(text(v))
	var list []string
	if strings.HasPrefix(t, "[") && json.Unmarshal([]byte(t), &list) == nil {
		return list
	}
	for _, tag := range strings.Split(t, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			list = append(list, tag)
		}
	}
	return list
}

// decodeObject decodes one JSON value and nothing behind it.
func decodeObject(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the end")
	}
	return nil
}
