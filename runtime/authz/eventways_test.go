package authz

import (
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// deliver returns the names of what an event shows of data to somebody with a role.
func deliver(t *testing.T, model, event, role string, data *cqn.Row) string {
	t.Helper()
	m, p, diags := policyOf(t, model)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	got, ok := p.Deliver(named("u", role), eventOfModel(t, m, event), data, "")
	if !ok {
		return "-"
	}
	return shape(cqn.OfRow(got))
}

// payloadOf makes a row from names: a, st(a b) with a structure, list[(a) (b)] with a list of structures, list[] with an empty one.
func payloadOf(t *testing.T, text string) *cqn.Row {
	t.Helper()
	rest := text
	var row func() *cqn.Row
	row = func() *cqn.Row {
		r := cqn.NewRow()
		for rest = rest[1:]; rest[0] != ')'; {
			if rest[0] == ' ' {
				rest = rest[1:]
				continue
			}
			n := strings.IndexAny(rest, " ()[")
			name := rest[:n]
			switch rest = rest[n:]; rest[0] {
			case '(':
				r.Set(name, cqn.OfRow(row()))
			case '[':
				all := []*cqn.Row{}
				for rest = rest[1:]; rest[0] != ']'; {
					if rest[0] == '(' {
						all = append(all, row())
					} else {
						rest = rest[1:]
					}
				}
				rest = rest[1:]
				r.Set(name, cqn.OfRows(all))
			default:
				r.Set(name, cqn.Int(1))
			}
		}
		rest = rest[1:]
		return r
	}
	return row()
}

// TestDeliver_followed: what an element of an entity shows may follow from others, as that of an expression does; parts of payloads that have its type follow
// it, over rows, structures, named types and associations. Elements that begin with h are for hr, those with b for the boss.
func TestDeliver_followed(t *testing.T) {
	const model = `
entity d.B { key ID : Integer; @requires: 'hr' hname : String; hcomp : String = hname || 'x'; name : String; st { x : Integer; }; c : Association to d.B; }
entity d.A { key ID : Integer; @requires: 'hr' hpay : Integer; hnet : Integer = hpay * 2; n : Integer; b : Association to d.B;
  st { hin : Integer = hpay + 1; flat : Integer; sub { hcalc : Integer = hpay * 2; x : Integer; }; @requires: 'hr' hsub { x : Integer; } } }
type Holder { a : d.A; st : d.A:st; }
type Also { h : Holder; }
aspect Marked { a : d.A; }
event Other { a : d.A; }
service S {
  event Row { whole : d.A; }
  event Parts { hnet : d.A:hnet; hin : d.A:st.hin; hcalc : d.A:st.sub.hcalc; x : d.A:st.sub.x; sub : d.A:st.sub; hsub : d.A:st.hsub; st : d.A:st; hcomp : d.A:b.hcomp; hagain : d.A:b.c.hcomp; name : d.A:b.c.name; }
  event Types { hnet : Holder:a.hnet; hcomp : Holder:a.b.hcomp; n : Holder:a.n; hin : Holder:st.hin; sub : Holder:st.sub; hmark : Marked:a.hnet; hother : Other:a.hnet; halso : Also:h.a.hnet; }
  event Own { @requires: 'boss' bpay : d.A:hpay; @requires: 'boss' bsub : d.A:st.hsub; @restrict: [{ grant: 'READ', to: 'hr' }] hread : Integer; @requireds: 'x' @restriction: 'y' alike : Integer; n : Integer; }
  event First { @requires: 'hr' hx : Integer; last : Integer; }
  event Maps { @requires: 'hr' hx : Integer; map : Map; n : Integer; }
  event Keys { b : Association to d.B { name }; c : Association to d.B { name as called, hcomp as hc }; st : Association to d.B { st }; ref : Association to d.A { b }; many : Association to many d.B; own : Association to d.B on own.ID = 1; list : many { x : Integer; }; }
}`
	for _, c := range []struct{ event, data, plain, hr string }{
		{"Row", "whole(ID hpay hnet n st(hin flat sub(hcalc x) hsub(x)))", "whole(ID n st(flat sub(x)))", "whole(ID hpay hnet n st(hin flat sub(hcalc x) hsub(x)))"},
		{"Parts", "hnet hin hcalc x sub(hcalc x) hsub(x) st(hin flat sub(hcalc x) hsub(x)) hcomp hagain name", "x sub(x) st(flat sub(x)) name", "hnet hin hcalc x sub(hcalc x) hsub(x) st(hin flat sub(hcalc x) hsub(x)) hcomp hagain name"},
		{"Types", "hnet hcomp n hin sub(hcalc x) hmark hother halso", "n sub(x)", "hnet hcomp n hin sub(hcalc x) hmark hother halso"},
		{"Own", "bpay bsub(x) hread alike n", "alike n", "hread alike n"}, {"First", "hx last zz", "last", "hx last"},
		{"Maps", "hx map(a b(c)) n(a)", "map(a b(c))", "hx map(a b(c))"},
		{"Keys", "b(name ID) c(called hc name hcomp ID) st(st ID) ref(b ID) many(ID) own(ID) list[(x y)]", "b(name) c(called) st() ref() many() own() list[(x)]", "b(name) c(called hc) st() ref() many() own() list[(x)]"},
	} {
		for role, want := range map[string]string{"": c.plain, "hr": c.hr} {
			if got := deliver(t, model, "S."+c.event, role, payloadOf(t, "("+c.data+")")); got != "("+want+")" {
				t.Errorf("%s as %q:\n got %s\nwant (%s)", c.event, role, got, want)
			}
		}
	}
	if got := deliver(t, model, "S.Own", "boss", payloadOf(t, "(bpay bsub(x) hread n)")); got != "(bpay bsub() n)" {
		t.Errorf("the boss gets %s", got)
	}
	missing := cqn.NewRow()
	missing.Set("list", cqn.OfRows([]*cqn.Row{nil, payloadOf(t, "(x)")}))
	if got := deliver(t, model, "S.Keys", "", missing); got != "(list[(x)])" {
		t.Errorf("a row that is missing: %s", got)
	}
}

// TestDeliver_bottom: of what is nested deeper than anybody looks nothing is shown.
func TestDeliver_bottom(t *testing.T) {
	var b strings.Builder
	b.WriteString("type T0 { x : Integer; };\n")
	for i := 1; i <= maxDepth+5; i++ {
		fmt.Fprintf(&b, "type T%d { t : T%d; };\n", i, i-1)
	}
	fmt.Fprintf(&b, "service S { event Near { t : T%d; }; event Far { t : T%d; }; }", maxDepth-5, maxDepth+5)
	nested := func(n int) *cqn.Row {
		return payloadOf(t, strings.Repeat("(t", n+1)+"(x)"+strings.Repeat(")", n+1))
	}
	if got := deliver(t, b.String(), "S.Near", "", nested(maxDepth-5)); !strings.Contains(got, "x") {
		t.Errorf("of an open event: %s", got)
	}
	if got := deliver(t, b.String(), "S.Far", "", nested(maxDepth+5)); strings.Contains(got, "x") || !strings.Contains(got, "t") {
		t.Errorf("of one that is nested too deeply: %s", got)
	}
}

// TestDeliver_twice: a type that several elements of a payload have hides the same in each, also in a model from CSN.
func TestDeliver_twice(t *testing.T) {
	m, diags := csn.Read([]byte(`{"definitions": {"S": {"kind": "service"}, "Leaf": {"kind": "type", "elements": {"x": {"type": "cds.Integer"}, "hx": {"type": "cds.Integer", "@requires": "hr"}}},
		"Node": {"kind": "type", "elements": {"a": {"type": "Leaf"}, "b": {"items": {"type": "Leaf"}}}},
		"S.Tree": {"kind": "event", "elements": {"one": {"type": "Node"}, "two": {"type": "Node"}, "leaf": {"type": "Leaf"}, "leaves": {"items": {"type": "Leaf"}}}}}}`))
	if m == nil {
		t.Fatal(diags)
	}
	p, diags := Compile(m, Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	const text = "(one(a(x hx) b[(x hx) (x)]) two(a(x hx) b[(hx x)]) leaf(x hx) leaves[(x hx)])"
	for role, want := range map[string]string{"": strings.NewReplacer(" hx", "", "hx ", "").Replace(text), "hr": text} {
		got, _ := p.Deliver(named("u", role), eventOfModel(t, m, "S.Tree"), payloadOf(t, text), "")
		if s := shape(cqn.OfRow(got)); s != want {
			t.Errorf("as %q: %s, want %s", role, s, want)
		}
	}
}
