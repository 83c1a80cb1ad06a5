package uri

import (
	"slices"
	"strconv"
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
	star, levels := false, 1
	for _, item := range items {
		item = strings.Trim(item, " \t")
		if err := x.p.node(); err != nil {
			return nil, err
		}
		if strings.HasPrefix(item, "*") {
			again := star
			star = true
			if levels, err = starLevels(item); err != nil {
				return nil, err
			}
			if again {
				return nil, bad("$expand names \"*\" twice")
			}
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
		return x.all(e, out, depth, levels)
	}
	return out, nil
}

// all adds all associations that may be read and are not expanded yet, levels deep.
func (x *expander) all(e *csn.Entity, out []cqn.Column, depth, levels int) ([]cqn.Column, error) {
	if depth >= MaxExpand {
		return nil, bad("$expand is nested deeper than %d levels", MaxExpand)
	}
	x.asked = true
	for _, el := range e.Flat {
		a := el.Assoc()
		if a == nil || a.Target == nil || a.Target.Service != x.p.r.Service || hasColumn(out, el.Name) {
			continue
		}
		if x.star != nil && !x.star(e, el) {
			continue
		}
		if err := x.p.node(); err != nil {
			return nil, err
		}
		sub := &cqn.Select{One: !a.Many}
		if levels > 1 {
			more, err := x.all(a.Target, nil, depth+1, levels-1)
			if err != nil {
				return nil, err
			}
			sub.Columns = append([]cqn.Column{{Star: true}}, more...)
		}
		out = append(out, cqn.Column{X: cqn.NewRef(el.Name), Expand: sub})
	}
	return out, nil
}

// starLevels reads what may follow a *: ($levels=n).
func starLevels(item string) (int, error) {
	rest := strings.Trim(item[1:], " \t")
	switch {
	case rest == "":
		return 1, nil
	case rest == "/$ref" || rest == "/$count":
		return 0, unsupported("%q in $expand is not supported", item)
	case rest[0] != '(' || rest[len(rest)-1] != ')':
		return 0, bad("Parsing URL failed: Expected \"(\", \",\" or end of input after \"*\" in $expand")
	}
	name, value, _ := strings.Cut(strings.Trim(rest[1:len(rest)-1], " \t"), "=")
	if name != "$levels" {
		return 0, bad("Query option %q does not exist for \"*\" in $expand", name)
	}
	return levelsOf(value)
}

// levelsOf reads $levels; max is as deep as can be.
func levelsOf(text string) (int, error) {
	if text == "max" {
		return MaxExpand, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 0 || text[0] == '+' || text[0] == '0' && n > 0:
		return 0, bad("Parsing URL failed: Expected a whole number or \"max\" but %q found in $levels.", text)
	case n > MaxExpand:
		return 0, bad("$levels can be %d at most", MaxExpand)
	}
	return n, nil
}

func (x *expander) expand(e *csn.Entity, item string, depth int) (cqn.Column, error) {
	c := &scanner{option: "$expand", s: item}
	name := c.word()
	c.i += len(name)
	if c.peek() == '@' || c.peek() == '$' {
		return cqn.Column{}, unsupported("%q in $expand is not supported", item)
	}
	if name == "" {
		return cqn.Column{}, c.fail("Expected a navigation property or \"*\"")
	}
	el := e.Element(name)
	if c.peek() == '.' {
		return cqn.Column{}, unsupported("Type casts in $expand are not supported")
	}
	if el == nil || el.Assoc() == nil || el.Assoc().Target == nil || el.Assoc().Target.Service != x.p.r.Service {
		return cqn.Column{}, unknown("Navigation property \"%s\" is not defined in %s", name, e.Name)
	}
	a := el.Assoc()
	form := ""
	for _, f := range []string{"/$ref", "/$count"} {
		if c.acceptText(f) && !isIdent(c.peek()) {
			form = f
		}
	}
	sub := &cqn.Select{One: !a.Many}
	col := cqn.Column{X: cqn.NewRef(name), Expand: sub}
	rest := strings.Trim(c.s[c.i:], " \t")
	var opts []option
	switch {
	case rest == "":
	case rest[0] == '/':
		return col, unsupported("%q in $expand is not supported", item)
	case rest[0] != '(' || rest[len(rest)-1] != ')':
		return col, c.fail("Expected \"(\", \",\" or end of input")
	default:
		var err error
		if opts, err = nestedOptions(rest[1:len(rest)-1], form); err != nil {
			return col, err
		}
	}
	switch {
	case form == "/$count":
		return x.expandCount(el, opts)
	case len(opts) > 0:
		if err := x.nested(&col, e, el, opts, depth); err != nil {
			return col, err
		}
	}
	if form == "/$ref" {
		return col, x.refsOnly(sub, a.Target)
	}
	return col, nil
}

// nested reads the options of an expand.
func (x *expander) nested(col *cqn.Column, e *csn.Entity, el *csn.Element, opts []option, depth int) error {
	a, sub := el.Assoc(), col.Expand
	q := &Query{Top: -1}
	saved, local := x.p.nested, x.p.local
	x.p.nested = true
	for _, o := range opts {
		if o.name[0] == '@' {
			x.p.local = append(slices.Clip(x.p.local), o)
		}
	}
	err := x.options(q, sub, scopeOf(a.Target), opts, depth+1)
	x.p.nested, x.p.local = saved, local
	if err != nil {
		return err
	}
	if q.Aggregated {
		if err := x.groupsOf(q, sub, opts); err != nil {
			return err
		}
	}
	col.Count = q.Count && a.Many
	if !a.Many { // a join, which knows conditions only
		for _, w := range sub.Search {
			sub.Where = conjunction(sub.Where, word(w))
		}
		sub.Search = nil
	}
	text, ok := find(opts, "$levels")
	if !ok {
		return nil
	}
	levels, err := levelsOf(text)
	switch {
	case err != nil:
		return err
	case levels == 0:
		return bad("$levels must be 1 at least")
	case levels == 1 || a.Target.Element(el.Name) == nil && !recursive(el):
		return nil
	}
	return x.repeat(col, el, levels, depth, text == "max")
}

// groupsOf makes an expand answer what $apply has made of the rows of each parent.
func (x *expander) groupsOf(q *Query, sub *cqn.Select, opts []option) error {
	if _, ok := find(opts, "$levels"); ok {
		return bad("$levels can't be combined with $apply that groups")
	}
	if q.Select.Limit != nil || q.Select.Offset != nil {
		return unsupported("$top and $skip are not supported on groups in $expand")
	}
	*sub = *q.Select
	return nil
}

// recursive reports whether an association leads to rows that have it themselves.
func recursive(el *csn.Element) bool {
	t := el.Assoc().Target.Element(el.Name)
	return t != nil && t.Assoc() != nil && t.Assoc().Target == el.Assoc().Target
}

// repeat nests an expand into itself.
func (x *expander) repeat(col *cqn.Column, el *csn.Element, levels, depth int, atMost bool) error {
	if !recursive(el) {
		return nil // one level is all there is
	}
	base := *col.Expand
	if room := MaxExpand - depth - expandDepth(base.Columns); levels > room {
		if !atMost {
			return bad("$expand is nested deeper than %d levels", MaxExpand)
		}
		levels = max(room, 1)
	}
	if len(base.Columns) == 0 {
		base.Columns = []cqn.Column{{Star: true}}
	}
	if hasColumn(base.Columns, el.Name) {
		return bad("$levels can't be combined with a $expand of the same property")
	}
	var inner *cqn.Select
	for range levels {
		if err := x.p.node(); err != nil {
			return err
		}
		s := base
		if inner != nil {
			s.Columns = append(slices.Clone(base.Columns), cqn.Column{X: col.X, Expand: inner, Count: col.Count})
		}
		inner = &s
	}
	col.Expand = inner
	return nil
}

// expandDepth returns how many expands are nested in columns.
func expandDepth(cols []cqn.Column) int {
	n := 0
	for i := range cols {
		if cols[i].Expand != nil {
			n = max(n, 1+expandDepth(cols[i].Expand.Columns))
		}
	}
	return n
}

// expandCount makes the number of related rows a column: items@odata.count.
func (x *expander) expandCount(el *csn.Element, opts []option) (cqn.Column, error) {
	col := cqn.Column{As: el.Name + "@odata.count"}
	if !el.Assoc().Many {
		return col, bad("/$count needs a collection; %q is none", el.Name)
	}
	rows := &cqn.Exists{Path: cqn.NewRef(el.Name)}
	saved := x.p.nested
	x.p.nested = true
	local := x.p.local
	defer func() { x.p.nested, x.p.local = saved, local }()
	for _, o := range opts {
		var f cqn.Expr
		var err error
		if o.name[0] == '@' {
			x.p.local = append(slices.Clip(x.p.local), o)
			continue
		}
		if o.name == "$filter" {
			f, err = x.p.filter(o.name, o.value, scopeOf(el.Assoc().Target))
		} else {
			f, err = x.p.searchCondition(o.value)
		}
		if err != nil {
			return col, err
		}
		rows.Pred = conjunction(rows.Pred, f)
	}
	col.X = call("cds.count", rows)
	return col, nil
}

// refsOnly makes an expand answer references in place of rows: @odata.id, put together from the keys.
func (x *expander) refsOnly(sub *cqn.Select, e *csn.Entity) error {
	if len(e.Keys) == 0 {
		return unsupported("%s has no key to refer to", e.Name)
	}
	text := func(s string) cqn.Expr {
		return &cqn.Cast{X: &cqn.Lit{Value: cqn.String(s)}, Type: cqn.TypeName{Name: "cds.LargeString"}}
	}
	parts := []cqn.Expr{text(SetName(e) + "(")}
	for i, k := range e.Keys {
		b := k.Scalar()
		if b == nil {
			return unsupported("References to %s are not supported", e.Name)
		}
		if len(e.Keys) > 1 {
			sep := ","
			if i == 0 {
				sep = ""
			}
			parts = append(parts, text(sep+k.Name+"="))
		}
		var v cqn.Expr = cqn.NewRef(k.Name)
		switch {
		case b.Kind == csn.UUID:
			parts = append(parts, v)
		case b.Kind == csn.String:
			quoted := call("replace", v, text("'"), text("''"))
			parts = append(parts, text("'"), quoted, text("'"))
		case whole(operand{t: b}) && isNumeric(b):
			parts = append(parts, &cqn.Cast{X: v, Type: cqn.TypeName{Name: "cds.LargeString"}})
		default:
			return unsupported("References to %s are not supported", e.Name)
		}
	}
	parts = append(parts, text(")"))
	id := parts[0]
	for _, p := range parts[1:] {
		id = &cqn.Binary{Op: cqn.Concat, L: id, R: p}
	}
	sub.Columns = []cqn.Column{{X: id, As: "@odata.id"}}
	return nil
}

// nestedOptions reads the options in the parentheses of an expand, separated by semicolons. form is what the expand is narrowed to.
func nestedOptions(text, form string) ([]option, error) {
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
		ok := strings.HasPrefix(name, "@") && len(name) > 1
		switch name {
		case "$filter", "$search":
			ok = true
		case "$orderby", "$top", "$skip", "$count":
			ok = form != "/$count"
		case "$select", "$expand", "$compute", "$levels", "$apply":
			ok = form == ""
		}
		if !ok {
			return nil, bad("Query option %q does not exist in $expand%s", name, form)
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
