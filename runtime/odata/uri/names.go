package uri

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A scope is what names in an expression stand for: the properties of an entity, or the columns of a result of $apply, and what $compute
// added to either.
type scope struct {
	e *csn.Entity // nil for a result of $apply that has no entity's rows any more
	// names are computed properties and the columns of a result, by the path under which they are known.
	names []name
}

// A name is a computed property or a column of a result.
type name struct {
	path []string // mostly one; genre, name for what $apply grouped by
	o    operand  // its value; a constant never, since those would take any type
	size int      // operands and operators in it
	// el is the element that a column has the values of, nil for computed ones.
	el *csn.Element
}

func scopeOf(e *csn.Entity) *scope { return &scope{e: e} }

// entityName names the scope in messages.
func (s *scope) entityName() string {
	if s.e != nil {
		return s.e.Name
	}
	return "the result of $apply"
}

// lookup returns the longest name that the text begins with, and the number of bytes it takes; nil if there is none.
func (s *scope) lookup(text string) (*name, int) {
	var best *name
	n := 0
	for i := range s.names {
		m := &s.names[i]
		if k := matchPath(text, m.path); k > n {
			best, n = m, k
		}
	}
	return best, n
}

// matchPath returns the length of the path at the beginning of the text, 0 if it is not there as whole words.
func matchPath(text string, path []string) int {
	i := 0
	for j, w := range path {
		if j > 0 {
			if i >= len(text) || text[i] != '/' {
				return 0
			}
			i++
		}
		if !strings.HasPrefix(text[i:], w) {
			return 0
		}
		i += len(w)
		if i < len(text) && isIdent(text[i]) {
			return 0
		}
	}
	return i
}

// freshVar returns a name for a variable that no client and no model uses.
func (p *exprParser) freshVar() string {
	p.fresh++
	return "#" + itoa(p.fresh)
}

func (p *exprParser) shadowed(name string) bool {
	for i := range p.vars {
		if p.vars[i].name == name {
			return true
		}
	}
	return false
}

// path reads property paths, lambdas and lambda variables. Every step must exist in the model or in the scope.
func (p *exprParser) path(c *scanner, s *scope) (operand, error) {
	for i := len(p.vars) - 1; i >= 0; i-- {
		v := p.vars[i]
		if c.word() != v.name {
			continue
		}
		c.i += len(v.name)
		if v.item != nil {
			return operand{x: cqn.NewRef(v.name), t: itemType(v.item)}, nil
		}
		if !c.accept('/') {
			return operand{}, c.fail("Expected \"/\" after variable %q", v.name)
		}
		return p.steps(c, s, v.entity, []string{v.name})
	}
	if n, size := s.lookup(c.s[c.i:]); n != nil {
		c.i += size
		if p.nodes += n.size; p.nodes > MaxNodes {
			return operand{}, p.node()
		}
		return n.o, nil
	}
	if s.e == nil {
		return operand{}, unknown("Property \"%s\" does not exist in %s", c.word(), s.entityName())
	}
	return p.steps(c, s, s.e, nil)
}

// steps reads a path from entity e on. path has the variable it begins with, if any.
func (p *exprParser) steps(c *scanner, s *scope, e *csn.Entity, path []string) (operand, error) {
	var many *cqn.Ref // up to the last association to many, when aggregating
	for n := 0; n < MaxPath; n++ {
		name := c.word()
		if name == "" {
			return operand{}, c.fail("Expected a property")
		}
		if c.at(len(name)) == '.' {
			return operand{}, unsupported("Type casts in paths are not supported")
		}
		el := e.Element(name)
		if el == nil {
			return operand{}, noProperty(name, e)
		}
		c.i += len(name)
		path = append(path, name)
		if c.peek() != '/' {
			return p.leaf(el, path, many)
		}
		if what := c.beyond(); what != "" {
			return operand{}, unsupported("%s in paths of expressions are not supported", what)
		}
		if w := c.afterSlash(); (w == "any" || w == "all") && c.at(1+len(w)) == '(' && many == nil {
			c.i++
			return p.lambda(c, s, el, path, w)
		}
		if c.acceptText("/$count") && !isIdent(c.peek()) {
			return p.count(c, el, path, many)
		}
		a := el.Assoc()
		switch {
		case a == nil:
			return operand{}, bad("Property %q of %q has no properties", name, e.Name)
		case a.Target == nil || a.Target.Service != p.r.Service:
			return operand{}, noProperty(name, e)
		case a.Many && !p.aggregating:
			return operand{}, &Error{Status: 400, Message: "Path over the association to many \"" + name + "\"", Hint: "use any or all"}
		case a.Many:
			var steps []cqn.Step
			if many != nil {
				steps = many.Path
			}
			many, path = &cqn.Ref{Path: append(steps, cqn.NewRef(path...).Path...)}, nil
		}
		c.i++
		e = a.Target
	}
	return operand{}, bad("Path in %s has more than %d steps", c.option, MaxPath)
}

