package authz

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/auth"
)

// auditLog is the annotation of an entity that shows the audit log.
const auditLog = "audit.log"

// AuditLog reports whether an entity shows the audit log.
func AuditLog(e *csn.Entity) bool { return e.Annotations.Is(auditLog) }

// AuditElements are the elements that an entity which shows the audit log may have, and their types.
func AuditElements() map[string]csn.Scalar {
	return map[string]csn.Scalar{"ID": csn.String, "time": csn.Timestamp, "event": csn.String, "user": csn.String, "tenant": csn.String, "correlation": csn.String,
		"service": csn.String, "request": csn.String, "target": csn.String, "action": csn.String, "client": csn.String, "status": csn.Integer, "reason": csn.LargeString,
		"grants": csn.LargeString, "object": csn.LargeString, "objects": csn.LargeString, "attributes": csn.LargeString}
}

// auditLogs checks the entities that show the audit log, and binds their rows to the tenant of the user: whoever has none sees the records of nobody's tenant.
// What is said wrongly closes the entity.
func (p *policy) auditLogs(n *normalizer, m *csn.Model) {
	for _, e := range m.Entities {
		if e.Active != nil {
			continue
		}
		p.strayAudit(n, "entity", e.Name, &e.Def, auditLog)
		for _, el := range e.Elements {
			p.strayAudit(n, "element", e.Name+"."+el.Name, &el.Def, "")
		}
		if AuditLog(e) {
			p.auditEntity(n, m, e)
		}
	}
	for _, s := range m.Services {
		p.strayAudit(n, "service", s.Name, &s.Def, "")
	}
}

// strayAudit reports annotations that are like ours where they mean nothing.
func (p *policy) strayAudit(n *normalizer, what, on string, d *csn.Def, allowed string) {
	for i := range d.Annotations {
		a := &d.Annotations[i]
		name := strings.ToLower(a.Name)
		if !strings.HasPrefix(name, auditLog+".") && csn.Edits(name, auditLog) > 1 || a.Name == allowed && (a.Value.True() || a.Value.False() || a.Value != nil && a.Value.Kind == cqn.AnnoNull) {
			continue
		}
		r := &rules{span: d.Span}
		n.fault(r, resource{what: what, on: on}, a.Span, codeAuditLog, "@%s is not understood here", a.Name).Hint = "@audit.log, without a value, stands on an entity that shows the audit log"
	}
}

func (p *policy) auditEntity(n *normalizer, m *csn.Model, e *csn.Entity) {
	er := &p.entities[e.ID]
	own := er.own
	if own == nil {
		own = p.keep(&rules{on: e.Name, span: e.Span})
		er.own = own
	}
	res := resource{what: "entity", on: e.Name}
	fault := func(format string, args ...any) *diag.Diagnostic {
		return n.fault(own, res, e.Span, codeAuditLog, format, args...)
	}
	switch {
	case e.Service == nil || e.Source != nil || e.Exposure != csn.Exposed:
		fault("%s shows the audit log: it must stand in a service, with its elements", e.Name)
	case !e.Exists:
		fault("%s shows the audit log: it needs @cds.persistence.exists, for its rows are not the model's", e.Name)
	case !e.Annotations.Is("readonly"):
		fault("%s shows the audit log: it must be @readonly", e.Name)
	case e.Drafts != nil:
		fault("%s shows the audit log: it can have no drafts", e.Name)
	case !p.services[e.Service].forRoles() && !own.forRoles():
		fault("%s shows the audit log: it, or its service, must be restricted to a role", e.Name).Hint = "such as @requires: 'audit-reader'; any and authenticated-user are not enough"
	}
	p.auditShape(fault, e)
	for _, o := range m.Entities {
		if o.Active == nil && slices.Contains(o.Reads, e) {
			fault("%s shows the audit log, and %s reads it: each reading must be by the entity itself", e.Name, o.Name)
		}
		for _, el := range o.Elements {
			if a := el.Assoc(); a != nil && a.Target == e {
				fault("%s shows the audit log, and %s.%s leads there: each reading must be by the entity itself", e.Name, o.Name, el.Name)
			}
		}
	}
	own.ofTenant(n)
}

// auditShape checks the elements of an entity that shows the audit log.
func (p *policy) auditShape(fault func(string, ...any) *diag.Diagnostic, e *csn.Entity) {
	known := AuditElements()
	if len(e.Keys) != 1 || e.Keys[0].Name != "ID" || e.Flat.Lookup("tenant") == nil {
		fault("%s shows the audit log: it needs the key ID, and no other, and the element tenant", e.Name)
	}
	for _, el := range e.Elements {
		kind, s := known[el.Name], el.Scalar()
		if s != nil && (s.Kind == kind || kind == csn.LargeString && s.Kind == csn.String || kind == csn.Integer && s.Kind == csn.Int32) && !el.Virtual && el.Value() == nil {
			continue
		}
		d := fault("the audit log has no element %s of this type", el.Name)
		if el.Span.Valid() {
			d.Span = el.Span
		}
		var names []string
		for n := range known {
			names = append(names, n)
		}
		slices.Sort(names)
		d.Hint = "it has " + strings.Join(names, ", ")
	}
}

// forRoles reports whether rules let only people with some role of the application in.
func (r *rules) forRoles() bool {
	if r == nil {
		return false
	}
	plain := func(p *privilege) bool {
		return slices.ContainsFunc(p.roles, func(n string) bool { return n == auth.RoleAny || n == auth.RoleAuthenticated })
	}
	return r.requires != nil && !plain(r.requires) ||
		r.restricted && !slices.ContainsFunc(r.privileges, func(p privilege) bool { return plain(&p) })
}

// ofTenant binds all rows to the tenant of the user.
func (r *rules) ofTenant(n *normalizer) {
	tenant, none := func() cqn.Expr { return cqn.NewRef("tenant") }, &cqn.Param{From: cqn.FromUserTenant}
	bound := or(&cqn.Binary{Op: cqn.Eq, L: tenant(), R: &cqn.Param{From: cqn.FromUserTenant}},
		and(&cqn.Unary{Op: cqn.IsNull, X: none}, &cqn.Binary{Op: cqn.Eq, L: tenant(), R: &cqn.Lit{Value: cqn.String("")}}))
	if !r.restricted {
		r.restricted = true
		names := []string{auth.RoleAny}
		name := r.on + "@" + auditLog
		r.privileges = []privilege{{name: name, names: []string{name}, ev: evRead, words: []string{"READ"}, roles: names, to: n.roles.set(names), span: r.span}}
	}
	for i := range r.privileges {
		p := &r.privileges[i]
		p.where, p.static = and(p.where, bound), false
		p.text = cqn.Format(p.where)
	}
}
