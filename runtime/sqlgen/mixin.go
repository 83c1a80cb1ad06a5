package sqlgen

import (
	"fmt"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Mixins are associations that exist within the body of one view. They are elements of a source that is no table: paths begin in it as in any
// other, and only the condition of the join is different. It names the view's sources, and its result as $projection.

// mixins makes the mixins of a query known in its scope.
func (sc *scope) mixins(q *cqn.Select) error {
	if len(q.Mixins) == 0 {
		return nil
	}
	if !sc.view {
		return sc.fail("INVALID_QUERY", "mixins belong to views")
	}
	e := &csn.Entity{}
	conds := map[*csn.Element]cqn.Expr{}
	for i := range q.Mixins {
		m := &q.Mixins[i]
		el := &csn.Element{Type: &csn.Assoc{TargetName: m.Target, Target: sc.m.Entity(m.Target), Many: m.Max != "" && m.Max != "1", On: m.On}}
		el.Name = m.Name
		conds[el] = m.On
		e.Flat = append(e.Flat, el)
	}
	sc.mix = &source{scope: sc, entity: e, name: "$mixin", mixins: conds}
	return nil
}

// mixinCond is the condition between the row of a view's query and the target of one of its mixins.
func (sc *scope) mixinCond(src, next *source, el *csn.Element) (string, error) {
	at := src.scope
	own := at.own
	if own == nil { // not the first query of a union
		own = &source{scope: at, entity: sc.body, name: "$projection", own: true}
	}
	in := &scope{stmt: sc.stmt, parent: at.parent, sources: at.sources, self: own, vars: map[string]*source{el.Name: next}, definer: true, noJoin: true}
	f, err := in.cond(src.mixins[el])
	if err != nil {
		return "", fmt.Errorf("mixin %s: %w", el.Name, err)
	}
	return f.at(precAnd), nil
}
