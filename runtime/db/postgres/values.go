package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"cds/parser/cqn"
	"cds/runtime/db"
)

// The types of PostgreSQL that matter here, by their fixed numbers.
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidOID         = 26
	oidFloat4      = 700
	oidFloat8      = 701
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidNumeric     = 1700
)

const (
	textFormat   = 0
	binaryFormat = 1
)

// oidOf is the type that a parameter is sent as; a cast in the statement makes another of it. Null and lists have none: the server takes
// them for what they are compared with.
func oidOf(v cqn.Value) uint32 {
	switch v.Kind() {
	case cqn.KindBool:
		return oidBool
	case cqn.KindInt:
		return oidInt8
	case cqn.KindFloat:
		return oidFloat8
	case cqn.KindDecimal:
		return oidNumeric
	case cqn.KindBytes:
		return oidBytea
	case cqn.KindString:
		return oidText
	case cqn.KindDate:
		return oidDate
	case cqn.KindTime:
		return oidTime
	case cqn.KindDateTime, cqn.KindTimestamp:
		return oidTimestamp
	}
	return 0
}

// bind puts the values of a statement's parameters into the connection's scratch memory: bytes as they are, all else as text.
func (c *conn) bind(values []cqn.Value, oids []uint32) error {
	c.buf, c.values, c.formats = c.buf[:0], c.values[:0], c.formats[:0]
	if len(c.buf) == 0 && cap(c.buf) > 1<<20 {
		c.buf = nil // a large value has gone through; don't keep it for ever
	}
	for i, v := range values {
		if v.IsNull() {
			c.values, c.formats = append(c.values, nil), append(c.formats, textFormat)
			continue
		}
		if v.Kind() == cqn.KindBytes && oids[i] == oidBytea {
			c.put(append(c.buf, v.Str()...), binaryFormat)
			continue
		}
		b, err := appendText(c.buf, v)
		if err != nil {
			return err
		}
		c.put(b, textFormat)
	}
	return nil
}

// put notes what was appended to the buffer as the next value. Values before it keep the old memory if the buffer has moved.
func (c *conn) put(grown []byte, format int16) {
	n := len(c.buf)
	if grown == nil { // nothing was appended to no buffer; nil would be null
		grown = []byte{}
	}
	c.values, c.formats = append(c.values, grown[n:len(grown):len(grown)]), append(c.formats, format)
	c.buf = grown
}

// appendText appends a value in the database's text form.
func appendText(b []byte, v cqn.Value) ([]byte, error) {
	switch v.Kind() {
	case cqn.KindBool:
		return strconv.AppendBool(b, v.Bool()), nil
	case cqn.KindInt:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case cqn.KindFloat:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64), nil
	case cqn.KindBytes:
		return hex.AppendEncode(append(b, `\x`...), []byte(v.Str())), nil
	case cqn.KindDecimal, cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp:
		return append(b, v.Str()...), nil
	case cqn.KindList:
		return appendArray(b, v.List())
	}
	return b, fmt.Errorf("%w: a nested row cannot be bound", db.ErrValue)
}

// appendArray appends an array literal, every element in quotes.
func appendArray(b []byte, vs []cqn.Value) ([]byte, error) {
	b = append(b, '{')
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		switch v.Kind() {
		case cqn.KindNull:
			b = append(b, "NULL"...)
			continue
		case cqn.KindList:
			return b, fmt.Errorf("%w: a list within a list cannot be bound", db.ErrValue)
		}
		b = append(b, '"')
		start := len(b)
		var err error
		if b, err = appendText(b, v); err != nil {
			return b, err
		}
		for j := start; j < len(b); j++ {
			if b[j] == '"' || b[j] == '\\' {
				b = slices.Insert(b, j, '\\')
				j++
			}
		}
		b = append(b, '"')
	}
	return append(b, '}'), nil
}

// resultFormat says in which form a column is asked for: those whose text would have to be parsed come in binary.
func resultFormat(oid uint32) int16 {
	switch oid {
	case oidBool, oidBytea, oidInt2, oidInt4, oidInt8, oidOID, oidFloat4, oidFloat8, oidTimestamp, oidTimestamptz:
		return binaryFormat
	}
	return textFormat
}

func columnType(oid uint32) db.ColumnType {
	switch oid {
	case oidBool:
		return db.TypeBool
	case oidInt2, oidInt4, oidInt8, oidOID:
		return db.TypeInt
	case oidFloat4, oidFloat8:
		return db.TypeFloat
	case oidNumeric:
		return db.TypeDecimal
	case oidBytea:
		return db.TypeBlob
	}
	return db.TypeText
}

// intOf reads a whole number from a column in the form of resultFormat.
func intOf(oid uint32, v []byte) int64 {
	switch oid {
	case oidBool:
		if len(v) == 1 && v[0] != 0 {
			return 1
		}
		return 0
	case oidInt2:
		if len(v) == 2 {
			return int64(int16(binary.BigEndian.Uint16(v)))
		}
		return 0
	case oidInt4:
		if len(v) == 4 {
			return int64(int32(binary.BigEndian.Uint32(v)))
		}
		return 0
	case oidOID:
		if len(v) == 4 {
			return int64(binary.BigEndian.Uint32(v))
		}
		return 0
	case oidInt8, oidTimestamp, oidTimestamptz:
		if len(v) == 8 {
			return int64(binary.BigEndian.Uint64(v))
		}
		return 0
	case oidFloat4, oidFloat8:
		return int64(floatOf(oid, v))
	}
	end := 0 // of the digits before the point
	for end < len(v) && (v[end] >= '0' && v[end] <= '9' || end == 0 && v[end] == '-') {
		end++
	}
	n, _ := strconv.ParseInt(string(v[:end]), 10, 64) // out of range: the nearest number
	return n
}

// floatOf reads a number.
func floatOf(oid uint32, v []byte) float64 {
	switch oid {
	case oidFloat4:
		if len(v) == 4 {
			return float64(math.Float32frombits(binary.BigEndian.Uint32(v)))
		}
		return 0
	case oidFloat8:
		if len(v) == 8 {
			return math.Float64frombits(binary.BigEndian.Uint64(v))
		}
		return 0
	case oidBool, oidInt2, oidInt4, oidInt8, oidOID:
		return float64(intOf(oid, v))
	}
	f, _ := strconv.ParseFloat(string(v), 64) // no number: 0, as SQLite has it
	return f
}

// epoch is the moment that binary timestamps count from.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// appendMoment appends microseconds since the epoch in the form of $now: milliseconds, or microseconds where there are some, and Z.
func appendMoment(b []byte, micros int64) []byte {
	switch micros {
	case math.MaxInt64:
		return append(b, "infinity"...)
	case math.MinInt64:
		return append(b, "-infinity"...)
	}
	sec, frac := micros/1e6, micros%1e6
	if frac < 0 {
		sec, frac = sec-1, frac+1e6
	}
	t := time.Unix(epoch.Unix()+sec, frac*1000).UTC()
	if frac%1000 != 0 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	}
	return t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
}
