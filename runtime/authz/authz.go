// Package authz compiles @requires and @restrict to a policy and decides: who may do what, on which rows.
//
// It is the only place that knows the rules (design: authz-semantics, rule numbers N, I, A, D, U, V, L in comments). Doors and
// handlers ask it; none of them decides. It is pure: no I/O, no clock.
package authz

import (
	"sync/atomic"

	"cds/parser/cqn"
	"cds/parser/csn"
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
	// Production keeps the names of lacking roles out of messages (decision 22).
	Production bool
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
	// Now is the time of the request as text, as bound for $now. Without it, static conditions on $now are left to the database
	// where there are rows to ask about, and deny where there are none.
	Now string
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
	// Code and Message are for the client: code of a 405 (ENTITY_IS_READ_ONLY …) or text of a 403. An AllowIf may have a Message too, the
	// model's text for a 403 where the rows or new values fulfil no condition.
	Code, Message string
	// Rules says which privileges matched, or which refused, for explain, logs and audit.
	Rules []string
	// Lacking are the roles of which one would have helped; empty where none would.
	Lacking []string
	// Guard has the row conditions. A denied decision has a guard that denies everything.
	Guard *Guard
	// Check must hold for new values (CREATE, UPDATE, UPSERT); nil for none. Scope: the target entity. It includes Parent.
	Check cqn.Expr
	// Parent is the part of Check that says: the parent of a composition child may be changed. Where it fails, the request is
	// answered as if the parent did not exist (decision 6).
	Parent cqn.Expr
}

// Allowed reports whether the request may go on. A nil Decision denies.
func (d *Decision) Allowed() bool { return d != nil && (d.Verdict == Allow || d.Verdict == AllowIf) }

// A Policy is the compiled policy of a model. It is safe for concurrent use. What the model says does not change; Use puts other policies beside it.
type Policy struct {
	model *csn.Model
	opt   Options
	state *policy
	live  atomic.Pointer[live] // decide in its place; nil for itself
}

// A Guard holds the row conditions that a decision attaches to a query. It implements sqlgen.Guarder. Handlers can neither read
// nor drop it.
type Guard struct {
	state *guard
}

var _ sqlgen.Guarder = (*Guard)(nil)
