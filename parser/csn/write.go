package csn

import (
	"bytes"
	"crypto/sha256"
	"io"
	"strconv"

	"cds/parser/cqn"
)

// MarshalOptions says how CSN is written.
type MarshalOptions struct {
	Indent  bool // two spaces per level, one property per line; else as short as possible
	Docs    bool // with doc comments
	Creator string
}

// Marshal writes a model as CSN JSON in the inferred flavour. Conditions of @restrict that the compiler has parsed are written as token
// lists in `_where` beside `where`, so that a reader needs no parser. The result depends on the model only.
func Marshal(m *Model, opt MarshalOptions) []byte {
	var out bytes.Buffer
	_ = Write(&out, m, opt) // a Buffer takes everything
	return out.Bytes()
}

// flushSize is how much text gathers before it is written.
const flushSize = 64 << 10

// Write is Marshal to a writer: it holds a part of the text only. The error is the writer's.
func Write(out io.Writer, m *Model, opt MarshalOptions) error {
	w := &csnWriter{m: m, opt: opt, out: out, buf: make([]byte, 0, flushSize+flushSize/4)}
	w.model()
	w.flush(len(w.buf))
	if opt.Indent && w.err == nil {
		_, w.err = out.Write([]byte{'\n'})
	}
	return w.err
}

// flush writes the first n bytes. The text must be cut at the end of a value, and a byte left as long as more values follow, for comma.
func (w *csnWriter) flush(n int) {
	if w.out == nil || w.err != nil {
		return
	}
	text := w.buf[:n]
	if w.opt.Indent {
		w.pretty = w.depth.indent(w.pretty[:0], text)
		text = w.pretty
	}
	_, w.err = w.out.Write(text)
	w.buf = append(w.buf[:0], w.buf[n:]...)
}

// fingerprint hashes the content of a model: everything that Marshal writes, doc comments included.
func fingerprint(m *Model) Fingerprint {
	var f Fingerprint
	h := sha256.New()
	_ = Write(h, m, MarshalOptions{Docs: true}) // a hash takes everything
	h.Sum(f[:0])
	return f
}

// csnWriter appends JSON. A comma is set by key and value where one is needed.
type csnWriter struct {
	m   *Model
	opt MarshalOptions
	buf []byte
	// full writes the parts of structures also if a named type tells them: for comparing.
	full bool
	// ellipsis writes what `...` in annotations stands for the way the parsed flavour has it.
	ellipsis bool

	out    io.Writer // nil: the text stays in buf
	err    error
	depth  indenter
	pretty []byte
}

func (w *csnWriter) open(c byte)  { w.comma(); w.buf = append(w.buf, c) }
func (w *csnWriter) close(c byte) { w.buf = append(w.buf, c) }

// comma separates a value or property from the one before it.
func (w *csnWriter) comma() {
	if n := len(w.buf); n > 0 {
		switch w.buf[n-1] {
		case '{', '[', ':', ',':
		default:
			w.buf = append(w.buf, ',')
		}
	}
}

func (w *csnWriter) key(k string) {
	w.comma()
	w.buf = appendString(w.buf, k)
	w.buf = append(w.buf, ':')
}

func (w *csnWriter) raw(s string) { w.comma(); w.buf = append(w.buf, s...) }
func (w *csnWriter) str(s string) { w.comma(); w.buf = appendString(w.buf, s) }

func (w *csnWriter) prop(k, v string) { w.key(k); w.str(v) }
func (w *csnWriter) flag(k string, on bool) {
	if on {
		w.key(k)
		w.raw("true")
	}
}

func (w *csnWriter) num(k string, n int) {
	w.key(k)
	w.raw(strconv.Itoa(n))
}

func (w *csnWriter) strings(list []string) {
	w.open('[')
	for _, s := range list {
		w.str(s)
	}
	w.close(']')
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}

