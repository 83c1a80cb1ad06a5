package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cds/runtime/db"
)

// patience is how long a statement runs unwatched: most are over by then, and watching a context costs as much as a short one.
const patience = 20 * time.Millisecond

// A watcher has the server cancel a statement when one of its contexts ends: that of the statement or that of its transaction.
type watcher struct {
	cancel pgconn.CancelRequestContextWatcherHandler

	mu    sync.Mutex // the timer runs on its own
	timer *time.Timer
	ctxs  [2]context.Context // of the running statement; nil for none
	stops [2]func() bool     // nil as long as the contexts are not watched
	done  chan struct{}      // closed when the server has been asked to cancel
}

// watch begins to watch the contexts of a statement that takes its time, until the next unwatch.
func (c *conn) watch(statement, transaction context.Context) {
	w := &c.watcher
	w.mu.Lock()
	w.ctxs[0], w.ctxs[1] = transaction, statement
	if statement == transaction {
		w.ctxs[1] = nil
	}
	w.mu.Unlock()
	if w.timer == nil {
		w.cancel = pgconn.CancelRequestContextWatcherHandler{Conn: c.pg, DeadlineDelay: cancelGrace}
		w.timer = time.AfterFunc(patience, w.now)
		return
	}
	w.timer.Reset(patience)
}

// now watches the contexts of the running statement.
func (w *watcher) now() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctxs[0] == nil || w.stops[0] != nil {
		return
	}
	done := make(chan struct{})
	end := sync.OnceFunc(func() {
		w.cancel.HandleCancel(context.Background())
		close(done)
	})
	w.done = done
	for i, ctx := range w.ctxs {
		if ctx != nil {
			w.stops[i] = context.AfterFunc(ctx, end)
		}
	}
}

// unwatch ends watch. If the server has been asked to cancel, it waits until that cannot hit the next statement any more.
func (c *conn) unwatch() {
	w := &c.watcher
	w.timer.Stop()
	w.mu.Lock()
	stops, done := w.stops, w.done
	w.ctxs, w.stops, w.done = [2]context.Context{}, [2]func() bool{}, nil
	w.mu.Unlock()
	canceled := false
	for _, stop := range stops {
		if stop != nil && !stop() {
			canceled = true
		}
	}
	if canceled {
		<-done
		w.cancel.HandleUnwatchAfterCancel()
	}
}

// ended gives the error of a statement its reason: one whose context has ended was canceled, whatever became of it.
func ended(err error, ctx context.Context) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w: %w", db.ErrCanceled, ctx.Err(), err)
	case errors.Is(err, db.ErrCanceled) && !errors.Is(err, context.Canceled): // by the server, which has a limit of its own
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return err
}
