package backoff

import (
	"errors"
	"testing"
	"time"
)

const here = "192.0.2.7"

// wrong is a try with a wrong password.
func wrong() (bool, error) { return false, nil }

// Many tries at once tell no more than one after the other: of those that were let in before the failures of others were counted, none learns anything.
func TestTryAtOnce(t *testing.T) {
	c := newClock()
	g := NewGuard(c.now)
	late := 0
	for _, right := range []bool{true, false} {
		d, err := g.Try("alice", here, func() (bool, error) {
			for range 20 { // they are all over before this one
				if d, _ := g.Try("alice", here, wrong); d > 0 {
					late++
				}
			}
			return right, nil
		})
		if d != time.Second || err != nil {
			t.Errorf("a try that was right (%v) after failures of others: waits %s, %v", right, d, err)
		}
		c.t = c.t.Add(time.Hour)
	}
	if late != 2*14 {
		t.Errorf("%d tries had to wait, not 28: six of each 20 were checked", late)
	}
	if d := g.Wait("alice", here); d != 0 {
		t.Errorf("waits %s after an hour", d)
	}
}

func TestTry(t *testing.T) {
	c := newClock()
	g := NewGuard(c.now)
	for range 4 {
		if d, err := g.Try("alice", here, wrong); d != 0 || err != nil {
			t.Fatalf("waits %s, %v", d, err)
		}
	}
	if d, err := g.Try("alice", here, func() (bool, error) { return true, nil }); d != 0 || err != nil {
		t.Fatalf("the right password: waits %s, %v", d, err)
	}
	for range 6 { // the failures before were forgotten
		if d, _ := g.Try("alice", here, wrong); d != 0 {
			t.Fatalf("waits %s", d)
		}
	}
	if d, _ := g.Try("alice", here, func() (bool, error) { t.Error("is checked though it has to wait"); return true, nil }); d != time.Second {
		t.Fatalf("waits %s", d)
	}
	fault := errors.New("busy")
	for range 10 { // what was not checked is no failure
		if d, err := g.Try("bob", here, func() (bool, error) { return false, fault }); d != 0 || !errors.Is(err, fault) {
			t.Fatalf("waits %s, %v", d, err)
		}
	}
	if d := g.Wait("bob", here); d != 0 {
		t.Errorf("faults of the server count: waits %s", d)
	}
}
