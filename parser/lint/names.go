package lint

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"cds/parser/ast"
	"cds/parser/token"
)

// maxDepth bounds the walk over nested declarations and types; the parser allows less.
const maxDepth = 300

// builtins are the types that a definition of the same name would hide.
var builtins = [...]string{"UUID", "Boolean", "Integer", "UInt8", "Int16", "Int32", "Int64", "Integer64", "Decimal", "Double", "Date", "Time",
	"DateTime", "Timestamp", "String", "LargeString", "Binary", "LargeBinary", "Vector", "Map", "Association", "Composition"}

// usings reports imports that are not used, and returns the local names of all.
func (l *linter) usings(f *ast.File, words map[string]int) map[string]token.Span {
	aliases := map[string]token.Span{}
	for _, u := range f.Usings {
		for _, it := range u.Items {
			alias, at := last(it.Name.Text), it.Name.Span
			if it.As != nil {
				alias, at = it.As.Text, it.As.Span
			}
			aliases[alias] = at
			if words[alias] == 0 {
				l.add(codeUnusedUsing, at, "‘%s’ is imported, but not used in this file", alias).Hint =
					"Leave it out. To load a file for its definitions only, write: using from '…';"
			}
		}
	}
	return aliases
}

// decls checks the names of declarations, and the forms they are written in.
func (l *linter) decls(f *ast.File, decls []ast.Decl, aliases map[string]token.Span, text string, depth int) {
	if depth > maxDepth {
		return
	}
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Service:
			l.definition("service", &d.Head, aliases, depth)
			l.decls(f, d.Decls, aliases, text, depth+1)
		case *ast.Context:
			l.decls(f, d.Decls, aliases, text, depth+1)
		case *ast.Entity:
			l.definition("entity", &d.Head, aliases, depth)
			l.oldForms(&d.Head, text)
			l.elements(d.Elements, 0)
		case *ast.Aspect:
			if l.oldForms(&d.Head, text) {
				continue
			}
			l.hides(&d.Head, aliases, depth)
			l.elements(d.Elements, 0)
		case *ast.Type:
			l.definition("type", &d.Head, aliases, depth)
			if d.Type != nil {
				l.elements(d.Type.Fields, 0)
			}
		case *ast.Event:
			l.delimited(&d.Head)
		case *ast.Extend:
			l.elements(d.Elements, 0)
			l.decls(f, d.Decls, aliases, text, depth+1)
		}
	}
}

func (l *linter) definition(kind string, h *ast.Head, aliases map[string]token.Span, depth int) {
	name := last(h.Name.Text)
	if r, _ := utf8.DecodeRuneInString(name); unicode.IsLower(r) {
		l.add(codeNameDefinition, h.Name.Span, "The name of %s %s starts with a small letter", kind, name).Hint = "Write " + string(unicode.ToUpper(r)) + name[utf8.RuneLen(r):] + "."
	}
	l.delimited(h)
	l.hides(h, aliases, depth)
}

// hides reports definitions that make others unreachable by their short names.
func (l *linter) hides(h *ast.Head, aliases map[string]token.Span, depth int) {
	name := h.Name.Text
	for _, b := range builtins {
		if b == name {
			l.add(codeShadowed, h.Name.Span, "%s has the name of a builtin type", name).Hint = "Give it another name: cds." + name + " can hardly be told from it."
		}
	}
	if at, ok := aliases[name]; ok && depth > 0 && at.Valid() {
		d := l.add(codeShadowed, h.Name.Span, "Within the block, %s hides what is imported by that name", name)
		d.Hint = "Import it by another name: using { … as x }."
		d.Related = append(d.Related, relatedTo("imported here", at))
	}
}

func (l *linter) delimited(h *ast.Head) {
	for _, p := range h.Name.Parts {
		if p.Delimited && strings.IndexFunc(p.Text, func(r rune) bool { return r != '_' && r != '$' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) >= 0 {
			l.add(codeNameDelimited, p.Span, "The name “%s” has characters that do not work in OData, in handlers and in SQL", p.Text).Hint = "Use letters, digits and underscores."
		}
	}
}

func (l *linter) elements(els []*ast.Element, depth int) {
	if depth > maxDepth {
		return
	}
	for _, e := range els {
		if e == nil || e.AnnotateOnly || e.ExtendOnly {
			continue
		}
		name := e.Name.Text
		l.delimited(&e.Head)
		if r, _ := utf8.DecodeRuneInString(name); unicode.IsUpper(r) && strings.ToUpper(name) != name {
			l.add(codeNameElement, e.Name.Span, "The name of element %s starts with a capital", name).Hint = "Write " + string(unicode.ToLower(r)) + name[utf8.RuneLen(r):] + "."
		}
		if e.Type != nil {
			l.elements(e.Type.Fields, depth+1)
			if e.Type.Assoc != nil {
				l.elements(e.Type.Assoc.Inline, depth+1)
			}
		}
	}
}

// oldForms reports declarations in a form that later versions of the language discourage.
func (l *linter) oldForms(h *ast.Head, text string) bool {
	at := int(h.Name.Span.Start)
	if at > len(text) {
		return false
	}
	words := strings.Fields(text[:at])
	n := len(words)
	switch {
	case n > 1 && strings.EqualFold(words[n-1], "entity") && strings.EqualFold(words[n-2], "abstract"):
		l.add(codeDeprecated, h.Name.Span, "‘abstract entity’ is an old form").Hint = "Write: aspect " + h.Name.Text
		return true
	case n > 0 && strings.EqualFold(words[n-1], "view"):
		l.add(codeDeprecated, h.Name.Span, "‘view’ is an old form").Hint = "Write: entity " + h.Name.Text + " as …"
		return true
	}
	return false
}

// unused reports types and aspects outside services that no file mentions.
func (l *linter) unused(f *ast.File) {
	for _, d := range f.Decls {
		var h *ast.Head
		kind := "type"
		switch d := d.(type) {
		case *ast.Type:
			h = &d.Head
		case *ast.Aspect:
			h, kind = &d.Head, "aspect"
		default:
			continue
		}
		if l.words[last(h.Name.Text)] <= 1 {
			l.add(codeUnused, h.Name.Span, "%s %s is not used", kind, h.Name.Text).Hint = "Leave it out, unless other projects use it."
		}
	}
}
