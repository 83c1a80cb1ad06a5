package link

import (
	"strings"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
)

// An escope is where the names of an expression are looked up.
type escope struct {
	l       *linker
	names   *scope // for entities and types named inside: subqueries, casts
	owner   *def
	sources []source
	extra   csn.Elements // mixins
	self    func(name string) *csn.Element
	params  csn.Elements
	outer   *escope
	silent  bool // unknown names are left to others to report
	depth   int
	direct  bool // the scope of an infix filter: no aliases
	inMixin bool // the condition of a mixin
}

// A source is one entry of a FROM clause, or the target of an association in the scope of its filter.
type source struct {
	alias string
	outer bool // of an outer join: there may be no row
	def   *def // nil for a subquery
	elems csn.Elements
}

// elementsOf returns the elements of a definition, which may have to be inferred first. Their types are not resolved yet.
func (l *linker) elementsOf(d *def) csn.Elements {
	if d == nil {
		return nil
	}
	if d.query != nil {
		l.infer(d)
	} else {
		l.shape(d, nil)
	}
	return d.elems
}

// below returns the elements that a path can go on to behind el, and the entity they are in, if it is another one.
func (l *linker) below(el *csn.Element) (csn.Elements, *def) {
	l.resolve(el)
	switch t := el.Type.(type) {
	case *csn.Struct:
		return t.Elements, nil
	case *csn.Assoc:
		inf := l.info(el)
		if inf != nil && inf.target != nil {
			return l.elementsOf(inf.target), inf.target
		}
		if d := l.byName[t.TargetName]; d != nil {
			return l.elementsOf(d), d
		}
		if asp := inf.rest().aspect; asp != nil {
			return l.elementsOf(asp), asp
		}
	case *csn.Array:
		if s, ok := t.Items.Type.(*csn.Struct); ok {
			return s.Elements, nil
		}
	}
	return nil, nil
}

// first resolves the first step of a path. alias is set if it names a source as a whole.
func (s *escope) first(name string, more bool) (el *csn.Element, alias *source, in *escope) {
	for x := s; x != nil; x = x.outer {
		if more {
			for i := range x.sources {
				if x.sources[i].alias == name && !x.direct {
					return nil, &x.sources[i], x
				}
			}
		}
		if el := x.extra.Lookup(name); el != nil {
			return el, nil, x
		}
		for i := range x.sources {
			if el := x.sources[i].elems.Lookup(name); el != nil {
				return el, nil, x
			}
		}
		for i := range x.sources {
			if x.sources[i].alias == name && !x.direct {
				return nil, &x.sources[i], x
			}
		}
	}
	return nil, nil, nil
}

// A target is what a path leads to.
type target struct {
	el     *csn.Element
	path   []*csn.Element // elements passed before el
	source *source        // the whole source, for an alias alone
	self   bool           // $self alone
	from   *source
	mixin  bool
}

// path resolves a reference and links its filters. ok is false if it was not found, which has been reported.
func (s *escope) path(r *cqn.Ref) (*cqn.Ref, target, bool) {
	out := &cqn.Ref{At: r.At, Path: append([]cqn.Step(nil), r.Path...)}
	var t target
	if len(r.Path) == 0 || s.depth > maxDepth {
		return out, t, false
	}
	i, elems, owner, ok := s.head(r, &t)
	if !ok {
		return out, t, false
	}
	if t.mixin && len(r.Path) > 1 && !s.silent && !s.inMixin && wholeRow(t.el.Assoc().On) {
		s.l.diags.Errorf("mixin-unsupported", r.Where, "The mixin “%s”, whose condition compares with the whole row of the view, is used in the view's own query", r.Path[0].Name).Hint =
			"Compare keys instead of $self, or use the mixin in a view on this one."
	}
	for ; i < len(r.Path); i++ {
		st := r.Path[i]
		if i > 0 && elems == nil && t.el != nil {
			elems, owner = s.l.below(t.el)
		}
		if t.el == nil || i > 0 && elems != nil {
			el := elems.Lookup(st.Name)
			if el == nil {
				s.unknown(st, elems, owner)
				return out, t, false
			}
			if t.el != nil {
				t.path = append(t.path, t.el)
			}
			t.el = el
		} else if i > 0 {
			s.unknown(st, nil, nil)
			return out, t, false
		}
		elems, owner = nil, nil
		out.Path[i] = s.filter(st, t.el)
	}
	return out, t, true
}

