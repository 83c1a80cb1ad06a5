package main_test

import (
	"os"
	"testing"

	"cds/parser"
	"cds/parser/csn"
)

// bareModel compiles the .cds files, as `cds serve` does on a project without Go code.
func bareModel(t *testing.T) func() (*csn.Model, error) {
	t.Helper()
	return func() (*csn.Model, error) {
		res := parser.CompileProject(os.DirFS("."), parser.Options{Strict: true})
		return res.Model, res.Diags.Err()
	}
}
