package cds

import (
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// bindings are the sources that the parameters of a plan are filled from.
type bindings struct {
	user *User
	unit *unit
	lits []cqn.Value
	row  *Row        // payload of a write
	keys []cqn.Value // parents' keys of an expand, one list per key column
}

// fill appends the values of a plan's parameters to dst, in one loop.
//
// A client's literal that does not convert to the type it is compared with is an error 400; a user attribute that does not convert
// matches nothing, so it is left out of the list (V2).
func (b *bindings) fill(dst []cqn.Value, binds []sqlgen.Bind) ([]cqn.Value, error) {
	for i := range binds {
		bd := &binds[i]
		var v cqn.Value
		switch {
		case bd.Seal != nil:
			c, err := b.sealedBind(bd)
			if err != nil {
				return nil, err
			}
			v = c
		case bd.Column != "":
			v = storable(b.row.Value(bd.Column))
		case bd.Param.Index == -1:
			v = bd.Const
		case bd.Param.From == cqn.FromKeys:
			if bd.Param.Index >= len(b.keys) {
				return nil, errUnbound
			}
			v = b.keys[bd.Param.Index]
		case bd.Param.From == cqn.FromLiteral:
			if bd.Param.Index >= len(b.lits) {
				return nil, errUnbound
			}
			c, err := literal(b.lits[bd.Param.Index], bd)
			if err != nil {
				return nil, err
			}
			v = c
		default:
			c, err := b.implicit(bd)
			if err != nil {
				return nil, err
			}
			v = c
		}
		dst = append(dst, v)
	}
	return dst, nil
}

// storable gives structured values and arrays the form they are kept in: JSON text.
func storable(v cqn.Value) cqn.Value {
	switch v.Kind() {
	case cqn.KindList, cqn.KindRow, cqn.KindRows:
		return cqn.String(string(Format{}.AppendValue(nil, nil, v)))
	}
	return v
}

var errUnbound = &Error{Status: 500, Code: "500", Message: "a parameter of the query has no value"}

// literal converts a value that stands in a request.
func literal(v cqn.Value, bd *sqlgen.Bind) (cqn.Value, error) {
	if bd.Type == nil || v.IsNull() {
		return v, nil
	}
	if v.Kind() == cqn.KindList {
		in := v.List()
		out := make([]cqn.Value, len(in))
		for i := range in {
			c, ok := coerce(in[i], bd.Type)
			if !ok {
				return v, notValid(in[i], bd.Type, "")
			}
			out[i] = c
		}
		return cqn.List(out), nil
	}
	c, ok := coerce(v, bd.Type)
	if !ok {
		return v, notValid(v, bd.Type, "")
	}
	return c, nil
}

// implicit returns the value of a pseudo variable.
func (b *bindings) implicit(bd *sqlgen.Bind) (cqn.Value, error) {
	switch bd.Param.From {
	case cqn.FromUserID:
		return b.text(b.user.ID, b.user.Identified(), bd), nil
	case cqn.FromUserTenant:
		return b.text(b.user.Tenant, b.user.Tenant != "", bd), nil
	case cqn.FromUserLocale:
		return b.text(b.unit.session.Locale, true, bd), nil
	case cqn.FromUserAttr:
		return b.attribute(bd), nil
	case cqn.FromNow:
		if bd.Param.Name != "" {
			return moment(shifted(b.unit.nowText, bd.Param.Name), bd.Type), nil
		}
		return moment(b.unit.nowText, bd.Type), nil
	case cqn.FromAt:
		switch {
		case bd.Param.Name == "to" && b.unit.session.ValidTo != "":
			return moment(b.unit.session.ValidTo, bd.Type), nil
		case bd.Param.Name != "to" && b.unit.session.ValidFrom != "":
			return moment(b.unit.session.ValidFrom, bd.Type), nil
		}
		return moment(b.unit.nowText, bd.Type), nil
	}
	return cqn.Null, errUnbound
}

func (b *bindings) text(s string, ok bool, bd *sqlgen.Bind) cqn.Value {
	if bd.IsNull {
		return cqn.Bool(!ok)
	}
	v := cqn.Null
	if ok {
		v = cqn.String(s)
		if bd.Type != nil {
			if v, ok = coerce(v, bd.Type); !ok {
				v = cqn.Null
			}
		}
	}
	if bd.List {
		if v.IsNull() {
			return cqn.List(nil)
		}
		return cqn.List([]cqn.Value{v})
	}
	return v
}

// attribute returns $user.<name>: a list, whose values have the type they are compared with. As a single value it counts only if it is one.
func (b *bindings) attribute(bd *sqlgen.Bind) cqn.Value {
	attr := b.user.Attr(bd.Param.Name)
	if bd.IsNull {
		return cqn.Bool(len(attr) == 0)
	}
	vs := make([]cqn.Value, 0, len(attr))
	for _, s := range attr {
		v := cqn.String(s)
		if bd.Type != nil {
			if bd.Type.Kind == csn.Boolean && (s == "true" || s == "false") {
				v = cqn.Bool(s == "true")
			}
			c, ok := coerce(v, bd.Type)
			if !ok {
				continue
			}
			v = c
		}
		vs = append(vs, v)
	}
	if bd.List {
		return cqn.List(vs)
	}
	if len(vs) == 1 && len(attr) == 1 {
		return vs[0]
	}
	return cqn.Null
}

// shifted returns the time that is a duration off the given one, in the same form.
func shifted(now, by string) string {
	t, err := time.Parse(nowForm, now)
	if err != nil {
		return now
	}
	d, err := time.ParseDuration(by)
	if err != nil {
		return now
	}
	return t.Add(d).Format(nowForm)
}

// moment gives a timestamp text the form of the type it is compared with.
func moment(text string, t *csn.Builtin) cqn.Value {
	v := cqn.Text(cqn.KindTimestamp, text)
	if t != nil {
		if c, ok := coerce(v, t); ok {
			return c
		}
	}
	return v
}
