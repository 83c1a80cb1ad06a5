package ddl

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

const maxDepth = 100

var (
	errTooDeep = errors.New("it is nested too deeply")
	errEnum    = errors.New("the enum symbol is unknown")
)

// constant renders the expression of a default or of a stored calculated element. Its literals stand in the model, which is why
// they may be spliced. e is the entity whose columns may be named, nil for none.
func (g *generator) constant(x cqn.Expr, el *csn.Element, e *csn.Entity) (string, error) {
	c := &constants{g, el, e}
	return c.expr(x, 0)
}

type constants struct {
	*generator
	el *csn.Element
	e  *csn.Entity
}

var binarySQL = map[cqn.BinaryOp]string{
	cqn.And: "AND", cqn.Or: "OR", cqn.Eq: "=", cqn.NeSQL: "<>", cqn.Lt: "<", cqn.Le: "<=", cqn.Gt: ">", cqn.Ge: ">=",
	cqn.Add: "+", cqn.Sub: "-", cqn.Mul: "*", cqn.Div: "/", cqn.Mod: "%",
}

func (c *constants) expr(x cqn.Expr, depth int) (string, error) {
	if depth > maxDepth {
		return "", errTooDeep
	}
	switch n := x.(type) {
	case *cqn.Lit:
		return c.lit(n)
	case *cqn.Param:
		return c.param(n)
	case *cqn.Ref:
		return c.ref(n)
	case *cqn.Unary:
		return c.unary(n, depth)
	case *cqn.Binary:
		return c.binary(n, depth)
	case *cqn.Call:
		return c.call(n, depth)
	case *cqn.Case:
		return c.caseOf(n, depth)
	case *cqn.Cast:
		s, err := c.operand(n.X, depth)
		if err != nil {
			return "", err
		}
		b := csn.NewBuiltin(n.Type.Name)
		if b == nil {
			return "", fmt.Errorf("cannot cast to %s", n.Type.Name)
		}
		b.Length, b.Precision, b.Scale = n.Type.Length, n.Type.Precision, n.Type.Scale
		t, err := sqlgen.TypeSQL(c.m.Sized(b), c.d)
		return "CAST(" + s + " AS " + t + ")", err
	}
	return "", fmt.Errorf("%T is not allowed here", x)
}

// operand renders x in parentheses if it has an operator.
func (c *constants) operand(x cqn.Expr, depth int) (string, error) {
	s, err := c.expr(x, depth+1)
	switch x.(type) {
	case *cqn.Binary, *cqn.Unary:
		s = "(" + s + ")"
	}
	return s, err
}

func (c *constants) lit(n *cqn.Lit) (string, error) {
	v := n.Value
	if n.Enum != "" && v.IsNull() {
		found := false
		for i := range c.el.Enum() {
			if c.el.Enum()[i].Name == n.Enum {
				v, found = c.el.Enum()[i].Val(), true
			}
		}
		if !found {
			return "", fmt.Errorf("%w: #%s", errEnum, n.Enum)
		}
	}
	switch v.Kind() {
	case cqn.KindNull:
		return "NULL", nil
	case cqn.KindBool:
		if v.Bool() {
			return c.d.Tables().True, nil
		}
		return c.d.Tables().False, nil
	case cqn.KindInt, cqn.KindFloat:
		return v.Format(), nil
	case cqn.KindDecimal:
		if strings.Trim(v.Str(), "0123456789+-.eE") != "" {
			return "", fmt.Errorf("%q is no number", v.Str())
		}
		return v.Str(), nil
	case cqn.KindBytes:
		return fill(c.d.Tables().Bytes, hex.EncodeToString([]byte(v.Str())), ""), nil
	case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
		if strings.Contains(v.Str(), "\x00") {
			return "", errors.New("a text with a null character")
		}
		return "'" + strings.ReplaceAll(v.Str(), "'", "''") + "'", nil
	}
	return "", errors.New("a list is not allowed here")
}

