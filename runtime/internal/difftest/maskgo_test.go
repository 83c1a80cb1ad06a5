package difftest

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/cdstest"
	"cds/runtime/db"
)

// goMasks are the functions of the application that models here name.
func goMasks(app *cds.App) error {
	cds.Mask(app, "starred", func(_ context.Context, s string) (string, error) { return "***" + s[len(s)-1:], nil })
	cds.Mask(app, "thousands", func(_ context.Context, n int64) (int64, error) { return n % 7, nil })
	cds.Mask(app, "whole", func(_ context.Context, d cds.Decimal) (cds.Decimal, error) { return cds.DecimalOf(int64(d.Sign())), nil })
	return nil
}

var goMaskedModel = strings.NewReplacer("value: '***'", "go: 'starred'", "value: 0", "go: 'thousands'", "@mask: { unless: 'hr' } bonus", "@mask: { go: 'whole', unless: 'hr' } bonus",
	"@mask: { unless: 'hr' } note", "@mask: { go: 'starred', unless: 'hr' } note").Replace(maskedModel)

// TestGoMask: functions of the application stand in the place of constants, and nothing more is allowed.
func TestGoMask(t *testing.T) { both(t, goMaskHolds) }

func goMaskHolds(t *testing.T, database func(testing.TB) db.Pool) {
	app := cdstest.New(t, cdstest.Config{FS: maskedData, Database: database, Users: []cdstest.TestUser{cdstest.User("u1"), cdstest.User("hr", cdstest.Roles("hr"))},
		Model: compiled(goMaskedModel), Register: goMasks})
	h := app.Server.Handler()
	for _, c := range []struct {
		url    string
		status int
		want   string
	}{
		{"/s/Staff", 200, `"iban":"***1","pay":0,"bonus":"1.00"`},
		{"/s/Staff(1)/iban", 200, "***1"},
	} {
		rec := send(h, &person{name: "u1"}, "GET", escape(c.url), "")
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("GET %s: %d %s, not %d %s", c.url, rec.Code, rec.Body, c.status, c.want)
		}
	}
}

func compiled(text string) func() (*csn.Model, error) {
	return func() (*csn.Model, error) {
		res := parser.CompileString("masked.cds", text)
		if res.Model == nil {
			return nil, res.Diags
		}
		return res.Model, nil
	}
}

var _ = fstest.MapFS{}
