// Package backoff makes those wait who try passwords: after a few failures each further one doubles the time until the next try counts.
//
// Its memory is bounded. When it is full, the key whose wait ends soonest is forgotten: an attacker who floods it with names forgets mostly his own.
package backoff

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// A Table counts failures by key, such as "name:alice" and "addr:192.0.2.7". Its fields may be changed before its first use.
type Table struct {
	Free  int           // failures without a wait: 5
	First time.Duration // wait after the next one: 1 s
	Max   time.Duration // longest wait: 1 min
	// Forget is how long after its last failure and wait a key starts anew: 15 min.
	Forget time.Duration
	Size   int // most keys: 10 000

	now  func() time.Time
	seed maphash.Seed
	mu   sync.Mutex
	keys map[uint64]*entry
}

type entry struct {
	failures int
	until    time.Time // no try before it
	last     time.Time
}

// New returns an empty table.
func New(now func() time.Time) *Table {
	return &Table{Free: 5, First: time.Second, Max: time.Minute, Forget: 15 * time.Minute, Size: 10000,
		now: now, seed: maphash.MakeSeed(), keys: map[uint64]*entry{}}
}

// Wait returns how long a key has to wait, and whether it has to. Tries that come earlier should be refused without a look at their password, with 429
// and Retry-After where the protocol has it; they don't count as failures.
func (t *Table) Wait(key string) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.keys[t.hash(key)]
	if e == nil {
		return 0, false
	}
	d := e.until.Sub(t.now())
	return max(d, 0), d > 0
}

// Fail counts a failure. The key has to wait from then on if it has used up its free ones.
func (t *Table) Fail(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, h := t.now(), t.hash(key)
	e := t.keys[h]
	if e != nil && t.stale(e, now) {
		e.failures, e.until = 0, time.Time{}
	}
	if e == nil {
		if len(t.keys) >= t.Size {
			t.evict(now)
		}
		e = &entry{}
		t.keys[h] = e
	}
	e.failures++
	e.last = now
	if n := e.failures - t.Free; n > 0 {
		d := t.Max
		if n <= 30 {
			d = min(t.First<<(n-1), t.Max)
		}
		e.until = now.Add(d)
	}
}

// Ok forgets the failures of a key: somebody knew the password. Do not call it for an address, else whoever has one account may try others without end.
func (t *Table) Ok(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.keys, t.hash(key))
}

// Len returns the number of keys.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.keys)
}

// hash takes the place of a key, however long that is. The seed keeps it from being forged.
func (t *Table) hash(key string) uint64 { return maphash.String(t.seed, key) }

func (t *Table) stale(e *entry, now time.Time) bool {
	last := e.last
	if e.until.After(last) {
		last = e.until
	}
	return now.Sub(last) > t.Forget
}

// evict makes room: all that is stale goes; if nothing is, of a sample the one whose wait ends soonest.
func (t *Table) evict(now time.Time) {
	const look = 64
	n := 0
	var worst uint64
	var low *entry
	for h, e := range t.keys { // the order is random, so a sample is fair
		if t.stale(e, now) {
			delete(t.keys, h)
			continue
		}
		if low == nil || e.until.Before(low.until) || e.until.Equal(low.until) && e.failures < low.failures {
			worst, low = h, e
		}
		if n++; n >= look {
			break
		}
	}
	if len(t.keys) >= t.Size {
		delete(t.keys, worst)
	}
}

// Address returns the key of a client's address: host and port, or a host. Addresses of version 6 count by their network of 64 bits, which one client
// has to itself. What is no address is a key of its own.
func Address(remote string) string {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		remote = ap.Addr().WithZone("").String()
	}
	a, err := netip.ParseAddr(remote)
	if err != nil {
		return "addr:" + remote
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return "addr:" + p.String()
		}
	}
	return "addr:" + a.String()
}
