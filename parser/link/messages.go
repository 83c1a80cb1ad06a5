package link

import "cds/parser/diag"

func entry(title, explain, wrong, right string) diag.Entry {
	return diag.Entry{Severity: diag.Error, Title: title, Explain: explain, Wrong: wrong, Right: right}
}

// configurable is an error that may be made a warning.
func configurable(title, explain, wrong, right string) diag.Entry {
	e := entry(title, explain, wrong, right)
	e.Configurable = true
	return e
}

func warning(title, explain, wrong, right string) diag.Entry {
	return diag.Entry{Severity: diag.Warning, Title: title, Explain: explain, Wrong: wrong, Right: right}
}

// layersExample is the beginning of a model of several files; the last of them is still to come.
const layersExample = "using from './b';\nusing from './c';\n-- a.cds --\nentity E { key ID : Integer; }\n-- b.cds --\nusing from './a';\nannotate E with @t: 1;\n-- c.cds --\n"

// Messages documents the diagnostics of this package. Wrong and Right are whole models: the former reports the code, the latter nothing.
func Messages() diag.Catalogue {
	all := diag.Catalogue{}
	for _, part := range []diag.Catalogue{nameMessages(), elementMessages(), queryMessages(), serviceMessages(), extensionMessages()} {
		for k, v := range part {
			all[k] = v
		}
	}
	return all
}

func nameMessages() diag.Catalogue {
	return diag.Catalogue{
		"duplicate-definition": entry("Two things have the same name", "Definitions share one name space, and so do the elements, actions, columns or symbols of one definition.",
			"entity E { key ID : Integer; ID : String; }", "entity E { key ID : Integer; name : String; }"),
		"duplicate-using": entry("A local name is imported twice", "`using` gives what it imports a local name, its last part unless `as` says otherwise.",
			"using { a.E, b.E }; context a { entity E { key ID : Integer; } } context b { entity E { key ID : Integer; } }",
			"using { a.E, b.E as E2 }; context a { entity E { key ID : Integer; } } context b { entity E { key ID : Integer; } }"),
		"duplicate-alias": entry("Two sources of a query have the same alias", "Without `as` the alias is the last part of the name.",
			"entity E { key ID : Integer; } entity V as select from E join E on 1 = 1 { 1 as one : Integer };",
			"entity E { key ID : Integer; } entity V as select from E join E as F on 1 = 1 { 1 as one : Integer };"),
		"ref-undefined-def": entry("Unknown definition or type", "A name is looked up in the blocks around it, then among the file's `using`, then as an absolute name.",
			"entity E { key ID : Integr; }", "entity E { key ID : Integer; }"),
		"ref-undefined-art": entry("A name imported by `using` does not exist", "Neither a definition has that name, nor does one begin with it.",
			"using { a.b }; entity E { key ID : Integer; }", "using { a.b }; context a { entity b { key ID : Integer; } }"),
		"ref-undefined-element": entry("Unknown element", "A path starts with an element of the entity, an alias or $self, and goes on in structures and targets of associations.",
			"entity E { key ID : Integer; } entity V as select from E { IDD };", "entity E { key ID : Integer; } entity V as select from E { ID };"),
		"ref-undefined-var": entry("Unknown variable", "Variables are $user, $now, $tenant, $locale, $at and $session; $self and $projection start paths.",
			"entity E { key ID : Integer; } entity V as select from E where ID = $foo;", "entity E { key ID : Integer; a : String; } entity V as select from E where a = $user.a;"),
		"ref-undefined-param": entry("Unknown view parameter", "`:p` is the parameter p of the view.",
			"entity E { key ID : Integer; } entity V(p : Integer) as select from E where ID = :q;", "entity E { key ID : Integer; } entity V(p : Integer) as select from E where ID = :p;"),
		"ref-undefined-enum": entry("Unknown enum symbol", "`#s` is a symbol of the enum of the element beside.",
			"entity E { key ID : Integer; s : String enum { a; }; } entity V as select from E where s = #b;", "entity E { key ID : Integer; s : String enum { a; }; } entity V as select from E where s = #a;"),
		"reserved-namespace-cds": entry("The namespace cds is taken", "It holds the builtin types.", "namespace cds; entity E { key ID : Integer; }", "namespace cd; entity E { key ID : Integer; }"),
		"model-too-large":        entry("The model is too large", "Types in types and compositions of aspects in one another multiply, so the number of elements and definitions is limited.", "", ""),
	}
}

