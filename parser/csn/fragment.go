package csn

import "cds/parser/cqn"

// These functions write parts of CSN as compact JSON, for writers of other flavours than Marshal's. Names are written as they are in the
// tree. The results are single JSON values; those of …Object are objects, whose properties a caller may add to.

// TokensJSON returns an expression as a list of tokens, as in `on`, `where` and `xpr`.
func TokensJSON(x cqn.Expr) []byte {
	w := fragment()
	w.tokens(x)
	return w.buf
}

// OperandJSON returns an expression as an object: a ref, val, func, list, xpr or query.
func OperandJSON(x cqn.Expr) []byte {
	w := fragment()
	w.object(x)
	return w.buf
}

// ColumnOperandJSON is OperandJSON for a column of a query: a cast is an expression of its own there, since a cast at the column
// itself is the column's type.
func ColumnOperandJSON(x cqn.Expr) []byte {
	w := fragment()
	w.open('{')
	if _, cast := x.(*cqn.Cast); cast {
		w.key("xpr")
		w.tokens(x)
	} else {
		w.operandFields(x)
	}
	w.close('}')
	return w.buf
}

// SourceJSON returns what stands after `from`.
func SourceJSON(s cqn.Source) []byte {
	w := fragment()
	w.source(s)
	return w.buf
}

// OrderByJSON returns the list of an ORDER BY, LimitJSON the object of a LIMIT; both are nil for none.
func OrderByJSON(list []cqn.Order) []byte { return property(func(w *csnWriter) { w.orderBy(list) }) }

// LimitJSON returns the object of a LIMIT; nil for none.
func LimitJSON(limit, offset cqn.Expr) []byte {
	return property(func(w *csnWriter) { w.limit(limit, offset) })
}

// property returns the value of the one property that f writes.
func property(f func(*csnWriter)) []byte {
	w := fragment()
	f(w)
	for i, c := range w.buf {
		if c == ':' { // the names of properties have no colon
			return w.buf[i+1:]
		}
	}
	return nil
}

// AnnotationJSON returns the value of an annotation. A `...` in an array becomes {"...": true}, `... up to v` {"...": v}.
func AnnotationJSON(v *cqn.AnnoValue) []byte {
	w := fragment()
	w.ellipsis = true
	w.anno(v)
	return w.buf
}

// StringJSON returns a JSON string.
func StringJSON(s string) []byte { return appendString(nil, s) }

// Indent puts every property and item of compact JSON on a line of its own, but for short lists of scalars, as Marshal does on demand.
func Indent(compact []byte) []byte { return indent(compact) }

func fragment() *csnWriter { return &csnWriter{m: &Model{}} }
