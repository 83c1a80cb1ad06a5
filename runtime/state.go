package cds

import (
	"fmt"

	"cds/parser/cqn"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// state is what Dispatch keeps beside a request: transaction, decision, collected messages.
type state struct {
	unit     *unit
	scope    *scope
	access   authz.Access
	decision authz.Decision
	guard    sqlgen.Guarder // of the decision, with what Authorizers added
	where    cqn.Expr       // what Authorizers said about the event itself; checked on the instance of a bound operation
	also     cqn.Expr       // what they said about the UPSERT that this request is a step of
	chain    *chain
	errors   []*Error
	messages []Message
	pending  []pendingCheck
	kept     map[any]any
	quiet    bool   // nobody has asked for it: a refusal is no news
	root     *state // of the request that this one is a part of (RawRequest.As); nil for whole ones
}

func (s *state) verifyLater(p pendingCheck) {
	for s.root != nil {
		s = s.root
	}
	s.pending = append(s.pending, p)
}

// Error collects an error; collected errors end the request after the phase they were made in, all of them in one answer.
// target is an element path such as "items[0]/qty". args fill the verbs of message as in fmt.Sprintf.
func (r *RawRequest) Error(status int, code, target, message string, args ...any) {
	if len(args) > 0 {
		message = fmt.Sprintf(message, args...)
	}
	if r.state == nil {
		r.state = &state{}
	}
	r.state.errors = append(r.state.errors, &Error{Status: status, Code: code, Message: message, Target: target})
}

// Collect adds an error as Error does.
func (r *RawRequest) Collect(e *Error) {
	r.Error(e.Status, e.Code, e.Target, "")
	*r.state.errors[len(r.state.errors)-1] = *e
}

// Reject returns the error that ends the request, for a handler to return: cds.Reject, to be found at the request too.
func (r *RawRequest) Reject(status int, code, message string, args ...any) *Error {
	return Reject(status, code, message, args...)
}

// Warn adds a warning to the answer. message may be a key of the messages bundle; args fill it.
func (r *RawRequest) Warn(code, message string, args ...any) { r.note(code, message, 3, args) }

// Info adds an information to the answer: see Warn.
func (r *RawRequest) Info(code, message string, args ...any) { r.note(code, message, 2, args) }

// Notify adds a message of success to the answer: see Warn.
func (r *RawRequest) Notify(code, message string, args ...any) { r.note(code, message, 1, args) }

func (r *RawRequest) note(code, message string, severity int, args []any) {
	if r.Service != nil {
		translated := r.App().textOf(r.Locale, message, "", code, args)
		if translated == message && len(args) > 0 {
			translated = fmt.Sprintf(message, args...)
		}
		message = translated
	}
	r.AddMessage(Message{Code: code, Message: message, Severity: severity})
}

// AddMessage adds a message to the answer as it is.
func (r *RawRequest) AddMessage(m Message) {
	st := r.whole()
	st.messages = append(st.messages, m)
}

// collected returns the errors of the phase that has just ended as one, and forgets them.
func (s *state) collected() error {
	if len(s.errors) == 0 {
		return nil
	}
	err := joinErrors(s.errors)
	s.errors = nil
	return err
}

// Errors returns the errors collected so far in this phase.
func (r *RawRequest) Errors() []*Error {
	if r.state == nil {
		return nil
	}
	return r.state.errors
}

// Keep keeps a value with the request, for handlers that run later in it; nil forgets it. Use a key of a type of your own.
func (r *RawRequest) Keep(key, value any) {
	st := r.whole()
	if st.kept == nil {
		if value == nil {
			return
		}
		st.kept = map[any]any{}
	}
	st.kept[key] = value
}

// Kept returns the value that Keep has kept, nil if there is none.
func (r *RawRequest) Kept(key any) any { return r.whole().kept[key] }

// whole returns the state of the request that r is a part of.
func (r *RawRequest) whole() *state {
	if r.state == nil {
		r.state = &state{}
	}
	st := r.state
	for st.root != nil {
		st = st.root
	}
	return st
}
