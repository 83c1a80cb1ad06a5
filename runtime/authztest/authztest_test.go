package authztest

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/csn"
	"cds/parser/diag"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// shop uses what restrictions there are: roles of roles, named conditions, denies, masks, elements, parts, operations.
const shop = `
@roles: { manager: ['clerk'] }
@requires: 'authenticated-user'
service Shop {
  @authz.condition.own: (owner = $user)
  @restrict: [
    { grant: ['READ', 'UPDATE', 'close'], to: 'clerk', if: 'own' },
    { grant: 'READ', to: 'support', where: 'country = $user.country and total < 100' },
    { grant: '*', to: 'manager' },
    { grant: 'READ', to: 'trainee', where: 'total between 10 and 20' },
    { deny: 'READ', to: 'trainee', where: 'secret = true' },
    { deny: 'DELETE', where: 'total > 1000' }
  ]
  entity Orders {
    key ID : Integer; owner : String; country : String(3); total : Integer; secret : Boolean; items : Composition of many Items on items.up = $self;
    @mask: { value: '***', unless: 'hr' } iban : String(40); @mask pay : Integer; @requires: 'audit' note : String;
    @restrict: [{ grant: 'READ' }, { grant: 'UPDATE', to: 'boss' }] fixed : String;
  } actions { action close(); };
  entity Items { key ID : Integer; up : Association to Orders; text : String; }
  @restrict: [{ grant: 'READ', where: 'qty < 50' }, { grant: 'WRITE', to: 'clerk', where: (qty < 10 and not exists again[qty = 5]) }]
  entity Parts { key ID : Integer; qty : Integer; next : Association to Parts; again : Association to many Parts on again.next = $self; }
  @restrict: [{ grant: 'go', to: 'clerk', where: '$user.country = ''DE''' }] action go();
}
`

// tenanted has rows of tenants, paths and nested rows.
const tenanted = `
aspect owned { @tenant tenant : String(36); }
entity my.Orders : owned { key ID : UUID; title : String(40); customer : Association to my.Customers; owner : String; items : Composition of many { key pos : Integer; qty : Integer; } }
entity my.Customers : owned { key ID : UUID; name : String(40); vip : Boolean; country : Association to my.Countries; orders : Association to many my.Orders on orders.customer = $self; }
@tenant: false entity my.Countries { key code : String(3); name : String(40); }
@requires: 'authenticated-user' service Shop {
  @restrict: [{ grant: 'READ', where: 'owner = $user or customer.vip = true' }, { grant: 'WRITE', to: 'clerk', where: 'customer.country.code in $user.land' }, { grant: '*', to: 'admin' }]
  entity Orders as projection on my.Orders actions { action ship(); function cost() returns Integer; };
  @restrict: [{ grant: 'READ', where: (exists orders[owner = $user and exists items[qty >= 10]]) }, { grant: ['CREATE', 'UPDATE'], to: 'system-user' }]
  entity Customers as projection on my.Customers excluding { tenant };
  @cds.redirection.target entity Countries as projection on my.Countries;
  entity Inland as select from my.Countries where code = 'DE';
}
`

func compiled(t testing.TB, text string) *parser.Result {
	t.Helper()
	res := parser.CompileStringWith("s.cds", text, parser.Options{Strict: true})
	if res.Model == nil {
		t.Fatal(res.Diags.Err())
	}
	return res
}

func tried(t *testing.T, m *csn.Model, opt Options) *Report {
	t.Helper()
	rep, diags, err := Run(t.Context(), m, opt)
	if err != nil || rep == nil {
		t.Fatal(err, diags)
	}
	return rep
}