// beyond tells what OData has that may follow the slash that comes next and is not supported; "" for none of it.
func (c *scanner) beyond() string {
	w := c.afterSlash()
	next := c.at(1 + len(w))
	switch {
	case c.at(1) == '@':
		return "Annotations"
	case c.at(1) == '$' && !strings.HasPrefix(c.s[c.i:], "/$count"):
		return "System resources"
	case w != "" && next == '.':
		return "Type casts and qualified functions"
	case w != "" && next == '(' && w != "any" && w != "all":
		return "Functions"
	}
	return ""
}

// afterSlash returns the word behind the slash that comes next.
func (c *scanner) afterSlash() string {
	d := scanner{s: c.s, i: c.i + 1}
	return d.word()
}

func noProperty(name string, e *csn.Entity) error {
	return unknown("Property \"%s\" does not exist in \"%s\"", name, e.Name)
}

func (p *exprParser) leaf(el *csn.Element, path []string, many *cqn.Ref) (operand, error) {
	if el.Assoc() != nil {
		return operand{assoc: el, path: path, many: many}, nil
	}
	b := el.Scalar()
	if _, array := el.Type.(*csn.Array); array && p.aggregating && many == nil {
		return operand{x: cqn.NewRef(path...), array: el}, nil
	}
	if b == nil {
		return operand{}, bad("Property %q can't be used as a value in an expression", el.Name)
	}
	if b.Kind == csn.LargeBinary {
		return operand{}, bad("Stream %q can't be used in an expression", el.Name)
	}
	if el.Virtual {
		return operand{}, bad("Virtual element %q is not allowed in expressions", el.Name)
	}
	return operand{x: cqn.NewRef(path...), t: b, el: el, many: many}, nil
}

var int64Type = &csn.Builtin{Name: "cds.Int64", Kind: csn.Int64}

// count reads what may follow /$count: options that choose the rows to be counted.
func (p *exprParser) count(c *scanner, el *csn.Element, path []string, many *cqn.Ref) (operand, error) {
	a := el.Assoc()
	if _, array := el.Type.(*csn.Array); array && many == nil {
		return operand{x: &cqn.Call{Name: "cds.items", Args: []cqn.Expr{cqn.NewRef(path...)}}, t: int64Type}, nil
	}
	switch {
	case a == nil:
		return operand{}, bad("/$count needs a collection; %q is none", el.Name)
	case !a.Many:
		return operand{}, unsupported("/$count of the association to one %q is not supported", el.Name)
	case a.Target == nil || a.Target.Service != p.r.Service:
		return operand{}, noProperty(el.Name, el.Owner)
	}
	rows := &cqn.Exists{Path: cqn.NewRef(path...)}
	if c.peek() == '(' {
		var err error
		if rows.Pred, err = p.countOptions(c, a.Target); err != nil {
			return operand{}, err
		}
	}
	if many != nil { // the sum of the numbers of all rows on the way
		if rows.Pred != nil {
			return operand{}, unsupported("options of /$count behind two associations to many are not supported")
		}
		rows.Path = &cqn.Ref{Path: append(many.Path[:len(many.Path):len(many.Path)], rows.Path.Path...)}
	}
	return operand{x: &cqn.Call{Name: "cds.count", Args: []cqn.Expr{rows}}, t: int64Type, counted: true}, nil
}

// countOptions reads ($filter=…;$search=…).
func (p *exprParser) countOptions(c *scanner, target *csn.Entity) (cqn.Expr, error) {
	text, err := c.parenthesised()
	if err != nil {
		return nil, err
	}
	parts, err := splitTop(text, ';')
	if err != nil {
		return nil, err
	}
	if err := p.enter(c); err != nil {
		return nil, err
	}
	defer p.leave()
	vars, nested := p.vars, p.nested
	p.vars, p.nested = nil, true // names are those of the target alone
	defer func() { p.vars, p.nested = vars, nested }()
	var x cqn.Expr
	for _, part := range parts {
		opt, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		var f cqn.Expr
		switch opt {
		case "$filter":
			f, err = p.filter("$filter", value, scopeOf(target))
		case "$search":
			f, err = p.searchCondition(value)
		default:
			return nil, bad("Query option %q does not exist for /$count", opt)
		}
		if err != nil {
			return nil, err
		}
		if x != nil && f != nil {
			f = &cqn.Binary{Op: cqn.And, L: x, R: f}
		}
		if f != nil {
			x = f
		}
	}
	return x, nil
}

