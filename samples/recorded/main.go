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
	"cds/runtime/db/postgres/pgtest"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
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
	if os.Getenv("CDS_TEST_DB") == "postgres" {
		pool, end, err := private(ctx, model, dir)
		if err != nil {
			return err
		}
		defer end()
		opt.Pool = pool
	}
	return app.Run(ctx, serve.RunOptions{Options: opt, Port: port, Out: os.Stderr})
}

// private deploys the model on a PostgreSQL server of our own, which ends with this process.
func private(ctx context.Context, model func() (*csn.Model, error), dir string) (db.Pool, func(), error) {
	m, err := model()
	if err != nil {
		return nil, nil, err
	}
	// An interrupt must not end the server before the last answers are given.
	server, err := pgtest.Start(context.WithoutCancel(ctx))
	if err != nil {
		return nil, nil, err
	}
	end := func() { _ = server.Close() }
	name, err := server.Create(ctx, "")
	if err != nil {
		end()
		return nil, nil, err
	}
	pool, err := postgres.New().Open(ctx, server.Config(name))
	if err == nil {
		err = deploy.Deploy(ctx, pool, m, os.DirFS(dir), nil)
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return pool, func() { _ = pool.Close(); end() }, nil
}

// handlers are the registrations by model.
var handlers = map[string]func(*cds.App) error{
	"bookshop": registerBookshop,
	"authlab":  registerAuthlab,
}
