package uri

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A stage is a result within $apply, as a query that is still being built. There are three forms:
//
//	rows     rows of an entity: sel reads it, names are its properties and computed ones
//	grouped  sel groups or aggregates: its columns are the result, and no condition can be added any more
//	derived  sel reads a query as its source, and names are the columns of that
type stage struct {
	p       *exprParser
	e       *csn.Entity // of the rows; nil for grouped and derived
	sel     *cqn.Select
	sc      *scope
	grouped bool
	limited bool // top, skip: a later condition must not move what was cut off
	orders  []sortItem
	cols    []resultColumn // of grouped and derived
	unique  []string       // columns that together tell rows apart
	forms   int            // number of forms of rows after concat, 0 for one
	within  bool           // in $expand: sel holds for each parent, and cannot become the source of another query
}

// A sortItem is an item to sort by.
type sortItem struct {
	o    operand
	desc bool
}

// A resultColumn is a column of a result that has no entity's rows.
type resultColumn struct {
	name     string   // in the query
	out      []string // in the answer; nil for columns that are not answered
	o        operand  // grouped: what it is; derived: the reference to it
	el       *csn.Element
	variants uint64
}

func newStage(p *exprParser, e *csn.Entity, sel *cqn.Select) *stage {
	return &stage{p: p, e: e, sel: sel, sc: scopeOf(e)}
}

// fork returns a copy that can be continued on its own.
func (st *stage) fork() *stage {
	c := *st
	sel, sc := *st.sel, *st.sc
	sc.names = slices.Clip(sc.names)
	c.sel, c.sc = &sel, &sc
	c.orders, c.cols = slices.Clip(c.orders), slices.Clip(c.cols)
	return &c
}

// where adds a condition.
func (st *stage) where(x cqn.Expr) error {
	if err := st.open(); err != nil {
		return err
	}
	st.and(x)
	return nil
}

func (st *stage) and(x cqn.Expr) {
	if st.sel.Where != nil {
		x = &cqn.Binary{Op: cqn.And, L: st.sel.Where, R: x}
	}
	st.sel.Where = x
}

// alone refuses what would make a query over the rows of all parents of those of each.
func (st *stage) alone() error {
	if st.within {
		return unsupported("In $expand, $apply can have filter, search, compute, orderby, and then groupby or aggregate; more than these is not supported")
	}
	return nil
}

// open makes sure that conditions can be added, and that expressions can name what the result has.
func (st *stage) open() error {
	switch {
	case st.e == nil && (st.grouped || st.limited):
		return st.derive(nil)
	case st.limited:
		return st.byKeys()
	}
	return nil
}

// settle makes the query complete but for its columns: its sorting is written down.
func (st *stage) settle() {
	st.sel.OrderBy = nil
	for _, o := range st.orders {
		st.sel.OrderBy = append(st.sel.OrderBy, cqn.Order{X: o.o.x, Desc: o.desc})
	}
}

// keys returns the keys of the entity as references.
func (st *stage) keys() ([]cqn.Expr, error) {
	if len(st.e.Keys) == 0 {
		return nil, unsupported("%s has no key, so its rows can't be told apart in $apply", st.e.Name)
	}
	var out []cqn.Expr
	for _, k := range st.e.Keys {
		out = append(out, cqn.NewRef(k.Name))
	}
	return out, nil
}

func tupleOf(xs []cqn.Expr) cqn.Expr {
	if len(xs) == 1 {
		return xs[0]
	}
	return &cqn.Tuple{Items: xs}
}

// byKeys puts the query, cut as it is, into the condition of a new one over the same rows.
func (st *stage) byKeys() error {
	if err := st.alone(); err != nil {
		return err
	}
	keys, err := st.keys()
	if err != nil {
		return err
	}
	st.sortByKeys()
	st.settle()
	inner := *st.sel
	inner.Columns = nil
	for _, k := range keys {
		inner.Columns = append(inner.Columns, cqn.Column{X: k})
	}
	st.sel.Where = &cqn.In{X: tupleOf(keys), Set: &cqn.Subquery{Query: &inner}}
	st.sel.Limit, st.sel.Offset, st.limited = nil, nil, false
	return nil
}

