package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/crypt"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// EncryptOptions say what Encrypt may do.
type EncryptOptions struct {
	Keys *crypt.Ring
	// Plain encrypts values that are not encrypted, and hashes those that are no hashes: after @encrypted or @hash has come to an element with data.
	Plain bool
	// Dry changes nothing.
	Dry bool
}

// An Encrypted tells what Encrypt has found in a column.
type Encrypted struct {
	Table, Column string
	Hashed        bool
	Unmarked      bool // hashes of the column (sha256) cannot be told from texts of the same form
	Values        int  // that are not null
	Old           int  // encrypted with other keys than the active one
	Plain         int  // neither encrypted nor hashed
	Changed       int
}

// allRows is what the statements of Encrypt have open in a database with row-level security: values of all tenants have a key.
const allRows = sqlgen.EverythingOpen + "," + sqlgen.AllTenantsOpen

// encryptPage is how many values are changed in one transaction.
const encryptPage = 200

// Encrypt brings all values of encrypted elements to the active key, those of drafts too. It may run while the application does: a value that is changed meanwhile
// is left as it is. Errors are of type *Error; what was changed before stays changed.
func Encrypt(ctx context.Context, pool db.Pool, m *csn.Model, opt EncryptOptions) ([]Encrypted, error) {
	full, err := ddl.WithDrafts(m)
	if err != nil {
		return nil, modelError(err)
	}
	box, err := crypt.NewBox(full, opt.Keys)
	if err != nil {
		return nil, &Error{Faults: []Fault{{Code: "encrypt-no-key", Message: err.Error(), Hint: "configure encryption.keys"}}}
	}
	var out []Encrypted
	for _, e := range full.Entities {
		if e.Source != nil || e.SkipPersistence || e.Exists || len(e.Union) > 0 {
			continue
		}
		for _, el := range ddl.Columns(e) {
			if el.Seal() == nil {
				continue
			}
			c := &encrypter{pool: pool, d: pool.Dialect(), opt: opt, e: e, el: el, box: box, keys: ddl.Key(e)}
			found, err := c.run(ctx)
			if err != nil {
				return out, err
			}
			out = append(out, found)
		}
	}
	return out, nil
}

// An encrypter works on one column.
type encrypter struct {
	pool db.Pool
	d    sqlgen.Dialect
	opt  EncryptOptions
	e    *csn.Entity
	el   *csn.Element
	box  *crypt.Box
	keys []string
}

func (c *encrypter) quote(name string) string { return sqlgen.Quote(name, c.d) }

func (c *encrypter) run(ctx context.Context) (Encrypted, error) {
	out := Encrypted{Table: c.e.Name, Column: c.el.Name, Hashed: c.el.Seal().Hashed(), Unmarked: c.el.Seal().Kind == csn.SealSHA256}
	if len(c.keys) == 0 {
		return out, c.fault("encrypt-no-key-columns", "its rows have no key, so they cannot be changed one by one", "")
	}
	if err := c.count(ctx, &out); err != nil {
		return out, err
	}
	if out.Plain > 0 && !c.opt.Plain && !c.opt.Dry {
		return out, c.fault("encrypt-plain", fmt.Sprintf("%d values are kept as they are, neither encrypted nor hashed", out.Plain),
			"--plain encrypts or hashes them; without it they may be what somebody has put there")
	}
	if c.opt.Dry {
		return out, nil
	}
	var after []cqn.Value
	for {
		n, last, err := c.page(ctx, after)
		out.Changed += n
		if err != nil || last == nil {
			return out, err
		}
		after = last
	}
}

func (c *encrypter) fault(code, message, hint string) error {
	return &Error{Faults: []Fault{{Code: code, Message: c.e.Name + "." + c.el.Name + ": " + message, Hint: hint}}}
}

