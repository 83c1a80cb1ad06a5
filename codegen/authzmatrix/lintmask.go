package authzmatrix

import (
	"strings"

	"cds/parser/csn"
)

// masks reports masks that are made of other elements with a restriction.
func (l *linter) masks() {
	for _, s := range l.model.Services {
		for _, e := range s.Entities {
			if e.Active != nil {
				continue
			}
			for _, el := range e.Flat {
				l.maskReads(e, el)
			}
		}
	}
}

func (l *linter) maskReads(e *csn.Entity, el *csn.Element) {
	reads, at := l.policy.MaskReads(e, el)
	if len(reads) == 0 {
		return
	}
	names := make([]string, len(reads))
	for i, x := range reads {
		names[i] = x.Name
		if x.Owner != nil {
			names[i] = x.Owner.Name + "." + x.Name
		}
	}
	l.add(codeMaskReads, at, "What is shown in the place of %s.%s is made of %s, which not everybody may read", e.Name, el.Name, strings.Join(names, ", ")).Hint =
		"Make it of the element itself, or see that it tells no more of the other one than it should."
}
