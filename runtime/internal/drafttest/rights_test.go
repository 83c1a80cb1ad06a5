package drafttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"cds/parser/cqn"
	cds "cds/runtime"
)

var errUndo = errors.New("undone")

// TestRowRights compares what is said of active rows and drafts, in lists and alone, with what happens to them.
func TestRowRights(t *testing.T) {
	both(t, nil, func(w *world) {
		w.as("alice").post("Books(ID=1"+active+"/draftEdit", `{}`).Status(201)
		w.as("erin").post("Orders(ID="+o1+active+"/draftEdit", `{}`).Status(201)
		w.as("ben").post("Orders(ID="+o2+active+"/draftEdit", `{}`)
		w.as("carl").post("Orders", `{"number":"N"}`)
		said := map[bool]int{}
		compare := func() {
			for _, user := range []string{"alice", "bob", "erin", "frank", "carl", "ben", "admin"} {
				for _, set := range []string{"Books", "Orders"} {
					for _, filter := range []string{all, "$filter=IsActiveEntity eq true", "$filter=IsActiveEntity eq false"} {
						w.rows(user, set, filter, said)
					}
				}
			}
		}
		compare()
		w.pass(16 * time.Minute) // locks have ended
		compare()
		if said[true] < 50 || said[false] < 30 {
			t.Errorf("%v: the test has lost its sense", said)
		}
	})
}

func (w *world) rows(user, set, filter string, said map[bool]int) {
	w.t.Helper()
	var body struct{ Value []map[string]any }
	r := as{w.HTTP().As(user).With("Prefer", `odata.include-annotations="cds.may"`)}.get(set + "?" + filter)
	if r.Code() == 403 {
		return
	}
	r.Status(200).JSON(&body)
	for _, row := range body.Value {
		e := "S." + set
		if row["IsActiveEntity"] == false {
			e += ".drafts"
		}
		var key cqn.Value
		if id, ok := row["ID"].(string); ok {
			key = cqn.String(id)
		} else {
			key = cqn.Int(int64(row["ID"].(float64)))
		}
		ref := &cqn.Ref{Path: []cqn.Step{{Name: e, Filter: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: key}}}}}
		may := row["@cds.may"].(map[string]any)
		for what, q := range map[string]cqn.Query{"update": &cqn.Update{Entity: ref, Data: cqn.NewRow()}, "delete": &cqn.Delete{From: ref}} {
			yes := may[what].(bool)
			said[yes]++
			if err := w.undone(user, q); yes != (err == nil) {
				w.t.Errorf("%s, %s?%s: %s of %v is said to be %v, yet it ends with %v", user, set, filter, what, row, yes, err)
			}
		}
	}
}

// undone does something as a user and takes it back.
func (w *world) undone(user string, q cqn.Query) error {
	var done error
	err := w.CDS.Tx(w.As(user), func(ctx context.Context) error {
		var res *cds.Result
		if res, done = w.CDS.Service("S").Run(ctx, q); done == nil && res.Affected == 0 {
			done = errors.New("no row")
		}
		return errUndo
	})
	if done == nil && !errors.Is(err, errUndo) {
		return err
	}
	return done
}
