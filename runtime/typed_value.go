package cds

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"cds/parser/cqn"
)

// A Valuer is a type that knows its value in the engine. Generated enums are Valuers.
type Valuer interface{ CDSValue() Value }

// A Scanner is a type that can take over a value of the engine. Pointers to generated enums are Scanners.
type Scanner interface{ CDSScan(v Value) error }

// valueOf returns the engine's value for a Go value of one of the types that generated code uses.
func valueOf(x any) (Value, error) {
	switch x := x.(type) {
	case Valuer:
		return x.CDSValue(), nil
	case string:
		return cqn.String(x), nil
	case UUID:
		return cqn.String(string(x)), nil
	case bool:
		return cqn.Bool(x), nil
	case int:
		return cqn.Int(int64(x)), nil
	case int16:
		return cqn.Int(int64(x)), nil
	case int32:
		return cqn.Int(int64(x)), nil
	case int64:
		return cqn.Int(x), nil
	case uint8:
		return cqn.Int(int64(x)), nil
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return cqn.Null, fmt.Errorf("%v is not a number that CDS knows", x)
		}
		return cqn.Float(x), nil
	case Decimal:
		return cqn.Decimal(x.String()), nil
	case Date:
		return cqn.Text(cqn.KindDate, string(x)), nil
	case TimeOfDay:
		return cqn.Text(cqn.KindTime, string(x)), nil
	case time.Time:
		return cqn.Text(cqn.KindTimestamp, x.UTC().Format(timestampForm)), nil
	case []byte:
		return cqn.Bytes(x), nil
	case []float32, map[string]any:
		text, err := json.Marshal(x)
		if err != nil {
			return cqn.Null, err
		}
		return cqn.String(string(text)), nil
	}
	return cqn.Null, fmt.Errorf("a Go value of type %T has no CDS type", x)
}

// scanValue stores a value of the engine in *p. It accepts what the type can hold without loss and refuses everything else.
func scanValue(p any, v Value) error {
	ok := false
	switch p := p.(type) {
	case Scanner:
		return p.CDSScan(v)
	case *string:
		*p, ok = text(v)
	case *UUID:
		var s string
		s, ok = text(v)
		*p = UUID(s)
	case *bool:
		*p, ok = truth(v)
	case *int16:
		ok = scanInt(p, v, math.MinInt16, math.MaxInt16)
	case *int32:
		ok = scanInt(p, v, math.MinInt32, math.MaxInt32)
	case *int64:
		ok = scanInt(p, v, math.MinInt64, math.MaxInt64)
	case *uint8:
		ok = scanInt(p, v, 0, math.MaxUint8)
	case *float64:
		*p, ok = float(v)
	case *Decimal:
		d, err := ParseDecimal(v.Format())
		*p, ok = d, err == nil
	case *Date:
		var s string
		s, ok = text(v)
		*p = Date(s)
	case *TimeOfDay:
		var s string
		s, ok = text(v)
		*p = TimeOfDay(s)
	case *time.Time:
		*p, ok = instant(v)
	case *[]byte:
		ok = v.Kind() == cqn.KindBytes || v.Kind() == cqn.KindString
		*p = []byte(v.Str())
	case *[]float32:
		ok = json.Unmarshal([]byte(v.Str()), p) == nil
	case *map[string]any:
		ok = json.Unmarshal([]byte(v.Str()), p) == nil
	default:
		return fmt.Errorf("the Go type %T has no CDS type", p)
	}
	if !ok {
		return fmt.Errorf("the value %s does not fit", shorten(v.Format()))
	}
	return nil
}

func text(v Value) (string, bool) {
	switch v.Kind() {
	case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
		return v.Str(), true
	}
	return "", false
}

func truth(v Value) (bool, bool) {
	if v.Kind() == cqn.KindInt && (v.Int() == 0 || v.Int() == 1) {
		return v.Int() == 1, true
	}
	return v.Bool(), v.Kind() == cqn.KindBool
}

func scanInt[T int16 | int32 | int64 | uint8](p *T, v Value, lo, hi int64) bool {
	n := v.Int()
	switch v.Kind() {
	case cqn.KindInt:
	case cqn.KindDecimal, cqn.KindString: // Int64 travels as text
		var err error
		if n, err = strconv.ParseInt(v.Str(), 10, 64); err != nil {
			return false
		}
	default:
		return false
	}
	*p = T(n)
	return lo <= n && n <= hi
}

func float(v Value) (float64, bool) {
	switch v.Kind() {
	case cqn.KindFloat, cqn.KindInt, cqn.KindDecimal:
		return v.Float(), true
	}
	return 0, false
}

func instant(v Value) (time.Time, bool) {
	s, ok := text(v)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err == nil
}

// TextValue, IntValue and Scan are for generated enums.
func TextValue(s string) Value { return cqn.String(s) }

// IntValue returns a whole number as a value.
func IntValue(n int64) Value { return cqn.Int(n) }

// Scan stores a value in *p, a pointer to one of the types that generated code uses; it refuses what does not fit.
func Scan(p any, v Value) error { return scanValue(p, v) }

// maxValueDepth bounds the nesting of Go values that become values of the engine.
const maxValueDepth = 100

// ValueOf returns the engine's value for a Go value: nil, strings, booleans, numbers, Decimal, Date, TimeOfDay, time.Time, []byte, generated enums,
// *Row, []any for arrays, map[string]any and slices of such maps for structures and nested rows.
func ValueOf(x any) (Value, error) { return anyValue(x, 0) }

func anyValue(x any, depth int) (Value, error) {
	if depth > maxValueDepth {
		return cqn.Null, fmt.Errorf("values are nested deeper than %d levels", maxValueDepth)
	}
	switch x := x.(type) {
	case nil:
		return cqn.Null, nil
	case Value:
		return x, nil
	case *Row:
		return cqn.OfRow(x), nil
	case []*Row:
		return cqn.OfRows(x), nil
	case map[string]any:
		row, err := anyRow(x, depth+1)
		return cqn.OfRow(row), err
	case []map[string]any:
		rows := make([]*Row, len(x))
		for i := range x {
			var err error
			if rows[i], err = anyRow(x[i], depth+1); err != nil {
				return cqn.Null, err
			}
		}
		return cqn.OfRows(rows), nil
	case []any:
		list := make([]Value, len(x))
		for i := range x {
			var err error
			if list[i], err = anyValue(x[i], depth+1); err != nil {
				return cqn.Null, err
			}
		}
		return cqn.List(list), nil
	case []string:
		return listOf(x)
	case float32:
		return valueOf(float64(x))
	case int8:
		return valueOf(int64(x))
	case uint16:
		return valueOf(int64(x))
	case uint32:
		return valueOf(int64(x))
	}
	return valueOf(x)
}

// RowOf returns a row of Go values by element, in order of the names: see ValueOf.
func RowOf(values map[string]any) (*Row, error) { return anyRow(values, 0) }

func anyRow(values map[string]any, depth int) (*Row, error) {
	row := cqn.NewRow()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v, err := anyValue(values[name], depth+1)
		if err != nil {
			return nil, fmt.Errorf("element %s: %w", name, err)
		}
		row.Set(name, v)
	}
	return row, nil
}
