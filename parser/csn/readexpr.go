package csn

import (
	"encoding/hex"
	"strconv"
	"strings"

	"cds/parser/cqn"
)

// maxTerms bounds the operands of one condition, since chains of `or` become trees as deep as they are long.
const maxTerms = 5000

// condition reads a list of tokens: operands as objects, operators and keywords as strings.
func (r *csnReader) condition(n *node) cqn.Expr {
	if !r.want(n, 'a', "a condition") || len(n.items) == 0 {
		r.bad(codeExpr, n, "a condition must be a list of tokens that is not empty")
		return nil
	}
	if r.depth++; r.depth > 2*maxDepth {
		r.depth--
		r.bad(codeTooDeep, n, "a condition is nested more than %d levels deep", 2*maxDepth)
		return nil
	}
	defer func() { r.depth-- }()
	p := &tokenParser{csnReader: r, list: n}
	x := p.or(0)
	if !p.failed && p.i < len(n.items) {
		p.fail("an operator was expected")
	}
	if p.failed {
		return nil
	}
	return x
}

type tokenParser struct {
	*csnReader
	list   *node
	i      int
	terms  int // operands so far
	failed bool
}

func (p *tokenParser) fail(msg string) {
	if p.failed {
		return
	}
	p.failed = true
	at := p.list
	got := "the end"
	if p.i < len(p.list.items) {
		at = p.list.items[p.i]
		if got = at.what(); at.kind == 's' {
			got = strconv.Quote(at.text)
		}
	}
	p.bad(codeExpr, at, "%s before %s", msg, got)
}

// peek returns the keyword or operator at the next position, in lower case, "" for an operand or the end.
func (p *tokenParser) peek() string {
	if p.i < len(p.list.items) && p.list.items[p.i].kind == 's' {
		return strings.ToLower(p.list.items[p.i].text)
	}
	return ""
}

func (p *tokenParser) accept(word string) bool {
	if p.failed || p.peek() != word {
		return false
	}
	p.i++
	return true
}

func (p *tokenParser) expect(word string) {
	if !p.accept(word) {
		p.fail(strconv.Quote(word) + " was expected")
	}
}

// deeper bounds recursion that is not bounded by the nesting of the JSON.
func (p *tokenParser) deeper(depth int) bool {
	if depth > 2*maxDepth {
		p.fail("too deeply nested")
	}
	return !p.failed
}

func (p *tokenParser) or(depth int) cqn.Expr {
	x := p.and(depth)
	for p.accept("or") {
		x = &cqn.Binary{Op: cqn.Or, L: x, R: p.and(depth)}
	}
	return x
}

func (p *tokenParser) and(depth int) cqn.Expr {
	x := p.not(depth)
	for p.accept("and") {
		x = &cqn.Binary{Op: cqn.And, L: x, R: p.not(depth)}
	}
	return x
}

func (p *tokenParser) not(depth int) cqn.Expr {
	if p.deeper(depth) && p.accept("not") {
		return &cqn.Unary{Op: cqn.Not, X: p.not(depth + 1)}
	}
	return p.comparison(depth)
}

func (p *tokenParser) comparison(depth int) cqn.Expr {
	x := p.concat(depth)
	for !p.failed {
		neg := false
		word := p.peek()
		if word == "not" && p.i+1 < len(p.list.items) {
			p.i++
			neg = true
			if word = p.peek(); word != "in" && word != "between" && word != "like" {
				p.fail("in, between or like was expected after not,")
				return nil
			}
		}
		switch word {
		case "is":
			p.i++
			x = p.is(x)
		case "in":
			p.i++
			x = &cqn.In{X: x, Set: p.set(depth), Negated: neg}
		case "between":
			p.i++
			lo := p.concat(depth)
			p.expect("and")
			x = &cqn.Between{X: x, Lo: lo, Hi: p.concat(depth), Negated: neg}
		case "like":
			p.i++
			l := &cqn.Like{X: x, Pattern: p.concat(depth), Negated: neg}
			if p.accept("escape") {
				l.Escape = p.concat(depth)
			}
			x = l
		default:
			op, ok := comparisonOps[word]
			if !ok {
				return x
			}
			p.i++
			x = &cqn.Binary{Op: op, L: x, R: p.concat(depth)}
		}
	}
	return x
}

var comparisonOps = map[string]cqn.BinaryOp{
	"=": cqn.Eq, "==": cqn.EqNull, "!=": cqn.Ne, "<>": cqn.NeSQL, "<": cqn.Lt, "<=": cqn.Le, ">": cqn.Gt, ">=": cqn.Ge,
}

