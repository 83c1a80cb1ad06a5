package cqn

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// Format returns an expression in the notation of CDL, for policy tables, explanations and messages. Equal trees give equal texts. Literals
// of a request, whose values are not part of the tree, are shown as ?1, ?2 …; queries inside are shortened. It is not meant to be parsed.
func Format(x Expr) string {
	var f formatter
	f.expr(x, 0)
	return f.String()
}

type formatter struct{ strings.Builder }

// Binding strengths, weakest first.
const (
	precOr = iota + 1
	precAnd
	precNot
	precCompare
	precConcat
	precAdd
	precMul
	precUnary
)

var binaryOps = [...]struct {
	text string
	prec int
}{
	And: {" and ", precAnd}, Or: {" or ", precOr},
	Eq: {" = ", precCompare}, Ne: {" != ", precCompare}, NeSQL: {" <> ", precCompare}, EqNull: {" == ", precCompare},
	Lt: {" < ", precCompare}, Le: {" <= ", precCompare}, Gt: {" > ", precCompare}, Ge: {" >= ", precCompare},
	Add: {" + ", precAdd}, Sub: {" - ", precAdd}, Mul: {" * ", precMul}, Div: {" / ", precMul}, Mod: {" % ", precMul},
	Concat: {" || ", precConcat},
}

// expr writes x, in parentheses if it binds weaker than prec.
func (f *formatter) expr(x Expr, prec int) {
	if isNil(x) {
		return
	}
	if f.Len() > 1<<16 {
		f.WriteString("…")
		return
	}
	switch x := x.(type) {
	case *Ref:
		f.ref(x)
	case *Lit:
		f.lit(x)
	case *Param:
		f.WriteString(x.text())
	case *Call:
		f.call(x)
	case *Unary:
		f.unary(x, prec)
	case *Binary:
		if int(x.Op) >= len(binaryOps) {
			return
		}
		op := binaryOps[x.Op]
		f.paren(prec > op.prec, func() {
			f.expr(x.L, op.prec)
			f.WriteString(op.text)
			f.expr(x.R, op.prec+1)
		})
	case *Between:
		f.paren(prec > precCompare, func() {
			f.infix(x.X, x.Negated, " between ")
			f.expr(x.Lo, precConcat)
			f.WriteString(" and ")
			f.expr(x.Hi, precConcat)
		})
	case *Like:
		f.paren(prec > precCompare, func() {
			f.infix(x.X, x.Negated, " like ")
			f.expr(x.Pattern, precConcat)
			if !isNil(x.Escape) {
				f.WriteString(" escape ")
				f.expr(x.Escape, precConcat)
			}
		})
	case *In:
		f.paren(prec > precCompare, func() {
			f.infix(x.X, x.Negated, " in ")
			f.expr(x.Set, precConcat)
		})
	case *Case:
		f.cases(x)
	case *Exists:
		f.exists(x)
	case *Tuple:
		f.list("(", x.Items, ")")
	case *Subquery:
		if x.Exists {
			f.WriteString("exists ")
		}
		f.query(x.Query)
	case *Cast:
		f.WriteString("cast(")
		f.expr(x.X, 0)
		f.WriteString(" as " + x.Type.String() + ")")
	}
}

func (f *formatter) paren(on bool, body func()) {
	if on {
		f.WriteByte('(')
	}
	body()
	if on {
		f.WriteByte(')')
	}
}

func (f *formatter) infix(x Expr, negated bool, op string) {
	f.expr(x, precConcat)
	if negated {
		f.WriteString(" not")
	}
	f.WriteString(op)
}

func (f *formatter) list(open string, xs []Expr, end string) {
	f.WriteString(open)
	for i, x := range xs {
		if i > 0 {
			f.WriteString(", ")
		}
		f.expr(x, 0)
	}
	f.WriteString(end)
}

func (f *formatter) ref(x *Ref) {
	for i, s := range x.Path {
		if i > 0 {
			f.WriteByte('.')
		}
		f.WriteString(s.Name)
		if len(s.Args) > 0 {
			f.WriteByte('(')
			for j, a := range s.Args {
				if j > 0 {
					f.WriteString(", ")
				}
				f.WriteString(a.Name + ": ")
				f.expr(a.X, 0)
			}
			f.WriteByte(')')
		}
		if !isNil(s.Filter) {
			f.WriteByte('[')
			f.expr(s.Filter, 0)
			f.WriteByte(']')
		}
	}
}

