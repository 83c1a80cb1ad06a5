package uri

import (
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/odata/internal/edm"
)

func itoa(n int) string { return strconv.Itoa(n) }

// An exprParser reads expressions of $filter and $orderby. One parser serves all options of a URL, so that its counters hold for all
// of them together.
type exprParser struct {
	r     *Resource
	depth int
	nodes int
	vars  []variable // of enclosing lambdas, innermost last
	fresh int        // variables of our own
	local []option   // parameter aliases of enclosing expands
	// nested is set within $expand, where $it is not the row at hand.
	nested bool
	// aggregating allows paths over associations to many, whose values are put together.
	aggregating bool
}

// A variable of a lambda: rows of an entity, or items of an array element.
type variable struct {
	name   string
	entity *csn.Entity
	item   *csn.Element // the array, for a variable over its items
}

// An operand is an expression with what is known of its type.
type operand struct {
	x     cqn.Expr
	t     *csn.Builtin // nil if unknown
	lit   *literal     // of a constant
	cond  bool         // a condition: comparison, boolean function, and, or, not
	assoc *csn.Element // an association, not yet usable as a value
	path  []string     // of an association
	many  *cqn.Ref     // of an argument of aggregate: the association to many that x is relative to
	el    *csn.Element // the element it is the value of
	array *csn.Element // a collection of an array, which only in takes
	// counted is set for numbers of related rows.
	counted bool
	// secs are the seconds of a constant duration.
	secs string
	// computed is set for results of arithmetic, which may leave the range of their operands' type.
	computed bool
}

func (p *exprParser) enter(c *scanner) error {
	p.depth++
	if p.depth > MaxDepth {
		return bad("Expression in %s is nested deeper than %d levels", c.option, MaxDepth)
	}
	return nil
}

func (p *exprParser) leave() { p.depth-- }

func (p *exprParser) node() error {
	p.nodes++
	if p.nodes > MaxNodes {
		return bad("Expressions have more than %d operands and operators", MaxNodes)
	}
	return nil
}

// filter reads a whole $filter.
func (p *exprParser) filter(option, text string, s *scope) (cqn.Expr, error) {
	c := &scanner{option: option, s: text}
	c.blanks()
	x, err := p.condition(c, s)
	if err != nil {
		return nil, err
	}
	c.blanks()
	if !c.end() {
		return nil, c.fail("Expected an operator or end of input")
	}
	return x, nil
}

// condition reads or-terms and makes sure that they are conditions.
func (p *exprParser) condition(c *scanner, s *scope) (cqn.Expr, error) {
	o, err := p.or(c, s)
	if err != nil {
		return nil, err
	}
	return p.asCondition(c, o)
}

// asCondition accepts conditions, true and false, and boolean values.
func (p *exprParser) asCondition(c *scanner, o operand) (cqn.Expr, error) {
	switch {
	case o.cond:
		return o.x, nil
	case o.lit != nil && o.lit.value.Kind() == cqn.KindBool:
		return o.x, nil
	case o.assoc == nil && o.lit == nil && o.t != nil && o.t.Kind == csn.Boolean:
		return &cqn.Binary{Op: cqn.Eq, L: o.x, R: &cqn.Lit{Value: cqn.Bool(true)}}, nil
	}
	return nil, c.fail("Expected a condition: a comparison, a boolean function or a boolean property")
}

func (p *exprParser) or(c *scanner, s *scope) (operand, error) {
	return p.logical(c, s, "or", cqn.Or, p.and)
}

func (p *exprParser) and(c *scanner, s *scope) (operand, error) {
	return p.logical(c, s, "and", cqn.And, p.not)
}

func (p *exprParser) logical(c *scanner, s *scope, word string, op cqn.BinaryOp, sub func(*scanner, *scope) (operand, error)) (operand, error) {
	l, err := sub(c, s)
	if err != nil {
		return l, err
	}
	for {
		if _, ok := c.keyword(word); !ok {
			return l, nil
		}
		if err := p.node(); err != nil {
			return l, err
		}
		lx, err := p.asCondition(c, l)
		if err != nil {
			return l, err
		}
		r, err := sub(c, s)
		if err != nil {
			return l, err
		}
		rx, err := p.asCondition(c, r)
		if err != nil {
			return l, err
		}
		l = operand{x: &cqn.Binary{Op: op, L: lx, R: rx}, cond: true}
	}
}

func (p *exprParser) not(c *scanner, s *scope) (operand, error) {
	if !strings.EqualFold(c.word(), "not") || c.i+3 >= len(c.s) || (c.s[c.i+3] != ' ' && c.s[c.i+3] != '(' && c.s[c.i+3] != '+') {
		return p.comparison(c, s)
	}
	if err := p.enter(c); err != nil {
		return operand{}, err
	}
	defer p.leave()
	if err := p.node(); err != nil {
		return operand{}, err
	}
	c.i += 3
	c.blanks()
	o, err := p.not(c, s)
	if err != nil {
		return o, err
	}
	x, err := p.asCondition(c, o)
	if err != nil {
		return o, err
	}
	return operand{x: &cqn.Unary{Op: cqn.Not, X: x}, cond: true}, nil
}

func comparisonOp(word string) (cqn.BinaryOp, bool) {
	switch word {
	case "eq":
		return cqn.Eq, true
	case "ne":
		return cqn.Ne, true
	case "lt":
		return cqn.Lt, true
	case "le":
		return cqn.Le, true
	case "gt":
		return cqn.Gt, true
	case "ge":
		return cqn.Ge, true
	}
	return 0, false
}

