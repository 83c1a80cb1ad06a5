package difftest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// ruled has what rules have beside grants: deny, named conditions, messages and a hierarchy of roles. SECRET is what the interns u1 and boss must never see.
const ruled = `
context d {
  @authz.condition.own: (owner = $user)
  aspect Owned { owner : String; }
  entity Orders : Owned { key ID : Integer; text : String; secret : Boolean; total : Integer; ref : Association to Orders;
    items : Composition of many Items on items.order = $self; }
  entity Items { key ID : Integer; text : String; order : Association to Orders; }
  entity Links { key ID : Integer; to : Association to Orders; }
}
@authz.condition.named: ($user is not null)
@roles: { ![my.boss]: ['clerk'], clerk: 'reader' }
@protocol: [{ kind: 'odata', path: '/s' }, { kind: 'rest', path: '/rest/s' }] @requires: 'authenticated-user' service S {
  @restrict: [
    { grant: 'READ', to: 'reader', message: 'Readers only.' },
    { grant: ['CREATE', 'UPDATE', 'DELETE'], to: 'clerk', if: ['own', 'named'], message: 'Own orders only.' },
    { deny: ['READ'], to: 'intern', where: 'secret = true' },
    { deny: ['CREATE', 'UPDATE'], where: (total > 100), message: 'Too much.' },
    { deny: 'DELETE', to: 'intern' } ]
  entity Orders as select from d.Orders { *, owner as who } excluding { owner };
  entity Items as projection on d.Items;
  @requires: 'any' entity Links as projection on d.Links;
}`

var ruledData = fstest.MapFS{
	"db/data/d-Orders.csv": {Data: []byte("ID,owner,text,secret,total,ref_ID\n1,u1,plain,false,10,2\n2,u1,SECRET,true,10,1\n3,u1,SECRET,,10,1\n4,eve,plain,false,10,1\n5,u1,plain,false,,\n")},
	"db/data/d-Items.csv":  {Data: []byte("ID,text,order_ID\n1,a,1\n2,SECRET,2\n3,SECRET,3\n")},
	"db/data/d-Links.csv":  {Data: []byte("ID,to_ID\n1,1\n2,2\n3,3\n")},
}

// TestRules: what is denied shows through no path, on both databases, also if the model was read from the CSN that was written of it.
func TestRules(t *testing.T) { both(t, rulesHold) }

