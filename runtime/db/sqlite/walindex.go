package sqlite

import "sync/atomic"

// A walHead is the head of the "wal-index", the memory that all processes with a database share about its log. SQLite writes it anew with every
// commit, with a counter and check sums, after the frames of the log (walformat, section 2.1: the first of the two copies, 48 bytes). Two equal
// ones mean that nothing has been committed in between, in this process or another.
type walHead [6]uint64

const (
	walVersion = 3007000 // of the format, in the first four bytes
	walHeadLen = 48
)

// head reads the head while others may write it. What is torn is equal to none, so that it counts as changed.
func (x *walIndex) head() (h walHead) {
	for i := range h {
		h[i] = atomic.LoadUint64(&x.words[i])
	}
	return h
}
