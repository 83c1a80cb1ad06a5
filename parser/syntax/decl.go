package syntax

import (
	"errors"
	"strings"
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/ast"
	"cds/parser/diag"
	"cds/parser/token"
)

// The grammar of declarations. It is LL(1): annotations are read once, then a keyword decides. The pieces that fields
// name are read by hand, see pieces.go.
type declaration struct {
	Head       head           `parser:"@@ 'define'?"`
	Namespace  *dottedName    `parser:"( 'namespace' @@"`
	Using      *usingBody     `parser:"| 'using' @@"`
	Service    *serviceDecl   `parser:"| 'service' @@"`
	Context    *serviceDecl   `parser:"| 'context' @@"`
	Entity     *entityDecl    `parser:"| ( 'entity' | 'view' ) @@"`
	Abstract   *aspectDecl    `parser:"| 'abstract' 'entity' @@"`
	Aspect     *aspectDecl    `parser:"| 'aspect' @@"`
	Type       *typeDecl      `parser:"| 'type' @@"`
	Event      *typeDecl      `parser:"| 'event' @@"`
	Annotation *typeDecl      `parser:"| 'annotation' @@"`
	Action     *operationBody `parser:"| 'action' @@"`
	Function   *functionBody  `parser:"| 'function' @@"`
	Extend     *extendBody    `parser:"| 'extend' @@"`
	Annotate   *annotateBody  `parser:"| 'annotate' @@ )"`
}

type serviceDecl struct {
	Name  definedName `parser:"@@"`
	Decls declBlock   `parser:"@@"`
}

type entityDecl struct {
	Name     definedName   `parser:"@@"`
	Params   *viewParams   `parser:"@@?"`
	Includes *nameList     `parser:"( ':' @@ )?"`
	Query    *queryBody    `parser:"( 'as' @@"`
	Body     *elementBlock `parser:"| @@ )"`
	Actions  *actionBlock  `parser:"@@?"`
}

type aspectDecl struct {
	Name     definedName  `parser:"@@"`
	Includes *nameList    `parser:"( ':' @@ )?"`
	Body     *aspectBody  `parser:"@@"`
	Actions  *actionBlock `parser:"@@?"`
}

type typeDecl struct {
	Name  definedName   `parser:"@@"`
	Type  *typeBody     `parser:"( ':' @@"`
	Query *queryBody    `parser:"| 'as' @@"`
	Body  *elementBlock `parser:"| @@ )"`
}

// grammar returns the parser of one declaration. It is built once and never changes.
var grammar = sync.OnceValue(func() *participle.Parser[declaration] {
	return participle.MustBuild[declaration](
		participle.Lexer(definition{}),
		participle.CaseInsensitive("Ident"),
		participle.Elide("Doc"),
		participle.UseLookahead(0),
	)
})

// declarations reads declarations up to the end of the text or, inside a block, up to the closing brace.
// Each faulty declaration costs one diagnostic.
func (c *cursor) declarations(nested bool, add func(*declaration, token.Span)) {
	for c.failed == nil && c.peek().Type != tEOF && !(nested && c.is("}")) {
		start, at := c.lex.MakeCheckpoint(), c.here()
		d, err := grammar().ParseFromLexer(c.lex, participle.AllowTrailing(true))
		c.sync()
		if d != nil {
			c.diags = append(c.diags, d.recovered()...)
		}
		if err != nil {
			c.grammarError(err)
		} else {
			c.declEnd(nested)
		}
		if c.failed == nil {
			add(d, c.since(at))
		}
		if c.failed != nil && !c.recover(start, !nested) {
			return
		}
		if c.failed == nil && c.lex.RawCursor() == start.RawCursor() {
			c.unexpected("a declaration")
			return
		}
	}
}

// sync takes over where participle stopped.
func (c *cursor) sync() {
	if at := c.lex.RawCursor(); at > 0 {
		for i := at - 1; i >= 0; i-- {
			if t := c.lex.Range(i, i+1)[0]; t.Type != tDoc {
				c.last, c.lastV = span(&t), t.Value
				if t.Type != tPunct {
					c.lastV = ""
				}
				return
			}
		}
	}
}

func (c *cursor) declEnd(nested bool) {
	if c.accept(";") || c.lastV == "}" || c.peek().Type == tEOF || nested && c.is("}") {
		return
	}
	c.unexpected("‘;’")
}

// grammarError turns an error of participle into the cursor's failure.
func (c *cursor) grammarError(err error) {
	var f *failure
	var u *participle.UnexpectedTokenError
	switch {
	case errors.As(err, &f):
		c.diags = append(c.diags, f.diags...)
		c.failed = &f.d
		c.end = lexer.Token{Type: tEOF, Pos: c.lex.Peek().Pos}
	case errors.As(err, &u):
		c.fail(codeToken, span(&u.Unexpected), "Unexpected %s, expected %s", describe(&u.Unexpected), c.expectation())
		c.failed.Hint = meantKeyword(&u.Unexpected)
	default:
		c.unexpected("a declaration")
	}
}

// expectation says what would have continued a declaration where the grammar itself, not a piece of it, failed.
func (c *cursor) expectation() string {
	if at := c.lex.RawCursor(); at > 0 {
		if t := c.lex.Range(at-1, at)[0]; isWord(&t, "abstract") {
			return "‘entity’"
		}
	}
	return "a declaration, such as ‘entity’ or ‘service’"
}

