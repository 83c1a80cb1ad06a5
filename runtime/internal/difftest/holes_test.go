package difftest

import (
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/cdstest"
)

// start serves a model written in a test. In data, SECRET marks what u1 must never see.
func start(t *testing.T, model string, data map[string]string) func(method, url, body string) (int, string) {
	t.Helper()
	fs := fstest.MapFS{}
	for name, text := range data {
		fs["db/data/d-"+name+".csv"] = &fstest.MapFile{Data: []byte(text)}
	}
	app := cdstest.New(t, cdstest.Config{FS: fs, Users: []cdstest.TestUser{cdstest.User("u1")}, Model: func() (*csn.Model, error) {
		res := parser.CompileString("model.cds", model)
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	}})
	return func(method, url, body string) (int, string) {
		rec := send(app.Server.Handler(), &person{name: "u1"}, method, strings.ReplaceAll(escape(url), "%26", "&"), body)
		if strings.Contains(rec.Body.String(), "SECRET") {
			t.Errorf("%s %s shows what is hidden: %s", method, url, rec.Body)
		}
		return rec.Code, rec.Body.String()
	}
}

// TestCyclesOfCompositions: parts without a restriction of their own follow the restricted entity also where compositions lead in a circle.
func TestCyclesOfCompositions(t *testing.T) {
	do := start(t, `
entity d.Folders { key ID : Integer; owner : String; within : Association to d.Files; files : Composition of many d.Files on files.folder = $self; }
entity d.Files { key ID : Integer; text : String; folder : Association to d.Folders; subs : Composition of many d.Folders on subs.within = $self;
  marks : Composition of many d.Marks on marks.file = $self; }
entity d.Marks { key ID : Integer; text : String; file : Association to d.Files; }
entity d.Trees { key ID : Integer; text : String; up : Association to d.Trees; down : Composition of many d.Trees on down.up = $self; }
@path: '/s' @requires: 'any' service S {
  @restrict: [{ grant: '*', where: 'owner = $user' }] entity Folders as projection on d.Folders;
  entity Files as projection on d.Files;
  entity Marks as projection on d.Marks;
  entity Trees as projection on d.Trees;
}`, map[string]string{"Folders": "ID,owner,within_ID\n1,u1,\n2,u2,\n", "Files": "ID,text,folder_ID\n1,mine,1\n2,SECRET,2\n", "Marks": "ID,text,file_ID\n1,mine,1\n2,SECRET,2\n",
		"Trees": "ID,text,up_ID\n1,a,\n2,b,1\n3,c,2\n"})
	for _, url := range []string{"/s/Folders", "/s/Files", "/s/Marks", "/s/Files?$expand=marks", "/s/Folders(1)/files", "/s/Marks?$select=ID,file/text", "/s/Marks?$orderby=file/text",
		"/s/Folders?$expand=files($expand=marks)"} {
		if code, body := do("GET", url, ""); code != 200 || !strings.Contains(body, `"ID":1`) || strings.Contains(body, `"ID":2`) {
			t.Errorf("GET %s: %d %s", url, code, body)
		}
	}
	for _, request := range []string{"GET /s/Files(2)", "GET /s/Marks(2)", "PATCH /s/Files(2)", "DELETE /s/Marks(2)", "GET /s/Files(2)/marks"} {
		method, url, _ := strings.Cut(request, " ")
		if code, body := do(method, url, map[string]string{"PATCH": `{"text":"x"}`}[method]); code != 404 {
			t.Errorf("%s: %d %s", request, code, body)
		}
	}
	if code, body := do("GET", "/s/Trees?$expand=down", ""); code != 200 || strings.Count(body, `"text"`) != 5 {
		t.Errorf("a circle without restrictions: %d %s", code, body)
	}
}

