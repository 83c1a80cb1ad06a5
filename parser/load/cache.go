package load

import (
	"crypto/sha256"
	"sync"

	"cds/parser/ast"
	"cds/parser/diag"
	"cds/parser/token"
)

// A Cache keeps syntax trees between runs, by content. It holds those of the last run only. It is safe for concurrent use.
type Cache struct {
	mu   sync.Mutex
	m    map[cacheKey]entry
	hits int
}

// NewCache returns an empty cache.
func NewCache() *Cache { return &Cache{m: map[cacheKey]entry{}} }

// A cacheKey has the file's number since spans in the tree contain it.
type cacheKey struct {
	id   token.FileID
	name string
	sum  [32]byte
}

type entry struct {
	file  *ast.File
	diags diag.List
}

func keyOf(id token.FileID, name, text string) cacheKey {
	return cacheKey{id, name, sha256.Sum256([]byte(text))}
}

func (c *Cache) get(k cacheKey) (entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.m[k]
	if ok {
		c.hits++
	}
	return e, ok
}

func (c *Cache) put(k cacheKey, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[cacheKey]entry{}
	}
	c.m[k] = e
}

// keep drops what the last run did not use.
func (c *Cache) keep(used map[cacheKey]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.m {
		if !used[k] {
			delete(c.m, k)
		}
	}
}
