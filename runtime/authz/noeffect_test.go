package authz

import (
	"strings"
	"testing"
)

func TestNoEffect(t *testing.T) {
	for _, c := range []struct{ model, want string }{
		{"@requires: 'a' type T : String; service S { entity E { key ID : Integer; t : T; } }", "@requires has no effect on type T"},
		{"service S { @restrict: [{ to: 'a' }] type T { x : String; } entity E { key ID : Integer; t : T; } }", "@restrict has no effect on type S.T"},
		{"service S { entity E { key ID : Integer; m : many { @requires: 'a' x : Integer; }; } }", "no effect on x in the items of S.E.m"},
		{"service S { entity E { key ID : Integer; s { m : many { y { @mask x : Integer; }; }; }; } }", "no effect on x in y in the items of S.E.s.m"},
		{"service S { action go(@requires: 'a' p : Integer); }", "no effect on parameter p of S.go"},
		{"service S { action go(p : many { @mask x : Integer; }); }", "no effect on x in parameter p of S.go"},
		{"service S { function get() returns { @requires: 'a' x : Integer; }; }", "no effect on x in the result of S.get"},
		{"service S { entity E { key ID : Integer; } actions { function get() returns many { @mask x : Integer; }; } }", "no effect on x in the result of S.E.get"},
		{"type T { @requires: 'a' x : Integer; } service S { entity E { key ID : Integer; m : many T; } }", "no effect on x in the items of S.E.m"},
		// What counts where it stands.
		{"type T { @requires: 'a' x : Integer; y : Integer; } service S { entity E { key ID : Integer; t : T; } function get() returns T; event V { t : T; m : many { @requires: 'a' x : Integer; }; } }", ""},
		{"type T { @requires: 'a' x : Integer; } service S { entity E { key ID : Integer; @requires: 'b' m : many T; } }", ""},
		{"@mask type T : String; service S { entity E { key ID : Integer; t : T; } }", ""},
		{"@requires: null type T : String; service S { entity E { key ID : Integer; t : T; @requires: 'a' m : many { x : Integer; }; } function get() returns E; }", ""},
		{"@requires: 'a' aspect A { x : Integer; } service S { entity E : A { key ID : Integer; } }", ""},
	} {
		m := compiled(t, c.model)
		_, diags := Compile(m, Options{Strict: true})
		var found []string
		for _, d := range diags {
			if d.Code == codeNoEffect {
				found = append(found, d.Message)
			}
		}
		if got := strings.Join(found, "; "); c.want == "" && got != "" || !strings.Contains(got, c.want) || diags.HasErrors() != (c.want != "") {
			t.Errorf("%s: %q, want %q\n%v", c.model, got, c.want, diags)
		}
		if _, diags := Compile(m, Options{}); diags.HasErrors() {
			t.Errorf("%s: not strict: %v", c.model, diags)
		}
	}
}