// wholeRow reports whether a condition compares with $self itself: the row of a view, which does not exist yet within its query.
func wholeRow(on cqn.Expr) bool {
	found := false
	cqn.Walk(on, func(n any) bool {
		if r, ok := n.(*cqn.Ref); ok && len(r.Path) == 1 && (r.Path[0].Name == "$self" || r.Path[0].Name == "$projection") {
			found = true
		}
		return !found
	})
	return found
}

// head resolves the beginning of a path. It returns the index of the next step and the elements to look it up in.
func (s *escope) head(r *cqn.Ref, t *target) (next int, elems csn.Elements, owner *def, ok bool) {
	name := r.Path[0].Name
	if name == "$self" || name == "$projection" {
		if len(r.Path) == 1 {
			t.self = true
			return 1, nil, nil, true
		}
		el := s.selfElement(r.Path[1].Name)
		if el == nil {
			s.unknown(r.Path[1], nil, nil)
			return 0, nil, nil, false
		}
		t.el = el
		return 2, nil, nil, true
	}
	if strings.HasPrefix(name, "$") {
		return 0, nil, nil, s.variable(r)
	}
	el, alias, in := s.first(name, len(r.Path) > 1)
	switch {
	case el != nil:
		t.el = el
		t.mixin = !in.direct && in.extra.Lookup(name) == el
		if len(in.sources) == 1 {
			t.from = &in.sources[0]
		}
		return 0, nil, nil, true
	case alias != nil:
		t.from = alias
		if len(r.Path) == 1 {
			t.source = alias
			return 1, nil, nil, true
		}
		return 1, alias.elems, alias.def, true
	}
	var all csn.Elements
	var d *def
	for x := s; x != nil; x = x.outer {
		for _, src := range x.sources {
			all = append(all, src.elems...)
			if d == nil {
				d = src.def
			}
		}
	}
	s.unknown(r.Path[0], all, d)
	return 0, nil, nil, false
}

func (s *escope) selfElement(name string) *csn.Element {
	for x := s; x != nil; x = x.outer {
		if x.self != nil {
			if el := x.self(name); el != nil {
				return el
			}
		}
	}
	return nil
}

// variable reports a pseudo variable that nobody knows.
func (s *escope) variable(r *cqn.Ref) bool {
	if !s.silent {
		s.l.diags.Errorf("ref-undefined-var", r.Where, "Unknown variable “%s”", r.Path[0].Name).Hint =
			"Known ones are $user, $now, $tenant, $locale, $at, $self and $projection."
	}
	return false
}

func (s *escope) unknown(st cqn.Step, elems csn.Elements, d *def) {
	if s.silent {
		return
	}
	in := ""
	if d != nil {
		in = d.name
	}
	s.l.unknownElement(st.Name, st.Span, elems, in)
}

func (l *linker) unknownElement(name string, at token.Span, elems csn.Elements, in string) {
	msg := "Element “" + name + "” has not been found"
	if in != "" {
		msg += " in “" + in + "”"
	}
	x := l.diags.Errorf("ref-undefined-element", at, "%s", msg)
	var known []string
	for _, e := range elems {
		known = append(known, e.Name)
	}
	x.Hint = didYouMean(name, known)
}

// filter links the filter and arguments of a step in the scope of its target.
func (s *escope) filter(st cqn.Step, el *csn.Element) cqn.Step {
	if st.Filter == nil && st.Args == nil {
		return st
	}
	if st.Filter != nil {
		elems, d := s.l.below(el)
		in := &escope{l: s.l, names: s.names, owner: s.owner, outer: nil, silent: s.silent, depth: s.depth + 1, direct: true, params: s.params}
		in.self = s.self
		in.sources = []source{{def: d, elems: elems}}
		st.Filter = in.expr(st.Filter)
	}
	st.Args = s.namedArgs(st.Args)
	return st
}

