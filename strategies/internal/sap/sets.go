// Package sap holds what the strategies xsuaa and ias share: the connection to the identity service, key sets by tenant, tokens that are
// bound to a client certificate.
package sap

import (
	"container/list"
	"sync"
	"time"

	"cds/strategies/internal/token"
)

// Limits of key sets. Their names come from tokens that are not verified yet, so anybody can ask for any number of them.
const (
	maxProven   = 1000             // sets that have verified a token, the least recently used go first
	maxUnproven = 50               // sets that have not
	maxNew      = 30               // sets that are opened in newWindow
	newWindow   = 10 * time.Second // see maxNew
)

// Sets are key sets by name, such as the zone of a tenant, opened as tokens name them. Their number is bounded, and so is how fast new ones are opened: sets that
// have verified a token are never displaced by those that tokens only name. It is safe for concurrent use.
type Sets struct {
	now  func() time.Time
	open func(name string) *token.JWKS

	mu               sync.Mutex
	byName           map[string]*list.Element
	proven, unproven *list.List // of *namedSet, the most recently used first
	began            time.Time  // of the window
	opened           int        // in the window
}

type namedSet struct {
	name   string
	set    *token.JWKS
	proven bool
}

// NewSets returns an empty collection. open makes a set, without fetching it.
func NewSets(now func() time.Time, open func(name string) *token.JWKS) *Sets {
	return &Sets{now: now, open: open, byName: map[string]*list.Element{}, proven: list.New(), unproven: list.New()}
}

// Get returns the set of a name. The error, a refusal of the token, says that too many new ones were asked for.
func (s *Sets) Get(name string) (*token.JWKS, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byName[name]; ok {
		n := value(e)
		s.listOf(n).MoveToFront(e)
		return n.set, nil
	}
	if now := s.now(); now.Sub(s.began) >= newWindow || now.Before(s.began) {
		s.began, s.opened = now, 0
	}
	if s.opened >= maxNew {
		return nil, token.Refuse("token-keys-unavailable", "more than %d tenants that were not seen before within %s", maxNew, newWindow)
	}
	s.opened++
	n := &namedSet{name: name, set: s.open(name)}
	s.byName[name] = s.unproven.PushFront(n)
	s.trim(s.unproven, maxUnproven)
	return n.set, nil
}

// Proven says that the set of a name has verified a token.
func (s *Sets) Proven(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byName[name]
	if !ok || value(e).proven {
		return
	}
	n := value(e)
	s.unproven.Remove(e)
	n.proven = true
	s.byName[name] = s.proven.PushFront(n)
	s.trim(s.proven, maxProven)
}

// Close ends fetches that are under way.
func (s *Sets) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trim(s.proven, 0)
	s.trim(s.unproven, 0)
}

func (s *Sets) listOf(n *namedSet) *list.List {
	if n.proven {
		return s.proven
	}
	return s.unproven
}

func (s *Sets) trim(l *list.List, most int) {
	for l.Len() > most {
		n := l.Remove(l.Back()).(*namedSet) // the lists hold nothing else
		delete(s.byName, n.name)
		n.set.Close()
	}
}

func value(e *list.Element) *namedSet { return e.Value.(*namedSet) }
