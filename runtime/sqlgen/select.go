package sqlgen

import (
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A selection is a SELECT being built: clauses are compiled in any order, then put together, since each may add joins.
type selection struct {
	*scope
	main    *source // what * stands for
	from    string
	columns []string // SQL of the output columns
	where   []string
	group   string
	having  string
	order   []string
	limit   string
	plan    *Plan
	pending []parentKey
	level   int // of nesting in expands
	use     Use // of the elements among the columns
	numbers map[string]int
	plain   bool // hidden columns may be added: no grouping, no DISTINCT
	nested  bool // the query is part of another one
	// keyIn is the condition of a child by the list of its parents' keys, and keyOne that by one key.
	keyIn, keyOne string
}

func (s *selection) sql(distinct bool) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	if distinct {
		b.WriteString("DISTINCT ")
	}
	b.WriteString(strings.Join(s.columns, ", "))
	from := s.from
	if from == "" && s.main != nil {
		from = s.main.table()
	}
	b.WriteString(" FROM " + s.scope.from(from))
	if len(s.where) > 0 {
		b.WriteString(" WHERE " + strings.Join(s.where, " AND "))
	}
	if s.group != "" {
		b.WriteString(" GROUP BY " + s.group)
	}
	if s.having != "" {
		b.WriteString(" HAVING " + s.having)
	}
	if len(s.order) > 0 {
		b.WriteString(" ORDER BY " + strings.Join(s.order, ", "))
	}
	return b.String() + s.limit
}

func (s *selection) and(cond string) {
	if cond != "" {
		s.where = append(s.where, cond)
	}
}

func (s *selection) andExpr(x cqn.Expr) error {
	if x == nil {
		return nil
	}
	if s.from == "" && s.main != nil { // else the source is written already
		for _, part := range conjuncts(x) {
			cond, err := s.take(s.main, part)
			if err != nil {
				return err
			}
			s.and(cond)
		}
		return nil
	}
	f, err := s.cond(x)
	if err == nil {
		s.and(f.at(precAnd))
	}
	return err
}

// add appends an output column and returns its position.
func (s *selection) add(sql string) int {
	s.columns = append(s.columns, sql)
	return len(s.columns) - 1
}

// selectPlan compiles a query of a request to a plan.
func (c *compiler) selectPlan(q *cqn.Select) (*Plan, error) {
	st := &stmt{compiler: c}
	s := &selection{scope: &scope{stmt: st}, plan: &Plan{One: q.One}}
	if err := s.readFrom(q.From); err != nil {
		return nil, err
	}
	if s.main != nil {
		s.plan.Entity = s.main.entity
	}
	if err := s.clauses(q); err != nil {
		return nil, err
	}
	if err := s.limits(q); err != nil {
		return nil, err
	}
	s.plan.SQL = s.sql(q.Distinct)
	if q.Lock != cqn.NoLock && s.t.LockUpdate != "" && s.main != nil {
		lock := s.t.LockUpdate
		if q.Lock == cqn.LockShare {
			lock = strings.Replace(lock, "FOR UPDATE", "FOR SHARE", 1)
		}
		s.plan.SQL += " " + fill(lock, []string{s.main.alias})
	}
	s.plan.Binds = st.binds
	s.knownKeys(q)
	return s.plan, nil
}

// clauses compiles everything but FROM and the limits.
func (s *selection) clauses(q *cqn.Select) error {
	s.scope.columns = q.Columns
	s.plain = !q.Distinct && len(q.GroupBy) == 0 && !aggregates(q.Columns)
	// A query within another one may be merged with it, and its columns become part of the outer condition then.
	s.settled = s.use == Root
	cols, err := s.outputs(s.main, q.Columns, q.Exclude, s.level)
	s.settled = false
	if err != nil {
		return err
	}
	if q.Distinct || len(q.GroupBy) > 0 {
		if err := s.noSeals(cols); err != nil {
			return err
		}
	}
	s.number(cols, q.Columns)
	s.plan.Columns = append(arrange(cols, q.Columns), s.plan.Columns...)
	if err := s.filters(q); err != nil {
		return err
	}
	if err := s.hidden(); err != nil {
		return err
	}
	s.settled = s.use == Root
	order, err := s.sorted(q.OrderBy)
	s.settled = false
	if order != "" {
		s.order = append(s.order, order)
	}
	return err
}

func (s *selection) filters(q *cqn.Select) error {
	if err := s.andExpr(q.Where); err != nil {
		return err
	}
	if err := s.search(q); err != nil {
		return err
	}
	if len(q.GroupBy) > 0 {
		s.settled = s.use == Root
		parts := make([]string, len(q.GroupBy))
		for i, x := range q.GroupBy {
			if n, ok := s.numberOf(x); ok {
				parts[i] = n
				continue
			}
			f, err := s.expr(x, hint{})
			if err != nil {
				return err
			}
			parts[i] = f.at(precCompare)
		}
		s.settled = false
		s.group = strings.Join(parts, ", ")
	}
	if q.Having != nil {
		f, err := s.cond(q.Having)
		if err != nil {
			return err
		}
		s.having = f.sql
	}
	return nil
}

