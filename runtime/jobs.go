package cds

import (
	"context"
	"sync"
	"time"
)

// A Job is work in the background: once, or again and again.
type Job struct {
	Name  string        // for logs
	After time.Duration // to wait before the first run
	Every time.Duration // between the end of a run and the next; 0 runs once
	// Run does the work. Each run has its own transaction, committed if it returns nil; an error is logged, and the next run comes all the same.
	Run func(ctx context.Context) error
}

// jobs are the background work of an App.
type jobs struct {
	mu      sync.Mutex
	waiting []func() // until Start
	ctx     context.Context
	cancel  context.CancelFunc
	group   sync.WaitGroup
	closed  bool
}

// Background starts a job as the user of ctx, without the rights that Privileged gave. It runs on when ctx ends; stop ends it, as does Shutdown, by
// ending the context of its run. A job that is given before Start begins then.
//
// Within a request the job does not take part in the request's transaction, and may begin before it is committed: use it in Succeeded if it
// needs what the request has written.
func (a *App) Background(ctx context.Context, j Job) (stop func()) {
	q := &a.inner.jobs
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return func() {}
	}
	if q.ctx == nil {
		q.ctx, q.cancel = context.WithCancel(context.Background())
	}
	own, cancel := context.WithCancel(a.Detach(ctx))
	unlink := context.AfterFunc(q.ctx, cancel)
	q.group.Add(1)
	begin := func() {
		go func() {
			defer q.group.Done()
			defer unlink()
			defer cancel()
			a.work(own, j)
		}()
	}
	if a.inner.started.Load() {
		begin()
	} else {
		q.waiting = append(q.waiting, begin)
	}
	return cancel
}

// work runs a job until it is done or stopped.
func (a *App) work(ctx context.Context, j Job) {
	wait := j.After
	for {
		if wait > 0 && a.sleep(ctx, wait) != nil || ctx.Err() != nil {
			return
		}
		if err := a.Tx(ctx, j.Run); err != nil && ctx.Err() == nil {
			e := AsError(err)
			a.Options.Log.ErrorContext(ctx, "job failed", "job", j.Name, "status", e.Status, "err", err.Error(), "cause", causeOf(e))
		}
		if j.Every <= 0 {
			return
		}
		wait = j.Every
	}
}

func (a *App) sleep(ctx context.Context, d time.Duration) error {
	if a.Options.Sleep != nil {
		return a.Options.Sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// begin starts the jobs that were given before Start.
func (q *jobs) begin() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, fn := range q.waiting {
		fn()
	}
	q.waiting = nil
}

// Shutdown ends all jobs and waits for them, at most until ctx ends. Then it calls what OnShutdown was given, last first. The App answers requests
// before and after; the database is its owner's to close.
func (a *App) Shutdown(ctx context.Context) error {
	q := &a.inner.jobs
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	for range q.waiting {
		q.group.Done()
	}
	q.waiting = nil
	if q.cancel != nil {
		q.cancel()
	}
	q.mu.Unlock()
	done := make(chan struct{})
	go func() {
		q.group.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	for i := len(a.inner.shutdown) - 1; i >= 0; i-- {
		a.safely(ctx, "shutdown", a.inner.shutdown[i])
	}
	return err
}

// OnServed has fn called at the end of Start, when all handlers are registered: an error of it makes Start fail. Calls to services are possible
// in it.
func (a *App) OnServed(fn func(ctx context.Context) error) {
	a.inner.served = append(a.inner.served, fn)
}

// OnShutdown has fn called by Shutdown.
func (a *App) OnShutdown(fn func()) { a.inner.shutdown = append(a.inner.shutdown, fn) }
