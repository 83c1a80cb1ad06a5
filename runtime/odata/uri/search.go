package uri

import (
	"strings"

	"cds/parser/cqn"
)

// maxWords bounds the words of a $search.
const maxWords = 50

// A searchParser reads $search (URL Conventions 5.1.8): words and "phrases", and, or, not and parentheses. NOT binds more than AND, AND more
// than OR; words beside each other are all wanted.
type searchParser struct {
	p *exprParser
	c *scanner
	n int
}

// search reads $search. Where words are only to be found all of them, they are returned as such; else as a condition.
func (p *exprParser) search(text string) (words []string, x cqn.Expr, err error) {
	s := &searchParser{p: p, c: &scanner{option: "$search", s: text}}
	s.c.blanks()
	if s.c.end() {
		return nil, nil, nil
	}
	if words, ok := operatorsOnly(text); ok {
		return words, nil, nil
	}
	x, err = s.or()
	if err != nil {
		return nil, nil, err
	}
	if !s.c.end() {
		return nil, nil, s.c.fail("Expected a word, AND, OR or end of input")
	}
	if words, ok := plainWords(x, nil); ok {
		return words, nil, nil
	}
	return nil, x, nil
}

// operatorsOnly takes operators that have nothing to work on for words.
func operatorsOnly(text string) ([]string, bool) {
	words := strings.Fields(text)
	for _, w := range words {
		if w != "AND" && w != "OR" && w != "NOT" {
			return nil, false
		}
	}
	return words, len(words) <= maxWords
}

// searchCondition reads $search as a condition, nil for an empty one.
func (p *exprParser) searchCondition(text string) (cqn.Expr, error) {
	words, x, err := p.search(text)
	for _, w := range words {
		one := word(w)
		if x != nil {
			one = &cqn.Binary{Op: cqn.And, L: x, R: one}
		}
		x = one
	}
	return x, err
}

func word(w string) cqn.Expr {
	return &cqn.Call{Name: "cds.words", Args: []cqn.Expr{&cqn.Lit{Value: cqn.String(w)}}}
}

// plainWords takes a condition apart that only asks for words, all of them.
func plainWords(x cqn.Expr, words []string) ([]string, bool) {
	switch x := x.(type) {
	case *cqn.Call:
		return append(words, x.Args[0].(*cqn.Lit).Value.Str()), true
	case *cqn.Binary:
		if x.Op == cqn.And {
			if words, ok := plainWords(x.L, words); ok {
				return plainWords(x.R, words)
			}
		}
	}
	return nil, false
}

func (s *searchParser) or() (cqn.Expr, error) {
	l, err := s.and()
	for err == nil && s.keyword("OR") {
		var r cqn.Expr
		if r, err = s.and(); err == nil {
			l = &cqn.Binary{Op: cqn.Or, L: l, R: r}
		}
	}
	return l, err
}

func (s *searchParser) and() (cqn.Expr, error) {
	l, err := s.not()
	for err == nil {
		s.c.blanks()
		if s.c.end() || s.c.peek() == ')' || s.peekWord() == "OR" {
			break
		}
		s.keyword("AND")
		var r cqn.Expr
		if r, err = s.not(); err == nil {
			l = &cqn.Binary{Op: cqn.And, L: l, R: r}
		}
	}
	return l, err
}

func (s *searchParser) not() (cqn.Expr, error) {
	if !s.keyword("NOT") {
		return s.primary()
	}
	if err := s.p.enter(s.c); err != nil {
		return nil, err
	}
	defer s.p.leave()
	x, err := s.not()
	return &cqn.Unary{Op: cqn.Not, X: x}, err
}

func (s *searchParser) primary() (cqn.Expr, error) {
	c := s.c
	c.blanks()
	if c.accept('(') {
		if err := s.p.enter(c); err != nil {
			return nil, err
		}
		defer s.p.leave()
		x, err := s.or()
		if err != nil {
			return nil, err
		}
		c.blanks()
		return x, c.expect(')')
	}
	if s.n++; s.n > maxWords {
		return nil, bad("$search has more than %d words", maxWords)
	}
	if c.peek() == '"' {
		return s.phrase()
	}
	if x := s.quoted(); x != nil {
		return x, nil
	}
	w := s.peekWord()
	switch w {
	case "":
		return nil, c.fail("Expected a word or a phrase")
	case "AND", "OR":
		return nil, c.fail("Expected a word or a phrase in place of %s", w)
	}
	c.i += len(w)
	return word(w), nil
}

// phrase reads a text in double quotes, in which backslashes take the meaning from quotes and themselves.
func (s *searchParser) phrase() (cqn.Expr, error) {
	c := s.c
	c.i++
	var b strings.Builder
	for c.i < len(c.s) && c.s[c.i] != '"' {
		if c.s[c.i] == '\\' && c.i+1 < len(c.s) {
			c.i++
		}
		b.WriteByte(c.s[c.i])
		c.i++
	}
	if !c.accept('"') {
		return nil, c.fail("Expected a closing quote")
	}
	return word(b.String()), nil
}

// quoted reads a text in single quotes as 4.01 has it, nil if none comes next: an apostrophe may just begin a word.
func (s *searchParser) quoted() cqn.Expr {
	d := *s.c
	if d.peek() != '\'' {
		return nil
	}
	text, err := d.quoted()
	if err != nil || text == "" || !d.end() && strings.IndexByte(" \t+)", d.peek()) < 0 {
		return nil
	}
	*s.c = d
	return word(text)
}

func (s *searchParser) peekWord() string {
	rest := s.c.s[s.c.i:]
	if i := strings.IndexAny(rest, " \t+\"()"); i >= 0 {
		return rest[:i]
	}
	return rest
}

// keyword consumes AND, OR or NOT.
func (s *searchParser) keyword(k string) bool {
	s.c.blanks()
	if s.peekWord() != k {
		return false
	}
	s.c.i += len(k)
	return true
}
