package csn

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestEdits_naive compares Edits with its definition.
func TestEdits_naive(t *testing.T) {
	var slow func(a, b string) int
	slow = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		best := min(slow(a[1:], b)+1, slow(a, b[1:])+1)
		if a[0] == b[0] {
			best = min(best, slow(a[1:], b[1:]))
		} else {
			best = min(best, slow(a[1:], b[1:])+1)
		}
		if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
			best = min(best, slow(a[2:], b[2:])+1)
		}
		return best
	}
	r := rand.New(rand.NewPCG(1, 1))
	word := func() string {
		b := make([]byte, r.IntN(7))
		for i := range b {
			b[i] = "abc"[r.IntN(3)]
		}
		return string(b)
	}
	for range 3000 {
		if a, b := word(), word(); Edits(a, b) != slow(a, b) {
			t.Fatalf("%q, %q: %d, want %d", a, b, Edits(a, b), slow(a, b))
		}
	}
	long := strings.Repeat("a", 41)
	if Edits(long, long) < 3 || Edits(long, "a") < 3 || Edits("a", long) < 3 {
		t.Error("words that are too long are alike")
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"grant", "grant", 0}, {"grants", "grant", 1}, {"were", "where", 1}, {"wehre", "where", 1}, {"", "to", 2}, {"abc", "xyz", 3}} {
		if got := Edits(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
