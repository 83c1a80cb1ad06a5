package syntax

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/cqn"
)

// primary consumes an operand.
func (c *cursor) primary() cqn.Expr {
	t := *c.peek()
	at := cqn.At{Where: span(&t)}
	switch t.Type {
	case tNumber:
		c.next()
		return &cqn.Lit{At: at, Value: number(t.Value)}
	case tString, tBacktick:
		c.next()
		return &cqn.Lit{At: at, Value: cqn.String(c.unquote(&t))}
	case tTyped:
		c.next()
		return &cqn.Lit{At: at, Value: c.typedLiteral(&t)}
	case tDelim:
		return c.path()
	case tIdent:
		return c.wordExpr(&t, at)
	case tPunct:
		switch t.Value {
		case "(":
			return c.parens(false)
		case "#":
			c.next()
			id := c.ident("the name of an enum symbol")
			return &cqn.Lit{At: cqn.At{Where: at.Where.To(id.Span)}, Enum: id.Text}
		case ":":
			c.next()
			if n := c.peek(); !isName(n) {
				c.unexpected("the name of a parameter")
			}
			id := c.ident("the name of a parameter")
			return &cqn.Param{At: cqn.At{Where: at.Where.To(id.Span)}, From: cqn.FromViewArg, Name: id.Text}
		}
	}
	c.unexpected("an expression")
	return &cqn.Lit{At: at}
}

func (c *cursor) wordExpr(t *lexer.Token, at cqn.At) cqn.Expr {
	w := strings.ToLower(t.Value)
	after := c.peek2()
	call := after.Type == tPunct && after.Value == "("
	switch w {
	case "true", "false":
		c.next()
		return &cqn.Lit{At: at, Value: cqn.Bool(w == "true")}
	case "null":
		c.next()
		return &cqn.Lit{At: at}
	case "case":
		return c.caseExpr()
	case "cast":
		if call {
			return c.cast()
		}
	case "exists":
		return c.exists()
	case "current_connection", "current_date", "current_schema", "current_time", "current_timestamp", "current_user",
		"current_utcdate", "current_utctime", "current_utctimestamp", "session_user", "system_user":
		if !call && !(after.Type == tPunct && after.Value == ".") {
			c.next()
			return &cqn.Call{At: at, Name: w}
		}
	}
	if reserved(w) && !call {
		c.unexpected("an expression")
		return &cqn.Lit{At: at}
	}
	if call {
		return c.callOrPath(t, at)
	}
	return c.path()
}

// caseExpr consumes `case [x] when c then r … [else e] end`.
func (c *cursor) caseExpr() cqn.Expr {
	at := c.here()
	c.next()
	x := &cqn.Case{}
	if !c.word("when") {
		x.X = c.expr()
	}
	for c.acceptWord("when") {
		w := cqn.When{Cond: c.expr()}
		c.expectWord("then")
		w.Then = c.expr()
		x.Whens = append(x.Whens, w)
	}
	if len(x.Whens) == 0 {
		c.unexpected("‘when’")
	}
	if c.acceptWord("else") {
		x.Else = c.expr()
	}
	c.expectWord("end")
	x.Where = c.since(at)
	return x
}

// cast consumes `cast(x as T)`.
func (c *cursor) cast() cqn.Expr {
	at := c.here()
	c.next()
	c.expect("(")
	x := &cqn.Cast{X: c.expr()}
	c.expectWord("as")
	typ := c.typeExpr()
	if c.failed == nil && typ.Name == nil {
		c.fail(codeToken, typ.Span, "A cast needs a named type")
	}
	c.expect(")")
	x.Type = typ.TypeName()
	x.Where = c.since(at)
	return x
}

// exists consumes `exists path` and `exists (select …)`.
func (c *cursor) exists() cqn.Expr {
	at := c.here()
	c.next()
	if c.is("(") {
		c.next()
		q := c.query()
		c.expect(")")
		return &cqn.Subquery{At: cqn.At{Where: c.since(at)}, Query: q.CQN(), Exists: true}
	}
	if !isName(c.peek()) || c.peek().Type == tIdent && reserved(c.peek().Value) {
		c.unexpected("an association or a query")
	}
	x := &cqn.Exists{}
	switch p := c.path().(type) {
	case *cqn.Ref:
		x.Path = p
	default:
		x.Path = &cqn.Ref{}
		c.fail(codeToken, p.Span(), "‘exists’ needs an association")
	}
	x.Where = c.since(at)
	return x
}

