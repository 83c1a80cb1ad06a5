package cds

import (
	"bytes"
	"encoding/json"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/internal/jsonw"
)

func appendCount(dst []byte, name string, n int64, f Format) []byte {
	dst = jsonw.String(dst, name+"@odata.count")
	dst = append(dst, ':')
	return jsonw.Int(dst, n, f.DecimalStrings)
}

func decimalText(rows db.Rows, i, scale int) string {
	if rows.Type(i) == db.TypeFloat {
		return string(jsonw.DecimalFloat(nil, rows.Float(i), scale, false))
	}
	return string(jsonw.Decimal(nil, rows.Text(i), scale, false))
}

// maxJSONDepth bounds what is read back from a JSON column.
const maxJSONDepth = 100

// decodeJSON reads an array element's column. Text that is no JSON is returned as a string.
func decodeJSON(text []byte) cqn.Value {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, ok := jsonValue(dec, 0)
	if !ok {
		return cqn.String(string(text))
	}
	return v
}

func jsonValue(dec *json.Decoder, depth int) (cqn.Value, bool) {
	t, err := dec.Token()
	if err != nil || depth > maxJSONDepth {
		return cqn.Null, false
	}
	switch t := t.(type) {
	case string:
		return cqn.String(t), true
	case bool:
		return cqn.Bool(t), true
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return cqn.Int(n), true
		}
		return cqn.Decimal(t.String()), true
	case json.Delim:
		if t == '[' {
			return jsonArray(dec, depth)
		}
		row := cqn.NewRow()
		for dec.More() {
			name, err := dec.Token()
			s, ok := name.(string)
			if err != nil || !ok {
				return cqn.Null, false
			}
			v, ok := jsonValue(dec, depth+1)
			if !ok {
				return cqn.Null, false
			}
			row.Set(s, v)
		}
		_, err := dec.Token()
		return cqn.OfRow(row), err == nil
	}
	return cqn.Null, t == nil
}

func jsonArray(dec *json.Decoder, depth int) (cqn.Value, bool) {
	var list []cqn.Value
	for dec.More() {
		v, ok := jsonValue(dec, depth+1)
		if !ok {
			return cqn.Null, false
		}
		list = append(list, v)
	}
	_, err := dec.Token()
	return cqn.List(list), err == nil
}

// AppendRow appends a row of an entity as a JSON object, in the same form as rows read from the database. Fields that are no elements are
// written by the kind of their value. e may be nil.
func (f Format) AppendRow(dst []byte, e *csn.Entity, row *Row) []byte {
	dst = append(dst, '{')
	if tag := etagOf(e, row); f.OData && tag != "" {
		dst = jsonw.Name(dst, "@odata.etag")
		dst = jsonw.String(dst, tag)
	}
	for _, fd := range row.Fields() {
		var el *csn.Element
		if e != nil {
			if el = e.Element(fd.Name); el == nil {
				el = e.Elements.Lookup(fd.Name)
			}
		}
		if f.OData && isLink(el) {
			if !fd.Value.IsNull() {
				dst = jsonw.Name(dst, fd.Name+"@odata.mediaReadLink")
				dst = f.AppendValue(dst, el, fd.Value)
				dst = jsonw.Name(dst, fd.Name+"@odata.mediaContentType")
				dst = f.AppendValue(dst, nil, streamType(el, row))
			}
			continue
		}
		if el != nil && isStream(el) {
			if f.OData {
				dst = jsonw.Name(dst, fd.Name+"@odata.mediaContentType")
				dst = f.AppendValue(dst, nil, streamType(el, row))
			}
			continue
		}
		dst = jsonw.Name(dst, fd.Name)
		if el == nil && strings.HasSuffix(fd.Name, countSuffix) && fd.Value.Kind() == cqn.KindInt {
			dst = jsonw.Int(dst, fd.Value.Int(), f.DecimalStrings)
			continue
		}
		dst = f.AppendValue(dst, el, fd.Value)
	}
	return append(dst, '}')
}

// countSuffix ends the names of members with the number of an association's rows.
const countSuffix = "@odata.count"

func isStream(el *csn.Element) bool {
	t := el.Scalar()
	return t != nil && t.Kind == csn.LargeBinary
}

// isLink tells elements with the URL of media data that are somewhere else: @Core.IsURL with @Core.MediaType. OData shows them as streams.
func isLink(el *csn.Element) bool {
	if el == nil || el.Annotations.Get("Core.IsURL") == nil {
		return false
	}
	t := el.Scalar()
	return t != nil && (t.Kind == csn.String || t.Kind == csn.LargeString) && el.Annotations.Is("Core.IsURL") && el.Annotations.Get("Core.MediaType") != nil
}

