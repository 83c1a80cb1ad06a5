package root

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"cds/runtime/config"
	"cds/runtime/serve"
	"cds/strategies"
	"cds/strategies/chain"
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

var jsonBlocks = regexp.MustCompile("(?ms)^```jsonc?\n(.*?)^```")

// Configurations that the pages on authentication show are JSON, and have no setting that the strategy does not know.
func TestDocumentedConfigurations(t *testing.T) {
	pages, err := filepath.Glob("docs/authentication/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(err, len(pages))
	}
	checked := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range jsonBlocks.FindAllSubmatch(b, -1) {
			text := strings.TrimSpace(string(m[1]))
			var whole map[string]any
			if strings.HasPrefix(text, `"`) { // a part
				text = "{" + text + "}"
			}
			if err := json.Unmarshal([]byte(text), &whole); err != nil {
				if !strings.Contains(text, "{ … }") && !strings.Contains(text, ", … ") {
					t.Errorf("%s: %v in\n%s", page, err, text)
				}
				continue
			}
			if cds, ok := whole["cds"].(map[string]any); ok {
				whole = cds
			}
			if whole["requires"] != nil {
				checkConfiguration(t, page, whole)
				checked++
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d configurations were found", checked)
	}
}

// checkConfiguration makes the strategy of a configuration. Values may be shortened, and settings left out: only unknown ones are a fault of the page.
func checkConfiguration(t *testing.T, page string, whole map[string]any) {
	t.Helper()
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range []string{config.Development, config.Production, config.Hybrid} {
		cfg, err := serve.LoadConfig(serve.Options{FS: fstest.MapFS{".cdsrc.json": {Data: text}}, Env: []string{}, Profiles: []string{profile}})
		if err != nil {
			t.Errorf("%s: %v in %s", page, err, text)
			continue
		}
		sec, kinds := cfg.Sub("requires.auth"), strategies.Builtin()
		kinds[chain.Kind] = chain.New(kinds, cfg.Sub("requires.kinds"))
		kind := chain.KindOf(sec)
		if kinds[kind] == nil {
			if kind != "" && kind != "corp-sso" {
				t.Errorf("%s: kind %q is not known, in %s", page, kind, text)
			}
			continue
		}
		if _, err := kinds[kind](sec); err != nil && strings.Contains(err.Error(), "unknown") {
			t.Errorf("%s, profile %s: %v in %s", page, profile, err, text)
		}
	}
}
