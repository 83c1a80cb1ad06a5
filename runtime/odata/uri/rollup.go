package uri

import (
	"slices"
)

// groupings reads the list of groupby: (property,…,rollup(property,…)). The result has one list of columns for each combination of the levels
// of its rollups, the finest first: groupby((rollup(a,b),c)) is what groupby((a,b,c)) and groupby((a,c)) give, one after the other (Data Aggregation 3.2.3.1).
// With $all ahead of the properties, all rows together are a level too. outer are columns that all of them have.
func (p *exprParser) groupings(c *scanner, st *stage, outer []resultColumn) ([][]resultColumn, error) {
	if err := c.expect('('); err != nil {
		return nil, err
	}
	out := [][]resultColumn{append([]resultColumn{}, outer...)}
	for {
		c.blanks()
		if err := p.node(); err != nil {
			return nil, err
		}
		levels, err := p.groupItem(c, st)
		if err != nil {
			return nil, err
		}
		if len(out)*len(levels) > maxForms {
			return nil, bad("rollup has more than %d combinations of levels", maxForms)
		}
		var next [][]resultColumn
		for _, have := range out {
			for _, cols := range levels {
				next = append(next, withColumns(have, cols))
			}
		}
		out = next
		c.blanks()
		if c.accept(')') {
			return out, nil
		}
		if err := c.expect(','); err != nil {
			return nil, err
		}
	}
}

// withColumns adds the columns that are not there yet.
func withColumns(have, cols []resultColumn) []resultColumn {
	out := slices.Clone(have)
	for _, g := range cols {
		if !slices.ContainsFunc(out, func(o resultColumn) bool { return slices.Equal(o.out, g.out) }) {
			out = append(out, g)
		}
	}
	return out
}

// groupItem reads a property, which is one level, or a rollup.
func (p *exprParser) groupItem(c *scanner, st *stage) ([][]resultColumn, error) {
	if w := c.word(); w != "rollup" || c.at(len(w)) != '(' {
		cols, err := p.namedColumns(c, st)
		return [][]resultColumn{cols}, err
	}
	c.i += len("rollup(")
	levels := [][]resultColumn{}
	c.blanks()
	all := c.acceptText("$all")
	if all {
		levels = append(levels, nil)
		c.blanks()
		if err := c.expect(','); err != nil {
			return nil, err
		}
	}
	var cols []resultColumn
	for n := 1; ; n++ {
		c.blanks()
		if err := p.node(); err != nil {
			return nil, err
		}
		more, err := p.namedColumns(c, st)
		if err != nil {
			return nil, err
		}
		cols = withColumns(cols, more)
		levels = append(levels, cols)
		c.blanks()
		if c.accept(')') {
			if n == 1 && !all {
				return nil, bad("rollup needs two properties at least")
			}
			slices.Reverse(levels)
			return levels, nil
		}
		if err := c.expect(','); err != nil {
			return nil, err
		}
	}
}

// namedColumns reads a property to group by, and names its columns in the query.
func (p *exprParser) namedColumns(c *scanner, st *stage) ([]resultColumn, error) {
	cols, err := p.groupColumns(c, st)
	for i := range cols {
		cols[i].name = p.freshVar()
	}
	return cols, err
}
