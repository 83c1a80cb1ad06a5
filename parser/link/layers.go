package link

import (
	"cds/parser/csn"
	"cds/parser/token"
)

// A clash is an annotation that two sources assign of which neither uses the other: which one comes later, hence wins, follows from nothing
// that somebody wrote. A source that uses both settles it by an assignment of its own.
type clash struct {
	name string
	srcs []int
	at   token.Span
	open bool
}

// note adds annotations to a node. The same one twice from one source is suspicious: the last one is used.
func (l *linker) note(n *notes, as csn.Annotations, src int) {
	for _, f := range as {
		before, ok := n.src[f.Name]
		if n.src == nil {
			n.src = map[string]int{}
		}
		n.src[f.Name] = src
		if ok && !hasEllipsis(f.Value) {
			switch {
			case before == src || l.layered(src, before) && l.layered(before, src):
				l.diags.Warnf("anno-duplicate-same-file", f.Span, "Duplicate assignment with “@%s”, using last", f.Name)
			default:
				l.clash(n, f, before, src)
			}
		}
		assignLate(&n.annos, f)
	}
}

func (l *linker) clash(n *notes, f field, before, src int) {
	c := n.clashes[f.Name]
	if c != nil && c.open {
		c.open = false
		for _, s := range c.srcs {
			c.open = c.open || !l.layered(src, s)
		}
		c.srcs, c.at = append(c.srcs, src), f.Span
		return
	}
	if l.layered(src, before) {
		return
	}
	if n.clashes == nil {
		n.clashes = map[string]*clash{}
	}
	c = &clash{name: f.Name, srcs: []int{before, src}, at: f.Span, open: true}
	n.clashes[f.Name] = c
	l.clashes = append(l.clashes, c)
}

// openClashes reports what no later layer has settled.
func (l *linker) openClashes() {
	for _, c := range l.clashes {
		if c.open {
			l.diags.Warnf("anno-duplicate-unrelated-layer", c.at, "Duplicate assignment with “@%s” in files that do not use one another, using this one", c.name).Hint =
				"Let one of the files use the other, or assign the annotation in a file that uses both."
		}
	}
}

// layered reports whether a source is in a layer above that of another one: it uses it, directly or over others.
func (l *linker) layered(a, b int) bool {
	if a == b {
		return true
	}
	if l.reached == nil {
		l.reached = map[int][]bool{}
	}
	seen := l.reached[a]
	if seen == nil {
		seen = make([]bool, len(l.sources))
		work := []int{a}
		for len(work) > 0 {
			i := work[len(work)-1]
			work = work[:len(work)-1]
			for _, u := range l.sources[i].Uses {
				if !seen[u] {
					seen[u] = true
					work = append(work, u)
				}
			}
		}
		l.reached[a] = seen
	}
	return seen[b]
}
