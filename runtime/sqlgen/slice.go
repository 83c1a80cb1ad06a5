package sqlgen

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// Time slices. The guard itself says which slices of an entity a request sees, by the time that the client asks for. What the guard's condition asks of other
// temporal entities is another matter: a right that has ended must not come back by asking for the past, so it is asked of the slices
// that are valid now. A composition parent is looked at as it is at the time asked for, as a request for it would be.

// slice adds to a source within a guard's condition that its slice is valid.
func (sc *scope) slice(src *source) error {
	from, to := cqn.Param{From: cqn.FromNow}, cqn.Param{From: cqn.FromNow}
	switch sc.compiler.judging {
	case judgingNot:
		return nil
	case judgingParent:
		from, to = cqn.Param{From: cqn.FromAt, Name: "from"}, cqn.Param{From: cqn.FromAt, Name: "to"}
	}
	start, end := sliceBounds(src.entity)
	if start == nil || end == nil {
		return nil
	}
	in := &scope{stmt: sc.stmt, sources: []*source{src}, self: src, definer: true, noJoin: true}
	f, err := in.cond(&cqn.Binary{Op: cqn.And,
		L: &cqn.Binary{Op: cqn.Le, L: cqn.NewRef(start.Name), R: &to},
		R: &cqn.Binary{Op: cqn.Gt, L: cqn.NewRef(end.Name), R: &from}})
	src.guard = both(src.guard, f.at(precAnd))
	return err
}

// sliceBounds returns the elements that tell when a row is valid, nil if there are none.
func sliceBounds(e *csn.Entity) (start, end *csn.Element) {
	for _, el := range e.Flat {
		switch {
		case el.Annotations.Is("cds.valid.from"):
			start = el
		case el.Annotations.Is("cds.valid.to"):
			end = el
		}
	}
	return start, end
}

// What a compiler is at, as far as time slices matter.
const (
	judgingNot    = iota
	judging       // a guard's condition
	judgingParent // the composition parent in one
)

// judge sets what the compiler is at; the caller resets it to what it was.
func (c *compiler) judge(what int) (was int) {
	was, c.judging = c.judging, what
	return was
}
