package cds

import (
	"errors"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// conflict names the elements of an @assert.unique.<name> that a write of e has violated, as far as the database tells which: the answer has the
// message of @assert.unique.<name>.message, or the constant text, and the first element as target. Other errors, and conflicts of keys, stay as they are.
func conflict(e *csn.Entity, err error) error {
	var v *db.Violation
	if e == nil || !errors.As(err, &v) || !errors.Is(v.Kind, db.ErrUnique) {
		return err
	}
	t := e.Table()
	if t == nil {
		return err
	}
	for _, a := range t.Annotations {
		name, ok := strings.CutPrefix(a.Name, "assert.unique.")
		if !ok || a.Value == nil || a.Value.Kind != cqn.AnnoArray {
			continue
		}
		columns, names := uniqueElements(t, e, a.Value)
		if own := sqlgen.TenantColumn(t); own != nil && !slices.Contains(columns, own.Name) {
			columns = append(columns, own.Name)
		}
		if !strings.EqualFold(v.Constraint, sqlgen.TableName(t)+"_"+name) && !sameColumns(v.Columns, columns) {
			continue
		}
		out := &Error{Status: 409, Code: "UNIQUE_CONSTRAINT_VIOLATION", Key: "UNIQUE_CONSTRAINT_VIOLATION", Cause: err, Args: []any{strings.Join(names, ", ")},
			Message: "An entity with these key or unique values exists already."}
		if m := t.Annotations.Str("assert.unique." + name + ".message"); m != "" {
			out.Message, out.Key = m, ""
		}
		if len(names) > 0 {
			out.Target = names[0]
		}
		return out
	}
	return err
}

// uniqueElements returns the columns of a constraint and the names that e has for them.
func uniqueElements(t, e *csn.Entity, a *cqn.AnnoValue) (columns, names []string) {
	for _, it := range a.Items {
		for _, el := range t.Flat {
			if el.Assoc() != nil || el.Name != it.Str() && !strings.HasPrefix(el.Name, it.Str()+"_") {
				continue
			}
			columns = append(columns, el.Name)
			for _, shown := range e.Flat {
				if bottom(shown) == el {
					names = append(names, shown.Name)
					break
				}
			}
		}
	}
	return columns, names
}

// bottom returns the table's element behind an element.
func bottom(el *csn.Element) *csn.Element {
	for el.Origin != nil {
		el = el.Origin
	}
	return el
}

func sameColumns(a, b []string) bool {
	if len(a) == 0 || len(a) != len(b) {
		return false
	}
	for _, c := range a {
		if !slices.ContainsFunc(b, func(d string) bool { return strings.EqualFold(c, d) }) {
			return false
		}
	}
	return true
}
