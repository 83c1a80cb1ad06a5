package serve

import "testing"

func TestPace(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 400}, {1 << 20, 800}, {6 << 20, 300}, {12 << 20, 100}, {16 << 20, 100}, {1 << 30, 100}} {
		if got := pace(c.live); got != c.want {
			t.Errorf("%d bytes live: %d, want %d", c.live, got, c.want)
		}
	}
}
