package generic

import (
	"context"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// A record tells who edits a draft and since when. Records are kept by the database's owner: what clients see of them follows from the
// rows that they may see.
type record struct {
	id, holder string
	changed    time.Time
}

// sameDraft is the condition that a row belongs to a draft.
func sameDraft(id string) cqn.Expr {
	return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(csn.DraftUUID), R: &cqn.Lit{Value: cqn.String(id)}}
}

// recordOf returns the record of the draft that the row found by a query on drafts belongs to, nil for no row.
func (d *drafting) recordOf(ctx context.Context, q *cqn.Select) (*record, error) {
	q.Columns = []cqn.Column{{X: cqn.NewRef(csn.DraftUUID)}, {X: cqn.NewRef(csn.DraftOwner, "InProcessByUser"), As: "holder"},
		{X: cqn.NewRef(csn.DraftOwner, "LastChangeDateTime"), As: "changed"}}
	res, err := cds.DB(ctx).Run(ctx, q)
	if err != nil || len(res.Rows) == 0 {
		return nil, err
	}
	row := res.Rows[0]
	rec := &record{id: row.Value(csn.DraftUUID).Str(), holder: row.Value("holder").Str()}
	// A time that cannot be read is taken for long past: the draft locks nobody out.
	rec.changed, _ = time.Parse(time.RFC3339Nano, row.Value("changed").Format())
	return rec, nil
}

// draftOf returns the record of the draft of an active row, nil if there is none.
func (d *drafting) draftOf(ctx context.Context, e *csn.Entity, row *cds.Row) (*record, error) {
	return d.recordOf(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Drafts.Name)}, Where: cds.KeyFilter(e.Drafts, row)})
}

// newRecord makes the record of a new draft.
func (d *drafting) newRecord(ctx context.Context, r *cds.RawRequest) (*record, error) {
	id, user := r.App().Options.NewUUID(), cqn.String(r.User.ID)
	row := cqn.NewRow(cqn.Field{Name: "DraftUUID", Value: cqn.String(id)},
		cqn.Field{Name: "CreationDateTime", Value: r.Now()}, cqn.Field{Name: "CreatedByUser", Value: user},
		cqn.Field{Name: "LastChangeDateTime", Value: r.Now()}, cqn.Field{Name: "LastChangedByUser", Value: user},
		cqn.Field{Name: "InProcessByUser", Value: user})
	_, err := cds.DB(ctx).Run(ctx, &cqn.Insert{Into: csn.DraftTable, Rows: []*cds.Row{row}})
	return &record{id: id, holder: r.User.ID}, err
}

// touch notes a change of a draft, by which its lock and its life are prolonged.
func (d *drafting) touch(ctx context.Context, r *cds.RawRequest, id string) error {
	set := cqn.NewRow(cqn.Field{Name: "LastChangeDateTime", Value: r.Now()}, cqn.Field{Name: "LastChangedByUser", Value: cqn.String(r.User.ID)})
	_, err := cds.DB(ctx).Run(ctx, &cqn.Update{Entity: cqn.NewRef(csn.DraftTable), Where: recordKey(id), Data: set})
	return err
}

func recordKey(id string) cqn.Expr {
	return &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("DraftUUID"), R: &cqn.Lit{Value: cqn.String(id)}}
}

// drop deletes a draft: the rows of all entities of its root's tree, and its record.
func (d *drafting) drop(ctx context.Context, root *csn.Entity, id string) error {
	tree := root.DraftTree()
	for i := len(tree) - 1; i >= 0; i-- {
		if t := tree[i].Drafts; t != nil {
			if _, err := cds.DB(ctx).Run(ctx, &cqn.Delete{From: cqn.NewRef(t.Name), Where: sameDraft(id)}); err != nil {
				return err
			}
		}
	}
	_, err := cds.DB(ctx).Run(ctx, &cqn.Delete{From: cqn.NewRef(csn.DraftTable), Where: recordKey(id)})
	return err
}

// lockedBy reports whether another user's draft keeps this user from editing a row.
func (d *drafting) lockedBy(r *cds.RawRequest, rec *record) bool {
	if rec == nil || rec.holder == r.User.ID {
		return false
	}
	now, err := time.Parse(time.RFC3339Nano, r.Now().Format())
	return err != nil || rec.changed.Add(r.App().Options.Drafts.Lock).After(now)
}

func locked() error {
	return cds.Reject(409, "DRAFT_LOCKED_BY_ANOTHER_USER", "The entity is locked by another user")
}

