package openapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cds/codegen/openapi"
	"cds/parser"
)

const shop = `
@requires: 'authenticated-user'
service Shop {
  @title: 'Our books'
  entity Books { key ID : UUID; title : String(100) @mandatory; stock : Integer default 0; price : Decimal(9,2); big : Int64;
    at : Timestamp @cds.on.insert: $now; kind : String enum { novel; essay = 'E'; }; author : Association to Authors;
    notes : Composition of many Notes on notes.book = $self; addr : Address; tags : many String; } actions {
    action order(quantity : Integer not null) returns Books;
    function rest(per : String, n : Integer) returns Integer;
    action clear(in : many $self);
  };
  entity Notes { key book : Association to Books; key lang : String(2); text : String; }
  @readonly entity Authors { key ID : Integer; name : String; }
  @insertonly entity Log { key ID : Integer; text : String; }
  @odata.singleton entity Settings { key ID : Integer; theme : String; }
  entity Hidden @(cds.api.ignore) { key ID : Integer; }
  type Address { city : String; back : many Address2; }
  type Address2 { street : String; }
  action ping();
  function sum(a : Integer, b : String) returns many Address;
}`

// Hashed elements are sent and never shown; encrypted ones cannot be sorted by.
func TestSealed(t *testing.T) {
	doc := generate(t, `@requires: 'any' service Shop { entity Staff { key ID : Integer; @encrypted pay : Integer; @encrypted: 'deterministic' ssn : String; @hash pin : String; } }`, "Shop", "3.0.2")
	for _, tt := range []struct {
		path []string
		want string
	}{
		{[]string{"components", "schemas", "Shop.Staff", "properties"}, "[ID pay ssn]"},
		{[]string{"components", "schemas", "Shop.Staff-create", "properties"}, "[ID pay pin ssn]"},
		{[]string{"components", "schemas", "Shop.Staff-update", "properties"}, "[pay pin ssn]"},
	} {
		props, _ := at(doc, tt.path...).(map[string]any)
		if got := fmt.Sprint(slices.Sorted(maps.Keys(props))); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.path, got, tt.want)
		}
	}
	params, _ := at(doc, "paths", "/Staff", "get", "parameters").([]any)
	for _, p := range params {
		switch at(p, "name") {
		case "$orderby":
			if got := fmt.Sprint(at(p, "schema", "items", "enum")); got != "[ID ID desc]" {
				t.Errorf("$orderby: %s", got)
			}
		case "$select":
			if got := fmt.Sprint(at(p, "schema", "items", "enum")); got != "[ID pay ssn]" {
				t.Errorf("$select: %s", got)
			}
		}
	}
	if len(params) < 6 {
		t.Errorf("%d parameters", len(params))
	}
}

