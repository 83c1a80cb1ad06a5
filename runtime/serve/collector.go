package serve

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// roomyHeap is how far the heap of a small server may grow before garbage is collected. Go's default collects whenever the heap has
// doubled, which for the few megabytes of a small model means hundreds of times a second under load.
const roomyHeap = 16 << 20

// goMinimum is the heap below which Go collects nothing at 100 %. It grows with the percentage.
const goMinimum = 4 << 20

// relaxCollector sets the collector's pace after each collection: small heaps may grow to roomyHeap, large ones keep Go's default. Who sets
// GOGC or GOMEMLIMIT knows better.
func relaxCollector() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	c := &collector{percent: 100, sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}}
	c.adjust()
}

type collector struct {
	percent int
	sample  []metrics.Sample
}

// adjust sets the pace and has itself called after the next collection.
func (c *collector) adjust() {
	metrics.Read(c.sample)
	live, stacks, globals := c.sample[0].Value.Uint64(), c.sample[1].Value.Uint64(), c.sample[2].Value.Uint64()
	if p := pace(live, stacks+globals); p*5 < c.percent*4 || p*4 > c.percent*5 { // setting it stops all goroutines for a moment
		c.percent = p
		debug.SetGCPercent(p)
	}
	runtime.SetFinalizer(new([16]byte), func(*[16]byte) { c.adjust() })
}

// pace returns the percentage by which a heap may grow. Go takes it of what is live together with the roots, that is stacks and globals,
// and adds the result to what is live; heaps of almost nothing grow to the minimum.
func pace(live, roots uint64) int {
	const most = roomyHeap * 100 / goMinimum
	if live == 0 { // before the first collection
		return most
	}
	room := uint64(roomyHeap) - min(live, roomyHeap)
	return int(min(max(room*100/(live+roots), 100), most))
}
