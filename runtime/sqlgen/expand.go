package sqlgen

import (
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A parentKey is a child that still has to be told where its parent's keys are in the parent's row.
type parentKey struct {
	child    *Child
	src      *source
	elements []*csn.Element
}

// expand compiles `assoc { … }`: a join for a to-one association, a plan of its own for a to-many one.
func (s *selection) expand(src *source, c *cqn.Column, depth int) ([]Column, error) {
	if !s.plain {
		return nil, s.fail("INVALID_QUERY", "$expand cannot be combined with grouping or distinct")
	}
	ref, ok := c.X.(*cqn.Ref)
	if !ok {
		return nil, s.fail("INVALID_QUERY", "only an association can be expanded")
	}
	at := s.within(src)
	base, path, err := at.base(ref)
	if err != nil {
		return nil, err
	}
	out := noColumn()
	out.Name = columnName(c)
	for {
		if base.entity == nil || len(path) == 0 {
			return nil, s.unknown(ref)
		}
		el, n := flat(base.entity, path)
		if el == nil || el.Assoc() == nil {
			return nil, s.fail("INVALID_PATH", "%q is not an association", pathText(ref))
		}
		if err := s.allowed(el, Expand); err != nil {
			return nil, err
		}
		step := path[n-1]
		path = path[n:]
		out.Element, out.Type = el, el.Type
		if el.Assoc().Many {
			if len(path) > 0 {
				return nil, s.fail("INVALID_PATH", "%q leads on from a to-many association", pathText(ref))
			}
			return s.toManyExpand(base, el, step, c, out, depth)
		}
		if len(path) == 0 && c.Expand.Where != nil {
			step.Filter = andExprs(step.Filter, c.Expand.Where)
		}
		next, err := s.join(base, el, step, Expand)
		if err != nil {
			return nil, err
		}
		if base = next; len(path) == 0 {
			break
		}
	}
	nested, err := s.outputs(base, c.Expand.Columns, c.Expand.Exclude, depth+1)
	if err != nil {
		return nil, err
	}
	out.Nested = nested
	if out.Nested == nil {
		out.Nested = []Column{}
	}
	out.Present, err = s.present(base, out.Element)
	return []Column{out}, err
}

func andExprs(a, b cqn.Expr) cqn.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &cqn.Binary{Op: cqn.And, L: a, R: b}
}

// present adds a column that is null if and only if the joined row is missing.
func (s *selection) present(src *source, el *csn.Element) (int, error) {
	var key *csn.Element
	switch {
	case len(src.entity.Keys) > 0:
		key = src.entity.Keys[0]
	case len(el.Assoc().Pairs) > 0:
		key = el.Assoc().Pairs[0].Target
	default:
		return 0, s.fail("INVALID_PATH", "%s cannot be expanded: its target has no key", el.Name)
	}
	col, err := src.column(key)
	if err != nil {
		return 0, err
	}
	for i, sql := range s.columns {
		if sql == col {
			return i, nil
		}
	}
	return s.add(col), nil
}