func generate(t *testing.T, text, service, version string) map[string]any {
	t.Helper()
	r := parser.CompileString("shop.cds", text)
	if r.Model == nil {
		t.Fatal(r.Diags)
	}
	b, err := openapi.Generate(r.Model, r.Model.Service(service), openapi.Options{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func at(doc any, path ...string) any {
	for _, p := range path {
		m, ok := doc.(map[string]any)
		if !ok {
			return nil
		}
		doc = m[p]
	}
	return doc
}

func TestGenerate_Paths(t *testing.T) {
	doc := generate(t, shop, "Shop", "")
	paths := at(doc, "paths").(map[string]any)
	for path, verbs := range map[string]string{
		"/Books":                  "get post",
		"/Books({ID})":            "delete get patch",
		"/Books({ID})/author":     "get",
		"/Books({ID})/notes":      "get post",
		"/Books({ID})/Shop.order": "post",
		"/Books({ID})/Shop.rest(per='{per}',n={n})": "get",
		"/Books/Shop.clear":                         "post",
		"/Authors":                                  "get",
		"/Authors({ID})":                            "get",
		"/Log":                                      "post",
		"/Settings":                                 "get patch",
		"/ping":                                     "post",
		"/sum(a={a},b='{b}')":                       "get",
	} {
		item, ok := paths[path].(map[string]any)
		if !ok {
			t.Errorf("%s is missing", path)
			continue
		}
		var got []string
		for v := range item {
			if v != "parameters" {
				got = append(got, v)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != verbs {
			t.Errorf("%s: %v, want %s", path, got, verbs)
		}
	}
	for _, absent := range []string{"/Hidden", "/Log({ID})"} {
		if paths[absent] != nil {
			t.Errorf("%s should not be there", absent)
		}
	}
	if at(doc, "paths", "/Books", "get", "responses", "401") == nil || doc["security"] == nil {
		t.Error("the service is restricted, but the document does not say so")
	}
	if got := fmt.Sprint(at(doc, "components", "schemas", "Shop.Books-create", "required")); got != "[title]" {
		t.Errorf("required for create: %s", got)
	}
	if at(doc, "components", "schemas", "Shop.Books-create", "properties", "at") != nil || at(doc, "components", "schemas", "Shop.Books-update", "properties", "ID") != nil {
		t.Error("computed elements can't be created, keys can't be changed")
	}
}

func TestGenerate_OddNames(t *testing.T) {
	doc := generate(t, "service S { entity ![my entity] { key ID : Integer; t : ![a/b]; } type ![a/b] { x : String; } }", "S", "")
	valid(t, "odd names", doc, "3.0")
	if at(doc, "components", "schemas", "S.my_entity", "properties", "t", "$ref") != nil {
		t.Error("structured elements are flat in entities")
	}
}

func TestGenerate_Nullable(t *testing.T) {
	if at(generate(t, shop, "Shop", "3.0"), "components", "schemas", "Shop.Books", "properties", "stock", "nullable") != true {
		t.Error("3.0: nullable is missing")
	}
	doc := generate(t, shop, "Shop", "3.1")
	if got := fmt.Sprint(at(doc, "components", "schemas", "Shop.Books", "properties", "stock", "type")); got != "[integer null]" {
		t.Errorf("3.1: %s", got)
	}
	if got := fmt.Sprint(at(doc, "components", "schemas", "Shop.Books", "properties", "kind", "enum")); got != "[novel E <nil>]" {
		t.Errorf("3.1: enum %s", got)
	}
}

func TestGenerate_Valid(t *testing.T) {
	for _, version := range openapi.Versions() {
		valid(t, "shop "+version, generate(t, shop, "Shop", version), version)
	}
	files, _ := filepath.Glob("../../../shared/conformance/csn/own/*.cds")
	if len(files) == 0 {
		t.Skip("recorded models are not there")
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r := parser.CompileString("m.cds", string(text))
		for _, s := range r.Model.Services {
			b, err := openapi.Generate(r.Model, s, openapi.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var doc map[string]any
			if err := json.Unmarshal(b, &doc); err != nil {
				t.Fatal(err)
			}
			valid(t, filepath.Base(f)+" "+s.Name, doc, "3.0")
		}
	}
}

var (
	parameter = regexp.MustCompile(`\{(\w+)\}`)
	component = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
)

// valid checks what the specification asks of a document's structure: required members, references that lead somewhere, parameters of paths
// that are declared, types and verbs that exist.
func valid(t *testing.T, name string, doc map[string]any, version string) {
	t.Helper()
	fail := func(format string, args ...any) { t.Errorf(name+": "+format, args...) }
	if v, _ := doc["openapi"].(string); !strings.HasPrefix(v, version+".") {
		fail("openapi is %q", v)
	}
	for _, k := range []string{"title", "version"} {
		if s, _ := at(doc, "info", k).(string); s == "" {
			fail("info.%s is missing", k)
		}
	}
	components, _ := doc["components"].(map[string]any)
	for kind, list := range components {
		for n := range list.(map[string]any) {
			if !component.MatchString(n) {
				fail("%s has a bad name: %s", kind, n)
			}
		}
	}
	references(doc, func(ref string) {
		if at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
			fail("%s leads nowhere", ref)
		}
	})
	tags := map[string]bool{}
	for _, x := range doc["tags"].([]any) {
		n := at(x, "name").(string)
		if tags[n] {
			fail("tag %s twice", n)
		}
		tags[n] = true
	}
	for path, item := range doc["paths"].(map[string]any) {
		common := declared(doc, at(item, "parameters"))
		for verb, op := range item.(map[string]any) {
			if verb == "parameters" {
				continue
			}
			if !slices.Contains([]string{"get", "post", "patch", "delete"}, verb) {
				fail("%s: unknown verb %s", path, verb)
			}
			if answers, _ := at(op, "responses").(map[string]any); len(answers) == 0 {
				fail("%s %s has no responses", verb, path)
			} else {
				for status, a := range answers {
					if at(a, "description") == nil && at(a, "$ref") == nil {
						fail("%s %s: %s has no description", verb, path, status)
					}
				}
			}
			own := declared(doc, at(op, "parameters"))
			for _, m := range parameter.FindAllStringSubmatch(path, -1) {
				if !common["path "+m[1]] && !own["path "+m[1]] {
					fail("%s %s: parameter %s is not declared", verb, path, m[1])
				}
			}
			if verb == "get" && at(op, "requestBody") != nil {
				fail("get %s has a body", path)
			}
		}
	}
	types(at(components, "schemas"), version, fail)
}

// types checks the schemas: a type is known, and null is said in the way of the version.
func types(v any, version string, fail func(string, ...any)) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			types(x, version, fail)
		}
	case map[string]any:
		if s, ok := v["type"].(string); ok && !slices.Contains([]string{"string", "integer", "number", "boolean", "array", "object", "null"}, s) {
			fail("unknown type %s", s)
		}
		if _, list := v["type"].([]any); list && version == "3.0" {
			fail("3.0 has no lists of types")
		}
		if _, ok := v["nullable"].(bool); ok && version == "3.1" {
			fail("3.1 has no nullable")
		}
		if v["type"] == "array" && v["items"] == nil {
			fail("an array without items")
		}
		for _, x := range v {
			types(x, version, fail)
		}
	}
}

func declared(doc map[string]any, list any) map[string]bool {
	out := map[string]bool{}
	l, _ := list.([]any)
	for _, p := range l {
		if r, ok := at(p, "$ref").(string); ok {
			p = at(doc, strings.Split(strings.TrimPrefix(r, "#/"), "/")...)
		}
		out[fmt.Sprint(at(p, "in"))+" "+fmt.Sprint(at(p, "name"))] = true
	}
	return out
}

func references(v any, fn func(string)) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			references(x, fn)
		}
	case map[string]any:
		if r, ok := v["$ref"].(string); ok {
			fn(r)
		}
		for _, x := range v {
			references(x, fn)
		}
	}
}

