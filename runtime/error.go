package cds

import (
	"errors"
	"fmt"
)

// An Error is a failure that the client is told of. Everything else that a handler returns is an internal error: logged with
// its text, answered with a constant one in production.
type Error struct {
	Status  int    // HTTP status, 400 … 599
	Code    string // stable, such as ASSERT_MANDATORY; "" means the status as text
	Message string
	Target  string // element path such as "items[0]/qty"; "" for none
	Details []*Error
	Hint    string
	// Key finds a translation of Message, beside Message itself, which may be a key too.
	Key string
	// Args are what a translated text refers to by {0}, {1}; see AppOptions.Texts.
	Args  []any
	Cause error // for the log only

	logged bool
}

func (e *Error) Error() string {
	if e.Code != "" {
		return e.Code + ": " + e.Message
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Reject returns an error that ends the request. args fill the verbs of message as in fmt.Sprintf.
func Reject(status int, code, message string, args ...any) *Error {
	if len(args) > 0 {
		message = fmt.Sprintf(message, args...)
	}
	return &Error{Status: status, Code: code, Message: message}
}

// At returns e with the element path that it is about, for chaining: cds.Reject(400, "BAD", "…").At("items[0]/qty").
func (e *Error) At(target string) *Error {
	c := *e
	c.Target = target
	return &c
}

// AsError returns err as an *Error; anything that is none becomes a 500 with err as its cause.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Status: 500, Code: "500", Message: "Internal Server Error", Cause: err}
}
