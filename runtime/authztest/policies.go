package authztest

import (
	"fmt"
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

// Policies as data are tried with made-up ones: two for each entity of a service, that restrict or deny, for somebody or for everybody. The runtime compiles
// them as those in a database; the evaluator takes them for denies.

// policiesPerEntity is how many are made for an entity.
const policiesPerEntity = 2

// madePolicies makes policies for the entities of a model.
func madePolicies(m *csn.Model, seed uint64) []authz.DataPolicy {
	rnd, p := newRand(seed+7), readPolicy(m, false)
	var out []authz.DataPolicy
	for _, s := range m.Services {
		for _, e := range s.Entities {
			if e.Active != nil || framework(e.LocalName()) || e.LocalName() == csn.DraftAdmin || e.Exposure == csn.AutoExposed || len(e.Keys) == 0 || e.Params != nil || e.SkipPersistence {
				continue
			}
			if p.draftPart(e, 0) { // a draft is saved with all its parts, which is not tried
				continue
			}
			roles := rolesOf(p, s, e)
			for i := range policiesPerEntity {
				d := authz.DataPolicy{ID: fmt.Sprintf("%s.%d", e.Name, i+1), Entity: e.Name, Effect: authz.Restrict}
				events := [][]string{{evRead}, {evUpdate}, {evDelete}, {"WRITE"}, nil, {evRead, evCreate}}
				d.Events = events[rnd.IntN(len(events))]
				if len(roles) > 0 && rnd.IntN(3) > 0 {
					d.Roles = []string{roles[rnd.IntN(len(roles))]}
				}
				if d.Where = madeCondition(e, rnd.IntN); d.Where == nil || rnd.IntN(3) == 0 {
					d.Effect = authz.Refuse
				}
				if d.Effect == authz.Refuse && d.Where == nil && len(d.Roles) == 0 { // all of it for everybody would leave nothing to be tried
					continue
				}
				if d.Where != nil {
					d.Text = cqn.Format(d.Where)
				}
				out = append(out, d)
			}
		}
	}
	return out
}

// draftPart reports whether an entity is a part of what is edited as a draft.
func (p *policy) draftPart(e *csn.Entity, depth int) bool {
	return depth < 20 && slices.ContainsFunc(p.parents[e], func(el *csn.Element) bool {
		as := el.Owner.Annotations
		return as.Is("odata.draft.enabled") || as.Is("fiori.draft.enabled") || p.draftPart(el.Owner, depth+1)
	})
}

// rolesOf are the roles that the rules of an entity and of its service name, without pseudo-roles.
func rolesOf(p *policy, s *csn.Service, e *csn.Entity) []string {
	var out []string
	for _, key := range []any{s, e} {
		r := p.rules[key]
		if r == nil {
			continue
		}
		out = append(out, r.mentioned...)
		if r.requires != nil {
			out = append(out, r.requires.roles...)
		}
	}
	out = slices.DeleteFunc(out, func(r string) bool {
		return r == auth.RoleAny || r == auth.RoleAuthenticated || r == auth.RoleSystem || r == auth.RoleInternal
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// madeCondition compares an element of an entity with a constant; nil where there is none to compare.
func madeCondition(e *csn.Entity, pick func(int) int) cqn.Expr {
	var list []*csn.Element
	for _, el := range e.Elements {
		t := el.Scalar()
		if t == nil || el.Key || el.Virtual || el.Assoc() != nil || el.ForeignKey != nil || el.Seal() != nil || el.Value() != nil || el.Internal || len(el.Enum()) > 0 || el.Annotations.Get("tenant") != nil ||
			el.Annotations.Get("cds.on.insert") != nil || el.Annotations.Get("cds.on.update") != nil {
			continue
		}
		switch t.Kind {
		case csn.Integer, csn.Int32, csn.Boolean:
			list = append(list, el)
		case csn.String:
			if t.Length == 0 || t.Length >= 2 {
				list = append(list, el)
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	el := list[pick(len(list))]
	x := &cqn.Binary{Op: cqn.Ge, L: cqn.NewRef(el.Name), R: &cqn.Lit{Value: cqn.Int(int64(5 + pick(20)))}}
	switch el.Scalar().Kind {
	case csn.Boolean:
		x.Op, x.R = cqn.Eq, &cqn.Lit{Value: cqn.Bool(pick(2) == 0)}
	case csn.String:
		x.Op, x.R = []cqn.BinaryOp{cqn.Eq, cqn.Ne, cqn.Lt}[pick(3)], &cqn.Lit{Value: cqn.String([]string{"P1", "M2"}[pick(2)])}
	}
	return x
}

// given adds policies to the rules of the entities that they are about, as what denies. Where the model asks nothing of an entity, everything else is granted.
func (p *policy) given(m *csn.Model, list []authz.DataPolicy) {
	for i := range list {
		d := &list[i]
		e := m.Entity(d.Entity)
		if e == nil {
			continue
		}
		r := p.rules[e]
		if r == nil {
			r = &rule{on: e.Name, span: e.Span}
			p.rules[e] = r
		}
		if !r.restricted {
			r.restricted = true
			r.grants = append(r.grants, &privilege{name: e.Name, events: []string{"*"}, roles: []string{auth.RoleAny}, span: e.Span, implied: true})
		}
		t := &privilege{name: "policy:" + d.ID, events: d.Events, roles: d.Roles, text: d.Text, deny: true, span: e.Span}
		if len(t.events) == 0 {
			t.events = []string{"*"}
		}
		if len(t.roles) == 0 {
			t.roles = []string{auth.RoleAny}
		}
		if d.Where != nil {
			t.where = []cqn.Expr{d.Where}
			if d.Effect == authz.Restrict {
				t.where = []cqn.Expr{&cqn.Unary{Op: cqn.Not, X: d.Where}}
			}
		}
		r.denies = append(r.denies, t)
	}
}
