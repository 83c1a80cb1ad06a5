package cdstest

import (
	"fmt"
	"os"
	"path/filepath"
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
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s\n", service, strings.Join(names, "\t"))
	line := func(what string, access authz.Access) {
		access.Service = s
		fmt.Fprint(w, what)
		for _, u := range users {
			d := a.CDS.Policy.Decide(u, access)
			fmt.Fprint(w, "\t"+verdict(d.Verdict))
		}
		fmt.Fprintln(w)
	}
	for _, e := range s.Entities {
		for _, ev := range []authz.Event{authz.Read, authz.Create, authz.Update, authz.Delete} {
			line(string(ev)+" "+e.LocalName(), authz.Access{Event: ev, Path: []*csn.Entity{e}})
		}
		for _, op := range e.Actions {
			line(op.Name+" "+e.LocalName(), authz.Access{Event: authz.Event(op.Name), Path: []*csn.Entity{e}, Op: op})
		}
	}
	for _, op := range s.Ops {
		line(op.LocalName(), authz.Access{Event: authz.Event(op.LocalName()), Op: op})
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