// TestViewsOnParts: a view that joins or groups parts of a restricted entity cannot follow it, so it must say what holds (decision 7).
func TestViewsOnParts(t *testing.T) {
	const model = `
entity d.Orders { key ID : Integer; owner : String; items : Composition of many d.Items on items.order = $self; }
entity d.Items { key ID : Integer; text : String; order : Association to d.Orders; product : Association to d.Products; }
entity d.Products { key ID : Integer; name : String; }
@path: '/s' @requires: 'any' service S {
  @restrict: [{ grant: '*', where: 'owner = $user' }] entity Orders as projection on d.Orders;
  @cds.redirection.target entity Items as projection on d.Items;
  @cds.redirection.target entity Products as projection on d.Products;
  VIEW
}`
	for view, refused := range map[string]bool{
		"entity V as select from d.Items join d.Products on Items.product.ID = Products.ID { key Items.ID, Items.text, Products.name };":                true,
		"entity V as select from d.Items { key text, count(*) as n : Integer } group by text;":                                                          true,
		"@requires: 'any' entity V as select from d.Items { key text, count(*) as n : Integer } group by text;":                                         false,
		"entity V as select from d.Products { key ID, name } where ID > 0;":                                                                             false,
		"entity V as select from d.Products as a join d.Products as b on a.ID = b.ID { key a.ID, b.name };":                                             false,
		"entity V as select from d.Products { key ID, name } union all select from d.Items { key ID, text as name };":                                   true,
		"entity V as select from d.Products { key ID, name, (select count(*) as n from d.Items where Items.product.ID = Products.ID) as n : Integer };": true,
	} {
		res := parser.CompileString("model.cds", strings.Replace(model, "VIEW", view, 1))
		if res.Model == nil {
			t.Fatalf("%s: %v", view, res.Diags)
		}
		_, diags := authz.Compile(res.Model, authz.Options{Strict: true})
		if diags.HasErrors() != refused {
			t.Errorf("%s: %v", view, diags)
		}
	}
}

// TestClosedCompositions: a composition that may not be changed can't be changed by a deep payload or over a path either; one that may not be
// read is left out of $expand=*.
func TestClosedCompositions(t *testing.T) {
	do := start(t, `
entity d.Staff { key ID : Integer; name : String; boss : Association to d.Staff;
  @requires: 'hr' reviews : Composition of many d.Reviews on reviews.whose = $self;
  @restrict: [{ grant: 'READ' }] marks : Composition of many d.Marks on marks.whose = $self; }
entity d.Reviews { key ID : Integer; whose : Association to d.Staff; text : String; }
entity d.Marks { key ID : Integer; whose : Association to d.Staff; text : String; }
@path: '/s' @requires: 'any' service S { entity Staff as projection on d.Staff; }`,
		map[string]string{"Staff": "ID,name\n1,a\n", "Reviews": "ID,whose_ID,text\n1,1,SECRET\n", "Marks": "ID,whose_ID,text\n1,1,shown\n"})
	for _, request := range []string{
		`PATCH /s/Staff(1) {"reviews":[]}`, `PATCH /s/Staff(1) {"reviews":[{"ID":2}]}`, `PUT /s/Staff(1) {"reviews":[]}`, `PUT /s/Staff(5) {"reviews":[]}`,
		`POST /s/Staff {"ID":3,"reviews":[{"ID":3}]}`, `POST /s/Staff(1)/reviews {"ID":4}`, `PATCH /s/Staff(1)/reviews(1) {"text":"x"}`, `DELETE /s/Staff(1)/reviews(1) `,
		`GET /s/Staff(1)/reviews `, `GET /s/Staff(1)/reviews/$count `, `GET /s/Staff?$expand=reviews `, `GET /s/Staff?$filter=reviews/any() `,
		`PATCH /s/Staff(1) {"marks":[]}`, `POST /s/Staff(1)/marks {"ID":4}`, `PATCH /s/Staff(1)/marks(1) {"text":"x"}`, `DELETE /s/Staff(1)/marks(1) `,
	} {
		parts := strings.SplitN(request, " ", 3)
		if code, body := do(parts[0], parts[1], parts[2]); code != 403 {
			t.Errorf("%s: %d %s", request, code, body)
		}
	}
	if code, body := do("GET", "/s/Staff?$expand=*", ""); code != 200 || strings.Contains(body, "reviews") || !strings.Contains(body, "shown") {
		t.Errorf("$expand=*: %d %s", code, body)
	}
	if code, body := do("GET", "/s/Staff(1)/marks", ""); code != 200 || !strings.Contains(body, "shown") {
		t.Errorf("marks: %d %s", code, body)
	}
}

