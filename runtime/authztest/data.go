package authztest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/eval"
)

// A spare makes rows on both sides of the conditions of a model.
type spare struct {
	*rand.Rand
	w     *world
	pools *pools
	count map[*csn.Entity]int // rows made so far, for keys
	odd   map[*csn.Entity]int // rows in which one element differs from the others
	turn  int
	keys  map[*csn.Entity]map[string][]*cqn.Row
	lost  map[*csn.Entity]string // why rows could not be stored
}

// tables returns the entities that rows are stored in, those that others refer to first, as far as that goes.
func tables(m *csn.Model) []*csn.Entity {
	var out []*csn.Entity
	state := map[*csn.Entity]bool{}
	var visit func(e *csn.Entity)
	visit = func(e *csn.Entity) {
		if e == nil || state[e] {
			return
		}
		state[e] = true
		for _, el := range e.Flat {
			if a := el.Assoc(); a != nil && len(a.FK) > 0 {
				visit(a.Target.Table())
			}
		}
		for _, el := range e.Parents {
			visit(el.Owner.Table())
		}
		if e.Source == nil && !e.SkipPersistence && e.Active == nil && len(e.Name) > 0 && !framework(e.Name) {
			out = append(out, e)
		}
	}
	for _, e := range m.Entities {
		visit(e.Table())
	}
	return out
}

func framework(name string) bool {
	return name == csn.DraftTable || len(name) > 4 && name[:4] == "cds." || len(name) > 6 && name[:6] == "DRAFT."
}

// The shapes of a row: everything takes the first value of its pool, all but one element do, or nobody knows.
const (
	aligned = iota
	oneOff
	random
)

// fill stores n rows in every table for every tenant.
func (s *spare) fill(n int) {
	for _, tenant := range s.w.tenants {
		for _, e := range tables(s.w.app.Model) {
			var rows []*cqn.Row
			for range n {
				if r := s.row(e, tenant); r != nil {
					rows = append(rows, r)
				}
			}
			s.store(e, tenant, rows)
		}
	}
	s.w.forget()
}

// store inserts rows: together, or if one is refused one by one.
func (s *spare) store(e *csn.Entity, tenant string, rows []*cqn.Row) {
	if len(rows) == 0 {
		return
	}
	ctx := s.w.owner(tenant)
	kept := rows
	if _, err := cds.DB(ctx).Run(ctx, &cqn.Insert{Into: e.Name, Rows: rows}); err != nil {
		kept = nil
		for _, r := range rows {
			if _, err := cds.DB(ctx).Run(ctx, &cqn.Insert{Into: e.Name, Rows: []*cqn.Row{r}}); err != nil {
				s.lost[e] = err.Error()
				continue
			}
			kept = append(kept, r)
		}
	}
	if s.keys[e] == nil {
		s.keys[e] = map[string][]*cqn.Row{}
	}
	s.keys[e][tenant] = append(s.keys[e][tenant], kept...)
}

// row makes one row of a table; nil where it needs one of another table that has none.
func (s *spare) row(e *csn.Entity, tenant string) *cqn.Row {
	s.count[e]++
	r := cqn.NewRow()
	shape, odd := []int{aligned, oneOff, oneOff, oneOff, random}[s.IntN(5)], -1
	if some := s.asked(e); shape == oneOff && len(some) > 0 { // each element in turn has each of its values
		odd = some[s.odd[e]%len(some)]
		s.turn = s.odd[e] / len(some)
		s.odd[e]++
	}
	if !s.references(e, tenant, r) {
		return nil
	}
	for i, el := range e.Flat {
		how := shape
		switch {
		case r.Has(el.Name), el.Assoc() != nil, el.ForeignKey != nil, el.Virtual, el.Internal, el.Value() != nil, el.Scalar() == nil:
			continue
		case el.Annotations.Is("tenant"):
			continue // the database fills it
		case shape == oneOff && i == odd:
		case shape == oneOff:
			how = aligned
		}
		if v, ok := s.value(e, el, how); ok {
			r.Set(el.Name, v)
		} else if el.Key || el.NotNull && el.Default() == nil {
			return nil
		}
	}
	return r
}

// asked are the positions of the elements of a table that conditions mention.
func (s *spare) asked(e *csn.Entity) []int {
	var out []int
	for i, el := range e.Flat {
		if el.Assoc() == nil && el.ForeignKey == nil && el.Scalar() != nil && s.compared(el) {
			out = append(out, i)
		}
	}
	return out
}

