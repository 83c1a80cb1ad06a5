package csn

import (
	"encoding/hex"
	"strings"

	"cds/parser/cqn"
)

// Precedences of operators, from loosest to tightest. They are those that tokenParser follows.
const (
	precOr = iota + 1
	precAnd
	precNot
	precComparison
	precConcat
	precSum
	precProduct
	precSign
	precOperand
)

var binaryTokens = map[cqn.BinaryOp]struct {
	text string
	prec int
}{
	cqn.Or: {"or", precOr}, cqn.And: {"and", precAnd},
	cqn.Eq: {"=", precComparison}, cqn.EqNull: {"==", precComparison}, cqn.Ne: {"!=", precComparison}, cqn.NeSQL: {"<>", precComparison},
	cqn.Lt: {"<", precComparison}, cqn.Le: {"<=", precComparison}, cqn.Gt: {">", precComparison}, cqn.Ge: {">=", precComparison},
	cqn.Concat: {"||", precConcat}, cqn.Add: {"+", precSum}, cqn.Sub: {"-", precSum},
	cqn.Mul: {"*", precProduct}, cqn.Div: {"/", precProduct}, cqn.Mod: {"%", precProduct},
}

// precedence returns how tightly the outermost operator of x binds.
func precedence(x cqn.Expr) int {
	switch n := x.(type) {
	case *cqn.Binary:
		return binaryTokens[n.Op].prec
	case *cqn.Unary:
		switch n.Op {
		case cqn.Not:
			return precNot
		case cqn.Neg, cqn.Plus:
			return precSign
		}
		return precComparison
	case *cqn.Between, *cqn.Like, *cqn.In:
		return precComparison
	}
	return precOperand
}

// tokens writes an expression as a list of tokens.
func (w *csnWriter) tokens(x cqn.Expr) {
	w.open('[')
	if x != nil {
		w.operators(x)
	}
	w.close(']')
}

// list appends the tokens of x to the current list, in an xpr of their own if x binds more loosely than min or was written in parentheses.
func (w *csnWriter) list(x cqn.Expr, min int) {
	if x == nil {
		w.raw(`{"val":null}`)
		return
	}
	if precedence(x) < min || cqn.InParens(x) {
		w.open('{')
		w.key("xpr")
		w.tokens(x)
		w.close('}')
		return
	}
	w.operators(x)
}

// operators appends the tokens of x to the current list.
func (w *csnWriter) operators(x cqn.Expr) {
	switch n := x.(type) {
	case *cqn.Binary:
		op := binaryTokens[n.Op]
		left := op.prec
		if op.prec == precComparison {
			left++
		}
		w.list(n.L, left)
		w.str(op.text)
		w.list(n.R, op.prec+1)
	case *cqn.Unary:
		w.unary(n)
	case *cqn.Between:
		w.list(n.X, precConcat)
		w.word("not", n.Negated)
		w.str("between")
		w.list(n.Lo, precConcat)
		w.str("and")
		w.list(n.Hi, precConcat)
	case *cqn.Like:
		w.list(n.X, precConcat)
		w.word("not", n.Negated)
		w.str("like")
		w.list(n.Pattern, precConcat)
		if n.Escape != nil {
			w.str("escape")
			w.list(n.Escape, precConcat)
		}
	case *cqn.In:
		w.list(n.X, precConcat)
		w.word("not", n.Negated)
		w.str("in")
		w.set(n.Set)
	case *cqn.Case:
		w.caseOf(n)
	case *cqn.Exists:
		w.str("exists")
		w.object(existsPath(n))
	case *cqn.Subquery:
		w.word("exists", n.Exists)
		w.query(n.Query)
	default:
		w.object(x)
	}
}

func (w *csnWriter) word(s string, on bool) {
	if on {
		w.str(s)
	}
}

