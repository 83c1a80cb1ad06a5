package authztest

import (
	"context"
	"slices"
	"strings"
	"testing"

	cds "cds/runtime"
)

const draftModel = `
@requires: 'authenticated-user'
service Desk {
  @odata.draft.enabled
  @restrict: [{ grant: 'READ' }, { grant: ['CREATE', 'UPDATE'], to: 'clerk', where: 'total < 100' }, { grant: 'UPDATE', to: 'boss', where: 'total >= 100' }, { grant: 'READ', to: 'nobody' }]
  entity Orders { key ID : UUID; total : Integer; title : String(20); @requires: 'boss' margin : Integer; items : Composition of many Items on items.up = $self; }
  entity Items { key ID : UUID; up : Association to Orders; qty : Integer; }
}`

func TestDrafts(t *testing.T) {
	rep := tried(t, compiled(t, draftModel).Model, strict)
	if rep.Differences > 0 {
		t.Error(written(t, rep, "text", false))
	}
	if !slices.Contains(rep.Doors, "draft") {
		t.Error("no drafts were made")
	}
	seen := map[string]bool{}
	for _, c := range rep.Cases {
		for _, a := range c.Doors {
			if a.Door == "draft" && a.Note != undecided {
				seen[c.Event+" "+c.Expect] = true
			}
		}
	}
	for _, want := range []string{"CREATE allowed", "CREATE 403", "UPDATE allowed", "UPDATE 403", "READ 404", "LIST 404", "PATCH 404", "SAVE 404", "DISCARD 404", "EDIT 409", "CHANGE 409", "TAKE OVER allowed"} {
		if !seen[want] {
			t.Errorf("no draft was tried for %s: %v", want, seen)
		}
	}
	var lacking []string
	for _, u := range rep.Lacking {
		lacking = append(lacking, u.Rule+" "+u.Event+": "+u.Why)
	}
	out := strings.Join(lacking, "\n")
	for _, want := range []string{"writing restricted elements of entities with drafts", "it has drafts", "PUT of entities with drafts"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said to be uncovered:\n%s", want, out)
		}
	}
}

// TestLeaksOfDrafts has handlers that give drafts away, or make rows of them that must not be.
func TestLeaksOfDrafts(t *testing.T) {
	for name, c := range map[string]struct {
		match cds.Match
		on    func(ctx context.Context, r *cds.RawRequest) (*cds.Result, error)
		seen  string
	}{
		"saved": {cds.Match{Events: []cds.Event{cds.SaveDraft}}, func(ctx context.Context, r *cds.RawRequest) (*cds.Result, error) {
			return &cds.Result{Rows: []*cds.Row{r.Data}, Affected: 1}, nil
		}, "draft 20"},
		"made": {cds.Match{Events: []cds.Event{cds.EditDraft}}, func(ctx context.Context, r *cds.RawRequest) (*cds.Result, error) {
			return &cds.Result{Affected: 1}, nil
		}, "draft"},
	} {
		opt := strict
		opt.Register = func(app *cds.App) error {
			app.Service("Desk").On(c.match, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) { return c.on(ctx, r) })
			return nil
		}
		rep := tried(t, compiled(t, draftModel).Model, opt)
		if out := written(t, rep, "text", false); rep.Differences == 0 || !strings.Contains(out, c.seen) {
			t.Errorf("%s: nobody has noticed:\n%s", name, out)
		}
	}
}