// count looks at all values.
func (c *encrypter) count(ctx context.Context, out *Encrypted) error {
	tx, err := c.pool.Read(ctx, db.Session{})
	if err != nil {
		return databaseError("the database cannot be read", err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := c.held(ctx, tx); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, db.Stmt{SQL: "SELECT " + c.quote(c.el.Name) + " FROM " + c.quote(sqlgen.TableName(c.e)) + " WHERE " + c.quote(c.el.Name) + " IS NOT NULL", Opens: allRows})
	if err != nil {
		return databaseError("a table cannot be read: "+c.e.Name, err)
	}
	for {
		ok, err := rows.Next()
		if err != nil || !ok {
			if cerr := rows.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				return databaseError("a table cannot be read: "+c.e.Name, err)
			}
			return nil
		}
		out.Values++
		switch plain, current := c.state(rows.Text(0)); {
		case plain:
			out.Plain++
		case !current:
			out.Old++
		}
	}
}

// held reports a database that would show some rows only: by row-level security, and nobody here has its key. Values that are not seen would be taken for none.
func (c *encrypter) held(ctx context.Context, tx db.Tx) error {
	if c.d.Name() != "postgres" || c.d.Tables().RowSecurity {
		return nil
	}
	held := false
	err := db.Each(ctx, tx, db.Stmt{SQL: "SELECT row_security_active($1)", Binds: []cqn.Value{cqn.String(c.quote(sqlgen.TableName(c.e)))}}, func(r db.Rows) error {
		held = r.Int(0) != 0
		return nil
	})
	if err != nil {
		return databaseError("a table cannot be read: "+c.e.Name, err)
	}
	if held {
		return c.fault("encrypt-rls", "row-level security hides rows from the role of this connection", "configure requires.db.rls with its key, or connect as the owner of the tables (--to)")
	}
	return nil
}

// state tells whether a kept value is not encrypted or hashed, and whether it is as it should be.
func (c *encrypter) state(kept []byte) (plain, current bool) {
	s := c.el.Seal()
	if s.Hashed() {
		ok := crypt.IsHash(s.Kind, string(kept)) || s.Kind == csn.SealSHA256 && crypt.IsSHA256(string(kept))
		return !ok, ok
	}
	col, err := c.box.Column(s)
	if err != nil {
		return false, false
	}
	kid, current := col.State(kept)
	return kid == "", current
}

// A keptValue is a value with the key of its row.
type keptValue struct {
	key  []cqn.Value
	text []byte
}

