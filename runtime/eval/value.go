package eval

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// value evaluates an expression to a scalar.
func (m *machine) value(x cqn.Expr) (cqn.Value, error) {
	if err := m.enter(); err != nil {
		return cqn.Null, err
	}
	defer m.leave()
	switch x := x.(type) {
	case *cqn.Lit:
		if x.Enum != "" && x.Value.IsNull() {
			return cqn.Null, &ErrNotEvaluable{"the symbol #" + x.Enum + " without a type"}
		}
		return x.Value, nil
	case *cqn.Param:
		return m.param(x)
	case *cqn.Ref:
		return m.ref(x)
	case *cqn.Call:
		return m.call(x)
	case *cqn.Unary:
		if x.Op == cqn.Neg || x.Op == cqn.Plus {
			v, err := m.value(x.X)
			if err != nil || x.Op == cqn.Plus {
				return v, err
			}
			return arithmetic(cqn.Sub, cqn.Int(0), v), nil
		}
		t, err := m.unaryTruth(x)
		return t.value(), err
	case *cqn.Binary:
		switch x.Op {
		case cqn.Add, cqn.Sub, cqn.Mul, cqn.Div, cqn.Mod, cqn.Concat:
			return m.operation(x)
		}
		t, err := m.truth(x)
		return t.value(), err
	case *cqn.Between, *cqn.Like, *cqn.In, *cqn.Exists, *cqn.Subquery:
		t, err := m.truth(x)
		return t.value(), err
	case *cqn.Case:
		return m.choose(x)
	case *cqn.Cast:
		return m.cast(x)
	}
	return cqn.Null, &ErrNotEvaluable{"this kind of expression"}
}

// param returns the value behind a parameter.
func (m *machine) param(p *cqn.Param) (cqn.Value, error) {
	u := m.user()
	switch p.From {
	case cqn.FromUserID:
		if !u.Identified() {
			return cqn.Null, nil
		}
		return cqn.String(u.ID), nil
	case cqn.FromUserAttr:
		return cqn.Null, &ErrNotEvaluable{"the list $user." + p.Name + " outside a comparison"}
	case cqn.FromUserTenant:
		return textOrNull(u.Tenant), nil
	case cqn.FromUserLocale:
		return textOrNull(u.Locale), nil
	case cqn.FromNow:
		if m.env.Now == "" {
			return cqn.Null, &ErrNotEvaluable{"$now"}
		}
		return cqn.Text(cqn.KindTimestamp, m.env.Now), nil
	case cqn.FromLiteral:
		if p.Index >= 0 && p.Index < len(m.env.Literals) {
			return m.env.Literals[p.Index], nil
		}
	case cqn.FromViewArg:
		if v, ok := m.env.Args[p.Name]; ok {
			return v, nil
		}
	}
	return cqn.Null, &ErrNotEvaluable{"the parameter " + p.Name}
}

func textOrNull(s string) cqn.Value {
	if s == "" {
		return cqn.Null
	}
	return cqn.String(s)
}

// ref returns the value of an element. Structures and foreign keys are read from their flat elements; what lies behind an
// association is not evaluable.
func (m *machine) ref(r *cqn.Ref) (cqn.Value, error) {
	name, el, err := m.resolve(r)
	if err != nil {
		return cqn.Null, err
	}
	if el != nil && el.Value() != nil {
		return m.value(el.Value())
	}
	if v, ok := m.row.Get(name); ok {
		switch v.Kind() {
		case cqn.KindRow, cqn.KindRows:
			return cqn.Null, &ErrNotEvaluable{"the nested data of " + name}
		}
		return v, nil
	}
	if m.env.AbsentIsNull && (m.e == nil || el != nil) {
		return cqn.Null, nil
	}
	return cqn.Null, &ErrNotEvaluable{"the element " + name + ", which the row lacks,"}
}

