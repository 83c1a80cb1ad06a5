package sqlgen

import (
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// value compiles a path to a scalar: a column of a source of this scope, or of one joined for it.
func (sc *scope) value(r *cqn.Ref) (frag, error) {
	src, path, err := sc.base(r)
	if err != nil {
		return frag{}, err
	}
	if len(path) == 0 {
		return frag{}, sc.fail("INVALID_PATH", "%q is a row, not a value", pathText(r))
	}
	if src == sc.self && src.scope == sc && (r.Path[0].Name == "$self" || r.Path[0].Name == "$projection") {
		if x := sc.ownColumn(path); x != nil {
			return sc.expr(x, hint{})
		}
	}
	return sc.follow(src, path, r)
}

// ownColumn returns the expression of a computed column of the query itself, for $self.
func (sc *scope) ownColumn(path []cqn.Step) cqn.Expr {
	if len(path) != 1 {
		return nil
	}
	for i := range sc.columns {
		c := &sc.columns[i]
		if c.X != nil && c.Expand == nil && columnName(c) == path[0].Name {
			if ref, ok := c.X.(*cqn.Ref); ok && len(ref.Path) == 1 && ref.Path[0].Name == path[0].Name {
				return nil
			}
			if ref, ok := c.X.(*cqn.Ref); ok && (ref.Path[0].Name == "$self" || ref.Path[0].Name == "$projection") {
				return nil
			}
			return c.X
		}
	}
	return nil
}

// ownValue compiles the column of the query with the name, for associations that a view adds to its row.
func (sc *scope) ownValue(name string) (frag, error) {
	if x := sc.ownColumn([]cqn.Step{{Name: name}}); x != nil {
		return sc.expr(x, hint{})
	}
	for _, src := range sc.sources {
		if src.has([]cqn.Step{{Name: name}}) {
			return sc.follow(src, []cqn.Step{{Name: name}}, cqn.NewRef(name))
		}
	}
	return frag{}, sc.unknown(cqn.NewRef(name))
}

// follow compiles the rest of a path from a source on.
func (sc *scope) follow(src *source, path []cqn.Step, r *cqn.Ref) (frag, error) {
	if err := sc.enter(); err != nil {
		return frag{}, err
	}
	defer sc.leave()
	if src.entity == nil {
		c := src.derivedColumn(path[0].Name)
		if c == nil || len(path) > 1 {
			return frag{}, sc.unknown(r)
		}
		if c.masked != nil && sc.compiler.unsealing != r {
			return frag{}, c.masked
		}
		return sc.sealed(frag{sql: src.alias + "." + Quote(c.name, sc.d), el: c.el, typ: builtin(c.typ), masked: c.masked}, c.seal, c.name, r)
	}
	el, n := flat(src.entity, path)
	if el == nil {
		if len(structParts(src.entity, path)) > 0 {
			return frag{}, sc.fail("INVALID_PATH", "%q is a structure, not a value", pathText(r))
		}
		return frag{}, sc.unknown(r)
	}
	if err := sc.allowed(el, Path); err != nil {
		return frag{}, err
	}
	step, rest := path[n-1], path[n:]
	a := el.Assoc()
	if a == nil {
		if len(rest) > 0 || step.Filter != nil {
			return frag{}, sc.fail("INVALID_PATH", "%q: %s is not an association", pathText(r), el.Name)
		}
		f, err := sc.element(src, el)
		if err != nil {
			return f, err
		}
		return sc.sealed(f, el.Seal(), pathText(r), r)
	}
	if len(rest) == 0 {
		if len(a.FK) == 1 && step.Filter == nil {
			return sc.element(src, a.FK[0])
		}
		return frag{}, sc.fail("INVALID_PATH", "%q is an association, not a value", pathText(r))
	}
	if a.Many && !sc.view {
		return frag{}, sc.fail("TO_MANY_PATH", "%q leads over the to-many association %s; use any, all or exists", pathText(r), el.Name)
	}
	if fk, err := sc.foreignKey(src, el, step, rest); err != nil || fk != nil {
		if err != nil {
			return frag{}, err
		}
		return sc.element(src, fk)
	}
	if sc.noJoin || src.scope.noJoin || src.mapped || sc.inner && src.scope != sc {
		return sc.scalar(src, el, step, rest, r)
	}
	next, err := sc.join(src, el, step, Path)
	if err != nil {
		return frag{}, err
	}
	return sc.follow(next, rest, r)
}

// element compiles a scalar element of a source. Elements calculated on read are not columns of a table but expressions.
func (sc *scope) element(src *source, el *csn.Element) (frag, error) {
	if el.Virtual {
		return frag{sql: "NULL", el: el, typ: el.Scalar()}, nil
	}
	if el.Value() != nil && !el.Stored && src.entity != nil && (src.entity.Source == nil || el.OnRead) {
		in := &scope{stmt: sc.stmt, sources: []*source{src}, self: src, definer: true, noJoin: true}
		if err := sc.enter(); err != nil {
			return frag{}, err
		}
		defer sc.leave()
		f, err := in.expr(el.Value(), hint{})
		f.el, f.typ = el, el.Scalar()
		return f, err
	}
	col, err := src.column(el)
	return frag{sql: col, el: el, typ: el.Scalar()}, err
}

// foreignKey returns the column of the source that has the value of a path to a key of the target, as author.ID, if the target's row
// need not be looked at: everything of it may be read.
func (sc *scope) foreignKey(src *source, el *csn.Element, step cqn.Step, rest []cqn.Step) (*csn.Element, error) {
	a := el.Assoc()
	if step.Filter != nil || a.Target == nil || len(a.FK) == 0 || len(a.FK) != len(a.FKTarget) {
		return nil, nil
	}
	t, n := flat(a.Target, rest)
	if t == nil || n != len(rest) {
		return nil, nil
	}
	for i, k := range a.FKTarget {
		if k != t {
			continue
		}
		if !sc.definer {
			// Asked for its error too: a forbidden entity must not even be named.
			cond, err := sc.g.Condition(a.Target, Path)
			if err != nil {
				return nil, err
			}
			if x, ok := cond.Expr(); !ok || x != nil {
				return nil, nil
			}
			if err := sc.allowed(t, Path); err != nil {
				return nil, err
			}
		}
		if src.mapped && tableElement(src.entity, a.FK[i]) == nil {
			return nil, nil
		}
		return a.FK[i], nil
	}
	return nil, nil
}

// join adds the target of a to-one association to the FROM clause of src, once for each association, filter and use.
func (sc *scope) join(src *source, el *csn.Element, step cqn.Step, use Use) (*source, error) {
	key := fmt.Sprint(el.Name, "\x00", use, sc.definer, "\x00")
	if step.Filter != nil {
		k, _ := cqn.Shape(&cqn.Delete{Where: step.Filter})
		key += k + cqn.Format(step.Filter)
	}
	if s := src.joined[key]; s != nil {
		return s, nil
	}
	at := src.scope
	in := sc.sub()
	next, err := in.newSource(el.Assoc().Target, use)
	if err != nil {
		return nil, err
	}
	next.scope = at
	on, err := sc.stepCond(src, next, el, step)
	if err != nil {
		return nil, err
	}
	if !unique(el.Assoc()) && !sc.view { // in a view, a path is a join whatever it leads to
		if on, err = sc.firstOnly(src, next, el, step, use); err != nil {
			return nil, err
		}
	}
	next.on = on
	if src.joined == nil {
		src.joined = map[string]*source{}
	}
	src.joined[key] = next
	at.joins = append(at.joins, next)
	return next, nil
}

// unique reports whether a to-one association leads to at most one row by its keys. A join over others could multiply rows.
func unique(a *csn.Assoc) bool {
	if a.Target == nil || len(a.Target.Keys) == 0 {
		return false
	}
	for _, k := range a.Target.Keys {
		found := false
		for _, p := range a.Pairs {
			found = found || p.Target == k
		}
		for _, t := range a.FKTarget {
			found = found || t == k
		}
		if !found && !pinned(a.Rest, k) {
			return false
		}
	}
	return true
}

// pinned reports whether a condition demands one value of the target's key, as localized.locale = $user.locale does.
func pinned(x cqn.Expr, key *csn.Element) bool {
	b, ok := x.(*cqn.Binary)
	if !ok {
		return false
	}
	if b.Op == cqn.And {
		return pinned(b.L, key) || pinned(b.R, key)
	}
	if b.Op != cqn.Eq {
		return false
	}
	is := func(l, r cqn.Expr) bool {
		ref, ok := l.(*cqn.Ref)
		if !ok || len(ref.Path) != 2 || ref.Path[0].Name != "$target" || ref.Path[1].Name != key.Name {
			return false
		}
		switch r := r.(type) {
		case *cqn.Lit:
			return true
		case *cqn.Param:
			return r.From != cqn.FromUserAttr
		}
		return false
	}
	return is(b.L, b.R) || is(b.R, b.L)
}

// firstOnly is the join condition for associations that may lead to several rows: the one with the least key.
func (sc *scope) firstOnly(src, next *source, el *csn.Element, step cqn.Step, use Use) (string, error) {
	if len(next.entity.Keys) == 0 {
		return "", sc.fail("INVALID_PATH", "%s has no key, so %s cannot be followed", next.entity.Name, el.Name)
	}
	in := sc.sub()
	inner, err := in.newSource(next.entity, use)
	if err != nil {
		return "", err
	}
	inner.outer = true
	on, err := sc.stepCond(src, inner, el, step)
	if err != nil {
		return "", err
	}
	outerKeys, err := next.keys()
	if err != nil {
		return "", err
	}
	innerKeys, err := inner.keys()
	if err != nil {
		return "", err
	}
	return tuple(outerKeys) + " = (SELECT " + strings.Join(innerKeys, ", ") + " FROM " + inner.table() + " WHERE " + on + " ORDER BY " +
		strings.Join(innerKeys, ", ") + " LIMIT 1)", nil
}

// keys returns the key columns of a source.
func (src *source) keys() ([]string, error) { return src.columns(src.entity.Keys) }

func (src *source) columns(els []*csn.Element) ([]string, error) {
	out := make([]string, len(els))
	for i, el := range els {
		c, err := src.column(el)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	return out, nil
}

func tuple(cols []string) string {
	if len(cols) == 1 {
		return cols[0]
	}
	return "(" + strings.Join(cols, ", ") + ")"
}

// stepCond is the condition between a source and the target of its association: the join itself, the guard and the filter of the step.
func (sc *scope) stepCond(src, next *source, el *csn.Element, step cqn.Step) (string, error) {
	if len(step.Args) > 0 {
		return "", &Error{Code: "NOT_SUPPORTED", Message: "parameterised views are not supported", Status: 501}
	}
	on, err := sc.joinCond(src, next, el)
	if err != nil {
		return "", err
	}
	var parts []string
	if next.outer && next.takes() {
		next.inner = append(next.inner, on)
	} else {
		parts = append(parts, on)
	}
	if next.guard != "" {
		parts = append(parts, next.guard)
	}
	if step.Filter != nil {
		f, err := sc.child(next).cond(step.Filter)
		if err != nil {
			return "", err
		}
		parts = append(parts, f.at(precAnd))
	}
	if len(parts) == 0 {
		return sc.t.True, nil
	}
	return strings.Join(parts, " AND "), nil
}

// joinCond is the association's own condition.
func (sc *scope) joinCond(src, next *source, el *csn.Element) (string, error) {
	if src.mixins != nil {
		return sc.mixinCond(src, next, el)
	}
	a := el.Assoc()
	if a.Join == nil {
		return "", sc.fail("INVALID_PATH", "association %s cannot be followed in the database", el.Name)
	}
	sc.noteJoin(a.Join, src.entity, next.entity)
	in := &scope{stmt: sc.stmt, vars: map[string]*source{"$source": src, "$target": next}, definer: true, noJoin: true}
	f, err := in.cond(a.Join)
	if err != nil {
		return "", fmt.Errorf("association %s: %w", el.Name, err)
	}
	return f.at(precAnd), nil
}

// scalar compiles a path by a subquery where there is no FROM clause to join to.
func (sc *scope) scalar(src *source, el *csn.Element, step cqn.Step, rest []cqn.Step, r *cqn.Ref) (frag, error) {
	in := sc.sub()
	next, err := in.newSource(el.Assoc().Target, Path)
	if err != nil {
		return frag{}, err
	}
	in.sources, next.outer = []*source{next}, true
	on, err := sc.stepCond(src, next, el, step)
	if err != nil {
		return frag{}, err
	}
	f, err := in.follow(next, rest, r)
	if err != nil {
		return frag{}, err
	}
	sql := "(SELECT " + f.sql + " FROM " + in.from(next.table()) + " WHERE " + on
	if !unique(el.Assoc()) {
		sql += " LIMIT 1"
	}
	return frag{sql: sql + ")", el: f.el, typ: f.typ, seal: f.seal}, nil
}

// from appends the joins made for paths to a FROM clause.
func (sc *scope) from(first string) string {
	var b strings.Builder
	b.WriteString(first)
	for _, j := range sc.joins {
		b.WriteString(" LEFT JOIN " + j.table() + " ON " + j.on)
	}
	return b.String()
}

// exists compiles `exists path[filter]` and any().
func (sc *scope) exists(x *cqn.Exists) (frag, error) {
	if x.Inverse != "" {
		return sc.inverse(x)
	}
	f, err := sc.related(x, func(*scope) (string, error) { return "1", nil })
	return frag{sql: "EXISTS " + f}, err
}

// related compiles the rows that an exists is about as a subquery in parentheses that selects what value gives in its scope.
func (sc *scope) related(x *cqn.Exists, value func(in *scope) (string, error)) (string, error) {
	if err := sc.enter(); err != nil {
		return "", err
	}
	defer sc.leave()
	if x.Path == nil {
		return "", sc.fail("INVALID_PATH", "exists without a path")
	}
	src, path, err := sc.base(x.Path)
	if err != nil {
		return "", err
	}
	in := sc.sub()
	var tables, conds []string
	for first := true; len(path) > 0; first = false {
		if src.entity == nil {
			return "", sc.unknown(x.Path)
		}
		el, n := flat(src.entity, path)
		if el == nil || el.Assoc() == nil {
			return "", sc.fail("INVALID_PATH", "exists needs an association: %q is none", pathText(x.Path))
		}
		if err := sc.allowed(el, Exists); err != nil {
			return "", err
		}
		next, err := in.newSource(el.Assoc().Target, Exists)
		if err != nil {
			return "", err
		}
		next.scope, next.outer = in, first
		cond, err := sc.stepCond(src, next, el, path[n-1])
		if err != nil {
			return "", err
		}
		if first {
			tables, conds = append(tables, next.table()), append(conds, cond)
		} else {
			tables = append(tables, next.table()+" ON "+cond)
		}
		src, path = next, path[n:]
	}
	if len(tables) == 0 {
		return "", sc.fail("INVALID_PATH", "exists needs an association: %q is none", pathText(x.Path))
	}
	return in.relatedPred(sc, src, x, tables, conds, value)
}

// relatedPred finishes the subquery with its predicate. in is the scope of the subquery, outer the one around it.
func (sc *scope) relatedPred(outer *scope, last *source, x *cqn.Exists, tables, conds []string, value func(*scope) (string, error)) (string, error) {
	if x.Var == "" {
		sc.sources = []*source{last}
	} else {
		sc.parent, sc.vars, sc.self = outer, map[string]*source{x.Var: last}, outer.self
	}
	if x.Pred != nil {
		f, err := sc.cond(x.Pred)
		if err != nil {
			return "", err
		}
		conds = append(conds, f.at(precAnd))
	}
	v, err := value(sc)
	if err != nil {
		return "", err
	}
	return "(SELECT " + v + " FROM " + sc.from(strings.Join(tables, " JOIN ")) + " WHERE " + strings.Join(conds, " AND ") + ")", nil
}

// inverse compiles an exists against the direction of an association.
func (sc *scope) inverse(x *cqn.Exists) (frag, error) {
	parent := sc.m.Entity(x.Inverse)
	if parent == nil || x.Path == nil || len(sc.sources) != 1 {
		return frag{}, sc.fail("INVALID_PATH", "unknown entity %q", x.Inverse)
	}
	el, n := flat(parent, x.Path.Path)
	if el == nil || el.Assoc() == nil || n != len(x.Path.Path) {
		return frag{}, sc.fail("INVALID_PATH", "%q is not an association of %s", pathText(x.Path), parent.Name)
	}
	in := sc.sub()
	was := sc.compiler.judging
	if was != judgingNot {
		sc.compiler.judge(judgingParent)
	}
	p, err := in.newSource(parent, Exists)
	sc.compiler.judge(was)
	if err != nil {
		return frag{}, err
	}
	in.self = p
	cond, err := sc.joinCond(p, sc.sources[0], el)
	if err != nil {
		return frag{}, err
	}
	conds := []string{cond}
	if p.guard != "" {
		conds = append(conds, p.guard)
	}
	plain := &cqn.Exists{Pred: x.Pred}
	rows, err := in.relatedPred(sc, p, plain, []string{p.table()}, conds, func(*scope) (string, error) { return "1", nil })
	return frag{sql: "EXISTS " + rows}, err
}
