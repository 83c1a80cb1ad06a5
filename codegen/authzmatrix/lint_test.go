package authzmatrix_test

import (
	"bytes"
	"strings"
	"testing"

	"cds/codegen/authzmatrix"
	"cds/parser/diag"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"

	"github.com/rogpeppe/go-internal/txtar"
)

func lint(t *testing.T, text string, given ...string) diag.List {
	t.Helper()
	m, opt := compile(t, "model.cds", text)
	return authzmatrix.Lint(m, authzmatrix.LintOptions{Policy: opt.Policy, Given: given, Source: "the test"})
}

// lintIndexes is lint with what is known of indexes.
func lintIndexes(t *testing.T, text string) diag.List {
	t.Helper()
	m, opt := compile(t, "model.cds", text)
	indexed, err := deploy.Indexed(m, sqlite.Dialect())
	if err != nil {
		t.Fatal(err)
	}
	return authzmatrix.Lint(m, authzmatrix.LintOptions{Policy: opt.Policy, Indexed: indexed})
}

// The wrong example of each rule has its finding, with a place, and the right one has none.
func TestLintExamples(t *testing.T) {
	for code, e := range authzmatrix.Messages() {
		var given []string
		if strings.HasSuffix(string(code), "no-role") {
			given = []string{"clerk"}
		}
		found, lint := false, lint
		if strings.HasSuffix(string(code), "no-index") {
			lint = func(t *testing.T, text string, _ ...string) diag.List { return lintIndexes(t, text) }
		}
		for _, d := range lint(t, e.Wrong, given...) {
			found = found || d.Code == code && d.Span.Valid() && d.Severity == e.Severity && d.Hint != ""
			if d.Code != code {
				t.Errorf("%s: its wrong example has %s, too: %s", code, d.Code, d.Message)
			}
		}
		if !found {
			t.Errorf("%s: its wrong example has no such finding", code)
		}
		for _, d := range lint(t, e.Right, given...) {
			t.Errorf("%s: its right example has %s: %s", code, d.Code, d.Message)
		}
	}
}

func TestLint(t *testing.T) {
	for _, c := range []struct{ restrict, want string }{
		{"{ grant: 'READ' }, { grant: 'READ', to: 'a' }", "covered"},
		{"{ grant: '*', to: 'a' }, { grant: ['READ', 'approve'], to: 'a' }", "covered"},
		{"{ grant: 'WRITE', to: ['a', 'b'] }, { grant: 'DELETE', to: 'b', where: 'n = 1' }", "covered"},
		{"{ grant: ['CREATE', 'UPDATE', 'DELETE'], to: 'a' }, { grant: 'WRITE', to: 'a' }", "covered"},
		{"{ grant: 'READ', where: 'n < 10' }, { grant: 'READ', where: 'n < 5' }", "covered"},
		{"{ grant: 'READ', where: 'n < 5' }, { grant: 'READ', where: 'n < 10' }", "covered"},
		{"{ grant: 'READ', where: 'n < 5' }, { grant: 'READ', where: 'n > 10' }", ""},
		{"{ grant: 'READ', to: 'authenticated-user' }, { grant: 'READ', to: 'any', where: 'n = 1' }", ""},
		{"{ grant: 'READ', to: 'a' }, { grant: ['READ', 'approve'], to: 'a' }", "covered"},
		{"{ grant: ['READ', 'UPDATE'], to: 'a' }, { grant: '*', to: 'a', where: 'n = 1' }", ""},
		{"{ grant: 'READ', to: 'a' }, { deny: 'READ', to: 'a', where: 'n = 1' }", ""},
		{"{ grant: 'READ' }, { deny: 'READ', to: 'a' }, { deny: ['READ', 'UPDATE'], to: 'a' }", "covered"},
		{"{ grant: 'READ', where: 's = ''a'' and s = ''b''' }", "never"},
		{"{ grant: 'READ', where: 's = ''a'' and s is null' }", "never"},
		{"{ grant: 'READ', where: '1 = 2' }", "never"},
		{"{ grant: 'READ', where: 'length(s) < 0' }", ""},
		{"{ grant: 'READ', where: ($user.a is null) }", ""},
		{"{ grant: 'READ', where: ($user.a = null or s = $user.a) }", ""},
		{"{ grant: 'READ', where: 's != $user.a' }", ""},
		{"{ grant: 'READ', where: 'n = 1 or not (s in $user.a)' }", "negated"},
		{"{ grant: 'READ', where: 'not (n = 1) and s = $user.a' }", ""},
		{"{ grant: 'READ', where: 'not ($user.a is null) and s = $user.a' }", ""},
	} {
		var got []string
		for _, d := range lint(t, "@requires: 'any' service S { @restrict: ["+c.restrict+"] entity E { key ID : Integer; n : Integer; s : String; } actions { action approve(); }; }") {
			got = append(got, strings.TrimPrefix(string(d.Code), "lint-authz-"))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q, want %q", c.restrict, s, c.want)
		}
	}
}

