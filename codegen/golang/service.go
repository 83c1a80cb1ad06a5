package golang

import (
	"slices"

	cds "cds/runtime"
	"cds/runtime/auth"
)

// writeService writes the registration of handlers and the query builders.
func (v *serviceView) writeService() *printer {
	p := v.printer("")
	p.use("", "context")
	p.comment("Name is the absolute name of the service.")
	p.line("const Name = %q\n", v.svc.Name)
	p.line("%s", serviceTop)
	v.writeRequired(p)
	v.writeServe(p)
	p.line("%s", serviceBuilders)
	return p
}

// serviceTop is the same in all packages: the brand of the service, its events, and the wrappers that bind type parameters.
const serviceTop = `// Service stands for the service in the types of its handlers: those of another service do not compile.
type Service struct{}

// Handler is a handler of this service.
type Handler = cds.Handler[Service]

// Entity is one of the entities of this service, with rows of type T.
type Entity[T any] interface {
	cds.EntityRef[T]
	ours()
}

type member[T any] struct{ cds.Entity[T] }

func (member[T]) ours() {}

// The standard events.
const (
	Create = cds.Create
	Update = cds.Update
	Delete = cds.Delete
	Read   = cds.Read
)

// Before runs fn ahead of a write. It may change req.Data, collect errors, or reject.
func Before[T any](ev cds.WriteEvent, e Entity[T], fn func(ctx context.Context, req *cds.Request[T]) error) Handler {
	return cds.BeforeEntity[Service](ev, cds.EntityRef[T](e), fn)
}

// On answers an event itself, or calls next to let the generic handler do so.
func On[T any, V cds.AnyEvent](ev V, e Entity[T], fn func(ctx context.Context, req *cds.Request[T], next cds.NextRows[T]) ([]*T, error)) Handler {
	return cds.OnEntity[Service](ev, cds.EntityRef[T](e), fn)
}

// After sees the rows of an answer, once per page, and may change them.
func After[T any, V cds.AnyEvent](ev V, e Entity[T], fn func(ctx context.Context, req *cds.Request[T], rows []*T) error) Handler {
	return cds.AfterEntity[Service](ev, cds.EntityRef[T](e), fn)
}

// BeforeRead runs fn ahead of a read. It may change the query; it cannot lose the conditions of the policy by that.
func BeforeRead[T any](e Entity[T], fn func(ctx context.Context, req *cds.RawRequest) error) Handler {
	return cds.BeforeRead[Service](cds.EntityRef[T](e), fn)
}

// Subscribe has fn called for an event of any service, after the transaction that emitted it was committed.
func Subscribe[T any](e cds.EventRef[T], fn func(ctx context.Context, msg *cds.Received[T]) error) Handler {
	return cds.Subscribe[Service](e, fn)
}

// BeforeAny runs fn ahead of every event of the service.
func BeforeAny(fn func(ctx context.Context, req *cds.RawRequest) error) Handler {
	return cds.BeforeAny[Service](fn)
}
`

// serviceBuilders are the typed calls: always through the service, authorized as the user of ctx.
const serviceBuilders = `// From begins a query through the service: authorized as the user of the context, handlers run.
func From[T any](e Entity[T]) *cds.SelectQuery[T] {
	return cds.From(cds.InService(Name), cds.EntityRef[T](e))
}

// InsertInto begins adding rows through the service.
func InsertInto[T any](e Entity[T], rows ...*T) *cds.InsertQuery[T] {
	return cds.InsertInto(cds.InService(Name), cds.EntityRef[T](e), rows...)
}

// UpsertInto begins adding rows, or changing those whose keys exist, through the service.
func UpsertInto[T any](e Entity[T], rows ...*T) *cds.InsertQuery[T] {
	return cds.UpsertInto(cds.InService(Name), cds.EntityRef[T](e), rows...)
}

// Modify begins a change of rows through the service.
func Modify[T any](e Entity[T]) *cds.UpdateQuery[T] {
	return cds.Modify(cds.InService(Name), cds.EntityRef[T](e))
}

// DeleteFrom begins a removal of rows through the service.
func DeleteFrom[T any](e Entity[T]) *cds.DeleteQuery[T] {
	return cds.DeleteFrom(cds.InService(Name), cds.EntityRef[T](e))
}
`

// writeRequired writes the interface of all operations: a missing implementation does not compile.
func (v *serviceView) writeRequired(p *printer) {
	if len(v.allOps()) == 0 {
		p.comment("Required is what an app has to implement: nothing, as the service has no operations. Pass nil.")
		p.line("type Required any\n")
		return
	}
	p.comment("Required is what an app has to implement: the operations of the service.")
	p.line("type Required interface {")
	for _, o := range v.allOps() {
		p.comment(o.doc)
		p.line("%s(ctx context.Context, req *%s) (%s, error)", o.method, o.request(), o.result)
	}
	p.line("}\n")
}

func (v *serviceView) allOps() []*opView {
	out := slices.Clone(v.ops)
	for _, e := range v.entities {
		out = append(out, e.ops...)
	}
	return out
}

// request is the Go type of what the implementation gets.
func (o *opView) request() string {
	if o.rowEntity == nil {
		return "cds.Request[" + o.params + "]"
	}
	return "cds.Bound[" + o.rowEntity.row + ", " + o.params + "]"
}

func (v *serviceView) writeServe(p *printer) {
	p.comment("Serve registers the implementation of the operations, and handlers. It fails if this code is older or newer than the app's model.")
	ops := v.allOps()
	if len(ops) == 0 {
		p.line("func Serve(app *cds.App, _ Required, handlers ...Handler) error {")
		p.line("return cds.Serve(app, Name, Policy, nil, handlers)\n}\n")
		return
	}
	p.line("func Serve(app *cds.App, impl Required, handlers ...Handler) error {")
	p.line("if impl == nil {\nreturn cds.ErrNoImplementation(Name)\n}")
	p.line("return cds.Serve(app, Name, Policy, []Handler{")
	for _, o := range ops {
		if o.rowEntity == nil {
			p.line("cds.Implement[Service](%s, impl.%s),", o.name, o.method)
		} else {
			p.line("cds.ImplementBound[Service](%s, %s.%s, impl.%s),", o.rowEntity.ref, o.rowEntity.ref, o.name, o.method)
		}
	}
	p.line("}, handlers)\n}\n")
}

// policyTable is the part of the policy that concerns the service.
func (v *serviceView) policyTable() cds.PolicyTable { return cds.PolicyTableOf(v.policy, v.svc.Name) }

// roles returns the roles that the policy of the service names, without the pseudo-roles that need no constant.
func (v *serviceView) roles() []string {
	return slices.DeleteFunc(v.policy.Roles(v.svc), func(r string) bool { return r == auth.RoleSystem || r == auth.RoleInternal })
}
