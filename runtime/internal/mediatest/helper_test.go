// Package mediatest has the tests of media data on their way between clients, handlers and databases.
package mediatest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/config"
	"cds/runtime/db"
)

const model = `
entity m.Files { key ID : Integer; owner : String(20); name : String(100); mime : String(100); title : localized String;
  data : LargeBinary @Core.MediaType: mime @Core.ContentDisposition.Filename: name; note : String(100);
  picture : LargeBinary @Core.MediaType: 'image/png' @Core.AcceptableMediaTypes: ['image/*'];
  secret : LargeBinary @Core.MediaType: 'image/png'; fixed : LargeBinary @Core.MediaType: 'image/png'; small : Binary(20) @Core.MediaType: 'image/gif';
  parts : Composition of many m.Parts on parts.file = $self; }
entity m.Parts { key ID : Integer; file : Association to m.Files; data : LargeBinary @Core.MediaType: 'text/plain'; }
entity m.Docs { key ID : Integer; version : Integer @odata.etag; data : LargeBinary @Core.MediaType: 'text/plain'; rowid : Integer; }
entity m.Pages { key ID : Integer; text : String(100); url : String(200) @Core.IsURL @Core.MediaType: mime; fixed : String(200) @Core.IsURL @Core.MediaType: 'image/png'; mime : String(50); }
entity m.Drafts { key ID : Integer; title : String(20); data : LargeBinary @Core.MediaType: 'text/plain'; tail : String(20); }
@path: '/s' @requires: 'authenticated-user' service S {
  @restrict: [{ grant: '*', where: (owner = $user) }, { grant: 'READ', to: 'reader' }, { grant: '*', to: 'admin' }] entity Files as projection on m.Files;
  @restrict: [{ grant: '*' }] entity Parts as projection on m.Parts;
  @cds.redirection.target: false @requires: 'authenticated-user' entity Names as projection on m.Files { key ID as number, owner as holder, data as content, mime as kind } where owner <> 'nobody';
  @cds.redirection.target: false @readonly @requires: 'admin' entity Joined as select from m.Files as f left join m.Docs as d on d.ID = f.ID { key f.ID, f.data as data, d.version };
  @requires: 'authenticated-user' entity Docs as projection on m.Docs;
  entity Pages as projection on m.Pages;
  @odata.draft.enabled entity Drafts as projection on m.Drafts;
  @Core.MediaType: 'image/png' @Core.ContentDisposition.Filename: 'i.png' type Png : LargeBinary;
  function image(n : Integer) returns Png; action plain(n : Integer) returns LargeBinary;
}
annotate S.Files with { secret @requires: 'admin'; fixed @restrict: [{grant: 'READ'}, {grant: '*', to: 'admin'}]; };
@path: '/r' @protocol: 'rest' @requires: 'authenticated-user' service R { entity Files as projection on m.Files; }
`

var files = fstest.MapFS{
	"db/data/m-Files.csv":  {Data: []byte("ID,owner,name,mime,note\n1,alice,a.bin,application/x-thing,after\n2,bob,b.bin,application/x-thing,after\n")},
	"db/data/m-Docs.csv":   {Data: []byte("ID,version\n1,7\n")},
	"db/data/m-Drafts.csv": {Data: []byte("ID,title,tail\n1,one,end\n")},
	"db/data/m-Pages.csv":  {Data: []byte("ID,text,url,fixed,mime\n1,one,https://media.example/a.jpg,,image/jpeg\n2,two,javascript:alert(1),http://x.example/y,image/png\n3,three,,,\n")},
}

// both runs a test on both databases.
func both(t *testing.T, change func(*cdstest.Config), test func(t *testing.T, a *cdstest.App)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB) db.Pool{"sqlite": nil, "postgres": cdstest.Postgres} {
		t.Run(name, func(t *testing.T) {
			cfg := cdstest.Config{FS: files, Database: open, Model: compiled,
				Users: []cdstest.TestUser{cdstest.User("alice"), cdstest.User("bob"), cdstest.User("rita", cdstest.Roles("reader")), cdstest.User("admin", cdstest.Roles("admin"))}}
			if change != nil {
				change(&cfg)
			}
			test(t, cdstest.New(t, cfg))
		})
	}
}

func compiled() (*csn.Model, error) {
	res := parser.CompileString("media.cds", model)
	if res.Model == nil || res.Diags.HasErrors() {
		return nil, res.Diags
	}
	return res.Model, nil
}

// set gives the configuration of the section server.media.
func set(media map[string]any) func(*cdstest.Config) {
	return func(c *cdstest.Config) { c.Overrides = config.Section{"server": map[string]any{"media": media}} }
}

func handlers(register func(app *cds.App)) func(*cdstest.Config) {
	return func(c *cdstest.Config) { c.Register = func(app *cds.App) error { register(app); return nil } }
}

// A generator gives bytes that no compression makes smaller, always the same for a seed.
type generator struct{ state uint64 }

func (g *generator) Read(b []byte) (int, error) {
	for i := range b {
		g.state = g.state*6364136223846793005 + 1442695040888963407
		b[i] = byte(g.state >> 56)
	}
	return len(b), nil
}

func noise(seed uint64, n int64) io.Reader { return io.LimitReader(&generator{seed*2 + 1}, n) }

// bytesOf returns n bytes of noise.
func bytesOf(seed uint64, n int) string {
	var b strings.Builder
	_, _ = io.Copy(&b, noise(seed, int64(n))) // cannot fail
	return b.String()
}

// connected serves over a real connection.
func connected(t *testing.T, a *cdstest.App) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(a.Server.Handler())
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, method, url, user string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, user)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
