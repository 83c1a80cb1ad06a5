package authz

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

// The oracle is the slow and obvious reading of sections 2 to 5: it walks the annotations for each question and shares nothing with
// the compiled policy. A refusal is "401", "403" or "405"; else the answer is the condition, "" for none.

func oracle(a Access, u *auth.User) string {
	deny := "403"
	if !u.Identified() {
		deny = "401"
	}
	ev := string(a.Event)
	if a.Op != nil {
		ev = a.Op.LocalName()
	}
	if ok, _ := oracleRules(a.Service.Annotations, u, ev, func(w string) bool { return oracleWord(w) || oracleServiceOp(a.Service, w) }); !ok {
		return deny
	}
	if len(a.Path) == 0 {
		if a.Op != nil {
			if ok, _ := oracleRules(a.Op.Annotations, u, ev, func(w string) bool { return w == "*" || w == ev }); !ok {
				return deny
			}
		}
		return ""
	}
	e := a.Path[0]
	if e.Exposure == csn.AutoExposed || a.Op == nil && oracleIncapable(e, ev) {
		return "405"
	}
	if a.Op != nil {
		if ok, _ := oracleRules(a.Op.Annotations, u, ev, func(w string) bool { return w == "*" || w == ev }); !ok {
			return deny
		}
	}
	ok, where := oracleEntity(e, u, ev, 0)
	if !ok {
		return deny
	}
	return where
}

// oracleEntity follows composition parents, which must be readable or, for writes, changeable.
func oracleEntity(e *csn.Entity, u *auth.User, ev string, depth int) (bool, string) {
	ok, where := oracleRules(e.Annotations, u, ev, func(w string) bool { return oracleWord(w) || e.Action(w) != nil })
	if !ok || len(e.Parents) == 0 || depth > 3 {
		return ok, where
	}
	parent := "UPDATE"
	if ev == "READ" {
		parent = "READ"
	}
	reached := false
	for _, p := range e.Parents {
		pok, pwhere := oracleEntity(p.Owner, u, parent, depth+1)
		if reached = reached || pok; pok && pwhere != "" {
			where = strings.TrimPrefix(where+" and parent", " and ")
		}
	}
	return reached, where
}

func oracleRules(annos csn.Annotations, u *auth.User, ev string, known func(string) bool) (bool, string) {
	for _, a := range annos {
		if strings.HasPrefix(a.Name, "restrict.") || strings.HasPrefix(a.Name, "requires.") {
			return false, ""
		}
	}
	if v := annos.Get("requires"); v != nil && v.Kind != cqn.AnnoNull && !slices.ContainsFunc(oracleList(v), u.Is) {
		return false, ""
	}
	v := annos.Get("restrict")
	if v == nil || v.Kind == cqn.AnnoNull {
		return true, ""
	}
	var wheres, denies []string
	all := false
	for _, p := range v.Items {
		if d := p.Field("deny"); d != nil {
			if oracleHits(oracleList(d), ev) && oracleTo(p, u) {
				w := p.Field("where")
				if w == nil {
					return false, ""
				}
				denies = append(denies, "not ("+cqn.Format(w.Expr)+")")
			}
			continue
		}
		grants, to := []string{"*"}, []string{"any"}
		if g := p.Field("grant"); g != nil {
			grants = oracleList(g)
		}
		if t := p.Field("to"); t != nil {
			to = oracleList(t)
		}
		if slices.ContainsFunc(grants, func(w string) bool { return !known(w) }) {
			return false, "" // not understood: closed
		}
		if !oracleHits(grants, ev) || !slices.ContainsFunc(to, u.Is) {
			continue
		}
		w := p.Field("where")
		if w == nil || w.Text == "true" {
			all = true
			continue
		}
		if w.Text == "1 = 0" {
			wheres = append(wheres, "false")
		} else {
			wheres = append(wheres, cqn.Format(w.Expr))
		}
	}
	if all {
		return true, strings.Join(denies, " and ")
	}
	where := strings.Join(wheres, " or ")
	if len(denies) > 0 && len(wheres) > 1 {
		where = "(" + where + ")"
	}
	return len(wheres) > 0, strings.Join(append([]string{where}, denies...), " and ")
}

