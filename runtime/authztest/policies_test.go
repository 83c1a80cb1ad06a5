package authztest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cds "cds/runtime"
	"cds/runtime/authz"
)

// TestPolicies: with made-up policies as data the cases come out as the evaluator says, and some are about the policies.
func TestPolicies(t *testing.T) {
	about := map[string]int{}
	for name, model := range map[string]string{"parts": parted, "values": values, "tenants": tenanted, "drafts": draftModel} {
		for seed := range map[string]uint64{"parts": 2, "values": 1, "tenants": 1, "drafts": 1}[name] {
			opt := strict
			opt.Policies, opt.Seed = true, seed+1
			rep := tried(t, compiled(t, model).Model, opt)
			if rep.Differences > 0 {
				t.Errorf("%s, seed %d: %s", name, seed+1, written(t, rep, "text", false))
			}
			for _, c := range rep.Cases {
				if strings.HasPrefix(c.Rule, "policy:") {
					about[c.Event+" "+fmt.Sprint(c.x.allowed)]++
				}
			}
		}
	}
	for _, want := range []string{"READ true", "READ false", "UPDATE true", "UPDATE false", "CREATE false", "DELETE false"} {
		if about[want] == 0 {
			t.Errorf("no case about a policy is %s: %v", want, about)
		}
	}
}

// TestPolicies_same: policies are the same for the same seed, and fit the model.
func TestPolicies_same(t *testing.T) {
	m := compiled(t, parted).Model
	text := func(list []authz.DataPolicy) string {
		var out []string
		for _, d := range list {
			out = append(out, fmt.Sprint(d.ID, d.Effect, d.Events, d.Roles, d.Text))
		}
		return strings.Join(out, "\n")
	}
	if a := text(madePolicies(m, 3)); a != text(madePolicies(m, 3)) || a == text(madePolicies(m, 4)) || strings.Count(a, "\n") < 4 {
		t.Error(a)
	}
}

// TestPolicies_ignored: an application that does not keep to policies is noticed.
func TestPolicies_ignored(t *testing.T) {
	opt := strict
	opt.Policies = true
	opt.Register = func(app *cds.App) error {
		app.Policy.Use(nil)
		return nil
	}
	rep := tried(t, compiled(t, parted).Model, opt)
	if rep.Differences == 0 || !slices.ContainsFunc(rep.Cases, func(c *Case) bool { return c.differs() && strings.HasPrefix(c.Rule, "policy:") }) {
		t.Error("nobody notices:", rep.Summary())
	}
}
