package deploy_test

import (
	"context"
	"os"
	"testing"

	"cds/parser"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
)

// BenchmarkDeploy opens a database and deploys the sample, as each start in memory does.
func BenchmarkDeploy(b *testing.B) {
	dir := os.DirFS("../../samples/bookshop")
	res := parser.CompileProject(dir, parser.Options{})
	if res.Model == nil {
		b.Fatal(res.Diags)
	}
	for b.Loop() {
		p, err := sqlite.New().Open(context.Background(), db.Config{URL: ":memory:"})
		if err != nil {
			b.Fatal(err)
		}
		if err := deploy.Deploy(context.Background(), p, res.Model, dir, nil); err != nil {
			b.Fatal(err)
		}
		_ = p.Close()
	}
}
