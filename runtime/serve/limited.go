package serve

import (
	"context"
	"sync"
	"time"
)

// A limited is a context with a deadline, like that of context.WithDeadline. It sets a timer only when somebody waits for its end, which
// short requests never do.
type limited struct {
	context.Context
	deadline time.Time
	id       string // correlation id of the request
	mu       sync.Mutex
	timed    context.Context // made by the first Done; nil before
	cancel   context.CancelFunc
}

// Deadline returns the earlier one of its own deadline and its parent's.
func (c *limited) Deadline() (time.Time, bool) {
	if d, ok := c.Context.Deadline(); ok && d.Before(c.deadline) {
		return d, true
	}
	return c.deadline, true
}

// Done sets the timer.
func (c *limited) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.Context, c.deadline)
	}
	return c.timed.Done()
}

// current returns the context with the timer if there is one, else the parent.
func (c *limited) current() (ctx context.Context, timed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed != nil {
		return c.timed, true
	}
	return c.Context, false
}

// Err looks at the clock while there is no timer.
func (c *limited) Err() error {
	ctx, timed := c.current()
	if err := ctx.Err(); err != nil || timed {
		return err
	}
	if !time.Now().Before(c.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value lets package context find what it needs to hand an end on.
func (c *limited) Value(key any) any {
	if _, ok := key.(correlationKey); ok {
		return c.id
	}
	ctx, _ := c.current()
	return ctx.Value(key)
}

// end frees the timer.
func (c *limited) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}
