package difftest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

const exemptModel = `
context d {
  @mask: { fn: 'last(2)', unless: { where: ($user.level = 'high') } } type Secret : String(40);
  @authz.condition.own: (owner = $user) aspect Owned { owner : String; }
  entity E : Owned { key ID : Integer; typed : Secret; rest : Secret;
    @mask: { value: 0, unless: [{ to: 'clerk', if: 'own' }, { if: 'own', where: (n > 5) }] } n : Integer;
    @mask: { value: '-', unless: { where: (other.n > 5) } } far : String;
    @mask: { expr: (case when $user = owner then 'mine' else concat('of ', owner) end) } whose : String;
    @mask: (floor(price / 10) * 10) price : Decimal(9,2); @mask: { expr: (flag is null) } flag : Boolean;
    bank { @mask: { fn: 'first(1)', unless: 'hr' } name : String; };
    @mask: { expr: (null), unless: { where: (owner = $user) } } day : Date;
    @mask: { expr: (case when n > 5 then null end), unless: { where: (owner = $user) } } sure : Boolean;
    @mask: { expr: (case when day < $now then day else null end), unless: 'hr' } until : Date;
    @mask: (big * big / 1000000000) big : Integer;
    other : Association to E; }
}
@protocol: [{ kind: 'odata', path: '/s' }] @requires: 'authenticated-user' service S { @requires: 'any' entity E as projection on d.E; }`

// TestMaskExempt: exemptions by conditions on users and on rows, with names and over paths; masks of types and within structures; in-process reads.
func TestMaskExempt(t *testing.T) { both(t, maskExempt) }

func maskExempt(t *testing.T, database func(testing.TB) db.Pool) {
	app := cdstest.New(t, cdstest.Config{Database: database, FS: fstest.MapFS{"db/data/d-E.csv": {Data: []byte("ID,owner,typed,rest,n,far,whose,price,flag,bank_name,day,sure,until,big,other_ID\n" +
		"1,u1,SECRET11,SECRET12,3,SECRETF,x,19.99,true,BANKSECRET,2020-01-02,true,2030-01-01,2000000000,2\n2,u1,SECRET21,SECRET22,7,SECRETF,x,-1.5,false,B,2999-01-02,true,2030-01-01,-2,1\n3,u2,SECRET31,SECRET32,9,SECRETF,,,,,2020-01-02,true,2030-01-01,5,\n")}},
		Users: []cdstest.TestUser{cdstest.User("u1"), cdstest.User("u2", cdstest.Roles("clerk")), cdstest.User("top", cdstest.Attr("level", "high")), cdstest.User("low", cdstest.Attr("level", "low"))},
		Model: func() (*csn.Model, error) {
			res := parser.CompileString("masked.cds", exemptModel)
			if res.Model == nil {
				return nil, res.Diags
			}
			return res.Model, nil
		}})
	h := app.Server.Handler()
	for _, c := range []struct{ user, url, want string }{
		{"u1", "/s/E(1)", `"typed":"***11","rest":"***12","n":0,"far":"SECRETF","whose":"mine","price":"10.00","flag":false,"bank_name":"B***","day":"2020-01-02","sure":true,"until":"2020-01-02","big":4000000000`},
		{"u1", "/s/E(2)", `"typed":"***21","rest":"***22","n":7,"far":"-","whose":"mine","price":"-10.00","flag":false,"bank_name":"***","day":"2999-01-02","sure":true,"until":null,"big":0`},
		{"u1", "/s/E(3)", `"typed":"***31","rest":"***32","n":0,"far":"-","whose":null,"price":null,"flag":null,"bank_name":null,"day":null,"sure":null,"until":"2020-01-02","big":0`},
		{"u2", "/s/E(3)", `"n":9`},
		{"u2", "/s/E(1)", `"n":0,"far":"SECRETF","whose":"of u1"`},
		{"top", "/s/E(1)", `"typed":"SECRET11"`},
		{"top", "/s/E?$filter=typed eq 'SECRET11'&$orderby=rest", `"ID":1`},
		{"low", "/s/E(1)", `"typed":"***11"`},
		{"low", "/s/E?$filter=typed eq 'SECRET11'", `403`},
		{"u2", "/s/E?$filter=n eq 9", `403`},
		{"u1", "/s/E(1)?$select=bank_name", `"bank_name":"B***"`},
	} {
		rec := send(h, &person{name: c.user}, "GET", unspaced(c.url), "")
		if !strings.Contains(fmt.Sprint(rec.Code, rec.Body), c.want) {
			t.Errorf("%s: GET %s: %d %s, not %s", c.user, c.url, rec.Code, rec.Body, c.want)
		}
	}
	// Code in the same process, with the right of a user.
	ctx := app.CDS.NewContext(context.Background(), auth.New(auth.User{ID: "u1"}), "")
	s := app.CDS.Service("S")
	res, err := s.Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.E")}, Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: cqn.Int(1)}}})
	if err != nil || len(res.Rows) != 1 || res.Rows[0].Value("typed").Str() != "***11" || res.Rows[0].Value("n").Int() != 0 || res.Rows[0].Value("far").Str() != "SECRETF" {
		t.Errorf("in process: %v %v", res, err)
	}
	for _, q := range []*cqn.Select{
		{From: &cqn.From{Path: cqn.NewRef("S.E")}, Columns: []cqn.Column{{X: &cqn.Call{Name: "max", Args: []cqn.Expr{cqn.NewRef("typed")}}, As: "m"}}},
		{From: &cqn.From{Path: cqn.NewRef("S.E")}, Columns: []cqn.Column{{X: cqn.NewRef("typed")}, {X: &cqn.Call{Name: "count", Star: true}, As: "n"}}},
		{From: &cqn.From{Path: cqn.NewRef("S.E")}, Columns: []cqn.Column{{X: cqn.NewRef("typed")}}, GroupBy: []cqn.Expr{cqn.NewRef("ID")}},
		{From: &cqn.From{Path: cqn.NewRef("S.E")}, Columns: []cqn.Column{{X: cqn.NewRef("typed")}}, Distinct: true},
		{From: &cqn.From{Path: cqn.NewRef("S.E")}, Columns: []cqn.Column{{X: cqn.NewRef("ID")}}, Where: &cqn.In{X: cqn.NewRef("typed"), Set: &cqn.Subquery{Query: &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.E")}, Columns: []cqn.Column{{X: cqn.NewRef("typed")}}}}}},
	} {
		if res, err := s.Run(ctx, q); err == nil {
			t.Errorf("%s: %v", cqn.Format(&cqn.Subquery{Query: q}), res.Rows)
		}
	}
}
