package authzmatrix

import (
	"fmt"
	"slices"
	"strconv"

	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// Bounds of the ways to a part that has no address of its own.
const (
	maxWay  = 6
	maxWays = 8
)

func itoa(n int) string { return strconv.Itoa(n) }

func note(n int) string {
	return fmt.Sprintf("Up to %d roles matter for one operation. Rights that need more than %d roles together are not listed.", n, most(n))
}

func (b *builder) service(s *csn.Service) {
	b.access(Row{Kind: KindService, Target: s.Name, Operation: "ROOT", span: s.Span}, authz.Access{Service: s, Event: authz.Read})
	if b.opt.Doors != nil {
		doors := b.opt.Doors(s)
		if len(doors) == 0 {
			b.cell(cell{row: Row{Service: s.Name, Kind: KindDoor, Target: s.Name, Operation: "SERVE", Answer: Nobody, Reason: "no protocol; for code in the same process", span: s.Span}})
		}
		for _, d := range doors {
			row := Row{Service: s.Name, Kind: KindDoor, Target: s.Name, Operation: d.Protocol + " " + d.Path, Answer: Served, span: s.Span}
			if !slices.Contains([]string{"odata", "odata-v4", "rest"}, d.Protocol) {
				row.Answer, row.Reason = Nobody, "there is no door for protocol "+d.Protocol
			}
			b.cell(cell{row: row})
		}
	}
	for _, e := range s.Entities {
		if e.Active == nil {
			b.entity(s, e)
		}
	}
	for _, op := range s.Ops {
		b.access(Row{Kind: KindOperation, Target: op.Name, Operation: op.LocalName(), span: op.Span}, authz.Access{Service: s, Event: authz.Event(op.LocalName()), Op: op})
	}
	for _, ev := range s.Events {
		b.cell(cell{
			row:   Row{Service: s.Name, Kind: KindEvent, Target: ev.Name, Operation: "SUBSCRIBE", span: ev.Span},
			roles: b.policy.EventRoles(ev),
			ask:   func(roles []string) authz.Outcome { return b.policy.InspectEvent(roles, ev) },
		})
	}
}

func (b *builder) cell(c cell) { b.out.cells = append(b.out.cells, c) }

// access adds the cell of an access.
func (b *builder) access(row Row, a authz.Access) {
	row.Service = a.Service.Name
	b.cell(cell{row: row, roles: b.policy.AccessRoles(a), ask: func(roles []string) authz.Outcome { return b.policy.Inspect(roles, a) }})
}

// A way leads to an entity from one that has an address.
type way struct {
	path []*csn.Entity
	via  []*csn.Element
}

func (w way) String() string {
	s := w.path[0].Name
	for _, el := range w.via {
		s += "/" + el.Name
	}
	return s
}

// ways are the direct one or, for a part that is exposed for its composition only, those over its parents.
func ways(e *csn.Entity, depth int) []way {
	if e.Exposure != csn.AutoExposed {
		return []way{{path: []*csn.Entity{e}}}
	}
	var out []way
	for _, el := range e.Parents {
		if el.Owner == nil || el.Owner == e || el.Owner.Active != nil || el.Owner.Service != e.Service || depth > maxWay {
			continue
		}
		for _, w := range ways(el.Owner, depth+1) {
			if len(out) < maxWays {
				out = append(out, way{append(w.path[:len(w.path):len(w.path)], e), append(w.via[:len(w.via):len(w.via)], el)})
			}
		}
	}
	return out
}

func (b *builder) entity(s *csn.Service, e *csn.Entity) {
	list := ways(e, 0)
	if len(list) == 0 {
		list = []way{{path: []*csn.Entity{e}}} // refused, as the policy will say
	}
	for _, w := range list {
		row := Row{Kind: KindEntity, Target: w.String(), entity: e, span: e.Span}
		ask := func(op string, a authz.Access) {
			row.Operation = op
			a.Service, a.Via = s, w.via
			if a.Path == nil {
				a.Path = w.path
			}
			b.access(row, a)
		}
		for _, ev := range []authz.Event{authz.Read, authz.Create, authz.Update, authz.Delete} {
			ask(string(ev), authz.Access{Event: ev})
		}
		for _, op := range e.Actions {
			if op.Draft == csn.NoDraftOp {
				ask(op.LocalName(), authz.Access{Event: authz.Event(op.LocalName()), Op: op})
			}
		}
		if e.Drafts == nil || !e.IsDraftRoot() || len(w.via) > 0 {
			continue
		}
		drafts := []*csn.Entity{e.Drafts}
		ask("draft NEW", authz.Access{Event: authz.New, Path: drafts})
		ask("draft EDIT", authz.Access{Event: authz.Edit})
		ask("draft READ", authz.Access{Event: authz.Read, Path: drafts})
		ask("draft PATCH", authz.Access{Event: authz.Patch, Path: drafts})
		ask("draft DISCARD", authz.Access{Event: authz.Discard, Path: drafts})
	}
	b.elements(s, e)
}

// elements adds the cells of elements that have restrictions.
func (b *builder) elements(s *csn.Service, e *csn.Entity) {
	seen := map[string]bool{}
	for _, list := range []csn.Elements{e.Flat, e.Elements} {
		for _, el := range list {
			if seen[el.Name] || el.Internal || !b.policy.RestrictedElement(el) {
				continue
			}
			seen[el.Name] = true
			for _, use := range []struct {
				op  string
				use sqlgen.Use
			}{{"READ", sqlgen.Root}, {"CREATE", sqlgen.Insert}, {"UPDATE", sqlgen.Update}} {
				b.cell(cell{
					row:   Row{Service: s.Name, Kind: KindElement, Target: e.Name, Element: el.Name, Operation: use.op, entity: e, span: el.Span},
					roles: b.policy.ElementRoles(el),
					ask:   func(roles []string) authz.Outcome { return b.policy.InspectElement(roles, el, use.use) },
				})
			}
		}
	}
}
