package link

import (
	"cds/parser/ast"
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
)

// textsAspect is included in generated texts entities if the model has it.
const textsAspect = "sap.common.TextsAspect"

// compose makes the entities that are written as part of another: targets of compositions of aspects (E.items) and translations
// (E.texts). Before: shapes are known. After: these entities are in the table, with shapes; the elements texts and localized
// are added to their owners. Types are still unknown.
func (l *linker) compose() {
	for i := 0; i < len(l.defs); i++ {
		d := l.defs[i]
		if d.kind != kEntity || d.query != nil {
			continue
		}
		for _, e := range d.elems {
			l.composeElement(d, e)
			l.localizedParts(d, l.info(e).texpr, 0)
		}
		l.makeTexts(d)
	}
}

// composeElement makes the target of a composition of an aspect, named or not.
func (l *linker) composeElement(d *def, e *csn.Element) {
	inf := l.info(e)
	texpr := inf.texpr
	if texpr == nil || texpr.Assoc == nil || !texpr.Assoc.Composition {
		return
	}
	a := texpr.Assoc
	var aspect *def
	switch {
	case a.HasInline:
		inf.inline = true
	case a.Target != nil:
		aspect = l.lookup(inf.names(), a.Target.Text)
		if aspect == nil || aspect.kind != kAspect && aspect.kind != kType {
			return
		}
	default:
		return
	}
	t := l.newDef(d.name+"."+e.Name, kEntity, d)
	if t == nil {
		return
	}
	t.span, t.service, t.parent = e.Span, d.service, d
	d.made = append(d.made, t)
	inf.target = t
	if aspect != nil {
		inf.extra().aspect = aspect
	}
	up := l.generated(t, "up_", e.Span)
	up.Key, up.NotNull = true, true
	l.info(up).target = d
	up.Type = &csn.Assoc{TargetName: d.name, Min: "1", Max: "1"}
	t.elems = csn.Elements{up}
	if aspect != nil {
		t.members = append(t.members, member{include: a.Target, scope: inf.names()})
	} else {
		t.addElements(a.Inline, inf.names())
	}
	t.aspect = aspect
	for p, n := d, 0; p != nil && aspect != nil; p, n = p.parent, n+1 {
		if p.aspect == aspect || n > maxDepth {
			l.diags.Errorf("ref-cyclic", e.Span, "The aspect “%s” contains itself by the composition “%s”", aspect.name, e.Name)
			t.members = nil
			break
		}
	}
	l.shape(t, nil)
}

// generated makes an element that nobody wrote.
func (l *linker) generated(d *def, name string, at token.Span) *csn.Element {
	e := &csn.Element{}
	e.Name, e.Span = name, at
	l.know(e, elemInfo{owner: d})
	return e
}

// isLocalized reports whether an element has translations.
func isLocalized(e *csn.Element) bool { return e.Localized && !e.Key && !e.Virtual }

// localizedParts warns of localized parts of a structure, which have no translations: texts belong to elements of the entity itself.
func (l *linker) localizedParts(d *def, t *ast.TypeExpr, depth int) {
	if t == nil || depth > maxDepth {
		return
	}
	for _, f := range t.Fields {
		if f.Localized {
			x := l.diags.Warnf("def-localized-part", f.Name.Span, "“%s” is part of a structure: translations of it are not supported", f.Name.Text)
			x.Home, x.Hint = home(d, f.Name.Text), "Make it an element of the entity itself."
		}
		l.localizedParts(d, f.Type, depth+1)
	}
}

// makeTexts makes E.texts if E has localized elements.
func (l *linker) makeTexts(d *def) {
	any, keys := false, false
	for _, e := range d.elems {
		any = any || isLocalized(e)
		keys = keys || e.Key
	}
	if !any || d.parent != nil && d.parent.texts == d {
		return
	}
	if !keys {
		l.diags.Warnf("def-localized-no-key", d.span, "“%s” has localized elements but no key, so it gets no texts", d.name)
		return
	}
	for _, n := range []string{"texts", "localized"} {
		if x := d.elems.Lookup(n); x != nil {
			l.diags.Warnf("def-localized-clash", x.Span, "“%s” gets no texts, since it has an element “%s”", d.name, n)
			return
		}
	}
	if l.byName[d.name+".texts"] != nil {
		l.diags.Warnf("def-localized-clash", d.span, "“%s” gets no texts, since “%s.texts” is defined", d.name, d.name)
		return
	}
	t := l.newDef(d.name+".texts", kEntity, d)
	if t == nil {
		return
	}
	t.service, t.parent, d.texts = d.service, d, t
	d.made = append(d.made, t)
	t.annos = csn.Annotations{constant("odata.draft.enabled", false)}
	l.textsElements(d, t)
	t.shaped = done
	l.textsAssocs(d, t)
}

