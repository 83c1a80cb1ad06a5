package cqn

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// nodes are the zero nodes of all types; a new node type must be added here, to Walk, Rewrite, Shape and Format.
var nodes = []any{
	&Ref{}, &Lit{}, &Param{}, &Call{}, &Unary{}, &Binary{}, &Between{}, &Like{}, &In{}, &Case{}, &Exists{}, &Tuple{}, &Subquery{}, &Cast{},
	&Select{}, &SetOp{}, &Insert{}, &Upsert{}, &Update{}, &Delete{}, &From{}, &Join{}, &Derived{},
}

// filler fills every place of a node that can hold an expression with a marker, by reflection.
type filler struct{ n int }

var (
	exprType   = reflect.TypeFor[Expr]()
	queryType  = reflect.TypeFor[Query]()
	sourceType = reflect.TypeFor[Source]()
)

func (f *filler) marker() *Lit { f.n++; return &Lit{Value: Int(int64(f.n))} }

func (f *filler) fill(v reflect.Value, depth int) {
	if depth > 6 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*Row]() || v.Type() == reflect.TypeFor[*TypeName]() {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && v.Type().Field(i).Name != "At" && v.Type().Field(i).Name != "Span" {
				f.fill(v.Field(i), depth)
			}
		}
	case reflect.Slice:
		switch v.Type().Elem().Kind() {
		case reflect.String, reflect.Pointer:
			return // names, rows
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0), depth+1)
		f.fill(v.Index(1), depth+1)
	case reflect.Interface:
		switch v.Type() {
		case exprType:
			v.Set(reflect.ValueOf(f.marker()))
		case queryType:
			v.Set(reflect.ValueOf(&Delete{Where: f.marker()}))
		case sourceType:
			v.Set(reflect.ValueOf(&Derived{Query: &Delete{Where: f.marker()}}))
		}
	}
}

func filled(t *testing.T, zero any) (any, int) {
	t.Helper()
	v := reflect.New(reflect.TypeOf(zero).Elem())
	var f filler
	f.fill(v.Elem(), 0)
	return v.Interface(), f.n
}

func TestWalk_all(t *testing.T) {
	for _, zero := range nodes {
		n, want := filled(t, zero)
		if l, ok := n.(*Lit); ok {
			*l, want = Lit{Value: Int(1)}, 1
		}
		seen := map[int64]bool{}
		Walk(n, func(x any) bool {
			if l, ok := x.(*Lit); ok {
				seen[l.Value.Int()] = true
			}
			return true
		})
		if len(seen) != want {
			t.Errorf("%T: Walk saw %d of %d children", zero, len(seen), want)
		}
	}
}

func TestRewrite_all(t *testing.T) {
	for _, zero := range nodes {
		if _, ok := zero.(*Lit); ok {
			continue
		}
		n, want := filled(t, zero)
		before := fmt.Sprint(dump(n))
		got := 0
		fn := func(x Expr) Expr {
			if l, ok := x.(*Lit); ok {
				got++
				return &Lit{Value: Int(l.Value.Int() + 1000)}
			}
			return x
		}
		var out any
		switch n := n.(type) {
		case Expr:
			out = Rewrite(n, fn)
		case Query:
			out = RewriteQuery(n, fn)
		case Source:
			out = RewriteQuery(&Select{From: n}, fn)
		}
		if got != want {
			t.Errorf("%T: Rewrite saw %d of %d children", zero, got, want)
		}
		Walk(out, func(x any) bool {
			if l, ok := x.(*Lit); ok && l.Value.Int() < 1000 {
				t.Errorf("%T: a child was not replaced", zero)
			}
			return true
		})
		if after := fmt.Sprint(dump(n)); after != before {
			t.Errorf("%T: Rewrite changed its argument: %s", zero, cmp.Diff(before, after))
		}
	}
}

func dump(n any) []int64 {
	var out []int64
	Walk(n, func(x any) bool {
		if l, ok := x.(*Lit); ok {
			out = append(out, l.Value.Int())
		}
		return true
	})
	return out
}

func TestRewrite_shares(t *testing.T) {
	x := &Binary{Op: And, L: NewRef("a"), R: &In{X: NewRef("b"), Set: &Tuple{Items: []Expr{&Lit{Value: Int(1)}}}}}
	if got := Rewrite(x, func(x Expr) Expr { return x }); got != Expr(x) {
		t.Error("an unchanged tree was copied")
	}
}

