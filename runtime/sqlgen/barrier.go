package sqlgen

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// The barrier. A database evaluates conditions in the order that it likes best, so an expression of a client might be tried on a row before the
// guard has hidden it, and fail there: a division by zero would tell what is in the row. An expression that can never fail is no danger, and is left
// for the database to order and to find an index for. For one that may fail, the plan is compiled again with barriers: every guarded source
// becomes a derived table that the database cannot look into from outside,
//
//	FROM (SELECT * FROM Orders AS t1 WHERE guard OFFSET 0) AS t1 WHERE client
//
// so that nothing of the client sees more than the rows that the guard lets through. Conditions that cannot fail go inside, beside the guard, where an
// index may serve them. Constants that fail by themselves, as 1 div 0, fail whatever rows there are.

// withBarrier compiles by fn, twice if an expression of the client may fail while some rows are hidden from it.
func (c *compiler) withBarrier(fn func(c *compiler) (*Plan, error)) (*Plan, error) {
	start := *c
	p, err := fn(c)
	if err == nil && c.fallible && c.guarded {
		start.barrier = true
		c = &start
		p, err = fn(c)
	}
	c.markSession(p)
	p.markSealed()
	p.markMasked()
	c.markOpens(p)
	if p != nil {
		p.Tenant = c.tenanted
	}
	return p, err
}

// shut makes the source a derived table of the rows that its guard so far lets through, into which nothing can look from outside: what is asked of the
// rows after it may fail.
func (src *source) shut() { src.first, src.guard = src.guard, "" }

// enclose makes the guard a part of the source itself.
func (src *source) enclose() {
	src.inner, src.guard = []string{src.guard}, ""
}

// takes reports whether conditions may go inside the source's barrier: it has one, and is no view whose own conditions may fail. Whether they do would
// depend on what the client filters by.
func (src *source) takes() bool { return src.inner != nil && !fallibleFilter(src.entity, 0) }

// take compiles a condition. One on src's row alone that cannot fail goes inside src's barrier if it has one; take returns the condition for all others.
func (sc *scope) take(src *source, x cqn.Expr) (string, error) {
	was := sc.compiler.fallible
	sc.compiler.fallible = false
	f, err := sc.cond(x)
	may := sc.compiler.fallible
	sc.compiler.fallible = was || may
	if err != nil || may || !src.takes() || !src.ownOnly(x) {
		return f.at(precAnd), err
	}
	src.inner = append(src.inner, f.at(precAnd))
	return "", nil
}

// ownOnly reports whether an expression looks at elements of the source's own row only.
func (src *source) ownOnly(x cqn.Expr) bool {
	ok := true
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Exists, *cqn.Subquery:
			ok = false
		case *cqn.Ref:
			_, used := flat(src.entity, n.Path)
			ok = ok && used == len(n.Path)
		}
		return ok
	})
	return ok
}

