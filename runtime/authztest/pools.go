package authztest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// The people and tenants of generated cases.
const (
	alice = "alice"
	bob   = "bob"
	ours  = "t1"
	other = "t2"
)

// A pool has the values of elements, attributes and constants that conditions compare with each other, with those beside them: what is just below, equal and
// just above.
type pool struct {
	texts []string
	first int  // as many are taken where nothing is to be odd
	ids   bool // of users
}

// pools are found by the names of what is compared: "el:entity.element", "attr:name", "user", "tenant", "now".
type pools struct {
	link map[string]string
	lits map[string][]string
	typ  map[string]*csn.Builtin
	enum map[string][]string
	made map[string]*pool
	// attrs are the attributes that conditions ask for, sorted; noted the elements.
	attrs []string
	noted map[string]bool
}

func newPools() *pools {
	return &pools{map[string]string{}, map[string][]string{}, map[string]*csn.Builtin{}, map[string][]string{}, map[string]*pool{}, nil, map[string]bool{}}
}

func (p *pools) root(k string) string {
	for p.link[k] != "" && p.link[k] != k {
		k = p.link[k]
	}
	return k
}

func (p *pools) join(a, b string) {
	a, b = p.root(a), p.root(b)
	if a == b {
		return
	}
	p.link[b] = a
	p.lits[a] = append(p.lits[a], p.lits[b]...)
	p.enum[a] = append(p.enum[a], p.enum[b]...)
	if p.typ[a] == nil || text(p.typ[a]) && p.typ[b] != nil {
		p.typ[a] = p.typ[b]
	}
}

func text(t *csn.Builtin) bool { return t == nil || t.Kind == csn.String || t.Kind == csn.LargeString }

// bottom is the column of a table that an element shows.
func bottom(el *csn.Element) *csn.Element {
	for n := 0; el != nil && el.Origin != nil && n < 100; n++ {
		el = el.Origin
	}
	return el
}

func (p *pools) element(el *csn.Element) string {
	el = bottom(el)
	if el == nil || el.Owner == nil {
		return ""
	}
	k := "el:" + el.Owner.Name + "." + el.Name
	if r := p.root(k); p.typ[r] == nil {
		p.typ[r] = el.Scalar()
	}
	if len(el.Enum()) > 0 && p.enum[p.root(k)] == nil {
		for _, s := range el.Enum() {
			p.enum[p.root(k)] = append(p.enum[p.root(k)], plain(s.Val()))
		}
	}
	if fk := el.ForeignKey; fk != nil && fk.Assoc() != nil { // a foreign key has the values of the key
		for i, f := range fk.Assoc().FK {
			if f == el && i < len(fk.Assoc().FKTarget) {
				if t := p.element(fk.Assoc().FKTarget[i]); t != "" {
					p.join(k, t)
				}
			}
		}
	}
	return k
}

// plain is a value as a text that is converted back.
func plain(v cqn.Value) string {
	switch v.Kind() {
	case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp, cqn.KindDecimal:
		return v.Str()
	}
	return v.Format()
}

