package uri

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// groupBy reads what follows "groupby(": (properties) and the transformations that are done for each group. outer are the properties of
// groupbys around this one, cond a condition on the rows of their groups. With rollup there is one result for each combination of levels.
func (p *exprParser) groupBy(c *scanner, st *stage, outer []resultColumn, cond cqn.Expr) error {
	if err := st.open(); err != nil {
		return err
	}
	if cond != nil { // groups without rows have no groups in them
		if err := st.where(cond); err != nil {
			return err
		}
	}
	levels, err := p.groupings(c, st, outer)
	if err != nil {
		return err
	}
	if len(levels) == 1 {
		return p.eachGroup(c, st, levels[0])
	}
	from := c.i
	var parts []*stage
	for _, groups := range levels {
		c.i = from // the transformations are read anew for each of them
		part := st.fork()
		if err := p.eachGroup(c, part, groups); err != nil {
			return err
		}
		parts = append(parts, part)
	}
	return st.union(parts)
}

// eachGroup reads the rest of a groupby, the transformations for each group, if there are some.
func (p *exprParser) eachGroup(c *scanner, st *stage, groups []resultColumn) error {
	c.blanks()
	if c.accept(')') {
		if len(groups) == 0 {
			return bad("rollup($all,…) needs something to aggregate")
		}
		return st.group(groups, nil)
	}
	if err := c.expect(','); err != nil {
		return err
	}
	if err := p.groupSequence(c, st, groups, nil); err != nil {
		return err
	}
	c.blanks()
	return c.expect(')')
}

// groupColumns reads a property to group by. An association stands for its foreign keys.
func (p *exprParser) groupColumns(c *scanner, st *stage) ([]resultColumn, error) {
	if w := c.word(); w == "rolluprecursive" && c.at(len(w)) == '(' {
		return nil, unsupported("%s is not supported in groupby", w)
	}
	if c.peek() == '$' {
		return nil, unsupported("\"$\" in groupby is not supported")
	}
	if b := c.peek(); !isIdent(b) || isDigit(b) {
		return nil, c.fail("Expected a property to group by")
	}
	from := c.i
	o, err := p.path(c, st.sc)
	if err != nil {
		return nil, err
	}
	if o.cond || o.counted {
		return nil, c.fail("Expected a property to group by")
	}
	out := strings.Split(c.s[from:c.i], "/")
	if o.assoc == nil {
		return []resultColumn{{out: out, o: o, el: o.el}}, nil
	}
	a := o.assoc.Assoc()
	if a.Many || len(a.FK) == 0 {
		return nil, bad("Association %q can't be grouped by", o.assoc.Name)
	}
	var cols []resultColumn
	for _, fk := range a.FK {
		path := append(slices.Clone(o.path[:len(o.path)-1]), fk.Name)
		place := append(slices.Clone(out[:len(out)-1]), fk.Name)
		cols = append(cols, resultColumn{out: place, o: operand{x: cqn.NewRef(path...), t: fk.Scalar()}, el: fk})
	}
	return cols, nil
}

// groupSequence reads transformations that are done for each group. Conditions before an aggregate choose among the rows of a group without
// taking the group away, so they go into the aggregates.
func (p *exprParser) groupSequence(c *scanner, st *stage, groups []resultColumn, cond cqn.Expr) error {
	if err := p.enter(c); err != nil {
		return err
	}
	defer p.leave()
	done := false
	for {
		if err := p.node(); err != nil {
			return err
		}
		c.blanks()
		w := c.word()
		var err error
		switch {
		case w == "identity":
			c.i += len(w)
		case !done:
			done, err = p.groupStep(c, st, w, groups, &cond)
		case w == "filter" || w == "compute": // every group is one row by now
			err = p.transformation(c, st)
		default:
			if err = p.knownTransformation(c, w); err == nil {
				err = unsupported("%s after aggregate within groupby is not supported", w)
			}
		}
		if err != nil {
			return err
		}
		c.blanks()
		if !c.accept('/') {
			break
		}
	}
	if !done && cond != nil {
		return st.where(cond)
	}
	return nil
}