// A restriction that a read-only projection inherits speaks of what it was written for.
func TestLintInherited(t *testing.T) {
	const text = `context db { @restrict: [{ grant: 'READ', to: 'a' }, { grant: 'WRITE', to: 'b', where: 'n = 1 and n = 2' }] entity E { key ID : Integer; n : Integer; } }
		@requires: 'a' service S { @readonly entity E as projection on db.E; } @requires: 'b' service T { entity E as projection on db.E; }`
	var got []string
	for _, d := range lint(t, text) {
		got = append(got, string(d.Code))
	}
	if s := strings.Join(got, " "); s != "lint-authz-never" {
		t.Errorf("found %q", s)
	}
}

// Roles that others include can be had by those.
func TestLintRoles(t *testing.T) {
	const text = "@roles: { boss: ['clerk'] } @requires: ['clerk', 'Clerk'] service S { entity E { key ID : Integer; @requires: 'auditor' secret : String; } @requires: 'runner' action run(); }"
	var got []string
	for _, d := range lint(t, text, "boss", "CLERK") {
		if !d.Span.Valid() {
			t.Errorf("%s has no place", d.Message)
		}
		got = append(got, strings.Fields(d.Message)[5])
	}
	if s := strings.Join(got, " "); s != "Clerk: auditor: runner:" {
		t.Errorf("found %q", s)
	}
}

// TestLintGolden compares testdata/lint/*.txtar: model.cds in, the findings of this package out. CDS_UPDATE=1 rewrites them.
func TestLintGolden(t *testing.T) {
	golden(t, "testdata/lint/*.txtar", 1, func(t *testing.T, ar *txtar.Archive) []txtar.File {
		m, opt := compile(t, "model.cds", string(ar.Files[0].Data))
		indexed, err := deploy.Indexed(m, sqlite.Dialect())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		found := authzmatrix.Lint(m, authzmatrix.LintOptions{Policy: opt.Policy, Indexed: indexed})
		if err := diag.Render(&out, found, opt.Files, diag.RenderOptions{}); err != nil {
			t.Fatal(err)
		}
		return []txtar.File{{Name: "findings", Data: out.Bytes()}}
	})
}

// TestLintViews: what chooses the rows of a view, or puts them in order, is looked at wherever it stands; what their readers may read, or nobody reads, is not reported.
func TestLintViews(t *testing.T) {
	const db = `context d { entity Staff { key ID : Integer; name : String; @requires: 'hr' pay : Integer; free : Integer; work { @requires: 'hr' rank : Integer; }; boss : Association to Staff; team : Association to many Staff on team.boss = $self; }
entity Jobs { key ID : Integer; who : Association to Staff; }
entity Paid as select from Staff { key ID, name } where pay > 1; }
`
	for view, want := range map[string]string{
		"entity V as select from d.Staff { key ID } where pay > 5;":                                                             "where",
		"entity V as select from d.Staff as s { key ID } where s.pay > 5;":                                                      "where",
		"entity V as select from d.Staff { key ID } where free = 1 and (name = 'x' or not (boss.boss.pay > 5));":                "where",
		"entity V as select from d.Staff { key ID } where work.rank > 5;":                                                       "where",
		"entity V as select from d.Staff { key ID } where exists team[pay > 5];":                                                "where",
		"entity V as select from d.Staff { key ID } where ID in (select from d.Staff { ID } where pay > 5);":                    "where",
		"entity V as select from d.Staff { key ID } where exists (select from d.Jobs as j { ID } where j.who.pay > 5);":         "where",
		"entity V as select from d.Jobs[who.pay > 5] { key ID };":                                                               "where",
		"entity V as select from d.Jobs:who[pay > 5] { key ID };":                                                               "where",
		"entity V as select from d.Jobs as j join d.Staff as s on s.pay = j.ID { key j.ID };":                                   "on",
		"entity V as select from d.Staff { key name } group by name, pay;":                                                      "group by",
		"entity V as select from d.Staff { key name } group by name having max(pay) > 5;":                                       "having",
		"entity V as select from d.Staff { key ID } order by pay;":                                                              "order by",
		"entity V as select from d.Staff { key ID } where ID = 1 union all select from d.Staff { key ID } where pay > 5;":       "where",
		"entity V as projection on d.Paid;":                                                                                     "where",
		"@requires: 'clerk' entity V as select from d.Staff { key ID } where pay > 5;":                                          "where",
		"entity V as select from d.Staff { key ID } where free = 5 and name = 'x' order by name;":                               "",
		"@requires: 'hr' entity V as select from d.Staff { key ID } where pay > 5;":                                             "",
		"entity V as select from d.Staff { key ID, @requires: 'hr' pay };":                                                      "",
		"entity V as select from d.Staff { key ID } where exists team[free > 5];":                                               "",
		"@cds.redirection.target entity A as projection on d.Staff; @requires: 'hr' entity V as projection on A where pay > 5;": "",
	} {
		text := db + "@requires: 'authenticated-user' service S { " + view + " }"
		got := ""
		for _, d := range lint(t, text) {
			if d.Code == "lint-authz-view" {
				got += d.Message + "; "
				if !d.Span.Valid() || d.Hint == "" || len(d.Related) == 0 {
					t.Errorf("%s: no place, hint or restriction", view)
				}
			}
		}
		if (want == "") != (got == "") || want != "" && !strings.Contains(got, "("+want+")") {
			t.Errorf("%s: %q, want %q", view, got, want)
		}
	}
}
