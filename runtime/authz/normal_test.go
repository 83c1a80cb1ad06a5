package authz

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
)

func str(s string) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoString, Text: s} }
func arr(items ...*cqn.AnnoValue) *cqn.AnnoValue {
	return &cqn.AnnoValue{Kind: cqn.AnnoArray, Items: items}
}
func null() *cqn.AnnoValue      { return &cqn.AnnoValue{Kind: cqn.AnnoNull} }
func flag() *cqn.AnnoValue      { return &cqn.AnnoValue{} }
func yes(b bool) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoBool, Bool: b} }
func number(s string) *cqn.AnnoValue {
	return &cqn.AnnoValue{Kind: cqn.AnnoNumber, Text: s}
}

// obj makes a privilege from pairs of name and value.
func obj(pairs ...any) *cqn.AnnoValue {
	v := &cqn.AnnoValue{Kind: cqn.AnnoStruct}
	for i := 0; i < len(pairs); i += 2 {
		v.Fields = append(v.Fields, cqn.AnnoField{Name: pairs[i].(string), Value: pairs[i+1].(*cqn.AnnoValue)})
	}
	return v
}

// cond makes a parsed condition.
func cond(x cqn.Expr) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoExpr, Expr: x} }

func annos(pairs ...any) csn.Annotations {
	var a csn.Annotations
	for i := 0; i < len(pairs); i += 2 {
		a = append(a, cqn.AnnoField{Name: pairs[i].(string), Value: pairs[i+1].(*cqn.AnnoValue)})
	}
	return a
}

// subjectEntity is an entity with one element of each kind that conditions can trip over.
func subjectEntity() *csn.Entity {
	text := &csn.Builtin{Name: "cds.String", Kind: csn.String}
	el := func(name string, t csn.Type) *csn.Element { return &csn.Element{Def: csn.Def{Name: name}, Type: t} }
	e := &csn.Entity{Def: csn.Def{Name: "S.E"}}
	other := &csn.Entity{Def: csn.Def{Name: "S.O"}, ID: 1, Elements: csn.Elements{el("name", text)}}
	other.Flat = other.Elements
	virtual := el("ghost", text)
	virtual.Virtual = true
	e.Elements = csn.Elements{
		el("owner", text), el("tags", &csn.Array{Items: el("", text)}), virtual,
		el("one", &csn.Assoc{Target: other, Keys: []csn.ForeignKey{{Ref: []string{"name"}}}}), el("many", &csn.Assoc{Target: other, Many: true}),
		el("addr", &csn.Struct{Elements: csn.Elements{el("city", text)}}), el("cut", &csn.Assoc{}),
	}
	e.Flat = csn.Elements{el("owner", text), el("addr_city", text)}
	e.Actions = []*csn.Operation{{Def: csn.Def{Name: "approve"}, Entity: e}}
	return e
}

func eq(l, r cqn.Expr) cqn.Expr { return &cqn.Binary{Op: cqn.Eq, L: l, R: r} }

