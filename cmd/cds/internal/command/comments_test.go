package command

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tailscale/hujson"
)

func TestMergeCommented(t *testing.T) {
	add := map[string]any{"requires": map[string]any{"[p]": map[string]any{"auth": map[string]any{"kind": "jwt"}}, "db": map[string]any{"[p]": map[string]any{"kind": "postgres"}}}}
	for _, c := range []struct{ name, in, want string }{
		{"comments stay", `{
  // who may come in
  "requires": {
    "auth": "mocked" // for now
  }
}
`, `{
  // who may come in
  "requires": {
    "auth": "mocked", // for now
    "[p]": {
      "auth": {
        "kind": "jwt"
      }
    },
    "db": {
      "[p]": {
        "kind": "postgres"
      }
    }
  }
}
`},
		{"trailing commas, tabs, the short form of a database", "{\n\t/* all */ \"requires\": {\n\t\t\"db\": \"sqlite\",\n\t},\n}\n",
			"{\n\t/* all */ \"requires\": {\n\t\t\"db\": {\n\t\t  \"[p]\": {\n\t\t    \"kind\": \"postgres\"\n\t\t  },\n\t\t  \"kind\": \"sqlite\"\n\t\t},\n\t\t\"[p]\": {\n\t\t  \"auth\": {\n\t\t    \"kind\": \"jwt\"\n\t\t  }\n\t\t},\n\t},\n}\n"},
		{"one line", `{"requires":{"[p]":{"auth":"basic"/* stays */}}}`, `{"requires":{"[p]":{"auth":"basic"/* stays */},
    "db": {
      "[p]": {
        "kind": "postgres"
      }
    }
  }}`},
		{"empty", "{ /* nothing */ }", "{ /* nothing */\n  \"requires\": {\n    \"[p]\": {\n      \"auth\": {\n        \"kind\": \"jwt\"\n      }\n    },\n    \"db\": {\n      \"[p]\": {\n        \"kind\": \"postgres\"\n      }\n    }\n  }\n}"},
	} {
		got, changed, err := mergeCommented([]byte(c.in), add)
		if err != nil || !changed {
			t.Errorf("%s: %v, changed %v", c.name, err, changed)
			continue
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
		if _, err := hujson.Parse(got); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if again, changed, err := mergeCommented(got, add); err != nil || changed || string(again) != string(got) {
			t.Errorf("%s: the second time: %v, %v", c.name, changed, err)
		}
	}
	for _, in := range []string{"", "[]", "{", "5", "{]"} {
		if _, _, err := mergeCommented([]byte(in), add); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
}
