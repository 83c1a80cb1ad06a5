package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"cds/parser/cqn"
	cds "cds/runtime"
)

type handler = func(r *cds.RawRequest) (*cds.Result, error)

func registerAuthlab(app *cds.App) error {
	on := func(service, entity, event string, h handler) {
		m := cds.Match{Events: []cds.Event{cds.Event(event)}}
		if entity != "" {
			m.Entities = []string{entity}
		}
		app.Service(service).On(m, func(_ context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) { return h(r) })
	}
	registerActions(on)
	registerBound(app, on)
	on("val.ValSrv", "Settings", "READ", func(*cds.RawRequest) (*cds.Result, error) {
		return object(cqn.Field{Name: "theme", Value: cqn.String("dark")}), nil
	})
	for _, op := range []string{"ping", "pong"} {
		on("RestSrv", "", op, func(r *cds.RawRequest) (*cds.Result, error) {
			return scalar(cqn.String(op + " " + r.Data.Value("x").Format())), nil
		})
	}
	for _, w := range []struct {
		op string
		v  cds.Value
	}{
		{"rate", cqn.Null}, {"decline", cqn.String("declined")}, {"purge", cqn.String("purged")}, {"total", cqn.Float(42.5)}, {"bulk", cqn.Int(7)},
	} {
		on("WhereSrv", "Workflow", w.op, func(r *cds.RawRequest) (*cds.Result, error) {
			if w.op == "rate" {
				return scalar(r.Data.Value("stars")), nil
			}
			return scalar(w.v), nil
		})
	}
	on("WhereSrv", "Workflow", "approve", func(r *cds.RawRequest) (*cds.Result, error) {
		return scalar(cqn.String("approved " + lastKey(r, "ID").Format())), nil
	})
	return nil
}

func registerActions(on func(service, entity, event string, h handler)) {
	act := func(op string, h handler) { on("ActSrv", "", op, h) }
	act("open", func(r *cds.RawRequest) (*cds.Result, error) { return scalar(r.Data.Value("x")), nil })
	act("authOnly", func(r *cds.RawRequest) (*cds.Result, error) { return scalar(cqn.String(r.User.ID)), nil })
	act("viewerFn", func(r *cds.RawRequest) (*cds.Result, error) {
		return scalar(cqn.String(js(r.Data, "a") + ":" + js(r.Data, "b"))), nil
	})
	for _, op := range []string{"multi", "restrictTo", "restrictStar", "restrictName"} {
		act(op, func(*cds.RawRequest) (*cds.Result, error) { return scalar(cqn.String(op)), nil })
	}
	for _, op := range []string{"sysOnly", "intOnly"} {
		act(op, func(*cds.RawRequest) (*cds.Result, error) { return &cds.Result{Count: -1}, nil })
	}
	for _, op := range []string{"echo", "needs"} {
		act(op, func(r *cds.RawRequest) (*cds.Result, error) { return scalar(cqn.String(stringify(r.Data))), nil })
	}
	act("typed", typed)
	act("list", func(*cds.RawRequest) (*cds.Result, error) {
		return &cds.Result{Rows: []*cds.Row{product(1, "A", 1), product(2, "B", 2)}, N: 2, Count: -1}, nil
	})
	act("one", func(*cds.RawRequest) (*cds.Result, error) { return object(product(1, "A", 1).Fields()...), nil })
	act("nothing", func(*cds.RawRequest) (*cds.Result, error) { return scalar(cqn.Null), nil })
	act("fail", func(r *cds.RawRequest) (*cds.Result, error) {
		e := cds.Reject(int(r.Data.Value("code").Int()), "", "%s", r.Data.Value("msg").Str())
		e.Target = "some/target"
		return nil, e
	})
	act("multiFail", func(r *cds.RawRequest) (*cds.Result, error) {
		r.Error(400, "", "a", "first")
		r.Error(409, "", "b", "second")
		return &cds.Result{Count: -1}, nil
	})
	act("warn", func(r *cds.RawRequest) (*cds.Result, error) {
		r.Warn("", "careful")
		r.Info("", "fyi")
		return scalar(cqn.String("ok")), nil
	})
	act("crash", func(*cds.RawRequest) (*cds.Result, error) { return nil, errors.New("boom") })
}

func registerBound(app *cds.App, on func(service, entity, event string, h handler)) {
	app.Service("ActSrv").On(cds.Match{Events: []cds.Event{"price2"}, Entities: []string{"Products"}},
		func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
			res, err := cds.DB(ctx).Run(ctx, &cqn.Select{
				From:    &cqn.From{Path: cqn.NewRef("lab.Products")},
				Columns: []cqn.Column{{X: cqn.NewRef("price")}}, One: true,
				Where: &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef("ID"), R: &cqn.Lit{Value: lastKey(r, "ID")}},
			})
			if err != nil {
				return nil, err
			}
			if len(res.Rows) == 0 {
				return scalar(cqn.Null), nil
			}
			return scalar(cqn.Float(2 * res.Rows[0].Value("price").Float())), nil
		})
	on("ActSrv", "Products", "discount", func(r *cds.RawRequest) (*cds.Result, error) {
		p := product(lastKey(r, "ID").Int(), "-"+js(r.Data, "percent")+"%", 1)
		return object(p.Fields()...), nil
	})
	on("ActSrv", "Products", "best", func(*cds.RawRequest) (*cds.Result, error) { return object(product(9, "best", 9).Fields()...), nil })
	on("ActSrv", "Products", "none", func(*cds.RawRequest) (*cds.Result, error) { return &cds.Result{Count: -1}, nil })
}

func typed(r *cds.RawRequest) (*cds.Result, error) {
	p := r.Data.Value("p").Row()
	sum := p.Value("a").Int()
	for _, l := range r.Data.Value("l").Rows() {
		sum += l.Value("x").Int()
	}
	return object(
		cqn.Field{Name: "sum", Value: cqn.Int(sum)},
		cqn.Field{Name: "text", Value: cqn.String(js(p, "b") + "/" + js(r.Data, "e"))},
	), nil
}

func product(id int64, name string, price int64) *cds.Row {
	return cqn.NewRow(cqn.Field{Name: "ID", Value: cqn.Int(id)}, cqn.Field{Name: "name", Value: cqn.String(name)},
		cqn.Field{Name: "price", Value: cqn.Int(price)})
}

func lastKey(r *cds.RawRequest, name string) cds.Value {
	if len(r.Params) == 0 {
		return cqn.Null
	}
	return r.Params[len(r.Params)-1].Values.Value(name)
}

// js is a value as JavaScript puts it into a template string.
func js(r *cds.Row, name string) string {
	v, ok := r.Get(name)
	if !ok {
		return "undefined"
	}
	return v.Format()
}

// stringify writes a row as JavaScript's JSON.stringify does.
func stringify(r *cds.Row) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range r.Fields() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(f.Name) + ":")
		writeJSON(&b, f.Value)
	}
	b.WriteByte('}')
	return b.String()
}

func writeJSON(b *strings.Builder, v cds.Value) {
	switch v.Kind() {
	case cqn.KindNull, cqn.KindBool, cqn.KindInt, cqn.KindFloat, cqn.KindDecimal:
		b.WriteString(v.Format())
	case cqn.KindList:
		b.WriteByte('[')
		for i, x := range v.List() {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, x)
		}
		b.WriteByte(']')
	case cqn.KindRow:
		b.WriteString(stringify(v.Row()))
	default:
		b.WriteString(strconv.Quote(v.Str()))
	}
}