func oracleHits(words []string, ev string) bool {
	return slices.Contains(words, "*") || slices.Contains(words, ev) || slices.Contains(words, "WRITE") && slices.Contains([]string{"CREATE", "UPDATE", "DELETE"}, ev)
}

func oracleTo(p *cqn.AnnoValue, u *auth.User) bool {
	t := p.Field("to")
	return t == nil || slices.ContainsFunc(oracleList(t), u.Is)
}

func oracleList(v *cqn.AnnoValue) []string {
	if v.Kind != cqn.AnnoArray {
		return []string{v.Text}
	}
	var out []string
	for _, it := range v.Items {
		out = append(out, it.Text)
	}
	return out
}

func oracleWord(w string) bool {
	return slices.Contains([]string{"*", "READ", "CREATE", "UPDATE", "DELETE", "UPSERT", "WRITE"}, w)
}

func oracleServiceOp(s *csn.Service, w string) bool {
	return s.Operation(w) != nil || slices.ContainsFunc(s.Entities, func(e *csn.Entity) bool { return e.Action(w) != nil })
}

func oracleIncapable(e *csn.Entity, ev string) bool {
	off := func(n string) bool { return e.Annotations.Get("Capabilities." + n).False() }
	switch ev {
	case "READ":
		return e.Annotations.Is("insertonly") || off("ReadRestrictions.Readable") || off("Readable")
	case "CREATE":
		return e.Annotations.Is("readonly") || off("InsertRestrictions.Insertable") || off("Insertable") || e.Exposure == csn.AutoExposedRead
	case "UPDATE":
		return e.Annotations.Is("readonly") || e.Annotations.Is("insertonly") || off("UpdateRestrictions.Updatable") || off("Updatable") || e.Exposure == csn.AutoExposedRead
	}
	return e.Annotations.Is("readonly") || e.Annotations.Is("insertonly") || off("DeleteRestrictions.Deletable") || off("Deletable") || e.Exposure == csn.AutoExposedRead
}

// people are anonymous, everybody without a role, each role alone, pairs of roles, and technical users.
func people(roles []string) []*auth.User {
	us := []*auth.User{auth.Anonymous, named("none"), auth.New(auth.User{ID: "sys", Kind: auth.KindSystem}), auth.New(auth.User{ID: "int", Kind: auth.KindInternal})}
	for i, r := range roles {
		us = append(us, named(r, r))
		for _, q := range roles[i+1:] {
			us = append(us, named(r+"+"+q, r, q))
		}
	}
	return us
}

// accesses are all direct accesses to a service: its root, its entities by each event, all operations.
func accesses(s *csn.Service) []Access {
	as := []Access{{Service: s, Event: Read}}
	for _, op := range s.Ops {
		as = append(as, Access{Service: s, Event: Event(op.LocalName()), Op: op})
	}
	for _, e := range s.Entities {
		for _, ev := range []Event{Read, Create, Update, Delete} {
			as = append(as, Access{Service: s, Event: ev, Path: []*csn.Entity{e}})
		}
		for _, op := range e.Actions {
			as = append(as, Access{Service: s, Event: Event(op.Name), Op: op, Path: []*csn.Entity{e}})
		}
	}
	return as
}

// answer is the policy's answer in the oracle's terms.
func answer(p *Policy, a Access, u *auth.User) string {
	d := p.Decide(u, a)
	switch d.Verdict {
	case Deny401, Deny403, Deny405:
		return verdicts[d.Verdict]
	case Allow:
		if len(a.Path) == 0 {
			return ""
		}
	}
	g := d.Guard.Subject()
	use := sqlgen.Root
	switch {
	case a.Event == Create:
		if d.Check == nil {
			return ""
		}
		return parents(d.Check)
	case a.Event == Update:
		use = sqlgen.Update
	case a.Event == Delete:
		use = sqlgen.Delete
	}
	c, err := g.Condition(a.Path[0], use)
	if err != nil {
		return "guard: " + err.Error()
	}
	x, _ := c.Expr()
	if (x == nil) != (d.Verdict == Allow) {
		return fmt.Sprintf("verdict %s, condition %v", verdicts[d.Verdict], x)
	}
	if x == nil {
		return ""
	}
	return parents(x)
}

