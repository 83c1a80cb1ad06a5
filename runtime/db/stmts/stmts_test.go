package stmts_test

import (
	"strconv"
	"testing"

	"cds/runtime/db/stmts"
)

func TestOrderOfUse(t *testing.T) {
	var c stmts.Cache[int]
	if _, ok := c.Pop(); ok {
		t.Error("an empty cache gives a statement")
	}
	for i := range 4 {
		c.Add(strconv.Itoa(i), i)
	}
	if v, ok := c.Get("0"); !ok || v != 0 {
		t.Error(v, ok)
	}
	if v, ok := c.Peek("1"); !ok || v != 1 {
		t.Error(v, ok)
	}
	if _, ok := c.Get("9"); ok {
		t.Error("there is no 9")
	}
	c.Remove("3")
	c.Remove("3")
	for _, want := range []int{1, 2, 0} {
		if v, ok := c.Pop(); !ok || v != want {
			t.Errorf("got %d, %v, want %d", v, ok, want)
		}
	}
	if _, ok := c.Pop(); ok {
		t.Error("the cache is not empty")
	}
	c.Add("5", 5)
	if v, ok := c.Pop(); !ok || v != 5 {
		t.Error(v, ok)
	}
}

func TestFull(t *testing.T) {
	var c stmts.Cache[int]
	for i := range stmts.Max {
		if c.Full() {
			t.Fatalf("full with %d", i)
		}
		c.Add(strconv.Itoa(i), i)
	}
	if !c.Full() {
		t.Error("not full")
	}
	c.Pop()
	if c.Full() {
		t.Error("full after Pop")
	}
}
