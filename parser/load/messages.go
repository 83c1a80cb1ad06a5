package load

import "cds/parser/diag"

// Codes of this package.
const (
	codeOutside        diag.Code = "file-outside-project"
	codeUnknownLocal   diag.Code = "file-unknown-local"
	codeUnknownPackage diag.Code = "file-unknown-package"
	codeUnknownModel   diag.Code = "file-unknown-model"
	codeUnreadable     diag.Code = "file-not-readable"
	codeUnsupported    diag.Code = "file-unsupported"
	codeTooMany        diag.Code = "file-too-many"
)

// Messages documents the diagnostics of this package.
func Messages() diag.Catalogue {
	entry := func(title, explain, wrong, right string) diag.Entry {
		return diag.Entry{Severity: diag.Error, Title: title, Explain: explain, Wrong: wrong, Right: right}
	}
	return diag.Catalogue{
		codeOutside: entry("A file outside the project", "Models use files below the project's folder, and packages in its node_modules.",
			"using from '../../other/model';\n-- model.cds --\nentity E { key ID : Integer; }", "using from './model';\n-- model.cds --\nentity E { key ID : Integer; }"),
		codeUnknownLocal: entry("A file is missing", "Looked for are the name itself, with .cds behind it, and index.cds in the folder of that name.",
			"using from './shema';\n-- schema.cds --\nentity E { key ID : Integer; }", "using from './schema';\n-- schema.cds --\nentity E { key ID : Integer; }"),
		codeUnknownPackage: entry("A package is missing", "Packages are looked up in node_modules beside the file and in the folders above it. '@sap/cds/common' is always there.",
			"using from 'schema';\n-- schema.cds --\nentity E { key ID : Integer; }", "using from './schema';\n-- schema.cds --\nentity E { key ID : Integer; }"),
		codeUnknownModel: {Severity: diag.Warning, Title: "A configured model is missing", Explain: "requires.*.model in the configuration names a file or folder of the project, or a package in node_modules."},
		codeUnreadable:   entry("A file can't be read", "It is gone, not permitted, or larger than 16 MB.", "", ""),
		codeUnsupported:  entry("Not a source", "Only .cds, .csn and .json files can be used.", "using from './model.xml';\n-- model.cds --\nentity E { key ID : Integer; }\n-- model.xml --\n<model/>", "using from './model';\n-- model.cds --\nentity E { key ID : Integer; }"),
		codeTooMany:      entry("Too many files", "A model has at most 20000 files.", "", ""),
	}
}
