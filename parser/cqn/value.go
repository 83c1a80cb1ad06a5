package cqn

import (
	"io"
	"math"
	"strconv"
)

// A Kind says what a Value holds.
type Kind uint8

// The kinds of values. Dates and times are held as ISO 8601 text in the form the model's type asks for
// (Date 2024-02-29, Time 08:30:00, DateTime 2024-02-29T08:30:00Z, Timestamp with milliseconds).
const (
	KindNull Kind = iota
	KindBool
	KindInt
	KindFloat
	KindDecimal // exact decimal digits as text
	KindString
	KindBytes // raw bytes, kept in the text
	KindDate
	KindTime
	KindDateTime
	KindTimestamp
	KindList // any number of values, as in an array element or a list bind
	KindRow  // one nested row: a structured value or an expanded to-one association
	KindRows // nested rows: an expanded or deeply written to-many association
	KindBlob // binary data that is not held in memory: see Blob
)

// A Blob is binary data that is read in pieces, because there may be too much of it for memory. Where it is kept is the runtime's business.
type Blob interface {
	// Size is the number of bytes, -1 if that shows only at the end of reading.
	Size() int64
	// Open returns the data from their beginning. Data that come from a connection can be opened once.
	Open() (io.ReadCloser, error)
}

// A Value is one scalar, list or nested row. Its zero value is null. Values are immutable and comparable only by Equal.
type Value struct {
	kind Kind
	num  uint64
	str  string
	ext  any // []Value, *Row, []*Row, Blob
}

// Null is the value of nothing.
var Null = Value{}

// Bool, Int, Float, Decimal, String, Bytes and Text make values; Text makes any kind that is held as text.
func Bool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.num = 1
	}
	return v
}

// Int returns a whole number.
func Int(n int64) Value { return Value{kind: KindInt, num: uint64(n)} }

// Float returns a binary floating-point number.
func Float(f float64) Value { return Value{kind: KindFloat, num: math.Float64bits(f)} }

// Decimal returns an exact decimal number; digits must have the form -?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?
func Decimal(digits string) Value { return Value{kind: KindDecimal, str: digits} }

// String returns a text.
func String(s string) Value { return Value{kind: KindString, str: s} }

// Bytes returns raw bytes.
func Bytes(b []byte) Value { return Value{kind: KindBytes, str: string(b)} }

// Text returns a value of a kind that is held as text (KindDate, KindTime, KindDateTime, KindTimestamp, KindString, KindDecimal).
func Text(k Kind, s string) Value { return Value{kind: k, str: s} }

// List returns a list of values.
func List(vs []Value) Value { return Value{kind: KindList, ext: vs} }

// OfRow returns a nested row; nil yields Null.
func OfRow(r *Row) Value {
	if r == nil {
		return Null
	}
	return Value{kind: KindRow, ext: r}
}

// OfRows returns nested rows.
func OfRows(rs []*Row) Value { return Value{kind: KindRows, ext: rs} }

// OfBlob returns binary data that are read in pieces; null for nil.
func OfBlob(b Blob) Value {
	if b == nil {
		return Null
	}
	return Value{kind: KindBlob, ext: b}
}

// Kind returns what v holds.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Bool returns the truth value; false for other kinds.
func (v Value) Bool() bool { return v.kind == KindBool && v.num == 1 }

// Int returns the whole number; 0 for other kinds.
func (v Value) Int() int64 {
	if v.kind == KindInt {
		return int64(v.num)
	}
	return 0
}

// Float returns the number as a float64: exact for floats, converted for whole numbers and decimals, 0 for other kinds.
func (v Value) Float() float64 {
	switch v.kind {
	case KindFloat:
		return math.Float64frombits(v.num)
	case KindInt:
		return float64(int64(v.num))
	case KindDecimal:
		f, _ := strconv.ParseFloat(v.str, 64)
		return f
	}
	return 0
}

// Str returns the text of a value held as text (also decimals and dates), and "" for other kinds.
func (v Value) Str() string { return v.str }

// List returns the values of a list; nil for other kinds.
func (v Value) List() []Value { l, _ := v.ext.([]Value); return l }