func (s *selection) limits(q *cqn.Select) (err error) {
	s.limit, err = s.limitClause(q.Limit, q.Offset)
	return err
}

func (sc *scope) limitClause(limit, offset cqn.Expr) (string, error) {
	if limit == nil && offset == nil {
		return "", nil
	}
	out := ""
	for _, l := range []struct {
		word string
		x    cqn.Expr
	}{{" LIMIT ", limit}, {" OFFSET ", offset}} {
		switch {
		case l.x != nil:
			f, err := sc.expr(l.x, hint{typ: typeInt64})
			if err != nil {
				return "", err
			}
			// With a bare parameter here SQLite prepares the statement anew each time it is bound, to plan for the number.
			out += l.word + "+" + f.sql
		case l.word == " LIMIT ":
			out += l.word + strconv.FormatInt(1<<62, 10) // some dialects know no OFFSET alone
		}
	}
	return out, nil
}

// readFrom compiles the FROM clause of a request: the path to its target, every entity of it guarded.
func (s *selection) readFrom(src cqn.Source) error {
	from, ok := src.(*cqn.From)
	if !ok || from.Path == nil || len(from.Path.Path) == 0 {
		if src == nil {
			return s.fail("NO_ENTITY", "the query names no entity")
		}
		sql, err := s.source(src)
		s.from = sql
		s.setMain(nil)
		return err
	}
	return s.readPath(from.Path, from.As, Root)
}

// setMain makes src the only source of the query, nil the first one of a join. It is $self too unless there is a query around this one.
func (s *selection) setMain(src *source) {
	if src != nil {
		s.sources = []*source{src}
	}
	if len(s.sources) > 0 {
		s.main = s.sources[0]
	}
	if s.self == nil {
		s.self = s.main
	}
}

// readPath compiles `Entity[keys].assoc[filter].assoc`, the target being used as given and the entities before it as Path.
func (s *selection) readPath(path *cqn.Ref, alias string, use Use) error {
	e := s.m.Entity(path.Path[0].Name)
	if e == nil {
		return &Error{Code: "UNKNOWN_ENTITY", Message: "entity " + strconv.Quote(path.Path[0].Name) + " does not exist", Status: 404}
	}
	steps, els, err := s.pathSteps(e, path)
	if err != nil {
		return err
	}
	target := e
	if len(els) > 0 {
		target = els[len(els)-1].Assoc().Target
	}
	src, err := s.newSource(target, use)
	if err != nil {
		return err
	}
	if alias != "" {
		src.name, src.explicit = alias, true
	}
	s.setMain(src)
	s.and(src.guard)
	if err := s.andExpr(steps[len(steps)-1].Filter); err != nil {
		return err
	}
	if len(els) == 0 {
		return nil
	}
	cond, err := s.reached(src, e, steps, els)
	s.and(cond)
	return err
}

// pathSteps resolves a resource path: one step for each entity, and the associations between them.
func (s *selection) pathSteps(e *csn.Entity, path *cqn.Ref) (steps []cqn.Step, els []*csn.Element, err error) {
	steps = path.Path[:1:1]
	if len(steps[0].Args) > 0 {
		return nil, nil, &Error{Code: "NOT_SUPPORTED", Message: "parameterised views are not supported", Status: 501}
	}
	for rest := path.Path[1:]; len(rest) > 0; {
		el, n := flat(e, rest)
		if el == nil || el.Assoc() == nil || el.Assoc().Target == nil {
			return nil, nil, &Error{Code: "UNKNOWN_ELEMENT", Message: strconv.Quote(rest[0].Name) + " is not an association of " + e.Name, Status: 404}
		}
		if err := s.allowed(el, Path); err != nil {
			return nil, nil, err
		}
		steps, els = append(steps, rest[n-1]), append(els, el)
		rest, e = rest[n:], el.Assoc().Target
	}
	return steps, els, nil
}

// reached is the condition that a row of the target is reached from a visible row at the start of a path, over visible rows.
func (s *selection) reached(target *source, e *csn.Entity, steps []cqn.Step, els []*csn.Element) (string, error) {
	in := s.sub()
	cur, err := in.newSource(e, Path)
	if err != nil {
		return "", err
	}
	in.sources = []*source{cur}
	var conds []string
	if cur.guard != "" {
		conds = append(conds, cur.guard)
	}
	if f := steps[0].Filter; f != nil {
		c, err := in.take(cur, f)
		if err != nil {
			return "", err
		}
		if c != "" {
			conds = append(conds, c)
		}
	}
	tables := cur.table()
	for i, el := range els[:len(els)-1] {
		next, err := in.newSource(el.Assoc().Target, Path)
		if err != nil {
			return "", err
		}
		on, err := in.stepCond(cur, next, el, steps[i+1])
		if err != nil {
			return "", err
		}
		tables += " JOIN " + next.table() + " ON " + on
		cur = next
	}
	last := els[len(els)-1]
	if a := last.Assoc(); len(a.Pairs) > 0 && a.Rest == nil {
		return in.reachedIn(target, cur, a, tables, conds)
	}
	on, err := in.joinCond(cur, target, last)
	if err != nil {
		return "", err
	}
	conds = append(conds, on)
	return "EXISTS (SELECT 1 FROM " + in.from(tables) + " WHERE " + strings.Join(conds, " AND ") + ")", nil
}

