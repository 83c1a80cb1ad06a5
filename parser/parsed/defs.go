package parsed

import (
	"strconv"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/link"
)

func (w *writer) file(f *ast.File, top *scope) { w.decls(top, f.Decls, 0) }

func (w *writer) decls(s *scope, decls []ast.Decl, depth int) {
	if depth > maxDepth {
		return
	}
	for _, d := range decls {
		switch n := d.(type) {
		case *ast.Extend:
			w.extend(s, n, depth)
			continue
		case *ast.Annotate:
			w.annotate(s, n)
			continue
		}
		h := head(d)
		if h == nil || h.Name.Text == "" {
			continue
		}
		name := join(s.prefix, h.Name.Text)
		w.defs.set(name, w.definition(s, name, d))
		switch n := d.(type) {
		case *ast.Service:
			w.decls(w.block(s, name, n.Decls), n.Decls, depth+1)
		case *ast.Context:
			w.decls(w.block(s, name, n.Decls), n.Decls, depth+1)
		}
	}
}

func (w *writer) definition(s *scope, name string, d ast.Decl) *obj {
	m := &member{w: w, s: s, def: name}
	switch n := d.(type) {
	case *ast.Service:
		return w.head("service", &n.Head)
	case *ast.Context:
		return w.head("context", &n.Head)
	case *ast.Entity:
		o := w.head("entity", &n.Head)
		w.includes(o, s, n.Includes)
		m.elements(o, "params", n.Params)
		w.body(o, s, m, n.Query)
		m.elements(o, "elements", n.Elements)
		m.actions(o, n.Actions)
		return o
	case *ast.Aspect:
		o := w.head("aspect", &n.Head)
		w.includes(o, s, n.Includes)
		m.elements(o, "elements", n.Elements)
		m.actions(o, n.Actions)
		return o
	case *ast.Type:
		o := w.head("type", &n.Head)
		w.includes(o, s, n.Includes)
		o.flag("localized", n.Localized)
		w.body(o, s, m, n.Query)
		m.typ(o, n.Type, 0)
		m.facts(o, n.NotNull, n.Default)
		return o
	case *ast.Event:
		o := w.head("event", &n.Head)
		w.includes(o, s, n.Includes)
		w.body(o, s, m, n.Query)
		m.typ(o, n.Type, 0)
		return o
	case *ast.Annotation:
		o := w.head("annotation", &n.Head)
		m.typ(o, n.Type, 0)
		return o
	case *ast.Operation:
		return m.operation(n)
	}
	return newObj()
}

func (w *writer) head(kind string, h *ast.Head) *obj {
	o := newObj().set("kind", kind)
	w.notes(o, h.Doc, h.Annos)
	return o
}

// notes writes the doc comment and the annotations.
func (w *writer) notes(o *obj, doc string, annos []*ast.Anno) {
	switch {
	case doc == "" || !w.opt.Docs:
	case doc == ast.NoDoc:
		o.set("doc", nil)
	default:
		o.set("doc", doc)
	}
	for _, a := range link.Flatten(annos) {
		o.set("@"+a.Name, note{a.Value})
	}
}

// A note is the value of an annotation. It is kept as such until it is written, since extensions may refer to it by `...`.
type note struct{ v *cqn.AnnoValue }

func (w *writer) includes(o *obj, s *scope, names []*ast.Name) {
	if len(names) == 0 {
		return
	}
	list := make([]any, len(names))
	for i, n := range names {
		list[i] = s.name(n.Text)
	}
	o.set("includes", list)
}

// A member writes what lies in one definition.
type member struct {
	w   *writer
	s   *scope
	def string // absolute name
}

func (m *member) elements(o *obj, key string, els []*ast.Element) {
	if len(els) == 0 {
		return
	}
	c := o.child(key)
	for _, el := range els {
		c.set(el.Name.Text, m.element(el, 0))
	}
}

func (m *member) element(el *ast.Element, depth int) *obj {
	o := newObj()
	m.w.notes(o, el.Doc, el.Annos)
	o.flag("key", el.Key)
	o.flag("virtual", el.Virtual)
	o.flag("masked", el.Masked)
	o.flag("localized", el.Localized)
	m.typ(o, el.Type, depth)
	m.facts(o, el.NotNull, el.Default)
	if el.Value != nil {
		v := newObj().merge(csn.OperandJSON(m.w.expr(m.s, el.Value)))
		v.flag("stored", el.Stored)
		o.set("value", v)
	}
	return o
}

func (m *member) facts(o *obj, notNull *bool, def cqn.Expr) {
	if notNull != nil {
		o.set("notNull", *notNull)
	}
	if def != nil {
		o.set("default", raw(csn.OperandJSON(m.w.expr(m.s, constant(def)))))
	}
}

// constant makes one literal of a number and its sign.
func constant(x cqn.Expr) cqn.Expr {
	u, ok := x.(*cqn.Unary)
	if !ok || u.Op != cqn.Neg && u.Op != cqn.Plus {
		return x
	}
	l, ok := u.X.(*cqn.Lit)
	if !ok || l.Enum != "" {
		return x
	}
	sign := "-"
	if u.Op == cqn.Plus {
		sign = ""
	}
	switch l.Value.Kind() {
	case cqn.KindInt:
		if n, err := strconv.ParseInt(sign+l.Value.Format(), 10, 64); err == nil {
			return &cqn.Lit{At: l.At, Value: cqn.Int(n)}
		}
	case cqn.KindFloat, cqn.KindDecimal:
		return &cqn.Lit{At: l.At, Value: cqn.Decimal(sign + l.Value.Format())}
	}
	return x
}

