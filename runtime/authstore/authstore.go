// Package authstore keeps the sessions and users of authentication strategies, in the application's database or in memory.
//
// The tables are auth_users and auth_sessions. They are no part of any model: no door, query or view reaches them, and Taken finds a model that would lay an
// entity over them. Of secrets they hold hashes only. All work is done in transactions of its own, apart from those of requests, so a failed request
// does not undo a logout.
package authstore

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// The tables.
const (
	UserTable    = "auth_users"
	SessionTable = "auth_sessions"
)

// Bounds of what is kept.
const (
	maxName = 255 // characters of a user's name, a tenant, and bytes of a hash
	maxID   = 200 // bytes of a session's id, subject and group
	maxData = 64 << 10
	// maxMemory is how many sessions, and how many users, Memory holds.
	maxMemory = 100_000
)

// ErrInvalid is wrapped by errors about users and sessions that are not kept since something about them is wrong.
var ErrInvalid = auth.ErrInvalid

// Taken returns an entity of a model whose table would be one of ours, nil if there is none. Such a model must not be served or deployed where the tables are in use.
func Taken(m *csn.Model) *csn.Entity {
	for _, e := range m.Entities {
		if name := sqlgen.TableName(e); strings.EqualFold(name, UserTable) || strings.EqualFold(name, SessionTable) {
			return e
		}
	}
	return nil
}

// CheckName reports what is wrong with the name of a user: it is empty, too long, has characters that cannot be seen, or is one that CAP gives a meaning.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: a user needs a name", ErrInvalid)
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("%w: a name has at most %d characters", ErrInvalid, maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(name) != name:
		return fmt.Errorf("%w: a name has no control characters, and no space at its ends", ErrInvalid)
	case auth.ReservedID(name):
		return fmt.Errorf("%w: the name %q means nobody in particular", ErrInvalid, name)
	}
	return nil
}

// check reports what is wrong with the rest of a user.
func check(u *auth.StoredUser) error {
	switch {
	case len(u.Hash) > maxName:
		return fmt.Errorf("%w: the hash of a password has at most %d characters", ErrInvalid, maxName)
	case !utf8.ValidString(u.Tenant) || utf8.RuneCountInString(u.Tenant) > maxName || strings.ContainsFunc(u.Tenant, unicode.IsControl):
		return fmt.Errorf("%w: a tenant has at most %d characters and no control characters", ErrInvalid, maxName)
	}
	bad := func(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }
	for name, values := range u.Attrs {
		if name == "" || bad(name) || slices.ContainsFunc(values, bad) {
			return fmt.Errorf("%w: an attribute needs a name and values that are texts", ErrInvalid)
		}
	}
	for _, r := range u.Roles {
		if r == "" || bad(r) || auth.ReservedRole(r) {
			return fmt.Errorf("%w: the role %q cannot be given to a user", ErrInvalid, r)
		}
	}
	return nil
}

func checkSession(s *auth.Session) error {
	switch {
	case s.ID == "" || len(s.ID) > maxID || len(s.Subject) > maxID || len(s.Group) > maxID:
		return fmt.Errorf("%w: the id of a session, its subject and its group have at most %d bytes", ErrInvalid, maxID)
	case strings.ContainsRune(s.ID+s.Subject+s.Group, 0) || !utf8.ValidString(s.ID+s.Subject+s.Group):
		return fmt.Errorf("%w: the id of a session, its subject and its group are texts", ErrInvalid)
	case len(s.Data) > maxData:
		return fmt.Errorf("%w: the data of a session has at most %d bytes", ErrInvalid, maxData)
	}
	return nil
}

// cloneUser and cloneSession keep what is stored apart from what callers hold.
func cloneUser(u *auth.StoredUser) *auth.StoredUser {
	c := *u
	c.Roles = slices.Clone(u.Roles)
	c.Attrs = nil
	for name, values := range u.Attrs {
		if c.Attrs == nil {
			c.Attrs = map[string][]string{}
		}
		c.Attrs[name] = slices.Clone(values)
	}
	return &c
}

func cloneSession(s *auth.Session) *auth.Session {
	c := *s
	c.Data = slices.Clone(s.Data)
	return &c
}
