package golang

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"cds/parser/csn"
	"cds/parser/diag"
)

// A serviceView is what templates of one package need: every name is chosen, every type is spelled.
type serviceView struct {
	*generator
	svc      *csn.Service
	pkg      string
	names    *scope
	entities []*entityView
	byEntity map[*csn.Entity]*entityView
	structs  []*structView
	byType   map[string]*structView
	enums    []*enumView
	byEnum   map[string]*enumView
	ops      []*opView
	events   []*eventView
	aspects  []*aspectView
	needs    map[string]bool // imports of types.gen.go and refs.gen.go: time
}

type entityView struct {
	e              *csn.Entity
	ref, row       string
	fields         []*fieldView
	ops            []*opView
	media          []*fieldView // LargeBinary elements: references, no fields
	names          *scope
	rowOnly        bool // an entity of another service or none: only its rows have a type here
	isToOneTarget  bool
	cols, pathType string // names of the unexported column types
}

// A fieldView is one field of a generated struct.
type fieldView struct {
	cds, name string // the flat CDS name, and the Go name
	typ       string // of the field
	col       string // type of the column's values; "" for no column
	toOne     *entityView
	toMany    *entityView
	visit     string // function that visits it in CDSFields
	tag       string // option of the JSON tag: omitzero or omitempty
	doc       string
	sensitive bool
}

type structView struct {
	name, doc string
	fields    []*fieldView
	names     *scope
}

type enumView struct {
	name, doc, base string // base is the Go type
	symbols         []symbolView
}

type symbolView struct{ name, value, doc string }

type opView struct {
	op        *csn.Operation
	name      string // of the reference
	method    string // in Required
	params    string // Go type
	result    string // Go type
	returns   string // constructor of cds.Returns
	doc       string
	rowEntity *entityView
}

// An eventView is an event with the struct of its payload.
type eventView struct {
	ev            *csn.Event
	name, payload string
}

// packageNames are what every generated package declares itself.
var packageNames = []string{"Before", "On", "After", "BeforeAny", "BeforeRead", "From", "InsertInto", "UpsertInto", "Modify", "DeleteFrom",
	"Create", "Update", "Delete", "Read", "Subscribe", "Serve", "Required", "Service", "Entity", "Handler", "Policy", "Name"}

// memberNames are what a row struct or a reference has beside the elements.
var memberNames = []string{"CDSFields", "LogValue", "Ext", "Entity", "Ref", "EntityName", "Key", "ToOne", "With", "Exists"}

func newServiceView(g *generator, s *csn.Service, pkg string) *serviceView {
	v := &serviceView{generator: g, svc: s, pkg: pkg, byEntity: map[*csn.Entity]*entityView{},
		byType: map[string]*structView{}, byEnum: map[string]*enumView{}, needs: map[string]bool{}}
	v.names = newScope(g.diags, "package "+pkg, packageNames...)
	for _, e := range s.Entities {
		v.addEntity(e, false)
	}
	for _, e := range slices.Clone(v.entities) {
		v.fillEntity(e)
	}
	for _, op := range s.Ops {
		v.ops = append(v.ops, v.operation(op, nil))
	}
	for _, e := range slices.Clone(v.entities) {
		if e.rowOnly {
			continue
		}
		for _, op := range e.e.Actions {
			e.ops = append(e.ops, v.operation(op, e))
		}
	}
	for _, ev := range s.Events {
		v.event(ev)
	}
	v.findAspects()
	return v
}

func (v *serviceView) unsupported(d *csn.Def, what string) {
	v.diags.Add(diag.Info, codeUnsupported, d.Span, "%s", what)
}

func home(kind string, d *csn.Def) string { return kind + " " + d.Name }

