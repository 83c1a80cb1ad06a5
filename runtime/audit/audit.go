// Package audit keeps account of what users do: refused logins and refused access, code that passes the checks with a reason, reading of sensitive and changing
// of personal data (@PersonalData), and the history of elements with @changelog.
//
// Records about changes are written in the transaction of the data, so both are there or neither; those about refusals and reads in small transactions of
// their own, before the answer is sent. All go to the table cds_audit, and through an outbox table to further sinks, at least once each. The tables are no part
// of any model: no door, query or view reaches them.
package audit

import (
	"context"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"
)

// The events of records.
const (
	LoginRefused         = "LoginRefused"
	AccessDenied         = "AccessDenied"
	PrivilegedCode       = "Privileged"
	SensitiveDataRead    = "SensitiveDataRead"
	PersonalDataModified = "PersonalDataModified"
	PolicyChanged        = "PolicyChanged"
	AuditLogRead         = "AuditLogRead"
)

// A Record is what is kept of one event. Its ID is unique: a sink may get a record twice, and knows it by that.
type Record struct {
	ID          string      `json:"id"`
	Time        time.Time   `json:"time"`
	Event       string      `json:"event"`
	User        string      `json:"user"`
	Tenant      string      `json:"tenant,omitempty"`
	Correlation string      `json:"correlation,omitempty"`
	Service     string      `json:"service,omitempty"`
	Request     string      `json:"request,omitempty"` // the event of the request: READ, UPDATE, the name of an action
	Target      string      `json:"target,omitempty"`  // of the request
	Action      string      `json:"action,omitempty"`  // of a change: create, update, delete
	Client      string      `json:"client,omitempty"`  // address, of refused logins
	Status      int         `json:"status,omitempty"`
	Reason      string      `json:"reason,omitempty"`
	Grants      []string    `json:"grants,omitempty"` // what allowed or refused it, with file:line where the model knows
	Object      *Object     `json:"object,omitempty"`
	Objects     []Object    `json:"objects,omitempty"` // of a read, instead of Object
	Attributes  []Attribute `json:"attributes,omitempty"`
	Lost        int         `json:"lost,omitempty"` // how many records before this one could not be kept
}

// An Object is a row: the entity with its table, the keys, and whose data it has.
type Object struct {
	Type    string            `json:"type"`
	ID      map[string]string `json:"id,omitempty"`
	Subject *Subject          `json:"subject,omitempty"`
}

// A Subject is the person that data are about.
type Subject struct {
	Type string            `json:"type"`
	Role string            `json:"role,omitempty"`
	ID   map[string]string `json:"id"`
}

// An Attribute is an element that was read or changed. Old and New are nil for no value.
type Attribute struct {
	Name string  `json:"name"`
	Old  *string `json:"old,omitempty"`
	New  *string `json:"new,omitempty"`
}

// Hidden takes the place of values that are not kept.
const Hidden = "***"

// A Sink takes records. Deliver returns nil when all of them are safe where the sink keeps them; with an error all of them are delivered again later, so a sink
// may get records twice. Calls do not overlap. A conformance suite is in audittest.
type Sink interface {
	Name() string // what it is called in the configuration and in the outbox
	Deliver(ctx context.Context, records []Record) error
	Close() error
}

// Options say what is kept, and where.
type Options struct {
	// Enabled switches the audit log on. Without it only the history of elements with @changelog is kept.
	Enabled bool
	// Sinks get the records beside the table. Table says whether they stay in it when all sinks have them.
	Sinks []Sink
	Table bool
	// FailOpen lets requests go on where account of them can't be kept, with an error in the log. Otherwise they fail.
	FailOpen bool
	// ShowPersonal and ShowSensitive say whether old and new values of such elements are kept; Hidden takes their place otherwise.
	ShowPersonal, ShowSensitive bool
	Queue                       int           // most refusals and reads that wait to be written; 0 means 1000
	Outbox                      int           // most records that wait for one sink; 0 means 100 000
	Interval                    time.Duration // between looks for records to be delivered; 0 means a second, below 0 never: Deliver is called by the owner
	Timeout                     time.Duration // of one delivery, and of waiting for the queue; 0 means 10 s

	Now   func() time.Time
	NewID func() string // ordered by time
	Log   *slog.Logger
	// Correlation finds the id of the request; nil for none. Position finds file and line of a rule; nil for unknown.
	Correlation func(ctx context.Context) string
	Position    func(rule string) string
}

func (o *Options) defaults() {
	if o.Queue <= 0 {
		o.Queue = 1000
	}
	if o.Outbox <= 0 {
		o.Outbox = 100_000
	}
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Correlation == nil {
		o.Correlation = func(context.Context) string { return "" }
	}
	if o.Position == nil {
		o.Position = func(string) string { return "" }
	}
}

// maxText bounds each text of a record, in characters.
const maxText = 4000

// text makes something of a text that databases and sinks take: valid, without zero bytes, and not endless.
func text(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n++; n >= most { // what says that there was more is one of them
			return s[:i] + "…"
		}
	}
	return s
}