// groupStep reads one transformation on the rows of groups; done tells that there is one row for each group now.
func (p *exprParser) groupStep(c *scanner, st *stage, w string, groups []resultColumn, cond *cqn.Expr) (done bool, err error) {
	if err := p.knownTransformation(c, w); err != nil {
		return false, err
	}
	c.i += len(w) + 1
	c.blanks()
	switch w {
	case "groupby":
		return true, p.groupBy(c, st, groups, *cond)
	case "concat":
		return true, p.concat(c, st, groups, *cond)
	case "search":
		x, err := p.searchArgument(c)
		if err == nil && st.e == nil {
			err = unsupported("search is supported in $apply only before grouping")
		}
		*cond = conjunction(*cond, x)
		return false, err
	case "filter":
		x, err := p.condition(c, st.sc)
		if err != nil {
			return false, err
		}
		*cond = conjunction(*cond, x)
	case "compute":
		err = p.applyCompute(c, st)
	case "aggregate":
		done, err = true, p.aggregate(c, st, groups, *cond)
	case "topcount", "topsum", "toppercent", "bottomcount", "bottomsum", "bottompercent":
		if *cond != nil {
			st.and(*cond)
			*cond = nil
		}
		var by []cqn.Expr
		for _, g := range groups {
			by = append(by, g.o.x)
		}
		err = p.rank(c, st, w, by)
	default:
		return false, unsupported("%s within groupby is not supported", w)
	}
	if err != nil {
		return done, err
	}
	c.blanks()
	return done, c.expect(')')
}

func conjunction(a, b cqn.Expr) cqn.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &cqn.Binary{Op: cqn.And, L: a, R: b}
}

// group makes the stage one row for each group: its properties and aggregates.
func (st *stage) group(groups, aggregates []resultColumn) error {
	if err := st.open(); err != nil {
		return err
	}
	cols := append(slices.Clone(groups), aggregates...)
	st.sel.GroupBy = nil
	st.unique, st.orders, st.forms = nil, nil, 0
	for _, g := range groups {
		if _, plain := g.o.x.(*cqn.Ref); plain {
			st.sel.GroupBy = append(st.sel.GroupBy, g.o.x)
		} else {
			st.sel.GroupBy = append(st.sel.GroupBy, cqn.NewRef(g.name)) // by the name of the column
		}
		st.unique = append(st.unique, g.name)
	}
	st.e, st.grouped, st.cols = nil, true, cols
	st.sc = &scope{}
	for _, c := range cols {
		o := operand{x: cqn.NewRef(c.name), t: c.o.t, el: c.el}
		if slices.ContainsFunc(st.sc.names, func(n name) bool { return slices.Equal(n.path, c.out) }) {
			return bad("Name \"%s\" is given twice in $apply", strings.Join(c.out, "/"))
		}
		st.sc.names = append(st.sc.names, name{path: c.out, o: o, size: 1, el: c.el})
	}
	return nil
}

// aggregate reads the expressions of aggregate(…) and ends the groups, or the whole if there are none.
func (p *exprParser) aggregate(c *scanner, st *stage, groups []resultColumn, cond cqn.Expr) error {
	if err := st.open(); err != nil {
		return err
	}
	var cols []resultColumn
	for {
		c.blanks()
		if err := p.node(); err != nil {
			return err
		}
		col, err := p.aggregateItem(c, st, cond)
		if err != nil {
			return err
		}
		col.name = p.freshVar()
		cols = append(cols, col)
		c.blanks()
		if !c.accept(',') {
			return st.group(groups, cols)
		}
	}
}

func call(name string, args ...cqn.Expr) cqn.Expr { return &cqn.Call{Name: name, Args: args} }

// when is x in rows that fulfil the condition, else null.
func when(cond, x cqn.Expr) cqn.Expr {
	if cond == nil {
		return x
	}
	return &cqn.Case{Whens: []cqn.When{{Cond: cond, Then: x}}}
}

// aggregateItem reads one aggregate: $count as n, path/$count as n, expression with method as n, or a custom aggregate.
func (p *exprParser) aggregateItem(c *scanner, st *stage, cond cqn.Expr) (resultColumn, error) {
	col := resultColumn{}
	if c.acceptText("$count") {
		col.o = operand{x: &cqn.Call{Name: "count", Star: true}, t: int64Type}
		if cond != nil {
			col.o.x = call("count", when(cond, &cqn.Lit{Value: cqn.Bool(true)}))
		}
		return p.aggregateName(c, col)
	}
	from := c.i
	saved := p.aggregating
	p.aggregating = true
	o, err := p.additive(c, st.sc)
	p.aggregating = saved
	if err != nil {
		return col, err
	}
	if o.counted {
		col.o = operand{x: call("sum", when(cond, o.x)), t: decimalType}
		return p.aggregateName(c, col)
	}
	end := c.i
	method := ""
	if _, ok := c.keyword("with"); ok {
		if method, err = p.method(c); err != nil {
			return col, err
		}
	} else if w, ok := c.keyword("from"); ok {
		return col, unsupported("%q in aggregate is not supported", w)
	}
	if method == "" {
		if method, err = customAggregate(c, o); err != nil {
			return col, err
		}
		col.out, col.el = strings.Split(c.s[from:end], "/"), o.el
	}
	if col.o, err = p.aggregateOf(c, method, o, cond); err != nil {
		return col, err
	}
	at := c.i
	if c.blanks(); col.out != nil && (c.peek() == ',' || c.peek() == ')') {
		return col, nil
	}
	c.i = at
	return p.aggregateName(c, col)
}

