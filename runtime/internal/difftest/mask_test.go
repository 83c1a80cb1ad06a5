package difftest

import (
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

const maskedModel = `
context d {
  entity Staff { key ID : Integer; name : String; @mask: { value: '***', unless: 'hr' } iban : String(40); @mask: { value: 0, unless: 'hr' } pay : Integer;
    @mask: { unless: 'hr' } bonus : Decimal(9,2); last4 : String = substring(iban, 4); twice : Integer = pay * 2; boss : Association to Staff; team : Composition of many Members on team.chief = $self; }
  entity Members { key ID : Integer; chief : Association to Staff; @mask: { unless: 'hr' } note : localized String; }
}
@protocol: [{ kind: 'odata', path: '/s' }, { kind: 'rest', path: '/rest/s' }] @requires: 'authenticated-user' service S {
  @requires: 'any' entity Staff as projection on d.Staff;
  entity Members as projection on d.Members;
  @cds.redirection.target: false @requires: 'any' entity Renamed as select from d.Staff { ID, name, iban as account, pay as money };
}`

var maskedData = fstest.MapFS{
	"db/data/d-Staff.csv":         {Data: []byte("ID,name,iban,pay,bonus,boss_ID\n1,ann,DESECRET1,7777,7777.5,2\n2,bob,ATSECRET2,8888,7777.5,1\n")},
	"db/data/d-Members.csv":       {Data: []byte("ID,chief_ID,note\n1,1,SECRET3\n")},
	"db/data/d-Members.texts.csv": {Data: []byte("ID,locale,note\n1,de,SECRET4\n")},
}

// TestMask: who does not see a value gets the constant of the mask where he selects the element, and is refused wherever it would tell more.
func TestMask(t *testing.T) { both(t, maskHolds) }

func maskHolds(t *testing.T, database func(testing.TB) db.Pool) {
	app := cdstest.New(t, cdstest.Config{FS: maskedData, Database: database, Users: []cdstest.TestUser{cdstest.User("u1"), cdstest.User("hr", cdstest.Roles("hr"))},
		Model: func() (*csn.Model, error) {
			res := parser.CompileString("masked.cds", maskedModel)
			if res.Model == nil {
				return nil, res.Diags
			}
			return res.Model, nil
		}})
	h := app.Server.Handler()
	tells := func(body string) bool {
		return strings.Contains(body, "SECRET") || strings.Contains(body, "7777") || strings.Contains(body, "8888") || strings.Contains(body, "15554")
	}
	for _, c := range []struct {
		url    string
		status int
		want   string
	}{
		{"/s/Staff", 200, `"iban":"***","pay":0,"bonus":null`},
		{"/s/Staff(1)", 200, `"iban":"***"`},
		{"/s/Staff(1)/iban", 200, "***"},
		{"/s/Staff(1)/pay", 200, `"value":0`},
		{"/s/Staff?$select=ID,iban", 200, `"iban":"***"`},
		{"/s/Staff?$expand=boss,team", 200, `"iban":"***"`},
		{"/s/Staff?$expand=*", 200, `"iban":"***"`},
		{"/s/Staff(1)/boss", 200, `"iban":"***"`},
		{"/s/Members?$expand=chief($select=iban,pay)", 200, `"iban":"***"`},
		{"/s/Members", 200, `"note":null`},
		{"/s/Renamed", 200, `"account":"***","money":0`},
		{"/rest/s/Staff", 200, `"iban":"***"`},
		{"/s/Staff?$filter=iban eq 'DESECRET1'", 403, ""},
		{"/s/Staff?$filter=startswith(iban,'DE')", 403, ""},
		{"/s/Staff?$filter=pay gt 5", 403, ""},
		{"/s/Staff?$filter=boss/pay gt 5", 403, ""},
		{"/s/Staff?$filter=twice gt 5", 403, ""},
		{"/s/Staff?$select=last4", 403, ""},
		{"/s/Staff?$orderby=pay", 403, ""},
		{"/s/Staff?$orderby=boss/iban", 403, ""},
		{"/s/Staff/$count?$filter=pay eq 7777", 403, ""},
		{"/s/Staff?$apply=aggregate(pay with sum as s)", 403, ""},
		{"/s/Staff?$apply=groupby((iban))", 403, ""},
		{"/s/Staff?$apply=groupby((name),aggregate(pay with max as m))", 403, ""},
		{"/s/Staff?$apply=filter(pay gt 1)", 403, ""},
		{"/s/Staff?$compute=pay add 1 as p&$select=p", 403, ""},
		{"/s/Staff?$apply=concat(aggregate(pay with max as m),identity)", 403, ""},
		{"/s/Members?$filter=chief/team/any(x:x/note eq 'SECRET3')", 403, ""},
		{"/s/Members(1)/texts", 200, `"note":null`},
		{"/s/Staff?$search=SECRET", 200, `"value":[]`},
		{"/s/Renamed?$filter=money gt 1", 403, ""},
	} {
		rec := send(h, &person{name: "u1"}, "GET", strings.ReplaceAll(escape(c.url), "%26", "&"), "")
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.want) || tells(rec.Body.String()) {
			t.Errorf("GET %s: %d %s, not %d %s", c.url, rec.Code, rec.Body, c.status, c.want)
		}
		if rec := send(h, &person{name: "hr"}, "GET", strings.ReplaceAll(escape(c.url), "%26", "&"), ""); rec.Code != 200 || strings.Contains(rec.Body.String(), "***") {
			t.Errorf("hr: GET %s: %d %s", c.url, rec.Code, rec.Body)
		}
	}
	if rec := send(h, &person{name: "u1"}, "PATCH", "/s/Staff(1)", `{"name":"anna"}`); rec.Code != 204 && tells(rec.Body.String()) {
		t.Errorf("an answer to a write: %d %s", rec.Code, rec.Body)
	}
	if rec := send(h, &person{name: "hr"}, "GET", "/s/Staff(1)", ""); !strings.Contains(rec.Body.String(), "DESECRET1") || !strings.Contains(rec.Body.String(), "anna") {
		t.Errorf("a write of something else changes nothing: %s", rec.Body)
	}
}

