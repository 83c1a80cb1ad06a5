package cds

import (
	"context"
	"errors"
	"strconv"

	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// CodeConflict is the code of the error for a request whose transaction could not be committed because another one has changed the same rows.
// Nothing of it was done, so it may be sent again.
const CodeConflict = "CONCURRENT_UPDATE"

// faults are the answers for failures of the database. Texts are constants: nothing of the driver reaches a client.
var faults = []struct {
	err     error
	status  int
	code    string
	message string
}{
	{db.ErrUnique, 409, "UNIQUE_CONSTRAINT_VIOLATION", "An entity with these key or unique values exists already."},
	{db.ErrForeignKey, 400, "FOREIGN_KEY_CONSTRAINT_VIOLATION", "A referenced entity does not exist, or the entity is still referenced."},
	{db.ErrNotNull, 400, "NOT_NULL_CONSTRAINT_VIOLATION", "A value that must not be null is missing."},
	{db.ErrCheck, 400, "CHECK_CONSTRAINT_VIOLATION", "A value is not allowed."},
	{db.ErrValue, 400, "ASSERT_DATA_TYPE", "A value is out of range or of the wrong type."},
	{db.ErrConflict, 409, CodeConflict, "The data were changed by somebody else at the same time. Try again."},
	{db.ErrBusy, 503, "503", "The database is busy. Try again later."},
	{db.ErrRows, 403, "AUTHZ_DATA", "Forbidden"},
	{db.ErrFull, 507, "507", "Insufficient Storage"},
	{db.ErrReadOnly, 503, "503", "Service Unavailable"},
	{db.ErrClosed, 503, "503", "Service Unavailable"},
	{context.DeadlineExceeded, 504, "504", "The request took too long."},
	{db.ErrCanceled, 503, "503", "The request was canceled."},
	{context.Canceled, 503, "503", "The request was canceled."},
}

// clientError turns any error into one that the client may see. What is not understood becomes a 500 with a constant text; its own
// text is in the log.
func clientError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var f *sqlgen.Forbidden
	if errors.As(err, &f) {
		return forbidden(f)
	}
	if errors.Is(err, sqlgen.ErrNotUpdatable) {
		return &Error{Status: 405, Code: "405", Message: "Entity is not updatable", Cause: err}
	}
	var q *sqlgen.Error
	if errors.As(err, &q) {
		status := q.Status
		if status == 0 {
			status = 400
		}
		code := q.Code
		if code == "" {
			code = strconv.Itoa(status)
		}
		return &Error{Status: status, Code: code, Message: q.Message, Cause: err}
	}
	for _, f := range faults {
		if errors.Is(err, f.err) {
			return &Error{Status: f.status, Code: f.code, Message: f.message, Cause: err}
		}
	}
	return AsError(err)
}

func forbidden(f *sqlgen.Forbidden) *Error {
	if f.Anonymous {
		return &Error{Status: 401, Code: "401", Message: "Unauthorized", Cause: f}
	}
	return &Error{Status: 403, Code: "403", Message: orElse(f.Message, "Forbidden"), Cause: f}
}

// joinErrors makes one error of those a request collected: a single one as it is, several as details. The status is 400 if any of them
// is a client's fault, as the details may differ.
func joinErrors(errs []*Error) *Error {
	if len(errs) == 1 {
		return errs[0]
	}
	status := errs[0].Status
	for _, e := range errs {
		if e.Status != status {
			if e.Status >= 500 || status >= 500 {
				status = max(status, e.Status)
			} else {
				status = 400
			}
		}
	}
	return &Error{Status: status, Code: "MULTIPLE_ERRORS", Message: "Multiple errors occurred, see details below.", Details: errs}
}
