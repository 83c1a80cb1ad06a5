package check

import (
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// where checks a condition: that it parsed (the linker's work), that its names are elements, that it is true or false (N9, N10).
func (c *checker) where(r *resource, a, f *cqn.AnnoField) {
	v := f.Value
	x, base := conditionOf(v), inheritedFrom(r, a)
	if x == nil {
		if base != nil {
			return // reported where it is written, or by the linker where it does not fit
		}
		d := c.fault(r, f.Span, codeWhere, "where must be a condition")
		if v != nil && v.Kind == cqn.AnnoString && strings.TrimSpace(v.Text) != "" {
			d.Message = strings.Replace(d.Message, "where must be a condition", fmt.Sprintf("The condition %q cannot be parsed", clip(v.Text)), 1)
		}
		return
	}
	at := v.Span
	if !at.Valid() {
		at = f.Span
	}
	k := &condition{root: r.entity, at: at}
	k.boolean(x, rows{entity: r.entity}, 0)
	if len(k.faults) == 0 {
		for _, n := range k.notes {
			d := c.diags.Add(Messages()[n.code].Severity, n.code, n.at, "%s", n.text)
			d.Home, d.Hint = r.home, n.hint
		}
		return
	}
	n := k.faults[0]
	if base != nil {
		b := &condition{root: base, at: at}
		if b.boolean(x, rows{entity: base}, 0); len(b.faults) == 0 {
			d := c.fault(r, r.span, codeWhere, "The restriction that %s inherits from %s does not fit: %s", r.entity.Name, base.Name, n.text)
			d.Hint = "Give the projection the element, or a restriction of its own."
			d.Related = append(d.Related, diag.Related{Message: "the inherited condition", Span: at})
		}
		return // else reported at base
	}
	d := c.fault(r, n.at, codeWhere, "%s", n.text)
	d.Hint = n.hint
}

// inheritedFrom returns the entity that r's entity has the annotation from, nil if it is its own.
func inheritedFrom(r *resource, a *cqn.AnnoField) *csn.Entity {
	if r.entity == nil || r.entity.Base == nil || !a.Span.Valid() {
		return nil
	}
	base := r.entity.Base
	for i := range base.Annotations {
		if b := &base.Annotations[i]; b.Name == a.Name && b.Span == a.Span {
			return base
		}
	}
	return nil
}

// conditionOf returns the tree of a condition; nil if there is none or it could not be parsed.
func conditionOf(v *cqn.AnnoValue) cqn.Expr {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case cqn.AnnoBool:
		return &cqn.Lit{Value: cqn.Bool(v.Bool)}
	case cqn.AnnoExpr:
		return v.Expr
	case cqn.AnnoString:
		if v.Expr == nil && v.Text == "true" {
			return &cqn.Lit{Value: cqn.Bool(true)} // decision 2
		}
		return v.Expr
	}
	return nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// A condition is one condition under examination.
type condition struct {
	root   *csn.Entity // nil: only static conditions
	at     token.Span
	faults []note
	notes  []note
}

type note struct {
	code diag.Code // "" for faults
	text string
	hint string
	at   token.Span
}

// rows is the scope of names: variables of enclosing exists, then the elements of entity.
type rows struct {
	entity *csn.Entity
	vars   map[string]*csn.Entity
}
