package odata_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	cdl "cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgtest"
)

// What a query option may name shows nothing of rows and elements that its user may not read.

const guarded = `
namespace lib;
entity Authors { key ID : Integer; name : String(20); pay : Decimal(9,2); books : Association to many Books on books.author = $self; }
entity Secrets { key ID : Integer; code : String(20); book : Association to Books; }
entity Books { key ID : Integer; title : String(20); stock : Integer; owner : String(20); cost : Decimal(9,2); author : Association to Authors; prior : Association to Books;
  secret : Association to Secrets; secrets : Association to many Secrets on secrets.book = $self; pages : Composition of many Pages on pages.book = $self; }
entity Pages { key book : Association to Books; key nr : Integer; text : String(20); }
@path: '/lib' @requires: 'any' service Lib {
  @restrict: [{ grant: 'READ', where: 'name <> ''hidden''' }] entity Authors as projection on lib.Authors;
  @requires: 'boss' entity Secrets as projection on lib.Secrets;
  @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity Books as projection on lib.Books;
}
annotate Lib.Books with { cost @requires: 'boss'; };
`

// twin starts an app whose hidden rows have the given values.
func twin(t *testing.T, open func(t testing.TB) db.Pool, hidden map[string]string) *cdstest.App {
	t.Helper()
	files := fstest.MapFS{}
	for name, rows := range map[string]string{
		"Authors": "ID,name,pay\n1,Jane,10\n2,Emil,20\n", "Books": "ID,title,stock,owner,cost,author_ID,prior_ID,secret_ID\n1,Emma,5,bob,1,1,3,1\n2,Lotte,7,bob,2,3,1,1\n",
		"Pages": "book_ID,nr,text\n1,1,one\n1,2,two\n2,1,three\n", "Secrets": "ID,code,book_ID\n",
	} {
		files["db/data/lib-"+name+".csv"] = &fstest.MapFile{Data: []byte(rows + hidden[name])}
	}
	return cdstest.New(t, cdstest.Config{
		Model: func() (*csn.Model, error) {
			res := cdl.CompileString("lib.cds", guarded)
			return res.Model, res.Diags.Err()
		},
		FS:       files,
		Users:    []cdstest.TestUser{cdstest.User("bob"), cdstest.User("eve")},
		Database: open,
	})
}

// TestNothingShows runs queries on two databases that differ only in what the user may not see: the answers must be the same, byte by byte.
func TestNothingShows(t *testing.T) {
	databases := map[string]func(t testing.TB) db.Pool{"sqlite": nil, "postgres": func(t testing.TB) db.Pool {
		pool, err := postgres.New().Open(context.Background(), pgtest.Open(t))
		if err != nil {
			t.Fatal(err)
		}
		return pool
	}}
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			if name == "postgres" && testing.Short() {
				t.Skip("without PostgreSQL in short mode")
			}
			a := twin(t, open, map[string]string{
				"Authors": "3,hidden,1\n4,hidden,99999\n", "Books": "3,Hidden,0,eve,3,1,1,2\n4,Emma,2147483647,eve,9,1,3,1\n",
				"Pages": "3,1,x\n3,2,y\n4,1,z\n", "Secrets": "1,top,1\n2,deep,3\n",
			})
			b := twin(t, open, map[string]string{"Authors": "3,hidden,0\n", "Books": "3,Other,-9,eve,0,3,2,1\n", "Pages": "3,7,w\n", "Secrets": "1,none,2\n"})
			differs := 0
			for _, q := range visible {
				ask := func(app *cdstest.App, user string) string {
					path, query, _ := strings.Cut(q, "?")
					r := app.HTTP().As(user).GET("/lib/" + path + "?" + url.PathEscape(query))
					if code := r.Code(); code != 200 && user == "bob" && !strings.Contains(refused, q+"\n") {
						t.Errorf("%s: %d %s", q, code, r.Body())
					}
					return r.Body()
				}
				x, y := ask(a, "bob"), ask(b, "bob")
				if ask(a, "eve") != ask(b, "eve") {
					differs++
				}
				if x != y {
					t.Errorf("%s tells of hidden rows:\n%s\n%s", q, x, y)
				}
				if strings.Contains(x, "idden") || strings.Contains(x, `"code":"500"`) {
					t.Errorf("%s: %s", q, x)
				}
			}
			if differs < len(visible)/2 { // who may see the rows does see the difference
				t.Errorf("only %d of %d queries look at rows that differ", differs, len(visible))
			}
			for _, q := range forbidden {
				path, query, _ := strings.Cut(q, "?")
				a.HTTP().As("bob").GET("/lib/" + path + "?" + url.PathEscape(query)).Status(403)
			}
		})
	}
}

