package openapi_test

import (
	"os"
	"path/filepath"
	"testing"

	"cds/codegen/openapi"
	"cds/parser"

	"github.com/getkin/kin-openapi/openapi3"
)

// The documents of all services at hand are valid by the judgement of a library that we did not write.
func TestGenerate_ValidByLibrary(t *testing.T) {
	projects := map[string]string{"bookshop sample": filepath.Join("..", "..", "samples", "bookshop")}
	recorded := filepath.Join("..", "..", "..", "shared", "conformance", "models")
	if _, err := os.Stat(recorded); err == nil {
		projects["recorded bookshop"] = filepath.Join(recorded, "bookshop")
		projects["recorded authlab"] = filepath.Join(recorded, "authlab")
	} else {
		t.Log("the recorded models are not at hand: only the sample is validated")
	}
	for name, dir := range projects {
		r := parser.CompileProject(os.DirFS(dir), parser.Options{})
		if r.Model == nil {
			t.Fatalf("%s: %v", name, r.Diags)
		}
		for _, s := range r.Model.Services {
			for _, opt := range []openapi.Options{{Version: "3.0"}, {Version: "3.1"}, {Version: "3.0", REST: true}, {Version: "3.1", REST: true}} {
				version := opt.Version
				b, err := openapi.Generate(r.Model, s, opt)
				if err != nil {
					t.Errorf("%s, %s, %s: %v", name, s.Name, version, err)
					continue
				}
				l := openapi3.NewLoader()
				doc, err := l.LoadFromData(b)
				if err != nil {
					t.Errorf("%s, %s, %s: it does not load: %v", name, s.Name, version, err)
					continue
				}
				if err := doc.Validate(l.Context); err != nil {
					t.Errorf("%s, %s, %s: %v", name, s.Name, version, err)
				}
			}
		}
	}
}