func (w *csnWriter) unary(n *cqn.Unary) {
	switch n.Op {
	case cqn.Not:
		w.str("not")
		w.list(n.X, precNot)
	case cqn.Neg:
		w.str("-")
		w.list(n.X, precSign)
	case cqn.Plus:
		w.str("+")
		w.list(n.X, precSign)
	default:
		w.list(n.X, precConcat)
		w.str("is")
		w.word("not", n.Op != cqn.IsNull)
		if n.Op == cqn.IsNotTrue {
			w.str("true")
		} else {
			w.str("null")
		}
	}
}

// set writes what stands after in.
func (w *csnWriter) set(x cqn.Expr) {
	if t, ok := x.(*cqn.Tuple); ok && len(t.Items) == 1 {
		if _, nested := t.Items[0].(*cqn.Tuple); nested {
			w.open('{')
			w.key("xpr")
			w.tokens(t.Items[0])
			w.close('}')
			return
		}
	}
	w.list(x, precOperand)
}

func (w *csnWriter) caseOf(n *cqn.Case) {
	w.str("case")
	if n.X != nil {
		w.list(n.X, precOr)
	}
	for _, c := range n.Whens {
		w.str("when")
		w.list(c.Cond, precOr)
		w.str("then")
		w.list(c.Then, precOr)
	}
	if n.Else != nil {
		w.str("else")
		w.list(n.Else, precOr)
	}
	w.str("end")
}

// existsPath is the path of an exists, with its predicate as a filter of the last step. Models have neither variables nor Inverse.
func existsPath(n *cqn.Exists) cqn.Expr {
	if n.Pred == nil || n.Path == nil || len(n.Path.Path) == 0 {
		return n.Path
	}
	path := append([]cqn.Step(nil), n.Path.Path...)
	last := &path[len(path)-1]
	if last.Filter != nil {
		last.Filter = &cqn.Binary{Op: cqn.And, L: last.Filter, R: n.Pred}
	} else {
		last.Filter = n.Pred
	}
	return &cqn.Ref{Path: path}
}

// object writes an operand as an object.
func (w *csnWriter) object(x cqn.Expr) {
	w.open('{')
	w.operandFields(x)
	w.close('}')
}

// operandFields writes the properties of an operand; expressions with operators become an xpr.
func (w *csnWriter) operandFields(x cqn.Expr) {
	switch n := x.(type) {
	case *cqn.Ref:
		w.path(n)
	case *cqn.Param:
		w.param(n)
	case *cqn.Lit:
		w.litFields(n)
	case *cqn.Call:
		w.call(n)
	case *cqn.Tuple:
		w.key("list")
		w.open('[')
		for _, it := range n.Items {
			w.object(it)
		}
		w.close(']')
	case *cqn.Cast:
		w.castOperand(n.X)
		w.castType(&n.Type)
	case *cqn.Subquery:
		if n.Exists {
			w.key("xpr")
			w.tokens(n)
			return
		}
		w.queryFields(n.Query)
	case nil:
		w.key("val")
		w.raw("null")
	default:
		w.key("xpr")
		w.tokens(x)
	}
}

// castOperand writes the operand of a cast; that of a cast of a cast needs an xpr of its own.
func (w *csnWriter) castOperand(x cqn.Expr) {
	if c, ok := x.(*cqn.Cast); ok {
		w.key("xpr")
		w.tokens(c)
		return
	}
	w.operandFields(x)
}

func (w *csnWriter) castType(t *cqn.TypeName) {
	w.key("cast")
	w.open('{')
	w.prop("type", t.Name)
	w.facets(&Builtin{Length: t.Length, Precision: t.Precision, Scale: t.Scale})
	w.close('}')
}

func (w *csnWriter) path(r *cqn.Ref) {
	w.key("ref")
	w.open('[')
	if r != nil {
		for i := range r.Path {
			w.step(&r.Path[i])
		}
	}
	w.close(']')
}

