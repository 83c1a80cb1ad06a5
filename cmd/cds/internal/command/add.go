package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cds/runtime/config"
	"cds/runtime/serve"

	"github.com/spf13/cobra"
)

// A facet is something that can be added to a project.
type facet struct {
	name, short string
	// section is put into the configuration; what is there already stays.
	section map[string]any
	files   map[string]string // made where they are missing
	next    string            // what to do now
	// prepare completes the facet for a project, for the profiles that --for names (none: those that the facet is meant for). nil: nothing is missing.
	prepare func(e *env, f facet, dir string, profiles []string) (facet, error)

	provider  string            // that --provider names
	settings  map[string]string // of --set
	variables map[string]string // put into .env where they are missing
	finish    func(e *env, dir string) error
}

// facets are those that `cds add` knows.
func facets() []facet {
	return slices.Concat(databaseFacets(), authFacets(), platformFacets(), []facet{encryptionFacet()})
}

func databaseFacets() []facet {
	return []facet{
		{name: "sqlite", short: "a database file of SQLite for development", next: "cds deploy && cds watch",
			section: map[string]any{"requires": map[string]any{"db": map[string]any{"[development]": map[string]any{
				"kind": "sqlite", "credentials": map[string]any{"url": "db.sqlite"}}}}}},
		{name: "postgres", short: "PostgreSQL for production and the profile pg, with a container for development (pg.yml)",
			next: "docker compose -f pg.yml up -d && cds deploy --profile pg && cds watch --profile pg",
			section: map[string]any{"requires": map[string]any{"db": map[string]any{
				"[production]": map[string]any{"kind": "postgres"},
				"[pg]": map[string]any{"kind": "postgres", "credentials": map[string]any{
					"host": "localhost", "port": json.Number("5432"), "user": "postgres", "password": "postgres", "database": "postgres"}},
			}}},
			files: map[string]string{"pg.yml": pgYML}},
	}
}

// pgYML describes the container of the profile pg. The password is that of a database on the own machine.
const pgYML = `# A PostgreSQL server for development: docker compose -f pg.yml up -d
services:
  db:
    image: postgres:alpine
    environment:
      POSTGRES_PASSWORD: postgres
    ports:
      - '127.0.0.1:5432:5432'
    restart: unless-stopped
`