// What is not understood closes the resource, and is an error if strict (decision 1); what grants nothing only warns (decision 2).
func TestNormalForm(t *testing.T) {
	me := eq(cqn.NewRef("owner"), &cqn.Param{From: cqn.FromUserID})
	lit := func(v cqn.Value) cqn.Expr { return &cqn.Lit{Value: v} }
	for _, c := range []struct {
		name string
		a    csn.Annotations
		want string // table, "none", or "closed: code"; a trailing "!" tells a warning that nobody is granted anything
	}{
		{"nothing", annos("title", str("x")), "none"},
		{"requires", annos("requires", str("admin")), "requires admin"},
		{"requires list", annos("requires", arr(str("b"), str("a"))), "requires a,b"},
		{"requires null", annos("requires", null()), "none"},
		{"requires empty", annos("requires", str("")), "requires !"},
		{"requires no item", annos("requires", arr()), "requires !"},
		{"requires one empty item", annos("requires", arr(str("a"), str(""))), "requires a!"},
		{"requires without value", annos("requires", flag()), "closed: authz-requires-form"},
		{"requires true", annos("requires", yes(true)), "closed: authz-requires-form"},
		{"requires number", annos("requires", arr(number("1"))), "closed: authz-requires-form"},
		{"requires nested list", annos("requires", arr(arr(str("a")))), "closed: authz-requires-form"},
		{"requires ref", annos("requires", &cqn.AnnoValue{Kind: cqn.AnnoRef, Text: "admin"}), "closed: authz-requires-form"},
		{"requires struct", annos("requires.role", str("a")), "closed: authz-requires-form"},
		{"restrict empty", annos("restrict", arr()), "nothing!"},
		{"restrict null", annos("restrict", null()), "none"},
		{"restrict without value", annos("restrict", flag()), "closed: authz-restrict-form"},
		{"restrict text", annos("restrict", str("READ")), "closed: authz-restrict-form"},
		{"restrict no list", annos("restrict.grant", str("READ"), "restrict.to", str("a")), "closed: authz-restrict-form"},
		{"restrict item text", annos("restrict", arr(str("READ"))), "closed: authz-restrict-form"},
		{"restrict item null", annos("restrict", arr(null())), "closed: authz-restrict-form"},
		{"restrict empty item", annos("restrict", arr(obj())), "closed: authz-restrict-form"},
		{"qualified", annos("restrict#x", arr()), "closed: authz-restrict-form"},
		{"misspelt require", annos("require", str("a")), "closed: authz-misspelt"},
		{"misspelt restricted", annos("restricted", arr()), "closed: authz-misspelt"},
		{"misspelt case", annos("Restrict", arr()), "closed: authz-misspelt"},
		{"misspelt letter", annos("retsrict", arr()), "closed: authz-misspelt"},
		{"begins alike", annos("restriction", str("see the handbook"), "requirements", str("R17")), "none"},
		{"privileges under another name", annos("restrictions", arr(obj("grant", str("READ")))), "closed: authz-misspelt"},
		{"not misspelt", annos("readonly", flag(), "description", str("x"), "cds.autoexpose", flag()), "none"},
		{"grant", annos("restrict", arr(obj("grant", str("READ")))), "READ to any"},
		{"to only", annos("restrict", arr(obj("to", str("a")))), "* to a"},
		{"where only", annos("restrict", arr(obj("where", cond(me)))), "* to any where owner = $user"},
		{"grants", annos("restrict", arr(obj("grant", arr(str("WRITE"), str("READ"))))), "READ,WRITE to any"},
		{"operation", annos("restrict", arr(obj("grant", str("approve")))), "approve to any"},
		{"unknown grant", annos("restrict", arr(obj("grant", str("frob")))), "closed: authz-grant"},
		{"grant in lower case", annos("restrict", arr(obj("grant", str("read")))), "closed: authz-grant"},
		{"grant SELECT", annos("restrict", arr(obj("grant", str("SELECT")))), "closed: authz-grant"},
		{"one unknown of two", annos("restrict", arr(obj("grant", str("READ")), obj("grant", str("Write")))), "closed: authz-grant"},
		{"grant without value", annos("restrict", arr(obj("grant", flag()))), "closed: authz-grant"},
		{"grant of nothing", annos("restrict", arr(obj("grant", arr()))), "nothing!"},
		{"grant null", annos("restrict", arr(obj("grant", null()))), "nothing!"},
		{"to nobody", annos("restrict", arr(obj("grant", str("READ"), "to", arr()))), "nothing!"},
		{"to empty", annos("restrict", arr(obj("grant", str("READ"), "to", str("")))), "nothing!"},
		{"to null", annos("restrict", arr(obj("grant", str("READ"), "to", null()))), "nothing!"},
		{"to true", annos("restrict", arr(obj("grant", str("READ"), "to", yes(true)))), "closed: authz-to"},
		{"grants", annos("restrict", arr(obj("grants", str("READ")))), "closed: authz-privilege-property"},
		{"were", annos("restrict", arr(obj("grant", str("READ"), "were", str("x = 1")))), "closed: authz-privilege-property"},
		{"twice", annos("restrict", arr(obj("to", str("a"), "to", str("b")))), "closed: authz-privilege-property"},
		{"where not parsed", annos("restrict", arr(obj("where", str("owner =")))), "closed: authz-where"},
		{"where empty", annos("restrict", arr(obj("where", str("")))), "closed: authz-where"},
		{"where null", annos("restrict", arr(obj("where", null()))), "closed: authz-where"},
		{"where true as text", annos("restrict", arr(obj("where", str("true")))), "* to any"},
		{"where true", annos("restrict", arr(obj("where", yes(true)))), "* to any"},
		{"where false", annos("restrict", arr(obj("where", yes(false)))), "* to any where false"},
		{"where 1 = 1", annos("restrict", arr(obj("where", cond(eq(lit(cqn.Int(1)), lit(cqn.Int(1))))))), "* to any"},
		{"where null literal", annos("restrict", arr(obj("where", cond(lit(cqn.Null))))), "* to any where null"},
		{"unknown element", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("ownr"), lit(cqn.Int(1))))))), "closed: authz-where"},
		{"path", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("one", "name"), lit(cqn.Int(1))))))), "* to any where one.name = 1"},
		{"unknown path", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("one", "x"), lit(cqn.Int(1))))))), "closed: authz-where"},
		{"path over a scalar", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("owner", "x"), lit(cqn.Int(1))))))), "closed: authz-where"},
		{"path over no target", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("cut", "x"), lit(cqn.Int(1))))))), "closed: authz-where"},
		{"part of a structure", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("addr", "city"), lit(cqn.Int(1))))))), "* to any where addr.city = 1"},
		{"structure", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("addr"), lit(cqn.Int(1))))))), "closed: authz-where"},
		{"array", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("tags"), lit(cqn.String("x"))))))), "closed: authz-where"},
		{"membership", annos("restrict", arr(obj("where", cond(&cqn.In{X: lit(cqn.String("x")), Set: cqn.NewRef("tags")})))), "* to any where 'x' in tags"},
		{"membership in a scalar", annos("restrict", arr(obj("where", cond(&cqn.In{X: lit(cqn.String("x")), Set: cqn.NewRef("owner")})))), "closed: authz-where"},
		{"virtual", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("ghost"), lit(cqn.Int(1))))))), "closed: authz-where"},
		{"exists", annos("restrict", arr(obj("where", cond(&cqn.Exists{Path: cqn.NewRef("many"), Pred: eq(cqn.NewRef("name"), lit(cqn.Int(1)))})))), "* to any where exists many[name = 1]"},
		{"exists of a scalar", annos("restrict", arr(obj("where", cond(&cqn.Exists{Path: cqn.NewRef("owner")})))), "closed: authz-where"},
		{"exists with unknown name", annos("restrict", arr(obj("where", cond(&cqn.Exists{Path: cqn.NewRef("many"), Pred: cqn.NewRef("owner")})))), "closed: authz-where"},
		{"subquery", annos("restrict", arr(obj("where", cond(&cqn.Subquery{Query: &cqn.Select{}, Exists: true})))), "closed: authz-where"},
		{"literal of a request", annos("restrict", arr(obj("where", cond(eq(cqn.NewRef("owner"), &cqn.Param{From: cqn.FromLiteral}))))), "closed: authz-where"},
		{"aggregate", annos("restrict", arr(obj("where", cond(eq(&cqn.Call{Name: "count", Star: true}, lit(cqn.Int(1))))))), "closed: authz-where"},
	} {
		for _, strict := range []bool{false, true} {
			n := &normalizer{strict: strict, roles: &roleTable{}}
			e := subjectEntity()
			r := n.rules(resource{what: "entity", on: "E", entity: e, ops: operationNames(e), events: true}, &csn.Def{Name: "E", Annotations: c.a})
			if got := showRules(r, n.diags); got != c.want {
				t.Errorf("%s (strict %v): got %q, want %q\n%v", c.name, strict, got, c.want, n.diags)
			}
			if closed := strings.HasPrefix(c.want, "closed"); n.diags.HasErrors() != (closed && strict) {
				t.Errorf("%s (strict %v): has errors %v", c.name, strict, n.diags.HasErrors())
			}
			for _, d := range n.diags {
				if d.Message == "" || d.Home != "entity:E" {
					t.Errorf("%s: diagnostic without message or home: %+v", c.name, d)
				}
			}
		}
	}
}

