package generic

import (
	"context"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// maxDepth bounds the nesting of payloads.
const maxDepth = 50

// input brings a payload into the form that the rest works on: it refuses what the entity does not have, drops what clients may not
// set, turns `author: {ID: 1}` into author_ID, and converts values to the types of their elements.
func (h *handlers) input(ctx context.Context, r *cds.RawRequest) error {
	if r.Data == nil && r.Rows == nil {
		r.Data = cqn.NewRow()
	}
	in := inputter{r: r, update: r.Event == authz.Update}
	if r.Event == authz.Update {
		dropKeys(r)
	}
	for _, row := range payload(r) {
		if err := in.unknown(row, r.Target, r.Target.Name, "", 0); err != nil {
			return err
		}
		if err := in.row(row, r.Target, "", 0); err != nil {
			return err
		}
	}
	return nil
}

// dropKeys takes the keys out of the payload of an update: they come from the path alone.
func dropKeys(r *cds.RawRequest) {
	for _, k := range r.Target.Keys {
		r.Data.Delete(k.Name)
		if k.ForeignKey != nil {
			r.Data.Delete(k.ForeignKey.Name)
		}
	}
}

type inputter struct {
	r      *cds.RawRequest
	update bool
}

func noProperty(name, where string) error {
	return &cds.Error{Status: 400, Code: "400", Message: "Property " + strconv.Quote(name) + " does not exist in " + where, Target: where}
}

// unknown refuses fields that the entity does not have, and payloads that are nested too deep. where names the place for the client.
func (in *inputter) unknown(row *cds.Row, e *csn.Entity, where, path string, depth int) error {
	if depth > maxDepth {
		return cds.Reject(400, "400", "The payload is nested too deep.")
	}
	for _, f := range row.Fields() {
		el := element(e, f.Name)
		if el == nil {
			return noProperty(f.Name, where)
		}
		a := el.Assoc()
		if a == nil || a.Target == nil {
			if !plainType(el.Type) {
				if err := in.unknownIn(f.Value, el.Type, sub(path, f.Name), depth); err != nil {
					return err
				}
			}
			continue
		}
		p := sub(path, f.Name)
		if !a.Composition {
			if err := in.reference(f.Value, el, p); err != nil {
				return err
			}
			continue
		}
		for i, c := range children(f.Value) {
			at := p
			if a.Many {
				at = p + "[" + strconv.Itoa(i) + "]"
			}
			if c == nil {
				return notArray(p)
			}
			if err := in.unknown(c, a.Target, at, at, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainType tells types whose values have no parts.
func plainType(t csn.Type) bool {
	switch t.(type) {
	case *csn.Array, *csn.Struct:
		return false
	}
	return true
}

// unknownIn does it for structures inside arrays.
func (in *inputter) unknownIn(v cqn.Value, t csn.Type, path string, depth int) error {
	if depth > maxDepth {
		return cds.Reject(400, "400", "The payload is nested too deep.")
	}
	switch t := t.(type) {
	case *csn.Array:
		for i, x := range items(v) {
			if err := in.unknownIn(x, t.Items.Type, path+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
				return err
			}
		}
	case *csn.Struct:
		for _, f := range v.Row().Fields() {
			el := t.Elements.Lookup(f.Name)
			if el == nil {
				return noProperty(f.Name, path)
			}
			if err := in.unknownIn(f.Value, el.Type, path+"/"+f.Name, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// reference checks the value of an association: an object with keys of the target, or null. To-many associations are taken and ignored, as
// recorded.
func (in *inputter) reference(v cqn.Value, el *csn.Element, path string) error {
	a := el.Assoc()
	if a.Many || v.IsNull() {
		return nil
	}
	row := v.Row()
	if row == nil {
		return &cds.Error{Status: 400, Code: "400", Message: "Value of " + strconv.Quote(el.Name) + " must be an object", Target: path}
	}
	for _, f := range row.Fields() {
		if foreignKey(a, f.Name) == nil {
			return noProperty(f.Name, path)
		}
	}
	return nil
}

// foreignKey returns the foreign key element for a key of the association's target.
func foreignKey(a *csn.Assoc, name string) *csn.Element {
	for i, t := range a.FKTarget {
		if t.Name == name && i < len(a.FK) {
			return a.FK[i]
		}
	}
	return nil
}

// children returns the rows of a composition's value; a nil row stands for something that is none.
func children(v cqn.Value) []*cds.Row {
	switch v.Kind() {
	case cqn.KindRow:
		return []*cds.Row{v.Row()}
	case cqn.KindRows:
		return v.Rows()
	case cqn.KindNull:
		return nil
	case cqn.KindList:
		out := make([]*cds.Row, len(v.List()))
		for i, x := range v.List() {
			out[i] = x.Row()
		}
		return out
	}
	return []*cds.Row{nil}
}

// items returns the members of an array's value.
func items(v cqn.Value) []cqn.Value {
	if v.Kind() == cqn.KindRows {
		out := make([]cqn.Value, len(v.Rows()))
		for i, r := range v.Rows() {
			out[i] = cqn.OfRow(r)
		}
		return out
	}
	return v.List()
}

// rowsOf makes nested rows of a list of structures.
func rowsOf(vs []cqn.Value) cqn.Value {
	rows := make([]*cds.Row, 0, len(vs))
	for _, v := range vs {
		if v.Row() == nil {
			return cqn.List(vs) // a null among them
		}
		rows = append(rows, v.Row())
	}
	return cqn.OfRows(rows)
}

func notArray(path string) error {
	return &cds.Error{Status: 400, Code: "ASSERT_ARRAY", Message: "Value must be an array", Target: path}
}

// row converts and drops. Values of the wrong type are collected as errors and taken out.
func (in *inputter) row(row *cds.Row, e *csn.Entity, path string, depth int) error {
	fields := append([]cqn.Field(nil), row.Fields()...)
	for _, f := range fields {
		el := element(e, f.Name)
		switch a := el.Assoc(); {
		case readOnly(el), in.update && depth == 0 && anno(el, "Core.Immutable").True():
			row.Delete(f.Name)
		case a != nil && a.Target != nil && a.Composition:
			if err := in.composition(row, f, el, sub(path, f.Name), depth); err != nil {
				return err
			}
		case a != nil:
			row.Delete(f.Name)
			in.expandReference(row, el, f.Value)
		default:
			if plainType(el.Type) && !f.Value.IsNull() { // most values need no path for messages
				if v, err := cds.Convert(el, f.Value, ""); err == nil {
					row.Set(f.Name, v)
					continue
				}
			}
			v, ok := in.value(el.Type, el, f.Value, sub(path, f.Name), 0)
			if !ok {
				row.Delete(f.Name)
				continue
			}
			row.Set(f.Name, v)
		}
	}
	return nil
}

// expandReference sets the foreign keys that an association's value stands for.
func (in *inputter) expandReference(row *cds.Row, el *csn.Element, v cqn.Value) {
	a := el.Assoc()
	if a.Many || len(a.FK) == 0 {
		return
	}
	for i, fk := range a.FK {
		x, given := cqn.Null, v.IsNull()
		if !given {
			x, given = v.Row().Get(a.FKTarget[i].Name)
		}
		if !given {
			continue
		}
		if c, ok := in.value(fk.Type, fk, x, fk.Name, 0); ok {
			row.Set(fk.Name, c)
		}
	}
}

func (in *inputter) composition(row *cds.Row, f cqn.Field, el *csn.Element, path string, depth int) error {
	a := el.Assoc()
	if err := in.r.MayWrite(el); err != nil {
		return err
	}
	kids := children(f.Value)
	if a.Many && f.Value.Kind() == cqn.KindRow || !a.Many && f.Value.Kind() != cqn.KindRow && !f.Value.IsNull() {
		return notArray(path)
	}
	for i, c := range kids {
		p := path
		if a.Many {
			p = rowPath(path, a.Target, c, strconv.Itoa(i))
		}
		if err := in.row(c, a.Target, p, depth+1); err != nil {
			return err
		}
	}
	switch {
	case a.Many:
		row.Set(f.Name, cqn.OfRows(append([]*cds.Row{}, kids...)))
	case len(kids) == 1:
		row.Set(f.Name, cqn.OfRow(kids[0]))
	}
	return nil
}

// value converts one value. Faults are collected; ok is false then.
func (in *inputter) value(t csn.Type, el *csn.Element, v cqn.Value, path string, depth int) (cqn.Value, bool) {
	if v.IsNull() {
		return v, true
	}
	switch t := t.(type) {
	case *csn.Array:
		if k := v.Kind(); k != cqn.KindList && k != cqn.KindRows {
			in.r.Error(400, "ASSERT_ARRAY", path, "Value must be an array")
			return v, false
		}
		out := make([]cqn.Value, 0, len(items(v)))
		for i, x := range items(v) {
			c, ok := in.value(t.Items.Type, t.Items, x, path+"["+strconv.Itoa(i)+"]", depth+1)
			if !ok {
				return v, false
			}
			out = append(out, c)
		}
		if _, ok := t.Items.Type.(*csn.Struct); ok && len(out) > 0 {
			return rowsOf(out), true
		}
		return cqn.List(out), true
	case *csn.Struct:
		row := v.Row()
		if row == nil {
			in.r.Error(400, "ASSERT_DATA_TYPE", path, "Value %s is not a valid structure", v.Format())
			return v, false
		}
		out := cqn.NewRow()
		for _, f := range row.Fields() {
			part := t.Elements.Lookup(f.Name)
			c, ok := in.value(part.Type, part, f.Value, path+"/"+f.Name, depth+1)
			if !ok {
				return v, false
			}
			out.Set(f.Name, c)
		}
		return cqn.OfRow(out), true
	}
	c, err := cds.Convert(el, v, path)
	if err != nil {
		in.r.Collect(cds.AsError(err))
		return v, false
	}
	return c, true
}