// parenthesised consumes a text in balanced parentheses and returns what is within.
func (c *scanner) parenthesised() (string, error) {
	depth, quote := 0, byte(0)
	for i := c.i; i < len(c.s); i++ {
		switch b := c.s[i]; {
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '\'' || b == '"':
			quote = b
		case b == '(':
			depth++
		case b == ')':
			if depth--; depth == 0 {
				text := c.s[c.i+1 : i]
				c.i = i + 1
				return text, nil
			}
		}
	}
	return "", c.fail("Expected balanced parentheses")
}

// dollar reads $it, $this and $root.
func (p *exprParser) dollar(c *scanner, s *scope) (operand, error) {
	start := c.i
	c.i++
	w := c.word()
	c.i += len(w)
	switch w {
	case "it", "this":
		if p.nested && w == "it" {
			return operand{}, unsupported("$it within $expand is not supported")
		}
		if !c.accept('/') {
			return operand{}, unsupported("$%s as a value is not supported", w)
		}
		first := c.word()
		if p.shadowed(first) {
			return operand{}, unsupported("$%s is not supported where a variable has the name of a property", w)
		}
		return p.path(c, s)
	case "root":
		return p.rootPath(c)
	}
	c.i = start
	switch w {
	case "these", "count":
		return operand{}, unsupported("\"$%s\" is not supported in expressions", w)
	}
	return operand{}, c.fail("Expected \"(\", \"not\", a function, a property or a literal")
}

// rootPath reads the rest of $root/Set(key)/property: a value of another row, read under the same rights as a row that is asked for.
func (p *exprParser) rootPath(c *scanner) (operand, error) {
	if !c.accept('/') {
		return operand{}, c.fail("Expected \"/\" after $root")
	}
	w := c.word()
	var e *csn.Entity
	for _, x := range p.r.Service.Entities {
		if SetName(x) == w && x.Active == nil && !isDraftAdmin(x) {
			e = x
		}
	}
	if e == nil {
		return operand{}, unknown("Entity set \"%s\" does not exist in \"%s\"", w, p.r.Service.Name)
	}
	c.i += len(w)
	seg := Segment{Entity: e}
	switch {
	case c.peek() == '(':
		text, err := c.parenthesised()
		if err != nil {
			return operand{}, err
		}
		pp := pathParser{index: &Index{Service: p.r.Service}, r: p.r}
		if seg.Keys, err = pp.keys(e, nil, text); err != nil {
			return operand{}, bad("The key of \"%s\" in $root is not understood", w)
		}
		e = sided(e, pp.side)
		seg.Entity = e
	case !isSingleton(e):
		return operand{}, unsupported("Collections behind $root are not supported")
	}
	if !c.accept('/') {
		return operand{}, unsupported("Rows behind $root are not supported as values")
	}
	vars, aggregating := p.vars, p.aggregating
	p.vars, p.aggregating = nil, false
	o, err := p.steps(c, scopeOf(e), e, nil)
	p.vars, p.aggregating = vars, aggregating
	if err != nil {
		return o, err
	}
	if _, plain := o.x.(*cqn.Ref); !plain {
		return o, unsupported("Only properties are supported behind $root")
	}
	sel := &cqn.Select{From: &cqn.From{Path: refOf([]Segment{seg})}, Columns: []cqn.Column{{X: o.x, As: "v"}},
		Limit: &cqn.Lit{Value: cqn.Int(1)}}
	return operand{x: &cqn.Subquery{Query: sel}, t: o.t}, nil
}

// qualified reads what begins with a name with dots: an enum member, or a function or type, which are not supported here.
func (p *exprParser) qualified(c *scanner) (operand, error) {
	from := c.i
	for isIdent(c.peek()) || c.peek() == '.' {
		c.i++
	}
	switch c.peek() {
	case '\'':
		s, err := c.quoted()
		if err != nil {
			return operand{}, err
		}
		lit := &literal{text: s, quoted: true, value: cqn.String(s)}
		return operand{x: &cqn.Lit{Value: lit.value}, lit: lit}, nil
	case '(':
		return operand{}, unsupported("Function \"%s\" is not supported", c.s[from:c.i])
	}
	return operand{}, unsupported("Type casts in paths are not supported")
}
