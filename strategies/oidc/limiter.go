package oidc

import (
	"sync"
	"time"
)

// A limiter bounds how often something may be begun from one address: a burst, then some per minute. It holds a bounded number of addresses.
type limiter struct {
	now func() time.Time
	mu  sync.Mutex
	of  map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// Bounds of logins begun: each is a record in the store for some minutes. Many people may share an address, behind a proxy that is not configured as trusted even
// all of them.
const (
	startBurst     = 200
	startPerMinute = 300
	startAddresses = 10_000
)

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, of: map[string]*bucket{}}
}

// allow takes one from the bucket of an address.
func (l *limiter) allow(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.of[address]
	if b == nil {
		if len(l.of) >= startAddresses {
			l.forget(now)
		}
		b = &bucket{left: startBurst, at: now}
		l.of[address] = b
	}
	if d := now.Sub(b.at); d > 0 {
		b.left = min(startBurst, b.left+d.Minutes()*startPerMinute)
	}
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// forget drops addresses whose bucket is full again; where there are none, all.
func (l *limiter) forget(now time.Time) {
	for a, b := range l.of {
		if b.left+now.Sub(b.at).Minutes()*startPerMinute >= startBurst {
			delete(l.of, a)
		}
	}
	if len(l.of) >= startAddresses {
		clear(l.of)
	}
}
