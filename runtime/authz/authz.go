// Package authz compiles @requires and @restrict to a policy and decides: who may do what, on which rows.
//
// It is the only place that knows the rules (design: authz-semantics, rule numbers N, I, A, D, U, V, L in comments). Doors and
// handlers ask it; none of them decides. It is pure: no I/O, no clock.
package authz

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// Options are the settings that change the meaning of a model's restrictions.
type Options struct {
	// Strict makes restrictions that cannot be understood errors (requires.auth.strict, default true). Otherwise they are warnings
	// and close the resource.
	Strict bool
	// RestrictAllServices demands a login for services without own restriction (restrict_all_services).
	RestrictAllServices bool
	// Disclose answers 403 instead of 404 for writes to rows the user may not read (D4).
	Disclose bool
}

// An Event is what a request does. Names of bound and unbound operations are events too.
type Event string

// The standard events.
const (
	Read   Event = "READ"
	Create Event = "CREATE"
	Update Event = "UPDATE"
	Delete Event = "DELETE"
	Upsert Event = "UPSERT"
)

// Access is one thing that a user wants to do.
type Access struct {
	Service *csn.Service
	Event   Event
	// Path is the way to the target: entities from the first to the target; at least one for events on entities, none for unbound operations
	// and for the service root.
	Path []*csn.Entity
	// Via are the associations between the entities of Path, one fewer.
	Via []*csn.Element
	Op  *csn.Operation // bound or unbound operation
	// Privileged marks code that was elevated with a reason.
	Privileged bool
}

// A Verdict is the static part of a decision.
type Verdict uint8

// The verdicts. Deny401 is for the anonymous user where a login could help, Deny403 for others, Deny405 for what nobody may do
// (read-only, not exposed).
const (
	Deny401 Verdict = iota
	Deny403
	Deny405
	Allow
	AllowIf
)

// A Decision is the answer to an Access. Its zero value denies.
type Decision struct {
	Verdict Verdict
	// Code and Message are for the client: code of a 405 (ENTITY_IS_READ_ONLY …) or text of a 403.
	Code, Message string
	// Rules says which privileges matched, for explain, logs and audit.
	Rules []string
	Guard *Guard
	// Check must hold for new values (CREATE, UPDATE); nil for none. Scope: the target entity.
	Check cqn.Expr
}

// Allowed reports whether the request may go on.
func (d *Decision) Allowed() bool { return d.Verdict == Allow || d.Verdict == AllowIf }

// A Policy is the compiled policy of a model. It is immutable and safe for concurrent use.
type Policy struct {
	model *csn.Model
	opt   Options
	state *policy
}

// A Guard holds the row conditions that a decision attaches to a query. It implements sqlgen.Guarder. Handlers can neither read
// nor drop it.
type Guard struct {
	state *guard
}

var _ sqlgen.Guarder = (*Guard)(nil)
var _ = auth.Anonymous
