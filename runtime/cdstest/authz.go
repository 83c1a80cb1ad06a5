package cdstest

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authztest"
	"cds/runtime/config"
)

// ModelVariable names a file with a model as CSN that tests run with instead of their own: cds authz test --mutate --exec sets it to find out whether they
// notice a changed restriction. That generated code is of another model is no fault then. In production it is one, so tests with that profile are skipped.
const ModelVariable = authztest.ModelVariable

// environ is the environment of an application in a test: empty, but for a model that takes the place of the test's own.
func environ(t testing.TB, profiles []string) []string {
	file := os.Getenv(ModelVariable)
	if file == "" {
		return []string{}
	}
	if slices.Contains(profiles, config.Production) {
		t.Skip("cdstest: generated code runs with another model, which it does not in production")
	}
	return []string{"CDS_MODEL=" + file}
}

// model returns the model of a test.
func (c Config) model() (*csn.Model, error) {
	file := os.Getenv(ModelVariable)
	if file == "" {
		return c.Model()
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ModelVariable, err)
	}
	m, diags := csn.Read(data)
	if m == nil {
		return nil, diags.Err()
	}
	return m, nil
}

// Authz makes test cases from the restrictions of the model and tries them at all doors of the application, with its handlers. The rows are made up, in
// a database in memory; Config.Dir, Users and Database do not count. What differs from what the annotations say fails the test; what no case could be made
// for is logged.
func Authz(t *testing.T, cfg Config, options ...func(*authztest.Options)) *authztest.Report {
	t.Helper()
	m, err := cfg.model()
	if err != nil {
		t.Fatalf("cdstest: model: %s", explain(err))
	}
	opt := authztest.Options{Register: cfg.Register, Seed: 1, App: func(o *cds.AppOptions) { o.ModelAhead = os.Getenv(ModelVariable) != "" }}
	opt.Authz.Strict = true
	for _, o := range options {
		o(&opt)
	}
	rep, diags, err := authztest.Run(t.Context(), m, opt)
	if err != nil {
		t.Fatalf("cdstest: %s", explain(err))
	}
	if rep == nil {
		t.Fatalf("cdstest: %s", explain(diags.Err()))
	}
	var b bytes.Buffer
	if err := rep.Write(&b, "text", false); err != nil {
		t.Fatal(err)
	}
	if rep.Differences > 0 {
		t.Errorf("the application does not keep to its restrictions:\n%s", b.String())
	} else {
		t.Log(b.String())
	}
	return rep
}
