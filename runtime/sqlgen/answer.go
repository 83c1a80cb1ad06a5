package sqlgen

import (
	"slices"

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
