package cds

import (
	"context"
	"slices"
	"sync/atomic"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// Reading. To-one expands are joined columns of the same row. For a to-many expand the rows of a page are read first, with a hole where the
// children belong; then one statement reads the children of the whole page, by the parents' keys as list binds and ordered by them; then
// the holes are filled. Levels nest. All statements of a request see one snapshot.

// An encoder writes the rows of a plan and its children in one Format.
type encoder struct {
	plan     *sqlgen.Plan
	format   Format
	rows     *rowCodec
	children []*encoder
}

func newEncoder(p *sqlgen.Plan, f Format) *encoder {
	e := &encoder{plan: p, format: f, rows: newRowCodec(p.Columns, f)}
	for _, c := range p.Children {
		e.children = append(e.children, newEncoder(c.Plan, f))
	}
	return e
}

func (p *plan) encoder(f Format) *encoder {
	i := 0
	if f.OData {
		i |= 1
	}
	if f.DecimalStrings {
		i |= 2
	}
	if e := p.encoders[i].Load(); e != nil {
		return e
	}
	e := newEncoder(p.Plan, f)
	p.encoders[i].Store(e)
	return e
}

// A reader runs the statements of one read.
type reader struct {
	ctx   context.Context
	tx    db.Tx
	binds bindings
	limit int64 // most rows of the outermost level, 0 for all; one more row tells that there are more
	buf   *buffers
	last  bool      // nothing follows but the end of the transaction
	ahead int       // children that were asked for together with their parent and whose rows have not been read
	to    RowWriter // where long answers go; nil keeps the rows in one piece
	sent  bool      // some went there
	// streams counts the answers of the app that flow.
	streams *atomic.Int32
}

// Rows are handed over when there are this many bytes of them: up to the first bound an answer leaves the database before the client
// gets any of it, so that a slow client holds no connection; what is longer flows in pieces. One answer of an app flows at a time, so that
// slow clients leave connections to others (a small machine has two readers); further ones are put together in memory, bounded by the page's size.
const (
	firstFlush = 256 << 10
	nextFlush  = 64 << 10
	maxStreams = 1
)

// flushed hands over what dst has of a long answer and returns what is left of it.
func (rd *reader) flushed(dst []byte) ([]byte, error) {
	if len(dst) < nextFlush || !rd.sent && len(dst) < firstFlush {
		return dst, nil
	}
	if !rd.sent && !rd.stream() {
		rd.to = nil
		return dst, nil
	}
	return dst[:0], rd.to.WriteRows(dst)
}

// stream begins to hand over rows if not too many answers flow already. endStream ends it.
func (rd *reader) stream() bool {
	if rd.streams.Add(1) > maxStreams {
		rd.streams.Add(-1)
		return false
	}
	rd.sent = true
	return true
}

func (rd *reader) endStream() {
	if rd.sent {
		rd.streams.Add(-1)
	}
}

// maxChildren bounds the rows of one to-many expand of a page: a small request must not make a huge answer.
const maxChildren = 100_000

func tooManyChildren() error {
	return Reject(413, "413", "The expanded rows are too many. Ask for fewer with $top.")
}

// holes are the places of to-many expands in a buffer, in ascending order.
type holes struct {
	list []hole
	row  int // current row
}

type hole struct {
	at, row int
	codec   *codec
}

func (h *holes) add(at int, c *codec) { h.list = append(h.list, hole{at, h.row, c}) }

// groups collects, for one to-many expand, the keys of the parents. Parents with the same keys share a group.
type groups struct {
	lists  [][]cqn.Value // one list per key column
	index  map[string]int
	parent []int // group of each parent row, -1 for none
	key    []byte
}

func newGroups(plans []*sqlgen.Child) []groups {
	gs := make([]groups, len(plans))
	for i, c := range plans {
		gs[i] = groups{lists: make([][]cqn.Value, len(c.ParentKeys)), index: make(map[string]int)}
	}
	return gs
}

// add notes the keys of the current row, which is the next parent.
func (g *groups) add(rows db.Rows, cols []int) {
	if !g.read(rows, cols) {
		g.parent = append(g.parent, -1)
		return
	}
	n, ok := g.index[string(g.key)]
	if !ok {
		n = len(g.index)
		g.index[string(g.key)] = n
		for i, c := range cols {
			g.lists[i] = append(g.lists[i], keyValue(rows, c))
		}
	}
	g.parent = append(g.parent, n)
}

// read makes the look-up key of the current row; false if some part is null.
func (g *groups) read(rows db.Rows, cols []int) bool {
	g.key = g.key[:0]
	for _, c := range cols {
		if rows.IsNull(c) {
			return false
		}
		t := rows.Text(c)
		g.key = append(g.key, byte(len(t)), byte(len(t)>>8), byte(len(t)>>16))
		g.key = append(g.key, t...)
	}
	return true
}

// find returns the group of a child row, -1 if it belongs to none.
func (g *groups) find(rows db.Rows, cols []int) int {
	if g.read(rows, cols) {
		if n, ok := g.index[string(g.key)]; ok {
			return n
		}
	}
	return -1
}

func (g *groups) binds() []cqn.Value {
	out := make([]cqn.Value, len(g.lists))
	for i, l := range g.lists {
		out[i] = cqn.List(l)
	}
	return out
}

func keyValue(rows db.Rows, i int) cqn.Value {
	switch rows.Type(i) {
	case db.TypeInt:
		return cqn.Int(rows.Int(i))
	case db.TypeFloat:
		return cqn.Float(rows.Float(i))
	case db.TypeBool:
		return cqn.Bool(rows.Int(i) != 0)
	case db.TypeDecimal:
		return cqn.Decimal(string(rows.Text(i)))
	case db.TypeBlob:
		return cqn.Bytes(rows.Bytes(i))
	}
	return cqn.String(string(rows.Text(i)))
}

func (rd *reader) query(p *sqlgen.Plan) (db.Rows, error) { return rd.queryAs(p, p.SQL) }

// queryAs runs the plan with another text for the same binds.
func (rd *reader) queryAs(p *sqlgen.Plan, sql string) (db.Rows, error) {
	binds, err := rd.fillAll(p)
	if err != nil {
		return nil, err
	}
	rd.binds.unit.app.logStatement(rd.ctx, sql, len(binds))
	rows, err := rd.tx.Query(rd.ctx, db.Stmt{SQL: sql, Binds: binds, Anonymous: p.Anonymous, Opens: p.Opens})
	return rd.delivered(p, rows, err)
}

// queryChildren reads the children of the parents in g.
func (rd *reader) queryChildren(c *sqlgen.Child, g *groups) (db.Rows, error) {
	if len(g.index) == 1 && len(g.lists) == 1 && c.One != "" {
		rd.binds.keys = g.lists[0][:1]
		return rd.queryAs(c.Plan, c.One)
	}
	rd.binds.keys = g.binds()
	return rd.query(c.Plan)
}

// fillAll returns the values of a plan's parameters. They are valid until the next call.
func (rd *reader) fillAll(p *sqlgen.Plan) ([]cqn.Value, error) {
	if p.Tenant {
		if err := tenantOf(rd.binds.user, p.Entity, rd.binds.row); err != nil {
			return nil, err
		}
	}
	binds, err := rd.binds.fill(rd.buf.binds[:0], p.Binds)
	if err == nil {
		rd.buf.binds = binds
	}
	return binds, err
}

// json reads the rows of a plan as JSON objects separated by commas.
func (rd *reader) json(e *encoder, dst []byte) (out []byte, n int, more bool, err error) {
	rows, err := rd.first(e.plan)
	if err != nil {
		return dst, 0, false, err
	}
	gs := newGroups(e.plan.Children)
	var h holes
	for {
		ok, err := rows.Next()
		if err != nil {
			_ = rows.Close() // the error of Next says more
			return dst, 0, false, err
		}
		if !ok {
			break
		}
		if rd.limit > 0 && int64(n) == rd.limit {
			more = true
			break
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		h.row = n
		dst = e.rows.write(dst, rows, e.format, &h)
		for i := range gs {
			gs[i].add(rows, e.plan.Children[i].ParentKeys)
		}
		n++
		if rd.to != nil {
			if dst, err = rd.flushed(dst); err != nil {
				_ = rows.Close() // the error of the client's connection says more
				return dst, 0, false, err
			}
		}
	}
	if err := rows.Close(); err != nil {
		return dst, 0, false, err
	}
	if len(h.list) > 0 {
		dst, err = rd.fill(e, dst, &h, gs, nil)
	}
	return dst, n, more, err
}

// A childJSON has the rows of one to-many expand for all parents of a page.
type childJSON struct {
	buf    []byte
	spans  []int // two per group: start and end in buf
	totals []int64
}

// fill reads the children and writes buf anew with them in its holes. marks are ascending offsets in buf that move along.
func (rd *reader) fill(e *encoder, buf []byte, h *holes, gs []groups, marks []int) ([]byte, error) {
	kids := make([]childJSON, len(e.children))
	size := len(buf)
	for i := range e.children {
		if err := rd.children(e, i, &gs[i], &kids[i]); err != nil {
			return nil, err
		}
		size += len(kids[i].buf) + 32*len(h.list)
	}
	out := make([]byte, 0, size)
	from, m := 0, 0
	for _, x := range h.list {
		for ; m < len(marks) && marks[m] <= x.at; m++ {
			marks[m] += len(out) - from
		}
		out = append(out, buf[from:x.at]...)
		from = x.at
		c := x.codec.child - 1
		out = kids[c].write(out, x.codec, e.plan.Children[c], gs[c].parent[x.row], e.format)
	}
	for ; m < len(marks); m++ {
		marks[m] += len(out) - from
	}
	return append(out, buf[from:]...), nil
}

// write writes the member for one parent.
func (k *childJSON) write(dst []byte, c *codec, plan *sqlgen.Child, group int, f Format) []byte {
	if plan.Count || plan.CountOnly {
		total := int64(0)
		if group >= 0 {
			total = k.totals[group]
		}
		dst = appendCount(dst, c.name, total, f)
		if plan.CountOnly {
			return dst
		}
		dst = append(dst, ',')
	}
	dst = append(append(dst, c.prefix...), '[')
	if group >= 0 {
		dst = append(dst, k.buf[k.spans[2*group]:k.spans[2*group+1]]...)
	}
	return append(dst, ']')
}

// children reads the children of a page, grouped by parent.
func (rd *reader) children(e *encoder, i int, g *groups, out *childJSON) error {
	child, ce := e.plan.Children[i], e.children[i]
	out.spans, out.totals = make([]int, 2*len(g.index)), make([]int64, len(g.index))
	rows, err := rd.childRows(child, g)
	if err != nil || rows == nil {
		return err
	}
	sub := *rd
	gs := newGroups(ce.plan.Children)
	var h holes
	var marks []int // start and end of each row
	var of []int    // group of each row
	for n := 0; ; n++ {
		ok, err := rows.Next()
		if err != nil {
			_ = rows.Close() // the error of Next says more
			return err
		}
		if !ok {
			break
		}
		at := g.find(rows, child.ChildKeys)
		if at < 0 { // equal by the database's rules, not by ours: no parent asked for it
			n--
			continue
		}
		if child.Count || child.CountOnly {
			out.totals[at] = rows.Int(child.CountIndex)
			if child.CountOnly {
				continue
			}
		}
		if n >= maxChildren {
			_ = rows.Close() // the answer is an error already
			return tooManyChildren()
		}
		h.row = n
		if len(of) > 0 && of[len(of)-1] == at {
			out.buf = append(out.buf, ',')
		}
		marks = append(marks, len(out.buf))
		out.buf = ce.rows.write(out.buf, rows, ce.format, &h)
		marks = append(marks, len(out.buf))
		of = append(of, at)
		for j := range gs {
			gs[j].add(rows, ce.plan.Children[j].ParentKeys)
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	if len(h.list) > 0 {
		if out.buf, err = sub.fill(ce, out.buf, &h, gs, marks); err != nil {
			return err
		}
	}
	for r, at := range of {
		if r == 0 || of[r-1] != at {
			out.spans[2*at] = marks[2*r]
		}
		out.spans[2*at+1] = marks[2*r+1]
	}
	return nil
}

// rows reads the rows of a plan as values.
func (rd *reader) rows(p *sqlgen.Plan) ([]*Row, bool, error) {
	out, _, more, err := rd.decode(p, nil, nil)
	return out, more, err
}

// decode reads rows; those of a child plan with the group each belongs to.
func (rd *reader) decode(p *sqlgen.Plan, child *sqlgen.Child, g *groups) (out []*Row, of []int, more bool, err error) {
	var rows db.Rows
	if child != nil {
		rows, err = rd.childRows(child, g)
	} else {
		rows, err = rd.first(p)
	}
	if err != nil || rows == nil {
		return nil, nil, false, err
	}
	gs := newGroups(p.Children)
	var places []place
	for {
		ok, err := rows.Next()
		if err != nil {
			_ = rows.Close() // the error of Next says more
			return nil, nil, false, err
		}
		if !ok {
			break
		}
		if child == nil && rd.limit > 0 && int64(len(out)) == rd.limit {
			more = true
			break
		}
		if child != nil {
			at := g.find(rows, child.ChildKeys)
			if at < 0 {
				continue
			}
			if of = append(of, at); len(of) > maxChildren {
				_ = rows.Close() // the answer is an error already
				return nil, nil, false, tooManyChildren()
			}
		}
		row := decodeRow(rows, p.Columns, len(out), &places)
		if child != nil && (child.Count || child.CountOnly) {
			row.Set(countMark, cqn.Int(rows.Int(child.CountIndex)))
		}
		out = append(out, row)
		for i := range gs {
			gs[i].add(rows, p.Children[i].ParentKeys)
		}
	}
	if err := rows.Close(); err != nil {
		return nil, nil, false, err
	}
	return out, of, more, rd.expand(p, places, gs)
}

// countMark carries a child's total to expand, which removes it. No element can have this name.
const countMark = "#total"

// A place is a to-many expand of a decoded row.
type place struct {
	row   *Row
	n     int // ordinal of the parent row
	name  string
	child int
}

// expand puts the children into their places.
func (rd *reader) expand(p *sqlgen.Plan, places []place, gs []groups) error {
	if len(places) == 0 {
		return nil
	}
	kids := make([][][]*Row, len(p.Children))
	for i, c := range p.Children {
		kids[i] = make([][]*Row, len(gs[i].index))
		rows, of, _, err := rd.decode(c.Plan, c, &gs[i])
		if err != nil {
			return err
		}
		for r, at := range of {
			kids[i][at] = append(kids[i][at], rows[r])
		}
	}
	for _, pl := range places {
		plan := p.Children[pl.child]
		var rows []*Row
		if at := gs[pl.child].parent[pl.n]; at >= 0 {
			rows = slices.Clone(kids[pl.child][at])
		}
		if plan.Count || plan.CountOnly {
			total := cqn.Int(0)
			for i, r := range rows {
				total = r.Value(countMark)
				rows[i] = r.Clone()
				rows[i].Delete(countMark)
			}
			pl.row.Set(pl.name+"@odata.count", total)
		}
		if plan.CountOnly {
			pl.row.Delete(pl.name)
			continue
		}
		if rows == nil {
			rows = []*Row{}
		}
		pl.row.Set(pl.name, cqn.OfRows(rows))
	}
	return nil
}

func decodeRow(rows db.Rows, cols []sqlgen.Column, n int, places *[]place) *Row {
	fields := make([]cqn.Field, 0, len(cols))
	first := len(*places)
	for i := range cols {
		c := &cols[i]
		switch {
		case c.Hidden, c.Variants != 0 && !inVariant(rows, c.Variant, c.Variants):
			continue
		case c.Child > 0:
			*places = append(*places, place{nil, n, c.Name, c.Child - 1})
			fields = append(fields, cqn.Field{Name: c.Name})
		case c.Nested != nil:
			f := cqn.Field{Name: c.Name}
			if c.Present < 0 || !rows.IsNull(c.Present) {
				f.Value = cqn.OfRow(decodeRow(rows, c.Nested, n, places))
			}
			fields = append(fields, f)
		default:
			fields = append(fields, cqn.Field{Name: c.Name, Value: decodeValue(rows, c)})
		}
	}
	row := cqn.NewRow(fields...)
	for i := first; i < len(*places); i++ {
		if pl := &(*places)[i]; pl.row == nil {
			pl.row = row
		}
	}
	return row
}

// wholeSeconds takes the fraction off a moment: databases with one type for DateTime and Timestamp deliver one.
func wholeSeconds(s string) string {
	if len(s) > 20 && s[19] == '.' && s[len(s)-1] == 'Z' {
		return s[:19] + "Z"
	}
	return s
}

// decodeValue reads a column as a value of its type.
func decodeValue(rows db.Rows, c *sqlgen.Column) cqn.Value {
	i := c.Index
	f, scale := formOf(c.Type)
	if rows.IsNull(i) {
		return cqn.Null
	}
	switch f {
	case formBool:
		return cqn.Bool(rows.Int(i) != 0)
	case formInt, formInt64:
		if rows.Type(i) == db.TypeFloat {
			return cqn.Float(rows.Float(i))
		}
		return cqn.Int(rows.Int(i))
	case formDouble:
		return cqn.Float(rows.Float(i))
	case formDecimal:
		return cqn.Decimal(decimalText(rows, i, scale))
	case formDate:
		return cqn.Text(cqn.KindDate, string(rows.Text(i)))
	case formTime:
		return cqn.Text(cqn.KindTime, string(rows.Text(i)))
	case formDateTime:
		return cqn.Text(cqn.KindDateTime, wholeSeconds(string(rows.Text(i))))
	case formTimestamp:
		return cqn.Text(cqn.KindTimestamp, string(rows.Text(i)))
	case formBinary, formStream:
		return cqn.Bytes(rows.Bytes(i))
	case formString:
		return cqn.String(string(rows.Text(i)))
	case formArray:
		return decodeJSON(rows.Text(i))
	}
	return keyValue(rows, i)
}
