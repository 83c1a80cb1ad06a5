package external_test

import (
	"context"
	"log/slog"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/deploy"
)

// deployed opens a database and puts the model and its data into it.
func deployed(t *testing.T, m *csn.Model, cfg db.Config) db.Pool {
	t.Helper()
	pool, err := postgres.New().Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	if err := deploy.New(context.Background(), pool, m, deploy.Options{Files: data, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	return pool
}

func (w *world) user(name string) *cds.User {
	return auth.New(auth.User{ID: name, Tenant: "t1"}, "clerk")
}

func all() cqn.Query {
	return &cqn.Select{From: &cqn.From{Path: cqn.NewRef("my.Shop.Orders")}}
}
