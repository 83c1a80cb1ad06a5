package link

import (
	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
)

// An elemInfo has what is known of an element beyond csn.Element while linking. There is one for every element: it is kept small, and what
// few elements need stands behind a pointer.
type elemInfo struct {
	elem   *csn.Element
	owner  *def
	source *csn.Element  // the element of the view's source behind a view element, nil for expressions
	target *def          // of an association
	texpr  *ast.TypeExpr // the type as written; nil for generated elements and those whose type is known
	more   *moreInfo     // nil for most elements

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

// A moreInfo is the part of an elemInfo that few elements need.
type moreInfo struct {
	scope    *scope         // where names in the declaration are looked up; nil: the owner's
	in       *csn.Elements  // siblings, for `type of x`; nil for elements that stand directly in their owner
	from     *csn.Element   // the element it is a copy of
	aspect   *def           // composition of a named aspect
	typeFrom *csn.Element   // the element whose type it has
	notes    *notes         // what annotate says of it; nil: what it says of the owner's element of its name
	path     []*csn.Element // of a column: elements passed before the source
	filter   cqn.Expr       // of a column: infix filter at the end of its path
}

// rest returns what few elements have, also of a nil elemInfo.
func (inf *elemInfo) rest() moreInfo {
	if inf == nil || inf.more == nil {
		return moreInfo{}
	}
	return *inf.more
}

// extra returns the same for changing.
func (inf *elemInfo) extra() *moreInfo {
	if inf.more == nil {
		inf.more = &moreInfo{}
	}
	return inf.more
}

// columnInfo returns what is to be kept of how a column leads to its source, nil for nothing.
func columnInfo(path []*csn.Element, filter cqn.Expr) *moreInfo {
	if len(path) == 0 && filter == nil {
		return nil
	}
	return &moreInfo{path: path, filter: filter}
}

// names returns the scope in which names of the declaration are looked up.
func (inf *elemInfo) names() *scope {
	if s := inf.rest().scope; s != nil || inf.owner == nil {
		return s
	}
	return inf.owner.scope
}

// setNames sets that scope.
func (inf *elemInfo) setNames(s *scope) {
	if s != inf.names() {
		inf.extra().scope = s
	}
}

// setNotes sets what annotate says of an element that is not its owner's of its name, as a parameter: nil for nothing.
func (inf *elemInfo) setNotes(n *notes) {
	if n == nil {
		n = &notes{used: true}
	}
	inf.extra().notes = n
}

// siblings returns the elements among which `type of x` looks for x first.
func (inf *elemInfo) siblings() csn.Elements {
	switch in := inf.rest().in; {
	case in != nil:
		return *in
	case inf.top && inf.owner != nil:
		return inf.owner.elems
	}
	return nil
}

// elementSlab is how many elements are made at once: one by one they would take a tenth more room and twice the time. As many as fill 32 kB.
const elementSlab = 204

// element makes an empty element.
func (l *linker) element() *csn.Element {
	if len(l.slab) == 0 {
		l.slab = make([]csn.Element, elementSlab)
	}
	e := &l.slab[0]
	l.slab = l.slab[1:]
	return e
}

// An infoTable has the elemInfos of all elements, found by csn.Element.ID: a model that is not frozen has no other use for that number.
type infoTable struct {
	chunks [][]elemInfo
	n      int
}

const infoChunk = 512 // they fill 32 kB

// info returns what is known of an element, nil for one that is not in the table.
func (l *linker) info(e *csn.Element) *elemInfo {
	if e == nil || e.ID <= 0 || int(e.ID) > l.infos.n {
		return nil
	}
	i := int(e.ID) - 1
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
	*at, e.ID = inf, int32(t.n)
	return at
}

// forget drops the table; elements lose their numbers.
func (l *linker) forget() {
	for i := range l.infos.n {
		l.infos.chunks[i/infoChunk][i%infoChunk].elem.ID = 0
	}
	l.infos = infoTable{}
}
