package csn_test

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
)

const idOnly = `"ID": {"key": true, "type": "cds.Integer"}`

// entityE is a document with one entity E that has further elements.
func entityE(elements string) string {
	return `{"definitions": {"E": {"kind": "entity", "elements": {` + idOnly + `, ` + elements + `}}}}`
}

// whereE is a document with an entity E and a view on it with a condition.
func whereE(tokens string) string {
	return `{"definitions": {"E": {"kind": "entity", "elements": {` + idOnly + `}}, "V": {"kind": "entity", "query": {"SELECT": {"from": {"ref": ["E"]}, "where": ` +
		tokens + `}}, "elements": {` + idOnly + `}}}}`
}

func TestReadErrors(t *testing.T) {
	chain := func(n int) string { // structures inside structures
		return strings.Repeat(`"s": {"elements": {`, n) + `"x": {"type": "cds.Integer"}` + strings.Repeat(`}}`, n)
	}
	for _, c := range []struct{ name, text, code, part string }{
		{"empty", ``, "csn-json", "line 1, column 1"},
		{"no JSON", "{\n  definitions: 1}", "csn-json", "line 2, column 3"},
		{"text after the end", `{"definitions": {}} x`, "csn-json", "after the end"},
		{"duplicate property", `{"definitions": {"A": {}, "A": {}}}`, "csn-json", `duplicate property "A"`},
		{"bad escape", `{"a": "\x"}`, "csn-json", "escape"},
		{"half surrogate", `{"a": "\ud800"}`, "csn-json", "surrogate"},
		{"control character", "{\"a\": \"\x01\"}", "csn-json", "control"},
		{"bad number", `{"a": 01}`, "csn-json", "number"},
		{"not UTF-8", "{\"a\": \"\xff\"}", "csn-json", "UTF-8"},
		{"open string", `{"a": "`, "csn-json", "without end"},
		{"nesting", strings.Repeat("[", 100000), "csn-too-deep", "levels"},
		{"an array", `[]`, "csn-shape", "definitions"},
		{"definitions as array", `{"definitions": []}`, "csn-shape", "an object, not an array"},
		{"unknown kind", `{"definitions": {"A": {"kind": "table"}}}`, "csn-shape", `"table"`},
		{"no kind", `{"definitions": {"A": {}}}`, "csn-shape", "kind"},
		{"elements as array", `{"definitions": {"A": {"kind": "entity", "elements": []}}}`, "csn-shape", "elements"},
		{"key as string", entityE(`"x": {"key": "yes", "type": "cds.Integer"}`), "csn-shape", "key must be a boolean"},
		{"negative length", entityE(`"x": {"type": "cds.String", "length": -1}`), "csn-shape", "length"},
		{"unknown type", entityE(`"x": {"type": "cds.Strange"}`), "csn-unknown-type", "cds.Strange"},
		{"unknown type of", entityE(`"x": {"type": {"ref": ["E", "y"]}}`), "csn-unknown-type", "E:y"},
		{"type of itself", `{"definitions": {"T": {"kind": "type", "type": "T"}}}`, "csn-cycle", "itself"},
		{"structure of itself", `{"definitions": {"T": {"kind": "type", "elements": {"t": {"type": "T"}}}}}`, "csn-cycle", "itself"},
		{"deep structures", entityE(chain(150)), "csn-too-deep", "levels"},
		{"unknown target", entityE(`"x": {"type": "cds.Association", "target": "F", "keys": [{"ref": ["ID"]}]}`), "csn-unknown-target", `"F"`},
		{"target is a type", `{"definitions": {"T": {"kind": "type", "type": "cds.String"}, "E": {"kind": "entity", "elements": {"x": {"type": "cds.Association", "target": "T"}}}}}`, "csn-unknown-target", `"T"`},
		{"unknown source", `{"definitions": {"V": {"kind": "entity", "projection": {"from": {"ref": ["E"]}}, "elements": {}}}}`, "csn-unknown-target", `"E"`},
		{"unknown foreign key", entityE(`"x": {"type": "cds.Association", "target": "E", "keys": [{"ref": ["nope"]}]}`), "csn-bad-foreign-key", `"nope"`},
		{"foreign key without part", entityE(`"x": {"type": "cds.Association", "target": "E", "keys": [{"ref": ["ID", "y"]}]}`), "csn-bad-foreign-key", "parts"},
		{"foreign key to an array", entityE(`"l": {"items": {"type": "cds.String"}}, "x": {"type": "cds.Association", "target": "E", "keys": [{"ref": ["l"]}]}`), "csn-bad-foreign-key", "scalar"},
		{"keys in a circle", `{"definitions": {
			"A": {"kind": "entity", "elements": {"b": {"key": true, "type": "cds.Association", "target": "B", "keys": [{"ref": ["a"]}]}}},
			"B": {"kind": "entity", "elements": {"a": {"key": true, "type": "cds.Association", "target": "A", "keys": [{"ref": ["b"]}]}}}}}`, "csn-cycle", "lead back"},
		{"foreign key taken", entityE(`"x_ID": {"type": "cds.Integer"}, "x": {"type": "cds.Association", "target": "E", "keys": [{"ref": ["ID"]}]}`), "csn-duplicate", `"x_ID"`},
		{"structure taken", entityE(`"a_b": {"type": "cds.Integer"}, "a": {"elements": {"b": {"type": "cds.Integer"}}}`), "csn-duplicate", `a_b and a.b`},
		{"on without target side", entityE(`"x": {"type": "cds.Association", "target": "E", "on": [{"ref": ["y"]}, "=", {"ref": ["ID"]}]}`), "csn-bad-on-condition", "y is no element"},
		{"on over a path", entityE(`"o": {"type": "cds.Association", "target": "E", "keys": [{"ref": ["ID"]}]}, "n": {"type": "cds.Integer"}, "x": {"type": "cds.Association", "target": "E", "on": [{"ref": ["x", "o", "n"]}, "=", {"ref": ["ID"]}]}`), "csn-bad-on-condition", "o.n"},
		{"on with self and no association", entityE(`"x": {"type": "cds.Association", "target": "E", "on": [{"ref": ["x", "ID"]}, "=", {"ref": ["$self"]}]}`), "csn-bad-on-condition", "no association ID"},
		{"on with less than self", entityE(`"b": {"type": "cds.Association", "target": "E", "keys": [{"ref": ["ID"]}]}, "x": {"type": "cds.Association", "target": "E", "on": [{"ref": ["x", "b"]}, "<", {"ref": ["$self"]}]}`), "csn-bad-on-condition", "only be compared"},
		{"on in a circle", entityE(`"a": {"type": "cds.Association", "target": "E", "on": [{"ref": ["a", "b"]}, "=", {"ref": ["$self"]}]}, "b": {"type": "cds.Association", "target": "E", "on": [{"ref": ["b", "a"]}, "=", {"ref": ["$self"]}]}`), "csn-bad-on-condition", "depend on each other"},
		{"projections in a circle", `{"definitions": {
			"A": {"kind": "entity", "projection": {"from": {"ref": ["B"]}}, "elements": {` + idOnly + `}},
			"B": {"kind": "entity", "projection": {"from": {"ref": ["A"]}}, "elements": {` + idOnly + `}}}}`, "csn-cycle", "leads back"},
		{"view without source", `{"definitions": {"V": {"kind": "entity", "query": {"SELECT": {}}, "elements": {}}}}`, "csn-bad-query", "from"},
		{"set without args", `{"definitions": {"V": {"kind": "entity", "query": {"SET": {"op": "union"}}, "elements": {}}}}`, "csn-bad-query", "args"},
		{"unknown set", `{"definitions": {"V": {"kind": "entity", "query": {"SET": {"op": "xor", "args": []}}, "elements": {}}}}`, "csn-bad-query", "xor"},
		{"empty condition", whereE(`[]`), "csn-bad-expression", "not empty"},
		{"condition as string", whereE(`"ID = 1"`), "csn-shape", "array"},
		{"operand missing", whereE(`[{"ref": ["ID"]}, "="]`), "csn-bad-expression", "operand was expected before the end"},
		{"operator missing", whereE(`[{"ref": ["ID"]}, {"val": 1}]`), "csn-bad-expression", "operator was expected"},
		{"unknown operator", whereE(`[{"ref": ["ID"]}, "===", {"val": 1}]`), "csn-bad-expression", `"==="`},
		{"is what", whereE(`[{"ref": ["ID"]}, "is", "not", {"val": 1}]`), "csn-bad-expression", "null was expected"},
		{"not what", whereE(`[{"ref": ["ID"]}, "not", "=", {"val": 1}]`), "csn-bad-expression", "in, between or like"},
		{"case without when", whereE(`["case", "end"]`), "csn-bad-expression", "operand"},
		{"exists of a number", whereE(`["exists", {"val": 1}]`), "csn-bad-expression", "path or a query"},
		{"empty ref", whereE(`[{"ref": []}]`), "csn-bad-expression", "not empty"},
		{"no operand", whereE(`[{"x": 1}]`), "csn-bad-expression", "ref, val"},
		{"many nots", whereE(`[` + strings.Repeat(`"not",`, 50000) + `{"val": true}]`), "csn-bad-expression", "deep"},
		{"many ors", whereE(`[{"val": true}` + strings.Repeat(`,"or",{"val": true}`, 50000) + `]`), "csn-bad-expression", "too many"},
		{"bad _where", `{"definitions": {"E": {"kind": "entity", "@restrict": [{"where": "x", "_where": "[{"}], "elements": {}}}}`, "csn-bad-expression", "list of tokens"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, diags := csn.Read([]byte(c.text))
			if m != nil || !diags.HasErrors() {
				t.Fatal("it was read without error")
			}
			for _, d := range diags {
				if string(d.Code) == c.code && strings.Contains(d.Message, c.part) {
					return
				}
			}
			t.Errorf("no %s with %q in\n%v", c.code, c.part, diags)
		})
	}
}

