package uri

import (
	"slices"
	"strings"

	"cds/parser/cqn"
)

// The options beside $apply, on its result.

// apply reads $apply.
func (x *expander) apply(q *Query, sel *cqn.Select, sc *scope, text string) (*stage, error) {
	if sel.One {
		return nil, bad("$apply needs a collection")
	}
	st := newStage(x.p, sc.e, sel)
	st.within = x.p.nested
	c := &scanner{option: "$apply", s: text}
	if err := x.p.sequence(c, st); err != nil {
		return nil, err
	}
	if c.blanks(); !c.end() {
		return nil, c.fail("Expected \"/\" or end of input")
	}
	if st.limited {
		if err := st.open(); err != nil {
			return nil, err
		}
	}
	st.settle()
	q.Aggregated = st.e == nil
	return st, nil
}

// resultOptions reads the options that apply to a result of $apply.
func (x *expander) resultOptions(q *Query, st *stage, opts []option) error {
	pick := ""
	picked := false
	if text, ok := find(opts, "$compute"); ok {
		c := &scanner{option: "$compute", s: text}
		if err := x.p.applyCompute(c, st); err != nil {
			return err
		}
		if c.blanks(); !c.end() {
			return c.fail("Expected \",\" or end of input")
		}
	}
	for _, o := range opts {
		var err error
		switch o.name {
		case "$select":
			pick, picked = o.value, true
		case "$expand":
			err = bad("The result of $apply has nothing to expand")
		case "$search":
			err = unsupported("$search is not supported on the result of $apply")
		case "$filter":
			if err = st.open(); err == nil {
				var f cqn.Expr
				if f, err = x.p.filter(o.name, o.value, st.sc); err == nil {
					st.and(f)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	if text, ok := find(opts, "$orderby"); ok { // last, since the columns stay from here on
		c := &scanner{option: "$orderby", s: text}
		if err := x.p.sortStage(c, st); err != nil {
			return err
		}
		if c.blanks(); !c.end() {
			return c.fail("Expected \",\", \"asc\", \"desc\" or end of input")
		}
	}
	return x.result(q, st, opts, pick, picked)
}

// result finishes the query for a result of $apply. Its order is total as far as its columns tell rows apart, for the sake of pages.
func (x *expander) result(q *Query, st *stage, opts []option, pick string, picked bool) error {
	all := func([]string) bool { return true }
	if picked {
		var err error
		if all, err = x.picker(st, pick); err != nil {
			return err
		}
	}
	st.sortByKeys()
	st.settle()
	st.sel.Columns = st.columns(all)
	if err := x.grouping(st); err != nil {
		return err
	}
	q.Select = st.sel
	return paging(q, st.sel, opts)
}

// grouping sees to it that columns by which a query groups are there, also where they are not answered.
func (x *expander) grouping(st *stage) error {
	need := false
	for _, list := range [][]cqn.Expr{st.sel.GroupBy, orderExprs(st.sel.OrderBy)} {
		for _, g := range list {
			ref, ok := g.(*cqn.Ref)
			need = need || ok && st.grouped && strings.HasPrefix(ref.Path[0].Name, "#") && !hasColumn(st.sel.Columns, ref.Path[0].Name)
		}
	}
	if len(st.sel.Columns) == 0 {
		return bad("$select leaves nothing of the result of $apply")
	}
	if !need {
		return nil
	}
	if st.within { // more than was selected may be answered
		st.sel.Columns = st.columns(func([]string) bool { return true })
		return nil
	}
	names := map[string][]string{}
	for _, c := range st.sel.Columns {
		names[c.As] = c.Out
	}
	if err := st.derive(nil); err != nil {
		return err
	}
	st.settle()
	st.sel.Columns = st.columns(func(out []string) bool {
		for _, n := range names {
			if slices.Equal(n, out) {
				return true
			}
		}
		return false
	})
	return nil
}

func orderExprs(os []cqn.Order) []cqn.Expr {
	out := make([]cqn.Expr, len(os))
	for i := range os {
		out[i] = os[i].X
	}
	return out
}

// picker reads a $select on a result of $apply.
func (x *expander) picker(st *stage, text string) (func([]string) bool, error) {
	var want []string
	for item := range strings.SplitSeq(text, ",") {
		item = strings.Trim(item, " \t")
		if item == "*" {
			return func([]string) bool { return true }, nil
		}
		known := false
		for _, c := range st.cols {
			path := strings.Join(c.out, "/")
			known = known || c.out != nil && (path == item || strings.HasPrefix(path, item+"/"))
		}
		if !known {
			return nil, unknown("Property \"%s\" does not exist in %s", item, st.sc.entityName())
		}
		want = append(want, item)
	}
	return func(out []string) bool {
		path := strings.Join(out, "/")
		return slices.ContainsFunc(want, func(w string) bool { return path == w || strings.HasPrefix(path, w+"/") })
	}, nil
}
