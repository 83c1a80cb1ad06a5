package check

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// operand checks a path that is used as a value and returns what it yields.
func (k *condition) operand(r *cqn.Ref, s rows, depth int) kind {
	el := k.path(r, s, depth)
	if el == nil {
		return anyKind
	}
	text := cqn.Format(r)
	if el.Virtual {
		return k.fail(k.span(r), "", "%s is virtual: the database does not know its value", text)
	}
	switch t := el.Type.(type) {
	case *csn.Builtin:
		return scalarKind(t.Kind)
	case *csn.Array:
		return k.fail(k.span(r), "Write 'x' in "+text+".", "%s is a list, of which only membership can be asked", text)
	case *csn.Struct:
		return k.fail(k.span(r), "Name one of its elements.", "%s is a structure", text)
	case *csn.Assoc:
		if len(t.Keys) != 1 {
			return k.fail(k.span(r), "Use `exists "+text+"`, or name an element of the target.", "%s is an association, not a value", text)
		}
	}
	return anyKind
}

func scalarKind(s csn.Scalar) kind {
	switch s {
	case csn.Boolean:
		return boolKind
	case csn.Integer, csn.UInt8, csn.Int16, csn.Int32, csn.Int64, csn.Decimal, csn.Double:
		return numberKind
	case csn.String, csn.LargeString, csn.UUID:
		return textKind
	case csn.Date, csn.Time, csn.DateTime, csn.Timestamp:
		return timeKind
	case csn.Binary, csn.LargeBinary:
		return binaryKind
	}
	return anyKind
}

// exists checks `exists path`: an association must stand at the end.
func (k *condition) exists(x *cqn.Exists, s rows, depth int) {
	if x.Path == nil || x.Inverse != "" {
		k.fail(k.span(x), "", "exists needs an association")
		return
	}
	el := k.path(x.Path, s, depth)
	if el == nil {
		return
	}
	a := el.Assoc()
	if a == nil || a.Target == nil {
		k.fail(k.span(x.Path), "Use `is not null` for values.", "exists needs an association, but %s is none", cqn.Format(x.Path))
		return
	}
	if x.Pred == nil {
		return
	}
	inner := rows{entity: a.Target, vars: s.vars}
	if x.Var != "" {
		inner = rows{entity: s.entity, vars: map[string]*csn.Entity{x.Var: a.Target}}
		for n, v := range s.vars {
			if n != x.Var {
				inner.vars[n] = v
			}
		}
	}
	k.boolean(x.Pred, inner, depth)
}

// path resolves a path. It returns the element at its end, nil if it does not resolve, which it has reported then.
func (k *condition) path(r *cqn.Ref, s rows, depth int) *csn.Element {
	steps, e := r.Path, s.entity
	if len(steps) == 0 {
		k.fail(k.span(r), "", "Empty path")
		return nil
	}
	if depth > maxDepth {
		k.fail(k.span(r), "", "The condition is nested too deeply")
		return nil
	}
	first := steps[0].Name
	if v := s.vars[first]; v != nil && len(steps) > 1 {
		e, steps = v, steps[1:]
	} else if (first == "$self" || first == "$projection") && len(steps) > 1 {
		e, steps = k.root, steps[1:]
	}
	if e == nil {
		k.fail(k.span(r), "Restrict the entity instead.",
			"Only $user, $now and constants can stand in the condition of a service or operation, not %s", cqn.Format(r))
		return nil
	}
	return k.steps(r, steps, e, s, depth)
}

func (k *condition) steps(r *cqn.Ref, steps []cqn.Step, e *csn.Entity, s rows, depth int) *csn.Element {
	owner := e.Name
	lists := []csn.Elements{e.Elements, e.Flat}
	var el *csn.Element
	for i, step := range steps {
		if el = lookup(step.Name, lists); el == nil {
			k.unknown(r, step, owner, lists)
			return nil
		}
		var target *csn.Entity
		lists = nil
		switch t := el.Type.(type) {
		case *csn.Assoc:
			if target = t.Target; target != nil {
				owner, lists = target.Name, []csn.Elements{target.Elements, target.Flat}
			}
		case *csn.Struct:
			owner, lists = owner+"."+step.Name, []csn.Elements{t.Elements}
		}
		at := step.Span
		if step.Filter != nil {
			if target == nil {
				k.fail(at, "", "%s has a filter, but is no association", step.Name)
				return nil
			}
			k.boolean(step.Filter, rows{entity: target, vars: s.vars}, depth+1)
		}
		if len(step.Args) > 0 {
			k.fail(at, "", "Arguments cannot stand in the condition of a restriction")
			return nil
		}
		if i < len(steps)-1 && lists == nil {
			k.fail(steps[i+1].Span, "", "%s has no elements, so there is no %s in it", step.Name, steps[i+1].Name)
			return nil
		}
	}
	return el
}

func lookup(name string, lists []csn.Elements) *csn.Element {
	for _, l := range lists {
		if el := l.Lookup(name); el != nil {
			return el
		}
	}
	return nil
}

func (k *condition) unknown(r *cqn.Ref, step cqn.Step, owner string, lists []csn.Elements) {
	at := step.Span
	if !at.Valid() {
		at = k.span(r)
	}
	if strings.HasPrefix(step.Name, "$") {
		k.fail(at, "Known are $user, $user.<attribute>, $tenant, $now, $at.from, $at.to and $self.", "There is no variable %s", cqn.Format(r))
		return
	}
	var names []string
	for _, l := range lists {
		for _, el := range l {
			names = append(names, el.Name)
		}
	}
	k.fail(at, suggest(step.Name, names), "There is no element %s in %s", step.Name, owner)
}