// typ writes the properties of a type.
func (m *member) typ(o *obj, t *ast.TypeExpr, depth int) {
	if t == nil || depth > maxDepth {
		return
	}
	switch {
	case t.Name != nil:
		m.named(o, t)
	case t.TypeOf != nil:
		o.set("type", newObj().set("ref", texts(m.typeOf(t))))
	case t.Struct:
		c := o.child("elements")
		for _, el := range t.Fields {
			c.set(el.Name.Text, m.element(el, depth+1))
		}
	case t.Array != nil:
		items := newObj()
		m.typ(items, t.Array, depth+1)
		m.facts(items, t.NotNull, nil)
		o.set("items", items)
	case t.Assoc != nil:
		m.assoc(o, t.Assoc, depth)
	}
	if t.HasEnum {
		m.enum(o, t.Enum)
	}
}

func (m *member) enum(o *obj, symbols []*ast.EnumSymbol) {
	c := o.child("enum")
	for _, s := range symbols {
		x := newObj()
		m.w.notes(x, s.Doc, s.Annos)
		if s.Value != nil {
			x.merge(csn.OperandJSON(constant(s.Value)))
		}
		c.set(s.Name.Text, x)
	}
}

func (m *member) named(o *obj, t *ast.TypeExpr) {
	if t.Name.Text == "$self" {
		o.set("type", "$self")
		return
	}
	name := m.w.typeName(m.s, t.Name.Text)
	o.set("type", name)
	for i, a := range t.Args {
		o.set(argName(name, i, len(t.Args)), arg(a))
	}
	for _, k := range []string{"length", "precision", "scale", "srid"} {
		if a, ok := t.NamedArgs[k]; ok {
			o.set(k, arg(a))
		}
	}
}

// argName tells the name of a type's argument by its place.
func argName(typ string, i, n int) string {
	switch {
	case typ == "cds.hana.ST_POINT" || typ == "cds.hana.ST_GEOMETRY":
		return "srid"
	case typ == "cds.Decimal" || n > 1:
		if i == 0 {
			return "precision"
		}
		return "scale"
	}
	return "length"
}

func arg(s string) any {
	if _, err := strconv.Atoi(s); err == nil {
		return raw(s)
	}
	return s
}

// typeOf returns the path of a `type of`: without a definition's name it starts in the definition it stands in.
func (m *member) typeOf(t *ast.TypeExpr) []string {
	var out []string
	for i, st := range t.TypeOf.Path {
		n := st.Name
		if i == 0 {
			if abs := m.s.name(n); t.Colon || m.w.known[abs] && len(t.TypeOf.Path) > 1 {
				n = abs
			} else {
				out = append(out, m.def)
			}
		}
		out = append(out, n)
	}
	return out
}

func (m *member) assoc(o *obj, a *ast.AssocExpr, depth int) {
	if a.Composition {
		o.set("type", "cds.Composition")
	} else {
		o.set("type", "cds.Association")
	}
	m.cardinality(o, a)
	switch {
	case a.HasInline:
		t := newObj()
		els := t.child("elements")
		for _, el := range a.Inline {
			els.set(el.Name.Text, m.element(el, depth+1))
		}
		o.set("target", t)
	case a.Target != nil:
		o.set("target", m.s.name(a.Target.Text))
	}
	m.condition(o, a)
}

func (m *member) cardinality(o *obj, a *ast.AssocExpr) {
	c := newObj()
	if a.Card != nil {
		for _, p := range [][2]string{{"src", a.Card.Src}, {"min", a.Card.Min}, {"max", a.Card.Max}} {
			if p[1] != "" {
				c.set(p[0], arg(p[1]))
			}
		}
	}
	if len(c.keys) == 0 {
		switch {
		case a.Many:
			c.set("max", "*")
		case a.One:
			c.set("max", raw("1"))
		}
	}
	if len(c.keys) > 0 {
		o.set("cardinality", c)
	}
}

func (m *member) condition(o *obj, a *ast.AssocExpr) {
	if a.On != nil {
		o.set("on", raw(csn.TokensJSON(m.w.expr(m.s, a.On))))
	}
	if !a.HasKeys {
		return
	}
	keys := []any{}
	for _, k := range a.Keys {
		if k.Path == nil {
			continue
		}
		x := newObj()
		m.w.notes(x, "", k.Annos)
		x.merge(csn.OperandJSON(k.Path))
		if k.As != nil {
			x.set("as", k.As.Text)
		}
		keys = append(keys, x)
	}
	o.set("keys", keys)
}

func (m *member) actions(o *obj, ops []*ast.Operation) {
	if len(ops) == 0 {
		return
	}
	c := o.child("actions")
	for _, op := range ops {
		c.set(op.Name.Text, m.operation(op))
	}
}

func (m *member) operation(n *ast.Operation) *obj {
	kind := "action"
	if n.Function {
		kind = "function"
	}
	o := m.w.head(kind, &n.Head)
	m.elements(o, "params", n.Params)
	if n.Returns != nil {
		r := newObj()
		m.w.notes(r, "", n.ReturnsAnnos)
		m.typ(r, n.Returns, 0)
		if n.Returns.Array == nil { // else it is said of the items
			m.facts(r, n.Returns.NotNull, nil)
		}
		o.set("returns", r)
	}
	return o
}
