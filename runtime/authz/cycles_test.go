package authz

import (
	"strings"
	"testing"

	"cds/runtime/sqlgen"
)

// cycle is folders with files with folders, notes on files and marks on notes: nothing but these leads into them.
const cycle = `
@FOLDERS entity d.Folders { key ID : Integer; n : Integer; up : Association to d.Files; files : Composition of many d.Files on files.folder = $self; }
@FILES entity d.Files { key ID : Integer; n : Integer; folder : Association to d.Folders; subs : Composition of many d.Folders on subs.up = $self; notes : Composition of many d.Notes on notes.file = $self; }
@NOTES entity d.Notes { key ID : Integer; file : Association to d.Files; note : Association to d.Notes; marks : Composition of many d.Marks on marks.note = $self; more : Composition of many d.Notes on more.note = $self; }
@MARKS entity d.Marks { key ID : Integer; note : Association to d.Notes; }
`

func cycleModel(restricted ...string) string {
	text := cycle
	for _, e := range []string{"FOLDERS", "FILES", "NOTES", "MARKS"} {
		anno := ""
		for _, r := range restricted {
			if r == e {
				anno = "@restrict: [{ grant: '*', where: 'ID > " + map[string]string{"FOLDERS": "1", "FILES": "2", "NOTES": "3", "MARKS": "4"}[e] + "' }]"
			}
		}
		text = strings.Replace(text, "@"+e+" ", anno+" ", 1)
	}
	return text
}

// TestRoots_cycles: on a cycle of compositions that nothing else leads into, those with a restriction are roots, and the others follow what is nearest to
// them and restricted, however far the way is.
func TestRoots_cycles(t *testing.T) {
	const all = "service S { entity Folders as projection on d.Folders; entity Files as projection on d.Files; entity Notes as projection on d.Notes; entity Marks as projection on d.Marks; }"
	const folders, files, notes, marks = "FOLDERS", "FILES", "NOTES", "MARKS"
	for _, c := range []struct {
		restricted []string
		want       map[string]string // what begins the condition on rows
	}{
		{nil, map[string]string{"Folders": "all", "Files": "all", "Notes": "all", "Marks": "all"}},
		{[]string{folders}, map[string]string{"Folders": "ID > 1", "Files": "exists S.Folders over files[ID > 1]", "Notes": "exists S.Files over notes[exists S.Folders over files[ID > 1]]",
			"Marks": "exists S.Notes over marks[exists S.Files over notes[exists S.Folders over files[ID > 1]]]"}},
		{[]string{files}, map[string]string{"Folders": "exists S.Files over subs[ID > 2]", "Files": "ID > 2", "Notes": "exists S.Files over notes[ID > 2]", "Marks": "exists S.Notes over marks[exists S.Files over notes[ID > 2]]"}},
		{[]string{folders, files}, map[string]string{"Folders": "ID > 1", "Files": "ID > 2", "Notes": "exists S.Files over notes[ID > 2]", "Marks": "exists S.Notes over marks[exists S.Files over notes[ID > 2]]"}},
		{[]string{notes}, map[string]string{"Folders": "all", "Files": "all", "Notes": "ID > 3", "Marks": "exists S.Notes over marks[ID > 3]"}},
		{[]string{marks}, map[string]string{"Folders": "all", "Files": "all", "Notes": "all", "Marks": "ID > 4"}},
	} {
		m, p, diags := policyOf(t, cycleModel(c.restricted...)+all)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for name, want := range c.want {
			e := m.Entity("S." + name)
			d := p.Decide(named("u"), access(t, m, "READ S."+name))
			if got := condition(d.Guard, e, sqlgen.Root); got != want {
				t.Errorf("%v: %s are visible where %s, want %s", c.restricted, name, got, want)
			}
			for _, ev := range []Event{Update, Delete} {
				d := p.Decide(named("u"), access(t, m, string(ev)+" S."+name))
				if (d.Verdict == Allow) != (want == "all") {
					t.Errorf("%v: %s of %s: %s", c.restricted, ev, name, verdicts[d.Verdict])
				}
			}
		}
	}
}

