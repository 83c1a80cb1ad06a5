package main_test

import (
	"testing"

	"cds/runtime/cdstest"
	"cds/samples/bookshop/internal/gen/model"
	"cds/samples/bookshop/srv"
)

// TestRestrictionsHoldAtAllDoors has cases made from the restrictions, and tries them over every protocol with the handlers of the shop.
func TestRestrictionsHoldAtAllDoors(t *testing.T) {
	rep := cdstest.Authz(t, cdstest.Config{Model: model.Model, Register: srv.Register})
	if len(rep.Cases) < 100 || len(rep.Lacking) > 0 {
		t.Errorf("%d cases; not covered: %v", len(rep.Cases), rep.Lacking)
	}
}
