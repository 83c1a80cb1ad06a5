package syntax

import (
	"cds/parser/ast"
	"cds/parser/cqn"
)

// query consumes a select, a projection, or a set operation with its order and limit.
func (c *cursor) query() *ast.Query {
	q := &ast.Query{Span: c.here()}
	if !c.enter() {
		c.leave()
		return q
	}
	defer c.leave()
	at := q.Span
	q = c.queryTerm()
	for n := 0; c.failed == nil; n++ {
		op, all, ok := c.setOp()
		if !ok {
			break
		}
		if n == maxChain {
			c.fail(codeDeep, c.here(), "More than %d queries in a row", maxChain)
		}
		arg := c.queryTerm()
		if q.SetOp != op || q.All != all || q.OrderBy != nil || q.Limit != nil {
			q = &ast.Query{SetOp: op, All: all, Args: []*ast.Query{q}}
		}
		q.Args = append(q.Args, arg)
		q.Span = c.since(at)
	}
	c.orderLimit(q)
	q.Span = c.since(at)
	return q
}

func (c *cursor) setOp() (op string, all, ok bool) {
	for _, w := range [...]string{"union", "intersect", "except", "minus"} {
		if c.acceptWord(w) {
			if op = w; w == "minus" {
				op = "except"
			}
			all = c.acceptWord("all")
			if !all {
				c.acceptWord("distinct")
			}
			return op, all, true
		}
	}
	return "", false, false
}

// orderLimit consumes `order by … limit … offset …`.
func (c *cursor) orderLimit(q *ast.Query) {
	if c.acceptWords("order", "by") {
		if q.OrderBy != nil {
			c.fail(codeTwice, c.last, "‘order by’ is said twice")
		}
		q.OrderBy = c.orders()
	}
	if c.acceptWord("limit") {
		if q.Limit != nil {
			c.fail(codeTwice, c.last, "‘limit’ is said twice")
		}
		q.Limit = c.expr()
		if c.acceptWord("offset") {
			q.Offset = c.expr()
		}
	}
}

func (c *cursor) orders() []cqn.Order {
	var out []cqn.Order
	for c.failed == nil {
		o := cqn.Order{X: c.expr()}
		if !c.acceptWord("asc") {
			o.Desc = c.acceptWord("desc")
		}
		if c.acceptWord("nulls") {
			switch {
			case c.acceptWord("first"):
				o.NullsFirst = true
			case c.acceptWord("last"):
				o.NullsLast = true
			default:
				c.unexpected("‘first’ or ‘last’")
			}
		}
		out = append(out, o)
		if !c.accept(",") {
			break
		}
	}
	return out
}

func (c *cursor) queryTerm() *ast.Query {
	at := c.here()
	if c.accept("(") {
		q := c.query()
		c.expect(")")
		return q
	}
	q := &ast.Query{}
	switch {
	case c.acceptWord("select"):
		c.selectClauses(q)
	case c.acceptWords("projection", "on"):
		q.Projection = true
		q.From = c.sourcePath()
		c.columnBlock(q)
	default:
		c.unexpected("‘select’ or ‘projection on’")
		return q
	}
	if c.acceptWord("where") {
		q.Where = c.expr()
	}
	if c.acceptWords("group", "by") {
		q.GroupBy = c.exprs()
	}
	if c.acceptWord("having") {
		q.Having = c.expr()
	}
	if q.Projection {
		c.orderLimit(q)
	}
	q.Span = c.since(at)
	return q
}

// selectClauses consumes what follows `select` up to the columns: `from X [mixin … into] { … }` or `a, b from X`.
func (c *cursor) selectClauses(q *ast.Query) {
	if c.acceptWord("distinct") {
		q.Distinct = true
	} else {
		c.acceptWord("all")
	}
	if !c.word("from") {
		q.HasColumns = true
		for c.failed == nil {
			q.Columns = append(q.Columns, c.column())
			if !c.accept(",") {
				break
			}
		}
		c.excluding(&q.Excluding)
	}
	c.expectWord("from")
	q.From = c.source()
	if after := c.peek2(); c.word("mixin") && after.Type == tPunct && after.Value == "{" {
		c.next()
		c.next()
		q.Mixin = c.elements()
		c.expectWord("into")
	}
	if q.HasColumns && c.is("{") {
		c.unexpected("the end of the query: it has columns already")
	}
	c.columnBlock(q)
}

