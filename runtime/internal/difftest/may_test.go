package difftest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// TestMay compares what an answer says that its user may do with each row with what happens when he does it.
func TestMay(t *testing.T) { mays(t, number("CDS_DIFF", 40), nil) }

// TestMay_postgres is TestMay on PostgreSQL.
func TestMay_postgres(t *testing.T) { mays(t, number("CDS_DIFF", 15), cdstest.PostgresSchemas(t)) }

// A shown is a row of an answer, with the path by which it would be changed.
type shown struct {
	e    *entity
	path []any // entity or assoc, and key, in turn
	may  map[string]any
}

func mays(t *testing.T, worlds int, database func(testing.TB) db.Pool) {
	told := map[string]int{}
	faults := 0
	inWorlds(t, worlds, &faults, func(t *testing.T, seed uint64) {
		w := newWorld(seed + 3e6)
		w.database = database
		app := w.app(t)
		kept := map[string]*cds.Rights{}
		for _, who := range w.people {
			rights := w.rights(t, app, who, kept)
			for _, row := range w.shown(t, app, who) {
				if fault := row.against(app, rights); fault != "" {
					faults++
					t.Errorf("seed %d, %q %v %v: %s\n%s", seed, who.name, who.roles, who.attrs, fault, w.cdl())
				}
				for _, what := range []string{"update", "delete"} {
					said, ok := row.may[what].(bool)
					if !ok {
						t.Fatalf("no answer for %s: %v", what, row.may)
					}
					err := tried(app, who, row, what)
					told[fmt.Sprint(what, " ", said)]++
					if said != (err == nil) {
						faults++
						t.Errorf("seed %d, %q %v %v: %s of %v is said to be %v, yet it ends with %v\n%s", seed, who.name, who.roles, who.attrs, what, row.path, said, err, w.cdl())
					}
				}
			}
		}
	})
	t.Log(told)
	for _, s := range []string{"update true", "update false", "delete true", "delete false"} {
		if worlds >= 15 && told[s] < 20 {
			t.Errorf("%s was told %d times: the test has lost its sense", s, told[s])
		}
	}
}

// rights returns what a user may do with the service, made anew and compared with what is kept for users like him.
func (w *world) rights(t *testing.T, app *cdstest.App, who *person, kept map[string]*cds.Rights) *cds.Rights {
	t.Helper()
	s, u := app.CDS.Service("S"), cds.UserFrom(app.As(who.name))
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	r := app.CDS.Policy.Rights(u, s.Model, now)
	key := app.CDS.Policy.RightsKey(u, now)
	if other := kept[key]; other != nil && !reflect.DeepEqual(r, other) {
		t.Errorf("%q %v %v has the key %q of another user, and other rights\n%s", who.name, who.roles, who.attrs, key, w.cdl())
	}
	kept[key] = r
	// What roles alone allow is never less.
	byRole := s.RoleRightsOf(u)
	for i := range r.Entities {
		a, b := &r.Entities[i], &byRole.Entities[i]
		for _, x := range [][2]cds.Extent{{a.Read, b.Read}, {a.Create, b.Create}, {a.Update, b.Update}, {a.Delete, b.Delete}} {
			if x[0] != cds.MayNone && x[1] == cds.MayNone || x[0] != cds.MayAll && x[1] == cds.MayAll {
				t.Errorf("%q %v %v: %s is %v for him, %v for his roles\n%s", who.name, who.roles, who.attrs, a.Entity.Name, x[0], x[1], w.cdl())
			}
		}
	}
	return r
}

// against compares what is said of a row with what is said of its entity; "" if they agree.
func (row shown) against(app *cdstest.App, rights *cds.Rights) string {
	e := rights.Entity(app.CDS.Model.Entity("S." + row.e.name))
	if len(row.path) != 2 || e == nil {
		return ""
	}
	for what, extent := range map[string]cds.Extent{"update": e.Update, "delete": e.Delete} {
		said := row.may[what].(bool)
		if said && extent == cds.MayNone || !said && extent == cds.MayAll && what == "update" { // parts may keep a row from being deleted
			return fmt.Sprintf("%s of %v is said to be %v, of the entity %v", what, row.path, said, extent)
		}
	}
	if e.Read == cds.MayNone {
		return fmt.Sprintf("%v is read by who may read none", row.path)
	}
	return ""
}

// shown reads rows as a user: each entity with what it leads to, and what is behind paths.
func (w *world) shown(t *testing.T, app *cdstest.App, who *person) []shown {
	t.Helper()
	var out []shown
	h := app.Server.Handler()
	ask := func(url string, take func(rows []any)) {
		r := httptest.NewRequest("GET", url, nil)
		r.Header.Set("Prefer", `odata.include-annotations="cds.may"`)
		if who.name != "" {
			r.SetBasicAuth(who.name, who.name)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		switch rec.Code {
		case 200:
		case 401, 403, 404:
			return
		default:
			t.Errorf("GET %s: %d %s\n%s", url, rec.Code, rec.Body, w.cdl())
			return
		}
		if rec.Header().Get("Preference-Applied") == "" {
			t.Errorf("GET %s does not say that the preference was applied", url)
		}
		var body struct{ Value []any }
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
			t.Fatalf("GET %s: %v %s", url, err, rec.Body)
		}
		take(body.Value)
	}
	add := func(e *entity, v any, path ...any) map[string]any {
		row := v.(map[string]any)
		key := int(row["ID"].(float64))
		may, ok := row["@cds.may"].(map[string]any)
		if !ok {
			t.Fatalf("no rights on %v: %v", path, row)
		}
		out = append(out, shown{e, append(path, key), may})
		return row
	}
	for _, e := range w.entities {
		if e.auto {
			continue
		}
		for _, a := range e.assocs {
			ask("/s/"+e.name+"?$expand="+a.name, func(rows []any) {
				for _, v := range rows {
					row := add(e, v, e.name)
					in, _ := row[a.name].([]any)
					if one, ok := row[a.name].(map[string]any); ok {
						in = []any{one}
					}
					for _, k := range in {
						if a.to.auto {
							add(a.to, k, e.name, int(row["ID"].(float64)), a.name)
						} else {
							add(a.to, k, a.to.name)
						}
					}
				}
			})
			if !a.many {
				continue
			}
			for key := range 5 {
				ask(fmt.Sprintf("/s/%s(%d)/%s", e.name, key, a.name), func(rows []any) {
					for _, v := range rows {
						add(a.to, v, e.name, key, a.name)
					}
				})
			}
		}
	}
	return out
}

var errUndo = errors.New("undone")

// tried does something with a row, and takes it back.
func tried(app *cdstest.App, who *person, row shown, what string) error {
	ctx := app.As(who.name)
	s := app.CDS.Service("S")
	ref := &cqn.Ref{}
	for i := 0; i < len(row.path); i += 2 {
		name := row.path[i].(string)
		if i == 0 {
			name = "S." + name
		}
		key := &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(int64(row.path[i+1].(int)))}}
		ref.Path = append(ref.Path, cqn.Step{Name: name, Filter: key})
	}
	var done error
	err := app.CDS.Tx(ctx, func(ctx context.Context) error {
		var q cqn.Query = &cqn.Delete{From: ref}
		if what == "update" {
			q = &cqn.Update{Entity: ref, Data: cqn.NewRow()}
		}
		var res *cds.Result
		if res, done = s.Run(ctx, q); done == nil && res.Affected == 0 {
			done = errors.New("no row")
		}
		return errUndo
	})
	if done == nil && !errors.Is(err, errUndo) {
		return err
	}
	return done
}
