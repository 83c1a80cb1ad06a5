package cds

import (
	"fmt"
	"slices"
	"time"

	"cds/parser/cqn"
)

// Coded is what generated structs implement: one method that visits all fields, for reading a row and for writing one. So both
// directions have one line per element and can't disagree.
type Coded interface{ CDSFields(f *Fields) }

// PtrTo is a pointer to T with a codec. It is inferred from T.
type PtrTo[T any] interface {
	*T
	Coded
}

// Ext is embedded in generated structs. It keeps the fields of a row that the struct does not know: elements of tenant extensions,
// and media data.
type Ext struct{ fields []cqn.Field }

// Extra returns the value of an element that the struct does not know.
func (x *Ext) Extra(name string) (Value, bool) {
	for i := range x.fields {
		if x.fields[i].Name == name {
			return x.fields[i].Value, true
		}
	}
	return cqn.Null, false
}

// SetExtra sets an element that the struct does not know.
func (x *Ext) SetExtra(name string, v Value) {
	for i := range x.fields {
		if x.fields[i].Name == name {
			x.fields[i].Value = v
			return
		}
	}
	x.fields = append(x.fields, cqn.Field{Name: name, Value: v})
}

// FromRow stores a row in x. An error names the element whose value does not fit.
func FromRow(r *Row, x Coded) error { return fromRow(r, x, 0) }

// ToRow returns x as a row: what is absent in x is absent in the row.
func ToRow(x Coded) (*Row, error) { return toRow(x, 0) }

// maxRowDepth bounds nested rows: deeper ones are refused.
const maxRowDepth = 100

func fromRow(r *Row, x Coded, depth int) error {
	if depth > maxRowDepth {
		return fmt.Errorf("rows are nested deeper than %d levels", maxRowDepth)
	}
	f := Fields{in: r.Fields(), reading: true, depth: depth}
	x.CDSFields(&f)
	f.rest(x)
	return f.err
}

func toRow(x Coded, depth int) (*Row, error) {
	if depth > maxRowDepth {
		return nil, fmt.Errorf("rows are nested deeper than %d levels", maxRowDepth)
	}
	f := Fields{depth: depth}
	x.CDSFields(&f)
	f.rest(x)
	if f.err != nil {
		return nil, f.err
	}
	return cqn.NewRow(f.out...), nil
}

// updateRow writes x back to the row it was read from, keeping the order of fields. Fields that x no longer has are removed.
func updateRow(r *Row, x Coded) error {
	f := Fields{base: r}
	x.CDSFields(&f)
	f.rest(x)
	if f.err != nil {
		return f.err
	}
	now := cqn.NewRow(f.out...)
	for _, old := range slices.Clone(r.Fields()) {
		if v, ok := now.Get(old.Name); ok {
			r.Set(old.Name, v)
		} else {
			r.Delete(old.Name)
		}
	}
	for _, v := range f.out {
		if !r.Has(v.Name) {
			r.Set(v.Name, v.Value)
		}
	}
	return nil
}

// Fields carries a row through CDSFields, in either direction.
type Fields struct {
	in      []cqn.Field // reading: the row
	used    uint64      // reading: which of the first 64 fields of in are taken
	next    int         // reading: where the next field is expected
	more    []string    // reading: names taken beyond the first 64
	out     []cqn.Field // writing
	base    *Row        // writing back: the row as it was; else nil
	prefix  string
	depth   int
	reading bool
	err     error
}

// take returns the value of a field of the row that is read. Fields mostly come in the order of the struct.
func (f *Fields) take(name string) (Value, bool) {
	n := len(f.in)
	for k := range n {
		i := f.next + k
		if i >= n {
			i -= n
		}
		if f.in[i].Name == name {
			f.next = i + 1
			if i < 64 {
				f.used |= 1 << i
			} else {
				f.more = append(f.more, name)
			}
			return f.in[i].Value, true
		}
	}
	return cqn.Null, false
}

func (f *Fields) put(name string, v Value) {
	f.out = append(f.out, cqn.Field{Name: name, Value: v})
}

func (f *Fields) fail(name string, err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("element %s: %w", name, err)
	}
}

// Field visits a scalar element.
func Field[T any](f *Fields, name string, o *Opt[T]) {
	name = f.prefix + name
	if f.reading {
		if v, ok := f.take(name); ok {
			f.fail(name, o.scan(v))
		}
		return
	}
	switch {
	case o.state == optNull:
		f.put(name, cqn.Null)
	case o.state == optSet:
		v, err := valueOf(any(o.v))
		f.fail(name, err)
		f.put(name, v)
	}
}

// Plain visits a scalar element that is never null: a parameter or result declared `not null`.
func Plain[T any](f *Fields, name string, p *T) {
	name = f.prefix + name
	if f.reading {
		if v, ok := f.take(name); ok {
			f.fail(name, scanValue(p, v))
		}
		return
	}
	v, err := valueOf(any(*p))
	f.fail(name, err)
	f.put(name, v)
}

