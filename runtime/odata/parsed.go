package odata

import (
	"net/http"
	"sync"

	"cds/parser/csn"
	"cds/runtime/odata/uri"
)

// Clients send the same few lists again and again, so what their URLs mean is kept. It depends on nothing but the URL: not on who asks,
// what is left out for whom is never kept, and rights are decided anew each time. What is kept is shared by requests, so it is used
// only where no code of the application sees the query, which it might change in place.
const (
	maxParsed    = 256 // URLs of a service
	maxParsedURL = 512 // bytes
)

// A target is the part of a URL below the service, as it was sent.
type target struct{ path, query string }

type parsed struct {
	res *uri.Resource
	q   *uri.Query
}

type parsedCache struct {
	mu    sync.RWMutex
	items map[target]parsed
}

func (c *parsedCache) get(t target) (parsed, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p, ok := c.items[t]
	return p, ok
}

// put keeps what a URL means. A full cache is emptied: no URL of an attacker stays for long, and frequent ones are back at once.
func (c *parsedCache) put(t target, p parsed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items == nil || len(c.items) >= maxParsed {
		c.items = make(map[target]parsed)
	}
	c.items[t] = p
}

// target returns the key of the request in the cache; ok is false for requests that are not kept: single rows by key are many, and read
// quickly.
func (c *call) target() (t target, ok bool) {
	t = target{c.path, c.r.URL.RawQuery}
	return t, c.r.Method == http.MethodGet && t.query != "" && len(t.path)+len(t.query) <= maxParsedURL
}

// keep keeps what the URL of a request that was answered means.
func (c *call) keep(q *uri.Query, e *csn.Entity) {
	t, ok := c.target()
	if ok && c.known == nil && !q.Personal && (c.res.Kind == uri.Collection || c.res.Kind == uri.Single) && c.svc.Plain(eventRead, e) {
		c.parsed.put(t, parsed{c.res, q})
	}
}
