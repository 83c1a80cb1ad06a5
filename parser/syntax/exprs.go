package syntax

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/token"
)

// The operators with two operands, by precedence. Comparisons (level 4) have forms of their own, see compare.
const (
	precOr = iota + 1
	precAnd
	precNot
	precCompare
	precConcat
	precAdd
	precMul
)

// expr consumes an expression, or a condition: they have one grammar.
func (c *cursor) expr() cqn.Expr {
	if !c.enter() {
		c.leave()
		return &cqn.Lit{}
	}
	defer c.leave()
	at := c.here()
	x := c.binary(precOr)
	if !c.accept("?") {
		return x
	}
	then := c.expr()
	c.expect(":")
	els := c.expr()
	return &cqn.Case{At: cqn.At{Where: c.since(at)}, Whens: []cqn.When{{Cond: x, Then: then}}, Else: els}
}

// operator returns the operator of the given level that comes next.
func (c *cursor) operator(prec int) (cqn.BinaryOp, bool) {
	switch {
	case prec == precOr && c.word("or"):
		return cqn.Or, true
	case prec == precAnd && c.word("and"):
		return cqn.And, true
	case prec == precConcat && c.is("||"):
		return cqn.Concat, true
	case prec == precAdd && c.is("+"):
		return cqn.Add, true
	case prec == precAdd && c.is("-"):
		return cqn.Sub, true
	case prec == precMul && c.is("*"):
		return cqn.Mul, true
	case prec == precMul && c.is("/"):
		return cqn.Div, true
	}
	return 0, false
}

// binary consumes an expression whose operators bind at least as tightly as prec.
func (c *cursor) binary(prec int) cqn.Expr {
	switch {
	case prec == precNot:
		return c.not()
	case prec == precCompare:
		return c.compare()
	case prec > precMul:
		return c.unary()
	}
	at := c.here()
	x := c.binary(prec + 1)
	for n := 0; c.failed == nil; n++ {
		op, ok := c.operator(prec)
		if !ok {
			break
		}
		if n == maxChain {
			c.fail(codeDeep, c.here(), "More than %d operators in a row", maxChain)
		}
		c.next()
		r := c.binary(prec + 1)
		x = &cqn.Binary{At: cqn.At{Where: c.since(at)}, Op: op, L: x, R: r}
	}
	return x
}

func (c *cursor) not() cqn.Expr {
	if !c.word("not") {
		return c.binary(precCompare)
	}
	at := c.here()
	c.next()
	if !c.enter() {
		c.leave()
		return &cqn.Lit{}
	}
	defer c.leave()
	x := c.not()
	return &cqn.Unary{At: cqn.At{Where: c.since(at)}, Op: cqn.Not, X: x}
}

func (c *cursor) comparison() (cqn.BinaryOp, bool) {
	t := c.peek()
	if t.Type != tPunct {
		return 0, false
	}
	switch t.Value {
	case "=":
		return cqn.Eq, true
	case "==":
		return cqn.EqNull, true
	case "!=":
		return cqn.Ne, true
	case "<>":
		return cqn.NeSQL, true
	case "<":
		return cqn.Lt, true
	case "<=":
		return cqn.Le, true
	case ">":
		return cqn.Gt, true
	case ">=":
		return cqn.Ge, true
	}
	return 0, false
}

// compare consumes a comparison, `is null`, `between`, `in` or `like`. They do not chain, but for `is [not] null`.
func (c *cursor) compare() cqn.Expr {
	at := c.here()
	x := c.binary(precConcat)
	if op, ok := c.comparison(); ok {
		c.next()
		r := c.binary(precConcat)
		x = &cqn.Binary{At: cqn.At{Where: c.since(at)}, Op: op, L: x, R: r}
		if _, again := c.comparison(); again {
			c.fail(codeToken, c.here(), "Unexpected ‘%s’: comparisons do not chain", c.peek().Value)
			c.failed.Hint = "Join two comparisons with ‘and’."
		}
	} else {
		x = c.predicate(x, at)
	}
	for c.word("is") && c.failed == nil {
		c.next()
		op := cqn.IsNull
		if c.acceptWord("not") {
			op = cqn.IsNotNull
		}
		c.expectWord("null")
		x = &cqn.Unary{At: cqn.At{Where: c.since(at)}, Op: op, X: x}
		if c.word("is") {
			c.unexpected("the end of the condition")
		}
	}
	return x
}

func (c *cursor) predicate(x cqn.Expr, at token.Span) cqn.Expr {
	negated := false
	if c.word("not") {
		t := c.peek2()
		if !isWord(&t, "between") && !isWord(&t, "in") && !isWord(&t, "like") {
			return x // `default 1 not null`
		}
		c.next()
		negated = true
	}
	switch {
	case c.acceptWord("between"):
		lo := c.binary(precConcat)
		c.expectWord("and")
		hi := c.binary(precConcat)
		return &cqn.Between{At: cqn.At{Where: c.since(at)}, X: x, Lo: lo, Hi: hi, Negated: negated}
	case c.acceptWord("like"):
		l := &cqn.Like{X: x, Pattern: c.binary(precConcat), Negated: negated}
		if c.acceptWord("escape") {
			l.Escape = c.binary(precConcat)
		}
		l.Where = c.since(at)
		return l
	case c.acceptWord("in"):
		in := &cqn.In{X: x, Negated: negated, Set: c.set()}
		in.Where = c.since(at)
		return in
	}
	return x
}

// set consumes what follows `in`: a list or query in parentheses, an element or a pseudo variable.
func (c *cursor) set() cqn.Expr {
	at := c.here()
	if !c.is("(") {
		switch x := c.unary().(type) {
		case *cqn.Ref, *cqn.Param:
			return x
		default:
			c.fail(codeToken, at, "Unexpected value after ‘in’, expected a list in parentheses, a query, an element or a variable")
			return x
		}
	}
	x := c.parens(true)
	return x
}

func (c *cursor) unary() cqn.Expr {
	if !c.is("-") && !c.is("+") {
		return c.primary()
	}
	at := c.here()
	minus := c.next().Value == "-"
	if !c.enter() {
		c.leave()
		return &cqn.Lit{}
	}
	defer c.leave()
	x := c.unary()
	where := cqn.At{Where: c.since(at)}
	if l, ok := x.(*cqn.Lit); ok && l.Enum == "" {
		if v, ok := signed(l.Value, minus); ok {
			return &cqn.Lit{At: where, Value: v}
		}
	}
	op := cqn.Plus
	if minus {
		op = cqn.Neg
	}
	return &cqn.Unary{At: where, Op: op, X: x}
}

// signed folds a sign into a number.
func signed(v cqn.Value, minus bool) (cqn.Value, bool) {
	switch {
	case v.Kind() == cqn.KindInt && (v.Int() > 0 || !minus && v.Int() == 0):
		if minus {
			return cqn.Int(-v.Int()), true
		}
		return v, true
	case v.Kind() == cqn.KindInt && minus && v.Int() == 0:
		return cqn.Int(0), true
	case v.Kind() == cqn.KindDecimal && !strings.HasPrefix(v.Str(), "-"):
		if minus {
			return cqn.Decimal("-" + v.Str()), true
		}
		return v, true
	}
	return v, false
}