func (p *exprParser) comparison(c *scanner, s *scope) (operand, error) {
	l, err := p.additive(c, s)
	if err != nil {
		return l, err
	}
	word, ok := c.keyword("eq", "ne", "lt", "le", "gt", "ge", "in", "has")
	if !ok {
		return l, nil
	}
	if err := p.node(); err != nil {
		return l, err
	}
	switch word {
	case "in":
		return p.in(c, s, l)
	case "has":
		return l, unsupported("Operator \"has\" is not supported")
	}
	r, err := p.additive(c, s)
	if err != nil {
		return l, err
	}
	op, _ := comparisonOp(word)
	return p.compare(c, op, l, r)
}

// compare makes a comparison. null stands for IS NULL; constants take the type of the other side.
func (p *exprParser) compare(c *scanner, op cqn.BinaryOp, l, r operand) (operand, error) {
	if l.assoc != nil || r.assoc != nil {
		return p.compareAssoc(c, op, l, r)
	}
	if l.many != nil || r.many != nil {
		return l, c.fail("Expected a value of one row, not of many,")
	}
	if isDuration(l) || isDuration(r) {
		if err := toDuration(c, &l, &r); err != nil {
			return l, err
		}
	}
	if isNull(l) && !isNull(r) {
		l, r = r, l
		op = mirrored(op)
	}
	if isNull(r) {
		switch op {
		case cqn.Eq:
			return operand{x: &cqn.Unary{Op: cqn.IsNull, X: l.x}, cond: true}, nil
		case cqn.Ne:
			return operand{x: &cqn.Unary{Op: cqn.IsNotNull, X: l.x}, cond: true}, nil
		}
		// null is neither less nor greater than anything (OData URL Conventions 5.1.1.1)
		return operand{x: &cqn.Lit{Value: cqn.Bool(false)}, cond: true}, nil
	}
	if l.lit != nil && r.lit == nil {
		l, r = r, l
		op = mirrored(op)
	}
	if x := compareWhole(op, l, r); x != nil {
		return operand{x: x, cond: true}, nil
	}
	if err := p.adapt(&r, l.t); err != nil {
		return l, err
	}
	if l.computed && r.lit != nil && l.t != nil && isNumeric(l.t) {
		r.x = factor(r, operand{t: &csn.Builtin{Kind: csn.Integer}})
	}
	return operand{x: &cqn.Binary{Op: op, L: l.x, R: r.x}, cond: true}, nil
}

func mirrored(op cqn.BinaryOp) cqn.BinaryOp {
	switch op {
	case cqn.Lt:
		return cqn.Gt
	case cqn.Le:
		return cqn.Ge
	case cqn.Gt:
		return cqn.Lt
	case cqn.Ge:
		return cqn.Le
	}
	return op
}

func isNull(o operand) bool { return o.lit != nil && o.lit.value.IsNull() }

// compareAssoc allows a managed to-one association to be compared with null: all its foreign keys are, or some is not.
func (p *exprParser) compareAssoc(c *scanner, op cqn.BinaryOp, l, r operand) (operand, error) {
	if l.assoc == nil {
		l, r = r, l
	}
	a := l.assoc.Assoc()
	if !isNull(r) || op != cqn.Eq && op != cqn.Ne || a.Many || len(a.FK) == 0 {
		return l, bad("Association %q can't be used as a value in an expression", l.assoc.Name)
	}
	var x cqn.Expr
	join, test := cqn.And, cqn.IsNull
	if op == cqn.Ne {
		join, test = cqn.Or, cqn.IsNotNull
	}
	for _, fk := range a.FK {
		path := append(append([]string(nil), l.path[:len(l.path)-1]...), fk.Name)
		var t cqn.Expr = &cqn.Unary{Op: test, X: cqn.NewRef(path...)}
		if x != nil {
			t = &cqn.Binary{Op: join, L: x, R: t}
		}
		x = t
	}
	return operand{x: x, cond: true}, nil
}

// adapt gives a constant the type t of the other side of a comparison, so that '12' compares with numbers and dates have one form.
func (p *exprParser) adapt(o *operand, t *csn.Builtin) error {
	if o.lit == nil || t == nil || o.lit.value.IsNull() {
		return nil
	}
	v, err := adaptLiteral(o.lit, t)
	if err != nil {
		return err
	}
	o.x, o.t = &cqn.Lit{Value: v}, t
	return nil
}

func adaptLiteral(l *literal, t *csn.Builtin) (cqn.Value, error) {
	switch t.Kind {
	case csn.Boolean:
		if k := l.value.Kind(); k == cqn.KindBool || k == cqn.KindInt {
			return l.value, nil
		}
	case csn.UInt8, csn.Int16, csn.Int32, csn.Integer, csn.Int64, csn.Decimal, csn.Double:
		if edm.IsNumber(l.text) { // any number: comparing an integer with 1.5 or 3000000000 is fine
			return number(l.text), nil
		}
	case csn.String, csn.LargeString, csn.NoScalar, csn.Vector, csn.Map:
		return cqn.String(l.text), nil
	case csn.Binary, csn.LargeBinary:
		if l.value.Kind() == cqn.KindBytes {
			return l.value, nil
		}
		if v, err := edm.Parse(t, l.text); err == nil && l.quoted {
			return v, nil
		}
	default:
		if v, err := edm.Parse(t, l.text); err == nil {
			return v, nil
		}
	}
	return cqn.Null, bad("Value %q is not a valid %s", l.text, edm.Describe(t))
}
