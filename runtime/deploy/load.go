package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/crypt"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// A loader loads one file into the table of its entity.
type loader struct {
	tx     db.Tx
	d      sqlgen.Dialect
	file   dataFile
	now    string
	faults *Error

	cols  []*csn.Element // of the file, by position
	fills []fill         // elements that the file has no column for
	keys  []int          // positions in cols of the key elements, nil if a key is generated
	seen  map[string]int // key values → line
	stmt  db.Stmt
	rows  int

	upsert bool // rows that are there are replaced
	isNew  func(table string) bool
	log    *slog.Logger
	warned map[*csn.Element]bool
	box    *crypt.Box
}

// A fill is a value for an element that a file has no column for.
type fill struct {
	el   *csn.Element
	uuid bool
	val  cqn.Value
}

func (l *loader) fault(code string, line, col int, hint, format string, args ...any) {
	l.faults.add(Fault{File: l.file.path, Line: line, Col: col, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// run loads the file. Faults of the data go to l.faults; an error is returned only if going on makes no sense.
func (l *loader) run(ctx context.Context, files fs.FS) error {
	e := l.file.entity
	if e.Source != nil {
		l.fault("csv-not-a-table", 0, 0, "name the file after "+tableName(e), "%s is a view, data can only be loaded into tables", e.Name)
		return nil
	}
	text, ok := l.read(files)
	if !ok {
		return nil
	}
	if strings.HasSuffix(l.file.path, ".json") {
		return l.runJSON(ctx, text)
	}
	r := newCSV(text)
	head, cerr := r.row()
	if cerr != nil {
		l.fault("csv-syntax", cerr.line, cerr.col, "", "%s", cerr.msg)
		return nil
	}
	if head == nil || !l.header(head) {
		return nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return databaseError("the deployment was canceled", err)
		}
		row, cerr := r.row()
		if cerr != nil {
			l.fault("csv-syntax", cerr.line, cerr.col, "", "%s", cerr.msg)
			return nil
		}
		if row == nil {
			return nil
		}
		if err := l.row(ctx, row); err != nil {
			return err
		}
	}
}

func tableName(e *csn.Entity) string {
	if t := e.Table(); t != nil {
		return t.Name
	}
	return "a table"
}

func (l *loader) read(files fs.FS) (string, bool) {
	if st, err := fs.Stat(files, l.file.path); err == nil && st.Size() > maxFile {
		l.fault("csv-too-large", 0, 0, "split it into several files", "the file has %d bytes, at most %d are read", st.Size(), maxFile)
		return "", false
	}
	data, err := fs.ReadFile(files, l.file.path)
	if err != nil {
		l.fault("csv-unreadable", 0, 0, "", "the file cannot be read: %s", err)
		return "", false
	}
	text := string(data)
	if !utf8.ValidString(text) {
		l.fault("csv-encoding", 0, 0, "save it as UTF-8", "the file is not encoded in UTF-8")
		return "", false
	}
	return text, true
}

// header resolves the names in the first row, and prepares the statement.
func (l *loader) header(head []cell) bool {
	e := l.file.entity
	columns := ddl.Columns(e)
	var names []string
	for _, el := range columns {
		if el.Value() == nil {
			names = append(names, el.Name)
		}
	}
	ok := true
	l.cols = make([]*csn.Element, len(head))
	for i, c := range head {
		name := strings.TrimSpace(c.text)
		el := column(columns, name)
		switch {
		case el == nil:
			l.fault("csv-unknown-column", c.line, c.col, l.columnHint(name, names), "%s has no column %q", e.Name, name)
			ok = false
		case el.Value() != nil:
			l.fault("csv-unknown-column", c.line, c.col, "remove the column", "%s.%s is calculated, it cannot be loaded", e.Name, el.Name)
			ok = false
		case slices.Contains(l.cols[:i], el):
			l.fault("csv-duplicate-column", c.line, c.col, "", "the column %q is there twice", name)
			ok = false
		}
		l.cols[i] = el
	}
	if !ok {
		return false
	}
	return l.prepare(head[0].line, columns)
}

// columnHint tells what to write instead of an unknown name.
func (l *loader) columnHint(name string, names []string) string {
	if el := l.file.entity.Element(name); el != nil {
		if a := el.Assoc(); a != nil && len(a.FK) > 0 {
			fks := make([]string, len(a.FK))
			for i, fk := range a.FK {
				fks[i] = fk.Name
			}
			return "write the foreign key: " + strings.Join(fks, ", ")
		}
		return "the element has no column in the database"
	}
	return suggest(name, names)
}

// column finds an element by its flat name, or by its path with dots.
func column(columns []*csn.Element, name string) *csn.Element {
	for _, el := range columns {
		if el.Name == name || len(el.Path()) > 1 && strings.Join(el.Path(), ".") == name {
			return el
		}
	}
	return nil
}

// prepare decides how elements without a column in the file are filled, and writes the statement. It reports whether rows can be loaded.
func (l *loader) prepare(line int, columns []*csn.Element) bool {
	e := l.file.entity
	generated := false
	for _, el := range columns {
		if el.Value() != nil || slices.Contains(l.cols, el) {
			continue
		}
		f, ok := l.fillFor(el)
		switch {
		case ok:
			l.fills = append(l.fills, f)
			generated = generated || el.Key
		case el.Key && el.Default() == nil:
			l.fault("csv-missing-key", line, 1, "", "the column of the key %q is missing", el.Name)
			return false
		}
	}
	if !generated && len(e.Keys) > 0 {
		for _, k := range e.Keys {
			if i := slices.Index(l.cols, k); i >= 0 {
				l.keys = append(l.keys, i)
			}
		}
		l.seen = map[string]int{}
	}
	keys := ddl.Key(e)
	if l.upsert && (generated || len(keys) == 0) {
		l.log.Warn("data file passed over: its rows have no keys by which they could replace those that are there", "file", l.file.path)
		return false
	}
	var b, marks []byte
	b = append(b, "INSERT INTO "+sqlgen.Quote(sqlgen.TableName(e), l.d)+" ("...)
	n := 0
	put := func(el *csn.Element) {
		if n++; n > 1 {
			b, marks = append(b, ", "...), append(marks, ", "...)
		}
		b = append(b, sqlgen.Quote(el.Name, l.d)...)
		marks = l.d.Param(marks, n, storedType(el))
	}
	for _, el := range l.cols {
		put(el)
	}
	for _, f := range l.fills {
		put(f.el)
	}
	b = append(append(append(b, ") VALUES ("...), marks...), ')')
	if l.upsert {
		b = l.replace(b, keys)
	}
	l.stmt = db.Stmt{SQL: string(b), Binds: make([]cqn.Value, n)}
	return true
}

// replace appends what happens to a row that is there: the columns of the file get their values, others stay.
func (l *loader) replace(b []byte, keys []string) []byte {
	b = append(b, " ON CONFLICT ("...)
	for i, k := range keys {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, sqlgen.Quote(k, l.d)...)
	}
	b = append(b, ") DO "...)
	sets := []byte(nil)
	for _, el := range l.cols {
		if slices.Contains(keys, el.Name) {
			continue
		}
		if sets != nil {
			sets = append(sets, ", "...)
		}
		name := sqlgen.Quote(el.Name, l.d)
		sets = append(sets, name+" = excluded."+name...)
	}
	if sets == nil {
		return append(b, "NOTHING"...)
	}
	return append(append(b, "UPDATE SET "...), sets...)
}

// fillFor returns how an element without a column in the file is filled; not at all if the database has a default or null will do.
func (l *loader) fillFor(el *csn.Element) (fill, bool) {
	s := el.Scalar()
	if el.Key && el.ForeignKey == nil && s != nil && s.Kind == csn.UUID {
		return fill{el: el, uuid: true}, true
	}
	if el.ForeignKey != nil {
		return fill{}, false
	}
	switch v := el.Annotations.Get("cds.on.insert"); {
	case v == nil:
		if p, ok := el.Default().(*cqn.Param); ok && p.From == cqn.FromNow { // the database's own time has another form
			return l.moment(el)
		}
	case strings.HasPrefix(variable(v), "$now"):
		return l.moment(el)
	case variable(v) == "$user": // not $user.id: as recorded of CAP
		return fill{el: el, val: cqn.String("anonymous")}, true
	case variable(v) == "$uuid":
		return fill{el: el, uuid: true}, true
	}
	return fill{}, false
}

// variable returns the name of the variable that an annotation's value is.
func variable(v *cqn.AnnoValue) string {
	switch v.Kind {
	case cqn.AnnoRef:
		return v.Text
	case cqn.AnnoExpr:
		if p, ok := v.Expr.(*cqn.Param); ok {
			switch p.From {
			case cqn.FromNow:
				return "$now"
			case cqn.FromUserID:
				if v.Text != "$user.id" {
					return "$user"
				}
			}
		}
		return v.Text
	}
	return ""
}

func (l *loader) moment(el *csn.Element) (fill, bool) {
	v, err := cds.Convert(el, cqn.Text(cqn.KindTimestamp, l.now), el.Name)
	return fill{el: el, val: v}, err == nil
}

// row inserts one row.
func (l *loader) row(ctx context.Context, row []cell) error {
	ok := true
	for i, c := range row {
		if i >= len(l.cols) {
			if !c.null() {
				l.fault("csv-too-many-cells", c.line, c.col, `put a cell that has the separator in it in quotes`,
					"the row has more cells than the header has columns (%d)", len(l.cols))
				return nil
			}
			continue
		}
		v, good := l.value(l.cols[i], c)
		l.stmt.Binds[i], ok = v, ok && good
	}
	for i := len(row); i < len(l.cols); i++ {
		v, good := l.value(l.cols[i], cell{line: row[0].line, col: row[0].col})
		l.stmt.Binds[i], ok = v, ok && good
	}
	if !ok || !l.unique(row) {
		return nil
	}
	for i, f := range l.fills {
		v := f.val
		if f.uuid {
			id, err := uuid.NewV7()
			if err != nil {
				return databaseError("no random numbers for a key", err)
			}
			v = cqn.String(id.String())
		}
		l.stmt.Binds[len(l.cols)+i] = v
	}
	return l.insert(ctx, row)
}

// unique reports whether the row's key is new.
func (l *loader) unique(row []cell) bool {
	if len(l.keys) == 0 {
		return true
	}
	var b strings.Builder
	var shown []string
	for _, i := range l.keys {
		v := l.stmt.Binds[i].Format()
		fmt.Fprintf(&b, "%d:%s", len(v), v)
		shown = append(shown, v)
	}
	if first := l.seen[b.String()]; first > 0 {
		l.fault("csv-duplicate-key", row[0].line, row[0].col, fmt.Sprintf("the first one is in line %d", first),
			"%s has another row with the key %s", l.file.entity.Name, strings.Join(shown, ", "))
		return false
	}
	l.seen[b.String()] = row[0].line
	return true
}

func (l *loader) insert(ctx context.Context, row []cell) error {
	if l.faults.broken { // what can be told without the database is told still
		return nil
	}
	if !l.seal(ctx, row) {
		return nil
	}
	_, err := l.tx.Exec(ctx, l.stmt)
	at := row[0]
	if err != nil && !l.usable(ctx) {
		l.faults.broken = true
	}
	switch {
	case err == nil:
		l.rows++
		return nil
	case errors.Is(err, db.ErrUnique):
		l.fault("csv-duplicate-key", at.line, at.col, "", "%s has a row with the same key or unique elements already", l.file.entity.Name)
	case errors.Is(err, db.ErrNotNull):
		l.fault("csv-null", at.line, at.col, "", "an element of %s that must not be null is null", l.file.entity.Name)
	case errors.Is(err, db.ErrCheck), errors.Is(err, db.ErrForeignKey), errors.Is(err, db.ErrValue):
		l.fault("csv-bad-value", at.line, at.col, "", "the database refuses the row: %s", err)
	default:
		return databaseError(fmt.Sprintf("%s:%d: the row could not be stored", l.file.path, at.line), err)
	}
	return nil
}

// usable reports whether statements can go on after one has failed: some databases give the transaction up.
func (l *loader) usable(ctx context.Context) bool {
	rows, err := l.tx.Query(ctx, db.Stmt{SQL: "SELECT 1"})
	if err == nil {
		_, err = rows.Next()
		err = errors.Join(err, rows.Close())
	}
	return err == nil
}

// value converts a cell to the type of its element.
func (l *loader) value(el *csn.Element, c cell) (cqn.Value, bool) {
	if c.null() {
		s := el.Scalar()
		if el.Key && el.ForeignKey == nil && s != nil && s.Kind == csn.UUID {
			if id, err := uuid.NewV7(); err == nil {
				return cqn.String(id.String()), true
			}
		}
		if el.Key || el.NotNull {
			l.fault("csv-null", c.line, c.col, "", "%s must have a value", el.Name)
			return cqn.Null, false
		}
		return cqn.Null, true
	}
	v, err := convert(el, c.text)
	if err != nil && opaque(el) { // CAP loads these; a data file that works there works here
		l.warn(el, c)
		return cqn.String(c.text), true
	}
	if err != nil {
		l.fault("csv-bad-value", c.line, c.col, hintFor(el), "%s: %s", el.Name, err)
		return cqn.Null, false
	}
	return v, true
}

// opaque reports whether a text that does not fit the element's type can be stored all the same: a UUID of another form, or a text that is too long.
func opaque(el *csn.Element) bool {
	s := el.Scalar()
	return s != nil && (s.Kind == csn.UUID || s.Kind == csn.String)
}

// warn tells of a value that does not fit its type, once for each column.
func (l *loader) warn(el *csn.Element, c cell) {
	if l.warned == nil {
		l.warned = map[*csn.Element]bool{}
	}
	if l.warned[el] {
		return
	}
	l.warned[el] = true
	l.log.Warn("value does not fit its type; it is loaded, but clients could not send it", "file", l.file.path, "line", c.line, "element", el.Name)
}

func convert(el *csn.Element, text string) (cqn.Value, error) {
	s := el.Scalar()
	if s == nil || s.Kind == csn.Map || s.Kind == csn.Vector {
		if !json.Valid([]byte(text)) {
			return cqn.Null, fmt.Errorf("%q is not JSON", clip(text))
		}
		return cqn.String(text), nil
	}
	if s.Kind == csn.Boolean {
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true", "1":
			return cqn.Bool(true), nil
		case "false", "0":
			return cqn.Bool(false), nil
		}
		return cqn.Null, fmt.Errorf("%q is not a valid Boolean", clip(text))
	}
	if s.Kind != csn.String && s.Kind != csn.LargeString {
		text = strings.TrimSpace(text)
	}
	v, err := cds.Convert(el, cqn.String(text), el.Name)
	var ce *cds.Error
	if errors.As(err, &ce) {
		return cqn.Null, errors.New(ce.Message)
	}
	return v, err
}

func clip(s string) string {
	if utf8.RuneCountInString(s) > 60 {
		return string([]rune(s)[:60]) + "…"
	}
	return s
}

// hintFor shows what values of an element look like.
func hintFor(el *csn.Element) string {
	s := el.Scalar()
	if s == nil {
		return `such as ["a","b"]`
	}
	switch s.Kind {
	case csn.Boolean:
		return "true or false"
	case csn.Date:
		return "such as 2024-02-29"
	case csn.Time:
		return "such as 08:30:00"
	case csn.DateTime:
		return "such as 2024-02-29T08:30:00Z"
	case csn.Timestamp:
		return "such as 2024-02-29T08:30:00.000Z"
	case csn.UUID:
		return "such as 0a000000-0000-4000-8000-000000000001"
	case csn.Binary, csn.LargeBinary:
		return "in base64"
	case csn.Decimal, csn.Double:
		return "with a point, such as 12.5"
	}
	return ""
}
