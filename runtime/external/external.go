// Package external asks others whether something is allowed: Go functions of the application, and services over HTTP. Whatever they answer can only narrow
// what the model allows, and who does not answer denies.
//
// A check has a name. The model says where it is asked, by @authz.check on services, entities and operations, or the configuration does.
package external

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	cds "cds/runtime"
	"cds/runtime/config"
)

// A Check is one who is asked.
type Check struct {
	Name string
	// On are services, entities of services and operations, by their absolute names, beside those that name the check by @authz.check.
	On     []string
	Events []string // what is asked about; none for everything
	Asked  cds.Authorizer
}

// Annotation says who is asked beside the model: @authz.check: 'name' or a list of names.
const Annotation = "authz.check"

// The codes of what Bind finds.
const (
	codeCheck   diag.Code = "authz-check"
	codeUnknown diag.Code = "authz-check-unknown"
)

// Messages documents the codes of this package.
func Messages() diag.Catalogue {
	return diag.Catalogue{
		codeCheck: {Severity: diag.Error, Title: "An external decision is asked for in a way that is not understood",
			Explain: "@authz.check takes the name of a check or a list of names, on a service, an entity or an operation. Anything else would leave it unasked.",
			Wrong:   "service S { @authz.checks: 'legal' entity Books { key ID : Integer; } }", Right: "service S { @authz.check: 'legal' entity Books { key ID : Integer; } }"},
		codeUnknown: {Severity: diag.Error, Title: "An external decision is asked of somebody who is not known",
			Explain: "The names in @authz.check are those of authz.webhooks in the configuration, and of functions that main.go registers by app.Check.",
			Wrong:   "service S { @authz.check: 'leagl' entity Books { key ID : Integer; } }", Right: "service S { @authz.check: 'legal' entity Books { key ID : Integer; } }"},
	}
}

// An asker asks the checks that are bound to what is accessed, in the order of their definition.
type asker struct {
	entities map[*csn.Entity][]*Check
	services map[*csn.Service][]*Check
	ops      map[*csn.Operation][]*Check
}

// Bind finds out where checks are asked. It returns nil if nowhere. The list has what is wrong with annotations and names; none of it may be passed over.
func Bind(m *csn.Model, checks []Check) (cds.Authorizer, diag.List) {
	b := binder{byName: map[string]*Check{}, out: &asker{map[*csn.Entity][]*Check{}, map[*csn.Service][]*Check{}, map[*csn.Operation][]*Check{}}}
	for i := range checks {
		b.names = append(b.names, checks[i].Name)
		b.byName[checks[i].Name] = &checks[i]
	}
	for _, s := range m.Services {
		b.annotations("service "+s.Name, s.Span, s.Annotations, func(c *Check) { b.out.services[s] = with(b.out.services[s], c) })
		for _, op := range s.Ops {
			b.operation(op)
		}
	}
	for _, e := range m.Entities {
		b.annotations("entity "+e.Name, e.Span, e.Annotations, func(c *Check) { b.out.entities[e] = with(b.out.entities[e], c) })
		for _, op := range e.Actions {
			b.operation(op)
		}
		b.elements("element "+e.Name, e.Elements, 0)
	}
	for _, d := range m.Defs {
		switch d := d.(type) {
		case *csn.Context:
			b.misplaced("context "+d.Name, d.Annotations)
		case *csn.Event:
			b.misplaced("event "+d.Name, d.Annotations)
			if d.Type != nil {
				b.elements("element "+d.Name, csn.Elements{d.Type}, 0)
			}
		}
	}
	for i := range checks {
		for _, name := range checks[i].On {
			b.on(m, name, &checks[i])
		}
	}
	for i := range checks {
		b.used(&checks[i])
	}
	b.diags.Sort()
	if len(b.out.entities)+len(b.out.services)+len(b.out.ops) == 0 {
		return nil, b.diags
	}
	return b.out, b.diags
}

type binder struct {
	byName map[string]*Check
	names  []string
	out    *asker
	diags  diag.List
}

func (b *binder) fault(code diag.Code, at token.Span, format string, args ...any) *diag.Diagnostic {
	return b.diags.Add(diag.Error, code, at, format, args...)
}