// visible are queries that are allowed, over rows of which some are hidden.
var visible = []string{
	"Books?$apply=aggregate($count as n,stock with sum as s,stock with max as m,stock with min as i,stock with average as a,title with countdistinct as d)",
	"Books?$apply=groupby((title),aggregate($count as n))", "Books?$apply=groupby((author/name),aggregate($count as n))", "Books?$apply=groupby((prior/title,prior/stock))",
	"Books?$apply=aggregate(prior/stock with sum as s,prior/stock with max as m,prior/author/pay with sum as p)", "Books?$apply=groupby((author),aggregate($count as n))",
	"Authors?$apply=aggregate(books/stock with sum as s,books/stock with max as m,books/$count as n,books/pages/$count as p)",
	"Authors?$apply=groupby((name),aggregate(books/$count as n))&$orderby=n desc", "Authors?$filter=books/$count gt 1", "Authors?$orderby=books/$count desc",
	"Authors?$filter=books/$count($filter=stock eq 0) gt 0", "Authors?$filter=books/$count($search=hidden) gt 0", "Authors?$compute=books/$count as n",
	"Authors?$expand=books/$count", "Authors?$expand=books($count=true;$top=1)", "Authors?$expand=books/$ref", "Books?$expand=prior/$ref", "Books?$expand=prior($levels=3)", "Books?$expand=author($levels=max)",
	"Books?$filter='Hidden' in author/books/title", "Books?$filter=title in prior/author/books/title", "Authors?$filter=0 in books/stock",
	"Books?$filter=title eq $root/Books(3)/title", "Books?$filter=stock gt $root/Books(3)/stock", "Books?$compute=$root/Books(3)/title as x&$select=x", "Books?$filter=$root/Books(3)/stock eq null",
	"Books?$compute=$root/Books(4)/author/pay as x&$select=x", "Books?$filter=$root/Authors(3)/pay gt 0",
	"Books?$apply=topcount(1,stock)&$select=ID", "Books?$apply=bottomcount(1,stock)&$select=ID", "Books?$apply=topsum(6,stock)&$select=ID", "Books?$apply=toppercent(50,stock)&$select=ID",
	"Books?$apply=bottompercent(50,stock)&$select=ID", "Books?$apply=groupby((title),topcount(1,stock))&$select=ID", "Books?$apply=top(3)/aggregate($count as n)", "Books?$apply=skip(1)/aggregate(stock with sum as s)",
	"Books?$apply=concat(aggregate($count as n),groupby((title),aggregate(stock with sum as s)))", "Books?$apply=groupby((title),concat(aggregate($count as n),aggregate(prior/stock with max as m)))",
	"Books?$apply=filter(prior/stock eq 0)/aggregate($count as n)", "Books?$apply=search(hidden)/aggregate($count as n)", "Books?$apply=search(NOT hidden)/aggregate($count as n)",
	"Books?$apply=compute(stock mul 2 as d)/groupby((d),aggregate($count as n))", "Books?$search=NOT hidden", "Books?$search=emma OR hidden", "Books/$count?$apply=groupby((title))", "Books/$count?$search=NOT x",
	"Books?$apply=groupby((title))&$count=true&$top=1", "Books?$compute=100 div stock as q&$select=q", "Books?$filter=100 div stock gt 1", "Books?$filter=100 mod stock eq 1", "Books?$orderby=100 div stock",
	"Books?$filter=stock add 2147483647 gt 5", "Books?$apply=aggregate(100 div stock with sum as s)", "Books?$apply=compute(100 div stock as q)/groupby((q))", "Books?$apply=filter(100 div stock gt 1)/aggregate($count as n)",
	"Books?$apply=topcount(1,100 div stock)&$select=ID", "Books?$apply=topsum(20,100 div stock)&$select=ID", "Authors?$filter=books/any(b:100 div b/stock gt 1)", "Authors?$apply=aggregate(books/$count as n)",
	"Authors?$filter=books/$count($filter=100 div stock gt 1) gt 0", "Books?$filter=100 div prior/stock gt 1", "Books?$compute=100 div prior/stock as q&$select=q", "Books?$expand=prior($filter=100 div stock gt 1)",
	"Authors?$expand=books($filter=100 div stock gt 1;$compute=100 div stock as q;$orderby=q)", "Books?$filter=case(stock gt 5:100 div stock,true:1) gt 1", "Books?$filter=cast(stock,Edm.String) eq '0'",
	"Books?$apply=groupby((prior/title),aggregate(100 div prior/stock with sum as s))", "Books?$filter=prior/prior/stock eq 0", "Books?$filter=prior eq null", "Books?$filter=prior/title eq null",
	"Authors(3)/books?$apply=aggregate($count as n)", "Authors(1)/books?$apply=aggregate($count as n,stock with sum as s)", "Books(3)/pages?$apply=aggregate($count as n)", "Books(1)/pages?$apply=groupby((text))",
	"Books?$apply=aggregate(pages/$count as n)",
	"Books?$apply=groupby((rollup(title,author/name)),aggregate($count as n))", "Books?$apply=groupby((rollup($all,prior/title,title)),aggregate(stock with sum as s,prior/stock with max as m))", "Books?$apply=groupby((rollup(title,stock)))",
	"Books?$apply=groupby((rollup($all,author/name)),filter(stock gt 0)/aggregate($count as n))",
	"Authors?$expand=books($apply=aggregate($count as n,stock with sum as s))", "Authors?$expand=books($apply=groupby((title),aggregate(stock with max as m));$orderby=m)", "Authors?$expand=books($apply=groupby((prior/title)))",
	"Authors?$expand=books($apply=filter(stock eq 0))", "Authors?$expand=books($apply=filter(prior/stock eq 0)/aggregate($count as n))", "Authors?$expand=books($apply=search(hidden)/aggregate($count as n);$count=true)",
	"Authors?$expand=books($apply=aggregate(100 div stock with sum as s))", "Authors?$expand=books($apply=aggregate(prior/author/pay with sum as p,pages/$count as n))", "Books?$expand=author($expand=books($apply=groupby((title),aggregate($count as n))))",
	"Books?$expand=pages($apply=groupby((text),aggregate($count as n)))",
}