// references fills foreign keys with those of rows that are there, or of none.
func (s *spare) references(e *csn.Entity, tenant string, r *cqn.Row) bool {
	for _, el := range e.Flat {
		a := el.Assoc()
		if a == nil || len(a.FK) == 0 || a.Target == nil {
			continue
		}
		needed := a.NotNull || el.NotNull || el.Key
		for _, fk := range a.FK {
			needed = needed || fk.Key || fk.NotNull
		}
		t := a.Target.Table()
		there := s.keys[t][tenant]
		if len(there) == 0 || !needed && s.IntN(5) == 0 {
			if needed {
				return false
			}
			continue
		}
		to := there[s.IntN(len(there))]
		if s.IntN(2) == 0 {
			to = there[s.IntN(min(len(there), 3))] // some rows have many that refer to them
		}
		for i, fk := range a.FK {
			if v, ok := to.Get(bottom(a.FKTarget[i]).Name); ok {
				r.Set(fk.Name, v)
			}
		}
	}
	return s.backlinks(e, tenant, r)
}

// backlinks gives parts whose root refers to them by equal elements a root.
func (s *spare) backlinks(e *csn.Entity, tenant string, r *cqn.Row) bool {
	for _, el := range e.Parents {
		if el.Assoc() == nil || el.Owner.Table() == nil {
			continue
		}
		there := s.keys[el.Owner.Table()][tenant]
		for _, p := range el.Assoc().Pairs {
			if r.Has(p.Target.Name) || len(there) == 0 {
				continue
			}
			if v, ok := there[s.IntN(len(there))].Get(bottom(p.Source).Name); ok {
				r.Set(p.Target.Name, v)
			}
		}
	}
	return true
}

// value chooses a value of an element.
func (s *spare) value(e *csn.Entity, el *csn.Element, how int) (cqn.Value, bool) {
	t := el.Scalar()
	n := s.count[e]
	if p := s.pools.of("el:" + e.Name + "." + el.Name); p != nil && s.compared(el) {
		texts := p.texts
		if len(el.Enum()) > 0 {
			texts = nil
			for _, sym := range el.Enum() {
				texts = append(texts, plain(sym.Val()))
			}
		}
		var fit []cqn.Value
		for _, x := range texts {
			if v, ok := eval.Convert(x, t); ok && fits(v, el) {
				fit = append(fit, v)
			}
		}
		if len(fit) > 0 {
			null := !el.Key && !el.NotNull
			switch {
			case how == oneOff && null:
				return append(fit, cqn.Null)[s.turn%(len(fit)+1)], true
			case how == oneOff:
				return fit[s.turn%len(fit)], true
			case how == aligned:
				return fit[s.IntN(min(p.first, len(fit)))], true
			case null && s.IntN(6) == 0:
				return cqn.Null, true
			}
			return fit[s.IntN(len(fit))], true
		}
	}
	switch {
	case el.Key || s.unique(e, el):
		return unique(el, n)
	case el.Default() != nil:
		return cqn.Null, false
	}
	if len(el.Enum()) > 0 {
		return el.Enum()[0].Val(), true
	}
	for _, x := range freshOf(t) {
		if v, ok := eval.Convert(x, t); ok && fits(v, el) {
			return v, true
		}
	}
	return cqn.Null, false
}

// compared reports whether a condition mentions the element.
func (s *spare) compared(el *csn.Element) bool {
	k := "el:" + el.Owner.Name + "." + el.Name
	r := s.pools.root(k)
	if r != k || len(s.pools.lits[r]) > 0 || s.pools.noted[k] {
		return true
	}
	return false
}

func (s *spare) unique(e *csn.Entity, el *csn.Element) bool {
	return slices.ContainsFunc(e.Annotations, func(a cqn.AnnoField) bool {
		return len(a.Name) > 13 && a.Name[:13] == "assert.unique"
	}) && el.Scalar() != nil && text(el.Scalar())
}

// unique is the n-th value of an element's type.
func unique(el *csn.Element, n int) (cqn.Value, bool) {
	t := el.Scalar()
	switch t.Kind {
	case csn.UUID:
		return cqn.String(fmt.Sprintf("%08d-0000-4000-8000-000000000000", n)), true
	case csn.String, csn.LargeString:
		s := "k" + strconv.Itoa(n)
		return cqn.String(s), t.Length == 0 || len(s) <= t.Length
	case csn.Date:
		return eval.Convert(fmt.Sprintf("20%02d-01-01", n%100), t)
	}
	return eval.Convert(strconv.Itoa(n), t)
}

// fits reports whether a value is one that the model's own checks let pass.
func fits(v cqn.Value, el *csn.Element) bool {
	if t := el.Scalar(); t != nil && t.Length > 0 && len(v.Str()) > t.Length {
		return false
	}
	r := el.Annotations.Get("assert.range")
	if r == nil || r.Kind != cqn.AnnoArray || len(r.Items) != 2 || number(v) == nil {
		return true
	}
	lo, ok1 := eval.Convert(r.Items[0].Text, &csn.Builtin{Kind: csn.Decimal})
	hi, ok2 := eval.Convert(r.Items[1].Text, &csn.Builtin{Kind: csn.Decimal})
	return !ok1 || !ok2 || number(v).Cmp(number(lo)) >= 0 && number(v).Cmp(number(hi)) <= 0
}
