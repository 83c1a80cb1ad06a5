package cds

import (
	"context"
	"fmt"

	"cds/parser/cqn"
	"cds/runtime/authz"
)

// None is the parameters of an operation without parameters, and the result of one without result.
type None struct{}

// CDSFields implements Coded.
func (*None) CDSFields(*Fields) {}

// A Returns says how the result of an operation travels: as an entity's row or rows, a structure, a scalar, a list, or not at all.
// Its constructors are for generated code.
type Returns[R any] struct {
	encode func(R) (*Result, error)
	decode func(*Result) (R, error)
}

// ReturnsNone is for operations without result.
func ReturnsNone() Returns[None] {
	return Returns[None]{
		func(None) (*Result, error) { return &Result{Count: -1}, nil },
		func(*Result) (None, error) { return None{}, nil },
	}
}

// ReturnsEntity is for operations that return one row of an entity; nil is null.
func ReturnsEntity[T any, P PtrTo[T]]() Returns[*T] {
	return Returns[*T]{
		func(x *T) (*Result, error) {
			res := &Result{One: true, Count: -1}
			if x == nil {
				return res, nil
			}
			row, err := ToRow(P(x))
			res.Rows, res.N = []*Row{row}, 1
			return res, err
		},
		func(res *Result) (*T, error) {
			if len(res.Rows) == 0 {
				return nil, nil
			}
			x := new(T)
			return x, FromRow(res.Rows[0], P(x))
		},
	}
}

// ReturnsEntities is for operations that return rows of an entity.
func ReturnsEntities[T any, P PtrTo[T]]() Returns[[]*T] {
	return Returns[[]*T]{
		func(xs []*T) (*Result, error) {
			rows, err := rowsOf[T, P](xs)
			return &Result{Rows: rows, N: len(rows), Count: -1}, err
		},
		func(res *Result) ([]*T, error) { return typedRows[T, P](res.Rows) },
	}
}

// ReturnsStruct is for operations that return a structure; nil is null.
func ReturnsStruct[T any, P PtrTo[T]]() Returns[*T] {
	return Returns[*T]{
		func(x *T) (*Result, error) {
			v := cqn.Null
			if x != nil {
				row, err := ToRow(P(x))
				if err != nil {
					return nil, err
				}
				v = cqn.OfRow(row)
			}
			return &Result{Value: &v, Count: -1}, nil
		},
		func(res *Result) (*T, error) {
			if res.Value == nil || res.Value.Row() == nil {
				return nil, nil
			}
			x := new(T)
			return x, FromRow(res.Value.Row(), P(x))
		},
	}
}

// ReturnsStructs is for operations that return an array of structures.
func ReturnsStructs[T any, P PtrTo[T]]() Returns[[]*T] {
	return Returns[[]*T]{
		func(xs []*T) (*Result, error) {
			rows, err := rowsOf[T, P](xs)
			if err != nil {
				return nil, err
			}
			items := make([]Value, len(rows))
			for i, r := range rows {
				items[i] = cqn.OfRow(r)
			}
			v := cqn.List(items)
			return &Result{Value: &v, Count: -1}, nil
		},
		func(res *Result) ([]*T, error) {
			if res.Value == nil || res.Value.IsNull() {
				return nil, nil
			}
			rows, err := nested(*res.Value)
			if err != nil {
				return nil, err
			}
			return typedRows[T, P](rows)
		},
	}
}