// sortByKeys makes the sorting of rows total, so that what is cut off does not depend on chance.
func (st *stage) sortByKeys() {
	add := func(o operand) {
		ref := o.x.(*cqn.Ref)
		known := slices.ContainsFunc(st.orders, func(s sortItem) bool {
			r, ok := s.o.x.(*cqn.Ref)
			return ok && len(r.Path) == 1 && r.Path[0].Name == ref.Path[0].Name
		})
		if !known {
			st.orders = append(slices.Clip(st.orders), sortItem{o: o})
		}
	}
	if st.e != nil {
		for _, k := range st.e.Keys {
			add(operand{x: cqn.NewRef(k.Name), t: k.Scalar()})
		}
		return
	}
	for i := range st.cols {
		if slices.Contains(st.unique, st.cols[i].name) {
			add(operand{x: cqn.NewRef(st.cols[i].name), t: st.cols[i].o.t})
		}
	}
}

// spelled is an expression without the names of the result's own columns.
func (st *stage) spelled(x cqn.Expr) cqn.Expr {
	if ref, ok := x.(*cqn.Ref); ok && st.grouped && len(ref.Path) == 1 {
		for _, c := range st.cols {
			if c.name == ref.Path[0].Name {
				return c.o.x
			}
		}
	}
	return x
}

// derive makes the result the source of a new query. extra columns go along without being answered.
func (st *stage) derive(extra []resultColumn) error {
	if err := st.alone(); err != nil {
		return err
	}
	if st.limited {
		st.sortByKeys()
	}
	cols := append(slices.Clip(st.cols), extra...)
	orders := slices.Clone(st.orders)
	for i, o := range orders { // the sorting is that of the new query
		name := ""
		for _, c := range cols {
			if ref, ok := o.o.x.(*cqn.Ref); ok && len(ref.Path) == 1 && ref.Path[0].Name == c.name {
				name = c.name
			}
		}
		if name == "" {
			name = st.p.freshVar()
			cols = append(cols, resultColumn{name: name, o: o.o})
		}
		orders[i].o = operand{x: cqn.NewRef(name), t: o.o.t}
	}
	st.settle()
	if !st.limited {
		st.sel.OrderBy = nil
	}
	inner := *st.sel
	inner.Columns = nil
	for _, c := range cols {
		inner.Columns = append(inner.Columns, cqn.Column{X: c.o.x, As: c.name})
	}
	st.sel = &cqn.Select{From: &cqn.Derived{Query: &inner, As: "r"}}
	st.cols, st.orders = nil, orders
	for _, c := range cols {
		c.o = operand{x: cqn.NewRef(c.name), t: c.o.t, el: c.el}
		st.cols = append(st.cols, c)
	}
	st.e, st.grouped, st.limited = nil, false, false
	st.rename()
	return nil
}

// rename makes the columns the names of the scope.
func (st *stage) rename() {
	st.sc = &scope{}
	for _, c := range st.cols {
		if c.out != nil {
			st.sc.names = append(st.sc.names, name{path: c.out, o: c.o, size: 1, el: c.el})
		}
	}
}

// flatten turns rows of an entity into a derived result with all of its stored properties as columns.
func (st *stage) flatten() error {
	if st.e == nil {
		return nil
	}
	if st.limited {
		if err := st.byKeys(); err != nil {
			return err
		}
	}
	for _, el := range st.e.Flat {
		b := el.Scalar()
		if el.Assoc() != nil || el.Virtual || b == nil || b.Kind == csn.LargeBinary || b.Kind == csn.Vector || el.Seal() != nil && el.Seal().Hashed() {
			continue
		}
		st.cols = append(st.cols, resultColumn{name: el.Name, out: []string{el.Name}, o: operand{x: cqn.NewRef(el.Name), t: b}, el: el})
	}
	for _, k := range st.e.Keys {
		st.unique = append(st.unique, k.Name)
	}
	for _, n := range st.sc.names {
		st.cols = append(st.cols, resultColumn{name: st.p.freshVar(), out: n.path, o: n.o})
	}
	return st.derive(nil)
}

// columns returns the columns of a finished result, those that pick lets through.
func (st *stage) columns(pick func(out []string) bool) []cqn.Column {
	var out []cqn.Column
	for _, c := range st.cols {
		switch {
		case c.name == cqn.VariantColumn:
			out = append(out, cqn.Column{X: c.o.x, As: c.name})
		case c.out != nil && pick(c.out):
			out = append(out, cqn.Column{X: c.o.x, As: c.name, Out: c.out, Variants: c.variants})
		}
	}
	return out
}
