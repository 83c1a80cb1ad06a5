// Package stmts keeps the prepared statements of a connection by their text. What a prepared statement is, and how one ends, is the driver's.
package stmts

// Max bounds the statements of a connection; the least recently used one goes first.
const Max = 200

// A Cache holds statements in order of their use. It is not safe for concurrent use; its zero value is empty.
type Cache[T any] struct {
	entries map[string]*entry[T]
	head    *entry[T] // most recently used; its prev is the least recently used
}

// An entry is a statement in a ring ordered by use.
type entry[T any] struct {
	sql        string
	stmt       T
	prev, next *entry[T]
}

// Get returns the statement for a text, which is then the most recently used one.
func (c *Cache[T]) Get(sql string) (stmt T, ok bool) {
	e := c.entries[sql]
	if e == nil {
		return stmt, false
	}
	if c.head != e {
		c.unlink(e)
		c.link(e)
	}
	return e.stmt, true
}

// Peek is Get without a use.
func (c *Cache[T]) Peek(sql string) (stmt T, ok bool) {
	if e := c.entries[sql]; e != nil {
		return e.stmt, true
	}
	return stmt, false
}

// Add adds the statement for a text that there is none for. Callers make room before: see Full.
func (c *Cache[T]) Add(sql string, stmt T) {
	if c.entries == nil {
		c.entries = make(map[string]*entry[T])
	}
	e := &entry[T]{sql: sql, stmt: stmt}
	c.entries[sql] = e
	c.link(e)
}

// Full reports whether one has to go before another is added.
func (c *Cache[T]) Full() bool { return len(c.entries) >= Max }

// Pop takes out the least recently used statement; false if there is none.
func (c *Cache[T]) Pop() (stmt T, ok bool) {
	if c.head == nil {
		return stmt, false
	}
	e := c.head.prev
	c.Remove(e.sql)
	return e.stmt, true
}

// Remove takes out the statement for a text, if there is one.
func (c *Cache[T]) Remove(sql string) {
	if e := c.entries[sql]; e != nil {
		c.unlink(e)
		delete(c.entries, sql)
	}
}

// link puts e at the head of the ring.
func (c *Cache[T]) link(e *entry[T]) {
	if c.head == nil {
		e.prev, e.next = e, e
	} else {
		e.prev, e.next = c.head.prev, c.head
		e.prev.next, e.next.prev = e, e
	}
	c.head = e
}

func (c *Cache[T]) unlink(e *entry[T]) {
	if e.next == e {
		c.head = nil
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	if c.head == e {
		c.head = e.next
	}
}