func (c *cursor) columnBlock(q *ast.Query) {
	if c.accept("{") {
		q.HasColumns = true
		q.Columns = c.columns()
	}
	c.excluding(&q.Excluding)
}

func (c *cursor) excluding(into *[]ast.Ident) {
	if c.acceptWord("excluding") {
		c.expect("{")
		*into = append(*into, c.idents()...)
	}
}

// source consumes a from clause: tables, joins, queries; a comma is a cross join.
func (c *cursor) source() cqn.Source {
	s := c.join()
	for n := 0; c.failed == nil && c.accept(","); n++ {
		if n == maxDepth {
			c.fail(codeDeep, c.here(), "More than %d sources in a row", maxDepth)
		}
		s = &cqn.Join{Kind: cqn.CrossJoin, L: s, R: c.join()}
	}
	return s
}

func (c *cursor) join() cqn.Source {
	s := c.table()
	for n := 0; c.failed == nil; n++ {
		kind, ok := c.joinKind()
		if !ok {
			break
		}
		if n == maxDepth {
			c.fail(codeDeep, c.here(), "More than %d joins in a row", maxDepth)
		}
		j := &cqn.Join{Kind: kind, L: s, R: c.table()}
		if kind != cqn.CrossJoin {
			c.expectWord("on")
			j.On = c.expr()
		}
		s = j
	}
	return s
}

func (c *cursor) joinKind() (cqn.JoinKind, bool) {
	kind, found := cqn.InnerJoin, true
	switch {
	case c.acceptWord("inner"):
	case c.acceptWord("left"):
		kind = cqn.LeftJoin
	case c.acceptWord("right"):
		kind = cqn.RightJoin
	case c.acceptWord("full"):
		kind = cqn.FullJoin
	case c.acceptWord("cross"):
		kind = cqn.CrossJoin
	default:
		found = false
	}
	if found && kind != cqn.InnerJoin && kind != cqn.CrossJoin {
		c.acceptWord("outer")
	}
	if c.word("join") || found {
		c.expectWord("join")
		return kind, true
	}
	return 0, false
}

func (c *cursor) table() cqn.Source {
	if !c.is("(") {
		return c.sourcePath()
	}
	if !c.enter() {
		c.leave()
		return &cqn.From{Path: &cqn.Ref{}}
	}
	defer c.leave()
	if t := c.peek2(); isWord(&t, "select") || t.Type == tPunct && t.Value == "(" && c.queryAhead() {
		c.next()
		d := &cqn.Derived{Query: c.query().CQN()}
		c.expect(")")
		if c.acceptWord("as") {
			d.As = c.newName("an alias").Text
		}
		return d
	}
	c.next()
	s := c.source()
	c.expect(")")
	return s
}

// queryAhead reports whether a query begins behind the parentheses that come next.
func (c *cursor) queryAhead() bool {
	if c.failed != nil {
		return false
	}
	mark := c.lex.MakeCheckpoint()
	for t := c.lex.Peek(); t.Type == tPunct && t.Value == "("; t = c.lex.Peek() {
		c.lex.Next()
	}
	yes := isWord(c.lex.Peek(), "select")
	c.lex.LoadCheckpoint(mark)
	return yes
}

// sourcePath consumes `a.b.E[filter](args):assoc.x as alias`. The dotted name up to the first filter, argument or colon is one step, for
// only the linker knows where the definition's name ends.
func (c *cursor) sourcePath() cqn.Source {
	n := c.dotted("the name of an entity")
	first := cqn.Step{Name: n.Text, Span: n.Span}
	at := n.Span
	if c.is("(") {
		first.Args = c.namedArgs()
	}
	if c.is("[") {
		first.Filter = c.filter()
	}
	r := &cqn.Ref{Path: []cqn.Step{first}}
	if c.is(":") || c.is(".") && (first.Filter != nil || first.Args != nil) {
		c.next()
		r.Path = append(r.Path, c.step())
		for c.is(".") && c.failed == nil {
			c.next()
			r.Path = append(r.Path, c.step())
		}
	}
	r.Where = c.since(at)
	f := &cqn.From{Path: r}
	if c.acceptWord("as") {
		f.As = c.newName("an alias").Text
	}
	return f
}

