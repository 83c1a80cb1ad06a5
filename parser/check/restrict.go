package check

import (
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
)

// A resource is a definition that can be restricted, and what a restriction on it may say.
type resource struct {
	home   string
	span   token.Span
	entity *csn.Entity // whose elements conditions may use; nil: only static conditions
	events bool        // READ and so on may be granted
	ops    []string    // operations that may be granted by name
	loose  bool        // names that merely resemble ours are left alone
	what   string      // for messages
}

// The events that a grant may name (N3).
var events = []string{"READ", "CREATE", "UPDATE", "DELETE", "UPSERT", "WRITE", "*"}

// restrictions checks @requires and @restrict wherever they stand.
func (c *checker) restrictions() {
	for _, def := range c.model.Defs {
		d := def.Definition()
		switch x := def.(type) {
		case *csn.Service:
			c.restricted(&resource{home: home("service", d.Name), span: d.Span, events: true, ops: serviceOps(x), what: "a service"}, d.Annotations)
		case *csn.Entity:
			c.entity(x)
		case *csn.Operation:
			c.operation(x, home(opKind(x), x.Name))
		case *csn.Event:
			c.event(x)
		case *csn.Context, *csn.TypeDef, *csn.AnnotationDef:
			c.noEffect(home("definition", d.Name), d)
		}
	}
}

// event checks the restrictions of an event: who may subscribe to it, and which events are delivered to whom. Conditions are on the payload.
func (c *checker) event(e *csn.Event) {
	ops := []string{e.Name}
	if e.Service != nil {
		ops = append(ops, strings.TrimPrefix(e.Name, e.Service.Name+"."))
	}
	payload := &csn.Entity{Def: csn.Def{Name: e.Name}}
	if e.Type != nil {
		if st, ok := e.Type.Type.(*csn.Struct); ok {
			for _, el := range st.Elements {
				if el.Scalar() != nil {
					payload.Elements = append(payload.Elements, el)
				}
			}
		}
	}
	payload.Flat = payload.Elements
	c.restricted(&resource{home: home("event", e.Name), span: e.Span, entity: payload, ops: ops, what: "an event"}, e.Annotations)
}

func home(kind, name string) string { return fmt.Sprintf("%s:%q", kind, name) }

func opKind(o *csn.Operation) string {
	if o.Function {
		return "function"
	}
	return "action"
}

func (c *checker) entity(e *csn.Entity) {
	at := home("entity", e.Name)
	c.restricted(&resource{home: at, span: e.Span, entity: e, events: true, ops: entityOps(e), what: "an entity"}, e.Annotations)
	for _, el := range e.Elements {
		if !slices.ContainsFunc(el.Annotations, restricts) {
			continue // as nearly all
		}
		r := &resource{home: at + "/" + home("element", el.Name), span: el.Span, entity: e, events: true, loose: true, what: "an element"}
		c.restricted(r, el.Annotations)
	}
	for _, o := range e.Actions {
		c.operation(o, at+"/"+home(opKind(o), o.Name))
	}
}

func (c *checker) operation(o *csn.Operation, at string) {
	r := &resource{home: at, span: o.Span, ops: []string{o.LocalName()}, what: "an operation"}
	// Conditions of operations are static: no entity (N5, decision 2).
	c.restricted(r, o.Annotations)
	for _, p := range o.Params {
		c.noEffect(at+"/"+home("param", p.Name), &p.Def)
	}
}

// restricts reports whether an annotation is a restriction or belongs to one.
func restricts(f cqn.AnnoField) bool {
	base, _ := split(f.Name)
	return base == "requires" || base == "restrict"
}

// noEffect reports restrictions on what cannot be restricted.
func (c *checker) noEffect(at string, d *csn.Def) {
	for i := range d.Annotations {
		if base, _ := split(d.Annotations[i].Name); base == "requires" || base == "restrict" {
			c.warn(&resource{home: at, span: d.Span}, d.Annotations[i].Span, codeNoEffect, "@%s has no effect here", base)
		}
	}
}

