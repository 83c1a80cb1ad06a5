package sqlgen_test

import (
	"path/filepath"
	"strings"
	"testing"

	"cds/runtime/db"
	"cds/runtime/db/dbtest"
)

// The views of all recorded models can be made, and they have the columns that the model says.
func TestCompileView_recorded(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/conformance/csn/*/*.csn.json")
	if len(files) == 0 {
		t.Skip("the recorded models are not here")
	}
	for _, f := range files {
		rel, _ := filepath.Rel("../../../shared/conformance/csn", f)
		if strings.HasPrefix(rel, "invalid") {
			continue
		}
		t.Run(strings.TrimSuffix(rel, ".csn.json"), func(t *testing.T) {
			m := recorded(t, rel)
			p := open(t)
			exec(t, p, script(t, m, p.Dialect())...)
			for _, e := range m.Entities {
				if e.SkipPersistence || len(e.Params) > 0 || strings.HasPrefix(e.Name, "cds.") {
					continue
				}
				var want []string
				for _, el := range e.Flat {
					if el.Assoc() == nil && !el.Virtual && (e.Source != nil || el.Value() == nil || el.Stored) {
						want = append(want, el.Name)
					}
				}
				got := dbtest.Rows(t, p, db.Session{}, "SELECT name FROM pragma_table_info('"+strings.ReplaceAll(e.Name, ".", "_")+"')")
				if strings.Join(got, ",") != strings.Join(want, ",") {
					t.Errorf("%s has columns\n %v, want\n %v", e.Name, got, want)
				}
			}
		})
	}
}
