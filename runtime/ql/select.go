package ql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cds/parser/cqn"
	cds "cds/runtime"
)

// A Path leads to rows: an entity, perhaps one row of it, and on over associations.
type Path struct {
	ref *cqn.Ref
	err error
}

// Entity is the path to all rows of an entity: by its local name for a service, by its absolute one for the database.
func Entity(name string) Path { return Path{ref: &cqn.Ref{Path: []cqn.Step{{Name: name}}}} }

// If restricts the last step to rows that fulfil the conditions: ql.Entity("Orders").If(ql.Eq("ID", id)).To("items").
func (p Path) If(conditions ...Expr) Path {
	x, err := all(conditions)
	out := p.copy(err)
	last := &out.ref.Path[len(out.ref.Path)-1]
	if last.Filter != nil {
		x = &cqn.Binary{Op: cqn.And, L: last.Filter, R: x}
	}
	last.Filter = x
	return out
}

// To follows an association.
func (p Path) To(association string) Path {
	out := p.copy(nil)
	out.ref.Path = append(out.ref.Path, cqn.Step{Name: association})
	return out
}

func (p Path) copy(err error) Path {
	c := *p.ref
	c.Path = append([]cqn.Step(nil), p.ref.Path...)
	return Path{&c, errors.Join(p.err, err)}
}

// A Column is something to be read: see As, Star, Expand.
type Column struct {
	c   cqn.Column
	err error
}

// Star reads all elements, beside other columns.
func Star() Column { return Column{c: cqn.Column{Star: true}} }

// As reads an expression under a name.
func As(x Expr, name string) Column { return Column{cqn.Column{X: x.x, As: name}, x.err} }

// Expand reads associated rows. columns are as in SelectQuery.Columns.
func Expand(association string, columns ...any) Column {
	return ExpandWith(association, (&SelectQuery{}).Columns(columns...))
}

// ExpandWith reads associated rows by the columns, conditions, order and limit of q; what q reads from does not matter.
func ExpandWith(association string, q *SelectQuery) Column {
	sel := q.q
	sel.From = nil
	return Column{cqn.Column{X: ref(association), Expand: &sel}, q.err}
}

// A SelectQuery reads rows. Its methods add to it and return it.
type SelectQuery struct {
	q   cqn.Select
	err error
}

// Select begins a query of an entity (see Entity).
func Select(entity string) *SelectQuery { return SelectFrom(Entity(entity)) }

// SelectFrom begins a query of the rows that a path leads to.
func SelectFrom(p Path) *SelectQuery {
	return &SelectQuery{q: cqn.Select{From: &cqn.From{Path: p.ref}}, err: p.err}
}

// Columns says what is read; without it all elements. A column is the path of an element ("author.name as writer" gives it a name), an Expr, or a Column.
func (s *SelectQuery) Columns(columns ...any) *SelectQuery {
	for _, c := range columns {
		switch c := c.(type) {
		case string:
			path, as, _ := strings.Cut(c, " as ")
			s.q.Columns = append(s.q.Columns, cqn.Column{X: ref(path), As: as})
		case Column:
			s.q.Columns = append(s.q.Columns, c.c)
			s.err = errors.Join(s.err, c.err)
		case Expr:
			s.q.Columns = append(s.q.Columns, cqn.Column{X: c.x})
			s.err = errors.Join(s.err, c.err)
		default:
			s.err = errors.Join(s.err, fmt.Errorf("a %T is no column", c))
		}
	}
	return s
}

// Where adds conditions; all must hold.
func (s *SelectQuery) Where(conditions ...Expr) *SelectQuery {
	s.q.Where = both(s.q.Where, conditions, &s.err)
	return s
}

// both adds conditions to one.
func both(old cqn.Expr, conditions []Expr, err *error) cqn.Expr {
	x, xerr := all(conditions)
	*err = errors.Join(*err, xerr)
	switch {
	case old == nil:
		return x
	case x == nil:
		return old
	}
	return &cqn.Binary{Op: cqn.And, L: old, R: x}
}

// Search looks for words; all must be found.
func (s *SelectQuery) Search(words ...string) *SelectQuery {
	s.q.Search = append(s.q.Search, words...)
	return s
}

// GroupBy groups rows by elements.
func (s *SelectQuery) GroupBy(paths ...string) *SelectQuery {
	for _, p := range paths {
		s.q.GroupBy = append(s.q.GroupBy, ref(p))
	}
	return s
}

