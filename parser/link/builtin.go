package link

import (
	"strconv"
	"strings"

	"cds/parser/ast"
	"cds/parser/csn"
)

// A builtinType says which parameters a builtin type takes, in order.
type builtinType struct {
	kind csn.Scalar
	args []string
}

var length, decimal, srid = []string{"length"}, []string{"precision", "scale"}, []string{"srid"}

// builtins are the types of CDS without the prefix cds.
var builtins = map[string]builtinType{
	"UUID":        {csn.UUID, nil},
	"Boolean":     {csn.Boolean, nil},
	"Integer":     {csn.Integer, nil},
	"UInt8":       {csn.UInt8, nil},
	"Int16":       {csn.Int16, nil},
	"Int32":       {csn.Int32, nil},
	"Int64":       {csn.Int64, nil},
	"Integer64":   {csn.Int64, nil},
	"Decimal":     {csn.Decimal, decimal},
	"Double":      {csn.Double, nil},
	"Date":        {csn.Date, nil},
	"Time":        {csn.Time, nil},
	"DateTime":    {csn.DateTime, nil},
	"Timestamp":   {csn.Timestamp, nil},
	"String":      {csn.String, length},
	"LargeString": {csn.LargeString, nil},
	"Binary":      {csn.Binary, length},
	"LargeBinary": {csn.LargeBinary, nil},
	"Vector":      {csn.Vector, length},
	"Map":         {csn.Map, nil},

	"hana.TINYINT":      {csn.UInt8, nil},
	"hana.SMALLINT":     {csn.Int16, nil},
	"hana.SMALLDECIMAL": {csn.Decimal, nil},
	"hana.REAL":         {csn.Double, nil},
	"hana.CHAR":         {csn.String, length},
	"hana.NCHAR":        {csn.String, length},
	"hana.VARCHAR":      {csn.String, length},
	"hana.CLOB":         {csn.LargeString, nil},
	"hana.BINARY":       {csn.Binary, length},
	"hana.ST_POINT":     {csn.String, srid},
	"hana.ST_GEOMETRY":  {csn.String, srid},
}

// BuiltinType returns the full name of a builtin type: cds.String for String. ok is false for other names.
func BuiltinType(name string) (full string, ok bool) {
	name = strings.TrimPrefix(name, "cds.")
	switch name {
	case "Association", "Composition":
		return "cds." + name, true
	}
	_, ok = builtins[name]
	return "cds." + name, ok
}

func builtinNames() []string {
	out := make([]string, 0, len(builtins))
	for n := range builtins {
		out = append(out, n)
	}
	return out
}

// builtin resolves the name of a builtin type with its parameters.
func (l *linker) builtin(t *ast.TypeExpr) (*csn.Builtin, bool) {
	name := strings.TrimPrefix(t.Name.Text, "cds.")
	bt, ok := builtins[name]
	if !ok {
		return nil, false
	}
	b := &csn.Builtin{Name: "cds." + name, Kind: bt.kind}
	if len(t.Args) > len(bt.args) {
		l.diags.Errorf("type-ignoring-argument", t.Name.Span, "Too many arguments for type “cds.%s”", name)
	}
	for i, arg := range t.Args {
		if i < len(bt.args) && arg != "" {
			l.typeArg(b, t, bt.args[i], arg)
		}
	}
	for _, k := range sortedKeys(t.NamedArgs) {
		known := false
		for _, a := range bt.args {
			known = known || a == k
		}
		if !known {
			l.diags.Errorf("type-ignoring-argument", t.Name.Span, "Unexpected argument “%s” for type “cds.%s”", k, name)
			continue
		}
		l.typeArg(b, t, k, t.NamedArgs[k])
	}
	if known := l.builtins[*b]; known != nil { // a type is never changed: elements share it
		return known, true
	}
	l.builtins[*b] = b
	return b, true
}

func (l *linker) typeArg(b *csn.Builtin, t *ast.TypeExpr, name, arg string) {
	if name == "scale" && (arg == "variable" || arg == "floating") {
		b.Variable = true
		return
	}
	v, err := strconv.Atoi(arg)
	if err != nil || v < 0 {
		l.diags.Errorf("type-invalid-argument", t.Name.Span, "The argument “%s” of type “%s” is a whole number that is not negative, not “%s”", name, b.Name, arg)
		return
	}
	switch name {
	case "length":
		b.Length = v
	case "precision":
		b.Precision = v
	case "scale":
		b.Scale, b.HasScale = v, true
	case "srid":
		b.SRID = v
	}
}
