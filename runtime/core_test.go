package cds

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

func annotated(name string, kv ...any) *csn.Service {
	s := &csn.Service{Def: csn.Def{Name: name}}
	for i := 0; i < len(kv); i += 2 {
		s.Annotations = append(s.Annotations, cqn.AnnoField{Name: kv[i].(string), Value: kv[i+1].(*cqn.AnnoValue)})
	}
	return s
}

func annoText(s string) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoString, Text: s} }

func TestEndpoints(t *testing.T) {
	yes := &cqn.AnnoValue{}
	list := func(vs ...*cqn.AnnoValue) *cqn.AnnoValue { return &cqn.AnnoValue{Kind: cqn.AnnoArray, Items: vs} }
	obj := func(kind, path string) *cqn.AnnoValue {
		return &cqn.AnnoValue{Kind: cqn.AnnoStruct, Fields: []cqn.AnnoField{{Name: "kind", Value: annoText(kind)}, {Name: "path", Value: annoText(path)}}}
	}
	tests := []struct {
		s    *csn.Service
		want []Endpoint
	}{
		{annotated("CatalogService"), []Endpoint{{"odata", "/odata/v4/catalog"}}},
		{annotated("my.bookshop.OrderItemsService"), []Endpoint{{"odata", "/odata/v4/order-items"}}},
		{annotated("Service"), []Endpoint{{"odata", "/odata/v4/service"}}},
		{annotated("Cat_2Go"), []Endpoint{{"odata", "/odata/v4/cat-2-go"}}},
		{annotated("A", "path", annoText("/browse/")), []Endpoint{{"odata", "/browse"}}},
		{annotated("A", "path", annoText("browse")), []Endpoint{{"odata", "/odata/v4/browse"}}},
		{annotated("A", "path", annoText("/")), []Endpoint{{"odata", "/"}}},
		{annotated("A", "protocol", annoText("rest")), []Endpoint{{"rest", "/rest/a"}}},
		{annotated("A", "protocol", annoText("none")), nil},
		{annotated("A", "protocol", list()), nil},
		{annotated("A", "protocol", list(annoText("odata-v4"), annoText("rest"))), []Endpoint{{"odata", "/odata/v4/a"}, {"rest", "/rest/a"}}},
		{annotated("A", "protocol", list(obj("odata", "x"), obj("rest", "/y"))), []Endpoint{{"odata", "/odata/v4/x"}, {"rest", "/y"}}},
		{annotated("A", "rest", yes), []Endpoint{{"rest", "/rest/a"}}},
		{annotated("A", "odata", yes, "rest", yes), []Endpoint{{"odata", "/odata/v4/a"}, {"rest", "/rest/a"}}},
		{annotated("A", "rest", annoText("/r")), []Endpoint{{"rest", "/r"}}},
	}
	for _, tt := range tests {
		if d := cmp.Diff(tt.want, Endpoints(tt.s)); d != "" {
			t.Errorf("%s %v: %s", tt.s.Name, tt.s.Annotations, d)
		}
	}
}

func TestPlanCacheIsBounded(t *testing.T) {
	c := newPlanCache(3)
	p := make([]*plan, 5)
	for i := range p {
		p[i] = &plan{}
		c.put(fmt.Sprint(i), p[i])
		c.get([]byte("0")) // stays, since it is in use
	}
	for key, want := range map[string]*plan{"0": p[0], "1": nil, "2": nil, "3": p[3], "4": p[4]} {
		if got := c.get([]byte(key)); got != want {
			t.Errorf("%s: %p, want %p", key, got, want)
		}
	}
	if len(c.items) != 3 || c.order.Len() != 3 {
		t.Errorf("%d %d", len(c.items), c.order.Len())
	}
}

func TestFaultsShowNothingOfTheDriver(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
	}{
		{db.ErrUnique, 409}, {db.ErrNotNull, 400}, {db.ErrForeignKey, 400}, {db.ErrCheck, 400}, {db.ErrValue, 400}, {db.ErrBusy, 503}, {db.ErrFull, 507},
		{db.ErrReadOnly, 503}, {db.ErrClosed, 503}, {db.ErrCanceled, 503}, {context.DeadlineExceeded, 504}, {errors.New("x"), 500},
		{sqlgen.ErrNotUpdatable, 405}, {&sqlgen.Forbidden{}, 403}, {&sqlgen.Forbidden{Anonymous: true}, 401},
	} {
		e := clientError(fmt.Errorf("secret driver text: %w", tt.err))
		if e.Status != tt.status || e.Cause == nil {
			t.Errorf("%v: %d, cause %v", tt.err, e.Status, e.Cause)
		}
		if e.Message == "" || e.Code == "" || len(e.Message) > 100 || errorsMention(e, "secret") {
			t.Errorf("%v: %q", tt.err, e.Message)
		}
	}
	if e := clientError(&sqlgen.Error{Code: "X", Message: "m", Status: 501}); e.Status != 501 || e.Code != "X" {
		t.Errorf("%+v", e)
	}
	if e := clientError(&sqlgen.Error{Message: "m"}); e.Status != 400 || e.Code != "400" {
		t.Errorf("%+v", e)
	}
}

