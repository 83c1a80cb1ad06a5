package deploy_test

import (
	"context"
	"os"
	"testing"

	"cds/parser"
	"cds/runtime/deploy"
)

// TestSample deploys the sample from its sources, data included.
func TestSample(t *testing.T) {
	dir := os.DirFS("../../samples/bookshop")
	res := parser.CompileProject(dir, parser.Options{})
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	p := open(t)
	if err := deploy.Deploy(context.Background(), p, res.Model, dir, nil); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"SELECT count(*) > 2 FROM CatalogService_Books",
		"SELECT count(*) > 2 FROM bookshop_OrderItems",
		"SELECT count(*) > 0 FROM localized_CatalogService_Books",
	} {
		if got := query(t, p, sql); got != "1" {
			t.Errorf("%s: %s", sql, got)
		}
	}
}
