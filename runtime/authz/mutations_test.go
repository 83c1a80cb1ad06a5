package authz

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// TestMutations_deny: whatever is taken out of what denies, or out of what is asked of elements, changes an answer: nothing stands in the test's model for
// nothing. That the answers are right is what TestDeny, TestDenyOracle and TestElements_asked are about.
func TestMutations_deny(t *testing.T) {
	m, _, _ := policyOf(t, denyModel)
	fresh := func() *policy { p, _ := Compile(m, Options{}); return p.state }
	before := answers(m, fresh())
	count := 0
	mutate := func(what string, change func(p *policy)) {
		p := fresh()
		change(p)
		if count++; slices.Equal(before, answers(m, p)) {
			t.Errorf("nobody notices: %s", what)
		}
	}
	original := fresh()
	for _, r := range original.all {
		same := func(p *policy) *rules {
			i := slices.IndexFunc(p.all, func(o *rules) bool { return o.on == r.on })
			return p.all[i]
		}
		for i := range r.denies {
			d := &r.denies[i]
			if d.where != nil && d.text == "1 = 2" {
				continue // denies nobody
			}
			mutate("without "+d.name, func(p *policy) { o := same(p); o.denies = slices.Delete(slices.Clone(o.denies), i, i+1) })
			mutate("to nobody: "+d.name, func(p *policy) { same(p).denies[i].to = nil })
			if !slices.Contains(d.roles, "any") || d.asked {
				mutate("to everybody: "+d.name, func(p *policy) { same(p).denies[i].to = p.roles.set([]string{"any"}) })
			}
			if d.where != nil {
				mutate("without condition: "+d.name, func(p *policy) { same(p).denies[i].where = nil })
			}
			mutate("as a grant: "+d.name, func(p *policy) {
				o := same(p)
				pr := o.denies[i]
				o.denies, pr.deny = slices.Delete(slices.Clone(o.denies), i, i+1), false
				o.privileges = append(o.privileges, pr)
			})
		}
		for i := range r.privileges {
			mutate("without "+r.privileges[i].name, func(p *policy) { same(p).privileges[i].to = nil })
		}
	}
	for role := range original.included {
		mutate("nothing included in "+role, func(p *policy) { delete(p.roles.implied, p.roles.intern(role)) })
	}
	for i, a := range original.asked {
		mutate(fmt.Sprintf("condition %d is never asked", i), func(p *policy) { p.asked[i].to = nil })
		if a.deny {
			mutate(fmt.Sprintf("condition %d does not deny", i), func(p *policy) { p.asked[i].where = never() })
		}
	}
	if count < 30 {
		t.Errorf("only %d mutations", count)
	}
}

// answers are what everybody may do, and see of each element.
func answers(m *csn.Model, p *policy) []string {
	var out []string
	policy := &Policy{model: m, state: p}
	roles := policy.Roles(nil)
	users := people(roles)
	for _, r := range roles {
		users = append(users, with("blocked", "yes", r), with("level", "3", "viewer", r), with("level", "7", "viewer", r))
	}
	for _, s := range m.Services {
		for _, a := range accesses(s) {
			for _, u := range users {
				line := where(a, u) + ": " + answer(policy, a, u)
				if d := policy.Decide(u, a); d.Allowed() && len(a.Path) > 0 {
					for _, el := range a.Path[0].Flat {
						line += fmt.Sprint(" ", d.Guard.Element(el, sqlgen.Root) == nil)
					}
				}
				out = append(out, strings.TrimSpace(line))
			}
		}
	}
	return out
}
