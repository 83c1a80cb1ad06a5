package authztest

import (
	"math/big"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
)

// value evaluates an operand.
func (j *judge) value(x cqn.Expr, s scope, depth int) cqn.Value {
	if depth > maxNesting {
		j.fail("it is nested too deeply")
		return cqn.Null
	}
	switch x := x.(type) {
	case *cqn.Lit:
		if x.Enum == "" || !x.Value.IsNull() {
			return x.Value
		}
		j.fail("the symbol #%s has no value", x.Enum)
	case *cqn.Param:
		return j.param(x)
	case *cqn.Ref:
		return j.ref(x, s, depth)
	case *cqn.Call:
		return j.call(x, s, depth)
	case *cqn.Unary:
		if n := number(j.value(x.X, s, depth+1)); x.Op == cqn.Neg && n != nil {
			return cqn.Decimal(n.Neg(n).FloatString(12))
		}
		j.fail("%s is no value that it knows", cqn.Format(x))
	case *cqn.Binary:
		return j.arithmetic(x, s, depth)
	case *cqn.Case:
		return j.either(x, s, depth)
	default:
		j.fail("%s is no value that it knows", cqn.Format(x))
	}
	return cqn.Null
}

func (j *judge) param(x *cqn.Param) cqn.Value {
	orNull := func(s string) cqn.Value {
		if s == "" {
			return cqn.Null
		}
		return cqn.String(s)
	}
	switch x.From {
	case cqn.FromUserID:
		if j.u.Kind == auth.KindAnonymous {
			return cqn.Null
		}
		return orNull(j.u.ID)
	case cqn.FromUserTenant:
		return orNull(j.u.Tenant)
	case cqn.FromNow:
		return cqn.Text(cqn.KindTimestamp, j.w.now)
	}
	j.fail("%s is no value that it knows", cqn.Format(x))
	return cqn.Null
}

// start finds the row that a path begins at, and the steps from there.
func (j *judge) start(r *cqn.Ref, s scope) (*row, []cqn.Step) {
	if len(r.Path) > 1 {
		first := r.Path[0].Name
		if v, ok := s.vars[first]; ok {
			return v, r.Path[1:]
		}
		if first == "$self" || first == "$projection" {
			return s.self, r.Path[1:]
		}
	}
	return s.r, r.Path
}

func (j *judge) ref(r *cqn.Ref, s scope, depth int) cqn.Value {
	from, steps := j.start(r, s)
	if from == nil {
		return cqn.Null
	}
	cut := len(steps)
	for cut > 0 && from.e != nil { // the steps within the last row: a structure's names stand in a flat one
		el, _ := resolve(from.e, steps[:cut])
		if el != nil && el.Assoc() != nil && cut < len(steps) {
			break
		}
		cut--
	}
	rows := []*row{from}
	if cut > 0 {
		rows = j.follow(from, steps[:cut], s, depth)
	}
	if len(rows) > 1 {
		j.fail("%s leads to many rows", cqn.Format(r))
	}
	if len(rows) != 1 {
		return cqn.Null
	}
	name := flat(steps[cut:])
	if el := rows[0].e.Flat.Lookup(name); el != nil && el.Assoc() != nil {
		if fk := el.Assoc().FK; len(fk) == 1 { // an association as a value is its key
			name = fk[0].Name
		} else {
			j.fail("%s is no single value", cqn.Format(r))
		}
	}
	v, ok := rows[0].values[name]
	if !ok {
		j.fail("%s has no element %s", rows[0].e.Name, name)
	}
	return v
}

func flat(steps []cqn.Step) string {
	names := make([]string, len(steps))
	for i, st := range steps {
		names[i] = st.Name
	}
	return strings.Join(names, "_")
}

// resolve finds the element at the end of a path, and whether it passes associations to many.
func resolve(e *csn.Entity, steps []cqn.Step) (*csn.Element, bool) {
	name, many := "", false
	for i, st := range steps {
		if e == nil {
			return nil, many
		}
		name += st.Name
		el := e.Flat.Lookup(name)
		switch {
		case el == nil:
			name += "_"
		case i == len(steps)-1:
			return el, many
		case el.Assoc() != nil:
			e, name, many = el.Assoc().Target, "", many || el.Assoc().Many
		default:
			return nil, many
		}
	}
	return nil, many
}

// follow returns the rows at the end of a path of associations.
func (j *judge) follow(from *row, steps []cqn.Step, s scope, depth int) []*row {
	rows := []*row{from}
	name := ""
	for _, st := range steps {
		var next []*row
		name += st.Name
		isAssoc := false
		for _, r := range rows {
			el := r.e.Flat.Lookup(name)
			if el == nil || el.Assoc() == nil {
				continue
			}
			isAssoc = true
			for _, t := range j.linked(el, r) {
				if !seen(next, t) && (st.Filter == nil || j.test(st.Filter, scope{r: t, vars: s.vars, self: s.self}, depth+1) == yes) {
					next = append(next, t)
				}
			}
		}
		if len(rows) == 0 {
			return nil
		}
		if !isAssoc {
			name += "_"
			continue
		}
		rows, name = next, ""
	}
	if name != "" {
		j.fail("%s is no association", flat(steps))
	}
	return rows
}

