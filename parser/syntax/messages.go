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
			"entity E { from : Date; }", "entity E { ![from] : Date; }"),
		codeDeep: entry("Nested too deeply",
			"Brackets, operators and types may be nested 200 levels deep, and a chain of operators may have 5000 of them.",
			"((((…))))", "Split the expression, or name the inner types."),
		codeLarge: entry("File too large",
			"A source file may have at most 64 MB.", "", "Split the file."),
		codeChar: entry("Unknown character",
			"The character has no meaning outside strings and comments.", "entity E § { }", "entity E { }"),
		codeUnclosed: entry("Unterminated string, comment or name",
			"A string ends on its own line with the quote it began with, a comment with */, a delimited name with ].",
			"@title: 'Books", "@title: 'Books'"),
		codeQuotes: entry("Double quotes",
			"Names are delimited by ![ and ], strings by single quotes.", `entity "my books" { }`, "entity ![my books] { }"),
		codeLiteral: entry("Malformed literal",
			"A date, time, timestamp, binary or number literal does not have the form its kind asks for.",
			"date'2024-02-30'", "date'2024-02-29'"),
		codeEscape: entry("Unknown escape",
			"Strings in back quotes know \\n \\r \\t \\b \\f \\v \\0 \\\\ \\` \\$ \\' \\\" \\xHH \\uHHHH and \\u{H…}.",
			"`a\\q`", "`a\\\\q`"),
		codeAnno: entry("Malformed annotation",
			"An annotation has a dotted name, and after a colon a value. An empty structure says nothing, hence it is refused.",
			"@UI: { }", "@UI: { Hidden }"),
		codeOrder: entry("Misplaced declaration",
			"`namespace` stands at most once, before all definitions; `using` stands outside services and contexts.",
			"entity E { } namespace a;", "namespace a; entity E { }"),
		codeUnsupport: entry("Not supported",
			"The construct is known but has no meaning here.", "", ""),
		codeTooMany: entry("Too many errors",
			"The parser stops reporting after a hundred errors in a file.", "", ""),
		codeTwice: entry("Said twice",
			"A clause that may stand once stands twice.", "x : String default 'a' default 'b';", "x : String default 'a';"),
	}
}

func entry(title, explain, wrong, right string) diag.Entry {
	return diag.Entry{Severity: diag.Error, Title: title, Explain: explain, Wrong: wrong, Right: right}
}
