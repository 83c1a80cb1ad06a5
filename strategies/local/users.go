package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/password"
	"cds/strategies/internal/settings"
)

// Admin is the name of the first user.
const Admin = "rest_admin"

// ErrDone says that the first user is there.
var ErrDone = errors.New("setup is already done before")

// Bootstrap makes the first user, with the role admin and a password that nobody knows but the caller. ErrDone if there is one of the name. cfg is the section
// requires.auth.
func Bootstrap(ctx context.Context, users auth.UserStore, cfg config.Section) (name, pw string, err error) {
	s, err := readPasswords(cfg)
	if err != nil {
		return "", "", err
	}
	return bootstrap(ctx, users, s.params)
}

func bootstrap(ctx context.Context, users auth.UserStore, params password.Params) (name, pw string, err error) {
	b := make([]byte, 15)
	if _, err := rand.Read(b); err != nil {
		return "", "", err
	}
	pw = base32.StdEncoding.EncodeToString(b)
	hash, err := params.Hash(ctx, pw)
	if err != nil {
		return "", "", err
	}
	_, err = users.AddUser(ctx, &auth.StoredUser{Name: Admin, Hash: hash, Admin: true})
	if errors.Is(err, auth.ErrExists) {
		err = ErrDone
	}
	if err != nil {
		return "", "", err
	}
	return Admin, pw, nil
}

// HashPassword returns the hash of a password for a user of the name, which may be "". Errors: a password that the rules of requires.auth.local.passwords do not
// allow.
func HashPassword(ctx context.Context, cfg config.Section, name, pw string) (string, error) {
	s, err := readPasswords(cfg)
	if err != nil {
		return "", err
	}
	if err := s.rule(name, pw); err != nil {
		return "", err
	}
	return s.params.Hash(ctx, pw)
}

func readPasswords(cfg config.Section) (*settingsOf, error) {
	r := settings.New(cfg, "requires.auth")
	s := &settingsOf{}
	s.readPasswords(r.Section("local").Section("passwords"))
	return s, r.Err()
}

// rule reports why a password is none that a user may have.
func (s *settingsOf) rule(name, pw string) error {
	switch {
	case !utf8.ValidString(pw):
		return errors.New("is no text")
	case utf8.RuneCountInString(pw) < s.least:
		return fmt.Errorf("has to have at least %d characters", s.least)
	case len(pw) > password.MaxLength:
		return fmt.Errorf("has at most %d bytes", password.MaxLength)
	case name != "" && strings.EqualFold(name, pw):
		return errors.New("is the name of the user")
	}
	return nil
}

// SetPassword gives a user another password and ends all logins. Errors: auth.ErrNotFound for an unknown user, and what HashPassword returns.
func SetPassword(ctx context.Context, cfg config.Section, users auth.UserStore, sessions auth.SessionStore, name, pw string, now time.Time) error {
	u, err := users.UserByName(ctx, name)
	if err != nil {
		return err
	}
	hash, err := HashPassword(ctx, cfg, name, pw)
	if err != nil {
		return err
	}
	return replacePassword(ctx, users, sessions, u, hash, now)
}

// replacePassword replaces the hash that u has, and ends what was begun with the password of before.
func replacePassword(ctx context.Context, users auth.UserStore, sessions auth.SessionStore, u *auth.StoredUser, hash string, now time.Time) error {
	if err := auth.SetPassword(ctx, users, u.ID, u.Hash, hash, now); err != nil {
		return err
	}
	_, err := sessions.EndSessions(ctx, subjectOf(u), "")
	return err
}

// Remove removes a user and ends all logins.
func Remove(ctx context.Context, users auth.UserStore, sessions auth.SessionStore, name string) error {
	u, err := users.UserByName(ctx, name)
	if err != nil {
		return err
	}
	if err := users.RemoveUser(ctx, name); err != nil {
		return err
	}
	_, err = sessions.EndSessions(ctx, subjectOf(u), "")
	return err
}

// equal compares secrets of any length, in time that does not depend on where they differ.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// EndLogins ends all logins of a user, and makes all tokens of before worthless: after the user was disabled, or rights were taken away from a token that
// other services read.
func EndLogins(ctx context.Context, users auth.UserStore, sessions auth.SessionStore, u *auth.StoredUser, now time.Time) error {
	return endAll(ctx, users, sessions, u, now)
}

// Sign makes an access token of a user that belongs to no login, for development. cfg is the section requires.auth. What is in claims comes in addition, or
// in place of what is there.
func Sign(cfg config.Section, u *auth.StoredUser, claims map[string]any, now time.Time, ttl time.Duration) (string, error) {
	settings, err := read(cfg)
	if err != nil {
		return "", err
	}
	// A token of the second in which all logins were ended is one of before: that it is not has to be seen.
	if least := u.Valid.Truncate(time.Second).Add(time.Second); !u.Valid.IsZero() && now.Before(least) && claims["iat"] == nil {
		claims = maps.Clone(claims)
		if claims == nil {
			claims = map[string]any{}
		}
		claims["iat"] = least.Unix()
	}
	s := &Strategy{cfg: settings}
	return s.sign(u, "", claims, now, ttl)
}
