package parser_test

import (
	"strings"
	"testing"

	"cds/parser"
)

// Texts of a draft-enabled entity have a key of their own, also if the annotation comes by `annotate`; those of others have locale and keys.
func TestTextsOfDrafts(t *testing.T) {
	for text, want := range map[string]string{
		"@fiori.draft.enabled entity E { key ID : UUID; t : localized String; }":                                            "ID_texts",
		"entity E { key ID : UUID; t : localized String; } annotate E with @fiori.draft.enabled;":                           "ID_texts",
		"@fiori.draft.enabled: false entity E { key ID : UUID; t : localized String; }":                                     "locale ID",
		"entity E { key ID : UUID; t : localized String; } service S { @fiori.draft.enabled entity F as projection on E; }": "locale ID",
	} {
		res := parser.CompileString("x.cds", text)
		if res.Model == nil {
			t.Fatal(res.Diags)
		}
		e := res.Model.Entity("E.texts")
		var keys []string
		for _, k := range e.Keys {
			keys = append(keys, k.Name)
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("%s\nkeys %q, want %q", text, got, want)
		}
		if unique := e.Annotations.Get("assert.unique.locale"); (unique != nil) != (want == "ID_texts") || unique != nil && len(unique.Items) != 2 {
			t.Errorf("%s\n@assert.unique.locale is %v", text, unique)
		}
	}
}