// streamType returns the media type of a stream: constant, or the value of the element that @Core.MediaType names.
func streamType(el *csn.Element, row *Row) cqn.Value {
	a := el.Annotations.Get("Core.MediaType")
	switch {
	case a == nil:
		return cqn.Null
	case a.Kind == cqn.AnnoString:
		return cqn.String(a.Text)
	}
	return row.Value(a.Str())
}

// AppendValue appends a value as JSON. el gives its type; nil lets the value's kind decide.
func (f Format) AppendValue(dst []byte, el *csn.Element, v cqn.Value) []byte {
	var t csn.Type
	if el != nil {
		t = el.Type
	}
	return f.value(dst, t, v, 0)
}

func (f Format) value(dst []byte, t csn.Type, v cqn.Value, depth int) []byte {
	if depth > maxJSONDepth {
		return append(dst, "null"...)
	}
	switch v.Kind() {
	case cqn.KindNull:
		if _, ok := t.(*csn.Array); ok {
			return append(dst, '[', ']')
		}
		return append(dst, "null"...)
	case cqn.KindRow:
		return f.nested(dst, t, v.Row(), depth)
	case cqn.KindRows:
		t = itemType(t)
		dst = append(dst, '[')
		for i, r := range v.Rows() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = f.nested(dst, t, r, depth)
		}
		return append(dst, ']')
	case cqn.KindList:
		t = itemType(t)
		dst = append(dst, '[')
		for i, x := range v.List() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = f.value(dst, t, x, depth+1)
		}
		return append(dst, ']')
	}
	return f.scalar(dst, t, v)
}

func itemType(t csn.Type) csn.Type {
	if a, ok := t.(*csn.Array); ok && a.Items != nil {
		return a.Items.Type
	}
	return t
}

// nested appends a row below another one.
func (f Format) nested(dst []byte, t csn.Type, row *Row, depth int) []byte {
	switch t := t.(type) {
	case *csn.Assoc:
		if depth < maxJSONDepth {
			return f.AppendRow(dst, t.Target, row)
		}
	case *csn.Struct:
		dst = append(dst, '{')
		for _, fd := range row.Fields() {
			dst = jsonw.Name(dst, fd.Name)
			var ft csn.Type
			if el := t.Elements.Lookup(fd.Name); el != nil {
				ft = el.Type
			}
			dst = f.value(dst, ft, fd.Value, depth+1)
		}
		return append(dst, '}')
	}
	dst = append(dst, '{')
	for _, fd := range row.Fields() {
		dst = jsonw.Name(dst, fd.Name)
		dst = f.value(dst, nil, fd.Value, depth+1)
	}
	return append(dst, '}')
}

// scalar appends a single value in the wire form of its type. Numbers that a handler set as int or float stay numbers, as in CAP.
func (f Format) scalar(dst []byte, t csn.Type, v cqn.Value) []byte {
	fm, scale := formOf(t)
	switch v.Kind() {
	case cqn.KindBool:
		return jsonw.Bool(dst, v.Bool())
	case cqn.KindInt:
		switch fm {
		case formInt64:
			return jsonw.Int(dst, v.Int(), f.DecimalStrings)
		case formBool:
			return jsonw.Bool(dst, v.Int() != 0)
		}
		return jsonw.Int(dst, v.Int(), false)
	case cqn.KindFloat:
		return jsonw.Float(dst, v.Float())
	case cqn.KindDecimal:
		return jsonw.Decimal(dst, v.Str(), scale, f.DecimalStrings && fm == formDecimal)
	case cqn.KindBytes:
		return jsonw.Binary(dst, []byte(v.Str()))
	case cqn.KindBlob: // too much for JSON: the element is read by itself
		return append(dst, "null"...)
	}
	s := v.Str()
	switch fm {
	case formDecimal:
		return jsonw.Decimal(dst, s, scale, f.DecimalStrings)
	case formTimestamp:
		return jsonw.Timestamp(dst, s)
	case formDateTime:
		return jsonw.DateTime(dst, s)
	case formDate:
		return jsonw.Date(dst, s)
	case formJSON:
		if json.Valid([]byte(s)) {
			return append(dst, s...)
		}
	}
	return jsonw.String(dst, s)
}

// etagOf returns the entity tag of a row: `W/"value"` of the element with @odata.etag, "" if there is none.
func etagOf(e *csn.Entity, row *Row) string {
	if e == nil {
		return ""
	}
	for _, el := range e.Flat {
		if el.Annotations.Get("odata.etag") == nil {
			continue
		}
		if v, ok := row.Get(el.Name); ok && !v.IsNull() {
			b := Format{}.AppendValue(nil, el, v)
			return `W/"` + strings.Trim(string(b), `"`) + `"`
		}
	}
	return ""
}
