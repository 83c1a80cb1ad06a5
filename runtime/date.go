package cds

import (
	"fmt"
	"time"
)

// A UUID is a universally unique identifier. It is opaque, as in CAP: any text that came from a client or database is kept as it is.
type UUID string

// A Date is a day in the form 2024-02-29. Its zero value is no valid day.
type Date string

// A TimeOfDay is a time in the form 08:30:00.
type TimeOfDay string

// The text forms of dates and times in the engine.
const (
	dateForm      = "2006-01-02"
	timeForm      = "15:04:05"
	dateTimeForm  = "2006-01-02T15:04:05Z"
	timestampForm = "2006-01-02T15:04:05.000Z"
)

// DateOf returns the day of t in t's location.
func DateOf(t time.Time) Date { return Date(t.Format(dateForm)) }

// ParseDate reads a day and checks that it exists.
func ParseDate(s string) (Date, error) {
	if _, err := time.Parse(dateForm, s); err != nil {
		return "", fmt.Errorf("%q is not a date of the form YYYY-MM-DD", shorten(s))
	}
	return Date(s), nil
}

// Time returns midnight UTC of the day; the zero time if d is no valid day.
func (d Date) Time() time.Time { t, _ := time.Parse(dateForm, string(d)); return t }

// TimeOf returns the time of day of t in t's location, in whole seconds.
func TimeOf(t time.Time) TimeOfDay { return TimeOfDay(t.Format(timeForm)) }

// ParseTimeOfDay reads a time of day.
func ParseTimeOfDay(s string) (TimeOfDay, error) {
	if _, err := time.Parse(timeForm, s); err != nil {
		return "", fmt.Errorf("%q is not a time of the form hh:mm:ss", shorten(s))
	}
	return TimeOfDay(s), nil
}
