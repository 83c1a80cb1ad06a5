// Package drafttest has the tests of drafts: what users of a draft-enabled service see, and what they must not see, on every database.
package drafttest

import (
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/runtime/db"
)

const model = `
aspect managed { createdAt : Timestamp @cds.on.insert: $now; createdBy : String @cds.on.insert: $user; modifiedAt : Timestamp @cds.on.insert: $now @cds.on.update: $now; modifiedBy : String @cds.on.insert: $user @cds.on.update: $user; }
entity d.Authors { key ID : Integer; name : String; }
entity d.Books : managed {
  key ID : Integer; title : String(111) @mandatory; stock : Integer @assert.range: [0, 1000]; price : Decimal(9,2) default 10.5; tags : array of String;
  cover : LargeBinary @Core.MediaType: 'image/png'; author : Association to d.Authors;
  chapters : Composition of many d.Chapters on chapters.book = $self;
}
entity d.Chapters { key ID : UUID; book : Association to d.Books; no : Integer; title : String @mandatory; notes : Composition of many { key pos : Integer; text : String; } }
entity d.Orders : managed {
  key ID : UUID; number : String; owner : String @cds.on.insert: $user; status : String default 'open'; total : Integer; secret : String; fixed : Integer; blind : String;
  items : Composition of many { key pos : Integer; qty : Integer; };
}
entity d.Plain { key ID : Integer; name : String; }
@path: '/s' @requires: 'authenticated-user' service S {
  @odata.draft.enabled entity Books as projection on d.Books actions { action stamp() returns String; };
  entity Chapters as projection on d.Chapters;
  entity Authors as projection on d.Authors;
  entity Plain as projection on d.Plain;
  @odata.draft.enabled @restrict: [
    { grant: ['READ', 'DELETE'], where: (owner = $user) },
    { grant: 'CREATE', to: 'creator' },
    { grant: 'UPDATE', to: 'editor', where: (owner = $user and status = 'open') },
    { grant: 'UPDATE', to: 'blind' },
    { grant: '*', to: 'admin' } ]
  entity Orders as projection on d.Orders;
}
annotate S.Orders with { secret @requires: 'admin'; fixed @restrict: [{grant: 'READ'}, {grant: '*', to: 'admin'}]; blind @restrict: [{grant: 'WRITE'}, {grant: '*', to: 'admin'}]; };
`

var files = fstest.MapFS{
	"db/data/d-Authors.csv":  {Data: []byte("ID,name\n1,Emily\n2,Edgar\n")},
	"db/data/d-Books.csv":    {Data: []byte("ID,title,stock,price,author_ID\n1,One,1,1.5,1\n2,Two,2,2.5,1\n3,Three,3,3.5,2\n")},
	"db/data/d-Chapters.csv": {Data: []byte("ID,book_ID,no,title\n" + ch1 + ",1,1,First\n" + ch2 + ",1,2,Second\n")},
	"db/data/d-Plain.csv":    {Data: []byte("ID,name\n1,a\n")},
	"db/data/d-Orders.csv": {Data: []byte("ID,number,owner,status,total,secret,fixed,blind\n" + o1 + ",A,erin,open,1,s1,5,b1\n" + o2 + ",B,frank,open,2,s2,5,b2\n" +
		o3 + ",C,erin,closed,3,s3,5,b3\n")},
	"db/data/d-Orders.items.csv": {Data: []byte("up__ID,pos,qty\n" + o1 + ",1,10\n" + o1 + ",2,20\n")},
}

const (
	ch1 = "11111111-1111-4111-8111-111111111111"
	ch2 = "22222222-2222-4222-8222-222222222222"
	o1  = "a0000000-0000-4000-8000-000000000001"
	o2  = "a0000000-0000-4000-8000-000000000002"
	o3  = "a0000000-0000-4000-8000-000000000003"
)

// A world is a served model with a clock that tests move.
type world struct {
	*cdstest.App
	t   *testing.T
	now time.Time
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// start begins a world. alice and bob may do everything with books, and nothing with orders but what is said of them there.
func start(t *testing.T, database func(testing.TB) db.Pool, change func(*cdstest.Config)) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)}
	cfg := cdstest.Config{FS: files, Database: database, Now: func() time.Time { return w.now },
		Users: []cdstest.TestUser{cdstest.User("alice"), cdstest.User("bob"), cdstest.User("admin", cdstest.Roles("admin")),
			cdstest.User("erin", cdstest.Roles("editor")), cdstest.User("frank", cdstest.Roles("editor")), cdstest.User("carl", cdstest.Roles("creator")),
			cdstest.User("ben", cdstest.Roles("blind"))},
		Model: func() (*csn.Model, error) {
			res := parser.CompileString("drafts.cds", model)
			if res.Model == nil || res.Diags.HasErrors() {
				return nil, res.Diags
			}
			return res.Model, nil
		}}
	cfg.Register = func(app *cds.App) error {
		app.Service("S").On(cds.Match{Events: []cds.Event{"stamp"}}, stamp)
		return nil
	}
	if change != nil {
		change(&cfg)
	}
	w.App = cdstest.New(t, cfg)
	return w
}

// both runs a test on both databases.
func both(t *testing.T, change func(*cdstest.Config), test func(w *world)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(start(t, nil, change)) })
	t.Run("postgres", func(t *testing.T) { test(start(t, cdstest.Postgres, change)) })
	t.Run("postgres-rls", func(t *testing.T) {
		t.Setenv("CDS_TEST_DB", "postgres-rls")
		test(start(t, nil, change))
	})
}

// as sends requests below /s. A path may have a query that is not escaped yet.
type as struct{ c *cdstest.Client }

func (w *world) as(user string) as { return as{w.HTTP().As(user)} }

func (a as) get(path string) *cdstest.Response { return a.c.GET(escaped(path)) }

func (a as) post(path string, body any) *cdstest.Response { return a.c.POST(escaped(path), body) }

func (a as) patch(path string, body any) *cdstest.Response { return a.c.PATCH(escaped(path), body) }

func (a as) delete(path string) *cdstest.Response { return a.c.DELETE(escaped(path)) }

func escaped(path string) string {
	path, query, ok := strings.Cut(path, "?")
	if !ok {
		return "/s/" + path
	}
	parts := strings.Split(query, "&")
	for i, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		parts[i] = name + "=" + url.QueryEscape(value)
	}
	return "/s/" + path + "?" + strings.Join(parts, "&")
}

func fiori(over config.Section) func(*cdstest.Config) {
	return func(c *cdstest.Config) { c.Overrides = config.Section{"fiori": map[string]any(over)} }
}

// all is the filter that a list report sends for all rows, with own drafts in the place of what they are drafts of.
const all = "$filter=IsActiveEntity eq false or SiblingEntity/IsActiveEntity eq null"

const (
	active = ",IsActiveEntity=true)"
	draft  = ",IsActiveEntity=false)"
)
