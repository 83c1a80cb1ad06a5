package generic

import (
	"fmt"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// A Check examines one value of a payload, which is not null and has the type of its element. It reports a fault by Fault.Add.
type Check func(f Fault, v cqn.Value)

// NewCheck makes the check of one kind for an element, nil if the element asks for none. An error stops the start: an assertion that can't
// be understood must not pass as fulfilled.
type NewCheck func(el *csn.Element) (Check, error)

// A Fault is the place of a value in a payload, for reports.
type Fault struct {
	r      *cds.RawRequest
	el     *csn.Element
	target string
}

// Add collects an error 400 about the value. anno names the annotation whose message (@assert.range.message) takes the place of text; args are
// what texts refer to by {0}, {1}.
func (f Fault) Add(anno, code, text string, args ...any) {
	e := &cds.Error{Status: 400, Code: code, Message: message(f.el, anno, text), Target: f.target, Args: args}
	if e.Message == text {
		e.Key = code
	}
	f.r.Collect(e)
}

// message is the text of a fault: that of the annotation's own `.message` (or `.error`), else text. Where it is a key of the messages bundle, that
// is found when the error is answered.
func message(el *csn.Element, annotation, text string) string {
	for _, suffix := range [...]string{".message", ".error"} {
		if m := anno(el, annotation+suffix).Str(); m != "" {
			return m
		}
	}
	return text
}

// Checks are the built-in checks of values by name, in the order they run. Each is a file of its own; Options.Checks replaces them.
//
// Checks of what is missing are no part of it: @mandatory and not null look at the row (see missing).
func builtinChecks() []namedCheck {
	return []namedCheck{{"range", newRangeCheck}, {"enum", newEnumCheck}, {"format", newFormatCheck}}
}

type namedCheck struct {
	name string
	make NewCheck
}

// checkPlan is what is to be checked of the values of one element; nil for nothing. It is made at the start.
type checkPlan struct {
	own   []Check
	items *checkPlan            // of an array
	parts map[string]*checkPlan // of a structure, by name
	el    *csn.Element
}

// planChecks makes the plan of an element, and of the items and parts of its type.
func (h *handlers) planChecks(el *csn.Element, depth int) (*checkPlan, error) {
	if depth > maxDepth || el == nil || el.Assoc() != nil || readOnly(el) {
		return nil, nil
	}
	p := &checkPlan{el: el}
	for _, c := range h.checks {
		ck, err := c.make(el)
		if err != nil {
			return nil, fmt.Errorf("element %s: %w", el.Name, err)
		}
		if ck != nil {
			p.own = append(p.own, ck)
		}
	}
	var err error
	switch t := el.Type.(type) {
	case *csn.Array:
		p.own = nil // assertions on an array are meant for its items
		if p.items, err = h.planChecks(itemElement(el, t), depth+1); err != nil {
			return nil, err
		}
	case *csn.Struct:
		for _, part := range t.Elements {
			sub, err := h.planChecks(part, depth+1)
			if err != nil {
				return nil, err
			}
			if sub != nil {
				if p.parts == nil {
					p.parts = map[string]*checkPlan{}
				}
				p.parts[part.Name] = sub
			}
		}
	}
	if len(p.own) == 0 && p.items == nil && p.parts == nil {
		return nil, nil
	}
	return p, nil
}

// itemElement is the element that describes the items of an array: assertions written at the array, such as @assert.range, are theirs.
func itemElement(el *csn.Element, t *csn.Array) *csn.Element {
	if t.Items == nil {
		return nil
	}
	item := *t.Items
	item.Name = el.Name
	item.Annotations = append(item.Annotations[:len(item.Annotations):len(item.Annotations)], el.Annotations...)
	return &item
}

// run checks a value. Items and parts are named in the target: tags[0], lines[1]/v.
func (p *checkPlan) run(r *cds.RawRequest, v cqn.Value, target string) {
	if p == nil || v.IsNull() {
		return
	}
	for _, c := range p.own {
		c(Fault{r, p.el, target}, v)
	}
	if p.items != nil {
		for i, x := range items(v) {
			p.items.run(r, x, target+"["+strconv.Itoa(i)+"]")
		}
	}
	for name, part := range p.parts {
		if x, ok := v.Row().Get(name); ok {
			part.run(r, x, target+"/"+name)
		}
	}
}