// parens consumes what stands in parentheses: an expression, a list or a query. With list, one expression is a list too.
func (c *cursor) parens(list bool) cqn.Expr {
	at := c.here()
	c.next()
	if !c.enter() {
		c.leave()
		return &cqn.Lit{}
	}
	defer c.leave()
	if c.startsQuery() {
		q := c.query()
		c.expect(")")
		return &cqn.Subquery{At: cqn.At{Where: c.since(at)}, Query: q.CQN()}
	}
	var items []cqn.Expr
	comma := false
	for {
		items = append(items, c.expr())
		if c.failed != nil || !c.accept(",") {
			break
		}
		comma = true
		if c.is(")") {
			break
		}
	}
	c.expect(")")
	if len(items) == 1 && !list && !comma {
		return cqn.Parens(items[0])
	}
	return &cqn.Tuple{At: cqn.At{Where: c.since(at)}, Items: items}
}

func (c *cursor) startsQuery() bool {
	if c.word("select") {
		return true
	}
	if !c.is("(") {
		return false
	}
	t := c.peek2()
	return isWord(&t, "select")
}

// callOrPath consumes a function call, or a path whose first step has named arguments.
func (c *cursor) callOrPath(t *lexer.Token, at cqn.At) cqn.Expr {
	mark, last, lastV := c.lex.MakeCheckpoint(), c.last, c.lastV
	c.next()
	c.next()
	if isName(c.peek()) {
		if after := c.peek2(); after.Type == tPunct && (after.Value == ":" || after.Value == "=>") {
			c.lex.LoadCheckpoint(mark)
			c.last, c.lastV = last, lastV
			return c.path()
		}
	}
	x := &cqn.Call{Name: funcName(t.Value)}
	if !c.enter() {
		c.leave()
		return x
	}
	defer c.leave()
	switch {
	case c.is("*"):
		c.next()
		x.Star = true
	default:
		if c.word("distinct") || c.word("all") {
			x.Distinct = c.word("distinct")
			c.next()
		}
		for !c.is(")") && c.failed == nil {
			x.Args = append(x.Args, c.expr())
			if !c.accept(",") {
				break
			}
		}
	}
	c.expect(")")
	if c.word("over") {
		x.Over = c.window()
	}
	if c.is(".") {
		c.fail(codeUnsupport, c.here(), "A path cannot go on after a function call")
	}
	x.Where = c.since(at.Where)
	return x
}

// funcName writes the standard functions in lower case and leaves others as they are.
func funcName(s string) string {
	switch l := strings.ToLower(s); l {
	case "count", "sum", "min", "max", "avg", "average", "countdistinct", "lower", "upper", "tolower", "toupper", "length", "substring", "concat",
		"trim", "coalesce", "round", "floor", "ceiling", "contains", "startswith", "endswith", "indexof", "year", "month", "day",
		"hour", "minute", "second", "now", "rank", "dense_rank", "row_number", "lag", "lead":
		return l
	}
	return s
}

// window consumes `over ( [partition by …] [order by …] [frame] )`.
func (c *cursor) window() *cqn.Window {
	c.next()
	c.expect("(")
	w := &cqn.Window{}
	if c.acceptWords("partition", "by") {
		w.PartitionBy = c.exprs()
	}
	if c.acceptWords("order", "by") {
		w.OrderBy = c.orders()
	}
	w.Frame = c.frame()
	c.expect(")")
	return w
}

// frame consumes a frame clause, whose words are few: nothing else may reach the text.
func (c *cursor) frame() string {
	if !c.word("rows") && !c.word("range") {
		return ""
	}
	words := []string{strings.ToLower(c.next().Value)}
	bound := func() {
		t := c.peek()
		switch {
		case c.word("unbounded") || t.Type == tNumber && number(t.Value).Kind() == cqn.KindInt:
			words = append(words, strings.ToLower(c.next().Value))
			if !c.word("preceding") && !c.word("following") {
				c.unexpected("‘preceding’ or ‘following’")
			}
			words = append(words, strings.ToLower(c.next().Value))
		case c.acceptWords("current", "row"):
			words = append(words, "current", "row")
		default:
			c.unexpected("the bound of a window frame")
		}
	}
	if c.acceptWord("between") {
		words = append(words, "between")
		bound()
		c.expectWord("and")
		words = append(words, "and")
	}
	bound()
	return strings.Join(words, " ")
}

func (c *cursor) exprs() []cqn.Expr {
	var out []cqn.Expr
	for c.failed == nil {
		out = append(out, c.expr())
		if !c.accept(",") {
			break
		}
	}
	return out
}

// path consumes `a.b[filter](args).c` and turns pseudo variables into parameters.
func (c *cursor) path() cqn.Expr {
	at := c.here()
	delimited := c.peek().Type == tDelim
	r := &cqn.Ref{Path: []cqn.Step{c.step()}}
	for c.is(".") && c.failed == nil {
		if t := c.peek2(); !isName(&t) && t.Type == tPunct {
			break // `a.{` and `a.*` belong to a column
		}
		c.next()
		r.Path = append(r.Path, c.step())
	}
	r.Where = c.since(at)
	if len(r.Path) > maxDepth {
		c.fail(codeDeep, r.Where, "A path may have at most %d steps", maxDepth)
	}
	if !delimited && strings.HasPrefix(r.Path[0].Name, "$") {
		return c.pseudo(r)
	}
	return r
}

