package sqlgen

import (
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// defaultLength and defaultBinary are the lengths of String and Binary without one.
const (
	defaultLength = 255
	defaultBinary = 5000
)

// TypeSQL returns the column type for a builtin type in a dialect.
func TypeSQL(t *csn.Builtin, d Dialect) (string, error) {
	tmpl, ok := d.Tables().Types[t.Name]
	if !ok {
		tmpl, ok = d.Tables().Types[kindNames[t.Kind]]
	}
	if !ok {
		return "", &Error{Code: "UNKNOWN_TYPE", Message: fmt.Sprintf("type %s has no counterpart in %s", t.Name, d.Name())}
	}
	switch strings.Count(tmpl, "%d") {
	case 1:
		n := t.Length
		switch {
		case n > 0:
		case t.Kind == csn.Binary:
			n = defaultBinary
		default:
			n = defaultLength
		}
		return fmt.Sprintf(tmpl, n), nil
	case 2:
		name, _, _ := strings.Cut(tmpl, "(")
		switch {
		case t.Precision == 0:
			return name, nil
		case t.Scale == 0 && !t.HasScale:
			return fmt.Sprintf("%s(%d)", name, t.Precision), nil
		}
		return fmt.Sprintf("%s(%d, %d)", name, t.Precision, t.Scale), nil
	}
	return tmpl, nil
}

var kindNames = map[csn.Scalar]string{
	csn.UUID: "cds.UUID", csn.Boolean: "cds.Boolean", csn.Integer: "cds.Integer", csn.UInt8: "cds.UInt8", csn.Int16: "cds.Int16", csn.Int32: "cds.Int32",
	csn.Int64: "cds.Int64", csn.Decimal: "cds.Decimal", csn.Double: "cds.Double", csn.Date: "cds.Date", csn.Time: "cds.Time", csn.DateTime: "cds.DateTime",
	csn.Timestamp: "cds.Timestamp", csn.String: "cds.String", csn.LargeString: "cds.LargeString", csn.Binary: "cds.Binary", csn.LargeBinary: "cds.LargeBinary",
	csn.Vector: "cds.Vector", csn.Map: "cds.Map",
}

// typeNamed returns the builtin type that a cast names, nil if it is none.
func typeNamed(t cqn.TypeName) *csn.Builtin {
	name := t.Name
	if !strings.HasPrefix(name, "cds.") {
		name = "cds." + name
	}
	if name == "cds.Integer64" {
		name = "cds.Int64"
	}
	for kind, n := range kindNames {
		if n == name {
			return &csn.Builtin{Name: name, Kind: kind, Length: t.Length, Precision: t.Precision, Scale: t.Scale, HasScale: t.Scale > 0}
		}
	}
	return nil
}
