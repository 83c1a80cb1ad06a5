package authz

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// A RowCondition is a condition on the rows of an entity that some restriction has: for those who prepare a database for it, never for decisions.
type RowCondition struct {
	Entity *csn.Entity
	Where  cqn.Expr
	Rule   string // as in explanations: "CatalogService.Books#1"
}

// RowConditions lists the conditions on rows of all restrictions, in order of the model. Conditions that look at no row are left out.
func (p *Policy) RowConditions() []RowCondition {
	var out []RowCondition
	for i := range p.state.entities {
		r := &p.state.entities[i]
		if r.entity == nil || r.own == nil {
			continue
		}
		for _, list := range [][]privilege{r.own.privileges, r.own.denies} {
			for j := range list {
				if pr := &list[j]; pr.where != nil && !pr.static {
					out = append(out, RowCondition{r.entity, pr.where, pr.name})
				}
			}
		}
	}
	return out
}