func (c *cursor) step() cqn.Step {
	id := c.ident("a name")
	s := cqn.Step{Name: id.Text, Span: id.Span}
	if c.is("(") {
		s.Args = c.namedArgs()
	}
	if c.is("[") {
		s.Filter = c.filter()
	}
	return s
}

// filter consumes an infix filter. A leading cardinality is a hint about the filtered association, which needs none.
func (c *cursor) filter() cqn.Expr {
	c.next()
	if t := c.peek2(); c.peek().Type == tNumber && t.Type == tPunct && t.Value == ":" {
		if c.peek().Value != "1" {
			c.unexpected("cardinality 1")
		}
		c.next()
		c.next()
	}
	c.acceptWord("where")
	x := c.expr()
	if c.word("group") || c.word("order") || c.word("limit") || c.word("having") {
		c.fail(codeUnsupport, c.here(), "A filter can have conditions only, no ‘%s’", c.peek().Value)
	}
	c.expect("]")
	return x
}

// namedArgs consumes the arguments of a parameterised view.
func (c *cursor) namedArgs() []cqn.NamedArg {
	c.next()
	args := []cqn.NamedArg{}
	for !c.is(")") && c.failed == nil {
		id := c.ident("the name of a parameter")
		if !c.accept("=>") {
			c.expect(":")
		}
		args = append(args, cqn.NamedArg{Name: id.Text, X: c.expr()})
		if !c.accept(",") {
			break
		}
	}
	c.expect(")")
	return args
}

// pseudo turns a path that starts with a pseudo variable into a parameter. $self and $projection stay paths, as do unknown
// variables, which nobody will be able to resolve.
func (c *cursor) pseudo(r *cqn.Ref) cqn.Expr {
	names := make([]string, len(r.Path))
	for i, s := range r.Path {
		names[i] = s.Name
		if (s.Filter != nil || s.Args != nil) && r.Path[0].Name != "$self" && r.Path[0].Name != "$projection" {
			c.fail(codeToken, s.Span, "The variable ‘%s’ has neither filter nor arguments", r.Path[0].Name)
			return r
		}
	}
	p := &cqn.Param{At: r.At}
	rest := strings.Join(names[1:], ".")
	switch names[0] + "/" + rest {
	case "$user/", "$user/id", "$session/user", "$session/user.id":
		p.From = cqn.FromUserID
	case "$user/tenant", "$tenant/", "$session/tenant":
		p.From = cqn.FromUserTenant
	case "$user/locale", "$locale/", "$session/locale":
		p.From = cqn.FromUserLocale
	case "$now/":
		p.From = cqn.FromNow
	case "$at/from", "$at/to":
		p.From, p.Name = cqn.FromAt, rest
	case "$valid/from", "$valid/to":
		p.From, p.Name = cqn.FromAt, "valid."+rest
	default:
		switch {
		case names[0] == "$user" && rest != "":
			p.From, p.Name = cqn.FromUserAttr, rest
		case names[0] == "$parameters" && len(names) == 2:
			p.From, p.Name = cqn.FromViewArg, rest
		default:
			return r
		}
	}
	return p
}

// number returns the value of digits: a whole number where it fits, else an exact decimal.
func number(s string) cqn.Value {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return cqn.Int(n)
	}
	return cqn.Decimal(s)
}

// typedLiteral returns the value of date'…' and the like. Malformed ones are reported and yield null.
func (c *cursor) typedLiteral(t *lexer.Token) cqn.Value {
	i := strings.IndexByte(t.Value, '\'')
	kind, text := strings.ToLower(t.Value[:i]), c.unquote(t)
	bad := func(form string) cqn.Value {
		c.report(codeLiteral, span(t), "Malformed %s literal %q, expected the form %s", kind, clip(text, 40), form)
		return cqn.Null
	}
	switch kind {
	case "date":
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return bad("date'YYYY-MM-DD'")
		}
		return cqn.Text(cqn.KindDate, text)
	case "time":
		for _, f := range []string{"15:04:05", "15:04:05.999999999", "15:04"} {
			if v, err := time.Parse(f, text); err == nil {
				return cqn.Text(cqn.KindTime, v.Format(time.TimeOnly))
			}
		}
		return bad("time'HH:MM:SS'")
	case "timestamp":
		for _, f := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04Z07:00"} {
			if v, err := time.Parse(f, text); err == nil {
				return cqn.Text(cqn.KindTimestamp, v.UTC().Format("2006-01-02T15:04:05.000Z"))
			}
		}
		return bad("timestamp'YYYY-MM-DDTHH:MM:SS.mmmZ'")
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return bad("x'00ff' with an even number of hexadecimal digits")
	}
	return cqn.Bytes(b)
}