// like reports whether an annotation is @authz.check, or looks as if it was meant.
func like(name string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(name), "authz.")
	if !ok {
		return false
	}
	first, _, _ := strings.Cut(rest, ".")
	return config.Closest(first, []string{"check", "webhook", "external"}) != ""
}

func (b *binder) operation(op *csn.Operation) {
	b.annotations("operation "+op.Name, op.Span, op.Annotations, func(c *Check) { b.out.ops[op] = with(b.out.ops[op], c) })
	b.elements("parameter "+op.Name, op.Params, 0)
}

// maxNested bounds how deep structured elements are looked into.
const maxNested = 20

// elements reports annotations on elements and parameters: nobody would be asked. on is what they belong to.
func (b *binder) elements(on string, list csn.Elements, depth int) {
	for _, el := range list {
		name := on
		if el.Name != "" {
			name += "." + el.Name
		}
		b.misplaced(name, el.Annotations)
		switch t := el.Type.(type) {
		case *csn.Struct:
			if depth < maxNested {
				b.elements(name, t.Elements, depth+1)
			}
		case *csn.Array:
			if depth < maxNested && t.Items != nil {
				b.elements(name, csn.Elements{t.Items}, depth+1)
			}
		}
	}
}

func (b *binder) misplaced(on string, as csn.Annotations) {
	for i := range as {
		if a := &as[i]; like(a.Name) && !(a.Value != nil && a.Value.Kind == cqn.AnnoNull) {
			b.fault(codeCheck, a.Span, "@%s has no effect on %s", a.Name, on).Hint = "write it on a service, an entity or an operation"
		}
	}
}