// aggregateName reads " as name".
func (p *exprParser) aggregateName(c *scanner, col resultColumn) (resultColumn, error) {
	at := c.i
	if _, ok := c.keyword("from"); ok {
		return col, unsupported("\"from\" in aggregate is not supported")
	}
	c.i = at
	as, err := p.asName(c, &scope{})
	col.out = []string{as}
	return col, err
}

// method reads the name of an aggregation method.
func (p *exprParser) method(c *scanner) (string, error) {
	w := c.word()
	switch w {
	case "sum", "min", "max", "average", "countdistinct":
		if c.at(len(w)) != '.' {
			c.i += len(w)
			return w, nil
		}
	}
	if w != "" && c.at(len(w)) == '.' {
		return "", unsupported("Custom aggregation methods are not supported")
	}
	return "", c.fail("Expected \"average\", \"countdistinct\", \"max\", \"min\" or \"sum\"")
}

// customAggregate returns the method that @Aggregation.default gives for a property that is named without one.
func customAggregate(c *scanner, o operand) (string, error) {
	if o.el != nil {
		switch d := strings.ToUpper(o.el.Annotations.Str("Aggregation.default")); d {
		case "SUM", "MIN", "MAX":
			return strings.ToLower(d), nil
		case "AVG", "AVERAGE":
			return "average", nil
		case "COUNT_DISTINCT", "COUNTDISTINCT":
			return "countdistinct", nil
		}
	}
	return "", c.fail("Expected \"with\" and an aggregation method, for want of @Aggregation.default,")
}

var (
	decimalType = &csn.Builtin{Name: "cds.Decimal", Kind: csn.Decimal, Variable: true}
	doubleType  = &csn.Builtin{Name: "cds.Double", Kind: csn.Double}
)

// aggregateOf makes the aggregate of an expression. Values behind an association to many are put together for each row first.
func (p *exprParser) aggregateOf(c *scanner, method string, o operand, cond cqn.Expr) (operand, error) {
	if o.assoc != nil {
		a := o.assoc.Assoc()
		if method != "countdistinct" || a.Many || o.many != nil || len(a.FK) != 1 {
			return o, bad("Association %q can't be aggregated this way", o.assoc.Name)
		}
		o = operand{x: cqn.NewRef(append(slices.Clone(o.path[:len(o.path)-1]), a.FK[0].Name)...), t: a.FK[0].Scalar()}
	}
	switch {
	case o.cond || o.array != nil:
		return o, c.fail("Expected a value to aggregate")
	case isDuration(o):
		return o, unsupported("Durations can't be aggregated; totalseconds makes numbers of them")
	case o.lit != nil && (method == "sum" || method == "average") && !numeric(o):
		return o, bad("%s needs numbers", method)
	case o.lit != nil:
		o.x, o.t = typedConstant(o.lit), literalType(o.lit)
	}
	if (method == "sum" || method == "average") && (o.t == nil || !isNumeric(o.t)) {
		return o, bad("%s needs numbers", method)
	}
	if (method == "min" || method == "max") && (o.t == nil || o.t.Kind == csn.Boolean || o.t.Kind == csn.Binary || o.t.Kind == csn.Map || o.t.Kind == csn.Vector) {
		return o, bad("%s needs values that have an order", method)
	}
	of := func(fn string) cqn.Expr { return when(cond, o.x) }
	if o.many != nil {
		if method == "countdistinct" {
			return o, unsupported("countdistinct over an association to many is not supported")
		}
		of = func(fn string) cqn.Expr { return when(cond, call(fn, &cqn.Exists{Path: o.many}, o.x)) }
	}
	out := operand{computed: true}
	switch method {
	case "countdistinct":
		out.x, out.t = call("countdistinct", of("")), int64Type
	case "sum":
		out.x, out.t = call("sum", of("cds.sum")), sumType(o.t)
	case "average":
		out.x, out.t = call("average", of("")), doubleType
		if o.many != nil {
			n := call("nullif", call("sum", of("cds.number")), &cqn.Lit{Value: cqn.Int(0)})
			out.x = &cqn.Binary{Op: cqn.Div, L: double(operand{x: call("sum", of("cds.sum"))}), R: n}
		}
	default:
		out.x, out.t = call(method, of("cds."+method)), o.t
	}
	return out, nil
}

// sumType is the type of a sum: wide enough for many values.
func sumType(t *csn.Builtin) *csn.Builtin {
	switch t.Kind {
	case csn.Double:
		return t
	case csn.Decimal:
		if t.Precision > 0 && !t.Variable { // its scale holds for the sum
			return &csn.Builtin{Name: t.Name, Kind: csn.Decimal, Precision: 34, Scale: t.Scale, HasScale: true}
		}
		return decimalType
	case csn.Int64:
		return decimalType
	}
	return int64Type
}
