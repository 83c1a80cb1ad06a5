package token

import (
	"crypto/sha256"
	"sync"
	"time"

	"cds/runtime/auth"
)

// MaxCached is how long a verified token is known without being verified again.
const MaxCached = time.Minute

// maxBytes bounds the length of all tokens that a cache knows; what users are made of takes a few times as much.
const maxBytes = 16 << 20

// A Cache knows verified tokens by their SHA-256, so that the signature of a token is not checked with each of its requests. It holds a bounded
// number and never beyond a token's end. It is safe for concurrent use.
type Cache struct {
	half int
	now  func() time.Time
	ttl  time.Duration

	mu      sync.RWMutex
	bytes   int // of the tokens in young
	cleared uint64
	young   map[[sha256.Size]byte]entry
	old     map[[sha256.Size]byte]entry // the generation before; dropped whole when young is full
}

type entry struct {
	user  *auth.User
	until time.Time // by the monotonic clock
	exp   time.Time // by the wall clock; zero for none
}

// NewCache returns a cache for n tokens.
func NewCache(n int, now func() time.Time) *Cache {
	return &Cache{half: max(n/2, 1), now: now, ttl: MaxCached, young: map[[sha256.Size]byte]entry{}}
}

// Limit makes the cache know tokens for a shorter time than MaxCached; for strategies that have to ask somebody else whether a token still counts.
func (c *Cache) Limit(ttl time.Duration) { c.ttl = min(max(ttl, 0), MaxCached) }

// Get returns the user of a token that was verified not long ago.
func (c *Cache) Get(raw string) (*auth.User, bool) {
	key := hash(raw)
	c.mu.RLock()
	e, ok := c.young[key]
	if !ok {
		e, ok = c.old[key]
	}
	c.mu.RUnlock()
	if !ok {
		return nil, false
	}
	if now := c.now(); !now.Before(e.until) || !e.exp.IsZero() && !now.Before(e.exp) {
		return nil, false
	}
	return e.user, true
}

// Put remembers the user of a token until exp, which is zero for a token without end, and MaxCached at most.
func (c *Cache) Put(raw string, u *auth.User, exp time.Time) {
	c.PutUntil(raw, u, exp, time.Time{}, c.Cleared())
}

// Cleared tells how often the cache was cleared.
func (c *Cache) Cleared() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.cleared
}

// PutUntil is Put for a token that has to be verified again at a time, unless that is zero: when the key set ends that it was verified with. Nothing is
// remembered if the cache was cleared since the token began to be verified, when Cleared returned cleared.
func (c *Cache) PutUntil(raw string, u *auth.User, exp, again time.Time, cleared uint64) {
	if c.ttl == 0 {
		return
	}
	e := entry{user: u, until: c.now().Add(c.ttl), exp: exp}
	if !again.IsZero() && again.Before(e.until) {
		e.until = again
	}
	key := hash(raw)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cleared != cleared {
		return
	}
	if len(c.young) >= c.half || c.bytes+len(raw) > maxBytes/2 {
		c.old, c.young, c.bytes = c.young, make(map[[sha256.Size]byte]entry, len(c.young)), 0
	}
	c.young[key] = e
	c.bytes += len(raw)
}

// Clear forgets everything: after keys were taken away.
func (c *Cache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cleared++
	c.old, c.young, c.bytes = nil, map[[sha256.Size]byte]entry{}, 0
}

func hash(raw string) [sha256.Size]byte {
	// A token has at most MaxLength bytes; the copy on the stack of short ones is cheaper than one on the heap.
	var buf [2048]byte
	return sha256.Sum256(append(buf[:0], raw...))
}
