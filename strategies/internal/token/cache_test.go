package token

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cds/runtime/auth"
)

func TestCache(t *testing.T) {
	c := newClock()
	u := auth.New(auth.User{ID: "x"})
	known := func(k *Cache, raw string, want bool) {
		t.Helper()
		if got, ok := k.Get(raw); ok != want || ok && got != u {
			t.Errorf("%s: %v, %v; want %v", raw, got, ok, want)
		}
	}
	k := NewCache(100, c.now)
	known(k, "a", false)
	k.Put("a", u, time.Time{})
	k.Put("b", u, c.now().Add(10*time.Second))
	k.PutUntil("c", u, time.Time{}, c.now().Add(5*time.Second), k.Cleared())
	known(k, "a", true)
	known(k, "b", true)
	known(k, "c", true)
	c.add(5 * time.Second)
	known(k, "c", false) // its key set ended
	c.add(5 * time.Second)
	known(k, "b", false) // it ended
	c.add(50 * time.Second)
	known(k, "a", false) // a minute is over

	k.Put("a", u, time.Time{})
	before := k.Cleared()
	k.Clear()
	known(k, "a", false)
	k.PutUntil("a", u, time.Time{}, time.Time{}, before) // was verified before keys were taken away
	known(k, "a", false)

	k.Limit(time.Hour)
	k.Put("a", u, time.Time{})
	c.add(time.Minute)
	known(k, "a", false)
	k.Limit(0)
	k.Put("a", u, time.Time{})
	known(k, "a", false)
}

func TestCacheIsBounded(t *testing.T) {
	k := NewCache(1000, newClock().now)
	u := auth.New(auth.User{ID: "x"})
	for i := range 100_000 {
		k.Put(fmt.Sprint(i), u, time.Time{})
	}
	if n := len(k.young) + len(k.old); n > 1000 {
		t.Fatalf("%d tokens are kept", n)
	}
	if _, ok := k.Get("99999"); !ok {
		t.Error("the last token is not known")
	}
	k = NewCache(100_000, newClock().now)
	long := strings.Repeat("a", MaxLength-10)
	for i := range 3000 {
		k.Put(fmt.Sprint(long, i), u, time.Time{})
	}
	if n := len(k.young) + len(k.old); n > maxBytes/(MaxLength-10) {
		t.Fatalf("%d long tokens are kept", n)
	}
}
