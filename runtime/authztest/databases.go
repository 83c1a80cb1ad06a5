package authztest

import (
	"context"

	"cds/runtime/db"
	"cds/runtime/db/sqlite"
)

// Databases makes the databases that cases are tried on: a new one, and copies of it, since each change is taken back by going on with another copy.
type Databases interface {
	// Empty opens an empty database.
	Empty(ctx context.Context) (db.Pool, error)
	// Keep closes a database, if it must be closed for that, and keeps what is in it.
	Keep(ctx context.Context, p db.Pool) (Kept, error)
	// Drop closes a database and removes it.
	Drop(p db.Pool) error
}

// Kept is a database that copies are made of.
type Kept interface {
	Copy(ctx context.Context) (db.Pool, error)
	Drop() error
}

// A resetter is a Kept that may give a copy of it the rows back that it had, in less time than another copy takes.
type resetter interface {
	Reset(ctx context.Context, p db.Pool) (ok bool)
}

// inMemory makes databases of SQLite.
type inMemory struct{}

func (inMemory) Empty(ctx context.Context) (db.Pool, error) {
	return sqlite.New().Open(ctx, db.Config{URL: ":memory:"})
}

func (inMemory) Keep(_ context.Context, p db.Pool) (Kept, error) { return keptInMemory{p}, nil }

func (inMemory) Drop(p db.Pool) error { return p.Close() }

type keptInMemory struct{ pool db.Pool }

func (k keptInMemory) Copy(ctx context.Context) (db.Pool, error) { return sqlite.Clone(ctx, k.pool) }

func (k keptInMemory) Drop() error { return k.pool.Close() }