// toManyExpand makes the child plan of a to-many association.
func (s *selection) toManyExpand(src *source, el *csn.Element, step cqn.Step, c *cqn.Column, out Column, depth int) ([]Column, error) {
	if depth >= maxExpand {
		return nil, s.fail("QUERY_TOO_DEEP", "too many levels of $expand")
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	child := &Child{Count: c.Count}
	q := *c.Expand
	q.Where = andExprs(step.Filter, q.Where)
	var cols []Column
	if c.Count && (q.Limit != nil || q.Offset != nil) {
		// The page may leave no row of a parent that could carry the number, so the parent's row does.
		total, err := s.countOf(src, el, &q)
		if err != nil {
			return nil, err
		}
		total.Name = out.Name + "@odata.count"
		cols, child.Count = append(cols, total), false
	}
	keys, err := s.childPlan(child, src, el, &q, depth+1)
	if err != nil {
		return nil, err
	}
	s.plan.Children = append(s.plan.Children, child)
	out.Child = len(s.plan.Children)
	s.pending = append(s.pending, parentKey{child, src, keys})
	return append(cols, out), nil
}

// countOf is a column with the number of rows of a to-many expand, without paging.
func (s *selection) countOf(src *source, el *csn.Element, q *cqn.Select) (Column, error) {
	in := &selection{scope: s.sub(), plan: &Plan{}}
	next, err := in.newSource(el.Assoc().Target, Expand)
	if err != nil {
		return Column{}, err
	}
	in.setMain(next)
	next.outer = true
	on, err := in.stepCond(src, next, el, cqn.Step{Filter: q.Where})
	if err != nil {
		return Column{}, err
	}
	in.and(on)
	if err := in.search(q); err != nil {
		return Column{}, err
	}
	c := noColumn()
	c.Type = typeInt64
	c.Index = s.add("(SELECT count(*) FROM " + in.scope.from(next.table()) + " WHERE " + strings.Join(in.where, " AND ") + ")")
	return c, nil
}

// childPlan compiles the statement of a child and returns the parent's elements whose values it takes as lists. Where the association is a
// plain equality these are the columns of the join; otherwise the child joins its parent again and takes the parent's keys.
func (s *selection) childPlan(child *Child, src *source, el *csn.Element, q *cqn.Select, level int) ([]*csn.Element, error) {
	a := el.Assoc()
	st := &stmt{compiler: s.compiler}
	k := &selection{scope: &scope{stmt: st, definer: s.definer}, plan: &Plan{}, level: level}
	child.Plan = k.plan
	target, err := k.newSource(a.Target, Expand)
	if err != nil {
		return nil, err
	}
	k.setMain(target)
	k.plan.Entity = a.Target
	var parentKeys []*csn.Element
	var keyCols []string
	if len(a.Pairs) > 0 && restOfTarget(a.Rest) {
		for _, p := range a.Pairs {
			col, err := target.column(p.Target)
			if err != nil {
				return nil, err
			}
			parentKeys, keyCols = append(parentKeys, p.Source), append(keyCols, col)
			k.keyColumn(child, p.Target, col)
		}
		k.keyLists(keyCols, pairTargets(a.Pairs))
		if a.Rest != nil {
			k.noteJoin(a.Rest, a.Target)
			in := &scope{stmt: st, vars: map[string]*source{"$target": target}, definer: true, noJoin: true}
			f, err := in.cond(a.Rest)
			if err != nil {
				return nil, err
			}
			k.and(f.at(precAnd))
		}
	} else if parentKeys, keyCols, err = k.joinParent(child, src.entity, target, el); err != nil {
		return nil, err
	}
	k.and(target.guard)
	k.order = append(k.order, keyCols...)
	if err := k.childClauses(child, q, keyCols); err != nil {
		return nil, err
	}
	if k.keyIn != "" && strings.Count(k.plan.SQL, k.keyIn) == 1 {
		child.One = strings.Replace(k.plan.SQL, k.keyIn, k.keyOne, 1)
	}
	return parentKeys, nil
}

func pairTargets(ps []csn.JoinPair) []*csn.Element {
	out := make([]*csn.Element, len(ps))
	for i, p := range ps {
		out[i] = p.Target
	}
	return out
}

// restOfTarget reports whether the rest of a join looks at the target only.
func restOfTarget(x cqn.Expr) bool {
	ok := true
	cqn.Walk(x, func(n any) bool {
		if r, isRef := n.(*cqn.Ref); isRef && len(r.Path) > 0 && r.Path[0].Name == "$source" {
			ok = false
		}
		return ok
	})
	return ok
}

func (s *selection) keyColumn(child *Child, el *csn.Element, col string) {
	c := noColumn()
	c.Name, c.Element, c.Type, c.Hidden = el.Name, el, el.Type, true
	c.Index = s.add(col)
	s.plan.Columns = append(s.plan.Columns, c)
	child.ChildKeys = append(child.ChildKeys, c.Index)
}

// keyLists adds the condition that the key columns are those of a parent of the page: one list for each column.
func (s *selection) keyLists(cols []string, els []*csn.Element) {
	nums := make([]int, len(els))
	for i, el := range els {
		nums[i] = s.bindIndex(Bind{Param: cqn.Param{From: cqn.FromKeys, Name: el.Name, Index: i}, Type: el.Scalar(), List: true})
	}
	if len(cols) == 1 {
		in := string(s.d.InList([]byte(cols[0]), nums[0], els[0].Scalar(), false))
		if plainKey(els[0].Scalar()) {
			s.keyIn, s.keyOne = in, string(s.d.Param([]byte(cols[0]+" = "), nums[0], els[0].Scalar()))
		}
		if s.from == "" && s.main.takes() {
			s.main.inner = append(s.main.inner, in) // behind the barrier, where an index serves it
			return
		}
		s.and(in)
		return
	}
	// Several lists are put together by position.
	var b []byte
	var values []string
	for i, el := range els {
		alias := "k" + strconv.Itoa(i+1)
		values = append(values, alias+".value")
		if i > 0 {
			b = append(b, " JOIN "...)
		}
		b = s.d.ListRows(b, nums[i], el.Scalar(), alias)
		if i > 0 {
			b = append(b, " ON "+alias+".key = k1.key"...)
		}
	}
	s.and(tuple(cols) + " IN (SELECT " + strings.Join(values, ", ") + " FROM " + string(b) + ")")
}

// plainKey tells types whose values compare alike alone and in a list, on every database.
func plainKey(t *csn.Builtin) bool {
	if t == nil {
		return false
	}
	switch t.Kind {
	case csn.String, csn.UUID, csn.Integer, csn.Int64:
		return true
	}
	return false
}

// joinParent joins a child to its parents where the association is more than an equality of columns.
func (s *selection) joinParent(child *Child, parent *csn.Entity, target *source, el *csn.Element) ([]*csn.Element, []string, error) {
	if len(parent.Keys) == 0 {
		return nil, nil, s.fail("INVALID_PATH", "%s cannot be expanded: %s has no key", el.Name, parent.Name)
	}
	p, err := s.newSource(parent, Expand)
	if err != nil {
		return nil, nil, err
	}
	on, err := s.joinCond(p, target, el)
	if err != nil {
		return nil, nil, err
	}
	s.from = p.table() + " JOIN " + target.table() + " ON " + on
	s.and(p.guard)
	cols, err := p.keys()
	if err != nil {
		return nil, nil, err
	}
	for i, k := range parent.Keys {
		s.keyColumn(child, k, cols[i])
	}
	s.keyLists(cols, parent.Keys)
	return parent.Keys, cols, nil
}

// childClauses compiles the query inside an expand. A limit holds for each parent, so rows are numbered within their parent; and so does grouping.
func (s *selection) childClauses(child *Child, q *cqn.Select, keys []string) error {
	grouped := len(q.GroupBy) > 0 || aggregates(q.Columns)
	if q.Distinct || grouped && (q.Limit != nil || q.Offset != nil) {
		return s.fail("INVALID_QUERY", "distinct rows, and pages of groups, are not supported inside $expand")
	}
	hidden := s.plan.Columns
	s.plan.Columns = nil
	if err := s.clauses(q); err != nil {
		return err
	}
	s.plan.Columns = append(hidden, s.plan.Columns...)
	if grouped {
		s.group = strings.TrimSuffix(strings.Join(keys, ", ")+", "+s.group, ", ")
	} else { // rows that the user's order leaves open come by their keys, so that pages are stable
		own, err := s.main.keys()
		if err != nil {
			return err
		}
		s.order = append(s.order, own...)
	}
	partition := "PARTITION BY " + strings.Join(keys, ", ")
	if child.Count {
		child.CountIndex = s.add("count(*) OVER (" + partition + ")")
	}
	if q.Limit == nil && q.Offset == nil {
		s.plan.SQL, s.plan.Binds = s.sql(false), s.binds
		return nil
	}
	return s.paged(child, q, partition, s.order[len(keys):])
}

// paged wraps the statement of a child with $top or $skip.
func (s *selection) paged(child *Child, q *cqn.Select, partition string, within []string) error {
	if len(within) > 0 {
		partition += " ORDER BY " + strings.Join(within, ", ")
	}
	n := s.add("row_number() OVER (" + partition + ")")
	outs := make([]string, n)
	for i, sql := range s.columns {
		name := "c" + strconv.Itoa(i)
		s.columns[i] = sql + " AS " + name
		if i < n {
			outs[i] = name
		}
	}
	var orders []string
	for _, i := range child.ChildKeys {
		orders = append(orders, "c"+strconv.Itoa(i))
	}
	rn := "c" + strconv.Itoa(n)
	offset := "0"
	if q.Offset != nil {
		f, err := s.expr(q.Offset, hint{typ: typeInt64})
		if err != nil {
			return err
		}
		offset = f.sql
	}
	where := rn + " > " + offset
	if q.Limit != nil {
		f, err := s.expr(q.Limit, hint{typ: typeInt64})
		if err != nil {
			return err
		}
		where += " AND " + rn + " <= " + offset + " + " + f.sql
	}
	s.order = nil
	s.plan.SQL = "SELECT " + strings.Join(outs, ", ") + " FROM (" + s.sql(false) + ") AS p WHERE " + where + " ORDER BY " + strings.Join(append(orders, rn), ", ")
	s.plan.Binds = s.binds
	return nil
}
