package users

import (
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"cds/runtime/auth"
	"cds/strategies/internal/backoff"
)

// A guard makes those wait who try passwords: a name at an address after five failures; an address after fifty, since many may share it; a name, wherever
// from, after a hundred. The last would let strangers lock somebody out, so addresses where the name has logged in lately are exempt from it.
type guard struct {
	pairs, addrs, names *backoff.Table

	now   func() time.Time
	seed  maphash.Seed
	mu    sync.Mutex
	known map[uint64]time.Time // names at addresses that have logged in
}

const (
	freeAtAddr = 50
	freeByName = 100
	knownTime  = 24 * time.Hour
	knownSize  = 10000
)

func newGuard(now func() time.Time) *guard {
	g := &guard{pairs: backoff.New(now), addrs: backoff.New(now), names: backoff.New(now), now: now, seed: maphash.MakeSeed(), known: map[uint64]time.Time{}}
	g.addrs.Free, g.names.Free = freeAtAddr, freeByName
	return g
}

// wait returns how long a try has to wait.
func (g *guard) wait(name, client string) time.Duration {
	if g.addrs.Len() == 0 { // every failure is counted there
		return 0
	}
	addr := backoff.Address(client)
	d, _ := g.addrs.Wait(addr)
	if p, ok := g.pairs.Wait(addr + " " + name); ok {
		d = max(d, p)
	}
	if n, ok := g.names.Wait(name); ok && !g.isKnown(name, client) {
		d = max(d, n)
	}
	return d
}

// tell says how a try ended. What was no try of a password counts for nothing.
func (g *guard) tell(name, client string, err error) {
	switch {
	case err == nil:
		if g.pairs.Len() > 0 {
			g.pairs.Ok(backoff.Address(client) + " " + name)
		}
		g.remember(name, client)
	case errors.Is(err, auth.ErrCredentials):
		addr := backoff.Address(client)
		g.pairs.Fail(addr + " " + name)
		g.addrs.Fail(addr)
		g.names.Fail(name)
	}
}

// pair is a name at an address, without its port.
func (g *guard) pair(name, addr string) uint64 {
	if i := strings.LastIndexByte(addr, ':'); i > 0 && strings.IndexByte(addr, ':') == i || strings.HasPrefix(addr, "[") {
		addr = addr[:i]
	}
	var h maphash.Hash
	h.SetSeed(g.seed)
	h.WriteString(addr)
	h.WriteByte(' ')
	h.WriteString(name)
	return h.Sum64()
}

func (g *guard) isKnown(name, addr string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	until, ok := g.known[g.pair(name, addr)]
	return ok && g.now().Before(until)
}

func (g *guard) remember(name, addr string) {
	k, now := g.pair(name, addr), g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, there := g.known[k]; !there && len(g.known) >= knownSize {
		clear(g.known)
	}
	g.known[k] = now.Add(knownTime)
}