func elementMessages() diag.Catalogue {
	return diag.Catalogue{
		"def-missing-type": entry("An element has no type", "A calculated element takes the type of its expression, if that is known.",
			"entity E { key ID : Integer; x = frob(ID); }", "entity E { key ID : Integer; x : String = frob(ID); }"),
		"def-localized-clash": warning("No texts because of a name", "E.texts, and the elements texts and localized, are generated where an entity has localized elements.",
			"entity E { key ID : Integer; t : localized String; texts : String; }", "entity E { key ID : Integer; t : localized String; text : String; }"),
		"def-localized-part": warning("Translations of parts are not supported", "Texts belong to elements of the entity itself, not to parts of structures in it.",
			"entity E { key ID : Integer; s { t : localized String; } }", "entity E { key ID : Integer; t : localized String; }"),
		"def-localized-no-key": warning("No texts without a key", "Translations belong to a record by its key.", "entity E { t : localized String; }", "entity E { key ID : Integer; t : localized String; }"),
		"type-ignoring-argument": configurable("A type argument is not known", "String, Binary and Vector take a length, Decimal takes precision and scale.",
			"entity E { key ID : Integer(5); }", "entity E { key ID : String(5); }"),
		"type-invalid-argument": entry("A type argument is no whole number", "Lengths, precisions and scales are whole numbers, none of them negative.",
			"entity E { key ID : String(variable); }", "entity E { key ID : String(5); }"),
		"type-too-deep": entry("A type is nested too deeply", "Types may be nested 200 levels deep.", "", ""),
		"ref-cyclic": entry("A definition depends on itself", "Includes, types, views and compositions of aspects must not lead back to where they started.",
			"aspect A : B { } aspect B : A { }", "aspect A : B { } aspect B { }"),
		"ref-invalid-include": entry("Not to be included", "What is included has elements of its own: an aspect, an entity that is no view, a structured type or event.",
			"type T : String; entity E : T { key ID : Integer; }", "type T { t : String; } entity E : T { key ID : Integer; }"),
		"ref-invalid-target": entry("No target of an association", "Associations lead to entities; compositions may also be of an aspect.",
			"type T : String; entity E { key ID : Integer; a : Association to T; }", "entity T { key ID : Integer; } entity E { key ID : Integer; a : Association to T; }"),
		"ref-invalid-type": entry("Not a type", "Services, contexts, operations and annotations are no types.",
			"entity E { key ID : S; } service S { }", "entity E { key ID : S; } type S : String;"),
		"enum-invalid-value": entry("No value for an enum symbol", "The value of a symbol is a literal.", "type T : Integer enum { a = b; };", "type T : Integer enum { a = 2; };"),
		"assoc-as-type": entry("A type can't be an unmanaged association", "Its condition would belong to no entity.",
			"entity E { key ID : Integer; } type T : Association to E on T.ID = 1;", "entity E { key ID : Integer; } type T : Association to E;"),
		"calc-unsupported-assoc": entry("An association behind a path is no calculated element", "An association with a filter can be one if it belongs to the entity itself.",
			"entity E { key ID : Integer; o : Association to E; a = o.o; }", "entity E { key ID : Integer; o : Association to E; a = o[ID = 1]; }"),
		"ref-expecting-assoc": entry("An association is expected", "`exists` and paths after FROM lead over associations.",
			"entity E { key ID : Integer; } entity V as select from E where exists ID;", "entity E { key ID : Integer; o : Association to E; } entity V as select from E where exists o;"),
		"duplicate-generated": entry("A generated name is taken", "A composition of an aspect makes an entity named after the owner and the element.",
			"entity E { key ID : Integer; p : Composition of many { key n : Integer; }; } entity E.p { key ID : Integer; }",
			"entity E { key ID : Integer; p : Composition of many { key n : Integer; }; } entity E.q { key ID : Integer; }"),
	}
}

