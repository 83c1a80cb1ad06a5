package cds

import (
	"encoding/json"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/internal/jsonw"
	"cds/runtime/sqlgen"
)

// A codec says how one output column is read and written. Codecs are chosen once per plan and Format, so that writing a row is a loop
// over codecs without reflection or allocation.
type codec struct {
	name   string
	prefix []byte // `"name":`
	form   form
	index  int
	scale  int // decimals: digits after the point, -1 for any number
	// to-one expands
	present int
	nested  *rowCodec
	// to-many expands: 1-based index into the plan's children
	child int
	// streams: position of the media type, or the constant one
	media     int
	mediaType string
	// rows of several forms: the number at position variant says by its bit in variants whether the column is there; 0 for always
	variant  int
	variants uint64
	// plain is set for what is computed: its numbers are never strings, as in CAP
	plain bool
}

// there reports whether a column that is not in all rows is in the current one.
func (c *codec) there(rows db.Rows) bool { return inVariant(rows, c.variant, c.variants) }

func inVariant(rows db.Rows, at int, mask uint64) bool {
	n := rows.Int(at)
	return n >= 0 && n < 64 && mask&(1<<n) != 0
}

// A rowCodec writes one object.
type rowCodec struct {
	codecs []codec
	etag   *codec // written as @odata.etag ahead of the rest
	child  bool   // some codec is, or contains, a to-many expand
}

// A form is the wire form of a value.
type form uint8

const (
	formAny form = iota
	formString
	formBool
	formInt
	formInt64
	formDecimal
	formDouble
	formDate
	formTime
	formDateTime
	formTimestamp
	formBinary
	formJSON
	formArray
	formStream
	formLink // a URL of media data
	formNested
	formChild
)

// formOf returns the wire form of a type.
func formOf(t csn.Type) (f form, scale int) {
	switch t := t.(type) {
	case *csn.Array:
		return formArray, -1
	case *csn.Builtin:
		switch t.Kind {
		case csn.Boolean:
			return formBool, -1
		case csn.Integer, csn.Int32, csn.Int16, csn.UInt8:
			return formInt, -1
		case csn.Int64:
			return formInt64, -1
		case csn.Decimal:
			if t.Precision > 0 && !t.Variable || t.HasScale && !t.Variable {
				return formDecimal, t.Scale
			}
			return formDecimal, -1
		case csn.Double:
			return formDouble, -1
		case csn.Date:
			return formDate, -1
		case csn.Time:
			return formTime, -1
		case csn.DateTime:
			return formDateTime, -1
		case csn.Timestamp:
			return formTimestamp, -1
		case csn.Binary:
			return formBinary, -1
		case csn.LargeBinary:
			return formStream, -1
		case csn.Map, csn.Vector:
			return formJSON, -1
		case csn.String, csn.LargeString, csn.UUID:
			return formString, -1
		}
	}
	return formAny, -1
}

// newRowCodec chooses the codecs for a list of columns.
func newRowCodec(cols []sqlgen.Column, f Format) *rowCodec {
	rc := &rowCodec{}
	for i := range cols {
		c := &cols[i]
		if c.Hidden {
			continue
		}
		k := codec{name: c.Name, prefix: append(jsonw.String(nil, c.Name), ':'), index: c.Index, scale: -1, variant: c.Variant, variants: c.Variants}
		switch {
		case c.Child > 0:
			k.form, k.child = formChild, c.Child
			rc.child = true
		case c.Nested != nil:
			k.form, k.present, k.nested = formNested, c.Present, newRowCodec(c.Nested, f)
			rc.child = rc.child || k.nested.child
		default:
			k.form, k.scale = formOf(c.Type)
			k.plain = c.Element == nil && !strings.HasSuffix(c.Name, countSuffix)
			if f.OData && isLink(c.Element) {
				k.form = formLink
			}
			if k.form == formStream || k.form == formLink {
				k.media = c.MediaType
				k.mediaType = mediaType(c.Element)
			}
		}
		rc.codecs = append(rc.codecs, k)
		if f.OData && c.Element != nil && c.Element.Annotations.Get("odata.etag") != nil && k.form != formNested && k.form != formChild {
			rc.etag = &rc.codecs[len(rc.codecs)-1]
		}
	}
	if rc.etag != nil { // the slice may have moved since
		e := *rc.etag
		rc.etag = &e
	}
	return rc
}

// mediaType returns the constant media type of a stream, "" if it is another element's value or unknown.
func mediaType(el *csn.Element) string {
	if el == nil {
		return ""
	}
	if a := el.Annotations.Get("Core.MediaType"); a != nil && a.Kind == cqn.AnnoString {
		return a.Text
	}
	return ""
}