func (p *tokenParser) is(x cqn.Expr) cqn.Expr {
	neg := p.accept("not")
	switch {
	case p.accept("null") && neg:
		return &cqn.Unary{Op: cqn.IsNotNull, X: x}
	case !p.failed && neg && p.accept("true"):
		return &cqn.Unary{Op: cqn.IsNotTrue, X: x}
	case p.i > 0 && strings.EqualFold(p.list.items[p.i-1].text, "null") && !neg:
		return &cqn.Unary{Op: cqn.IsNull, X: x}
	}
	p.fail("null was expected")
	return nil
}

// set reads what stands after in: a list, a query, a user attribute or an array element.
func (p *tokenParser) set(depth int) cqn.Expr {
	switch s := p.primary(depth).(type) {
	case *cqn.Tuple:
		// `in ((1, 2))` is a set of one tuple: the inner one is wrapped.
		if n := p.list.items[p.i-1]; n.get("xpr") != nil {
			return &cqn.Tuple{Items: []cqn.Expr{s}}
		}
		return s
	case *cqn.Subquery, *cqn.Param, *cqn.Ref, nil:
		return s
	default:
		return &cqn.Tuple{Items: []cqn.Expr{s}}
	}
}

func (p *tokenParser) concat(depth int) cqn.Expr {
	x := p.sum(depth)
	for p.accept("||") {
		x = &cqn.Binary{Op: cqn.Concat, L: x, R: p.sum(depth)}
	}
	return x
}

func (p *tokenParser) sum(depth int) cqn.Expr {
	x := p.product(depth)
	for {
		switch {
		case p.accept("+"):
			x = &cqn.Binary{Op: cqn.Add, L: x, R: p.product(depth)}
		case p.accept("-"):
			x = &cqn.Binary{Op: cqn.Sub, L: x, R: p.product(depth)}
		default:
			return x
		}
	}
}

func (p *tokenParser) product(depth int) cqn.Expr {
	x := p.sign(depth)
	for {
		switch {
		case p.accept("*"):
			x = &cqn.Binary{Op: cqn.Mul, L: x, R: p.sign(depth)}
		case p.accept("/"):
			x = &cqn.Binary{Op: cqn.Div, L: x, R: p.sign(depth)}
		case p.accept("%"):
			x = &cqn.Binary{Op: cqn.Mod, L: x, R: p.sign(depth)}
		default:
			return x
		}
	}
}

func (p *tokenParser) sign(depth int) cqn.Expr {
	if !p.deeper(depth) {
		return nil
	}
	switch {
	case p.accept("-"):
		return &cqn.Unary{Op: cqn.Neg, X: p.sign(depth + 1)}
	case p.accept("+"):
		return &cqn.Unary{Op: cqn.Plus, X: p.sign(depth + 1)}
	}
	return p.primary(depth)
}

func (p *tokenParser) primary(depth int) cqn.Expr {
	if p.failed || !p.deeper(depth) {
		return nil
	}
	switch {
	case p.accept("case"):
		return p.caseOf(depth)
	case p.accept("exists"):
		switch x := p.primary(depth + 1).(type) {
		case *cqn.Ref:
			return &cqn.Exists{Path: x}
		case *cqn.Subquery:
			return &cqn.Subquery{Query: x.Query, Exists: true}
		}
		p.fail("exists needs a path or a query")
		return nil
	case p.i >= len(p.list.items) || p.list.items[p.i].kind != 'o':
		p.fail("an operand was expected")
		return nil
	}
	x := p.operand(p.list.items[p.i])
	if p.list.items[p.i].has("xpr") {
		x = cqn.Parens(x)
	}
	p.i++
	if p.terms++; p.terms > maxTerms {
		p.fail("a condition has too many operands")
	}
	if x == nil { // operand has reported why
		p.failed = true
	}
	return x
}

func (p *tokenParser) caseOf(depth int) cqn.Expr {
	c := &cqn.Case{}
	if p.peek() != "when" {
		c.X = p.or(depth + 1)
	}
	for p.accept("when") {
		w := cqn.When{Cond: p.or(depth + 1)}
		p.expect("then")
		w.Then = p.or(depth + 1)
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.fail("when was expected")
	}
	if p.accept("else") {
		c.Else = p.or(depth + 1)
	}
	p.expect("end")
	return c
}

// operand reads an expression that is one object. nil is returned with a diagnostic.
func (r *csnReader) operand(n *node) cqn.Expr {
	if !r.want(n, 'o', "an operand") {
		return nil
	}
	if r.depth++; r.depth > 2*maxDepth {
		r.depth--
		r.bad(codeTooDeep, n, "an expression is nested more than %d levels deep", 2*maxDepth)
		return nil
	}
	defer func() { r.depth-- }()
	x := r.operandWithoutCast(n)
	if c := n.get("cast"); c != nil && x != nil {
		t := r.typeName(c)
		if t == nil {
			return nil
		}
		return &cqn.Cast{X: x, Type: *t}
	}
	return x
}

