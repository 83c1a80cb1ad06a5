package authztest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// A Laboratory makes models of changed sources, and tells what noticed a change otherwise than by cases.
type Laboratory struct {
	// Compile compiles the model with some files replaced. Diagnostics with errors mean that it does not start.
	Compile func(files map[string]string) (*csn.Model, diag.List)
	// Same reports whether two models grant the same to everybody, as far as can be proved. nil proves nothing.
	Same func(before, after *csn.Model) bool
	// Exec runs the project's own tests with a model instead of the cases: whether they fail. nil runs the cases.
	Exec func(ctx context.Context, m *csn.Model) (failed bool, err error)
	// Progress is told of each mutant that is done; nil for nobody.
	Progress func(done, all int, mu *Mutant)
}

// ModelVariable is the environment variable by which the project's own tests are told of a changed model: the name of a file with it as CSN.
const ModelVariable = "CDS_TEST_MODEL"

// A Score tells how many changes of a policy would be noticed.
type Score struct {
	Mutants    []*Mutant `json:"mutants"`
	Noticed    int       `json:"noticed"`
	Survived   int       `json:"survived"`
	Equivalent int       `json:"equivalent"`
	Tests      string    `json:"tests"` // what should notice
}

// Percent is the share of changes that were noticed, of those that matter. It is 100 if there are none.
func (s *Score) Percent() float64 {
	if s.Noticed+s.Survived == 0 {
		return 100
	}
	return 100 * float64(s.Noticed) / float64(s.Noticed+s.Survived)
}

// ErrUnchanged says that tests fail before anything is changed.
var ErrUnchanged = errors.New("something fails without any change")

// Measure changes the restrictions of a model one by one and tells which changes are noticed. The cases, if they are what should notice, must all be as
// expected for the model itself; otherwise the error says so.
func Measure(ctx context.Context, m *csn.Model, files *token.FileSet, opt Options, lab Laboratory) (*Score, diag.List, error) {
	s := &Score{Mutants: Mutants(m), Tests: "the generated cases"}
	var t *trial
	if lab.Exec != nil {
		s.Tests = "the project's tests"
		if failed, err := lab.Exec(ctx, m); err != nil || failed {
			return nil, nil, errors.Join(err, fmt.Errorf("%w: the project's tests fail", ErrUnchanged))
		}
	} else {
		var diags diag.List
		var err error
		if t, diags, err = newTrial(ctx, m, opt); t == nil || err != nil {
			return nil, diags, err
		}
		defer func() { _ = t.close() }() // in memory
		rep, err := t.run()
		if err != nil {
			return nil, diags, err
		}
		if rep.Differences > 0 {
			return nil, diags, fmt.Errorf("%w: %s", ErrUnchanged, rep.Summary())
		}
	}
	for i, mu := range s.Mutants {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if err := s.one(ctx, m, files, mu, t, &lab); err != nil {
			return nil, nil, err
		}
		if lab.Progress != nil {
			lab.Progress(i+1, len(s.Mutants), mu)
		}
	}
	return s, nil, nil
}

// one decides one mutant.
func (s *Score) one(ctx context.Context, m *csn.Model, files *token.FileSet, mu *Mutant, t *trial, lab *Laboratory) error {
	by, err := "", error(nil)
	changed, diags := lab.Compile(mu.Files(files))
	switch {
	case changed == nil || diags.HasErrors():
		by = "the compiler"
	case !mu.masks && lab.Same != nil && lab.Same(m, changed):
		mu.Outcome, mu.Note = Equivalent, "nobody may do more or less"
		s.Equivalent++
		return nil
	case t == nil:
		var failed bool
		if failed, err = lab.Exec(ctx, changed); failed {
			by = s.Tests
		}
	default:
		by, err = t.notices(ctx, changed, mu)
	}
	if err != nil {
		return err
	}
	if mu.By = by; by != "" {
		mu.Outcome = Noticed
		s.Noticed++
	} else {
		mu.Outcome = Survived
		s.Survived++
	}
	return nil
}

// notices tells which case comes out differently with a changed model, "" for none. Those that are about the changed rule are tried first.
func (t *trial) notices(ctx context.Context, m *csn.Model, mu *Mutant) (string, error) {
	a, diags, err := open(ctx, m, t.opt, t.saved)
	if err != nil {
		return "", err
	}
	if a == nil {
		if diags.HasErrors() {
			return "the start", nil
		}
		return "", errors.New("the changed model does not start")
	}
	defer func() { a.saved = nil; _ = a.close() }()
	a.saved = t.saved
	x := &runner{doors: newDoors(t.made.w, a.App), restore: a.restore, pass: a.pass, names: map[string]bool{}}
	cases := slices.Clone(t.made.cases)
	near := func(c *Case) int {
		on, _, _ := strings.Cut(mu.Rule, "#")
		on, _, _ = strings.Cut(on, "@")
		switch {
		case c.At == mu.At:
			return 0
		case c.Target == on:
			return 1
		case strings.HasPrefix(c.Target, on):
			return 2
		}
		return 3
	}
	slices.SortStableFunc(cases, func(a, b *Case) int { return near(a) - near(b) })
	for _, c := range cases {
		one := *c
		one.Doors = nil
		if err := x.run(&one); err != nil {
			return "", err
		}
		if one.differs() {
			return fmt.Sprintf("%s %s as %s: %s", one.Event, one.Target, one.User, one.Goal), nil
		}
	}
	return "", nil
}

// JSON writes the score as JSON.
func (s *Score) JSON(out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		*Score
		Percent float64 `json:"percent"`
	}{s, s.Percent()})
}

// Write writes the score as text: what nobody noticed, and the sum.
func (s *Score) Write(out io.Writer, all bool) error {
	for _, mu := range s.Mutants {
		switch {
		case mu.Outcome == Survived:
			fmt.Fprintf(out, "%s: %s: %s: nobody notices\n", mu.At, mu.Rule, mu.What)
		case all && mu.Outcome == Noticed:
			fmt.Fprintf(out, "%s: %s: %s: noticed by %s\n", mu.At, mu.Rule, mu.What, mu.By)
		case all:
			fmt.Fprintf(out, "%s: %s: %s: %s\n", mu.At, mu.Rule, mu.What, mu.Note)
		}
	}
	_, err := fmt.Fprintf(out, "%s, %d noticed by %s, %d not, %d change nothing: %.0f%%\n", count(len(s.Mutants), "mutant"), s.Noticed, s.Tests, s.Survived, s.Equivalent, s.Percent())
	return err
}
