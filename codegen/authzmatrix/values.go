package authzmatrix

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/eval"
)

// defaultNow is the time at which samples are looked for where conditions don't ask for it.
const defaultNow = "2026-01-01T00:00:00.000Z"

// maxValues bounds the values that are tried of one variable.
const maxValues = 40

// links are groups of variables that are compared with each other, and the constants they are compared with.
type links struct {
	groups []*group
}

type group struct {
	vars []*variable
	lits []cqn.Value
	like bool
}

// add puts variables and constants into one group.
func (l *links) add(vars []*variable, lits []cqn.Value, like bool) {
	if len(vars) == 0 {
		return
	}
	joined := &group{lits: lits, like: like}
	var rest []*group
	for _, g := range l.groups {
		if slices.ContainsFunc(g.vars, func(v *variable) bool { return slices.Contains(vars, v) }) {
			joined.vars, joined.lits, joined.like = append(joined.vars, g.vars...), append(joined.lits, g.lits...), joined.like || g.like
		} else {
			rest = append(rest, g)
		}
	}
	for _, v := range vars {
		if !slices.Contains(joined.vars, v) {
			joined.vars = append(joined.vars, v)
		}
	}
	l.groups = append(rest, joined)
}

// note finds the variables and constants of a condition.
func (s *search) note(x cqn.Expr, depth int) {
	if depth > eval.MaxDepth {
		s.complete = false
		return
	}
	switch x := x.(type) {
	case *cqn.Binary:
		switch {
		case x.Op == cqn.And || x.Op == cqn.Or:
			s.note(x.L, depth+1)
			s.note(x.R, depth+1)
			return
		case x.Op >= cqn.Lt && x.Op <= cqn.Ge && !constant(x.L) && !constant(x.R):
			s.complete = false // the order of two variables
		}
		s.operands(x.L, x.R)
		s.gather(x, false)
	case *cqn.Unary:
		s.note(x.X, depth+1)
	case *cqn.Between:
		s.operands(x.X, x.Lo, x.Hi)
		if !constant(x.Lo) || !constant(x.Hi) {
			s.complete = false
		}
		s.gather(x, false)
	case *cqn.Like:
		s.complete = false
		s.gather(x, true)
	case *cqn.In:
		if t, ok := x.Set.(*cqn.Tuple); ok {
			s.operands(append([]cqn.Expr{x.X}, t.Items...)...)
		} else {
			s.operands(x.X, x.Set)
		}
		s.gather(x, false)
	case *cqn.Ref, *cqn.Param, *cqn.Lit:
		s.gather(x, false)
	default:
		s.complete = false
		s.gather(x, false)
	}
}

func constant(x cqn.Expr) bool {
	_, ok := x.(*cqn.Lit)
	return ok
}

// operands notes whether a comparison is of plain values: only then the values that are tried stand for all.
func (s *search) operands(xs ...cqn.Expr) {
	for _, x := range xs {
		switch x.(type) {
		case *cqn.Ref, *cqn.Param, *cqn.Lit:
		default:
			s.complete = false
		}
	}
}

// gather puts what a comparison names into one group.
func (s *search) gather(x cqn.Expr, like bool) {
	var vars []*variable
	var lits []cqn.Value
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Ref:
			if v := s.byName[n.Path[0].Name]; v != nil {
				vars = append(vars, v)
			}
		case *cqn.Param:
			if v := s.param(n); v != nil {
				vars = append(vars, v)
			}
		case *cqn.Lit:
			if n.Value.Kind() == cqn.KindList {
				lits = append(lits, n.Value.List()...)
			} else if !n.Value.IsNull() {
				lits = append(lits, n.Value)
			}
		}
		return true
	})
	s.links.add(vars, lits, like)
}

func (s *search) param(p *cqn.Param) *variable {
	switch p.From {
	case cqn.FromUserID:
		return s.variable(userID, "$user")
	case cqn.FromUserAttr:
		return s.variable(userAttr, p.Name)
	case cqn.FromUserTenant:
		return s.variable(userTenant, "$user.tenant")
	case cqn.FromUserLocale:
		return s.variable(userLocale, "$user.locale")
	case cqn.FromNow:
		return s.variable(clock, "$now")
	}
	s.complete = false
	return nil
}

// collect chooses the values to try.
func (s *search) collect() {
	for _, g := range s.links.groups {
		pool := g.pool()
		for _, v := range g.vars {
			v.fill(pool)
		}
	}
	for _, v := range s.vars {
		if len(v.values) == 0 {
			v.fill(nil)
		}
	}
}

func textType() *csn.Builtin { return &csn.Builtin{Name: "cds.String", Kind: csn.String} }

// typ is the type of what is compared in a group: that of an element that is no text, if there is one.
func (g *group) typ() *csn.Builtin {
	out := textType()
	for _, v := range g.vars {
		switch {
		case v.kind == clock && out.Kind == csn.String:
			out = &csn.Builtin{Name: "cds.Timestamp", Kind: csn.Timestamp}
		case v.kind == rowValue && v.typ != nil && v.typ.Kind != csn.String && v.typ.Kind != csn.LargeString:
			out = v.typ
		}
	}
	return out
}

