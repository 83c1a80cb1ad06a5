package authztest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 20260101)) }

func statusText(x expectation) string {
	if x.allowed || len(x.statuses) == 0 {
		return "allowed"
	}
	return fmt.Sprint(x.statuses[0])
}

// A Report is what came of all cases.
type Report struct {
	Cases   []*Case     `json:"cases"`
	Lacking []Uncovered `json:"notCovered"`
	Doors   []string    `json:"doors"`
	Answers int         `json:"answers"`
	// Differences are answers that are not as they must be; Undecided those that were refused for other reasons than rights.
	Differences int `json:"differences"`
	Undecided   int `json:"undecided"`
}

// report sums up what was tried.
func (m *maker) report(x *runner) *Report {
	r := &Report{Cases: m.cases, Lacking: m.lacking, Answers: x.answers, Undecided: x.inconclusive, Doors: sortedKeys(x.names)}
	for _, c := range m.cases {
		if c.differs() {
			r.Differences += len(slices.DeleteFunc(slices.Clone(c.Doors), func(a Answer) bool { return a.OK }))
		}
		if len(c.Doors) == 0 {
			r.Lacking = append(r.Lacking, Uncovered{At: c.At, Rule: c.Rule, Event: c.Event, Why: "no door leads to " + c.Target + "(" + c.Key + ") for " + c.User.String()})
		}
	}
	slices.SortStableFunc(r.Lacking, func(a, b Uncovered) int {
		return cmp.Or(strings.Compare(a.Rule, b.Rule), strings.Compare(a.Event, b.Event), strings.Compare(a.Why, b.Why))
	})
	return r
}

func (c *Case) differs() bool {
	return slices.ContainsFunc(c.Doors, func(a Answer) bool { return !a.OK })
}

// Summary is one line.
func (r *Report) Summary() string {
	return fmt.Sprintf("%s, %s (%s), %s: %s", count(len(r.Cases), "case"), count(len(r.Doors), "door"), strings.Join(r.Doors, ", "), count(r.Answers, "answer"), count(r.Differences, "difference"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Write writes the report: as text, with the cases that differ alone unless all is set, or as json or junit.
func (r *Report) Write(out io.Writer, format string, all bool) error {
	switch format {
	case "json":
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	case "junit":
		return r.junit(out)
	}
	return r.text(out, all)
}

func (r *Report) text(out io.Writer, all bool) error {
	var rows [][]string
	for _, c := range r.Cases {
		if !all && !c.differs() {
			continue
		}
		row := c.Target
		if c.Key != "" {
			row += "(" + c.Key + ")"
		}
		rows = append(rows, []string{c.At, c.Event, row, c.User.String(), c.Goal, c.Expect, c.answers()})
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(rows) > 0 {
		fmt.Fprintln(w, "AT\tEVENT\tTARGET\tUSER\tCASE\tEXPECTED\tANSWERS")
		for _, row := range rows {
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(rows) > 0 {
		fmt.Fprintln(out)
	}
	for _, u := range r.Lacking {
		place := u.At
		if place != "" {
			place += ": "
		}
		fmt.Fprintf(out, "not covered: %s%s: %s\n", place, strings.TrimSpace(u.Rule+" "+u.Event), u.Why)
	}
	if r.Undecided > 0 {
		fmt.Fprintf(out, "%s for other reasons than rights; --all shows them\n", count(r.Undecided, "answer"))
	}
	_, err := fmt.Fprintln(out, r.Summary())
	return err
}

// answers sums up what the doors said: one word if all agree.
func (c *Case) answers() string {
	var bad, fine []string
	for _, a := range c.Doors {
		switch {
		case !a.OK:
			text := fmt.Sprintf("%s %d", a.Door, a.Status)
			if a.Note != "" {
				text += " [" + a.Note + "]"
			}
			bad = append(bad, text)
		case a.Note == "not decided by rights":
			fine = append(fine, fmt.Sprintf("%s %d?", a.Door, a.Status))
		default:
			fine = append(fine, a.Door)
		}
	}
	slices.Sort(fine)
	fine = slices.Compact(fine)
	if len(bad) == 0 {
		return "as expected: " + strings.Join(fine, " ")
	}
	return "DIFFERENT: " + strings.Join(bad, ", ")
}

func (r *Report) junit(out io.Writer) error {
	esc := func(s string) string {
		return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
	}
	failed := 0
	for _, c := range r.Cases {
		failed += boolInt(c.differs())
	}
	fmt.Fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"cds authz test\" tests=\"%d\" failures=\"%d\" skipped=\"%d\">\n", len(r.Cases)+len(r.Lacking), failed, len(r.Lacking))
	for _, c := range r.Cases {
		fmt.Fprintf(out, "  <testcase classname=\"%s\" name=\"%s\" file=\"%s\"", esc(c.Target), esc(c.Event+" "+c.Key+" "+c.User.String()+": "+c.Goal+": "+c.Expect), esc(c.At))
		if c.differs() {
			fmt.Fprintf(out, ">\n    <failure message=\"%s\"/>\n  </testcase>\n", esc(c.answers()))
		} else {
			fmt.Fprintln(out, "/>")
		}
	}
	for _, u := range r.Lacking {
		fmt.Fprintf(out, "  <testcase classname=\"%s\" name=\"%s\" file=\"%s\">\n    <skipped message=\"%s\"/>\n  </testcase>\n", esc(u.Rule), esc(u.Event), esc(u.At), esc(u.Why))
	}
	_, err := fmt.Fprintln(out, "</testsuite>")
	return err
}
