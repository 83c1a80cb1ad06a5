package authz

import (
	"errors"
	"os"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// recorded loads a recorded model.
func recorded(t testing.TB, name string) *csn.Model {
	t.Helper()
	data, err := os.ReadFile("../../../shared/conformance/csn/models/" + name + ".csn.json")
	if err != nil {
		t.Skip("the recorded models are not here: ", err)
	}
	m, diags := csn.Read(data)
	if m == nil || diags.HasErrors() {
		t.Fatal(diags)
	}
	return m
}

// compiled compiles a model from its text.
func compiled(t testing.TB, text string) *csn.Model {
	t.Helper()
	res := parser.CompileString("test.cds", text)
	if res.Model == nil {
		t.Fatalf("the model does not compile: %v", res.Diags)
	}
	return res.Model
}

// policy compiles the policy of a model text, not strict.
func policyOf(t testing.TB, text string) (*csn.Model, *Policy, diag.List) {
	t.Helper()
	m := compiled(t, text)
	p, diags := Compile(m, Options{})
	return m, p, diags
}

func named(id string, roles ...string) *auth.User {
	return auth.New(auth.User{ID: id}, roles...)
}

// access builds an access from a text: "READ S.Books", "UPDATE S.Orders/items", "approve S.Orders", "S.act", "S". The path's first
// part is an entity's absolute name, the others are associations.
func access(t testing.TB, m *csn.Model, text string) Access {
	t.Helper()
	what, path, found := strings.Cut(text, " ")
	if !found {
		if s := m.Service(what); s != nil {
			return Access{Service: s, Event: Read}
		}
		op, _ := m.Lookup(what).(*csn.Operation)
		if op == nil {
			t.Fatalf("access %q: neither service nor operation", text)
		}
		return Access{Service: op.Service, Event: Event(op.LocalName()), Op: op}
	}
	parts := strings.Split(path, "/")
	e := m.Entity(parts[0])
	if e == nil {
		t.Fatalf("access %q: no entity %s", text, parts[0])
	}
	a := Access{Service: e.Service, Event: Event(what), Path: []*csn.Entity{e}}
	for _, via := range parts[1:] {
		el := e.Flat.Lookup(via)
		if el == nil || el.Assoc() == nil {
			t.Fatalf("access %q: no association %s", text, via)
		}
		e = el.Assoc().Target
		a.Via, a.Path = append(a.Via, el), append(a.Path, e)
	}
	if !writes(a.Event) && a.Event != Read {
		a.Op = e.Action(what)
		if a.Op == nil && what != "FROB" {
			t.Fatalf("access %q: no operation %s", text, what)
		}
	}
	return a
}

// condition shows a guard's answer: "all", "forbidden", "forbidden 401" or the condition.
func condition(g *Guard, e *csn.Entity, use sqlgen.Use) string {
	c, err := g.Condition(e, use)
	if err != nil {
		var f *sqlgen.Forbidden
		ok := errors.As(err, &f)
		switch {
		case !ok:
			return "fault: " + err.Error()
		case f.Anonymous:
			return "forbidden 401"
		}
		return "forbidden"
	}
	x, ok := c.Expr()
	switch {
	case !ok:
		return "no answer"
	case x == nil:
		return "all"
	}
	return cqn.Format(x)
}

var verdicts = map[Verdict]string{Deny401: "401", Deny403: "403", Deny405: "405", Allow: "allow", AllowIf: "if"}