func (c *constants) param(n *cqn.Param) (string, error) {
	name := ""
	if c.e != nil { // a generated column must not change by itself
		return "", errors.New("variables are not allowed here")
	}
	switch n.From {
	case cqn.FromNow:
		// A timestamp in the database's own form; the runtime sets defaults itself, so this serves other writers only.
		return "CURRENT_TIMESTAMP", nil
	case cqn.FromUserID:
		name = "$user.id"
	case cqn.FromUserLocale:
		name = "$user.locale"
	case cqn.FromUserTenant:
		name = "$user.tenant"
	}
	if s, ok := c.d.Tables().Sessions[name]; ok && name != "" {
		return s, nil
	}
	return "", errors.New("this variable has no value in the database")
}

func (c *constants) ref(n *cqn.Ref) (string, error) {
	var names []string
	for i, s := range n.Path {
		if s.Filter != nil || len(s.Args) > 0 {
			return "", errors.New("filters are not allowed here")
		}
		if i > 0 || s.Name != "$self" {
			names = append(names, s.Name)
		}
	}
	if c.e != nil {
		for _, el := range Columns(c.e) {
			if strings.Join(el.Path(), ".") == strings.Join(names, ".") && el != c.el {
				return sqlgen.Quote(el.Name, c.d), nil
			}
		}
	}
	return "", fmt.Errorf("%s has no column here", strings.Join(names, "."))
}

func (c *constants) unary(n *cqn.Unary, depth int) (string, error) {
	s, err := c.operand(n.X, depth)
	switch n.Op {
	case cqn.Not:
		return "NOT " + s, err
	case cqn.Neg:
		return "-" + s, err
	case cqn.Plus:
		return s, err
	case cqn.IsNull:
		return s + " IS NULL", err
	case cqn.IsNotNull:
		return s + " IS NOT NULL", err
	}
	return "", errors.New("this operator is not allowed here")
}

func (c *constants) binary(n *cqn.Binary, depth int) (string, error) {
	l, err := c.operand(n.L, depth)
	if err != nil {
		return "", err
	}
	r, err := c.operand(n.R, depth)
	if err != nil {
		return "", err
	}
	t := c.d.Tables()
	switch n.Op {
	case cqn.Concat:
		return fill(t.Concat, l, r), nil
	case cqn.EqNull:
		return fill(t.NullSafeEq, l, r), nil
	case cqn.Ne:
		return fill(t.NullSafeNe, l, r), nil
	}
	return l + " " + binarySQL[n.Op] + " " + r, nil
}

// fill puts two operands into a template.
func fill(tmpl, l, r string) string {
	return strings.NewReplacer("?1", l, "?2", r).Replace(tmpl)
}

func isCurrent(n *cqn.Call) bool {
	switch strings.ToLower(n.Name) {
	case "current_date", "current_time", "current_timestamp":
		return len(n.Args) == 0
	}
	return false
}

// call renders a function. Those allowed are deterministic and known by one name everywhere, since a generated column must not change by itself.
func (c *constants) call(n *cqn.Call, depth int) (string, error) {
	name := strings.ToLower(n.Name)
	if isCurrent(n) && c.e == nil {
		return name, nil
	}
	switch name {
	case "lower", "upper", "trim", "ltrim", "rtrim", "length", "abs", "round", "substr", "replace", "coalesce", "nullif":
	case "substring":
		name = "substr"
	default:
		return "", fmt.Errorf("the function %s is not allowed here", n.Name)
	}
	if n.Star || n.Distinct || n.Over != nil {
		return "", errors.New("aggregates are not allowed here")
	}
	args := make([]string, len(n.Args))
	for i, a := range n.Args {
		s, err := c.expr(a, depth+1)
		if err != nil {
			return "", err
		}
		args[i] = s
	}
	return name + "(" + strings.Join(args, ", ") + ")", nil
}

func (c *constants) caseOf(n *cqn.Case, depth int) (string, error) {
	var b strings.Builder
	b.WriteString("CASE")
	put := func(word string, x cqn.Expr) error {
		if x == nil {
			return nil
		}
		s, err := c.operand(x, depth)
		b.WriteString(word + s)
		return err
	}
	errs := []error{put(" ", n.X)}
	for _, w := range n.Whens {
		errs = append(errs, put(" WHEN ", w.Cond), put(" THEN ", w.Then))
	}
	errs = append(errs, put(" ELSE ", n.Else))
	b.WriteString(" END")
	return b.String(), errors.Join(errs...)
}
