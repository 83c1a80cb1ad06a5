package csn

import (
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/diag"
	"cds/parser/token"
)

// Read makes a model of CSN JSON in the inferred flavour: entities have their elements, queries are linked, conditions are token lists.
// Conditions in strings (`where` without a `_where` token list beside it) stay strings: nobody here parses CDL.
//
// Diagnostics tell line and column in the JSON within their text, since it is no file of the model. The model is nil if there is an error.
func Read(data []byte) (*Model, diag.List) {
	r := &csnReader{}
	root := r.document(data)
	if root == nil {
		return nil, r.diags
	}
	defs := r.definitions(root)
	if !r.diags.HasErrors() {
		r.resolveTypes(defs)
	}
	if r.diags.HasErrors() {
		return nil, r.diags
	}
	m, diags := Freeze(defs, nil, root.get("namespace").str())
	if r.diags = append(r.diags, diags...); r.diags.HasErrors() {
		return nil, r.diags
	}
	if o := root.get("meta").get("options"); o != nil && o.has("defaultStringLength") {
		m.SetStringLength(r.int(o.get("defaultStringLength"), "defaultStringLength"))
		if r.diags.HasErrors() {
			return nil, r.diags
		}
	}
	return m, r.diags
}

// ReadDefinitions reads the definitions of CSN JSON as they stand there: types are not resolved, nothing is computed. It is for who links them.
func ReadDefinitions(data []byte) ([]Definition, diag.List) {
	r := &csnReader{}
	root := r.document(data)
	if root == nil {
		return nil, r.diags
	}
	return r.definitions(root), r.diags
}

// document parses the JSON; nil after a fault.
func (r *csnReader) document(data []byte) *node {
	if len(data) > maxJSON {
		r.diags.Errorf(codeTooLarge, token.Span{}, "the CSN has %d bytes, at most %d are read", len(data), maxJSON)
		return nil
	}
	r.text = string(data)
	root, err := parseJSON(r.text)
	if err == nil {
		return root
	}
	code := codeJSON
	if err.tooDeep {
		code = codeTooDeep
	}
	line, col := lineCol(r.text, err.off)
	r.diags.Errorf(code, token.Span{}, "CSN, line %d, column %d: %s", line, col, err.msg)
	return nil
}

type csnReader struct {
	text  string
	diags diag.List
	home  string
	byDef map[string]Definition
	depth int
}

// maxDiags bounds the findings in one document.
const maxDiags = 50

func (r *csnReader) bad(code diag.Code, n *node, format string, args ...any) {
	if len(r.diags) >= maxDiags {
		return
	}
	d := r.diags.Errorf(code, token.Span{}, format, args...)
	d.Home = r.home
	if n != nil {
		line, col := lineCol(r.text, n.off)
		d.Message = "CSN, line " + strconv.Itoa(line) + ", column " + strconv.Itoa(col) + ": " + d.Message
	}
}

// want reports whether n has the kind; if it is present with another one, that is an error.
func (r *csnReader) want(n *node, kind byte, what string) bool {
	if n == nil {
		return false
	}
	if n.kind != kind {
		names := map[byte]string{'o': "an object", 'a': "an array", 's': "a string", 'n': "a number"}
		r.bad(codeShape, n, "%s must be %s, not %s", what, names[kind], n.what())
		return false
	}
	return true
}

func (r *csnReader) string(n *node, what string) string {
	if !r.want(n, 's', what) {
		return ""
	}
	return n.text
}

// bool reads a flag; null counts as false, as CSN uses it to end an inherited flag.
func (r *csnReader) bool(n *node, what string) bool {
	if n == nil || n.kind == 'z' || n.kind == 'f' {
		return false
	}
	if n.kind != 't' {
		r.bad(codeShape, n, "%s must be a boolean, not %s", what, n.what())
	}
	return n.kind == 't'
}

func (r *csnReader) int(n *node, what string) int {
	if !r.want(n, 'n', what) {
		return 0
	}
	v, err := strconv.Atoi(n.text)
	if err != nil || v < 0 || v > 1<<31-1 {
		r.bad(codeShape, n, "%s must be a small whole number, not %s", what, n.text)
		return 0
	}
	return v
}

func (r *csnReader) strings(n *node, what string) []string {
	if !r.want(n, 'a', what) {
		return nil
	}
	var out []string
	for _, x := range n.items {
		out = append(out, r.string(x, what))
	}
	return out
}