func (r *csnReader) operandWithoutCast(n *node) cqn.Expr {
	switch {
	case n.has("ref"):
		return r.ref(n)
	case n.has("func"):
		if c := r.call(n); c != nil {
			return c
		}
		return nil
	case n.has("val"):
		l := &cqn.Lit{Value: r.value(n.get("val"), n.get("literal").str())}
		l.Enum = n.get("#").str()
		return l
	case n.get("#").str() != "":
		return &cqn.Lit{Enum: n.get("#").text}
	case n.has("xpr"):
		return r.condition(n.get("xpr"))
	case n.has("list"):
		t := &cqn.Tuple{}
		if !r.want(n.get("list"), 'a', "list") {
			return nil
		}
		for _, x := range n.get("list").items {
			item := r.operand(x)
			if item == nil {
				return nil
			}
			t.Items = append(t.Items, item)
		}
		return t
	case n.has("SELECT"), n.has("SET"):
		if q := r.query(n); q != nil {
			return &cqn.Subquery{Query: q}
		}
		return nil
	}
	r.bad(codeExpr, n, "an operand needs ref, val, func, xpr, list, SELECT, SET or #")
	return nil
}

func (r *csnReader) typeName(n *node) *cqn.TypeName {
	if !r.want(n, 'o', "cast") {
		return nil
	}
	t := &cqn.TypeName{Name: n.get("type").str()}
	if ref := n.get("type").get("ref"); ref != nil {
		t.Name = strings.Join(r.strings(ref, "a type's ref"), ":")
	}
	var b Builtin
	r.facets(&b, n)
	t.Length, t.Precision, t.Scale = b.Length, b.Precision, b.Scale
	return t
}

// value reads a constant. literal is CSN's note on what the text is.
func (r *csnReader) value(n *node, literal string) cqn.Value {
	switch n.kind {
	case 't', 'f':
		return cqn.Bool(n.kind == 't')
	case 'n':
		if i, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			return cqn.Int(i)
		}
		return cqn.Decimal(n.text)
	case 's':
		switch literal {
		case "date":
			return cqn.Text(cqn.KindDate, n.text)
		case "time":
			return cqn.Text(cqn.KindTime, n.text)
		case "timestamp":
			return cqn.Text(cqn.KindTimestamp, n.text)
		case "datetime":
			return cqn.Text(cqn.KindDateTime, n.text)
		case "number":
			return cqn.Decimal(n.text)
		case "x":
			if b, err := hex.DecodeString(n.text); err == nil {
				return cqn.Bytes(b)
			}
			r.bad(codeExpr, n, "a hexadecimal constant has other characters")
		}
		return cqn.String(n.text)
	case 'z':
		return cqn.Null
	}
	r.bad(codeExpr, n, "a constant must be a string, number, boolean or null, not %s", n.what())
	return cqn.Null
}

// ref reads a path. Pseudo variables become parameters.
func (r *csnReader) ref(n *node) cqn.Expr {
	path := r.steps(n.get("ref"))
	if path == nil {
		return nil
	}
	if r.bool(n.get("param"), "param") {
		if len(path) != 1 {
			r.bad(codeExpr, n, "a parameter has one name")
			return nil
		}
		return &cqn.Param{From: cqn.FromViewArg, Name: path[0].Name}
	}
	if p := pseudo(path); p != nil {
		return p
	}
	return &cqn.Ref{Path: path}
}

// pseudo returns the parameter that a path such as $user.country stands for, nil if it is a path to an element.
func pseudo(path []cqn.Step) *cqn.Param {
	head := path[0].Name
	if !strings.HasPrefix(head, "$") || head == "$self" || head == "$projection" {
		return nil
	}
	names := make([]string, len(path)-1)
	for i, s := range path {
		if s.Filter != nil || len(s.Args) > 0 {
			return nil
		}
		if i > 0 {
			names[i-1] = s.Name
		}
	}
	rest := strings.Join(names, ".")
	switch head + "/" + rest {
	case "$user/", "$user/id":
		return &cqn.Param{From: cqn.FromUserID}
	case "$user/tenant", "$tenant/":
		return &cqn.Param{From: cqn.FromUserTenant}
	case "$user/locale", "$locale/":
		return &cqn.Param{From: cqn.FromUserLocale}
	case "$now/":
		return &cqn.Param{From: cqn.FromNow}
	case "$at/from", "$at/to":
		return &cqn.Param{From: cqn.FromAt, Name: rest}
	case "$valid/from", "$valid/to":
		return &cqn.Param{From: cqn.FromAt, Name: "valid." + rest}
	}
	switch {
	case head == "$user":
		return &cqn.Param{From: cqn.FromUserAttr, Name: rest}
	case head == "$parameters" && len(names) == 1:
		return &cqn.Param{From: cqn.FromViewArg, Name: rest}
	}
	return nil
}

