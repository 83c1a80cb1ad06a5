package cds

import (
	"context"
	"fmt"
	"math"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
)

// Functions for masks (`@mask: { go: 'NAME' }`): what is shown in the place of a value is made of it by code of the application, where rows leave the engine. The
// database has no part in it, so that such an element can be selected and nothing else by whoever sees the mask.

// Maskable are the types of the values that a function for masks takes. They are those that generated code has for elements; int64 does for whole
// numbers of all sizes.
type Maskable interface {
	string | UUID | bool | int16 | int32 | int64 | uint8 | float64 | Decimal | Date | TimeOfDay | time.Time
}

// Mask registers the function that makes what is shown in the place of an element with `@mask: { go: 'NAME' }` to whoever does not see its value.
//
//	cds.Mask(app, "lastFour", func(ctx context.Context, iban string) (string, error) {
//		return "…" + iban[max(0, len(iban)-4):], nil
//	})
//
// It is called for each row that is read, while the database waits: it must be quick, and may not read or write by ctx, which has the user and
// nothing of the request's transaction. Null stays null, and is not passed to it. An error or a panic, or a result that the element cannot have, is a 500
// for the request; the log has the name of the function and the type of the error, not its text, which may tell the value.
//
// Mask belongs before Start, where handlers are registered. Start fails if a mask names a function that is not there, or one of another type than the
// element's, and if a name is registered twice or is none.
func Mask[T Maskable](a *App, name string, fn func(ctx context.Context, value T) (T, error)) {
	t := maskType[T]()
	var call func(context.Context, Value) (Value, error)
	if fn != nil {
		call = func(ctx context.Context, v Value) (Value, error) {
			if v.IsNull() {
				return v, nil
			}
			x, ok := t.from(v)
			if !ok {
				return cqn.Null, errMaskValue
			}
			x, err := fn(ctx, x)
			if err != nil {
				return cqn.Null, err
			}
			return t.to(x)
		}
	}
	a.addMask(name, maskFunc{call: call, typ: t.name, kinds: t.kinds})
}

// MaskOpt is Mask for a function that is also told of null, and may show null in the place of a value. A result that is absent counts as null.
func MaskOpt[T Maskable](a *App, name string, fn func(ctx context.Context, value Opt[T]) (Opt[T], error)) {
	t := maskType[T]()
	var call func(context.Context, Value) (Value, error)
	if fn != nil {
		call = func(ctx context.Context, v Value) (Value, error) {
			in := Null[T]()
			if !v.IsNull() {
				x, ok := t.from(v)
				if !ok {
					return cqn.Null, errMaskValue
				}
				in = Some(x)
			}
			out, err := fn(ctx, in)
			if err != nil {
				return cqn.Null, err
			}
			x, ok := out.Get()
			if !ok {
				return cqn.Null, nil
			}
			return t.to(x)
		}
	}
	a.addMask(name, maskFunc{call: call, typ: t.name, kinds: t.kinds, nulls: true})
}

// A maskFunc is a registered function.
type maskFunc struct {
	call  func(ctx context.Context, v Value) (Value, error)
	typ   string // the Go type of its values
	kinds uint64 // the types of elements that it is for, as bits
	nulls bool   // it is told of null
}

func (a *App) addMask(name string, f maskFunc) {
	if a.inner.started.Load() {
		panic("mask registered after Start")
	}
	switch {
	case !authz.MaskFunctionName(name):
		a.Refuse(fmt.Errorf("error[mask-name]: cds.Mask: %q is no name for a function: letters, digits and _ . - are expected, a letter first", name))
	case f.call == nil:
		a.Refuse(fmt.Errorf("error[mask-name]: cds.Mask: the function %s is nil", name))
	case a.inner.masks[name].call != nil:
		a.Refuse(fmt.Errorf("error[mask-name]: cds.Mask: the function %s is registered twice", name))
	default:
		if a.inner.masks == nil {
			a.inner.masks = map[string]maskFunc{}
		}
		a.inner.masks[name] = f
	}
}

