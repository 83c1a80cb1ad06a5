package generic

import (
	"context"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// maxDraftRows bounds the rows of a draft.
const maxDraftRows = 20000

// edit answers EDIT: it copies an active row with its parts to a draft. The row must be one that the user may change; what he may not read of it is
// not copied. Rows without that right are missing for him, whatever drafts there are of them.
func (d *drafting) edit(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	if r.Target.Active != nil {
		return nil, wrongSide("draftEdit", "active")
	}
	if err := d.needUser(r); err != nil {
		return nil, err
	}
	rows, err := d.locate(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, r.Missing(ctx)
	}
	if err := matchETag(r, rows[0]); err != nil {
		return nil, err
	}
	if err := d.makeWay(ctx, r, rows[0]); err != nil {
		return nil, err
	}
	rec, err := d.newRecord(ctx, r)
	if err != nil {
		return nil, err
	}
	to, err := r.For(ctx, authz.Create, r.Target.Drafts)
	if err != nil {
		return nil, err
	}
	c := &copier{r: r, to: to, id: rec.id}
	if err := c.copy(ctx, r.Target, &cqn.Ref{Path: []cqn.Step{{Name: r.Target.Name, Filter: cds.KeyFilter(r.Target, rows[0])}}}, 0); err != nil {
		return nil, err
	}
	if c.n == 0 { // it may be changed, but not be read
		return nil, notFound()
	}
	res, err := d.readAs(ctx, r, r.Target.Drafts, rows[0])
	if err != nil {
		return nil, err
	}
	res.Created = true
	return res, nil
}

// makeWay deals with a draft that there is already: another user's keeps its lock for a while, one's own is only replaced on demand.
func (d *drafting) makeWay(ctx context.Context, r *cds.RawRequest, row *cds.Row) error {
	if err := d.collectSometimes(ctx); err != nil {
		return err
	}
	rec, err := d.draftOf(ctx, r.Target, row)
	if err != nil || rec == nil {
		return err
	}
	if d.lockedBy(r, rec) {
		return locked()
	}
	preserve := r.Data.Value("PreserveChanges")
	mine := rec.holder == r.User.ID
	if preserve.Kind() == cqn.KindBool && preserve.Bool() || mine && preserve.Kind() != cqn.KindBool {
		return cds.Reject(409, "DRAFT_ALREADY_EXISTS", "A draft for this entity already exists")
	}
	return d.drop(ctx, r.Target, rec.id)
}

// A copier copies active rows to a draft.
type copier struct {
	r, to *cds.RawRequest // who reads active rows, and who writes drafts
	id    string
	n     int
}

// copied returns the elements of active rows that a draft has too, and that the user may read.
func (c *copier) copied(e *csn.Entity) []cqn.Column {
	var out []cqn.Column
	for _, el := range e.Drafts.Flat {
		if el.Assoc() != nil || el.Virtual || el.Value() != nil || isDraftName(el.Name) {
			continue
		}
		if own := e.Element(el.Name); own != nil && !own.Virtual && (own.Key || c.r.MayRead(own)) {
			out = append(out, cqn.Column{X: cqn.NewRef(el.Name)})
		}
	}
	return out
}

// copy copies the rows at a path and their parts.
func (c *copier) copy(ctx context.Context, e *csn.Entity, at *cqn.Ref, depth int) error {
	if depth > maxDepth {
		return cds.Reject(400, "400", "The rows to be edited are nested too deep.")
	}
	res, err := c.r.ReadLarge(ctx, &cqn.Select{From: &cqn.From{Path: at}, Columns: c.copied(e)})
	if err != nil {
		if depth > 0 && unreadable(err) {
			return nil // parts that the user may not read stay as they are
		}
		return err
	}
	for _, row := range res.Rows {
		if c.n++; c.n > maxDraftRows {
			return cds.Reject(400, "DRAFT_TOO_LARGE", "The entity has more than %d rows, too many to be edited as a draft", maxDraftRows)
		}
		draft := flat(e.Drafts, row, false)
		draft.Set(csn.DraftActive, cqn.Bool(false))
		draft.Set(csn.DraftHasOrig, cqn.Bool(true))
		draft.Set(csn.DraftHasCopy, cqn.Bool(false))
		draft.Set(csn.DraftUUID, cqn.String(c.id))
		if _, err := c.to.Execute(ctx, &cqn.Insert{Into: e.Drafts.Name, Rows: []*cds.Row{draft}}); err != nil {
			return err
		}
		for _, el := range compositions(e) {
			if el.Assoc().Target.Drafts == nil {
				continue
			}
			if err := c.copy(ctx, el.Assoc().Target, partsOf(e, row, el), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// partsOf is the path to the parts of a row.
func partsOf(e *csn.Entity, row *cds.Row, el *csn.Element) *cqn.Ref {
	return &cqn.Ref{Path: []cqn.Step{{Name: e.Name, Filter: cds.KeyFilter(e, row)}, {Name: el.Name}}}
}