// addEntity chooses the names of an entity. An entity of the service gets a reference and a row type, any other one only the latter.
func (v *serviceView) addEntity(e *csn.Entity, rowOnly bool) *entityView {
	if ev := v.byEntity[e]; ev != nil {
		return ev
	}
	ev := &entityView{e: e, rowOnly: rowOnly}
	ref, row := entityNames(e)
	if !rowOnly {
		ev.ref = v.names.take(ref, home("entity", &e.Def), e.Span)
	}
	ev.row = v.names.take(row, home("the rows of entity", &e.Def), e.Span)
	low := lowerFirst(ev.row)
	ev.cols, ev.pathType = low+"Cols", low+"Path"
	ev.names = newScope(v.diags, "type "+ev.row, memberNames...)
	v.byEntity[e] = ev
	v.entities = append(v.entities, ev)
	return ev
}

// fillEntity makes the fields of an entity's rows from its flat elements; those below a structure go to the structure's type.
func (v *serviceView) fillEntity(ev *entityView) {
	for i := 0; i < len(ev.e.Flat); {
		el := ev.e.Flat[i]
		if depth := structDepth(el); depth > 0 {
			n := 1
			for i+n < len(ev.e.Flat) && below(ev.e.Flat[i+n], el.Path()[0]) {
				n++
			}
			v.structField(ev, el.Path()[0], ev.e.Flat[i:i+n])
			i += n
			continue
		}
		if f := v.field(ev.names, ev.row, el, el.Name); f != nil {
			ev.fields = append(ev.fields, f)
		} else if t := el.Scalar(); t != nil && t.Kind == csn.LargeBinary && !ev.rowOnly {
			ev.media = append(ev.media, &fieldView{cds: el.Name, name: ev.names.take(memberName(el), home("element", &el.Def), el.Span)})
		}
		i++
	}
}

// docOf returns the doc comment of an element, if need be that of the element it was projected from.
func docOf(el *csn.Element) string {
	for ; el != nil; el = el.Origin {
		if el.Doc != "" {
			return el.Doc
		}
	}
	return ""
}

// structDepth is the number of structures around a flat element.
func structDepth(el *csn.Element) int {
	if el.ForeignKey != nil {
		el = el.ForeignKey
	}
	return len(el.Path()) - 1
}

func below(el *csn.Element, first string) bool {
	return structDepth(el) > 0 && el.Path()[0] == first
}

// structField adds the field for a structured element. Its columns are flat: Books.AddressCity.
func (v *serviceView) structField(ev *entityView, name string, flat []*csn.Element) {
	el := ev.e.Elements.Lookup(name)
	if el == nil {
		return
	}
	st, _ := el.Type.(*csn.Struct)
	if st == nil {
		return
	}
	sv := v.structType(el, ev.row, st)
	f := &fieldView{cds: name, name: ev.names.take(memberName(el), home("element", &el.Def), el.Span), typ: sv.name, visit: "cds.Struct", tag: "omitzero", doc: docOf(el)}
	ev.fields = append(ev.fields, f)
	for _, leaf := range flat {
		c := v.field(nil, ev.row, leaf, leaf.Name)
		if c == nil || c.col == "" {
			continue
		}
		c.name = ev.names.take(goName(leaf.Name), home("element", &leaf.Def), leaf.Span)
		c.typ = "" // a column without a field of its own
		ev.fields = append(ev.fields, c)
	}
}

// memberName is the Go name of an element, which @go.name may choose.
func memberName(el *csn.Element) string {
	if n := el.Annotations.Str("go.name"); n != "" && el.ForeignKey == nil {
		return goName(n)
	}
	return goName(el.Name)
}

