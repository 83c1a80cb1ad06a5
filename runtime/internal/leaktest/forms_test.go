package leaktest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A form is a restriction that is easily misread. With strict, it does not start; where it does, or without strict, it lets nobody in.
type form struct {
	text    string
	refused bool // when strict
}

var notUnderstood = []form{
	{"@restrict: { grant: 'READ', to: 'Viewer' }", true},
	{"@restrict: { grant: '*' }", true},
	{"@restrict: { to: 'any' }", true},
	{"@restrict.grant: 'READ'", true},
	{"@restrict: [{ grant: 'read', to: 'any' }]", true},
	{"@restrict: [{ grant: 'Read' }]", true},
	{"@restrict: [{ grant: 'SELECT' }]", true},
	{"@restrict: [{ grant: 'INSERT' }]", true},
	{"@restrict: [{ grant: ['READ', 'reed'] }]", true},
	{"@restrict: [{ grant: 1 }]", true},
	{"@restrict: ['READ']", true},
	{"@Restrict: [{ grant: 'READ', to: 'admin' }]", true},
	{"@restricts: [{ grant: 'READ', to: 'admin' }]", true},
}

var grantsNothing = []form{
	{"@restrict: [{ grant: 'act' }]", false}, // and so nobody reads or writes
	{"@restrict: [null]", true},
	{"@restrict: []", false},
	{"@restrict: [{ grant: '*', to: '' }]", false},
	{"@restrict: [{ grant: '*', to: null }]", false},
	{"@restrict: [{ grant: '*', to: [] }]", false},
	{"@restrict: [{ grant: [], to: 'any' }]", false},
	{"@restrict: [{ grant: '' }]", false},
	{"@requires: ''", false},
	{"@requires: []", false},
	{"@requires: [null]", false},
	{"@requires: ['']", false},
	{"@requires: true", true},
	{"@requires", true},
	{"@require: 'admin'", true},
	{"@requieres: 'admin'", true},
}

var badWhere = []form{
	{"@restrict: [{ grant: '*', were: 'country = ''DE''' }]", true},
	{"@restrict: [{ grant: '*', Where: 'country = ''DE''' }]", true},
	{"@restrict: [{ grant: '*', where: '' }]", true},
	{"@restrict: [{ grant: '*', where: null }]", true},
	{"@restrict: [{ grant: '*', where: 'contry = ''DE''' }]", true},
	{"@restrict: [{ grant: '*', where: 'country = ' }]", true},
	{"@restrict: [{ grant: '*', where: 'guest.country = ''DE''' }]", true},
	{"@restrict: [{ grant: '*', where: 1 }]", true},
	{"@restrict: [{ grants: '*' , to: 'any' }]", true},
	{"@restrict: [{ grant: '*', where: 'country like ''%'' or exists trips[nosuch = 1]' }]", true},
}

var noList = []form{
	{"@restrict", true},
	{"@restrict: 'READ'", true},
	{"@restrict: ''", true},
	{"@restrict: true", true},
	{"@restrict: 1", true},
	{"@restrict: ['*', 'READ']", true},
}

// misread is a service with one entity for each form, and one that is understood.
func misread(forms []form) string {
	var b strings.Builder
	b.WriteString("namespace d;\nentity Guests { key ID : Integer; name : String(40); country : String(3); iban : String(40); }\n" +
		"@protocol: ['odata', 'rest'] @path: 'forms' @requires: 'any' service Forms {\n  @requires: 'admin' entity Good as projection on Guests;\n")
	for i, f := range forms {
		fmt.Fprintf(&b, "  %s\n  entity E%d as projection on Guests actions { action act(); };\n", f.text, i)
	}
	return b.String() + "}\n"
}

// forms are those of each row of the table.
func forms() [4][]form { return [4][]form{notUnderstood, grantsNothing, badWhere, noList} }

func allForms() []form { f := forms(); return slices.Concat(f[:]...) }

// badForms checks what is said of each form at the start, and who gets in if it is served all the same.
func badForms(row int) func(t *testing.T, d door, a, _ *world) {
	return func(t *testing.T, d door, a, _ *world) {
		all, first := forms(), 0
		for _, before := range all[:row] {
			first += len(before)
		}
		w := a.others["forms"]
		before := w.tables(t)
		for i, f := range all[row] {
			if f.refused {
				refused(t, misread([]form{f}), "")
			}
			for _, who := range []string{"", "dave", "bob", "ann"} {
				closed(t, d, w, who, fmt.Sprintf("E%d", first+i), f)
			}
		}
		refused(t, misread([]form{{text: "@restrict: [{}]"}}), "") // cannot even be written
		if x := d.ask(w, request{"ann", "GET", "forms/Good", ""}); x.status != 200 || !strings.Contains(x.text, "SECRET") {
			t.Errorf("what is understood is served: %d %s", x.status, x.text)
		}
		if diff := cmp.Diff(before, w.tables(t)); diff != "" {
			t.Errorf("something was written: %v", diff)
		}
	}
}

// closed checks that a user may do nothing with an entity.
func closed(t *testing.T, d door, w *world, who, entity string, f form) {
	t.Helper()
	want := 403
	if who == "" {
		want = 401
	}
	for _, r := range []request{
		{who, "GET", entity, ""}, {who, "GET", entity + "(1)", ""}, {who, "GET", entity + "/$count", ""}, {who, "POST", entity, `{"ID":9}`},
		{who, "PATCH", entity + "(1)", `{"name":"x"}`}, {who, "DELETE", entity + "(1)", ""},
	} {
		r.path = "forms/" + r.path
		if x := d.ask(w, r); x.status != want {
			t.Errorf("%s: %q %s %s: %d %s", f.text, who, r.method, r.path, x.status, x.text)
		}
	}
}
