package sqlgen

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// knownKeys notes which children can be asked for before the rows of their parents are there: the query demands the value of the key column that the
// rows of the child are found by, as in Orders(1)?$expand=items. If there is no such row, what is found for the child belongs to nobody.
func (s *selection) knownKeys(q *cqn.Select) {
	conds := conjuncts(q.Where)
	if from, ok := q.From.(*cqn.From); ok && from.Path != nil && len(from.Path.Path) > 0 {
		conds = append(conds, conjuncts(from.Path.Path[len(from.Path.Path)-1].Filter)...)
	}
	for _, p := range s.pending {
		if p.child.One == "" || len(p.child.Plan.Children) > 0 || p.src != s.main || len(p.elements) != 1 {
			continue
		}
		for _, x := range conds {
			if n := s.demanded(x, p.elements[0]); n > 0 {
				p.child.Known = n
				break
			}
		}
	}
}

// demanded returns the number of the bind that a condition demands as the value of an element of the main source, 0 if it does not.
func (s *selection) demanded(x cqn.Expr, el *csn.Element) int {
	b, ok := x.(*cqn.Binary)
	if !ok || b.Op != cqn.Eq {
		return 0
	}
	ref, ok := b.L.(*cqn.Ref)
	if !ok || len(ref.Path) != 1 || ref.Path[0].Name != el.Name || ref.Path[0].Filter != nil {
		return 0
	}
	p, ok := b.R.(*cqn.Param)
	if !ok || p.From != cqn.FromLiteral {
		return 0
	}
	for i := range s.binds {
		o := &s.binds[i]
		if o.Param.From == cqn.FromLiteral && o.Param.Index == p.Index && o.Column == "" && !o.List && !o.IsNull && o.Type == loose(el.Scalar()) {
			return i + 1
		}
	}
	return 0
}
