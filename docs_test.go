package root

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Links within the documentation lead somewhere, to a heading too.
func TestDocumentationLinks(t *testing.T) {
	var pages []string
	err := filepath.WalkDir("docs", func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".md") {
			pages = append(pages, filepath.ToSlash(p))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "README.md", "CONTRIBUTING.md")
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(prose(t, page), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = path.Join(path.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", page, m[1])
			} else if anchor != "" && !headings(t, target)[anchor] {
				t.Errorf("%s: %s has no heading %q", page, target, anchor)
			}
		}
	}
}

var (
	fences = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	spans  = regexp.MustCompile("``[^\n]+?``|`[^`\n]*`")
)

// prose is the text of a page without code.
func prose(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := fences.ReplaceAllString(string(b), "")
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "    ") {
			out.WriteString(spans.ReplaceAllString(line, "CODE"))
		}
	}
	return out.String()
}

// headings returns the anchors of a page as they are made of its headings.
func headings(t *testing.T, page string) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for line := range strings.Lines(fences.ReplaceAllString(string(b), "")) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		text := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
		anchor := strings.Map(func(c rune) rune {
			switch {
			case c == ' ' || c == '-':
				return '-'
			case c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
				return c
			}
			return -1
		}, text)
		out[anchor] = true
	}
	return out
}
