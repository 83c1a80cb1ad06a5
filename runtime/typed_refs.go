package cds

import (
	"errors"
	"strings"

	"cds/parser/cqn"
)

// An Entity is a reference to an entity of a service, with the Go type of its rows. Generated packages have one for each entity.
type Entity[T any] struct {
	name string
	make func() (*T, Coded)
}

// NewEntity returns the reference for the entity with the given absolute name. Generated code calls it.
func NewEntity[T any, P PtrTo[T]](name string) Entity[T] {
	return Entity[T]{name: name, make: func() (*T, Coded) { x := new(T); return x, P(x) }}
}

// Ref returns e. It makes every generated reference, which embeds an Entity, an EntityRef.
func (e Entity[T]) Ref() Entity[T] { return e }

// EntityName returns the absolute name.
func (e Entity[T]) EntityName() string { return e.name }

// service and local split the absolute name: the names of services come without dots behind the namespace, those of entities may have some.
func (e Entity[T]) local(service string) (string, bool) {
	return strings.CutPrefix(e.name, service+".")
}

func (e Entity[T]) decode(r *Row) (*T, error) {
	x, c := e.make()
	return x, FromRow(r, c)
}

func (e Entity[T]) decodeAll(rows []*Row) ([]*T, error) {
	out := make([]*T, len(rows))
	for i, r := range rows {
		x, err := e.decode(r)
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	return out, nil
}

// coded returns the codec of x, which every *T that NewEntity accepted has.
func coded[T any](x *T) (Coded, error) {
	if c, ok := any(x).(Coded); ok && x != nil {
		return c, nil
	}
	return nil, errors.New("a row is nil or has a type that was not generated")
}

// An EntityRef is anything that refers to an entity with rows of type T.
type EntityRef[T any] interface{ Ref() Entity[T] }

// A Col is a column of entity E with values of type V. Its text is the path of the element: "title", "author.name".
type Col[E, V any] string

func ref(path string) *cqn.Ref { return cqn.NewRef(strings.Split(path, ".")...) }

// Path returns the path of the element, as it is named in messages.
func (c Col[E, V]) Path() string { return string(c) }

// A Pred is a condition on rows of E. Its zero value is no condition: a query refuses to run with it.
type Pred[E any] struct {
	x   cqn.Expr
	err error
}

// Expr returns the condition as an expression; nil if it is not valid.
func (p Pred[E]) Expr() cqn.Expr { return p.x }

func (c Col[E, V]) compare(op cqn.BinaryOp, v V) Pred[E] {
	val, err := valueOf(any(v))
	return Pred[E]{&cqn.Binary{Op: op, L: ref(string(c)), R: &cqn.Lit{Value: val}}, err}
}

// Eq is true if the element equals v.
func (c Col[E, V]) Eq(v V) Pred[E] { return c.compare(cqn.Eq, v) }

// Ne is true if the element differs from v, also if it is null.
func (c Col[E, V]) Ne(v V) Pred[E] { return c.compare(cqn.Ne, v) }

// Lt is true if the element is less than v.
func (c Col[E, V]) Lt(v V) Pred[E] { return c.compare(cqn.Lt, v) }

// Le is true if the element is less than or equal to v.
func (c Col[E, V]) Le(v V) Pred[E] { return c.compare(cqn.Le, v) }

// Gt is true if the element is greater than v.
func (c Col[E, V]) Gt(v V) Pred[E] { return c.compare(cqn.Gt, v) }

// Ge is true if the element is greater than or equal to v.
func (c Col[E, V]) Ge(v V) Pred[E] { return c.compare(cqn.Ge, v) }

// In is true if the element equals one of vs; for none it is false.
func (c Col[E, V]) In(vs ...V) Pred[E] {
	set := &cqn.Tuple{}
	for _, v := range vs {
		val, err := valueOf(any(v))
		if err != nil {
			return Pred[E]{err: err}
		}
		set.Items = append(set.Items, &cqn.Lit{Value: val})
	}
	if len(set.Items) == 0 {
		return never[E]()
	}
	return Pred[E]{x: &cqn.In{X: ref(string(c)), Set: set}}
}

func never[E any]() Pred[E] {
	return Pred[E]{x: &cqn.Binary{Op: cqn.Eq, L: &cqn.Lit{Value: cqn.Int(1)}, R: &cqn.Lit{Value: cqn.Int(0)}}}
}

// IsNull is true if the element is null.
func (c Col[E, V]) IsNull() Pred[E] { return Pred[E]{x: &cqn.Unary{Op: cqn.IsNull, X: ref(string(c))}} }

// NotNull is true if the element is not null.
func (c Col[E, V]) NotNull() Pred[E] {
	return Pred[E]{x: &cqn.Unary{Op: cqn.IsNotNull, X: ref(string(c))}}
}

// EqCol is true if both elements are equal.
func (c Col[E, V]) EqCol(d Col[E, V]) Pred[E] {
	return Pred[E]{x: &cqn.Binary{Op: cqn.Eq, L: ref(string(c)), R: ref(string(d))}}
}

// Contains, StartsWith and EndsWith compare texts, case-sensitively.
func Contains[E any](c Col[E, string], part string) Pred[E] { return call(c, "contains", part) }

// StartsWith is true if the element starts with part.
func StartsWith[E any](c Col[E, string], part string) Pred[E] { return call(c, "startswith", part) }

// EndsWith is true if the element ends with part.
func EndsWith[E any](c Col[E, string], part string) Pred[E] { return call(c, "endswith", part) }

func call[E any](c Col[E, string], fn, arg string) Pred[E] {
	return Pred[E]{x: &cqn.Call{Name: fn, Args: []cqn.Expr{ref(string(c)), &cqn.Lit{Value: cqn.String(arg)}}}}
}

// And is true if all of ps are; it needs one at least.
func And[E any](ps ...Pred[E]) Pred[E] { return combine(cqn.And, ps) }

// Or is true if one of ps is; it needs one at least.
func Or[E any](ps ...Pred[E]) Pred[E] { return combine(cqn.Or, ps) }

// Not is true if p is false.
func Not[E any](p Pred[E]) Pred[E] {
	if p.check() != nil {
		return p
	}
	return Pred[E]{x: &cqn.Unary{Op: cqn.Not, X: p.x}}
}

var errNoCondition = errors.New("a condition is empty; an empty condition never means all rows")

func (p Pred[E]) check() error {
	if p.err == nil && p.x == nil {
		return errNoCondition
	}
	return p.err
}

func combine[E any](op cqn.BinaryOp, ps []Pred[E]) Pred[E] {
	if len(ps) == 0 {
		return Pred[E]{}
	}
	out := ps[0]
	for _, p := range ps {
		if err := p.check(); err != nil {
			return Pred[E]{err: err}
		}
	}
	for _, p := range ps[1:] {
		out.x = &cqn.Binary{Op: op, L: out.x, R: p.x}
	}
	return out
}

// An Order is one item of an order by rows of E.
type Order[E any] struct{ o cqn.Order }

// Asc orders by the element, smallest first.
func (c Col[E, V]) Asc() Order[E] { return Order[E]{cqn.Order{X: ref(string(c))}} }

// Desc orders by the element, largest first.
func (c Col[E, V]) Desc() Order[E] { return Order[E]{cqn.Order{X: ref(string(c)), Desc: true}} }

// An Assign gives an element of E a new value in an update.
type Assign[E any] struct {
	name string
	x    cqn.Expr
	err  error
}

// To sets the element to v.
func (c Col[E, V]) To(v V) Assign[E] {
	val, err := valueOf(any(v))
	return Assign[E]{string(c), &cqn.Lit{Value: val}, err}
}

// ToNull sets the element to null.
func (c Col[E, V]) ToNull() Assign[E] { return Assign[E]{string(c), &cqn.Lit{}, nil} }

// Plus adds v to the element's old value.
func (c Col[E, V]) Plus(v V) Assign[E] { return c.step(cqn.Add, v) }

// Minus subtracts v from the element's old value.
func (c Col[E, V]) Minus(v V) Assign[E] { return c.step(cqn.Sub, v) }

func (c Col[E, V]) step(op cqn.BinaryOp, v V) Assign[E] {
	val, err := valueOf(any(v))
	return Assign[E]{string(c), &cqn.Binary{Op: op, L: ref(string(c)), R: &cqn.Lit{Value: val}}, err}
}

// An Expansion is an association of E to be read together with the row.
type Expansion[E any] interface {
	expansion(*E) (cqn.Column, error)
}

// A ToOne is an association from E to one row of T. Its text is its path.
type ToOne[E, T any] string

// A ToMany is an association from E to many rows of T. Its text is its path.
type ToMany[E, T any] string

func (a ToOne[E, T]) expansion(*E) (cqn.Column, error) {
	return cqn.Column{X: ref(string(a)), Expand: &cqn.Select{}}, nil
}

func (a ToMany[E, T]) expansion(*E) (cqn.Column, error) {
	return cqn.Column{X: ref(string(a)), Expand: &cqn.Select{}}, nil
}

type nestedExpansion[E any] struct {
	path string
	sel  *cqn.Select
	err  error
}

func (n nestedExpansion[E]) expansion(*E) (cqn.Column, error) {
	return cqn.Column{X: ref(n.path), Expand: n.sel}, n.err
}

// With expands with conditions, order and further expansions of q; what q reads from does not matter.
func (a ToOne[E, T]) With(q *SelectQuery[T]) Expansion[E] { return nest[E](string(a), q) }

// With expands with conditions, order and further expansions of q; what q reads from does not matter.
func (a ToMany[E, T]) With(q *SelectQuery[T]) Expansion[E] { return nest[E](string(a), q) }

func nest[E, T any](path string, q *SelectQuery[T]) Expansion[E] {
	sel := q.sel
	sel.From = nil
	return nestedExpansion[E]{path, &sel, q.err}
}

// Any is true if some associated row fulfils all of ps.
func (a ToMany[E, T]) Any(ps ...Pred[T]) Pred[E] {
	p := And(ps...)
	if err := p.check(); err != nil {
		return Pred[E]{err: err}
	}
	return Pred[E]{x: &cqn.Exists{Path: ref(string(a)), Pred: p.x}}
}

// Exists is true if there is an associated row.
func (a ToMany[E, T]) Exists() Pred[E] { return Pred[E]{x: &cqn.Exists{Path: ref(string(a))}} }

// Exists is true if there is an associated row.
func (a ToOne[E, T]) Exists() Pred[E] { return Pred[E]{x: &cqn.Exists{Path: ref(string(a))}} }
