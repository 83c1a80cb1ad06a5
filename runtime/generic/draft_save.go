package generic

import (
	"context"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// A saved is what SAVE is about: the draft's root and the payload that makes it active.
type saved struct {
	key    *cds.Row
	rec    *record
	exists bool // there is an active row
}

// content puts the whole draft into the request's data, so that handlers of the application see what will be active, and may change it.
func (d *drafting) content(ctx context.Context, r *cds.RawRequest) error {
	e := r.Target.Active
	if e == nil {
		return wrongSide("draftActivate", "draft")
	}
	rows, err := d.locate(ctx, r)
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return r.Missing(ctx)
	}
	at := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(r.Target.Name)}, Where: cds.KeyFilter(r.Target, rows[0])}
	rec, err := d.recordOf(ctx, at)
	if err != nil || rec == nil {
		return orNotFound(err)
	}
	at.Columns = nil
	res, err := cds.DB(ctx).Run(ctx, at)
	if err != nil || len(res.Rows) != 1 {
		return orNotFound(err)
	}
	s := &saved{key: keysOf(e, rows[0]), rec: rec, exists: res.Rows[0].Value(csn.DraftHasOrig).Bool()}
	ev := authz.Create
	if s.exists {
		ev = authz.Update
	}
	as, err := r.For(ctx, ev, e)
	if err != nil {
		return err
	}
	b := &saver{d: d, as: as, id: rec.id}
	if r.Data, err = b.root(ctx, e, s); err != nil {
		return err
	}
	r.Keep(saved{}, s)
	return nil
}

func keysOf(e *csn.Entity, row *cds.Row) *cds.Row {
	out := cqn.NewRow()
	for _, k := range e.Keys {
		out.Set(k.Name, row.Value(k.Name))
	}
	return out
}

// save answers SAVE: an ordinary CREATE or UPDATE of the active row, with all handlers, checks and rights of that; then the draft is gone.
func (d *drafting) save(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
	s, ok := r.Kept(saved{}).(*saved)
	if !ok {
		return nil, wrongSide("draftActivate", "draft")
	}
	e := r.Target.Active
	req := &cds.RawRequest{Target: e, User: r.User, Locale: r.Locale, Data: r.Data, HTTP: r.HTTP, Return: cds.ReturnNothing}
	if s.exists {
		req.Event, req.MustExist, req.IfMatch = authz.Update, true, []string{"*"}
		req.Params = []cds.Keys{{Entity: e, Values: s.key}}
		req.Query = &cqn.Update{Entity: &cqn.Ref{Path: []cqn.Step{{Name: e.Name, Filter: cds.KeyFilter(e, s.key)}}}, Data: r.Data}
	} else {
		req.Event, req.Query = authz.Create, &cqn.Insert{Into: e.Name, Rows: []*cds.Row{r.Data}}
	}
	res, err := r.Service.Dispatch(ctx, req)
	if err != nil {
		return nil, inDraft(err)
	}
	if err := d.drop(ctx, e, s.rec.id); err != nil {
		return nil, err
	}
	out, err := d.readAs(ctx, r, e, activeKey(s, r.Data, e))
	if err != nil {
		return nil, err
	}
	out.Created, out.Affected, out.Messages = !s.exists, 1, append(out.Messages, res.Messages...)
	return out, nil
}

// activeKey is the key of the row that was saved: handlers of the application may have given a new one another key.
func activeKey(s *saved, data *cds.Row, e *csn.Entity) *cds.Row {
	if s.exists || cds.KeyFilter(e, data) == nil {
		return s.key
	}
	return keysOf(e, data)
}

// inDraft lets the targets of errors lead to elements of the draft, the action's binding parameter.
func inDraft(err error) error {
	e := *cds.AsError(err)
	e.Target = draftTarget(e.Target)
	e.Details = append([]*cds.Error(nil), e.Details...)
	for i, x := range e.Details {
		c := *x
		c.Target = draftTarget(c.Target)
		e.Details[i] = &c
	}
	return &e
}

// draftTarget makes the path of an element within a draft: items(ID=1)/qty is that of one of its parts.
func draftTarget(target string) string {
	if target == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("in/")
	quoted := false
	for i := 0; i < len(target); i++ {
		switch c := target[i]; {
		case c == '\'':
			quoted = !quoted
		case c == ')' && !quoted:
			b.WriteString("," + csn.DraftActive + "=false")
		}
		b.WriteByte(target[i])
	}
	return b.String()
}

// A saver puts together what is sent to make a draft active: all of it, but for what the user may not read, and for what he may not write and has
// not changed.
type saver struct {
	d  *drafting
	as *cds.RawRequest // the CREATE or UPDATE to come
	id string          // of the draft
	n  int
}

func (b *saver) root(ctx context.Context, e *csn.Entity, s *saved) (*cds.Row, error) {
	drafts, err := b.drafts(ctx, e, &cqn.Ref{Path: []cqn.Step{{Name: e.Drafts.Name, Filter: cds.KeyFilter(e.Drafts, s.key)}}})
	if err != nil || len(drafts) != 1 {
		return nil, orNotFound(err)
	}
	var active *cds.Row
	if s.exists {
		rows, err := b.active(ctx, e, &cqn.Ref{Path: []cqn.Step{{Name: e.Name, Filter: cds.KeyFilter(e, s.key)}}})
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return nil, notFound()
		}
		active = rows[0]
	}
	out, _, err := b.row(ctx, e, drafts[0], active, 0)
	return out, err
}

