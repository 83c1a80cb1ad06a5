package authstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cds/runtime/auth"
)

// A Mem keeps sessions and users in the memory of the process, a bounded number of them. Of sessions the one that would expire first makes room.
type Mem struct {
	now      func() time.Time
	mu       sync.Mutex
	max      int
	sessions map[string]*auth.Session
	users    map[string]*auth.StoredUser // by name
	last     int64                       // id given last
}

var (
	_ auth.SessionStore = (*Mem)(nil)
	_ auth.UserStore    = (*Mem)(nil)
)

// Memory returns an empty store in memory.
func Memory(now func() time.Time) *Mem {
	return &Mem{now: now, max: maxMemory, sessions: map[string]*auth.Session{}, users: map[string]*auth.StoredUser{}}
}

// errFull says that Memory holds as many users as it may.
var errFull = errors.New("the store in memory is full")

// Session returns a session that has not expired.
func (m *Mem) Session(_ context.Context, id string) (*auth.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.live(id)
	if s == nil {
		return nil, auth.ErrNotFound
	}
	return cloneSession(s), nil
}

// live returns a session that has not expired, and forgets one that has.
func (m *Mem) live(id string) *auth.Session {
	s := m.sessions[id]
	if s != nil && !s.Expires.After(m.now()) {
		delete(m.sessions, id)
		return nil
	}
	return s
}

// PutSession adds or replaces a session.
func (m *Mem) PutSession(_ context.Context, s *auth.Session) error {
	if err := checkSession(s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.sessions[s.ID]; !there && len(m.sessions) >= m.max {
		m.evict()
	}
	m.sessions[s.ID] = cloneSession(s)
	return nil
}

// evict removes what has expired, else a tenth of what would expire first: the work is worth doing for many at once.
func (m *Mem) evict() {
	now := m.now()
	all := make([]*auth.Session, 0, len(m.sessions))
	for id, s := range m.sessions {
		if !s.Expires.After(now) {
			delete(m.sessions, id)
			continue
		}
		all = append(all, s)
	}
	if len(m.sessions) < m.max {
		return
	}
	slices.SortFunc(all, func(a, b *auth.Session) int { return a.Expires.Compare(b.Expires) })
	for _, s := range all[:max(len(all)/10, 1)] {
		delete(m.sessions, s.ID)
	}
}

// TakeSession removes a session and returns it.
func (m *Mem) TakeSession(_ context.Context, id string) (*auth.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.live(id)
	if s == nil {
		return nil, auth.ErrNotFound
	}
	delete(m.sessions, id)
	return s, nil
}

// EndSessions removes the sessions of a subject or a group.
func (m *Mem) EndSessions(_ context.Context, subject, group string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for id, s := range m.sessions {
		if subject != "" && s.Subject == subject || group != "" && s.Group == group {
			delete(m.sessions, id)
			n++
		}
	}
	return n, nil
}

// UserByName returns a user.
func (m *Mem) UserByName(_ context.Context, name string) (*auth.StoredUser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.users[name]; u != nil {
		return cloneUser(u), nil
	}
	return nil, auth.ErrNotFound
}

// UserByID returns a user.
func (m *Mem) UserByID(_ context.Context, id string) (*auth.StoredUser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.byID(id); u != nil {
		return cloneUser(u), nil
	}
	return nil, auth.ErrNotFound
}

func (m *Mem) byID(id string) *auth.StoredUser {
	for _, u := range m.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

// AddUser stores a user under the next id.
func (m *Mem) AddUser(_ context.Context, u *auth.StoredUser) (string, error) {
	if err := errors.Join(CheckName(u.Name), check(u)); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users[u.Name] != nil {
		return "", auth.ErrExists
	}
	if len(m.users) >= m.max {
		return "", errFull
	}
	m.last++
	c := cloneUser(u)
	c.ID = strconv.FormatInt(m.last, 10)
	m.users[c.Name] = c
	return c.ID, nil
}

// SetUser replaces all but the id and the name.
func (m *Mem) SetUser(_ context.Context, u *auth.StoredUser) error {
	if err := check(u); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.byID(u.ID)
	if old == nil {
		return auth.ErrNotFound
	}
	c := cloneUser(u)
	c.Name = old.Name
	m.users[old.Name] = c
	return nil
}

// RemoveUser removes a user; its id is not given again.
func (m *Mem) RemoveUser(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users[name] == nil {
		return auth.ErrNotFound
	}
	delete(m.users, name)
	return nil
}

// Users returns users in the order of their names.
func (m *Mem) Users(_ context.Context, after string, limit int) ([]*auth.StoredUser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*auth.StoredUser
	for name, u := range m.users {
		if name > after {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b *auth.StoredUser) int { return strings.Compare(a.Name, b.Name) })
	out = out[:min(len(out), max(limit, 0))]
	for i := range out {
		out[i] = cloneUser(out[i])
	}
	return out, nil
}
