package command

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// freeHeap is the memory that a command which does one thing and ends takes before it collects garbage.
const freeHeap = 160 << 20

// oneShot tunes the collector for a command that does one thing and ends: nothing is collected up to freeHeap. From there on garbage may make up a
// seventh of what is in use, so that large models take time in proportion and hardly more memory than they need. The function it returns undoes that.
func oneShot() (undo func()) {
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(freeHeap)
	done := make(chan struct{})
	go func() {
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		now := int64(freeHeap)
		for {
			select {
			case <-done:
				return
			case <-look.C:
			}
			if want := max(freeHeap, wanted()); want > now+now/64 || want < now-now/16 {
				now = want
				debug.SetMemoryLimit(now)
			}
		}
	}()
	return func() {
		close(done)
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}

// wanted returns the limit that fits what was in use at the last collection.
func wanted() int64 {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(s)
	var v [5]int64
	for i := range s {
		if s[i].Value.Kind() == metrics.KindUint64 {
			v[i] = int64(s[i].Value.Uint64())
		}
	}
	other := v[1] - v[2] - v[3] - v[4] // tables of the runtime, stacks, gaps between objects
	return v[0] + v[0]/7 + other
}
