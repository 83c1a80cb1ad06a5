package serve

import (
	"errors"
	"testing"
	"time"

	"cds/runtime/config"
)

func TestTimeout(t *testing.T) {
	for _, c := range []struct {
		in   any
		want time.Duration
	}{
		{"15min", 15 * time.Minute}, {"10 min", 10 * time.Minute}, {"1h", time.Hour}, {"30d", 720 * time.Hour}, {"1.5h", 90 * time.Minute}, {1000, time.Second}, {1000.0, time.Second},
		{"250", 250 * time.Millisecond}, {false, -1}, {"false", -1}, {true, 0}, {nil, 0}, {0, -1},
	} {
		got, err := timeout(config.Section{"x": c.in}, "x")
		if err != nil || got != c.want {
			t.Errorf("%v: got %v, %v, want %v", c.in, got, err, c.want)
		}
	}
	for _, in := range []any{"soon", "-5min", "15 parsecs", "1e300d", "", map[string]any{}, []any{1}} {
		var e *StartError
		if got, err := timeout(config.Section{"x": in}, "x"); !errors.As(err, &e) {
			t.Errorf("%v: got %v, want an error", in, got)
		}
	}
	if o, err := draftOptions(config.Section{}); err != nil || o.Lock != 0 || o.Expiry != 0 || o.Bypass {
		t.Errorf("no configuration: got %+v, %v", o, err)
	}
}
