package command

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cds/codegen/golang"
	"cds/parser"
	"cds/parser/diag"
	"cds/runtime/authz"

	"github.com/google/go-cmp/cmp"
)

func TestMessagesPage(t *testing.T) {
	var b bytes.Buffer
	if err := writeMessages(&b, messages()); err != nil {
		t.Fatal(err)
	}
	const page = "../../../../docs/messages.md"
	if os.Getenv("CDS_UPDATE") != "" {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(old), b.String()); d != "" {
		t.Errorf("docs/messages.md is not what the catalogue says (make messages rewrites it):\n%s", d)
	}
}

// No code means two things, and errors about restrictions can't be made milder.
func TestMessages_OneEntryEach(t *testing.T) {
	seen := map[diag.Code]bool{}
	for _, cat := range append(catalogues(), parser.Messages()) {
		for code, e := range cat {
			if seen[code] {
				t.Errorf("%s is in two catalogues", code)
			}
			seen[code] = true
			guards := strings.HasPrefix(string(code), "restrict-") || strings.HasPrefix(string(code), "requires-") || strings.HasPrefix(string(code), "authz-") || strings.HasPrefix(string(code), "anno-")
			if guards && e.Configurable {
				t.Errorf("%s guards a restriction, but can be made milder", code)
			}
		}
	}
}

// Every code of the policy compiler and of the generators that stands in the source is documented.
func TestMessages_Complete(t *testing.T) {
	cat := messages()
	constant := regexp.MustCompile(`code\w+\s+diag\.Code\s*=\s*"([a-z-]+)"`)
	for dir, least := range map[string]int{"runtime/authz": 10, "codegen/golang": 5} {
		files, _ := filepath.Glob(filepath.Join("../../../..", dir, "*.go"))
		found := 0
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range constant.FindAllStringSubmatch(string(src), -1) {
				found++
				if cat[diag.Code(m[1])].Title == "" {
					t.Errorf("%s: %s is not documented", f, m[1])
				}
			}
		}
		if found < least {
			t.Errorf("%s: only %d codes found", dir, found)
		}
	}
}

// The examples of the policy compiler do what they say: the wrong one reports the code, the right one does not.
func TestMessages_PolicyExamples(t *testing.T) {
	for code, e := range authz.Messages() {
		wrong, right := policyFindings(t, e.Wrong), policyFindings(t, e.Right)
		if wrong[code] != e.Severity {
			t.Errorf("%s: the wrong example must report it as %s; reported are %v", code, e.Severity, wrong)
		}
		if right[code] != 0 {
			t.Errorf("%s: the right example reports it", code)
		}
	}
}

// The same for the generator of Go code.
func TestMessages_GoExamples(t *testing.T) {
	for code, e := range golang.Catalogue {
		if e.Wrong == "" {
			continue
		}
		for text, want := range map[string]bool{e.Wrong: true, e.Right: false} {
			r := parser.CompileString("m.cds", text)
			if r.Model == nil {
				t.Errorf("%s does not compile: %v", text, r.Diags)
				continue
			}
			_, diags := golang.Generate(r.Model, golang.Options{Module: "example.com/x"})
			found := false
			for _, d := range diags {
				found = found || d.Code == code
			}
			if found != want {
				t.Errorf("%s: %v for %s, which reports %v", code, found, text, diags)
			}
		}
	}
}

func policyFindings(t *testing.T, text string) map[diag.Code]diag.Severity {
	t.Helper()
	// Without strictness the compiler leaves faulty restrictions in the model, for the policy compiler to find.
	r := parser.CompileString("m.cds", text)
	if r.Model == nil {
		t.Errorf("%s does not compile: %v", text, r.Diags)
		return nil
	}
	_, diags := authz.Compile(r.Model, authz.Options{Strict: true})
	out := map[diag.Code]diag.Severity{}
	for _, d := range diags {
		out[d.Code] = d.Severity
	}
	return out
}
