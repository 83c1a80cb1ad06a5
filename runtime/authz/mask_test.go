package authz

import (
	"errors"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// TestMaskFaults: what is not understood of a mask stops the start, at its place, and closes the element where strictness is off.
func TestMaskFaults(t *testing.T) {
	for _, c := range []struct{ anno, want string }{
		{"@mask: (concat('x', nn)) n : String", "there is no element nn"},
		{"@mask: (length(n)) n : String", "it is a whole number, and n is a text"},
		{"@mask: (n * 0.9) n : Integer", "use floor, ceiling or round"},
		{"@mask: ('2000') n : Date", "it is a text, and n is a date"},
		{"@mask: (n / m) n : Integer", "by which alone can be divided"},
		{"@mask: (n * 2) n : Int64", "n * 2 may be more than an integer of 64 bits can be"},
		{"@mask: (-n) n : Int64", "-n may be more than"},
		{"@mask: (n / -1) n : Int64", "may be more than"},
		{"@mask: (n + 1 - 1) n : Int64", "n + 1 may be more than"},
		{"@mask: (m * m * 3) n : Integer", "may be more than"},
		{"@mask: (9223372036854775807 + length('x')) n : Integer", "may be more than"},
		{"@mask: (coalesce(m, b) * 2) n : Integer; b : Int64", "may be more than"},
		{"@mask: (case when m = 1 then b else 5 end + 1) n : Integer; b : Int64", "may be more than"},
		{"@mask: (n * n * n * n) n : Double", "too large or too small a number"},
		{"@mask: (n / 1e250) n : Double", "too large or too small a number"},
		{"@mask: { unless: { where: (b * 2 > 1) } } n : String; b : Int64", "b * 2 may be more than"},
		{"@mask: (n / 0) n : Integer", "by which alone can be divided"},
		{"@mask: (n / 0.00) n : Decimal", "by which alone can be divided"},
		{"@mask: (mod(n, 0)) n : Integer", "the function mod cannot stand in it"},
		{"@mask: (power(n, 1000)) n : Integer", "the function power cannot stand in it"},
		{"@mask: (session_context('x')) n : String", "the function session_context cannot stand in it"},
		{"@mask: (count(n)) n : Integer", "the function count cannot stand in it"},
		{"@mask: (cast(n as Integer)) n : String", "cannot stand in it"},
		{"@mask: (kids.n) n : String", "leads over a to-many association"},
		{"@mask: (kids) n : String", "is an association"},
		{"@mask: (kid) n : String", "it is a whole number"},
		{"@mask: ($user.country) n : String", "can only be compared"},
		{"@mask: ((select n from E)) n : String", "subqueries are not supported"},
		{"@mask: (case when m then 'a' else 'b' end) n : String", "where something true or false is expected"},
		{"@mask: (case when m = 1 then 'a' else 2 end) n : String", "another result of case"},
		{"@mask: (case when n = 1 then 'a' end) n : String", "is compared with"},
		{"@mask: (replace(n, 'a', n)) n : String", "n is no constant, by which alone can be replaced"},
		{"@mask: (concat(n)) n : String", "two to nine arguments"},
		{"@mask: (substring(n)) n : String", "another number of arguments"},
		{"@mask: (substring(n, '1')) n : String", "where a whole number is expected"},
		{"@mask: (concat(n, floor(m / 2.5))) n : String", "is a rounded number, where a text is expected"},
		{"@mask: (floor(n) / 2) n : Integer", "use floor, ceiling or round"},
		{"@mask: (-null) n : Integer", "null is null, where a number is expected"},
		{"@mask: (m + (case when m = 1 then null end)) n : Integer", "where a number is expected"},
		{"@mask: (case when m = 1 then 5 else (case when m = 2 then null end) end) n : Integer", "is never anything but null"},
		{"@mask: (concat(null, n)) n : String", "null is null, where a text is expected"},
		{"@mask: (case when (case when m = 1 then null end) = 'x' then n end) n : String", "a comparison with what is never"},
		{"@mask: (case when day = at then 'a' end) n : String; day : Date; at : Timestamp", "a date is compared with a moment"},
		{"@mask: (case when day > '2020-02-30' then 'a' end) n : String; day : Date", "'2020-02-30' is not a date"},
		{"@mask: (case when '25:00' = at then 'a' end) n : String; at : Time", "'25:00' is not a time"},
		{"@mask: (case when at between '2020-02-01' and 'tomorrow' then 'a' end) n : String; at : Timestamp", "'tomorrow' is not a moment"},
		{"@mask: { unless: { where: (day in ('2020-02-01', '1.2.2020')) } } n : String; day : Date", "'1.2.2020' is not a date"},
		{"@mask: (photo) n : String", "binary data"},
		{"@mask: (v) n : String", "virtual"},
		{"@mask: (tags) n : String", "is a list"},
		{"@mask: ('x') u : UUID", "a UUID can only be shown as null"},
		{"@mask: { expr: 'concat(n)' } n : String", "an expression in parentheses is expected"},
		{"@mask: { expr: (n), value: 'x' } n : String", "both say what is shown"},
		{"@mask: { expr: (n), fn: 'email' } n : String", "both say what is shown"},
		{"@mask: { fn: 'lats(4)' } n : String", "did you mean last?"},
		{"@mask: { fn: 'hash' } n : String", "there is no such function"},
		{"@mask: { fn: 'last' } n : String", "it needs a number"},
		{"@mask: { fn: 'last(0)' } n : String", "a name, and perhaps a number"},
		{"@mask: { fn: 'last(-1)' } n : String", "a name, and perhaps a number"},
		{"@mask: { fn: 'last(4) or 1' } n : String", "a name, and perhaps a number"},
		{"@mask: { fn: 'last(99999999999999999999)' } n : String", "a name, and perhaps a number"},
		{"@mask: { fn: 'last(1001)' } n : String", "from 1 to 1000"},
		{"@mask: { fn: 'email(1)' } n : String", "it takes no number"},
		{"@mask: { fn: 'year' } n : String", "it is for dates"},
		{"@mask: { fn: 'round(10)' } n : String", "it is for numbers"},
		{"@mask: { fn: 'last(4)' } n : Integer", "it is for texts"},
		{"@mask: { fn: 'last(4)' } n : UUID", "it is for texts"},
		{"@mask: { fn: 4 } n : String", "must be the name of a function"},
		{"@mask: { go: 5 } n : String", "must be the name of a function"},
		{"@mask: { go: '' } n : String", "must be the name of a function"},
		{"@mask: { go: '5x' } n : String", "must be the name of a function"},
		{"@mask: { go: 'last(4)' } n : String", "must be the name of a function"},
		{"@mask: { unles: 'a' } n : String", "did you mean @mask.unless?"},
		{"@mask: { unless: { were: (m = 1) } } n : String", "has no property were"},
		{"@mask: { unless: { where: 'm = 1' } } n : String", "a condition in parentheses is expected"},
		{"@mask: { unless: { where: (mm = 1) } } n : String", "there is no element mm"},
		{"@mask: { unless: { where: (m) } } n : String", "where something true or false is expected"},
		{"@mask: { unless: { where: (m = 'x') } } n : String", "is compared with"},
		{"@mask: { unless: { if: 'own' } } n : String", "has no condition called own"},
		{"@mask: { unless: [{ where: (m = 1), where: (m = 2) }] } n : String", "where stands twice"},
		{"@mask: { unless: [5] } n : String", "must be a role"},
		{"@mask: { unless: { to: 5 } } n : String", "to must be a role"},
		{"@mask: { write: 5 } n : String", "@mask.write must be a role"},
		{"@mask: 'x' n : Association to E", "cannot be masked"},
		{"@mask: 'x' n : Boolean", "no constant of the type"},
		{"@mask: { value: true } n : Boolean", "no constant of the type"},
		{"@mask: { value: true } n : String", "no constant of the type"},
		{"@mask: 5.5 n : Integer", "no constant of the type"},
		{"@mask: '5' n : Integer", "no constant of the type"},
		{"@mask: 5 n : String", "no constant of the type"},
		{"@mask: { value: 'x', fn: 'email' } n : String", "both say what is shown"},
		{"@mask: { fn: 'email', go: 'own' } n : String", "both say what is shown"},
		{"@mask: { value: 'x', expr: (m) } n : String", "both say what is shown"},
		{"@Mask: 'x' n : String", "looks like a misspelt @mask"},
		{"@masked: 'x' n : String", "looks like a misspelt @mask"},
		{"@maks: 'x' n : String", "looks like a misspelt @mask"},
		{"@mask: { value: 'x', unless: { where: (m = 1) } } @encrypted n : String", "encrypted or hashed"},
		{"@encrypted k : String; @mask: { unless: { where: (k is null) } } n : String", "k is encrypted or hashed"},
		{"@mask @odata.etag n : String", "cannot be masked"},
		{"@mask virtual n : String", "cannot be masked"},
	} {
		model := "service S { @requires: 'any' entity E { key ID : Integer; m : Integer; photo : LargeBinary; virtual v : String; tags : many String; kid : Association to E; " +
			"kids : Association to many E on kids.kid = $self; " + c.anno + "; }; }"
		res := parser.CompileString("m.cds", model)
		if res.Model == nil {
			t.Errorf("%s: %v", c.anno, res.Diags)
			continue
		}
		_, diags := Compile(res.Model, Options{Strict: true})
		if !diags.HasErrors() || !strings.Contains(hinted(diags), c.want) {
			t.Errorf("%s: %s", c.anno, hinted(diags))
			continue
		}
		for _, d := range diags {
			if pos := res.Model.Files.Position(d.Span); pos.Line != 1 || pos.Col < 100 {
				t.Errorf("%s: %s at %d:%d", c.anno, d.Message, pos.Line, pos.Col)
			}
		}
	}
}

// hinted is a list of diagnostics with their hints.
func hinted(l diag.List) string {
	var b strings.Builder
	for _, d := range l {
		b.WriteString(d.Message + " (" + d.Hint + ")\n")
	}
	return b.String()
}

// TestMaskMisplaced: a mask on anything but an element stops the start.
func TestMaskMisplaced(t *testing.T) {
	for _, model := range []string{
		"@mask: 'x' service S { entity E { key ID : Integer; } }",
		"service S { @mask entity E { key ID : Integer; } }",
		"service S { @masked entity E { key ID : Integer; } }",
		"service S { entity E { key ID : Integer; } @mask function f() returns Integer; }",
		"service S { entity E { key ID : Integer; } actions { @mask: { fn: 'email' } function f() returns Integer; } }",
	} {
		if _, diags := Compile(compiled(t, model), Options{Strict: true}); !strings.Contains(hinted(diags), "has no effect on") || !diags.HasErrors() {
			t.Errorf("%s: %s", model, hinted(diags))
		}
	}
}

// TestMaskNulled: what is taken away has no effect, where it would be misplaced too; of a draft nothing is said twice.
func TestMaskNulled(t *testing.T) {
	m, diags := csn.WithDrafts(compiled(t, `@mask: null service S { @mask: null @odata.draft.enabled entity E { key ID : UUID; @mask: null a : String; @mask.value: 'x' @mask.unless.to: null @mask.unless.where: (b = 'y') b : String; }
  @mask: null function f() returns Integer; }`), "")
	if m == nil {
		t.Fatal(diags)
	}
	p, found := Compile(m, Options{Strict: true})
	if len(found) > 0 {
		t.Error(hinted(found))
	}
	for name, want := range map[string]string{"a": "all", "b": "'x' unless b = 'y'"} {
		if got := masked(p, m.Entity("S.E").Element(name), named("u")); got != want {
			t.Errorf("%s shows %s, want %s", name, got, want)
		}
	}
	m, _ = csn.WithDrafts(compiled(t, "service S { @mask: 'x' @odata.draft.enabled entity E { key ID : UUID; } actions { @mask: 'x' function f() returns Integer; } }"), "")
	if _, found := Compile(m, Options{Strict: true}); len(found) != 2 {
		t.Error(hinted(found))
	}
	if _, found := Compile(compiled(t, "@masked: 'x' service S { entity E { key ID : Integer; } }"), Options{Strict: true}); len(found) > 0 { // may be somebody else's
		t.Error(hinted(found))
	}
	_, found = Compile(compiled(t, "service S { entity E { key ID : Integer; @mask: { value: 'x', unless: [] } a : String; } }"), Options{Strict: true})
	if got := hinted(found); found.HasErrors() || !strings.Contains(got, "an empty or null value in @mask.unless") {
		t.Errorf("exempting nobody: %s", got)
	}
}

// masked is what an element shows a user.
func masked(p *Policy, el *csn.Element, u *auth.User) string {
	d := p.Decide(u, Access{Service: el.Owner.Service, Event: Read, Path: []*csn.Entity{el.Owner}})
	var f *sqlgen.Forbidden
	switch err := d.Guard.Element(el, sqlgen.Root); {
	case err == nil:
		return "all"
	case !errors.As(err, &f) || f.Mask == nil:
		return "nothing"
	case f.Mask.Unless == nil:
		return cqn.Format(f.Mask.X)
	}
	return cqn.Format(f.Mask.X) + " unless " + cqn.Format(f.Mask.Unless)
}

// TestMaskInViews: in a view whose rows lack what the mask is made of, or that reaches the element over an association, the mask is not dropped.
func TestMaskInViews(t *testing.T) {
	for _, c := range []struct{ view, want string }{
		{"as projection on d.E", ""},
		{"as projection on d.E { ID, m as o, n as p }", ""},
		{"as projection on d.E { ID, n }", "inherits “@mask.expr”"},
		{"as projection on d.E excluding { m }", "inherits “@mask.expr”"},
		{"as select from d.F { ID, e.n as n }", "inherits “@mask.expr”"},
	} {
		res := parser.CompileString("v.cds", "context d { entity E { key ID : Integer; @mask: { expr: (concat(m, n)), unless: { where: (ID = 1) } } n : String; m : String; } entity F { key ID : Integer; e : Association to E; } } "+
			"service S { @requires: 'any' entity V "+c.view+"; }")
		if got := hinted(res.Diags); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", c.view, got)
		}
		if res.Model == nil {
			continue
		}
		p, diags := Compile(res.Model, Options{})
		e := res.Model.Entity("S.V")
		el := e.Flat[len(e.Flat)-1]
		if e.Flat.Lookup("n") != nil {
			el = e.Flat.Lookup("n")
		}
		o := p.InspectElement([]string{"any"}, el, sqlgen.Root)
		if o.Verdict == Allow || c.want != "" && o.Masked != "" {
			t.Errorf("%s: %+v %v", c.view, o, diags)
		}
	}
}