func (r *csnReader) definitions(root *node) []Definition {
	if root.kind != 'o' || !root.has("definitions") {
		r.bad(codeShape, root, "CSN must be an object with definitions")
		return nil
	}
	defs := root.get("definitions")
	if !r.want(defs, 'o', "definitions") {
		return nil
	}
	out := make([]Definition, 0, len(defs.items))
	r.byDef = make(map[string]Definition, len(defs.items))
	for i, n := range defs.items {
		name := defs.keys[i]
		r.home = name
		if name == "" || !r.want(n, 'o', "a definition") {
			r.bad(codeShape, n, "a definition needs a name and an object")
			continue
		}
		if d := r.definition(name, n); d != nil {
			out = append(out, d)
			r.byDef[name] = d
		}
	}
	r.home = ""
	return out
}

func (r *csnReader) definition(name string, n *node) Definition {
	def := r.def(name, n)
	switch kind := r.string(n.get("kind"), "kind"); kind {
	case "service":
		s := &Service{Def: def}
		s.Source = s.Annotations.Str("source")
		s.Annotations = without(s.Annotations, "source")
		return s
	case "context", "namespace":
		return &Context{Def: def}
	case "entity":
		return r.entity(def, n)
	case "aspect":
		a := &Aspect{Def: def, Includes: r.strings(n.get("includes"), "includes"), Elements: r.elements(n.get("elements"))}
		a.Actions = r.actions(n.get("actions"))
		return a
	case "type":
		return &TypeDef{Def: def, Includes: r.strings(n.get("includes"), "includes"), Type: r.element("", n)}
	case "annotation":
		return &AnnotationDef{Def: def, Type: r.element("", n)}
	case "event":
		return &Event{Def: def, Includes: r.strings(n.get("includes"), "includes"), Type: r.element("", n)}
	case "action", "function":
		return r.operation(def, n)
	default:
		r.bad(codeShape, n, "unknown kind %q", kind)
	}
	return nil
}

func without(as Annotations, name string) Annotations {
	for i := range as {
		if as[i].Name == name {
			return append(as[:i:i], as[i+1:]...)
		}
	}
	return as
}

func (r *csnReader) def(name string, n *node) Def {
	d := Def{Name: name, Doc: docOf(n), Annotations: r.annotations(n)}
	return d
}

func docOf(n *node) string { return n.get("doc").str() }

func (r *csnReader) entity(def Def, n *node) *Entity {
	e := &Entity{Def: def, Includes: r.strings(n.get("includes"), "includes")}
	e.Params = r.elements(n.get("params"))
	e.Elements = r.elements(n.get("elements"))
	e.Actions = r.actions(n.get("actions"))
	switch {
	case n.has("projection"):
		e.Projection = true
		e.Source = r.selectBody(n.get("projection"))
	case n.has("query"):
		e.Source = r.query(n.get("query"))
	}
	if e.Annotations.Is("cds.autoexposed") {
		e.Exposure = AutoExposed
		if e.Annotations.Is("cds.autoexpose") {
			e.Exposure = AutoExposedRead
		}
	}
	return e
}

func (r *csnReader) actions(n *node) []*Operation {
	if !r.want(n, 'o', "actions") {
		return nil
	}
	var out []*Operation
	for i, a := range n.items {
		if r.want(a, 'o', "an action") {
			out = append(out, r.operation(r.def(n.keys[i], a), a))
		}
	}
	return out
}

func (r *csnReader) operation(def Def, n *node) *Operation {
	o := &Operation{Def: def}
	switch kind := n.get("kind").str(); kind {
	case "function":
		o.Function = true
	case "action":
	default:
		r.bad(codeShape, n, "the kind of an operation must be action or function, not %q", kind)
	}
	for i, p := range r.elements(n.get("params")) {
		self := p.TypeName == "$self"
		if a, ok := p.Type.(*Array); ok && a.Items != nil && a.Items.TypeName == "$self" {
			self, o.Collection = true, true
		}
		if self && i == 0 {
			o.Binding = p.Name
			continue
		}
		o.Params = append(o.Params, p)
	}
	if ret := n.get("returns"); r.want(ret, 'o', "returns") {
		o.Returns = r.element("", ret)
		o.Returns.Annotations = r.annotations(ret)
	}
	return o
}