// conjuncts splits a condition at its top-level ands.
func conjuncts(x cqn.Expr) []cqn.Expr {
	var out []cqn.Expr
	for {
		b, ok := x.(*cqn.Binary)
		if !ok || b.Op != cqn.And {
			break
		}
		out = append(out, b.R)
		x = b.L
	}
	out = append(out, x)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// note takes down that an expression of the client may fail.
func (sc *scope) note(x cqn.Expr) {
	if sc.definer || sc.compiler.fallible {
		return
	}
	if sc.settled { // but what is behind an association may be computed where it is joined
		if r, ok := x.(*cqn.Ref); !ok || len(r.Path) == 1 {
			return
		}
	}
	switch x := x.(type) {
	case *cqn.Ref:
		if f, _ := sc.probe(x); f.el != nil { // what does not exist is refused when it is compiled
			sc.compiler.fallible = fallibleElement(f.el, 0)
		}
		return
	case *cqn.Call:
		if len(x.Args) == 1 && hasPart(sc.moment(x.Args[0]), strings.ToLower(x.Name)) || afterRows(x) {
			return
		}
	}
	sc.compiler.fallible = fallible(x)
}

// noteJoin takes down that the condition of an association may fail, which a database may try on rows of the entities that are hidden.
func (sc *scope) noteJoin(on cqn.Expr, entities ...*csn.Entity) {
	if !sc.definer && (anyFallible(on) || refersFallible(entities, on, 0)) {
		sc.compiler.fallible = true
	}
}

// afterRows reports whether a function is evaluated when its query has chosen its rows, wherever it stands: an aggregate. So are its arguments.
func afterRows(x *cqn.Call) bool {
	switch strings.ToLower(x.Name) {
	case "count", "sum", "avg", "average", "countdistinct", "total":
		return true
	case "min", "max":
		return len(x.Args) == 1
	}
	return false
}

// noteElement takes down that an output column may fail. One of the query's own rows is computed when they are chosen; what goes into another
// query, or comes from a view behind an association, may be computed before.
func (s *selection) noteElement(src *source, el *csn.Element) {
	if s.definer || s.compiler.fallible || s.use == Root && (src == s.main || src.entity.Source == nil) {
		return
	}
	s.compiler.fallible = fallibleElement(el, 0)
}

// noteTypes takes down that two values which are brought to one type may fail: a decimal number of any size may be out of the range of binary ones.
func (sc *scope) noteTypes(a, b *csn.Builtin) {
	if sc.definer || a == nil || b == nil {
		return
	}
	if a.Kind == csn.Double {
		a, b = b, a
	}
	if b.Kind == csn.Double && a.Kind == csn.Decimal && (a.Precision == 0 || a.Variable) {
		sc.compiler.fallible = true
	}
}

// moment returns the type of an element with a date or time, NoScalar for all other expressions.
func (sc *scope) moment(x cqn.Expr) csn.Scalar {
	switch x := x.(type) {
	case *cqn.Ref:
		if f, _ := sc.probe(x); f.typ != nil {
			switch f.typ.Kind {
			case csn.Date, csn.Time, csn.DateTime, csn.Timestamp:
				return f.typ.Kind
			}
		}
	case *cqn.Call:
		if strings.EqualFold(x.Name, "now") {
			return csn.Timestamp
		}
	}
	return csn.NoScalar
}

// hasPart reports whether a function takes a part of a date or time that all values of the type have. A database may refuse others row by row.
func hasPart(t csn.Scalar, name string) bool {
	switch name {
	case "year", "month", "day", "date":
		return t == csn.Date || t == csn.DateTime || t == csn.Timestamp
	case "hour", "minute", "second", "fractionalseconds", "time":
		return t == csn.Time || t == csn.DateTime || t == csn.Timestamp
	case "totaloffsetminutes":
		return t != csn.NoScalar
	}
	return false
}

// sturdy are functions that cannot fail, whatever they are given. A function that is not listed may.
var sturdy = map[string]bool{
	"contains": true, "startswith": true, "endswith": true, "indexof": true, "tolower": true, "toupper": true, "lower": true, "upper": true, "trim": true,
	"ltrim": true, "rtrim": true, "length": true, "concat": true, "coalesce": true, "ifnull": true, "nullif": true, "now": true, "maxdatetime": true,
	"mindatetime": true, "cds.search": true, "cds.words": true, "cds.count": true, "cds.number": true, "cds.min": true, "cds.max": true, "count": true, "min": true, "max": true, "countdistinct": true, "floor": true, "ceil": true, "ceiling": true,
	"cds.year_date": true, "cds.year_datetime": true, "cds.year_stamp": true, "cds.month_date": true, "cds.month_datetime": true, "cds.month_stamp": true,
	"cds.bounded": true, "cds.whole": true,
	"current_date": true, "current_time": true, "current_timestamp": true, "row_number": true, "rank": true, "dense_rank": true,
}

// fallible reports whether a node of an expression may make a statement fail for some values of its operands: arithmetic by zero or out of range, casts,
// patterns, subqueries with several rows. What is not known may fail.
func fallible(node any) bool {
	switch n := node.(type) {
	case *cqn.Ref, *cqn.Lit, *cqn.Param, *cqn.Tuple, *cqn.Case, *cqn.Exists, *cqn.Between, *raw, *cqn.Select, *cqn.From:
		return false
	case *cqn.Unary:
		switch n.Op {
		case cqn.Not, cqn.Plus, cqn.IsNull, cqn.IsNotNull, cqn.IsNotTrue:
			return false
		case cqn.Neg:
			return !isBare(n.X)
		}
	case *cqn.Binary:
		switch n.Op {
		case cqn.And, cqn.Or, cqn.Eq, cqn.Ne, cqn.NeSQL, cqn.EqNull, cqn.Lt, cqn.Le, cqn.Gt, cqn.Ge, cqn.Concat:
			return false
		}
	case *cqn.Like:
		return n.Escape != nil
	case *cqn.In:
		_, array := n.Set.(*cqn.Ref)
		return array
	case *cqn.Call:
		return !sturdy[strings.ToLower(n.Name)]
	case *cqn.Subquery:
		return !n.Exists && !oneRow(n.Query)
	}
	return true
}

// oneRow reports whether a query always has one row: it is one aggregate.
func oneRow(q cqn.Query) bool {
	s, ok := q.(*cqn.Select)
	if !ok || len(s.Columns) != 1 || len(s.GroupBy) > 0 {
		return false
	}
	c, ok := s.Columns[0].X.(*cqn.Call)
	if !ok || c.Over != nil {
		return false
	}
	switch strings.ToLower(c.Name) {
	case "count", "countdistinct", "min", "max":
		return true
	}
	return false
}

// maxViews bounds the chain of views that a computed element is followed through.
const maxViews = 50

// A failing is one search for what may fail. What it has looked at once it does not look at again.
type failing struct {
	elements map[*csn.Element]bool
	views    map[*csn.Entity]bool
}

// fallibleElement reports whether the value of an element is computed by an expression that may fail: a calculated element, or a column of a view.
func fallibleElement(el *csn.Element, depth int) bool { return (&failing{}).element(el, depth) }

// refersFallible reports whether an expression names an element of one of the entities that is computed by one that may fail, or something that is not
// understood. Where it is not clear of which entity a name is, it is taken for each.
func refersFallible(entities []*csn.Entity, x any, depth int) bool {
	return (&failing{}).refers(entities, x, depth)
}

// fallibleView reports whether anything in the body of a view, or of one below it, may fail.
func fallibleView(e *csn.Entity, depth int) bool { return (&failing{}).view(e, depth) }

func (f *failing) element(el *csn.Element, depth int) bool {
	if depth > maxViews {
		return true
	}
	if el.Value() == nil && el.Origin == nil && el.Owner != nil && el.Owner.Source == nil || f.elements[el] {
		return false
	}
	if f.elements == nil {
		f.elements = map[*csn.Element]bool{}
	}
	f.elements[el] = true
	if !el.Stored && anyFallible(el.Value()) {
		return true
	}
	if el.Origin != nil {
		return f.element(el.Origin, depth+1)
	}
	e := el.Owner
	if e == nil || e.Source == nil {
		return !el.Stored && f.refers([]*csn.Entity{e}, el.Value(), depth+1)
	}
	return f.view(e, depth+1)
}

func (f *failing) refers(entities []*csn.Entity, x any, depth int) bool {
	found := false
	cqn.Walk(x, func(n any) bool {
		if r, ok := n.(*cqn.Ref); ok && !found {
			found = !f.calm(entities, r.Path, depth)
		}
		return !found
	})
	return found
}

// calm reports whether a path leads somewhere, and nowhere to what may fail.
func (f *failing) calm(entities []*csn.Entity, path []cqn.Step, depth int) bool {
	known := false
	for _, e := range entities {
		for _, p := range [...][]cqn.Step{path, path[min(1, len(path)):]} { // the second after the alias of a source
			if el := end(e, p); el != nil {
				if f.element(el, depth) {
					return false
				}
				known = true
			}
		}
	}
	return known
}

// end returns the element at the end of a path from an entity, nil for none.
func end(e *csn.Entity, path []cqn.Step) *csn.Element {
	for e != nil {
		el, used := flat(e, path)
		if path = path[used:]; el == nil || len(path) == 0 {
			return el
		}
		if e = nil; el.Assoc() != nil {
			e = el.Assoc().Target
		}
	}
	return nil
}

func (f *failing) view(e *csn.Entity, depth int) bool {
	if depth > maxViews {
		return true
	}
	if f.views[e] {
		return false
	}
	if f.views == nil {
		f.views = map[*csn.Entity]bool{}
	}
	f.views[e] = true
	if anyFallible(e.Source) {
		return true
	}
	for _, r := range e.Reads {
		for _, el := range r.Flat {
			if !el.Stored && (anyFallible(el.Value()) || f.refers([]*csn.Entity{r}, el.Value(), depth+1)) {
				return true
			}
		}
		if f.view(r, depth+1) {
			return true
		}
	}
	return false
}

// fallibleFilter reports whether the conditions by which a view chooses its rows may fail: then they must not depend on what a client filters by.
func fallibleFilter(e *csn.Entity, depth int) bool {
	if e.Source == nil {
		return false
	}
	s, ok := e.Source.(*cqn.Select)
	if !ok || depth > maxViews || anyFallible(s.From) || anyFallible(s.Where) || anyFallible(s.Having) {
		return true // joins and unions are among what may fail
	}
	if refersFallible(e.Reads, s.From, depth+1) || refersFallible(e.Reads, s.Where, depth+1) || refersFallible(e.Reads, s.Having, depth+1) {
		return true
	}
	for _, r := range e.Reads {
		if fallibleFilter(r, depth+1) {
			return true
		}
	}
	return false
}

// anyFallible looks for a node that may fail; there is none in nothing.
func anyFallible(node any) bool {
	found := false
	cqn.Walk(node, func(n any) bool {
		found = found || fallible(n)
		return !found
	})
	return found
}
