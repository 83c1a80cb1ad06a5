// Package config finds the configuration of a project: files, environment and profiles, merged in CAP's order.
//
// Sources, the strongest first: services bound by the platform, process environment, .env, default-env.json (not in production),
// .cdsrc-private.json, package.json#cds, .cdsrc.json, defaults. Maps are merged deeply, lists replaced. A key in brackets, at any level, is a profile: "[production]": { … } counts only while that profile is active, and
// then wins over its siblings.
package config

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// The well-known profiles. Development is active unless another one is named.
const (
	Development = "development"
	Production  = "production"
	Hybrid      = "hybrid"
	Test        = "test"
)

// Options say where to look.
type Options struct {
	Dir      fs.FS    // the project's folder; nil: no files
	Env      []string // process environment, NAME=value
	Profiles []string // named on the command line; win over CDS_ENV and NODE_ENV
	Defaults Section  // the weakest source; may have profiles too
	// Mount opens a folder outside of the project, such as os.DirFS: those that VCAP_SERVICES_FILE_PATH and SERVICE_BINDING_ROOT name. nil: they are an error.
	Mount func(dir string) fs.FS
	// Follow names kinds that a required service without a kind takes in production if a service is bound that their preset fits, such as auth: xsuaa, ias.
	Follow map[string][]string
}

// A Source is one place that configuration came from.
type Source struct {
	Name string // ".cdsrc.json", "package.json#cds", "process.env" …
	Data Section
}

// A Config is the merged configuration with profiles applied.
type Config struct {
	Section
	// Profiles are those that were named, the weakest first; development if none was. Unless production is among them, sections for development
	// count too, below all others.
	Profiles []string
	Sources  []Source // the strongest first, before profiles were applied
	// Warnings are things that were probably meant otherwise.
	Warnings []string
	// Bindings are the services that the platform bound; their credentials are in requires.x.credentials where one fits.
	Bindings []Binding
	// Unbound are the bindings that are configured by name, and whose credentials are not there.
	Unbound []Pointer
}

// An Error is a configuration that cannot be read. Place is file:line:col, or the name of the source.
type Error struct {
	Code, Place, Message, Hint string
}

func (e *Error) Error() string {
	s := e.Place + ": error[" + e.Code + "]: " + e.Message
	if e.Hint != "" {
		s += "\n  hint: " + e.Hint
	}
	return s
}

// Load reads and merges all sources. Errors are *Error: a file that is no JSON object, an unreadable variable, or a profile named in
// Options.Profiles that neither is well known nor occurs in any source.
func Load(opt Options) (*Config, error) {
	dotenv, err := readDotEnv(opt.Dir)
	if err != nil {
		return nil, err
	}
	files, err := readFiles(opt.Dir)
	if err != nil {
		return nil, err
	}
	envData, err := envSection("process.env", opt.Env)
	if err != nil {
		return nil, err
	}
	dotData, err := envSection(".env", dotenv)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	if w := exposed(opt.Dir, files); w != "" {
		c.Warnings = append(c.Warnings, w)
	}
	c.Profiles = profiles(opt, dotenv)
	c.Sources = append(c.Sources, Source{"process.env", envData}, Source{".env", dotData})
	var local Section
	if !c.Is(Production) {
		if local, err = readJSON(opt.Dir, "default-env.json"); err != nil {
			return nil, err
		}
		if local != nil {
			data, err := envSection("default-env.json", environOf(local))
			if err != nil {
				return nil, err
			}
			c.Sources = append(c.Sources, Source{"default-env.json", data})
		}
	}
	c.Sources = append(c.Sources, files...)
	c.Sources = append(c.Sources, Source{"defaults", opt.Defaults})

	if err := c.checkProfiles(opt.Profiles); err != nil {
		return nil, err
	}
	active := c.active()
	var merged Section
	for _, s := range slices.Backward(c.Sources) {
		merged = Merge(merged, longForm(s.Data.resolve(active)))
	}
	c.Section = expandKinds(merged)
	bound, err := platform(opt, dotenv, local)
	if err != nil {
		return nil, err
	}
	if c.Is(Production) {
		c.followKind(bound, opt.Follow)
	}
	c.bind(bound)
	return c, nil
}

// active are the profiles whose sections count, the weakest first.
func (c *Config) active() []string {
	if c.Is(Production) || c.Is(Development) {
		return c.Profiles
	}
	return append([]string{Development}, c.Profiles...) // as in CAP: hybrid and test refine development
}

