package generic

import (
	"context"
	"fmt"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// restrictions are what @Capabilities says about queries of an entity.
type restrictions struct {
	noFilter, noSort, noExpand, noSearch, mustFilter bool
	unfilterable, unsortable, unexpandable           map[string]bool
	required                                         []string
}

// readRestrictions returns nil for an entity without restrictions.
func readRestrictions(e *csn.Entity) *restrictions {
	get := func(name string) *cqn.AnnoValue { return e.Annotations.Get("Capabilities." + name) }
	r := &restrictions{
		noFilter: get("FilterRestrictions.Filterable").False(), noSort: get("SortRestrictions.Sortable").False(),
		noExpand: get("ExpandRestrictions.Expandable").False(), noSearch: get("SearchRestrictions.Searchable").False(),
		mustFilter:   get("FilterRestrictions.RequiresFilter").True(),
		unfilterable: names(get("FilterRestrictions.NonFilterableProperties")), unsortable: names(get("SortRestrictions.NonSortableProperties")),
		unexpandable: names(get("ExpandRestrictions.NonExpandableProperties")),
	}
	for n := range names(get("FilterRestrictions.RequiredProperties")) {
		r.required = append(r.required, n)
	}
	if !r.noFilter && !r.noSort && !r.noExpand && !r.noSearch && !r.mustFilter && r.unfilterable == nil && r.unsortable == nil && r.unexpandable == nil && r.required == nil {
		return nil
	}
	return r
}

func names(a *cqn.AnnoValue) map[string]bool {
	if a == nil || a.Kind != cqn.AnnoArray || len(a.Items) == 0 {
		return nil
	}
	out := map[string]bool{}
	for _, i := range a.Items {
		out[i.Str()] = true
	}
	return out
}

// installRestrictions checks the queries of clients, in services that have restrictions.
func (h *handlers) installRestrictions(s *cds.Service) {
	for _, e := range s.Model.Entities {
		if h.entities[e].restrictions != nil {
			s.GenericBefore(cds.Match{Events: []cds.Event{authz.Read}, Name: "restrictions"}, h.restrict)
			return
		}
	}
}

// restrict refuses queries of clients that the capabilities of the entities rule out. Code may ask as it likes.
func (h *handlers) restrict(_ context.Context, r *cds.RawRequest) error {
	q, ok := r.Query.(*cqn.Select)
	if !ok || r.HTTP == nil || r.Target == nil {
		return nil
	}
	return h.restrictQuery(q, r.Target, 0)
}

func (h *handlers) restrictQuery(q *cqn.Select, e *csn.Entity, depth int) error {
	if e == nil || depth > maxDepth {
		return nil
	}
	if d, ok := q.From.(*cqn.Derived); ok {
		if inner, ok := d.Query.(*cqn.Select); ok {
			if err := h.restrictQuery(inner, e, depth+1); err != nil {
				return err
			}
		}
	}
	if x := h.factsOf(e).restrictions; x != nil {
		if err := x.check(q, e, depth); err != nil {
			return err
		}
	}
	for i := range q.Columns {
		c := &q.Columns[i]
		ref, ok := c.X.(*cqn.Ref)
		if c.Expand == nil || !ok || len(ref.Path) == 0 {
			continue
		}
		if el := e.Element(ref.Path[0].Name); el != nil && el.Assoc() != nil {
			if err := h.restrictQuery(c.Expand, el.Assoc().Target, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *restrictions) check(q *cqn.Select, e *csn.Entity, depth int) error {
	no := func(what, option string) error {
		return cds.Reject(400, "400", "%s of %q cannot be used in %s.", what, e.LocalName(), option)
	}
	used := map[string]bool{}
	collect(q.Where, used)
	switch {
	case x.noFilter && q.Where != nil:
		return no("Elements", "$filter")
	case depth == 0 && !q.One && (x.mustFilter && q.Where == nil || lacks(used, x.required)):
		return cds.Reject(400, "400", "Reading %q needs a $filter%s.", e.LocalName(), by(x.required))
	case x.noSort && len(q.OrderBy) > 0:
		return no("Elements", "$orderby")
	case x.noSearch && (q.Search != nil || len(q.Terms) > 0):
		return cds.Reject(400, "400", "%q cannot be searched.", e.LocalName())
	}
	for n := range used {
		if x.unfilterable[n] {
			return no(fmt.Sprintf("Element %q", n), "$filter")
		}
	}
	for _, o := range q.OrderBy {
		sorted := map[string]bool{}
		collect(o.X, sorted)
		for n := range sorted {
			if x.unsortable[n] {
				return no(fmt.Sprintf("Element %q", n), "$orderby")
			}
		}
	}
	for i := range q.Columns {
		ref, ok := q.Columns[i].X.(*cqn.Ref)
		if q.Columns[i].Expand == nil || !ok || len(ref.Path) == 0 {
			continue
		}
		if n := ref.Path[0].Name; x.noExpand || x.unexpandable[n] {
			return no(fmt.Sprintf("Element %q", n), "$expand")
		}
	}
	return nil
}

// collect notes the elements that an expression names at the beginning of its paths.
func collect(x cqn.Expr, into map[string]bool) {
	if x == nil {
		return
	}
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Ref:
			if len(n.Path) > 0 {
				into[n.Path[0].Name] = true
			}
		case *cqn.Exists:
			if n.Path != nil && len(n.Path.Path) > 0 {
				into[n.Path.Path[0].Name] = true
			}
			return false
		case *cqn.Subquery:
			return false
		}
		return true
	})
}

func lacks(used map[string]bool, required []string) bool {
	for _, n := range required {
		if !used[n] {
			return true
		}
	}
	return false
}

func by(required []string) string {
	if len(required) == 0 {
		return ""
	}
	return fmt.Sprintf(" by %q", required[0])
}
