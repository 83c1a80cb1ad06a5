package authz

import (
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	"cds/runtime/sqlgen"
)

// maskParts are the properties of @mask. One of the first four says what is shown.
var maskParts = []string{"value", "expr", "fn", "go", "unless", "write"}

// A maskReader reads the annotations @mask of one element.
type maskReader struct {
	n   *normalizer
	r   *rules
	res resource
	e   *csn.Entity
	el  *csn.Element
	m   *mask
	by  string // the annotation that says what is shown; "" for none yet
}

// masked adds the mask of an element to its rules, which may be nil.
func (n *normalizer) masked(res resource, e *csn.Entity, el *csn.Element, r *rules) *rules {
	k := &maskReader{n: n, r: r, res: res, e: e, el: el}
	for i := range el.Annotations {
		a := &el.Annotations[i]
		base, rest := split(a.Name)
		if base != "mask" {
			if csn.MeantAnnotation(a) == "mask" {
				k.begin(a)
				n.fault(k.r, res, a.Span, codeMask, "@%s looks like a misspelt @mask", a.Name).Hint = "write @mask, or give the annotation another name"
			}
			continue
		}
		if a.Value.Kind == cqn.AnnoNull {
			continue // takes away what was inherited
		}
		k.begin(a)
		k.part(strings.TrimPrefix(rest, "."), a)
	}
	if k.m == nil {
		return k.r
	}
	if el.Key || !maskable(el) || el.Annotations.Get("odata.etag") != nil {
		n.fault(k.r, res, k.m.span, codeMask, "%s cannot be masked: it is a key, an association, a structure, an array, binary data, virtual or an entity tag", res.on).Hint = "restrict it: @requires or @restrict"
	}
	if x := el.Seal(); x != nil && (x.Hashed() || k.m.show.Func == "") && (k.m.show.Computed || k.m.about(e) != nil) {
		n.fault(k.r, res, k.m.span, codeMask, "%s is encrypted or hashed, so that the database can make nothing of its value", res.on).Hint = "show a constant, and exempt roles"
	}
	k.m.to, k.m.write = n.roles.set(k.m.unless), n.roles.set(k.m.writers)
	k.r.mask = k.m
	return k.r
}

// begin makes the rules and the mask, if there are none yet.
func (k *maskReader) begin(a *cqn.AnnoField) {
	if k.r == nil {
		k.r = &rules{on: k.res.on, span: k.el.Span}
	}
	if k.m == nil {
		k.m = &mask{name: k.res.on + "@mask", show: &sqlgen.Mask{X: &cqn.Lit{}, Text: "null"}, span: a.Span}
	}
}

func (k *maskReader) fault(at token.Span, format string, args ...any) *diag.Diagnostic {
	return k.n.fault(k.r, k.res, at, codeMask, format, args...)
}

// part reads one annotation; rest is its name behind "mask".
func (k *maskReader) part(rest string, a *cqn.AnnoField) {
	switch {
	case rest == "" && a.Value.Kind == cqn.AnnoExpr, rest == "expr":
		k.expression(a)
	case rest == "" || rest == "value":
		k.constant(a)
	case rest == "fn":
		k.function(a)
	case rest == "go":
		k.inCode(a)
	case rest == "unless":
		k.unless(a.Value, a.Span)
	case strings.HasPrefix(rest, "unless."):
		k.exemptPart(strings.TrimPrefix(rest, "unless."), a)
	case rest == "write":
		names, ok := k.n.texts(k.res, a.Value, "@mask.write")
		if !ok {
			k.fault(a.Span, "@mask.write must be a role or a list of roles, each as a text")
		}
		k.m.writers = names
	default:
		d := k.fault(a.Span, "@%s is not understood: a mask has value, expr, fn or go, and unless and write", a.Name)
		if near := nearest(rest, maskParts...); near != "" {
			d.Hint = "did you mean @mask." + near + "?"
		}
	}
}