// SourceOf tells which source the value at a path comes from, that of the strongest that has it; "" for none.
func (c *Config) SourceOf(path string) string {
	active := c.active()
	from := func(path string) string {
		for _, s := range c.Sources {
			if _, ok := longForm(s.Data.resolve(active)).Get(path); ok {
				return s.Name
			}
		}
		return ""
	}
	if name := from(path); name != "" {
		return name
	}
	part := strings.SplitN(path, ".", 3)
	if len(part) < 3 || part[0] != "requires" {
		return ""
	}
	kind := c.Str("requires." + part[1] + ".kind")
	for _, preset := range []string{kind + "-" + part[1], kind} {
		if name := from("requires.kinds." + preset + "." + part[2]); name != "" {
			return name + ", kind " + kind
		}
	}
	return ""
}

// Is reports whether a profile is active.
func (c *Config) Is(profile string) bool { return slices.Contains(c.Profiles, profile) }

func profiles(opt Options, dotenv []string) []string {
	list := opt.Profiles
	if len(list) == 0 {
		for _, name := range []string{"CDS_ENV", "NODE_ENV"} {
			v, ok := lookup(opt.Env, name)
			if !ok {
				v, _ = lookup(dotenv, name)
			}
			for _, p := range strings.Split(v, ",") {
				if p = strings.TrimSpace(p); p != "" && !slices.Contains(list, p) {
					list = append(list, p)
				}
			}
		}
	}
	if len(list) == 0 {
		list = []string{Development}
	}
	return list
}

// checkProfiles refuses a profile from the command line that nothing mentions: a misspelt "prodution" would open what should be shut. From the environment, where
// NODE_ENV may be meant for others, it refuses what was probably meant to be production.
func (c *Config) checkProfiles(named []string) error {
	known := map[string]bool{Development: true, Production: true, Hybrid: true, Test: true}
	for _, s := range c.Sources {
		collectProfiles(s.Data, known)
	}
	for _, p := range c.Profiles {
		if known[p] {
			continue
		}
		all := slices.Sorted(maps.Keys(known))
		if slices.Contains(named, p) {
			return &Error{"config-unknown-profile", "--profile", fmt.Sprintf("profile %q is not known: no configuration has a section [%s]", p, p),
				"known profiles: " + strings.Join(all, ", ")}
		}
		if Closest(p, []string{Production}) != "" {
			return &Error{"config-unknown-profile", "CDS_ENV, NODE_ENV", fmt.Sprintf("profile %q is not known: without the profile production, users for development may come in", p),
				"did you mean " + Production + "? known profiles: " + strings.Join(all, ", ")}
		}
		c.Warnings = append(c.Warnings, fmt.Sprintf("profile %q from the environment has no section in any configuration", p))
	}
	return nil
}

func collectProfiles(v any, known map[string]bool) {
	m, ok := asMap(v)
	if !ok {
		return
	}
	for k, sub := range m {
		if p, ok := profileKey(k); ok {
			known[p] = true
		}
		collectProfiles(sub, known)
	}
}

func profileKey(k string) (string, bool) {
	if len(k) > 2 && k[0] == '[' && k[len(k)-1] == ']' {
		return k[1 : len(k)-1], true
	}
	return "", false
}

// resolve folds the sections of active profiles into their parents and drops those of the others.
func (s Section) resolve(active []string) Section {
	out := Section{}
	for k, v := range s {
		if _, ok := profileKey(k); !ok {
			out[k] = resolveValue(v, active)
		}
	}
	for _, p := range active {
		if m, ok := asMap(s["["+p+"]"]); ok {
			out = Merge(out, Section(m).resolve(active))
		}
	}
	return out
}

func resolveValue(v any, active []string) any {
	m, ok := asMap(v)
	if !ok {
		return v
	}
	r := Section(m).resolve(active)
	return map[string]any(r)
}

// longForm turns the shorthands requires.x: "kind" and requires.x: true into requires.x: {kind: "kind"} and {kind: "x"}, so that they merge with what
// weaker sources say.
func longForm(s Section) Section {
	requires := s.Sub("requires")
	for name, v := range requires {
		if kind, ok := v.(string); ok && name != "kinds" && kind != "" {
			requires[name] = map[string]any{"kind": kind}
		}
		if v == true && name != "auth" && name != "db" {
			requires[name] = map[string]any{"kind": name}
		}
	}
	return s
}

// expandKinds lays every requires.x over the preset of its kind in requires.kinds. A preset may name a kind itself, whose preset is weaker; the last kind
// is the one that counts.
func expandKinds(s Section) Section {
	requires := s.Sub("requires")
	kinds := requires.Sub("kinds")
	for name, v := range requires {
		if name == "kinds" {
			continue
		}
		m, ok := asMap(v)
		if !ok {
			continue
		}
		kind := text(m["kind"])
		if kind == "" {
			continue
		}
		if short, ok := strings.CutSuffix(kind, "-auth"); ok && name == "auth" && longKind(short) {
			kind = short
			m = Merge(m, Section{"kind": kind})
		}
		for range maxKinds {
			preset := kinds.Sub(kind + "-" + name)
			if preset == nil {
				preset = kinds.Sub(kind)
			}
			m = Merge(preset, m)
			next := preset.Str("kind")
			if next == "" || next == kind {
				break
			}
			kind = next
			m["kind"] = kind
		}
		requires[name] = map[string]any(m)
	}
	return s
}