// Having adds conditions on groups.
func (s *SelectQuery) Having(conditions ...Expr) *SelectQuery {
	s.q.Having = both(s.q.Having, conditions, &s.err)
	return s
}

// OrderBy sorts by elements ("stock desc") or expressions, the first one first.
func (s *SelectQuery) OrderBy(by ...any) *SelectQuery {
	for _, b := range by {
		switch b := b.(type) {
		case string:
			path, dir, _ := strings.Cut(strings.TrimSpace(b), " ")
			if dir = strings.TrimSpace(dir); dir != "" && dir != "asc" && dir != "desc" {
				s.err = errors.Join(s.err, fmt.Errorf("%q is no order", b))
			}
			s.q.OrderBy = append(s.q.OrderBy, cqn.Order{X: ref(path), Desc: dir == "desc"})
		case Expr:
			s.q.OrderBy = append(s.q.OrderBy, cqn.Order{X: b.x})
			s.err = errors.Join(s.err, b.err)
		default:
			s.err = errors.Join(s.err, fmt.Errorf("cannot sort by a %T", b))
		}
	}
	return s
}

// Limit reads n rows at most.
func (s *SelectQuery) Limit(n int) *SelectQuery {
	s.q.Limit = &cqn.Lit{Value: cqn.Int(int64(n))}
	return s
}

// Offset leaves out the first n rows.
func (s *SelectQuery) Offset(n int) *SelectQuery {
	s.q.Offset = &cqn.Lit{Value: cqn.Int(int64(n))}
	return s
}

// Distinct leaves out equal rows.
func (s *SelectQuery) Distinct() *SelectQuery { s.q.Distinct = true; return s }

// ForUpdate locks the rows until the transaction ends, ForShare against changes only. SQLite has one writer at a time and locks all.
func (s *SelectQuery) ForUpdate() *SelectQuery { s.q.Lock = cqn.LockUpdate; return s }

// ForShare locks the rows against changes by others until the transaction ends.
func (s *SelectQuery) ForShare() *SelectQuery { s.q.Lock = cqn.LockShare; return s }

// Localized reads texts in the user's language where the database is asked directly; services do so anyway.
func (s *SelectQuery) Localized() *SelectQuery { s.q.Localized = true; return s }

// Query returns the query as data.
func (s *SelectQuery) Query() (*cqn.Select, error) {
	q := s.q
	return &q, s.err
}

// Result runs the query. A service answers one page at most: see Result.More, and Each.
func (s *SelectQuery) Result(ctx context.Context, r cds.Runner) (*cds.Result, error) {
	q, err := s.Query()
	return run(ctx, r, q, err)
}

// Rows returns all rows, page after page.
func (s *SelectQuery) Rows(ctx context.Context, r cds.Runner) ([]*cds.Row, error) {
	var out []*cds.Row
	err := s.Each(ctx, r, func(rows []*cds.Row) error { out = append(out, rows...); return nil })
	return out, err
}

// Each calls fn for page after page, so that not all rows need be in memory. Within a request, or App.Snapshot, all pages are of one moment.
func (s *SelectQuery) Each(ctx context.Context, r cds.Runner, fn func(rows []*cds.Row) error) error {
	q, err := s.Query()
	for {
		res, rerr := run(ctx, r, q, err)
		if rerr != nil {
			return rerr
		}
		if len(res.Rows) > 0 {
			if err := fn(res.Rows); err != nil {
				return err
			}
		}
		if !res.More || len(res.Rows) == 0 || s.q.Limit != nil {
			return nil
		}
		next := *q
		next.Offset = &cqn.Lit{Value: cqn.Int(res.Next)}
		q = &next
	}
}

// One returns the first row, nil if there is none.
func (s *SelectQuery) One(ctx context.Context, r cds.Runner) (*cds.Row, error) {
	q, err := s.Query()
	q.One = true
	res, err := run(ctx, r, q, err)
	if err != nil || len(res.Rows) == 0 {
		return nil, err
	}
	return res.Rows[0], nil
}

// Count returns the number of rows, without regard to Columns, OrderBy, Limit and Offset.
func (s *SelectQuery) Count(ctx context.Context, r cds.Runner) (int64, error) {
	q := &cqn.Select{From: s.q.From, Where: s.q.Where, Search: s.q.Search, Columns: []cqn.Column{{X: &cqn.Call{Name: "count", Star: true}, As: "n"}}}
	res, err := run(ctx, r, q, s.err)
	if err != nil || len(res.Rows) != 1 {
		return 0, err
	}
	return res.Rows[0].Value("n").Int(), nil
}
