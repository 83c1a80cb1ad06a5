package cds

import (
	"net/http"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

// Names of lower packages that handler authors use.
type (
	User  = auth.User
	Row   = cqn.Row
	Value = cqn.Value
	Event = authz.Event
)

// A RawRequest is one request to a service, from any door or from code. Handlers of the typed facade see a Request[T].
type RawRequest struct {
	Event   Event
	Service *Service
	Target  *csn.Entity    // nil for unbound operations
	Op      *csn.Operation // nil for standard events
	Query   cqn.Query      // READ, UPDATE, DELETE: the addressed rows; CREATE: *cqn.Insert; may be rewritten by before handlers
	Data    *Row           // payload of CREATE, UPDATE, UPSERT (one row); parameters of an operation
	Rows    []*Row         // payload of a CREATE of many rows by code; else nil
	Params  []Keys         // keys of the entities in the path, outermost first
	User    *User
	Locale  string        // "" for the default language
	HTTP    *http.Request // nil for calls from code

	// Path and Via are the entities and associations of the resource path, for authorization (authz.Access).
	Path []*csn.Entity
	Via  []*csn.Element

	// Count asks a READ for the number of all rows, without paging.
	Count bool
	// May asks a READ of rows for what the user may do with each of them: see RowRights.
	May bool
	// Format lets the generic READ handler answer with JSON instead of rows where no handler needs to see them. nil: rows.
	Format *Format
	// Buffer, if not nil, is memory of the caller for the JSON of a READ. Page replaces it when it has to grow. Result.JSON may lie in it,
	// so that is valid only until the caller uses the memory again.
	Buffer []byte
	// Stream, if not nil, takes the first rows of a READ with Format whose answer is long (256 kB), while further ones are read. Result.JSON is
	// what follows them. Messages are for headers: a request that has some by then is not streamed.
	Stream RowWriter
	// Media, if not nil, asks a READ of one row for the data of one of its elements in a form that needs no memory.
	Media *MediaRead
	// StreamWhole keeps answers that the page limit may cut, and those with a count, from Stream, for writers that must know of more before the rows.
	StreamWhole bool
	// IfMatch and IfNoneMatch are the entity tags sent by the client; nil for none.
	IfMatch, IfNoneMatch []string
	// MustExist makes an UPDATE of a missing row 404; without it PUT creates.
	MustExist bool
	// Upsert allows an UPDATE event to create the row (PUT).
	Upsert bool
	// NewKeys are keys for the row that an upsert may create, where the path has none: those in the payload for a singleton. nil for none.
	NewKeys *Row
	// Return says how much a write answers: the row as READ would show it, or nothing.
	Return Return

	state *state // guard, transaction, collected errors and messages: set by Dispatch
}

// A RowWriter sends rows: JSON objects and the commas between them, as they are to stand in the answer. The memory is used again after the
// call. An error ends the READ.
type RowWriter interface {
	WriteRows(rows []byte) error
}

// Return says what a write answers.
type Return uint8

// The kinds of answers of a write.
const (
	ReturnRow Return = iota
	ReturnNothing
)

// Keys are the key values of one path segment.
type Keys struct {
	Entity *csn.Entity
	Values *Row // nil for a segment without key
}

// A Format says how rows are written as JSON. It is comparable; codecs are cached by it.
type Format struct {
	OData          bool // adds @odata.etag, x@odata.mediaContentType, items@odata.count
	DecimalStrings bool // Decimal and Int64 as strings
}

// A Result is what a request answers.
type Result struct {
	Rows  []*Row // rows of a READ, the row of a write; nil if JSON is used
	JSON  []byte // row objects separated by commas; N of them
	N     int    // number of rows in Rows or JSON
	One   bool   // a single row was asked for
	Count int64  // number of all rows if RawRequest.Count was set, else -1
	More  bool   // the server's page limit cut the result; Next is the number of rows to skip for the next page
	Next  int64
	Value *Value // result of an operation that returns no entity; nil for none
	// Affected is the number of rows that an UPDATE or DELETE changed.
	Affected int64
	// Created tells a write by PUT that made a new row.
	Created bool
	// ETag is the entity tag of the single row, "" for none.
	ETag     string
	Messages []Message
}

// A Message is a note to the client beside a result (req.Warn, req.Info): OData's sap-messages.
type Message struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Target   string `json:"target,omitempty"`
	Severity int    `json:"numericSeverity"` // 1 success, 2 info, 3 warning, 4 error
}