// reachedIn is the form for plain foreign keys, which databases answer by an index on the target.
func (sc *scope) reachedIn(target, cur *source, a *csn.Assoc, tables string, conds []string) (string, error) {
	var outer, inner []string
	for _, p := range a.Pairs {
		o, err := target.column(p.Target)
		if err != nil {
			return "", err
		}
		i, err := sc.element(cur, p.Source) // may be computed
		if err != nil {
			return "", err
		}
		outer, inner = append(outer, o), append(inner, i.at(precConcat+1))
	}
	sql := tuple(outer) + " IN (SELECT " + strings.Join(inner, ", ") + " FROM " + sc.from(tables)
	if len(conds) > 0 {
		sql += " WHERE " + strings.Join(conds, " AND ")
	}
	return sql + ")", nil
}

// aggregates reports whether columns contain an aggregate function.
func aggregates(cols []cqn.Column) bool {
	found := false
	for i := range cols {
		cqn.Walk(cols[i].X, func(n any) bool {
			switch n := n.(type) {
			case *cqn.Subquery:
				return false
			case *cqn.Call:
				switch strings.ToLower(n.Name) {
				case "count", "sum", "avg", "average", "min", "max", "countdistinct", "total":
					found = found || n.Over == nil && (n.Star || len(n.Args) == 1)
				}
			}
			return true
		})
	}
	return found
}

// orderBy compiles ORDER BY items. A single name may be that of an output column.
func (sc *scope) orderBy(os []cqn.Order) (string, error) { return sc.orderList(os, sc.orderItem) }

func (sc *scope) orderList(os []cqn.Order, item func(cqn.Expr) (frag, error)) (string, error) {
	var parts []string
	for _, o := range os {
		f, err := item(o.X)
		if err != nil {
			return "", err
		}
		s := f.at(precCompare)
		if o.Desc {
			s += " DESC"
		}
		first, last := o.NullsFirst, o.NullsLast
		if sc.t.NullsHigh && !first && !last && !sc.neverNull(o.X, f) {
			first, last = !o.Desc, o.Desc
		}
		switch {
		case !sc.t.NullsOrder:
		case first:
			s += " NULLS FIRST"
		case last:
			s += " NULLS LAST"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", "), nil
}

// neverNull reports whether an item to sort by is a column of the row itself that has no nulls: a key, or one whose table forbids them. No
// place for nulls has to be named then, and an index on it may serve whatever place it has for them.
func (sc *scope) neverNull(x cqn.Expr, f frag) bool {
	ref, ok := x.(*cqn.Ref)
	if !ok || len(ref.Path) != 1 || f.el == nil || len(sc.sources) != 1 || sc.sources[0].entity == nil || sc.sources[0].own {
		return false
	}
	src := sc.sources[0]
	if col, err := src.column(f.el); err != nil || col != f.sql || src.entity.Flat.Lookup(f.el.Name) != f.el { // the same element of another row may be missing
		return false
	}
	return f.el.Key || hasNoNulls(src.entity, f.el)
}

// hasNoNulls reports whether an element of an entity is a column that its table declares as NOT NULL.
func hasNoNulls(e *csn.Entity, el *csn.Element) bool {
	for e.Base != nil {
		if el = el.Origin; el == nil {
			return false
		}
		e = e.Base
	}
	return e.Source == nil && !e.Exists && e.Active == nil && len(e.Union) == 0 && el.NotNull && !el.Virtual && el.Value() == nil && e.Flat.Lookup(el.Name) == el
}

func (sc *scope) orderItem(x cqn.Expr) (frag, error) {
	if ref, ok := x.(*cqn.Ref); ok && len(ref.Path) == 1 && ref.Path[0].Filter == nil {
		for i := range sc.columns {
			c := &sc.columns[i]
			if c.As == ref.Path[0].Name && c.X != nil && c.Expand == nil && c.Inline == nil {
				if r, ok := c.X.(*cqn.Ref); ok && len(r.Path) == 1 && r.Path[0].Name == c.As {
					break
				}
				return sc.expr(c.X, hint{})
			}
		}
	}
	if l, ok := x.(*cqn.Lit); ok && !l.Value.IsNull() {
		return frag{}, sc.fail("INVALID_EXPRESSION", "a constant cannot be sorted by")
	}
	return sc.expr(x, hint{})
}
