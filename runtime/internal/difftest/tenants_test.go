package difftest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// Tenants: both servers have the same rows of the user's tenant, and other ones of another tenant, with keys that the user's requests do not name. Rules are
// as random as ever; whatever they let through, nothing of the other tenant may show.
type tenants struct {
	*twin
	column map[*entity]bool // has the column of the tenant; else it is a part of what has
	hides  map[*entity]bool // the service's entity leaves it out
}

const foreignKey = 1000 // the least key of the other tenant's rows

func newTenants(seed uint64, flat bool) *tenants {
	tw := &tenants{twin: newTwin(seed, flat), column: map[*entity]bool{}, hides: map[*entity]bool{}}
	own := tw.hidden[0]
	for _, e := range tw.entities {
		tw.column[e] = len(e.up) == 0 || tw.IntN(2) == 0
		tw.hides[e] = tw.column[e] && tw.IntN(3) == 0
	}
	for i := range tw.hidden {
		tw.hidden[i] = map[*entity][]row{}
		for _, e := range tw.entities {
			rows := slices.Clone(own[e])
			for n := range tw.IntN(6) {
				rows = append(rows, tw.foreign(e, own[e], foreignKey+n))
			}
			tw.hidden[i][e] = rows
		}
	}
	return tw
}

// foreign makes a row of the other tenant: like one of the user's, or with other values, and hanging on rows of either.
func (tw *tenants) foreign(e *entity, own []row, id int) row {
	r := row{}
	if len(own) > 0 {
		r = maps.Clone(pick(tw.Rand, own...))
	}
	r["ID"], r["x"] = id, tw.IntN(5)
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if name != "ID" && name != "x" && !strings.HasSuffix(name, "_ID") && tw.IntN(2) == 0 {
			r[name] = tw.orNull(tw.literal(name))
		}
	}
	for _, a := range e.assocs {
		if a.many {
			continue
		}
		to := foreignKey + tw.IntN(6)
		up := slices.ContainsFunc(e.up, func(u *assoc) bool { return u.back == a.name })
		if tw.IntN(2) == 0 && (tw.column[e] || !up) && (tw.column[a.to] || !a.part) { // parts without a column are the tenant's on whose rows they hang
			to = 1 + tw.IntN(8)
		}
		r[a.name+"_ID"] = to
	}
	return r
}

func (tw *tenants) cdl() string {
	text := tw.twin.cdl()
	for _, e := range tw.entities {
		if tw.column[e] {
			head := fmt.Sprintf("entity d.%s { key ID : Integer;", e.name)
			text = strings.Replace(text, head, head+" @tenant tenant : String(10);", 1)
		}
		if !tw.hides[e] {
			continue
		}
		plain := fmt.Sprintf("entity %s as projection on d.%s", e.name, e.name)
		text = strings.Replace(text, plain+" { *, n as num } excluding { n };", plain+" { *, n as num } excluding { n, tenant };", 1)
		text = strings.Replace(text, plain+";", plain+" { * } excluding { tenant };", 1)
	}
	return text
}

func (tw *tenants) files(i int) fstest.MapFS {
	fs := tw.twin.files(i)
	for _, e := range tw.entities {
		if !tw.column[e] {
			continue
		}
		f := fs["db/data/d-"+e.name+".csv"]
		lines := strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n")
		lines[0] += ";tenant"
		for n, r := range tw.hidden[i][e] {
			lines[n+1] += map[bool]string{false: ";t1", true: ";t2"}[r.id() >= foreignKey]
		}
		f.Data = []byte(strings.Join(lines, "\n") + "\n")
	}
	return fs
}

func (tw *tenants) apps(t *testing.T, database func(testing.TB) db.Pool) (apps [2]*cdstest.App, ok bool) {
	t.Helper()
	res := parser.CompileString("world.cds", tw.cdl())
	if res.Model == nil || res.Diags.HasErrors() {
		t.Logf("left out: %v", res.Diags)
		return apps, false
	}
	for i := range apps {
		cfg := cdstest.Config{Model: func() (*csn.Model, error) { return res.Model, nil }, FS: tw.files(i), Database: database}
		for _, p := range tw.people[1:] {
			opts := []func(*cdstest.TestUser){cdstest.Roles(p.roles...), cdstest.Tenant("t1")}
			for _, name := range slices.Sorted(maps.Keys(p.attrs)) {
				opts = append(opts, cdstest.Attr(name, p.attrs[name]...))
			}
			cfg.Users = append(cfg.Users, cdstest.User(p.name, opts...))
		}
		apps[i] = cdstest.New(t, cfg)
	}
	return apps, true
}

// TestTenants sends random requests of all users of a tenant to servers that differ in the rows of another one.
func TestTenants(t *testing.T) { tenantTwins(t, number("CDS_DIFF", 20), nil) }

// TestTenants_postgres is TestTenants on PostgreSQL.
func TestTenants_postgres(t *testing.T) {
	tenantTwins(t, number("CDS_DIFF", 8), cdstest.PostgresSchemas(t))
}

func tenantTwins(t *testing.T, worlds int, database func(testing.TB) db.Pool) {
	const each = 60
	statuses := map[string]int{}
	faults, run := 0, 0
	inWorlds(t, worlds, &faults, func(t *testing.T, seed uint64) {
		tw := newTenants(seed+7e6, seed%2 == 0)
		apps, ok := tw.apps(t, database)
		if !ok {
			return
		}
		run++
		tw.Rand = newRand(seed)
		g := &grammar{twin: tw.twin, next: 100}
		for range each {
			l := g.read()
			switch g.IntN(8) {
			case 0:
				l = g.batch([]letter{l, g.write(), g.read()})
			case 1, 2, 3:
				l = g.write()
			}
			who := tw.people[min(len(tw.people)-1, g.IntN(30))]
			a, b := l.to(apps[0], who), l.to(apps[1], who)
			statuses[fmt.Sprint(l.method, " ", a.Code)]++
			text, _ := url.QueryUnescape(l.url)
			if a.Code >= 500 && a.Code != 501 || strings.Contains(a.Body.String(), `"code":"500"`) {
				faults++
				t.Errorf("seed %d, %q: %s %s %s: a failure\n%s\n%s", seed, who.name, l.method, text, l.body, a.Body, tw.cdl())
			}
			if x, y := answered(a), answered(b); x != y || strings.Contains(x, `"t2"`) {
				faults++
				t.Errorf("seed %d, %q %v %v: %s %s %s tells of another tenant:\n%s\n%s\n%s", seed, who.name, who.roles, who.attrs, l.method, text, l.body, x, y, tw.cdl())
			}
		}
	})
	if run < worlds/2 {
		t.Errorf("only %d of %d worlds have a model", run, worlds)
	}
	t.Logf("answers %v", statuses)
}