func written(t *testing.T, rep *Report, format string, all bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := rep.Write(&b, format, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var strict = Options{Authz: authz.Options{Strict: true}, Seed: 1}

func TestNothingDiffers(t *testing.T) {
	for name, model := range map[string]string{"shop": shop, "tenants": tenanted} {
		rep := tried(t, compiled(t, model).Model, strict)
		for _, u := range rep.Lacking {
			if u.Rule != "Shop.Parts#2" || u.Event != "CREATE" { // nothing refers to a new row, so it can always be created
				t.Errorf("%s: not covered: %+v", name, u)
			}
		}
		if rep.Differences > 0 || len(rep.Cases) < 100 {
			t.Errorf("%s: %s", name, written(t, rep, "text", false))
		}
		for _, door := range []string{"odata", "rest", "batch", "expand", "path", "filter", "count", "go"} {
			if !slices.Contains(rep.Doors, door) {
				t.Errorf("%s: the door %s was not tried", name, door)
			}
		}
		if again := tried(t, compiled(t, model).Model, strict); written(t, again, "json", true) != written(t, rep, "json", true) {
			t.Errorf("%s: a second run made other cases", name)
		}
	}
}

// TestModels tries whole projects: the bookshop, and a model of all that restrictions can be.
func TestModels(t *testing.T) {
	for _, p := range []struct {
		dir     string
		strict  bool
		lacking int
	}{{"../../samples/bookshop", true, 0}, {"../../../shared/conformance/models/authlab", false, 3}} {
		if _, err := os.Stat(p.dir); err != nil {
			t.Logf("%s is not there", p.dir)
			continue
		}
		res := parser.CompileProject(os.DirFS(p.dir), parser.Options{Strict: p.strict})
		if res.Model == nil {
			t.Fatal(res.Diags.Err())
		}
		opt := Options{Authz: authz.Options{Strict: p.strict}, Seed: 1}
		if testing.Short() && !p.strict {
			opt.Service = "WhereSrv"
		}
		rep := tried(t, res.Model, opt)
		lacking := slices.DeleteFunc(slices.Clone(rep.Lacking), func(u Uncovered) bool { return strings.HasPrefix(u.Why, "writing it together with its root") })
		if rep.Differences > 0 || len(lacking) > p.lacking {
			t.Errorf("%s: %s", p.dir, written(t, rep, "text", false))
		}
		t.Log(rep.Summary())
	}
}

// laboratory compiles a text with changes.
func laboratory(t testing.TB) Laboratory {
	return Laboratory{Compile: func(files map[string]string) (*csn.Model, diag.List) {
		res := parser.CompileStringWith("s.cds", files["s.cds"], parser.Options{Strict: true})
		return res.Model, res.Diags
	}}
}

// TestEveryChangeIsNoticed changes the restrictions: cases that notice nothing would be no use.
func TestEveryChangeIsNoticed(t *testing.T) {
	for name, model := range map[string]string{"shop": shop, "tenants": tenanted} {
		res := compiled(t, model)
		s, diags, err := Measure(t.Context(), res.Model, res.Files, strict, laboratory(t))
		if err != nil || s == nil {
			t.Fatal(err, diags)
		}
		if s.Noticed < 25 {
			t.Errorf("%s: only %d changes", name, s.Noticed)
		}
		for _, mu := range s.Mutants {
			if mu.Outcome == Survived && !equivalent[mu.Rule+": "+mu.What] {
				t.Errorf("%s: %s: %s: %s: nobody notices", name, mu.At, mu.Rule, mu.What)
			}
		}
	}
}

// equivalent are changes after which nobody may do more or less; without Laboratory.Same they are taken for survivors.
var equivalent = map[string]bool{
	"Shop.go#1: grant everything":    true, // an operation has no other event
	"Shop.Parts#2: grant everything": true, // all below 50 may be read anyway
}

// TestALeakIsADifference has a handler that gives away what it must not.
func TestALeakIsADifference(t *testing.T) {
	leak := func(app *cds.App) error {
		s := app.Service("Shop")
		s.On(cds.Match{Events: []cds.Event{"READ"}, Entities: []string{"Orders"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			return cds.DB(ctx).Run(ctx, r.Query)
		})
		return nil
	}
	opt := strict
	opt.Register = leak
	rep := tried(t, compiled(t, shop).Model, opt)
	if rep.Differences == 0 {
		t.Error("nobody has noticed that all rows are shown")
	}
	if out := written(t, rep, "text", false); !strings.Contains(out, "DIFFERENT") || !strings.Contains(out, "s.cds:") {
		t.Errorf("report is\n%s", out)
	}
}

func TestReports(t *testing.T) {
	rep := tried(t, compiled(t, shop).Model, strict)
	var back struct {
		Cases []struct{ At, Rule, Expect string }
	}
	if err := json.Unmarshal([]byte(written(t, rep, "json", true)), &back); err != nil || len(back.Cases) != len(rep.Cases) || back.Cases[0].At == "" {
		t.Errorf("JSON: %v", err)
	}
	var suite struct {
		Tests    int   `xml:"tests,attr"`
		Failures int   `xml:"failures,attr"`
		Cases    []any `xml:"testcase"`
	}
	if err := xml.Unmarshal([]byte(written(t, rep, "junit", true)), &suite); err != nil || suite.Tests != len(rep.Cases)+len(rep.Lacking) || suite.Failures != 0 {
		t.Errorf("JUnit: %v %+v", err, suite)
	}
}

// TestUncovered lists what no case can be made for, with place and reason.
func TestUncovered(t *testing.T) {
	rep := tried(t, compiled(t, `service S {
  @restrict: [{ grant: 'READ', where: 'a = ''x'' and a = ''y''' }, { grant: 'READ', to: 'r', where: 'round(n) = 1' }, { grant: 'UPDATE', to: 'r', where: '$user.locale = a' }]
  entity E { key ID : Integer; a : String; n : Integer; }
  @cds.persistence.skip @restrict: [{ grant: 'READ', to: 'r' }] entity F { key ID : Integer; }
}`).Model, strict)
	out := written(t, rep, "text", false)
	for _, want := range []string{"s.cds:2: S.E#1 READ: no user and row were found that fulfil", "s.cds:2: S.E#2 READ: not judged: the function round is not known", "$user.locale", "it has no table"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if rep.Differences > 0 {
		t.Error(out)
	}
}

func TestModelsThatDoNotStart(t *testing.T) {
	res := parser.CompileString("s.cds", `@restrict: [{ grnat: 'READ' }] service S { entity E { key ID : Integer; } }`)
	if res.Model == nil {
		t.Fatal("there is no model: ", res.Diags)
	}
	rep, diags, err := Run(t.Context(), res.Model, strict)
	if rep != nil || err != nil || !diags.HasErrors() {
		t.Errorf("report %v, %v, %v", rep, diags, err)
	}
}

// TestExec runs something else than cases.
func TestExec(t *testing.T) {
	res := compiled(t, shop)
	lab := laboratory(t)
	lab.Same = func(_, _ *csn.Model) bool { return false }
	runs, done := 0, 0
	lab.Progress = func(int, int, *Mutant) { done++ }
	lab.Exec = func(_ context.Context, m *csn.Model) (bool, error) {
		runs++
		return m.Service("Shop").Annotations.Get("requires").Kind == 1, nil // notices one thing
	}
	s, _, err := Measure(t.Context(), res.Model, res.Files, strict, lab)
	if err != nil || s.Noticed != 1 || s.Survived != len(s.Mutants)-1 || done != len(s.Mutants) || runs != done+1 || s.Percent() > 10 {
		t.Errorf("%+v %v, %d runs", s, err, runs)
	}
	var b bytes.Buffer
	if err := errors.Join(s.Write(&b, true), s.JSON(&b)); err != nil || !strings.Contains(b.String(), "s.cds:3: Shop@requires: drop @requires: noticed by the project's tests") {
		t.Errorf("%v\n%s", err, b.String())
	}
	lab.Exec = func(context.Context, *csn.Model) (bool, error) { return true, nil }
	if _, _, err := Measure(t.Context(), res.Model, res.Files, strict, lab); err == nil || !strings.Contains(err.Error(), "without any change") {
		t.Errorf("error is %v", err)
	}
}

// FuzzMutants changes what somebody wrote: each change gives a text, in which nothing else has moved.
func FuzzMutants(f *testing.F) {
	f.Add(shop)
	f.Add(tenanted)
	f.Add("@(requires:'a',restrict:[{grant:'READ',to:[],where:'a=''x'''},{deny:['*'],to:'b'}])service S{entity E{key a:String;@mask b:String;}}")
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 4000 {
			return
		}
		res := parser.CompileString("s.cds", source)
		if res.Model == nil {
			return
		}
		for _, mu := range Mutants(res.Model) {
			changed := mu.Files(res.Files)["s.cds"]
			if len(mu.Files(res.Files)) != 1 || changed == source || !strings.HasPrefix(changed, source[:mu.span.Start]) || !strings.HasSuffix(changed, source[mu.span.End:]) {
				t.Errorf("%+v makes %q", mu, changed)
			}
			parser.CompileString("s.cds", changed)
		}
	})
}