// DateTime visits an element of type cds.DateTime, which has whole seconds.
func DateTime(f *Fields, name string, o *Opt[time.Time]) {
	if t, ok := o.Get(); ok && !f.reading {
		f.put(f.prefix+name, cqn.Text(cqn.KindDateTime, t.UTC().Format(dateTimeForm)))
		return
	}
	Field(f, name, o)
}

// Struct visits the parts of a structured element. Rows have them flat: address_city.
func Struct(f *Fields, name string, x Coded) {
	outer := f.prefix
	f.prefix += name + "_"
	x.CDSFields(f)
	f.prefix = outer
}

// One visits a to-one association that may be expanded or deeply written. nil means absent.
func One[T any, P PtrTo[T]](f *Fields, name string, p **T) {
	name = f.prefix + name
	if f.reading {
		if v, ok := f.take(name); ok && v.Row() != nil {
			*p = new(T)
			f.fail(name, fromRow(v.Row(), P(*p), f.depth+1))
		}
		return
	}
	if *p == nil {
		if v, ok := f.base.Get(name); ok && v.IsNull() {
			f.put(name, v) // an expanded association without target stays as it is
		}
		return
	}
	row, err := toRow(P(*p), f.depth+1)
	f.fail(name, err)
	f.put(name, cqn.OfRow(row))
}

// Rows visits a to-many association or an array of structures.
func Rows[T any, P PtrTo[T]](f *Fields, name string, m *Many[T]) {
	name = f.prefix + name
	if f.reading {
		v, ok := f.take(name)
		if !ok || v.IsNull() {
			return
		}
		rows, err := nested(v)
		f.fail(name, err)
		m.Set()
		for _, r := range rows {
			x := new(T)
			f.fail(name, fromRow(r, P(x), f.depth+1))
			m.rows = append(m.rows, x)
		}
		return
	}
	if !m.set {
		if v, ok := f.base.Get(name); ok && v.IsNull() {
			f.put(name, v)
		}
		return
	}
	rows := make([]*Row, 0, len(m.rows))
	for _, x := range m.rows {
		if x == nil {
			f.fail(name, fmt.Errorf("there is a nil row"))
			continue
		}
		row, err := toRow(P(x), f.depth+1)
		f.fail(name, err)
		rows = append(rows, row)
	}
	f.put(name, cqn.OfRows(rows))
}

// nested returns the rows in a value, be they nested rows or a list of structures.
func nested(v Value) ([]*Row, error) {
	switch v.Kind() {
	case cqn.KindRows:
		return v.Rows(), nil
	case cqn.KindList:
		var rows []*Row
		for _, e := range v.List() {
			if e.Row() == nil {
				return nil, fmt.Errorf("an array of structures has an item that is none")
			}
			rows = append(rows, e.Row())
		}
		return rows, nil
	}
	return nil, fmt.Errorf("rows were expected")
}

// Items visits an array of scalars.
func Items[T any](f *Fields, name string, o *Opt[[]T]) {
	name = f.prefix + name
	if f.reading {
		if v, ok := f.take(name); ok {
			items, err := scanList[T](v)
			f.fail(name, err)
			if o.Set(items); v.IsNull() {
				o.SetNull()
			}
		}
		return
	}
	switch items, ok := o.Get(); {
	case ok:
		v, err := listOf(items)
		f.fail(name, err)
		f.put(name, v)
	case o.IsNull():
		f.put(name, cqn.Null)
	}
}

func scanList[T any](v Value) ([]T, error) {
	out := make([]T, len(v.List()))
	for i, e := range v.List() {
		if err := scanValue(&out[i], e); err != nil {
			return nil, err
		}
	}
	if k := v.Kind(); k != cqn.KindList && k != cqn.KindNull {
		return nil, fmt.Errorf("an array was expected")
	}
	return out, nil
}

func listOf[T any](items []T) (Value, error) {
	out := make([]Value, len(items))
	for i := range items {
		v, err := valueOf(any(items[i]))
		if err != nil {
			return cqn.Null, err
		}
		out[i] = v
	}
	return cqn.List(out), nil
}

func (x *Ext) ext() *Ext { return x }

// rest visits what a struct does not know, if it has an Ext.
func (f *Fields) rest(c Coded) {
	e, ok := c.(interface{ ext() *Ext })
	if !ok {
		return
	}
	x := e.ext()
	if !f.reading {
		f.out = append(f.out, x.fields...)
		return
	}
	x.fields = nil
	for i, e := range f.in {
		if i < 64 && f.used&(1<<i) != 0 || i >= 64 && slices.Contains(f.more, e.Name) {
			continue
		}
		x.fields = append(x.fields, e)
	}
}
