package uri

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// special reads functions whose arguments are no plain values: case, cast, isof, totalseconds.
func (p *exprParser) special(c *scanner, s *scope, name string) (operand, error) {
	switch name {
	case "case", "cast", "isof", "totalseconds":
	case "aggregate", "any", "all":
		return operand{}, bad("%s needs a collection before it", name)
	default:
		return operand{}, unsupported("Function \"%s\" is not supported", name)
	}
	if err := p.enter(c); err != nil {
		return operand{}, err
	}
	defer p.leave()
	c.i += len(name) + 1
	c.blanks()
	switch name {
	case "case":
		return p.caseOf(c, s)
	case "cast", "isof":
		return p.cast(c, s, name)
	}
	o, err := p.additive(c, s)
	if err != nil {
		return o, err
	}
	d, ok := asDuration(o)
	if !ok {
		return o, c.fail("Expected a duration as argument of totalseconds,")
	}
	c.blanks()
	return operand{x: d.x, t: &csn.Builtin{Name: "cds.Double", Kind: csn.Double}, computed: true}, c.expect(')')
}

// caseOf reads case(condition:value,condition:value,…), which is null if no condition holds (URL Conventions 5.1.1.13).
func (p *exprParser) caseOf(c *scanner, s *scope) (operand, error) {
	out := &cqn.Case{}
	var values []operand
	for {
		c.blanks()
		if err := p.node(); err != nil {
			return operand{}, err
		}
		saved := c.colons
		c.colons = true
		cond, err := p.condition(c, s)
		c.colons = saved
		if err != nil {
			return operand{}, err
		}
		c.blanks()
		if err := c.expect(':'); err != nil {
			return operand{}, err
		}
		c.blanks()
		v, err := p.or(c, s)
		if err == nil {
			err = valueOnly(c, v)
		}
		if err != nil {
			return v, err
		}
		out.Whens = append(out.Whens, cqn.When{Cond: cond})
		values = append(values, v)
		c.blanks()
		if c.accept(')') {
			break
		}
		if err := c.expect(','); err != nil {
			return operand{}, err
		}
	}
	return caseValues(c, out, values)
}

// caseValues finds the common type of the values of a case.
func caseValues(c *scanner, out *cqn.Case, values []operand) (operand, error) {
	res := operand{x: out}
	for i := range values {
		v := &values[i]
		switch {
		case isNull(*v):
			continue
		case v.cond:
			v.t = &csn.Builtin{Name: "cds.Boolean", Kind: csn.Boolean}
		case v.lit != nil:
			v.t = literalType(v.lit)
		}
		if res.t == nil {
			res.t = v.t
		}
		if !sameFamily(res.t, v.t) {
			return res, c.fail("Expected values of one type in case")
		}
		if isNumeric(v.t) && v.t.Kind != csn.Double && v.t != durationType && !whole(*v) {
			res.t = &csn.Builtin{Name: "cds.Decimal", Kind: csn.Decimal, Variable: true}
		}
	}
	for i, v := range values {
		if v.lit != nil && !isNull(v) { // its type must be known to the database
			v.x = typedConstant(v.lit)
		}
		out.Whens[i].Then = v.x
	}
	res.computed = true
	return res, nil
}

func isNumeric(t *csn.Builtin) bool {
	switch t.Kind {
	case csn.UInt8, csn.Int16, csn.Int32, csn.Integer, csn.Int64, csn.Decimal, csn.Double:
		return true
	}
	return false
}

func sameFamily(a, b *csn.Builtin) bool {
	family := func(t *csn.Builtin) csn.Scalar {
		switch {
		case t == durationType:
			return csn.Map
		case isNumeric(t):
			return csn.Decimal
		case t.Kind == csn.UUID || t.Kind == csn.LargeString:
			return csn.String
		case t.Kind == csn.DateTime:
			return csn.Timestamp
		}
		return t.Kind
	}
	return a != nil && b != nil && family(a) == family(b)
}

// literalType is the type of a constant by itself.
func literalType(l *literal) *csn.Builtin {
	switch l.value.Kind() {
	case cqn.KindBool:
		return &csn.Builtin{Name: "cds.Boolean", Kind: csn.Boolean}
	case cqn.KindInt:
		return &csn.Builtin{Name: "cds.Int64", Kind: csn.Int64}
	case cqn.KindDecimal:
		return &csn.Builtin{Name: "cds.Decimal", Kind: csn.Decimal, Variable: true}
	case cqn.KindDate:
		return &csn.Builtin{Name: "cds.Date", Kind: csn.Date}
	case cqn.KindTime:
		return &csn.Builtin{Name: "cds.Time", Kind: csn.Time}
	case cqn.KindDateTime, cqn.KindTimestamp:
		return &csn.Builtin{Name: "cds.Timestamp", Kind: csn.Timestamp}
	case cqn.KindBytes:
		return &csn.Builtin{Name: "cds.Binary", Kind: csn.Binary}
	}
	return &csn.Builtin{Name: "cds.LargeString", Kind: csn.LargeString}
}

// typedConstant is a constant with its type, for places where nothing beside it says one.
func typedConstant(l *literal) cqn.Expr {
	x := &cqn.Lit{Value: l.value}
	switch l.value.Kind() {
	case cqn.KindBool, cqn.KindNull:
		return x
	}
	return &cqn.Cast{X: x, Type: cqn.TypeName{Name: literalType(l).Name}}
}

