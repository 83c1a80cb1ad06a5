package odata_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
)

const shop = `
namespace shop;
entity Makers { key ID : Integer; name : String(20); land : String(2); things : Association to many Things on things.maker = $self; }
entity Secrets { key ID : Integer; code : String(20); }
entity Things { key ID : Integer; name : String(20); qty : Integer; maker : Association to Makers; secret : Association to Secrets; parts : Composition of many Parts on parts.thing = $self; }
entity Parts { key thing : Association to Things; key pos : Integer; name : String(20); maker : Association to Makers; }
@path: '/shop' @requires: 'any' service Shop {
  @restrict: [{ grant: 'READ', where: 'land = $user.land' }] entity Makers as projection on shop.Makers;
  @requires: 'boss' entity Secrets as projection on shop.Secrets;
  @cds.redirection.target @requires: 'any' entity Things as projection on shop.Things actions { action touch() returns Things; action made() returns many Things; };
  @restrict: [{ grant: 'CREATE' }] @cds.redirection.target: false entity Blind as projection on shop.Things;
  @requires: 'any' entity Parts as projection on shop.Parts;
  @requires: 'any' function every() returns many Things;
  @requires: 'any' action plain() returns Integer;
}
@protocol: 'rest' @path: '/plain' @requires: 'any' service Plain {
  @requires: 'any' entity Things as projection on shop.Things;
  @restrict: [{ grant: 'READ', where: 'land = $user.land' }] entity Makers as projection on shop.Makers;
  @requires: 'any' entity Parts as projection on shop.Parts;
  @requires: 'boss' entity Secrets as projection on shop.Secrets;
}`

func onShop(t *testing.T, fn func(t *testing.T, app *cdstest.App)) {
	onBothOf(t, shop, cdstest.Config{
		FS: fstest.MapFS{
			"db/data/shop-Makers.csv":  {Data: []byte("ID,name,land\n1,mine,DE\n2,hidden,FR\n")},
			"db/data/shop-Secrets.csv": {Data: []byte("ID,code\n1,alpha\n")},
			"db/data/shop-Things.csv":  {Data: []byte("ID,name,qty,maker_ID,secret_ID\n1,anvil,10,1,1\n2,brick,20,2,1\n")},
			"db/data/shop-Parts.csv":   {Data: []byte("thing_ID,pos,name,maker_ID\n1,1,p1,1\n1,2,p2,2\n")},
		},
		Users: []cdstest.TestUser{cdstest.User("bob", cdstest.Attr("land", "DE"))},
		Register: func(a *cds.App) error {
			s := a.Service("shop.Shop")
			one := func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
				if r.Op.Function || r.Op.LocalName() == "made" {
					v := cqn.OfRows([]*cqn.Row{thing(1), thing(2), thing(99)})
					return &cds.Result{Value: &v}, nil
				}
				if r.Op.LocalName() == "plain" {
					v := cqn.Int(7)
					return &cds.Result{Value: &v}, nil
				}
				if _, err := cds.DB(ctx).Run(ctx, &cqn.Update{Entity: cqn.NewRef("shop.Things"), Where: cds.KeyFilter(r.Target, thing(1)), Data: cqn.NewRow(cqn.Field{Name: "qty", Value: cqn.Int(77)})}); err != nil {
					return nil, err
				}
				v := cqn.OfRow(thing(1))
				return &cds.Result{Value: &v}, nil
			}
			s.On(cds.Match{Events: []cds.Event{"touch", "made", "every", "plain"}}, one)
			return nil
		},
	}, fn)
}

func thing(id int64) *cqn.Row {
	return cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.Int(id)}, cqn.Field{Name: "name", Value: cqn.String("from code")})
}

