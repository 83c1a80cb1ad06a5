package generic

import (
	"context"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// How many rows one statement deletes at most: keys of one element are one list, others a chain of conditions, which databases take only so deep.
const (
	removedAtOnce = 500
	chainedAtOnce = 40
)

func atOnce(e *csn.Entity) int {
	n := removedAtOnce
	if len(e.Keys) > 1 {
		n = chainedAtOnce
	}
	for _, el := range compositions(e) {
		if len(el.Assoc().Pairs) > 1 {
			n = chainedAtOnce
		}
	}
	return n
}

// remove deletes a located row with all that is composed of it.
func (d *deep) remove(ctx context.Context, e *csn.Entity, row *cds.Row, depth int) error {
	return d.removeAll(ctx, e, []*cds.Row{row}, depth)
}

// removeAll deletes located rows, and before them their children: one statement for each level and some hundred rows. Children that the service shows go
// under the guard: one that the user may not delete refuses the whole. All are asked for, and locked, before the first goes: what allows one may be about
// another. Then the tables below follow, so that nothing is orphaned that the service does not show.
func (d *deep) removeAll(ctx context.Context, e *csn.Entity, rows []*cds.Row, depth int) error {
	if len(rows) == 0 {
		return nil
	}
	if len(rows) <= atOnce(e) && !hasParts(e) { // one statement asks and deletes
		return d.removeSome(ctx, &removal{e, rows, depth}, false)
	}
	if e.Table() != nil && inPortions(e) {
		if err := d.askAll(ctx, e, rows, depth); err != nil {
			return err
		}
		return d.takeAll(ctx, e, rows, depth)
	}
	p := removals{d: d, planned: map[*csn.Entity]map[string]bool{}}
	if err := p.plan(ctx, e, rows, depth); err != nil {
		return err
	}
	for i := range p.list {
		if err := d.removeSome(ctx, &p.list[i], true); err != nil {
			return err
		}
	}
	return nil
}

func hasParts(e *csn.Entity) bool {
	return len(compositions(e)) > 0 || e.Table() != nil && len(compositions(e.Table())) > 0
}

// identified reports whether the keys of e are those of its table. Those of other views may be those of several rows, of which the user may delete some: the keys
// alone must not choose.
func identified(e *csn.Entity) bool {
	t := e.Table()
	return t != nil && !slices.ContainsFunc(t.Keys, func(key *csn.Element) bool {
		return !slices.ContainsFunc(e.Keys, func(k *csn.Element) bool { return origin(k) == key })
	})
}

// A removal is some rows of one entity that go with one statement.
type removal struct {
	entity *csn.Entity
	rows   []*cds.Row
	depth  int
}

// removals are rows that the user may delete, in the order in which they go: children come before their parents.
type removals struct {
	d       *deep
	list    []removal
	planned map[*csn.Entity]map[string]bool // keys: a row may be composed of several
	n       int
}

// plan adds rows with all that the service shows to be composed of them.
func (p *removals) plan(ctx context.Context, e *csn.Entity, rows []*cds.Row, depth int) error {
	if depth > maxDepth {
		return tooDeep()
	}
	if e.Table() == nil { // nothing is deleted from it: the statement is refused, where a question that locks rows could not even be asked
		return p.d.removeSome(ctx, &removal{e, rows, depth}, false)
	}
	for some := range slices.Chunk(p.unplanned(e, rows), atOnce(e)) {
		if p.n += len(some); p.n > maxRemembered {
			return cds.Reject(400, "DELETE_TOO_LARGE", "More than %d rows would be deleted together", maxRemembered)
		}
		if err := p.d.ask(ctx, e, some); err != nil {
			return err
		}
		for _, el := range compositions(e) {
			a := el.Assoc()
			cond := joinedAny(a, some)
			if cond == nil || a.Rest != nil {
				continue // conditions beyond keys: left to the table's own composition
			}
			res, err := cds.DB(ctx).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(a.Target.Name)}, Columns: columnsToWrite(a.Target), Where: cond,
				Limit: &cqn.Lit{Value: cqn.Int(maxRemembered + 1)}})
			if err != nil {
				return err
			}
			if len(res.Rows) == 0 {
				continue
			}
			if err := p.plan(ctx, a.Target, res.Rows, depth+1); err != nil {
				return err
			}
		}
		p.add(removal{e, some, depth})
	}
	return nil
}

// unplanned returns those of the rows that do not go yet.
func (p *removals) unplanned(e *csn.Entity, rows []*cds.Row) []*cds.Row {
	known := p.planned[e]
	if len(known) == 0 {
		return rows
	}
	var out []*cds.Row
	for _, row := range rows {
		if !known[keyText(e, row)] {
			out = append(out, row)
		}
	}
	return out
}

func (p *removals) add(m removal) {
	p.list = append(p.list, m)
	known := p.planned[m.entity]
	if known == nil {
		known = make(map[string]bool, len(m.rows))
		p.planned[m.entity] = known
	}
	for _, row := range m.rows {
		known[keyText(m.entity, row)] = true
	}
}

