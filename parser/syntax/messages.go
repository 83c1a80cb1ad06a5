package syntax

import "cds/parser/diag"

// The codes of this package's diagnostics.
const (
	codeToken     diag.Code = "syntax-unexpected-token"
	codeReserved  diag.Code = "syntax-unexpected-reserved-word"
	codeDeep      diag.Code = "syntax-too-deep"
	codeLarge     diag.Code = "syntax-too-large"
	codeChar      diag.Code = "syntax-unknown-character"
	codeUnclosed  diag.Code = "syntax-missing-token-end"
	codeQuotes    diag.Code = "syntax-double-quotes"
	codeLiteral   diag.Code = "syntax-bad-literal"
	codeEscape    diag.Code = "syntax-bad-escape"
	codeAnno      diag.Code = "syntax-invalid-anno"
	codeOrder     diag.Code = "syntax-misplaced"
	codeUnsupport diag.Code = "syntax-not-supported"
	codeTooMany   diag.Code = "syntax-too-many-errors"
	codeTwice     diag.Code = "syntax-repeated"
)

// Messages returns the documentation of every code that the parser reports.
func Messages() diag.Catalogue {
	return diag.Catalogue{
		codeToken: entry("Unexpected word or character",
			"The text does not follow the grammar at this place. The message says what could have stood there.",
			"entity Books { key ID :: Integer; }", "entity Books { key ID : Integer; }"),
		codeReserved: entry("Reserved word used as a name",
			"Some words of the query language cannot be names unless they are delimited by ![ and ].",
			"entity from { key ID : Integer; }", "entity ![from] { key ID : Integer; }"),
		codeDeep: entry("Nested too deeply",
			"Brackets, operators and types may be nested 200 levels deep, and a chain of operators may have 5000 of them.",
			"", "entity E { key ID : Integer; } // split the expression, or name the inner types"),
		codeLarge: entry("File too large",
			"A source file may have at most 64 MB: split it.", "", ""),
		codeChar: entry("Unknown character",
			"The character has no meaning outside strings and comments.", "entity E § { key ID : Integer; }", "entity E { key ID : Integer; }"),
		codeUnclosed: entry("Unterminated string, comment or name",
			"A string ends on its own line with the quote it began with, a comment with */, a delimited name with ].",
			"@title: 'Books\nentity Books { key ID : Integer; }", "@title: 'Books'\nentity Books { key ID : Integer; }"),
		codeQuotes: entry("Double quotes",
			"Names are delimited by ![ and ], strings by single quotes.", `entity "my books" { key ID : Integer; }`, "entity ![my books] { key ID : Integer; }"),
		codeLiteral: entry("Malformed literal",
			"A date, time, timestamp, binary or number literal does not have the form its kind asks for.",
			"@since: date'2024-02-30' entity E { key ID : Integer; }", "@since: date'2024-02-29' entity E { key ID : Integer; }"),
		codeEscape: entry("Unknown escape",
			"Strings in back quotes know \\n \\r \\t \\b \\f \\v \\0 \\\\ \\` \\$ \\' \\\" \\xHH \\uHHHH and \\u{H…}.",
			"@a: `a\\q` entity E { key ID : Integer; }", "@a: `a\\\\q` entity E { key ID : Integer; }"),
		codeAnno: entry("Malformed annotation",
			"An annotation has a dotted name, and after a colon a value. An empty structure says nothing, hence it is refused.",
			"@UI: { } entity E { key ID : Integer; }", "@UI: { Hidden } entity E { key ID : Integer; }"),
		codeOrder: entry("Misplaced declaration",
			"`namespace` stands at most once, before all definitions; `using` stands outside services and contexts.",
			"service S { using from '@sap/cds/common'; }", "using from '@sap/cds/common'; service S { }"),
		codeUnsupport: entry("Not supported",
			"The construct is known but has no meaning here.",
			"entity E { key ID : Integer; a : many Association to E; }", "entity E { key ID : Integer; a : Association to many E on a.ID = ID; }"),
		codeTooMany: entry("Too many errors",
			"The parser stops reporting after a hundred errors in a file.", "", ""),
		codeTwice: entry("Said twice",
			"A clause that may stand once stands twice.", "entity E { key ID : Integer; x : String not null not null; }", "entity E { key ID : Integer; x : String not null; }"),
	}
}

func entry(title, explain, wrong, right string) diag.Entry {
	return diag.Entry{Severity: diag.Error, Title: title, Explain: explain, Wrong: wrong, Right: right}
}
