package sqlgen

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// searched is the variable of the row that is searched; no model has such a name.
const searched = "\x00searched"

// search compiles $search: every word must occur in some searchable element, in any case of letters.
func (s *selection) search(q *cqn.Select) error {
	if len(q.Terms) == 0 {
		return nil
	}
	if s.main == nil || s.main.entity == nil {
		return s.fail("INVALID_QUERY", "only entities can be searched")
	}
	s.vars = map[string]*source{searched: s.main}
	paths := s.searchable(s.main.entity)
	for _, term := range q.Terms {
		var found cqn.Expr
		for _, p := range paths {
			var hit cqn.Expr = &cqn.Call{Name: "cds.search", Args: []cqn.Expr{p, term}}
			if found != nil {
				hit = &cqn.Binary{Op: cqn.Or, L: found, R: hit}
			}
			found = hit
		}
		if found == nil {
			s.and(s.t.False)
			continue
		}
		if err := s.andExpr(found); err != nil {
			return err
		}
	}
	return nil
}

// searchable returns the paths that @cds.search names, by default all elements of type String. What the user may not see is not searched.
func (sc *scope) searchable(e *csn.Entity) []cqn.Expr {
	included, excluded := map[string]bool{}, map[string]bool{}
	for _, a := range e.Annotations {
		name, ok := strings.CutPrefix(a.Name, "cds.search.")
		switch {
		case !ok:
		case a.Value.False():
			excluded[name] = true
		case a.Value.True():
			included[name] = true
		}
	}
	if v := e.Annotations.Get("cds.search"); v != nil {
		for _, f := range v.Fields {
			included[f.Name], excluded[f.Name] = f.Value.True(), f.Value.False()
		}
	}
	var out []cqn.Expr
	any := false
	for _, on := range included {
		any = any || on
	}
	for _, el := range e.Flat {
		name := strings.Join(el.Path(), ".")
		if name == "" {
			name = el.Name
		}
		if excluded[name] || any && !included[name] || el.Virtual || el.Seal() != nil || sc.allowed(el, Root) != nil {
			continue
		}
		if a := el.Assoc(); a != nil {
			if any && !a.Many && a.Target != nil {
				out = append(out, sc.searchTarget(el, a.Target)...)
			}
		} else if b := el.Scalar(); b != nil && (b.Kind == csn.String || any && b.Kind == csn.LargeString) {
			out = append(out, cqn.NewRef(searched, el.Name))
		}
	}
	return out
}

// searchTarget returns the texts of an association's target, none if it is forbidden.
func (sc *scope) searchTarget(el *csn.Element, target *csn.Entity) []cqn.Expr {
	if !sc.definer {
		if _, err := sc.g.Condition(target, Path); err != nil {
			return nil
		}
	}
	var out []cqn.Expr
	for _, t := range target.Flat {
		if b := t.Scalar(); b != nil && b.Kind == csn.String && !t.Virtual && t.ForeignKey == nil && t.Seal() == nil && sc.allowed(t, Path) == nil {
			out = append(out, cqn.NewRef(searched, el.Name, t.Name))
		}
	}
	return out
}
