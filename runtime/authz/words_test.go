package authz

import "testing"

// TestNearest: short words are alike if one letter differs, longer ones with two.
func TestNearest(t *testing.T) {
	for word, want := range map[string]string{"READS": "READ", "raed": "READ", "REAA": "READ", "RAAA": "", "upsrt": "UPSERT", "UPDTAES": "UPDATE", "UPDATTES": "UPDATE", "DELETION": "", "CRAETED": "CREATE", "": ""} {
		if got := nearest(word, "READ", "CREATE", "UPDATE", "DELETE", "UPSERT"); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

// TestWords: words that nobody knows close what they stand on.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		model string
		fault bool
	}{
		{"@restrict: [{ grant: 'go' }] service S { action go(); entity E { key ID : Integer; } }", false},
		{"@restrict: [{ grant: 'act' }] service S { entity E { key ID : Integer; } actions { action act(); } }", false},
		{"@restrict: [{ grant: 'nothing' }] service S { action go(); entity E { key ID : Integer; } actions { action act(); } }", true},
		{"service S { @restrict: [{ grant: 'act' }] entity E { key ID : Integer; } actions { action act(); } }", false},
		{"service S { @restrict: [{ grant: 'acts' }] entity E { key ID : Integer; } actions { action act(); } }", true},
		{"service S { @restrict: [{ grant: 'go' }] action go(); }", false}, {"service S { @restrict: [{ grant: 'READ' }] action go(); }", true}, {"service S { @restrict: [{ grant: 'gone' }] action go(); }", true},
		{"service S { entity E { key ID : Integer; @restrict: [{ grant: 'go' }] x : String; } actions { action go(); } }", true}, {"service S { entity E { key ID : Integer; @restrict: [{ grant: 'READ' }] x : String; } }", false},
		{"service S { @restrictions: [{ grant: 'READ' }] entity E { key ID : Integer; } }", true}, {"service S { @requirement: 'a' entity E { key ID : Integer; } }", false}, {"service S { @restict: [] entity E { key ID : Integer; } }", true},
		{"service S { @reqiures: 'a' entity E { key ID : Integer; } }", true}, {"service S { @Requires: 'a' entity E { key ID : Integer; } }", true}, {"service S { @readonly entity E { key ID : Integer; } }", false},
	} {
		_, diags := Compile(compiled(t, c.model), Options{Strict: true})
		if diags.HasErrors() != c.fault {
			t.Errorf("%s: %v", c.model, diags)
		}
	}
}

// TestConstants: a condition without rows and users is decided once. What is unknown grants nothing, and denies.
func TestConstants(t *testing.T) {
	for where, want := range map[string][2]string{ // as a grant, as a denial beside a grant of all
		"1 = 1": {"all", "forbidden"}, "1 = 2": {"false", "not false"}, "null = 1": {"false", "not false"}, "weird(1) = 1": {"weird(1) = 1", "forbidden"},
	} {
		for i, model := range []string{"{ grant: '*', where: '" + where + "' }", "{ grant: '*' }, { deny: '*', where: '" + where + "' }"} {
			m, p, diags := policyOf(t, "service S { @restrict: ["+model+"] entity E { key ID : Integer; } }")
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			d := p.Decide(named("u"), access(t, m, "READ S.E"))
			if got := condition(d.Guard, m.Entity("S.E"), 0); got != want[i] {
				t.Errorf("%s: %s, want %s", model, got, want[i])
			}
		}
	}
}

// TestOpenElements: what one entity of a service shows under a restriction, another one must not show without an answer.
func TestOpenElements(t *testing.T) {
	const a = "@cds.redirection.target entity A as projection on d.X { ID, @requires: 'hr' pay, free, @requires: 'any' told };"
	for b, fault := range map[string]bool{
		"entity B as projection on d.X { ID, pay };": true, "entity B as projection on d.X { ID, pay as money };": true, "entity B as projection on d.X { ID, pay * 2 as twice : Integer };": true, "entity B as select from d.X { key ID, pay };": true,
		"entity B as projection on d.X { ID, free };": false, "entity B as projection on d.X { ID, told };": false, "entity B as projection on d.X { ID, @requires: 'any' pay };": false, "entity B as projection on d.X { ID, @requires: 'hr' pay };": false,
		"entity B as projection on A;": false, "": false,
	} {
		m := compiled(t, "entity d.X { key ID : Integer; pay : Integer; free : Integer; told : Integer; } service S { "+a+b+" } service T { entity C as projection on d.X; }")
		_, diags := Compile(m, Options{Strict: true})
		if diags.HasErrors() != fault {
			t.Errorf("%s: %v", b, diags)
		}
		for _, d := range diags {
			if !d.Span.Valid() || d.Hint == "" {
				t.Errorf("%s: no place or hint", b)
			}
		}
		if _, diags := Compile(m, Options{}); diags.HasErrors() || (len(diags) > 0) != fault {
			t.Errorf("%s: not strict: %v", b, diags)
		}
	}
}
