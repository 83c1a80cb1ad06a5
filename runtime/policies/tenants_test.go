package policies_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/diag"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/deploy"
	"cds/runtime/policies"
)

const customers = "/odata/v4/shop/Customers"

// Ids are each tenant's own: nobody learns from a 409 what others have, and what is done to one policy is done to no other of the same id.
func TestTenantsApart(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		const p = "/authz/policies"
		deny := func(more string) string {
			return `{"id":"x","entity":"my.Shop.Customers","effect":"deny"` + more + `}`
		}
		w.want(201, "tess", "POST", p, deny(""))
		w.want(409, "tess", "POST", p, deny(""))
		w.want(200, "tom", "GET", customers, "")
		w.want(403, "tess", "GET", customers, "")
		w.want(201, "tom", "POST", p, deny(`,"active":false`))
		w.want(200, "tom", "GET", p, "", `"tenant":"t2"`, `!"t1"`)
		w.want(204, "tess", "DELETE", p+"/x", "")
		w.want(200, "tess", "GET", customers, "")
		w.want(200, "tom", "GET", p+"/x", "", `"active":false`)
		w.want(204, "tom", "PATCH", p+"/x", `{"active":true}`)
		w.want(403, "tom", "GET", customers, "")
		w.want(200, "tess", "GET", customers, "")
		// Who belongs to no tenant says which of them is meant.
		w.add(deny(`,"roles":["clerk"]`))
		w.want(201, "root", "POST", p, deny(`,"tenant":"t1"`))
		w.want(409, "root", "POST", p+"?tenant=t2", deny(""))
		w.want(403, "root", "POST", p+"?tenant=t2", deny(`,"tenant":"t1"`), "POLICY_TENANT")
		w.want(403, "ann", "GET", customers, "")
		w.want(403, "tess", "GET", customers, "")
		w.want(200, "root", "GET", p, "", `"t1"`, `"t2"`, "clerk")
		w.want(200, "root", "GET", p+"?tenant=t2", "", `"t2"`, `!"t1"`, "!clerk")
		w.want(200, "root", "GET", p+"?tenant=", "", "clerk", `!"t1"`, `!"t2"`)
		w.want(200, "root", "GET", p+"/x", "", "clerk")
		w.want(200, "root", "GET", p+"/x?tenant=t1", "", `"tenant":"t1"`)
		w.want(204, "root", "DELETE", p+"/x?tenant=t1", "")
		w.want(404, "root", "DELETE", p+"/x?tenant=t1", "")
		w.want(200, "tess", "GET", customers, "")
		w.want(403, "ann", "GET", customers, "")
		w.want(204, "root", "DELETE", p+"/x", "")
		w.want(200, "ann", "GET", customers, "")
		w.want(403, "tom", "GET", customers, "")
		w.want(403, "tess", "DELETE", p+"/x?tenant=t2", "", "POLICY_TENANT")
		w.want(404, "tess", "DELETE", p+"/x?tenant=t1", "")
		for _, q := range []string{"?tennant=t2", "?tenant=t2&tenant=t1", "?tenant=t2&x=1", "?tenant=%zz"} {
			w.want(400, "root", "DELETE", p+"/x"+q, "")
		}
		r := httptest.NewRequest("POST", p, strings.NewReader(deny(`,"tenant":"a b&c"`)))
		r.SetBasicAuth("root", "pw")
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		w.s.Handler().ServeHTTP(rec, r)
		w.want(200, "root", "GET", rec.Header().Get("Location"), "", `"tenant":"a b&c"`)
	})
}

// fill writes policies for users of a tenant until there are n.
func fill(t *testing.T, pool db.Pool, tenant string, n int) {
	t.Helper()
	dbtest.Write(t, pool, func(tx db.Tx) {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf("('f%d', '', 'my.Shop.Closed', '', '[\"nobody\"]', '', '%s', 'deny', '', true, 0, '', 0, '')", i, tenant)
		}
		if err := tx.Script(t.Context(), "INSERT INTO cds_policies VALUES "+strings.Join(rows, ", ")); err != nil {
			t.Fatal(err)
		}
	})
}

