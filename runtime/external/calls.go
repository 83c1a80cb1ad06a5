package external

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"cds/parser/csn"
)

const (
	maxCached = 10_000
	maxCalls  = 64 // at a time
)

// hash is of all that is sent, so an answer is only for those about whom the same is asked: tenant, user, roles, event and keys are in it.
type hash = [sha256.Size]byte

// calls keeps answers for a while, a bounded number, and makes one call of equal questions at the same time.
type calls struct {
	mu      sync.Mutex
	running map[hash]*call
	kept    map[hash]*list.Element
	order   list.List // of *keptAnswer, the most recent in front
	slots   chan struct{}
}

// A call is under way until done is closed.
type call struct {
	done   chan struct{}
	answer answer
	err    error
}

type keptAnswer struct {
	key    hash
	answer answer
	until  time.Time
}

// get returns the answer to a question. Whoever waits for it may give up; the call goes on for the others until its own deadline.
func (c *calls) get(ctx context.Context, key hash, h *Webhook, body []byte, e *csn.Entity) (answer, error) {
	c.mu.Lock()
	if a, ok := c.cached(key, h.Now()); ok {
		c.mu.Unlock()
		return a, nil
	}
	x := c.running[key]
	if x == nil {
		x = &call{done: make(chan struct{})}
		if c.running == nil {
			c.running, c.kept, c.slots = map[hash]*call{}, map[hash]*list.Element{}, make(chan struct{}, maxCalls)
		}
		c.running[key] = x
		go c.run(key, x, h, body, e)
	}
	c.mu.Unlock()
	select {
	case <-x.done:
		return x.answer, x.err
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

// cached is called with c.mu held.
func (c *calls) cached(key hash, now time.Time) (answer, bool) {
	e := c.kept[key]
	if e == nil {
		return answer{}, false
	}
	k := e.Value.(*keptAnswer)
	if !now.Before(k.until) {
		c.order.Remove(e)
		delete(c.kept, key)
		return answer{}, false
	}
	c.order.MoveToFront(e)
	return k.answer, true
}

// run makes a call, and keeps its answer. Failures are not kept, and logged once for all who wait.
func (c *calls) run(key hash, x *call, h *Webhook, body []byte, e *csn.Entity) {
	ctx, cancel := context.WithTimeout(context.Background(), h.Timeout) // nothing of the request that asks first
	defer cancel()
	x.err = errors.New("the call has not ended") // should it panic
	defer func() {
		_ = recover() // err says it
		if x.err != nil {
			h.Log.Error("external decision failed, so nothing is allowed", "check", h.Name, "err", x.err.Error())
		}
		c.mu.Lock()
		delete(c.running, key)
		if x.err == nil && h.Cache > 0 {
			c.keep(&keptAnswer{key, x.answer, h.Now().Add(h.Cache)})
		}
		c.mu.Unlock()
		close(x.done)
	}()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		x.err = errors.New("too many calls are waiting for an answer")
		return
	}
	x.answer, x.err = h.judge(ctx, body, e)
}

// keep is called with c.mu held.
func (c *calls) keep(k *keptAnswer) {
	c.kept[k.key] = c.order.PushFront(k)
	if c.order.Len() > maxCached {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.kept, last.Value.(*keptAnswer).key)
	}
}
