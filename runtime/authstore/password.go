package authstore

import (
	"context"
	"fmt"
	"time"

	"cds/parser/cqn"
	"cds/runtime/auth"
)

var (
	_ auth.PasswordStore = (*Mem)(nil)
	_ auth.PasswordStore = (*Store)(nil)
)

func checkHash(hash string) error {
	return check(&auth.StoredUser{Hash: hash})
}

// SetPassword changes a hash that is still the old one.
func (m *Mem) SetPassword(_ context.Context, id, old, hash string, valid time.Time) error {
	if err := checkHash(hash); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.byID(id)
	if u == nil || u.Hash != old {
		return auth.ErrNotFound
	}
	u.Hash = hash
	if !valid.IsZero() {
		u.Valid = valid
	}
	return nil
}

// SetPassword changes a hash that is still the old one, in one statement.
func (s *Store) SetPassword(ctx context.Context, id, old, hash string, valid time.Time) error {
	if err := checkHash(hash); err != nil {
		return err
	}
	n, ok := number(id)
	if !ok {
		return auth.ErrNotFound
	}
	set, binds := "password = ?", []cqn.Value{cqn.String(hash)}
	if !valid.IsZero() {
		set, binds = set+", valid = ?", append(binds, millis(valid))
	}
	changed, err := s.exec(ctx, fmt.Sprintf("UPDATE %s SET %s WHERE id = ? AND password = ?", UserTable, set), append(binds, cqn.Int(n), cqn.String(old))...)
	return found(changed, err)
}
