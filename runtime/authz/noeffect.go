package authz

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
)

// noEffect reports restrictions where nothing asks them: on named types, which do not hand them on to elements, within arrays, and on what operations take
// and return. Whoever wrote one believes that something is closed.
func (n *normalizer) noEffect(m *csn.Model) {
	for _, d := range m.Defs {
		switch d := d.(type) {
		case *csn.TypeDef:
			n.idle("type "+d.Name, "type:"+d.Name, &d.Def, false)
		case *csn.Entity:
			if d.Active != nil {
				continue
			}
			for _, el := range d.Elements {
				n.idleItems(d.Name+"."+el.Name, "entity:"+d.Name, el, 0)
			}
			for _, op := range d.Actions {
				n.idleOperation(d.Name+"."+op.Name, op)
			}
		case *csn.Operation:
			n.idleOperation(d.Name, d)
		}
	}
}

func (n *normalizer) idleOperation(on string, op *csn.Operation) {
	home := "operation:" + on
	for _, p := range op.Params {
		n.idle("parameter "+p.Name+" of "+on, home, &p.Def, true)
		n.idleWithin("parameter "+p.Name+" of "+on, home, p, false, 0)
	}
	if op.Returns != nil {
		n.idleWithin("the result of "+on, home, op.Returns, false, 0)
	}
}

// idleItems reports restrictions on what is in arrays.
func (n *normalizer) idleItems(on, home string, el *csn.Element, depth int) {
	if depth > maxDepth {
		return
	}
	switch t := el.Type.(type) {
	case *csn.Struct:
		for _, x := range t.Elements {
			n.idleItems(on+"."+x.Name, home, x, depth+1)
		}
	case *csn.Array:
		answered := slices.ContainsFunc(el.Annotations, func(a cqn.AnnoField) bool { return a.Name == "requires" || a.Name == "restrict" })
		n.idleWithin("the items of "+on, home, t.Items, !answered, depth+1)
	}
}

// idleWithin reports restrictions on what is in an element. Elements of named types, which are those of entities too, where they count, are looked at only with
// named set.
func (n *normalizer) idleWithin(on, home string, el *csn.Element, named bool, depth int) {
	if el == nil || el.TypeName != "" && !named || depth > maxDepth {
		return
	}
	switch t := el.Type.(type) {
	case *csn.Struct:
		for _, x := range t.Elements {
			n.idle(x.Name+" in "+on, home, &x.Def, true)
			n.idleWithin(x.Name+" in "+on, home, x, named, depth+1)
		}
	case *csn.Array:
		n.idleWithin(on, home, t.Items, named, depth+1)
	}
}

// idle reports restrictions on one definition, and with masks set also these.
func (n *normalizer) idle(on, home string, d *csn.Def, masks bool) {
	for i := range d.Annotations {
		a := &d.Annotations[i]
		base, _ := split(a.Name)
		if base != "requires" && base != "restrict" && (base != "mask" || !masks) || a.Value != nil && a.Value.Kind == cqn.AnnoNull {
			continue
		}
		sev := diag.Error
		if !n.strict {
			sev = diag.Warning
		}
		out := n.diags.Add(sev, codeNoEffect, a.Span, "@%s has no effect on %s", base, on)
		out.Hint, out.Home = "write it on the entity, the operation, or each element that it is about", home
	}
}