// maxKinds bounds how many presets refer to each other.
const maxKinds = 10

// longKind reports whether CAP knows a kind of authentication by a longer name too, such as xsuaa-auth.
func longKind(kind string) bool {
	switch kind {
	case "basic", "dummy", "ias", "jwt", "mocked", "xsuaa":
		return true
	}
	return false
}

func readFiles(dir fs.FS) ([]Source, error) {
	var out []Source
	for _, f := range []struct{ name, key string }{{".cdsrc-private.json", ""}, {"package.json", "cds"}, {".cdsrc.json", ""}} {
		s, err := readJSON(dir, f.name)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		name := f.name
		if f.key != "" {
			name += "#" + f.key
			sub, ok := s[f.key]
			if !ok {
				continue
			}
			if s, ok = asMap(sub); !ok {
				return nil, &Error{"config-not-an-object", f.name, fmt.Sprintf("%q must be an object", f.key), ""}
			}
		}
		out = append(out, Source{name, s})
	}
	return out, nil
}

// exposed warns of credentials in the private file that other users of the machine can read. Where files have no such rights (Windows) there is nothing to say.
func exposed(dir fs.FS, files []Source) string {
	const name = ".cdsrc-private.json"
	i := slices.IndexFunc(files, func(s Source) bool { return s.Name == name })
	if i < 0 || runtime.GOOS == "windows" || !holdsCredentials(files[i].Data) {
		return ""
	}
	if st, err := fs.Stat(dir, name); err != nil || st.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return name + " holds credentials, and others can read it: chmod 600 " + name
}

// holdsCredentials reports whether there is a section with the name anywhere. Decoded JSON has no cycles, and its depth is bounded.
func holdsCredentials(v any) bool {
	m, ok := asMap(v)
	if !ok {
		return false
	}
	for name, sub := range m {
		if name == "credentials" || holdsCredentials(sub) {
			return true
		}
	}
	return false
}

func readJSON(dir fs.FS, name string) (map[string]any, error) {
	if dir == nil {
		return nil, nil
	}
	raw, err := fs.ReadFile(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{"config-unreadable", name, "the file can't be read", "check its permissions"}
	}
	std, err := hujson.Standardize(append(bytes.Clone(raw), '\n')) // comments and trailing commas are blanked, so offsets stay
	if err != nil {
		std = raw
	}
	dec := json.NewDecoder(bytes.NewReader(std))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, jsonError(name, raw, err, dec.InputOffset())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, jsonError(name, raw, errors.New("text after the end of the object"), dec.InputOffset())
	}
	return m, nil
}

func jsonError(name string, raw []byte, err error, off int64) error {
	var syn *json.SyntaxError
	if errors.As(err, &syn) {
		off = syn.Offset
	}
	off = min(max(off, 0), int64(len(raw)))
	before := raw[:off]
	line := bytes.Count(before, []byte("\n")) + 1
	col := len(before) - bytes.LastIndexByte(before, '\n')
	msg := strings.TrimPrefix(err.Error(), "json: ")
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		msg = "the file ends before the object is complete"
	}
	return &Error{"config-bad-json", fmt.Sprintf("%s:%d:%d", name, line, max(col-1, 1)), msg, "a JSON object was expected; comments and trailing commas are fine"}
}

func readDotEnv(dir fs.FS) ([]string, error) {
	if dir == nil {
		return nil, nil
	}
	f, err := dir.Open(".env")
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	var out []string
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(strings.TrimPrefix(sc.Text(), "\ufeff"))
		if line == "" || line[0] == '#' {
			continue
		}
		name, val, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok {
			return nil, &Error{"config-bad-env", fmt.Sprintf(".env:%d:1", n), "NAME=value was expected", ""}
		}
		val = strings.TrimSpace(val)
		if len(val) >= 2 && (val[0] == '"' || val[0] == '\'') && val[len(val)-1] == val[0] {
			val = val[1 : len(val)-1]
		}
		out = append(out, strings.TrimSpace(name)+"="+val)
	}
	if err := sc.Err(); err != nil {
		return nil, &Error{"config-bad-env", ".env", "a line is longer than 1 MB", ""}
	}
	return out, nil
}

func lookup(env []string, name string) (string, bool) {
	for _, e := range slices.Backward(env) {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}
