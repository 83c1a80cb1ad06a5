package difftest

import (
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

const computedModel = `
context d {
  entity Staff { key ID : Integer; name : String; owner : String;
    @mask: { expr: (concat('XX', substring(iban, -2))), unless: 'hr' } iban : String(40);
    @mask: { fn: 'round(1000)', unless: ['hr', { where: (owner = $user) }] } pay : Integer;
    @mask: { fn: 'round(100)', unless: 'hr' } bonus : Decimal(9,2);
    @mask: { fn: 'email', unless: { to: 'friend', where: (owner = $user) } } mail : String(80);
    @mask: { fn: 'year', unless: 'hr' } born : Date;
    @mask: { fn: 'month', unless: 'hr' } seen : Timestamp;
    @mask: { fn: 'last(4)', unless: 'hr' } phone : String(20);
    @mask: { expr: (case when pay > 8000 then 'much' else boss.name end), unless: 'hr', write: 'clerk' } band : String(10);
    @mask: { expr: (floor(rate / 2) * -1.5 * -1), unless: 'hr' } rate : Double; last : String = substring(iban, -2);
    boss : Association to Staff; team : Composition of many Members on team.chief = $self; }
  entity Members { key ID : Integer; chief : Association to Staff; @mask: { fn: 'first(1)', unless: 'hr' } note : localized String; }
}
@protocol: [{ kind: 'odata', path: '/s' }, { kind: 'rest', path: '/rest/s' }] @requires: 'authenticated-user' service S {
  @requires: 'any' entity Staff as projection on d.Staff;
  entity Members as projection on d.Members;
  @cds.redirection.target: false @requires: 'any' entity Renamed as select from d.Staff { ID, name, iban as account, pay as money, owner as holder };
}`

var computedData = fstest.MapFS{
	"db/data/d-Staff.csv": {Data: []byte("ID,name,owner,iban,pay,bonus,mail,born,seen,phone,band,rate,boss_ID\n" +
		"1,ann,u1,DESECRET11,7777,7777.5,ann.secret@x.org,1987-06-05,2020-02-03T04:05:06.789Z,0171SECRET7777,SECRET,4.5,2\n" +
		"2,bob,u2,ATSECRET22,8888,-7777.5,b@secret@y.org,1988-07-07,2021-12-31T23:59:59.999Z,77,SECRET,-3.5,1\n" +
		"3,cyd,,,,,,,,,,,\n")},
	"db/data/d-Members.csv":       {Data: []byte("ID,chief_ID,note\n1,1,SECRET3\n")},
	"db/data/d-Members.texts.csv": {Data: []byte("ID,locale,note\n1,de,TSECRET4\n")},
}

func maskedApp(t *testing.T, database func(testing.TB) db.Pool, model string, data fstest.MapFS) *cdstest.App {
	return cdstest.New(t, cdstest.Config{FS: data, Database: database, Users: []cdstest.TestUser{cdstest.User("u1"), cdstest.User("u2", cdstest.Roles("friend")),
		cdstest.User("c", cdstest.Roles("clerk")), cdstest.User("hr", cdstest.Roles("hr"))},
		Model: func() (*csn.Model, error) {
			res := parser.CompileString("masked.cds", model)
			if res.Model == nil {
				return nil, res.Diags
			}
			return res.Model, nil
		}})
}

// TestComputedMask: who does not see a value gets what the mask makes of the row, and is refused wherever the value itself would tell more.
func TestComputedMask(t *testing.T) { both(t, computedMask) }

func computedMask(t *testing.T, database func(testing.TB) db.Pool) {
	h := maskedApp(t, database, computedModel, computedData).Server.Handler()
	const one, two, none = `"iban":"XX11","pay":7777,"bonus":"7700.00","mail":"a***@x.org","born":"1987-01-01","seen":"2020-02-01T00:00:00.000Z","phone":"***7777","band":"bob","rate":3`,
		`"iban":"XX22","pay":8000,"bonus":"-7700.00","mail":"***","born":"1988-01-01","seen":"2021-12-01T00:00:00.000Z","phone":"***","band":"much","rate":-3`,
		`"iban":null,"pay":null,"bonus":null,"mail":null,"born":null,"seen":null,"phone":null,"band":null,"rate":null`
	for _, c := range []struct {
		user, url string
		status    int
		want      string
	}{
		{"u1", "/s/Staff(1)", 200, one},
		{"u1", "/s/Staff(2)", 200, two},
		{"u1", "/s/Staff(3)", 200, none},
		{"u1", "/s/Staff?$expand=boss,team", 200, `"boss":{"ID":2,"name":"bob","owner":"u2",` + two},
		{"u1", "/s/Staff?$expand=*", 200, `"boss":{"ID":2,"name":"bob","owner":"u2",` + two},
		{"u1", "/s/Staff(2)/boss", 200, one},
		{"u1", "/s/Members?$expand=chief($select=iban,pay)", 200, `"chief":{"iban":"XX11","pay":7777,"ID":1}`},
		{"u2", "/s/Members?$expand=chief($select=iban,pay)", 200, `"chief":{"iban":"XX11","pay":7000,"ID":1}`},
		{"u1", "/s/Members", 200, `"note":"S***"`},
		{"u1", "/s/Staff(1)/team", 200, `"note":"S***"`},
		{"u1", "/s/Staff?$expand=team($top=1;$count=true)", 200, `"note":"S***"`},
		{"u1", "/s/Members(1)/texts", 200, `"note":"T***"`},
		{"u1", "/s/Members?sap-locale=de", 200, `"note":"T***"`},
		{"u1", "/s/Renamed(1)", 200, `"account":"XX11","money":7777,"holder":"u1"`},
		{"u1", "/s/Renamed(2)", 200, `"account":"XX22","money":8000,"holder":"u2"`},
		{"u1", "/s/Staff(1)/iban", 200, `"value":"XX11"`},
		{"u1", "/s/Staff(1)/iban/$value", 200, `XX11`},
		{"u1", "/s/Staff(2)/pay/$value", 200, `8000`},
		{"u1", "/rest/s/Staff", 200, one},
		{"u1", "/s/Staff?$select=iban,pay", 200, `{"iban":"XX22","pay":8000`},
		{"u1", "/s/Staff?$top=1&$skip=1&$count=true&$orderby=name desc", 200, two},
		{"u1", "/s/Staff?$apply=filter(name eq 'bob')", 200, `"pay":8000`},
		{"u2", "/s/Staff(2)", 200, `"pay":8888,"bonus":"-7700.00","mail":"b@secret@y.org","born"`},
		{"u1", "/s/Staff?$apply=identity", 200, `"iban":"XX22","pay":8000`},
		{"u1", "/s/Staff?$search=SECRET", 200, `"value":[]`},
		{"u1", "/s/Staff?$search=XX11", 200, `"value":[]`},
	} {
		rec := send(h, &person{name: c.user}, "GET", strings.ReplaceAll(escape(c.url), "%26", "&"), "")
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s: GET %s: %d %s, not %d %s", c.user, c.url, rec.Code, rec.Body, c.status, c.want)
		}
	}
	for _, url := range []string{
		"/s/Staff?$filter=iban eq 'XX11'", "/s/Staff?$filter=endswith(iban,'11')", "/s/Staff?$filter=pay gt 5", "/s/Staff?$filter=boss/pay gt 5", "/s/Staff?$filter=boss/mail ne null",
		"/s/Staff?$orderby=pay", "/s/Staff?$orderby=boss/iban", "/s/Staff/$count?$filter=pay eq 7777", "/s/Staff?$apply=aggregate(pay with sum as s)", "/s/Staff?$apply=aggregate(rate with average as s)",
		"/s/Staff?$apply=groupby((iban))", "/s/Staff?$apply=groupby((name),aggregate(pay with max as m))", "/s/Staff?$apply=groupby((mail),aggregate($count as n))",
		"/s/Staff?$apply=aggregate(iban with countdistinct as n)", "/s/Staff?$apply=filter(pay gt 1)", "/s/Staff?$compute=pay add 1 as p&$select=p", "/s/Staff?$compute=iban as p&$filter=p eq 'XX11'",
		"/s/Staff?$compute=iban as p&$orderby=p", "/s/Staff?$apply=compute(pay mul 2 as p)", "/s/Staff?$apply=concat(aggregate(pay with max as m),identity)", "/s/Staff?$apply=topcount(1,pay)", "/s/Staff?$apply=orderby(pay)/top(1)",
		"/s/Members?$filter=chief/team/any(x:x/note eq 'SECRET3')", "/s/Members?$filter=chief/pay gt 1", "/s/Members?$orderby=note", "/s/Renamed?$filter=money gt 1", "/s/Renamed?$apply=groupby((account))",
		"/s/Staff?$expand=team($filter=note eq 'SECRET3')", "/s/Staff?$expand=team($orderby=note)", "/s/Staff?$expand=team($apply=groupby((note)))", "/s/Staff?$filter=team/any(m:m/chief/born lt 2000-01-01)",
		"/s/Staff?$select=last", "/s/Staff?$filter=last eq '11'", "/s/Staff?$filter=$root/Staff(2)/pay eq 8000", "/s/Staff?$orderby=$root/Staff(2)/iban", "/s/Staff?$compute=$root/Staff(2)/pay mul ID as p&$select=p",
		"/s/Staff?$apply=aggregate($root/Staff(2)/pay with sum as s)", "/s/Members?$filter=$root/Staff(2)/mail eq null",
	} {
		if rec := send(h, &person{name: "u1"}, "GET", strings.ReplaceAll(escape(url), "%26", "&"), ""); rec.Code != 403 {
			t.Errorf("GET %s: %d %s, not 403", url, rec.Code, rec.Body)
		}
		if rec := send(h, &person{name: "hr"}, "GET", strings.ReplaceAll(escape(strings.ReplaceAll(url, "mail", "iban")), "%26", "&"), ""); rec.Code != 200 {
			t.Errorf("hr: GET %s: %d %s", url, rec.Code, rec.Body)
		}
	}
}
