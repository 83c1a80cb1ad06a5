package asyncapi_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"cds/codegen/asyncapi"
	"cds/parser"
)

func TestGenerate(t *testing.T) {
	r := parser.CompileString("m.cds", `
@title: 'Orders' service S {
  /** An order has come in. */
  event Ordered { ID : UUID; amount : Decimal(9,2); lines : many { book : Integer; title : String(10); }; at : Timestamp; }
  @topic: 'shop/cancelled' event Cancelled : Reason;
  type Reason { text : String; }
}
service T { event Other : { x : Boolean; }; }`)
	if r.Model == nil {
		t.Fatal(r.Diags)
	}
	at := func(doc any, path ...string) string {
		for _, p := range path {
			m, _ := doc.(map[string]any)
			doc = m[p]
		}
		return fmt.Sprint(doc)
	}
	b, err := asyncapi.Generate(r.Model.Services[:1], "x")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		path []string
	}{
		{"Orders", []string{"info", "title"}},
		{"#/components/messages/S.Cancelled", []string{"channels", "shop/cancelled", "subscribe", "message", "$ref"}},
		{"An order has come in.", []string{"components", "messages", "S.Ordered", "description"}},
		{"uuid", []string{"components", "schemas", "S.Ordered", "properties", "ID", "format"}},
		{"10", []string{"components", "schemas", "S.Ordered", "properties", "lines", "items", "properties", "title", "maxLength"}},
		{"string", []string{"components", "schemas", "S.Cancelled", "properties", "text", "type"}},
		{"<nil>", []string{"channels", "T.Other"}},
	} {
		if got := at(doc, c.path...); got != c.want {
			t.Errorf("%v: %s, want %s", c.path, got, c.want)
		}
	}
	b, err = asyncapi.Generate(r.Model.Services, "All")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if at(doc, "info", "title") != "All" || at(doc, "channels", "T.Other") == "<nil>" {
		t.Errorf("merged: %s", b)
	}
}
