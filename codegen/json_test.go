package codegen

import (
	"encoding/json"
	"testing"
)

func TestObject_KeepsOrder(t *testing.T) {
	o := NewObject("b", 1, "a", []any{"x", nil})
	o.Child("c").Set("<", true)
	o.Set("b", json.Number("2"))
	got, err := JSON(o)
	if err != nil {
		t.Fatal(err)
	}
	want := "{\n  \"b\": 2,\n  \"a\": [\n    \"x\",\n    null\n  ],\n  \"c\": {\n    \"<\": true\n  }\n}\n"
	if string(got) != want {
		t.Errorf("got %s", got)
	}
	if c := o.Copy().Set("b", 3); o.Get("b") != json.Number("2") || c.Len() != 3 || !c.Has("a") {
		t.Error("a copy shares its members")
	}
}

func TestYAML(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`{"a":1,"b":[],"c":{},"d":[1,{"e":"x y"},["z"]],"f":{"g":null}}`,
			"a: 1\nb: []\nc: {}\nd:\n  - 1\n  -\n    e: \"x y\"\n  -\n    - z\nf:\n  g: null\n"},
		{`{"no":"no","2":"1.0","":"","#":"a: b"}`, "\"no\": \"no\"\n\"2\": \"1.0\"\n\"\": \"\"\n\"#\": \"a: b\"\n"},
		{`"x"`, "x\n"},
		{`1e400`, "1e400\n"},
	} {
		got, err := YAML([]byte(c.json))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%s", c.json, err, got)
		}
	}
	for _, bad := range []string{"", "{", `{"a"`, `[1,`} {
		if _, err := YAML([]byte(bad)); err == nil {
			t.Errorf("%q gives no error", bad)
		}
	}
}
