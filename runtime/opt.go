package cds

import (
	"bytes"
	"encoding/json"
)

// An Opt is a value that may be absent or null: an UPDATE must tell "not sent" from "set to null". Its zero value is absent.
// With the option `omitzero`, JSON leaves absent values out.
type Opt[T any] struct {
	v     T
	state optState
}

type optState uint8

const (
	optAbsent optState = iota
	optNull
	optSet
)

// Some returns an Opt that holds v.
func Some[T any](v T) Opt[T] { return Opt[T]{v: v, state: optSet} }

// Null returns an Opt that is null.
func Null[T any]() Opt[T] { return Opt[T]{state: optNull} }

// Get returns the value, and false if it is absent or null.
func (o Opt[T]) Get() (T, bool) { return o.v, o.state == optSet }

// Or returns the value, or def if it is absent or null.
func (o Opt[T]) Or(def T) T {
	if o.state == optSet {
		return o.v
	}
	return def
}

// Has reports whether the value is present, be it null.
func (o Opt[T]) Has() bool { return o.state != optAbsent }

// IsNull reports whether the value is present and null.
func (o Opt[T]) IsNull() bool { return o.state == optNull }

// IsZero reports whether the value is absent.
func (o Opt[T]) IsZero() bool { return o.state == optAbsent }

// Set makes o hold v.
func (o *Opt[T]) Set(v T) { *o = Some(v) }

// SetNull makes o null.
func (o *Opt[T]) SetNull() { *o = Null[T]() }

// Clear makes o absent.
func (o *Opt[T]) Clear() { *o = Opt[T]{} }

// MarshalJSON writes the value; null if there is none.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if o.state != optSet {
		return []byte("null"), nil
	}
	return json.Marshal(o.v)
}

// UnmarshalJSON reads a value or null. What JSON leaves out stays absent.
func (o *Opt[T]) UnmarshalJSON(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		o.SetNull()
		return nil
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	o.Set(v)
	return nil
}

// scan takes over a value of the engine; the codecs of generated structs call it.
func (o *Opt[T]) scan(v Value) error {
	if v.IsNull() {
		o.SetNull()
		return nil
	}
	if err := scanValue(&o.v, v); err != nil {
		return err
	}
	o.state = optSet
	return nil
}

// A Many is the rows of a to-many association, or absent: absent leaves them as they are, empty removes them. Its zero value is absent.
type Many[T any] struct {
	rows []*T
	set  bool
}

// ManyOf returns the given rows; without any, the empty set of rows.
func ManyOf[T any](rows ...*T) Many[T] { return Many[T]{rows: rows, set: true} }

// All returns the rows; nil if they are absent.
func (m Many[T]) All() []*T { return m.rows }

// Len returns the number of rows.
func (m Many[T]) Len() int { return len(m.rows) }

// Has reports whether rows are present, be it none.
func (m Many[T]) Has() bool { return m.set }

// IsZero reports whether the rows are absent.
func (m Many[T]) IsZero() bool { return !m.set }

// Add appends rows.
func (m *Many[T]) Add(rows ...*T) { m.rows, m.set = append(m.rows, rows...), true }

// Set replaces the rows.
func (m *Many[T]) Set(rows ...*T) { m.rows, m.set = rows, true }

// Clear makes the rows absent.
func (m *Many[T]) Clear() { m.rows, m.set = nil, false }

// MarshalJSON writes an array.
func (m Many[T]) MarshalJSON() ([]byte, error) {
	if m.rows == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(m.rows)
}

// UnmarshalJSON reads an array; null counts as absent.
func (m *Many[T]) UnmarshalJSON(data []byte) error {
	var rows []*T
	if err := json.Unmarshal(data, &rows); err != nil {
		return err
	}
	m.rows, m.set = rows, rows != nil
	return nil
}
