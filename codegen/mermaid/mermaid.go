// Package mermaid draws the entities of a model as a Mermaid class diagram.
package mermaid

import (
	"fmt"
	"strings"

	"cds/parser/csn"
)

// Generate returns the diagram of all entities, or of those of one service if s is given. Generated texts entities are left out.
func Generate(m *csn.Model, s *csn.Service) []byte {
	var b strings.Builder
	b.WriteString("classDiagram\n")
	in := map[*csn.Entity]bool{}
	for _, e := range m.Entities {
		in[e] = (s == nil || e.Service == s) && !strings.HasSuffix(e.Name, ".texts")
	}
	for _, e := range m.Entities {
		if in[e] {
			class(&b, e)
		}
	}
	for _, e := range m.Entities {
		if in[e] {
			relations(&b, e, in)
		}
	}
	return []byte(b.String())
}

func class(b *strings.Builder, e *csn.Entity) {
	fmt.Fprintf(b, "  class %s[\"%s\"] {\n", id(e.Name), text(e.Name))
	if e.Source != nil {
		b.WriteString("    <<view>>\n")
	}
	for _, el := range e.Elements {
		if el.Assoc() != nil {
			continue
		}
		mark := "+"
		if el.Key {
			mark = "#"
		}
		fmt.Fprintf(b, "    %s%s %s\n", mark, typeName(el), id(el.Name))
	}
	for _, o := range e.Actions {
		fmt.Fprintf(b, "    +%s()\n", id(o.Name))
	}
	b.WriteString("  }\n")
}

func relations(b *strings.Builder, e *csn.Entity, in map[*csn.Entity]bool) {
	if e.Base != nil && in[e.Base] {
		fmt.Fprintf(b, "  %s <|.. %s\n", id(e.Base.Name), id(e.Name))
	}
	for _, el := range e.Elements {
		a := el.Assoc()
		if a == nil || a.Target == nil || !in[a.Target] {
			continue
		}
		arrow, count := "-->", "0..1"
		if a.Composition {
			arrow = "*--"
		}
		if a.Many {
			count = "*"
		}
		fmt.Fprintf(b, "  %s %s \"%s\" %s : %s\n", id(e.Name), arrow, count, id(a.Target.Name), id(el.Name))
	}
}

func typeName(el *csn.Element) string {
	switch t := el.Type.(type) {
	case *csn.Builtin:
		return id(strings.TrimPrefix(t.Name, "cds."))
	case *csn.Array:
		if t.Items != nil && t.Items.Scalar() != nil {
			return id(strings.TrimPrefix(t.Items.Scalar().Name, "cds.")) + "[]"
		}
		return "Array"
	}
	if el.TypeName != "" {
		return id(el.TypeName)
	}
	return "Struct"
}

// id makes a name of what Mermaid allows in one; a delimited name of CDS may have any character.
func id(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' {
			return c
		}
		return '_'
	}, name)
}

func text(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '"' || c < ' ' {
			return '_'
		}
		return c
	}, s)
}
