package authzmatrix

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	"cds/runtime/authz"
)

// results reports operations whose results are rows of an entity that those who may call them may not read: what a handler returns is filtered by nobody.
// An operation with a restriction of its own has its answer.
func (l *linter) results() {
	for _, s := range l.model.Services {
		for _, op := range s.Ops {
			l.result(s, op, nil)
		}
		for _, e := range s.Entities {
			if e.Active == nil {
				for _, op := range e.Actions {
					if op.Draft == csn.NoDraftOp {
						l.result(s, op, e)
					}
				}
			}
		}
	}
}

func (l *linter) result(s *csn.Service, op *csn.Operation, on *csn.Entity) {
	of := resultOf(l.model, op)
	if of == nil || of == on || of.Service == nil {
		return
	}
	for _, n := range []string{"requires", "restrict"} {
		if op.Annotations.Get(n) != nil {
			return
		}
	}
	call := authz.Access{Service: s, Event: authz.Event(op.LocalName()), Op: op}
	if on != nil {
		call.Path = []*csn.Entity{on}
	}
	people := base()
	for _, r := range l.policy.AccessRoles(authz.Access{Service: of.Service, Event: authz.Read, Path: []*csn.Entity{of}}) {
		people = append(people, []string{r})
	}
	for _, roles := range people {
		o := l.policy.Inspect(slices.Clone(roles), call)
		if !o.Allowed() {
			continue
		}
		kept := l.best(roles, of, authz.Read)
		if kept.Allowed() && (kept.Verdict == authz.Allow || on != nil) {
			continue
		}
		d := l.add(codeResult, op.Span, "%s returns %s, of which %s may read %s", opName(op, on), of.Name, roleWords(roles), part(kept))
		if kept.Allowed() {
			d.Severity = diag.Info // a handler that asks the service gets what the user may read
		}
		d.Hint = "Restrict the operation, or say @requires: 'any' of it: its handler has to take care of what it returns."
		if at, ok := l.policy.RuleSpan(of.Name); ok && at.Valid() {
			d.Related = []diag.Related{{Message: "the restriction of " + of.Name, Span: at}}
		}
		return
	}
}

// part tells how many rows somebody may read who may not read all.
func part(o authz.Outcome) string {
	if o.Allowed() {
		return "some rows only"
	}
	return "nothing"
}

func opName(op *csn.Operation, on *csn.Entity) string {
	if on != nil {
		return on.Name + "." + op.LocalName()
	}
	return op.Name
}

// resultOf returns the entity whose rows an operation returns; nil for none.
func resultOf(m *csn.Model, op *csn.Operation) *csn.Entity {
	if op.Returns == nil {
		return nil
	}
	el := op.Returns
	if a, ok := el.Type.(*csn.Array); ok && a.Items != nil {
		el = a.Items
	}
	if a := el.Assoc(); a != nil {
		return a.Target
	}
	if el.TypeName == "" {
		return nil
	}
	return m.Entity(el.TypeName)
}

// The annotations of personal data.
const (
	isPersonal  = "PersonalData.IsPotentiallyPersonal"
	isSensitive = "PersonalData.IsPotentiallySensitive"
)

// personal reports elements with personal data that everybody, or whoever has logged in, may read of all rows, and no restriction of the entity or of the
// element says that it is meant.
func (l *linter) personal() {
	marked := map[*csn.Element]string{}
	for _, e := range l.model.Entities {
		for _, list := range []csn.Elements{e.Elements, e.Flat} {
			for _, el := range list {
				for _, a := range []string{isPersonal, isSensitive} {
					if v := el.Annotations.Get(a); v != nil && v.Kind != cqn.AnnoNull && !v.False() && el.Assoc() == nil {
						marked[bottom(el)] = a
					}
				}
			}
		}
	}
	if len(marked) == 0 {
		return
	}
	for _, s := range l.model.Services {
		for _, e := range s.Entities {
			if e.Active != nil || len(e.Union) > 0 || l.policy.Restricted(e) || authz.Freed(e) {
				continue
			}
			for _, el := range e.Flat {
				if a := marked[bottom(el)]; a != "" && !l.policy.RestrictedElement(el) {
					l.openPersonal(e, el, a)
				}
			}
		}
	}
}

func (l *linter) openPersonal(e *csn.Entity, el *csn.Element, annotation string) {
	for _, roles := range base() {
		if o := l.best(roles, e, authz.Read); o.Verdict != authz.Allow {
			continue
		}
		d := l.add(codePersonal, l.spanOf(el, e), "%s.%s is personal data (@%s), and %s may read it", e.Name, el.Name, annotation, roleWords(roles))
		d.Hint = "Restrict the entity or the element; if it is meant, say @requires: '" + roles[0] + "' of the entity."
		if e.Span.Valid() {
			d.Related = []diag.Related{{Message: "it is read by " + e.Name, Span: e.Span}}
		}
		return
	}
}

// spanOf is where an element was written or, if that is in another's file, the entity.
func (l *linter) spanOf(el *csn.Element, e *csn.Entity) token.Span {
	if at := el.Span; at.Valid() && (l.opt.Own == nil || l.opt.Own(at)) {
		return at
	}
	return e.Span
}
