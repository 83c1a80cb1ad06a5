package check

import (
	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
)

const answer = "Say what holds here: @requires or @restrict, be it @requires: 'any'."

// siblings finds entities without a restriction that show what a restricted one hides: beside it in the service (decision 7), or over it in
// a view that inherits nothing (I4).
func (c *checker) siblings() {
	for _, s := range c.model.Services {
		for _, e := range s.Entities {
			if e.Exposure != csn.Exposed || isRestricted(e) || isChild(e) {
				continue
			}
			r := &resource{home: home("entity", e.Name), span: e.Span}
			mine := reached(e)
			if o := hiddenBy(s, e, mine); o != nil {
				d := c.diags.Add(c.severity(), codeSibling, e.Span, "%s has no restriction, but %s, which reads the same data, has one", e.Name, o.Name)
				d.Home, d.Hint = r.home, answer
				d.Related = append(d.Related, diag.Related{Message: "the restricted entity", Span: o.Span})
			} else if o := restrictedBelow(e); o != nil {
				d := c.warn(r, e.Span, codeOpenView, "%s has no restriction, but reads %s, which has one", e.Name, o.Name)
				d.Hint = answer
			}
		}
	}
}

// isRestricted reports whether an entity says who may use it. @restrict: null says nothing.
func isRestricted(e *csn.Entity) bool {
	for i := range e.Annotations {
		if base, _ := split(e.Annotations[i].Name); base == "requires" || base == "restrict" {
			if v := e.Annotations[i].Value; v == nil || v.Kind != cqn.AnnoNull {
				return true
			}
		}
	}
	return false
}

// isChild reports whether an entity is a composition child, which follows its root (decision 6).
func isChild(e *csn.Entity) bool {
	for _, p := range e.Parents {
		if p.Owner != e {
			return true
		}
	}
	return false
}

func hiddenBy(s *csn.Service, e *csn.Entity, mine map[*csn.Entity]bool) *csn.Entity {
	for _, o := range s.Entities {
		if o == e || !isRestricted(o) || isOpen(o) {
			continue
		}
		for t := range tables(o) {
			if mine[t] {
				return o
			}
		}
	}
	return nil
}

// isOpen reports whether the entity's answer is that everybody may do everything.
func isOpen(e *csn.Entity) bool {
	v := e.Annotations.Get("requires")
	if v == nil || e.Annotations.Get("restrict") != nil {
		return false
	}
	if v.Kind == cqn.AnnoArray {
		for _, i := range v.Items {
			if i.Str() == "any" {
				return true
			}
		}
		return false
	}
	return v.Kind == cqn.AnnoString && v.Text == "any"
}

// tables returns the tables whose rows an entity is made of. What a projection shows of other tables, over paths, does not count.
func tables(e *csn.Entity) map[*csn.Entity]bool {
	out := map[*csn.Entity]bool{}
	visit(e, false, func(r *csn.Entity) {
		if r.Base == nil && len(r.Reads) == 0 {
			out[r] = true
		}
	})
	return out
}

// reached returns all entities of which an entity shows something, itself included.
func reached(e *csn.Entity) map[*csn.Entity]bool {
	out := map[*csn.Entity]bool{}
	visit(e, true, func(r *csn.Entity) { out[r] = true })
	return out
}

// restrictedBelow returns a restricted entity that a view reads, nil for none.
func restrictedBelow(e *csn.Entity) (found *csn.Entity) {
	visit(e, true, func(r *csn.Entity) {
		if r != e && found == nil && isRestricted(r) && !isOpen(r) {
			found = r
		}
	})
	return found
}

// visit calls fn for e and all entities below it, each once. With paths, those count too that a projection reads over paths.
func visit(e *csn.Entity, paths bool, fn func(*csn.Entity)) {
	seen := map[*csn.Entity]bool{}
	todo := []*csn.Entity{e}
	for len(todo) > 0 {
		r := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if r == nil || seen[r] {
			continue
		}
		seen[r] = true
		fn(r)
		todo = append(todo, r.Base)
		if r.Base == nil || paths {
			todo = append(todo, r.Reads...)
		}
	}
}
