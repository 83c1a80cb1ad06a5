// Package testmodel gives the tests of the door the models they work with.
package testmodel

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"cds/parser/csn"
)

// Shared returns a path in the recorded material beside the repository; the test is skipped where it is absent.
func Shared(t testing.TB, elems ...string) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	p := filepath.Join(append([]string{filepath.Dir(file), "..", "..", "..", "..", "..", "shared"}, elems...)...)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("the recorded material is not here: %v", err)
	}
	return p
}

// Recorded reads one of the recorded models: bookshop or authlab.
func Recorded(t testing.TB, name string) *csn.Model {
	t.Helper()
	data, err := os.ReadFile(Shared(t, "conformance", "csn", "models", name+".csn.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, list := csn.Read(data)
	if list.HasErrors() {
		t.Fatal(list)
	}
	return m
}

// Shop is a small model of our own, for tests that run everywhere.
func Shop(t testing.TB) *csn.Model {
	t.Helper()
	m, list := csn.Read([]byte(shop))
	if list.HasErrors() {
		t.Fatal(list)
	}
	return m
}

// Restricted is Shop with rights: the service is for staff, Codes and Authors for admins.
func Restricted(t testing.TB) *csn.Model {
	t.Helper()
	text := strings.Replace(shop, `"@path": "/shop"`, `"@path": "/shop", "@requires": "staff"`, 1)
	text = strings.Replace(text, `"Shop.Codes": {"kind": "entity",`, `"Shop.Codes": {"kind": "entity", "@requires": "admin",`, 1)
	text = strings.Replace(text, `"Shop.Authors": {"kind": "entity",`, `"Shop.Authors": {"kind": "entity", "@requires": "admin",`, 1)
	m, list := csn.Read([]byte(text))
	if list.HasErrors() {
		t.Fatal(list)
	}
	return m
}

const shop = `{
 "definitions": {
  "Shop": {"kind": "service", "@path": "/shop"},
  "Shop.Books": {"kind": "entity", "elements": {
    "ID": {"key": true, "type": "cds.Integer"},
    "title": {"type": "cds.String", "length": 111, "@title": "Title", "@mandatory": true},
    "stock": {"type": "cds.Integer", "@assert.range": [0, 1000]},
    "big": {"type": "cds.Int64"},
    "price": {"type": "cds.Decimal", "precision": 9, "scale": 2},
    "rate": {"type": "cds.Double"},
    "out": {"type": "cds.Boolean", "notNull": true, "default": {"val": false}},
    "day": {"type": "cds.Date"},
    "at": {"type": "cds.Timestamp"},
    "dt": {"type": "cds.DateTime"},
    "tod": {"type": "cds.Time"},
    "uid": {"type": "cds.UUID"},
    "bin": {"type": "cds.Binary"},
    "mime": {"type": "cds.String"},
    "image": {"type": "cds.LargeBinary", "@Core.MediaType": {"=": "mime"}},
    "tags": {"items": {"type": "cds.String"}},
    "lines": {"items": {"elements": {"k": {"type": "cds.String"}, "v": {"type": "cds.Integer"}}}},
    "calc": {"type": "cds.String", "virtual": true, "@Core.Computed": true},
    "author": {"type": "cds.Association", "target": "Shop.Authors", "keys": [{"ref": ["ID"]}]},
    "parent": {"type": "cds.Association", "target": "Shop.Books", "keys": [{"ref": ["ID"]}]},
    "items": {"type": "cds.Composition", "cardinality": {"max": "*"}, "target": "Shop.Items",
       "on": [{"ref": ["items", "book"]}, "=", {"ref": ["$self"]}]}
   },
   "actions": {
    "order": {"kind": "action", "params": {"amount": {"type": "cds.Integer"}}, "returns": {"type": "Shop.Books"}},
    "margin": {"kind": "function", "params": {"of": {"type": "cds.Decimal"}}, "returns": {"type": "cds.Decimal"}},
    "best": {"kind": "function", "params": {"in": {"items": {"type": "$self"}}}, "returns": {"type": "Shop.Books"}}
   }},
  "Shop.Authors": {"kind": "entity", "elements": {
    "ID": {"key": true, "type": "cds.UUID"},
    "name": {"type": "cds.String"},
    "books": {"type": "cds.Association", "cardinality": {"max": "*"}, "target": "Shop.Books",
       "on": [{"ref": ["books", "author"]}, "=", {"ref": ["$self"]}]}
   }},
  "Shop.Items": {"kind": "entity", "elements": {
    "book": {"key": true, "type": "cds.Association", "target": "Shop.Books", "keys": [{"ref": ["ID"]}]},
    "pos": {"key": true, "type": "cds.Integer"},
    "note": {"type": "cds.String"},
    "author": {"type": "cds.Association", "target": "Shop.Authors", "keys": [{"ref": ["ID"]}]}
   }},
  "Shop.Codes": {"kind": "entity", "elements": {
    "a": {"key": true, "type": "cds.Integer"},
    "b": {"key": true, "type": "cds.String", "length": 5},
    "text": {"type": "cds.String"}
   }},
  "Shop.Settings": {"kind": "entity", "@odata.singleton": true, "elements": {"theme": {"type": "cds.String"}}},
  "Shop.reset": {"kind": "action", "params": {"p": {"elements": {"a": {"type": "cds.Integer"}, "b": {"type": "cds.String"}}},
     "l": {"items": {"type": "cds.Integer"}}}},
  "Shop.sum": {"kind": "function", "params": {"a": {"type": "cds.Integer"}, "s": {"type": "cds.String"}, "many": {"items": {"type": "cds.String"}}},
     "returns": {"type": "cds.Integer"}},
  "Shop.top": {"kind": "function", "returns": {"items": {"type": "Shop.Books"}}},
  "Shop.stats": {"kind": "function", "returns": {"elements": {"n": {"type": "cds.Integer"}, "avg": {"type": "cds.Decimal"}}}}
 }
}`
