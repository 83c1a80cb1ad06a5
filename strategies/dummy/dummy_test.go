package dummy_test

import (
	"testing"

	"cds/runtime/auth"
	"cds/strategies"
	"cds/strategies/strategytest"
)

func TestDummy(t *testing.T) {
	fresh := func(t *testing.T) auth.Strategy {
		s, err := strategies.Builtin()["dummy"](nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	strategytest.Run(t, strategytest.Subject{New: fresh, Always: true, Foreign: []string{"Basic Og==", "Bearer x"}})
	u, _ := fresh(t).Authenticate(t.Context(), nil)
	if !u.Is("whatever") || u.Kind == auth.KindPrivileged {
		t.Fatalf("dummy user %+v", u)
	}
}
