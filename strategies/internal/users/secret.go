package users

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"cds/runtime/password"
)

// A secret is what a user proves itself with.
type secret struct {
	open bool // any password will do
	sum  [sha256.Size]byte
	hash string // in PHC form or bcrypt; "" if sum counts
}

// readSecret reads a password, in plain text or as the hash of one.
func readSecret(v any) (secret, error) {
	if v == nil {
		return secret{open: true}, nil
	}
	s, err := text(v)
	switch {
	case err != nil:
		return secret{}, err
	case s == "":
		return secret{}, fmt.Errorf("is empty; leave it out to accept any password")
	case password.Is(s):
		if err := password.Valid(s); err != nil {
			return secret{}, err
		}
		return secret{hash: s}, nil
	case len(s) > 1 && s[0] == '$' && hashLike(s):
		return secret{}, fmt.Errorf("is a hash of a kind that is not known: argon2id and bcrypt are")
	}
	return secret{sum: sha256.Sum256([]byte(s))}, nil
}

// hashLike recognizes the form of other hashes, such as $argon2i$… and $6$…, which taken as passwords would let their readers in.
func hashLike(s string) bool {
	fields := 0
	for _, c := range s {
		if c == '$' {
			fields++
		}
	}
	return fields >= 3
}

// check compares a password with that of an entry; nil and refused ones fit none. Where hashes are in use, each check costs one, whoever is asked for: for
// names that have none, one of the others is chosen, always the same for a name.
func (t *Table) check(ctx context.Context, e *entry, name, pw string) (bool, error) {
	sum := sha256.Sum256([]byte(pw))
	var want secret
	if e != nil && !e.refused {
		want = e.secret
	}
	plain := want.hash == "" && subtle.ConstantTimeCompare(sum[:], want.sum[:]) == 1 && e != nil && !e.refused
	if len(t.hashes) == 0 {
		return plain, nil
	}
	known := t.cache.key(name, want.hash, sum)
	if t.cache.has(known) {
		return true, nil
	}
	hash := want.hash
	if hash == "" {
		hash = t.hashes[t.cache.pick(name, len(t.hashes))]
	}
	ok, _, err := password.Default.Verify(ctx, hash, pw)
	if err != nil {
		return false, err
	}
	ok = ok && want.hash != "" || plain
	if ok {
		t.cache.put(known)
	}
	return ok, nil
}

// A Cache remembers for a moment which passwords were right, since checking a hash takes as long as a whole request should. It keeps keyed digests, with a
// key that never leaves the process, and nothing of wrong passwords.
type Cache struct {
	secret [sha256.Size]byte
	now    func() time.Time
	mu     sync.Mutex
	until  map[digest]time.Time
}

type digest = [sha256.Size]byte

const (
	cacheTime = time.Minute
	cacheSize = 1000
)

// NewCache returns an empty cache.
func NewCache() *Cache {
	c := &Cache{now: time.Now, until: map[digest]time.Time{}}
	rand.Read(c.secret[:]) // never fails
	return c
}

// Clock sets what the time is read from; before the first use.
func (c *Cache) Clock(now func() time.Time) { c.now = now }

// Verify is password.Verify for the hash of a name, unless it was right lately. The error says that nothing was checked.
func (c *Cache) Verify(ctx context.Context, name, hash, pw string) (bool, error) {
	known := c.key(name, hash, sha256.Sum256([]byte(pw)))
	if c.has(known) {
		return true, nil
	}
	ok, _, err := password.Default.Verify(ctx, hash, pw)
	if ok = ok && err == nil; ok {
		c.put(known)
	}
	return ok, err
}

// key is the digest of what was checked.
func (c *Cache) key(name, hash string, sum digest) (d digest) {
	h := hmac.New(sha256.New, c.secret[:])
	var lengths [16]byte
	binary.BigEndian.PutUint64(lengths[:8], uint64(len(name)))
	binary.BigEndian.PutUint64(lengths[8:], uint64(len(hash)))
	h.Write(lengths[:])
	h.Write([]byte(name))
	h.Write([]byte(hash))
	h.Write(sum[:])
	h.Sum(d[:0])
	return d
}

// pick chooses one of n for a name.
func (c *Cache) pick(name string, n int) int {
	d := c.key(name, "", digest{})
	return int(binary.BigEndian.Uint64(d[:8]) % uint64(n))
}

func (c *Cache) has(d digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	until, ok := c.until[d]
	return ok && c.now().Before(until)
}

func (c *Cache) put(d digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if len(c.until) >= cacheSize {
		for k, until := range c.until {
			if !now.Before(until) {
				delete(c.until, k)
			}
		}
		if len(c.until) >= cacheSize {
			clear(c.until)
		}
	}
	c.until[d] = now.Add(cacheTime)
}
