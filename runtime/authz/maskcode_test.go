package authz

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// TestMaskFunctionFaults: what is not understood of a mask by a function of the application stops the start, at its place.
func TestMaskFunctionFaults(t *testing.T) {
	for _, c := range []struct{ anno, want string }{
		{"@mask: { go: 5 } n : String", "must be the name of a function"},
		{"@mask: { go: '' } n : String", "must be the name of a function"},
		{"@mask: { go: 'last(4)' } n : String", "must be the name of a function"},
		{"@mask: { go: '4last' } n : String", "must be the name of a function"},
		{"@mask: { go: true } n : String", "must be the name of a function"},
		{"@mask: { go: (m) } n : String", "must be the name of a function"},
		{"@mask: { go: ['a'] } n : String", "must be the name of a function"},
		{"@mask.go n : String", "must be the name of a function"},
		{"@mask: { go.x: 'a' } n : String", "@mask.go.x is not understood"},
		{"@mask: { g0: 'a' } n : String", "did you mean @mask.go?"},
		{"@mask: { go: 'a', value: 'x' } n : String", "both say what is shown"},
		{"@mask: { go: 'a', expr: (n) } n : String", "both say what is shown"},
		{"@mask: { fn: 'email', go: 'a' } n : String", "both say what is shown"},
		{"@mask: { go: 'a' } key k : String", "cannot be masked"},
		{"@mask: { go: 'a' } n : Association to E", "cannot be masked"},
		{"@mask: { go: 'a' } n : many String", "cannot be masked"},
		{"@mask: { go: 'a' } n : LargeBinary", "cannot be masked"},
		{"@mask: { go: 'a' } @odata.etag n : String", "cannot be masked"},
		{"@mask: { go: 'a' } virtual n : String", "cannot be masked"},
		{"@mask: { go: 'a' } n { x : String; }", "cannot be masked"},
		{"@mask: { go: 'a' } @hash n : String", "@mask.go of n needs the value, and the database has the hash only"},
		{"@mask: { go: 'a', unless: { where: (nn = 1) } } n : String", "there is no element nn"},
	} {
		res := parser.CompileString("m.cds", "service S { @requires: 'any' entity E { key ID : Integer; m : String; "+c.anno+"; }; }")
		diags := res.Diags
		if res.Model != nil && !diags.HasErrors() {
			_, diags = Compile(res.Model, Options{Strict: true})
		}
		if !diags.HasErrors() || !strings.Contains(hinted(diags), c.want) {
			t.Errorf("%s: %s", c.anno, hinted(diags))
			continue
		}
		for _, d := range diags {
			if !d.Span.Valid() {
				t.Errorf("%s: a finding without a place: %s", c.anno, d.Message)
			}
		}
	}
	for name, want := range map[string]bool{"a": true, "lastFour": true, "a.b-c_1": true, "": false, "1a": false, "_a": false, "a b": false, "ä": false, "aä": false, "a:b": false, "a/b": false, "aZ09": true, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false} {
		if MaskFunctionName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// TestMaskFunctions_allowed: a function of the application masks what is encrypted, too, since it gets the value in the clear; and where faults stop no start, a function
// that cannot be right is still found out.
func TestMaskFunctions_allowed(t *testing.T) {
	m, p, diags := policyOf(t, "service S { @requires: 'any' entity E { key ID : Integer; @mask: { go: 'a' } @encrypted n : String; @mask: { go: 'a' } o : Association to E; } }")
	if got := hinted(diags); !strings.Contains(got, "S.E.o cannot be masked") || strings.Contains(got, "S.E.n") {
		t.Errorf("faults: %s", got)
	}
	if got := masked(p, m.Entity("S.E").Element("n"), named("u")); got != "null" {
		t.Errorf("n shows %s", got)
	}
	if got := hinted(p.CheckMaskFunctions(func(f MaskFunction) (bool, string) { return f.Element.Name == "n", "int64" })); !strings.Contains(got, "the function a takes and returns int64, and S.E.o is of another type") {
		t.Errorf("functions: %s", got)
	}
}

const maskFunctionModel = `
context d {
  @mask: { go: 'ofType' } type Secret : String(10);
  entity A { key ID : Integer; @mask: { go: 'own', unless: 'hr' } a : Integer; b : Secret; st { @mask: { go: 'inside' } x : Date; }; @mask: { go: 'text' } t : localized String;
    c : String = a || ''; @mask: 'x' k : String; }
}
@requires: 'authenticated-user' service S {
  @requires: 'any' entity A as projection on d.A;
  @cds.redirection.target: false @requires: 'any' entity B as projection on d.A { ID, a as other, cast(a as String) as recast };
  @cds.redirection.target: false @requires: 'any' entity C as projection on d.A { ID, a, b };
  annotate C with { a @mask.go: null @mask.value: 5; b @mask: null };
  annotate C with { b @mask.go: null };
  event E { @mask: { go: 'event' } x : String; y : Integer; z : d.A:a; }
}`

// TestMaskFunctions: every function that a mask names is known, wherever it stands, and no other.
func TestMaskFunctions(t *testing.T) {
	m, p, _ := policyOf(t, maskFunctionModel)
	got := map[string]bool{}
	for _, f := range p.MaskFunctions() {
		if !f.Span.Valid() || f.Element == nil || f.Element.Scalar() == nil {
			t.Errorf("%+v", f)
		}
		got[f.On+" "+f.Name] = true
	}
	for _, want := range []string{"d.A.a own", "d.A.b ofType", "d.A.st_x inside", "d.A.t text", "S.A.a own", "S.A.b ofType", "S.A.st_x inside", "S.A.t text", "S.A.texts.t text", "S.B.other own", "S.E.x event"} {
		if !got[want] {
			t.Errorf("%s is missing: %v", want, got)
		}
	}
	for _, not := range []string{"S.C.a own", "S.C.b ofType", "S.B.recast own", "S.A.c own"} {
		if got[not] {
			t.Errorf("%s is none", not)
		}
	}
	var asked []string
	diags := p.CheckMaskFunctions(func(f MaskFunction) (bool, string) {
		asked = append(asked, f.Name)
		return f.Name != "own" && f.Name != "text", map[string]string{"own": "", "text": "int64"}[f.Name]
	})
	text := hinted(diags)
	if len(asked) != len(got) || !strings.Contains(text, "the mask of d.A.a names the function own") || !strings.Contains(text, "the function text takes and returns int64, and d.A.t is a String") || strings.Contains(text, "inside") || len(diags) != 2 {
		t.Errorf("asked for %d: %s", len(asked), text)
	}

	// Who sees the mask is refused, and shown what the function makes; what is computed from it, and what is in events, has nothing to show.
	u := named("u")
	d := p.Decide(u, Access{Service: m.Service("S"), Event: Read, Path: []*csn.Entity{m.Entity("S.A")}})
	for name, want := range map[string]string{"a": "own (Go)", "st_x": "inside (Go)", "c": "", "k": "'x'"} {
		var f *sqlgen.Forbidden
		if err := d.Guard.Element(m.Entity("S.A").Element(name), sqlgen.Root); !errors.As(err, &f) || (f.Mask == nil) != (want == "") || f.Mask != nil && f.Mask.Text != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	row := cqn.NewRow(cqn.Field{Name: "x", Value: cqn.String("secret")}, cqn.Field{Name: "y", Value: cqn.Int(1)}, cqn.Field{Name: "z", Value: cqn.Int(7)})
	if out, ok := p.Deliver(u, eventOfModel(t, m, "S.E"), row, ""); !ok || len(out.Fields()) != 1 || out.Fields()[0].Name != "y" {
		t.Errorf("delivered is %v %v", fmt.Sprint(out), ok)
	}
	if out, ok := p.Deliver(named("hr", "hr"), eventOfModel(t, m, "S.E"), row, ""); !ok || len(out.Fields()) != 2 {
		t.Errorf("delivered to hr is %v %v", fmt.Sprint(out), ok)
	}
}