// field makes the field for one element; nil for what has none (media data). names is nil if the name is chosen elsewhere.
func (v *serviceView) field(names *scope, owner string, el *csn.Element, cdsName string) *fieldView {
	f := &fieldView{cds: cdsName, doc: docOf(el), tag: "omitzero", sensitive: sensitive(el)}
	switch t := el.Type.(type) {
	case *csn.Builtin:
		typ := v.scalar(owner, el, t)
		if typ == "" {
			return nil
		}
		f.typ, f.col, f.visit = "cds.Opt["+typ+"]", typ, "cds.Field"
		if t.Kind == csn.DateTime {
			f.visit = "cds.DateTime"
		}
	case *csn.Array:
		if !v.array(f, owner, el, t) {
			return nil
		}
	case *csn.Assoc:
		target := v.byEntity[t.Target]
		if t.Target == nil || target == nil || target.rowOnly {
			return nil // leads out of the service: the foreign keys remain
		}
		if t.Many {
			f.typ, f.visit, f.toMany = "cds.Many["+target.row+"]", "cds.Rows", target
		} else {
			f.typ, f.visit, f.toOne, f.tag = "*"+target.row, "cds.One", target, "omitempty"
			target.isToOneTarget = true
		}
	case *csn.Struct:
		sv := v.structType(el, owner, t)
		f.typ, f.visit, f.tag = "*"+sv.name, "cds.One", "omitempty"
	default:
		v.unsupported(&el.Def, fmt.Sprintf("element %s has a type without a form in Go", el.Name))
		return nil
	}
	if names != nil {
		f.name = names.take(memberName(el), home("element", &el.Def), el.Span)
	}
	return f
}

func (v *serviceView) array(f *fieldView, owner string, el *csn.Element, t *csn.Array) bool {
	if t.Items == nil {
		return false
	}
	switch it := t.Items.Type.(type) {
	case *csn.Builtin:
		item := *t.Items
		item.Name = el.Name
		typ := v.scalar(owner, &item, it)
		if typ == "" {
			return false
		}
		f.typ, f.visit = "cds.Opt[[]"+typ+"]", "cds.Items"
		return true
	case *csn.Struct:
		item := *t.Items
		item.Name = el.Name
		f.typ, f.visit = "cds.Many["+v.structType(&item, owner, it).name+"]", "cds.Rows"
		return true
	}
	v.unsupported(&el.Def, fmt.Sprintf("the array %s has items without a form in Go", el.Name))
	return false
}

// scalar returns the Go type of a scalar element, "" for none.
func (v *serviceView) scalar(owner string, el *csn.Element, t *csn.Builtin) string {
	if len(el.Enum()) > 0 {
		if typ := v.enum(owner, el, t); typ != "" {
			return typ
		}
	}
	switch t.Kind {
	case csn.LargeBinary, csn.NoScalar:
		return ""
	case csn.DateTime, csn.Timestamp:
		v.needs["time"] = true
	}
	return scalarTypes[t.Kind]
}

var scalarTypes = map[csn.Scalar]string{
	csn.UUID: "cds.UUID", csn.Boolean: "bool", csn.Integer: "int32", csn.UInt8: "uint8", csn.Int16: "int16", csn.Int32: "int32", csn.Int64: "int64",
	csn.Decimal: "cds.Decimal", csn.Double: "float64", csn.Date: "cds.Date", csn.Time: "cds.TimeOfDay", csn.DateTime: "time.Time",
	csn.Timestamp: "time.Time", csn.String: "string", csn.LargeString: "string", csn.Binary: "[]byte", csn.Vector: "[]float32", csn.Map: "map[string]any",
}

// enum returns the Go type of an enum of strings or whole numbers; "" for others, which stay plain.
func (v *serviceView) enum(owner string, el *csn.Element, t *csn.Builtin) string {
	base := ""
	switch t.Kind {
	case csn.String, csn.LargeString:
		base = "string"
	case csn.Integer, csn.Int32:
		base = "int32"
	case csn.Int16:
		base = "int16"
	case csn.UInt8:
		base = "uint8"
	default:
		return ""
	}
	key, name := v.typeKey(owner, el)
	if ev := v.byEnum[key]; ev != nil {
		return ev.name
	}
	ev := &enumView{base: base, doc: "The values of " + key + "."}
	v.byEnum[key] = ev
	ev.name = v.names.take(name, "type "+key, el.Span)
	v.enums = append(v.enums, ev)
	for i := range el.Enum() {
		sym := &el.Enum()[i]
		value := strconv.Quote(sym.Val().Str())
		if base != "string" {
			value = sym.Val().Format()
			if _, err := strconv.ParseInt(value, 10, 32); err != nil {
				v.diags.Add(diag.Warning, codeUnsupported, sym.Span, "the enum symbol %s of %s is no whole number; it gets no constant", sym.Name, key)
				continue
			}
		}
		ev.symbols = append(ev.symbols, symbolView{v.names.take(ev.name+goName(sym.Name), "symbol "+sym.Name+" of "+key, sym.Span), value, sym.Doc})
	}
	return ev.name
}

