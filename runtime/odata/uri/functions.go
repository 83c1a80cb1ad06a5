package uri

import (
	"regexp"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A function of OData's canonical functions (URL Conventions 5.1.1.4 ff.).
type function struct {
	min, max int
	args     csn.Scalar // type that constants among the arguments take; NoScalar leaves them as they are
	result   csn.Scalar // NoScalar: the type of the first argument
	cond     bool
}

func lookupFunction(name string) (function, bool) {
	switch name {
	case "contains", "startswith", "endswith", "matchesPattern", "matchespattern":
		return function{2, 2, csn.String, csn.Boolean, true}, true
	case "length", "indexof":
		n := 1
		if name == "indexof" {
			n = 2
		}
		return function{n, n, csn.String, csn.Integer, false}, true
	case "tolower", "toupper", "trim":
		return function{1, 1, csn.String, csn.String, false}, true
	case "concat":
		return function{2, 2, csn.String, csn.String, false}, true
	case "substring":
		return function{2, 3, csn.NoScalar, csn.String, false}, true
	case "totaloffsetminutes":
		return function{1, 1, csn.NoScalar, csn.Integer, false}, true
	case "year", "month", "day", "hour", "minute", "second":
		return function{1, 1, csn.NoScalar, csn.Integer, false}, true
	case "fractionalseconds":
		return function{1, 1, csn.NoScalar, csn.Decimal, false}, true
	case "date":
		return function{1, 1, csn.NoScalar, csn.Date, false}, true
	case "time":
		return function{1, 1, csn.NoScalar, csn.Time, false}, true
	case "now", "maxdatetime", "mindatetime":
		return function{0, 0, csn.NoScalar, csn.Timestamp, false}, true
	case "round", "floor", "ceiling":
		return function{1, 1, csn.NoScalar, csn.Decimal, false}, true
	}
	return function{}, false
}

// call reads a function call.
func (p *exprParser) call(c *scanner, s *scope, name string) (operand, error) {
	f, ok := lookupFunction(name)
	if !ok {
		return p.special(c, s, name)
	}
	c.i += len(name) + 1
	var args []operand
	c.blanks()
	if !c.accept(')') {
		for {
			c.blanks()
			o, err := p.additive(c, s)
			if err != nil {
				return o, err
			}
			if err := valueOnly(c, o); err != nil {
				return o, err
			}
			args = append(args, o)
			c.blanks()
			if c.accept(')') {
				break
			}
			if len(args) >= f.max {
				return o, c.fail("Expected \")\"")
			}
			if err := c.expect(','); err != nil {
				return o, err
			}
		}
	}
	if len(args) < f.min || len(args) > f.max {
		return operand{}, bad("Function %q takes %d arguments, not %d", name, f.min, len(args))
	}
	return p.makeCall(name, f, args)
}

func (p *exprParser) makeCall(name string, f function, args []operand) (operand, error) {
	t := &csn.Builtin{Name: scalarName(f.result), Kind: f.result, Variable: f.result == csn.Decimal}
	switch name {
	case "now":
		return operand{x: &cqn.Param{From: cqn.FromNow}, t: t}, nil
	case "maxdatetime":
		return operand{x: &cqn.Lit{Value: cqn.Text(cqn.KindTimestamp, "9999-12-31T23:59:59.999Z")}, t: t}, nil
	case "mindatetime":
		return operand{x: &cqn.Lit{Value: cqn.Text(cqn.KindTimestamp, "0001-01-01T00:00:00.000Z")}, t: t}, nil
	}
	call := &cqn.Call{Name: strings.ToLower(name)}
	if call.Name == "matchespattern" {
		if err := pattern(args[1]); err != nil {
			return operand{}, err
		}
	}
	for i := range args {
		o := &args[i]
		if f.args != csn.NoScalar || name == "substring" && i == 0 {
			if err := p.adapt(o, &csn.Builtin{Name: "cds.String", Kind: csn.String}); err != nil {
				return *o, err
			}
		}
		call.Args = append(call.Args, o.x)
	}
	if err := checkArgument(f, name, args); err != nil {
		return operand{}, err
	}
	if f.result == csn.Decimal && name != "fractionalseconds" && args[0].t != nil && args[0].t.Kind == csn.Double {
		t = args[0].t
	}
	return operand{x: call, t: t, cond: f.cond}, nil
}

// pattern refuses what is no regular expression before the database sees it. Computed ones, which could fail for single rows and so tell
// something of rows that the user may not see, are not supported.
func pattern(o operand) error {
	if o.lit == nil || !o.lit.quoted {
		return unsupported("The pattern of matchesPattern must be a string constant")
	}
	if _, err := regexp.Compile(o.lit.value.Str()); err != nil {
		return bad("The pattern of matchesPattern is no regular expression")
	}
	return nil
}

// checkArgument refuses arguments that a function has no result for.
func checkArgument(f function, name string, args []operand) error {
	if len(args) == 0 {
		return nil
	}
	o := args[0]
	switch {
	case moment(name) && o.lit != nil && o.lit.quoted:
		return bad("Function %q takes a date or time, not a string", name)
	case moment(name) && o.lit == nil && o.t != nil && !isTemporal(o.t.Kind):
		return bad("Function %q takes a date or time", name)
	case f.result == csn.Decimal && !moment(name) && !numeric(o):
		return bad("Function %q takes a number", name)
	}
	return nil
}

func isTemporal(k csn.Scalar) bool {
	return k == csn.Date || k == csn.Time || k == csn.DateTime || k == csn.Timestamp
}

// valueOnly refuses what is no single value.
func valueOnly(c *scanner, o operand) error {
	switch {
	case o.assoc != nil:
		return bad("Association %q can't be used as a value in an expression", o.assoc.Name)
	case o.many != nil, o.array != nil:
		return c.fail("Expected a single value")
	}
	return nil
}

// moment reports whether the function's argument is a date or time.
func moment(name string) bool {
	switch name {
	case "year", "month", "day", "hour", "minute", "second", "fractionalseconds", "date", "time", "totaloffsetminutes":
		return true
	}
	return false
}

func scalarName(s csn.Scalar) string {
	switch s {
	case csn.Boolean:
		return "cds.Boolean"
	case csn.Integer:
		return "cds.Integer"
	case csn.Decimal:
		return "cds.Decimal"
	case csn.Date:
		return "cds.Date"
	case csn.Time:
		return "cds.Time"
	case csn.Timestamp:
		return "cds.Timestamp"
	}
	return "cds.String"
}
