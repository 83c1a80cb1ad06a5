package ddl

import (
	"cds/parser/csn"
)

// WithDrafts returns the model with the tables of drafts (csn.WithDrafts), which Create and Drop work on. Where that is not possible it is
// the model itself, and the error says why.
func WithDrafts(m *csn.Model) (*csn.Model, error) {
	full, diags := csn.WithDrafts(m, "")
	if full == nil {
		return m, &Error{Code: CodeDrafts, Entity: csn.DraftTable, Msg: "the tables of drafts cannot be made: " + diags.Error(), Err: diags}
	}
	return full, nil
}