// meantKeyword returns a hint where a word is a keyword but for a letter left out, added or replaced.
func meantKeyword(t *lexer.Token) string {
	if t.Type != tIdent || len(t.Value) < 4 {
		return ""
	}
	for _, w := range [...]string{"entity", "service", "context", "aspect", "action", "function", "annotate", "annotation", "extend", "using", "namespace", "define", "event", "type", "view"} {
		if oneEdit(strings.ToLower(t.Value), w) {
			return "Did you mean ‘" + w + "’?"
		}
	}
	return ""
}

// oneEdit reports whether one letter inserted, deleted or replaced, or two neighbours swapped, make a out of b.
func oneEdit(a, b string) bool {
	i, j := 0, 0 // lengths of the common prefix and suffix
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for j < len(a)-i && j < len(b)-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	x, y := a[i:len(a)-j], b[i:len(b)-j]
	return len(x) <= 1 && len(y) <= 1 || len(x) == 2 && len(y) == 2 && x[0] == y[1] && x[1] == y[0]
}

// convert turns what the grammar read into a declaration of the syntax tree; nil for `namespace` and `using`.
func (d *declaration) convert(at token.Span) ast.Decl {
	h := d.Head.Head
	h.Where = at
	switch {
	case d.Service != nil:
		return &ast.Service{Head: d.Service.Name.into(h), Decls: d.Service.Decls.decls}
	case d.Context != nil:
		return &ast.Context{Head: d.Context.Name.into(h), Decls: d.Context.Decls.decls}
	case d.Entity != nil:
		return d.Entity.convert(h)
	case d.Abstract != nil:
		return d.Abstract.convert(h)
	case d.Aspect != nil:
		return d.Aspect.convert(h)
	case d.Type != nil:
		t := &ast.Type{Head: d.Type.Name.into(h)}
		t.Includes, t.Type, t.Query = d.Type.parts(&t.Head)
		if b := d.Type.Type; b != nil {
			t.Default, t.NotNull, t.Localized = b.owner.Default, b.owner.NotNull, b.owner.Localized
		}
		return t
	case d.Event != nil:
		e := &ast.Event{Head: d.Event.Name.into(h)}
		e.Includes, e.Type, e.Query = d.Event.parts(&e.Head)
		return e
	case d.Annotation != nil:
		a := &ast.Annotation{Head: d.Annotation.Name.into(h)}
		_, a.Type, _ = d.Annotation.parts(&a.Head)
		return a
	case d.Action != nil:
		return d.Action.convert(h)
	case d.Function != nil:
		return d.Function.convert(h)
	case d.Extend != nil:
		return d.Extend.convert(h)
	case d.Annotate != nil:
		return d.Annotate.convert(h)
	}
	return nil
}

func (d *entityDecl) convert(h ast.Head) ast.Decl {
	e := &ast.Entity{Head: d.Name.into(h)}
	if d.Params != nil {
		e.Params = d.Params.params
	}
	if d.Includes != nil {
		e.Includes = d.Includes.names
	}
	if d.Body != nil {
		e.HasBody, e.Elements = true, d.Body.elements
	}
	if d.Query != nil {
		e.Query = d.Query.query
	}
	if d.Actions != nil {
		e.Actions = d.Actions.actions
	}
	return e
}

func (d *aspectDecl) convert(h ast.Head) ast.Decl {
	a := &ast.Aspect{Head: d.Name.into(h)}
	if d.Includes != nil {
		a.Includes = d.Includes.names
	}
	if d.Body != nil {
		a.Elements = d.Body.elements
	}
	if d.Actions != nil {
		a.Actions = d.Actions.actions
	}
	return a
}

// parts returns what a type, event or annotation consists of; annotations behind the type are added to the head.
func (d *typeDecl) parts(h *ast.Head) (includes []*ast.Name, typ *ast.TypeExpr, q *ast.Query) {
	switch {
	case d.Type != nil:
		h.Annos = append(h.Annos, d.Type.owner.Annos...)
		return d.Type.includes, d.Type.owner.Type, d.Type.query
	case d.Body != nil:
		return nil, &ast.TypeExpr{Span: d.Body.at, Struct: true, Fields: d.Body.elements}, nil
	case d.Query != nil:
		return nil, nil, d.Query.query
	}
	return nil, nil, nil
}

// recovered returns the diagnostics of the faults that the declaration's parts recovered from.
func (d *declaration) recovered() diag.List {
	out := d.Head.diags
	add := func(ps ...*piece) {
		for _, p := range ps {
			if p != nil {
				out = append(out, p.diags...)
			}
		}
	}
	for _, s := range []*serviceDecl{d.Service, d.Context} {
		if s != nil {
			add(&s.Name.piece, &s.Decls.piece)
		}
	}
	if e := d.Entity; e != nil {
		add(&e.Name.piece, e.Params.get(), e.Body.get(), e.Query.get(), e.Actions.get())
	}
	for _, a := range []*aspectDecl{d.Abstract, d.Aspect} {
		if a != nil {
			add(&a.Name.piece, a.Body.get(), a.Actions.get())
		}
	}
	for _, t := range []*typeDecl{d.Type, d.Event, d.Annotation} {
		if t != nil {
			add(&t.Name.piece, t.Type.get(), t.Body.get(), t.Query.get())
		}
	}
	if d.Action != nil {
		add(&d.Action.piece)
	}
	if d.Function != nil {
		add(&d.Function.piece)
	}
	if d.Extend != nil {
		add(&d.Extend.piece)
	}
	if d.Annotate != nil {
		add(&d.Annotate.piece)
	}
	return out
}
