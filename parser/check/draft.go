package check

import (
	"slices"

	"cds/parser/csn"
	"cds/parser/token"
)

// drafts finds models whose drafts cannot be made: names that they need are taken. Each place is reported once, though the active rows, the drafts
// and both together suffer.
func (c *checker) drafts() {
	if !slices.ContainsFunc(c.model.Entities, (*csn.Entity).IsDraftRoot) {
		return
	}
	full, faults := csn.WithDrafts(c.model, "")
	if full != nil {
		return
	}
	seen := map[token.Span]bool{}
	for _, f := range faults {
		if seen[f.Span] {
			continue
		}
		seen[f.Span] = true
		d := c.diags.Errorf(codeDraftName, f.Span, "a name that drafts need is taken: %s", f.Message)
		d.Home, d.Hint, d.Related = f.Home, "rename the definition or element", f.Related
	}
}
