package cds

import (
	"context"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// Tenants in shared tables: rows of entities with a @tenant element are seen and written by users of that tenant only. What stands in SQL is bound by
// sqlgen; here the tenant is asked for, and new values are looked at.

// tenantOf checks that a statement on rows of tenants has a tenant, and that a row to be written names no other one.
func tenantOf(u *User, e *csn.Entity, row *Row) error {
	if u == nil || u.Tenant == "" {
		return &Error{Status: 403, Code: authz.CodeNoTenant, Message: "The user belongs to no tenant."}
	}
	if row == nil {
		return nil
	}
	el := sqlgen.ShownTenant(e)
	if el == nil {
		return nil
	}
	if v := row.Value(el.Name); !v.IsNull() && v.Format() != u.Tenant {
		return &Error{Status: 400, Code: "TENANT_FIXED", Message: "The tenant of a row is that of the user who writes it.", Target: el.Name}
	}
	return nil
}

// partOfTenant reports whether the rows of e belong to tenants by what they are parts of: a new one has to be looked at in its place.
func partOfTenant(e *csn.Entity) bool {
	if e == nil {
		return false
	}
	t := e.Table()
	return t != nil && len(t.Parents) > 0 && len(sqlgen.TenantParents(t)) > 0
}

// inPlace adds to a pending check that the rows are in the place of a row of the tenant: else they are not found. The answer is that for a parent that does not
// exist.
func inPlace(p pendingCheck, part bool) pendingCheck {
	if !part {
		return p
	}
	found := &cqn.Lit{Value: cqn.Bool(true)}
	if p.check == nil {
		p.check = found
	}
	if p.parent == nil {
		p.parent = found
	}
	return p
}

// underTenant reports whether a new row of e is to be a part of some row of the tenant, asked before it is written, so that a collision of keys tells nothing of other
// tenants' parts. What cannot be told before is left to the check afterwards.
func (t *unit) underTenant(ctx context.Context, e *csn.Entity, row *Row, u *User) (bool, error) {
	for _, up := range sqlgen.TenantParents(e.Table()) {
		where := cqn.Expr(nil)
		a := up.Assoc()
		for _, p := range a.Pairs {
			v, ok := columnValue(e, row, p.Target)
			if !ok || p.Source == nil {
				return true, nil
			}
			where = and(where, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(p.Source.Name), R: &cqn.Lit{Value: v}})
		}
		if where == nil {
			return true, nil
		}
		rows, _, err := t.read(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(up.Owner.Name)}, Columns: keyColumns(up.Owner), Where: where, Limit: &cqn.Lit{Value: cqn.Int(1)}}, t.app.owner(), u, 0)
		if err != nil || len(rows) > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// columnValue returns what a row of e has for an element of its table.
func columnValue(e *csn.Entity, row *Row, el *csn.Element) (cqn.Value, bool) {
	for _, shown := range e.Flat {
		if shown.Assoc() == nil && bottom(shown) == el {
			v, ok := row.Get(shown.Name)
			return v, ok
		}
	}
	return cqn.Null, false
}

// moves reports whether an update may make rows parts of other rows.
func moves(e *csn.Entity, q *cqn.Update) bool {
	names := map[*csn.Element]bool{}
	for _, f := range q.Data.Fields() {
		if el := e.Element(f.Name); el != nil {
			names[bottom(el)] = true
		}
	}
	for _, a := range q.With {
		if el := e.Element(a.Name); el != nil {
			names[bottom(el)] = true
		}
	}
	for _, up := range sqlgen.TenantParents(e.Table()) {
		pairs := up.Assoc().Pairs
		if len(pairs) == 0 {
			return true
		}
		for _, p := range pairs {
			if names[p.Target] {
				return true
			}
		}
	}
	return false
}

// placed checks that rows that code has written by Database are the tenant's, where only their place tells.
func (t *unit) placed(ctx context.Context, e *csn.Entity, keys []*Row, u *User) error {
	if !partOfTenant(e) {
		return nil
	}
	for _, k := range keys {
		where := KeyFilter(e, k)
		if where == nil {
			return errElsewhere
		}
		rows, _, err := t.read(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Columns: keyColumns(e), Where: where}, t.app.owner(), u, 0)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return errElsewhere
		}
	}
	return nil
}

