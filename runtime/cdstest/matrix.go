package cdstest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

// Matrix compares who may do what in a service with a golden file: every entity and operation, every event, the anonymous user, any user
// with a login, and each role that the policy names. With the environment variable CDS_UPDATE=1 it writes the file.
//
// The file is for reviews: a change of a right shows as a changed line.
func Matrix(t testing.TB, a *App, service, golden string) {
	t.Helper()
	got := MatrixText(a, service)
	if os.Getenv("CDS_UPDATE") == "1" {
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("cdstest: %v; run the test with CDS_UPDATE=1 to write the file", err)
	}
	if got != string(want) {
		t.Errorf("rights of %s have changed; now:\n%s\n%s has:\n%s", service, got, golden, want)
	}
}

// MatrixText returns the access matrix of a service: yes, rows (those that fulfil a condition), or the status of the refusal.
func MatrixText(a *App, service string) string {
	s := a.CDS.Model.Service(service)
	if s == nil {
		return "there is no service " + service + "\n"
	}
	users := []*auth.User{auth.Anonymous, auth.New(auth.User{ID: "somebody"})}
	names := []string{"anonymous", "login"}
	for _, r := range a.CDS.Policy.Roles(s) {
		users = append(users, auth.New(auth.User{ID: "somebody"}, r))
		names = append(names, r)
	}
	m := matrix{policy: a.CDS.Policy, service: s, users: users}
	m.line(service, names)
	for _, e := range s.Entities {
		for _, ev := range []authz.Event{authz.Read, authz.Create, authz.Update, authz.Delete} {
			m.decide(string(ev), e.LocalName(), authz.Access{Event: ev, Path: []*csn.Entity{e}})
		}
		for _, op := range e.Actions {
			m.decide(op.Name, e.LocalName(), authz.Access{Event: authz.Event(op.Name), Path: []*csn.Entity{e}, Op: op})
		}
	}
	for _, op := range s.Ops {
		m.decide(op.LocalName(), "", authz.Access{Event: authz.Event(op.LocalName()), Op: op})
	}
	return m.text()
}

// A matrix collects lines; events of one entity with the same answers share a line.
type matrix struct {
	policy  *authz.Policy
	service *csn.Service
	users   []*auth.User
	lines   []matrixLine
}

type matrixLine struct {
	what, target string
	cells        []string
}

func (m *matrix) line(what string, cells []string) {
	m.lines = append(m.lines, matrixLine{what: what, cells: cells})
}

func (m *matrix) decide(what, target string, access authz.Access) {
	access.Service = m.service
	cells := make([]string, len(m.users))
	for i, u := range m.users {
		d := m.policy.Decide(u, access)
		cells[i] = verdict(d.Verdict)
	}
	for i := range m.lines {
		if l := &m.lines[i]; target != "" && l.target == target && slices.Equal(l.cells, cells) {
			l.what += ", " + what
			return
		}
	}
	m.lines = append(m.lines, matrixLine{what, target, cells})
}

func (m *matrix) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, l := range m.lines {
		what := l.what
		if l.target != "" {
			what = l.target + ": " + what
		}
		fmt.Fprintf(w, "%s\t%s\n", what, strings.Join(l.cells, "\t"))
	}
	w.Flush()
	return b.String()
}

func verdict(v authz.Verdict) string {
	switch v {
	case authz.Allow:
		return "yes"
	case authz.AllowIf:
		return "rows"
	case authz.Deny405:
		return "405"
	case authz.Deny403:
		return "403"
	}
	return "401"
}