// annotations reads what a definition says.
func (b *binder) annotations(what string, at token.Span, as csn.Annotations, add func(*Check)) {
	for i := range as {
		a := &as[i]
		if !like(a.Name) {
			continue
		}
		if a.Span.Valid() {
			at = a.Span
		}
		names, ok := texts(a.Value)
		switch {
		case a.Name != Annotation:
			b.fault(codeCheck, at, "@%s on %s is not understood", a.Name, what).Hint = "write @" + Annotation + ": 'name'"
			continue
		case a.Value != nil && a.Value.Kind == cqn.AnnoNull: // takes away what was inherited
			continue
		case !ok:
			b.fault(codeCheck, at, "@%s on %s must be the name of a check or a list of names, each as a text", a.Name, what)
			continue
		}
		for _, n := range names {
			c := b.byName[n]
			if c == nil {
				b.fault(codeUnknown, at, "%s asks the check %q, which is not known", what, n).Hint =
					"known: " + orNone(b.names) + "; checks are authz.webhooks in the configuration, or registered in main.go: app.Check(\"" + n + "\", …)"
				continue
			}
			add(c)
		}
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func texts(v *cqn.AnnoValue) ([]string, bool) {
	if v == nil {
		return nil, false
	}
	items := []*cqn.AnnoValue{v}
	if v.Kind == cqn.AnnoArray {
		items = v.Items
	}
	var out []string
	for _, it := range items {
		if it == nil || it.Kind != cqn.AnnoString || it.Text == "" {
			return nil, false
		}
		out = append(out, it.Text)
	}
	return out, len(out) > 0
}

// on binds a check to what the configuration names.
func (b *binder) on(m *csn.Model, name string, c *Check) {
	if s := m.Service(name); s != nil {
		b.out.services[s] = with(b.out.services[s], c)
		return
	}
	if e := m.Entity(name); e != nil {
		b.out.entities[e] = with(b.out.entities[e], c)
		return
	}
	op, ok := m.Lookup(name).(*csn.Operation)
	if i := strings.LastIndexByte(name, '.'); !ok && i > 0 { // one that is bound
		if e := m.Entity(name[:i]); e != nil {
			op = e.Action(name[i+1:])
		}
	}
	if op != nil {
		b.out.ops[op] = with(b.out.ops[op], c)
		return
	}
	b.fault(codeUnknown, token.Span{}, "the check %q is for %s, which the model does not have", c.Name, name).Hint = "name services, entities or operations by their absolute names"
}

// used reports a check that is asked nowhere, or about events that there are not: it would be passed over.
func (b *binder) used(c *Check) {
	var ops []string
	bound := false
	add := func(list []*Check, more ...*csn.Operation) {
		if slices.Contains(list, c) {
			bound = true
			for _, op := range more {
				ops = append(ops, op.LocalName())
			}
		}
	}
	for s, list := range b.out.services {
		add(list, s.Ops...)
		for _, e := range s.Entities {
			add(list, e.Actions...)
		}
	}
	for e, list := range b.out.entities {
		add(list, e.Actions...)
	}
	for op, list := range b.out.ops {
		add(list, op)
	}
	if !bound && len(b.diags) == 0 {
		b.fault(codeUnknown, token.Span{}, "the check %q is asked nowhere", c.Name).Hint = "write @" + Annotation + ": '" + c.Name + "' in the model, or name services, entities and operations in on"
		return
	}
	for _, ev := range c.Events {
		if !slices.Contains(standard, ev) && !slices.Contains(ops, ev) && bound {
			d := b.fault(codeUnknown, token.Span{}, "the check %q is for %s, which is no event of what it is asked about", c.Name, ev)
			if near := config.Closest(ev, slices.Concat(standard, ops)); near != "" {
				d.Hint = "did you mean " + near + "?"
			}
		}
	}
}

// standard are the events that are no operations.
var standard = []string{"READ", "CREATE", "UPDATE", "DELETE", "WRITE"}

func with(list []*Check, c *Check) []*Check {
	if slices.Contains(list, c) {
		return list
	}
	return append(list, c)
}

// Decide implements cds.Authorizer: all checks must agree.
func (z *asker) Decide(ctx context.Context, a cds.Access) (cds.Narrowing, error) {
	var out cds.Narrowing
	var asked [4]*Check // a check is asked once
	seen := asked[:0]
	for _, list := range z.bound(&a) {
		for _, c := range list {
			if slices.Contains(seen, c) || !c.about(&a) {
				continue
			}
			seen = append(seen, c)
			n, err := c.Asked.Decide(ctx, a)
			if err != nil {
				return cds.Narrowing{}, err
			}
			if n.Deny {
				return cds.Narrowing{Deny: true, Reason: "check:" + c.Name + reason(n.Reason)}, nil
			}
			switch {
			case n.Where == nil:
			case a.Target == nil: // a condition where there are no rows would be passed over
				return cds.Narrowing{}, &cds.Error{Status: 503, Code: Unavailable, Message: "Service Unavailable", Cause: fmt.Errorf("check %s: a condition on rows for an operation that has none", c.Name)}
			case out.Where == nil:
				out.Where = n.Where
			default:
				out.Where = &cqn.Binary{Op: cqn.And, L: out.Where, R: n.Where}
			}
		}
	}
	return out, nil
}

func reason(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// bound returns the checks for an access: of the service, of the entity and of the operation. A draft is what it is a draft of.
func (z *asker) bound(a *cds.Access) [3][]*Check {
	var out [3][]*Check
	service := a.Service
	if e := a.Target; e != nil {
		if service = e.Service; e.Active != nil {
			e, service = e.Active, e.Active.Service
		}
		out[1] = z.entities[e]
	}
	if service != nil {
		out[0] = z.services[service]
	}
	if a.Op != nil {
		out[2] = z.ops[a.Op]
	}
	return out
}

// about reports whether a check is about the event of an access. What is done by an upsert is a CREATE and an UPDATE.
func (c *Check) about(a *cds.Access) bool {
	if len(c.Events) == 0 {
		return true
	}
	if a.Op != nil {
		return slices.Contains(c.Events, a.Op.LocalName())
	}
	ev := string(a.Event)
	if ev == "UPSERT" {
		return slices.Contains(c.Events, "CREATE") || slices.Contains(c.Events, "UPDATE") || slices.Contains(c.Events, "WRITE")
	}
	return slices.Contains(c.Events, ev) || ev != "READ" && slices.Contains(c.Events, "WRITE")
}
