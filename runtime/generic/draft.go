package generic

import (
	"context"
	"sync/atomic"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// Drafts. An entity with @odata.draft.enabled and what is composed of it are edited as one: NEW or EDIT makes a draft, PATCH changes it without
// checks other than of types, SAVE makes it active by an ordinary CREATE or UPDATE with all checks, DISCARD throws it away. Rows of drafts
// are written under the guard like all others; only their records (who edits, since when) are kept by the database's owner.

// drafting is what the handlers of drafts share.
type drafting struct {
	*handlers
	collected *atomic.Int64 // when old drafts were looked for last, in Unix seconds
}

// installDrafts gives a service with draft-enabled entities their handlers.
//
// Names of the entries: before-phase "draft-input", "draft-parameters", "draft-content", "draft-lock"; on-phase "draft-new", "draft-edit", "draft-patch",
// "draft-save", "draft-discard", "draft-prepare".
func (h *handlers) installDrafts(s *cds.Service, collected *atomic.Int64) bool {
	var nodes []string
	for _, e := range s.Model.Entities {
		if e.Drafts != nil {
			nodes = append(nodes, e.LocalName())
		}
	}
	if len(nodes) == 0 {
		return false
	}
	d := &drafting{h, collected}
	events := func(evs ...cds.Event) []cds.Event { return evs }
	s.GenericBefore(cds.Match{Events: events(cds.NewDraft, cds.PatchDraft), Name: "draft-input"}, d.input)
	s.GenericBefore(cds.Match{Events: events(cds.EditDraft, cds.SaveDraft, cds.PrepareDraft), Name: "draft-parameters"}, h.parameters)
	s.GenericBefore(cds.Match{Events: events(cds.SaveDraft), Name: "draft-content"}, d.content)
	s.GenericBefore(cds.Match{Events: events(authz.Create, authz.Update, authz.Delete), Entities: nodes, Name: "draft-lock"}, d.lock)
	for _, e := range s.Model.Entities {
		if e.Drafts != nil && e.DraftRoot {
			s.Needs(e, authz.Update, d.unlocked)
			s.Needs(e, authz.Delete, d.unlocked)
		}
	}
	s.GenericOn(cds.Match{Events: events(cds.NewDraft), Name: "draft-new"}, d.create)
	s.GenericOn(cds.Match{Events: events(cds.EditDraft), Name: "draft-edit"}, d.edit)
	s.GenericOn(cds.Match{Events: events(cds.PatchDraft), Name: "draft-patch"}, d.patch)
	s.GenericOn(cds.Match{Events: events(cds.SaveDraft), Name: "draft-save"}, d.save)
	s.GenericOn(cds.Match{Events: events(cds.DiscardDraft), Name: "draft-discard"}, d.discard)
	s.GenericOn(cds.Match{Events: events(cds.PrepareDraft), Name: "draft-prepare"}, d.prepare)
	return true
}

// draftNames are the elements of drafts that no payload sets.
var draftNames = [...]string{csn.DraftActive, csn.DraftHasOrig, csn.DraftHasCopy, csn.DraftUUID, csn.DraftAdmin, csn.DraftSibling, csn.DraftNotes, csn.DraftOwner}

func isDraftName(name string) bool {
	for _, n := range draftNames {
		if n == name {
			return true
		}
	}
	return false
}

// input brings the payload for a draft into the form that the rest works on. Only types are checked: a draft need be neither complete nor right.
func (d *drafting) input(_ context.Context, r *cds.RawRequest) error {
	if r.Data == nil && r.Rows == nil {
		r.Data = cqn.NewRow()
	}
	in := inputter{r: r}
	if r.Event == cds.PatchDraft {
		dropKeys(r)
	}
	for _, row := range payload(r) {
		if err := stripDraft(row, r.Target, 0); err != nil {
			return err
		}
		if err := in.unknown(row, r.Target, r.Target.Active.Name, "", 0); err != nil {
			return err
		}
		if err := in.row(row, r.Target, "", 0); err != nil {
			return err
		}
		if err := mayWrite(r, row, r.Target, 0); err != nil {
			return err
		}
	}
	return nil
}

// mayWrite refuses elements that the user may never set.
func mayWrite(r *cds.RawRequest, row *cds.Row, e *csn.Entity, depth int) error {
	for _, f := range row.Fields() {
		el := e.Element(f.Name)
		if err := r.MayWrite(el); err != nil {
			return err
		}
		if a := el.Assoc(); a != nil && depth < maxDepth {
			for _, c := range children(f.Value) {
				if err := mayWrite(r, c, a.Target, depth+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// stripDraft takes out of a payload what tells of drafts: clients send it back as they got it, and it never sets anything.
func stripDraft(row *cds.Row, e *csn.Entity, depth int) error {
	if depth > maxDepth {
		return cds.Reject(400, "400", "The payload is nested too deep.")
	}
	for _, n := range draftNames {
		row.Delete(n)
	}
	for _, el := range compositions(e) {
		if v, ok := row.Get(el.Name); ok && el.Assoc().Target.Active != nil {
			for _, c := range children(v) {
				if c != nil {
					if err := stripDraft(c, el.Assoc().Target, depth+1); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// create answers NEW: a draft of a row that does not exist yet, or a new part of a draft.
func (d *drafting) create(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	if err := d.needUser(r); err != nil {
		return nil, err
	}
	given, err := d.parentKeys(ctx, r)
	if err != nil {
		return nil, err
	}
	rec, err := d.recordFor(ctx, r)
	if err != nil {
		return nil, err
	}
	w := &deep{h: d.handlers, r: r}
	for _, row := range payload(r) {
		if err := setParent(row, given); err != nil {
			return nil, err
		}
		d.fill(r, row, r.Target, rec.id, true, 0)
		if err := completeKeys(r, row); err != nil {
			return nil, err
		}
		if err := w.insert(ctx, r.Target, row, 0); err != nil {
			return nil, err
		}
	}
	res, err := d.readBack(ctx, r, payload(r), true)
	if err != nil {
		return nil, err
	}
	res.Affected, res.Created = int64(len(payload(r))), true
	return res, nil
}

// recordFor returns the record of the draft that a new row belongs to: that of its parent, or a new one for a root.
func (d *drafting) recordFor(ctx context.Context, r *cds.RawRequest) (*record, error) {
	if len(r.Via) == 0 {
		if !r.Target.DraftRoot {
			return nil, cds.Reject(400, "400", "Drafts of %q are made over what they are a part of.", r.Target.Active.LocalName())
		}
		if err := d.collectSometimes(ctx); err != nil {
			return nil, err
		}
		return d.newRecord(ctx, r)
	}
	from, ok := r.Subject().From.(*cqn.From)
	if !ok || len(from.Path.Path) < 2 {
		return nil, cds.Reject(400, "400", "The path of the request does not lead to its target.")
	}
	ref := *from.Path
	ref.Path = ref.Path[:len(ref.Path)-1]
	rec, err := d.recordOf(ctx, &cqn.Select{From: &cqn.From{Path: &ref}})
	if err != nil || rec == nil {
		return nil, orNotFound(err)
	}
	return rec, d.touch(ctx, r, rec.id)
}

func orNotFound(err error) error {
	if err == nil {
		return notFound()
	}
	return err
}

// fill completes a new row of a draft and its parts: generated keys, defaults, and what tells of the draft.
func (d *drafting) fill(r *cds.RawRequest, row *cds.Row, e *csn.Entity, id string, whole bool, depth int) {
	if whole {
		m := manager{h: d.handlers, r: r}
		for _, el := range e.Flat {
			if !stored(e, el) || isDraftName(el.Name) || row.Has(el.Name) && (!el.Key || !row.Value(el.Name).IsNull()) {
				continue
			}
			switch {
			case generatedKey(el):
				row.Set(el.Name, cqn.String(r.App().Options.NewUUID()))
			case el.Default() != nil:
				if v, ok := m.value(el, el.Default()); ok {
					row.Set(el.Name, v)
				}
			}
		}
		row.Set(csn.DraftHasOrig, cqn.Bool(false))
	}
	row.Set(csn.DraftActive, cqn.Bool(false))
	row.Set(csn.DraftHasCopy, cqn.Bool(false))
	row.Set(csn.DraftUUID, cqn.String(id))
	for _, el := range compositions(e) {
		if v, ok := row.Get(el.Name); ok && depth < maxDepth && el.Assoc().Target.Active != nil {
			for _, c := range children(v) {
				d.fill(r, c, el.Assoc().Target, id, whole, depth+1)
			}
		}
	}
}

// patch answers PATCH: it changes a row of a draft. Lists of parts in the payload are the whole new lists.
func (d *drafting) patch(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	w := &deep{h: d.handlers, r: r}
	rows, err := d.each(ctx, r, func(row *cds.Row, rec *record) error {
		data := r.Data.Clone()
		d.fill(r, data, r.Target, rec.id, false, 0)
		if err := w.update(ctx, r.Target, row, data, 0); err != nil {
			return err
		}
		if err := d.markNew(ctx, r.Target, rec.id); err != nil {
			return err
		}
		return d.touch(ctx, r, rec.id)
	})
	if err != nil {
		return nil, err
	}
	res, err := d.readBack(ctx, r, rows, false)
	if err != nil {
		return nil, err
	}
	res.Affected = int64(len(rows))
	return res, nil
}

// markNew says of parts that came with a change of their root that they have no active row.
func (d *drafting) markNew(ctx context.Context, e *csn.Entity, id string) error {
	for _, n := range e.Active.DraftTree() {
		if n == e.Active || n.Drafts == nil {
			continue
		}
		where := and(sameDraft(id), &cqn.Unary{Op: cqn.IsNull, X: cqn.NewRef(csn.DraftHasOrig)})
		upd := &cqn.Update{Entity: cqn.NewRef(n.Drafts.Name), Where: where, Data: cqn.NewRow(cqn.Field{Name: csn.DraftHasOrig, Value: cqn.Bool(false)})}
		if _, err := cds.DB(ctx).Run(ctx, upd); err != nil {
			return err
		}
	}
	return nil
}

// discard answers DISCARD: a draft goes with all its parts, or a part of it with what is below.
func (d *drafting) discard(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	w := &deep{h: d.handlers, r: r}
	rows, err := d.each(ctx, r, func(row *cds.Row, rec *record) error {
		if r.Target.DraftRoot && len(r.Via) == 0 {
			return d.drop(ctx, r.Target.Active, rec.id)
		}
		if err := w.remove(ctx, r.Target, row, 0); err != nil {
			return err
		}
		return d.touch(ctx, r, rec.id)
	})
	return &cds.Result{Affected: int64(len(rows))}, err
}

// each runs fn for the addressed rows of drafts, which must be there, with the records of their drafts.
func (d *drafting) each(ctx context.Context, r *cds.RawRequest, fn func(row *cds.Row, rec *record) error) ([]*cds.Row, error) {
	rows, err := d.locate(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, r.Missing(ctx)
	}
	for _, row := range rows {
		rec, err := d.recordOf(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(r.Target.Name)}, Where: cds.KeyFilter(r.Target, row)})
		if err != nil || rec == nil {
			return nil, orNotFound(err)
		}
		if err := fn(row, rec); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// prepare answers draftPrepare with the draft as it is: what is wrong with it is told when it is saved.
func (d *drafting) prepare(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	if r.Target.Active == nil {
		return nil, wrongSide("draftPrepare", "draft")
	}
	rows, err := d.locate(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, r.Missing(ctx)
	}
	return d.readAs(ctx, r, r.Target, rows[0])
}

func wrongSide(action, side string) error {
	return cds.Reject(400, "400", "Action %q can only be called on the %s version of an entity", action, side)
}

// readAs reads a row of an entity of the draft's tree as the user would.
func (d *drafting) readAs(ctx context.Context, r *cds.RawRequest, e *csn.Entity, row *cds.Row) (*cds.Result, error) {
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Where: cds.KeyFilter(e, row), One: true}
	res, err := r.Service.Dispatch(ctx, &cds.RawRequest{Event: authz.Read, Target: e, Query: q, User: r.User, Locale: r.Locale})
	if err != nil {
		if unreadable(err) {
			return &cds.Result{One: true}, nil
		}
		return nil, err
	}
	return &cds.Result{Rows: res.Rows, One: true, ETag: res.ETag}, nil
}

// needUser refuses those who have no name: a draft belongs to somebody.
func (d *drafting) needUser(r *cds.RawRequest) error {
	if !r.User.Identified() {
		return forbidden(r)
	}
	return nil
}