// TestSharedStructures has types whose parts double with each level: what would be 2^60 elements must be refused in no time.
func TestSharedStructures(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"definitions": {"T0": {"kind": "type", "elements": {"x": {"type": "cds.Integer"}}}`)
	name := func(i int) string { return "T" + string(rune('A'+i/26)) + string(rune('A'+i%26)) }
	prev := "T0"
	for i := range 60 {
		b.WriteString(`, "` + name(i) + `": {"kind": "type", "elements": {"a": {"type": "` + prev + `"}, "b": {"type": "` + prev + `"}}}`)
		prev = name(i)
	}
	text := b.String() + `}}`
	if m, diags := csn.Read([]byte(text)); m == nil {
		t.Errorf("the types alone are fine: %v", diags)
	}
	text = b.String() + `, "E": {"kind": "entity", "elements": {"s": {"type": "` + prev + `"}}}}}`
	if m, diags := csn.Read([]byte(text)); m != nil || !strings.Contains(diags.Error(), "more than 10000 elements") {
		t.Errorf("got %v", diags)
	}
}

// TestConditions reads conditions of @restrict in all forms.
func TestConditions(t *testing.T) {
	const text = `{"definitions": {
		"A": {"kind": "entity", "@restrict": [{"grant": "READ", "where": "x = 1", "_where": "[{\"ref\":[\"x\"]},\"=\",{\"val\":1}]"}], "elements": {}},
		"B": {"kind": "entity", "@restrict": [{"grant": "READ", "where": "x = 1", "_where": [{"ref":["x"]},"=",{"val":1}]}], "elements": {}},
		"C": {"kind": "entity", "@restrict": [{"grant": "READ", "where": {"xpr": [{"ref":["x"]},"=",{"val":1}]}}], "elements": {}},
		"D": {"kind": "entity", "@restrict": [{"grant": "READ", "where": {"=": "x = 1", "xpr": [{"ref":["x"]},"=",{"val":1}]}}], "elements": {}},
		"E": {"kind": "entity", "@restrict.where": "x = 1", "@restrict._where": "[{\"ref\":[\"x\"]},\"=\",{\"val\":1}]", "elements": {}},
		"F": {"kind": "entity", "@restrict": [{"grant": "READ", "where": "x = 1"}], "elements": {}}}}`
	m, diags := csn.Read([]byte(text))
	if m == nil {
		t.Fatal(diags)
	}
	for _, e := range m.Entities {
		v := e.Annotations.Get("restrict.where")
		if v == nil {
			v = e.Annotations.Get("restrict").Items[0].Field("where")
			if len(e.Annotations.Get("restrict").Items[0].Fields) != 2 {
				t.Errorf("%s: the token list stayed as a property", e.Name)
			}
		}
		want := "x = 1"
		if e.Name == "F" {
			want = ""
		}
		got := ""
		if v.Expr != nil {
			got = cqn.Format(v.Expr)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", e.Name, got, want)
		}
	}
	again, _ := csn.Read(csn.Marshal(m, csn.MarshalOptions{}))
	if again.Fingerprint() != m.Fingerprint() {
		t.Error("conditions are lost on the way")
	}
}

// TestExpressions writes expressions as tokens and reads them back.
func TestExpressions(t *testing.T) {
	ref, one, two := cqn.NewRef("a"), &cqn.Lit{Value: cqn.Int(1)}, &cqn.Lit{Value: cqn.String("two")}
	bin := func(op cqn.BinaryOp, l, r cqn.Expr) cqn.Expr { return &cqn.Binary{Op: op, L: l, R: r} }
	for _, x := range []cqn.Expr{
		bin(cqn.Sub, bin(cqn.Sub, ref, one), one),
		bin(cqn.Sub, ref, bin(cqn.Sub, one, one)),
		bin(cqn.Mul, bin(cqn.Add, ref, one), &cqn.Unary{Op: cqn.Neg, X: ref}),
		bin(cqn.Concat, bin(cqn.Add, ref, one), bin(cqn.Mul, one, one)),
		bin(cqn.And, bin(cqn.Or, ref, ref), &cqn.Unary{Op: cqn.Not, X: bin(cqn.And, ref, ref)}),
		bin(cqn.Eq, bin(cqn.Eq, ref, one), bin(cqn.Lt, ref, one)),
		bin(cqn.EqNull, ref, &cqn.Unary{Op: cqn.IsNull, X: bin(cqn.Eq, ref, one)}),
		&cqn.Unary{Op: cqn.Not, X: &cqn.Unary{Op: cqn.IsNotNull, X: ref}},
		&cqn.Unary{Op: cqn.IsNotTrue, X: bin(cqn.Or, ref, ref)},
		&cqn.Between{X: ref, Lo: one, Hi: bin(cqn.Add, one, one), Negated: true},
		&cqn.Like{X: ref, Pattern: two, Escape: two},
		&cqn.In{X: ref, Set: &cqn.Tuple{Items: []cqn.Expr{one}}, Negated: true},
		&cqn.In{X: &cqn.Tuple{Items: []cqn.Expr{ref, one}}, Set: &cqn.Tuple{Items: []cqn.Expr{&cqn.Tuple{Items: []cqn.Expr{one, two}}}}},
		&cqn.In{X: ref, Set: &cqn.Param{From: cqn.FromUserAttr, Name: "country"}},
		&cqn.Case{Whens: []cqn.When{{Cond: bin(cqn.Eq, ref, one), Then: two}}, Else: &cqn.Case{X: ref, Whens: []cqn.When{{Cond: one, Then: two}}}},
		&cqn.Cast{X: &cqn.Cast{X: ref, Type: cqn.TypeName{Name: "cds.Integer"}}, Type: cqn.TypeName{Name: "cds.Decimal", Precision: 9, Scale: 2}},
		&cqn.Call{Name: "count", Star: true},
		&cqn.Call{Name: "count", Args: []cqn.Expr{ref}, Distinct: true},
		&cqn.Call{Name: "rank", Over: &cqn.Window{PartitionBy: []cqn.Expr{ref, ref}, OrderBy: []cqn.Order{{X: ref, Desc: true}, {X: one}}, Frame: "rows 1 preceding"}},
		&cqn.Exists{Path: &cqn.Ref{Path: []cqn.Step{{Name: "items", Filter: bin(cqn.Gt, ref, one)}}}},
		&cqn.Lit{Enum: "open"}, &cqn.Lit{Value: cqn.Decimal("1.50")}, &cqn.Lit{Value: cqn.Bytes([]byte{1, 255})},
		&cqn.Lit{Value: cqn.Text(cqn.KindDate, "2024-02-29")}, &cqn.Lit{Value: cqn.String("'\"\\\n\x01ü")}, &cqn.Lit{},
		&cqn.Param{From: cqn.FromUserID}, &cqn.Param{From: cqn.FromNow}, &cqn.Param{From: cqn.FromUserTenant},
		&cqn.Param{From: cqn.FromAt, Name: "from"}, &cqn.Param{From: cqn.FromAt, Name: "valid.to"}, &cqn.Param{From: cqn.FromViewArg, Name: "p"},
	} {
		v := &cqn.AnnoValue{Kind: cqn.AnnoExpr, Expr: x}
		m, diags := csn.Freeze([]csn.Definition{&csn.Entity{Def: csn.Def{Name: "E", Annotations: csn.Annotations{{Name: "x", Value: v}}}}}, nil, "")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		again, diags := csn.Read(csn.Marshal(m, csn.MarshalOptions{}))
		if again == nil {
			t.Errorf("%s: %v\n%s", cqn.Format(x), diags, csn.Marshal(m, csn.MarshalOptions{}))
			continue
		}
		y := again.Entity("E").Annotations.Get("x").Expr
		if y == nil || cqn.Format(y) != cqn.Format(x) || again.Fingerprint() != m.Fingerprint() {
			t.Errorf("%s became %s\n%s", cqn.Format(x), cqn.Format(y), csn.Marshal(m, csn.MarshalOptions{}))
		}
	}
}

// TestFingerprint changes one thing at a time.
func TestFingerprint(t *testing.T) {
	base := entityE(`"x": {"type": "cds.String", "length": 5, "@a": 1}`)
	seen := map[csn.Fingerprint]string{}
	for _, text := range []string{
		base,
		strings.Replace(base, `"@a": 1`, `"@a": 2`, 1),
		strings.Replace(base, `"@a": 1`, `"@b": 1`, 1),
		strings.Replace(base, `5`, `6`, 1),
		strings.Replace(base, `"x"`, `"y"`, 1),
		strings.Replace(base, `"x": {`, `"x": {"notNull": true,`, 1),
		strings.Replace(base, `"x": {`, `"x": {"doc": "d",`, 1),
		strings.Replace(base, `"kind"`, `"@requires": "admin", "kind"`, 1),
		strings.Replace(base, `{"definitions"`, `{"namespace": "n", "definitions"`, 1),
	} {
		m, diags := csn.Read([]byte(text))
		if m == nil {
			t.Fatal(diags)
		}
		if other, ok := seen[m.Fingerprint()]; ok {
			t.Errorf("the same fingerprint for\n%s\n%s", text, other)
		}
		seen[m.Fingerprint()] = text
		if n, _ := csn.Read([]byte(text)); n.Fingerprint() != m.Fingerprint() {
			t.Error("another fingerprint for the same text")
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(entityE(`"x": {"type": "cds.Association", "target": "E", "on": [{"ref": ["x", "x"]}, "=", {"ref": ["$self"]}]}, "s": {"elements": {"y": {"type": {"ref": ["E", "ID"]}}}}`)))
	f.Add([]byte(whereE(`["case", "when", {"ref": ["ID"]}, "in", {"list": [{"val": 1.5}]}, "then", {"val": null}, "end", "is", "not", "null"]`)))
	f.Add([]byte(`{"definitions": {"S": {"kind": "service", "@a": {"=": "x", "xpr": ["not", {"val": true}]}}, "S.f": {"kind": "function", "returns": {"items": {"type": "S.T"}}}, "S.T": {"kind": "type", "enum": {"a": {}}, "type": "cds.String"}}}`))
	f.Add([]byte(`{"definitions": {"V": {"kind": "entity", "query": {"SET": {"args": [{"SELECT": {"from": {"join": "left", "args": [{"ref": ["V"]}, {"SELECT": {"from": {"ref": ["V"]}}, "as": "d"}]}, "columns": ["*", {"ref": ["x"], "inline": ["*"]}]}}]}}, "elements": {}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, diags := csn.Read(data)
		if m == nil {
			if !diags.HasErrors() {
				t.Error("no model and no error")
			}
			return
		}
		out := csn.Marshal(m, csn.MarshalOptions{Docs: true})
		again, diags := csn.Read(out)
		if again == nil {
			t.Fatalf("cannot read what was written: %v\n%s\n%s", diags, data, out)
		}
		if again.Fingerprint() != m.Fingerprint() {
			t.Errorf("it changes on the way:\n%s\n%s\n%s", data, out, csn.Marshal(again, csn.MarshalOptions{Docs: true}))
		}
	})
}

func TestMessages(t *testing.T) {
	for code, e := range csn.Messages() {
		if !strings.HasPrefix(string(code), "csn-") || e.Title == "" || e.Explain == "" || e.Severity == 0 {
			t.Errorf("%s is not documented well: %+v", code, e)
		}
	}
	_, diags := csn.Read([]byte(whereE(`[{"x": 1}]`)))
	for _, d := range diags {
		if _, ok := csn.Messages()[d.Code]; !ok {
			t.Errorf("%s is not documented", d.Code)
		}
	}
}

// TestViewThatHidesWhatAConditionNeeds keeps the view, but without a join for the association: its use is an error, never a wrong join.
func TestViewThatHidesWhatAConditionNeeds(t *testing.T) {
	m, diags := csn.Read([]byte(`{"definitions": {
		"E": {"kind": "entity", "elements": {` + idOnly + `, "n": {"type": "cds.Integer"}, "x": {"type": "cds.Association", "target": "E", "on": [{"ref": ["x", "ID"]}, "=", {"ref": ["n"]}]}}},
		"V": {"kind": "entity", "projection": {"from": {"ref": ["E"]}, "columns": [{"ref": ["ID"]}, {"ref": ["x"]}]}, "elements": {` + idOnly + `, "x": {"type": "cds.Association", "target": "E", "on": [{"ref": ["x", "ID"]}, "=", {"ref": ["n"]}]}}}}}`))
	if m == nil || len(diags) != 1 || diags.HasErrors() || diags[0].Code != "csn-bad-on-condition" {
		t.Fatalf("got %v", diags)
	}
	if a := m.Entity("V").Element("x").Assoc(); a.Join != nil || a.Pairs != nil {
		t.Errorf("got a join: %s", cqn.Format(a.Join))
	}
}
