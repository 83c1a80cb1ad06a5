// Package diag holds diagnostics: what the compiler and the checks of a model have to say to its author.
//
// Functions that can find faults return a List and carry on after an error, so that one run shows as many faults as possible.
package diag

import (
	"fmt"
	"sort"

	"cds/parser/token"
)

// A Severity says how bad a diagnostic is. Errors stop compilation, warnings and infos do not.
type Severity uint8

// The severities, from worst to mildest.
const (
	Error Severity = iota + 1
	Warning
	Info
)

func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	case Info:
		return "info"
	}
	return "none"
}

// A Code names a kind of diagnostic. It is stable, lower case with dashes, and documented in a Catalogue.
type Code string

// A Diagnostic is one finding. Span may be invalid where a finding has no place in a source text.
type Diagnostic struct {
	Code     Code
	Severity Severity
	Message  string // one sentence: what is wrong, and what was expected
	Hint     string // what to do about it; may be empty
	Home     string // the definition it stands in, such as `entity:"my.Books"/element:"title"`; may be empty
	Span     token.Span
	Related  []Related
}

// Related points at a second place that helps to understand a diagnostic.
type Related struct {
	Message string
	Span    token.Span
}

// A List is any number of diagnostics. The zero value is ready for use.
type List []Diagnostic

// Add appends a diagnostic with a formatted message and returns it for adding a hint or related places.
// The pointer is valid until the next Add.
func (l *List) Add(sev Severity, code Code, span token.Span, format string, args ...any) *Diagnostic {
	*l = append(*l, Diagnostic{Code: code, Severity: sev, Span: span, Message: fmt.Sprintf(format, args...)})
	return &(*l)[len(*l)-1]
}

// Errorf appends an error.
func (l *List) Errorf(code Code, span token.Span, format string, args ...any) *Diagnostic {
	return l.Add(Error, code, span, format, args...)
}

// Warnf appends a warning.
func (l *List) Warnf(code Code, span token.Span, format string, args ...any) *Diagnostic {
	return l.Add(Warning, code, span, format, args...)
}

// HasErrors reports whether any diagnostic is an error.
func (l List) HasErrors() bool {
	for i := range l {
		if l[i].Severity == Error {
			return true
		}
	}
	return false
}

// Sort orders by file, position, severity and code, and drops exact repetitions.
func (l *List) Sort() {
	d := *l
	sort.SliceStable(d, func(i, j int) bool {
		a, b := d[i], d[j]
		switch {
		case a.Span.File != b.Span.File:
			return a.Span.File < b.Span.File
		case a.Span.Start != b.Span.Start:
			return a.Span.Start < b.Span.Start
		case a.Severity != b.Severity:
			return a.Severity < b.Severity
		}
		return a.Code < b.Code
	})
	out := d[:0]
	for i := range d {
		if n := len(out); n > 0 && out[n-1].Code == d[i].Code && out[n-1].Span == d[i].Span && out[n-1].Message == d[i].Message {
			continue
		}
		out = append(out, d[i])
	}
	*l = out
}

// Err returns l as an error if it has errors, else nil.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return l
}

// Error makes a List usable as an error. It shows the first error and how many more there are.
func (l List) Error() string {
	n := 0
	first := ""
	for i := range l {
		if l[i].Severity != Error {
			continue
		}
		if n == 0 {
			first = l[i].Message
		}
		n++
	}
	if n > 1 {
		return fmt.Sprintf("%s (and %d more)", first, n-1)
	}
	return first
}

// An Entry documents a code: what it means, and a wrong and a right example.
type Entry struct {
	Severity Severity // the default
	Title    string
	Explain  string
	Wrong    string
	Right    string
	// Configurable lets an error be made a warning: the model has a meaning in spite of it, and no restriction is concerned.
	Configurable bool
}

// A Catalogue documents codes. Every package that reports diagnostics has one, in its messages.go.
type Catalogue map[Code]Entry
