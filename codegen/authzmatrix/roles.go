package authzmatrix

import (
	"fmt"
	"slices"
	"strings"

	"cds/runtime/auth"
	"cds/runtime/authz"
)

// A right is what users with certain roles may do: rows, and new values where other ones may be written than changed.
type right struct {
	roles   []string
	where   terms
	check   terms
	rules   []string
	refusal string // why nobody may
	// masked is what is shown where the value is not, "" for nothing; computed is set if that is made of the row.
	masked   string
	computed bool
}

// none reports whether there is no row and no user with the roles who may.
func (r *right) none() bool { return len(r.where) == 0 || len(r.check) == 0 }

// all reports whether it is all rows.
func (r *right) all() bool { return !r.none() && r.where.String() == "" }

func (r *right) equal(o *right) bool {
	if r.masked != o.masked {
		return false
	}
	if r.none() && o.none() {
		return true
	}
	return r.where.equal(o.where) && r.check.equal(o.check)
}

func rightOf(roles []string, o authz.Outcome) *right {
	r := &right{roles: roles, rules: o.Rules, refusal: o.Message, masked: o.Masked, computed: o.Computed}
	if !o.Allowed() {
		return r
	}
	r.where = termsOf(o.Where)
	r.check = r.where
	if o.Check != nil {
		r.check = termsOf(o.Check)
	}
	return r
}

// An asker answers for everybody with the roles.
type asker func(roles []string) authz.Outcome

// most tells how many of n roles are combined.
func most(n int) int {
	switch {
	case n <= 8:
		return min(n, 4)
	case n <= 14:
		return 3
	case n <= 40:
		return 2
	}
	return 1
}

// base are the roles of whoever has not logged in, and of whoever has and has no other.
func base() [][]string { return [][]string{{auth.RoleAny}, {auth.RoleAuthenticated}} }

// combinations lists the least combinations of roles that have a right which no part of them has: first everybody, then everybody with a login, then
// those with one role, two roles and so on.
func combinations(roles []string, ask asker) []*right {
	anybody := rightOf(base()[0], ask(base()[0]))
	login := rightOf(base()[1], ask(base()[1]))
	var out []*right
	if !anybody.none() || anybody.masked != "" {
		out = append(out, anybody)
	}
	if !login.equal(anybody) {
		out = append(out, login)
	}
	known := map[string]*right{"": login}
	level := [][]int{{}}
	for range most(len(roles)) {
		var next [][]int
		for _, s := range level {
			first := 0
			if len(s) > 0 {
				first = s[len(s)-1] + 1
			}
			for i := first; i < len(roles); i++ {
				set := append(slices.Clone(s), i)
				r := rightOf(pick(roles, set), ask(pick(roles, set)))
				known[fmt.Sprint(set)] = r
				next = append(next, set)
				if !r.equal(implied(set, known)) && !(r.none() && r.masked == "" && slices.ContainsFunc(out, r.deniedAlready)) {
					out = append(out, r)
				}
			}
		}
		level = next
	}
	if len(out) == 0 && len(roles) > most(len(roles)) {
		if r := least(roles, ask); r != nil {
			out = append(out, r)
		}
	}
	return out
}

// least leaves out of many roles those without which the others still have a right; nil if all together have none.
func least(roles []string, ask asker) *right {
	have := slices.Clone(roles)
	r := rightOf(have, ask(have))
	if r.none() {
		return nil
	}
	for i := 0; i < len(have) && len(have) > 1; {
		fewer := slices.Delete(slices.Clone(have), i, i+1)
		if o := rightOf(fewer, ask(fewer)); !o.none() {
			have, r = fewer, o
		} else {
			i++
		}
	}
	return r
}

// deniedAlready reports whether somebody with fewer roles is denied: whatever is added, he remains so.
func (r *right) deniedAlready(o *right) bool {
	return o.none() && o.masked == "" && !slices.ContainsFunc(o.roles, func(n string) bool { return !slices.Contains(r.roles, n) })
}

// implied is what a combination has by those it consists of.
func implied(set []int, known map[string]*right) *right {
	sum := &right{}
	for i := range set {
		part := slices.Delete(slices.Clone(set), i, i+1)
		key := ""
		if len(part) > 0 {
			key = fmt.Sprint(part)
		}
		p := known[key]
		if p == nil {
			continue
		}
		if p.masked != "" {
			sum.masked, sum.computed = p.masked, p.computed
		}
		if !p.none() {
			sum.where, sum.check = sum.where.union(p.where), sum.check.union(p.check)
		}
	}
	if sum.all() {
		sum.masked = ""
	}
	return sum
}

func pick(roles []string, set []int) []string {
	out := make([]string, len(set))
	for i, n := range set {
		out[i] = roles[n]
	}
	return out
}

// roleText joins roles that are needed together.
func roleText(roles []string) string { return strings.Join(roles, " + ") }
