package backoff

import (
	"fmt"
	"testing"
	"time"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func TestDoubling(t *testing.T) {
	c := newClock()
	b := New(c.now)
	for i := range b.Free {
		if _, wait := b.Wait("k"); wait {
			t.Fatalf("has to wait after %d failures", i)
		}
		b.Fail("k")
	}
	if _, wait := b.Wait("k"); wait {
		t.Fatal("has to wait after the free ones")
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		b.Fail("k")
		d, wait := b.Wait("k")
		if !wait || d != want*time.Second {
			t.Fatalf("waits %v (%v), want %v s", d, wait, int(want))
		}
		if _, wait := b.Wait("other"); wait {
			t.Fatal("another key has to wait too")
		}
		c.t = c.t.Add(d)
		if _, wait := b.Wait("k"); wait {
			t.Fatal("has to wait at the end of the wait")
		}
	}
	for range 1000 {
		b.Fail("k")
	}
	if d, _ := b.Wait("k"); d != b.Max {
		t.Fatalf("waits %v after 1000 failures", d)
	}
	c.t = c.t.Add(b.Forget + b.Max + 1)
	b.Fail("k")
	if _, wait := b.Wait("k"); wait {
		t.Fatal("old failures are not forgotten")
	}
}

func TestOk(t *testing.T) {
	c := newClock()
	b := New(c.now)
	for range 10 {
		b.Fail("k")
	}
	b.Ok("k")
	if _, wait := b.Wait("k"); wait || b.Len() != 0 {
		t.Fatal("failures are not forgotten")
	}
}

func TestBounded(t *testing.T) {
	c := newClock()
	b := New(c.now)
	b.Size = 1000
	for range 12 {
		b.Fail("victim")
	}
	for i := range 20000 {
		b.Fail(fmt.Sprint("name ", i))
	}
	if n := b.Len(); n > b.Size {
		t.Errorf("%d keys", n)
	}
	if _, wait := b.Wait("victim"); !wait {
		t.Error("a flood of other names makes it forget the one that is attacked")
	}
	c.t = c.t.Add(time.Hour)
	b.Fail("one more")
	if n := b.Len(); n > b.Size-50 {
		t.Errorf("%d keys: what is stale does not go", n)
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7:1234":           "addr:192.0.2.7",
		"192.0.2.7":                "addr:192.0.2.7",
		"[::ffff:192.0.2.7]:80":    "addr:192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1": "addr:2001:db8:1:2::/64",
		"2001:db8:1:2::9":          "addr:2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":         "addr:fe80::/64",
		"":                         "addr:",
		"pipe":                     "addr:pipe",
	} {
		if got := Address(in); got != want {
			t.Errorf("Address(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestGuard(t *testing.T) {
	c := newClock()
	g := NewGuard(c.now)
	fail := func(n int, name, addr string) {
		for range n {
			g.Tell(name, addr, false)
		}
	}
	waits := func(name, addr string, want bool) {
		t.Helper()
		if d := g.Wait(name, addr); d > 0 != want {
			t.Errorf("%s at %s waits %v", name, addr, d)
		}
	}
	fail(6, "alice", "192.0.2.1:1000")
	waits("alice", "192.0.2.1:2000", true)
	waits("alice", "192.0.2.2:1000", false)
	waits("bob", "192.0.2.1:1000", false)
	g.Tell("alice", "192.0.2.1:1000", true)
	waits("alice", "192.0.2.1:1000", false)
	for i := range 60 {
		fail(1, fmt.Sprint("user", i), "192.0.2.3")
	}
	waits("somebody else", "192.0.2.3", true)
	for i := range 120 {
		fail(1, "alice", fmt.Sprintf("198.51.100.%d", i))
	}
	waits("alice", "203.0.113.1", true)
	waits("alice", "192.0.2.1:3000", false) // she has logged in there
	c.t = c.t.Add(25 * time.Hour)
	fail(120, "alice", "198.51.100.7")
	waits("alice", "192.0.2.1:3000", true)
}