func rulesHold(t *testing.T, database func(testing.TB) db.Pool) {
	app := cdstest.New(t, cdstest.Config{FS: ruledData, Database: database, Users: []cdstest.TestUser{
		cdstest.User("u1", cdstest.Roles("clerk", "intern")), cdstest.User("eve", cdstest.Roles("my.boss")), cdstest.User("boss", cdstest.Roles("my.boss", "intern")), cdstest.User("none"),
	}, Model: func() (*csn.Model, error) {
		res := parser.CompileString("ruled.cds", ruled)
		if res.Model == nil {
			return nil, res.Diags
		}
		var b bytes.Buffer
		if err := csn.Write(&b, res.Model, csn.MarshalOptions{}); err != nil {
			return nil, err
		}
		m, diags := csn.Read(b.Bytes())
		if m == nil {
			return nil, diags
		}
		if one, two := policyText(res.Model), policyText(m); one != two {
			t.Errorf("the policy of the model read again:\n%s\nnot\n%s", two, one)
		}
		return m, nil
	}})
	h := app.Server.Handler()
	for _, user := range []string{"u1", "boss"} {
		for _, url := range []string{
			"/s/Orders", "/s/Orders?$expand=ref,items", "/s/Orders?$expand=*", "/s/Orders(1)/ref", "/s/Orders(1)?$expand=ref", "/s/Items", "/s/Items?$expand=order", "/s/Links?$expand=to",
			"/s/Links?$select=ID,to/text", "/s/Links?$orderby=to/text&$expand=to", "/s/Links(2)/to/text", "/s/Orders(2)", "/s/Orders(3)", "/s/Orders(2)/items", "/s/Orders(2)/text",
			"/s/Orders?$apply=groupby((text))", "/s/Orders?$apply=aggregate(text with max as m)", "/s/Links?$apply=groupby((to/text))", "/s/Orders?$filter=ref/text eq 'SECRE'", "/s/Orders?$search=SECRE",
			"/rest/s/Orders", "/rest/s/Orders/2", "/rest/s/Links?$expand=to",
		} {
			if rec := send(h, &person{name: user}, "GET", escape(url), ""); strings.Contains(rec.Body.String(), "SECRET") || rec.Code >= 500 {
				t.Errorf("%s: GET %s shows what is denied: %d %s", user, url, rec.Code, rec.Body)
			}
		}
		for url, want := range map[string]string{
			"/s/Orders/$count": "3", "/s/Items/$count": "1", "/s/Orders/$count?$filter=items/any(i:i/text eq 'SECRET')": "0", "/s/Orders/$count?$filter=ref/text eq 'SECRET'": "0",
			"/s/Links/$count?$filter=to/text eq 'SECRET'": "0",
		} {
			if rec := send(h, &person{name: user}, "GET", escape(url), ""); rec.Body.String() != want {
				t.Errorf("%s: %s: %s, not %s", user, url, rec.Body, want)
			}
		}
	}
	for _, c := range []struct {
		user, method, url, body string
		status                  int
		want                    string
	}{
		{"eve", "GET", "/s/Orders(2)", "", 200, "SECRET"}, // who is no intern sees them
		{"eve", "GET", "/s/Orders/$count", "", 200, "5"},
		{"none", "GET", "/s/Orders", "", 403, "Readers only."},
		{"u1", "DELETE", "/s/Orders(1)", "", 403, "Forbidden"}, // what denies has no message
		{"u1", "PATCH", "/s/Orders(4)", `{"text":"x"}`, 403, "Own orders only."},
		{"u1", "PATCH", "/s/Orders(2)", `{"secret":true}`, 204, ""},             // UPDATE is granted; nothing of the row is answered
		{"u1", "PATCH", "/s/Orders(1)", `{"total":101}`, 403, "AUTHZ_DATA"},     // into what is denied
		{"u1", "PATCH", "/s/Orders(1)", `{"total":null}`, 403, "AUTHZ_DATA"},    // unknown
		{"u1", "PATCH", "/s/Orders(5)", `{"total":1}`, 403, "Own orders only."}, // unknown before
		{"u1", "POST", "/s/Orders", `{"ID":7,"who":"u1","total":101,"secret":false}`, 403, "AUTHZ_DATA"},
		{"u1", "POST", "/s/Orders", `{"ID":7,"who":"u1","secret":false}`, 403, "AUTHZ_DATA"},
		{"u1", "POST", "/s/Orders", `{"ID":7,"who":"eve","total":1,"secret":false}`, 403, "Own orders only."},
		{"u1", "POST", "/s/Orders", `{"ID":7,"who":"u1","total":1,"secret":false}`, 201, ""},
		{"u1", "POST", "/s/Items", `{"ID":7,"order_ID":4}`, 400, ""}, // a part of what may not be changed
		{"u1", "POST", "/s/Items", `{"ID":7,"order_ID":5}`, 400, ""},
		{"eve", "DELETE", "/s/Orders(4)", "", 204, ""},
	} {
		rec := send(h, &person{name: c.user}, c.method, c.url, c.body)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s: %s %s %s: %d %s, not %d %s", c.user, c.method, c.url, c.body, rec.Code, rec.Body, c.status, c.want)
		}
	}
}

func policyText(m *csn.Model) string {
	p, diags := authz.Compile(m, authz.Options{Strict: true})
	text := p.Digest() + diags.Error()
	for _, r := range p.Table() {
		text += fmt.Sprintf("\n%+v", r)
	}
	return text
}
