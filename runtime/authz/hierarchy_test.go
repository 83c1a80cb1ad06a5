package authz

import (
	"slices"
	"strings"
	"testing"

	"cds/runtime/auth"
)

// TestHierarchy_faults: what is not understood of @roles is told with a place, and includes nothing.
func TestHierarchy_faults(t *testing.T) {
	for _, c := range []struct{ model, want string }{
		{"@roles: { admin: ['editor'] } service S { @requires: 'editor' entity E { key ID : Integer; } }", ""},
		{"@roles: { admin: ['editor'] } service S { @restrict: [{ to: 'editor' }] entity E { key ID : Integer; } }", ""},
		{"@roles: { admin: ['editor'] } service S { @restrict: [{ grant: '*' }, { deny: '*', to: 'editor' }] entity E { key ID : Integer; } }", ""},
		{"@roles: { admin: ['editor'] } service S { entity E { key ID : Integer; @mask: { unless: 'editor' } x : String; } }", ""},
		{"@roles: { admin: ['editor'], editor: ['viewer'] } service S { @requires: 'viewer' entity E { key ID : Integer; } }", ""},
		{"@roles: null service S { entity E { key ID : Integer; } }", ""},
		{"@roles: { a: 'b', b: 'c', c: 'b' } service S { @requires: 'b' entity E { key ID : Integer; } }", "the role b includes itself"},
		{"@roles: { a: ['b', 'c'], b: 'd', c: 'd', d: 'e' } service S { @requires: ['e'] entity E { key ID : Integer; } }", ""},
		{"service S { @roles: 'a' entity E { key ID : Integer; } }", "has no effect on entity S.E"},
		{"service S { entity E { key ID : Integer; } actions { @roles: { a: 'b' } action go(); } }", "has no effect on operation S.E.go"},
		{"service S { @roles: { a: 'b' } action go(); }", "has no effect on operation S.go"},
		{"@roles: { a: 'system-user' } service S { @requires: 'system-user' entity E { key ID : Integer; } }", "it cannot include roles or be included"},
		{"@roles: { a: [5] } service S { @requires: 'b' entity E { key ID : Integer; } }", "must be a role"},
	} {
		m := compiled(t, c.model)
		_, diags := Compile(m, Options{Strict: true})
		if (c.want == "") != (len(diags) == 0) || c.want != "" && (!diags.HasErrors() || !strings.Contains(diags.Error(), c.want)) {
			t.Errorf("%s: %v", c.model, diags)
		}
		for _, d := range diags {
			if !d.Span.Valid() {
				t.Errorf("%s: no place: %s", c.model, d.Message)
			}
		}
		if _, diags := Compile(m, Options{}); diags.HasErrors() || (c.want == "") != (len(diags) == 0) {
			t.Errorf("%s: not strict: %v", c.model, diags)
		}
	}
}

// TestHierarchy_includes: roles are included over all levels, also around circles, and what follows from who a user is never is.
func TestHierarchy_includes(t *testing.T) {
	m, p, _ := policyOf(t, `@roles: { a: ['b', 'c'], b: 'd', c: 'd', d: 'e', x: 'y', y: 'z', z: 'y', tech: 'system-user' }
service S { @requires: 'e' entity E { key ID : Integer; } @requires: 'z' entity Z { key ID : Integer; } @requires: 'system-user' entity T { key ID : Integer; } }`)
	for role, want := range map[string]string{"a": "b c d e", "b": "d e", "d": "e", "e": "", "x": "y z", "y": "z", "z": "y", "tech": "", "other": ""} {
		if got := strings.Join(p.Includes(role), " "); got != want {
			t.Errorf("%s includes %s, want %s", role, got, want)
		}
		for entity, needed := range map[string]string{"S.E": "e", "S.Z": "z"} {
			may := role == needed || slices.Contains(strings.Fields(want), needed)
			if d := p.Decide(named("u", role), access(t, m, "READ "+entity)); d.Allowed() != may {
				t.Errorf("%s reads %s: %v", role, entity, d.Allowed())
			}
		}
	}
	if d := p.Decide(named("u", "tech"), access(t, m, "READ S.T")); d.Allowed() {
		t.Error("a role makes a technical user")
	}
	if d := p.Decide(auth.New(auth.User{ID: "u", Kind: auth.KindSystem}), access(t, m, "READ S.T")); !d.Allowed() {
		t.Error("a technical user is none")
	}
}
