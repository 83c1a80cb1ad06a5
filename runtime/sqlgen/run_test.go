package sqlgen_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

// A user is who the parameters of a plan are filled for in tests.
type user struct {
	id, tenant, locale string
	attrs              map[string][]string
}

const now = "2024-02-29T08:30:00.000Z"

// binds fills the parameters of a plan as the runtime does.
func binds(t testing.TB, p *sqlgen.Plan, u user, lits []cqn.Value, row *cqn.Row, keys [][]cqn.Value) []cqn.Value {
	t.Helper()
	var out []cqn.Value
	text := func(s string) cqn.Value {
		if s == "" {
			return cqn.Null
		}
		return cqn.String(s)
	}
	k := 0
	for _, b := range p.Binds {
		v := cqn.Null
		switch {
		case b.Column != "":
			v = row.Value(b.Column)
		case b.Param.Index == -1:
			v = b.Const
		case b.Param.From == cqn.FromLiteral:
			v = lits[b.Param.Index]
		case b.Param.From == cqn.FromUserID:
			v = text(u.id)
		case b.Param.From == cqn.FromUserTenant:
			v = text(u.tenant)
		case b.Param.From == cqn.FromUserLocale:
			v = text(u.locale)
		case b.Param.From == cqn.FromNow:
			v = cqn.Text(cqn.KindTimestamp, now)
		case b.Param.From == cqn.FromUserAttr && b.IsNull:
			v = cqn.Bool(len(u.attrs[b.Param.Name]) == 0)
		case b.Param.From == cqn.FromUserAttr:
			v = attrList(t, b, u.attrs[b.Param.Name])
		case b.Param.From == cqn.FromKeys:
			v = cqn.List(keys[k])
			k++
		default:
			t.Fatalf("unknown parameter %+v", b)
		}
		out = append(out, v)
	}
	return out
}

func attrList(t testing.TB, b sqlgen.Bind, vals []string) cqn.Value {
	t.Helper()
	if !b.List {
		t.Fatalf("a user attribute is bound as one value: %+v", b)
	}
	var vs []cqn.Value
	for _, s := range vals {
		if v, ok := eval.Convert(s, b.Type); ok {
			vs = append(vs, v)
		}
	}
	return cqn.List(vs)
}

// run runs a plan and returns its rows as text: one line a row, children indented below.
func run(t testing.TB, tx db.Tx, p *sqlgen.Plan, u user, lits []cqn.Value, keys [][]cqn.Value, indent string) []string {
	t.Helper()
	rows, err := tx.Query(context.Background(), db.Stmt{SQL: p.SQL, Binds: binds(t, p, u, lits, nil, keys)})
	if err != nil {
		t.Errorf("%v\n%s", err, p.SQL)
		return nil
	}
	var lines []string
	childKeys := make([][][]cqn.Value, len(p.Children))
	for {
		ok, err := rows.Next()
		if err != nil {
			t.Errorf("%v\n%s", err, p.SQL)
		}
		if !ok {
			break
		}
		lines = append(lines, indent+showRow(rows, p.Columns))
		for i, c := range p.Children {
			if childKeys[i] == nil {
				childKeys[i] = make([][]cqn.Value, len(c.ParentKeys))
			}
			for j, k := range c.ParentKeys {
				if !rows.IsNull(k) {
					childKeys[i][j] = append(childKeys[i][j], keyOf(rows, k))
				}
			}
		}
	}
	_ = rows.Close()
	for i, c := range p.Children {
		if childKeys[i] == nil {
			continue
		}
		lines = append(lines, indent+"  children "+strconv.Itoa(i+1)+":")
		lines = append(lines, run(t, tx, c.Plan, u, lits, childKeys[i], indent+"    ")...)
	}
	return lines
}

func keyOf(rows db.Rows, i int) cqn.Value {
	if rows.Type(i) == db.TypeInt {
		return cqn.Int(rows.Int(i))
	}
	return cqn.String(string(rows.Text(i)))
}

func showRow(rows db.Rows, cols []sqlgen.Column) string {
	var parts []string
	for _, c := range cols {
		switch {
		case c.Nested != nil && rows.IsNull(c.Present):
			parts = append(parts, c.Name+"=null")
		case c.Nested != nil:
			parts = append(parts, c.Name+"={"+showRow(rows, c.Nested)+"}")
		case c.Child > 0:
			parts = append(parts, c.Name+"=#"+strconv.Itoa(c.Child))
		default:
			v := "null"
			if !rows.IsNull(c.Index) {
				v = textOf(rows, c.Index)
			}
			name := c.Name
			if c.Hidden {
				name = "(" + name + ")"
			}
			parts = append(parts, name+"="+v)
		}
	}
	return strings.Join(parts, " ")
}

// textOf is a value in the form that SQLite gives it.
func textOf(rows db.Rows, i int) string {
	switch rows.Type(i) {
	case db.TypeBool:
		return strconv.FormatInt(rows.Int(i), 10)
	case db.TypeDecimal, db.TypeFloat:
		s := strconv.FormatFloat(rows.Float(i), 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	return string(rows.Text(i))
}

// showPlan writes the statements of a plan with what their parameters are.
func showPlan(p *sqlgen.Plan, indent string) string {
	var b strings.Builder
	b.WriteString(indent + p.SQL + "\n")
	for i, x := range p.Binds {
		what := ""
		switch {
		case x.Column != "":
			what = "field " + x.Column
		case x.Param.Index == -1:
			what = "constant " + x.Const.Format()
			if x.Const.Kind() == cqn.KindList {
				what = fmt.Sprintf("constant list of %d", len(x.Const.List()))
			}
		case x.Param.From == cqn.FromLiteral:
			what = "literal " + strconv.Itoa(x.Param.Index+1)
		default:
			what = cqn.Format(&x.Param)
		}
		if x.List {
			what += " list"
		}
		if x.IsNull {
			what += " is null"
		}
		if x.Type != nil {
			what += " " + x.Type.Name
		}
		b.WriteString(indent + "-- ?" + strconv.Itoa(i+1) + " " + what + "\n")
	}
	for i, c := range p.Children {
		b.WriteString(indent + "  child " + strconv.Itoa(i+1) + fmt.Sprint(" of ", c.ParentKeys, " by ", c.ChildKeys) + "\n")
		b.WriteString(showPlan(c.Plan, indent+"  "))
	}
	return b.String()
}
