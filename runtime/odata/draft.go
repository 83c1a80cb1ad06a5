package odata

import (
	"net/http"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/uri"
)

// A URL without key says nothing of drafts, so what is meant follows from the payload: new rows of draft-enabled entities begin as drafts unless
// they are said to be active.

// chooseSide lets a POST on a draft-enabled root make a draft.
func (c *call) chooseSide(row *cqn.Row) {
	e := c.res.Entity()
	if c.opt.Plain || len(c.res.Segments) != 1 || e.Drafts == nil || !e.DraftRoot {
		return
	}
	v, told := row.Get(csn.DraftActive)
	switch {
	case told && v.Kind() == cqn.KindBool && v.Bool():
	case !told && (c.svc.App.Options.Drafts.Bypass || e.Annotations.Is("odata.draft.bypass")):
	default:
		c.res.Segments[0].Entity = e.Drafts
	}
}

// sideKey returns the further key of draft-enabled entities, "" for others.
func sideKey(e *csn.Entity) string {
	switch {
	case e.Active != nil:
		return csn.DraftActive + "=false"
	case e.Drafts != nil:
		return csn.DraftActive + "=true"
	}
	return ""
}

// isDraftHelper reports whether an entity is there for drafts only: it has no set of its own.
func isDraftHelper(e *csn.Entity) bool {
	return e.Active != nil || e.Base != nil && e.Base.Name == csn.DraftTable
}

// draftStep answers an operation of the draft choreography with the row that it is about: as a READ with the same query options would.
func (c *call) draftStep(req *cds.RawRequest) error {
	status := http.StatusOK
	req.Format = nil
	if _, err := c.res.Row(req.Target, nil).Query(c.mayExpand); err != nil { // before anything is done
		return err
	}
	minimal := c.prefer() == cds.ReturnNothing
	res, err := c.svc.Dispatch(c.ctx, req)
	if err != nil {
		c.w.Header().Del("Preference-Applied")
		return err
	}
	if len(res.Rows) == 0 {
		c.headers(res)
		return c.noContent()
	}
	if res.Created {
		status = http.StatusCreated
	}
	row := res.Rows[0]
	e := sideOf(req.Target, row)
	c.messages(res)
	if minimal {
		loc := uri.SetName(e) + keyPredicate(e, row)
		c.w.Header().Set("Location", loc)
		c.w.Header().Set("OData-EntityId", loc)
		return c.noContent()
	}
	c.res = c.res.Row(e, keysOf(e, row))
	q, err := c.res.Query(c.mayExpand)
	if err != nil {
		return err
	}
	again := c.request(eventRead)
	again.IfMatch, again.IfNoneMatch = nil, nil
	again.Query, again.Format = q.Select, &c.format
	c.askRights(again)
	if res, err = c.svc.Dispatch(c.ctx, again); err != nil {
		return err
	}
	if res.N == 0 {
		return c.noContent()
	}
	return c.single(status, res, e)
}

// sideOf returns the entity that a row of a draft's tree is one of.
func sideOf(e *csn.Entity, row *cqn.Row) *csn.Entity {
	if e.Active != nil {
		e = e.Active
	}
	if v := row.Value(csn.DraftActive); v.Kind() == cqn.KindBool && !v.Bool() && e.Drafts != nil {
		return e.Drafts
	}
	return e
}

func keysOf(e *csn.Entity, row *cqn.Row) *cqn.Row {
	out := cqn.NewRow()
	for _, k := range e.Keys {
		out.Set(k.Name, row.Value(k.Name))
	}
	return out
}

// draftLabel returns the English text for the keys that the titles of what drafts bring refer to.
func draftLabel(key string) (string, bool) {
	switch key {
	case "Draft_DraftAdministrativeData":
		return "Draft Administrative Data", true
	case "Draft_DraftUUID":
		return "Draft (Technical ID)", true
	case "Draft_CreationDateTime":
		return "Draft Created On", true
	case "Draft_CreatedByUser":
		return "Draft Created By", true
	case "Draft_DraftIsCreatedByMe":
		return "Draft Created By Me", true
	case "Draft_LastChangeDateTime":
		return "Draft Last Changed On", true
	case "Draft_LastChangedByUser":
		return "Draft Last Changed By", true
	case "Draft_InProcessByUser":
		return "Draft In Process By", true
	case "Draft_DraftIsProcessedByMe":
		return "Draft In Process By Me", true
	}
	return "", false
}