func (w *csnWriter) model() {
	w.open('{')
	if w.m.Namespace != "" {
		w.prop("namespace", w.m.Namespace)
	}
	w.key("definitions")
	w.open('{')
	for _, d := range w.m.Defs {
		w.key(d.Definition().Name)
		w.open('{')
		w.definition(d)
		w.close('}')
		if len(w.buf) > flushSize {
			w.flush(len(w.buf) - 1)
		}
	}
	w.close('}')
	w.key("meta")
	w.open('{')
	if w.opt.Creator != "" {
		w.prop("creator", w.opt.Creator)
	}
	w.prop("flavor", "inferred")
	w.prop("compilerCsnFlavor", "inferred")
	if n := w.m.StringLength; n > 0 {
		w.key("options")
		w.open('{')
		w.num("defaultStringLength", n)
		w.close('}')
	}
	w.close('}')
	w.prop("$version", "2.0")
	w.close('}')
}

func (w *csnWriter) definition(d Definition) {
	switch d := d.(type) {
	case *Service:
		if d.Source != "" {
			w.prop("@source", d.Source)
		}
		w.head("service", &d.Def)
	case *Context:
		w.head("context", &d.Def)
	case *Entity:
		w.entity(d)
	case *Aspect:
		w.head("aspect", &d.Def)
		w.includes(d.Includes)
		w.elements("elements", d.Elements)
		w.actions(d.Actions)
	case *TypeDef:
		w.head("type", &d.Def)
		w.includes(d.Includes)
		w.typ(d.Type, true)
	case *Event:
		w.head("event", &d.Def)
		w.includes(d.Includes)
		w.typ(d.Type, true)
	case *AnnotationDef:
		w.head("annotation", &d.Def)
		w.typ(d.Type, true)
	case *Operation:
		w.operation(d)
	}
}

func (w *csnWriter) head(kind string, d *Def) {
	w.prop("kind", kind)
	w.annos(d)
}

// annos writes annotations and the doc comment.
func (w *csnWriter) annos(d *Def) {
	if w.opt.Docs && d.Doc != "" {
		w.prop("doc", d.Doc)
	}
	for _, a := range d.Annotations {
		if a.Value == nil {
			continue
		}
		w.key("@" + a.Name)
		w.anno(a.Value)
		if a.Value.Kind == cqn.AnnoString && a.Value.Expr != nil {
			w.key("@" + shadowOf(a.Name))
			w.tokensAsText(a.Value.Expr)
		}
	}
}

func (w *csnWriter) anno(v *cqn.AnnoValue) {
	if v == nil {
		w.raw("null")
		return
	}
	switch v.Kind {
	case cqn.AnnoTrue:
		w.raw("true")
	case cqn.AnnoNull:
		w.raw("null")
	case cqn.AnnoBool:
		w.raw(strconv.FormatBool(v.Bool))
	case cqn.AnnoNumber:
		w.raw(jsonNumber(v.Text))
	case cqn.AnnoString:
		w.str(v.Text)
	case cqn.AnnoSymbol:
		w.open('{')
		w.prop("#", v.Text)
		w.close('}')
	case cqn.AnnoRef:
		w.open('{')
		w.prop("=", v.Text)
		w.close('}')
	case cqn.AnnoExpr:
		w.open('{')
		if v.Text != "" {
			w.prop("=", v.Text)
			w.operandFields(v.Expr)
		} else {
			w.key("xpr")
			w.tokens(v.Expr)
		}
		w.close('}')
	case cqn.AnnoArray:
		w.open('[')
		for _, x := range v.Items {
			w.anno(x)
		}
		w.close(']')
	case cqn.AnnoStruct:
		w.open('{')
		for _, f := range v.Fields {
			w.key(f.Name)
			w.anno(f.Value)
			if f.Name == "where" && f.Value != nil && f.Value.Kind == cqn.AnnoString && f.Value.Expr != nil {
				w.key("_where")
				w.tokensAsText(f.Value.Expr)
			}
		}
		w.close('}')
	default: // an ellipsis that nobody resolved
		if !w.ellipsis {
			w.raw("null")
			return
		}
		w.open('{')
		w.key("...")
		if len(v.Items) > 0 {
			w.anno(v.Items[0])
		} else {
			w.raw("true")
		}
		w.close('}')
	}
}