// A service that only REST serves is described as such: keys as segments, arrays, functions with query options, texts as they are.
func TestGenerate_REST(t *testing.T) {
	doc := generate(t, "@protocol: 'rest' "+strings.TrimSpace(shop)[len("@requires: 'authenticated-user'"):], "Shop", "")
	paths := at(doc, "paths").(map[string]any)
	for _, path := range []string{"/Books", "/Books/{ID}", "/Books/{ID}/author", "/Books/{ID}/order", "/Books/{ID}/rest", "/Books/clear", "/sum"} {
		if paths[path] == nil {
			t.Errorf("no path %s", path)
		}
	}
	for path := range paths {
		if strings.ContainsAny(path, "(='") && !strings.HasPrefix(path, "/Notes(") {
			t.Errorf("path %s is OData's", path)
		}
	}
	if got := at(doc, "servers").([]any)[0].(map[string]any)["url"]; got != "/rest/shop" {
		t.Errorf("server %v", got)
	}
	get := at(paths, "/Books", "get", "responses", "200")
	if got := at(get, "content", "application/json", "schema", "type"); got != "array" {
		t.Errorf("a list is %v", got)
	}
	if at(get, "headers", "X-Total-Count") == nil || at(get, "headers", "Link") == nil {
		t.Error("paging is not described")
	}
	if got := at(paths, "/Books", "post", "requestBody", "content", "application/json", "schema", "oneOf"); len(got.([]any)) != 2 {
		t.Errorf("POST takes %v", got)
	}
	if got := at(paths, "/Books/{ID}/rest", "get", "parameters").([]any); len(got) != 2 || at(got[0], "in") != "query" {
		t.Errorf("parameters of a function: %v", got)
	}
}
