package sqlgen

import (
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
)

// arrange gives the columns of a finished plan the form of the answer: values with a path of their own go into nested objects, and where rows
// have several forms, each column learns in which it is there. src are the columns of the query that out was made from, matched by name.
func arrange(out []Column, src []cqn.Column) []Column {
	special := false
	for i := range src {
		special = special || len(src[i].Out) > 0 || src[i].Variants != 0
	}
	if !special {
		return out
	}
	variant := -1
	for i := range out {
		if out[i].Name == cqn.VariantColumn {
			out[i].Hidden = true
			variant = out[i].Index
		}
	}
	var res []Column
	for i := range out {
		c := out[i]
		q := named(src, c.Name)
		if q == nil {
			res = append(res, c)
			continue
		}
		if q.Variants != 0 && variant >= 0 {
			c.Variant, c.Variants = variant, q.Variants
		}
		path := q.Out
		if len(path) == 0 {
			path = []string{c.Name}
		} else {
			c.Element = nil // no element of a row any more: nothing that its annotations say holds
		}
		res = nest(res, path, c)
	}
	return res
}

// nest puts a column under a path of objects. An object is in the rows that one of its columns is in.
func nest(cols []Column, path []string, c Column) []Column {
	if len(path) == 1 {
		c.Name = path[0]
		return append(cols, c)
	}
	i := slices.IndexFunc(cols, func(o Column) bool { return o.Nested != nil && o.Name == path[0] })
	if i < 0 {
		i = len(cols)
		o := noColumn()
		o.Name, o.Variant, o.Variants = path[0], c.Variant, c.Variants
		cols = append(cols, o)
	} else if c.Variants == 0 || cols[i].Variants == 0 {
		cols[i].Variants = 0
	} else {
		cols[i].Variants |= c.Variants
	}
	cols[i].Nested = nest(cols[i].Nested, path[1:], c)
	return cols
}

// Computed columns are grouped and sorted by their number: their constants are parameters, and a database would take the same expression with
// other parameters for another one. Names of such columns begin with #.

// number notes the places of computed columns.
func (s *selection) number(out []Column, src []cqn.Column) {
	for i := range src {
		c := &src[i]
		if _, plain := c.X.(*cqn.Ref); plain || !strings.HasPrefix(c.As, "#") {
			continue
		}
		for j := range out {
			if out[j].Name == c.As {
				if s.numbers == nil {
					s.numbers = map[string]int{}
				}
				s.numbers[c.As] = out[j].Index + 1
			}
		}
	}
}

// numberOf returns the number of the computed column that an expression names.
func (s *selection) numberOf(x cqn.Expr) (string, bool) {
	ref, ok := x.(*cqn.Ref)
	if !ok || len(ref.Path) != 1 {
		return "", false
	}
	n, ok := s.numbers[ref.Path[0].Name]
	return strconv.Itoa(n), ok
}

// sorted compiles the ORDER BY of the selection.
func (s *selection) sorted(os []cqn.Order) (string, error) {
	if s.numbers == nil {
		return s.orderBy(os)
	}
	return s.orderList(os, func(x cqn.Expr) (frag, error) {
		if n, ok := s.numberOf(x); ok {
			return frag{sql: n}, nil
		}
		return s.orderItem(x)
	})
}
