// Package tenanttest proves that tenants in shared tables do not see, change or notice each other.
//
// A request is sent to two servers that differ only in the rows of other tenants. Its answers must be the same, byte by byte, and the rows of the other tenants
// must stay as they are.
package tenanttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/ql"
)

const model = `
namespace d;
aspect owned { @tenant tenant : String(36); }
entity Orders : owned { key ID : UUID; title : localized String(40); qty : Integer; note : String(40); customer : Association to Customers;
  @Core.MediaType: 'text/plain' doc : LargeBinary;
  items : Composition of many Items on items.order = $self; lines : Composition of many { key nr : Integer; text : String(40); amount : Integer; } }
entity Items : owned { key ID : UUID; order : Association to Orders; text : String(40); product : Association to Products; }
entity Customers : owned { key ID : UUID; name : String(40); country : String(3); n : Integer; orders : Association to many Orders on orders.customer = $self; }
@tenant: false entity Products { key ID : Integer; name : String(40); items : Association to many Items on items.product = $self; }
entity Prices : owned { key ID : UUID; @cds.valid.from validFrom : Timestamp; @cds.valid.to validTo : Timestamp; amount : Integer; }
@assert.unique.code: [code] entity Codes { @tenant key tenant : String(36); key ID : Integer; code : String(10); }
@odata.draft.enabled entity Papers : owned { key ID : UUID; title : String(40); pages : Composition of many { key nr : Integer; text : String(40); } }
entity Names as select from Customers { key ID, name, country };
entity Both as select from Customers { key ID, name as text } union all select from Items { key ID, text };
entity Flat as select from Items { key ID, text, order.title as title, order.customer.name as customer, order.tenant as whose };
entity Sums as select from Orders { key customer.country as country : String(3), sum(qty) as qty : Integer, count(*) as n : Integer } group by customer.country;
entity Risky as select from Customers { key ID, name, 100 / n as share : Integer } where 100 / n > 1;
entity Pairs as select from Products as p left join Items as i on i.product.ID = p.ID { key p.ID, i.text };

@protocol: ['odata', 'rest'] @path: 's' @requires: 'authenticated-user' service S {
  @cds.redirection.target entity Orders as projection on d.Orders actions { action touch() returns String; };
  entity Bare as projection on d.Orders { ID, qty, note, customer, items, lines };
  @cds.redirection.target entity Items as projection on d.Items;
  @cds.redirection.target entity Customers as projection on d.Customers;
  entity Hidden as projection on d.Customers { ID, name, orders } where country = 'DE';
  entity Products as projection on d.Products;
  entity Prices as projection on d.Prices;
  entity Codes as projection on d.Codes;
  entity Papers as projection on d.Papers actions { function pages() returns Integer; };
  entity Names as projection on d.Names;
  entity Both as projection on d.Both;
  entity Flat as projection on d.Flat;
  entity Sums as projection on d.Sums;
  entity Risky as projection on d.Risky;
  entity Pairs as projection on d.Pairs;
  function names() returns array of String;
}
@protocol: ['odata', 'rest'] @path: 'r' @requires: 'authenticated-user' service R {
  @restrict: [{ grant: '*', where: '100 / n > 1' }] entity Judged as projection on d.Customers { ID, name, country, n };
  @restrict: [{ grant: '*', where: 'exists orders' }] @cds.redirection.target entity Buyers as projection on d.Customers;
  @requires: 'any' entity Orders as projection on d.Orders;
  entity Lines as projection on d.Orders.lines;
  entity Texts as projection on d.Orders.texts;
}
`

// id returns a UUID of row n of a tenant.
func id(tenant, n int) string { return fmt.Sprintf("%d0000000-0000-4000-8000-%012d", tenant, n) }

