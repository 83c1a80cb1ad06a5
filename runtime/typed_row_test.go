package cds

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cds/parser/cqn"
)

// The types of a small generated package, written by hand.
type tBook struct {
	ID     Opt[int32]     `json:"ID,omitzero"`
	Title  Opt[string]    `json:"title,omitzero"`
	Price  Opt[Decimal]   `json:"price,omitzero"`
	At     Opt[time.Time] `json:"at,omitzero"`
	Since  Opt[time.Time] `json:"since,omitzero"`
	Tags   Opt[[]string]  `json:"tags,omitzero"`
	Author *tAuthor       `json:"author,omitempty"`
	Items  Many[tAuthor]  `json:"items,omitzero"`
	Size   tSize          `json:"size,omitzero"`
	Ext    `json:"-"`
}

type tAuthor struct {
	Name Opt[string] `json:"name,omitzero"`
	Ext  `json:"-"`
}

type tSize struct{ W, H Opt[int16] }

func (x *tBook) CDSFields(f *Fields) {
	Field(f, "ID", &x.ID)
	Field(f, "title", &x.Title)
	Field(f, "price", &x.Price)
	Field(f, "at", &x.At)
	DateTime(f, "since", &x.Since)
	Items(f, "tags", &x.Tags)
	One(f, "author", &x.Author)
	Rows(f, "items", &x.Items)
	Struct(f, "size", &x.Size)
}

func (x *tAuthor) CDSFields(f *Fields) {
	Field(f, "name", &x.Name)
}

func (x *tSize) CDSFields(f *Fields) {
	Field(f, "w", &x.W)
	Field(f, "h", &x.H)
}

func row(pairs ...any) *Row {
	r := cqn.NewRow()
	for i := 0; i < len(pairs); i += 2 {
		r.Set(pairs[i].(string), pairs[i+1].(Value))
	}
	return r
}

func show(r *Row) string {
	s := ""
	for _, f := range r.Fields() {
		s += f.Name + "=" + f.Value.Format() + " "
	}
	return s
}

func TestOptHasThreeStates(t *testing.T) {
	in := `{"ID":1,"title":null,"tags":["a"],"items":[],"size":{"W":null,"H":3}}`
	var b tBook
	if err := json.Unmarshal([]byte(in), &b); err != nil {
		t.Fatal(err)
	}
	if n, ok := b.ID.Get(); n != 1 || !ok {
		t.Errorf("ID is %d, %v", n, ok)
	}
	if !b.Title.IsNull() || !b.Title.Has() || b.Title.Or("x") != "x" {
		t.Errorf("title should be null: %+v", b.Title)
	}
	if b.Price.Has() || !b.Price.IsZero() {
		t.Errorf("price should be absent: %+v", b.Price)
	}
	if !b.Items.Has() || b.Items.Len() != 0 {
		t.Errorf("items should be empty, not absent: %+v", b.Items)
	}
	out, err := json.Marshal(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, string(out)); diff != "" {
		t.Errorf("JSON changed on the way (-in +out):\n%s", diff)
	}
}

