package cds

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// A disclosure says which watched elements a query shows, and how to find out of which rows.
type disclosure struct {
	app    *App
	guard  sqlgen.Guarder
	groups []*disclosed
	root   *level      // of what can be told row by row
	query  *cqn.Select // that root belongs to; nil for none
}

// A disclosed is what is shown of one entity, at one path of one level of a query.
type disclosed struct {
	entity *csn.Entity
	watch  *Watch
	path   []cqn.Step // to the entity, from the level's own
	names  []string
	loose  bool // of which rows cannot be told: aggregates and the like
	prefix string
	rows   []AuditRow
}

// A level is one level of nested rows.
type level struct {
	entity *csn.Entity
	groups []*disclosed
	names  []string // of the nested ones, in order
	subs   []*level
	query  *cqn.Select
}

// disclosed returns what a query shows of what is watched; nil for nothing.
func (t *unit) disclosed(q cqn.Query, g sqlgen.Guarder) *disclosure {
	acc := t.app.inner.accounts
	if acc == nil || !acc.reads {
		return nil
	}
	d := &disclosure{app: t.app, guard: g}
	d.look(q, 0)
	if len(d.groups) == 0 {
		return nil
	}
	return d
}

// maxNested bounds how deep queries are looked into; the compiler of queries refuses deeper ones.
const maxNested = 100

func (d *disclosure) look(q cqn.Query, depth int) {
	if depth > maxNested {
		return
	}
	switch q := q.(type) {
	case *cqn.SetOp:
		for _, a := range q.Args {
			d.look(a, depth+1)
		}
	case *cqn.Select:
		switch from := q.From.(type) {
		case *cqn.Derived:
			d.look(from.Query, depth+1)
		case *cqn.Join:
			d.join(q, from, depth)
		case *cqn.From:
			e := largeEntity(d.app, q)
			if e == nil {
				return
			}
			l := d.level(q, e, depth > 0, depth)
			if depth == 0 && !summed(q) {
				d.root, d.query = l, q
			}
		}
	}
}

// join takes all of the joined entities' watched elements for shown: code joins, clients do not.
func (d *disclosure) join(q *cqn.Select, s cqn.Source, depth int) {
	switch s := s.(type) {
	case *cqn.Join:
		if depth < maxNested {
			d.join(q, s.L, depth+1)
			d.join(q, s.R, depth+1)
		}
	case *cqn.Derived:
		d.look(s.Query, depth+1)
	case *cqn.From:
		d.look(&cqn.Select{From: s, Distinct: true}, depth+1)
	}
}

// summed tells queries whose rows are not rows of the entity.
func summed(q *cqn.Select) bool {
	if len(q.GroupBy) > 0 || q.Distinct {
		return true
	}
	return slices.ContainsFunc(q.Columns, func(c cqn.Column) bool { return aggregate(c.X) })
}

func aggregate(x cqn.Expr) bool {
	found := false
	cqn.Walk(x, func(n any) bool {
		if c, ok := n.(*cqn.Call); ok {
			switch strings.ToLower(c.Name) {
			case "count", "sum", "min", "max", "avg", "average", "countdistinct":
				found = true
			}
		}
		return !found
	})
	return found
}

// level looks at the columns of one level.
func (d *disclosure) level(q *cqn.Select, e *csn.Entity, loose bool, depth int) *level {
	l := &level{entity: e, query: q}
	loose = loose || summed(q)
	if len(q.Columns) == 0 {
		d.star(l, e, nil, q.Exclude, loose)
	}
	d.columns(l, e, nil, q.Columns, q.Exclude, loose, depth)
	return l
}

