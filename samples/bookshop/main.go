// Command bookshop serves the bookshop: a guarded CAP model with handlers in Go.
//
//	go run . --in-memory --port 4004
package main

import (
	"cds/runtime/db/postgres"
	"cds/runtime/db/sqlite"
	"cds/runtime/serve"
	"cds/samples/bookshop/internal/gen/model"
	"cds/samples/bookshop/srv"
	"cds/samples/bookshop/sso"
	"cds/strategies"
)

func main() {
	app := serve.New(model.Model)
	app.Databases(sqlite.New(), postgres.New())
	app.Strategies(strategies.Builtin())
	app.Strategy("corp-sso", sso.New)
	app.Register(srv.Register)
	app.Main()
}
