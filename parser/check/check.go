// Package check holds the rules that a linked model must keep beyond those of the language: restrictions that say what their author
// meant, entities with keys, services that do not collide. One file holds one family of rules.
//
// The most important family are the restrictions: an annotation that is not understood would leave a resource open, so it is reported where
// it stands. Package authz decides on its own and fails closed; this package only explains, early and in the source.
package check

import (
	"fmt"

	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// Options are the settings of the checks.
type Options struct {
	// Strict makes restrictions that are not understood errors (requires.auth.strict). Otherwise they are warnings, and the resource
	// is closed at run time (decision 1).
	Strict bool
}

// maxDepth bounds recursion over expressions, types and chains of entities.
const maxDepth = 200

// Run applies all rules to a model and returns the findings in order of their places.
func Run(m *csn.Model, opt Options) diag.List {
	if m == nil {
		return nil
	}
	c := &checker{model: m, opt: opt}
	c.restrictions()
	c.spelling()
	c.siblings()
	c.keys()
	c.services()
	c.unsupportedAnnotations()
	c.drafts()
	c.definedAnnotations()
	c.diags.Sort()
	return c.diags
}

type checker struct {
	model *csn.Model
	opt   Options
	diags diag.List
	roles []roleUse
}

// fault reports a restriction that is not understood: an error, or a warning that the resource is closed.
func (c *checker) fault(r *resource, at token.Span, code diag.Code, format string, args ...any) *diag.Diagnostic {
	sev, closed := diag.Error, ""
	if !c.opt.Strict {
		sev, closed = diag.Warning, "; the resource is closed"
	}
	if !at.Valid() {
		at = r.span
	}
	d := c.diags.Add(sev, code, at, "%s%s", fmt.Sprintf(format, args...), closed)
	d.Home = r.home
	return d
}

// severity is that of a restriction that is understood but leaves too much open (decision 7).
func (c *checker) severity() diag.Severity {
	if c.opt.Strict {
		return diag.Error
	}
	return diag.Warning
}

// warn reports what is understood but hardly meant.
func (c *checker) warn(r *resource, at token.Span, code diag.Code, format string, args ...any) *diag.Diagnostic {
	if !at.Valid() {
		at = r.span
	}
	d := c.diags.Warnf(code, at, format, args...)
	d.Home = r.home
	return d
}