// typeKey identifies the type of an element and suggests a Go name: that of its named type, or of the place where it is written.
func (v *serviceView) typeKey(owner string, el *csn.Element) (key, name string) {
	if d, ok := v.model.Lookup(el.TypeName).(*csn.TypeDef); ok && el.TypeName != "" {
		if n := d.Annotations.Str("go.name"); n != "" {
			return d.Name, goName(n)
		}
		return d.Name, goName(el.TypeName[strings.LastIndexByte(el.TypeName, '.')+1:])
	}
	if el.Name == "" { // the result of an operation
		return owner, owner
	}
	return owner + "." + el.Name, owner + goName(el.Name)
}

// structType returns the Go struct for a structured type.
func (v *serviceView) structType(el *csn.Element, owner string, t *csn.Struct) *structView {
	key, name := v.typeKey(owner, el)
	if sv := v.byType[key]; sv != nil {
		return sv
	}
	sv := &structView{doc: "is the structured type " + key + "."}
	v.byType[key] = sv
	sv.name = v.names.take(name, "type "+key, el.Span)
	v.structs = append(v.structs, sv)
	sv.names = newScope(v.diags, "type "+sv.name, memberNames...)
	v.members(sv, t.Elements, false)
	return sv
}

// members fills a struct that is no entity's row. plain makes what is not null a plain value.
func (v *serviceView) members(sv *structView, els csn.Elements, plain bool) {
	for _, el := range els {
		if el.Assoc() != nil {
			v.unsupported(&el.Def, fmt.Sprintf("the association %s in a type has no form in Go", el.Name))
			continue
		}
		if e := v.model.Entity(el.TypeName); e != nil && el.TypeName != "" {
			target := v.rowsOf(e)
			sv.fields = append(sv.fields, &fieldView{cds: el.Name, typ: "*" + target.row, visit: "cds.One", tag: "omitempty", doc: el.Doc,
				name: sv.names.take(memberName(el), home("element", &el.Def), el.Span)})
			continue
		}
		f := v.field(sv.names, sv.name, el, el.Name)
		if f == nil {
			continue
		}
		if plain && f.visit == "cds.Field" && (el.NotNull || el.Annotations.Is("mandatory")) {
			f.typ, f.visit, f.tag = f.col, "cds.Plain", ""
		}
		sv.fields = append(sv.fields, f)
	}
}

// rowsOf returns the view of an entity, also of one outside the service: then it has only a row type.
func (v *serviceView) rowsOf(e *csn.Entity) *entityView {
	if ev := v.byEntity[e]; ev != nil {
		return ev
	}
	ev := v.addEntity(e, true)
	v.fillEntity(ev)
	return ev
}

// operation makes the types of an operation. e is nil for unbound ones.
func (v *serviceView) operation(op *csn.Operation, e *entityView) *opView {
	name := goName(op.LocalName())
	if n := op.Annotations.Str("go.name"); n != "" {
		name = goName(n)
	}
	o := &opView{op: op, doc: op.Doc, rowEntity: e, params: "cds.None", result: "cds.None", returns: "cds.ReturnsNone()"}
	if e == nil {
		o.name = v.names.take(name, home("operation", &op.Def), op.Span)
		o.method = o.name
	} else {
		o.name = e.names.take(name, home("operation", &op.Def)+" of "+e.e.Name, op.Span)
		o.method = e.ref + name
	}
	if len(op.Params) > 0 {
		sv := &structView{doc: "has the parameters of " + op.Name + "."}
		sv.name = v.names.take(o.method+"Params", "the parameters of "+op.Name, op.Span)
		v.structs = append(v.structs, sv)
		sv.names = newScope(v.diags, "type "+sv.name, memberNames...)
		v.members(sv, op.Params, true)
		o.params = sv.name
	}
	if op.Returns != nil {
		v.returned(o, op.Returns)
	}
	return o
}

