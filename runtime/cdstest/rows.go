package cdstest

import (
	"context"
	"errors"

	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgserver"
	"cds/runtime/rls"
)

// rowRole is the role with which the server connects to databases with row-level security.
const rowRole = "cds_app"

// locks are what the copies of a template have of row-level security. It follows from the policy, which is there when the server is built.
type locks struct {
	schema *rls.Schema
	key    *db.RowKey
	last   db.Config // of the copy that was made last, as its owner
}

// locked opens a copy with the role of the server.
func (t *Template) locked(s *pgserver.Server, name string) (db.Pool, error) {
	if t.rows == nil {
		key, err := db.NewRowKey("a secret of tests, and of nobody else")
		if err != nil {
			return nil, err
		}
		t.rows = &locks{key: key}
	}
	t.rows.last = s.Config(name)
	cfg, err := s.As(context.Background(), t.rows.last, rowRole)
	if err == nil && t.rows.schema != nil {
		err = t.rows.apply(t.rows.schema)
	}
	if err != nil {
		return nil, err
	}
	cfg.RowKey = t.rows.key
	return postgres.New().Open(context.Background(), cfg)
}

// apply deploys row-level security to the copy that was made last.
func (l *locks) apply(schema *rls.Schema) error {
	l.schema = schema
	pool, err := postgres.New().Open(context.Background(), l.last)
	if err != nil {
		return err
	}
	return errors.Join(schema.Apply(context.Background(), pool, rls.Application{Role: rowRole, Key: l.key}), pool.Close())
}

// lockRows is for serve.Options.RowSecurity.
func (a *App) lockRows(schema *rls.Schema) error {
	if a.template == nil || a.template.rows == nil {
		return errors.New("cdstest: a database with row-level security needs a template")
	}
	return a.template.rows.apply(schema)
}
