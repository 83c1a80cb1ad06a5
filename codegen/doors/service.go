package doors

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"cds/parser/csn"
	"cds/runtime/authz"
)

// service compares the doors to all that a service has.
func (r *runner) service(ctx context.Context, s *csn.Service) {
	root := authz.Access{Service: s, Event: authz.Read}
	for _, p := range people(r.app.Policy.AccessRoles(root)) {
		r.compare(ctx, Row{Service: s.Name, Target: s.Name, Operation: "ROOT"}, p, nil, true, []way{
			{"odata /", r.http(r.odata[s], http.MethodGet, "", "")},
			{"odata $metadata", r.http(r.odata[s], http.MethodGet, "$metadata", "")},
			{"rest /", r.http(r.rest[s], http.MethodGet, "", "")},
		})
	}
	for _, e := range s.Entities {
		switch {
		case e.Active != nil:
		case e.Drafts != nil:
			r.note("%s: drafts are OData's alone; its active rows are compared for reading without drafts", e.Name)
		case len(e.Params) > 0:
			r.note("%s has parameters and is left out", e.Name)
		case e.SkipPersistence:
			r.note("%s has no table; its handlers answer", e.Name)
		default:
			r.entity(ctx, s, e)
		}
	}
	for _, op := range s.Ops {
		access := authz.Access{Service: s, Event: authz.Event(op.LocalName()), Op: op}
		for _, p := range people(r.app.Policy.AccessRoles(access)) {
			r.compare(ctx, Row{Service: s.Name, Target: op.Name, Operation: op.LocalName()}, p, nil, false, r.calls(s, op, nil))
		}
	}
}

func (r *runner) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.report.Notes, text) {
		r.report.Notes = append(r.report.Notes, text)
	}
}

// entity compares the doors to an entity. What has an address is compared with the ways that lead to it over associations; a part that has none, the
// ways among each other.
func (r *runner) entity(ctx context.Context, s *csn.Service, e *csn.Entity) {
	access := authz.Access{Service: s, Event: authz.Read, Path: []*csn.Entity{e}}
	for _, p := range people(r.app.Policy.AccessRoles(access)) {
		if e.Exposure != csn.AutoExposed {
			ways := r.reads(s, e)
			for _, el := range r.leading(ctx, s, e, p, false) {
				ways = append(append(ways, r.over(s, el)...), r.expands(s, el)...)
			}
			r.compare(ctx, Row{Service: s.Name, Target: e.Name, Operation: "READ"}, p, e, true, ways)
			for _, ev := range []string{"CREATE", "UPDATE", "DELETE"} {
				r.compare(ctx, Row{Service: s.Name, Target: e.Name, Operation: ev}, p, e, false, r.writes(s, e, ev))
			}
			for _, op := range e.Actions {
				if op.Draft == csn.NoDraftOp {
					r.compare(ctx, Row{Service: s.Name, Target: e.Name, Operation: op.LocalName()}, p, e, false, r.calls(s, op, e))
				}
			}
		}
		for _, el := range r.leading(ctx, s, e, p, true) {
			row := Row{Service: s.Name, Target: el.Owner.Name + "/" + el.Name, Operation: "READ"}
			ways, nested := r.over(s, el), r.expands(s, el)
			if len(e.Parents) == 1 {
				ways, nested = append(ways, nested...), nil
			}
			r.compare(ctx, row, p, e, true, ways)
			row.Target = el.Owner.Name + "?$expand=" + el.Name // a part of one of several parents: the path says of which one, an expand hangs on the guarded row
			r.compare(ctx, row, p, e, true, nested)
		}
		r.elements(ctx, s, e, p)
	}
}

// leading are the associations or compositions of the service that lead to an entity, from entities that the person may read.
func (r *runner) leading(ctx context.Context, s *csn.Service, e *csn.Entity, p person, parts bool) (out []*csn.Element) {
	for _, from := range s.Entities {
		if from.Active != nil || from.Drafts != nil || from.SkipPersistence || len(from.Params) > 0 || from.Exposure == csn.AutoExposed {
			continue
		}
		for _, el := range from.Elements {
			a := el.Assoc()
			if a == nil || a.Target != e || slices.Contains(e.Parents, el) != parts || r.app.Policy.RestrictedElement(el) || el.Internal {
				continue
			}
			if answer(send(r.app.NewContext(ctx, p.user, ""), r.odata[s], http.MethodGet, url.PathEscape(from.LocalName()), "").Code) == Allowed {
				out = append(out, el)
			}
		}
	}
	return out
}

// elements compares the doors to restricted elements: where they are selected, and where something is filtered, sorted or grouped by them.
func (r *runner) elements(ctx context.Context, s *csn.Service, e *csn.Entity, p person) {
	if e.Exposure == csn.AutoExposed {
		return
	}
	name := url.PathEscape(e.LocalName())
	for _, el := range e.Flat {
		if el.Assoc() != nil || el.Internal || el.Key || !r.app.Policy.RestrictedElement(el) || el.Scalar() == nil || el.Scalar().Kind == csn.LargeBinary {
			continue
		}
		get := func(options string) []way {
			path := name + "?" + options
			return []way{{"odata ?" + options, r.http(r.odata[s], http.MethodGet, path, "")}, {"rest ?" + options, r.http(r.rest[s], http.MethodGet, path, "")}}
		}
		target := e.Name + "." + el.Name
		shown := append(get("$select="+el.Name), way{"batch ?$select=" + el.Name, r.batch(s, http.MethodGet, name+"?$select="+el.Name, "")},
			way{"go SELECT " + el.Name, r.code(s, selectOf(e, el, false))})
		used := append(get("$orderby="+el.Name), get("$filter="+el.Name+"%20eq%20null")...)
		used = append(used, way{"odata ?$apply=groupby", r.http(r.odata[s], http.MethodGet, name+"?$apply=groupby(("+el.Name+"))", "")},
			way{"go ORDER BY " + el.Name, r.code(s, selectOf(e, el, true))})
		r.compare(ctx, Row{Service: s.Name, Target: target, Operation: "READ"}, p, e, true, shown)
		r.compare(ctx, Row{Service: s.Name, Target: target, Operation: "FILTER"}, p, e, true, used)
	}
}