// note collects what a condition on the rows of e compares.
func (p *pools) note(x cqn.Expr, e, self *csn.Entity, vars map[string]*csn.Entity, depth int) {
	if depth > maxNesting || x == nil {
		return
	}
	sub := func(xs ...cqn.Expr) {
		for _, y := range xs {
			p.note(y, e, self, vars, depth+1)
		}
	}
	switch x := x.(type) {
	case *cqn.Binary:
		if x.Op == cqn.And || x.Op == cqn.Or {
			sub(x.L, x.R)
			return
		}
		p.together(e, self, vars, false, x.L, x.R)
	case *cqn.Unary:
		p.together(e, self, vars, false, x.X)
		sub(x.X)
	case *cqn.Between:
		p.together(e, self, vars, false, x.X, x.Lo, x.Hi)
	case *cqn.Like:
		p.together(e, self, vars, true, x.X, x.Pattern)
	case *cqn.In:
		list := []cqn.Expr{x.X, x.Set}
		if t, ok := x.Set.(*cqn.Tuple); ok {
			list = append(list[:1], t.Items...)
		}
		p.together(e, self, vars, false, list...)
	case *cqn.Call:
		p.together(e, self, vars, false, x.Args...)
	case *cqn.Case:
		for _, w := range x.Whens {
			sub(w.Cond)
		}
	case *cqn.Exists:
		if el, _ := resolveIn(e, self, vars, x.Path); el != nil && el.Assoc() != nil && el.Assoc().Target != nil {
			in := vars
			t := el.Assoc().Target
			if x.Var != "" {
				in = map[string]*csn.Entity{x.Var: t}
				for n, v := range vars {
					if n != x.Var {
						in[n] = v
					}
				}
				t = e
			}
			p.note(x.Pred, t, self, in, depth+1)
		}
		p.filters(e, self, vars, x.Path, depth)
	case *cqn.Ref:
		p.filters(e, self, vars, x, depth)
		p.together(e, self, vars, false, x)
	}
}

// filters notes the conditions within a path.
func (p *pools) filters(e, self *csn.Entity, vars map[string]*csn.Entity, r *cqn.Ref, depth int) {
	if r == nil {
		return
	}
	for i, st := range r.Path {
		if st.Filter == nil {
			continue
		}
		head := *r
		head.Path = r.Path[:i+1]
		if el, _ := resolveIn(e, self, vars, &head); el != nil && el.Assoc() != nil {
			p.note(st.Filter, el.Assoc().Target, self, vars, depth+1)
		}
	}
}

func resolveIn(e, self *csn.Entity, vars map[string]*csn.Entity, r *cqn.Ref) (*csn.Element, bool) {
	if r == nil {
		return nil, false
	}
	steps := r.Path
	if len(steps) > 1 {
		if v := vars[steps[0].Name]; v != nil {
			return resolve(v, steps[1:])
		}
		if steps[0].Name == "$self" || steps[0].Name == "$projection" {
			return resolve(self, steps[1:])
		}
	}
	return resolve(e, steps)
}

// together puts what is compared into one pool.
func (p *pools) together(e, self *csn.Entity, vars map[string]*csn.Entity, like bool, xs ...cqn.Expr) {
	var keys []string
	var lits []string
	var visit func(x cqn.Expr, depth int)
	visit = func(x cqn.Expr, depth int) {
		if depth > maxNesting {
			return
		}
		switch x := x.(type) {
		case *cqn.Ref:
			if el, _ := resolveIn(e, self, vars, x); el != nil {
				if a := el.Assoc(); a != nil && len(a.FK) == 1 {
					el = a.FK[0]
				}
				if k := p.element(el); k != "" {
					keys = append(keys, k)
					p.noted[k] = true
				}
			}
		case *cqn.Param:
			switch x.From {
			case cqn.FromUserAttr:
				keys = append(keys, "attr:"+x.Name)
				if !slices.Contains(p.attrs, x.Name) {
					p.attrs = append(p.attrs, x.Name)
					slices.Sort(p.attrs)
				}
			case cqn.FromUserID:
				keys = append(keys, "user")
			case cqn.FromUserTenant:
				keys = append(keys, "tenant")
			case cqn.FromNow:
				keys = append(keys, "now")
			}
		case *cqn.Lit:
			switch {
			case x.Enum != "" && x.Value.IsNull():
			case x.Value.IsNull(), x.Value.Kind() == cqn.KindBool:
			case like:
				s := x.Value.Str()
				some := strings.NewReplacer("%", "x", "_", "x").Replace(s)
				lits = append(lits, some, strings.NewReplacer("%", "", "_", "x").Replace(s), "-"+some)
			default:
				lits = append(lits, plain(x.Value))
			}
		case *cqn.Call:
			for _, a := range x.Args {
				visit(a, depth+1)
			}
		case *cqn.Binary:
			visit(x.L, depth+1)
			visit(x.R, depth+1)
		case *cqn.Unary:
			visit(x.X, depth+1)
		}
	}
	for _, x := range xs {
		visit(x, 0)
	}
	for i := 1; i < len(keys); i++ {
		p.join(keys[0], keys[i])
	}
	if len(keys) > 0 {
		r := p.root(keys[0])
		p.lits[r] = append(p.lits[r], lits...)
	}
}