// How many there may be is each tenant's own, too. Where there are more nevertheless, its users alone are shut out.
func TestBound(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		const p, body = "/authz/policies", `{"id":"x","entity":"my.Shop.Customers","effect":"deny","roles":["nobody"]}`
		fill(t, pool, "t1", policies.MaxPolicies)
		w.want(409, "tess", "POST", p, body, "1000")
		w.want(201, "tom", "POST", p, body)
		w.want(201, "root", "POST", p, body)
		w.want(200, "tess", "GET", customers, "")
		dbtest.Write(t, pool, func(tx db.Tx) {
			if err := tx.Script(t.Context(), "INSERT INTO cds_policies SELECT 'more', name, entity, events, roles, users, tenant, effect, cond, active, created_at, created_by, modified_at, modified_by "+
				"FROM cds_policies WHERE id = 'f0'"); err != nil {
				t.Fatal(err)
			}
		})
		w.want(204, "root", "DELETE", p+"/x", "") // has everything read again
		w.want(403, "tess", "GET", customers, "")
		w.want(200, "tom", "GET", customers, "")
		w.want(200, "ann", "GET", customers, "")
		w.want(204, "tess", "DELETE", p+"/more", "")
		w.want(200, "tess", "GET", customers, "")
	})
}

// Those who add policies at the same time do not exceed the bound.
func TestBoundAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, model)
		m, _ := w.manager(pool)
		fill(t, pool, "", policies.MaxPolicies-1)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = m.Add(context.Background(), auth.New(auth.User{ID: "x"}), &policies.Policy{Entity: "my.Shop.Closed", Effect: "deny", Roles: []string{"nobody"}, Active: true})
			})
		}
		wg.Wait()
		added := 0
		for _, err := range errs {
			switch {
			case err == nil:
				added++
			case !errors.Is(err, policies.ErrFull):
				t.Error(err)
			}
		}
		if n := dbtest.Rows(t, pool, db.Session{}, "SELECT count(*) FROM cds_policies"); added != 1 || n[0] != "1000" {
			t.Errorf("%d are added, there are %v", added, n)
		}
	})
}

// slow is a database that does not answer for a while.
type slow struct {
	db.Pool
	clock *clock
	takes time.Duration
	bound time.Duration // of what it was asked last
}

func (s *slow) Read(ctx context.Context, ses db.Session) (db.Tx, error) {
	at, ok := ctx.Deadline()
	if s.bound = 0; ok {
		s.bound = time.Until(at)
	}
	if s.takes > 0 {
		s.clock.pass(s.takes)
		return nil, errBroken
	}
	return s.Pool.Read(ctx, ses)
}

// A look that takes until what was known does not hold any more has everything denied at its end, and is not waited for longer.
func TestStalls(t *testing.T) {
	w := newWorld(t, databases["sqlite"](t), managed, model)
	s := &slow{Pool: w.pool, clock: w.clock}
	m, app := w.manager(s)
	w.clock.pass(20 * time.Second)
	s.takes = 10 * time.Second
	if err := m.Refresh(t.Context()); err == nil || readable(app, "admin") != nil {
		t.Errorf("what was known does not hold: %v", err)
	}
	s.takes = 30 * time.Second
	if err := m.Refresh(t.Context()); err == nil || readable(app, "admin") == nil {
		t.Error("too old policies hold")
	}
	if s.bound <= 0 || s.bound > 30*time.Second {
		t.Errorf("the last look is waited for for %s", s.bound)
	}
	if s.takes = 0; m.Refresh(t.Context()) != nil || readable(app, "admin") != nil {
		t.Error("it has not recovered")
	}
}

// Where newer policies cannot be compiled, older ones hold for a while, as where they cannot be read.
func TestPanics(t *testing.T) {
	w := newWorld(t, databases["sqlite"](t), managed, model)
	app, diags := cds.NewApp(w.s.CDS.Model, cds.AppOptions{Log: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.clock.now})
	if app == nil {
		t.Fatal(diags)
	}
	app.Connect(w.pool)
	broken := true
	parse := func(text string) (cqn.Expr, diag.List) {
		if broken {
			panic("cannot parse")
		}
		return parser.ParseExpr(text)
	}
	m, err := policies.Open(t.Context(), app, w.pool, policies.Options{Parse: parse})
	if err != nil {
		t.Fatal(err)
	}
	look := func() (panicked bool) {
		defer func() { panicked = recover() != nil }()
		return m.Refresh(t.Context()) != nil
	}
	w.add(`{"entity":"my.Shop.Orders","effect":"restrict","where":"country = 'DE'"}`)
	if !look() || readable(app, "admin") != nil {
		t.Error("what was known does not hold")
	}
	w.clock.pass(61 * time.Second)
	if !look() || readable(app, "admin") == nil {
		t.Error("too old policies hold")
	}
	if broken = false; look() || readable(app, "admin") != nil {
		t.Error("it has not recovered")
	}
}

