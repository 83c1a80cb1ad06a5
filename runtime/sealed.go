package cds

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/crypt"
	"cds/runtime/db"
	"cds/runtime/password"
	"cds/runtime/sqlgen"
)

// Encrypted and hashed elements (@encrypted, @hash). Values are encrypted and hashed where the parameters of a statement are filled, and decrypted where the rows of
// a statement are read, which all queries and writes have in common: above that they are plain, below they are not.

// errSealed is the answer for values that cannot be decrypted. What is wrong with them is in the log: the column and the id of the key, not the value.
func errSealed(cause error) *Error {
	return &Error{Status: 500, Code: CodeSealed, Message: "A stored value could not be decrypted.", Cause: cause}
}

// CodeSealed is the code of the error for stored values that cannot be decrypted, or that cannot be encrypted for lack of a key.
const CodeSealed = "DECRYPTION_FAILED"

// sealedBind returns a value in the form in which it is kept, or is compared with what is kept.
func (b *bindings) sealedBind(bd *sqlgen.Bind) (cqn.Value, error) {
	v, target := bd.Const, ""
	switch {
	case bd.Column != "":
		v, target = b.row.Value(bd.Column), bd.Column
	case bd.Param.Index == -1:
	case bd.Param.From == cqn.FromLiteral && bd.Param.Index < len(b.lits):
		v = b.lits[bd.Param.Index]
	default:
		return cqn.Null, errUnbound
	}
	box := b.unit.app.inner.box
	if !bd.List {
		return stored(b.unit.ctx, box, bd.Seal, bd.Type, v, target)
	}
	v, err := literal(v, &sqlgen.Bind{Type: bd.Type})
	if err != nil {
		return cqn.Null, err
	}
	v, err = box.Compared(bd.Seal, v)
	if err != nil {
		return cqn.Null, errSealed(err)
	}
	return v, nil
}

// stored converts a value to the type of its element and returns the form in which it is kept.
func stored(ctx context.Context, box *crypt.Box, s *csn.Seal, t *csn.Builtin, v cqn.Value, target string) (cqn.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	c, ok := coerce(v, t)
	if !ok {
		err := notValid(cqn.String("…"), t, target) // not the value: this error may be logged
		return cqn.Null, err
	}
	out, err := box.Store(ctx, s, c)
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, password.ErrLength), errors.Is(err, password.ErrBcryptLength):
		return cqn.Null, &Error{Status: 400, Code: "ASSERT_DATA_TYPE", Message: "The value is too long.", Target: target, Cause: err}
	case errors.Is(err, password.ErrBusy):
		return cqn.Null, &Error{Status: 503, Code: "503", Message: "The server is busy. Try again later.", Cause: err}
	}
	return cqn.Null, errSealed(err)
}

// unsealed returns the rows of a statement with their encrypted columns decrypted; rows itself if the plan has none. It takes what asking for rows returns.
func (rd *reader) unsealed(p *sqlgen.Plan, rows db.Rows, err error) (db.Rows, error) {
	if len(p.Sealed) == 0 || err != nil || rows == nil {
		return rows, err
	}
	o := &openRows{Rows: rows, cols: make([]openColumn, len(p.Sealed))}
	for i, c := range p.Sealed {
		col, err := rd.binds.unit.app.inner.box.Column(c.Seal)
		if err != nil {
			_ = rows.Close() // the error of the key says more
			return nil, errSealed(err)
		}
		o.cols[i] = openColumn{at: c.Index, key: col, as: storage(c.Type)}
	}
	return o, nil
}

// storage is what a database would deliver for a plain value of a type.
func storage(t csn.Type) db.ColumnType {
	b, _ := t.(*csn.Builtin)
	if b == nil {
		return db.TypeText
	}
	switch b.Kind {
	case csn.Integer, csn.UInt8, csn.Int16, csn.Int32, csn.Int64:
		return db.TypeInt
	case csn.Double:
		return db.TypeFloat
	case csn.Boolean:
		return db.TypeBool
	case csn.Decimal:
		return db.TypeDecimal
	case csn.Binary:
		return db.TypeBlob
	}
	return db.TypeText
}

// openRows decrypts columns of rows. The memory of plain values is used again for each row.
type openRows struct {
	db.Rows
	cols []openColumn
	room []byte
}

// An openColumn is one column of the current row.
type openColumn struct {
	at    int
	key   *crypt.Column
	as    db.ColumnType
	null  bool
	plain []byte
	num   int64
	float float64
}