// TestPutTellsNothing: a PUT that is refused is refused alike whether its key belongs to a hidden row or to none (decision 10).
func TestPutTellsNothing(t *testing.T) {
	do := start(t, `
entity d.Things { key ID : Integer; owner : String; name : String @mandatory; n : Integer; up : Association to d.Things; }
entity d.Orders { key ID : Integer; owner : String; items : Composition of many d.Items on items.order = $self; }
entity d.Items { key ID : Integer; n : Integer; order : Association to d.Orders; }
@path: '/s' @requires: 'any' service S {
  @restrict: [{ grant: '*', where: 'owner = $user' }] entity Things as projection on d.Things;
  @restrict: [{ grant: '*', where: 'owner = $user' }] entity Orders as projection on d.Orders;
  entity Items as projection on d.Items;
  @cds.redirection.target: false @restrict: [{ grant: '*', where: 'exists up[owner = $user]' }] entity Deep as projection on d.Things;
}`, map[string]string{"Things": "ID,owner,name\n1,u1,a\n2,u2,b\n", "Orders": "ID,owner\n1,u1\n2,u2\n", "Items": "ID,order_ID\n1,1\n2,2\n"})
	for _, request := range []string{`Things {"name":"x","owner":"u2"}`, `Things {"name":"x"}`, `Things {"owner":"u1"}`, `Things {}`, `Things {"name":"x","n":"y"}`, `Things {"frob":1}`,
		`Items {"order_ID":2}`, `Items {"order_ID":99}`, `Items {}`, `Deep {"name":"x","up_ID":2}`, `Deep {"name":"x"}`, `Deep {"name":"x","up_ID":99}`, `Deep {}`} {
		entity, body, _ := strings.Cut(request, " ")
		hidden, told := do("PUT", "/s/"+entity+"(2)", body)
		missing, said := do("PUT", "/s/"+entity+"(77)", body)
		if hidden != missing || told != said || hidden < 400 {
			t.Errorf("%s: hidden %d %s, missing %d %s", request, hidden, told, missing, said)
		}
	}
}

// TestGrantsOfServices: a service that grants a user writing only does not tell which parents there are on the way to what is written.
func TestGrantsOfServices(t *testing.T) {
	do := start(t, `
entity d.Orders { key ID : Integer; items : Composition of many d.Items on items.order = $self; }
entity d.Items { key ID : Integer; order : Association to d.Orders; }
@path: '/s' @restrict: [{ grant: 'WRITE', to: 'any' }] service S { entity Orders as projection on d.Orders; }`,
		map[string]string{"Orders": "ID\n1\n", "Items": "ID,order_ID\n1,1\n"})
	for _, request := range []string{`POST /s/Orders(1)/items {"ID":5}`, `POST /s/Orders(9)/items {"ID":5}`, `PATCH /s/Orders(1)/items(1) {}`, `DELETE /s/Orders(9)/items(1) `, `GET /s/Orders `} {
		parts := strings.SplitN(request, " ", 3)
		if code, body := do(parts[0], parts[1], parts[2]); code != 403 {
			t.Errorf("%s: %d %s", request, code, body)
		}
	}
	if code, body := do("POST", "/s/Orders", `{"ID":7}`); code != 204 {
		t.Errorf("POST: %d %s", code, body)
	}
}