func (s *escope) namedArgs(args []cqn.NamedArg) []cqn.NamedArg {
	if args == nil {
		return nil
	}
	out := make([]cqn.NamedArg, len(args))
	for i, a := range args {
		out[i] = cqn.NamedArg{Name: a.Name, X: s.expr(a.X)}
	}
	return out
}

// expr links an expression: it checks references, makes names of entities and types absolute and gives enum symbols their
// values. The tree that is passed in is not changed.
func (s *escope) expr(x cqn.Expr) cqn.Expr {
	if x == nil {
		return nil
	}
	s.depth++
	defer func() { s.depth-- }()
	if s.depth > 2*maxDepth {
		return x
	}
	switch n := x.(type) {
	case *cqn.Ref:
		r, _, _ := s.path(n)
		return r
	case *cqn.Param:
		s.param(n)
	case *cqn.Call:
		c := *n
		c.Args = s.exprs(n.Args)
		if n.Over != nil {
			c.Over = &cqn.Window{PartitionBy: s.exprs(n.Over.PartitionBy), OrderBy: s.orders(n.Over.OrderBy), Frame: n.Over.Frame}
		}
		return &c
	case *cqn.Unary:
		c := *n
		c.X = s.expr(n.X)
		return &c
	case *cqn.Binary:
		c := *n
		c.L, c.R = s.expr(n.L), s.expr(n.R)
		if n.Op >= cqn.Eq && n.Op <= cqn.Ge {
			c.L, c.R = s.symbols(c.L, c.R), s.symbols(c.R, c.L)
		}
		return &c
	case *cqn.Between:
		c := *n
		c.X, c.Lo, c.Hi = s.expr(n.X), s.expr(n.Lo), s.expr(n.Hi)
		c.Lo, c.Hi = s.symbols(c.Lo, c.X), s.symbols(c.Hi, c.X)
		return &c
	case *cqn.Like:
		c := *n
		c.X, c.Pattern, c.Escape = s.expr(n.X), s.expr(n.Pattern), s.expr(n.Escape)
		return &c
	case *cqn.In:
		c := *n
		c.X, c.Set = s.expr(n.X), s.expr(n.Set)
		c.Set = s.symbols(c.Set, c.X)
		return &c
	case *cqn.Case:
		return s.cases(n)
	case *cqn.Exists:
		return s.exists(n)
	case *cqn.Tuple:
		return &cqn.Tuple{At: n.At, Items: s.exprs(n.Items)}
	case *cqn.Subquery:
		c := *n
		c.Query, _ = s.l.linkQuery(n.Query, s.inner())
		return &c
	case *cqn.Cast:
		c := *n
		c.X, c.Type = s.expr(n.X), s.typeName(n.Type, n.Where)
		return &c
	}
	return x
}

// inner is the scope for a query inside an expression of this one.
func (s *escope) inner() *escope {
	return &escope{l: s.l, names: s.names, owner: s.owner, params: s.params, outer: s, silent: s.silent, depth: s.depth + 1}
}

func (s *escope) exprs(xs []cqn.Expr) []cqn.Expr {
	if xs == nil {
		return nil
	}
	out := make([]cqn.Expr, len(xs))
	for i, x := range xs {
		out[i] = s.expr(x)
	}
	return out
}

func (s *escope) orders(os []cqn.Order) []cqn.Order {
	if os == nil {
		return nil
	}
	out := append([]cqn.Order(nil), os...)
	for i := range out {
		out[i].X = s.expr(out[i].X)
	}
	return out
}

func (s *escope) cases(n *cqn.Case) cqn.Expr {
	c := *n
	c.X, c.Else = s.expr(n.X), s.expr(n.Else)
	c.Whens = make([]cqn.When, len(n.Whens))
	for i, w := range n.Whens {
		c.Whens[i] = cqn.When{Cond: s.expr(w.Cond), Then: s.expr(w.Then)}
		if c.X != nil {
			c.Whens[i].Cond = s.symbols(c.Whens[i].Cond, c.X)
		}
	}
	return &c
}

