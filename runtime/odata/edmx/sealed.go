package edmx

import (
	"slices"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// sealed adds to the annotations of an entity's set that encrypted and hashed elements cannot be sorted by, nor filtered by, but for deterministic ones, by the values that they have: the
// database does not have the values. Null tests, which all of them allow, have no word in the vocabulary.
func (w *writer) sealed(e *csn.Entity, as csn.Annotations) csn.Annotations {
	var unsorted, unfiltered, equal []*cqn.AnnoValue
	for _, el := range e.Flat {
		s := el.Seal()
		if s == nil || w.hidden(el) {
			continue
		}
		path := &cqn.AnnoValue{Kind: cqn.AnnoRef, Text: el.Name}
		unsorted = append(unsorted, path)
		if s.Kind != csn.SealDeterministic {
			unfiltered = append(unfiltered, path)
			continue
		}
		equal = append(equal, &cqn.AnnoValue{Kind: cqn.AnnoStruct, Fields: []cqn.AnnoField{
			{Name: "$Type", Value: &cqn.AnnoValue{Kind: cqn.AnnoString, Text: "Capabilities.FilterExpressionRestrictionType"}},
			{Name: "Property", Value: path},
			{Name: "AllowedExpressions", Value: &cqn.AnnoValue{Kind: cqn.AnnoString, Text: "MultiValue"}},
		}})
	}
	const filter = "Capabilities.FilterRestrictions"
	as = withItems(as, filter, "Filterable", "NonFilterableProperties", unfiltered)
	as = withItems(as, filter, "Filterable", "FilterExpressionRestrictions", equal)
	return withItems(as, "Capabilities.SortRestrictions", "Sortable", "NonSortableProperties", unsorted)
}

// withItems returns the annotations with items behind those of a collection in a record. Where the model takes the annotation away, or says by the property
// all that nothing is possible, they stay as they are.
func withItems(as csn.Annotations, term, all, prop string, items []*cqn.AnnoValue) csn.Annotations {
	whole := as.Get(term)
	if len(items) == 0 || as.Get(term+"."+all).False() || whole != nil && (whole.Kind != cqn.AnnoStruct || whole.Field(all).False()) {
		return as
	}
	out := slices.Clone(as)
	for i := range out {
		a := &out[i]
		switch {
		case a.Name == term+"."+prop:
			a.Value = extended(a.Value, items)
			return out
		case a.Name == term && a.Value.Field(prop) != nil:
			v := *a.Value
			v.Fields = slices.Clone(v.Fields)
			for j := range v.Fields {
				if v.Fields[j].Name == prop {
					v.Fields[j].Value = extended(v.Fields[j].Value, items)
				}
			}
			a.Value = &v
			return out
		}
	}
	return append(out, cqn.AnnoField{Name: term + "." + prop, Value: &cqn.AnnoValue{Kind: cqn.AnnoArray, Items: items}})
}

// extended returns a collection with the items that it does not have yet.
func extended(v *cqn.AnnoValue, items []*cqn.AnnoValue) *cqn.AnnoValue {
	out := &cqn.AnnoValue{Kind: cqn.AnnoArray}
	if v != nil {
		out.Items = slices.Clone(v.Items)
	}
	named := func(x *cqn.AnnoValue) string {
		if p := x.Field("Property"); p != nil {
			x = p
		}
		return x.Text
	}
	for _, x := range items {
		if !slices.ContainsFunc(out.Items, func(y *cqn.AnnoValue) bool { return named(y) == named(x) }) {
			out.Items = append(out.Items, x)
		}
	}
	return out
}
