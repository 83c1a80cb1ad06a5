package difftest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/runtime/auth"
	"cds/runtime/cdstest"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// withRows has the server connect as a role that is held to row-level security, with databases of its own for each world.
func withRows(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("short mode: it makes a PostgreSQL database for each world")
	}
	t.Setenv("CDS_TEST_DB", "postgres-rls")
}

// TestRowSecurity compares what SQL of anybody's sees of each table, and of the view of each entity, with what the entity shows to the user. There is no guard in
// this SQL: the database alone answers.
func TestRowSecurity(t *testing.T) {
	withRows(t)
	seen, hidden, faults := 0, 0, 0
	inWorlds(t, number("CDS_DIFF_ROWS", 12), &faults, func(t *testing.T, seed uint64) {
		w := newWorld(seed)
		a := w.app(t)
		for _, who := range w.people {
			o := newOracle(w, who)
			for _, e := range w.entities {
				want := []string{}
				for _, r := range o.see(e).rows {
					want = append(want, fmt.Sprint(r.id()))
				}
				seen, hidden = seen+len(want), hidden+len(e.rows)-len(want)
				for _, name := range []string{"d_" + e.name, "S_" + e.name} {
					have, err := selected(a, who, name, "")
					if diff := cmp.Diff(want, have); diff != "" || err != nil {
						faults++
						t.Errorf("seed %d, %q %v %v: %s: %v\n%s\n%s", seed, who.name, who.roles, who.attrs, name, err, diff, w.cdl())
					}
				}
				all, err := selected(a, who, "d_"+e.name, sqlgen.EverythingOpen)
				if len(all) != len(e.rows) || err != nil {
					faults++
					t.Errorf("seed %d: code that is privileged sees %d of the %d rows of %s: %v", seed, len(all), len(e.rows), e.name, err)
				}
			}
		}
	})
	t.Logf("%d rows seen, %d hidden", seen, hidden)
	if seen == 0 || hidden == 0 {
		t.Error("the test has lost its sense")
	}
}

// selected returns the keys of a table or view, as plain SQL sees them in the session of a user.
func selected(a *cdstest.App, who *person, table, opens string) ([]string, error) {
	u := auth.Anonymous
	if who.name != "" {
		u = a.UserNamed(who.name)
	}
	ctx := context.Background()
	tx, err := a.CDS.DB.Read(ctx, db.Session{UserID: u.ID, Claims: a.CDS.ClaimsOf(u)})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	out := []string{}
	err = db.Each(ctx, tx, db.Stmt{SQL: "SELECT ID FROM " + table + " ORDER BY ID", Opens: opens}, func(r db.Rows) error {
		out = append(out, string(r.Text(0)))
		return nil
	})
	return out, err
}

// With row-level security requests are answered as without.
func TestReads_rows(t *testing.T) {
	withRows(t)
	reads(t, number("CDS_DIFF_ROWS", 8), nil)
}

func TestWrites_rows(t *testing.T) {
	withRows(t)
	writes(t, number("CDS_DIFF_ROWS", 8), nil)
}

func TestMay_rows(t *testing.T) {
	withRows(t)
	mays(t, number("CDS_DIFF_ROWS", 3), nil)
}

func TestTenants_rows(t *testing.T) {
	withRows(t)
	tenantTwins(t, number("CDS_DIFF_ROWS", 4), nil)
}

func TestTwins_rows(t *testing.T) {
	withRows(t)
	twins(t, number("CDS_DIFF_ROWS", 4), nil)
}