// write appends the current row of rows as an object. Places of to-many expands are noted in w, to be filled later.
func (rc *rowCodec) write(dst []byte, rows db.Rows, f Format, w *holes) []byte {
	dst = append(dst, '{')
	if rc.etag != nil && !rows.IsNull(rc.etag.index) {
		dst = append(dst, `"@odata.etag":"W/\"`...)
		at := len(dst)
		dst = rc.etag.value(dst, rows, Format{})
		dst = append(tagText(dst, at), `\""`...)
		dst = append(dst, ',')
	}
	for i := range rc.codecs {
		c := &rc.codecs[i]
		if c.variants != 0 && !c.there(rows) {
			continue
		}
		switch c.form {
		case formStream, formLink:
			dst = c.stream(dst, rows, f)
			continue
		case formChild:
			w.add(len(dst), c)
			dst = append(dst, ',')
			continue
		}
		dst = append(dst, c.prefix...)
		switch {
		case c.form == formNested && c.present >= 0 && rows.IsNull(c.present):
			dst = append(dst, "null"...)
		case c.form == formNested:
			dst = c.nested.write(dst, rows, f, w)
		default:
			dst = c.value(dst, rows, f)
		}
		dst = append(dst, ',')
	}
	if n := len(dst) - 1; dst[n] == ',' {
		dst[n] = '}'
		return dst
	}
	return append(dst, '}')
}

// tagText takes the quotes off a value written at position at, since it stands inside the string of an entity tag.
func tagText(dst []byte, at int) []byte {
	if n := len(dst); n-at >= 2 && dst[at] == '"' && dst[n-1] == '"' {
		copy(dst[at:], dst[at+1:n-1])
		return dst[:n-2]
	}
	return dst
}

// stream writes what stands for a media stream: its media type, and where it is if that is somewhere else.
func (c *codec) stream(dst []byte, rows db.Rows, f Format) []byte {
	if !f.OData || rows.IsNull(c.index) && (c.form == formLink || c.media < 0 && c.mediaType == "") {
		return dst
	}
	if c.form == formLink {
		dst = append(jsonw.String(dst, c.name+"@odata.mediaReadLink"), ':')
		dst = append(jsonw.String(dst, rows.Text(c.index)), ',')
	}
	dst = jsonw.String(dst, c.name+"@odata.mediaContentType")
	dst = append(dst, ':')
	switch {
	case c.mediaType != "":
		dst = jsonw.String(dst, c.mediaType)
	case c.media >= 0 && !rows.IsNull(c.media):
		dst = jsonw.String(dst, rows.Text(c.media))
	default:
		dst = append(dst, "null"...)
	}
	return append(dst, ',')
}

// value appends one column.
func (c *codec) value(dst []byte, rows db.Rows, f Format) []byte {
	i := c.index
	t := rows.Type(i)
	if t == db.TypeNull {
		if c.form == formArray {
			return append(dst, '[', ']')
		}
		return append(dst, "null"...)
	}
	switch c.form {
	case formString:
		return jsonw.String(dst, rows.Text(i))
	case formInt:
		return number(dst, rows, i, t, false)
	case formInt64:
		return number(dst, rows, i, t, f.DecimalStrings && !c.plain)
	case formBool:
		return jsonw.Bool(dst, rows.Int(i) != 0)
	case formDecimal:
		if t == db.TypeFloat {
			return jsonw.DecimalFloat(dst, rows.Float(i), c.scale, f.DecimalStrings && !c.plain)
		}
		return jsonw.Decimal(dst, rows.Text(i), c.scale, f.DecimalStrings && !c.plain)
	case formDouble:
		return jsonw.Float(dst, rows.Float(i))
	case formDate:
		return jsonw.Date(dst, rows.Text(i))
	case formTime:
		return jsonw.Time(dst, rows.Text(i))
	case formDateTime:
		return jsonw.DateTime(dst, rows.Text(i))
	case formTimestamp:
		return jsonw.Timestamp(dst, rows.Text(i))
	case formBinary:
		return jsonw.Binary(dst, rows.Bytes(i))
	case formJSON, formArray:
		if t := rows.Text(i); json.Valid(t) {
			return append(dst, t...)
		}
		return jsonw.String(dst, rows.Text(i))
	}
	return untyped(dst, rows, i, t)
}

func number(dst []byte, rows db.Rows, i int, t db.ColumnType, quoted bool) []byte {
	if t == db.TypeFloat { // a column without strict type
		return jsonw.DecimalFloat(dst, rows.Float(i), -1, quoted)
	}
	return jsonw.Int(dst, rows.Int(i), quoted)
}

// untyped writes a computed column by what the database delivered.
func untyped(dst []byte, rows db.Rows, i int, t db.ColumnType) []byte {
	switch t {
	case db.TypeInt:
		return jsonw.Int(dst, rows.Int(i), false)
	case db.TypeFloat:
		return jsonw.Float(dst, rows.Float(i))
	case db.TypeBool:
		return jsonw.Bool(dst, rows.Int(i) != 0)
	case db.TypeDecimal:
		return jsonw.Decimal(dst, rows.Text(i), -1, false)
	case db.TypeBlob:
		return jsonw.Binary(dst, rows.Bytes(i))
	case db.TypeNull:
		return append(dst, "null"...)
	}
	return jsonw.String(dst, rows.Text(i))
}
