package authztest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgserver"
)

// Postgres makes databases on a PostgreSQL server. Those that were there are left alone. Close it.
type Postgres struct {
	server *pgserver.Server

	mu    sync.Mutex
	names map[db.Pool]string
	all   map[string]bool // made here, and not dropped yet
}

// OnPostgres makes databases on the server that a connection URL leads to, whose user has to be allowed to, or for "" on one that is started for them from the
// installed programs.
func OnPostgres(ctx context.Context, url string) (*Postgres, error) {
	start := pgserver.Start
	if url != "" {
		start = func(ctx context.Context) (*pgserver.Server, error) { return pgserver.Attach(ctx, url) }
	}
	s, err := start(ctx)
	if err != nil {
		return nil, err
	}
	return &Postgres{server: s, names: map[db.Pool]string{}, all: map[string]bool{}}, nil
}

// Close removes the databases that are left, and ends the server if it was started for them.
func (p *Postgres) Close() error {
	var err error
	for name := range p.all {
		err = errors.Join(err, p.server.Drop(context.Background(), name))
	}
	return errors.Join(err, p.server.Close())
}

// Empty implements Databases.
func (p *Postgres) Empty(ctx context.Context) (db.Pool, error) { return p.open(ctx, "") }

// open makes a database, empty or as a copy of another one, and opens it.
func (p *Postgres) open(ctx context.Context, template string) (db.Pool, error) {
	name, err := p.server.Create(ctx, template)
	if err != nil {
		return nil, fmt.Errorf("no database can be made on the server: %w", err)
	}
	p.mu.Lock()
	p.all[name] = true
	p.mu.Unlock()
	cfg := p.server.Config(name)
	cfg.Synchronous, cfg.Readers = "off", 4 // requests come one after the other
	pool, err := postgres.New().Open(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, p.remove(name))
	}
	p.mu.Lock()
	p.names[pool] = name
	p.mu.Unlock()
	return pool, nil
}

func (p *Postgres) remove(name string) error {
	p.mu.Lock()
	delete(p.all, name)
	p.mu.Unlock()
	return p.server.Drop(context.Background(), name)
}

// closed closes a database and returns its name.
func (p *Postgres) closed(pool db.Pool) (string, error) {
	p.mu.Lock()
	name := p.names[pool]
	delete(p.names, pool)
	p.mu.Unlock()
	return name, pool.Close()
}

// The rows of all tables are kept beside them, in a schema of their own, so that they need not be copied with the whole database to be there again.
const (
	keepRows = `DO $$ DECLARE t text; BEGIN CREATE SCHEMA cds_kept; FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
		EXECUTE format('CREATE TABLE cds_kept.%I AS TABLE %I', t, t); END LOOP; END $$`
	resetRows = `DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP EXECUTE format('DELETE FROM %I', t); END LOOP;
		FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'cds_kept' LOOP EXECUTE format('INSERT INTO %I SELECT * FROM cds_kept.%I', t, t); END LOOP; END $$`
)

func script(ctx context.Context, pool db.Pool, sql string) error {
	return db.InTx(ctx, pool, func(tx db.Tx) error { return tx.Script(ctx, sql) })
}

// Keep implements Databases. Copies can be made only of what nobody is connected to.
func (p *Postgres) Keep(ctx context.Context, pool db.Pool) (Kept, error) {
	resets := script(ctx, pool, keepRows) == nil
	name, err := p.closed(pool)
	return &keptOnPostgres{p, name, resets}, err
}

// Drop implements Databases.
func (p *Postgres) Drop(pool db.Pool) error {
	name, err := p.closed(pool)
	return errors.Join(err, p.remove(name))
}

type keptOnPostgres struct {
	on     *Postgres
	name   string
	resets bool
}

// Reset gives the tables of a copy the rows back that they had. ok is false where that can't be done, as with columns that the database computes.
func (k *keptOnPostgres) Reset(ctx context.Context, p db.Pool) (ok bool) {
	if k.resets {
		k.resets = script(ctx, p, resetRows) == nil
	}
	return k.resets
}

func (k *keptOnPostgres) Copy(ctx context.Context) (db.Pool, error) { return k.on.open(ctx, k.name) }

func (k *keptOnPostgres) Drop() error { return k.on.remove(k.name) }
