package authztest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
)

// A Mutant is a model with one change of its restrictions, made in the text of a source file.
type Mutant struct {
	At   string `json:"at"` // file:line
	Rule string `json:"rule"`
	What string `json:"what"`
	// Outcome is one of the constants, By what noticed it, Note why it does not count.
	Outcome string `json:"outcome"`
	By      string `json:"by,omitempty"`
	Note    string `json:"note,omitempty"`

	span  token.Span
	text  string // takes the place of what stands at the span
	masks bool
}

// The outcomes.
const (
	Noticed    = "noticed"
	Survived   = "survived"
	Equivalent = "equivalent" // nobody may do more or less: there is nothing to notice
)

// Files returns the changed file and its text.
func (mu *Mutant) Files(set *token.FileSet) map[string]string {
	f := set.File(mu.span.File)
	return map[string]string{f.Name: f.Text[:mu.span.Start] + mu.text + f.Text[mu.span.End:]}
}

// Mutants returns the changes of a model's restrictions that tests should notice, in order of the sources. Models without sources have none.
func Mutants(m *csn.Model) []*Mutant {
	x := &mutator{m: m, seen: map[token.Span][]string{}}
	if m.Files == nil {
		return nil
	}
	for _, s := range m.Services {
		x.annotations(s.Name, s.Annotations)
		for _, op := range s.Ops {
			x.annotations(op.Name, op.Annotations)
		}
		for _, e := range s.Entities {
			if e.Active != nil {
				continue
			}
			x.annotations(e.Name, e.Annotations)
			for _, op := range e.Actions {
				x.annotations(e.Name+"."+op.Name, op.Annotations)
			}
			for _, el := range e.Elements {
				x.annotations(e.Name+"."+el.Name, el.Annotations)
			}
		}
	}
	slices.SortStableFunc(x.out, func(a, b *Mutant) int {
		if a.span.File != b.span.File {
			return int(a.span.File) - int(b.span.File)
		}
		return int(a.span.Start) - int(b.span.Start)
	})
	return x.out
}

// A mutator collects mutants. What several definitions inherit is changed once.
type mutator struct {
	m    *csn.Model
	out  []*Mutant
	seen map[token.Span][]string
}

func (x *mutator) at(s token.Span) string {
	if !s.Valid() {
		return ""
	}
	f := x.m.Files.File(s.File)
	if f == nil || int(s.End) > len(f.Text) || s.Start > s.End {
		return ""
	}
	return f.Text[s.Start:s.End]
}

func (x *mutator) add(rule, what string, span token.Span, text string) *Mutant {
	if x.at(span) == "" || strings.HasPrefix(x.m.Files.File(span.File).Name, "@sap/") || slices.Contains(x.seen[span], text) {
		return &Mutant{}
	}
	x.seen[span] = append(x.seen[span], text)
	pos := x.m.Files.Position(span)
	mu := &Mutant{At: fmt.Sprintf("%s:%d", pos.File, pos.Line), Rule: rule, What: what, span: span, text: text}
	x.out = append(x.out, mu)
	return mu
}

func (x *mutator) annotations(on string, as csn.Annotations) {
	for i := range as {
		a := &as[i]
		v := a.Value
		if v == nil || v.Kind == cqn.AnnoNull {
			continue
		}
		switch a.Name {
		case "requires":
			x.add(on+"@requires", "drop @requires", v.Span, "null")
		case "restrict":
			for n, it := range v.Items {
				if it != nil && it.Kind == cqn.AnnoStruct {
					x.privilege(fmt.Sprintf("%s#%d", on, n+1), it)
				}
			}
		case "mask":
			x.add(on+"@mask", "drop the mask", v.Span, "null").masks = true
		case "mask.value":
			if as.Get("mask.unless") == nil {
				x.add(on+"@mask", "show it to everybody", v.Span, x.at(v.Span)+", unless: 'any'").masks = true
			}
		case "mask.unless":
			x.add(on+"@mask", "show it to everybody", v.Span, "'any'").masks = true
		}
	}
}

func (x *mutator) privilege(name string, v *cqn.AnnoValue) {
	x.drop(name, v)
	for i := range v.Fields {
		f := &v.Fields[i]
		if f.Value == nil {
			continue
		}
		s := f.Value.Span
		switch f.Name {
		case "grant":
			if list, _ := names(f.Value); !slices.Contains(list, "*") {
				x.add(name, "grant everything", s, "'*'")
			}
		case "to":
			if list, _ := names(f.Value); !slices.Contains(list, "any") && v.Field("deny") == nil {
				x.add(name, "grant it to everybody", s, "'any'")
			}
		case "where":
			x.where(name, f.Value)
		case "if":
			if v.Field("where") == nil {
				x.add(name, "drop the condition "+f.Value.Text, f.Span.To(s), "where: true")
			}
		}
	}
}

// drop takes a privilege out of its list, with a comma beside it.
func (x *mutator) drop(name string, v *cqn.AnnoValue) {
	if x.at(v.Span) == "" {
		return
	}
	what := "drop the grant"
	if v.Field("deny") != nil {
		what = "drop the deny"
	}
	f := x.m.Files.File(v.Span.File)
	s := v.Span
	rest := f.Text[s.End:]
	if after := strings.TrimLeft(rest, " \t\r\n"); strings.HasPrefix(after, ",") {
		s.End += int32(len(rest) - len(after) + 1)
	}
	x.add(name, what, s, " ")
}

var (
	equals = regexp.MustCompile(`!=|<>|<=|>=|==|=|<|>`)
	words  = regexp.MustCompile(`(?i)\b(and|or)\b`)
)

var swaps = map[string]string{"=": "!=", "==": "!=", "!=": "=", "<>": "=", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}

// where changes a condition: away with it, the opposite, and one of its operators for another.
func (x *mutator) where(name string, v *cqn.AnnoValue) {
	text := x.at(v.Span)
	if text == "" || v.Expr == nil {
		return
	}
	x.add(name, "drop where", v.Span, "true")
	switch {
	case v.Kind == cqn.AnnoString && len(text) > 2:
		x.add(name, "negate where", v.Span, "'not ("+text[1:len(text)-1]+")'")
	case v.Kind == cqn.AnnoExpr:
		x.add(name, "negate where", v.Span, "(not "+text+")")
	}
	cqn.Walk(v.Expr, func(n any) bool {
		b, ok := n.(*cqn.Binary)
		if !ok || b.L == nil || b.R == nil {
			return true
		}
		l, r := b.L.Span(), b.R.Span()
		if !l.Valid() || !r.Valid() || l.File != v.Span.File || l.End > r.Start || l.Start < v.Span.Start || r.End > v.Span.End {
			return true
		}
		gap := token.Span{File: l.File, Start: l.End, End: r.Start}
		re := equals
		if b.Op == cqn.And || b.Op == cqn.Or {
			re = words
		} else if b.Op < cqn.Eq || b.Op > cqn.Ge {
			return true
		}
		at := re.FindStringIndex(x.at(gap))
		if at == nil {
			return true
		}
		op := token.Span{File: gap.File, Start: gap.Start + int32(at[0]), End: gap.Start + int32(at[1])}
		old := strings.ToLower(x.at(op))
		now := swaps[old]
		switch old {
		case "and":
			now = "or"
		case "or":
			now = "and"
		}
		x.add(name, fmt.Sprintf("%s for %s in %s", now, old, cqn.Format(b)), op, now)
		return true
	})
}