func (w *csnWriter) step(s *cqn.Step) {
	if s.Filter == nil && len(s.Args) == 0 {
		w.str(s.Name)
		return
	}
	w.open('{')
	w.prop("id", s.Name)
	if len(s.Args) > 0 {
		w.key("args")
		w.open('{')
		for _, a := range s.Args {
			w.key(a.Name)
			w.object(a.X)
		}
		w.close('}')
	}
	if s.Filter != nil {
		w.key("where")
		w.tokens(s.Filter)
	}
	w.close('}')
}

func (w *csnWriter) param(p *cqn.Param) {
	var path []string
	switch p.From {
	case cqn.FromUserID:
		path = []string{"$user"}
	case cqn.FromUserTenant:
		path = []string{"$user", "tenant"}
	case cqn.FromUserLocale:
		path = []string{"$user", "locale"}
	case cqn.FromUserAttr:
		path = append([]string{"$user"}, strings.Split(p.Name, ".")...)
	case cqn.FromNow:
		path = []string{"$now"}
	case cqn.FromAt:
		path = []string{"$at", p.Name}
		if rest, ok := strings.CutPrefix(p.Name, "valid."); ok {
			path = []string{"$valid", rest}
		}
	default: // a view's argument; the others don't occur in models
		path = []string{p.Name}
	}
	w.key("ref")
	w.strings(path)
	w.flag("param", p.From == cqn.FromViewArg)
}

func (w *csnWriter) litFields(l *cqn.Lit) {
	if l.Enum != "" {
		w.prop("#", l.Enum)
		if l.Value.IsNull() {
			return
		}
	}
	v := l.Value
	w.key("val")
	switch v.Kind() {
	case cqn.KindNull, cqn.KindList, cqn.KindRow, cqn.KindRows:
		w.raw("null")
	case cqn.KindBool, cqn.KindInt:
		w.raw(v.Format())
	case cqn.KindFloat, cqn.KindDecimal:
		w.raw(jsonNumber(v.Format()))
	case cqn.KindBytes:
		w.str(hex.EncodeToString([]byte(v.Str())))
		w.prop("literal", "x")
	default:
		w.str(v.Str())
		if name := literalName(v.Kind()); name != "" {
			w.prop("literal", name)
		}
	}
}

func literalName(k cqn.Kind) string {
	switch k {
	case cqn.KindDate:
		return "date"
	case cqn.KindTime:
		return "time"
	case cqn.KindDateTime:
		return "datetime"
	case cqn.KindTimestamp:
		return "timestamp"
	}
	return ""
}

func (w *csnWriter) call(c *cqn.Call) {
	w.prop("func", c.Name)
	if c.Star || c.Distinct || c.Args != nil || c.Over != nil {
		w.key("args")
		w.open('[')
		if c.Star {
			w.str("*")
		}
		for i, a := range c.Args {
			w.open('{')
			if c.Distinct && i == 0 {
				w.key("xpr")
				w.open('[')
				w.str("distinct")
				w.object(a)
				w.close(']')
			} else {
				w.operandFields(a)
			}
			w.close('}')
		}
		w.close(']')
	}
	if c.Over != nil {
		w.window(c.Over)
	}
}

func (w *csnWriter) window(o *cqn.Window) {
	w.key("xpr")
	w.open('[')
	w.str("over")
	w.open('{')
	w.key("xpr")
	w.open('[')
	for i, x := range o.PartitionBy {
		if i == 0 {
			w.str("partition")
			w.str("by")
		} else {
			w.str(",")
		}
		w.list(x, precOr)
	}
	for i, x := range o.OrderBy {
		if i == 0 {
			w.str("order")
			w.str("by")
		} else {
			w.str(",")
		}
		w.list(x.X, precOr)
		w.word("desc", x.Desc)
	}
	for _, f := range strings.Fields(o.Frame) {
		w.str(f)
	}
	w.close(']')
	w.close('}')
	w.close(']')
}