// maxTexts bounds a pool.
const maxTexts = 24

// of returns the pool of something that is compared, nil for what is not.
func (p *pools) of(key string) *pool {
	r := p.root(key)
	if out, ok := p.made[r]; ok {
		return out
	}
	known := len(p.lits[r]) > 0 || p.link[key] != ""
	for child := range p.link {
		known = known || p.root(child) == r
	}
	if !known && p.typ[r] == nil {
		p.made[r] = nil
		return nil
	}
	out := &pool{}
	add := func(s string) {
		if s != "" && len(out.texts) < maxTexts && !slices.Contains(out.texts, s) {
			out.texts = append(out.texts, s)
		}
	}
	for _, name := range []string{"user", "tenant", "now"} {
		if p.root(name) != r {
			continue
		}
		switch name {
		case "user":
			add(alice)
			add(bob)
			add("anonymous")
			out.ids = true
		case "tenant":
			add(ours)
			add(other)
		case "now":
			add(Now)
		}
	}
	for _, s := range p.enum[r] {
		add(s)
	}
	for _, s := range p.lits[r] {
		add(s)
	}
	limits := slices.Clone(out.texts) // values beside constants, or beside those that users have
	if out.first = min(2, len(limits)); len(p.lits[r]) == 0 || !out.ids {
		for _, s := range freshOf(p.typ[r]) {
			if len(limits) < 2 {
				limits = append(limits, s)
			}
		}
	}
	for _, s := range limits {
		add(s)
	}
	out.first = max(1, out.first)
	for _, s := range limits {
		for _, near := range beside(s, p.typ[r]) {
			add(near)
		}
	}
	if len(out.texts) < 2 || !out.ids {
		for _, s := range freshOf(p.typ[r]) {
			add(s)
		}
	}
	p.made[r] = out
	return out
}

// beside are the values next to one.
func beside(s string, t *csn.Builtin) []string {
	if t == nil {
		return nil
	}
	switch t.Kind {
	case csn.Integer, csn.UInt8, csn.Int16, csn.Int32, csn.Int64:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return []string{strconv.FormatInt(n-1, 10), strconv.FormatInt(n+1, 10)}
		}
	case csn.Decimal, csn.Double:
		if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1e9 && f < 1e9 {
			return []string{strconv.FormatFloat(f-0.5, 'f', -1, 64), strconv.FormatFloat(f+0.5, 'f', -1, 64), strconv.FormatFloat(f-1, 'f', -1, 64), strconv.FormatFloat(f+1, 'f', -1, 64)}
		}
	case csn.Date, csn.DateTime, csn.Timestamp:
		for _, form := range []string{time.DateOnly, time.RFC3339Nano} {
			if at, err := time.Parse(form, s); err == nil {
				return []string{at.AddDate(0, 0, -1).Format(form), at.AddDate(0, 0, 1).Format(form)}
			}
		}
	case csn.String:
		return []string{s + "0"}
	}
	return nil
}

// freshOf are values that no condition mentions.
func freshOf(t *csn.Builtin) []string {
	kind := csn.String
	if t != nil {
		kind = t.Kind
	}
	switch kind {
	case csn.Boolean:
		return []string{"true", "false"}
	case csn.Date:
		return []string{"2026-01-01", "2001-01-01", "2099-12-31"}
	case csn.Time:
		return []string{"12:00:00", "00:00:00", "23:59:59"}
	case csn.DateTime, csn.Timestamp:
		return []string{"2026-01-01T00:00:00Z", "2001-01-01T00:00:00Z", "2099-12-31T00:00:00Z"}
	case csn.UUID:
		return []string{"11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"}
	case csn.String, csn.LargeString:
		return []string{"A1", "B2", "C3"}
	}
	return []string{"1", "2", "7"}
}
