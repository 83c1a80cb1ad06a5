package backoff

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Guard makes those wait who try passwords: a name at an address after five failures; an address after fifty, since many may share it; a name, wherever
// from, after a hundred. The last would let strangers lock somebody out, so addresses where the name has logged in lately are exempt from it.
type Guard struct {
	pairs, addrs, names *Table

	now      func() time.Time
	failures atomic.Uint64 // of all; as long as there are none, nothing is looked up
	seed     maphash.Seed
	mu       sync.RWMutex
	known    map[uint64]time.Time // names at addresses that have logged in, until when
}

const (
	freeAtAddr = 50
	freeByName = 100
	knownTime  = 24 * time.Hour
	knownAgain = time.Hour // a login is noted anew after that, not with each request
	knownSize  = 10000
)

// NewGuard returns a guard that has seen nothing yet.
func NewGuard(now func() time.Time) *Guard {
	g := &Guard{pairs: New(now), addrs: New(now), names: New(now), now: now, seed: maphash.MakeSeed(), known: map[uint64]time.Time{}}
	g.addrs.Free, g.names.Free = freeAtAddr, freeByName
	return g
}

// Wait returns how long a try has to wait, 0 if it need not. client is an address, with or without a port.
func (g *Guard) Wait(name, client string) time.Duration {
	if g.failures.Load() == 0 {
		return 0
	}
	addr := Address(client)
	d, _ := g.addrs.Wait(addr)
	if p, ok := g.pairs.Wait(addr + " " + name); ok {
		d = max(d, p)
	}
	if n, ok := g.names.Wait(name); ok && !g.isKnown(client, name) {
		d = max(d, n)
	}
	return d
}

// Tell says how a try of a password ended.
func (g *Guard) Tell(name, client string, ok bool) {
	if ok {
		if g.failures.Load() > 0 {
			g.pairs.Ok(Address(client) + " " + name)
		}
		g.remember(client, name)
		return
	}
	addr := Address(client)
	g.pairs.Fail(addr + " " + name)
	g.addrs.Fail(addr)
	g.names.Fail(name)
	g.failures.Add(1)
}

// Try has a password checked, unless the try has to wait, and notes how that ended. An error of check says that nothing was checked. Where others have failed
// so often while check was under way that this try would have to wait by now, it counts as one that came too early, right or wrong: many tries at once tell
// no more than one after the other. wait is 0 where what check has found counts.
func (g *Guard) Try(name, client string, check func() (ok bool, err error)) (wait time.Duration, err error) {
	failures := g.failures.Load()
	if d := g.Wait(name, client); d > 0 {
		return d, nil
	}
	ok, err := check()
	if err != nil {
		return 0, err
	}
	if g.failures.Load() != failures { // nothing else makes anybody wait
		if d := g.Wait(name, client); d > 0 {
			return d, nil
		}
	}
	g.Tell(name, client, ok)
	return 0, nil
}

// pair stands for a name at an address; ports are no part of it. It is asked for with each request that is let in, so nothing is allocated.
func (g *Guard) pair(client, name string) uint64 {
	if i := strings.LastIndexByte(client, ':'); i > 0 && (strings.IndexByte(client, ':') == i || client[i-1] == ']') {
		client = client[:i]
	}
	var h maphash.Hash
	h.SetSeed(g.seed)
	h.WriteString(client)
	h.WriteByte(' ')
	h.WriteString(name)
	return h.Sum64()
}

func (g *Guard) isKnown(client, name string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	until, ok := g.known[g.pair(client, name)]
	return ok && g.now().Before(until)
}

func (g *Guard) remember(client, name string) {
	k, now := g.pair(client, name), g.now()
	g.mu.RLock()
	until, there := g.known[k]
	g.mu.RUnlock()
	if there && until.Sub(now) > knownTime-knownAgain {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, there := g.known[k]; !there && len(g.known) >= knownSize {
		clear(g.known)
	}
	g.known[k] = now.Add(knownTime)
}
