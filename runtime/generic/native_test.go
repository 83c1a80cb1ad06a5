package generic_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	cds "cds/runtime"
)

// TestNative: SQL in code needs Privileged, takes values beside the text, and joins the transaction of the request.
func TestNative(t *testing.T) {
	a := newApp(t, `entity d.T { key ID : Integer; s : String; } @requires: 'any' service S { entity T as projection on d.T; }`,
		"INSERT INTO d_T (ID, s) VALUES (1, 'one'), (2, 'it''s'), (3, 'x?');\n", cds.AppOptions{}, nil)
	ctx := a.as(user("u"))
	if _, err := cds.DB(ctx).NativeQuery(ctx, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "Privileged") {
		t.Errorf("without Privileged: %v", err)
	}
	within := func(fn func(ctx context.Context) error) {
		t.Helper()
		if err := cds.Privileged(ctx, "test", fn); err != nil {
			t.Error(err)
		}
	}
	within(func(ctx context.Context) error {
		res, err := cds.DB(ctx).NativeQuery(ctx, "SELECT ID, s AS \"text?\", '?' AS q /* ? */ FROM d_T -- ?\n WHERE s = ? OR ID = ? ORDER BY ID", "it's", 3)
		if err != nil {
			return err
		}
		if res.N != 2 || res.Rows[0].Value("text?").Str() != "it's" || res.Rows[1].Value("q").Str() != "?" {
			t.Errorf("%d rows: %v", res.N, res.Rows)
		}
		return nil
	})
	within(func(ctx context.Context) error {
		n, err := cds.DB(ctx).NativeExec(ctx, "UPDATE d_T SET s = ? WHERE ID > ?", "'; DROP TABLE d_T; --", 1)
		if err != nil || n != 2 {
			t.Errorf("%d rows changed, %v", n, err)
		}
		return nil
	})
	failed := errors.New("undo")
	err := a.Tx(ctx, func(ctx context.Context) error {
		return cds.Privileged(ctx, "test", func(ctx context.Context) error {
			if _, err := cds.DB(ctx).NativeExec(ctx, "DELETE FROM d_T"); err != nil {
				return err
			}
			return failed
		})
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	within(func(ctx context.Context) error {
		res, err := cds.DB(ctx).NativeQuery(ctx, "SELECT count(*) AS n FROM d_T")
		if err != nil {
			return err
		}
		if n := res.Rows[0].Value("n").Int(); n != 3 {
			t.Errorf("%d rows after a transaction that was undone", n)
		}
		return nil
	})
	within(func(ctx context.Context) error {
		if _, err := cds.DB(ctx).NativeExec(ctx, "INSERT INTO d_T (ID) VALUES (1)"); err == nil || strings.Contains(err.Error(), "d_T") {
			t.Errorf("a duplicate: %v", err)
		}
		return nil
	})
}
