package parser

import (
	"cds/parser/check"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/link"
	"cds/parser/load"
	"cds/parser/syntax"
)

const codeNoModel diag.Code = "file-no-model"

// Messages documents every code that compiling a model can report. Examples are whole models: CDS text, with further files behind lines
// like `-- name.cds --`, or a CSN document.
func Messages() diag.Catalogue {
	all := diag.Catalogue{
		codeNoModel: {Severity: diag.Error, Title: "No model has been found",
			Explain: "A project has models in db, srv, app or a folder below app, or schema.cds and services.cds beside these."},
	}
	for _, part := range []diag.Catalogue{syntax.Messages(), load.Messages(), link.Messages(), csn.Messages(), check.Messages()} {
		for code, e := range part {
			all[code] = e
		}
	}
	return all
}