// Row returns the nested row; nil for other kinds.
func (v Value) Row() *Row { r, _ := v.ext.(*Row); return r }

// Rows returns the nested rows; nil for other kinds.
func (v Value) Rows() []*Row { r, _ := v.ext.([]*Row); return r }

// Blob returns the data of a value of KindBlob; nil for other kinds.
func (v Value) Blob() Blob { b, _ := v.ext.(Blob); return b }

// Format returns the value as plain text for messages and keys: numbers in decimal, null as "null", text as it is.
func (v Value) Format() string {
	switch v.kind {
	case KindNull:
		return "null"
	case KindBool:
		return strconv.FormatBool(v.num == 1)
	case KindInt:
		return strconv.FormatInt(int64(v.num), 10)
	case KindFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case KindList, KindRow, KindRows, KindBlob:
		return "…"
	}
	return v.str
}

// Equal reports whether two values have the same kind and content. Null equals null; it is not SQL's equality.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || v.num != w.num || v.str != w.str {
		return false
	}
	switch v.kind {
	case KindBlob: // the same data: they are not read to be compared
		return v.ext == w.ext
	case KindList:
		a, b := v.List(), w.List()
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !a[i].Equal(b[i]) {
				return false
			}
		}
	case KindRow:
		return v.Row().Equal(w.Row())
	case KindRows:
		a, b := v.Rows(), w.Rows()
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !a[i].Equal(b[i]) {
				return false
			}
		}
	}
	return true
}

// A Field is one named value of a Row.
type Field struct {
	Name  string
	Value Value
}

// A Row is a payload or a result: values by element name, in order. An absent field differs from a null one.
// Elements of structured types are flat (address_city); expanded and deeply written associations are nested rows.
type Row struct{ fields []Field }

// NewRow returns a row of the given fields, which it keeps.
func NewRow(fields ...Field) *Row { return &Row{fields: fields} }

// Fields returns the fields in order. Callers must not change them.
func (r *Row) Fields() []Field {
	if r == nil {
		return nil
	}
	return r.fields
}

// Get returns the value of a field and whether the row has it.
func (r *Row) Get(name string) (Value, bool) {
	if r != nil {
		for i := range r.fields {
			if r.fields[i].Name == name {
				return r.fields[i].Value, true
			}
		}
	}
	return Null, false
}

// Value returns the value of a field, null if the row lacks it.
func (r *Row) Value(name string) Value { v, _ := r.Get(name); return v }

// Has reports whether the row has the field, be it null.
func (r *Row) Has(name string) bool { _, ok := r.Get(name); return ok }

// Set adds or replaces a field.
func (r *Row) Set(name string, v Value) {
	for i := range r.fields {
		if r.fields[i].Name == name {
			r.fields[i].Value = v
			return
		}
	}
	if r.fields == nil {
		r.fields = make([]Field, 0, firstFields)
	}
	r.fields = append(r.fields, Field{name, v})
}

// firstFields is the room of a row that gets its first field: few rows have fewer, and growing from one costs more.
const firstFields = 4

// Delete removes a field.
func (r *Row) Delete(name string) {
	for i := range r.fields {
		if r.fields[i].Name == name {
			r.fields = append(r.fields[:i:i], r.fields[i+1:]...)
			return
		}
	}
}

// Clone returns a copy whose fields can be set without changing r. Nested rows are cloned too.
func (r *Row) Clone() *Row {
	if r == nil {
		return nil
	}
	c := &Row{fields: append([]Field(nil), r.fields...)}
	for i, f := range c.fields {
		switch f.Value.kind {
		case KindRow:
			c.fields[i].Value = OfRow(f.Value.Row().Clone())
		case KindRows:
			rows := f.Value.Rows()
			cp := make([]*Row, len(rows))
			for j := range rows {
				cp[j] = rows[j].Clone()
			}
			c.fields[i].Value = OfRows(cp)
		}
	}
	return c
}

// Equal reports whether both rows have the same fields in the same order.
func (r *Row) Equal(o *Row) bool {
	a, b := r.Fields(), o.Fields()
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !a[i].Value.Equal(b[i].Value) {
			return false
		}
	}
	return true
}
