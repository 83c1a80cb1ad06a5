package generic

import (
	"context"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// requireETag answers 428 to clients that change an entity with @odata.etag without saying which state they know. It holds for a PUT of
// a new key too. Calls from code are free to go without.
func (h *handlers) requireETag(ctx context.Context, r *cds.RawRequest) error {
	if r.HTTP != nil && r.Target != nil && etagElement(r.Target) != nil && len(r.IfMatch) == 0 && len(r.IfNoneMatch) == 0 {
		return cds.Reject(428, "428", "Precondition Required")
	}
	return nil
}

// matchETag compares the state of a row with the tags that a client sent for a write or a read.
func matchETag(r *cds.RawRequest, row *cds.Row) error {
	el := etagElement(r.Target)
	if el == nil {
		return nil
	}
	tag := tagOf(el, row)
	if len(r.IfMatch) > 0 && !matches(r.IfMatch, tag) {
		return cds.Reject(412, "412", "Precondition Failed")
	}
	return nil
}

// tagOf returns the entity tag of a row.
func tagOf(el *csn.Element, row *cds.Row) string {
	v := row.Value(el.Name)
	if v.IsNull() {
		return ""
	}
	b := cds.Format{}.AppendValue(nil, el, v)
	return `W/"` + strings.Trim(string(b), `"`) + `"`
}

// matches compares weakly: W/ does not count.
func matches(tags []string, tag string) bool {
	for _, t := range tags {
		if t = strings.TrimSpace(t); t == "*" || tag != "" && strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// notModified ends a READ of a single row early: 412 if it is not in the state that If-Match names, 304 if it is in one that If-None-Match names.
func (h *handlers) notModified(ctx context.Context, r *cds.RawRequest, q *cqn.Select) (tag string, err error) {
	el := etagElement(r.Target)
	if el == nil {
		return "", nil
	}
	res, err := r.Execute(ctx, &cqn.Select{From: q.From, Where: q.Where, Columns: []cqn.Column{{X: cqn.NewRef(el.Name)}}, One: true})
	if err != nil || len(res.Rows) == 0 {
		return "", err
	}
	tag = tagOf(el, res.Rows[0])
	switch {
	case len(r.IfMatch) > 0 && !matches(r.IfMatch, tag):
		return "", cds.Reject(412, "412", "Precondition Failed")
	case len(r.IfNoneMatch) > 0 && matches(r.IfNoneMatch, tag):
		return "", cds.Reject(304, "304", "Not Modified")
	}
	return tag, nil
}