// tokensAsText writes a token list as a string with JSON in it, as the recorded CSN has it.
func (w *csnWriter) tokensAsText(x cqn.Expr) {
	sub := &csnWriter{m: w.m, opt: w.opt}
	sub.tokens(x)
	w.str(string(sub.buf))
}

// jsonNumber makes the digits of CDL (007, +5, .5, 1.) a JSON number.
func jsonNumber(s string) string {
	if _, err := parseJSON(s); err == nil {
		return s
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f-f == 0 {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return "0"
}

func (w *csnWriter) entity(e *Entity) {
	w.head("entity", &e.Def)
	w.includes(e.Includes)
	w.elements("params", e.Params)
	if e.Source != nil {
		if s, ok := e.Source.(*cqn.Select); ok && e.Projection {
			w.key("projection")
			w.selectBody(s)
		} else {
			w.key("query")
			w.query(e.Source)
		}
	}
	w.elements("elements", e.Elements)
	w.actions(e.Actions)
}

func (w *csnWriter) includes(list []string) {
	if len(list) > 0 {
		w.key("includes")
		w.strings(list)
	}
}

func (w *csnWriter) actions(list []*Operation) {
	if len(list) == 0 {
		return
	}
	w.key("actions")
	w.open('{')
	for _, o := range list {
		w.key(o.Name)
		w.open('{')
		w.operation(o)
		w.close('}')
	}
	w.close('}')
}

func (w *csnWriter) operation(o *Operation) {
	kind := "action"
	if o.Function {
		kind = "function"
	}
	w.head(kind, &o.Def)
	if len(o.Params) > 0 || o.Collection || o.Binding != "" {
		w.key("params")
		w.open('{')
		if o.Collection || o.Binding != "" {
			name := o.Binding
			if name == "" {
				name = "in"
			}
			w.key(name)
			if o.Collection {
				w.raw(`{"items":{"type":"$self"}}`)
			} else {
				w.raw(`{"type":"$self"}`)
			}
		}
		for _, p := range o.Params {
			w.element(p)
		}
		w.close('}')
	}
	if o.Returns != nil {
		w.key("returns")
		w.open('{')
		w.annos(&o.Returns.Def)
		w.typ(o.Returns, false)
		w.close('}')
	}
}

func (w *csnWriter) elements(key string, els Elements) {
	if len(els) == 0 {
		return
	}
	w.key(key)
	w.open('{')
	for _, el := range els {
		w.element(el)
	}
	w.close('}')
}

func (w *csnWriter) element(el *Element) {
	w.key(el.Name)
	w.open('{')
	w.annos(&el.Def)
	w.flag("key", el.Key)
	w.flag("virtual", el.Virtual)
	w.flag("masked", el.Masked)
	switch {
	case el.Localized:
		w.flag("localized", true)
	case translates(el):
		w.key("localized")
		w.raw("null")
	}
	w.typ(el, false)
	w.close('}')
}

// translates reports whether an element holds the translation of a localized one. CSN marks it by localized: null.
func translates(el *Element) bool {
	if el.Owner == nil || el.Key {
		return false
	}
	t, e := el, el.Owner
	for i := 0; e.Base != nil && t.Origin != nil && i < maxDepth; i++ {
		t, e = t.Origin, e.Base
	}
	for _, p := range e.Parents {
		if p.Name == "texts" && p.Owner != nil {
			if main := p.Owner.Elements.Lookup(t.Name); main != nil && main.Localized {
				return true
			}
		}
	}
	return false
}
