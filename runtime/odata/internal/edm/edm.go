// Package edm knows OData's primitive types: which one stands for a CDS type, how its values are written in URLs and JSON, and
// which texts are values of it at all.
package edm

import (
	"strconv"

	"cds/parser/csn"
)

// TypeName returns the name of the Edm type that stands for a scalar CDS type. Streams are not distinguished from binaries.
func TypeName(b *csn.Builtin) string {
	switch b.Kind {
	case csn.UUID:
		return "Edm.Guid"
	case csn.Boolean:
		return "Edm.Boolean"
	case csn.Integer, csn.Int32:
		return "Edm.Int32"
	case csn.UInt8:
		return "Edm.Byte"
	case csn.Int16:
		return "Edm.Int16"
	case csn.Int64:
		return "Edm.Int64"
	case csn.Decimal:
		return "Edm.Decimal"
	case csn.Double:
		return "Edm.Double"
	case csn.Date:
		return "Edm.Date"
	case csn.Time:
		return "Edm.TimeOfDay"
	case csn.DateTime, csn.Timestamp:
		return "Edm.DateTimeOffset"
	case csn.Binary:
		return "Edm.Binary"
	case csn.LargeBinary:
		return "Edm.Stream"
	case csn.Map:
		return "Edm.Untyped"
	}
	return "Edm.String" // String, LargeString, Vector and what has no type
}

// Describe names a type with its parameters as error messages show it: Integer, String(111), Decimal(9,2).
func Describe(b *csn.Builtin) string {
	name := b.Name
	if len(name) > 4 && name[:4] == "cds." {
		name = name[4:]
	}
	switch {
	case b.Kind == csn.Decimal && b.Precision > 0 && (b.HasScale || b.Scale > 0):
		return name + "(" + strconv.Itoa(b.Precision) + "," + strconv.Itoa(b.Scale) + ")"
	case b.Kind == csn.Decimal && b.Precision > 0:
		return name + "(" + strconv.Itoa(b.Precision) + ")"
	case b.Length > 0:
		return name + "(" + strconv.Itoa(b.Length) + ")"
	}
	return name
}
