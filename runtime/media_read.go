package cds

import (
	"context"
	"errors"
	"io"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// Reading media data. A first query finds the rows, with the sizes of their data and the data themselves where they are few. The rest follows in pieces, each
// by a query of its own under the same guard, or from its place in the database's file; the place too is found under the guard. All of it happens in one
// transaction that sees one state, so a row that the user may not see any more, or other data, can't come in between.

// A MediaRead asks a READ of one row for the data of one of its elements (LargeBinary) in a form that needs no memory: the row of the answer has a value
// of cqn.KindBlob if there are many bytes, of cqn.KindBytes for few, null for none.
type MediaRead struct {
	Element *csn.Element
	// Part, if not nil, is told how many bytes there are, and says which are wanted. It is not called for data in memory, nor for what handlers of
	// the application answer.
	Part func(size int64) (off, n int64)
}

// ReadMedia is Execute for a READ with RawRequest.Media. The value in the answer is the caller's to release (ReleaseMedia).
func (r *RawRequest) ReadMedia(ctx context.Context, q *cqn.Select) (*Result, error) {
	l := &largeRead{q: q, entity: r.Target}
	if r.Media != nil {
		l.only, l.part = r.Media.Element, r.Media.Part
	}
	return r.readLarge(ctx, l)
}

// ReadLarge is Execute for a query of rows of the request's target whose columns may be elements with large binary data: such values are of cqn.KindBlob then.
// They can be read until the request ends.
func (r *RawRequest) ReadLarge(ctx context.Context, q *cqn.Select) (*Result, error) {
	return r.readLarge(ctx, &largeRead{q: q, entity: largeEntity(r.App(), q), keep: true})
}

// largeEntity returns the entity that a query's path leads to, nil if it is not known: its data are read like other values then.
func largeEntity(a *App, q *cqn.Select) *csn.Entity {
	from, ok := q.From.(*cqn.From)
	if !ok || from.Path == nil || len(from.Path.Path) == 0 {
		return nil
	}
	e := a.Model.Entity(from.Path.Path[0].Name)
	for _, step := range from.Path.Path[1:] {
		if e == nil {
			return nil
		}
		el := e.Element(step.Name)
		if el == nil || el.Assoc() == nil {
			return nil
		}
		e = el.Assoc().Target
	}
	return e
}

func (r *RawRequest) readLarge(ctx context.Context, l *largeRead) (*Result, error) {
	if r.state == nil || r.state.guard == nil {
		return nil, &Error{Status: 403, Code: "403", Message: "Forbidden", Cause: errOutside}
	}
	l.unit, l.guard, l.user = r.state.unit, r.state.guard, r.User
	rows, err := l.read(ctx)
	if err != nil {
		err = clientError(err)
		r.logForbidden(ctx, err)
		return nil, err
	}
	return rowsResult(l.q, rows), nil
}

// ReadLarge is Run for a query of rows whose columns may be elements with large binary data: see RawRequest.ReadLarge. It needs the context of a request.
func (d *Database) ReadLarge(ctx context.Context, q *cqn.Select) (*Result, error) {
	if d.scope == nil || d.scope.app == nil || d.scope.unit == nil || d.scope.unit.isEnded() {
		return nil, AsError(errOutside)
	}
	user := d.scope.user
	if user == nil {
		user = anonymous
	}
	l := &largeRead{unit: d.scope.unit, guard: d.scope.app.owner(), user: user, q: q, entity: largeEntity(d.scope.app, q), keep: true}
	rows, err := l.read(ctx)
	if err != nil {
		return nil, clientError(err)
	}
	return rowsResult(q, rows), nil
}

// A largeRead is one query with its large values.
type largeRead struct {
	unit   *unit
	guard  sqlgen.Guarder
	user   *User
	q      *cqn.Select
	entity *csn.Entity
	only   *csn.Element                    // the one element that is large; nil for all that may be
	part   func(size int64) (off, n int64) // what is wanted of it; nil for all
	keep   bool                            // until the end of the unit of work
	large  []*csn.Element
}

// sizeMark begins the names of columns with sizes. No element can have such a name.
const sizeMark = "#size"

func isLarge(el *csn.Element) bool {
	t := el.Scalar()
	return t != nil && t.Kind == csn.LargeBinary && !el.Virtual
}

// read runs the query, then reads the large values of its rows.
func (l *largeRead) read(ctx context.Context) ([]*Row, error) {
	q := *l.q
	q.Columns = nil
	for _, c := range l.q.Columns {
		ref, plain := c.X.(*cqn.Ref)
		if plain && len(ref.Path) == 1 && c.As == "" && c.Cast == nil && l.entity != nil {
			if el := l.entity.Element(ref.Path[0].Name); el != nil && isLarge(el) && (l.only == nil || l.only == el) {
				q.Columns = append(q.Columns, l.measured(el)...)
				continue
			}
		}
		q.Columns = append(q.Columns, c)
	}
	rows, _, err := l.unit.read(ctx, &q, l.guard, l.user, 0)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		for i, el := range l.large {
			mark := sizeMark + strconv.Itoa(i)
			size := row.Value(mark)
			row.Delete(mark)
			if size.IsNull() || size.Int() <= inMemory {
				continue
			}
			v, err := l.fetch(ctx, row, el, size.Int())
			if err != nil {
				return nil, err
			}
			row.Set(el.Name, v)
		}
	}
	return rows, nil
}

