package load

import (
	"strconv"
	"strings"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// A model in JSON that a using leads to is turned into a syntax tree, as if somebody had written it as .cds: so all that holds for sources holds
// for it. Entities that the compiler makes by itself (texts, exposed parts) are left out and made anew.

// isCSN reports whether a file is a compiled model rather than a source.
func isCSN(name string) bool {
	return strings.HasSuffix(name, ".csn") || strings.HasSuffix(name, ".json")
}

// parseCSN reads CSN as a file of declarations.
func parseCSN(id token.FileID, name, text string) (*ast.File, diag.List) {
	at := token.Span{File: id, Start: 0, End: min(1, int32(len(text)))}
	f := &ast.File{ID: id, Name: name}
	defs, diags := csn.ReadDefinitions([]byte(text))
	for i := range diags {
		diags[i].Span = at
		if diags[i].Hint == "" {
			diags[i].Hint = "Compile the model again, or use its .cds source."
		}
	}
	if diags.HasErrors() {
		return f, diags
	}
	c := &fromCSN{at: at, byName: map[string]*csn.Entity{}}
	for _, d := range defs {
		if e, ok := d.(*csn.Entity); ok {
			c.byName[e.Name] = e
		}
	}
	for _, d := range defs {
		c.definition(f, d)
	}
	return f, diags
}

type fromCSN struct {
	at     token.Span
	byName map[string]*csn.Entity
}

func (c *fromCSN) name(s string) ast.Name {
	return ast.Name{Text: s, Span: c.at, Parts: []ast.Ident{{Text: s, Span: c.at}}}
}

func (c *fromCSN) names(list []string) []*ast.Name {
	var out []*ast.Name
	for _, s := range list {
		n := c.name(s)
		out = append(out, &n)
	}
	return out
}

func (c *fromCSN) head(d *csn.Def) ast.Head {
	return ast.Head{Doc: d.Doc, Annos: c.annos(d.Annotations), Name: c.name(d.Name), Where: c.at}
}

func (c *fromCSN) annos(as csn.Annotations) []*ast.Anno {
	var out []*ast.Anno
	for i := range as {
		if as[i].Name == "cds.autoexposed" {
			continue
		}
		c.place(as[i].Value, 0)
		out = append(out, &ast.Anno{Name: c.name(as[i].Name), Value: as[i].Value, Span: c.at})
	}
	return out
}

// maxNesting bounds recursion; the reader allows less.
const maxNesting = 300

// place gives a value the place of its file.
func (c *fromCSN) place(v *cqn.AnnoValue, depth int) {
	if v == nil || depth > maxNesting {
		return
	}
	v.Span = c.at
	for _, it := range v.Items {
		c.place(it, depth+1)
	}
	for i := range v.Fields {
		v.Fields[i].Span = c.at
		c.place(v.Fields[i].Value, depth+1)
	}
}

func (c *fromCSN) definition(f *ast.File, d csn.Definition) {
	add := func(d ast.Decl) { f.Decls = append(f.Decls, d) }
	switch d := d.(type) {
	case *csn.Service:
		add(&ast.Service{Head: c.head(&d.Def)})
	case *csn.Context:
		add(&ast.Context{Head: c.head(&d.Def)})
	case *csn.Entity:
		if d.Exposure == csn.Exposed && !c.isTexts(d.Name) {
			c.entity(add, d)
		}
	case *csn.Aspect:
		add(&ast.Aspect{Head: c.head(&d.Def), Includes: c.names(d.Includes), Elements: c.elements(d.Elements, 0), Actions: c.actions(d.Actions)})
	case *csn.TypeDef:
		t := &ast.Type{Head: c.head(&d.Def), Type: c.typ(d.Type, 0)}
		t.Default, t.Localized = d.Type.Default(), d.Type.Localized
		add(t)
	case *csn.Event:
		add(&ast.Event{Head: c.head(&d.Def), Type: c.typ(d.Type, 0)})
	case *csn.AnnotationDef:
		add(&ast.Annotation{Head: c.head(&d.Def), Type: c.typ(d.Type, 0)})
	case *csn.Operation:
		add(c.operation(d))
	}
}

// isTexts reports whether an entity holds the translations of another one.
func (c *fromCSN) isTexts(name string) bool {
	owner, ok := strings.CutSuffix(name, ".texts")
	e := c.byName[owner]
	return ok && e != nil && localized(e)
}

func localized(e *csn.Entity) bool {
	for _, el := range e.Elements {
		if el.Localized && !el.Key {
			return true
		}
	}
	return false
}

func (c *fromCSN) entity(add func(ast.Decl), d *csn.Entity) {
	e := &ast.Entity{Head: c.head(&d.Def), Includes: c.names(d.Includes), Params: c.elements(d.Params, 0), Actions: c.actions(d.Actions)}
	if d.Source == nil {
		e.HasBody = true
		for _, el := range d.Elements {
			if a := el.Assoc(); a != nil && localized(d) && a.TargetName == d.Name+".texts" && (el.Name == "texts" || el.Name == "localized") {
				continue
			}
			e.Elements = append(e.Elements, c.element(el, 0))
		}
		add(e)
		return
	}
	e.Includes = nil
	e.Query = c.query(d.Source, 0)
	e.Query.Projection = d.Projection
	for _, col := range e.Query.Columns {
		if el := c.columnElement(d, col); el != nil {
			col.Virtual = el.Virtual
		}
	}
	add(e)
	an := &ast.Annotate{Head: ast.Head{Name: c.name(d.Name), Where: c.at}}
	for _, el := range d.Elements {
		if len(el.Annotations) > 0 {
			an.Elements = append(an.Elements, &ast.Element{Head: c.head(&el.Def), AnnotateOnly: true})
		}
	}
	if len(an.Elements) > 0 {
		add(an)
	}
}

func (c *fromCSN) elements(els csn.Elements, depth int) []*ast.Element {
	var out []*ast.Element
	for _, el := range els {
		out = append(out, c.element(el, depth))
	}
	return out
}

func (c *fromCSN) element(el *csn.Element, depth int) *ast.Element {
	out := &ast.Element{Head: c.head(&el.Def), Key: el.Key, Virtual: el.Virtual, Localized: el.Localized, Masked: el.Masked,
		Default: el.Default(), Value: el.Value(), Stored: el.Stored, Type: c.typ(el, depth)}
	if el.NotNull {
		yes := true
		out.NotNull = &yes
	}
	return out
}

// typ returns the type of an element; nil if there is none, for calculated elements.
func (c *fromCSN) typ(el *csn.Element, depth int) *ast.TypeExpr {
	t := &ast.TypeExpr{Span: c.at}
	if el == nil || depth > maxNesting {
		return nil
	}
	if el.TypeOf() != nil {
		t.Colon, t.TypeOf = len(el.TypeOf().Path) > 1, &cqn.Ref{At: cqn.At{Where: c.at}}
		for _, s := range el.TypeOf().Path {
			t.TypeOf.Path = append(t.TypeOf.Path, cqn.Step{Name: s, Span: c.at})
		}
		return t
	}
	switch x := el.Type.(type) {
	case *csn.Assoc:
		t.Assoc = c.assoc(x, depth)
		return t
	case *csn.Array:
		if el.TypeName == "" {
			t.Array = c.typ(x.Items, depth+1)
			return t
		}
	case *csn.Struct:
		if el.TypeName == "" {
			t.Struct, t.Fields = true, c.elements(x.Elements, depth+1)
			return t
		}
	case *csn.Builtin:
		if strings.HasPrefix(el.TypeName, "cds.") { // else they are those of the named type
			t.Args = args(x)
		}
	}
	if el.TypeName == "" {
		return nil
	}
	n := c.name(el.TypeName)
	t.Name = &n
	for _, s := range el.Enum() {
		sym := &ast.EnumSymbol{Head: c.head(&s.Def)}
		if !s.Value.IsNull() {
			sym.Value = &cqn.Lit{At: cqn.At{Where: c.at}, Value: s.Value}
		}
		t.Enum, t.HasEnum = append(t.Enum, sym), true
	}
	return t
}

// args returns the parameters of a type as they are written behind it.
func args(b *csn.Builtin) []string {
	switch {
	case b.Precision > 0 && b.Variable:
		return []string{strconv.Itoa(b.Precision), "variable"}
	case b.Precision > 0 && b.HasScale:
		return []string{strconv.Itoa(b.Precision), strconv.Itoa(b.Scale)}
	case b.Precision > 0:
		return []string{strconv.Itoa(b.Precision)}
	case b.SRID > 0:
		return []string{strconv.Itoa(b.SRID)}
	case b.Length > 0:
		return []string{strconv.Itoa(b.Length)}
	}
	return nil
}

func (c *fromCSN) assoc(a *csn.Assoc, depth int) *ast.AssocExpr {
	out := &ast.AssocExpr{Composition: a.Composition, Many: a.Many, On: a.On}
	if a.Src != "" || a.Min != "" || a.Max != "" {
		out.Card = &ast.Card{Src: a.Src, Min: a.Min, Max: a.Max, Span: c.at}
	}
	target, aspect := a.TargetName, a.Aspect
	if aspect == nil {
		aspect = &csn.TargetAspect{}
	}
	if target == "" {
		target = aspect.Name
	}
	if target == "" {
		out.HasInline, out.Inline = true, c.elements(aspect.Elements, depth+1)
		return out
	}
	n := c.name(target)
	out.Target = &n
	for _, k := range a.Keys {
		fk := ast.FKey{Path: cqn.NewRef(k.Ref...)}
		if k.As != "" {
			fk.As = &ast.Ident{Text: k.As, Span: c.at}
		}
		out.Keys, out.HasKeys = append(out.Keys, fk), true
	}
	return out
}

func (c *fromCSN) actions(list []*csn.Operation) []*ast.Operation {
	var out []*ast.Operation
	for _, o := range list {
		out = append(out, c.operation(o))
	}
	return out
}

func (c *fromCSN) operation(o *csn.Operation) *ast.Operation {
	out := &ast.Operation{Head: c.head(&o.Def), Function: o.Function}
	if o.Binding != "" {
		self := c.name("$self")
		t := &ast.TypeExpr{Span: c.at, Name: &self}
		if o.Collection {
			t = &ast.TypeExpr{Span: c.at, Array: t}
		}
		out.Params = append(out.Params, &ast.Element{Head: ast.Head{Name: c.name(o.Binding), Where: c.at}, Type: t})
	}
	out.Params = append(out.Params, c.elements(o.Params, 0)...)
	if o.Returns != nil {
		out.Returns, out.ReturnsAnnos = c.typ(o.Returns, 0), c.annos(o.Returns.Annotations)
	}
	return out
}

func (c *fromCSN) query(q cqn.Query, depth int) *ast.Query {
	out := &ast.Query{Span: c.at}
	if depth > maxNesting {
		return out
	}
	switch q := q.(type) {
	case *cqn.SetOp:
		out.SetOp, out.All, out.OrderBy, out.Limit, out.Offset = q.Op, q.All, q.OrderBy, q.Limit, q.Offset
		for _, a := range q.Args {
			out.Args = append(out.Args, c.query(a, depth+1))
		}
	case *cqn.Select:
		out.From, out.Where, out.GroupBy, out.Having, out.OrderBy = q.From, q.Where, q.GroupBy, q.Having, q.OrderBy
		out.Limit, out.Offset, out.Distinct = q.Limit, q.Offset, q.Distinct
		out.Columns, out.HasColumns = c.columns(q.Columns, depth+1), len(q.Columns) > 0
		out.Excluding = c.idents(q.Exclude)
		out.Mixin = c.mixins(q.Mixins)
	}
	return out
}

func (c *fromCSN) mixins(list []cqn.Mixin) []*ast.Element {
	var out []*ast.Element
	for i := range list {
		m := &list[i]
		a := &csn.Assoc{TargetName: m.Target, Composition: m.Composition, Src: m.Src, Min: m.Min, Max: m.Max, On: m.On, Many: m.Max != "" && m.Max != "1"}
		out = append(out, &ast.Element{Head: c.head(&csn.Def{Name: m.Name}), Type: &ast.TypeExpr{Span: c.at, Assoc: c.assoc(a, 0)}})
	}
	return out
}

// columnElement returns the element that a column with an alias makes.
func (c *fromCSN) columnElement(d *csn.Entity, col *ast.Column) *csn.Element {
	if col.As == nil {
		return nil
	}
	return d.Elements.Lookup(col.As.Text)
}

func (c *fromCSN) idents(list []string) []ast.Ident {
	var out []ast.Ident
	for _, s := range list {
		out = append(out, ast.Ident{Text: s, Span: c.at})
	}
	return out
}

func (c *fromCSN) columns(cols []cqn.Column, depth int) []*ast.Column {
	if depth > maxNesting {
		return nil
	}
	var out []*ast.Column
	for i := range cols {
		x := &cols[i]
		col := &ast.Column{Star: x.Star, X: x.X, Key: x.Key, Span: c.at}
		if x.As != "" {
			col.As = &ast.Ident{Text: x.As, Span: c.at}
		}
		if x.Cast != nil {
			n := c.name(x.Cast.Name)
			col.Type = &ast.TypeExpr{Span: c.at, Name: &n,
				Args: args(&csn.Builtin{Length: x.Cast.Length, Precision: x.Cast.Precision, Scale: x.Cast.Scale, HasScale: x.Cast.Scale > 0})}
		}
		if x.Expand != nil {
			col.HasExpand, col.Expand, col.Excluding = true, c.columns(x.Expand.Columns, depth+1), c.idents(x.Expand.Exclude)
		}
		if x.Inline != nil {
			col.HasInline, col.Inline, col.Excluding = true, c.columns(x.Inline, depth+1), c.idents(x.Exclude)
		}
		out = append(out, col)
	}
	return out
}
