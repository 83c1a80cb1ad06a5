package link

import (
	"sort"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

type field = cqn.AnnoField

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// unused reports a note that reached nothing and returns the index of the diagnostic.
func (l *linker) unused(n *notes, code diag.Code, at token.Span, format string, args ...any) int {
	sev := diag.Warning
	if n.guards(0) && !l.opt.Lenient {
		sev = diag.Error
	}
	l.diags.Add(sev, code, at, format, args...)
	return len(l.diags) - 1
}

// guards reports whether a restriction stands somewhere in the tree.
func (n *notes) guards(depth int) bool {
	if n == nil || depth > maxDepth {
		return false
	}
	for i := range n.annos {
		if isRestriction(n.annos[i].Name) {
			return true
		}
	}
	for _, m := range []map[string]*notes{n.elems, n.actions, n.params} {
		for _, c := range m {
			if c.guards(depth + 1) {
				return true
			}
		}
	}
	return n.returns.guards(depth + 1)
}

// room counts an element that is to be made and reports whether the model may still grow.
func (l *linker) room(at token.Span) bool {
	l.count++
	if l.count >= maxElements {
		l.tooLarge(at)
	}
	return !l.over
}

func (l *linker) tooLarge(at token.Span) {
	if l.over {
		return
	}
	l.over = true
	l.diags.Errorf("model-too-large", at, "The model is too large: copying types and aspects into one another yields more than %d definitions or %d elements", maxDefs, maxElements)
}

// parts returns the elements of a structure that belong to the element itself or to a type; those of an entity used as a type, which
// may lead round in circles, belong to that entity.
func (l *linker) parts(e *csn.Element) csn.Elements {
	s, ok := e.Type.(*csn.Struct)
	if !ok || e.TypeName == "$self" {
		return nil
	}
	if d := l.byName[e.TypeName]; e.TypeName != "" && (d == nil || d.kind != kType) {
		return nil
	}
	return s.Elements
}
