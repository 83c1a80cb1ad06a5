package ddl

import "cds/parser/diag"

// The codes of Error.
const (
	CodeNameClash  diag.Code = "ddl-name-clash"
	CodeCycle      diag.Code = "ddl-cycle"
	CodeView       diag.Code = "ddl-view"
	CodeType       diag.Code = "ddl-type"
	CodeExpression diag.Code = "ddl-expression"
	CodeUnique     diag.Code = "ddl-unique"
	CodeDrafts     diag.Code = "ddl-drafts"
)

// Messages documents the codes of Error. Wrong and Right are whole models: the statements of the former can't be made for SQLite, those of the
// latter can. Those without example
// are reported by earlier checks, or by other dialects.
func Messages() diag.Catalogue {
	return diag.Catalogue{
		CodeNameClash: {Severity: diag.Error, Title: "Two things of one name in the database",
			Explain: "Dots of names become underscores, parts of structures are joined by underscores, and databases tell names neither by case nor by what comes after their length limit.",
			Wrong:   "entity a.B { key ID : Integer; } entity a_b { key ID : Integer; }", Right: "entity a.B { key ID : Integer; } entity a_c { key ID : Integer; }"},
		CodeCycle: {Severity: diag.Error, Title: "A view reads from itself", Explain: "Views are created after those that they read from, so there must be a first one."},
		CodeView: {Severity: diag.Error, Title: "A view has no counterpart in the database",
			Explain: "The query uses something that the database of the chosen dialect can't do, or that only HTTP requests can.",
			Wrong:   "entity E { key ID : Integer; } entity V(p : Integer) as select from E where ID = :p;", Right: "entity E { key ID : Integer; } entity V as select from E where ID = 1;"},
		CodeType:   {Severity: diag.Error, Title: "A type has no counterpart in the database", Explain: "The dialect has no column type for it."},
		CodeDrafts: {Severity: diag.Error, Title: "The tables of drafts can't be made", Explain: "What @odata.draft.enabled adds to an entity clashes with names of the model."},
		CodeExpression: {Severity: diag.Error, Title: "A default or stored value can't be computed by the database",
			Explain: "A default is made of constants, operators and $now, a stored value of elements of the same row.",
			Wrong:   "entity E { key ID : Integer; x : String default $user.country; }", Right: "entity E { key ID : Integer; @cds.on.insert: $user.country x : String; }"},
		CodeUnique: {Severity: diag.Error, Title: "A unique constraint over what has no column", Explain: "@assert.unique names elements of the entity, parts of its structures, and managed associations.",
			Wrong: "@assert.unique.one: [nope] entity E { key ID : Integer; }", Right: "@assert.unique.one: [name] entity E { key ID : Integer; name : String; }"},
	}
}
