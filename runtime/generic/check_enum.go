package generic

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// newEnumCheck is for @assert.range (or @assert.range: true) and @assert.enum on an element with an enum: only the values of its symbols
// pass.
func newEnumCheck(el *csn.Element) (Check, error) {
	if !anno(el, "assert.range").True() && !anno(el, "assert.enum").True() {
		return nil, nil
	}
	symbols := enumOf(el)
	if len(symbols) == 0 {
		return nil, nil
	}
	values, names := make([]cqn.Value, len(symbols)), make([]string, len(symbols))
	for i := range symbols {
		values[i] = symbols[i].Val()
		names[i] = values[i].Format()
	}
	list := strings.Join(names, ", ")
	key := "assert.range"
	if anno(el, "assert.enum") != nil {
		key = "assert.enum"
	}
	return func(f Fault, x cqn.Value) {
		for _, v := range values {
			if compare(x, v) == 0 {
				return
			}
		}
		f.Add(key, "ASSERT_ENUM", "Enter one of the allowed values: "+list+".", list, x.Format())
	}, nil
}

// enumOf returns the symbols of an element, if need be those of the element it was projected from.
func enumOf(el *csn.Element) []csn.EnumSymbol {
	for o := el; o != nil; o = o.Origin {
		if len(o.Enum()) > 0 {
			return o.Enum()
		}
	}
	return nil
}