// columns consumes columns up to the closing brace, and that.
func (c *cursor) columns() []*ast.Column {
	out := []*ast.Column{}
	if !c.enter() {
		c.leave()
		return out
	}
	defer c.leave()
	for !c.is("}") && c.failed == nil {
		out = append(out, c.column())
		if !c.accept(",") {
			break
		}
	}
	if !c.is("}") {
		c.unexpected("‘,’ or ‘}’")
	}
	c.expect("}")
	return out
}

// column consumes one column.
func (c *cursor) column() *ast.Column {
	col := &ast.Column{Span: c.here(), Doc: c.docText()}
	col.Annos = c.annos(false)
	c.columnModifiers(col)
	switch {
	case c.is("*"):
		c.next()
		col.Star = true
	case c.is("{"):
		c.next()
		col.HasExpand = true
		col.Expand = c.columns()
		c.alias(col)
		c.need(col.As != nil || c.failed != nil, "‘as’")
	default:
		col.X = c.expr()
		c.columnTail(col)
	}
	col.Annos = append(col.Annos, c.annos(true)...)
	if c.accept(":") {
		c.columnType(col)
	}
	col.Annos = append(col.Annos, c.annos(false)...)
	col.Span = c.since(col.Span)
	return col
}

func (c *cursor) columnModifiers(col *ast.Column) {
	for c.failed == nil {
		after := c.peek2()
		operand := isName(&after) && !isWord(&after, "as") || after.Type == tString || after.Type == tNumber
		switch {
		case c.word("key") && operand:
			col.Key = true
		case c.word("virtual") && operand:
			col.Virtual = true
		case c.word("masked") && operand:
			col.Masked = true
		default:
			return
		}
		c.next()
	}
}

func (c *cursor) alias(col *ast.Column) {
	if c.acceptWord("as") {
		id := c.newName("an alias")
		col.As = &id
	}
}

// columnTail consumes what may follow an expression: `.{ … }`, `.*`, an alias, `{ … }`.
func (c *cursor) columnTail(col *ast.Column) {
	if c.is(".") {
		c.next()
		col.HasInline = true
		if c.accept("*") {
			col.Inline = []*ast.Column{{Star: true, Span: c.last}}
		} else {
			c.expect("{")
			col.Inline = c.columns()
		}
		c.excluding(&col.Excluding)
		return
	}
	c.alias(col)
	if c.is("{") {
		if _, ok := col.X.(*cqn.Ref); !ok {
			c.fail(codeToken, c.here(), "Unexpected ‘{’: only a path can be expanded")
		}
		c.next()
		col.HasExpand = true
		col.Expand = c.columns()
		c.excluding(&col.Excluding)
	}
}

// columnType consumes what follows the colon: a type or a redirection.
func (c *cursor) columnType(col *ast.Column) {
	if after := c.peek2(); c.word("redirected") && isWord(&after, "to") {
		c.next()
		c.next()
		n := c.dotted("the name of an entity")
		r := &ast.AssocExpr{Target: &n}
		switch {
		case c.accept("{"):
			r.HasKeys = true
			r.Keys = c.foreignKeys()
		case c.acceptWord("on"):
			r.On = c.expr()
		}
		col.Redirect = r
		return
	}
	if after := c.peek2(); c.word("localized") && isName(&after) {
		c.next()
		col.Localized = true
	}
	col.Type = c.typeExpr()
	if c.word("enum") && col.Type.Name != nil {
		c.enum(col.Type)
	}
	if v, ok := c.nullability(); ok {
		col.NotNull = v
	}
}
