package eval_test

import (
	"testing"

	"cds/parser/cqn"
	"cds/runtime/auth"
	"cds/runtime/eval"
)

// Arithmetic stays a number where it is null: an attribute that is none has no value for it, so nothing is satisfied.
func TestNullArithmetic(t *testing.T) {
	x := &cqn.Binary{Op: cqn.Ne, L: &cqn.Binary{Op: cqn.Add, L: cqn.NewRef("n"), R: cqn.NewRef("m")}, R: &cqn.Param{From: cqn.FromUserAttr, Name: "a"}}
	row := cqn.NewRow(cqn.Field{Name: "n", Value: cqn.Null}, cqn.Field{Name: "m", Value: cqn.Int(1)})
	for attr, want := range map[string]eval.Truth{"": eval.False, "text": eval.False, "1": eval.True} {
		u := auth.New(auth.User{ID: "u", Attrs: map[string][]string{"a": {attr}}})
		if got, err := eval.Test(x, row, nil, &eval.Env{User: u, Now: nowText}); got != want || err != nil {
			t.Errorf("%q: got %v, %v, want %v", attr, got, err, want)
		}
	}
}
