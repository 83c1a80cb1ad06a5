package rls

import (
	"fmt"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// CodeRow is the code of an entity whose rows no policy can tell.
const CodeRow diag.Code = "rls-row"

// Messages documents the codes of this package.
func Messages() diag.Catalogue {
	return diag.Catalogue{CodeRow: {Severity: diag.Error, Title: "Row-level security cannot follow an entity",
		Explain: "With requires.db.rls each table has policies that show the rows which some entity shows to the user. An entity that leaves out the key of its table, and picks its rows by what is no column of the table, " +
			"cannot be followed; the deployment stops, since requests would not see rows that they may see."}}
}

// A markingDialect is a dialect whose parameters can be told from everything else in a text.
type markingDialect struct{ sqlgen.Dialect }

const markBegin, markEnd = "\x01", "\x02"

// mark replaces the parameter in a piece of SQL that has it once.
func mark(b, piece []byte, n int) []byte {
	return append(b, strings.Replace(string(piece), "$"+strconv.Itoa(n), markBegin+strconv.Itoa(n)+markEnd, 1)...)
}

// Param implements sqlgen.Dialect.
func (d *markingDialect) Param(b []byte, n int, t *csn.Builtin) []byte {
	return mark(b, d.Dialect.Param(nil, n, t), n)
}

// InList implements sqlgen.Dialect.
func (d *markingDialect) InList(b []byte, n int, t *csn.Builtin, not bool) []byte {
	return mark(b, d.Dialect.InList(nil, n, t, not), n)
}

// ListRows implements sqlgen.Dialect.
func (d *markingDialect) ListRows(b []byte, n int, t *csn.Builtin, alias string) []byte {
	return mark(b, d.Dialect.ListRows(nil, n, t, alias), n)
}

// place returns the SQL of a condition for a policy: as it is, or as the call of a function if it looks at other rows.
func (c *compiler) place(row *sqlgen.RowRule, t Table) (string, error) {
	if row.Alone {
		return c.fill(row.SQL, row.Binds, policyValue)
	}
	// A function asks for what the session says once, since each time it is checked whether it is signed.
	vars := &variables{}
	sql, err := c.fill(row.SQL, row.Binds, vars.value)
	if err != nil {
		return "", err
	}
	f := Function{Name: prefix + "x" + hash(t.Plain, vars.declare, sql), Table: t.Name, Declare: vars.declare, Body: sql}
	if !c.functions[f.Name] {
		c.functions[f.Name] = true
		c.out.Functions = append(c.out.Functions, f)
	}
	return f.Name + "(" + t.Name + ".*)", nil
}

// policyValue is how a policy asks for a claim: once for a statement.
func policyValue(key string, list bool) string {
	if list {
		return once("cds_rls_list(" + quote(key) + ")")
	}
	return once("cds_rls_value(" + quote(key) + ")")
}

// variables are those of a function, one for each claim.
type variables struct {
	names   map[string]string
	declare string
}

func (v *variables) value(key string, list bool) string {
	if name := v.names[key]; name != "" {
		return name
	}
	if v.names == nil {
		v.names = map[string]string{}
		v.declare = "  cds_session jsonb := cds_rls_context()->'v';\n"
	}
	name := "cds_value" + strconv.Itoa(len(v.names)+1)
	v.names[key] = name
	if list {
		v.declare += "  " + name + " text[] := array(SELECT jsonb_array_elements_text(cds_session->" + quote(key) + "));\n"
	} else {
		v.declare += "  " + name + " text := cds_session->>" + quote(key) + ";\n"
	}
	return name
}

// fill writes the values of parameters into a text: constants of the model, and calls for what the session says.
func (c *compiler) fill(sql string, binds []sqlgen.Bind, ask func(key string, list bool) string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(sql, markBegin)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		number, after, _ := strings.Cut(rest, markEnd)
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > len(binds) {
			return "", fmt.Errorf("parameter %q is not known", number)
		}
		value, err := c.value(&binds[n-1], ask)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		sql = after
	}
}

func (c *compiler) value(b *sqlgen.Bind, ask func(key string, list bool) string) (string, error) {
	if b.Param.Index == -1 {
		text, err := sqlgen.Literal(b.Const, c.d)
		return "(" + text + ")", err
	}
	key, err := claimKey(b)
	if err != nil {
		return "", err
	}
	if !c.claims[key] {
		c.claims[key] = true
		c.out.Claims = append(c.out.Claims, Claim{key, *b})
	}
	return ask(key, b.List), nil
}

// claimKey names what a parameter asks for.
func claimKey(b *sqlgen.Bind) (string, error) {
	key := ""
	switch b.Param.From {
	case cqn.FromUserID:
		key = "user"
	case cqn.FromUserTenant:
		key = "tenant"
	case cqn.FromUserLocale:
		key = "locale"
	case cqn.FromNow:
		key = "now" + b.Param.Name
	case cqn.FromAt:
		key = "at." + b.Param.Name
	case cqn.FromUserAttr:
		key = "attr." + b.Param.Name
		if b.Param.Name == authz.RoleAttribute {
			key = "roles"
		}
	default:
		return "", fmt.Errorf("a parameter of a request cannot be part of a policy")
	}
	if b.Type != nil {
		key += ":" + strings.TrimPrefix(b.Type.Name, "cds.")
	}
	switch {
	case b.List:
		key += "[]"
	case b.IsNull:
		key += "?"
	}
	if strings.IndexByte(key, 0) >= 0 {
		return "", fmt.Errorf("the name of an attribute has a NUL character in it")
	}
	return key, nil
}
