package authztest

import (
	"context"
	"testing"

	"cds/parser"
	cds "cds/runtime"
)

// TestMasks: masks that are computed, by the database or by functions of the application, are tried too: with the application's functions or, without it, with
// such that show null.
func TestMasks(t *testing.T) {
	res := parser.CompileString("m.cds", `@requires: 'authenticated-user' service S { entity Staff { key ID : Integer; @mask: { fn: 'last(2)', unless: 'hr' } iban : String(40);
		@mask: { expr: (floor(n)), unless: 'hr' } m : Integer; n : Integer; @mask: { go: 'f', unless: 'hr' } pay : Integer; } }`)
	if res.Model == nil {
		t.Fatal(res.Diags)
	}
	for name, register := range map[string]func(*cds.App) error{"without the application": nil, "with it": func(app *cds.App) error {
		cds.Mask(app, "f", func(_ context.Context, n int64) (int64, error) { return n % 2, nil })
		return nil
	}} {
		rep, diags, err := Run(t.Context(), res.Model, Options{Seed: 1, Register: register})
		if err != nil || rep == nil {
			t.Fatal(name, diags, err)
		}
		masked, seen := 0, 0
		for _, c := range rep.Cases {
			switch {
			case c.Expect == "masked":
				masked++
			case c.el != nil:
				seen++
			}
		}
		if rep.Differences != 0 || masked != 3 || seen != 3 {
			t.Errorf("%s: %d differences, %d masked and %d seen", name, rep.Differences, masked, seen)
		}
	}
	if _, _, err := Run(t.Context(), res.Model, Options{Seed: 1, Register: func(*cds.App) error { return nil }}); err == nil {
		t.Error("an application without the function starts")
	}
}