// TestShapeOfWrites: $select and $expand at writes and operations add to the answer; what is hidden there is not shown, what is forbidden undoes the write.
func TestShapeOfWrites(t *testing.T) {
	onShop(t, func(t *testing.T, app *cdstest.App) {
		for i, tc := range []struct {
			method, path, body string
			status             int
			want, not          string
		}{
			{"POST", "/shop/Things?$expand=maker", `{"ID":10,"name":"n","maker_ID":1}`, 201, `"maker":{"ID":1,"name":"mine","land":"DE"}`, ``},
			{"POST", "/shop/Things?$select=ID", `{"ID":11,"name":"n"}`, 201, `"name":"n"`, ``},
			{"POST", "/shop/Things?$expand=maker($select=name)&$select=name,maker/land", `{"ID":12,"maker_ID":1}`, 201, `"maker":{"name":"mine","ID":1}`, ``},
			{"POST", "/shop/Things?$select=maker/land", `{"ID":13,"maker_ID":1}`, 201, `"maker_land":"DE"`, ``},
			{"POST", "/shop/Things?$expand=maker", `{"ID":14,"maker_ID":2}`, 201, `"maker":null`, `hidden`},
			{"POST", "/shop/Things?$select=maker/land", `{"ID":15,"maker_ID":2}`, 201, `"maker_land":null`, `FR`},
			{"POST", "/shop/Things?$expand=parts($orderby=pos desc;$count=true)", `{"ID":16,"parts":[{"pos":1},{"pos":2}]}`, 201, `"parts@odata.count":`, ``},
			{"POST", "/shop/Things?$expand=parts($expand=maker)", `{"ID":17,"parts":[{"pos":1,"maker_ID":1},{"pos":2,"maker_ID":2}]}`, 201, `"maker":null`, `hidden`},
			{"POST", "/shop/Things?$expand=secret", `{"ID":18}`, 403, `403`, `alpha`},
			{"GET", "/shop/Things(18)", ``, 404, ``, ``},
			{"POST", "/shop/Things?$expand=*", `{"ID":19,"secret_ID":1,"maker_ID":1}`, 201, `"maker":{"ID":1`, `"secret":`},
			{"POST", "/shop/Things?$expand=nope", `{"ID":20}`, 400, ``, ``},
			{"POST", "/shop/Things?$select=nope", `{"ID":20}`, 400, ``, ``},
			{"GET", "/shop/Things(20)", ``, 404, ``, ``},
			{"POST", "/shop/Blind?$expand=maker", `{"ID":21}`, 204, ``, ``},
			{"POST", "/shop/Things(1)/parts?$expand=maker,thing($select=name)", `{"pos":9,"maker_ID":1}`, 201, `"thing":{"name":"anvil"`, ``},
			{"PATCH", "/shop/Things(1)?$expand=maker,parts($expand=maker)", `{"qty":11}`, 200, `"maker":{"ID":1,"name":"mine"`, `hidden`},
			{"PUT", "/shop/Things(1)?$expand=parts/$count", `{"qty":12}`, 200, `"parts@odata.count":"3"`, ``},
			{"PUT", "/shop/Things(30)?$expand=maker", `{"qty":12,"maker_ID":1}`, 201, `"maker":{"ID":1`, ``},
			{"PATCH", "/shop/Things(1)?$expand=secret", `{"qty":99}`, 403, ``, `alpha`},
			{"GET", "/shop/Things(1)?$select=qty", ``, 200, `"qty":12`, ``},
			{"PATCH", "/shop/Things(1)?$compute=qty mul 2 as twice&$select=twice", `{"qty":13}`, 200, `"twice":26`, ``},
			{"POST", "/shop/Things(1)/touch?$expand=maker&$select=qty", `{}`, 200, `"qty":77`, ``},
			{"POST", "/shop/Things(1)/touch?$expand=maker", `{}`, 200, `"name":"from code","maker":{"ID":1`, ``},
			{"PATCH", "/shop/Things(1)", `{"qty":5}`, 200, ``, ``},
			{"POST", "/shop/Things(1)/touch?$expand=secret", `{}`, 403, ``, `alpha`},
			{"GET", "/shop/Things(1)?$select=qty", ``, 200, `"qty":5`, ``},
			{"POST", "/shop/Things(1)/made?$expand=maker", `{}`, 200, `"maker":null`, `hidden`},
			{"GET", "/shop/every()?$expand=maker($select=name)", ``, 200, `"maker":{"name":"mine"`, `hidden`},
			{"GET", "/shop/every()?$select=name", ``, 200, `{"ID":99,"name":"from code"}`, ``},
			{"POST", "/plain/Things?$expand=maker", `{"ID":40,"maker_ID":1}`, 201, `"maker":{"ID":1,"name":"mine"`, ``},
			{"POST", "/plain/Things?$expand=maker", `[{"ID":41,"maker_ID":1},{"ID":42,"maker_ID":2}]`, 201, `"maker":null`, `hidden`},
			{"POST", "/plain/Things?$expand=secret", `[{"ID":43}]`, 403, ``, ``},
			{"GET", "/plain/Things/43", ``, 404, ``, ``},
			{"PATCH", "/plain/Things/40?$select=qty", `{"name":"x"}`, 200, `"qty":null`, ``},
		} {
			var body any
			if tc.body != "" {
				body = tc.body
			}
			r := app.HTTP().As("bob").Do(tc.method, strings.ReplaceAll(tc.path, " ", "%20"), body)
			if got := r.Body(); r.Code() != tc.status || !strings.Contains(got, tc.want) || tc.not != "" && strings.Contains(got, tc.not) {
				t.Errorf("%d %s %s: %d %s\nwant %d with %s without %s", i, tc.method, tc.path, r.Code(), got, tc.status, tc.want, tc.not)
			}
		}
	})
}

