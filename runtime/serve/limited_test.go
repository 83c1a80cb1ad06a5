package serve

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A limited context ends at its deadline or with its parent, whether anybody waits for it or not.
func TestLimited(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "x"))
		defer cancel()
		quiet := &limited{Context: parent, deadline: time.Now().Add(time.Second)}
		waiting := &limited{Context: parent, deadline: time.Now().Add(time.Second)}
		early := &limited{Context: parent, deadline: time.Now().Add(time.Hour)}
		called := false
		context.AfterFunc(waiting, func() { called = true })
		child, stop := context.WithCancel(waiting)
		defer stop()
		if quiet.Err() != nil || waiting.Err() != nil || quiet.Value(key{}) != "x" || waiting.Value(key{}) != "x" {
			t.Error("ended at once, or lost a value")
		}
		if d, ok := waiting.Deadline(); !ok || d != waiting.deadline {
			t.Error(d, ok)
		}
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		for _, c := range []context.Context{quiet, waiting, child} {
			if !errors.Is(c.Err(), context.DeadlineExceeded) {
				t.Errorf("after the deadline: %v", c.Err())
			}
			<-c.Done()
		}
		if !called || early.Err() != nil {
			t.Error(called, early.Err())
		}
		cancel()
		<-early.Done()
		if !errors.Is(early.Err(), context.Canceled) {
			t.Error(early.Err())
		}
		for _, c := range []*limited{quiet, waiting, early} {
			c.end()
		}
	})
}