func (r *csnReader) elements(n *node) Elements {
	if !r.want(n, 'o', "elements and params") {
		return nil
	}
	if r.depth++; r.depth > maxDepth {
		r.depth--
		r.bad(codeTooDeep, n, "elements are nested more than %d levels deep", maxDepth)
		return nil
	}
	defer func() { r.depth-- }()
	out := make(Elements, 0, len(n.items))
	for i, x := range n.items {
		if n.keys[i] == "" || x.kind != 'o' {
			r.bad(codeShape, x, "an element needs a name and an object")
			continue
		}
		out = append(out, r.element(n.keys[i], x))
	}
	return out
}

// element reads an element, parameter, type or result. Its Type is set as far as it does not hang on other definitions.
func (r *csnReader) element(name string, n *node) *Element {
	el := &Element{
		Key:       r.bool(n.get("key"), "key"),
		NotNull:   r.bool(n.get("notNull"), "notNull"),
		Virtual:   r.bool(n.get("virtual"), "virtual"),
		Localized: r.bool(n.get("localized"), "localized"),
		Masked:    r.bool(n.get("masked"), "masked"),
	}
	if name != "" {
		el.Def = r.def(name, n)
	}
	if d := n.get("default"); d != nil {
		el.SetDefault(r.operand(d))
	}
	if v := n.get("value"); r.want(v, 'o', "value") {
		el.SetValue(r.operand(v))
		el.Stored = r.bool(v.get("stored"), "stored")
	}
	r.typeOf(el, n)
	el.SetEnum(r.enum(n.get("enum")))
	return el
}

// typeOf reads the properties that make a type.
func (r *csnReader) typeOf(el *Element, n *node) {
	if t := n.get("type"); t != nil {
		switch {
		case t.kind == 's':
			el.TypeName = t.text
		case t.kind == 'o' && t.has("ref"):
			if ref := r.strings(t.get("ref"), "a type's ref"); len(ref) > 0 {
				el.SetTypeOf(&TypeRef{ref})
			}
		default:
			r.bad(codeShape, t, "a type must be a name or a ref")
		}
	}
	switch {
	case n.has("target") || el.TypeName == "cds.Association" || el.TypeName == "cds.Composition":
		el.Type = r.assoc(el, n)
	case n.has("elements"):
		el.Type = &Struct{r.elements(n.get("elements"))}
	case n.has("items"):
		if items := n.get("items"); r.want(items, 'o', "items") {
			if r.depth++; r.depth <= maxDepth {
				el.Type = &Array{r.element("", items)}
			} else {
				r.bad(codeTooDeep, n, "types are nested more than %d levels deep", maxDepth)
			}
			r.depth--
		}
	default:
		b := &Builtin{Name: el.TypeName}
		r.facets(b, n)
		el.Type = b // resolveTypes puts the right one in place
	}
}

// facets reads length, precision, scale and srid.
func (r *csnReader) facets(b *Builtin, n *node) {
	if x := n.get("length"); x != nil {
		b.Length = r.int(x, "length")
	}
	if x := n.get("precision"); x != nil {
		b.Precision = r.int(x, "precision")
	}
	if x := n.get("srid"); x != nil {
		b.SRID = r.int(x, "srid")
	}
	switch x := n.get("scale"); {
	case x == nil:
	case x.kind == 's':
		b.Variable = true
	default:
		b.Scale, b.HasScale = r.int(x, "scale"), true
	}
}

func (r *csnReader) assoc(el *Element, n *node) *Assoc {
	a := &Assoc{TargetName: r.string(n.get("target"), "target"), Composition: el.TypeName == "cds.Composition"}
	switch t := n.get("targetAspect"); {
	case t != nil && t.kind == 's':
		a.Aspect = &TargetAspect{Name: t.text}
	case t != nil && t.kind == 'o':
		a.Aspect = &TargetAspect{Elements: r.elements(t.get("elements"))}
	}
	if c := n.get("cardinality"); r.want(c, 'o', "cardinality") {
		a.Min, a.Max, a.Src = cardinality(c.get("min")), cardinality(c.get("max")), cardinality(c.get("src"))
	}
	a.Many = a.Max != "" && a.Max != "1" && a.Max != "0"
	a.NotNull = el.NotNull
	if on := n.get("on"); on != nil {
		a.On = r.condition(on)
	}
	if keys := n.get("keys"); r.want(keys, 'a', "keys") {
		for _, k := range keys.items {
			a.Keys = append(a.Keys, ForeignKey{r.strings(k.get("ref"), "a key's ref"), k.get("as").str()})
		}
	}
	return a
}