// edmTypes are the primitive types that cast and isof know.
var edmTypes = map[string]csn.Scalar{
	"Edm.String": csn.LargeString, "Edm.Boolean": csn.Boolean, "Edm.Byte": csn.UInt8, "Edm.SByte": csn.Int16, "Edm.Int16": csn.Int16, "Edm.Int32": csn.Integer,
	"Edm.Int64": csn.Int64, "Edm.Decimal": csn.Decimal, "Edm.Double": csn.Double, "Edm.Single": csn.Double, "Edm.Date": csn.Date, "Edm.TimeOfDay": csn.Time,
	"Edm.DateTimeOffset": csn.Timestamp, "Edm.Guid": csn.UUID, "Edm.Binary": csn.Binary,
}

// cast reads cast(x,Type) and isof(x,Type). What a cast between such types yields in all databases alike is supported: whole numbers to wider
// ones and to texts, numbers to fractions, points in time to dates and times, and no change at all.
func (p *exprParser) cast(c *scanner, s *scope, name string) (operand, error) {
	if strings.HasPrefix(c.s[c.i:], "Edm.") || c.qualifiedNext() {
		return operand{}, unsupported("%s of the row itself is not supported", name)
	}
	o, err := p.additive(c, s)
	if err != nil {
		return o, err
	}
	c.blanks()
	if o.assoc != nil || c.peek() == ')' {
		return o, unsupported("%s of rows is not supported", name)
	}
	if err := valueOnly(c, o); err != nil {
		return o, err
	}
	if err := c.expect(','); err != nil {
		return o, err
	}
	c.blanks()
	quoted := c.accept('\'') // as 4.0 has it
	from := c.i
	for isIdent(c.peek()) || c.peek() == '.' {
		c.i++
	}
	typ := c.s[from:c.i]
	if quoted && !c.accept('\'') {
		return o, c.fail("Expected a closing quote")
	}
	to, ok := edmTypes[typ]
	c.blanks()
	switch {
	case typ == "":
		return o, c.fail("Expected the name of a type")
	case !ok:
		return o, unsupported("%s to type %q is not supported", name, typ)
	}
	if err := c.expect(')'); err != nil {
		return o, err
	}
	if o.lit != nil && !isNull(o) {
		o.t, o.x = literalType(o.lit), typedConstant(o.lit)
	}
	if isNull(o) {
		if name == "isof" {
			return operand{x: &cqn.Lit{Value: cqn.Bool(false)}, cond: true}, nil
		}
		return o, nil
	}
	if name == "isof" {
		return isOf(o, to)
	}
	return castTo(o, typ, to)
}

// qualifiedNext reports whether a name with dots comes next that is the only argument.
func (c *scanner) qualifiedNext() bool {
	i := c.i
	dots := false
	for i < len(c.s) && (isIdent(c.s[i]) || c.s[i] == '.') {
		dots = dots || c.s[i] == '.' && i > c.i && !isDigit(c.s[i-1])
		i++
	}
	return dots && i < len(c.s) && c.s[i] == ')'
}

func isOf(o operand, to csn.Scalar) (operand, error) {
	if o.t == nil || o.cond {
		return o, unsupported("isof of this expression is not supported")
	}
	k := o.t.Kind
	is := k == to || to == csn.LargeString && k == csn.String || to == csn.Integer && k == csn.Int32 || to == csn.Timestamp && k == csn.DateTime
	if !is {
		return operand{x: &cqn.Lit{Value: cqn.Bool(false)}, cond: true}, nil
	}
	return operand{x: &cqn.Unary{Op: cqn.IsNotNull, X: o.x}, cond: true}, nil // null has no type
}

func castTo(o operand, typ string, to csn.Scalar) (operand, error) {
	if o.t == nil || o.cond || isDuration(o) {
		return o, unsupported("cast of this expression is not supported")
	}
	k := o.t.Kind
	as := func(name string, t csn.Scalar) operand {
		b := &csn.Builtin{Name: name, Kind: t, Variable: t == csn.Decimal}
		return operand{x: &cqn.Cast{X: o.x, Type: cqn.TypeName{Name: name}}, t: b, computed: true}
	}
	switch {
	case k == to, to == csn.LargeString && (k == csn.String || k == csn.UUID):
		return operand{x: o.x, t: o.t, computed: true}, nil
	case to == csn.Double && isNumeric(o.t):
		return as("cds.Double", csn.Double), nil
	case to == csn.Decimal && whole(o):
		return operand{x: o.x, t: o.t, computed: true}, nil
	case to == csn.Int64 && whole(o):
		return as("cds.Int64", csn.Int64), nil
	case to == csn.Integer && (k == csn.Int32 || k == csn.Int16 || k == csn.UInt8):
		return as("cds.Integer", csn.Integer), nil
	case to == csn.LargeString && whole(o) && isNumeric(o.t):
		return as("cds.LargeString", csn.LargeString), nil
	case to == csn.Timestamp && k == csn.DateTime:
		return operand{x: o.x, t: o.t}, nil
	case to == csn.Date && (k == csn.DateTime || k == csn.Timestamp):
		return operand{x: &cqn.Call{Name: "date", Args: []cqn.Expr{o.x}}, t: &csn.Builtin{Name: "cds.Date", Kind: csn.Date}}, nil
	case to == csn.Time && (k == csn.DateTime || k == csn.Timestamp):
		return operand{x: &cqn.Call{Name: "time", Args: []cqn.Expr{o.x}}, t: &csn.Builtin{Name: "cds.Time", Kind: csn.Time}}, nil
	}
	return o, unsupported("cast to %s is not supported for values of this type", typ)
}