func noKey(e *csn.Entity) error {
	return cds.Reject(405, "405", "Rows of %q have no key and cannot be deleted.", e.Name)
}

// removeSome deletes rows of which no children are left that the service shows. Those that were asked for may have gone with others.
func (d *deep) removeSome(ctx context.Context, m *removal, asked bool) error {
	e := m.entity
	where := keysAmong(e, m.rows)
	if where == nil {
		return noKey(e)
	}
	keys := make([]*cds.Row, len(m.rows))
	for i, row := range m.rows {
		keys[i] = tableKeys(e, row)
	}
	if err := d.cascade(ctx, e.Table(), keys, m.depth); err != nil {
		return err
	}
	run := d.r.Execute
	if asked = asked && identified(e); asked {
		run = cds.DB(ctx).Run
	}
	res, err := run(ctx, &cqn.Delete{From: cqn.NewRef(e.Name), Where: where})
	if err != nil {
		return err
	}
	if !asked && res.Affected < int64(len(m.rows)) {
		return forbidden(d.r)
	}
	return nil
}

// keysAmong returns the condition that the keys of e are those of one of the rows; nil if a row lacks one.
func keysAmong(e *csn.Entity, rows []*cds.Row) cqn.Expr {
	if len(rows) == 1 {
		return cds.KeyFilter(e, rows[0])
	}
	if len(e.Keys) == 1 {
		set := &cqn.Tuple{}
		for _, row := range rows {
			v := row.Value(e.Keys[0].Name)
			if v.IsNull() {
				return nil
			}
			set.Items = append(set.Items, &cqn.Lit{Value: v})
		}
		return &cqn.In{X: cqn.NewRef(e.Keys[0].Name), Set: set}
	}
	var any cqn.Expr
	for _, row := range rows {
		one := cds.KeyFilter(e, row)
		if one == nil {
			return nil
		}
		any = either(any, one)
	}
	return any
}

func either(l, r cqn.Expr) cqn.Expr {
	if l == nil {
		return r
	}
	return &cqn.Binary{Op: cqn.Or, L: l, R: r}
}

// joinedAny returns the condition that a row of the target belongs to one of the parents; nil if none can have any.
func joinedAny(a *csn.Assoc, parents []*cds.Row) cqn.Expr {
	if len(parents) == 1 || len(a.Pairs) != 1 {
		var any cqn.Expr
		for _, p := range parents {
			if one := joined(a, p); one != nil {
				any = either(any, one)
			}
		}
		return any
	}
	set := &cqn.Tuple{}
	for _, p := range parents {
		if v := p.Value(a.Pairs[0].Source.Name); !v.IsNull() {
			set.Items = append(set.Items, &cqn.Lit{Value: v})
		}
	}
	if len(set.Items) == 0 {
		return nil
	}
	return &cqn.In{X: cqn.NewRef(a.Pairs[0].Target.Name), Set: set}
}

// tableKeys returns the keys of a row as those of the table behind e.
func tableKeys(e *csn.Entity, row *cds.Row) *cds.Row {
	out := cqn.NewRow()
	for _, k := range e.Keys {
		out.Set(origin(k).Name, row.Value(k.Name))
	}
	return out
}

// origin returns the element of a table that el shows, or el itself.
func origin(el *csn.Element) *csn.Element {
	for el.Origin != nil {
		el = el.Origin
	}
	return el
}

// cascade deletes what is composed of a table's rows and not shown by the service. It runs as the database's owner: such rows follow their
// root.
func (d *deep) cascade(ctx context.Context, t *csn.Entity, keys []*cds.Row, depth int) error {
	if t == nil || depth > maxDepth {
		return nil
	}
	where := keysAmong(t, keys)
	if where == nil {
		return nil
	}
	db := cds.DB(ctx)
	for _, el := range compositions(t) {
		a := el.Assoc()
		child := a.Target.Table()
		if child == nil || child.SkipPersistence || len(child.Keys) == 0 || holdsKey(a) {
			continue
		}
		path := &cqn.Ref{Path: []cqn.Step{{Name: t.Name, Filter: where}, {Name: el.Name}}}
		n := atOnce(child)
		q := &cqn.Select{From: &cqn.From{Path: path}, Columns: columnsToWrite(a.Target), Limit: &cqn.Lit{Value: cqn.Int(int64(n))}}
		for more := true; more; {
			res, err := db.Run(ctx, q)
			if err != nil {
				return err
			}
			if len(res.Rows) == 0 {
				break
			}
			below := make([]*cds.Row, len(res.Rows))
			for i, row := range res.Rows {
				below[i] = tableKeys(a.Target, row)
			}
			if err := d.cascade(ctx, child, below, depth+1); err != nil {
				return err
			}
			which := keysAmong(child, below)
			if which == nil { // a deletion without condition would take all
				return noKey(child)
			}
			gone, err := db.Run(ctx, &cqn.Delete{From: cqn.NewRef(child.Name), Where: which})
			if err != nil {
				return err
			}
			more = len(res.Rows) == n && gone.Affected > 0 // rows of a view that are none of its table stay
		}
	}
	return nil
}
