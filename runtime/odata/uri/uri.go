// Package uri reads OData V4 URLs: the resource path and the query options (OData URL Conventions 4.01), bound at once to the
// elements of the model. Its results are queries as package cqn has them; it knows neither rights nor SQL.
//
// Reading has two steps, so that a caller can check rights in between: Parse resolves the path to a Resource, Resource.Query
// reads the query options against the entity that the path leads to.
package uri

import (
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Limits on what a URL may ask for. What goes beyond is an Error with status 400 (414 for MaxURL).
const (
	MaxURL    = 16 << 10 // bytes of path and query together
	MaxDepth  = 100      // nesting of expressions
	MaxNodes  = 1000     // operands and operators of all expressions of a URL
	MaxInList = 1000     // items of one in-list
	MaxExpand = 5        // nesting of $expand
	MaxPath   = 20       // segments of a resource path or of a path in an expression
)

// An Error says why a URL cannot be served. Status is 400 for what is not OData or names what does not exist in an option, 404 for an
// unknown resource, 501 for what OData defines and this package does not support.
type Error struct {
	Status  int
	Message string
	Hint    string
	// Unknown tells that the URL is well formed and names what the model does not have.
	Unknown bool
}

func (e *Error) Error() string { return e.Message }

func bad(format string, args ...any) *Error {
	return &Error{Status: 400, Message: fmt.Sprintf(format, args...)}
}

// unknown is the error for a name that the model does not have.
func unknown(format string, args ...any) *Error {
	e := bad(format, args...)
	e.Unknown = true
	return e
}

func unsupported(format string, args ...any) *Error {
	return &Error{Status: 501, Message: fmt.Sprintf(format, args...)}
}

// Kind says what a resource path leads to.
type Kind uint8

// The kinds of resources.
const (
	Root       Kind = iota // the service document
	Metadata               // $metadata
	Batch                  // $batch
	Collection             // many rows of the last segment's entity
	Single                 // one row: by key, over a to-one association, or a singleton
	Property               // an element of one row
	Count                  // the number of rows of a collection
	Operation              // a bound or unbound action or function
)

// A Segment is one entity on the way to the resource.
type Segment struct {
	Entity *csn.Entity
	Via    *csn.Element // the association that leads here from the segment before; nil for the first
	// Keys are the key values given in the URL; nil for none. Keys that follow from the association to the segment before may be
	// missing.
	Keys *cqn.Row
}

// An Arg is an argument of a function in its URL form, with parameter aliases resolved. Literal is false for an argument given as a
// query option without quotes (f?a=x).
type Arg struct {
	Name, Text string
	Literal    bool
}

// A Resource is what a path leads to.
type Resource struct {
	Kind     Kind
	Service  *csn.Service
	Segments []Segment      // empty for the root, $metadata, $batch and unbound operations
	Property *csn.Element   // of a Property
	Value    bool           // the path ends in $value
	Op       *csn.Operation // of an Operation
	Args     []Arg          // of a function, in order of the URL
	// Depth is the number of path segments, keys not counted: context URLs have one "../" for each beyond the first.
	Depth   int
	options []option
	aliases map[string]string

	activeOnly bool // see Index.ActiveOnly
}

// Entity returns the entity the path leads to, nil if there is none.
func (r *Resource) Entity() *csn.Entity {
	if n := len(r.Segments); n > 0 {
		return r.Segments[n-1].Entity
	}
	return nil
}

// Many reports whether the last entity of the path is addressed as a collection.
func (r *Resource) Many() bool {
	n := len(r.Segments)
	if n == 0 {
		return false
	}
	s := r.Segments[n-1]
	if s.Keys != nil || isSingleton(s.Entity) {
		return false
	}
	return s.Via == nil || s.Via.Assoc().Many
}

// Ref returns the path as a reference for a From, Update or Delete: the entity with the given keys as a filter, then associations.
func (r *Resource) Ref() *cqn.Ref { return refOf(r.Segments) }

// Parent returns the path without its last segment, nil if it has only one.
func (r *Resource) Parent() *cqn.Ref {
	if len(r.Segments) < 2 {
		return nil
	}
	return refOf(r.Segments[:len(r.Segments)-1])
}

func refOf(segs []Segment) *cqn.Ref {
	ref := &cqn.Ref{Path: make([]cqn.Step, len(segs))}
	for i, s := range segs {
		ref.Path[i].Name = s.Entity.Name
		if s.Via != nil {
			ref.Path[i].Name = s.Via.Name
		}
		ref.Path[i].Filter = keyFilter(s.Keys)
	}
	return ref
}

func keyFilter(keys *cqn.Row) cqn.Expr {
	var x cqn.Expr
	for _, f := range keys.Fields() {
		m := &struct { // a comparison in one allocation
			eq   cqn.Binary
			ref  cqn.Ref
			lit  cqn.Lit
			path [1]cqn.Step
		}{}
		m.path[0].Name, m.lit.Value = f.Name, f.Value
		m.ref.Path = m.path[:1:1]
		m.eq = cqn.Binary{Op: cqn.Eq, L: &m.ref, R: &m.lit}
		eq := &m.eq
		if x == nil {
			x = eq
		} else {
			x = &cqn.Binary{Op: cqn.And, L: x, R: eq}
		}
	}
	return x
}

// SetName returns the name under which an entity is addressed and shown in metadata: its local name with dots as underscores.
// Drafts have the name of the active rows.
func SetName(e *csn.Entity) string {
	if e.Active != nil {
		e = e.Active
	}
	return strings.ReplaceAll(e.LocalName(), ".", "_")
}

// IsSingleton reports whether the entity is served as a single row without key (@odata.singleton).
func IsSingleton(e *csn.Entity) bool { return isSingleton(e) }

func isSingleton(e *csn.Entity) bool { return e.Annotations.Is("odata.singleton") }

// An Index finds the entities and operations of a service by the names used in URLs. It is immutable.
type Index struct {
	Service *csn.Service
	// ActiveOnly leaves drafts out of collections, for doors of clients that know none.
	ActiveOnly bool

	sets map[string]*csn.Entity
	ops  map[string]*csn.Operation
}

// NewIndex returns the index of a service.
func NewIndex(s *csn.Service) *Index {
	x := &Index{Service: s, sets: map[string]*csn.Entity{}, ops: map[string]*csn.Operation{}}
	for _, e := range s.Entities {
		if e.Active == nil && !isDraftAdmin(e) {
			x.sets[SetName(e)] = e
		}
	}
	for _, o := range s.Ops {
		x.ops[o.LocalName()] = o
	}
	return x
}

// Set returns the entity with the given set name, nil if there is none.
func (x *Index) Set(name string) *csn.Entity { return x.sets[name] }
