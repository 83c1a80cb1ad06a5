package csn

import (
	"strings"

	"cds/parser/diag"
	"cds/parser/token"
)

// Limits of what a model may hold.
const (
	maxDepth = 100
	maxFlat  = 10000
)

// Freeze makes a model of structured definitions. It computes everything that follows from them: numbers, the lists of the
// services, flat elements with foreign keys, joins of associations, the bases of simple projections, composition parents, what is
// localized and persisted, and the fingerprint.
//
// defs have resolved types, associations with TargetName (or Target), On and Keys, and entities with linked Source. Freeze takes
// the definitions over: entities get elements of their own, so that elements and types may be shared on entry.
// The model is complete even if there are diagnostics; it must not be used if one of them is an error.
func Freeze(defs []Definition, files *token.FileSet, namespace string) (*Model, diag.List) {
	f := &freezer{m: &Model{Files: files, Namespace: namespace, byName: make(map[string]Definition, len(defs))}, info: map[*Element]flatInfo{}, seen: map[*Struct]bool{}, cyclic: map[*Element]bool{},
		shared: map[*Element]bool{}, sharedAssoc: map[*Assoc]bool{}, paths: map[string]*[]string{}, inside: map[*Struct]bool{}}
	f.register(defs)
	f.services()
	f.share()
	for _, e := range f.m.Entities {
		f.own(e)
	}
	f.signatures()
	for _, e := range f.m.Entities {
		f.flatten(e)
	}
	f.linkForeignKeys()
	f.reads()
	f.persistence()
	f.joins()
	f.bases()
	f.parents()
	f.localized()
	f.seals()
	f.diags.Sort()
	if !f.diags.HasErrors() {
		f.m.seal()
	}
	return f.m, f.diags
}

type freezer struct {
	m     *Model
	diags diag.List
	info  map[*Element]flatInfo // of foreign keys
	seen  map[*Struct]bool      // by signature
	// cyclic has the associations of which a cycle of foreign keys has been reported.
	cyclic map[*Element]bool
	// shared and sharedAssoc have what definitions other than entities hold, so that no entity can have it for itself.
	shared      map[*Element]bool
	sharedAssoc map[*Assoc]bool
	inside      map[*Struct]bool     // structures in entities that have been searched
	slab        []Element            // elements not used yet
	paths       map[string]*[]string // paths in use: most elements of a model have those of others
	spell       []byte               // room for the key of one
}

// register fills the name table and numbers the entities. Definitions without a name and second ones are dropped with a diagnostic.
func (f *freezer) register(defs []Definition) {
	for _, d := range defs {
		if isNilDef(d) {
			continue
		}
		def := d.Definition()
		if first, dup := f.m.byName[def.Name]; dup || def.Name == "" {
			dg := f.diags.Errorf(codeDuplicate, def.Span, "duplicate definition of %q", def.Name)
			if dup {
				dg.Related = []diag.Related{{Message: "first definition", Span: first.Definition().Span}}
			}
			continue
		}
		f.m.byName[def.Name] = d
		f.m.Defs = append(f.m.Defs, d)
		switch d := d.(type) {
		case *Service:
			f.m.Services = append(f.m.Services, d)
		case *Entity:
			d.ID = len(f.m.Entities)
			f.m.Entities = append(f.m.Entities, d)
		}
	}
}

func isNilDef(d Definition) bool {
	switch d := d.(type) {
	case nil:
		return true
	case *Service:
		return d == nil
	case *Entity:
		return d == nil
	}
	return false
}

// services finds the service of each definition by its name and fills the lists of the services.
func (f *freezer) services() {
	for _, s := range f.m.Services {
		s.Entities, s.Ops, s.Events, s.Types = nil, nil, nil, nil
	}
	for _, d := range f.m.Defs {
		s := f.serviceOf(d.Definition().Name)
		switch d := d.(type) {
		case *Entity:
			d.Service = s
			for _, op := range d.Actions {
				op.Entity, op.Service = d, s
			}
			if s != nil {
				s.Entities = append(s.Entities, d)
			}
		case *Operation:
			d.Service = s
			if s != nil {
				s.Ops = append(s.Ops, d)
			}
		case *Event:
			d.Service = s
			if s != nil {
				s.Events = append(s.Events, d)
			}
		case *TypeDef:
			d.Service = s
			if s != nil {
				s.Types = append(s.Types, d)
			}
		}
	}
}

// serviceOf returns the innermost service whose name is a proper prefix of the name.
func (f *freezer) serviceOf(name string) *Service {
	for i := strings.LastIndexByte(name, '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
		if s, ok := f.m.byName[name[:i]].(*Service); ok {
			return s
		}
	}
	return nil
}

// signatures lets what stands outside of entities' elements point to this model: the targets of associations in parameters, results, types,
// aspects and events, and the elements of entities that are used as types there.
func (f *freezer) signatures() {
	for _, d := range f.m.Defs {
		switch d := d.(type) {
		case *Entity:
			f.signature(d.Params, 0)
			for _, o := range d.Actions {
				f.signature(append(Elements{o.Returns}, o.Params...), 0)
			}
		case *Operation:
			f.signature(append(Elements{d.Returns}, d.Params...), 0)
		case *TypeDef:
			f.signature(Elements{d.Type}, 0)
		case *Event:
			f.signature(Elements{d.Type}, 0)
		case *Aspect:
			f.signature(d.Elements, 0)
			for _, o := range d.Actions {
				f.signature(append(Elements{o.Returns}, o.Params...), 0)
			}
		}
	}
}

func (f *freezer) signature(els Elements, depth int) {
	if depth > maxDepth {
		return
	}
	for _, el := range els {
		if el == nil {
			continue
		}
		switch t := el.Type.(type) {
		case *Array:
			f.signature(Elements{t.Items}, depth+1)
		case *Assoc:
			t.Target = f.m.Entity(t.TargetName)
		case *Struct:
			if e := f.m.Entity(el.TypeName); e != nil && el.TypeOf() == nil {
				el.Type = &Struct{e.Elements}
			} else if !f.seen[t] {
				f.seen[t] = true
				f.signature(t.Elements, depth+1)
			}
		case nil:
			if e := f.m.Entity(el.TypeName); e != nil {
				el.Type = &Struct{e.Elements}
			}
		}
	}
}

// errorf reports an error at an element, or at its entity if the element has no place.
func (f *freezer) errorf(code diag.Code, e *Entity, el *Element, format string, args ...any) *diag.Diagnostic {
	return f.report(diag.Error, code, e, el, format, args...)
}

func (f *freezer) report(sev diag.Severity, code diag.Code, e *Entity, el *Element, format string, args ...any) *diag.Diagnostic {
	span, home := e.Span, "entity:\""+e.Name+"\""
	if el != nil {
		home += "/element:\"" + el.Name + "\""
		if el.Span.Valid() {
			span = el.Span
		}
	}
	d := f.diags.Add(sev, code, span, format, args...)
	d.Home = home
	return d
}
