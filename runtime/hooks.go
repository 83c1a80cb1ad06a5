package cds

import (
	"context"
	"fmt"
	"runtime/debug"
)

// hooks are what handlers want to be called for when a unit of work ends.
type hooks struct {
	beforeCommit []func(context.Context) error
	succeeded    []func(context.Context)
	failed       []func(context.Context, error)
	done         []func(context.Context, error)
}

// hooked adds to the hooks of the unit that ctx belongs to.
func hooked(ctx context.Context, add func(h *hooks)) error {
	s := scopeOf(ctx)
	if s == nil || s.unit == nil {
		return errOutside
	}
	s.unit.mu.Lock()
	defer s.unit.mu.Unlock()
	if s.unit.ended {
		return errEnded
	}
	if s.unit.hooks == nil {
		s.unit.hooks = &hooks{}
	}
	add(s.unit.hooks)
	return nil
}

// BeforeCommit has fn called when the request that ctx belongs to has done its work, before its transaction is committed: fn may still read
// and write, and an error of it fails the request. It is not called if the request, or the nested call that asked for it, has failed.
func BeforeCommit(ctx context.Context, fn func(context.Context) error) error {
	s := scopeOf(ctx)
	return hooked(ctx, func(h *hooks) {
		h.beforeCommit = append(h.beforeCommit, func(ctx context.Context) error { return fn(s.resumed(ctx)) })
	})
}

// Succeeded has fn called after the transaction of the request that ctx belongs to was committed; not at all if it, or the nested call
// that asked for it, has failed. fn is for effects that can't be undone, such as sending a message. Its context is that of the request,
// whose transaction has ended: what it calls has a transaction of its own.
func Succeeded(ctx context.Context, fn func(context.Context)) error {
	s := scopeOf(ctx)
	return hooked(ctx, func(h *hooks) {
		h.succeeded = append(h.succeeded, func(ctx context.Context) { fn(s.resumed(ctx)) })
	})
}

// Failed has fn called with the error if the unit of work that ctx belongs to fails, after it was rolled back.
func Failed(ctx context.Context, fn func(context.Context, error)) error {
	s := scopeOf(ctx)
	return hooked(ctx, func(h *hooks) {
		h.failed = append(h.failed, func(ctx context.Context, err error) { fn(s.resumed(ctx), err) })
	})
}

// Done has fn called when the unit of work that ctx belongs to has ended, after Succeeded and Failed. err is nil if it succeeded.
func Done(ctx context.Context, fn func(ctx context.Context, err error)) error {
	s := scopeOf(ctx)
	return hooked(ctx, func(h *hooks) {
		h.done = append(h.done, func(ctx context.Context, err error) { fn(s.resumed(ctx), err) })
	})
}

// resumed returns the context of a hook that s asked for: that of the unit of work, but with the user and locale of who asked. In an App.Tx each
// request may have its own, and none acts with the rights of another. Rights that Privileged gave to either alone are not there.
func (s *scope) resumed(ctx context.Context) context.Context {
	c := *scopeOf(ctx)
	c.user, c.locale, c.envelope, c.privileged = s.user, s.locale, s.envelope, s.privileged && c.privileged
	return c.into(ctx)
}

// mark remembers how many hooks there are that hang on the success of a nested call.
type mark struct{ beforeCommit, succeeded int }

// marked is called with t.mu held.
func (t *unit) marked() (m mark) {
	if t.hooks != nil {
		m = mark{len(t.hooks.beforeCommit), len(t.hooks.succeeded)}
	}
	return m
}

// forget drops the hooks of a nested call that has failed. It is called with t.mu held.
func (t *unit) forget(m mark) {
	if h := t.hooks; h != nil {
		h.beforeCommit = h.beforeCommit[:min(m.beforeCommit, len(h.beforeCommit))]
		h.succeeded = h.succeeded[:min(m.succeeded, len(h.succeeded))]
	}
}

// end ends a unit of work: the last hooks before the commit, commit or rollback, the hooks after it. err says how the work went; the result is
// how it all went.
func (t *unit) end(ctx context.Context, err error) error {
	if err == nil && t.hasHooks() {
		err = t.runBeforeCommit(ctx)
	}
	accounts := t.app.inner.accounts != nil
	if accounts && err == nil {
		err = t.storeNoted(ctx)
	}
	if ferr := t.finish(err == nil); ferr != nil && err == nil {
		err = ferr
	}
	if accounts {
		if kerr := t.keepNoted(ctx); kerr != nil && err == nil {
			err = kerr
		}
	}
	if t.hooks != nil {
		t.afterEnd(ctx, err)
	}
	return err
}

// hasHooks locks: goroutines of a handler may still be asking for hooks.
func (t *unit) hasHooks() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hooks != nil
}

// runBeforeCommit calls the hooks, also those that they ask for themselves, up to a limit that no sensible program reaches.
func (t *unit) runBeforeCommit(ctx context.Context) error {
	for i := 0; ; i++ {
		t.mu.Lock()
		if i >= len(t.hooks.beforeCommit) {
			t.mu.Unlock()
			return nil
		}
		fn := t.hooks.beforeCommit[i]
		t.mu.Unlock()
		if i >= maxHooks {
			return fmt.Errorf("more than %d hooks before the commit", maxHooks)
		}
		if err := t.app.guarded(ctx, fn); err != nil {
			return err
		}
	}
}

const maxHooks = 10_000

// afterEnd calls the hooks after the end. Nothing they do can change the answer any more.
func (t *unit) afterEnd(ctx context.Context, err error) {
	h := t.hooks
	if err == nil {
		for _, fn := range h.succeeded {
			t.app.safely(ctx, "succeeded", func() { fn(ctx) })
		}
	} else {
		for _, fn := range h.failed {
			t.app.safely(ctx, "failed", func() { fn(ctx, err) })
		}
	}
	for _, fn := range h.done {
		t.app.safely(ctx, "done", func() { fn(ctx, err) })
	}
}

// safely calls fn and logs a panic of it.
func (a *App) safely(ctx context.Context, what string, fn func()) {
	defer func() {
		if p := recover(); p != nil {
			a.Options.Log.ErrorContext(ctx, "panic in a "+what+" hook", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	fn()
}
