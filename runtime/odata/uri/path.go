package uri

import (
	"errors"
	"strings"

	"cds/parser/csn"
)

// Parse resolves a resource path below the service's root, still percent-encoded, and splits the raw query. The path may begin with
// any number of slashes.
func (x *Index) Parse(escapedPath, rawQuery string) (*Resource, error) {
	if len(escapedPath)+len(rawQuery) > MaxURL {
		return nil, &Error{Status: 414, Message: "URI Too Long"}
	}
	m := &pathMemory{Resource: Resource{Service: x.Service, activeOnly: x.ActiveOnly}}
	r := &m.Resource
	var err error
	if r.options, r.aliases, err = splitOptions(rawQuery); err != nil {
		return nil, err
	}
	path := strings.TrimLeft(escapedPath, "/")
	switch path {
	case "":
		return r, nil
	case "$entity":
		return x.entity(r, rawQuery)
	}
	p := pathParser{index: x, r: r, segs: m.segs[:0], names: m.names[:0]}
	r.Segments = m.segments[:0]
	for seg := range strings.SplitSeq(path, "/") {
		s, err := unescape(seg)
		if err != nil {
			return nil, err
		}
		p.segs = append(p.segs, s)
	}
	if len(p.segs) > MaxPath {
		return nil, bad("The resource path has more than %d segments", MaxPath)
	}
	if err := p.first(); err != nil {
		return nil, err
	}
	for len(p.segs) > 0 {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// pathMemory is what a short path needs, in one allocation. Longer ones outgrow it.
type pathMemory struct {
	Resource
	segments    [1]Segment
	segs, names [2]string
}

type pathParser struct {
	index *Index
	r     *Resource
	segs  []string // not yet consumed
	names []string // consumed names, for messages
	side  side     // what the key predicate that was read last says of drafts
}

func (p *pathParser) shift() string {
	s := p.segs[0]
	p.segs = p.segs[1:]
	return s
}

// notFound is the 404 for a segment that names nothing: service, then the path of names with colon and dots.
func (p *pathParser) notFound(name string) error {
	path := p.index.Service.Name + "."
	if len(p.names) > 0 {
		path += p.names[0] + ":" + strings.Join(append(p.names[1:len(p.names):len(p.names)], name), ".")
	} else {
		path += name
	}
	return &Error{Status: 404, Message: "Invalid resource path \"" + path + "\""}
}

// cutArgs splits "name(args)". ok is false for unbalanced parentheses.
func cutArgs(seg string) (name, args string, has, ok bool) {
	i := strings.IndexByte(seg, '(')
	if i < 0 {
		return seg, "", false, true
	}
	if !strings.HasSuffix(seg, ")") {
		return seg, "", false, false
	}
	return seg[:i], seg[i+1 : len(seg)-1], true, true
}

func (p *pathParser) first() error {
	seg := p.shift()
	switch seg {
	case "$metadata", "$batch":
		p.r.Kind = Metadata
		if seg == "$batch" {
			p.r.Kind = Batch
		}
		if len(p.segs) > 0 {
			return p.notFound(seg + "/" + p.segs[0])
		}
		return nil
	}
	name, args, has, ok := cutArgs(seg)
	if !ok {
		return bad("Parsing URL failed: %q has no closing parenthesis", seg)
	}
	if e := p.index.sets[name]; e != nil {
		s := Segment{Entity: e}
		p.r.Depth = 1
		if has {
			p.side = anySide
			keys, err := p.keys(e, nil, args)
			if errors.Is(err, errPositional) {
				return p.notFound(seg)
			}
			if err != nil {
				return err
			}
			s.Keys, s.Entity = keys, sided(e, p.side)
		}
		p.r.Segments = append(p.r.Segments, s)
		p.names = append(p.names, name)
		p.settle()
		return nil
	}
	if o := p.index.ops[strings.TrimPrefix(name, p.index.Service.Name+".")]; o != nil {
		return p.operation(o, args, has)
	}
	if strings.HasPrefix(seg, "$") {
		name = seg
	}
	return p.notFound(name)
}

// settle sets the kind from the last entity segment.
func (p *pathParser) settle() {
	p.r.Kind = Single
	if p.r.Many() {
		p.r.Kind = Collection
	}
}

// next consumes the segment after an entity or property.
func (p *pathParser) next() error {
	r := p.r
	if r.Kind == Property || r.Kind == Count || r.Kind == Operation {
		return p.last()
	}
	seg := p.shift()
	e := r.Entity()
	switch seg {
	case "$count":
		if !r.Many() {
			return p.notFound(seg)
		}
		r.Kind = Count
		return nil
	case "$ref":
		if len(p.segs) > 0 {
			return p.notFound(seg)
		}
		r.Kind = Reference
		return nil
	case "$value":
		if r.Many() {
			return p.notFound(seg)
		}
		r.Value = true
		if r.Property = mediaOf(e); r.Property == nil {
			return p.notFound(seg)
		}
		r.Kind = Property
		return nil
	}
	name, args, has, ok := cutArgs(seg)
	if !ok {
		return bad("Parsing URL failed: %q has no closing parenthesis", seg)
	}
	if o := boundOp(p.index.Service, e, name, r.Many()); o != nil {
		r.Depth++
		return p.operation(o, args, has)
	}
	if r.Many() {
		return p.keySegment(e, seg)
	}
	el := e.Element(name)
	switch {
	case el == nil || strings.HasPrefix(name, "$"):
		return p.notFound(name)
	case el.Assoc() != nil:
		return p.navigate(el, args, has)
	case has:
		return p.notFound(seg)
	}
	r.Kind, r.Property = Property, el
	r.Depth++
	p.names = append(p.names, name)
	return nil
}

// keySegment reads a key given as a path segment of its own: Books/201.
func (p *pathParser) keySegment(e *csn.Entity, seg string) error {
	s := &p.r.Segments[len(p.r.Segments)-1]
	if strings.HasPrefix(seg, "$") {
		return p.notFound(seg)
	}
	keys, err := p.plainKey(e, s.Via, seg)
	if err != nil {
		return err
	}
	s.Keys = keys
	p.settle()
	return nil
}

func (p *pathParser) navigate(el *csn.Element, args string, has bool) error {
	a := el.Assoc()
	if a.Target == nil || a.Target.Service != p.index.Service {
		return p.notFound(el.Name)
	}
	s := Segment{Entity: a.Target, Via: el}
	if has {
		if !a.Many {
			return p.notFound(el.Name + "(" + args + ")")
		}
		p.side = anySide
		keys, err := p.keys(a.Target, el, args)
		if errors.Is(err, errPositional) {
			return p.notFound(el.Name + "(" + args + ")")
		}
		if err != nil {
			return err
		}
		if !onSide(a.Target, p.side) {
			return p.notFound(el.Name + "(" + args + ")")
		}
		s.Keys = keys
	}
	p.r.Segments = append(p.r.Segments, s)
	p.r.Depth++
	p.names = append(p.names, el.Name)
	p.settle()
	return nil
}

// last consumes what may follow a property or operation: $value, once, and nothing more.
func (p *pathParser) last() error {
	seg := p.shift()
	if seg == "$value" && !p.r.Value && p.r.Kind != Count && len(p.segs) == 0 {
		p.r.Value = true
		return nil
	}
	return p.notFound(seg)
}

// operation sets the operation and the arguments of a function: those in parentheses, else query options named like parameters.
func (p *pathParser) operation(o *csn.Operation, args string, has bool) error {
	r := p.r
	r.Kind, r.Op = Operation, o
	if r.Depth == 0 {
		r.Depth = 1
	}
	p.names = append(p.names, o.LocalName())
	if !o.Function { // arguments in parentheses come with GET only, which is refused
		return nil
	}
	if args != "" {
		pairs, err := splitPairs(args)
		if err != nil {
			return err
		}
		for _, kv := range pairs {
			text, literal := kv[1], true
			if strings.HasPrefix(text, "@") {
				v, ok := r.aliases[text]
				if !ok {
					text = "null" // an alias without value is null (OData URL Conventions 5.3)
				} else {
					text = v
				}
			}
			for _, a := range r.Args {
				if a.Name == kv[0] {
					return bad("Parameter %q is given twice", kv[0])
				}
			}
			r.Args = append(r.Args, Arg{Name: kv[0], Text: text, Literal: literal})
		}
		return nil
	}
	if has {
		return nil
	}
	for _, opt := range r.options {
		if o.Params.Lookup(opt.name) != nil {
			r.Args = append(r.Args, Arg{Name: opt.name, Text: opt.value})
		}
	}
	return nil
}

// boundOp finds a bound operation by its simple name or qualified with the service's name.
func boundOp(s *csn.Service, e *csn.Entity, name string, many bool) *csn.Operation {
	o := e.Action(strings.TrimPrefix(name, s.Name+"."))
	if o == nil || o.Collection != many {
		return nil
	}
	return o
}

// mediaOf returns the element that an entity's /$value means: its only stream.
func mediaOf(e *csn.Entity) *csn.Element {
	var found *csn.Element
	for _, el := range e.Flat {
		if b := el.Scalar(); b != nil && (b.Kind == csn.LargeBinary || el.Annotations.Get("Core.MediaType") != nil) {
			if found != nil {
				return nil
			}
			found = el
		}
	}
	return found
}
