package authztest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
)

// A row is one of an entity, be it a table or a view, with its flat elements.
type row struct {
	e      *csn.Entity
	values map[string]cqn.Value
	tenant string // whose it is; "" for everybody's
}

// foreign reports whether a row is another tenant's.
func (r *row) foreign(u *auth.User) bool { return r.tenant != "" && r.tenant != u.Tenant }

// key identifies a row among those of its entity.
func (r *row) key() string {
	var b strings.Builder
	for i, k := range r.e.Keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.values[k.Name].Format())
	}
	return b.String()
}

// A world is a model with the rows that are in its database, as whoever owns it sees them.
type world struct {
	app    *cds.App
	ctx    context.Context
	policy *policy
	now    string
	// tenants are those that there are rows of: one without a name where the model has no tenants.
	tenants []string
	bound   map[*csn.Entity]bool // entities whose rows belong to tenants
	rows    map[*csn.Entity][]*row
	failed  map[*csn.Entity]string // why rows could not be read
	spare   *spare
	// standIns is set if masks by functions of the application show null, for lack of its code
	standIns bool
}

// owner returns a context for code of a tenant.
func (w *world) owner(tenant string) context.Context {
	return w.app.NewContext(w.ctx, auth.New(auth.User{ID: "owner", Tenant: tenant}), "")
}

// forget makes the rows be read anew.
func (w *world) forget() {
	w.rows, w.failed = map[*csn.Entity][]*row{}, map[*csn.Entity]string{}
}

// of returns all rows of an entity, hidden or not, ordered by key.
func (w *world) of(e *csn.Entity) []*row {
	if rows, ok := w.rows[e]; ok {
		return rows
	}
	w.rows[e] = nil
	tenants := w.tenants
	if !w.bound[e] {
		tenants = tenants[:1]
	}
	for _, t := range tenants {
		ctx := w.owner(t)
		res, err := cds.DB(ctx).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Columns: columns(e)})
		if err != nil {
			w.failed[e] = err.Error()
			return nil
		}
		for _, x := range res.Rows {
			r := &row{e: e, values: map[string]cqn.Value{}}
			if w.bound[e] {
				r.tenant = t
			}
			for _, f := range x.Fields() {
				r.values[f.Name] = f.Value
			}
			w.rows[e] = append(w.rows[e], r)
		}
	}
	slices.SortStableFunc(w.rows[e], func(a, b *row) int { return strings.Compare(a.key(), b.key()) })
	return w.rows[e]
}

// columns are the elements that conditions may ask for.
func columns(e *csn.Entity) []cqn.Column {
	var out []cqn.Column
	for _, el := range e.Flat {
		if el.Assoc() != nil || el.Virtual || el.Internal || el.Apart {
			continue
		}
		if b := el.Scalar(); b != nil && (b.Kind == csn.LargeBinary || b.Kind == csn.Vector) {
			continue
		}
		if s := el.Seal(); s != nil && s.Hashed() { // nobody reads hashes
			continue
		}
		out = append(out, cqn.Column{X: cqn.NewRef(el.Name)})
	}
	return out
}

// unserved says why an entity's rows are not tried, "" if they are.
func (w *world) unserved(e *csn.Entity) string {
	switch {
	case e.Params != nil:
		return "it is a view with parameters"
	case e.SkipPersistence:
		return "it has no table"
	case len(e.Keys) == 0:
		return "it has no key"
	case e.Annotations.Is("odata.singleton"):
		return "it is a singleton"
	case w.policy.unknown[e] != "":
		return w.policy.unknown[e]
	}
	w.of(e)
	if why := w.failed[e]; why != "" {
		return "its rows can't be read: " + why
	}
	return ""
}

// place is a file:line of the model.
func (w *world) place(p *privilege) string {
	if p == nil || w.app.Model.Files == nil || !p.span.Valid() {
		return ""
	}
	pos := w.app.Model.Files.Position(p.span)
	return fmt.Sprintf("%s:%d", pos.File, pos.Line)
}
