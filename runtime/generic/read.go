package generic

import (
	"context"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// read answers a READ from the database.
func (h *handlers) read(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	if err := persistent(r.Target); err != nil {
		return nil, err
	}
	q, ok := r.Query.(*cqn.Select)
	if !ok {
		q = r.Subject()
	}
	sel := *q
	h.localize(r, &sel, r.Target, 0)
	if r.Media != nil {
		return h.readMedia(ctx, r, &sel)
	}
	tag := ""
	if sel.One && h.etag(r.Target) != nil && !grouped(&sel) {
		var err error
		if tag, err = h.notModified(ctx, r, &sel); err != nil {
			return nil, err
		}
	}
	if r.Format != nil && r.Format.OData {
		selectETag(&sel, h.etag(r.Target))
	}
	order(&sel, r.Target, 0)
	page, skip := h.limit(&sel, r.Target)
	if r.May && !grouped(&sel) {
		selectRights(&sel, r.Target, nil)
	}
	res, err := r.Page(ctx, &sel, page)
	if err != nil {
		return nil, err
	}
	res.ETag, res.One, res.Count = tag, sel.One, -1
	if res.More {
		res.Next = skip + int64(res.N)
	}
	if r.Count {
		res.Count, err = h.count(ctx, r, q, &sel, res, skip)
	}
	return res, err
}

// grouped tells queries whose rows are no rows of the entity.
func grouped(q *cqn.Select) bool {
	if len(q.GroupBy) > 0 || q.Distinct || derived(q) {
		return true
	}
	for i := range q.Columns {
		if _, plain := q.Columns[i].X.(*cqn.Ref); !plain && aggregates(q.Columns[i].X) {
			return true
		}
	}
	return false
}

// derived tells queries that read another query.
func derived(q *cqn.Select) bool {
	_, ok := q.From.(*cqn.Derived)
	return ok
}

func aggregates(x cqn.Expr) bool {
	if x == nil {
		return false
	}
	found := false
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Subquery:
			return false
		case *cqn.Call:
			switch n.Name {
			case "count", "sum", "min", "max", "avg", "average", "countdistinct":
				found = found || n.Over == nil && (n.Name != "min" && n.Name != "max" || len(n.Args) == 1)
			}
		}
		return !found
	})
	return found
}

// count returns the number of all rows. One page that is known to be the only one needs no further query.
func (h *handlers) count(ctx context.Context, r *cds.RawRequest, q, sel *cqn.Select, res *cds.Result, skip int64) (int64, error) {
	if skip == 0 && !res.More && q.Limit == nil {
		return int64(res.N), nil
	}
	n := &cqn.Select{From: q.From, Where: q.Where, Search: q.Search, Terms: q.Terms, Localized: sel.Localized,
		Columns: []cqn.Column{{X: &cqn.Call{Name: "count", Star: true}, As: "n"}}}
	if grouped(q) {
		inner := *sel
		inner.Limit, inner.Offset, inner.OrderBy, inner.One = nil, nil, nil, false
		n = &cqn.Select{From: &cqn.Derived{Query: &inner, As: "rows"}, Columns: n.Columns}
	}
	out, err := r.Execute(ctx, n)
	if err != nil || len(out.Rows) != 1 {
		return -1, err
	}
	return out.Rows[0].Value("n").Int(), nil
}

// selectETag adds the element with the entity tag to explicit columns.
func selectETag(q *cqn.Select, el *csn.Element) {
	if el == nil || len(q.Columns) == 0 || grouped(q) {
		return
	}
	for i := range q.Columns {
		c := &q.Columns[i]
		if ref, ok := c.X.(*cqn.Ref); c.Star || ok && len(ref.Path) == 1 && ref.Path[0].Name == el.Name && c.Expand == nil {
			return
		}
	}
	q.Columns = append(q.Columns[:len(q.Columns):len(q.Columns)], cqn.Column{X: cqn.NewRef(el.Name)})
}