// says notes that an annotation says what is shown. Two of them leave open which holds.
func (k *maskReader) says(a *cqn.AnnoField) {
	if k.by != "" {
		k.fault(a.Span, "@%s and @%s both say what is shown in the place of %s", k.by, a.Name, k.res.on).Hint = "take away what is inherited: @" + k.by + ": null"
	}
	k.by = a.Name
}

func (k *maskReader) constant(a *cqn.AnnoField) {
	if a.Name == "mask" && a.Value.True() {
		return // null, unless something else says what
	}
	k.says(a)
	v, ok := maskConstant(k.el, a.Value)
	if !ok {
		k.fault(a.Span, "@%s is no constant of the type of %s", a.Name, k.res.on)
		return
	}
	x := &cqn.Lit{Value: v}
	k.m.show = &sqlgen.Mask{X: x, Text: cqn.Format(x)}
}

func (k *maskReader) expression(a *cqn.AnnoField) {
	k.says(a)
	if a.Value.Expr == nil {
		k.fault(a.Span, "@%s is not understood: an expression in parentheses is expected", a.Name)
		return
	}
	x, fault, at := checkMask(a.Value.Expr, k.e, k.el)
	if fault != "" {
		if !at.Valid() {
			at = a.Span
		}
		k.fault(at, "what is shown in the place of %s is not understood: %s", k.res.on, fault)
		return
	}
	text := a.Value.Text
	if text == "" {
		text = cqn.Format(a.Value.Expr)
	}
	k.m.show = &sqlgen.Mask{X: x, Computed: true, Text: text}
}

func (k *maskReader) function(a *cqn.AnnoField) {
	k.says(a)
	if a.Value.Kind != cqn.AnnoString {
		k.fault(a.Span, "@mask.fn must be the name of a function, as a text").Hint = maskFunctionsHint
		return
	}
	x, fault := maskFunction(a.Value.Text, k.el)
	if fault != "" {
		k.fault(a.Span, "@mask.fn %q of %s is not understood: %s", a.Value.Text, k.res.on, fault).Hint = maskFunctionsHint
		return
	}
	k.m.show = &sqlgen.Mask{X: x, Computed: true, Text: strings.Join(strings.Fields(a.Value.Text), "")}
}

// inCode reads the name of a function of the application. Whether there is one, and for which type, shows when the application starts: see MaskFunctions.
func (k *maskReader) inCode(a *cqn.AnnoField) {
	k.says(a)
	if a.Value.Kind != cqn.AnnoString || !MaskFunctionName(a.Value.Text) {
		k.fault(a.Span, "@mask.go must be the name of a function, as a text").Hint = "write the name that the application registers the function by: @mask: { go: 'lastFour' }"
		return
	}
	k.m.show = &sqlgen.Mask{X: &cqn.Lit{}, Computed: true, Func: a.Value.Text, Text: a.Value.Text + " (Go)"}
	k.m.element, k.m.named = k.el, a.Span
}

// unless reads who sees the value: roles, exemptions with a condition, or a list of both.
func (k *maskReader) unless(v *cqn.AnnoValue, at token.Span) {
	items := []*cqn.AnnoValue{v}
	if v.Kind == cqn.AnnoArray {
		items = v.Items
	}
	plain := &cqn.AnnoValue{Kind: cqn.AnnoArray, Span: v.Span}
	conditional := false
	for _, it := range items {
		if it.Kind == cqn.AnnoStruct {
			conditional = true
			p := k.newExemption(at)
			if it.Span.Valid() {
				p.span = it.Span
			}
			seen := map[string]bool{}
			for i := range it.Fields {
				f := &it.Fields[i]
				if seen[f.Name] {
					k.fault(f.Span, "%s stands twice in one exemption", f.Name)
				}
				seen[f.Name] = true
				k.exemption(p, f.Name, f)
			}
			k.exempts(p, len(it.Fields))
			continue
		}
		plain.Items = append(plain.Items, it)
	}
	if len(plain.Items) == 0 && conditional {
		return
	}
	names, ok := k.n.texts(k.res, plain, "@mask.unless")
	if !ok {
		k.fault(at, "@mask.unless must be a role, { to, where, if } or a list of these").Hint = "write a condition in parentheses: unless: { where: (owner = $user) }"
	}
	k.m.unless = append(k.m.unless, names...)
}

