package authz

import (
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

// On the recorded models, what Inspect says of roles is what Decide says of users with these roles: the verdict, and the condition on rows.
func TestInspectRecorded(t *testing.T) {
	for _, name := range []string{"bookshop", "authlab"} {
		m := recorded(t, name)
		p, _ := Compile(m, Options{RestrictAllServices: true})
		sets := [][]string{nil, {auth.RoleAuthenticated}}
		roles := p.Roles(nil)
		for i, r := range roles {
			sets = append(sets, []string{r})
			for _, s := range roles[i+1:] {
				sets = append(sets, []string{r, s})
			}
		}
		count := 0
		for _, a := range everything(m) {
			for _, set := range sets {
				u := auth.Anonymous
				if set != nil {
					u = auth.New(auth.User{ID: "u"}, set...)
				}
				count++
				sameAnswer(t, p, u, a)
			}
		}
		if count < 500 {
			t.Errorf("%s: only %d cases", name, count)
		}
	}
}

func sameAnswer(t *testing.T, p *Policy, u *auth.User, a Access) {
	t.Helper()
	d, o := p.Decide(u, a), p.Inspect(u.Roles(), a)
	what := string(a.event()) + " of " + name(lastOf(a)) + " for " + u.ID
	switch {
	case d.Allowed() && !o.Allowed():
		t.Errorf("%s %v: allowed, but listed as %s", what, u.Roles(), verdicts[o.Verdict])
	case !d.Allowed() && o.Verdict == Allow:
		t.Errorf("%s %v: listed as allowed, but %v", what, u.Roles(), d.Rules)
	case !d.Allowed() && o.Allowed():
		// a condition on the user alone, which this one does not fulfil
		if v, err := eval.Test(o.Where, cqn.NewRow(), nil, &eval.Env{User: u}); err == nil && v == eval.True {
			t.Errorf("%s %v: %s holds, but %v", what, u.Roles(), cqn.Format(o.Where), d.Rules)
		}
	case d.Allowed() && len(a.Path) > 0 && a.Event != Create && o.Where != nil && d.Verdict == AllowIf:
		if got, want := cqn.Format(o.Where), condition(d.Guard.Subject(), lastOf(a), sqlgen.Root); got != want {
			t.Errorf("%s %v: %s, listed as %s", what, u.Roles(), want, got)
		}
	}
}

func lastOf(a Access) *csn.Entity {
	if len(a.Path) == 0 {
		return nil
	}
	return a.Path[len(a.Path)-1]
}

// everything lists the accesses that a model has.
func everything(m *csn.Model) []Access {
	var out []Access
	for _, s := range m.Services {
		out = append(out, Access{Service: s, Event: Read})
		for _, op := range s.Ops {
			out = append(out, Access{Service: s, Event: Event(op.LocalName()), Op: op})
		}
		for _, e := range s.Entities {
			for _, ev := range []Event{Read, Create, Update, Delete, Upsert} {
				out = append(out, Access{Service: s, Event: ev, Path: []*csn.Entity{e}})
				for _, el := range e.Elements {
					if as := el.Assoc(); as != nil && as.Target != nil {
						out = append(out, Access{Service: s, Event: ev, Path: []*csn.Entity{e, as.Target}, Via: []*csn.Element{el}})
					}
				}
			}
			for _, op := range e.Actions {
				out = append(out, Access{Service: s, Event: Event(op.LocalName()), Op: op, Path: []*csn.Entity{e}})
			}
		}
	}
	return out
}
