package sqlgen

import (
	"fmt"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Values that are too large for memory. Any database measures them and cuts pieces out of them by functions, in an ordinary query:
//
//	cds.size(element)               the number of bytes
//	cds.piece(element, from, n)     n bytes, counted from 1
//
// A database that keeps rows by number can open a value by its place instead, which is found by a query for one column alone:
//
//	cds.place(element)              see Plan.Place
//
// Asking for one piece after the other unpacks a value that is kept packed from its beginning each time. Where the database can do better (Tables.Pieces), it
// is asked for all of them at once:
//
//	cds.pieces(element, from, to, n)
//
// All of them read their element like any other query: under the guard, and not at all if the user may not read it.

// placeOf returns the element whose place a query asks for, nil for other queries.
func placeOf(q *cqn.Select) *cqn.Ref {
	if len(q.Columns) != 1 {
		return nil
	}
	call, ok := q.Columns[0].X.(*cqn.Call)
	if !ok || call.Name != "cds.place" || len(call.Args) != 1 {
		return nil
	}
	ref, _ := call.Args[0].(*cqn.Ref)
	return ref
}

// placePlan compiles a query for the place of a value: the numbers of the table's rows whose keys are those of the entity's rows that the guard and
// the conditions let through. An element that is not simply a column of a table has none: ErrNotUpdatable.
func (c *compiler) placePlan(q *cqn.Select, ref *cqn.Ref) (*Plan, error) {
	from, ok := q.From.(*cqn.From)
	if !ok || from.Path == nil || len(from.Path.Path) == 0 || len(ref.Path) != 1 {
		return nil, &Error{Code: "INVALID_QUERY", Message: "the place of a value is asked for by a path to its row", Status: 400}
	}
	s := &selection{scope: &scope{stmt: &stmt{compiler: c}}, plan: &Plan{}}
	if err := s.readPath(from.Path, "", Root); err != nil {
		return nil, err
	}
	if err := s.andExpr(q.Where); err != nil {
		return nil, err
	}
	e := s.main.entity
	el := e.Element(ref.Path[0].Name)
	if el == nil {
		return nil, s.unknown(ref)
	}
	if err := s.allowed(el, Root); err != nil {
		return nil, err
	}
	if el.Seal() != nil {
		return nil, s.sealedUse(el.Name, el.Seal())
	}
	id := c.rowID(e)
	if id == "" {
		return nil, notPlaced(e, el)
	}
	col, ids := tableElement(e, el), identity(e)
	if col == nil || len(ids) == 0 {
		return nil, notPlaced(e, el)
	}
	var err error
	if s.columns, err = s.main.columns(ids); err != nil {
		return nil, err
	}
	// The table itself; the guard has been asked for the rows that the subquery finds.
	target, err := (&scope{stmt: s.stmt, mapped: true, definer: true}).newSource(e, Root)
	if err != nil {
		return nil, err
	}
	outer, err := target.columns(ids)
	if err != nil {
		return nil, err
	}
	p := &Plan{Entity: e, SQL: "SELECT " + target.alias + "." + id + " FROM " + target.table() + " WHERE " + both(target.guard, tuple(outer)+" IN ("+s.sql(false)+")") + " LIMIT 2"}
	p.Place = BlobColumn{Table: target.kept, Column: col.Name}
	p.Binds = s.binds
	return p, nil
}

func notPlaced(e *csn.Entity, el *csn.Element) error {
	return fmt.Errorf("%w: element %s of %s is not kept in a place of its own", ErrNotUpdatable, el.Name, e.Name)
}

// piecesOf returns the call of a query for all pieces of a value, nil for other queries.
func piecesOf(q *cqn.Select) *cqn.Call {
	if len(q.Columns) != 1 {
		return nil
	}
	call, ok := q.Columns[0].X.(*cqn.Call)
	if !ok || call.Name != "cds.pieces" || len(call.Args) != 4 {
		return nil
	}
	return call
}

// piecesPlan compiles a query for all pieces of a value of one row: an ordinary query for the value with another one around it.
func (c *compiler) piecesPlan(q *cqn.Select, call *cqn.Call) (*Plan, error) {
	if c.t.Pieces == "" {
		return nil, fmt.Errorf("%w: pieces are asked for one by one", ErrNotUpdatable)
	}
	one := *q
	one.One = false
	one.Columns = []cqn.Column{{X: &cqn.Call{Name: "cds.unpacked", Args: call.Args[:1]}, As: q.Columns[0].As}}
	p, err := c.selectPlan(&one)
	if err != nil {
		return nil, err
	}
	parts := []string{p.SQL}
	for _, x := range call.Args[1:] {
		param, ok := x.(*cqn.Param)
		if !ok {
			return nil, &Error{Code: "INVALID_QUERY", Message: "pieces are asked for by numbers", Status: 400}
		}
		p.Binds = append(p.Binds, Bind{Param: *param, Type: typeInt})
		parts = append(parts, string(c.d.Param(nil, len(p.Binds), typeInt)))
	}
	p.SQL = fill(c.t.Pieces, parts)
	return p, nil
}

// rowID returns the name of the number by which the database keeps the rows behind e, "" if there is none.
func (c *compiler) rowID(e *csn.Entity) string {
	t := e.Table()
	if t == nil {
		return ""
	}
	for _, id := range c.t.RowID {
		hidden := false
		for _, el := range t.Flat {
			hidden = hidden || strings.EqualFold(el.Name, id)
		}
		if !hidden {
			return id
		}
	}
	return ""
}

// returnRows lets a write of large values tell the rows whose columns are to be filled after it, where the database does it so.
func (c *compiler) returnRows(p *Plan, target *source, data *cqn.Row) error {
	e := target.entity
	if len(c.t.RowID) == 0 {
		return nil
	}
	for i, b := range p.Binds {
		if b.Column == "" || data.Value(b.Column).Kind() != cqn.KindBlob {
			continue
		}
		col := tableElement(e, e.Element(b.Column))
		if col == nil {
			return notUpdatable(e)
		}
		p.Blobs = append(p.Blobs, BlobColumn{Table: target.kept, Column: col.Name, Bind: i})
	}
	if len(p.Blobs) == 0 {
		return nil
	}
	id := c.rowID(e)
	if id == "" {
		return &Error{Code: "NOT_SUPPORTED", Status: 501, Message: "large data cannot be written to " + strconv.Quote(e.Name) +
			": elements of it have all the names of the number of a row (" + strings.Join(c.t.RowID, ", ") + ")"}
	}
	p.SQL += " RETURNING " + id
	return nil
}
