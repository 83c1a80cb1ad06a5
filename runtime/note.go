package cds

import "context"

// AuditLogRead is the kind of event of reading the audit log itself.
const AuditLogRead AuditKind = 100

// Account notes an event with the unit of work of the request, for handlers of the framework: it is kept at its end, also if it fails, and if it cannot be
// kept the request fails. Without an Auditor nothing is noted.
func (r *RawRequest) Account(ctx context.Context, kind AuditKind, reason string) {
	if r.state == nil || r.Service.App.inner.accounts == nil {
		return
	}
	e := r.state.unit.event(ctx, kind, r.User)
	e.Service, e.Event, e.Target, e.Rules, e.Reason = r.Service.Model.Name, r.Event, entityName(r.Target), r.state.decision.Rules, reason
	r.state.unit.note(e)
}
