package lint

import "cds/parser/diag"

// The rules.
const (
	codeNameDefinition diag.Code = "lint-name-definition"
	codeNameElement    diag.Code = "lint-name-element"
	codeNameDelimited  diag.Code = "lint-name-delimited"
	codeUnusedUsing    diag.Code = "lint-unused-using"
	codeUnused         diag.Code = "lint-unused-definition"
	codeShadowed       diag.Code = "lint-shadowed-name"
	codeDeprecated     diag.Code = "lint-old-form"
	codeNoKey          diag.Code = "lint-no-key"
	codeServiceOpen    diag.Code = "lint-service-open"
	codeOpenWrite      diag.Code = "lint-open-write"
	codeOutside        diag.Code = "lint-assoc-outside"
)

// Messages documents the rules. Wrong and Right are whole models.
func Messages() diag.Catalogue {
	entry := func(sev diag.Severity, title, explain, wrong, right string) diag.Entry {
		return diag.Entry{Severity: sev, Title: title, Explain: explain, Wrong: wrong, Right: right}
	}
	return diag.Catalogue{
		codeNameDefinition: entry(diag.Info, "Names of definitions start with a capital", "Entities, types and services are told from elements by their first letter.",
			"entity books { key ID : UUID; }", "entity Books { key ID : UUID; }"),
		codeNameElement: entry(diag.Info, "Names of elements start with a small letter", "Elements are told from definitions by their first letter. Names all in capitals, such as ID, are fine.",
			"entity Books { key ID : UUID; Title : String; }", "entity Books { key ID : UUID; title : String; }"),
		codeNameDelimited: entry(diag.Warning, "A name with unusual characters", "Delimited names may have any characters, but OData, SQL and programs do not.",
			"entity Books { key ID : UUID; ![sub title] : String; }", "entity Books { key ID : UUID; subTitle : String; }"),
		codeUnusedUsing: entry(diag.Warning, "An import is not used", "The file does not mention the name that `using` imports.",
			"using { cuid, managed } from '@sap/cds/common'; entity Books : cuid { title : String; }", "using { cuid } from '@sap/cds/common'; entity Books : cuid { title : String; }"),
		codeUnused: entry(diag.Info, "A type or aspect is not used", "No file of the model mentions it. Packages for others to use have such definitions rightly.",
			"aspect Tracked { user : String; } entity Books { key ID : UUID; }", "aspect Tracked { user : String; } entity Books : Tracked { key ID : UUID; }"),
		codeShadowed: entry(diag.Warning, "A name hides another", "A definition has the name of a builtin type, or, inside a block, of something imported.",
			"type Date : String; entity Books { key ID : UUID; d : Date; }", "type Day : String; entity Books { key ID : UUID; d : Day; }"),
		codeDeprecated: entry(diag.Info, "An old form", "`abstract entity` is now called `aspect`, and `view` is `entity … as`.",
			"entity Books { key ID : UUID; } view Titles as select from Books { ID };", "entity Books { key ID : UUID; } entity Titles as select from Books { ID };"),
		codeNoKey: entry(diag.Warning, "A table without a key", "Records without a key can't be addressed, changed or deleted one by one.",
			"entity Books { title : String; }", "entity Books { key ID : UUID; title : String; }"),
		codeServiceOpen: entry(diag.Warning, "Nothing says who may use a service",
			"A service without @requires leaves the decision to the configuration: in production logged-in users are let in, under development everybody. `@requires: 'any'` is an answer too.",
			"service Shop { entity Books { key ID : UUID; } }", "@requires: 'authenticated-user' service Shop { entity Books { key ID : UUID; } }"),
		codeOutside: entry(diag.Info, "An association leads out of the service",
			"Its target is in no service, and the service has no projection of it to redirect the association to. Clients see the foreign key, but can't follow the association.",
			"context db { entity A { key ID : Integer; } entity B { key ID : Integer; a : Association to A; } } service S { entity B as projection on db.B; }",
			"context db { entity A { key ID : Integer; } entity B { key ID : Integer; a : Association to A; } } service S { entity B as projection on db.B; entity A as projection on db.A; }"),
		codeOpenWrite: entry(diag.Warning, "Everybody may write", "A privilege without `to` is for everybody, one without `where` for all rows.",
			"service Shop { @restrict: [{ grant: 'WRITE' }] entity Books { key ID : UUID; } }", "service Shop { @restrict: [{ grant: 'WRITE', to: 'admin' }] entity Books { key ID : UUID; } }"),
	}
}
