package generic

import (
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// anno returns an annotation of a flat element; a foreign key has those of its association too.
func anno(el *csn.Element, name string) *cqn.AnnoValue {
	if a := el.Annotations.Get(name); a != nil {
		return a
	}
	if el.ForeignKey != nil {
		return el.ForeignKey.Annotations.Get(name)
	}
	return nil
}

// readOnly tells elements whose values never come from a payload: computed, calculated and managed ones, and those marked as read-only.
func readOnly(el *csn.Element) bool {
	if el.Value() != nil {
		return true
	}
	if el.Key {
		return false // keys are needed to address rows
	}
	return anno(el, "readonly").True() || anno(el, "Core.Computed").True() || anno(el, "cds.on.insert") != nil || anno(el, "cds.on.update") != nil ||
		controlled(el, 0, 1)
}

// neverSet tells elements of e that no payload sets.
func neverSet(e *csn.Entity, el *csn.Element) bool {
	return readOnly(el) || isDraftName(el.Name) || el.Virtual || el.Assoc() == nil && !stored(e, el)
}

// mandatory tells elements that must have a value. Foreign keys inherit it from their association.
func mandatory(el *csn.Element) bool {
	a := anno(el, "mandatory")
	return (a.True() || controlled(el, 7)) && !readOnly(el)
}

// stored tells elements that a write through e can set: those that lead to a column of a table.
func stored(e *csn.Entity, el *csn.Element) bool {
	if el.Virtual || el.Value() != nil || el.Assoc() != nil {
		return false
	}
	if _, structured := el.Type.(*csn.Struct); structured {
		return false
	}
	return e.Base == nil || el.Origin != nil
}

// generatedKey tells keys that are filled with a new UUID.
func generatedKey(el *csn.Element) bool {
	t := el.Scalar()
	return el.Key && el.ForeignKey == nil && t != nil && t.Kind == csn.UUID
}

// etagElement returns the element whose value is the entity tag, nil if there is none.
func etagElement(e *csn.Entity) *csn.Element {
	for _, el := range e.Flat {
		if a := el.Annotations.Get("odata.etag"); a != nil && !a.False() && a.Kind != cqn.AnnoNull && el.Assoc() == nil {
			return el
		}
	}
	return nil
}

// compositions returns the composition elements of an entity.
func compositions(e *csn.Entity) []*csn.Element {
	var out []*csn.Element
	for _, el := range e.Flat {
		if a := el.Assoc(); a != nil && a.Composition && a.Target != nil {
			out = append(out, el)
		}
	}
	return out
}

// element returns the flat element of a payload's field.
func element(e *csn.Entity, name string) *csn.Element { return e.Element(name) }

// sub returns the path of a field below another path.
func sub(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// A place is where a value is in a payload; nil is the payload itself. Its path is put together only if a message needs it.
type place struct {
	up   *place
	name string
	row  *cqn.Row // the nested row, one of several, that the place is
	of   *csn.Entity
	pos  int
}

func (p *place) String() string {
	if p == nil {
		return ""
	}
	path := sub(p.up.String(), p.name)
	if p.of != nil {
		path = rowPath(path, p.of, p.row, strconv.Itoa(p.pos))
	}
	return path
}

// child returns the place of a nested row below an element at up.
func child(up *place, el *csn.Element, row *cqn.Row, pos int) *place {
	p := &place{up: up, name: el.Name}
	if a := el.Assoc(); a.Many {
		p.row, p.of, p.pos = row, a.Target, pos
	}
	return p
}

// rowPath returns the path of a nested row: by its keys if the payload has some, else by its position.
func rowPath(path string, e *csn.Entity, row *cqn.Row, pos string) string {
	var keys []string
	for _, k := range e.Keys {
		v, ok := row.Get(k.Name)
		if !ok || v.IsNull() {
			continue
		}
		t := v.Format()
		if v.Kind() == cqn.KindString && !generatedKey(k) {
			t = "'" + strings.ReplaceAll(t, "'", "''") + "'"
		}
		keys = append(keys, k.Name+"="+t)
	}
	if len(keys) == 0 {
		return path + "[" + pos + "]"
	}
	return path + "(" + strings.Join(keys, ",") + ")"
}