// steps reads the steps of a path: names, or objects with id, where and args.
func (r *csnReader) steps(n *node) []cqn.Step {
	if !r.want(n, 'a', "ref") || len(n.items) == 0 {
		r.bad(codeExpr, n, "a ref must be a list of names that is not empty")
		return nil
	}
	path := make([]cqn.Step, 0, len(n.items))
	for _, x := range n.items {
		s := cqn.Step{}
		switch x.kind {
		case 's':
			s.Name = x.text
		case 'o':
			s.Name = r.string(x.get("id"), "id")
			if w := x.get("where"); w != nil {
				if s.Filter = r.condition(w); s.Filter == nil {
					return nil
				}
			}
			if args := x.get("args"); r.want(args, 'o', "args") {
				for i, a := range args.items {
					v := r.operand(a)
					if v == nil {
						return nil
					}
					s.Args = append(s.Args, cqn.NamedArg{Name: args.keys[i], X: v})
				}
			}
		}
		if s.Name == "" {
			r.bad(codeExpr, x, "a step of a ref needs a name")
			return nil
		}
		path = append(path, s)
	}
	return path
}

func (r *csnReader) call(n *node) *cqn.Call {
	c := &cqn.Call{Name: r.string(n.get("func"), "func")}
	if c.Name == "" {
		r.bad(codeExpr, n, "a function needs a name")
		return nil
	}
	args := n.get("args")
	if args != nil && args.kind == 'o' {
		r.bad(codeExpr, args, "named arguments of functions are not supported")
		return nil
	}
	if r.want(args, 'a', "args") {
		for _, a := range args.items {
			switch {
			case a.str() == "*":
				c.Star = true
				continue
			case len(args.items) == 1 && a.get("xpr") != nil && distinct(a.get("xpr")) != nil:
				c.Distinct = true
				a = distinct(a.get("xpr"))
			}
			x := r.operand(a)
			if x == nil {
				return nil
			}
			c.Args = append(c.Args, x)
		}
	}
	if x := n.get("xpr"); x != nil && !r.window(c, x) {
		return nil
	}
	return c
}

// distinct returns the operand after `distinct` in a token list of these two.
func distinct(xpr *node) *node {
	if len(xpr.items) == 2 && strings.EqualFold(xpr.items[0].str(), "distinct") {
		return xpr.items[1]
	}
	return nil
}

// window reads ["over", {xpr: [partition by … order by …]}].
func (r *csnReader) window(c *cqn.Call, n *node) bool {
	if n.kind != 'a' || len(n.items) != 2 || n.items[0].str() != "over" || n.items[1].get("xpr") == nil {
		r.bad(codeExpr, n, "over with a window was expected after a function")
		return false
	}
	list := n.items[1].get("xpr")
	if !r.want(list, 'a', "a window") {
		return false
	}
	p := &tokenParser{csnReader: r, list: list}
	c.Over = &cqn.Window{}
	if p.accept("partition") {
		p.expect("by")
		c.Over.PartitionBy = append(c.Over.PartitionBy, p.or(0))
		for p.accept(",") || !p.failed && p.i < len(list.items) && list.items[p.i].kind == 'o' {
			c.Over.PartitionBy = append(c.Over.PartitionBy, p.or(0))
		}
	}
	if p.accept("order") {
		p.expect("by")
		for first := true; first || p.accept(",") || !p.failed && p.i < len(list.items) && list.items[p.i].kind == 'o'; first = false {
			o := cqn.Order{X: p.or(0)}
			if o.Desc = p.accept("desc"); !o.Desc {
				p.accept("asc")
			}
			c.Over.OrderBy = append(c.Over.OrderBy, o)
		}
	}
	var frame []string
	for ; !p.failed && p.i < len(list.items); p.i++ {
		t := list.items[p.i]
		switch {
		case t.kind == 's':
			frame = append(frame, t.text)
		case t.get("val") != nil && t.get("val").kind == 'n':
			frame = append(frame, t.get("val").text)
		default:
			p.fail("rows, range or the end was expected")
		}
	}
	c.Over.Frame = strings.Join(frame, " ")
	return !p.failed
}
