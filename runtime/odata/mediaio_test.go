package odata

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"
)

// TestPause: the time that an upload takes is not that of the request, which has what was left of it before; the end of the client's connection ends it all
// the same.
func TestPause(t *testing.T) {
	type key struct{}
	begin := func(d time.Duration) (*call, context.CancelFunc) {
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, "kept"), d)
		return &call{ctx: ctx, r: httptest.NewRequest("PUT", "/", nil).WithContext(ctx), w: httptest.NewRecorder()}, cancel
	}
	c, cancel := begin(20 * time.Millisecond)
	outer := c.ctx
	again := c.pause()
	<-outer.Done()
	stop := again()
	if c.ctx.Err() != nil || c.r.Context().Err() != nil || c.ctx.Value(key{}) != "kept" {
		t.Error("the upload has used up the time")
	}
	if <-c.ctx.Done(); !errors.Is(c.ctx.Err(), context.DeadlineExceeded) {
		t.Error(c.ctx.Err())
	}
	stop()
	cancel()

	c, cancel = begin(time.Hour)
	stop = c.pause()()
	cancel()
	if <-c.ctx.Done(); !errors.Is(c.ctx.Err(), context.Canceled) {
		t.Error(c.ctx.Err())
	}
	stop()

	c = &call{ctx: context.Background(), r: httptest.NewRequest("PUT", "/", nil), w: httptest.NewRecorder()}
	c.pause()()()
	if c.ctx != context.Background() {
		t.Error("a deadline has appeared")
	}
}

// FuzzRange: whatever a client asks for, what it gets is within the data.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=9-3", "bytes=-0", "bytes=0-9223372036854775807", "bytes=--1", "bytes=1-2,3-4", "=", "bytes= 1 - 2 "} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		if off, n, ok := byteRange(s, size); ok && (off < 0 || n < 0 || off > size || n > size-off) {
			t.Errorf("%q of %d: %d bytes from %d", s, size, n, off)
		}
	})
}
