package link_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"cds/parser/diag"
	"cds/parser/link"
)

// Every code in the source is documented, every documented one is in the source, and the examples do what they say.
func TestMessages(t *testing.T) {
	cat := link.Messages()
	used := map[diag.Code]bool{}
	report := regexp.MustCompile(`(?:Errorf|Warnf|restrictionError|diags\.Add|unused|walk)\((?:sev, |diag\.\w+, |n, |n\.\w+, )?"([a-z-]+)"`)
	files, _ := filepath.Glob("*.go")
	for _, f := range files {
		if f == "messages.go" || strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range report.FindAllStringSubmatch(string(src), -1) {
			used[diag.Code(m[1])] = true
		}
	}
	if len(used) < 40 {
		t.Fatalf("only %d codes found in the source: the pattern is out of date", len(used))
	}
	for c := range used {
		if _, ok := cat[c]; !ok {
			t.Errorf("%s is reported but not documented", c)
		}
	}
	for c, e := range cat {
		if !used[c] {
			t.Errorf("%s is documented but never reported", c)
		}
		if e.Title == "" {
			t.Errorf("%s has no title", c)
		}
		if e.Wrong == "" || strings.Contains(e.Wrong, "\n-- ") { // of several files: tried out by package parser
			continue
		}
		if got := severities(e.Wrong)[c]; got != e.Severity {
			t.Errorf("%s: the wrong example reports it as %q, want %q: %v", c, got, e.Severity, severities(e.Wrong))
		}
		if got := severities(e.Right); len(got) > 0 {
			t.Errorf("%s: the right example reports %v", c, got)
		}
	}
}

// severities links a text and returns what is reported, without what syntax and places say.
func severities(text string) map[diag.Code]diag.Severity {
	res, _ := linkFiles([]txtar.File{{Name: "a.cds", Data: []byte(text)}}, false)
	out := map[diag.Code]diag.Severity{}
	for _, d := range res.Diags {
		out[d.Code] = d.Severity
	}
	return out
}
