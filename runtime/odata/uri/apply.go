package uri

import (
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// $apply (OData Extension for Data Aggregation 4.0, section 3). Transformations are read one after the other, each changes the stage that the
// ones before it have made.

// maxForms bounds the results that concat puts together.
const maxForms = 32

// sequence reads transformations separated by slashes.
func (p *exprParser) sequence(c *scanner, st *stage) error {
	if err := p.enter(c); err != nil {
		return err
	}
	defer p.leave()
	for {
		if err := p.node(); err != nil {
			return err
		}
		c.blanks()
		if err := p.transformation(c, st); err != nil {
			return err
		}
		c.blanks()
		if !c.accept('/') {
			return nil
		}
	}
}

// transformation reads one transformation.
func (p *exprParser) transformation(c *scanner, st *stage) error {
	w := c.word()
	if w == "identity" && c.at(len(w)) != '(' {
		c.i += len(w)
		return nil
	}
	if err := p.knownTransformation(c, w); err != nil {
		return err
	}
	c.i += len(w) + 1
	c.blanks()
	var err error
	switch w {
	case "aggregate":
		err = p.aggregate(c, st, nil, nil)
	case "groupby":
		return p.groupBy(c, st, nil, nil)
	case "filter":
		err = p.applyFilter(c, st)
	case "search":
		return p.applySearch(c, st)
	case "compute":
		err = p.applyCompute(c, st)
	case "concat":
		return p.concat(c, st, nil, nil)
	case "orderby":
		err = p.applyOrder(c, st)
	case "top", "skip":
		err = p.applyCut(c, st, w)
	default:
		err = p.rank(c, st, w, nil)
	}
	if err != nil {
		return err
	}
	c.blanks()
	return c.expect(')')
}

// knownTransformation tells what is supported from what OData has beyond it and from what is none.
func (p *exprParser) knownTransformation(c *scanner, w string) error {
	switch w {
	case "aggregate", "groupby", "filter", "search", "compute", "concat", "orderby", "top", "skip",
		"topcount", "topsum", "toppercent", "bottomcount", "bottomsum", "bottompercent":
		if c.at(len(w)) == '(' {
			return nil
		}
	case "ancestors", "descendants", "traverse", "join", "outerjoin", "nest", "addnested", "expand", "from":
		if c.at(len(w)) == '(' {
			return unsupported("Transformation \"%s\" is not supported in $apply", w)
		}
	}
	if w != "" && c.at(len(w)) == '.' {
		return unsupported("Functions are not supported in $apply")
	}
	e := c.fail("Expected \"aggregate\", \"bottomcount\", \"bottompercent\", \"bottomsum\", \"compute\", \"concat\", \"filter\", \"groupby\", " +
		"\"identity\", \"orderby\", \"search\", \"skip\", \"top\", \"topcount\", \"toppercent\" or \"topsum\"")
	return e
}

func (p *exprParser) applyFilter(c *scanner, st *stage) error {
	if err := st.open(); err != nil {
		return err
	}
	x, err := p.condition(c, st.sc)
	if err != nil {
		return err
	}
	return st.where(x)
}

// applySearch reads search(…), whose text may have parentheses of its own.
func (p *exprParser) applySearch(c *scanner, st *stage) error {
	x, err := p.searchArgument(c)
	if err != nil {
		return err
	}
	if st.e == nil {
		return unsupported("search is supported in $apply only before grouping")
	}
	if x == nil {
		return nil
	}
	return st.where(x)
}

func (p *exprParser) searchArgument(c *scanner) (cqn.Expr, error) {
	for c.i--; c.peek() != '('; c.i-- { // blanks were skipped
	}
	text, err := c.parenthesised()
	if err != nil {
		return nil, err
	}
	return p.searchCondition(text)
}

// applyCompute reads compute(expression as name,…).
func (p *exprParser) applyCompute(c *scanner, st *stage) error {
	if err := st.open(); err != nil {
		return err
	}
	names, err := p.computes(c, st.sc)
	if err != nil {
		return err
	}
	for _, n := range names {
		if st.e == nil {
			st.cols = append(st.cols, resultColumn{name: p.freshVar(), out: n.path, o: n.o})
		}
		st.sc.names = append(st.sc.names, n)
	}
	return nil
}

// computes reads computed properties up to what can't belong to them. Each may use those before it.
func (p *exprParser) computes(c *scanner, s *scope) ([]name, error) {
	var out []name
	in := *s
	for {
		c.blanks()
		before := p.nodes
		o, err := p.or(c, &in)
		if err == nil {
			err = valueOnly(c, o)
		}
		if err != nil {
			return nil, err
		}
		switch {
		case o.cond:
			o = operand{x: o.x, t: &csn.Builtin{Name: "cds.Boolean", Kind: csn.Boolean}, computed: true}
		case isDuration(o):
			return nil, unsupported("Durations can't be answered; totalseconds makes numbers of them")
		case isNull(o):
			return nil, unsupported("null can't be computed")
		case o.lit != nil:
			o = operand{x: typedConstant(o.lit), t: literalType(o.lit), computed: true}
		}
		as, err := p.asName(c, &in)
		if err != nil {
			return nil, err
		}
		n := name{path: []string{as}, o: o, size: p.nodes - before}
		out = append(out, n)
		in.names = append(in.names[:len(in.names):len(in.names)], n)
		c.blanks()
		if !c.accept(',') {
			return out, nil
		}
	}
}

// asName reads " as name"; the name must be new.
func (p *exprParser) asName(c *scanner, s *scope) (string, error) {
	if _, ok := c.keyword("as"); !ok {
		return "", c.fail("Expected \"as\" and a name")
	}
	as := c.word()
	if as == "" || isDigit(as[0]) || len(as) > 128 {
		return "", c.fail("Expected a name")
	}
	if n, _ := s.lookup(as); n != nil && len(n.path) == 1 || s.e != nil && s.e.Element(as) != nil {
		return "", bad("Name \"%s\" is already taken in %s", as, s.entityName())
	}
	c.i += len(as)
	return as, nil
}

// applyOrder reads orderby(…). What was sorted before stays so within what is equal now.
func (p *exprParser) applyOrder(c *scanner, st *stage) error {
	return p.sortStage(c, st)
}

// cutNumber reads a whole number that is not negative.
func (p *exprParser) cutNumber(c *scanner) (int64, error) {
	o, err := p.constant(c)
	if err != nil {
		return 0, err
	}
	if n := o.lit.value; n.Kind() == cqn.KindInt && n.Int() >= 0 && !o.lit.quoted {
		return n.Int(), nil
	}
	return 0, c.fail("Expected a whole number that is not negative")
}

// applyCut reads top(n) and skip(n).
func (p *exprParser) applyCut(c *scanner, st *stage, w string) error {
	n, err := p.cutNumber(c)
	if err != nil {
		return err
	}
	if st.limited && (w != "top" || st.sel.Limit != nil) { // skip and then top is what one query does
		if err := st.open(); err != nil {
			return err
		}
	}
	if w == "top" {
		st.sel.Limit = &cqn.Lit{Value: cqn.Int(n)}
	} else {
		st.sel.Offset = &cqn.Lit{Value: cqn.Int(n)}
	}
	st.limited = true
	return nil
}

// rank reads topcount and the like: (number,value). With partition it ranks within groups.
func (p *exprParser) rank(c *scanner, st *stage, w string, partition []cqn.Expr) error {
	if err := st.open(); err != nil {
		return err
	}
	limit, err := p.additive(c, st.sc)
	if err != nil {
		return err
	}
	if limit.lit == nil || limit.lit.quoted || !numeric(limit) {
		return unsupported("The first argument of %s must be a number", w)
	}
	c.blanks()
	if err := c.expect(','); err != nil {
		return err
	}
	c.blanks()
	by, err := p.additive(c, st.sc)
	if err == nil {
		err = valueOnly(c, by)
	}
	switch {
	case err != nil:
		return err
	case by.lit != nil:
		return c.fail("Expected a property in place of a constant")
	}
	desc := strings.HasPrefix(w, "top")
	kind := strings.TrimPrefix(strings.TrimPrefix(w, "top"), "bottom")
	if kind != "count" && !numeric(by) {
		return bad("%s needs numbers to add up", w)
	}
	if f, err := strconv.ParseFloat(limit.lit.text, 64); err != nil || f < 0 || kind == "count" && !whole(limit) || kind == "percent" && f > 100 {
		return bad("%s cannot take %s rows", w, limit.lit.text)
	}
	if kind == "count" && partition == nil {
		st.orders = append([]sortItem{{o: by, desc: desc}}, st.orders...)
		st.sel.Limit, st.limited = &cqn.Lit{Value: limit.lit.value}, true
		return nil
	}
	return st.keepRanked(kind, limit, sortItem{o: by, desc: desc}, partition)
}

// keepRanked keeps rows by their rank or by the running total up to them. Running totals count rows from the outermost on until the sum is
// reached; rows without value never count.
func (st *stage) keepRanked(kind string, limit operand, by sortItem, partition []cqn.Expr) error {
	over := func(sorted bool) *cqn.Window {
		w := &cqn.Window{PartitionBy: partition}
		if !sorted {
			return w
		}
		w.OrderBy = []cqn.Order{{X: by.o.x, Desc: by.desc, NullsLast: true}}
		rows := *st
		rows.orders = nil
		rows.sortByKeys()
		for _, o := range rows.orders {
			w.OrderBy = append(w.OrderBy, cqn.Order{X: o.o.x})
		}
		if kind != "count" {
			w.Frame = "ROWS UNBOUNDED PRECEDING"
		}
		return w
	}
	ref := func(n string) cqn.Expr { return cqn.NewRef(n) }
	bound := double(operand{x: &cqn.Lit{Value: number(limit.lit.text)}})
	value, rank, total := st.p.freshVar(), st.p.freshVar(), st.p.freshVar()
	extra := []resultColumn{{name: value, o: by.o}}
	var keep cqn.Expr
	switch kind {
	case "count":
		extra = []resultColumn{{name: rank, o: operand{x: &cqn.Call{Name: "row_number", Over: over(true)}, t: int64Type}}}
		keep = &cqn.Binary{Op: cqn.Le, L: ref(rank), R: bound}
	default:
		sum := func(sorted bool) operand {
			return operand{x: &cqn.Call{Name: "sum", Args: []cqn.Expr{by.o.x}, Over: over(sorted)}, t: by.o.t}
		}
		extra = append(extra, resultColumn{name: rank, o: sum(true)})
		if kind == "percent" {
			extra = append(extra, resultColumn{name: total, o: sum(false)})
			bound = &cqn.Binary{Op: cqn.Div, L: &cqn.Binary{Op: cqn.Mul, L: double(operand{x: ref(total)}), R: bound}, R: double(operand{x: &cqn.Lit{Value: cqn.Int(100)}})}
		}
		keep = &cqn.Binary{Op: cqn.Lt, L: &cqn.Binary{Op: cqn.Sub, L: ref(rank), R: ref(value)}, R: bound}
	}
	if st.e == nil {
		if err := st.derive(extra); err != nil {
			return err
		}
		st.and(keep)
		return nil
	}
	return st.keepKeys(extra, keep)
}

// keepKeys keeps the rows of an entity for which a condition on further columns holds.
func (st *stage) keepKeys(extra []resultColumn, keep cqn.Expr) error {
	if err := st.alone(); err != nil {
		return err
	}
	keys, err := st.keys()
	if err != nil {
		return err
	}
	inner := *st.sel
	inner.Columns, inner.OrderBy = nil, nil
	outer := &cqn.Select{From: &cqn.Derived{Query: &inner, As: "r"}, Where: keep}
	for _, k := range keys {
		n := st.p.freshVar()
		inner.Columns = append(inner.Columns, cqn.Column{X: k, As: n})
		outer.Columns = append(outer.Columns, cqn.Column{X: cqn.NewRef(n), As: n})
	}
	for _, c := range extra {
		inner.Columns = append(inner.Columns, cqn.Column{X: c.o.x, As: c.name})
	}
	st.sel.Where = &cqn.In{X: tupleOf(keys), Set: &cqn.Subquery{Query: outer}}
	return nil
}

// concat reads concat(sequence,sequence,…): the rows of all of them, one after the other. Within groupby each is done for every group.
func (p *exprParser) concat(c *scanner, st *stage, groups []resultColumn, cond cqn.Expr) error {
	if err := p.enter(c); err != nil {
		return err
	}
	defer p.leave()
	var parts []*stage
	for {
		part := st.fork()
		c.blanks()
		var err error
		if groups == nil {
			err = p.sequence(c, part)
		} else {
			err = p.groupSequence(c, part, groups, cond)
		}
		if err != nil {
			return err
		}
		parts = append(parts, part)
		c.blanks()
		if c.accept(')') {
			break
		}
		if err := c.expect(','); err != nil {
			return err
		}
	}
	if len(parts) < 2 {
		return bad("concat needs two results at least")
	}
	return st.union(parts)
}

// union makes st the union of results, whose rows may have different columns.
func (st *stage) union(parts []*stage) error {
	if err := st.alone(); err != nil {
		return err
	}
	total := 0
	for _, part := range parts {
		if err := part.flatten(); err != nil {
			return err
		}
		if part.limited { // what is cut off must not depend on chance
			part.sortByKeys()
		}
		for _, g := range part.sel.GroupBy {
			if ref, ok := g.(*cqn.Ref); ok && part.grouped && strings.HasPrefix(ref.Path[0].Name, "#") { // by the name of a column
				if err := part.derive(nil); err != nil {
					return err
				}
				break
			}
		}
		total += max(part.forms, 1)
	}
	if total > maxForms {
		return bad("concat puts together more than %d results", maxForms)
	}
	u := &union{p: st.p}
	for _, part := range parts {
		if err := u.add(part); err != nil {
			return err
		}
	}
	op := &cqn.SetOp{Op: "union", All: true}
	base := 0
	for i, part := range parts {
		op.Args = append(op.Args, u.arm(part, i, base))
		base += max(part.forms, 1)
	}
	st.e, st.grouped, st.limited, st.forms = nil, false, false, total
	st.sel = &cqn.Select{From: &cqn.Derived{Query: op, As: "r"}}
	st.cols = []resultColumn{{name: cqn.VariantColumn, o: operand{x: cqn.NewRef(cqn.VariantColumn), t: int64Type}}}
	st.orders = []sortItem{{o: st.cols[0].o}}
	for _, uc := range u.cols {
		c := uc.resultColumn
		c.o = operand{x: cqn.NewRef(c.name), t: c.o.t, el: c.el}
		st.cols = append(st.cols, c)
		if uc.sorts {
			st.orders = append(st.orders, sortItem{o: c.o, desc: uc.desc})
		}
	}
	st.unique = []string{cqn.VariantColumn}
	st.unique = append(st.unique, u.unique...)
	st.rename()
	return nil
}

// A union collects the columns of several results, by their place in the answer.
type union struct {
	p      *exprParser
	cols   []unionColumn
	unique []string
	forms  int
	parts  int
}

type unionColumn struct {
	resultColumn
	of    map[int]cqn.Expr // by part
	mixed bool             // the parts have different types, which are brought to that of the column
	sorts bool
	desc  bool
}

func (u *union) add(part *stage) error {
	bits := uint64(1)<<max(part.forms, 1) - 1
	for _, c := range part.cols {
		if c.out == nil {
			continue
		}
		mask := bits << u.forms
		if c.variants != 0 {
			mask = c.variants << u.forms
		}
		i := slices.IndexFunc(u.cols, func(o unionColumn) bool { return slices.Equal(o.out, c.out) })
		if i < 0 {
			i = len(u.cols)
			name := u.p.freshVar()
			u.cols = append(u.cols, unionColumn{resultColumn: resultColumn{name: name, out: c.out, o: operand{t: c.o.t}, el: c.el}, of: map[int]cqn.Expr{}})
		}
		if err := u.cols[i].merge(&c); err != nil {
			return err
		}
		u.cols[i].variants |= mask
		u.cols[i].of[u.parts] = c.o.x
		if slices.Contains(part.unique, c.name) && !slices.Contains(u.unique, u.cols[i].name) {
			u.unique = append(u.unique, u.cols[i].name)
		}
	}
	for _, o := range part.orders {
		name := u.p.freshVar()
		x := part.spelled(o.o.x)
		u.cols = append(u.cols, unionColumn{resultColumn: resultColumn{name: name, o: operand{t: o.o.t}}, of: map[int]cqn.Expr{u.parts: x}, sorts: true, desc: o.desc})
	}
	u.forms += max(part.forms, 1)
	u.parts++
	return nil
}

// merge finds the type for a column of two results. Numbers of different types become exact ones, or doubles if one is.
func (c *unionColumn) merge(o *resultColumn) error {
	if c.el != o.el {
		c.el = nil
	}
	a, b := c.o.t, o.o.t
	switch {
	case a == b:
	case a == nil || b == nil || !sameFamily(a, b):
		return bad("concat: \"%s\" has values of different types", strings.Join(o.out, "/"))
	case isNumeric(a) && (a.Kind != b.Kind || a.Precision != b.Precision || a.Scale != b.Scale):
		c.mixed = true
		if c.o.t = decimalType; a.Kind == csn.Double || b.Kind == csn.Double {
			c.o.t = doubleType
		}
	}
	return nil
}

// arm returns the query of one result with the columns of all, null where it lacks one. base is the number of its first form.
func (u *union) arm(part *stage, n, base int) cqn.Query {
	part.settle()
	sel := *part.sel
	for i := range sel.OrderBy {
		sel.OrderBy[i].X = part.spelled(sel.OrderBy[i].X)
	}
	if !part.limited {
		sel.OrderBy = nil
	}
	var form cqn.Expr = &cqn.Cast{X: &cqn.Lit{Value: cqn.Int(int64(base))}, Type: cqn.TypeName{Name: "cds.Integer"}}
	if part.forms > 0 {
		form = &cqn.Binary{Op: cqn.Add, L: cqn.NewRef(cqn.VariantColumn), R: form}
	}
	sel.Columns = []cqn.Column{{X: form, As: cqn.VariantColumn}}
	for _, c := range u.cols {
		x, ok := c.of[n]
		if !ok {
			x = nullOf(c.o.t)
		} else if c.mixed {
			x = &cqn.Cast{X: x, Type: cqn.TypeName{Name: c.o.t.Name}}
		}
		sel.Columns = append(sel.Columns, cqn.Column{X: x, As: c.name})
	}
	return &sel
}

// nullOf is null with a type, since the columns of a union must have one.
func nullOf(t *csn.Builtin) cqn.Expr {
	x := &cqn.Lit{}
	if t == nil || t == durationType {
		return x
	}
	named := cqn.TypeName{Name: t.Name, Length: t.Length, Precision: t.Precision, Scale: t.Scale}
	return &cqn.Cast{X: x, Type: named}
}
