package authstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"cds/parser/cqn"
	"cds/runtime/auth"
	"cds/runtime/db"
)

// A Store keeps sessions and users in a database. Times are kept to the millisecond.
type Store struct {
	pool   db.Pool
	now    func() time.Time
	made   atomic.Bool
	making sync.Mutex
	swept  atomic.Int64 // when expired sessions were removed last
}

var (
	_ auth.SessionStore = (*Store)(nil)
	_ auth.UserStore    = (*Store)(nil)
)

const (
	// sweepEvery is how often writers of sessions remove those that have expired, and sweepMost how many at a time.
	sweepEvery = time.Minute
	sweepMost  = 500
)

// Open returns the store in a database. It changes nothing in it: tables are made at the first use, or by Prepare.
func Open(_ context.Context, pool db.Pool, now func() time.Time) (*Store, error) {
	if pool == nil || now == nil {
		return nil, errors.New("a store of users and sessions needs a database and a clock")
	}
	s := &Store{pool: pool, now: now}
	s.swept.Store(now().UnixMilli())
	return s, nil
}

// query runs a statement that returns rows and calls fn for each. Writing ones have a transaction that is tried again if others change the same rows.
func (s *Store) query(ctx context.Context, write bool, st db.Stmt, fn func(db.Rows) error) error {
	if err := s.Prepare(ctx); err != nil {
		return err
	}
	st.Anonymous = true
	if !write {
		tx, err := s.read(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		return db.Each(ctx, tx, st, fn)
	}
	return db.InTx(ctx, s.pool, func(tx db.Tx) error { return db.Each(ctx, tx, st, fn) })
}

func (s *Store) read(ctx context.Context) (db.Tx, error) {
	if p, ok := s.pool.(db.OneReader); ok {
		return p.ReadOne(ctx, db.Session{})
	}
	return s.pool.Read(ctx, db.Session{})
}

// exec runs a statement in a transaction and returns the number of rows that it changed.
func (s *Store) exec(ctx context.Context, sql string, binds ...cqn.Value) (n int64, err error) {
	if err := s.Prepare(ctx); err != nil {
		return 0, err
	}
	st := db.Stmt{SQL: db.Numbered(s.pool.Dialect(), sql), Binds: binds, Anonymous: true, Opens: db.SystemTables}
	err = db.InTx(ctx, s.pool, func(tx db.Tx) error {
		n, err = tx.Exec(ctx, st)
		return err
	})
	return n, err
}

func (s *Store) stmt(sql string, binds ...cqn.Value) db.Stmt {
	return db.Stmt{SQL: db.Numbered(s.pool.Dialect(), sql), Binds: binds, Opens: db.SystemTables}
}

func millis(t time.Time) cqn.Value {
	if t.IsZero() {
		return cqn.Int(0)
	}
	return cqn.Int(t.UnixMilli())
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

const sessionFields = "id, subject, grp, data, expires"

func (s *Store) oneSession(ctx context.Context, write bool, st db.Stmt) (*auth.Session, error) {
	var out *auth.Session
	err := s.query(ctx, write, st, func(r db.Rows) error {
		out = &auth.Session{ID: string(r.Text(0)), Subject: string(r.Text(1)), Group: string(r.Text(2)), Data: append([]byte(nil), r.Bytes(3)...), Expires: timeOf(r.Int(4))}
		return nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("sessions: %w", err)
	case out == nil || !out.Expires.After(s.now()):
		return nil, auth.ErrNotFound
	}
	return out, nil
}

// Session returns a session that has not expired.
func (s *Store) Session(ctx context.Context, id string) (*auth.Session, error) {
	if checkSession(&auth.Session{ID: id}) != nil {
		return nil, auth.ErrNotFound
	}
	return s.oneSession(ctx, false, s.stmt("SELECT "+sessionFields+" FROM "+SessionTable+" WHERE id = ?", cqn.String(id)))
}

// TakeSession removes a session and returns it: of several callers, in any process, one gets it.
func (s *Store) TakeSession(ctx context.Context, id string) (*auth.Session, error) {
	if checkSession(&auth.Session{ID: id}) != nil {
		return nil, auth.ErrNotFound
	}
	return s.oneSession(ctx, true, s.stmt("DELETE FROM "+SessionTable+" WHERE id = ? RETURNING "+sessionFields, cqn.String(id)))
}

// PutSession adds or replaces a session. From time to time it removes expired ones, a bounded number.
func (s *Store) PutSession(ctx context.Context, x *auth.Session) error {
	if err := checkSession(x); err != nil {
		return err
	}
	_, err := s.exec(ctx, "INSERT INTO "+SessionTable+" ("+sessionFields+") VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "+
		"subject = excluded.subject, grp = excluded.grp, data = excluded.data, expires = excluded.expires",
		cqn.String(x.ID), cqn.String(x.Subject), cqn.String(x.Group), cqn.Bytes(x.Data), millis(x.Expires))
	if err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	now, last := s.now().UnixMilli(), s.swept.Load()
	if now-last > sweepEvery.Milliseconds() && s.swept.CompareAndSwap(last, now) {
		_, _ = s.Sweep(ctx) // the next one does what this one does not
	}
	return nil
}

// EndSessions removes the sessions of a subject or a group.
func (s *Store) EndSessions(ctx context.Context, subject, group string) (int, error) {
	var where string
	var binds []cqn.Value
	add := func(column, v string) {
		if v == "" || checkSession(&auth.Session{ID: "x", Subject: v}) != nil {
			return
		}
		if where != "" {
			where += " OR "
		}
		where += column + " = ?"
		binds = append(binds, cqn.String(v))
	}
	add("subject", subject)
	add("grp", group)
	if where == "" {
		return 0, nil
	}
	n, err := s.exec(ctx, "DELETE FROM "+SessionTable+" WHERE "+where, binds...)
	if err != nil {
		return 0, fmt.Errorf("sessions: %w", err)
	}
	return int(n), nil
}

// Sweep removes sessions that have expired, at most some hundred, and returns how many. Writers of sessions call it now and then; a job may call it too.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	n, err := s.exec(ctx, "DELETE FROM "+SessionTable+" WHERE id IN (SELECT id FROM "+SessionTable+" WHERE expires <= ? ORDER BY expires LIMIT ?)",
		millis(s.now()), cqn.Int(sweepMost))
	return int(n), err
}

// Clean removes sessions that have expired, in several steps if there are many. It does nothing as long as the tables are not in use. It is a job's work: without
// it they would stay until somebody logs in.
func (s *Store) Clean(ctx context.Context) error {
	const steps = 20
	for range steps {
		if !s.made.Load() {
			return nil
		}
		if n, err := s.Sweep(ctx); err != nil || n < sweepMost {
			return err
		}
	}
	return nil
}

const userFields = "id, username, password, CASE WHEN is_admin THEN 1 ELSE 0 END, roles, attrs, tenant, CASE WHEN disabled THEN 1 ELSE 0 END, valid"

// readUser reads a row of userFields. Roles and attributes that are not understood are an error: nobody gets in with some of them.
func readUser(r db.Rows) (*auth.StoredUser, error) {
	u := &auth.StoredUser{ID: string(r.Text(0)), Name: string(r.Text(1)), Hash: string(r.Text(2)), Admin: r.Int(3) == 1, Tenant: string(r.Text(6)),
		Disabled: r.Int(7) == 1, Valid: timeOf(r.Int(8))}
	if err := decode(r.Text(4), &u.Roles); err != nil {
		return nil, fmt.Errorf("users: the roles of %q are no list of texts", u.Name)
	}
	if err := decode(r.Text(5), &u.Attrs); err != nil {
		return nil, fmt.Errorf("users: the attributes of %q are no object with lists of texts", u.Name)
	}
	return u, nil
}

func decode(b []byte, to any) error {
	if len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, to)
}