func (d *disclosure) columns(l *level, e *csn.Entity, path []cqn.Step, cols []cqn.Column, exclude []string, loose bool, depth int) {
	if depth > maxNested {
		return
	}
	for i := range cols {
		c := &cols[i]
		ref, _ := c.X.(*cqn.Ref)
		switch {
		case c.Star:
			d.star(l, e, path, exclude, loose)
		case c.Expand != nil && ref != nil:
			target := follow(e, ref.Path)
			if target == nil {
				continue
			}
			sub := d.level(c.Expand, target, loose || len(path) > 0 || len(ref.Path) > 1 || summed(c.Expand), depth+1)
			if len(sub.groups)+len(sub.subs) > 0 && !loose && len(path) == 0 && len(ref.Path) == 1 {
				l.names, l.subs = append(l.names, ref.Path[0].Name), append(l.subs, sub)
			}
		case len(c.Inline) > 0 && ref != nil:
			if target := follow(e, ref.Path); target != nil {
				d.columns(l, target, append(slices.Clone(path), ref.Path...), c.Inline, c.Exclude, loose, depth+1)
			}
		default:
			d.expr(l, e, path, c.X, loose, depth)
		}
	}
}

// expr finds the elements that an expression reads.
func (d *disclosure) expr(l *level, e *csn.Entity, path []cqn.Step, x cqn.Expr, loose bool, depth int) {
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Subquery:
			d.look(n.Query, depth+1)
			return false
		case *cqn.Ref:
			at, to := e, len(n.Path)-1
			if to > 0 {
				at = follow(e, n.Path[:to])
			}
			if at == nil || to < 0 {
				return true
			}
			if w := d.app.inner.accounts.watches[at]; w != nil && slices.Contains(w.Reads, n.Path[to].Name) {
				d.add(l, at, w, append(slices.Clone(path), n.Path[:to]...), n.Path[to].Name, loose)
			}
		}
		return true
	})
}

// star takes all watched elements for shown that the user may read.
func (d *disclosure) star(l *level, e *csn.Entity, path []cqn.Step, exclude []string, loose bool) {
	w := d.app.inner.accounts.watches[e]
	if w == nil {
		return
	}
	for _, name := range w.Reads {
		if slices.Contains(exclude, name) {
			continue
		}
		if el := e.Element(name); el == nil || hides(d.guard.Element(el, sqlgen.Root)) {
			continue
		}
		d.add(l, e, w, path, name, loose)
	}
}

// hides tells whether a guard shows the value of an element in no row.
func hides(err error) bool {
	var f *sqlgen.Forbidden
	return err != nil && !(errors.As(err, &f) && f.Mask != nil && f.Mask.Unless != nil)
}

func (d *disclosure) add(l *level, e *csn.Entity, w *Watch, path []cqn.Step, name string, loose bool) {
	for _, s := range path {
		loose = loose || s.Filter != nil || len(s.Args) > 0
	}
	loose = loose || len(e.Keys) == 0
	for _, g := range l.groups {
		if g.entity == e && g.loose == loose && samePath(g.path, path) {
			if !slices.Contains(g.names, name) {
				g.names = append(g.names, name)
			}
			return
		}
	}
	g := &disclosed{entity: e, watch: w, path: path, names: []string{name}, loose: loose, prefix: "audit" + strconv.Itoa(len(d.groups)) + "_"}
	l.groups, d.groups = append(l.groups, g), append(d.groups, g)
}

func samePath(a, b []cqn.Step) bool {
	return slices.EqualFunc(a, b, func(x, y cqn.Step) bool { return x.Name == y.Name })
}

// follow walks a path of associations; nil if it is none.
func follow(e *csn.Entity, path []cqn.Step) *csn.Entity {
	for _, s := range path {
		if e == nil {
			return nil
		}
		el := e.Element(s.Name)
		if el == nil || el.Assoc() == nil {
			return nil
		}
		e = el.Assoc().Target
	}
	return e
}

// find reads the keys of the rows that were shown, with the query's own conditions and guard, in the same transaction.
func (d *disclosure) find(ctx context.Context, t *unit, u *User, limit int64) error {
	if d.root == nil {
		return nil
	}
	q := *d.query
	q.Columns = d.root.columns()
	if len(q.Columns) == 0 {
		return nil
	}
	q.Localized = false
	rows, _, err := t.readRows(ctx, &q, openElements{d.guard}, u, limit)
	if err != nil {
		return err
	}
	for _, row := range rows {
		d.root.collect(row)
	}
	return nil
}