// own are rows of t1 and those of nobody, others those of t2 in two forms.
func files(form int) fstest.MapFS {
	t := map[string]string{
		"Orders":       "ID,tenant,title,qty,note,customer_ID\n" + id(1, 1) + ",t1,first,5,x," + id(1, 1) + "\n" + id(1, 2) + ",t1,second,7,y," + id(2, 1) + "\n",
		"Orders.texts": "locale,ID,title\nde," + id(1, 1) + ",erste\n",
		"Orders.lines": "up__ID,nr,text,amount\n" + id(1, 1) + ",1,line,3\n",
		"Items":        "ID,tenant,order_ID,text,product_ID\n" + id(1, 1) + ",t1," + id(1, 1) + ",item,1\n" + id(1, 2) + ",t1," + id(2, 1) + ",stray,2\n",
		"Customers":    "ID,tenant,name,country,n\n" + id(1, 1) + ",t1,Anna,DE,4\n" + id(1, 2) + ",t1,Otto,FR,9\n",
		"Products":     "ID,name\n1,pen\n2,ink\n",
		"Prices":       "ID,tenant,validFrom,validTo,amount\n" + id(1, 1) + ",t1,2000-01-01T00:00:00.000Z,9999-01-01T00:00:00.000Z,3\n",
		"Codes":        "tenant,ID,code\nt1,1,a\n",
		"Papers":       "ID,tenant,title\n" + id(1, 1) + ",t1,paper\n",
		"Papers.pages": "up__ID,nr,text\n" + id(1, 1) + ",1,page\n",
	}
	add := func(name, rows string) { t[name] += rows }
	if form == 0 {
		add("Orders", id(2, 1)+",t2,SECRET a,11,x,"+id(2, 1)+"\n"+id(2, 9)+",t2,SECRET own,11,x,"+id(1, 1)+"\n")
		add("Orders.texts", "de,"+id(2, 1)+",SECRET de\n")
		add("Orders.lines", id(2, 1)+",1,SECRET line,3\n")
		add("Items", id(2, 1)+",t2,"+id(1, 1)+",SECRET item,1\n"+id(2, 2)+",t2,"+id(2, 1)+",SECRET more,2\n")
		add("Customers", id(2, 1)+",t2,SECRET Zoe,DE,0\n")
		add("Prices", id(2, 1)+",t2,2000-01-01T00:00:00.000Z,9999-01-01T00:00:00.000Z,77\n")
		add("Codes", "t2,1,b\nt2,2,a\n")
		add("Papers", id(2, 1)+",t2,SECRET paper\n")
		add("Papers.pages", id(2, 1)+",1,SECRET page\n")
	} else {
		add("Orders", id(2, 3)+",t2,SECRET b,1,y,"+id(1, 2)+"\n")
		add("Customers", id(2, 3)+",t2,SECRET Ben,FR,1\n"+id(2, 4)+",t3,SECRET Tim,DE,0\n")
		add("Codes", "t2,3,c\nt3,1,z\n")
	}
	out := fstest.MapFS{}
	for name, text := range t {
		out["db/data/d-"+name+".csv"] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

var people = []cdstest.TestUser{
	cdstest.User("alice", cdstest.Tenant("t1")),
	cdstest.User("bob", cdstest.Tenant("t2")),
	cdstest.User("carl", cdstest.Tenant("t9")),
	cdstest.User("nobody"),
}

func compiled() (*csn.Model, error) {
	res := parser.CompileString("tenants.cds", model)
	return res.Model, res.Diags.Err()
}

func begin(t *testing.T, form int) *cdstest.App {
	t.Helper()
	return cdstest.New(t, cdstest.Config{Model: compiled, FS: files(form), Users: people, Register: register})
}

// register has handlers that read and write by all ways that code has, some with elevated rights.
func register(app *cds.App) error {
	s := app.Service("d.S")
	s.On(cds.Match{Events: []cds.Event{"names"}}, func(ctx context.Context, _ *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
		var out []cqn.Value
		read := func(ctx context.Context, r interface {
			Run(context.Context, cqn.Query) (*cds.Result, error)
		}, e string) error {
			rows, err := ql.Select(e).Columns("name").OrderBy("name").Rows(ctx, r)
			for _, row := range rows {
				out = append(out, row.Value("name"))
			}
			return err
		}
		err := read(ctx, cds.DB(ctx), "d.Customers")
		if err == nil {
			err = cds.Privileged(ctx, "test", func(ctx context.Context) error {
				if err := read(ctx, cds.DB(ctx), "d.Names"); err != nil {
					return err
				}
				return read(ctx, s, "Customers")
			})
		}
		v := cqn.List(out)
		return &cds.Result{Value: &v}, err
	})
	s.On(cds.Match{Events: []cds.Event{"touch"}}, func(context.Context, *cds.RawRequest, cds.Next) (*cds.Result, error) {
		v := cqn.String("touched")
		return &cds.Result{Value: &v}, nil
	})
	return nil
}

func on(t *testing.T, test func(t *testing.T)) {
	for _, name := range []string{"sqlite", "postgres", "postgres-rls"} {
		t.Run(name, func(t *testing.T) {
			if name != "sqlite" && testing.Short() {
				t.Skip("SQLite only in short mode")
			}
			t.Setenv("CDS_TEST_DB", name)
			test(t)
		})
	}
}

var reads = []string{
	"Orders", "Orders?$count=true", "Orders/$count", "Orders?$expand=*", "Orders?$expand=items($expand=product),customer,lines", "Orders(" + id(2, 1) + ")", "Orders(" + id(1, 1) + ")",
	"Orders(" + id(2, 1) + ")/items", "Orders(" + id(1, 2) + ")/customer", "Orders(" + id(1, 1) + ")/items", "Orders(" + id(2, 1) + ")/title", "Orders(" + id(2, 1) + ")/doc/$value",
	"Orders?$filter=customer/name eq 'SECRET Zoe'", "Orders?$filter=items/any(i:contains(i/text,'SECRET'))", "Orders?$filter=items/all(i:i/text eq 'item')", "Orders?$orderby=customer/name",
	"Orders?$filter=1 div qty gt 0", "Orders?$filter=100 div (qty sub 11) gt 0", "Orders?$apply=groupby((customer/name),aggregate(qty with sum as q))", "Orders?$apply=aggregate(qty with max as q,$count as n)",
	"Orders?$search=SECRET", "Orders?$select=ID,customer/name", "Orders?$compute=qty mul 2 as d&$select=d", "Orders?$expand=items($count=true;$filter=text ne 'x')", "Orders?$filter=tenant eq 't2'",
	"Orders?$filter=tenant eq 't2' or true", "Orders?sap-locale=de", "Orders?$filter=contains(title,'SECRET')&sap-locale=de", "Orders/" + id(1, 1) + "/texts", "Orders(" + id(2, 1) + ")/texts", "Orders?$expand=texts,localized",
	"Orders(" + id(1, 1) + ")/lines", "Orders(" + id(2, 1) + ")/lines", "Orders_lines", "Orders_texts",
	"Bare", "Bare(" + id(2, 1) + ")", "Bare?$expand=items,lines,customer", "Bare?$filter=items/any()", "Bare/$count",
	"Items", "Items?$expand=order($expand=customer),product", "Items?$filter=order/customer/name ne null", "Items(" + id(1, 2) + ")/order", "Items?$orderby=order/title", "Items?$apply=groupby((order/title))",
	"Customers", "Customers?$expand=orders($expand=items)", "Customers?$filter=orders/any(o:o/qty gt 10)", "Customers?$filter=orders/$count gt 1", "Customers(" + id(1, 1) + ")/orders", "Customers?$orderby=orders/$count",
	"Customers?$filter=100 div n gt 1", "Customers(" + id(1, 2) + ")/orders/$count", "Hidden", "Hidden?$expand=orders", "Hidden?$filter=100 div length(name) gt 1",
	"Products?$expand=items", "Products?$filter=items/any(i:contains(i/text,'SECRET'))", "Products(1)/items", "Products?$apply=groupby((items/text))", "Products?$orderby=items/$count desc",
	"Prices", "Prices?sap-valid-at=2010-01-01", "Prices?$apply=aggregate(amount with sum as a)",
	"Codes", "Codes(tenant='t2',ID=1)", "Codes(tenant='t1',ID=1)", "Codes/$count",
	"Papers", "Papers(ID=" + id(2, 1) + ",IsActiveEntity=true)", "Papers(ID=" + id(1, 1) + ",IsActiveEntity=true)?$expand=pages", "Papers?$filter=IsActiveEntity eq false", "Papers(ID=" + id(2, 1) + ",IsActiveEntity=true)/pages",
	"Names", "Names(" + id(2, 1) + ")", "Names?$filter=contains(name,'SECRET')", "Names?$filter=1 div length(country) gt 0", "Both", "Both?$filter=contains(text,'SECRET')", "Both/$count", "Flat", "Flat?$filter=whose eq 't2'", "Flat?$orderby=customer",
	"Sums", "Sums?$filter=n gt 1", "Sums/$count", "Risky", "Risky?$filter=share gt 0", "Risky/$count", "Pairs", "../r/Judged", "../r/Judged?$orderby=name", "../r/Judged/$count", "../r/Buyers", "../r/Buyers?$expand=orders", "../r/Lines", "../r/Lines?$expand=up_", "../r/Texts", "../r/Lines(up__ID=" + id(2, 1) + ",nr=1)", "names()",
}

// writes are methods, paths and bodies.
var writes = [][3]string{
	{"POST", "Orders", `{"ID":"` + id(5, 1) + `","title":"new","items":[{"ID":"` + id(5, 1) + `","text":"n"}],"lines":[{"nr":1,"text":"n"}]}`},
	{"POST", "Orders", `{"ID":"` + id(5, 2) + `","tenant":"t2"}`},
	{"POST", "Orders", `{"ID":"` + id(5, 3) + `","tenant":"t1"}`},
	{"POST", "Orders", `{"ID":"` + id(5, 4) + `","items":[{"ID":"` + id(5, 5) + `","tenant":"t2"}]}`},
	{"POST", "Orders(" + id(2, 1) + ")/items", `{"ID":"` + id(5, 6) + `","text":"n"}`},
	{"POST", "Orders(" + id(2, 1) + ")/lines", `{"nr":5,"text":"n"}`},
	{"POST", "Orders(" + id(1, 1) + ")/lines", `{"nr":5,"text":"n"}`},
	{"POST", "Items", `{"ID":"` + id(5, 7) + `","order_ID":"` + id(2, 1) + `"}`},
	{"PATCH", "Orders(" + id(2, 1) + ")", `{"note":"hacked"}`},
	{"PATCH", "Orders(" + id(1, 1) + ")", `{"note":"changed"}`},
	{"PATCH", "Orders(" + id(1, 1) + ")", `{"tenant":"t2"}`},
	{"PATCH", "Orders(" + id(1, 1) + ")", `{"tenant":null,"note":"kept"}`},
	{"PATCH", "Orders(" + id(1, 1) + ")", `{"items":[{"ID":"` + id(2, 7) + `","text":"other's"}]}`},
	{"PATCH", "Orders(" + id(1, 1) + ")", `{"customer_ID":"` + id(2, 1) + `"}`},
	{"PUT", "Orders(" + id(1, 2) + ")", `{"title":"put"}`},
	{"PATCH", "Bare(" + id(2, 1) + ")", `{"note":"hacked"}`},
	{"PATCH", "Bare(" + id(1, 1) + ")", `{"note":"bare"}`},
	{"POST", "Bare", `{"ID":"` + id(5, 8) + `","note":"bare"}`},
	{"DELETE", "Orders(" + id(2, 1) + ")", ""},
	{"DELETE", "Orders(" + id(2, 1) + ")/items(" + id(2, 2) + ")", ""},
	{"DELETE", "Items(" + id(2, 1) + ")", ""},
	{"DELETE", "Orders(" + id(1, 2) + ")", ""},
	{"POST", "../r/Lines", `{"up__ID":"` + id(2, 1) + `","nr":1}`},
	{"POST", "../r/Lines", `{"up__ID":"` + id(2, 1) + `","nr":2}`},
	{"POST", "../r/Lines", `{"up__ID":"` + id(1, 1) + `","nr":2}`},
	{"POST", "../r/Lines", `{"up__ID":"` + id(1, 1) + `","nr":2}`},
	{"PATCH", "../r/Lines(up__ID=" + id(2, 1) + ",nr=1)", `{"text":"hacked"}`},
	{"PUT", "../r/Lines(up__ID=" + id(2, 1) + ",nr=1)", `{"text":"hacked"}`},
	{"PUT", "../r/Lines(up__ID=" + id(2, 1) + ",nr=77)", `{"text":"hacked"}`},
	{"DELETE", "../r/Lines(up__ID=" + id(2, 1) + ",nr=1)", ""},
	{"POST", "../r/Texts", `{"ID":"` + id(2, 1) + `","locale":"de","title":"hacked"}`},
	{"POST", "../r/Texts", `{"ID":"` + id(2, 1) + `","locale":"fr","title":"hacked"}`},
	{"POST", "../r/Texts", `{"ID":"` + id(1, 1) + `","locale":"fr","title":"un"}`},
	{"PATCH", "Customers(" + id(2, 1) + ")", `{"name":"hacked"}`},
	{"DELETE", "Hidden(" + id(2, 1) + ")", ""},
	{"POST", "Codes", `{"ID":2,"code":"b"}`},
	{"POST", "Codes", `{"ID":3,"code":"a"}`},
	{"PUT", "Codes(tenant='t2',ID=1)", `{"code":"q"}`},
	{"PATCH", "Codes(tenant='t2',ID=9)", `{"code":"q"}`},
	{"POST", "Orders(" + id(2, 1) + ")/d.S.touch", `{}`},
	{"POST", "Orders(" + id(1, 1) + ")/d.S.touch", `{}`},
	{"POST", "Prices", `{"ID":"` + id(5, 9) + `","validFrom":"2001-01-01T00:00:00.000Z","amount":4}`},
	{"DELETE", "Prices(" + id(2, 1) + ")", ""},
	{"POST", "Papers", `{"ID":"` + id(5, 1) + `","title":"draft"}`},
	{"PATCH", "Papers(ID=" + id(5, 1) + ",IsActiveEntity=false)", `{"title":"draft 2"}`},
	{"PATCH", "Papers(ID=" + id(5, 1) + ",IsActiveEntity=false)", `{"tenant":"t2"}`},
	{"POST", "Papers(ID=" + id(5, 1) + ",IsActiveEntity=false)/pages", `{"nr":1,"text":"p"}`},
	{"POST", "Papers(ID=" + id(5, 1) + ",IsActiveEntity=false)/d.S.draftActivate", `{}`},
	{"POST", "Papers(ID=" + id(1, 1) + ",IsActiveEntity=true)/d.S.draftEdit", `{}`},
	{"POST", "Papers(ID=" + id(2, 1) + ",IsActiveEntity=true)/d.S.draftEdit", `{}`},
	{"POST", "Papers(ID=" + id(1, 1) + ",IsActiveEntity=false)/d.S.draftActivate", `{}`},
	{"DELETE", "Papers(ID=" + id(2, 1) + ",IsActiveEntity=true)", ""},
	{"PUT", "Orders(" + id(1, 1) + ")/doc", `text`},
	{"POST", "$batch", `{"requests":[{"id":"1","method":"GET","url":"Customers"},{"id":"2","method":"PATCH","url":"Orders(` + id(2, 1) + `)","headers":{"content-type":"application/json"},"body":{"note":"b"}},{"id":"3","method":"GET","url":"$1"}]}`},
}

// normal hides what differs by chance.
func normal(s string) string {
	for _, cut := range []string{`"DraftUUID":"`, `DateTime":"`, `"InProcessByUser`} {
		for rest := s; ; {
			i := strings.Index(rest, cut)
			if i < 0 {
				break
			}
			rest = rest[i+len(cut):]
			if j := strings.IndexByte(rest, '"'); j > 0 {
				s = strings.ReplaceAll(s, rest[:j], "…")
			}
		}
	}
	return s
}

// Whatever the rows of others are, a tenant gets the same answers, before and after it writes.
func TestTwins(t *testing.T) {
	on(t, func(t *testing.T) {
		a, b := begin(t, 0), begin(t, 1)
		both := func(method, path, body string) {
			t.Helper()
			send := func(app *cdstest.App) string {
				c := app.HTTP().As("alice")
				if strings.HasSuffix(path, "/doc") {
					c = c.With("Content-Type", "text/plain")
				}
				var in any
				if body != "" {
					in = body
				}
				url := "/odata/v4/s/" + path
				if other, ok := strings.CutPrefix(path, "../"); ok {
					url = "/odata/v4/" + other
				}
				r := c.Do(method, strings.ReplaceAll(url, " ", "%20"), in)
				return normal(fmt.Sprint(r.Code(), " ", r.Header("ETag"), r.Body()))
			}
			x, y := send(a), send(b)
			if x != y {
				t.Errorf("%s %s %s: the rows of another tenant show:\n%s\n%s", method, path, body, x, y)
			}
			if strings.Contains(x, "SECRET") && !strings.Contains(path, "SECRET") {
				t.Errorf("%s %s: %s", method, path, x)
			}
			if strings.HasPrefix(x, "5") {
				t.Errorf("%s %s %s: %s", method, path, body, x)
			}
			if testing.Verbose() {
				t.Logf("%s %s %s\n\t%.300s", method, path, body, x)
			}
		}
		before := [2][]string{foreign(t, a), foreign(t, b)}
		for _, r := range reads {
			both("GET", r, "")
		}
		for _, w := range writes {
			both(w[0], w[1], w[2])
		}
		for _, r := range reads {
			both("GET", r, "")
		}
		for i, app := range []*cdstest.App{a, b} {
			if after := foreign(t, app); !slices.Equal(before[i], after) {
				t.Errorf("rows of other tenants have changed:\n%v\n%v", before[i], after)
			}
		}
	})
}

// foreign returns all rows of other tenants than t1, by the one way that code has to them.
func foreign(t *testing.T, app *cdstest.App) []string {
	t.Helper()
	var out []string
	err := cds.AllTenants(app.CDS.NewContext(t.Context(), cds.Anonymous(), ""), "test", func(ctx context.Context, tenant string) error {
		if tenant == "t1" {
			return nil
		}
		for _, e := range []string{"Orders", "Items", "Customers", "Prices", "Codes", "Papers", "Orders.lines", "Orders.texts", "Papers.pages"} {
			rows, err := ql.Select("d."+e).Rows(ctx, cds.DB(ctx))
			if err != nil {
				return err
			}
			for _, r := range rows {
				line := tenant + " " + e
				for _, f := range r.Fields() {
					line += " " + f.Name + "=" + f.Value.Format()
				}
				out = append(out, line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 3 {
		t.Fatalf("there are no rows of other tenants: %v", out)
	}
	slices.Sort(out)
	return out
}

// Who has no tenant gets nothing of what belongs to tenants: 403 with a code of its own, or 401 where a login could help. What everybody shares stays open.
func TestNoTenant(t *testing.T) {
	on(t, func(t *testing.T) {
		a := begin(t, 0)
		for _, path := range []string{"Orders", "Orders/$count", "Bare", "Names", "Sums", "Codes(tenant='t1',ID=1)", "Papers", "Both", "Pairs", "Orders(" + id(1, 1) + ")/items", "Products(1)/items"} {
			a.HTTP().As("nobody").GET("/odata/v4/s/" + path).Status(403).Contains(`"AUTHZ_TENANT"`)
			a.HTTP().GET("/odata/v4/s/" + path).Status(401)
		}
		a.HTTP().As("nobody").GET("/odata/v4/s/Products").Status(200).Contains("pen")
		a.HTTP().As("nobody").GET("/odata/v4/s/Products?$expand=*").Status(200).Lacks("items")
		for _, q := range []string{"$expand=items", "$filter=items/any()", "$orderby=items/$count", "$expand=items($levels=1)"} {
			if c := a.HTTP().As("nobody").GET("/odata/v4/s/Products?" + q).Code(); c != 403 && c != 400 {
				t.Errorf("%s: %d", q, c)
			}
		}
		for _, w := range [][3]string{{"POST", "Orders", "{}"}, {"PATCH", "Orders(" + id(1, 1) + ")", "{}"}, {"DELETE", "Orders(" + id(1, 1) + ")", ""}, {"POST", "Papers", "{}"}, {"POST", "Orders(" + id(1, 1) + ")/d.S.touch", "{}"}} {
			var body any
			if w[2] != "" {
				body = w[2]
			}
			a.HTTP().As("nobody").Do(w[0], "/odata/v4/s/"+w[1], body).Status(403).Contains(`"AUTHZ_TENANT"`)
		}
		// Plans are found by what they are for, not by who was first: a tenant, none, another one.
		for range 2 {
			a.HTTP().As("alice").GET("/odata/v4/s/Customers").Status(200).Contains("Anna").Lacks("SECRET")
			a.HTTP().As("nobody").GET("/odata/v4/s/Customers").Status(403)
			a.HTTP().As("bob").GET("/odata/v4/s/Customers").Status(200).Contains("SECRET Zoe").Lacks("Anna")
			a.HTTP().As("carl").GET("/odata/v4/s/Customers").Status(200).Lacks("Anna", "SECRET")
			a.HTTP().As("alice").GET("/odata/v4/s/Sums").Status(200).Lacks("11")
			a.HTTP().As("bob").GET("/odata/v4/s/Sums").Status(200).Contains("11")
		}
	})
}

// Code keeps to the tenant of its user, elevated or not, on the database as well, and leaves it only by AsTenant.
func TestCode(t *testing.T) {
	on(t, func(t *testing.T) {
		a := begin(t, 0)
		names := func(ctx context.Context, e string) string {
			t.Helper()
			rows, err := ql.Select(e).Columns("name").OrderBy("name").Rows(ctx, cds.DB(ctx))
			if err != nil {
				return "error " + cds.AsError(err).Code
			}
			var out []string
			for _, r := range rows {
				out = append(out, r.Value("name").Format())
			}
			return strings.Join(out, ",")
		}
		alice := a.As("alice")
		elevated := func(ctx context.Context, fn func(context.Context)) {
			t.Helper()
			if err := cds.Privileged(ctx, "test", func(ctx context.Context) error { fn(ctx); return nil }); err != nil {
				t.Error(err)
			}
		}
		for _, e := range []string{"d.Customers", "d.Names", "d.S.Hidden", "d.S.Customers"} {
			want := "Anna,Otto"
			if e == "d.S.Hidden" {
				want = "Anna"
			}
			if got := names(alice, e); got != want {
				t.Errorf("%s: %s", e, got)
			}
			elevated(alice, func(ctx context.Context) {
				if got := names(ctx, e); got != want {
					t.Errorf("%s, elevated: %s", e, got)
				}
			})
			if got := names(a.As("nobody"), e); got != "error AUTHZ_TENANT" {
				t.Errorf("%s without a tenant: %s", e, got)
			}
			elevated(a.As("nobody"), func(ctx context.Context) {
				if got := names(ctx, e); got != "error AUTHZ_TENANT" {
					t.Errorf("%s without a tenant, elevated: %s", e, got)
				}
			})
			err := cds.AsTenant(alice, "t2", "test", func(ctx context.Context) error {
				if got := names(ctx, e); got != "SECRET Zoe" {
					t.Errorf("%s as t2: %s", e, got)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		var all []string
		if err := cds.AllTenants(alice, "test", func(ctx context.Context, tenant string) error {
			all = append(all, tenant+" "+names(ctx, "d.Customers"))
			return nil
		}); err != nil {
			t.Error(err)
		}
		if got := strings.Join(all, "; "); got != "t1 Anna,Otto; t2 SECRET Zoe" {
			t.Errorf("all tenants: %s", got)
		}
		for _, err := range []error{
			cds.AsTenant(alice, "", "test", func(context.Context) error { return nil }), cds.AsTenant(alice, "t2", "", func(context.Context) error { return nil }),
			cds.AllTenants(alice, "", func(context.Context, string) error { return nil }), cds.AsTenant(t.Context(), "t2", "test", func(context.Context) error { return nil }),
		} {
			if err == nil {
				t.Error("no error")
			}
		}
		failed := errors.New("no")
		if err := cds.AsTenant(alice, "t2", "test", func(context.Context) error { return failed }); !errors.Is(err, failed) {
			t.Errorf("what fails for a tenant: %v", err)
		}
		calls := 0
		if err := cds.AllTenants(alice, "test", func(context.Context, string) error { calls++; return failed }); !errors.Is(err, failed) || calls != 1 {
			t.Errorf("what fails for the first tenant: %v, %d calls", err, calls)
		}
		if err := cds.AllTenants(t.Context(), "test", func(context.Context, string) error { calls++; return nil }); err == nil || calls != 1 {
			t.Errorf("outside of an application: %v, %d calls", err, calls)
		}
		if len(a.Logged("acting for another tenant")) == 0 {
			t.Error("another tenant is not in the log")
		}
	})
}

// What code writes to the database itself belongs to its tenant, or is refused.
func TestCodeWrites(t *testing.T) {
	on(t, func(t *testing.T) {
		a := begin(t, 0)
		alice := a.As("alice")
		before := foreign(t, a)
		row := func(fields ...any) *cds.Row {
			r := cqn.NewRow()
			for i := 0; i < len(fields); i += 2 {
				switch v := fields[i+1].(type) {
				case string:
					r.Set(fields[i].(string), cqn.String(v))
				case int:
					r.Set(fields[i].(string), cqn.Int(int64(v)))
				}
			}
			return r
		}
		where := func(name, value string) cqn.Expr {
			return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(name), R: &cqn.Lit{Value: cqn.String(value)}}
		}
		for name, c := range map[string]struct {
			q    cqn.Query
			code string // "" for allowed
			n    int64
		}{
			"insert":                   {&cqn.Insert{Into: "d.Customers", Rows: []*cds.Row{row("ID", id(6, 1), "name", "new")}}, "", 1},
			"insert, own tenant":       {&cqn.Insert{Into: "d.Customers", Rows: []*cds.Row{row("ID", id(6, 2), "tenant", "t1")}}, "", 1},
			"insert, other tenant":     {&cqn.Insert{Into: "d.Customers", Rows: []*cds.Row{row("ID", id(6, 3), "tenant", "t2")}}, "TENANT_FIXED", 0},
			"insert into a view":       {&cqn.Insert{Into: "d.S.Bare", Rows: []*cds.Row{row("ID", id(6, 4), "note", "new")}}, "", 1},
			"update":                   {&cqn.Update{Entity: cqn.NewRef("d.Customers"), Data: row("name", "x"), Where: where("ID", id(2, 1))}, "", 0},
			"update of all":            {&cqn.Update{Entity: cqn.NewRef("d.Orders"), Data: row("note", "all")}, "", -1},
			"update to other tenant":   {&cqn.Update{Entity: cqn.NewRef("d.Customers"), Data: row("tenant", "t2"), Where: where("ID", id(1, 1))}, "TENANT_FIXED", 0},
			"update by expression":     {&cqn.Update{Entity: cqn.NewRef("d.Customers"), With: []cqn.Assignment{{Name: "tenant", X: cqn.NewRef("name")}}}, "TENANT_FIXED", 0},
			"delete":                   {&cqn.Delete{From: cqn.NewRef("d.Customers"), Where: where("ID", id(2, 1))}, "", 0},
			"upsert of other's key":    {&cqn.Upsert{Into: "d.Codes", Rows: []*cds.Row{row("tenant", "t2", "ID", 1, "code", "q")}}, "TENANT_FIXED", 0},
			"part":                     {&cqn.Insert{Into: "d.Orders.lines", Rows: []*cds.Row{row("up__ID", id(1, 1), "nr", 9)}}, "", 1},
			"part of other tenant's":   {&cqn.Insert{Into: "d.Orders.lines", Rows: []*cds.Row{row("up__ID", id(2, 1), "nr", 9)}}, "AUTHZ_TENANT", 0},
			"part of nothing":          {&cqn.Insert{Into: "d.Orders.texts", Rows: []*cds.Row{row("ID", id(9, 9), "locale", "fr")}}, "AUTHZ_TENANT", 0},
			"part moved":               {&cqn.Update{Entity: cqn.NewRef("d.Papers.pages"), Data: row("up__ID", id(2, 1), "nr", 7)}, "AUTHZ_TENANT", 0},
			"part moved by expression": {&cqn.Update{Entity: cqn.NewRef("d.Papers.pages"), Data: row("nr", 8), With: []cqn.Assignment{{Name: "up__ID", X: &cqn.Lit{Value: cqn.String(id(2, 1))}}}}, "AUTHZ_TENANT", 0},
			"part changed":             {&cqn.Update{Entity: cqn.NewRef("d.Papers.pages"), Data: row("text", "z")}, "", 1},
			"part of other's upserted": {&cqn.Upsert{Into: "d.Orders.lines", Rows: []*cds.Row{row("up__ID", id(2, 1), "nr", 1, "text", "x")}}, "AUTHZ_TENANT", 0},
			"delete of parts":          {&cqn.Delete{From: cqn.NewRef("d.Orders.texts")}, "", 1},
		} {
			res, err := cds.DB(alice).Run(alice, c.q)
			code := ""
			if err != nil {
				code = cds.AsError(err).Code
			}
			if code != c.code || err == nil && c.n >= 0 && res.Affected != c.n {
				t.Errorf("%s: %v, %+v", name, err, res)
			}
		}
		if after := foreign(t, a); !slices.Equal(before, after) {
			t.Errorf("rows of other tenants have changed:\n%v\n%v", before, after)
		}
	})
}
