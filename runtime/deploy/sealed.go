package deploy

import (
	"context"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/crypt"
)

// storedType is the type of an element's column.
func storedType(el *csn.Element) *csn.Builtin {
	if el.Seal() != nil {
		return &csn.Builtin{Name: "cds.LargeString", Kind: csn.LargeString}
	}
	return el.Scalar()
}

// seal encrypts and hashes the values of a row for elements that are kept so. A text of a file that is a hash already is loaded as it is.
func (l *loader) seal(ctx context.Context, row []cell) bool {
	ok := true
	for i := range l.stmt.Binds {
		var el *csn.Element
		if i < len(l.cols) {
			el = l.cols[i]
		} else {
			el = l.fills[i-len(l.cols)].el
		}
		s, v := el.Seal(), l.stmt.Binds[i]
		if s == nil || v.IsNull() || v.Kind() == cqn.KindString && crypt.IsHash(s.Kind, v.Str()) {
			continue
		}
		at := row[0]
		if i < len(row) {
			at = row[i]
		}
		if !s.Hashed() {
			if _, err := l.box.Column(s); err != nil {
				l.fault("csv-no-key", at.line, at.col, "configure encryption.keys", "%s is encrypted, and there is no key", el.Name)
				return false
			}
		}
		out, err := l.box.Store(ctx, s, v)
		if err != nil { // has no value in it
			l.fault("csv-bad-value", at.line, at.col, "", "%s cannot be encrypted or hashed: %s", el.Name, err)
			ok = false
			continue
		}
		l.stmt.Binds[i] = out
	}
	return ok
}