// StandInMasks registers a function for each one that the model names and the application lacks: it shows null. It is for tools that start an
// application without its code.
func (a *App) StandInMasks() {
	for _, f := range a.Policy.MaskFunctions() {
		if a.inner.masks[f.Name].call == nil {
			a.addMask(f.Name, maskFunc{kinds: math.MaxUint64, call: func(context.Context, Value) (Value, error) { return cqn.Null, nil }})
		}
	}
}

// checkMasks reports masks for which there is no function, or one for another type: a diag.List, nil for none.
func (a *App) checkMasks() error {
	return a.Policy.CheckMaskFunctions(func(f authz.MaskFunction) (ok bool, typ string) {
		fn := a.inner.masks[f.Name]
		b := f.Element.Scalar()
		return b != nil && fn.kinds&(1<<b.Kind) != 0, fn.typ
	}).Err()
}

// A maskCodec converts values of one Go type.
type maskCodec[T any] struct {
	name  string
	kinds uint64
	from  func(Value) (T, bool)
	to    func(T) (Value, error)
}

func kindBits(kinds ...csn.Scalar) (bits uint64) {
	for _, k := range kinds {
		bits |= 1 << k
	}
	return bits
}

// maskType chooses the conversions once, so that rows need none of it.
func maskType[T Maskable]() maskCodec[T] {
	var zero T
	var c any
	switch any(zero).(type) {
	case string:
		c = maskCodec[string]{"string", kindBits(csn.String, csn.LargeString), text, func(s string) (Value, error) { return cqn.String(s), nil }}
	case UUID:
		c = maskCodec[UUID]{"cds.UUID", kindBits(csn.UUID), textAs[UUID], func(s UUID) (Value, error) { return cqn.String(string(s)), nil }}
	case bool:
		c = maskCodec[bool]{"bool", kindBits(csn.Boolean), truth, func(b bool) (Value, error) { return cqn.Bool(b), nil }}
	case int16:
		c = wholeMask[int16]("int16", kindBits(csn.Int16), math.MinInt16, math.MaxInt16)
	case int32:
		c = wholeMask[int32]("int32", kindBits(csn.Integer, csn.Int32), math.MinInt32, math.MaxInt32)
	case uint8:
		c = wholeMask[uint8]("uint8", kindBits(csn.UInt8), 0, math.MaxUint8)
	case int64:
		c = wholeMask[int64]("int64", kindBits(csn.Integer, csn.Int16, csn.Int32, csn.Int64, csn.UInt8), math.MinInt64, math.MaxInt64)
	case float64:
		c = maskCodec[float64]{"float64", kindBits(csn.Double), float, func(f float64) (Value, error) {
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return cqn.Null, errMaskResult
			}
			return cqn.Float(f), nil
		}}
	case Decimal:
		c = maskCodec[Decimal]{"cds.Decimal", kindBits(csn.Decimal), func(v Value) (Decimal, bool) { d, err := ParseDecimal(v.Format()); return d, err == nil },
			func(d Decimal) (Value, error) { return cqn.Decimal(d.String()), nil }}
	case Date:
		c = maskCodec[Date]{"cds.Date", kindBits(csn.Date), textAs[Date], func(d Date) (Value, error) { return cqn.Text(cqn.KindDate, string(d)), nil }}
	case TimeOfDay:
		c = maskCodec[TimeOfDay]{"cds.TimeOfDay", kindBits(csn.Time), textAs[TimeOfDay], func(t TimeOfDay) (Value, error) { return cqn.Text(cqn.KindTime, string(t)), nil }}
	case time.Time:
		c = maskCodec[time.Time]{"time.Time", kindBits(csn.DateTime, csn.Timestamp), instant, func(t time.Time) (Value, error) {
			if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
				return cqn.Null, errMaskResult
			}
			return cqn.Text(cqn.KindTimestamp, t.Format(timestampForm)), nil
		}}
	}
	return c.(maskCodec[T])
}

func textAs[T ~string](v Value) (T, bool) { s, ok := text(v); return T(s), ok }

func wholeMask[T int16 | int32 | int64 | uint8](name string, kinds uint64, lo, hi int64) maskCodec[T] {
	return maskCodec[T]{name, kinds, func(v Value) (x T, ok bool) { ok = scanInt(&x, v, lo, hi); return x, ok },
		func(x T) (Value, error) { return cqn.Int(int64(x)), nil }}
}
