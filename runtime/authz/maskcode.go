package authz

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// The codes of what is found out about masks when an application starts.
const (
	codeMaskFunction diag.Code = "authz-mask-function"
	codeMaskType     diag.Code = "authz-mask-type"
)

// StartMessages documents the codes of what is found out when an application starts, which a model alone does not tell.
func StartMessages() diag.Catalogue {
	return diag.Catalogue{
		codeMaskFunction: {Severity: diag.Error, Title: "A mask names a function that the application does not have",
			Explain: "`@mask: { go: 'NAME' }` has a value masked by a function of the application, which registers it by cds.Mask(app, \"NAME\", fn) before it starts. Without the function nothing could be shown but the value itself, so the application does not start. Where a model is served without an application, as by cds watch in a folder without Go code, there are no such functions."},
		codeMaskType: {Severity: diag.Error, Title: "The function of a mask is for another type",
			Explain: "The function that `@mask: { go: 'NAME' }` names takes and returns values of the type that Go code has for the element: string, cds.UUID, bool, int16, int32, uint8, int64 (which does for integers of all sizes), float64, cds.Decimal, cds.Date, cds.TimeOfDay or time.Time."},
	}
}

// A MaskFunction is a function of the application that a mask names (@mask.go).
type MaskFunction struct {
	Name    string
	Element *csn.Element
	On      string // the element with its entity or event
	Span    token.Span
}

// MaskFunctions returns the functions that the masks of the model name, in order of their places. Elements that inherit a mask are among them.
func (p *Policy) MaskFunctions() []MaskFunction {
	var out []MaskFunction
	add := func(r *rules) {
		if m := r.mask; m != nil && m.show != nil && m.show.Func != "" {
			out = append(out, MaskFunction{m.show.Func, m.element, r.on, m.named})
		}
	}
	for _, r := range p.state.elements {
		add(r)
	}
	for _, r := range p.state.all { // those of events, too
		add(r)
	}
	inService := func(f MaskFunction) int {
		if o := f.Element.Owner; o != nil && o.Service == nil {
			return 0
		}
		return 1
	}
	slices.SortFunc(out, func(a, b MaskFunction) int {
		return cmp.Or(cmp.Compare(a.Span.File, b.Span.File), cmp.Compare(a.Span.Start, b.Span.Start), cmp.Compare(inService(a), inService(b)), strings.Compare(a.On, b.On),
			strings.Compare(name(a.Element.Owner), name(b.Element.Owner)))
	})
	return slices.Compact(out)
}

// CheckMaskFunctions reports functions that masks name and that the application does not have, or has for other types: typ is the Go type of a function, "" for
// none, and ok tells whether it is that of the element.
func (p *Policy) CheckMaskFunctions(find func(MaskFunction) (ok bool, typ string)) diag.List {
	var out diag.List
	seen := map[token.Span]bool{} // projections inherit what is written once
	for _, f := range p.MaskFunctions() {
		ok, typ := find(f)
		if ok || seen[f.Span] {
			continue
		}
		seen[f.Span] = f.Span.Valid()
		var d *diag.Diagnostic
		if typ == "" {
			d = out.Errorf(codeMaskFunction, f.Span, "the mask of %s names the function %s, which the application does not have", f.On, f.Name)
			d.Hint = fmt.Sprintf("register it before the application starts: cds.Mask(app, %q, …)", f.Name)
		} else {
			kind := "of another type"
			if b := f.Element.Scalar(); b != nil {
				kind = "a " + strings.TrimPrefix(b.Name, "cds.")
			}
			d = out.Errorf(codeMaskType, f.Span, "the function %s takes and returns %s, and %s is %s", f.Name, typ, f.On, kind)
			d.Hint = "the type is that which Go code has for the element; int64 does for integers of all sizes"
		}
		d.Home = "element:" + f.On
	}
	return out
}

// MaskFunctionName reports whether a text can name a function for masks: letters, digits and _ . -, a letter first, at most 64 of them.
func MaskFunctionName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '_' || c == '.' || c == '-')) {
			return false
		}
	}
	return true
}