func (e *env) add() *cobra.Command {
	var dir, profile, provider string
	var set, list []string
	for _, f := range facets() {
		list = append(list, fmt.Sprintf("  %-10s %s", f.name, f.short))
	}
	cmd := &cobra.Command{
		Use:   "add facet...",
		Short: "Add a facet to a project: " + facetNames(),
		Long: "Add facets to the project in the working directory: their configuration in package.json, or in .cdsrc.json where there is no package.json, and files\n" +
			"that are missing. What is configured already stays as it is.\n\n" + strings.Join(list, "\n"),
		Example: "  cds add postgres\n  cds add xsuaa --for hybrid\n  cds add oidc --provider auth0 --set domain=tenant.eu.auth0.com",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("add what? known facets: %s", facetNames())}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			for _, arg := range args {
				for _, name := range strings.Split(arg, ",") {
					i := slices.IndexFunc(facets(), func(f facet) bool { return f.name == name })
					if i < 0 {
						return usageError{fmt.Errorf("the facet %q is not known: %s", name, facetNames())}
					}
					f := facets()[i]
					var err error
					if f.provider = provider; provider != "" && name != "jwt" && name != "oidc" {
						return usageError{fmt.Errorf("the facet %s has no providers: leave --provider out", name)}
					}
					if f.settings, err = readSettings(set); err != nil {
						return err
					}
					if err := e.addFacet(dir, f, serve.SplitProfiles(profile)); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "project folder")
	cmd.Flags().StringVarP(&profile, "for", "4", "", "profiles to configure, separated by commas")
	cmd.Flags().StringVar(&provider, "provider", "", "provider of jwt and oidc: auth0, azure, clerk, cognito, firebase, keycloak, okta")
	cmd.Flags().StringArrayVar(&set, "set", nil, "setting of the provider, such as domain=tenant.eu.auth0.com")
	return cmd
}

func facetNames() string {
	var out []string
	for _, f := range facets() {
		out = append(out, f.name)
	}
	return strings.Join(out, ", ")
}

func (e *env) addFacet(dir string, f facet, profiles []string) (err error) {
	if f.prepare == nil && len(profiles) > 0 {
		return usageError{fmt.Errorf("the facet %s is not configured by profile: leave --for out", f.name)}
	}
	if f.prepare != nil {
		if f, err = f.prepare(e, f, dir, profiles); err != nil {
			return err
		}
	}
	if f.section != nil {
		name, changed, err := addConfig(dir, f.section)
		if err != nil {
			return err
		}
		if changed {
			fmt.Fprintf(e.err, "configuration of %s added to %s\n", f.name, name)
		} else {
			fmt.Fprintf(e.err, "%s is configured in %s already\n", f.name, name)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(f.files)) {
		err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755)
		var out *os.File
		if err == nil {
			out, err = os.OpenFile(filepath.Join(dir, file), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		}
		if errors.Is(err, fs.ErrExist) {
			fmt.Fprintf(e.err, "%s is there already\n", file)
			continue
		}
		if err == nil {
			_, err = out.WriteString(f.files[file])
			err = errors.Join(err, out.Close())
		}
		if err != nil {
			return &serve.StartError{Code: "add-file", Message: file + " cannot be written", Hint: "check the folder and its permissions"}
		}
		fmt.Fprintf(e.err, "%s written\n", file)
	}
	if err := e.addVariables(dir, f.variables); err != nil {
		return err
	}
	if f.finish != nil {
		if err := f.finish(e, dir); err != nil {
			return err
		}
	}
	fmt.Fprintf(e.err, "\n  next: %s\n", f.next)
	return nil
}

// addConfig puts a section into package.json#cds, or .cdsrc.json. What is there wins, and the order of the file's members stays.
func addConfig(dir string, section map[string]any) (name string, changed bool, err error) {
	name = "package.json"
	old, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		name = ".cdsrc.json"
		if old, err = os.ReadFile(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
			old, err = []byte("{}"), nil
		}
	}
	if err != nil {
		return name, false, &serve.StartError{Code: "add-config", Message: name + " cannot be read", Hint: "check its permissions"}
	}
	add := section
	if name == "package.json" {
		add = map[string]any{"cds": section}
	}
	text, changed, err := mergeJSON(old, add)
	if err != nil { // comments, perhaps
		text, changed, err = mergeCommented(old, add)
	}
	if err != nil {
		return name, false, &serve.StartError{Code: "add-config", Message: name + " cannot be changed: it is no JSON object",
			Hint: "add it by hand: " + string(mustJSON(section))}
	}
	if !changed {
		return name, false, nil
	}
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
		return name, false, &serve.StartError{Code: "add-config", Message: name + " cannot be written", Hint: "check its permissions"}
	}
	return name, true, nil
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// mergeJSON adds members to an object's text, and to the objects in it, behind those that are there. Members that are there stay; one that is no object
// where an object is to be added, such as db: "sqlite", stays too.
func mergeJSON(text []byte, add map[string]any) ([]byte, bool, error) {
	members, err := membersOf(text)
	if err != nil {
		return nil, false, err
	}
	changed := false
	keys := make([]string, 0, len(add))
	for k := range add {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		sub, isObject := add[k].(map[string]any)
		i := slices.IndexFunc(members, func(m member) bool { return m.name == k })
		switch {
		case i < 0:
			members = append(members, member{k, mustJSON(add[k])})
			changed = true
		case isObject && bytes.HasPrefix(bytes.TrimSpace(members[i].value), []byte("{")):
			v, more, err := mergeJSON(members[i].value, sub)
			if err != nil {
				return nil, false, err
			}
			if more {
				members[i].value, changed = v, true
			}
		case isObject && k == "db" && isText(members[i].value): // the short form has to become a section to be refined
			var kind string
			if json.Unmarshal(members[i].value, &kind) == nil {
				members[i].value, changed = mustJSON(config.Merge(config.Section{"kind": kind}, sub)), true
			}
		}
	}
	if !changed {
		return text, false, nil
	}
	var out bytes.Buffer
	if err := json.Indent(&out, objectOf(members), "", "  "); err != nil {
		return nil, false, err
	}
	out.WriteByte('\n')
	return out.Bytes(), true, nil
}

func isText(v []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(v), []byte(`"`)) }

// A member is one of an object, in the file's own text.
type member struct {
	name  string
	value json.RawMessage
}

var errNoObject = errors.New("no object")

// membersOf reads the members of an object in their order.
func membersOf(text []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') {
		return nil, errNoObject
	}
	var out []member
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := k.(string)
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		out = append(out, member{name, v})
	}
	_, err = dec.Token()
	return out, err
}

// objectOf writes an object with members in their order.
func objectOf(members []member) []byte {
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
	return b.Bytes()
}