// mayPlace checks before a row is written that it is going to be a part of a row of the tenant.
func (t *unit) mayPlace(ctx context.Context, e *csn.Entity, row *Row, u *User) error {
	if !partOfTenant(e) {
		return nil
	}
	ok, err := t.underTenant(ctx, e, row, u)
	if err == nil && !ok {
		err = errElsewhere
	}
	return err
}

// movedRows returns the keys of the rows that an update makes parts of other rows, and their entity, if that could make them another tenant's.
func (t *unit) movedRows(ctx context.Context, q *cqn.Update, u *User) (*csn.Entity, []*Row, error) {
	if q.Entity == nil || len(q.Entity.Path) != 1 {
		return nil, nil, nil
	}
	e := t.app.Model.Entity(q.Entity.Path[0].Name)
	if !partOfTenant(e) || !moves(e, q) {
		return nil, nil, nil
	}
	rows, _, err := t.read(ctx, &cqn.Select{From: &cqn.From{Path: q.Entity}, Columns: keyColumns(e), Where: q.Where}, t.app.owner(), u, 0)
	return e, rows, err
}

var errElsewhere = &Error{Status: 403, Code: authz.CodeNoTenant, Message: "The row would be a part of a row of no or another tenant."}

// AsTenant runs fn for a tenant, with every check but that on the tenant passed: what it reads and writes in shared tables (elements with @tenant) are the rows
// of that tenant. It is the only way to another tenant than that of the user; Privileged keeps to it. The reason is logged.
func AsTenant(ctx context.Context, tenant, reason string, fn func(ctx context.Context) error) error {
	s := scopeOf(ctx)
	if s == nil || s.app == nil {
		return errOutside
	}
	if tenant == "" {
		return Reject(500, "500", "AsTenant needs a tenant")
	}
	return Privileged(ctx, reason, func(ctx context.Context) error {
		c := *scopeOf(ctx)
		u := *UserFrom(ctx)
		s.app.Options.Log.InfoContext(ctx, "acting for another tenant", "reason", reason, "user", u.ID, "tenant", u.Tenant, "as", tenant)
		u.Tenant = tenant
		c.user = &u
		return fn(c.into(ctx))
	})
}

// AllTenants runs fn for each tenant that has rows in shared tables, in order of their names, as AsTenant does. It ends with the first error. What fn does for all
// of them is one transaction if ctx has one; else each call has its own.
func AllTenants(ctx context.Context, reason string, fn func(ctx context.Context, tenant string) error) error {
	s := scopeOf(ctx)
	if s == nil || s.app == nil {
		return errOutside
	}
	if s.app.DB == nil {
		return errNoDB
	}
	sql := sqlgen.TenantsSQL(s.app.Model, s.app.DB.Dialect())
	if sql == "" {
		return nil
	}
	var names []string
	err := Privileged(ctx, reason, func(ctx context.Context) error {
		return DB(ctx).native(ctx, false, sql, nil, func(tx db.Tx, st db.Stmt) error {
			st.Opens += "," + sqlgen.AllTenantsOpen
			rows, err := tx.Query(ctx, st)
			if err != nil {
				return err
			}
			for {
				ok, err := rows.Next()
				if err != nil || !ok {
					if cerr := rows.Close(); err == nil {
						err = cerr
					}
					return err
				}
				names = append(names, string(rows.Text(0)))
			}
		})
	})
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if err := AsTenant(ctx, n, reason, func(ctx context.Context) error { return fn(ctx, n) }); err != nil {
			return err
		}
	}
	return nil
}

func noTarget() *Error {
	return &Error{Status: 400, Code: "ASSERT_TARGET", Message: "Target with this key doesn't exist."}
}

// noParent is the answer for a new part of a row that the tenant does not have.
func (r *RawRequest) noParent() *Error {
	if r.Upsert {
		return r.refused("403") // as for a row that is there and hidden
	}
	return noTarget()
}