func seen(rows []*row, r *row) bool {
	for _, o := range rows {
		if o == r {
			return true
		}
	}
	return false
}

// linked returns the rows that an association leads to, of the user's tenant where rows have one.
func (j *judge) linked(el *csn.Element, r *row) []*row {
	var out []*row
	a := el.Assoc()
	if a.Target == nil || a.Join == nil {
		j.fail("the association %s leads nowhere", el.Name)
		return nil
	}
	for _, t := range j.w.of(a.Target) {
		if t.foreign(j.u) || !j.w.joined(j, a, r, t) {
			continue
		}
		out = append(out, t)
	}
	return out
}

// joined reports whether an association leads from one row to another.
func (w *world) joined(j *judge, a *csn.Assoc, r, t *row) bool {
	for _, p := range a.Pairs {
		x, y := r.values[p.Source.Name], t.values[p.Target.Name]
		if x.IsNull() || y.IsNull() {
			return false
		}
		if c, ok := order(x, y); !ok || c != 0 {
			return false
		}
	}
	x := a.Rest
	if len(a.Pairs) == 0 {
		x = a.Join
	}
	if x == nil {
		return len(a.Pairs) > 0
	}
	return j.test(x, scope{r: r, vars: map[string]*row{"$source": r, "$target": t}, self: r}, 1) == yes
}

func (j *judge) call(x *cqn.Call, s scope, depth int) cqn.Value {
	var args []cqn.Value
	for _, a := range x.Args {
		if attribute(a) != nil {
			j.fail("an attribute stands in the function %s", x.Name)
			return cqn.Null
		}
		args = append(args, j.value(a, s, depth+1))
	}
	if x.Name == "coalesce" {
		for _, v := range args {
			if !v.IsNull() {
				return v
			}
		}
		return cqn.Null
	}
	for _, v := range args {
		if v.IsNull() {
			return cqn.Null
		}
		if v.Kind() != cqn.KindString {
			j.fail("the function %s is not known for such arguments", x.Name)
			return cqn.Null
		}
	}
	switch {
	case len(args) == 2 && x.Name == "contains":
		return cqn.Bool(strings.Contains(args[0].Str(), args[1].Str()))
	case len(args) == 2 && x.Name == "startswith":
		return cqn.Bool(strings.HasPrefix(args[0].Str(), args[1].Str()))
	case len(args) == 2 && x.Name == "endswith":
		return cqn.Bool(strings.HasSuffix(args[0].Str(), args[1].Str()))
	case len(args) == 1 && (x.Name == "lower" || x.Name == "tolower"):
		return cqn.String(strings.ToLower(args[0].Str()))
	case len(args) == 1 && (x.Name == "upper" || x.Name == "toupper"):
		return cqn.String(strings.ToUpper(args[0].Str()))
	case len(args) == 1 && x.Name == "length":
		return cqn.Int(int64(len([]rune(args[0].Str()))))
	}
	j.fail("the function %s is not known", x.Name)
	return cqn.Null
}

// arithmetic adds, subtracts and multiplies, and joins texts. What a division comes to depends on types, so it is not judged.
func (j *judge) arithmetic(x *cqn.Binary, s scope, depth int) cqn.Value {
	if attribute(x.L) != nil || attribute(x.R) != nil {
		j.fail("an attribute is calculated with")
		return cqn.Null
	}
	l, r := j.value(x.L, s, depth+1), j.value(x.R, s, depth+1)
	if l.IsNull() || r.IsNull() {
		return cqn.Null
	}
	if x.Op == cqn.Concat && l.Kind() == cqn.KindString && r.Kind() == cqn.KindString {
		return cqn.String(l.Str() + r.Str())
	}
	a, b := number(l), number(r)
	out := new(big.Rat)
	switch {
	case a == nil || b == nil:
	case x.Op == cqn.Add:
		return cqn.Decimal(out.Add(a, b).FloatString(12))
	case x.Op == cqn.Sub:
		return cqn.Decimal(out.Sub(a, b).FloatString(12))
	case x.Op == cqn.Mul:
		return cqn.Decimal(out.Mul(a, b).FloatString(12))
	}
	j.fail("%s is no value that it knows", cqn.Format(x))
	return cqn.Null
}

func (j *judge) either(x *cqn.Case, s scope, depth int) cqn.Value {
	for _, w := range x.Whens {
		cond := w.Cond
		if x.X != nil {
			cond = &cqn.Binary{Op: cqn.Eq, L: x.X, R: w.Cond}
		}
		if j.test(cond, s, depth+1) == yes {
			return j.value(w.Then, s, depth+1)
		}
	}
	if x.Else == nil {
		return cqn.Null
	}
	return j.value(x.Else, s, depth+1)
}