// selectRights adds the columns with the rights on each row, nested ones included.
func selectRights(q *cqn.Select, e *csn.Entity, level []string) {
	if e == nil || grouped(q) || len(level) > maxDepth {
		return
	}
	expands(q, e, func(sub *cqn.Select, el *csn.Element) {
		selectRights(sub, el.Assoc().Target, append(level[:len(level):len(level)], el.Name))
	})
	if len(q.Columns) == 0 {
		q.Columns = []cqn.Column{{Star: true}}
	}
	for i := range q.Columns {
		if q.Columns[i].As == cds.RowRights {
			return
		}
	}
	q.Columns = append(q.Columns[:len(q.Columns):len(q.Columns)], cds.RightsColumn(level...))
}

// order makes the order of rows total, by the keys: pages would overlap otherwise. Nested rows are ordered too.
func order(q *cqn.Select, e *csn.Entity, depth int) {
	if e == nil || depth > maxDepth {
		return
	}
	if !q.One && !grouped(q) {
		q.OrderBy = append(q.OrderBy[:len(q.OrderBy):len(q.OrderBy)], viewOrder(q.OrderBy, e)...)
		for _, k := range e.Keys {
			if !ordered(q.OrderBy, k.Name) {
				q.OrderBy = append(q.OrderBy, cqn.Order{X: cqn.NewRef(k.Name)})
			}
		}
	}
	expands(q, e, func(sub *cqn.Select, el *csn.Element) { order(sub, el.Assoc().Target, depth+1) })
}

// viewOrder returns the order that the definition of a view gives its rows (`order by` of the projection), as far as the query has not sorted by the
// same elements. The database need not keep the order of a view.
func viewOrder(os []cqn.Order, e *csn.Entity) []cqn.Order {
	src, ok := e.Source.(*cqn.Select)
	if !ok || len(src.OrderBy) == 0 {
		return nil
	}
	var out []cqn.Order
	for _, o := range src.OrderBy {
		ref, ok := o.X.(*cqn.Ref)
		if !ok {
			break // the rest is less than what is left out
		}
		el := orderElement(e, ref)
		if el == nil {
			break
		}
		if !ordered(os, el.Name) {
			o.X = cqn.NewRef(el.Name)
			out = append(out, o)
		}
	}
	return out
}

// orderElement finds the element of a view that an item of its order by means: a column, or an element of the source.
func orderElement(e *csn.Entity, ref *cqn.Ref) *csn.Element {
	name := ref.Path[len(ref.Path)-1].Name
	for _, el := range e.Flat {
		if el.Origin != nil && el.Origin.Name == name && len(ref.Path) <= 2 {
			return el
		}
	}
	if el := e.Element(name); len(ref.Path) == 1 && el != nil && el.Assoc() == nil && !el.Virtual {
		return el
	}
	return nil
}

func ordered(os []cqn.Order, name string) bool {
	for _, o := range os {
		if r, ok := o.X.(*cqn.Ref); ok && len(r.Path) == 1 && r.Path[0].Name == name {
			return true
		}
	}
	return false
}

// expands calls fn with copies of the to-many or to-one expands of q, which replace them.
func expands(q *cqn.Select, e *csn.Entity, fn func(sub *cqn.Select, el *csn.Element)) {
	copied := false
	for i := range q.Columns {
		ref, ok := q.Columns[i].X.(*cqn.Ref)
		if q.Columns[i].Expand == nil || !ok || len(ref.Path) != 1 {
			continue
		}
		el := e.Element(ref.Path[0].Name)
		if el == nil || el.Assoc() == nil || el.Assoc().Target == nil {
			continue
		}
		if !copied {
			q.Columns = append([]cqn.Column(nil), q.Columns...)
			copied = true
		}
		sub := *q.Columns[i].Expand
		fn(&sub, el)
		if !el.Assoc().Many {
			sub.OrderBy = nil
		}
		q.Columns[i].Expand = &sub
	}
}

// localize asks for translated texts unless the user's language is the default one, or the entity says @cds.localized: false.
func (h *handlers) localize(r *cds.RawRequest, q *cqn.Select, e *csn.Entity, depth int) {
	if r.Locale == "" || r.Locale == h.app.Options.DefaultLocale || depth > maxDepth || e == nil {
		return
	}
	q.Localized = !e.Annotations.Get("cds.localized").False()
	expands(q, e, func(sub *cqn.Select, el *csn.Element) { h.localize(r, sub, el.Assoc().Target, depth+1) })
}