func TestRowsRoundTrip(t *testing.T) {
	in := row("ID", cqn.Int(7), "title", cqn.Null, "price", cqn.Decimal("1.50"),
		"at", cqn.Text(cqn.KindTimestamp, "2026-01-02T03:04:05.678Z"), "since", cqn.Text(cqn.KindDateTime, "2026-01-02T03:04:05Z"),
		"tags", cqn.List([]Value{cqn.String("a"), cqn.String("b")}), "author", cqn.OfRow(row("name", cqn.String("Poe"))),
		"items", cqn.OfRows([]*Row{row("name", cqn.String("x"), "colour", cqn.String("red"))}),
		"size_w", cqn.Int(3), "size_h", cqn.Null, "x_tenant", cqn.String("kept"))
	var b tBook
	if err := FromRow(in, &b); err != nil {
		t.Fatal(err)
	}
	if b.Author == nil || b.Author.Name.Or("") != "Poe" || b.Size.W.Or(0) != 3 || !b.Size.H.IsNull() {
		t.Errorf("nested values are lost: %+v", b)
	}
	if v, ok := b.Extra("x_tenant"); !ok || v.Str() != "kept" {
		t.Error("an unknown element is lost")
	}
	out, err := ToRow(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !in.Equal(out) {
		t.Errorf("the row changed:\n in %s\nout %s", show(in), show(out))
	}
}

func TestRowsRefuseWhatDoesNotFit(t *testing.T) {
	for name, v := range map[string]struct {
		field string
		v     Value
	}{
		"text for a number":      {"ID", cqn.String("x")},
		"number out of range":    {"ID", cqn.Int(1 << 40)},
		"fraction for a number":  {"ID", cqn.Decimal("1.5")},
		"number for text":        {"title", cqn.Int(1)},
		"words for a decimal":    {"price", cqn.String("cheap")},
		"huge exponent":          {"price", cqn.Decimal("1e999999")},
		"no instant":             {"at", cqn.String("yesterday")},
		"scalar for an array":    {"tags", cqn.String("a")},
		"scalar for rows":        {"items", cqn.Int(1)},
		"scalars in rows":        {"items", cqn.List([]Value{cqn.Int(1)})},
		"wrong in a nested row":  {"author", cqn.OfRow(row("name", cqn.Bool(true)))},
		"out of range in struct": {"size_w", cqn.Int(70000)},
	} {
		t.Run(name, func(t *testing.T) {
			var b tBook
			if err := FromRow(row(v.field, v.v), &b); err == nil {
				t.Errorf("accepted: %+v", b)
			}
		})
	}
}

func TestUpdateRowKeepsOrderAndUnseenNulls(t *testing.T) {
	r := row("title", cqn.String("a"), "author", cqn.Null, "ID", cqn.Int(1), "price", cqn.Decimal("2"))
	var b tBook
	if err := FromRow(r, &b); err != nil {
		t.Fatal(err)
	}
	b.Title.Set("b")
	b.Price.Clear()
	b.Size.W.Set(4)
	if err := updateRow(r, &b); err != nil {
		t.Fatal(err)
	}
	if got, want := show(r), "title=b author=null ID=1 size_w=4 "; got != want {
		t.Errorf("row is %s, want %s", got, want)
	}
}

func TestDeepRowsAreRefused(t *testing.T) {
	var top tNode
	at := &top
	for range 200 {
		at.Next = &tNode{}
		at = at.Next
	}
	if _, err := ToRow(&top); err == nil {
		t.Error("a row of 200 levels was written")
	}
	r := row()
	for range 200 {
		r = row("next", cqn.OfRow(r))
	}
	if err := FromRow(r, &tNode{}); err == nil {
		t.Error("a row of 200 levels was read")
	}
}

type tNode struct{ Next *tNode }

func (x *tNode) CDSFields(f *Fields) { One(f, "next", &x.Next) }

func TestDecimal(t *testing.T) {
	d := MustDecimal
	for _, c := range []struct {
		got  Decimal
		want string
	}{
		{d("0.1").Add(d("0.2")), "0.3"},
		{d("19.99").Mul(d("0.9")).Round(2), "17.99"},
		{d("1.005").Round(2), "1.01"},
		{d("-1.005").Round(2), "-1.01"},
		{d("10").Sub(d("0.01")), "9.99"},
		{DecimalOf(-5), "-5"},
		{d("1e3"), "1000"},
		{d("1.50"), "1.50"},
		{Decimal{}, "0"},
	} {
		if c.got.String() != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	if !d("1.5").Equal(d("1.50")) || d("2").Cmp(d("10")) >= 0 || d("-1").Sign() != -1 {
		t.Error("comparison is not numeric")
	}
	for _, bad := range []string{"", "-", ".", "1.", ".5", "1e", "1e+", "NaN", "Infinity", "0x1", "1 ", "１", "1e99999", "1_000"} {
		if _, err := ParseDecimal(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"1", "-0.00", "1e10", "9.99E-400", "0000", "1e400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDecimal(s)
		if err != nil {
			return
		}
		if again, err := ParseDecimal(d.String()); err != nil && len(d.String()) <= maxDecimalDigits || err == nil && !again.Equal(d) {
			t.Errorf("%q became %q: %v", s, d, err)
		}
		d.Add(DecimalOf(1)).Mul(d).Round(2)
	})
}
