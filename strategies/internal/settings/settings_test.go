package settings

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"cds/runtime/config"
)

func TestReader(t *testing.T) {
	cfg := config.Section{
		"text": "a", "number": json.Number("5"), "yes": true, "list": []any{"a", json.Number("1")}, "empty": "", "none": nil, "object": map[string]any{"baseurl": "x"},
		"wait": "5m", "seconds": json.Number("30"), "word": "soon", "mixed": []any{"a", map[string]any{}},
	}
	for _, c := range []struct {
		name string
		read func(r *Reader) any
		want any
		err  string // place of the error
	}{
		{"text", func(r *Reader) any { return r.Text("text") }, "a", ""},
		{"number as text", func(r *Reader) any { return r.Text("number") }, "5", ""},
		{"boolean as text", func(r *Reader) any { return r.Text("yes") }, "true", ""},
		{"no text", func(r *Reader) any { return r.Text("missing") }, "", ""},
		{"null", func(r *Reader) any { return r.Text("none") }, "", ""},
		{"list as text", func(r *Reader) any { return r.Text("list") }, "", "at.list"},
		{"object as text", func(r *Reader) any { return r.Text("object") }, "", "at.object"},
		{"texts", func(r *Reader) any { return len(r.Texts("list")) }, 2, ""},
		{"one text", func(r *Reader) any { return slices.Equal(r.Texts("text"), []string{"a"}) }, true, ""},
		{"no texts", func(r *Reader) any { return r.Texts("missing") == nil }, true, ""},
		{"an empty text", func(r *Reader) any { return r.Texts("empty") == nil }, true, "at.empty"},
		{"a mixed list", func(r *Reader) any { return r.Texts("mixed") == nil }, true, "at.mixed"},
		{"bool", func(r *Reader) any { return r.Bool("yes", false) }, true, ""},
		{"default bool", func(r *Reader) any { return r.Bool("missing", true) }, true, ""},
		{"no bool", func(r *Reader) any { return r.Bool("word", true) }, true, "at.word"},
		{"duration", func(r *Reader) any { return r.Duration("wait", 0, 0, time.Hour) }, 5 * time.Minute, ""},
		{"seconds", func(r *Reader) any { return r.Duration("seconds", 0, 0, time.Hour) }, 30 * time.Second, ""},
		{"no duration", func(r *Reader) any { return r.Duration("word", time.Second, 0, time.Hour) }, time.Second, "at.word"},
		{"too long", func(r *Reader) any { return r.Duration("wait", time.Second, 0, time.Minute) }, time.Second, "at.wait"},
		{"section", func(r *Reader) any { return r.Section("object").Text("baseurl") }, "x", ""},
		{"no section", func(r *Reader) any { return r.Section("missing").Text("a") }, "", ""},
		{"text as section", func(r *Reader) any { return r.Section("text").Text("a") }, "", "at.text"},
		{"known", func(r *Reader) any { s := r.Section("object"); s.Known("baseUrl"); return s.Text("baseUrl") }, "x", ""},
		{"unknown", func(r *Reader) any { r.Section("object").Known("url"); return nil }, nil, "at.object.baseurl"},
		{"missing", func(r *Reader) any { r.Section("object").Missing("key", "", ""); return nil }, nil, "at.object.key"},
	} {
		r := New(cfg, "at")
		if got := c.read(r); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		place := ""
		if err := r.Err(); err != nil {
			place, _, _ = strings.Cut(err.Error(), ":")
		}
		if place != c.err {
			t.Errorf("%s: error at %q, want %q", c.name, place, c.err)
		}
	}
	if _, ok := cfg["object"].(map[string]any)["baseUrl"]; ok {
		t.Error("the configuration was changed")
	}
}
