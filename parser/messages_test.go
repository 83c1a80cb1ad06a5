package parser_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cds/parser"
	"cds/parser/csn"
	"cds/parser/diag"

	"github.com/rogpeppe/go-internal/txtar"
)

// withoutExample are codes for which no short model can be shown.
var withoutExample = map[diag.Code]string{
	"syntax-too-deep": "limit", "syntax-too-large": "limit", "syntax-too-many-errors": "limit", "model-too-large": "limit",
	"type-too-deep": "limit", "csn-too-deep": "limit", "csn-too-large": "limit", "file-too-many": "limit",
	"file-not-readable": "a matter of the file system", "file-no-model": "a matter of the file system",
	"file-unknown-model": "a matter of the configuration",
}

// Each wrong example reports its code with the severity that is documented, each right one does not.
func TestMessages_Examples(t *testing.T) {
	for code, e := range parser.Messages() {
		if e.Title == "" || e.Explain == "" {
			t.Errorf("%s: title or explanation is missing", code)
		}
		if withoutExample[code] != "" {
			continue
		}
		if e.Wrong == "" || e.Right == "" {
			t.Errorf("%s: there is no example", code)
			continue
		}
		if got := reported(e.Wrong); got[code] != e.Severity {
			t.Errorf("%s: the wrong example must report it as %s; reported are %v", code, e.Severity, got)
		}
		if got := reported(e.Right); got[code] != 0 {
			t.Errorf("%s: the right example reports it", code)
		} else {
			for c, sev := range got {
				if sev == diag.Error {
					t.Errorf("%s: the right example reports the error %s", code, c)
				}
			}
		}
	}
}

// reported returns what compiling an example reports, each code with its worst severity.
func reported(text string) map[diag.Code]diag.Severity {
	out := map[diag.Code]diag.Severity{}
	var diags diag.List
	if strings.HasPrefix(text, "{") {
		_, diags = csn.Read([]byte(text))
	} else {
		ar := txtar.Parse([]byte(text))
		texts := map[string]string{}
		for _, f := range ar.Files {
			texts[f.Name] = string(f.Data)
		}
		diags = parser.CompileStringWith("main.cds", string(ar.Comment), parser.Options{Strict: true, Texts: texts}).Diags
	}
	for _, d := range diags {
		if old := out[d.Code]; old == 0 || d.Severity < old {
			out[d.Code] = d.Severity
		}
	}
	return out
}

// Every code that stands in the source is documented.
func TestMessages_Complete(t *testing.T) {
	cat := parser.Messages()
	constant := regexp.MustCompile(`code\w+\s+diag\.Code\s*=\s*"([a-z-]+)"|(?:Errorf|Warnf|report|restrictionError)\("([a-z]+(?:-[a-z]+)+)"|diags\.Add\([\w.]+, "([a-z]+(?:-[a-z]+)+)"`)
	found := 0
	for _, dir := range []string{".", "syntax", "load", "link", "csn", "check"} {
		files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range constant.FindAllStringSubmatch(string(src), -1) {
				found++
				if code := diag.Code(m[1] + m[2] + m[3]); cat[code].Title == "" {
					t.Errorf("%s reports %s, which is not documented", f, code)
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d codes found in the source: the pattern is out of date", found)
	}
}
