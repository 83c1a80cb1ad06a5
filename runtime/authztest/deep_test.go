package authztest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
)

// parted has parts with a restriction of their own, and rows that are created and changed by different people.
const parted = `
@requires: 'authenticated-user'
service Shop {
  @restrict: [{ grant: ['READ', 'CREATE', 'UPDATE'], to: 'clerk', where: 'total < 100' }, { grant: 'READ', to: 'guest' }, { grant: '*', to: 'admin' }]
  entity Orders { key ID : Integer; total : Integer; items : Composition of many Items on items.up = $self; notes : Composition of many Notes on notes.up = $self; }
  @restrict: [{ grant: 'READ' }, { grant: 'WRITE', to: 'packer', where: 'qty < 10' }, { grant: ['CREATE', 'UPDATE'], to: 'admin' }]
  entity Items { key ID : Integer; up : Association to Orders; qty : Integer; }
  entity Notes { key ID : Integer; up : Association to Orders; text : String; }
  @restrict: [{ grant: ['READ', 'CREATE'], to: 'maker' }]
  entity Bills { key ID : Integer; lines : Composition of many Lines on lines.up = $self; marks : Composition of many Marks on marks.up = $self; }
  @restrict: [{ grant: 'READ' }, { grant: 'CREATE', where: 'qty < 10' }]
  entity Lines { key ID : Integer; up : Association to Bills; qty : Integer; }
  entity Marks { key ID : Integer; up : Association to Bills; }
  @restrict: [{ grant: ['READ', 'UPDATE'], to: 'clerk', where: 'level > 3' }, { grant: 'CREATE', to: 'clerk', where: 'level < 10' }]
  entity Levels { key ID : Integer; level : Integer; }
}`

func TestTogether(t *testing.T) {
	rep := tried(t, compiled(t, parted).Model, strict)
	if rep.Differences > 0 || rep.Undecided > 0 {
		t.Error(written(t, rep, "text", true))
	}
	for _, want := range []string{
		"CREATE Shop.Orders/items a new row with a new part: allowed", "CREATE Shop.Orders/items a new row with a new part: the part refuses: 403",
		"CREATE Shop.Orders/items a new row with a new part: its root refuses: 403",
		"UPDATE Shop.Orders/items a part more: allowed", "UPDATE Shop.Orders/items a part more: the part refuses: 403",
		"UPDATE Shop.Orders/items a change of a part: allowed", "UPDATE Shop.Orders/items a change of a part: the part refuses: 403",
		"UPDATE Shop.Orders/items a part is left out: allowed", "UPDATE Shop.Orders/items a part is left out: the part refuses: 403",
		"CREATE Shop.Bills/lines a new row with a new part: allowed", "CREATE Shop.Bills/lines a new row with a new part: the part refuses: 403",
		"CREATE Shop.Bills/marks a new row with a new part: allowed",
		"UPDATE Shop.Orders/notes a part is left out: allowed",
		"UPSERT Shop.Orders/items a new row with a new part: allowed", "UPSERT Shop.Orders/items a new row with a new part: the part refuses: 403",
		"UPSERT Shop.Orders/items a new row with a new part: its root refuses: 403",
		"UPSERT Shop.Orders/items a part more: allowed", "UPSERT Shop.Orders/items a part more: the part refuses: 403",
		"UPSERT Shop.Orders/items a change of a part: allowed", "UPSERT Shop.Orders/items a change of a part: the part refuses: 403",
		"UPSERT Shop.Orders/items a part is left out: allowed", "UPSERT Shop.Orders/items a part is left out: the part refuses: 403",
	} {
		if !slices.ContainsFunc(rep.Cases, func(c *Case) bool {
			return strings.HasPrefix(c.Event+" "+c.Target+" "+c.Goal+": "+c.Expect, want) && len(c.Doors) == 4
		}) {
			t.Errorf("there is no case %s", want)
		}
	}
	levels := map[string]int{}
	for _, c := range rep.Cases {
		if c.Event == evUpsert && c.Target == "Shop.Levels" {
			levels[map[bool]string{true: "new ", false: "there "}[c.byKey]+c.Expect]++
		}
	}
	for _, want := range []string{"new allowed", "new 403", "there allowed", "there 403"} {
		if levels[want] == 0 {
			t.Errorf("there is no case of a PUT that is %s: %v", want, levels)
		}
	}
}

// TestLeaksOfWrites has handlers that write what must not be written.
func TestLeaksOfWrites(t *testing.T) {
	for name, c := range map[string]struct {
		event, entity, seen string
		leak                func(ctx context.Context, r *cds.RawRequest) (*cds.Result, error)
	}{
		"parts of new rows": {"CREATE", "Orders", "Shop.Orders/items", func(ctx context.Context, r *cds.RawRequest) (*cds.Result, error) {
			return &cds.Result{Rows: []*cqn.Row{r.Data}}, nil
		}},
		"parts of changed rows": {"UPDATE", "Orders", "Shop.Orders/items", func(ctx context.Context, r *cds.RawRequest) (*cds.Result, error) {
			return &cds.Result{Affected: 1, Rows: []*cqn.Row{r.Data}}, nil
		}},
		"rows that are there": {"UPDATE", "Levels", "UPSERT", func(ctx context.Context, r *cds.RawRequest) (*cds.Result, error) {
			return &cds.Result{Affected: 1, Rows: []*cqn.Row{r.Data}}, nil
		}},
	} {
		opt := strict
		opt.Register = func(app *cds.App) error {
			app.Service("Shop").On(cds.Match{Events: []cds.Event{cds.Event(c.event)}, Entities: []string{c.entity}}, func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
				return c.leak(ctx, r)
			})
			return nil
		}
		rep := tried(t, compiled(t, parted).Model, opt)
		if out := written(t, rep, "text", false); rep.Differences == 0 || !strings.Contains(out, c.seen) {
			t.Errorf("%s: nobody has noticed:\n%s", name, out)
		}
	}
}