// Next decrypts the next row.
func (r *openRows) Next() (bool, error) {
	ok, err := r.Rows.Next()
	if !ok || err != nil {
		return ok, err
	}
	for i := range r.cols {
		c := &r.cols[i]
		if c.null = r.Rows.IsNull(c.at); c.null {
			continue
		}
		text := r.Rows.Text(c.at)
		if r.Rows.Type(c.at) == db.TypeBlob {
			text = r.Rows.Bytes(c.at)
		}
		if c.plain, err = c.key.OpenWith(c.plain[:0], text, &r.room); err == nil {
			err = c.parse()
		}
		if err != nil {
			return false, errSealed(err)
		}
	}
	return true, nil
}

// parse reads numbers and truth values.
func (c *openColumn) parse() (err error) {
	switch c.as {
	case db.TypeInt:
		c.num, err = strconv.ParseInt(string(c.plain), 10, 64)
		c.float = float64(c.num)
	case db.TypeFloat, db.TypeDecimal:
		c.float, err = strconv.ParseFloat(string(c.plain), 64)
		c.num = int64(c.float)
	case db.TypeBool:
		var b bool
		if b, err = strconv.ParseBool(string(c.plain)); b {
			c.num = 1
		} else {
			c.num = 0
		}
	}
	if err != nil {
		return errors.New("the decrypted value is not of the element's type") // err has the value
	}
	return nil
}

// column returns the decrypted column at a position, nil for others.
func (r *openRows) column(i int) *openColumn {
	for j := range r.cols {
		if r.cols[j].at == i {
			return &r.cols[j]
		}
	}
	return nil
}

// IsNull, Type, Int, Float, Text and Bytes are those of the plain value.
func (r *openRows) IsNull(i int) bool {
	if c := r.column(i); c != nil {
		return c.null
	}
	return r.Rows.IsNull(i)
}

// Type is the type that a plain value would have been delivered in.
func (r *openRows) Type(i int) db.ColumnType {
	if c := r.column(i); c != nil {
		if c.null {
			return db.TypeNull
		}
		return c.as
	}
	return r.Rows.Type(i)
}

// Int is the plain value as a whole number; of truth values 1 and 0.
func (r *openRows) Int(i int) int64 {
	if c := r.column(i); c != nil {
		return c.num
	}
	return r.Rows.Int(i)
}

// Float is the plain value as a number.
func (r *openRows) Float(i int) float64 {
	if c := r.column(i); c != nil {
		return c.float
	}
	return r.Rows.Float(i)
}

// Text is the plain value as a text. It is valid until the next row.
func (r *openRows) Text(i int) []byte {
	if c := r.column(i); c != nil {
		return c.plain
	}
	return r.Rows.Text(i)
}

// Bytes is the plain value as bytes. It is valid until the next row.
func (r *openRows) Bytes(i int) []byte {
	if c := r.column(i); c != nil {
		return c.plain
	}
	return r.Rows.Bytes(i)
}

// VerifyHash reports whether a text fits the hash that an element with @hash has in the row of an entity whose other elements have the given values. It looks with the
// right of the database's owner, as DB does: who may ask is for the handler to decide. No row, several rows, and no hash are false, and cost the same time. An error is that of
// the database, or 503 if too many hashes are being made at once.
//
//	ok, err := cds.VerifyHash(ctx, "my.Staff", map[string]any{"ID": id}, "pin", sent)
func VerifyHash(ctx context.Context, entity string, row map[string]any, element, text string) (bool, error) {
	d := DB(ctx)
	if d.scope == nil || d.scope.app == nil {
		return false, AsError(errOutside)
	}
	e := d.scope.app.Model.Entity(entity)
	if e == nil || e.Element(element) == nil || e.Element(element).Seal() == nil || !e.Element(element).Seal().Hashed() {
		return false, Reject(500, "500", "%s has no element %s with @hash", entity, element)
	}
	var where cqn.Expr
	for _, name := range slices.Sorted(maps.Keys(row)) {
		v, err := ValueOf(row[name])
		if err != nil || v.IsNull() {
			return false, err
		}
		where = and(where, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(name), R: &cqn.Lit{Value: v}})
	}
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(entity)}, Where: where,
		Columns: []cqn.Column{{X: &cqn.Call{Name: "cds.hash", Args: []cqn.Expr{cqn.NewRef(element)}}, As: "hash"}}, Limit: &cqn.Lit{Value: cqn.Int(2)}}
	res, err := d.Run(ctx, q)
	if err != nil {
		return false, err
	}
	hash := ""
	if len(res.Rows) == 1 {
		hash = res.Rows[0].Value("hash").Str()
	}
	ok, err := crypt.Verify(ctx, e.Element(element).Seal().Kind, hash, text)
	if err != nil {
		return false, &Error{Status: 503, Code: "503", Message: "The server is busy. Try again later.", Cause: err}
	}
	return ok && hash != "", nil
}
