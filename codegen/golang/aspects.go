package golang

import (
	"slices"
	"strings"

	"cds/parser/csn"
)

// An aspectView is a named aspect that rows of several entities have in common: generic code works on all of them by its interface.
type aspectView struct {
	def    *csn.Aspect
	name   string
	fields []*fieldView
	rows   []*entityView
}

// findAspects finds the aspects whose scalar elements all are elements of rows, under their own names and with one Go type each.
func (v *serviceView) findAspects() {
	byAspect := map[*csn.Aspect]*aspectView{}
	for _, e := range v.entities {
		t := e.e.Table()
		if t == nil {
			continue
		}
		for _, a := range v.includedAspects(t.Includes, nil) {
			fields := aspectFields(a, e)
			if len(fields) == 0 {
				continue
			}
			av := byAspect[a]
			if av == nil {
				av = &aspectView{def: a, fields: fields}
				byAspect[a] = av
				v.aspects = append(v.aspects, av)
			}
			if sameFields(av.fields, fields) && !e.names.has("As"+aspectName(a)) {
				av.rows = append(av.rows, e)
			}
		}
	}
	kept := v.aspects[:0]
	for _, a := range v.aspects {
		name := aspectName(a.def)
		if v.names.has(name) || v.names.has("Has"+name) {
			continue // something of the service has the name
		}
		a.name = v.names.take(name, home("aspect", &a.def.Def), a.def.Span)
		v.names.take("Has"+name, "the interface of aspect "+a.def.Name, a.def.Span)
		kept = append(kept, a)
	}
	v.aspects = kept
}

func aspectName(a *csn.Aspect) string { return goName(a.Name[strings.LastIndexByte(a.Name, '.')+1:]) }

// includedAspects returns the aspects that a definition includes, directly or not.
func (v *serviceView) includedAspects(includes []string, seen []*csn.Aspect) []*csn.Aspect {
	for _, name := range includes {
		a, ok := v.model.Lookup(name).(*csn.Aspect)
		if ok && !slices.Contains(seen, a) && len(seen) < 50 {
			seen = v.includedAspects(a.Includes, append(seen, a))
		}
	}
	return seen
}

// aspectFields returns the fields of a row for the scalar elements of an aspect, nil if it lacks one.
func aspectFields(a *csn.Aspect, e *entityView) []*fieldView {
	var out []*fieldView
	for _, el := range a.Elements {
		if el.Scalar() == nil {
			continue
		}
		i := slices.IndexFunc(e.fields, func(f *fieldView) bool { return f.cds == el.Name && f.typ != "" && f.col != "" })
		if i < 0 {
			return nil
		}
		out = append(out, e.fields[i])
	}
	return out
}

func sameFields(a, b []*fieldView) bool {
	return slices.EqualFunc(a, b, func(x, y *fieldView) bool { return x.name == y.name && x.typ == y.typ })
}

// writeAspects writes a struct of references to the elements of each aspect, its interface, and the method that rows have for it.
func (v *serviceView) writeAspects(p *printer) (usesTime bool) {
	for _, a := range v.aspects {
		p.comment(a.name + " refers to the elements that a row has from aspect " + a.def.Name + ".\n" + a.def.Doc)
		p.line("type %s struct {", a.name)
		names := make([]string, len(a.fields))
		for i, f := range a.fields {
			p.line("%s *%s", f.name, f.typ)
			names[i] = "&x." + f.name
			usesTime = usesTime || strings.Contains(f.typ, "time.Time")
		}
		p.line("}\n")
		p.comment("Has" + a.name + " is any row with aspect " + a.def.Name + ".")
		p.line("type Has%s interface{ As%s() %s }\n", a.name, a.name, a.name)
		for _, e := range a.rows {
			p.line("func (x *%s) As%s() %s { return %s{%s} }\n", e.row, a.name, a.name, a.name, strings.Join(names, ", "))
		}
	}
	return usesTime
}
