package sqlgen

import (
	"fmt"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// call compiles a function call by the dialect's table; what is not in it is refused.
func (sc *scope) call(x *cqn.Call, h hint) (frag, error) {
	name := strings.ToLower(x.Name)
	if f, ok, err := sc.specialCall(x); ok {
		return f, err
	}
	if x.Star {
		if name != "count" || len(x.Args) > 0 {
			return frag{}, sc.fail("UNKNOWN_FUNCTION", "only count can be asked for *")
		}
		f := frag{sql: "count(*)", typ: typeInt64}
		return sc.over(f, x.Over)
	}
	tmpl, ok := sc.t.Functions[name+"/"+strconv.Itoa(len(x.Args))]
	if !ok {
		tmpl, ok = sc.t.Functions[name]
	}
	if !ok {
		return frag{}, &Error{Code: "UNKNOWN_FUNCTION", Message: fmt.Sprintf("function %q is not supported", x.Name), Status: 501}
	}
	if !strings.Contains(tmpl, "?*") && placeholders(tmpl) != len(x.Args) {
		return frag{}, sc.fail("INVALID_EXPRESSION", "function %s takes %d arguments, not %d", x.Name, placeholders(tmpl), len(x.Args))
	}
	settled := sc.settled
	sc.settled = settled || afterRows(x)
	args, typ, err := sc.arguments(name, x.Args, h)
	sc.settled = settled
	if err != nil {
		return frag{}, err
	}
	if !sc.view && !sc.definer {
		if err := sc.aggregable(name, typ); err != nil {
			return frag{}, err
		}
	}
	if x.Distinct {
		if len(args) != 1 || tmpl != name+"(?*)" {
			return frag{}, sc.fail("INVALID_EXPRESSION", "distinct needs an aggregate function with one argument")
		}
		args[0] = "DISTINCT " + args[0]
	}
	f := frag{sql: fill(tmpl, args), typ: resultType(name, typ)}
	if strings.ContainsAny(strings.TrimSuffix(strings.TrimPrefix(tmpl, name), "(?*)"), " ") && !strings.HasPrefix(tmpl, "CAST(") && !strings.HasPrefix(tmpl, "(") {
		f.prec = precOr // unknown inside: parentheses wherever it is an operand
	}
	return sc.over(f, x.Over)
}

// arguments compiles the arguments. Those without a type of their own take the first one's where a function's arguments are of one kind.
func (sc *scope) arguments(name string, xs []cqn.Expr, h hint) ([]string, *csn.Builtin, error) {
	args := make([]string, len(xs))
	var typ *csn.Builtin
	frags := make([]frag, len(xs))
	same := sameTyped[name]
	for pass := range 2 { // typed arguments first
		for i, x := range xs {
			if isBare(x) == (pass == 0) {
				continue
			}
			want := hint{}
			switch {
			case same && typ != nil:
				want.typ = typ
			case same:
				want.typ = h.typ
				if want.typ != nil && want.typ.Kind == csn.Boolean {
					want.typ = nil
				}
			case textual[name] && (i < 2 && name != "substring" && name != "substr" || i == 0):
				want.typ = typeString
			}
			if secondly[name] && i == 1 {
				want.typ = typeDouble
			}
			f, err := sc.expr(x, want)
			if err != nil {
				return nil, nil, err
			}
			if same {
				sc.noteTypes(typ, f.typ)
			}
			if typ == nil {
				typ = f.typ
			}
			frags[i] = f
		}
	}
	for i, f := range frags {
		args[i] = f.at(precConcat + 1)
	}
	return args, typ, nil
}

var (
	sameTyped = map[string]bool{"coalesce": true, "ifnull": true, "nullif": true, "greatest": true, "least": true, "min": true, "max": true}
	textual   = map[string]bool{"contains": true, "startswith": true, "endswith": true, "indexof": true, "substring": true, "substr": true, "tolower": true,
		"toupper": true, "lower": true, "upper": true, "trim": true, "ltrim": true, "rtrim": true, "concat": true, "length": true, "matchespattern": true, "replace": true,
		"locate": true, "instr": true, "cds.search": true}
	secondly = map[string]bool{"cds.add_date": true, "cds.add_datetime": true, "cds.add_timestamp": true}
)

// resultType is the type of a function's result; arg is that of its first typed argument.
func resultType(name string, arg *csn.Builtin) *csn.Builtin {
	switch name {
	case "contains", "startswith", "endswith", "matchespattern", "cds.search":
		return typeBool
	case "tolower", "toupper", "lower", "upper", "trim", "ltrim", "rtrim", "concat", "substring", "substr", "replace":
		return typeString
	case "length", "indexof", "locate", "instr", "totaloffsetminutes", "year", "month", "day", "hour", "minute", "second", "days_between", "years_between":
		return typeInt
	case "count", "countdistinct", "cds.size", "row_number", "rank", "dense_rank":
		return typeInt64
	case "avg", "average", "fractionalseconds", "cds.seconds":
		return typeDouble
	case "sum":
		return sumType(arg)
	case "cds.items":
		return typeInt
	case "date", "current_date":
		return typeDate
	case "time", "current_time":
		return typeTime
	case "now", "maxdatetime", "mindatetime", "current_timestamp":
		return typeTimestamp
	}
	return arg
}

// sumType is the type of a sum: wider than that of what is added up.
func sumType(t *csn.Builtin) *csn.Builtin {
	if t == nil {
		return nil
	}
	switch t.Kind {
	case csn.Integer, csn.Int32, csn.Int16, csn.UInt8:
		return typeInt64
	case csn.Int64:
		return typeDecimal
	case csn.Decimal:
		if t.Precision > 0 && !t.Variable {
			return &csn.Builtin{Name: t.Name, Kind: csn.Decimal, Precision: 34, Scale: t.Scale, HasScale: true}
		}
	}
	return t
}

// over adds the OVER clause of a window function.
func (sc *scope) over(f frag, w *cqn.Window) (frag, error) {
	if w == nil {
		return f, nil
	}
	var parts []string
	if len(w.PartitionBy) > 0 {
		s, err := sc.list(w.PartitionBy, hint{})
		if err != nil {
			return frag{}, err
		}
		parts = append(parts, "PARTITION BY "+s)
	}
	if len(w.OrderBy) > 0 {
		s, err := sc.orderBy(w.OrderBy)
		if err != nil {
			return frag{}, err
		}
		parts = append(parts, "ORDER BY "+s)
	}
	if w.Frame != "" {
		if !plainFrame(w.Frame) {
			return frag{}, sc.fail("INVALID_EXPRESSION", "the window's frame is not understood")
		}
		parts = append(parts, w.Frame)
	}
	return frag{sql: f.sql + " OVER (" + strings.Join(parts, " ") + ")", typ: f.typ}, nil
}

// plainFrame reports whether a frame clause has nothing but words and numbers.
func plainFrame(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != ' ' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// fill puts arguments into a template: ?1 … ?9, and ?* for all of them.
func fill(tmpl string, args []string) string {
	var b strings.Builder
	for i := 0; i < len(tmpl); i++ {
		if tmpl[i] == '?' && i+1 < len(tmpl) {
			switch c := tmpl[i+1]; {
			case c == '*':
				b.WriteString(strings.Join(args, ", "))
				i++
				continue
			case c >= '1' && int(c-'1') < len(args):
				b.WriteString(args[c-'1'])
				i++
				continue
			}
		}
		b.WriteByte(tmpl[i])
	}
	return b.String()
}

// placeholders returns the highest number of an argument in a template.
func placeholders(tmpl string) int {
	n := 0
	for i := 0; i+1 < len(tmpl); i++ {
		if tmpl[i] == '?' && tmpl[i+1] >= '1' && tmpl[i+1] <= '9' {
			n = max(n, int(tmpl[i+1]-'0'))
		}
	}
	return n
}
