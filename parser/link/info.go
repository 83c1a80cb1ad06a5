package link

import (
	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
)

// An elemInfo has what is known of an element beyond csn.Element while linking. There is one for every element: it is kept small, and what
// few elements need stands behind pointers.
type elemInfo struct {
	elem   *csn.Element
	owner  *def
	scope  *scope
	source *csn.Element // the element of the view's source behind a view element, nil for expressions
	from   *csn.Element // the element it is a copy of, nil for none
	target *def         // of an association
	notes  *notes
	decl   *declared   // nil for most elements of views
	col    *columnPath // nil for most elements

	state     state
	rewritten state
	written   bool // it, or the element it is a copy of, stands in a source
	top       bool // it stands directly in its owner, whose elements are its siblings
	asText    bool // copy in a texts entity
	// inferredTarget is set where the target of an association was not written at this element, so that a service may redirect it.
	inferredTarget bool
	inline         bool // composition of an anonymous aspect
	cast           bool // the column has an explicit type
	overAssoc      bool // the column's path passes an association
	redirected     bool // `redirected to`
	derived        bool // element of a subquery in FROM
	ownOn          bool // `redirected to` came with a condition or keys
	keysDone       bool
	byStar         bool // a `*` took the element along
	dropped        bool // the association can't work here
}

// A declared is the part of an elemInfo that comes from a declaration.
type declared struct {
	el       *ast.Element // nil for copied and generated ones, and when the element is resolved
	texpr    *ast.TypeExpr
	in       *csn.Elements // siblings, for `type of x`; nil for elements that stand directly in their owner
	aspect   *def          // composition of a named aspect
	typeFrom *csn.Element  // the element whose type it has
}

// A columnPath is how a column leads to its source.
type columnPath struct {
	path   []*csn.Element // elements passed before the source
	filter cqn.Expr       // infix filter at the end
}

func newColumnPath(path []*csn.Element, filter cqn.Expr) *columnPath {
	if len(path) == 0 && filter == nil {
		return nil
	}
	return &columnPath{path, filter}
}

func (inf *elemInfo) path() []*csn.Element {
	if inf.col == nil {
		return nil
	}
	return inf.col.path
}

func (inf *elemInfo) filter() cqn.Expr {
	if inf.col == nil {
		return nil
	}
	return inf.col.filter
}

func (inf *elemInfo) texpr() *ast.TypeExpr {
	if inf.decl == nil {
		return nil
	}
	return inf.decl.texpr
}

// aspect returns the aspect of a composition, nil for none and for a nil elemInfo.
func (inf *elemInfo) aspect() *def {
	if inf == nil || inf.decl == nil {
		return nil
	}
	return inf.decl.aspect
}

func (inf *elemInfo) typeFrom() *csn.Element {
	if inf.decl == nil {
		return nil
	}
	return inf.decl.typeFrom
}

func (inf *elemInfo) declare() *declared {
	if inf.decl == nil {
		inf.decl = &declared{}
	}
	return inf.decl
}

func (inf *elemInfo) setAspect(d *def)            { inf.declare().aspect = d }
func (inf *elemInfo) setTypeFrom(el *csn.Element) { inf.declare().typeFrom = el }

// in returns the siblings of a part of a structure, nil for other elements.
func (inf *elemInfo) in() *csn.Elements {
	if inf.decl == nil {
		return nil
	}
	return inf.decl.in
}

// siblings returns the elements among which `type of x` looks for x first.
func (inf *elemInfo) siblings() csn.Elements {
	switch in := inf.in(); {
	case in != nil:
		return *in
	case inf.top && inf.owner != nil:
		return inf.owner.elems
	}
	return nil
}

// resolved lets go of the declaration of an element whose type is known.
func (inf *elemInfo) resolved() {
	if d := inf.decl; d == nil {
		return
	} else if d.el, d.texpr = nil, nil; d.in == nil && d.aspect == nil && d.typeFrom == nil {
		inf.decl = nil
	}
}

// An infoTable has the elemInfos of all elements, found by csn.Element.ID: a model that is not frozen has no other use for that number.
type infoTable struct {
	chunks [][]elemInfo
	n      int
}

const infoChunk = 512

// info returns what is known of an element, nil for one that is not in the table.
func (l *linker) info(e *csn.Element) *elemInfo {
	if e == nil || e.ID <= 0 || e.ID > l.infos.n {
		return nil
	}
	i := e.ID - 1
	if inf := &l.infos.chunks[i/infoChunk][i%infoChunk]; inf.elem == e {
		return inf
	}
	return nil // a copy, which was not entered itself
}

// know enters an element into the table, once it is complete as to copying from others.
func (l *linker) know(e *csn.Element, inf elemInfo) *elemInfo {
	t := &l.infos
	if t.n == len(t.chunks)*infoChunk {
		t.chunks = append(t.chunks, make([]elemInfo, infoChunk))
	}
	at := &t.chunks[t.n/infoChunk][t.n%infoChunk]
	t.n++
	inf.elem = e
	*at, e.ID = inf, t.n
	return at
}

// forget drops the table; elements lose their numbers.
func (l *linker) forget() {
	for i := range l.infos.n {
		l.infos.chunks[i/infoChunk][i%infoChunk].elem.ID = 0
	}
	l.infos = infoTable{}
}