// TestRoots_cyclesOutside: a part follows the restriction of the database's entities where its service does not show them, be it on a cycle or a hierarchy.
func TestRoots_cyclesOutside(t *testing.T) {
	const shelf = `entity d.Shelves { key ID : Integer; genres : Composition of many d.Genres on genres.shelf = $self; } annotate d.Shelves with @(restrict: [{ grant: '*', where: 'ID > 5' }]);
entity d.Genres { key ID : Integer; shelf : Association to d.Shelves; up : Association to d.Genres; subs : Composition of many d.Genres on subs.up = $self; }
entity d.Sets { key ID : Integer; shelf : Association to d.Shelves; row : Association to d.Rows; rows : Composition of many d.Rows on rows.set = $self; }
entity d.Rows { key ID : Integer; set : Association to d.Sets; sets : Composition of many d.Sets on sets.row = $self; } extend d.Shelves with { sets : Composition of many d.Sets on sets.shelf = $self; }`
	for _, c := range []struct {
		model, entity string
		want          string
	}{
		{cycleModel("FOLDERS") + "service S { entity Files as projection on d.Files; }", "S.Files", "exists S.Folders over files[ID > 1]"}, // shown with it
		{cycleModel("FOLDERS") + "service S { entity Notes as projection on d.Notes; }", "S.Notes", "exists d.Files over notes[exists d.Folders over files[ID > 1]]"},
		{cycleModel("FOLDERS") + "service S { entity Marks as projection on d.Marks; }", "S.Marks", "exists d.Notes over marks[exists d.Files over notes[exists d.Folders over files[ID > 1]]]"},
		{cycleModel("FOLDERS") + "service S { entity Marks as select from d.Marks { key ID }; }", "S.Marks", "forbidden"}, // no way to the parent
		{cycleModel() + "service S { entity Marks as projection on d.Marks; }", "S.Marks", "all"},
		{shelf + "service S { entity Genres as projection on d.Genres; }", "S.Genres", "exists S.Genres over subs[exists S.Genres over subs[exists d.Shelves over genres[ID > 5]] or exists d.Shelves over genres[ID > 5]] or exists d.Shelves over genres[ID > 5]"},
		{shelf + "service S { entity Genres as projection on d.Genres excluding { shelf }; }", "S.Genres", "forbidden"},
		{shelf + "service S { entity Shelves as projection on d.Shelves excluding { genres, sets }; entity Genres as projection on d.Genres; }", "S.Genres",
			"exists S.Genres over subs[exists S.Genres over subs[exists d.Shelves over genres[ID > 5]] or exists d.Shelves over genres[ID > 5]] or exists d.Shelves over genres[ID > 5]"},
		{shelf + "service S { entity Faked as projection on d.Genres { ID, ID + 1 as shelf_ID : Integer }; }", "S.Faked", "forbidden"}, // its parent is another one
		{shelf + "service S { entity Rows as projection on d.Rows; }", "S.Rows", "exists S.Sets over rows[exists S.Rows over sets[exists S.Sets over rows[exists S.Rows over sets[exists S.Sets over rows[exists d.Shelves over sets[ID > 5]]] or exists d.Shelves over sets[ID > 5]]] or exists d.Shelves over sets[ID > 5]]"},
		{shelf + "service S { @restrict: [{ grant: '*', where: 'ID > 6' }] entity Genres as projection on d.Genres { *, subs : redirected to Genres }; }", "S.Genres", "ID > 6 and (exists S.Genres over subs[ID > 6 and (exists S.Genres over subs"},
		{strings.Replace(shelf, "annotate d.Shelves with @(restrict: [{ grant: '*', where: 'ID > 5' }]);", "", 1) + "service S { entity Genres as projection on d.Genres; }", "S.Genres", "all"},
	} {
		m, p, _ := policyOf(t, c.model)
		e := m.Entity(c.entity)
		d := p.Decide(named("u"), access(t, m, "READ "+c.entity))
		if got := condition(d.Guard, e, sqlgen.Root); got != c.want && (!strings.HasPrefix(c.want, "ID > 6") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s: visible where %s, want %s", c.model[strings.Index(c.model, "service"):], got, c.want)
		}
	}
}
