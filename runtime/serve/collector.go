package serve

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// roomyHeap is how far the heap of a small server may grow before garbage is collected. Go's default collects whenever the heap has
// doubled, which for the few megabytes of a small model means hundreds of times a second under load.
const roomyHeap = 24 << 20

// relaxCollector sets the collector's pace after each collection: small heaps may grow to roomyHeap, large ones keep Go's default. Who sets
// GOGC or GOMEMLIMIT knows better.
func relaxCollector() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	c := &collector{percent: 100, sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	c.adjust()
}

type collector struct {
	percent int
	sample  []metrics.Sample
}

// adjust sets the pace and has itself called after the next collection.
func (c *collector) adjust() {
	metrics.Read(c.sample)
	if p := pace(c.sample[0].Value.Uint64()); p*5 < c.percent*4 || p*4 > c.percent*5 { // setting it stops all goroutines for a moment
		c.percent = p
		debug.SetGCPercent(p)
	}
	runtime.SetFinalizer(new([16]byte), func(*[16]byte) { c.adjust() })
}

// pace returns the percentage by which a heap may grow from what is live.
func pace(live uint64) int {
	if live == 0 { // before the first collection
		return 400
	}
	return int(min(max(roomyHeap*100/live, 200), 900)) - 100
}