func queryMessages() diag.Catalogue {
	return diag.Catalogue{
		"ref-undefined-excluding": entry("An excluded element does not exist", "A misspelt name would show what was meant to be hidden.",
			"entity E { key ID : Integer; iban : String; } entity V as projection on E excluding { ibna };", "entity E { key ID : Integer; iban : String; } entity V as projection on E excluding { iban };"),
		"ref-expecting-struct": entry("Nothing to expand", "`.{ … }` and `{ … }` follow a structure, an association or a source.",
			"entity E { key ID : Integer; } entity V as select from E { ID.{ x } };", "entity E { key ID : Integer; s { x : Integer; } } entity V as select from E { s.{ x } };"),
		"ref-unexpected-self": entry("A whole row is no column", "Name an element of it.", "entity E { key ID : Integer; } entity V as select from E { $self as s };", "entity E { key ID : Integer; } entity V as select from E { ID, $self.ID as s };"),
		"ref-invalid-source":  entry("Not to be read", "Queries read entities.", "type T : String; entity V as select from T { x };", "entity T { key x : String; } entity V as select from T { x };"),
		"query-req-name":      entry("A column needs a name", "An expression has none of its own.", "entity E { key ID : Integer; } entity V as select from E { ID + 1 };", "entity E { key ID : Integer; } entity V as select from E { ID + 1 as next };"),
		"query-missing-keys": {Severity: diag.Info, Title: "A view without key", Explain: "The keys of the source pass on if all of them are columns; `key` marks others.",
			Wrong: "entity E { key a : Integer; key b : Integer; } entity V as select from E { a };", Right: "entity E { key a : Integer; key b : Integer; } entity V as select from E { a, b };"},
		"query-union-mismatch": entry("The queries of a union do not fit together", "They have the same number of columns.",
			"entity E { key ID : Integer; x : Integer; } entity V as select from E { ID, x } union select from E { ID };",
			"entity E { key ID : Integer; x : Integer; } entity V as select from E { ID, x } union select from E { ID, x };"),
		"mixin-invalid": entry("Not a mixin", "A mixin is an association with an ON condition.",
			"entity E { key ID : Integer; } entity V as select from E mixin { m : Association to E; } into { ID };",
			"entity E { key ID : Integer; } entity V as select from E mixin { m : Association to E on m.ID = $projection.ID; } into { ID, m };"),
		"mixin-unsupported": entry("A mixin over the whole row is used in its own query", "A condition `m.up = $self` needs the row of the view, which does not exist yet within its query.",
			"entity P as select from E mixin { m : Association to many E on m.up = $self; } into { ID, m.ID as x }; entity E { key ID : Integer; up : Association to P; }",
			"entity P as select from E mixin { m : Association to many E on m.up.ID = $projection.ID; } into { ID, m.ID as x }; entity E { key ID : Integer; up : Association to E; }"),
		"rewrite-not-supported": entry("The condition of an association can't be taken along", "A projected association needs the elements of its condition, under whatever name.",
			"entity E { key ID : Integer; n : Integer; o : Association to E on o.ID = n; } entity V as select from E { ID, o };",
			"entity E { key ID : Integer; n : Integer; o : Association to E on o.ID = n; } entity V as select from E { ID, n as m, o };"),
		"rewrite-on-dropped": warning("An association is left out of a view", "`*` took it along, but an element of its condition is excluded.",
			"entity E { key ID : Integer; n : Integer; o : Association to E on o.ID = n; } entity V as projection on E excluding { n };",
			"entity E { key ID : Integer; n : Integer; o : Association to E on o.ID = n; } entity V as projection on E excluding { n, o };"),
		"rewrite-key-not-covered": entry("The new target of an association lacks its key", "A managed association compares its foreign keys with elements of the target.",
			"entity E { key ID : Integer; n : String; o : Association to E; } entity T as projection on E { n }; entity V as projection on E { ID, o : redirected to T };",
			"entity E { key ID : Integer; n : String; o : Association to E; } entity T as projection on E { ID, n }; entity V as projection on E { ID, o : redirected to T };"),
		"anno-condition-not-covered": entry("An inherited condition uses an element that the projection hides", "The condition of a restriction is inherited along with it; it is evaluated on the projection, so it needs its elements, under whatever name.",
			"@restrict: [{ grant: 'READ', where: 'a = 1' }] entity E { key ID : Integer; a : Integer; } entity V as projection on E { ID };",
			"@restrict: [{ grant: 'READ', where: 'a = 1' }] entity E { key ID : Integer; a : Integer; } entity V as projection on E { ID, a as b };"),
		"anno-ambiguous-restriction": entry("Two includes bring different restrictions", "Which of them holds would be chance, so the includer says it.",
			"@requires: 'a' aspect A { a : Integer; } @requires: 'b' aspect B { b : Integer; } entity E : A, B { key ID : Integer; }",
			"@requires: 'a' aspect A { a : Integer; } @requires: 'b' aspect B { b : Integer; } @requires: ['a', 'b'] entity E : A, B { key ID : Integer; }"),
	}
}

