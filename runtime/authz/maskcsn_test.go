package authz

import (
	"bytes"
	"strings"
	"testing"

	"cds/parser/csn"
)

// TestMaskFromCSN: a model that was written and read again has the same masks, as a server has that was built with it.
func TestMaskFromCSN(t *testing.T) {
	m := compiled(t, `@roles: { boss: 'hr' } service S { @authz.condition.own: (owner = $user) @requires: 'any' entity E { key ID : Integer; owner : String; n : Integer;
  @mask: { expr: (concat('*', substring(a, -2))), unless: ['hr', { to: 'clerk', where: (owner = $user) }, { if: 'own' }], write: 'clerk' } a : String;
  @mask: (case when n > 5 then b else null end) b : String; @mask: { fn: 'last(4)', unless: { where: ($user.level = 'high') } } c : String; @mask: { value: 0 } d : Integer; } }`)
	var data bytes.Buffer
	if err := csn.Write(&data, m, csn.MarshalOptions{}); err != nil {
		t.Fatal(err)
	}
	again, diags := csn.Read(data.Bytes())
	if again == nil || diags.HasErrors() {
		t.Fatal(diags)
	}
	p, _ := Compile(m, Options{Strict: true})
	q, found := Compile(again, Options{Strict: true})
	if found.HasErrors() || p.Digest() != q.Digest() {
		t.Errorf("%v\n%v\n%v", found, p.Table(), q.Table())
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		x, y := p.state.elements[m.Entity("S.E").Element(name)].mask, q.state.elements[again.Entity("S.E").Element(name)].mask
		if x.show.Text != y.show.Text || x.show.Computed != y.show.Computed || len(x.exempt) != len(y.exempt) {
			t.Errorf("%s: %+v, %+v", name, x.show, y.show)
		}
	}
}

// TestMaskFaultsFromCSN: what our compiler does not let through is refused in models of others too.
func TestMaskFaultsFromCSN(t *testing.T) {
	const model = `{"definitions": {"S": {"kind": "service"}, "S.E": {"kind": "entity", "@requires": "any", "elements": {"ID": {"key": true, "type": "cds.Integer"}, "n": {"type": "cds.String", ANNO}}}}}`
	for anno, want := range map[string]string{
		`"@mask.unless": [{}]`:                       "needs to, where or if",
		`"@mask.value": "x", "@encrypted": true`:     "",
		`"@mask": true`:                              "",
		`"@mask.unless.where": "n = 1"`:              "a condition in parentheses is expected",
		`"@mask.expr": "n"`:                          "an expression in parentheses is expected",
		`"@mask.unless": null, "@mask.write": null`:  "",
		`"@mask.unless": [null], "@mask.value": "x"`: "",
	} {
		m, diags := csn.Read([]byte(strings.Replace(model, "ANNO", anno, 1)))
		if m == nil {
			t.Errorf("%s: %v", anno, diags)
			continue
		}
		_, found := Compile(m, Options{Strict: true})
		got := ""
		for _, d := range found {
			if d.Code == codeMask {
				got += d.Message
			}
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", anno, got, want)
		}
	}
}