// measured returns the columns for a large element: its size, and its value if that is small.
func (l *largeRead) measured(el *csn.Element) []cqn.Column {
	size := &cqn.Call{Name: "cds.size", Args: []cqn.Expr{cqn.NewRef(el.Name)}}
	mark := sizeMark + strconv.Itoa(len(l.large))
	l.large = append(l.large, el)
	small := &cqn.Case{Whens: []cqn.When{{Cond: &cqn.Binary{Op: cqn.Le, L: size, R: &cqn.Lit{Value: cqn.Int(inMemory)}}, Then: cqn.NewRef(el.Name)}}}
	return []cqn.Column{{X: size, As: mark}, {X: small, As: el.Name}}
}

// fetch reads a large value of a row that the query has found.
func (l *largeRead) fetch(ctx context.Context, row *Row, el *csn.Element, size int64) (v Value, err error) {
	off, n := int64(0), size
	if l.part != nil {
		off, n = l.part(size)
	}
	if off < 0 || n <= 0 || off >= size {
		return cqn.OfBlob(&Spool{app: l.unit.app, size: size}), nil
	}
	s, err := l.unit.app.spool()
	if err != nil {
		return cqn.Null, err
	}
	defer func() {
		if err != nil {
			_ = s.Close() // the first error says more
		}
	}()
	n = min(n, size-off)
	q := &cqn.Select{From: l.q.From, Where: l.q.Where, Localized: l.q.Localized, One: true}
	if x := KeyFilter(l.entity, row); x != nil {
		q.Where = and(q.Where, x)
	}
	done := false
	if !q.Localized || !l.entity.Localized {
		if done, err = l.fromPlace(ctx, s, q, el, size, off, n); err != nil {
			return cqn.Null, err
		}
	}
	if !done {
		if done, err = l.allPieces(ctx, s, q, el, off, n); err != nil {
			return cqn.Null, err
		}
	}
	if !done {
		if err := l.inPieces(ctx, s, q, el, off, n); err != nil {
			return cqn.Null, err
		}
	}
	s.size, s.off = size, off
	s.handed = !l.keep
	l.unit.keep(s)
	return cqn.OfBlob(s), nil
}

var errChanged = errors.New("large data were cut off while they were read")

// inPieces reads n bytes from off on by queries.
func (l *largeRead) inPieces(ctx context.Context, s *Spool, q *cqn.Select, el *csn.Element, off, n int64) error {
	for n > 0 {
		want := min(n, mediaPiece)
		q.Columns = []cqn.Column{{X: &cqn.Call{Name: "cds.piece", Args: []cqn.Expr{cqn.NewRef(el.Name),
			&cqn.Lit{Value: cqn.Int(off + 1)}, &cqn.Lit{Value: cqn.Int(want)}}}, As: el.Name}}
		rows, _, err := l.unit.read(ctx, q, l.guard, l.user, 0)
		if err != nil {
			return err
		}
		if len(rows) != 1 || int64(len(rows[0].Value(el.Name).Str())) != want {
			return errChanged
		}
		if _, err := io.WriteString(s, rows[0].Value(el.Name).Str()); err != nil {
			return err
		}
		off, n = off+want, n-want
	}
	return nil
}

