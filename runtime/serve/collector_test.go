package serve

import "testing"

func TestPace(t *testing.T) {
	for _, c := range []struct {
		live, roots uint64
		want        int
	}{{0, 0, 400}, {1 << 20, 0, 400}, {2 << 20, 0, 400}, {2 << 20, 2 << 20, 350}, {4 << 20, 0, 300}, {8 << 20, 0, 100}, {4 << 20, 4 << 20, 150},
		{12 << 20, 1 << 20, 100}, {16 << 20, 0, 100}, {1 << 30, 1 << 20, 100}} {
		if got := pace(c.live, c.roots); got != c.want {
			t.Errorf("%d bytes live, %d of roots: %d, want %d", c.live, c.roots, got, c.want)
		}
	}
}
