package authz

import (
	"slices"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
	"cds/runtime/sqlgen"
)

// A mask shows something else in the place of an element's value to all but some: a constant, or what an expression makes of the row. To the others an
// element that is masked may be selected, and is forbidden in every other use, since filtering, sorting, grouping and computing by it would tell its value
// (decision 15). Nor may they change what they do not see, unless the mask says so.
type mask struct {
	name   string       // for explain: "S.Books.cost@mask"
	show   *sqlgen.Mask // nil where the element is plainly forbidden, as what is computed from a masked one
	to     roleSet      // who sees all values
	unless []string
	// exempt are exemptions with conditions. Those that look at no row are asked as roles, which are in to.
	exempt  []privilege
	write   roleSet // who changes values unseen
	writers []string
	span    token.Span
	element *csn.Element // that a function of the application masks, nil for none
	named   token.Span   // where that is named
}

// forbidding is the mask for what is computed from a masked element: there is nothing to show in its place.
func (m *mask) forbidding() *mask {
	if m == nil {
		return nil
	}
	c := *m
	c.show, c.exempt = nil, nil
	return &c
}

// shown returns what a user who does not see all values is shown, nil for nothing.
func (m *mask) shown(s subject) *sqlgen.Mask {
	var unless cqn.Expr
	for i := range m.exempt {
		if p := &m.exempt[i]; p.to.meets(s.mask) {
			unless = or(unless, p.where)
		}
	}
	if unless == nil || m.show == nil {
		return m.show
	}
	c := *m.show
	c.Unless = unless
	return &c
}

// refuses returns what masks make of a match that is granted: m itself for whoever sees the value.
func (r *rules) refuses(s subject, e Event, m match) match {
	k := r.mask
	switch {
	case k == nil || k.to.meets(s.mask):
		return m
	case e == Read:
		return match{names: []string{k.name}, lacking: k.unless, mask: k.shown(s)}
	case (e == Update || e == Upsert) && !k.write.meets(s.mask):
		return match{names: []string{k.name + ": who sees the mask does not change the value"}, lacking: slices.Concat(k.unless, k.writers)}
	}
	return m
}

// roleNames returns the roles that a mask names.
func (m *mask) roleNames() []string {
	if m == nil {
		return nil
	}
	out := slices.Concat(m.unless, m.writers)
	for i := range m.exempt {
		out = append(out, m.exempt[i].roles...)
	}
	return out
}

// ask has the conditions of exemptions that look at no row asked before each decision.
func (m *mask) ask(p *policy) {
	if m == nil {
		return
	}
	for i := range m.exempt {
		if x := &m.exempt[i]; x.static {
			p.askRole(x)
			m.to = slices.Clone(m.to).union(x.to)
		}
	}
}

// rows returns the lines of a policy's table: who sees the values, and who changes them unseen.
func (m *mask) rows(on string) []Row {
	if m == nil {
		return nil
	}
	text := ""
	if m.show != nil {
		text = m.show.Text
	}
	out := []Row{{On: on + "@mask", Grant: []string{"READ"}, To: sorted(m.unless), Shown: text}}
	for i := range m.exempt {
		row := m.exempt[i].row(on + "@mask")
		row.Grant = []string{"READ"}
		out = append(out, row)
	}
	if len(m.writers) > 0 {
		out = append(out, Row{On: on + "@mask", Grant: []string{"UPDATE"}, To: sorted(m.writers)})
	}
	return out
}

// translated is the mask of the translations of an element, to which a composition leads: conditions are asked of the row that is translated. What cannot be made of
// the rows of translations is not shown: they have the key and the texts only.
func (m *mask) translated(by *csn.Element) *mask {
	if m == nil || m.show == nil {
		return m
	}
	texts := by.Assoc().Target
	c := *m
	if checkCondition(m.show.X, texts) != "" {
		c.show = &sqlgen.Mask{X: &cqn.Lit{}, Text: "null"}
	}
	c.exempt = slices.Clone(m.exempt)
	for i := range c.exempt {
		if p := &c.exempt[i]; p.where != nil && !ofKeys(p.where, by.Owner) {
			p.where = &cqn.Exists{Inverse: by.Owner.Name, Path: pathOf(by), Pred: p.where}
		}
	}
	return &c
}

// ofKeys reports whether a condition looks at nothing of a row but its keys, which its translations have too.
func ofKeys(x cqn.Expr, e *csn.Entity) bool {
	keys := true
	cqn.Walk(x, func(n any) bool {
		if r, ok := n.(*cqn.Ref); ok && !slices.ContainsFunc(e.Keys, func(k *csn.Element) bool { return len(r.Path) == 1 && r.Path[0].Name == k.Name }) {
			keys = false
		}
		return true
	})
	return keys
}

// maskable reports whether an element has one value that something else can stand for.
func maskable(el *csn.Element) bool {
	b := el.Scalar()
	if b == nil || el.ForeignKey != nil || el.Virtual {
		return false
	}
	switch b.Kind {
	case csn.NoScalar, csn.Binary, csn.LargeBinary, csn.Vector, csn.Map:
		return false
	}
	return true
}

// maskConstant reads the constant of a mask: null if it has none.
func maskConstant(el *csn.Element, v *cqn.AnnoValue) (cqn.Value, bool) {
	b := el.Scalar()
	if b == nil {
		return cqn.Null, false
	}
	switch b.Kind {
	case csn.String, csn.LargeString:
		return cqn.String(v.Text), v.Kind == cqn.AnnoString
	case csn.Integer, csn.UInt8, csn.Int16, csn.Int32, csn.Int64:
		i, err := strconv.ParseInt(v.Text, 10, 64)
		return cqn.Int(i), err == nil && v.Kind == cqn.AnnoNumber
	}
	return cqn.Null, false
}