func (f *formatter) lit(x *Lit) {
	if x.Enum != "" {
		f.WriteString("#" + x.Enum)
		return
	}
	quote := func(prefix, s string) { f.WriteString(prefix + "'" + strings.ReplaceAll(s, "'", "''") + "'") }
	switch v := x.Value; v.Kind() {
	case KindString:
		quote("", v.Str())
	case KindDate:
		quote("date", v.Str())
	case KindTime:
		quote("time", v.Str())
	case KindDateTime, KindTimestamp:
		quote("timestamp", v.Str())
	case KindBytes:
		quote("x", base64.StdEncoding.EncodeToString([]byte(v.Str())))
	case KindList:
		f.WriteByte('(')
		for i, item := range v.List() {
			if i > 0 {
				f.WriteString(", ")
			}
			f.lit(&Lit{Value: item})
		}
		f.WriteByte(')')
	default:
		f.WriteString(v.Format())
	}
}

// text returns the name of a parameter as a model writes it.
func (p *Param) text() string {
	switch p.From {
	case FromLiteral:
		return "?" + strconv.Itoa(p.Index+1)
	case FromUserID:
		return "$user"
	case FromUserAttr:
		return "$user." + p.Name
	case FromUserTenant:
		return "$user.tenant"
	case FromUserLocale:
		return "$user.locale"
	case FromNow:
		return "$now"
	case FromAt:
		if strings.HasPrefix(p.Name, "$") {
			return p.Name
		}
		return "$at." + p.Name
	case FromKeys:
		return "$keys." + p.Name
	}
	return ":" + p.Name
}

func (f *formatter) call(x *Call) {
	f.WriteString(x.Name)
	open := "("
	if x.Distinct {
		open = "(distinct "
	}
	if x.Star {
		f.WriteString("(*)")
	} else {
		f.list(open, x.Args, ")")
	}
	if o := x.Over; o != nil {
		f.WriteString(" over (")
		if len(o.PartitionBy) > 0 {
			f.list("partition by ", o.PartitionBy, " ")
		}
		f.orders(o.OrderBy)
		f.WriteString(o.Frame + ")")
	}
}

func (f *formatter) orders(os []Order) {
	for i, o := range os {
		f.WriteString([]string{"order by ", ", "}[min(i, 1)])
		f.expr(o.X, 0)
		if o.Desc {
			f.WriteString(" desc")
		}
	}
}

func (f *formatter) unary(x *Unary, prec int) {
	switch x.Op {
	case Not:
		f.paren(prec > precNot, func() { f.WriteString("not "); f.expr(x.X, precNot) })
	case Neg, Plus:
		f.WriteByte("-+"[x.Op-Neg])
		f.expr(x.X, precUnary+1)
	default:
		f.paren(prec > precCompare, func() {
			f.expr(x.X, precConcat)
			f.WriteString(map[UnaryOp]string{IsNull: " is null", IsNotNull: " is not null", IsNotTrue: " is not true"}[x.Op])
		})
	}
}

func (f *formatter) cases(x *Case) {
	f.WriteString("case")
	if !isNil(x.X) {
		f.WriteByte(' ')
		f.expr(x.X, 0)
	}
	for _, w := range x.Whens {
		f.WriteString(" when ")
		f.expr(w.Cond, 0)
		f.WriteString(" then ")
		f.expr(w.Then, 0)
	}
	if !isNil(x.Else) {
		f.WriteString(" else ")
		f.expr(x.Else, 0)
	}
	f.WriteString(" end")
}

func (f *formatter) exists(x *Exists) {
	f.WriteString("exists ")
	if x.Inverse != "" {
		f.WriteString(x.Inverse + " over ")
	}
	if x.Path != nil {
		f.ref(x.Path)
	}
	if isNil(x.Pred) {
		return
	}
	f.WriteByte('[')
	if x.Var != "" {
		f.WriteString(x.Var + ": ")
	}
	f.expr(x.Pred, 0)
	f.WriteByte(']')
}

// query writes the gist of a query: what it reads and its condition.
func (f *formatter) query(q Query) {
	s, ok := q.(*Select)
	if !ok || s == nil {
		f.WriteString("(select …)")
		return
	}
	f.WriteString("(select")
	for i, c := range s.Columns {
		f.WriteString([]string{" ", ", "}[min(i, 1)])
		if c.Star {
			f.WriteByte('*')
		}
		f.expr(c.X, 0)
	}
	if from, ok := s.From.(*From); ok && from.Path != nil {
		f.WriteString(" from ")
		f.ref(from.Path)
	}
	if !isNil(s.Where) {
		f.WriteString(" where ")
		f.expr(s.Where, 0)
	}
	f.WriteByte(')')
}

// String returns the type's name with its parameters: cds.Decimal(9,2).
func (t TypeName) String() string {
	switch {
	case t.Length > 0:
		return t.Name + "(" + strconv.Itoa(t.Length) + ")"
	case t.Precision > 0:
		return t.Name + "(" + strconv.Itoa(t.Precision) + "," + strconv.Itoa(t.Scale) + ")"
	}
	return t.Name
}
