package command

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"cds/codegen/authzmatrix"
	"cds/codegen/golang"
	"cds/parser/diag"
	"cds/parser/format"
	"cds/parser/lint"
	"cds/runtime/authz"
	"cds/runtime/external"
	"cds/runtime/rls"
	"cds/runtime/sqlgen/ddl"

	"github.com/spf13/cobra"
)

// catalogues are the messages of packages other than the compiler's.
func catalogues() []diag.Catalogue {
	return []diag.Catalogue{authz.Messages(), authz.StartMessages(), external.Messages(), golang.Catalogue, lint.Messages(), authzmatrix.Messages(), format.Messages(), ddl.Messages(), rls.Messages()}
}

func (e *env) explain() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:     "explain [code]",
		Short:   "Explain a message by its code, or list all codes",
		Long:    "Explain a message of the compiler or of another command: what it means, a wrong example and a right one. Without a code all are listed.",
		Example: "  cds explain ref-undefined-def",
		Args:    maxArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cat := messages()
			switch {
			case markdown:
				return writeMessages(e.out, cat)
			case len(args) == 0:
				for _, code := range codes(cat) {
					fmt.Fprintf(e.out, "%-32s %-8s %s\n", code, cat[code].Severity, cat[code].Title)
				}
				return nil
			}
			code := diag.Code(strings.Trim(args[0], "[]"))
			entry, ok := cat[code]
			if !ok {
				return usageError{fmt.Errorf("there is no message %q%s; `cds explain` lists all", args[0], nearest(string(code), cat))}
			}
			explainEntry(e.out, code, entry)
			return nil
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print all messages as a page in Markdown")
	return cmd
}

func codes(cat diag.Catalogue) []diag.Code {
	out := make([]diag.Code, 0, len(cat))
	for c := range cat {
		out = append(out, c)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}

// nearest names the codes that contain a part of what was asked for.
func nearest(asked string, cat diag.Catalogue) string {
	var found []string
	for _, c := range codes(cat) {
		for _, part := range strings.Split(asked, "-") {
			if len(part) > 3 && strings.Contains(string(c), part) {
				found = append(found, string(c))
				break
			}
		}
	}
	if len(found) == 0 || len(found) > 8 {
		return ""
	}
	return "; similar are " + strings.Join(found, ", ")
}

func explainEntry(w io.Writer, code diag.Code, e diag.Entry) {
	fmt.Fprintf(w, "%s[%s]: %s\n\n%s\n", e.Severity, code, e.Title, e.Explain)
	if note := severityNote(e); note != "" {
		fmt.Fprintf(w, "%s\n", note)
	}
	for _, ex := range []struct{ title, text string }{{"Wrong", e.Wrong}, {"Right", e.Right}} {
		if ex.text != "" {
			fmt.Fprintf(w, "\n%s:\n\n    %s\n", ex.title, strings.ReplaceAll(ex.text, "\n", "\n    "))
		}
	}
}

func severityNote(e diag.Entry) string {
	switch {
	case e.Severity == diag.Error && e.Configurable:
		return "The severity can be set to warning, info or none."
	case e.Severity == diag.Error:
		return ""
	}
	return "The severity can be set to error, warning, info or none."
}

// writeMessages writes the page of all messages.
func writeMessages(w io.Writer, cat diag.Catalogue) error {
	var b strings.Builder
	b.WriteString("# Messages\n\nEvery message of `cds` has a code. `cds explain CODE` prints what stands here. This page is made by `make messages`.\n\n")
	b.WriteString("Severities are set by `cds compile --severity code=warning`, or in the configuration by `cdsc.severities`. An error can be made milder only where\nthat is said; one about a restriction never can.\n")
	for _, code := range codes(cat) {
		e := cat[code]
		fmt.Fprintf(&b, "\n## %s\n\n**%s**: %s\n\n%s\n", code, e.Severity, e.Title, e.Explain)
		if e.Severity == diag.Error && e.Configurable {
			b.WriteString("\n" + severityNote(e) + "\n")
		}
		for _, ex := range []struct{ title, text string }{{"Wrong", e.Wrong}, {"Right", e.Right}} {
			if ex.text != "" {
				fmt.Fprintf(&b, "\n%s:\n\n```cds\n%s\n```\n", ex.title, ex.text)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
