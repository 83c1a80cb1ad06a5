// Package audittest is the conformance suite of audit sinks.
package audittest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cds/runtime/audit"
)

// Run tests a sink. open makes a new one, and what reads back all that sinks of this test have taken so far, in order.
func Run(t *testing.T, open func(t *testing.T) (sink audit.Sink, read func() []audit.Record)) {
	t.Run("records are taken as they are, in order", func(t *testing.T) {
		s, taken := open(t)
		want := records(1, 5)
		deliver(t, s, want[:2])
		deliver(t, s, want[2:])
		if diff := cmp.Diff(want, taken()); diff != "" {
			t.Error(diff)
		}
		closed(t, s)
	})
	t.Run("what comes twice can be told by its id", func(t *testing.T) {
		s, taken := open(t)
		all := records(1, 3)
		deliver(t, s, all)
		deliver(t, s, all)
		got := map[string]int{}
		for _, r := range taken() {
			got[r.ID]++
		}
		if len(got) != 3 {
			t.Errorf("%d ids, want 3", len(got))
		}
		closed(t, s)
	})
	t.Run("many at once", func(t *testing.T) {
		s, taken := open(t)
		want := records(1, 300)
		deliver(t, s, want)
		if diff := cmp.Diff(want, taken()); diff != "" {
			t.Error(diff)
		}
		closed(t, s)
	})
	t.Run("nothing is lost when it is closed", func(t *testing.T) {
		s, taken := open(t)
		want := records(7, 8)
		deliver(t, s, want)
		closed(t, s)
		if diff := cmp.Diff(want, taken()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("it has a name", func(t *testing.T) {
		s, _ := open(t)
		if n := s.Name(); n == "" || n == "table" || len(n) > 100 || n != s.Name() {
			t.Errorf("name %q", n)
		}
		closed(t, s)
	})
}

func deliver(t *testing.T, s audit.Sink, all []audit.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Deliver(ctx, all); err != nil {
		t.Fatal(err)
	}
}

func closed(t *testing.T, s audit.Sink) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// records makes records of all kinds, with texts that need care.
func records(from, to int) []audit.Record {
	old, now := "a\n\"b\" <ö>\u2028", ""
	var out []audit.Record
	for i := from; i <= to; i++ {
		r := audit.Record{ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", i), Time: time.Date(2024, 5, 6, 7, 8, 9, i*int(time.Millisecond), time.UTC), User: "eve\n", Tenant: "t1"}
		switch i % 3 {
		case 0:
			r.Event, r.Status, r.Reason, r.Grants = audit.AccessDenied, 403, "no grant", []string{"S.Books#1 (a.cds:3)"}
		case 1:
			r.Event, r.Action = audit.PersonalDataModified, "update"
			r.Object = &audit.Object{Type: "shop.Customers", ID: map[string]string{"ID": "1"}, Subject: &audit.Subject{Type: "shop.Customers", Role: "Customer", ID: map[string]string{"email": "a@x"}}}
			r.Attributes = []audit.Attribute{{Name: "name", Old: &old, New: &now}, {Name: "phone", New: &old}}
		default:
			r.Event, r.Lost = audit.SensitiveDataRead, 3
			r.Objects = []audit.Object{{Type: "shop.Customers", ID: map[string]string{"ID": "1"}}, {Type: "shop.Customers", ID: map[string]string{"ID": "2"}}}
			r.Attributes = []audit.Attribute{{Name: "card"}}
		}
		out = append(out, r)
	}
	return out
}