// page brings the values behind a key, in order of the keys, up to date. last is the key of the last one, nil if there are no more.
func (c *encrypter) page(ctx context.Context, after []cqn.Value) (changed int, last []cqn.Value, err error) {
	tx, err := c.pool.Write(ctx, db.Session{})
	if err != nil {
		return 0, nil, databaseError("the database cannot be written to", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	all, err := c.read(ctx, tx, after)
	if err != nil {
		return 0, nil, databaseError("a table cannot be read: "+c.e.Name, err)
	}
	for _, v := range all {
		last = v.key
		if _, current := c.state(v.text); current {
			continue
		}
		now, err := c.renew(ctx, v)
		if err != nil {
			return 0, nil, err
		}
		n, err := tx.Exec(ctx, c.update(v, now))
		if err != nil {
			return 0, nil, databaseError("a value could not be changed in "+c.e.Name, err)
		}
		changed += int(n)
	}
	if err := tx.Commit(); err != nil {
		return 0, nil, databaseError("the changes could not be committed", err)
	}
	if len(all) < encryptPage {
		last = nil
	}
	return changed, last, nil
}

// renew returns what is to be kept of a value.
func (c *encrypter) renew(ctx context.Context, v keptValue) (cqn.Value, error) {
	s := c.el.Seal()
	if s.Hashed() {
		text, err := c.box.Store(ctx, s, cqn.String(string(v.text)))
		if err != nil {
			return text, c.fault("encrypt-failed", err.Error()+" (row "+keyText(v.key)+")", "")
		}
		return text, nil
	}
	col, err := c.box.Column(s)
	if err != nil {
		return cqn.Null, c.fault("encrypt-no-key", err.Error(), "configure encryption.keys")
	}
	plain := v.text
	if kid, _ := col.State(v.text); kid != "" {
		if plain, err = col.Open(nil, v.text); err != nil {
			hint := ""
			if errors.Is(err, crypt.ErrKey) {
				hint = "put the old key behind the new one into encryption.keys until all values are encrypted anew"
			}
			why := strings.TrimLeft(strings.TrimPrefix(err.Error(), s.Column), ",: ")
			return cqn.Null, c.fault("encrypt-failed", why+" (row "+keyText(v.key)+")", hint)
		}
	}
	return cqn.String(string(col.Seal(nil, plain))), nil
}

func keyText(key []cqn.Value) string {
	parts := make([]string, len(key))
	for i, v := range key {
		parts[i] = v.Format()
	}
	return strings.Join(parts, ",")
}

// read reads one page of values.
func (c *encrypter) read(ctx context.Context, tx db.Tx, after []cqn.Value) ([]keptValue, error) {
	keys := make([]string, len(c.keys))
	for i, k := range c.keys {
		keys[i] = c.quote(k)
	}
	list, col := strings.Join(keys, ", "), c.quote(c.el.Name)
	sql := "SELECT " + col + ", " + list + " FROM " + c.quote(sqlgen.TableName(c.e)) + " WHERE " + col + " IS NOT NULL"
	if after != nil {
		marks := make([]string, len(keys))
		for i := range marks {
			marks[i] = string(c.d.Param(nil, i+1, c.keyType(i)))
		}
		sql += " AND (" + list + ") > (" + strings.Join(marks, ", ") + ")"
	}
	sql += " ORDER BY " + list + fmt.Sprintf(" LIMIT %d", encryptPage)
	rows, err := tx.Query(ctx, db.Stmt{SQL: sql, Binds: after, Opens: allRows})
	if err != nil {
		return nil, err
	}
	var out []keptValue
	for {
		ok, err := rows.Next()
		if err != nil || !ok {
			if cerr := rows.Close(); err == nil {
				err = cerr
			}
			return out, err
		}
		v := keptValue{text: append([]byte(nil), rows.Text(0)...)}
		for i := range keys {
			v.key = append(v.key, keyOf(rows, i+1))
		}
		out = append(out, v)
	}
}

// keyType is the type of a key column.
func (c *encrypter) keyType(i int) *csn.Builtin {
	if el := c.e.Element(c.keys[i]); el != nil {
		return el.Scalar()
	}
	return nil
}

func keyOf(rows db.Rows, i int) cqn.Value {
	switch rows.Type(i) {
	case db.TypeNull:
		return cqn.Null
	case db.TypeInt:
		return cqn.Int(rows.Int(i))
	case db.TypeFloat:
		return cqn.Float(rows.Float(i))
	case db.TypeBool:
		return cqn.Bool(rows.Int(i) != 0)
	case db.TypeDecimal:
		return cqn.Decimal(string(rows.Text(i)))
	case db.TypeBlob:
		return cqn.Bytes(append([]byte(nil), rows.Bytes(i)...))
	}
	return cqn.String(string(rows.Text(i)))
}

// update changes a value unless somebody else has changed it since it was read.
func (c *encrypter) update(v keptValue, now cqn.Value) db.Stmt {
	text := &csn.Builtin{Name: "cds.LargeString", Kind: csn.LargeString}
	s := db.Stmt{Binds: []cqn.Value{now, cqn.String(string(v.text))}, Opens: allRows}
	sql := "UPDATE " + c.quote(sqlgen.TableName(c.e)) + " SET " + c.quote(c.el.Name) + " = " + string(c.d.Param(nil, 1, text)) +
		" WHERE " + c.quote(c.el.Name) + " = " + string(c.d.Param(nil, 2, text))
	for i, k := range c.keys {
		sql += " AND " + c.quote(k) + " = " + string(c.d.Param(nil, i+3, c.keyType(i)))
		s.Binds = append(s.Binds, v.key[i])
	}
	s.SQL = sql
	return s
}
