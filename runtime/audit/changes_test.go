package audit_test

import (
	"fmt"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/audit"
	"cds/runtime/db"
)

// history asks for the history of a book as a door would.
func (a *app) history(user string, roles ...string) (string, error) {
	svc := a.Service("S")
	e := svc.Model.Entity("Books")
	key := row("ID", 1)
	res, err := svc.Dispatch(a.as(user, roles...), &cds.RawRequest{Event: "changes", Op: e.Action("changes"), Target: e, Params: []cds.Keys{{Entity: e, Values: key}},
		Query: &cqn.Select{From: &cqn.From{Path: cqn.NewRef("S.Books")}, Where: cds.KeyFilter(e, key)}})
	if err != nil {
		return "", err
	}
	var out []string
	for _, r := range res.Value.Rows() {
		out = append(out, fmt.Sprintf("%s %s %s %s %s→%s", r.Value("createdBy").Str(), r.Value("modification").Str(), r.Value("objectID").Str(), r.Value("attribute").Str(), r.Value("valueChangedFrom").Format(), r.Value("valueChangedTo").Format()))
	}
	return strings.Join(out, "\n"), nil
}

// The history of a row is for those who see the row, and of the elements that they see.
func TestChanges(t *testing.T) {
	both(t, func(t *testing.T, pool db.Pool) {
		a := newApp(t, pool, audit.Options{}, nil)
		admin := a.as("root", "admin")
		a.must(admin, update("Books", 1, "title", "Two", "stock", 4, "cost", 10, "secret", "pin", "note", "not tracked"))
		a.must(a.as("ann"), update("Books", 1, "stock", 3))
		if _, err := a.run(a.as("ann"), update("Books", 1, "cost", 3)); status(err) != 403 {
			t.Error(err)
		}
		got, err := a.history("root", "admin")
		if err != nil || strings.Count(got, "\n") != 4 || !strings.HasPrefix(got, "ann update One stock 4→3") && !strings.HasPrefix(got, "ann update Two stock 4→3") ||
			!strings.Contains(got, "cost null→10") || !strings.Contains(got, "secret null→***") || !strings.Contains(got, "title One→Two") {
			t.Errorf("%s %v", got, err)
		}
		got, err = a.history("ann")
		if err != nil || strings.Contains(got, "cost") || strings.Contains(got, "pin") || !strings.Contains(got, "ann update Two stock 4→3") {
			t.Errorf("%s %v", got, err)
		}
		a.must(admin, update("Books", 1, "stock", 0)) // hidden from ann now, with its past
		if got, err := a.history("ann"); status(err) != 404 && status(err) != 403 {
			t.Errorf("hidden: %s %v", got, err)
		}
		a.must(admin, remove("Books", 1))
		if got, err := a.history("root", "admin"); status(err) != 404 {
			t.Errorf("gone: %s %v", got, err)
		}
		if n := len(a.rows("SELECT id FROM cds_changes WHERE action = 'delete'")); n == 0 {
			t.Error("the deletion is not in the history")
		}
	})
}
