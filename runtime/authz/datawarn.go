package authz

import (
	"fmt"
	"slices"

	"cds/parser/csn"
	"cds/runtime/auth"
)

// Has reports whether a user has a role, be it that another one includes it.
func (p *Policy) Has(u *auth.User, role string) bool {
	if u == nil {
		u = auth.Anonymous
	}
	return u.Is(role) || slices.Contains(p.rolesOf(u), role)
}

// DataWarnings tells of what is allowed in a policy and perhaps not meant: roles that no rule of the model mentions, and other entities that show the same data,
// for which the policy does not hold.
func (p *Policy) DataWarnings(d DataPolicy) []string {
	var out []string
	known := p.Roles(nil)
	for _, r := range d.Roles {
		if slices.Contains(known, r) || slices.Contains(pseudoRoles[:], r) {
			continue
		}
		text := "no rule of the model mentions the role " + r
		if near := nearest(r, known...); near != "" {
			text += "; did you mean " + near + "?"
		}
		out = append(out, text)
	}
	e := p.model.Entity(d.Entity)
	if e == nil || d.Effect == Extend {
		return out
	}
	mine := sources(e, false)
	for _, s := range p.model.Services {
		for _, o := range s.Entities {
			if o == e || o.Active != nil || framework(o) || p.state.followsOnly(o, e) {
				continue
			}
			for t := range sources(o, true) {
				if mine[t] {
					out = append(out, fmt.Sprintf("%s shows the same data, and the policy does not hold for it", o.Name))
					break
				}
			}
		}
	}
	return out
}

// followsOnly reports whether rows of o are visible only where those of e are: as its parts.
func (p *policy) followsOnly(o, e *csn.Entity) bool {
	roots := p.of(o).roots
	return len(roots) > 0 && !slices.ContainsFunc(roots, func(r root) bool { return r.ruler() != e })
}
