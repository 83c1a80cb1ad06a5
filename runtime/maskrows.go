package cds

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// CodeMask is the code of the error for values that could not be masked.
const CodeMask = "MASK_FAILED"

// A maskFault is an error of ours, which tells nothing of the value.
type maskFault string

func (f maskFault) Error() string { return string(f) }

const (
	errMaskValue  maskFault = "the value is not of the element's type"
	errMaskResult maskFault = "the result is not of the element's type"
	errNoMask     maskFault = "there is no such function"
)

// errMask is the answer where a function fails. The log has where, and of the error its type: its text might tell the value.
func errMask(m *sqlgen.FuncMask, cause error) *Error {
	on := m.Element.Name
	if m.Element.Owner != nil {
		on = m.Element.Owner.Name + "." + on
	}
	why := fmt.Sprintf("an error of type %T", cause)
	var own maskFault
	if errors.As(cause, &own) {
		why = own.Error()
	}
	return &Error{Status: 500, Code: CodeMask, Message: "A value could not be masked.", Cause: fmt.Errorf("%s, mask function %s: %s", on, m.Func, why)}
}

// delivered returns the rows of a statement as they leave the engine: decrypted, and masked where functions of the application do that; rows itself if the plan
// has neither. It takes what asking for rows returns.
func (rd *reader) delivered(p *sqlgen.Plan, rows db.Rows, err error) (db.Rows, error) {
	rows, err = rd.unsealed(p, rows, err)
	if len(p.Masked) == 0 || err != nil || rows == nil {
		return rows, err
	}
	u := rd.binds.unit
	// Functions get to know who asks, and nothing by which they could read in the midst of the rows.
	ctx := scope{user: rd.binds.user, locale: LocaleFrom(rd.ctx)}.into(rd.ctx)
	r := &maskedRows{Rows: rows, ctx: ctx, cols: make([]maskedColumn, len(p.Masked))}
	for i := range p.Masked {
		c := &p.Masked[i]
		fn, ok := u.app.inner.masks[c.Mask.Func]
		if !ok {
			_ = rows.Close() // nothing was read
			return nil, errMask(c.Mask, errNoMask)
		}
		r.cols[i] = maskedColumn{at: c.Index, mask: c.Mask, fn: fn, as: storage(c.Mask.Element.Scalar()), typ: c.Mask.Element.Scalar(), value: *c}
		r.cols[i].value.Index = c.Mask.Value
	}
	return r, nil
}

// maskedRows masks columns of rows by functions of the application. At the position of such a column the database has null: what is there comes from here only.
type maskedRows struct {
	db.Rows
	ctx  context.Context
	cols []maskedColumn
}

// A maskedColumn is one column of the current row.
type maskedColumn struct {
	at    int
	mask  *sqlgen.FuncMask
	fn    maskFunc
	typ   *csn.Builtin
	as    db.ColumnType
	value sqlgen.Column // where the value is, and its type
	null  bool
	text  []byte
	num   int64
	float float64
}

// Next masks the next row.
func (r *maskedRows) Next() (bool, error) {
	ok, err := r.Rows.Next()
	if !ok || err != nil {
		return ok, err
	}
	for i := range r.cols {
		c := &r.cols[i]
		v, err := c.shown(r.ctx, r.Rows)
		if err == nil {
			err = c.set(v)
		}
		if err != nil {
			c.null = true
			return false, errMask(c.mask, err)
		}
	}
	return true, nil
}

// shown returns what is shown in the current row: the value itself where the row is exempt, else what the function makes of it.
func (c *maskedColumn) shown(ctx context.Context, rows db.Rows) (Value, error) {
	m := c.mask
	if m.Present >= 0 && rows.IsNull(m.Present) {
		return cqn.Null, nil // there is no row
	}
	v := decodeValue(rows, &c.value)
	if m.Exempt >= 0 && !rows.IsNull(m.Exempt) && rows.Int(m.Exempt) == 1 || v.IsNull() && !c.fn.nulls {
		return v, nil
	}
	v, err := callMask(ctx, c.fn, v)
	if err != nil || v.IsNull() || c.typ.Kind == csn.String || c.typ.Kind == csn.LargeString {
		return v, err
	}
	v, ok := coerce(v, c.typ)
	if !ok {
		return cqn.Null, errMaskResult
	}
	return v, nil
}

// callMask calls a function. A panic is an error; what it says is not in the log, but where it was.
func callMask(ctx context.Context, fn maskFunc, v Value) (out Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = cqn.Null, maskFault("a panic at "+panicPlace())
		}
	}()
	return fn.call(ctx, v)
}

// panicPlace is where the code that panicked is. A stack has arguments, of which one is the value.
func panicPlace() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)]) // behind Callers, this and the deferred function
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") && f.Function != "" {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// set takes a value in the form in which a database would deliver it.
func (c *maskedColumn) set(v Value) error {
	c.null, c.text, c.num, c.float = v.IsNull(), c.text[:0], 0, 0
	switch v.Kind() {
	case cqn.KindNull:
	case cqn.KindInt:
		c.num, c.float = v.Int(), float64(v.Int())
		c.text = strconv.AppendInt(c.text, c.num, 10)
	case cqn.KindFloat:
		c.float = v.Float()
		c.num = int64(c.float)
		c.text = strconv.AppendFloat(c.text, c.float, 'g', -1, 64)
	case cqn.KindBool:
		if v.Bool() {
			c.num = 1
		}
	case cqn.KindString, cqn.KindDecimal, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
		c.text = append(c.text, v.Str()...)
	default:
		return errMaskResult
	}
	return nil
}

// column returns the masked column at a position, nil for others.
func (r *maskedRows) column(i int) *maskedColumn {
	for j := range r.cols {
		if r.cols[j].at == i {
			return &r.cols[j]
		}
	}
	return nil
}

// IsNull, Type, Int, Float, Text and Bytes are those of what is shown.
func (r *maskedRows) IsNull(i int) bool {
	if c := r.column(i); c != nil {
		return c.null
	}
	return r.Rows.IsNull(i)
}

// Type is the type that a database would have delivered it in.
func (r *maskedRows) Type(i int) db.ColumnType {
	if c := r.column(i); c != nil {
		if c.null {
			return db.TypeNull
		}
		return c.as
	}
	return r.Rows.Type(i)
}

// Int is what is shown as a whole number; of truth values 1 and 0.
func (r *maskedRows) Int(i int) int64 {
	if c := r.column(i); c != nil {
		return c.num
	}
	return r.Rows.Int(i)
}

// Float is what is shown as a number.
func (r *maskedRows) Float(i int) float64 {
	if c := r.column(i); c != nil {
		return c.float
	}
	return r.Rows.Float(i)
}

// Text is what is shown as a text. It is valid until the next row.
func (r *maskedRows) Text(i int) []byte {
	if c := r.column(i); c != nil {
		return c.text
	}
	return r.Rows.Text(i)
}

// Bytes is what is shown as bytes. It is valid until the next row.
func (r *maskedRows) Bytes(i int) []byte {
	if c := r.column(i); c != nil {
		return c.text
	}
	return r.Rows.Bytes(i)
}