// drafts reads rows of the draft, which was found to be the user's own, and of no other. Streams are read too.
func (b *saver) drafts(ctx context.Context, e *csn.Entity, at *cqn.Ref) ([]*cds.Row, error) {
	var cols []cqn.Column
	for _, el := range e.Drafts.Flat {
		if el.Assoc() == nil && !el.Virtual && el.Value() == nil {
			cols = append(cols, cqn.Column{X: cqn.NewRef(el.Name)})
		}
	}
	res, err := cds.DB(ctx).ReadLarge(ctx, &cqn.Select{From: &cqn.From{Path: at}, Columns: cols, Where: sameDraft(b.id), OrderBy: byKeys(e.Drafts)})
	if err != nil {
		return nil, err
	}
	return res.Rows, nil
}

// active reads active rows as far as the user may read them.
func (b *saver) active(ctx context.Context, e *csn.Entity, at *cqn.Ref) ([]*cds.Row, error) {
	c := &copier{r: b.as}
	res, err := b.as.ReadLarge(ctx, &cqn.Select{From: &cqn.From{Path: at}, Columns: c.copied(e), OrderBy: byKeys(e)})
	if err != nil {
		if unreadable(err) {
			return nil, nil
		}
		return nil, err
	}
	return res.Rows, nil
}

func byKeys(e *csn.Entity) []cqn.Order {
	var out []cqn.Order
	for _, k := range e.Keys {
		out = append(out, cqn.Order{X: cqn.NewRef(k.Name)})
	}
	return out
}

// row returns the payload for a row; changed tells whether it, or something below, differs from the active row, nil for a new one.
func (b *saver) row(ctx context.Context, e *csn.Entity, draft, active *cds.Row, depth int) (out *cds.Row, changed bool, err error) {
	if b.n++; b.n > maxDraftRows || depth > maxDepth {
		return nil, false, cds.Reject(400, "DRAFT_TOO_LARGE", "The draft has more than %d rows, or is nested too deep", maxDraftRows)
	}
	out, changed = cqn.NewRow(), active == nil
	for _, el := range e.Flat {
		if !stored(e, el) || readOnly(el) || isDraftName(el.Name) || e.Drafts.Element(el.Name) == nil {
			continue
		}
		v := draft.Value(el.Name)
		switch {
		case el.Key:
			out.Set(el.Name, v)
		case active == nil:
			if !v.IsNull() || el.Default() != nil {
				out.Set(el.Name, v)
			}
		case b.as.MayRead(el) || !v.IsNull(): // what was not to be read was not copied: it is null unless the user has set it
			differs := !sameValue(v, active.Value(el.Name))
			if differs || b.as.MayWrite(el) == nil {
				out.Set(el.Name, v)
			}
			changed = changed || differs
		}
	}
	for _, el := range compositions(e) {
		if el.Assoc().Target.Drafts == nil {
			continue
		}
		v, differs, err := b.parts(ctx, e, el, draft, active, depth)
		if err != nil {
			return nil, false, err
		}
		if differs || active != nil && b.as.MayWrite(el) == nil {
			out.Set(el.Name, v)
		}
		changed = changed || differs
	}
	return out, changed, nil
}

func sameValue(a, b cqn.Value) bool {
	if a.IsNull() || b.IsNull() {
		return a.IsNull() == b.IsNull()
	}
	if a.Kind() == cqn.KindBlob || b.Kind() == cqn.KindBlob {
		return sameMedia(a, b)
	}
	return a.Format() == b.Format()
}

// parts returns the payload for a composition.
func (b *saver) parts(ctx context.Context, e *csn.Entity, el *csn.Element, draft, active *cds.Row, depth int) (cqn.Value, bool, error) {
	t := el.Assoc().Target
	drafts, err := b.drafts(ctx, t, partsOf(e.Drafts, draft, el))
	if err != nil {
		return cqn.Null, false, err
	}
	old := map[string]*cds.Row{}
	if active != nil {
		rows, err := b.active(ctx, t, partsOf(e, active, el))
		if err != nil {
			return cqn.Null, false, err
		}
		for _, row := range rows {
			old[keyText(t, row)] = row
		}
	}
	changed := len(drafts) != len(old)
	var rows []*cds.Row
	for _, dr := range drafts {
		was := old[keyText(t, dr)]
		row, differs, err := b.row(ctx, t, dr, was, depth+1)
		if err != nil {
			return cqn.Null, false, err
		}
		changed = changed || differs
		rows = append(rows, row)
	}
	if el.Assoc().Many {
		return cqn.OfRows(append([]*cds.Row{}, rows...)), changed, nil
	}
	if len(rows) == 0 {
		return cqn.Null, changed, nil
	}
	return cqn.OfRow(rows[0]), changed, nil
}

// keyText is a row's key as a text, another one for each key.
func keyText(e *csn.Entity, row *cds.Row) string {
	var b []byte
	for _, k := range e.Keys {
		b = strconv.AppendQuote(b, row.Value(k.Name).Format())
	}
	return string(b)
}