func showRules(r *rules, diags diag.List) string {
	warned := ""
	for _, d := range diags {
		if d.Code == codeGrantsNothing {
			warned = "!"
		}
	}
	switch {
	case r == nil:
		return "none"
	case r.closed != "":
		for _, d := range diags {
			if d.Code != codeGrantsNothing {
				return "closed: " + string(d.Code)
			}
		}
		return "closed without a word"
	}
	var lines []string
	for _, row := range r.rows() {
		line := "nothing"
		if len(row.Grant) > 0 {
			line = strings.Join(row.Grant, ",") + " to " + strings.Join(row.To, ",")
		}
		if row.Where != "" {
			line += " where " + row.Where
		}
		if r.requires != nil && strings.HasSuffix(row.On, "@requires") {
			line = "requires " + strings.Join(row.To, ",")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ") + warned
}

// On services and operations only static conditions and the operation's own name make sense.
func TestOtherResources(t *testing.T) {
	me := cond(eq(cqn.NewRef("owner"), &cqn.Param{From: cqn.FromUserID}))
	static := cond(&cqn.Unary{Op: cqn.IsNotNull, X: &cqn.Param{From: cqn.FromUserAttr, Name: "level"}})
	own := func(name string) bool { return name == "act" }
	service := resource{what: "service", on: "S", events: true, ops: own}
	operation := resource{what: "operation", on: "S.act", ops: own}
	element := resource{what: "element", on: "S.E.x", events: true, loose: true}
	for _, c := range []struct {
		name string
		res  resource
		a    csn.Annotations
		want string
	}{
		{"service event", service, annos("restrict", arr(obj("grant", str("READ"), "to", str("a")))), "READ to a"},
		{"service operation", service, annos("restrict", arr(obj("grant", str("act"), "to", str("a")))), "act to a"},
		{"service static", service, annos("restrict", arr(obj("where", static))), "* to any where $user.level is not null"},
		{"service rows", service, annos("restrict", arr(obj("where", me))), "closed: authz-where"},
		{"own name", operation, annos("restrict", arr(obj("grant", str("act"), "to", str("a")))), "act to a"},
		{"star", operation, annos("restrict", arr(obj("grant", str("*"), "to", str("a")))), "* to a"},
		{"other name", operation, annos("restrict", arr(obj("grant", str("other"), "to", str("a")))), "closed: authz-grant"},
		{"event", operation, annos("restrict", arr(obj("grant", str("READ"), "to", str("a")))), "closed: authz-grant"},
		{"operation rows", operation, annos("restrict", arr(obj("where", me))), "closed: authz-where"},
		{"element", element, annos("restrict", arr(obj("grant", str("READ"), "to", str("a")))), "READ to a"},
		{"element rows", element, annos("restrict", arr(obj("where", me))), "closed: authz-where"},
		{"element with a similar annotation", element, annos("required", flag()), "none"},
	} {
		n := &normalizer{roles: &roleTable{}}
		if got := showRules(n.rules(c.res, &csn.Def{Annotations: c.a}), n.diags); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A condition nested beyond all measure is refused, not a stack overflow.
func TestDeepCondition(t *testing.T) {
	var x cqn.Expr = cqn.NewRef("owner")
	for range 10_000 {
		x = &cqn.Unary{Op: cqn.Not, X: x}
	}
	n := &normalizer{roles: &roleTable{}}
	e := subjectEntity()
	r := n.rules(resource{what: "entity", on: "E", entity: e, events: true}, &csn.Def{Annotations: annos("restrict", arr(obj("where", cond(x))))})
	if got := showRules(r, n.diags); got != "closed: authz-where" {
		t.Fatal(got)
	}
}

// Every code that is reported is documented.
func TestMessages(t *testing.T) {
	cat := Messages()
	for _, c := range []diag.Code{codeRestrictForm, codeRequiresForm, codeMisspelt, codeProperty, codeGrant, codeTo, codeWhere, codeGrantsNothing, codeSibling, codeRootHidden,
		codeCondition, codeMessage, codeRoles, codeTenant, codeMask, codeAuditLog, codeNoEffect} {
		if e := cat[c]; e.Title == "" || e.Explain == "" || e.Wrong == "" || e.Right == "" {
			t.Errorf("%s is not documented", c)
		}
	}
	if len(cat) != 17 {
		t.Errorf("%d entries", len(cat))
	}
}