// event makes the types of an event: a reference, and the struct of its payload.
func (v *serviceView) event(ev *csn.Event) {
	local := ev.Name
	if v.svc.Name != "" {
		local = strings.TrimPrefix(ev.Name, v.svc.Name+".")
	}
	name := goName(local)
	if n := ev.Annotations.Str("go.name"); n != "" {
		name = goName(n)
	}
	sv := &structView{doc: "is the payload of event " + ev.Name + ".\n" + ev.Doc}
	out := &eventView{ev: ev, name: v.names.take(name, home("event", &ev.Def), ev.Span)}
	sv.name = v.names.take(name+"Event", "the payload of event "+ev.Name, ev.Span)
	out.payload = sv.name
	sv.names = newScope(v.diags, "type "+sv.name, memberNames...)
	if ev.Type != nil {
		if st, ok := ev.Type.Type.(*csn.Struct); ok {
			v.members(sv, st.Elements, false)
		}
	}
	v.structs = append(v.structs, sv)
	v.events = append(v.events, out)
}

func (v *serviceView) returned(o *opView, el *csn.Element) {
	owner := o.method + "Result"
	set := func(result, constructor, arg string) {
		o.result, o.returns = result, "cds."+constructor+"["+arg+"]()"
	}
	if e := v.model.Entity(el.TypeName); el.TypeName != "" && e != nil {
		row := v.rowsOf(e).row
		set("*"+row, "ReturnsEntity", row)
		return
	}
	switch t := el.Type.(type) {
	case *csn.Builtin:
		named := *el
		named.Name = ""
		typ := v.scalar(owner, &named, t)
		if t.Kind == csn.LargeBinary { // too much for a value
			typ = "cds.Stream"
		}
		if typ != "" {
			set("cds.Opt["+typ+"]", "ReturnsValue", typ)
		}
	case *csn.Struct:
		named := *el
		named.Name = ""
		sv := v.structType(&named, owner, t)
		set("*"+sv.name, "ReturnsStruct", sv.name)
	case *csn.Array:
		v.returnedArray(o, owner, t, set)
	default:
		v.unsupported(&o.op.Def, "the result of "+o.op.Name+" has no form in Go")
	}
}

func (v *serviceView) returnedArray(o *opView, owner string, t *csn.Array, set func(result, constructor, arg string)) {
	if t.Items == nil {
		return
	}
	if e := v.model.Entity(t.Items.TypeName); t.Items.TypeName != "" && e != nil {
		row := v.rowsOf(e).row
		set("[]*"+row, "ReturnsEntities", row)
		return
	}
	named := *t.Items
	named.Name = ""
	switch it := t.Items.Type.(type) {
	case *csn.Builtin:
		if typ := v.scalar(owner, &named, it); typ != "" {
			set("[]"+typ, "ReturnsList", typ)
		}
	case *csn.Struct:
		sv := v.structType(&named, owner, it)
		set("[]*"+sv.name, "ReturnsStructs", sv.name)
	}
}

// sensitive reports whether an element must not appear in logs.
func sensitive(el *csn.Element) bool {
	return el.Annotations.Get("PersonalData.IsPotentiallySensitive").True() || el.Annotations.Get("PersonalData.IsPotentiallyPersonal").True()
}

func lowerFirst(s string) string {
	for i, r := range s {
		return strings.ToLower(string(r)) + s[i+len(string(r)):]
	}
	return s
}

// source is what the header of generated files names: the file of the service, never an absolute path.
func (v *serviceView) source() string {
	if src := v.svc.Source; src != "" && !path.IsAbs(src) && !strings.Contains(src, ":") {
		return src
	}
	return "service " + v.svc.Name
}
