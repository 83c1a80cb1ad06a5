package xssecurity_test

import (
	"testing"

	"cds/codegen/xssecurity"
	"cds/parser"

	"github.com/google/go-cmp/cmp"
)

func TestGenerate(t *testing.T) {
	r := parser.CompileString("m.cds", `
@requires: ['authenticated-user', 'Viewer'] service S {
  @restrict: [
    { grant: 'READ', to: 'Viewer' },
    { grant: 'WRITE', to: ['Editor', 'any'], where: 'country = $user.country and owner = $user and (tenant = $user.tenant or level > $user.level)' },
  ]
  entity E { key ID : Integer; country : String; owner : String; tenant : String; level : Integer; } actions { @requires: 'Approver' action go(); };
  @requires: 'system-user' action sync();
}`)
	if r.Model == nil {
		t.Fatal(r.Diags)
	}
	got, err := xssecurity.Generate(r.Model)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "scopes": [
    {
      "name": "$XSAPPNAME.Approver",
      "description": "Approver"
    },
    {
      "name": "$XSAPPNAME.Editor",
      "description": "Editor"
    },
    {
      "name": "$XSAPPNAME.Viewer",
      "description": "Viewer"
    }
  ],
  "attributes": [
    {
      "name": "country",
      "description": "country",
      "valueType": "string",
      "valueRequired": false
    },
    {
      "name": "level",
      "description": "level",
      "valueType": "string",
      "valueRequired": false
    }
  ],
  "role-templates": [
    {
      "name": "Approver",
      "description": "generated",
      "scope-references": [
        "$XSAPPNAME.Approver"
      ]
    },
    {
      "name": "Editor",
      "description": "generated",
      "scope-references": [
        "$XSAPPNAME.Editor"
      ],
      "attribute-references": [
        "country",
        "level"
      ]
    },
    {
      "name": "Viewer",
      "description": "generated",
      "scope-references": [
        "$XSAPPNAME.Viewer"
      ]
    }
  ]
}
`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestGenerate_NoRoles(t *testing.T) {
	r := parser.CompileString("m.cds", "service S { entity E { key ID : Integer; } }")
	got, err := xssecurity.Generate(r.Model)
	if err != nil || string(got) != "{\n  \"scopes\": [],\n  \"attributes\": [],\n  \"role-templates\": []\n}\n" {
		t.Errorf("%v %s", err, got)
	}
}