// allPieces reads n bytes from off on by one query; false if the database is better asked for one piece after the other.
func (l *largeRead) allPieces(ctx context.Context, s *Spool, q *cqn.Select, el *csn.Element, off, n int64) (bool, error) {
	t := l.unit
	if t.app.DB.Dialect().Tables().Pieces == "" {
		return false, nil
	}
	all := *q
	all.Columns = []cqn.Column{{X: &cqn.Call{Name: "cds.pieces", Args: []cqn.Expr{cqn.NewRef(el.Name), &cqn.Lit{Value: cqn.Int(off + 1)}, &cqn.Lit{Value: cqn.Int(off + n)},
		&cqn.Lit{Value: cqn.Int(mediaPiece)}}}, As: el.Name}}
	buf := bufferPool.Get().(*buffers)
	defer buf.release()
	p, err := t.app.plan(&all, l.guard, buf)
	if err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.identify(ctx, l.user); err != nil {
		return false, err
	}
	tx, err := t.begin(false)
	if err != nil {
		return false, err
	}
	rd := t.reader(ctx, tx, l.user, buf)
	rows, err := rd.queryAs(p.Plan, p.SQL)
	if err != nil {
		return false, err
	}
	for {
		ok, err := rows.Next()
		if err == nil && ok {
			err = s.piece(rows, n)
		}
		if err != nil {
			_ = rows.Close() // the first error says more
			return false, err
		}
		if !ok {
			break
		}
	}
	if err := rows.Close(); err != nil {
		return false, err
	}
	if s.n != n {
		return false, errChanged
	}
	return true, nil
}

// piece takes the next piece of n bytes: what is behind them is not wanted.
func (s *Spool) piece(rows db.Rows, n int64) error {
	b := rows.Bytes(1)
	if s.n == 0 {
		s.off = rows.Int(0)
	}
	if rows.Int(0) != s.off+s.n || s.n >= n {
		return errChanged
	}
	_, err := s.Write(b[:min(int64(len(b)), n-s.n)])
	return err
}

// fromPlace reads n bytes from off on from where the database keeps the value; false if it is not to be had that way.
func (l *largeRead) fromPlace(ctx context.Context, s *Spool, q *cqn.Select, el *csn.Element, size, off, n int64) (bool, error) {
	t := l.unit
	if len(t.app.DB.Dialect().Tables().RowID) == 0 {
		return false, nil
	}
	at := *q
	at.One = false
	at.Columns = []cqn.Column{{X: &cqn.Call{Name: "cds.place", Args: []cqn.Expr{cqn.NewRef(el.Name)}}, As: el.Name}}
	buf := bufferPool.Get().(*buffers)
	defer buf.release()
	p, err := t.app.plan(&at, l.guard, buf)
	if errors.Is(err, sqlgen.ErrNotUpdatable) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.identify(ctx, l.user); err != nil {
		return false, err
	}
	tx, err := t.begin(false)
	if err != nil {
		return false, err
	}
	bt, ok := tx.(db.BlobTx)
	if !ok {
		return false, nil
	}
	rd := t.reader(ctx, tx, l.user, buf)
	row, ok, err := rd.oneNumber(p.Plan)
	if err != nil || !ok {
		return false, err
	}
	b, err := bt.OpenBlob(ctx, db.Place{Table: p.Place.Table, Column: p.Place.Column, Row: row})
	if err != nil {
		return false, err
	}
	if b.Size() != size { // what the user sees is not what is stored
		return false, b.Close()
	}
	_, err = b.Seek(off, io.SeekStart)
	if err == nil {
		err = s.take(ctx, io.LimitReader(b, n))
	}
	if cerr := b.Close(); err == nil {
		err = cerr
	}
	if err == nil && s.n != n {
		err = errChanged
	}
	return true, err
}

// oneNumber runs a query for one number; ok is false if it finds none, or several.
func (rd *reader) oneNumber(p *sqlgen.Plan) (n int64, ok bool, err error) {
	rows, err := rd.queryAs(p, p.SQL)
	if err != nil {
		return 0, false, err
	}
	found := 0
	for {
		ok, err := rows.Next()
		if err != nil {
			_ = rows.Close() // the error of Next says more
			return 0, false, err
		}
		if !ok {
			break
		}
		n = rows.Int(0)
		found++
	}
	return n, found == 1, rows.Close()
}

// keep closes a spool when the unit of work ends; one that is handed over only if the work has failed.
func (t *unit) keep(s *Spool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spools = append(t.spools, s)
}

// hasBlob tells rows with large values.
func hasBlob(row *Row) bool {
	for _, f := range row.Fields() {
		if f.Value.Kind() == cqn.KindBlob {
			return true
		}
	}
	return false
}

// whole returns a row whose large values are all there, and of a known size: those that come from a reader are read first.

func (t *unit) whole(ctx context.Context, row *Row) (*Row, error) {
	for i, f := range row.Fields() {
		b := f.Value.Blob()
		if b == nil {
			continue
		}
		if s, ok := b.(*Spool); ok && s.off == 0 && s.n == s.size {
			continue
		}
		r, err := b.Open()
		if err != nil {
			return nil, err
		}
		v, err := t.app.Spool(ctx, r, maxMedia)
		if cerr := r.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return nil, err
		}
		if s, ok := v.Blob().(*Spool); ok {
			t.keep(s)
		}
		if row = row.Clone(); row != nil {
			row.Set(row.Fields()[i].Name, v)
		}
	}
	return row, nil
}