func (k *maskReader) newExemption(at token.Span) *privilege {
	name := k.m.name + "#" + strconv.Itoa(len(k.m.exempt)+1)
	return &privilege{name: name, names: []string{name}, all: true, words: []string{"READ"}, roles: []string{"any"}, span: at}
}

// exemptPart reads @mask.unless.to and the like: parts of one exemption.
func (k *maskReader) exemptPart(name string, a *cqn.AnnoField) {
	p := k.newExemption(a.Span)
	n := 0
	for i := range k.el.Annotations { // all of them, at the first
		f := &k.el.Annotations[i]
		part, ok := strings.CutPrefix(f.Name, "mask.unless.")
		if !ok || f.Value.Kind == cqn.AnnoNull {
			continue
		}
		if n == 0 && part != name {
			return // read already
		}
		k.exemption(p, part, f)
		n++
	}
	k.exempts(p, n)
}

// exemption reads one property of an exemption.
func (k *maskReader) exemption(p *privilege, name string, f *cqn.AnnoField) {
	rows := k.res
	rows.what, rows.entity = "entity", k.e
	switch name {
	case "to":
		names, ok := k.n.texts(k.res, f.Value, "@mask.unless.to")
		if !ok {
			k.fault(f.Span, "to must be a role or a list of roles, each as a text")
		}
		p.roles = names
	case "where":
		if f.Value.Expr == nil {
			k.fault(f.Span, "where of @mask.unless is not understood: a condition in parentheses is expected")
			return
		}
		x, fault, at := checkMaskCondition(f.Value.Expr, k.e)
		if fault != "" {
			if !at.Valid() {
				at = f.Span
			}
			k.fault(at, "the condition of the mask of %s is not understood: %s", k.res.on, fault)
			return
		}
		k.n.condition(k.r, rows, f.Span, x, f.Value.Text, p)
	case "if":
		k.n.conditions(k.r, rows, f, p)
	default:
		d := k.fault(f.Span, "an exemption from a mask has no property %s; it has to, where and if", name)
		if near := nearest(name, "to", "where", "if"); near != "" {
			d.Hint = "did you mean " + near + "?"
		}
	}
}

// exempts adds an exemption to the mask.
func (k *maskReader) exempts(p *privilege, parts int) {
	if parts == 0 {
		k.fault(p.span, "an exemption from a mask needs to, where or if")
		return
	}
	p.settleConstant()
	if p.where == nil {
		k.m.unless = append(k.m.unless, p.roles...)
		return
	}
	p.to = k.n.roles.set(p.roles)
	k.m.exempt = append(k.m.exempt, *p)
}

// masks reports masks where they have no effect.
func (n *normalizer) masks(m *csn.Model) {
	at := func(what, on string, as csn.Annotations) {
		for i := range as {
			a := &as[i]
			if base, _ := split(a.Name); (base == "mask" || what != "service" && csn.MeantAnnotation(a) == "mask") && a.Value.Kind != cqn.AnnoNull {
				r := &rules{on: on, span: a.Span}
				n.fault(r, resource{what: what, on: on}, a.Span, codeMask, "@%s has no effect on %s %s", a.Name, what, on).Hint = "write it on an element"
			}
		}
	}
	for _, s := range m.Services {
		at("service", s.Name, s.Annotations)
		for _, op := range s.Ops {
			at("operation", op.Name, op.Annotations)
		}
	}
	for _, e := range m.Entities {
		if e.Active != nil {
			continue
		}
		at("entity", e.Name, e.Annotations)
		for _, op := range e.Actions {
			at("operation", e.Name+"."+op.Name, op.Annotations)
		}
	}
}