// What is not understood of a mask closes the element.
func TestMaskFaults(t *testing.T) {
	for _, anno := range []string{"@mask: 'x' n : Integer", "@mask: 1 n : String", "@mask: { valeu: 'x' } n : String", "@mask: { unless: 5 } n : String", "@mask key n : String",
		"@mask n : LargeBinary", "@mask: { value: 'x' } n : Date", "@mask n : many String", "@mask n : Association to E"} {
		res := parser.CompileString("m.cds", "service S { @requires: 'any' entity E { key ID : Integer; "+anno+"; }; }")
		if res.Model == nil {
			t.Fatalf("%s: %v", anno, res.Diags)
		}
		_, diags := authz.Compile(res.Model, authz.Options{Strict: true})
		if !diags.HasErrors() || !strings.Contains(diags.Error(), "mask") {
			t.Errorf("%s: %v", anno, diags)
		}
	}
}

// A draft of a row with masked elements keeps their values, and does not show them.
func TestMaskDraft(t *testing.T) { both(t, maskDraft) }

func maskDraft(t *testing.T, database func(testing.TB) db.Pool) {
	app := cdstest.New(t, cdstest.Config{FS: maskedData, Database: database, Users: []cdstest.TestUser{cdstest.User("u1"), cdstest.User("hr", cdstest.Roles("hr"))},
		Model: func() (*csn.Model, error) {
			res := parser.CompileString("masked.cds", strings.Replace(strings.Replace(maskedModel, "@requires: 'any' entity Staff", "@requires: 'any' @odata.draft.enabled entity Staff", 1),
				"  entity Members as projection on d.Members;\n", "", 1))
			if res.Model == nil {
				return nil, res.Diags
			}
			return res.Model, nil
		}})
	h := app.Server.Handler()
	for _, c := range []struct{ user, method, url, body, want string }{
		{"u1", "GET", "/s/Staff", "", `"iban":"***"`},
		{"u1", "GET", "/s/Staff(ID=1,IsActiveEntity=true)", "", `"iban":"***"`},
		{"u1", "POST", "/s/Staff(ID=1,IsActiveEntity=true)/S.draftEdit", `{}`, `"IsActiveEntity":false`},
		{"u1", "PATCH", "/s/Staff(ID=1,IsActiveEntity=false)", `{"name":"anna"}`, ""},
		{"u1", "GET", "/s/Staff(ID=1,IsActiveEntity=false)?$expand=team,DraftAdministrativeData", "", `"name":"anna"`},
		{"u1", "GET", "/s/Staff?$filter=IsActiveEntity eq false or SiblingEntity/IsActiveEntity eq null", "", `"name":"anna"`},
		{"u1", "POST", "/s/Staff(ID=1,IsActiveEntity=false)/S.draftActivate", `{}`, ""},
		{"hr", "GET", "/s/Staff(ID=1,IsActiveEntity=true)", "", `"name":"anna","iban":"DESECRET1","pay":7777,`},
	} {
		rec := send(h, &person{name: c.user}, c.method, escape(c.url), c.body)
		if rec.Code >= 300 || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s: %s %s: %d %s", c.user, c.method, c.url, rec.Code, rec.Body)
		}
		if b := rec.Body.String(); c.user == "u1" && (strings.Contains(b, "SECRET") || strings.Contains(b, "7777")) {
			t.Errorf("%s %s shows a masked value: %s", c.method, c.url, b)
		}
	}
}