func TestShape_all(t *testing.T) {
	for _, zero := range nodes {
		n, want := filled(t, zero)
		if _, ok := n.(*Lit); ok {
			continue
		}
		var q Query
		switch n := n.(type) {
		case Expr:
			q = &Select{Where: n}
		case Query:
			q = n
		case Source:
			q = &Select{From: n}
		}
		_, values := Shape(q)
		p, params := Parametrize(q)
		if _, ok := zero.(*Tuple); !ok && len(values) != want {
			t.Errorf("%T: Shape found %d of %d literals", zero, len(values), want)
		}
		if d := cmp.Diff(values, params); d != "" {
			t.Errorf("%T: Shape and Parametrize number differently: %s", zero, d)
		}
		Walk(p, func(x any) bool {
			if _, ok := x.(*Lit); ok {
				t.Errorf("%T: a literal is left", zero)
			}
			return true
		})
	}
}

// Every scalar field that is not a place must change the key.
func TestShape_distinguishes(t *testing.T) {
	for _, zero := range nodes {
		if _, ok := zero.(*Lit); ok {
			continue
		}
		n, _ := filled(t, zero)
		mutate(t, zero, n, reflect.ValueOf(n).Elem(), fmt.Sprintf("%T", zero))
	}
}

func keyOf(n any) string {
	var k string
	switch n := n.(type) {
	case Expr:
		k, _ = Shape(&Select{Where: n})
	case Query:
		k, _ = Shape(n)
	case Source:
		k, _ = Shape(&Select{From: n})
	}
	return k
}

func mutate(t *testing.T, zero, root any, v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Name == "At" || f.Name == "Span" || f.Name == "Paren" || !v.Field(i).CanSet() {
				continue
			}
			mutate(t, zero, root, v.Field(i), name+"."+f.Name)
		}
		return
	case reflect.Slice:
		if v.Len() > 0 {
			mutate(t, zero, root, v.Index(1), name+"[1]")
		}
		return
	case reflect.Pointer:
		if !v.IsNil() {
			mutate(t, zero, root, v.Elem(), name)
		}
		return
	}
	before := keyOf(root)
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	switch v.Kind() {
	case reflect.String:
		v.SetString("changed")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8:
		v.SetUint(v.Uint() + 1)
	default:
		return
	}
	if keyOf(root) == before {
		t.Errorf("%s does not count in the key", name)
	}
	v.Set(old)
}

func TestShape_values(t *testing.T) {
	where := func(x Expr) Query { return &Select{From: &From{Path: NewRef("E")}, Where: x} }
	lit := func(v Value) Expr { return &Lit{Value: v} }
	in := func(vs ...Expr) Expr { return &In{X: NewRef("a"), Set: &Tuple{Items: vs}} }
	eq := func(x Expr) Expr { return &Binary{Op: Eq, L: NewRef("a"), R: x} }
	tests := []struct {
		name string
		a, b Query
		same bool
	}{
		{"numbers", where(eq(lit(Int(1)))), where(eq(lit(Int(2)))), true},
		{"kinds", where(eq(lit(Int(1)))), where(eq(lit(String("1")))), false},
		{"null", where(eq(lit(Int(1)))), where(eq(lit(Null))), false},
		{"booleans", where(eq(lit(Bool(true)))), where(eq(lit(Bool(false)))), false},
		{"list lengths", where(in(lit(Int(1)))), where(in(lit(Int(1)), lit(Int(2)))), true},
		{"list with null", where(in(lit(Int(1)))), where(in(lit(Int(1)), lit(Null))), false},
		{"search", &Select{Search: []string{"a"}}, &Select{Search: []string{"b"}}, true},
		{"two words", &Select{Search: []string{"a"}}, &Select{Search: []string{"a", "b"}}, false},
		{"enum", where(eq(&Lit{Enum: "a"})), where(eq(&Lit{Enum: "b"})), false},
		{"payload", &Insert{Into: "E", Rows: []*Row{NewRow(Field{"a", Int(1)})}}, &Insert{Into: "E", Rows: []*Row{NewRow(Field{"a", Int(2)})}}, true},
		{"payload fields", &Insert{Into: "E", Rows: []*Row{NewRow(Field{"a", Int(1)})}}, &Insert{Into: "E", Rows: []*Row{NewRow(Field{"b", Int(1)})}}, false},
	}
	for _, tt := range tests {
		ka, va := Shape(tt.a)
		kb, vb := Shape(tt.b)
		if (ka == kb) != tt.same {
			t.Errorf("%s: same key = %v", tt.name, ka == kb)
		}
		if tt.same && len(va) != len(vb) {
			t.Errorf("%s: %d and %d values", tt.name, len(va), len(vb))
		}
	}
}