func constant(name string, b bool) cqn.AnnoField {
	return cqn.AnnoField{Name: name, Value: &cqn.AnnoValue{Kind: cqn.AnnoBool, Bool: b}}
}

// textsElements fills a texts entity: locale, then the keys and localized elements of its owner.
func (l *linker) textsElements(d, t *def) {
	if asp := l.byName[textsAspect]; asp != nil && asp.kind == kAspect && l.shape(asp, nil) {
		t.includes = []*def{asp}
		for _, e := range asp.elems {
			t.elems = append(t.elems, l.copyElement(t, e))
		}
	}
	if t.elems.Lookup("locale") == nil {
		loc := l.generated(t, "locale", d.span)
		loc.Key = true
		loc.TypeName, loc.Type = "cds.String", &csn.Builtin{Name: "cds.String", Kind: csn.String, Length: 14}
		l.info(loc).state = done
		t.elems = append(csn.Elements{loc}, t.elems...)
	}
	draft := l.annotated(d, "fiori.draft.enabled").Is("fiori.draft.enabled")
	unique := &cqn.AnnoValue{Kind: cqn.AnnoArray}
	if draft { // a draft may have two records with one locale for a while: they are told apart by a key of their own
		id := l.generated(t, "ID_texts", d.span)
		id.Key, id.TypeName, id.Type = true, "cds.UUID", &csn.Builtin{Name: "cds.UUID", Kind: csn.UUID}
		l.info(id).state = done
		for _, e := range t.elems {
			if e.Key {
				e.Key = false
				unique.Items = append(unique.Items, &cqn.AnnoValue{Kind: cqn.AnnoRef, Text: e.Name})
			}
		}
		t.elems = append(csn.Elements{id}, t.elems...)
	}
	for _, e := range d.elems {
		if !e.Key && !isLocalized(e) || t.elems.Lookup(e.Name) != nil {
			continue
		}
		c := l.copyElement(t, e)
		c.Localized = false
		c.SetDefault(nil)
		c.SetValue(nil)
		l.info(c).asText = true
		if e.Key {
			c.Annotations = csn.Annotations{constant("odata.containment.ignore", true)}
			if draft {
				c.Key = false
				unique.Items = append(unique.Items, &cqn.AnnoValue{Kind: cqn.AnnoRef, Text: e.Name})
			}
		} else {
			c.NotNull = false
		}
		t.elems = append(t.elems, c)
	}
	if draft {
		t.annos = append(t.annos, cqn.AnnoField{Name: "assert.unique.locale", Value: unique})
	}
}

// textsAssocs adds `texts` and `localized` to the owner of a texts entity.
func (l *linker) textsAssocs(d, t *def) {
	texts, loc := l.generated(d, "texts", d.span), l.generated(d, "localized", d.span)
	var on, onLoc cqn.Expr
	for _, e := range d.elems {
		if e.Key && t.elems.Lookup(e.Name) != nil {
			on = and(on, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("texts", e.Name), R: cqn.NewRef(e.Name)})
			onLoc = and(onLoc, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("localized", e.Name), R: cqn.NewRef(e.Name)})
		}
	}
	onLoc = and(onLoc, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("localized", "locale"), R: &cqn.Param{From: cqn.FromUserLocale}})
	texts.Type = &csn.Assoc{TargetName: t.name, Composition: true, Many: true, Max: "*", On: on}
	texts.TypeName = "cds.Composition"
	loc.Type = &csn.Assoc{TargetName: t.name, On: onLoc}
	loc.TypeName = "cds.Association"
	for _, e := range []*csn.Element{texts, loc} {
		inf := l.info(e)
		inf.state, inf.target, inf.inferredTarget = done, t, true
		d.elems = append(d.elems, e)
	}
}

// and joins conditions, of which the first may be missing.
func and(a, b cqn.Expr) cqn.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &cqn.Binary{Op: cqn.And, L: a, R: b}
}

// cardinality copies an explicit cardinality; `many` and `one` alone say only the maximum.
func cardinality(a *csn.Assoc, x *ast.AssocExpr) {
	a.Many = x.Many
	if x.Many {
		a.Max = "*"
	}
	if x.One {
		a.Max = "1"
	}
	if c := x.Card; c != nil {
		a.Src, a.Min = c.Src, c.Min
		if c.Max != "" {
			a.Max = c.Max
			a.Many = c.Max != "1"
		}
	}
}