// lock refuses changes of active rows while somebody else edits them; a row that is deleted takes its draft along. Rows that the user may not
// change are left to the handlers that come: nothing is told of their drafts.
func (d *drafting) lock(ctx context.Context, r *cds.RawRequest) error {
	if len(r.Path) > 1 {
		return d.lockPart(ctx, r)
	}
	if r.Event == authz.Create || !r.Target.DraftRoot {
		return nil
	}
	rows, err := d.locate(ctx, r)
	if err != nil {
		return err
	}
	for _, row := range rows {
		rec, err := d.draftOf(ctx, r.Target, row)
		switch {
		case err != nil:
			return err
		case rec == nil:
		case d.lockedBy(r, rec):
			return locked()
		case r.Event == authz.Delete:
			if err := d.drop(ctx, r.Target, rec.id); err != nil {
				return err
			}
		}
	}
	return nil
}

// unlocked is the condition of the active rows that lock lets pass: no draft of anybody else keeps them.
func (d *drafting) unlocked(*cds.RawRequest) cqn.Expr {
	others := &cqn.Binary{Op: cqn.Ne, L: cqn.NewRef(csn.DraftOwner, "InProcessByUser"), R: &cqn.Param{From: cqn.FromUserID}}
	fresh := &cqn.Binary{Op: cqn.Gt, L: cqn.NewRef(csn.DraftOwner, "LastChangeDateTime"),
		R: &cqn.Param{From: cqn.FromNow, Name: "-" + d.app.Options.Drafts.Lock.String()}}
	return &cqn.Unary{Op: cqn.Not, X: &cqn.Exists{Path: cqn.NewRef(csn.DraftSibling), Pred: &cqn.Binary{Op: cqn.And, L: others, R: fresh}}}
}

// lockPart refuses changes of parts of a row that somebody else edits.
func (d *drafting) lockPart(ctx context.Context, r *cds.RawRequest) error {
	root := r.Path[0]
	if root.Drafts == nil || !root.DraftRoot || len(r.Params) == 0 {
		return nil
	}
	where := cds.KeyFilter(root, r.Params[0].Values)
	if where == nil {
		return nil
	}
	res, err := r.Execute(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(root.Name)}, Columns: columnsToWrite(root), Where: where})
	if err != nil {
		if unreadable(err) {
			return nil // refused where it is written
		}
		return err
	}
	if len(res.Rows) != 1 {
		return nil
	}
	rec, err := d.draftOf(ctx, root, res.Rows[0])
	if err == nil && d.lockedBy(r, rec) {
		return locked()
	}
	return err
}

// collectInterval is how often old drafts are looked for at most, in seconds.
const collectInterval = 3600

// maxCollected bounds the drafts that are deleted at once.
const maxCollected = 1000

// collectSometimes deletes old drafts as a side effect of making new ones.
func (d *drafting) collectSometimes(ctx context.Context) error {
	now := d.app.Options.Now().Unix()
	last := d.collected.Load()
	if now-last < collectInterval || !d.collected.CompareAndSwap(last, now) {
		return nil
	}
	return d.collect(ctx)
}

// collectAtStart deletes old drafts when the application starts. It starts without, too: there may be no database yet.
func (d *drafting) collectAtStart(ctx context.Context) error {
	if d.app.DB == nil || d.app.Options.Drafts.Expiry < 0 {
		return nil
	}
	d.collected.Store(d.app.Options.Now().Unix())
	if err := d.app.Tx(ctx, d.collect); err != nil {
		d.app.Options.Log.ErrorContext(ctx, "old drafts were not deleted", "err", err.Error())
	}
	return nil
}

// collect deletes drafts that were not changed for longer than DraftOptions.Expiry. A draft may belong to any service.
func (d *drafting) collect(ctx context.Context) error {
	if d.app.Options.Drafts.Expiry < 0 {
		return nil
	}
	before := d.app.Options.Now().UTC().Add(-d.app.Options.Drafts.Expiry).Format("2006-01-02T15:04:05.000Z")
	old, err := cds.DB(ctx).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(csn.DraftTable)}, Columns: []cqn.Column{{X: cqn.NewRef("DraftUUID")}},
		Where: &cqn.Binary{Op: cqn.Lt, L: cqn.NewRef("LastChangeDateTime"), R: &cqn.Lit{Value: cqn.Text(cqn.KindTimestamp, before)}},
		Limit: &cqn.Lit{Value: cqn.Int(maxCollected)}})
	if err != nil {
		return err
	}
	for _, row := range old.Rows {
		id := row.Value("DraftUUID").Str()
		for _, e := range d.app.Model.Entities {
			if e.Drafts == nil || !e.DraftRoot {
				continue
			}
			if err := d.drop(ctx, e, id); err != nil {
				return err
			}
		}
	}
	return nil
}