// parents writes a condition with "parent" for what composition parents ask.
func parents(x cqn.Expr) string {
	return cqn.Format(cqn.Rewrite(x, func(y cqn.Expr) cqn.Expr {
		if e, ok := y.(*cqn.Exists); ok && e.Inverse != "" {
			return cqn.NewRef("parent")
		}
		return y
	}))
}

func where(a Access, u *auth.User) string {
	target := ""
	if len(a.Path) > 0 {
		target = a.Path[0].Name
	} else if a.Op != nil {
		target = a.Op.Name
	}
	return fmt.Sprintf("%s %s of %s by %s", a.Event, target, a.Service.Name, u.ID)
}

func TestOracle(t *testing.T) {
	for _, model := range []string{"authlab", "bookshop"} {
		m := recorded(t, model)
		p, _ := Compile(m, Options{})
		n, shown := 0, 0
		for _, s := range m.Services {
			for _, a := range accesses(s) {
				for _, u := range people(p.Roles(nil)) {
					n++
					if want, got := oracle(a, u), answer(p, a, u); want != got && shown < 30 {
						shown++
						t.Errorf("%s: policy says %q, the rules say %q", where(a, u), got, want)
					}
				}
			}
		}
		t.Logf("%s: %d decisions compared", model, n)
	}
}

// Whatever is changed in a compiled policy, the oracle notices: a guard that nobody would miss is not tested.
func TestMutations(t *testing.T) {
	m := recorded(t, "authlab")
	fresh := func() *policy { p, _ := Compile(m, Options{}); return p.state }
	users := people((&Policy{model: m, state: fresh()}).Roles(nil))
	differs := func(p *policy, s *csn.Service) bool {
		for _, a := range accesses(s) {
			for _, u := range users {
				if oracle(a, u) != answer(&Policy{model: m, state: p}, a, u) {
					return true
				}
			}
		}
		return false
	}
	count := 0
	mutate := func(name string, s *csn.Service, change func(p *policy)) {
		p := fresh()
		change(p)
		count++
		if !differs(p, s) {
			t.Errorf("nobody notices: %s", name)
		}
	}
	for _, e := range m.Entities {
		own := fresh().of(e).own
		if own == nil || e.Service == nil || e.Exposure != csn.Exposed {
			continue
		}
		if own.requires == nil || !slices.Contains(own.requires.roles, "any") {
			mutate("no rules on "+e.Name, e.Service, func(p *policy) { p.entities[e.ID].own = nil })
		}
		if own.requires != nil && !slices.Contains(own.requires.roles, "any") {
			mutate("no @requires on "+e.Name, e.Service, func(p *policy) { p.entities[e.ID].own.requires = nil })
		}
		for i, pr := range own.privileges {
			if pr.ev == evUpsert || pr.ev == evWrite && e.Annotations.Is("readonly") {
				continue // opens nothing by itself (decision 37); comes after the 405
			}
			mutate("without "+pr.name, e.Service, func(p *policy) { p.entities[e.ID].own.privileges[i].to = nil })
			if pr.where != nil {
				mutate("without condition: "+pr.name, e.Service, func(p *policy) { p.entities[e.ID].own.privileges[i].where = nil })
			}
			if !slices.Contains(pr.roles, "any") {
				mutate("to everybody: "+pr.name, e.Service, func(p *policy) { p.entities[e.ID].own.privileges[i].to = p.roles.set([]string{"any"}) })
			}
		}
	}
	for _, s := range m.Services {
		if r := fresh().services[s]; r != nil && !(r.requires != nil && slices.Contains(r.requires.roles, "any")) {
			mutate("no rules on "+s.Name, s, func(p *policy) { delete(p.services, s) })
		}
		for _, op := range s.Ops {
			if fresh().ops[op] != nil && !strings.Contains(op.Name, "hello") { // to any
				mutate("no rules on "+op.Name, s, func(p *policy) { delete(p.ops, op) })
			}
		}
	}
	if count < 100 {
		t.Errorf("only %d mutations", count)
	}
}
