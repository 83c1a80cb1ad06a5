package difftest

import (
	"bytes"
	"fmt"
	"testing"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/authz"
)

// TestClosedStaysClosed: what is closed because its restriction is not understood is closed too if the model comes from the CSN that was written of it.
func TestClosedStaysClosed(t *testing.T) {
	table := func(m *csn.Model) string {
		p, _ := authz.Compile(m, authz.Options{})
		text := ""
		for _, r := range p.Table() {
			text += fmt.Sprintf("%s %s %q %v %v; ", r.On, r.Closed, r.Where, r.Grant, r.To)
		}
		return text
	}
	for _, anno := range []string{
		"@restrict: [{grant:'READ', where: 'frob = $user'}]",
		"@restrict: [{grant:'READ', where: (frob = $user)}]",
		"@restrict: [{grant:'READ', where: 'owner = '}]",
		"@restrict: [{grant:'Read'}]",
		"@restrict: {grant:'READ', to:'x'}",
		"@restrict: 'READ'",
		"@restrict",
		"@requires",
		"@requires: ''",
		"@restrict: [{grants:'READ'}]",
		"@restrict: [{grant:'READ', were: (owner=$user)}]",
		"@restrict: [{grant:'READ', where: ''}]",
		"@restrict: [{grant:'READ', where: (exists frob)}]",
		"@restrict: [{grant:'READ', where: 1}]",
		"@restrict: [{grant:'READ', where: null}]",
		"@restrict: []",
		"@requires: {a:1}",
		"@restrict.grant: 'READ'",
		"@requires: [null]",
		"@restrict: [{grant:'READ', to: (1=1)}]",
		"@restrict: [{grant:'READ', where: (owner = frob())}]",
		"@restrict: [{grant:'READ', where: (tags = 'x')}]",
	} {
		for _, at := range []string{"entity", "element", "service", "action"} {
			a := map[string]string{at: anno}
			res := parser.CompileString("m.cds", a["service"]+" @path:'/s' service S { "+a["entity"]+" entity E { key ID : Integer; owner : String; tags : array of String; "+a["element"]+
				" x : Integer; }; "+a["action"]+" action act(); };")
			if res.Model == nil {
				t.Fatalf("%s %s: %v", at, anno, res.Diags)
			}
			var b bytes.Buffer
			if err := csn.Write(&b, res.Model, csn.MarshalOptions{}); err != nil {
				t.Fatal(err)
			}
			again, diags := csn.Read(b.Bytes())
			if again == nil {
				t.Fatalf("%s %s: %v", at, anno, diags)
			}
			want := table(res.Model)
			if got := table(again); got != want || got == "" {
				t.Errorf("%s %s:\n got %s\nwant %s", at, anno, got, want)
			}
			if res := parser.CompileString("m.csn", b.String()); res.Model == nil || table(res.Model) != want {
				t.Errorf("%s %s, compiled from CSN: %v\nwant %s", at, anno, res.Diags, want)
			}
		}
	}
}
