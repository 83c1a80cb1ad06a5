package sqlite

import (
	"os"
	"time"
)

// The log (WAL) of a database is copied into its file by commits, but only begun anew when no reader needs it any more. With readers at all times that never
// comes by itself: the log would grow, and reading with it. So from time to time the writer's place is taken for long enough to begin it
// anew, beside the requests.
const (
	// lookAt is how many commits there are between two looks at the size of the log.
	lookAt = 64
	// maxLog is the size from which on it is begun anew.
	maxLog = 16 << 20
	// checkpointWait bounds the wait for readers; those that take longer are waited for another time.
	checkpointWait = 100 * time.Millisecond
)

// committed counts a commit; the writer's connection is held by the caller. It reports whether the log should be begun anew.
func (p *pool) committed() bool {
	p.commits++
	if p.commits%lookAt != 0 {
		return false
	}
	st, err := os.Stat(p.path + "-wal")
	return err == nil && st.Size() > p.maxLog
}

// checkpoint begins the log anew, waiting for the writer's place like a request.
func (p *pool) checkpoint() {
	defer p.checking.Store(false)
	select {
	case <-p.done:
	case c := <-p.writer:
		if c != nil {
			p.held.barred.Store(true)
			p.letAllGo(func(*held) bool { return true })
			c.conn.SetBusyTimeout(checkpointWait)
			_ = c.once("PRAGMA wal_checkpoint(TRUNCATE)") // if readers take too long, another time
			c.conn.SetBusyTimeout(busyTimeout)
			p.held.barred.Store(false)
		}
		p.writer <- c
	}
}
