package serve

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"cds/runtime/config"
)

func TestKeysOf(t *testing.T) {
	raw := strings.Repeat("\xfb\x7f", 16)
	hexKey := hex.EncodeToString([]byte(raw))
	forms := []string{hexKey, strings.ToUpper(hexKey), "+3/7f/t/+3/7f/t/+3/7f/t/+3/7f/t/+3/7f/t/+38=", "-3_7f_t_-3_7f_t_-3_7f_t_-3_7f_t_-3_7f_t_-38", " " + hexKey + "\n"}
	one := func(kid, key any) map[string]any { return map[string]any{"kid": kid, "key": key} }
	keys := func(list ...any) map[string]any { return map[string]any{"encryption": map[string]any{"keys": list}} }
	for name, c := range map[string]struct {
		cfg   map[string]any
		ids   string
		place string
	}{
		"nothing":       {map[string]any{}, "", ""},
		"only a switch": {map[string]any{"encryption": map[string]any{"allowPlain": true}}, "", ""},
		"one":           {map[string]any{"encryption": map[string]any{"key": hexKey}}, "1", ""},
		"two":           {keys(one("new", hexKey), one("old", forms[2])), "new,old", ""},
		"bound":         {map[string]any{"requires": map[string]any{"encryption": map[string]any{"credentials": map[string]any{"keys": []any{one("b", hexKey)}}}}}, "b", ""},
		"both":          {map[string]any{"encryption": map[string]any{"key": hexKey, "keys": []any{one("k", hexKey)}}}, "", "encryption"},
		"misspelt":      {map[string]any{"encryption": map[string]any{"kyes": []any{}}}, "", "encryption.kyes"},
		"a switch":      {map[string]any{"encryption": map[string]any{"key": hexKey, "allowPlain": "maybe"}}, "", "encryption.allowPlain"},
		"no list":       {map[string]any{"encryption": map[string]any{"keys": hexKey}}, "", "encryption.keys"},
		"empty":         {keys(), "", "encryption.keys"},
		"a text":        {keys(hexKey), "", "encryption.keys[0]"},
		"no kid":        {keys(map[string]any{"key": hexKey}), "", "encryption"},
		"short":         {keys(one("a", hexKey), one("b", hexKey[2:])), "", "encryption.keys[1].key"},
		"text":          {keys(one("a", "correct horse battery staple")), "", "encryption.keys[0].key"},
		"another":       {keys(map[string]any{"kid": "a", "key": hexKey, "active": true}), "", "encryption.keys[0].active"},
		"twice":         {keys(one("a", hexKey), one("a", hexKey)), "", "encryption"},
	} {
		r, err := KeysOf(&config.Config{Section: c.cfg})
		ids := ""
		if r != nil {
			ids = strings.Join(r.IDs(), ",")
		}
		if ids != c.ids || (err == nil) != (c.place == "") || err != nil && !strings.HasPrefix(err.Error(), c.place+": error[config-bad-value]: ") {
			t.Errorf("%s: %q, %v", name, ids, err)
		}
		if err != nil && (strings.Contains(err.Error(), hexKey[2:]) || strings.Contains(err.Error(), "horse")) {
			t.Errorf("%s: the error has the key: %v", name, err)
		}
	}
	for _, f := range forms {
		if b, err := decodeKey(f, "x"); err != nil || string(b) != raw {
			t.Errorf("%q: %x, %v", f, b, err)
		}
	}
	for _, key := range []string{"encryption", "encryption.keys", "requires"} {
		cfg := config.Section(keys(one("k", hexKey)))
		if key == "requires" {
			cfg = config.Section{"requires": map[string]any{"encryption": map[string]any{"credentials": map[string]any{"key": hexKey}}}}
		}
		v, _ := cfg.Get(key)
		if s := strings.ReplaceAll(strings.TrimSpace(stringOf(config.Mask(key, v))), " ", ""); strings.Contains(s, hexKey) || !strings.Contains(s, config.Masked) {
			t.Errorf("cds env %s shows %s", key, s)
		}
	}
	if s := stringOf(config.Mask("encryption.keys", []any{hexKey})); strings.Contains(s, hexKey) {
		t.Errorf("cds env shows a key in the wrong form: %s", s)
	}
}

func stringOf(v any) string { return fmt.Sprint(v) }
