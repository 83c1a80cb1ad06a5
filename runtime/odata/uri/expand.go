package uri

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// expands reads $expand: associations with nested options, and *.
func (x *expander) expands(e *csn.Entity, text string, depth int) ([]cqn.Column, error) {
	if depth >= MaxExpand {
		return nil, bad("$expand is nested deeper than %d levels", MaxExpand)
	}
	items, err := splitTop(text, ',')
	if err != nil {
		return nil, err
	}
	var out []cqn.Column
	star := false
	for _, item := range items {
		item = strings.Trim(item, " \t")
		if err := x.p.node(); err != nil {
			return nil, err
		}
		if item == "*" {
			star = true
			continue
		}
		col, err := x.expand(e, item, depth)
		if err != nil {
			return nil, err
		}
		if hasColumn(out, outName(col)) {
			return nil, bad("$expand names %q twice", outName(col))
		}
		out = append(out, col)
	}
	if star {
		x.asked = true
		for _, el := range e.Flat {
			a := el.Assoc()
			if a == nil || a.Target == nil || a.Target.Service != x.p.r.Service || hasColumn(out, el.Name) {
				continue
			}
			if x.star == nil || x.star(e, el) {
				out = append(out, cqn.Column{X: cqn.NewRef(el.Name), Expand: &cqn.Select{One: !a.Many}})
			}
		}
	}
	return out, nil
}

func (x *expander) expand(e *csn.Entity, item string, depth int) (cqn.Column, error) {
	c := &scanner{option: "$expand", s: item}
	name := c.word()
	c.i += len(name)
	if name == "" {
		return cqn.Column{}, c.fail("Expected a navigation property or \"*\"")
	}
	el := e.Element(name)
	if el == nil || el.Assoc() == nil || el.Assoc().Target == nil || el.Assoc().Target.Service != x.p.r.Service {
		return cqn.Column{}, bad("Navigation property \"%s\" is not defined in %s", name, e.Name)
	}
	a := el.Assoc()
	sub := &cqn.Select{One: !a.Many}
	col := cqn.Column{X: cqn.NewRef(name), Expand: sub}
	rest := strings.Trim(c.s[c.i:], " \t")
	switch {
	case rest == "":
		return col, nil
	case rest == "/$count":
		return col, unsupported("\"/$count\" in $expand is not supported")
	case rest[0] != '(' || rest[len(rest)-1] != ')':
		return col, c.fail("Expected \"(\", \",\" or end of input")
	}
	opts, err := nestedOptions(rest[1 : len(rest)-1])
	if err != nil {
		return col, err
	}
	q := &Query{Top: -1}
	if err := x.options(q, sub, a.Target, opts, depth+1); err != nil {
		return col, err
	}
	col.Count = q.Count && a.Many
	return col, nil
}

// nestedOptions reads the options in the parentheses of an expand, separated by semicolons.
func nestedOptions(text string) ([]option, error) {
	parts, err := splitTop(text, ';')
	if err != nil {
		return nil, err
	}
	var out []option
	for _, part := range parts {
		part = strings.Trim(part, " \t")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "$select", "$expand", "$filter", "$orderby", "$top", "$skip", "$count", "$search":
		case "$apply", "$compute":
			return nil, unsupported("Query option %q is not supported in $expand", name)
		default:
			return nil, bad("Query option %q does not exist in $expand", name)
		}
		for _, o := range out {
			if o.name == name {
				return nil, bad("Query option %q is given twice in $expand", name)
			}
		}
		out = append(out, option{name, value})
	}
	return out, nil
}

// splitTop splits at sep outside parentheses and quotes, single ones and the double ones of $search.
func splitTop(s string, sep byte) ([]string, error) {
	var out []string
	depth, from, quote := 0, 0, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == sep && depth == 0:
			out = append(out, s[from:i])
			from = i + 1
		}
		if depth < 0 || depth > MaxDepth {
			return nil, bad("Parsing URL failed: unbalanced or too deep parentheses in $expand")
		}
	}
	if depth != 0 || quote != 0 {
		return nil, bad("Parsing URL failed: unbalanced parentheses or quotes in $expand")
	}
	return append(out, s[from:]), nil
}