// refused are those of them that the user's own rows make fail, or the path.
const refused = `Authors(3)/books?$apply=aggregate($count as n)
Books(3)/pages?$apply=aggregate($count as n)
Books?$filter=stock add 2147483647 gt 5
`

// forbidden are queries that name an entity or an element that the user may not read.
var forbidden = []string{
	"Books?$apply=groupby((secret/code))", "Books?$apply=aggregate(secret/code with max as m)", "Books?$apply=aggregate(secrets/$count as n)", "Books?$apply=aggregate(secrets/code with max as m)",
	"Books?$apply=topcount(1,secret/code)", "Books?$apply=filter(secret/code eq 'x')/aggregate($count as n)", "Books?$apply=compute(secret/code as c)", "Books?$apply=orderby(secret/code)", "Books?$compute=secret/code as c",
	"Books?$filter=secrets/$count gt 0", "Books?$orderby=secrets/$count", "Books?$expand=secrets/$count", "Books?$expand=secrets/$ref", "Books?$expand=secret/$ref", "Books?$filter='x' in secrets/code",
	"Books?$filter=title eq $root/Secrets(1)/code", "Books?$filter=case(secret/code eq 'x':true,true:false)", "Books?$filter=author/books/$count($filter=secret/code eq 'x') gt 0",
	"Books?$apply=groupby((cost))", "Books?$apply=aggregate(cost with sum as s)", "Books?$apply=topcount(1,cost)", "Books?$apply=toppercent(50,cost)&$select=ID", "Books?$apply=compute(cost add 1 as c)", "Books?$apply=orderby(cost)/top(1)&$select=ID",
	"Books?$apply=filter(cost gt 1)/aggregate($count as n)", "Books?$compute=cost as c", "Books?$compute=cost mul 2 as c&$select=title&$orderby=c", "Books?$filter=cost in (1,2)", "Books?$filter=prior/cost gt 1",
	"Books?$apply=groupby((title),aggregate(cost with max as m))", "Books?$apply=groupby((title),filter(cost gt 1)/aggregate($count as n))", "Books?$apply=concat(aggregate($count as n),groupby((cost)))",
	"Authors?$apply=aggregate(books/cost with sum as s)", "Authors?$filter=1 in books/cost", "Authors?$filter=books/$count($filter=cost gt 1) gt 0", "Books?$filter=$root/Books(1)/cost gt 1", "Books?$filter=cast(cost,Edm.Double) gt 1",
	"Books?$apply=groupby((rollup(title,cost)))", "Books?$apply=groupby((rollup($all,title)),aggregate(cost with sum as s))", "Books?$apply=groupby((rollup($all,secret/code)),aggregate($count as n))",
	"Authors?$expand=books($apply=groupby((cost)))", "Authors?$expand=books($apply=aggregate(cost with sum as s))", "Authors?$expand=books($apply=filter(cost gt 1)/aggregate($count as n))", "Authors?$expand=books($apply=groupby((secret/code)))",
	"Books?$expand=secrets($apply=aggregate($count as n))", "Authors?$expand=books($apply=aggregate(secrets/$count as n))",
	"Books?$filter=isof(cost,Edm.Decimal)", "Books?$filter=@c gt 1&@c=cost", "Books?$select=cost", "Authors?$expand=books($compute=cost as c)", "Authors?$expand=books($orderby=cost)",
}
