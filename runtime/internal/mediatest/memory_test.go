package mediatest

import (
	"hash/fnv"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"

	"cds/runtime/cdstest"
)

// A meter notes the most memory that was in use, as every run of the collector finds it: what is not referred to any more does not count.
type meter struct {
	mu   sync.Mutex
	most uint64
	off  bool
}

// A tick is collected at once, so that its finalizer runs after every run of the collector.
type tick struct{ m *meter }

func (m *meter) arm() {
	runtime.SetFinalizer(&tick{m}, func(*tick) {
		live := live()
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.most = max(m.most, live); !m.off {
			m.arm()
		}
	})
}

func live() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// end returns the most memory.
func (m *meter) end() uint64 {
	runtime.GC()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.off = true
	return max(m.most, live())
}

// 64 MB go up and come down, and at no time does the process hold more than a few of them: neither while the client is heard or answered, nor while the
// database is.
func TestMemory(t *testing.T) {
	const size, most = 64 * mb, 8 * mb
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // so that nothing large escapes the collector's eye
	both(t, set(map[string]any{"limit": "100mb"}), func(t *testing.T, a *cdstest.App) {
		s := connected(t, a)
		runtime.GC()
		before := live()
		up, down := &meter{}, &meter{}
		up.arm()
		res := send(t, "PUT", s.URL+"/s/Files(1)/data", "alice", noise(5, size), "Content-Type", "text/plain")
		_ = res.Body.Close()
		if res.StatusCode != 204 {
			t.Fatal(res.StatusCode)
		}
		m := up.end()
		down.arm()
		res = send(t, "GET", s.URL+"/s/Files(1)/data", "alice", nil)
		got, want := fnv.New64a(), fnv.New64a()
		n, err := io.Copy(got, res.Body)
		_ = res.Body.Close()
		_, _ = io.Copy(want, noise(5, size)) // cannot fail
		if err != nil || n != size || got.Sum64() != want.Sum64() {
			t.Fatalf("%d bytes, %v", n, err)
		}
		for name, m := range map[string]uint64{"up": m, "down": down.end()} {
			if m > before+most {
				t.Errorf("%s: %d kB in use, %d kB before", name, m>>10, before>>10)
			}
		}
	})
}
