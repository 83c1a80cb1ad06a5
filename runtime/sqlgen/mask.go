package sqlgen

import (
	"errors"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A Mask is what a guard has shown in the place of an element's value. X and Unless are about the row that the element is in; what they name is read
// with the definer's right, as in conditions of guards.
type Mask struct {
	X cqn.Expr // never nil
	// Computed is set if X is made from the row: where the element is null, so is what is shown.
	Computed bool
	// Unless is the condition of rows that show the value itself, nil for none. Where it is unknown, the mask is shown.
	Unless cqn.Expr
	// Func, unless "", is the function of the application that makes what is shown, of the value and outside the database; X is null then, and Computed set.
	Func string
	Text string // of X, as the model says it: a literal, an expression or a function
}

// A FuncMask says where the row has what a function of the application needs. The position of the column itself has null: whoever knows nothing of such masks
// shows that.
type FuncMask struct {
	Func    string
	Element *csn.Element
	Value   int // position of the value
	// Exempt is the position of a number that is 1 in rows that show the value itself, -1 if none do.
	Exempt int
	// Present is the position of a column that is null where there is no row that the value could be of, -1 if there always is one.
	Present int
}

// maskOf returns what is shown in the place of an element that a guard refuses, nil for nothing.
func maskOf(err error) *Mask {
	var f *Forbidden
	if errors.As(err, &f) {
		return f.Mask
	}
	return nil
}

// masked is the column of an element that the user may see masked only. Of a constant mask for all rows the value is not even read; any other is computed
// where the value is read, so that nothing but the outcome leaves the database. refused is the error of a query that has no use for that.
func (s *selection) masked(src *source, el *csn.Element, name string, m *Mask, refused error) (Column, error) {
	if src.entity == nil || m.X == nil {
		return Column{}, refused
	}
	if (m.Computed || m.Unless != nil) && !s.plain {
		return Column{}, refused // of which row of the group?
	}
	if m.Func != "" {
		return s.masksLater(src, el, name, m, refused)
	}
	if (m.Computed || m.Unless != nil) && el.Seal() != nil {
		return Column{}, refused // what is kept is not the value
	}
	f, err := s.within(src).maskedValue(src, el, m)
	if err != nil {
		return Column{}, err
	}
	s.noteMask(src, m)
	c := noColumn()
	c.Name, c.Element, c.Type, c.masked = name, el, el.Type, refused
	c.Index = s.add(f.sql)
	return c, nil
}

// masksLater is the column of an element whose mask is a function of the application: the value leaves the database, beside the column, for that function alone.
// Within another query it would be merged, sorted and compared with.
func (s *selection) masksLater(src *source, el *csn.Element, name string, m *Mask, refused error) (Column, error) {
	if s.nested || el.Seal() != nil && el.Seal().Hashed() {
		return Column{}, refused
	}
	s.noteElement(src, el)
	in := &scope{stmt: s.stmt, sources: []*source{src}, self: src, definer: true, noJoin: true}
	was := s.compiler.judge(judging)
	defer func() { s.compiler.judge(was) }()
	value, err := in.element(src, el)
	if err != nil {
		return Column{}, err
	}
	mask := &FuncMask{Func: m.Func, Element: el, Exempt: -1, Present: -1}
	if m.Unless != nil {
		cond, err := in.guardCond(src, m.Unless, src.localized)
		if err != nil {
			return Column{}, err
		}
		mask.Exempt = s.add("CASE WHEN " + cond.sql + " THEN 1 ELSE 0 END")
	}
	s.noteMask(src, m)
	mask.Value = s.add(value.sql)
	c := noColumn()
	c.Name, c.Element, c.Type, c.masked, c.Mask = name, el, el.Type, refused, mask
	c.Index = s.add("NULL")
	return c, nil
}

// markMasked notes the columns of a finished plan, and of its children, that functions of the application mask.
func (p *Plan) markMasked() {
	if p == nil {
		return
	}
	p.Masked = appendMasked(nil, p.Columns, -1)
	for i := range p.Masked {
		if m := p.Masked[i].Mask; m.Element.Seal() != nil {
			c := noColumn()
			c.Name, c.Index, c.Element, c.Type, c.Seal = m.Element.Name, m.Value, m.Element, m.Element.Type, m.Element.Seal()
			p.Sealed = append(p.Sealed, c)
		}
	}
	for _, c := range p.Children {
		c.Plan.markMasked()
	}
}

func appendMasked(out, cols []Column, present int) []Column {
	for i := range cols {
		c := &cols[i]
		if c.Mask != nil {
			c.Mask.Present = present
			out = append(out, *c)
		}
		at := present
		if c.Present >= 0 {
			at = c.Present
		}
		out = appendMasked(out, c.Nested, at)
	}
	return out
}

func (sc *scope) maskedValue(src *source, el *csn.Element, m *Mask) (frag, error) {
	in := &scope{stmt: sc.stmt, sources: []*source{src}, self: src, definer: true, noJoin: true}
	was := sc.compiler.judge(judging)
	defer func() { sc.compiler.judge(was) }()
	x, err := in.expr(m.X, hint{typ: el.Scalar(), el: el})
	if err != nil || !m.Computed && m.Unless == nil {
		return x, err
	}
	plain, err := in.element(src, el)
	if err != nil {
		return frag{}, err
	}
	if m.Computed {
		if t := wide(el.Scalar()); t != nil { // a rounded number has another form than the element, and null none
			typ, err := TypeSQL(t, sc.d)
			if err != nil {
				return frag{}, err
			}
			x.sql = "CAST(" + x.sql + " AS " + typ + ")"
		}
		x.sql = "CASE WHEN " + plain.at(precCompare+1) + " IS NOT NULL THEN " + x.sql + " END"
	}
	if m.Unless != nil {
		cond, err := in.guardCond(src, m.Unless, src.localized)
		if err != nil {
			return frag{}, err
		}
		x.sql = "CASE WHEN " + cond.sql + " THEN " + plain.sql + " ELSE " + x.sql + " END"
	}
	return frag{sql: x.sql, el: el, typ: el.Scalar()}, nil
}

// wide is the widest type with the form of an element's, nil for texts, which have it anyway.
func wide(t *csn.Builtin) *csn.Builtin {
	switch {
	case t == nil || t.Kind == csn.String || t.Kind == csn.LargeString || t.Kind == csn.UUID:
		return nil
	case !numeric(t):
		return t
	case t.Kind == csn.Double:
		return typeDouble
	case t.Kind == csn.Decimal:
		return typeDecimal
	}
	return typeInt64
}

// noteMask takes down that a mask may fail on some rows. It is computed for the rows that were chosen, but where a query is part of another, or the row is joined,
// a database may be earlier.
func (s *selection) noteMask(src *source, m *Mask) {
	if s.use == Root && src == s.main {
		return
	}
	if anyFallible(m.X) || refersFallible([]*csn.Entity{src.entity}, m.X, 0) || m.Unless != nil && (anyFallible(m.Unless) || refersFallible([]*csn.Entity{src.entity}, m.Unless, 0)) {
		s.compiler.fallible = true
	}
}
