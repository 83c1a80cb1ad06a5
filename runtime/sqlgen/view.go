package sqlgen

import (
	"fmt"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// ViewOptions say which variant of a view is made.
type ViewOptions struct {
	// Localized reads the localized variants of its sources where they have one.
	Localized bool
}

// CompileView returns the SELECT statement for the body of a view, by default e.Source. Views read with their definer's right: nothing in
// them is guarded, the guard is put on the view when it is read. Constants are written out, since a view has no parameters.
func CompileView(q cqn.Query, e *csn.Entity, m *csn.Model, d Dialect, opt ViewOptions) (string, error) {
	if q == nil {
		q = e.Source
	}
	c := &compiler{m: m, d: d, t: d.Tables(), view: true, localized: opt.Localized, body: e}
	sc := &scope{stmt: &stmt{compiler: c}, definer: true, result: e}
	sql, _, err := sc.query(q)
	if err != nil {
		return "", fmt.Errorf("view %s: %w", e.Name, err)
	}
	return sql, nil
}

// CompileLocalized returns the SELECT statement for the localized variant of a table: its elements, those with translations in the
// language of the session where there is one.
func CompileLocalized(e *csn.Entity, m *csn.Model, d Dialect) (string, error) {
	return (&compiler{m: m, d: d, t: d.Tables(), view: true}).localizedBody(e)
}

func (c *compiler) localizedBody(e *csn.Entity) (string, error) {
	s := &selection{scope: &scope{stmt: &stmt{compiler: c}, definer: true}}
	src, err := s.newSource(e, Root)
	if err != nil {
		return "", err
	}
	s.setMain(src)
	s.from = src.table()
	s.and(src.guard)
	var texts *source
	if el := e.Flat.Lookup("localized"); el != nil && el.Assoc() != nil && el.Assoc().Join != nil {
		if texts, err = s.join(src, el, cqn.Step{}, Path); err != nil {
			return "", err
		}
	}
	for _, el := range e.Flat {
		if el.Assoc() != nil || el.Virtual || el.Value() != nil && !el.Stored {
			continue
		}
		sql, err := src.column(el)
		if err != nil {
			return "", err
		}
		if texts != nil && el.Localized {
			if t := texts.entity.Element(el.Name); t != nil {
				text, err := texts.column(t)
				if err != nil {
					return "", err
				}
				sql = "coalesce(" + text + ", " + sql + ")"
			}
		}
		s.add(sql + " AS " + Quote(el.Name, c.d))
	}
	return s.sql(false), nil
}

// query compiles a query inside another one, or the body of a view.
func (sc *scope) query(q cqn.Query) (string, []outColumn, error) {
	if err := sc.enter(); err != nil {
		return "", nil, err
	}
	defer sc.leave()
	switch q := q.(type) {
	case *cqn.Select:
		return sc.selectQuery(q)
	case *cqn.SetOp:
		return sc.setOp(q)
	}
	return "", nil, sc.fail("INVALID_QUERY", "a query is expected")
}

func (sc *scope) selectQuery(q *cqn.Select) (string, []outColumn, error) {
	if q == nil {
		return "", nil, sc.fail("INVALID_QUERY", "a query is expected")
	}
	s := &selection{scope: sc, plan: &Plan{}, use: Path, nested: true} // what goes into another query may be compared there
	if sc.result != nil {
		sc.own = &source{scope: sc, entity: sc.result, name: "$projection", own: true}
	}
	if err := s.readSubquery(q.From); err != nil {
		return "", nil, err
	}
	if err := sc.mixins(q); err != nil {
		return "", nil, err
	}
	for i := range q.Columns {
		if q.Columns[i].Expand != nil {
			if !sc.view {
				return "", nil, sc.fail("INVALID_QUERY", "nested rows are not supported in a subquery")
			}
		}
	}
	if err := s.clauses(inlined(q)); err != nil {
		return "", nil, err
	}
	if err := s.limits(q); err != nil {
		return "", nil, err
	}
	out := make([]outColumn, 0, len(s.plan.Columns))
	names := make([]string, 0, len(s.plan.Columns))
	for _, c := range s.plan.Columns {
		out = append(out, outColumn{name: c.Name, sql: s.columns[c.Index], el: c.Element, typ: c.Type, seal: c.Seal, masked: c.masked})
		names = append(names, s.columns[c.Index]+" AS "+Quote(c.Name, sc.d))
	}
	s.columns = names
	if len(names) == 0 {
		s.columns = []string{"1 AS dummy"}
	}
	return s.sql(q.Distinct), out, nil
}

// inlined turns nested projections with braces, which in a view flatten like those with a dot, into inline columns.
func inlined(q *cqn.Select) *cqn.Select {
	var cols []cqn.Column
	for i, c := range q.Columns {
		if c.Expand == nil {
			continue
		}
		if cols == nil {
			cols = append([]cqn.Column(nil), q.Columns...)
		}
		cols[i].Inline, cols[i].Expand, cols[i].As = c.Expand.Columns, nil, columnName(&c)
	}
	if cols == nil {
		return q
	}
	r := *q
	r.Columns = cols
	return &r
}

// readSubquery compiles the FROM clause of a subquery or view.
func (s *selection) readSubquery(src cqn.Source) error {
	if from, ok := src.(*cqn.From); ok && from.Path != nil && len(from.Path.Path) > 0 {
		return s.readPath(from.Path, from.As, Path)
	}
	if src == nil {
		return s.fail("INVALID_QUERY", "the query names no entity")
	}
	sql, err := s.source(src)
	if err != nil {
		return err
	}
	s.from = sql
	s.setMain(nil)
	return nil
}

var joinWords = [...]string{cqn.InnerJoin: " JOIN ", cqn.LeftJoin: " LEFT JOIN ", cqn.RightJoin: " RIGHT JOIN ", cqn.FullJoin: " FULL JOIN ", cqn.CrossJoin: " CROSS JOIN "}

// source compiles a source of an explicit join. A guarded entity becomes a subquery with its condition, so that the kind of the join can't
// let rows through.
func (sc *scope) source(src cqn.Source) (string, error) {
	if err := sc.enter(); err != nil {
		return "", err
	}
	defer sc.leave()
	switch src := src.(type) {
	case *cqn.From:
		return sc.joinedEntity(src)
	case *cqn.Derived:
		in := sc.sub()
		sql, cols, err := in.query(src.Query)
		if err != nil {
			return "", err
		}
		sc.aliases++
		d := &source{scope: sc, derived: cols, name: src.As, explicit: src.As != "", alias: "t" + strconv.Itoa(sc.aliases)}
		sc.sources = append(sc.sources, d)
		return "(" + sql + ") AS " + d.alias, nil
	case *cqn.Join:
		l, err := sc.source(src.L)
		if err != nil {
			return "", err
		}
		r, err := sc.source(src.R)
		if err != nil {
			return "", err
		}
		if int(src.Kind) >= len(joinWords) {
			return "", sc.fail("INVALID_QUERY", "unknown kind of join")
		}
		if _, nested := src.R.(*cqn.Join); nested {
			r = "(" + r + ")"
		}
		if src.On == nil {
			return l + joinWords[src.Kind] + r, nil
		}
		// Paths in the condition cannot join: their tables would come after it.
		on := &scope{stmt: sc.stmt, sources: sc.sources, parent: sc.parent, definer: sc.definer, noJoin: true}
		f, err := on.cond(src.On)
		return l + joinWords[src.Kind] + r + " ON " + f.sql, err
	}
	return "", sc.fail("INVALID_QUERY", "the query names no entity")
}

func (sc *scope) joinedEntity(from *cqn.From) (string, error) {
	if from.Path == nil || len(from.Path.Path) == 0 {
		return "", sc.fail("INVALID_QUERY", "the query names no entity")
	}
	var src *source
	if len(from.Path.Path) == 1 && from.Path.Path[0].Filter == nil {
		e := sc.m.Entity(from.Path.Path[0].Name)
		if e == nil {
			return "", &Error{Code: "UNKNOWN_ENTITY", Message: "entity " + strconv.Quote(from.Path.Path[0].Name) + " does not exist", Status: 404}
		}
		var err error
		if src, err = sc.newSource(e, Path); err != nil {
			return "", err
		}
	} else {
		in := &selection{scope: sc.sub(), plan: &Plan{}}
		if err := in.readPath(from.Path, "", Path); err != nil {
			return "", err
		}
		src = in.main
		in.columns = []string{src.alias + ".*"}
		src.from, src.guard, src.first, src.inner, src.scope = "("+in.sql(false)+")", "", "", nil, sc
	}
	if from.As != "" {
		src.name, src.explicit = from.As, true
	}
	sc.sources = append(sc.sources, src)
	if src.guard != "" {
		return "(SELECT * FROM " + src.table() + " WHERE " + src.guard + ") AS " + src.alias, nil
	}
	return src.table(), nil
}

// setOp compiles union and the like. Columns are named by the first query; sorting is by those names.
func (sc *scope) setOp(q *cqn.SetOp) (string, []outColumn, error) {
	op, ok := map[string]string{"union": " UNION ", "intersect": " INTERSECT ", "except": " EXCEPT "}[q.Op]
	if !ok || len(q.Args) < 2 {
		return "", nil, sc.fail("INVALID_QUERY", "unknown set operation %q", q.Op)
	}
	if q.All {
		op += "ALL "
	}
	var parts []string
	var first []outColumn
	for i, a := range q.Args {
		in := sc.sub()
		if i == 0 {
			in.result = sc.result
		}
		sql, cols, err := in.query(a)
		if err != nil {
			return "", nil, err
		}
		for j := range cols { // several columns become one, in which it could not be told how a value was encrypted
			if cols[j].seal != nil {
				name := cols[j].name
				if cols[j].el != nil {
					name = cols[j].el.Name
				}
				return "", nil, sc.sealedUse(name, cols[j].seal)
			}
		}
		if i == 0 {
			first = cols
		} else if len(cols) != len(first) {
			return "", nil, sc.fail("INVALID_QUERY", "the queries of a %s have %d and %d columns", q.Op, len(first), len(cols))
		}
		for j := range cols {
			if first[j].masked == nil {
				first[j].masked = cols[j].masked
			}
		}
		if s, ok := a.(*cqn.Select); !ok || len(s.OrderBy) > 0 || s.Limit != nil || s.Offset != nil {
			sql = "SELECT * FROM (" + sql + ") AS u" + strconv.Itoa(i+1)
		}
		parts = append(parts, sql)
	}
	sql := strings.Join(parts, op)
	var order []string
	for _, o := range q.OrderBy {
		ref, ok := o.X.(*cqn.Ref)
		if !ok || len(ref.Path) == 0 {
			return "", nil, sc.fail("INVALID_QUERY", "a %s can only be sorted by its columns", q.Op)
		}
		name := ref.Path[len(ref.Path)-1].Name
		found := false
		for i := range first {
			found = found || first[i].name == name
		}
		if !found {
			return "", nil, sc.fail("UNKNOWN_ELEMENT", "%q is not a column of the %s", name, q.Op)
		}
		s := Quote(name, sc.d)
		if o.Desc {
			s += " DESC"
		}
		if sc.t.NullsHigh {
			s += map[bool]string{false: " NULLS FIRST", true: " NULLS LAST"}[o.Desc]
		}
		order = append(order, s)
	}
	if len(order) > 0 {
		sql += " ORDER BY " + strings.Join(order, ", ")
	}
	limit, err := sc.limitClause(q.Limit, q.Offset)
	return sql + limit, first, err
}

// setPlan compiles a union and the like as a query of its own.
func (c *compiler) setPlan(q *cqn.SetOp) (*Plan, error) {
	st := &stmt{compiler: c}
	sql, cols, err := (&scope{stmt: st}).query(q)
	if err != nil {
		return nil, err
	}
	p := &Plan{SQL: sql, Binds: st.binds}
	for i, o := range cols {
		col := noColumn()
		col.Name, col.Index, col.Element, col.Type = o.name, i, o.el, o.typ
		p.Columns = append(p.Columns, col)
	}
	return p, nil
}
