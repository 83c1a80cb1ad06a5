package authz

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// conditionPrefix begins the names of annotations that give a condition a name: @authz.condition.own: (owner = $user). Entities inherit them from
// aspects and from what they project, so that one condition serves many; those of a service look at no row.
const conditionPrefix = "authz.condition."

// namedBy returns the annotations among which the conditions are that privileges on an entity may name.
func namedBy(e *csn.Entity) []csn.Annotations {
	out := []csn.Annotations{e.Annotations}
	if e.Service != nil {
		out = append(out, e.Service.Annotations)
	}
	return out
}

// conditions reads `if`: the names of conditions that must hold in addition to where.
func (n *normalizer) conditions(r *rules, res resource, f *cqn.AnnoField, p *privilege) bool {
	names, ok := n.texts(res, f.Value, "if")
	if !ok || len(names) == 0 {
		n.fault(r, res, f.Span, codeCondition, "if must be the name of a condition or a list of names, each as a text")
		return false
	}
	for _, name := range names {
		var v *cqn.AnnoValue
		for _, as := range res.named {
			if v = as.Get(conditionPrefix + name); v != nil {
				break
			}
		}
		var x cqn.Expr
		if v != nil && v.Kind == cqn.AnnoExpr {
			x = v.Expr
		}
		switch {
		case v == nil:
			d := n.fault(r, res, f.Span, codeCondition, "%s %s has no condition called %s", res.what, res.on, name)
			if near := nearest(name, res.conditionNames()...); near != "" {
				d.Hint = "did you mean " + near + "?"
			} else {
				d.Hint = "write @" + conditionPrefix + name + ": (…) on it, on an aspect that it includes, or on what it projects"
			}
			return false
		case x == nil:
			n.fault(r, res, f.Span, codeCondition, "@%s%s is not understood: a condition in parentheses is expected", conditionPrefix, name)
			return false
		case !n.condition(r, res, f.Span, x, v.Text, p):
			return false
		}
	}
	return true
}

// conditionNames are the names that privileges of a resource may use.
func (res *resource) conditionNames() (out []string) {
	for _, as := range res.named {
		for i := range as {
			if name, ok := strings.CutPrefix(as[i].Name, conditionPrefix); ok {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// message reads the text of a refusal.
func (n *normalizer) message(r *rules, res resource, f *cqn.AnnoField, p *privilege) bool {
	if f.Value == nil || f.Value.Kind != cqn.AnnoString || strings.TrimSpace(f.Value.Text) == "" {
		n.fault(r, res, f.Span, codeMessage, "message must be a text, or the key of one: '{i18n>KEY}'")
		return false
	}
	p.message = f.Value.Text
	return true
}
