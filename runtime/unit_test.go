package cds

import (
	"testing"
	"time"
)

// The quick way to write $now says what package time says.
func TestNowText(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2024, 2, 29, 23, 59, 59, 999_999_999, time.UTC), time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 1, 2, 3, 4_000_000, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Unix(0, 0).UTC(), time.Unix(1_732_000_000, 50_000_000).UTC(),
	} {
		if got, want := nowText(at), at.Format(nowForm); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
}