// columns are those of the query for the keys; none where nothing of the level and below can be told by rows.
func (l *level) columns() []cqn.Column {
	var out []cqn.Column
	for _, g := range l.groups {
		if g.loose {
			continue
		}
		for _, c := range columnsNamed(g.entity, g.watch.Columns) {
			name := c.X.(*cqn.Ref).Path[0].Name
			path := append(slices.Clone(g.path), cqn.Step{Name: name})
			out = append(out, cqn.Column{X: &cqn.Ref{Path: path}, As: g.prefix + name})
		}
	}
	for i, sub := range l.subs {
		q := *sub.query
		if q.Columns = sub.columns(); len(q.Columns) > 0 {
			out = append(out, cqn.Column{X: cqn.NewRef(l.names[i]), Expand: &q})
		}
	}
	return out
}

// collect takes the keys out of a row.
func (l *level) collect(row *Row) {
	for _, g := range l.groups {
		if g.loose {
			continue
		}
		key := cqn.NewRow()
		for _, c := range columnsNamed(g.entity, g.watch.Columns) {
			name := c.X.(*cqn.Ref).Path[0].Name
			key.Set(name, row.Value(g.prefix+name))
		}
		if KeyFilter(g.entity, key) != nil {
			g.rows = append(g.rows, AuditRow{Row: veiled(g.entity, key)})
		}
	}
	for i, sub := range l.subs {
		v := row.Value(l.names[i])
		if one := v.Row(); one != nil {
			sub.collect(one)
		}
		for _, r := range v.Rows() {
			sub.collect(r)
		}
	}
}

// noteRead notes what a query has shown.
func (t *unit) noteRead(ctx context.Context, d *disclosure, u *User, limit int64) error {
	if err := d.find(ctx, t, u, limit); err != nil {
		return auditFailed(err)
	}
	for _, g := range d.groups {
		if !g.loose && d.root != nil && len(g.rows) == 0 {
			continue // no row was shown
		}
		ev := t.event(ctx, AuditRead, u)
		ev.Entity, ev.Names, ev.Rows = g.entity, g.names, g.rows
		t.note(ev)
	}
	return nil
}

// read runs a query and returns its rows as values, and keeps account of what they show. more is set if limit (0: none) cut them.
func (t *unit) read(ctx context.Context, q cqn.Query, g sqlgen.Guarder, u *User, limit int64) (rows []*Row, more bool, err error) {
	d := t.disclosed(q, g)
	if d == nil {
		return t.readRows(ctx, q, g, u, limit)
	}
	t.notLast()
	if rows, more, err = t.readRows(ctx, q, g, u, limit); err == nil && len(rows) > 0 {
		err = t.noteRead(ctx, d, u, limit)
	}
	return rows, more, err
}

// readJSON runs a query and appends its rows to dst as JSON, and keeps account of what they show: see jsonRows. What is accounted for is not streamed, so that
// nothing is sent before the record is kept.
func (t *unit) readJSON(ctx context.Context, q cqn.Query, g sqlgen.Guarder, u *User, f Format, limit int64, alone bool, to RowWriter, dst []byte) (out []byte, n int, more bool, err error) {
	d := t.disclosed(q, g)
	if d == nil {
		return t.jsonRows(ctx, q, g, u, f, limit, alone, to, dst)
	}
	t.notLast()
	if out, n, more, err = t.jsonRows(ctx, q, g, u, f, limit, false, nil, dst); err == nil && n > 0 {
		err = t.noteRead(ctx, d, u, limit)
	}
	return out, n, more, err
}

// notLast takes back that nothing follows the next read.
func (t *unit) notLast() {
	t.mu.Lock()
	t.readLast = false
	t.mu.Unlock()
}