func serviceMessages() diag.Catalogue {
	return diag.Catalogue{
		"service-nested-service": entry("A service inside a service", "Services stand beside one another; contexts may group them.", "service S { service T { } }", "context S { service T { } }"),
		"redirected-implicitly-ambiguous": entry("Several projections could be the target of an association", "Inside a service an association leads to the projection of its target. With several, one is marked.",
			"entity E { key ID : Integer; o : Association to F; } entity F { key ID : Integer; } service S { entity A as projection on E; entity B as projection on F; entity C as projection on F; }",
			"entity E { key ID : Integer; o : Association to F; } entity F { key ID : Integer; } service S { entity A as projection on E; @cds.redirection.target entity B as projection on F; entity C as projection on F; }"),
		"duplicate-autoexposed": entry("The name of an exposed entity is taken", "Composition children and code lists are exposed under their own names.",
			"context db { entity E { key ID : Integer; i : Composition of many I on i.e = $self; } entity I { key ID : Integer; e : Association to E; } } service S { entity E as projection on db.E; entity I { key ID : Integer; } }",
			"context db { entity E { key ID : Integer; i : Composition of many I on i.e = $self; } entity I { key ID : Integer; e : Association to E; } } service S { entity E as projection on db.E; entity J { key ID : Integer; } }"),
	}
}

func extensionMessages() diag.Catalogue {
	return diag.Catalogue{
		"ext-undefined-def": warning("Annotated is what does not exist", "Parts of reuse models may be missing, so this is a warning; a restriction that reaches nothing is an error.",
			"annotate Nope with @a; entity E { key ID : Integer; }", "annotate E with @a; entity E { key ID : Integer; }"),
		"anno-undefined-element": warning("Annotated is an element that does not exist", "See ext-undefined-def.", "annotate E with { IDD @a; }; entity E { key ID : Integer; }", "annotate E with { ID @a; }; entity E { key ID : Integer; }"),
		"anno-undefined-action": warning("Annotated is an action that does not exist", "See ext-undefined-def.", "annotate E with actions { go @a; }; entity E { key ID : Integer; }",
			"annotate E with actions { go @a; }; entity E { key ID : Integer; } actions { action go(); }"),
		"anno-undefined-param": warning("Annotated is a parameter that does not exist", "See ext-undefined-def.", "annotate f with (q @a); action f(p : Integer);", "annotate f with (p @a); action f(p : Integer);"),
		"anno-duplicate":       entry("An annotation twice in one place", "An annotation can be assigned once at each place.", "@a: 1 @a: 2 entity E { key ID : Integer; }", "@a: 2 entity E { key ID : Integer; }"),
		"anno-duplicate-unrelated-layer": warning("The same annotation from files that know nothing of each other", "Which one holds would depend on the order of the files. Let one use the other, or assign it in a file that uses both.",
			layersExample+"using from './a';\nannotate E with @t: 2;\n", layersExample+"using from './b';\nannotate E with @t: 2;\n"),
		"anno-duplicate-same-file": warning("The same annotation twice", "Within a file the last one is used.", "annotate E with @a: 1; annotate E with @a: 2; entity E { key ID : Integer; }", "annotate E with @a: 2; entity E { key ID : Integer; }"),
		"extend-query": entry("A view has no elements of its own", "It is extended with columns.", "entity E { key ID : Integer; } entity V as projection on E; extend V with { x : Integer; };",
			"entity E { key ID : Integer; } entity V as projection on E { ID }; extend V with columns { ID as x };"),
		"extend-unexpected-def":     entry("Definitions go into services and contexts", "Only a service or a context can be extended with definitions.", "entity E { key ID : Integer; } extend service E with { entity F { key ID : Integer; } };", "service E { } extend service E with { entity F { key ID : Integer; } };"),
		"extend-unexpected-element": entry("No place for elements", "Entities, aspects, types and events have elements.", "service S { } extend S with { x : Integer; };", "entity S { key ID : Integer; } extend S with { x : Integer; };"),
		"extend-unsupported":        entry("What is extended has no place for it", "Structures, enums and facets are extended where they are written: the element or type must have a structure, an enum or a builtin type of its own.", "entity E { key ID : Integer; x : Integer; } extend E:x with enum { a };", "entity E { key ID : Integer; x : String enum { b }; } extend E:x with enum { a };"),
		"extend-smaller": entry("An extension makes an element smaller", "What is stored must still fit, so extensions can enlarge lengths and precisions only.",
			"entity E { key ID : Integer; x : String(5); } extend E:x with (length: 3);", "entity E { key ID : Integer; x : String(5); } extend E:x with (length: 8);"),
		"extend-unknown-arg": configurable("Unknown type argument", "An element's type can be extended by length, precision, scale and srid.", "entity E { key ID : Integer; x : String(1); } extend E:x with (lenth: 5);", "entity E { key ID : Integer; x : String(1); } extend E:x with (length: 5);"),
	}
}
