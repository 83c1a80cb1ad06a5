// Command recorded serves the models that answers of other systems were recorded with, their handlers rewritten in Go, so that the answers
// can be compared. It is the test app behind scripts/serve-model.
//
//	recorded MODEL-FOLDER PORT
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"cds/codegen/openapi"
	cdl "cds/parser"
	"cds/parser/csn"
	"cds/parser/diag"
	cds "cds/runtime"
	"cds/runtime/db"
	"cds/runtime/db/postgres"
	"cds/runtime/db/postgres/pgserver"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/rls"
	"cds/runtime/serve"
	"cds/strategies"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: recorded MODEL-FOLDER PORT")
		os.Exit(2)
	}
	port, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "the port must be a number")
		os.Exit(2)
	}
	if err := run(os.Args[1], port); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string, port int) error {
	// These models have restrictions that say nothing sensible, on purpose: they are served closed, not refused.
	env := append(os.Environ(), "cds_requires_auth_strict=false")
	opt := serve.Options{Dir: dir, Env: env, InMemory: true}
	model := sync.OnceValues(func() (*csn.Model, error) {
		res := cdl.CompileProject(os.DirFS(dir), cdl.Options{})
		diag.Render(os.Stderr, res.Diags, res.Files, diag.RenderOptions{})
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	})
	app := serve.New(model)
	app.Databases(sqlite.New())
	app.Strategies(strategies.Builtin())
	app.OpenAPI(openapi.REST)
	if register, ok := handlers[filepath.Base(dir)]; ok {
		app.Register(register)
	}
	ctx, stop := serve.Signals(context.Background())
	defer stop()
	if with := os.Getenv("CDS_TEST_DB"); with == "postgres" || with == "postgres-rls" {
		own, err := private(ctx, model, dir)
		if err != nil {
			return err
		}
		defer own.close()
		if opt.Pool = own.pool; with == "postgres-rls" {
			if opt.Pool, err = own.locked(ctx); err != nil {
				return err
			}
			defer func() { _ = opt.Pool.Close() }()
			opt.RowSecurity = own.lock
		}
	}
	return app.Run(ctx, serve.RunOptions{Options: opt, Port: port, Out: os.Stderr})
}

// An ownServer is a PostgreSQL server of our own, which ends with this process, with a database.
type ownServer struct {
	*pgserver.Server
	name string
	pool db.Pool // of the owner of the tables
	key  *db.RowKey
}

func (s *ownServer) close() {
	if s.pool != nil {
		_ = s.pool.Close()
	}
	_ = s.Close()
}

// private deploys the model to a server of our own.
func private(ctx context.Context, model func() (*csn.Model, error), dir string) (*ownServer, error) {
	m, err := model()
	if err != nil {
		return nil, err
	}
	// An interrupt must not end the server before the last answers are given.
	server, err := pgserver.Start(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	s := &ownServer{Server: server}
	if s.name, err = server.Create(ctx, ""); err == nil {
		s.pool, err = postgres.New().Open(ctx, server.Config(s.name))
	}
	if err == nil {
		err = deploy.Deploy(ctx, s.pool, m, os.DirFS(dir), nil)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// rowRole is with whom the application connects where row-level security holds.
const rowRole = "recorded_app"

// locked opens the database with a role that is held to row-level security.
func (s *ownServer) locked(ctx context.Context) (db.Pool, error) {
	cfg, err := s.As(ctx, s.Config(s.name), rowRole)
	if err != nil {
		return nil, err
	}
	if s.key, err = db.NewRowKey("of a server that nobody else can reach"); err != nil {
		return nil, err
	}
	cfg.RowKey = s.key
	return postgres.New().Open(ctx, cfg)
}

// lock puts row-level security on the tables.
func (s *ownServer) lock(schema *rls.Schema) error {
	return schema.Apply(context.Background(), s.pool, rls.Application{Role: rowRole, Key: s.key})
}

// handlers are the registrations by model.
var handlers = map[string]func(*cds.App) error{
	"bookshop": registerBookshop,
	"authlab":  registerAuthlab,
}