func errorsMention(e *Error, text string) bool {
	return len(e.Message) >= len(text) && cmp.Equal(e.Message[:len(text)], text)
}

func TestBindsConvert(t *testing.T) {
	u := &User{ID: "bob", Tenant: "t1", Kind: 1, Attrs: map[string][]string{"n": {"1", "x", "3"}, "one": {"7"}, "none": {}}}
	unit := &unit{nowText: "2024-05-06T07:08:09.123Z"}
	num, date := &csn.Builtin{Name: "cds.Integer", Kind: csn.Integer}, &csn.Builtin{Name: "cds.Date", Kind: csn.Date}
	b := &bindings{user: u, unit: unit, lits: []cqn.Value{cqn.String("5"), cqn.List([]cqn.Value{cqn.Int(1), cqn.String("x")})}, row: cqn.NewRow(cqn.Field{Name: "tags", Value: cqn.List([]cqn.Value{cqn.String("a")})})}
	attr := func(n string) cqn.Param { return cqn.Param{From: cqn.FromUserAttr, Name: n} }
	got, err := b.fill(nil, []sqlgen.Bind{
		{Param: cqn.Param{From: cqn.FromLiteral}, Type: num},
		{Param: attr("n"), Type: num, List: true},
		{Param: attr("none"), List: true},
		{Param: attr("none"), IsNull: true},
		{Param: attr("n"), IsNull: true},
		{Param: attr("one"), Type: num},
		{Param: attr("n"), Type: num},
		{Param: cqn.Param{From: cqn.FromUserID}},
		{Param: cqn.Param{From: cqn.FromUserTenant}, List: true},
		{Param: cqn.Param{From: cqn.FromNow}, Type: date},
		{Param: cqn.Param{Index: -1}, Const: cqn.Bool(true)},
		{Column: "tags"},
		{Column: "absent"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []cqn.Value{cqn.Int(5), cqn.List([]cqn.Value{cqn.Int(1), cqn.Int(3)}), cqn.List([]cqn.Value{}), cqn.Bool(true), cqn.Bool(false), cqn.Int(7), cqn.Null,
		cqn.String("bob"), cqn.List([]cqn.Value{cqn.String("t1")}), cqn.Text(cqn.KindDate, "2024-05-06"), cqn.Bool(true), cqn.String(`["a"]`), cqn.Null}
	for i := range want {
		if !got[i].Equal(want[i]) {
			t.Errorf("%d: %v %s, want %s", i, got[i].Kind(), got[i].Format(), want[i].Format())
		}
	}
	if _, err := b.fill(nil, []sqlgen.Bind{{Param: cqn.Param{From: cqn.FromLiteral, Index: 1}, Type: num, List: true}}); clientError(err).Status != 400 {
		t.Errorf("a client's literal of a wrong type: %v", err)
	}
	b.user = anonymous
	got, _ = b.fill(nil, []sqlgen.Bind{{Param: cqn.Param{From: cqn.FromUserID}}, {Param: cqn.Param{From: cqn.FromUserID}, List: true}, {Param: cqn.Param{From: cqn.FromUserTenant}}})
	if !got[0].IsNull() || len(got[1].List()) != 0 || !got[2].IsNull() {
		t.Error("$user of the anonymous user has a value")
	}
}

func FuzzCoerce(f *testing.F) {
	for _, s := range []string{"1", "-9223372036854775809", "1e400", "2024-02-30", "12:60", "2024-01-01T00:00:00+25:00", "AA==", "NaN", "0x1p-2", "00000000-0000-0000-0000-000000000000"} {
		f.Add(s, int64(9), int64(2))
	}
	f.Fuzz(func(t *testing.T, s string, p, sc int64) {
		for k := csn.UUID; k <= csn.Map; k++ {
			b := &csn.Builtin{Name: "cds.X", Kind: k, Precision: int(p & 31), Scale: int(sc & 7), Length: int(p & 63)}
			for _, v := range []cqn.Value{cqn.String(s), cqn.Decimal(s)} {
				c, ok := coerce(v, b)
				if !ok {
					continue
				}
				again, ok := coerce(c, b)
				if !ok || !again.Equal(c) {
					t.Errorf("%q as %d: %q is not stable: %q", s, k, c.Format(), again.Format())
				}
			}
		}
	})
}