// encode writes roles and attributes: nothing where there are none.
func encode[T []string | map[string][]string](v T) cqn.Value {
	if len(v) == 0 {
		return cqn.String("")
	}
	b, err := json.Marshal(v)
	if err != nil { // texts can always be written
		return cqn.String("")
	}
	return cqn.String(string(b))
}

func (s *Store) oneUser(ctx context.Context, where string, bind cqn.Value) (*auth.StoredUser, error) {
	var out *auth.StoredUser
	err := s.query(ctx, false, s.stmt("SELECT "+userFields+" FROM "+UserTable+" WHERE "+where, bind), func(r db.Rows) (err error) {
		out, err = readUser(r)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("users: %w", err)
	case out == nil:
		return nil, auth.ErrNotFound
	}
	return out, nil
}

// UserByName returns a user. Names are compared as they are.
func (s *Store) UserByName(ctx context.Context, name string) (*auth.StoredUser, error) {
	if CheckName(name) != nil {
		return nil, auth.ErrNotFound
	}
	return s.oneUser(ctx, "username = ?", cqn.String(name))
}

// UserByID returns a user.
func (s *Store) UserByID(ctx context.Context, id string) (*auth.StoredUser, error) {
	n, ok := number(id)
	if !ok {
		return nil, auth.ErrNotFound
	}
	return s.oneUser(ctx, "id = ?", cqn.Int(n))
}

// number reads an id; only the one way to write it counts.
func number(id string) (int64, bool) {
	if id == "" || len(id) > 18 || id[0] == '0' {
		return 0, false
	}
	var n int64
	for i := range len(id) {
		if id[i] < '0' || id[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(id[i]-'0')
	}
	return n, true
}

// AddUser stores a user under an id that no user had before.
func (s *Store) AddUser(ctx context.Context, u *auth.StoredUser) (string, error) {
	if err := errors.Join(CheckName(u.Name), check(u)); err != nil {
		return "", err
	}
	st := s.stmt("INSERT INTO "+UserTable+" (username, password, is_admin, roles, attrs, tenant, disabled, valid) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
		append([]cqn.Value{cqn.String(u.Name)}, settable(u)...)...)
	id := ""
	err := s.query(ctx, true, st, func(r db.Rows) error {
		id = string(r.Text(0))
		return nil
	})
	switch {
	case errors.Is(err, db.ErrUnique):
		return "", auth.ErrExists
	case err != nil:
		return "", fmt.Errorf("users: %w", err)
	}
	return id, nil
}

// settable are the values of a user's columns behind the name.
func settable(u *auth.StoredUser) []cqn.Value {
	return []cqn.Value{cqn.String(u.Hash), cqn.Bool(u.Admin), encode(u.Roles), encode(u.Attrs), cqn.String(u.Tenant), cqn.Bool(u.Disabled), millis(u.Valid)}
}

// SetUser replaces all but the id and the name.
func (s *Store) SetUser(ctx context.Context, u *auth.StoredUser) error {
	if err := check(u); err != nil {
		return err
	}
	id, ok := number(u.ID)
	if !ok {
		return auth.ErrNotFound
	}
	n, err := s.exec(ctx, "UPDATE "+UserTable+" SET password = ?, is_admin = ?, roles = ?, attrs = ?, tenant = ?, disabled = ?, valid = ? WHERE id = ?",
		append(settable(u), cqn.Int(id))...)
	return found(n, err)
}

// RemoveUser removes a user.
func (s *Store) RemoveUser(ctx context.Context, name string) error {
	if CheckName(name) != nil {
		return auth.ErrNotFound
	}
	return found(s.exec(ctx, "DELETE FROM "+UserTable+" WHERE username = ?", cqn.String(name)))
}

func found(n int64, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("users: %w", err)
	case n == 0:
		return auth.ErrNotFound
	}
	return nil
}

// Users returns at most limit users in the order of their names, from the one after a name.
func (s *Store) Users(ctx context.Context, after string, limit int) ([]*auth.StoredUser, error) {
	order := "username"
	if s.pool.Dialect().Name() == "postgres" {
		order = `username COLLATE "C"` // by code points, as everywhere else
	}
	var out []*auth.StoredUser
	st := s.stmt("SELECT "+userFields+" FROM "+UserTable+" WHERE "+order+" > ? ORDER BY "+order+" LIMIT ?", cqn.String(after), cqn.Int(int64(max(limit, 0))))
	err := s.query(ctx, false, st, func(r db.Rows) error {
		u, err := readUser(r)
		if err == nil {
			out = append(out, u)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return out, nil
}
