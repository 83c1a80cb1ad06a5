package authz

import (
	"strconv"
	"strings"

	"cds/parser/token"
)

// Position returns where the model says what a rule of an explanation (Decision.Rules, RowCondition.Rule) stands for, as file:line. It is "" if the model
// does not know its sources, as one that was read from CSN, and for rules that no annotation stands for.
func (p *Policy) Position(rule string) string {
	on, rest := rule, ""
	if i := strings.Index(rule, ": "); i >= 0 {
		on, rest = rule[:i], rule[i+2:]
	}
	for _, r := range p.state.all {
		switch {
		case on == r.on && r.closed != "":
			return p.place(r.span)
		case on == r.on && rest != "":
			if len(r.privileges) > 0 {
				return p.place(r.privileges[0].span)
			}
			return p.place(r.span)
		case r.mask != nil && (on == r.mask.name || strings.HasPrefix(on, r.mask.name+"#")):
			return p.place(r.mask.span)
		case r.requires != nil && on == r.requires.name:
			return p.place(r.requires.span)
		}
		for _, list := range [][]privilege{r.privileges, r.denies} {
			for i := range list {
				if list[i].name == on {
					return p.place(list[i].span)
				}
			}
		}
	}
	if rest != "" { // "S.Parent: S.Parent#1", the rule of an entity on the way
		return p.Position(rest)
	}
	return ""
}

// place is a span as file:line, "" if it is not known.
func (p *Policy) place(at token.Span) string {
	if p.model.Files == nil || !at.Valid() {
		return ""
	}
	pos := p.model.Files.Position(at)
	if pos.File == "" {
		return ""
	}
	return pos.File + ":" + strconv.Itoa(pos.Line)
}
