package config

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Variables with a meaning of their own; they are no configuration keys.
func reservedVariable(name string) bool {
	switch name {
	case "CDS_CONFIG", "CDS_ENV", "CDS_LISTEN_FD", "CDS_MODEL", "CDS_MODELS", "CDS_READY_FD", "CDS_TEST_DB", "CDS_UPDATE":
		return true
	}
	return false
}

// envSection turns cds_requires_auth_kind=basic and the like into a section. The prefix is cds_, CDS_ or (in .env) cds. ; the rest is split
// at '_' or '.', its case is kept unless the whole name is upper case. Values that are JSON (numbers, booleans, objects, lists) are read as such.
// CDS_CONFIG holds a whole configuration as JSON and is the weakest of them.
func envSection(source string, env []string) (Section, error) {
	out := Section{}
	if v, ok := lookup(env, "CDS_CONFIG"); ok && strings.TrimSpace(v) != "" {
		m, ok := parseValue(v).(map[string]any)
		if !ok {
			return nil, &Error{"config-bad-env", source, "CDS_CONFIG must hold a JSON object", `such as CDS_CONFIG='{"requires":{"auth":"basic"}}'`}
		}
		out = Merge(out, m)
	}
	env = slices.Clone(env)
	slices.SortStableFunc(env, func(a, b string) int { // whole objects before their members, so that members win
		ka, _, _ := strings.Cut(a, "=")
		kb, _, _ := strings.Cut(b, "=")
		return strings.Compare(ka, kb)
	})
	for _, e := range env {
		name, val, ok := strings.Cut(e, "=")
		if !ok || reservedVariable(name) {
			continue
		}
		path := variablePath(name)
		if path == nil {
			continue
		}
		v := parseValue(val)
		for _, key := range slices.Backward(path) {
			v = map[string]any{key: v}
		}
		out = Merge(out, longForm(v.(map[string]any)))
	}
	return out, nil
}

// environOf returns the variables of default-env.json as NAME=value; values that are no texts become JSON.
func environOf(local Section) []string {
	var out []string
	for _, name := range local.Keys() {
		v, ok := local[name].(string)
		if !ok {
			b, err := json.Marshal(local[name])
			if err != nil {
				continue
			}
			v = string(b)
		}
		out = append(out, name+"="+v)
	}
	return out
}

func variablePath(name string) []string {
	if len(name) < 5 || !strings.EqualFold(name[:3], "cds") {
		return nil
	}
	if p := name[:3]; p != "cds" && p != "CDS" {
		return nil
	}
	sep := name[3:4]
	if sep != "_" && sep != "." {
		return nil
	}
	rest := name[4:]
	if name == strings.ToUpper(name) {
		rest = strings.ToLower(rest)
	}
	path := strings.Split(rest, sep)
	if slices.Contains(path, "") {
		return nil
	}
	// restrict_all_services has the separator in its own name.
	for i := 0; i+2 < len(path); i++ {
		if path[i] == "restrict" && path[i+1] == "all" && path[i+2] == "services" {
			return append(path[:i:i], "restrict_all_services")
		}
	}
	return path
}

func parseValue(s string) any {
	dec := json.NewDecoder(bytes.NewReader([]byte(s)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || dec.More() {
		return s
	}
	if _, ok := v.(string); ok {
		return s
	}
	return v
}
