package deploy

import (
	"fmt"
	"strings"
)

// A Fault is one thing wrong with the data or the model. Line and Col are 0 where a fault concerns a whole file, File is "" where it concerns none.
type Fault struct {
	File      string
	Line, Col int
	Code      string // stable: "csv-unknown-column", "csv-bad-value", "csv-duplicate-key", …
	Message   string
	Hint      string
}

func (f Fault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Col)
		}
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "error[%s]: %s", f.Code, f.Message)
	if f.Hint != "" {
		b.WriteString("\n  hint: " + f.Hint)
	}
	return b.String()
}

// An Error is a deployment that did not take place: nothing of it is in the database.
type Error struct {
	Faults []Fault
	More   int   // faults beyond those listed
	Err    error // the cause where it lies in the database; not for clients
	broken bool  // the transaction takes no more statements
}

func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Faults)+1)
	for _, f := range e.Faults {
		lines = append(lines, f.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the cause, nil for faults of the data.
func (e *Error) Unwrap() error { return e.Err }

// maxFaults bounds the faults that are told at once.
const maxFaults = 50

func (e *Error) add(f Fault) {
	if len(e.Faults) >= maxFaults {
		e.More++
		return
	}
	e.Faults = append(e.Faults, f)
}

// suggest returns a hint with the most similar of names, or with all of them if they are few; "" if nothing is similar.
func suggest(name string, names []string) string {
	best, dist := "", 3
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < dist {
			best, dist = n, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(names) > 0 && len(names) <= 20:
		return "there are: " + strings.Join(names, ", ")
	}
	return ""
}

// distance is the number of letters to insert, delete or replace to make b of a.
func distance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return 100
	}
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := prev[0]
		prev[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = prev[j]
			prev[j] = min(cost, prev[j]+1, prev[j-1]+1)
		}
	}
	return prev[len(b)]
}
