package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Times of remote documents that need no configuration.
const (
	minTTL       = 30 * time.Second // the least time that a document is kept, whatever its issuer says
	maxTTL       = 24 * time.Hour
	fetchTimeout = 10 * time.Second
	patience     = 2 * time.Second // the longest wait for a newer document while the old one may still be used
	coldBackoff  = 4 * time.Second // the longest pause between tries while there is no document at all
)

// A remote keeps a document that is fetched from elsewhere. One fetch is under way at most; who needs the document waits for it. It is fetched again
// ahead of its end while the old one is used. Where a fetch fails the old document is used on, until it is stale, and the next try
// comes after a growing pause. A failure never replaces a good document.
type remote[T any] struct {
	name   string // for the log
	load   func(ctx context.Context, old T) (doc T, ttl time.Duration, err error)
	after  func(old, doc T) // called when a document was replaced
	now    func() time.Time
	log    *slog.Logger
	stale  time.Duration // how much longer than its time to live a document is used while no new one is to be had
	least  time.Duration // the least time that a document is kept
	wait   time.Duration // see patience
	pause  time.Duration // the longest pause between tries, and the least time between two fetches that are forced
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	doc      T
	have     bool
	fetched  time.Time // when doc came
	ttl      time.Duration
	failures int       // since the last success
	retry    time.Time // not before, after a failure
	forced   time.Time // when the last forced fetch began
	err      error     // of the last try
	flight   chan struct{}
}

var errEnded = errors.New("it ended as it came")

func (r *remote[T]) start() {
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.wait = patience
}

// get returns the document, fetching it where need be. It waits for a fetch only if there is no document that counts.
func (r *remote[T]) get(ctx context.Context) (T, error) {
	for try := 0; ; try++ {
		r.mu.Lock()
		now := r.now()
		age := now.Sub(r.fetched)
		fresh := r.have && age < r.ttl
		usable := r.have && age < r.ttl+r.stale
		waiting := now.Before(r.retry)
		if fresh && age < r.ttl-r.ttl/5 || usable && (waiting || try > 0) {
			defer r.mu.Unlock()
			return r.doc, nil
		}
		if waiting || try > 1 {
			defer r.mu.Unlock()
			var none T
			if r.err == nil { // the clock jumped
				return none, errEnded
			}
			return none, r.err
		}
		flight := r.fly()
		doc := r.doc
		r.mu.Unlock()
		if fresh { // ahead of time: nobody waits
			return doc, nil
		}
		var enough <-chan time.Time
		if usable {
			timer := time.NewTimer(r.wait)
			defer timer.Stop()
			enough = timer.C
		}
		select {
		case <-flight:
		case <-enough:
			return doc, nil
		case <-ctx.Done():
			var none T
			return none, fmt.Errorf("the request ended while it was fetched: %w", ctx.Err())
		}
	}
}

// again fetches the document though it is fresh, unless the last such fetch was less than the pause ago. It waits for the fetch, not longer than
// patience allows, and reports whether it came.
func (r *remote[T]) again(ctx context.Context) bool {
	r.mu.Lock()
	now := r.now()
	flight := r.flight
	if flight == nil {
		if now.Before(r.retry) || !r.forced.IsZero() && now.Sub(r.forced) < r.pause {
			r.mu.Unlock()
			return false
		}
		r.forced = now
		flight = r.fly()
	}
	r.mu.Unlock()
	timer := time.NewTimer(r.wait)
	defer timer.Stop()
	select {
	case <-flight:
		return true
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}

// fly starts a fetch unless one is under way. r.mu is held.
func (r *remote[T]) fly() chan struct{} {
	if r.flight != nil {
		return r.flight
	}
	done := make(chan struct{})
	r.flight = done
	old := r.doc
	go func() {
		// The fetch is everybody's: a client that goes away does not end it.
		ctx, cancel := context.WithTimeout(r.ctx, fetchTimeout)
		doc, ttl, err := r.safely(ctx, old)
		cancel()
		replaced := r.land(doc, ttl, err)
		if replaced && r.after != nil {
			r.after(old, doc)
		}
		close(done)
	}()
	return done
}

// safely loads. What an issuer answers must not end the process, whatever it is: here nobody else would catch a panic.
func (r *remote[T]) safely(ctx context.Context, old T) (doc T, ttl time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return r.load(ctx, old)
}

// land ends a fetch, and reports whether an older document was replaced.
func (r *remote[T]) land(doc T, ttl time.Duration, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flight, r.err = nil, err
	now := r.now()
	if err != nil {
		r.failures++
		r.retry = now.Add(r.backoff())
		if r.ctx.Err() == nil {
			r.log.Warn("auth: "+r.name+" can't be fetched", "error", err, "failures", r.failures, "kept", r.have)
		}
		return false
	}
	replaced := r.have
	r.doc, r.have, r.fetched, r.ttl = doc, true, now, min(max(ttl, r.least), maxTTL)
	r.failures, r.retry = 0, time.Time{}
	return replaced
}

// backoff doubles the pause with each failure, a little at random so that several servers don't ask at the same time.
func (r *remote[T]) backoff() time.Duration {
	limit := coldBackoff
	if r.have {
		limit = r.pause
	}
	d := min(time.Second<<min(r.failures-1, 10), limit)
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// ahead starts a fetch if there is a document that is about to end, or that has ended.
func (r *remote[T]) ahead() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.have && now.Sub(r.fetched) >= r.ttl-r.ttl/5 && !now.Before(r.retry) {
		r.fly()
	}
}

// freshUntil returns when the document ends; zero if it has, or if there is none.
func (r *remote[T]) freshUntil() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if end := r.fetched.Add(r.ttl); r.have && r.now().Before(end) {
		return end
	}
	return time.Time{}
}

// peek returns the document if there is one, without a fetch.
func (r *remote[T]) peek() (T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.doc, r.have
}

func (r *remote[T]) close() { r.cancel() }