// pool are constants, values beside each, and some that stand in no condition.
func (g *group) pool() []cqn.Value {
	t := g.typ()
	var out []cqn.Value
	add := func(text string) {
		if v, ok := eval.Convert(text, t); ok && len(out) < maxValues && !slices.ContainsFunc(out, v.Equal) {
			out = append(out, v)
		}
	}
	for _, v := range g.lits {
		for _, near := range beside(textOf(v), t, g.like) {
			add(near)
		}
	}
	for _, fresh := range freshOf(t) {
		add(fresh)
	}
	return out
}

// textOf is a value as the text of an attribute.
func textOf(v cqn.Value) string {
	switch v.Kind() {
	case cqn.KindString, cqn.KindDate, cqn.KindTime, cqn.KindDateTime, cqn.KindTimestamp, cqn.KindDecimal:
		return v.Str()
	}
	return v.Format()
}

// beside returns a constant and the values next to it.
func beside(s string, t *csn.Builtin, like bool) []string {
	switch t.Kind {
	case csn.Integer, csn.UInt8, csn.Int16, csn.Int32, csn.Int64:
		if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1e15 && f < 1e15 {
			n := int64(f)
			return []string{itoa64(n), itoa64(n - 1), itoa64(n + 1), itoa64(n - 2), itoa64(n + 2)}
		}
	case csn.Decimal, csn.Double:
		if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1e12 && f < 1e12 {
			out := []string{s}
			for _, d := range []float64{-1, 1, -0.5, 0.5} {
				out = append(out, strconv.FormatFloat(f+d, 'f', -1, 64))
			}
			return out
		}
	case csn.Date, csn.DateTime, csn.Timestamp:
		for _, form := range []string{time.DateOnly, time.RFC3339Nano} {
			if at, err := time.Parse(form, s); err == nil {
				return []string{s, at.AddDate(0, 0, -1).Format(form), at.AddDate(0, 0, 1).Format(form)}
			}
		}
	case csn.String, csn.LargeString:
		if like {
			some := strings.NewReplacer("%", "x", "_", "x").Replace(s)
			return []string{some, strings.NewReplacer("%", "", "_", "x").Replace(s), "-" + some}
		}
		out := []string{s, s + "0", s + "1"}
		_, last := utf8.DecodeLastRuneInString(s)
		return append(out, s[:len(s)-last])
	}
	return []string{s}
}

func itoa64(n int64) string { return strconv.FormatInt(n, 10) }

// freshOf are values that conditions don't mention.
func freshOf(t *csn.Builtin) []string {
	switch t.Kind {
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
		return []string{"alice", "bob"}
	}
	return []string{"1", "2"}
}

// fill chooses the values of one variable from its group's.
func (v *variable) fill(pool []cqn.Value) {
	switch v.kind {
	case otherRows:
		v.values = []choice{{value: cqn.Bool(true)}, {value: cqn.Bool(false)}}
	case rowValue:
		v.row(pool)
	case userID:
		for _, p := range pool {
			v.values = append(v.values, choice{value: cqn.String(textOf(p))})
		}
	case userTenant, userLocale:
		for _, p := range pool {
			v.values = append(v.values, choice{value: cqn.String(textOf(p))})
		}
		v.values = append(v.values, choice{value: cqn.String("")})
	case clock:
		for _, p := range pool {
			text := textOf(p)
			if len(text) == len(time.DateOnly) {
				text += "T00:00:00.000Z"
			}
			v.values = append(v.values, choice{value: cqn.String(text)})
		}
	case userAttr:
		v.attribute(pool)
	}
}

// row chooses values of an element.
func (v *variable) row(pool []cqn.Value) {
	t := v.typ
	if t == nil {
		t = textType()
	}
	if len(pool) == 0 {
		for _, f := range freshOf(t) {
			if x, ok := eval.Convert(f, t); ok {
				pool = append(pool, x)
			}
		}
	}
	for _, p := range append(slices.Clone(v.only), pool...) {
		x, ok := eval.Convert(textOf(p), t)
		if ok && len(v.only) > 0 {
			ok = slices.ContainsFunc(v.only, x.Equal)
		}
		if ok && !slices.ContainsFunc(v.values, func(c choice) bool { return c.value.Equal(x) }) {
			v.values = append(v.values, choice{value: x})
		}
	}
	if v.null || len(v.values) == 0 {
		v.values = append(v.values, choice{value: cqn.Null})
	}
}

// attribute chooses lists of values: one, none, and some pairs.
func (v *variable) attribute(pool []cqn.Value) {
	for _, p := range pool {
		v.values = append(v.values, choice{texts: []string{textOf(p)}})
	}
	v.values = append(v.values, choice{})
	few := pool[:min(len(pool), 4)]
	for i, p := range few {
		for _, q := range few[i+1:] {
			v.values = append(v.values, choice{texts: []string{textOf(p), textOf(q)}})
		}
	}
}
