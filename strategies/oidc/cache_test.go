package oidc

import (
	"testing"
	"time"

	"cds/runtime/auth"
)

// A session that was read before one was ended is not kept: it may be that one.
func TestSessionReadBeforeItsEnd(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	c := newSessions(10*time.Second, func() time.Time { return now })
	l := &live{user: auth.Anonymous, subject: "u", checked: now, expires: now.Add(time.Hour)}
	for name, end := range map[string]func(){"by the issuer": func() { c.dropAll("u", "") }, "by the user": func() { c.drop("x") }} {
		since := c.since()
		end()
		c.put("x", l, since)
		if c.get("x") != nil {
			t.Errorf("ended %s: the session is known", name)
		}
	}
	c.put("x", l, c.since())
	if c.get("x") == nil {
		t.Error("the session is not known")
	}
}

// Work that panics fails; it does not end the process.
func TestFlightPanic(t *testing.T) {
	var f flights
	fl, _ := f.join("x", func() (*live, error) { panic("odd") })
	<-fl.done
	if fl.err == nil || fl.l != nil {
		t.Fatal(fl.l, fl.err)
	}
}
