package syntax

import (
	"github.com/alecthomas/participle/v2/lexer"

	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/diag"
	"cds/parser/token"
)

// ParseFile parses one source. It always returns a File, with the declarations that are free of faults; the diagnostics say what is wrong
// with the others.
func ParseFile(id token.FileID, name, text string) (*ast.File, diag.List) {
	f := &ast.File{ID: id, Name: name}
	if len(text) <= maxText && parseClean(f, id, text) {
		return f, nil
	}
	f = &ast.File{ID: id, Name: name}
	c, diags := open(id, text, 0)
	if c == nil {
		return f, diags
	}
	c.declarations(false, (&fileBuilder{f, c}).declaration)
	return f, c.finish(diags)
}

// ParseExpr parses an expression or condition. With base greater than zero the text is the content of a single-quoted string of the
// file, at that offset: each quote in text stands for two in the file. Faults yield a nil expression.
func ParseExpr(id token.FileID, text string, base int32) (cqn.Expr, diag.List) {
	c, diags := open(id, text, base)
	if c == nil {
		return nil, diags
	}
	x := c.expr()
	if c.failed == nil && c.peek().Type != tEOF {
		c.unexpected("an operator or the end of the condition")
	}
	if diags = c.finish(diags); diags.HasErrors() {
		return nil, diags
	}
	return x, diags
}

// ParseQuery parses a query as it stands behind `entity V as`. Base is as in ParseExpr; faults yield a nil query.
func ParseQuery(id token.FileID, text string, base int32) (*ast.Query, diag.List) {
	c, diags := open(id, text, base)
	if c == nil {
		return nil, diags
	}
	q := c.query()
	if c.failed == nil && c.peek().Type != tEOF {
		c.unexpected("the end of the query")
	}
	if diags = c.finish(diags); diags.HasErrors() {
		return nil, diags
	}
	return q, diags
}

// open cuts text into tokens. The cursor is nil if there is nothing to parse because of a fault that ends it all.
func open(id token.FileID, text string, base int32) (*cursor, diag.List) {
	var diags diag.List
	if len(text) > maxText {
		diags.Errorf(codeLarge, token.Span{File: id}, "The source has %d bytes, more than the %d that are allowed", len(text), maxText)
		return nil, diags
	}
	s := newScanner(id, text, base)
	lex, err := lexer.Upgrade(s, tDoc)
	if err != nil || s.deep {
		return nil, s.diags
	}
	return newCursor(lex), s.diags
}

// finish returns all diagnostics in order of their places.
func (c *cursor) finish(diags diag.List) diag.List {
	if c.failed != nil {
		c.diags = append(c.diags, *c.failed)
	}
	diags = append(diags, c.diags...)
	diags.Sort()
	if len(diags) > maxDiags {
		diags = diags[:maxDiags]
		diags.Errorf(codeTooMany, diags[maxDiags-1].Span, "More than %d errors; the rest is not shown", maxDiags)
	}
	return diags
}