func cardinality(n *node) string {
	if n == nil || n.kind != 's' && n.kind != 'n' {
		return ""
	}
	return n.text
}

func (r *csnReader) enum(n *node) []EnumSymbol {
	if !r.want(n, 'o', "enum") {
		return nil
	}
	var out []EnumSymbol
	for i, x := range n.items {
		s := EnumSymbol{Def: r.def(n.keys[i], x)}
		if v := x.get("val"); v != nil {
			s.Value = r.value(v, "")
		}
		out = append(out, s)
	}
	return out
}

// annotations reads the properties that begin with '@'. A token list beside a condition in a string (@restrict._where beside @restrict.where)
// becomes its Expr.
func (r *csnReader) annotations(n *node) Annotations {
	var out Annotations
	for i, k := range n.keys {
		name, ok := strings.CutPrefix(k, "@")
		if !ok || name == "" || shadow(name) {
			continue
		}
		v := r.anno(n.items[i], 0)
		if v.Kind == cqn.AnnoString {
			v.Expr = r.tokens(n.get("@" + shadowOf(name)))
		}
		out = append(out, cqn.AnnoField{Name: name, Value: v})
	}
	return out
}

// shadowOf returns the name under which the token list of a condition in a string stands beside it: restrict.where → restrict._where.
func shadowOf(name string) string {
	i := strings.LastIndexByte(name, '.')
	return name[:i+1] + "_" + name[i+1:]
}

// shadow reports whether name is that of a token list.
func shadow(name string) bool {
	return name[strings.LastIndexByte(name, '.')+1:] == "_where"
}

// tokens reads a condition that is given as a token list, or as JSON text of one.
func (r *csnReader) tokens(n *node) cqn.Expr {
	switch {
	case n == nil:
		return nil
	case n.kind == 'a':
		return r.condition(n)
	case n.kind != 's':
		r.bad(codeExpr, n, "a condition must be a list of tokens, not %s", n.what())
		return nil
	}
	list, err := parseJSON(n.text)
	if err != nil || list.kind != 'a' {
		r.bad(codeExpr, n, "a condition must be a JSON list of tokens")
		return nil
	}
	setOffset(list, n.off)
	return r.condition(list)
}

func setOffset(n *node, off int) {
	n.off = off
	for _, x := range n.items {
		setOffset(x, off)
	}
}

func (r *csnReader) anno(n *node, depth int) *cqn.AnnoValue {
	v := &cqn.AnnoValue{}
	if depth > maxDepth {
		r.bad(codeTooDeep, n, "an annotation is nested more than %d levels deep", maxDepth)
		return v
	}
	switch n.kind {
	case 'z':
		v.Kind = cqn.AnnoNull
	case 't', 'f':
		v.Kind, v.Bool = cqn.AnnoBool, n.kind == 't'
	case 'n':
		v.Kind, v.Text = cqn.AnnoNumber, n.text
	case 's':
		v.Kind, v.Text = cqn.AnnoString, n.text
	case 'a':
		v.Kind = cqn.AnnoArray
		for _, x := range n.items {
			v.Items = append(v.Items, r.anno(x, depth+1))
		}
	case 'o':
		r.annoObject(v, n, depth)
	}
	return v
}

func (r *csnReader) annoObject(v *cqn.AnnoValue, n *node, depth int) {
	eq := n.get("=")
	switch {
	case eq.str() != "" && len(n.keys) == 1:
		v.Kind, v.Text = cqn.AnnoRef, eq.text
	case n.get("#").str() != "" && (len(n.keys) == 1 || len(n.keys) == 2 && n.has("val")):
		v.Kind, v.Text = cqn.AnnoSymbol, n.get("#").text
	case eq != nil && eq.kind == 's' && len(n.keys) > 1, len(n.keys) == 1 && n.get("xpr") != nil && n.get("xpr").kind == 'a':
		v.Kind, v.Text = cqn.AnnoExpr, eq.str()
		v.Expr = r.operand(n)
	default:
		v.Kind = cqn.AnnoStruct
		for i, k := range n.keys {
			if k == "_where" && n.has("where") {
				continue
			}
			f := r.anno(n.items[i], depth+1)
			if k == "where" && f.Kind == cqn.AnnoString {
				f.Expr = r.tokens(n.get("_where"))
			}
			v.Fields = append(v.Fields, cqn.AnnoField{Name: k, Value: f})
		}
	}
}