// TestMinimalAnswers: return=minimal leaves the answer of writes and actions empty, and their checks as they are.
func TestMinimalAnswers(t *testing.T) {
	onShop(t, func(t *testing.T, app *cdstest.App) {
		for _, tc := range []struct {
			method, path, body, prefer string
			status                     int
		}{
			{"POST", "/shop/Things?$expand=maker", `{"ID":10}`, "return=minimal", 204},
			{"POST", "/shop/Things?$expand=nope", `{"ID":11}`, "return=minimal", 400},
			{"PATCH", "/shop/Things(1)?$select=ID", `{"qty":1}`, "return=minimal", 204},
			{"PUT", "/shop/Things(1)", `{"qty":1}`, "return=minimal", 204},
			{"POST", "/shop/Things(1)/touch", `{}`, "return=minimal", 204},
			{"POST", "/shop/Things(1)/touch", `{}`, "return=representation", 200},
			{"POST", "/shop/plain", `{}`, "return=minimal", 204},
		} {
			r := app.HTTP().As("bob").With("Prefer", tc.prefer).Do(tc.method, tc.path, tc.body)
			applied := tc.prefer
			if tc.status >= 400 {
				applied = ""
			}
			if got := fmt.Sprint(r.Code(), r.Header("Preference-Applied")); got != fmt.Sprint(tc.status, applied) || tc.status == 204 && len(r.Body()) > 0 {
				t.Errorf("%s %s %s: %s %s", tc.method, tc.path, tc.prefer, got, r.Body())
			}
		}
		if r := app.HTTP().As("bob").With("Prefer", "return=minimal").Do("GET", "/shop/every()", nil); r.Code() != 200 {
			t.Errorf("a function was answered with %d", r.Code())
		}
	})
}

// TestShapeOfDrafts: drafts are shown like other rows, and the parts of a change set too.
func TestShapeOfDrafts(t *testing.T) {
	const model = `
namespace s; entity Books { key ID : Integer; title : String; author : Association to Authors; parts : Composition of many Parts on parts.book = $self; }
entity Parts { key book : Association to Books; key n : Integer; author : Association to Authors; } entity Authors { key ID : Integer; name : String; }
@path:'/s' @requires:'any' service S { @odata.draft.enabled entity Books as projection on s.Books; entity Authors as projection on s.Authors; }`
	fs := fstest.MapFS{"db/data/s-Authors.csv": {Data: []byte("ID,name\n1,Jane\n")}}
	onBothOf(t, model, cdstest.Config{FS: fs, Users: []cdstest.TestUser{cdstest.User("bob")}}, func(t *testing.T, app *cdstest.App) {
		const draft = "/s/Books(ID=1,IsActiveEntity=false)"
		for _, tc := range []struct {
			method, path, body string
			status             int
			want               string
		}{
			{"POST", "/s/Books?$expand=author,DraftAdministrativeData($select=DraftIsCreatedByMe)", `{"ID":1,"author_ID":1}`, 201, `"DraftIsCreatedByMe":true`},
			{"PATCH", draft + "?$expand=author($select=name)", `{"title":"T"}`, 200, `"author":{"name":"Jane","ID":1}`},
			{"POST", draft + "/parts?$expand=author,book($select=title)", `{"n":1,"author_ID":1}`, 201, `"book":{"title":"T"`},
			{"PATCH", draft + "?$select=author/name,title&$expand=parts($expand=author),SiblingEntity", `{"title":"T"}`, 200, `"SiblingEntity":null`},
			{"PATCH", draft + "?$select=author/name", `{"title":"T"}`, 200, `"author_name":"Jane"`},
			{"POST", draft + "/s.S.draftActivate?$expand=author", `{}`, 201, `"author":{"ID":1`},
			{"POST", "/s/$batch", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"Authors?$expand=nope","body":{"ID":7}},{"id":"2","method":"POST","url":"Books?$expand=author","body":{"ID":8,"IsActiveEntity":true,"author_ID":1}}]}`, 200, `"author":{"ID":1`},
			{"POST", "/s/$batch", `{"requests":[{"id":"1","atomicityGroup":"g","method":"POST","url":"Books?$expand=author","body":{"ID":9,"IsActiveEntity":true,"author_ID":1}}]}`, 200, `"author":{"ID":1`},
		} {
			if r := app.HTTP().As("bob").Do(tc.method, tc.path, tc.body); r.Code() != tc.status || !strings.Contains(r.Body(), tc.want) {
				t.Errorf("%s %s: %d %s\nwant %d %s", tc.method, tc.path, r.Code(), r.Body(), tc.status, tc.want)
			}
		}
	})
}