// entityOps returns the operations of an entity and of those it projects, for restrictions are inherited.
func entityOps(e *csn.Entity) (out []string) {
	for n := 0; e != nil && n < maxDepth; e, n = e.Base, n+1 {
		for _, o := range e.Actions {
			out = append(out, o.Name)
		}
	}
	return out
}

func serviceOps(s *csn.Service) (out []string) {
	for _, o := range s.Ops {
		out = append(out, o.LocalName())
	}
	for _, e := range s.Entities {
		out = append(out, entityOps(e)...)
	}
	return out
}

// split cuts the name of an annotation behind its first part.
func split(name string) (base, rest string) {
	if i := strings.IndexAny(name, ".#"); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// restricted checks the annotations of a resource.
func (c *checker) restricted(r *resource, as csn.Annotations) {
	first, flat := len(as), []string(nil) // `@restrict: { grant: …, to: … }` arrives as @restrict.grant and @restrict.to
	for i := range as {
		a := &as[i]
		switch base, rest := split(a.Name); {
		case a.Name == "requires":
			c.requires(r, a)
		case a.Name == "restrict":
			c.restrict(r, a)
		case base == "requires":
			c.fault(r, a.Span, codeRequiresForm, "@%s is not understood, expected @requires with a role or a list of roles", a.Name)
		case base == "restrict":
			flat = append(flat, strings.TrimLeft(rest, ".#")+": …")
			first = min(first, i)
		case !r.loose:
			c.resembling(r, a)
		}
	}
	if len(flat) > 0 {
		c.fault(r, as[first].Span, codeRestrictForm, "@restrict must be a list of privileges").Hint =
			fmt.Sprintf("Write @restrict: [{ %s }].", strings.Join(flat, ", "))
	}
}

// resembling reports annotations that are clearly meant to restrict, and warns of those that only begin alike.
func (c *checker) resembling(r *resource, a *cqn.AnnoField) {
	switch meant := csn.MeantAnnotation(a); {
	case meant == "requires" || meant == "restrict":
		c.fault(r, a.Span, codeMisspelt, "@%s looks like a misspelt restriction", a.Name).Hint = fmt.Sprintf("Write @%s, or give the annotation a name that is less similar.", meant)
	case meant == "":
		if alike := csn.AlikeAnnotation(a); alike == "requires" || alike == "restrict" {
			c.warn(r, a.Span, codeMisspelt, "@%s restricts nothing", a.Name).Hint = fmt.Sprintf("Write @%s if that is meant.", alike)
		}
	}
}

func (c *checker) requires(r *resource, a *cqn.AnnoField) {
	if a.Value != nil && a.Value.Kind == cqn.AnnoNull {
		return // removes an inherited one (N8)
	}
	if roles, ok := c.texts(r, a.Value, "@requires"); ok {
		c.useRoles(r, roles)
	} else {
		d := c.fault(r, a.Span, codeRequiresForm, "@requires must be a role or a list of roles, each as a text")
		if a.Value != nil && a.Value.Kind == cqn.AnnoRef {
			d.Hint = fmt.Sprintf("Write @requires: '%s'.", a.Value.Text)
		}
	}
}

// texts reads a text or a list of texts. Empty ones and null grant nothing (decision 2): a warning. Other values are a fault.
func (c *checker) texts(r *resource, v *cqn.AnnoValue, what string) (out []*cqn.AnnoValue, ok bool) {
	if v == nil {
		return nil, false
	}
	items := []*cqn.AnnoValue{v}
	if v.Kind == cqn.AnnoArray {
		items = v.Items
	}
	empty := len(items) == 0
	for _, it := range items {
		switch {
		case it != nil && it.Kind == cqn.AnnoString && strings.TrimSpace(it.Text) != "":
			out = append(out, it)
		case it != nil && (it.Kind == cqn.AnnoString || it.Kind == cqn.AnnoNull):
			empty = true
		default:
			return nil, false
		}
	}
	if empty {
		c.warn(r, v.Span, codeNothing, "An empty value in %s grants nothing to anybody", what)
	}
	return out, true
}

func (c *checker) restrict(r *resource, a *cqn.AnnoField) {
	v := a.Value
	switch {
	case v != nil && v.Kind == cqn.AnnoNull:
		return
	case v == nil || v.Kind != cqn.AnnoArray:
		c.fault(r, a.Span, codeRestrictForm, "@restrict must be a list of privileges").Hint = "Write @restrict: [{ grant: …, to: …, where: … }]."
		return
	case len(v.Items) == 0:
		c.warn(r, a.Span, codeNothing, "@restrict: [] grants nothing to anybody")
	}
	for _, it := range v.Items {
		c.privilege(r, a, it)
	}
}

func (c *checker) privilege(r *resource, a *cqn.AnnoField, v *cqn.AnnoValue) {
	if v == nil || v.Kind != cqn.AnnoStruct || len(v.Fields) == 0 {
		at := a.Span
		if v != nil {
			at = v.Span
		}
		c.fault(r, at, codeRestrictForm, "A privilege must be a structure with grant, to or where")
		return
	}
	seen := map[string]bool{}
	for i := range v.Fields {
		f := &v.Fields[i]
		if seen[f.Name] {
			c.fault(r, f.Span, codeProperty, "%s stands twice in one privilege", f.Name)
			continue
		}
		seen[f.Name] = true
		switch f.Name {
		case "grant", "deny":
			c.grant(r, f)
		case "to":
			if roles, ok := c.texts(r, f.Value, "to"); ok {
				c.useRoles(r, roles)
			} else {
				d := c.fault(r, f.Span, codeTo, "to must be a role or a list of roles, each as a text")
				if f.Value != nil && f.Value.Kind == cqn.AnnoRef {
					d.Hint = fmt.Sprintf("Write to: '%s'.", f.Value.Text)
				}
			}
		case "where":
			c.where(r, a, f)
		case "_where": // a compiler's parsed form beside `where`
		case "if", "message": // names of conditions and a text, which the policy compiler checks
		default:
			d := c.fault(r, f.Span, codeProperty, "A privilege has no property %s, expected grant, deny, to, where, if or message", f.Name)
			if near := nearest(f.Name, "grant", "deny", "to", "where", "if", "message"); near != "" {
				d.Hint = fmt.Sprintf("Did you mean %s?", near)
			}
		}
	}
}

// grant checks the words of a grant (N3, N4, N10, decision 38).
func (c *checker) grant(r *resource, f *cqn.AnnoField) {
	words, ok := c.texts(r, f.Value, "grant")
	if !ok {
		c.fault(r, f.Span, codeGrant, "%s must be an event or a list of events, each as a text", f.Name)
		return
	}
	known := slices.Clone(r.ops)
	if r.events {
		known = append(known, events...)
	}
	for _, w := range words {
		if w.Text == "*" || slices.Contains(known, w.Text) {
			continue
		}
		at := w.Span
		if !at.Valid() {
			at = f.Span
		}
		d := c.fault(r, at, codeGrant, "%q is no event of %s, expected %s", w.Text, r.what, expectedGrants(r))
		if near := nearest(w.Text, known...); near != "" {
			d.Hint = fmt.Sprintf("Did you mean %s?", near)
		} else if !r.events && slices.Contains(events, w.Text) {
			d.Hint = "Events such as READ are granted on entities; on an operation write * or leave grant out."
		}
	}
}

func expectedGrants(r *resource) string {
	if r.events {
		return "READ, CREATE, UPDATE, DELETE, UPSERT, WRITE, * or the name of an operation"
	}
	return "* or its own name"
}
