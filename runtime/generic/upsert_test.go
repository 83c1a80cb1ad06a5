package generic_test

import (
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
)

// Who upserts a row that is hidden, or one that may not be made, hears the same, with a login and without: nothing tells which rows there are.
func TestUpsertOfHidden(t *testing.T) {
	was := onPostgres
	defer func() { onPostgres = was }()
	for _, pg := range []bool{was, true} {
		onPostgres = pg
		a := newApp(t, `
entity d.Notes { key ID : Integer; text : String; open : Boolean; }
@requires: 'any' service S { @restrict: [{grant: '*', where: 'open = true'}] entity Notes as projection on d.Notes; }`,
			"INSERT INTO d_Notes (ID, text, open) VALUES (1, 'a', TRUE), (2, 'b', FALSE)", cds.AppOptions{}, nil)
		for id, want := range map[string]int{"": 401, "u": 403} {
			u := cds.Anonymous()
			if id != "" {
				u = user(id)
			}
			for _, n := range []int{2, 3} { // hidden, missing
				_, err := a.Service("S").Run(a.NewContext(t.Context(), u, ""), &cqn.Upsert{Into: "S.Notes", Rows: []*cds.Row{row("ID", n, "text", "x", "open", false)}})
				if e := cds.AsError(err); e == nil || e.Status != want {
					t.Errorf("%q upserts %d: %v", id, n, err)
				}
			}
		}
		if got := a.sql("d.Notes", "text"); got != "a;b" {
			t.Errorf("there is %s", got)
		}
	}
}
