package generic

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"strconv"
)

// limit bounds a query to a page: what the client asks for (at most the maximum), else the default. It returns the number of rows of the
// page, 0 if the server does not cut, and the offset of the query. The query asks for one row more than the page has, which tells whether
// there is a next one.
func (h *handlers) limit(q *cqn.Select, e *csn.Entity) (page, skip int64) {
	skip, _ = integer(q.Offset)
	if q.One || grouped(q) && q.Limit == nil && len(q.GroupBy) == 0 && !q.Distinct && !derived(q) {
		return 0, skip
	}
	def, max := h.pageSizes(e)
	asked, given := integer(q.Limit)
	switch {
	case given && (max == 0 || asked <= max), q.Limit != nil && !given:
		return 0, skip // the client's own cut
	case given:
		page = max
	default:
		page = def
	}
	if page == 0 {
		return 0, skip
	}
	q.Limit = &cqn.Lit{Value: cqn.Int(page + 1)}
	return page, skip
}

// pageSizes returns the default and maximal page size of an entity.
func (h *handlers) pageSizes(e *csn.Entity) (def, max int64) {
	f := h.factsOf(e)
	return f.pageDefault, f.pageMax
}

// readPageSizes finds them: of the entity, else of its service, else of the app; 0 is no bound.
func (h *handlers) readPageSizes(e *csn.Entity) (def, max int64) {
	def, max = int64(h.app.Options.PageDefault), int64(h.app.Options.PageMax)
	var annos []csn.Annotations
	if e.Service != nil {
		annos = append(annos, e.Service.Annotations)
	}
	for _, as := range append(annos, e.Annotations) {
		if n, ok := annoInt(as.Get("cds.query.limit")); ok {
			def = n
			if n == 0 {
				max = 0
			}
		}
		if n, ok := annoInt(as.Get("cds.query.limit.max")); ok {
			max = n
		}
		if n, ok := annoInt(as.Get("cds.query.limit.default")); ok {
			def = n
		}
	}
	if max > 0 && (def == 0 || def > max) {
		def = max
	}
	return def, max
}

func annoInt(a *cqn.AnnoValue) (int64, bool) {
	if a == nil || a.Kind != cqn.AnnoNumber {
		return 0, false
	}
	n, err := strconv.ParseInt(a.Text, 10, 64)
	return n, err == nil && n >= 0
}

// integer returns the value of a LIMIT or OFFSET; false if there is none.
func integer(x cqn.Expr) (int64, bool) {
	l, ok := x.(*cqn.Lit)
	if !ok || l.Value.Kind() != cqn.KindInt || l.Value.Int() < 0 {
		return 0, false
	}
	return l.Value.Int(), true
}
