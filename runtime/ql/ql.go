// Package ql builds queries without generated code: for plugins, generic handlers, and models that are known at run time only.
//
//	rows, err := ql.Select("Books").
//		Columns("ID", "title", ql.Expand("author", "name")).
//		Where(ql.Gt("stock", 5), ql.StartsWith("title", "W")).
//		OrderBy("title").Limit(20).
//		Rows(ctx, app.Service("CatalogService"))
//
// A query runs through a service, which authorizes it and calls handlers, or as the owner of the database by cds.DB(ctx). Elements are named by
// paths with dots: author.name. Values are bound, never put into SQL. Mistakes, such as a value of a type without counterpart, are errors when the
// query is run.
package ql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	cds "cds/runtime"
)

// ref makes a path of names with dots.
func ref(path string) *cqn.Ref { return cqn.NewRef(strings.Split(path, ".")...) }

// lit makes a constant.
func lit(v any) (cqn.Expr, error) {
	if x, ok := v.(Expr); ok {
		return x.x, x.err
	}
	val, err := cds.ValueOf(v)
	return &cqn.Lit{Value: val}, err
}

// An Expr is an expression or condition. Its zero value is an error where it is used.
type Expr struct {
	x   cqn.Expr
	err error
}

// Of makes an Expr of one in the form of package cqn.
func Of(x cqn.Expr) Expr { return Expr{x: x} }

// Ref is the value of an element, by its path.
func Ref(path string) Expr { return Expr{x: ref(path)} }

// Val is a constant.
func Val(v any) Expr {
	x, err := lit(v)
	return Expr{x, err}
}

func binary(op cqn.BinaryOp, left, right any) Expr {
	l, err := operand(left)
	r, rerr := lit(right)
	return Expr{&cqn.Binary{Op: op, L: l, R: r}, errors.Join(err, rerr)}
}

// operand is the left side of an operator: the path of an element, or an expression.
func operand(v any) (cqn.Expr, error) {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil, errors.New("the name of an element is empty")
		}
		return ref(v), nil
	case Expr:
		if v.x == nil && v.err == nil {
			return nil, errEmpty
		}
		return v.x, v.err
	}
	return nil, fmt.Errorf("a %T is neither the name of an element nor an expression", v)
}

// Eq compares an element, or an expression, with a value: equal. Ne, Lt, Le, Gt and Ge do accordingly; Ne is true for null.
func Eq(element, value any) Expr {
	if value == nil {
		return IsNull(element)
	}
	return binary(cqn.Eq, element, value)
}

// Ne is true if the element differs from value, also if it is null.
func Ne(element, value any) Expr {
	if value == nil {
		return Not(IsNull(element))
	}
	return binary(cqn.Ne, element, value)
}

// Lt is true if the element is less than value.
func Lt(element, value any) Expr { return binary(cqn.Lt, element, value) }

// Le is true if the element is less than or equal to value.
func Le(element, value any) Expr { return binary(cqn.Le, element, value) }

// Gt is true if the element is greater than value.
func Gt(element, value any) Expr { return binary(cqn.Gt, element, value) }

// Ge is true if the element is greater than or equal to value.
func Ge(element, value any) Expr { return binary(cqn.Ge, element, value) }

// Plus, Minus and Times compute: ql.Minus("stock", 1).
func Plus(element, value any) Expr { return binary(cqn.Add, element, value) }

// Minus subtracts value.
func Minus(element, value any) Expr { return binary(cqn.Sub, element, value) }

// Times multiplies by value.
func Times(element, value any) Expr { return binary(cqn.Mul, element, value) }

// IsNull is true if the element is null.
func IsNull(element any) Expr {
	x, err := operand(element)
	return Expr{&cqn.Unary{Op: cqn.IsNull, X: x}, err}
}

// In is true if the element equals one of the values; for none it is false.
func In(element any, values ...any) Expr {
	x, err := operand(element)
	if len(values) == 0 {
		return Expr{&cqn.Binary{Op: cqn.Eq, L: &cqn.Lit{Value: cqn.Int(1)}, R: &cqn.Lit{Value: cqn.Int(0)}}, err}
	}
	set := &cqn.Tuple{}
	for _, v := range values {
		l, lerr := lit(v)
		err = errors.Join(err, lerr)
		set.Items = append(set.Items, l)
	}
	return Expr{&cqn.In{X: x, Set: set}, err}
}

// Contains is true if the text has the part. StartsWith and EndsWith do accordingly.
func Contains(element any, part string) Expr { return Call("contains", element, part) }

// StartsWith is true if the text begins with the part.
func StartsWith(element any, part string) Expr { return Call("startswith", element, part) }

// EndsWith is true if the text ends with the part.
func EndsWith(element any, part string) Expr { return Call("endswith", element, part) }

// Call calls a portable function or an aggregate: ql.Call("sum", "total"). The first argument names an element, or is an expression; the others are
// values. ql.Call("count") counts rows.
func Call(function string, args ...any) Expr {
	c := &cqn.Call{Name: function, Star: len(args) == 0 && function == "count"}
	var err error
	for i, a := range args {
		var x cqn.Expr
		var aerr error
		if i == 0 {
			x, aerr = operand(a)
		} else {
			x, aerr = lit(a)
		}
		err = errors.Join(err, aerr)
		c.Args = append(c.Args, x)
	}
	return Expr{c, err}
}

// Exists is true if some associated row fulfils all conditions.
func Exists(association string, conditions ...Expr) Expr {
	x, err := all(conditions)
	return Expr{&cqn.Exists{Path: ref(association), Pred: x}, err}
}

var errEmpty = errors.New("a condition is empty; an empty condition never means all rows")

// all combines conditions by and; none is nil.
func all(xs []Expr) (cqn.Expr, error) {
	var out cqn.Expr
	var err error
	for _, x := range xs {
		if x.x == nil && x.err == nil {
			x.err = errEmpty
		}
		err = errors.Join(err, x.err)
		if out == nil {
			out = x.x
		} else {
			out = &cqn.Binary{Op: cqn.And, L: out, R: x.x}
		}
	}
	return out, err
}

// And is true if all conditions are.
func And(xs ...Expr) Expr {
	x, err := all(xs)
	return Expr{x, err}
}

// Or is true if one of the conditions is; for none it is an error.
func Or(xs ...Expr) Expr {
	if len(xs) == 0 {
		return Expr{}
	}
	out := xs[0]
	for _, x := range xs {
		if x.x == nil && x.err == nil {
			return Expr{}
		}
	}
	for _, x := range xs[1:] {
		out = Expr{&cqn.Binary{Op: cqn.Or, L: out.x, R: x.x}, errors.Join(out.err, x.err)}
	}
	return out
}

// Not is true if the condition is false.
func Not(x Expr) Expr {
	if x.x == nil {
		return x
	}
	return Expr{&cqn.Unary{Op: cqn.Not, X: x.x}, x.err}
}

// Where makes conditions of values by element, all of which must hold: the object form of CAP.
func Where(values map[string]any) Expr {
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	slices.Sort(names)
	var xs []Expr
	for _, n := range names {
		xs = append(xs, Eq(n, values[n]))
	}
	return And(xs...)
}

// run runs a query and gives its error a form that doors know.
func run(ctx context.Context, r cds.Runner, q cqn.Query, err error) (*cds.Result, error) {
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return r.Run(ctx, q)
}
