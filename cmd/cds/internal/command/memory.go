package command

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// freeHeap is the memory that a command which does one thing and ends takes before it collects garbage.
const freeHeap = 160 << 20

// oneShot tunes the collector for a command that does one thing and ends: nothing is collected up to freeHeap. From there on garbage may make up a
// fifth of the memory, so that large models take time in proportion and no more memory than they need. The function it returns undoes that.
func oneShot() (undo func()) {
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(freeHeap)
	var over atomic.Bool
	var adapt func()
	adapt = func() {
		if over.Load() {
			return
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		other := int64(m.Sys - m.HeapSys) // stacks and tables of the runtime count, too
		debug.SetMemoryLimit(max(freeHeap, int64(m.HeapAlloc)*5/4+other))
		watchCollector(adapt)
	}
	watchCollector(adapt)
	return func() {
		over.Store(true)
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}

// watchCollector calls f after the next collection.
func watchCollector(f func()) {
	runtime.SetFinalizer(new([16]byte), func(*[16]byte) { f() })
}
