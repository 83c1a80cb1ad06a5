package authstore

import (
	"context"
	"fmt"

	"cds/parser/cqn"
	"cds/runtime/auth"
)

var (
	_ auth.Replacer = (*Mem)(nil)
	_ auth.Replacer = (*Store)(nil)
)

// ReplaceSession replaces a session that is still there.
func (m *Mem) ReplaceSession(_ context.Context, s *auth.Session) error {
	if err := checkSession(s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live(s.ID) == nil {
		return auth.ErrNotFound
	}
	m.sessions[s.ID] = cloneSession(s)
	return nil
}

// ReplaceSession replaces a session that is still there, in one statement.
func (s *Store) ReplaceSession(ctx context.Context, x *auth.Session) error {
	if err := checkSession(x); err != nil {
		return err
	}
	n, err := s.exec(ctx, "UPDATE "+SessionTable+" SET subject = ?, grp = ?, data = ?, expires = ? WHERE id = ? AND expires > ?",
		cqn.String(x.Subject), cqn.String(x.Group), cqn.Bytes(x.Data), millis(x.Expires), cqn.String(x.ID), millis(s.now()))
	switch {
	case err != nil:
		return fmt.Errorf("sessions: %w", err)
	case n == 0:
		return auth.ErrNotFound
	}
	return nil
}