// resolve finds the flat element that a path names: an element, a part of a structure, or a foreign key.
func (m *machine) resolve(r *cqn.Ref) (string, *csn.Element, error) {
	path := r.Path
	if len(path) > 1 && (path[0].Name == "$self" || path[0].Name == "$projection") {
		path = path[1:]
	}
	if len(path) == 0 {
		return "", nil, &ErrNotEvaluable{"an empty path"}
	}
	names := make([]string, len(path))
	for i, s := range path {
		if s.Filter != nil || len(s.Args) > 0 {
			return "", nil, &ErrNotEvaluable{"the path " + pathText(r)}
		}
		names[i] = s.Name
	}
	flat := strings.Join(names, "_")
	if m.e == nil {
		if len(names) > 1 && !m.row.Has(flat) {
			return "", nil, &ErrNotEvaluable{"the path " + pathText(r)}
		}
		return flat, nil, nil
	}
	el := flatElement(m.e, names)
	if el == nil {
		return "", nil, &ErrNotEvaluable{"the path " + pathText(r)}
	}
	if a := el.Assoc(); a != nil {
		if len(a.FK) != 1 {
			return "", nil, &ErrNotEvaluable{"the association " + pathText(r)}
		}
		el = a.FK[0]
	}
	if _, isStruct := el.Type.(*csn.Struct); isStruct {
		return "", nil, &ErrNotEvaluable{"the structure " + pathText(r)}
	}
	return el.Name, el, nil
}

// flatElement finds the flat element for a path of names without leaving the row: it may pass structures, and a managed
// association only towards one of its foreign keys.
func flatElement(e *csn.Entity, names []string) *csn.Element {
	for n := len(names); n > 0; n-- {
		el := e.Flat.Lookup(strings.Join(names[:n], "_"))
		if el == nil || n < len(names) && el.Assoc() == nil {
			continue
		}
		if n == len(names) {
			if len(names) > 1 && len(el.Path()) != len(names) && el.ForeignKey == nil {
				continue // an element that only happens to be called like the path
			}
			return el
		}
		a := el.Assoc()
		rest := strings.Join(names[n:], "_")
		for i, k := range a.FKTarget {
			if k.Name == rest && i < len(a.FK) {
				return a.FK[i]
			}
		}
		return nil
	}
	return nil
}

func pathText(r *cqn.Ref) string {
	var b strings.Builder
	for i, s := range r.Path {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.Name)
	}
	return b.String()
}

// operation evaluates arithmetic and concatenation. Division is left to the database: whether 5/2 is 2 or 2.5 depends on how it
// stores its operands.
func (m *machine) operation(x *cqn.Binary) (cqn.Value, error) {
	if x.Op == cqn.Div || x.Op == cqn.Mod {
		return cqn.Null, &ErrNotEvaluable{"a division"}
	}
	l, err := m.value(x.L)
	if err != nil {
		return cqn.Null, err
	}
	r, err := m.value(x.R)
	if err != nil || l.IsNull() || r.IsNull() {
		return cqn.Null, err
	}
	if x.Op == cqn.Concat {
		return concat(l, r)
	}
	return arithmetic(x.Op, l, r), nil
}

// concat joins two texts. How a database writes a fraction as text is its own affair, so only texts and whole numbers are joined.
func concat(l, r cqn.Value) (cqn.Value, error) {
	for _, v := range []cqn.Value{l, r} {
		if !isText(v) && v.Kind() != cqn.KindInt {
			return cqn.Null, &ErrNotEvaluable{"the text of a number"}
		}
	}
	return cqn.String(l.Format() + r.Format()), nil
}

// choose evaluates case and the ternary operator.
func (m *machine) choose(x *cqn.Case) (cqn.Value, error) {
	for _, w := range x.Whens {
		var t Truth
		var err error
		if x.X != nil {
			t, err = m.compare(&cqn.Binary{Op: cqn.Eq, L: x.X, R: w.Cond})
		} else {
			t, err = m.truth(w.Cond)
		}
		if err != nil {
			return cqn.Null, err
		}
		if t == True {
			return m.value(w.Then)
		}
	}
	if x.Else == nil {
		return cqn.Null, nil
	}
	return m.value(x.Else)
}

// cast converts where the result is beyond doubt.
func (m *machine) cast(x *cqn.Cast) (cqn.Value, error) {
	v, err := m.value(x.X)
	if err != nil || v.IsNull() {
		return cqn.Null, err
	}
	switch strings.TrimPrefix(x.Type.Name, "cds.") {
	case "String", "LargeString", "UUID":
		if (isText(v) || v.Kind() == cqn.KindInt) && x.Type.Length == 0 {
			return cqn.String(v.Format()), nil
		}
	case "Integer", "Int64", "Int32", "Int16", "UInt8":
		if v.Kind() == cqn.KindInt {
			return v, nil
		}
	case "Boolean":
		if v.Kind() == cqn.KindBool {
			return v, nil
		}
	case "Decimal":
		if isNumber(v) && x.Type.Precision == 0 {
			return v, nil
		}
	}
	return cqn.Null, &ErrNotEvaluable{"the cast to " + x.Type.Name}
}