const drafts = `
namespace my;
entity Books { key ID : UUID; country : String(2); pages : Composition of many Pages on pages.book = $self; }
entity Pages { key ID : UUID; book : Association to Books; country : String(2); }
@requires: 'authenticated-user' @path: 'shop'
service Shop {
  @odata.draft.enabled entity Orders as projection on Books;
  entity Items as projection on Pages;
}`

// A condition on all of a service is none on the framework's records of drafts.
func TestServiceWithDrafts(t *testing.T) {
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newWorld(t, pool, managed, drafts)
		w.add(`{"id":"de","entity":"my.Shop","events":["READ","WRITE"],"effect":"restrict","where":"country = 'DE'"}`)
		const id, other = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
		w.want(201, "ann", "POST", "/odata/v4/shop/Orders", `{"ID":"`+id+`","country":"DE"}`)
		w.want(200, "ann", "GET", "/odata/v4/shop/Orders?$expand=DraftAdministrativeData", "", "DraftUUID")
		w.want(201, "ann", "POST", "/odata/v4/shop/Orders(ID="+id+",IsActiveEntity=false)/draftActivate", `{}`)
		w.want(201, "ann", "POST", "/odata/v4/shop/Orders", `{"ID":"`+other+`","country":"AT"}`)
		w.want(403, "ann", "POST", "/odata/v4/shop/Orders(ID="+other+",IsActiveEntity=false)/draftActivate", `{}`, "AUTHZ_DATA")
	})
}

// Who belongs to a tenant grants rows of his tenant alone.
func TestGrantsOfTenants(t *testing.T) {
	const text = `
namespace my;
entity Notes { key ID : Integer; @tenant tenant : String(36); }
@tenant: false entity Rates { key ID : Integer; tenant : String(36); }
@requires: 'authenticated-user' @path: 'shop'
service Shop {
  @restrict: [{ grant: 'READ', to: 'admin' }] entity Orders as projection on my.Notes;
  @restrict: [{ grant: 'READ', to: 'admin' }] entity Customers as projection on my.Rates;
}`
	onBoth(t, func(t *testing.T, pool db.Pool) {
		w := newTenantsWorld(t, pool, map[string]any{"mode": "extend", "service": true}, text)
		const p = "/authz/policies"
		grant := func(entity, more string) string {
			return `{"id":"` + entity + `","entity":"my.Shop.` + entity + `","effect":"grant","events":["READ"],"users":["tess","tom"]` + more + `}`
		}
		w.want(403, "tess", "GET", "/odata/v4/shop/Orders", "")
		w.want(201, "tess", "POST", p, grant("Orders", ""))
		w.want(200, "tess", "GET", "/odata/v4/shop/Orders?$select=ID", "", `"ID":1`, `!"ID":2`)
		w.want(403, "tom", "GET", "/odata/v4/shop/Orders", "")
		w.want(400, "tess", "POST", p, grant("Customers", ""), "belong to no tenant")
		w.want(201, "root", "POST", p, grant("Customers", `,"tenant":"t1","active":false`))
		w.want(400, "tess", "PATCH", p+"/Customers", `{"active":true}`, "belong to no tenant")
		w.want(403, "tess", "GET", customers, "")
		w.want(204, "root", "PATCH", p+"/Customers?tenant=t1", `{"active":true}`)
		w.want(200, "tess", "GET", customers, "")
		w.want(204, "tess", "PATCH", p+"/Customers", `{"active":false}`)
		w.want(403, "tess", "GET", customers, "")
	})
}

// newTenantsWorld is newWorld for a model with notes of two tenants.
func newTenantsWorld(t *testing.T, pool db.Pool, mode any, text string) *world {
	t.Helper()
	res := parser.CompileString("m.cds", text)
	if res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	opt := deploy.Options{Log: slog.New(slog.DiscardHandler), Files: fstest.MapFS{"db/data/my-Notes.csv": {Data: []byte("ID,tenant\n1,t1\n2,t2\n")}}}
	if err := deploy.New(t.Context(), pool, res.Model, opt); err != nil {
		t.Fatal(err)
	}
	return started(t, pool, mode, res.Model)
}
