package csn

import "cds/parser/diag"

// Codes of diagnostics that Freeze and Read report.
const (
	codeDuplicate   diag.Code = "csn-duplicate"
	codeTarget      diag.Code = "csn-unknown-target"
	codeKey         diag.Code = "csn-bad-foreign-key"
	codeOn          diag.Code = "csn-bad-on-condition"
	codeCycle       diag.Code = "csn-cycle"
	codeTooDeep     diag.Code = "csn-too-deep"
	codeTooLarge    diag.Code = "csn-too-large"
	codeJSON        diag.Code = "csn-json"
	codeShape       diag.Code = "csn-shape"
	codeUnknownType diag.Code = "csn-unknown-type"
	codeExpr        diag.Code = "csn-bad-expression"
	codeQuery       diag.Code = "csn-bad-query"
	codeSeal        diag.Code = "csn-seal"
	codeSealUse     diag.Code = "csn-seal-use"
)

// Messages documents the diagnostics of this package.
func Messages() diag.Catalogue {
	return diag.Catalogue{
		codeDuplicate: entry("Two things have the same name",
			"Definitions share one name space, and so do the flat elements of an entity: structures are flattened with underscores and foreign keys of managed associations are added, so that `author_ID` may be taken twice.",
			"entity Authors { key ID : Integer; } entity Books { key ID : Integer; author_ID : Integer; author : Association to Authors; }",
			"entity Authors { key ID : Integer; } entity Books { key ID : Integer; author : Association to Authors; }"),
		codeTarget: entry("The target of an association does not exist",
			"An association must lead to an entity of the model.",
			`{"definitions": {"E": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}, "a": {"type": "cds.Association", "target": "F"}}}}}`,
			`{"definitions": {"E": {"kind": "entity", "elements": {"ID": {"key": true, "type": "cds.Integer"}, "a": {"type": "cds.Association", "target": "E"}}}}}`),
		codeKey: entry("A foreign key names nothing in the target",
			"The keys of a managed association are paths to scalar elements of its target.",
			"entity Authors { key ID : Integer; name : String; } entity Books { key ID : Integer; author : Association to Authors { nam }; }",
			"entity Authors { key ID : Integer; name : String; } entity Books { key ID : Integer; author : Association to Authors { name }; }"),
		codeOn: entry("An on-condition cannot be resolved",
			"An on-condition compares elements of the entity with elements of the association's target; paths may only use foreign keys, not other elements behind an association.",
			"entity Authors { key ID : Integer; name : String; books : Association to many Books on books.author.name = name; } entity Books { key ID : Integer; author : Association to Authors; }",
			"entity Authors { key ID : Integer; name : String; books : Association to many Books on books.author = $self; } entity Books { key ID : Integer; author : Association to Authors; }"),
		codeCycle: entry("Definitions depend on themselves",
			"Foreign keys, types and projections must not lead back to themselves.",
			"entity A { key b: Association to B; } entity B { key a: Association to A; }", "entity A { key ID: UUID; b: Association to B; } entity B { key a: Association to A; }"),
		codeTooDeep:  entry("Too deeply nested", "Structures, expressions and queries may be nested 100 levels deep.", "", ""),
		codeTooLarge: entry("Too large", "A flattened entity may have 10000 elements, a CSN document 64 MB.", "", ""),
		codeJSON:     entry("The text is not valid JSON", "CSN is a JSON document in UTF-8 without duplicate properties.", `{"definitions": {}, "definitions": {}}`, `{"definitions": {}}`),
		codeShape: entry("The JSON is not CSN",
			"A property has another type than CSN gives it, or is missing. The inferred flavour is needed: with elements for every entity.", `{"definitions": []}`, `{"definitions": {}}`),
		codeUnknownType: entry("Unknown type", "A type must be built in (cds.String …) or defined in the model.",
			`{"definitions": {"T": {"kind": "type", "type": "cds.Strin"}}}`, `{"definitions": {"T": {"kind": "type", "type": "cds.String"}}}`),
		codeExpr: entry("A condition cannot be read",
			"Conditions in CSN are lists of tokens: operands as objects, operators and keywords as strings.",
			`{"definitions": {"E": {"kind": "entity", "elements": {"a": {"key": true, "type": "cds.Integer"}, "b": {"type": "cds.Boolean", "value": {"xpr": [{"ref": ["a"]}, "=", "="]}}}}}}`,
			`{"definitions": {"E": {"kind": "entity", "elements": {"a": {"key": true, "type": "cds.Integer"}, "b": {"type": "cds.Boolean", "value": {"xpr": [{"ref": ["a"]}, "=", {"val": 1}]}}}}}}`),
		codeSeal: entry("An element cannot be encrypted or hashed",
			"@encrypted and @hash stand on elements of tables, or on types that these have. Keys, localized, virtual and calculated elements, elements with a default, associations, arrays, what is within arrays, and streams cannot have them; a projection can neither add them nor take them away.",
			"entity Staff { @encrypted key ssn : String(11); name : String; }",
			"entity Staff { key ID : Integer; @encrypted ssn : String(11); name : String; }"),
		codeSealUse: entry("An encrypted or hashed element is used where its value is needed",
			"The database has the encrypted or hashed form only. Views may show such an element under any name and conditions may ask whether it is null; expressions, conditions, sorting, grouping and associations cannot use it.",
			"entity Staff { key ID : Integer; @encrypted iban : String(34); } view V as select from Staff { ID, upper(iban) as iban : String };",
			"entity Staff { key ID : Integer; @encrypted iban : String(34); } view V as select from Staff { ID, iban };"),
		codeQuery: entry("A query cannot be read", "A query has a SELECT with a source in `from`, or a SET with `args`.",
			`{"definitions": {"V": {"kind": "entity", "query": {"SELECT": {}}, "elements": {"a": {"type": "cds.Integer"}}}}}`,
			`{"definitions": {"E": {"kind": "entity", "elements": {"a": {"type": "cds.Integer"}}}, "V": {"kind": "entity", "query": {"SELECT": {"from": {"ref": ["E"]}}}, "elements": {"a": {"type": "cds.Integer"}}}}}`),
	}
}

func entry(title, explain, wrong, right string) diag.Entry {
	return diag.Entry{Severity: diag.Error, Title: title, Explain: explain, Wrong: wrong, Right: right}
}
