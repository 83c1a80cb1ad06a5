package syntax

import (
	"strings"

	"cds/parser/diag"
	"cds/parser/token"
)

// A TokenKind tells tokens apart as far as it matters for layout.
type TokenKind uint8

// The kinds of tokens.
const (
	Word         TokenKind = iota // name or keyword, also delimited
	Literal                       // number or string
	Punctuation                   // operators, brackets, separators
	LineComment                   // // up to the line end
	BlockComment                  // /* … */, doc comments too
)

// A Token is a piece of text: text[Start:End]. Between tokens is nothing but space.
type Token struct {
	Kind       TokenKind
	Start, End int
}

// Tokens cuts a text into tokens, comments included. The diagnostics tell what can't be understood; then the tokens are of no use.
func Tokens(id token.FileID, text string) ([]Token, diag.List) {
	s := newScanner(id, text, 0)
	var out []Token
	for s.pos < len(text) && !s.deep {
		start := s.pos
		kind := Word
		switch typ := s.scan(); typ {
		case 0, tDoc:
			switch {
			case strings.HasPrefix(text[start:s.pos], "//"):
				kind = LineComment
			case strings.HasPrefix(text[start:s.pos], "/*"):
				kind = BlockComment
			default:
				continue
			}
		case tIdent, tDelim:
		case tPunct:
			kind = Punctuation
		default:
			kind = Literal
		}
		out = append(out, Token{kind, start, s.pos})
	}
	return out, s.diags
}