func (s *escope) exists(n *cqn.Exists) cqn.Expr {
	c := *n
	if n.Path == nil {
		return n
	}
	r, t, ok := s.path(n.Path)
	c.Path = r
	if ok && t.el != nil && !s.silent {
		s.l.resolve(t.el)
		if t.el.Assoc() == nil {
			s.l.diags.Errorf("ref-expecting-assoc", n.Path.Where, "An association is expected after `exists`, but “%s” is none", t.el.Name)
		}
	}
	return &c
}

// param checks the argument of a parameterised view.
func (s *escope) param(p *cqn.Param) {
	if p.From != cqn.FromViewArg || s.silent || s.params.Lookup(p.Name) != nil {
		return
	}
	where := ""
	if s.owner != nil {
		where = s.owner.name
	}
	x := s.l.diags.Errorf("ref-undefined-param", p.Where, "Entity “%s” has no parameter “%s”", where, p.Name)
	var known []string
	for _, k := range s.params {
		known = append(known, k.Name)
	}
	x.Hint = didYouMean(p.Name, known)
}

func (s *escope) typeName(t cqn.TypeName, at token.Span) cqn.TypeName {
	if t.Name == "" {
		return t
	}
	if d := s.l.lookup(s.names, t.Name); d != nil && d.kind == kType {
		t.Name = d.name
		return t
	}
	n := strings.TrimPrefix(t.Name, "cds.")
	if _, ok := builtins[n]; ok {
		t.Name = "cds." + n
		return t
	}
	if !s.silent {
		s.l.unknownDef(s.names, &ast.Name{Text: t.Name, Span: at}, "Type")
	}
	return t
}

// symbols gives the enum symbols in x the values that the enum of the operand beside has.
func (s *escope) symbols(x, beside cqn.Expr) cqn.Expr {
	switch x := x.(type) {
	case *cqn.Lit:
		if x.Enum == "" || !x.Value.IsNull() {
			return x
		}
		r, ok := beside.(*cqn.Ref)
		if !ok {
			return x
		}
		quiet := *s
		quiet.silent = true
		_, t, ok := quiet.path(r)
		if !ok || t.el == nil {
			return x
		}
		s.l.resolve(t.el)
		return s.l.symbol(x, t.el, s.silent)
	case *cqn.Tuple:
		out := &cqn.Tuple{At: x.At, Items: make([]cqn.Expr, len(x.Items))}
		for i, it := range x.Items {
			out.Items[i] = s.symbols(it, beside)
		}
		return out
	}
	return x
}

func (l *linker) symbol(x *cqn.Lit, el *csn.Element, silent bool) cqn.Expr {
	for i := range el.Enum() {
		if el.Enum()[i].Name == x.Enum {
			c := *x
			c.Value = el.Enum()[i].Val()
			return &c
		}
	}
	if !silent && len(el.Enum()) > 0 {
		d := l.diags.Errorf("ref-undefined-enum", x.Where, "The enum of “%s” has no symbol “#%s”", el.Name, x.Enum)
		var known []string
		for i := range el.Enum() {
			known = append(known, el.Enum()[i].Name)
		}
		d.Hint = didYouMean(x.Enum, known)
	}
	return x
}

// enumLits resolves a default value that is a symbol of the element's enum.
func (l *linker) enumLits(x cqn.Expr, enum []csn.EnumSymbol) cqn.Expr {
	lit, ok := x.(*cqn.Lit)
	if !ok || lit.Enum == "" {
		return x
	}
	for i := range enum {
		if enum[i].Name == lit.Enum {
			c := *lit
			c.Value = enum[i].Val()
			return &c
		}
	}
	l.diags.Warnf("ref-undefined-enum", lit.Where, "The enum has no symbol “#%s”", lit.Enum)
	return x
}