func rowsOf[T any, P PtrTo[T]](xs []*T) ([]*Row, error) {
	rows := make([]*Row, len(xs))
	for i, x := range xs {
		if x == nil {
			return nil, fmt.Errorf("row %d is nil", i)
		}
		row, err := ToRow(P(x))
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	return rows, nil
}

func typedRows[T any, P PtrTo[T]](rows []*Row) ([]*T, error) {
	out := make([]*T, len(rows))
	for i, r := range rows {
		out[i] = new(T)
		if err := FromRow(r, P(out[i])); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ReturnsValue is for operations that return a scalar. Absent is null.
func ReturnsValue[T any]() Returns[Opt[T]] {
	return Returns[Opt[T]]{
		func(o Opt[T]) (*Result, error) {
			v := cqn.Null
			if x, ok := o.Get(); ok {
				var err error
				if v, err = valueOf(any(x)); err != nil {
					return nil, err
				}
			}
			return &Result{Value: &v, Count: -1}, nil
		},
		func(res *Result) (o Opt[T], err error) {
			if res.Value == nil {
				return Null[T](), nil
			}
			err = o.scan(*res.Value)
			return o, err
		},
	}
}

// ReturnsList is for operations that return an array of scalars.
func ReturnsList[T any]() Returns[[]T] {
	return Returns[[]T]{
		func(xs []T) (*Result, error) {
			v, err := listOf(xs)
			return &Result{Value: &v, Count: -1}, err
		},
		func(res *Result) ([]T, error) {
			if res.Value == nil {
				return nil, nil
			}
			return scanList[T](*res.Value)
		},
	}
}

// An Operation is a reference to an unbound action or function with parameters P and result R.
type Operation[P, R any] struct {
	service, name string
	params        func() (*P, Coded)
	returns       Returns[R]
}

// NewOperation returns a reference to an operation of a service, by its local name. Generated code calls it.
func NewOperation[P any, C PtrTo[P], R any](service, name string, returns Returns[R]) Operation[P, R] {
	return Operation[P, R]{service, name, func() (*P, Coded) { x := new(P); return x, C(x) }, returns}
}

// Call calls the operation through its service: authorized as the user of ctx, handlers run.
func (o Operation[P, R]) Call(ctx context.Context, params P) (R, error) {
	return callOperation(ctx, o.service, "", o.name, nil, &params, o.returns)
}

// A BoundOperation is a reference to an action or function of entity E with parameters P and result R.
type BoundOperation[E, P, R any] struct {
	service, entity string
	op              Operation[P, R]
}

// NewBoundOperation returns a reference to an operation of an entity, by the entity's absolute name. Generated code calls it.
func NewBoundOperation[E, P any, C PtrTo[P], R any](service, entity, name string, returns Returns[R]) BoundOperation[E, P, R] {
	return BoundOperation[E, P, R]{service, entity, NewOperation[P, C](service, name, returns)}
}

// Call calls the operation on the row that key selects, through its service.
func (o BoundOperation[E, P, R]) Call(ctx context.Context, key Pred[E], params P) (R, error) {
	var zero R
	if err := key.check(); err != nil {
		return zero, err
	}
	sel := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(o.entity)}, Where: key.x, One: true}
	return callOperation(ctx, o.service, o.entity, o.op.name, sel, &params, o.op.returns)
}

func callOperation[P, R any](ctx context.Context, service, entity, name string, subject *cqn.Select, params *P, returns Returns[R]) (R, error) {
	var zero R
	s, err := inService(service).find(ctx)
	if err != nil {
		return zero, err
	}
	op, local, err := operation(s, entity, name)
	if err != nil {
		return zero, err
	}
	c, err := coded(params)
	if err != nil {
		return zero, err
	}
	row, err := ToRow(c)
	if err != nil {
		return zero, err
	}
	r := &RawRequest{Event: authz.Event(name), Service: s, Op: op, Data: row, User: UserFrom(ctx)}
	if local != "" {
		r.Target = s.Model.Entity(local)
		r.Path = append(r.Path, r.Target)
		r.Query = subject
		if op.Collection {
			subject.Where, subject.One = nil, false
		}
	}
	res, err := s.Dispatch(ctx, r)
	if err != nil {
		return zero, err
	}
	return returns.decode(res)
}

// A Bound is what the handler of an operation bound to rows of T sees. Data has the parameters.
type Bound[T, P any] struct {
	*RawRequest
	Data   *P
	entity Entity[T]
}

// Load reads the row that the operation was called on, as far as the user may see it: a hidden row is a 404.
func (b *Bound[T, P]) Load(ctx context.Context) (*T, error) {
	rows, err := b.LoadAll(ctx)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, Reject(404, "404", "Not Found")
	}
	return rows[0], nil
}

// LoadAll reads the rows that the operation was called on: all that the user may see for one bound to the collection.
func (b *Bound[T, P]) LoadAll(ctx context.Context) ([]*T, error) {
	res, err := b.Execute(ctx, b.Subject())
	if err != nil {
		return nil, err
	}
	return b.entity.decodeAll(res.Rows)
}

// Implement makes fn the implementation of an unbound operation. Generated Serve functions call it.
func Implement[S, P, R any](o Operation[P, R], fn func(ctx context.Context, req *Request[P]) (R, error)) Handler[S] {
	return Handler[S]{func(s *Service) error {
		op, _, err := operation(s, "", o.name)
		if err != nil {
			return err
		}
		s.On(Match{Events: []Event{Event(op.LocalName())}, Name: op.Name}, func(ctx context.Context, r *RawRequest, next Next) (*Result, error) {
			if r.Target != nil { // an entity's operation of the same name
				return next(ctx, r)
			}
			params, codec := o.params()
			if err := FromRow(r.Data, codec); err != nil {
				return nil, Reject(400, "ASSERT_DATA_TYPE", "%s", err.Error())
			}
			x, err := fn(ctx, &Request[P]{r, params})
			if err != nil {
				return nil, err
			}
			return o.returns.encode(x)
		})
		return nil
	}}
}

// ImplementBound makes fn the implementation of an operation bound to an entity. Generated Serve functions call it.
func ImplementBound[S, T, P, R any](e EntityRef[T], o BoundOperation[T, P, R], fn func(ctx context.Context, req *Bound[T, P]) (R, error)) Handler[S] {
	ent := e.Ref()
	return Handler[S]{func(s *Service) error {
		_, local, err := operation(s, o.entity, o.op.name)
		if err != nil {
			return err
		}
		m := Match{Events: []Event{Event(o.op.name)}, Entities: []string{local}, Name: o.entity + "." + o.op.name}
		s.On(m, func(ctx context.Context, r *RawRequest, _ Next) (*Result, error) {
			params, codec := o.op.params()
			if err := FromRow(r.Data, codec); err != nil {
				return nil, Reject(400, "ASSERT_DATA_TYPE", "%s", err.Error())
			}
			x, err := fn(ctx, &Bound[T, P]{r, params, ent})
			if err != nil {
				return nil, err
			}
			return o.op.returns.encode(x)
		})
		return nil
	}}
}
