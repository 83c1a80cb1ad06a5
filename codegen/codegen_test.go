package codegen

import (
	"slices"
	"testing"
	"testing/fstest"
)

func TestDiff(t *testing.T) {
	dir := fstest.MapFS{"a/same.go": {Data: []byte("x")}, "a/other.go": {Data: []byte("y")}}
	got := Diff(dir, []File{{"a/same.go", []byte("x")}, {"a/other.go", []byte("x")}, {"a/new.go", nil}, {"../outside", nil}})
	if want := []string{"a/other.go", "a/new.go", "../outside"}; !slices.Equal(got, want) {
		t.Errorf("Diff is %v, want %v", got, want)
	}
}
