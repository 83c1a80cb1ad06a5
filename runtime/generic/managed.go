package generic

import (
	"context"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// managed fills what the model says: generated keys, defaults and @cds.on.insert for new rows, @cds.on.update for changed ones. It runs
// before the checks, which must see what will be stored (D1).
func (h *handlers) managed(ctx context.Context, r *cds.RawRequest) error {
	m := manager{h: h, r: r}
	for _, row := range payload(r) {
		switch {
		case r.Event == authz.Update && !r.Upsert:
			m.changed(row, r.Target)
		case r.Event == authz.Update: // a PUT: which of both it is shows when the row is looked for
			m.changed(row, r.Target)
		default:
			m.created(row, r.Target, 0)
		}
	}
	return nil
}

type manager struct {
	h *handlers
	r *cds.RawRequest
}

// created fills a new row and its children.
func (m *manager) created(row *cds.Row, e *csn.Entity, depth int) {
	var tenant *csn.Element
	if m.r.App().Policy.Tenants() {
		tenant = sqlgen.ShownTenant(e)
	}
	for _, el := range e.Flat {
		if !stored(e, el) {
			continue
		}
		if v, ok := row.Get(el.Name); ok && (!v.IsNull() || !el.Key) {
			continue
		}
		a := anno(el, "cds.on.insert")
		switch {
		case el == tenant:
			if m.r.User.Tenant != "" {
				row.Set(el.Name, cqn.String(m.r.User.Tenant))
			}
		case generatedKey(el):
			row.Set(el.Name, cqn.String(m.r.App().Options.NewUUID()))
		case a != nil:
			if v, ok := m.value(el, annoExpr(a)); ok {
				row.Set(el.Name, v)
			}
		case el.Default() != nil && !row.Has(el.Name):
			if v, ok := m.value(el, el.Default()); ok {
				row.Set(el.Name, v)
			}
		}
	}
	if depth > maxDepth {
		return
	}
	for _, el := range compositions(e) {
		if v, ok := row.Get(el.Name); ok {
			for _, c := range children(v) {
				m.created(c, el.Assoc().Target, depth+1)
			}
		}
	}
}

// changed fills a row that is changed. Its children are told apart into new and changed ones when they are written.
func (m *manager) changed(row *cds.Row, e *csn.Entity) {
	for _, el := range e.Flat {
		a := anno(el, "cds.on.update")
		if a == nil || !stored(e, el) {
			continue
		}
		if v, ok := m.value(el, annoExpr(a)); ok {
			row.Set(el.Name, v)
		}
	}
}

// annoExpr returns the expression of an annotation such as `@cds.on.insert: $now`.
func annoExpr(a *cqn.AnnoValue) cqn.Expr {
	switch a.Kind {
	case cqn.AnnoExpr:
		return a.Expr
	case cqn.AnnoRef:
		return pseudo(a.Text)
	case cqn.AnnoString, cqn.AnnoSymbol:
		return &cqn.Lit{Value: cqn.String(a.Text)}
	case cqn.AnnoNumber:
		return &cqn.Lit{Value: cqn.Decimal(a.Text)}
	case cqn.AnnoBool:
		return &cqn.Lit{Value: cqn.Bool(a.Bool)}
	}
	return nil
}

func pseudo(text string) cqn.Expr {
	switch text {
	case "$now":
		return &cqn.Param{From: cqn.FromNow}
	case "$user", "$user.id":
		return &cqn.Param{From: cqn.FromUserID}
	case "$user.tenant", "$tenant":
		return &cqn.Param{From: cqn.FromUserTenant}
	case "$user.locale", "$locale":
		return &cqn.Param{From: cqn.FromUserLocale}
	}
	if name, ok := strings.CutPrefix(text, "$user."); ok {
		return &cqn.Param{From: cqn.FromUserAttr, Name: name}
	}
	return cqn.NewRef(strings.Split(text, ".")...)
}

// value evaluates a managed value or default; false leaves it to the database.
func (m *manager) value(el *csn.Element, x cqn.Expr) (cqn.Value, bool) {
	var v cqn.Value
	switch x := x.(type) {
	case *cqn.Lit:
		v = x.Value
		if x.Enum != "" {
			v = enumValue(el, x.Enum)
		}
	case *cqn.Param:
		v = m.param(x)
	case *cqn.Ref:
		if len(x.Path) == 1 && x.Path[0].Name == "$uuid" {
			v = cqn.String(m.r.App().Options.NewUUID())
		} else if len(x.Path) > 0 && strings.HasPrefix(x.Path[0].Name, "$") {
			v = m.named(x)
		} else {
			return v, false
		}
	case *cqn.Unary:
		inner, ok := m.value(el, x.X)
		if !ok || x.Op != cqn.Neg {
			return v, false
		}
		v = cqn.Decimal("-" + inner.Format())
	default:
		return v, false
	}
	if t := el.Scalar(); t != nil && t.Kind == csn.String && v.Kind() == cqn.KindInt {
		v = cqn.String(v.Format())
	}
	c, err := cds.Convert(el, v, el.Name)
	return c, err == nil
}

// named evaluates a pseudo variable that came as a path.
func (m *manager) named(x *cqn.Ref) cqn.Value {
	names := make([]string, len(x.Path))
	for i := range x.Path {
		names[i] = x.Path[i].Name
	}
	if p, ok := pseudo(strings.Join(names, ".")).(*cqn.Param); ok {
		return m.param(p)
	}
	return cqn.Null
}

func (m *manager) param(p *cqn.Param) cqn.Value {
	u := m.r.User
	switch p.From {
	case cqn.FromNow, cqn.FromAt:
		return m.r.Now()
	case cqn.FromUserID:
		return cqn.String(u.ID)
	case cqn.FromUserTenant:
		if u.Tenant != "" {
			return cqn.String(u.Tenant)
		}
	case cqn.FromUserLocale:
		if m.r.Locale == "" {
			return cqn.String(m.r.App().Options.DefaultLocale)
		}
		return cqn.String(m.r.Locale)
	case cqn.FromUserAttr:
		if a := u.Attr(p.Name); len(a) == 1 {
			return cqn.String(a[0])
		}
	}
	return cqn.Null
}

func enumValue(el *csn.Element, name string) cqn.Value {
	for i := range el.Enum() {
		if el.Enum()[i].Name == name {
			return el.Enum()[i].Val()
		}
	}
	return cqn.Null
}
