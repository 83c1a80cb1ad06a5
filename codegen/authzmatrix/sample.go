package authzmatrix

import (
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/eval"
)

// maxTries bounds the users and rows that are tried for one question.
const maxTries = 60_000

// A Sample is a user and a row for whom a condition changed.
type Sample struct {
	User       string              `json:"user"`
	Tenant     string              `json:"tenant,omitempty"`
	Roles      []string            `json:"roles"`
	Attributes map[string][]string `json:"attributes,omitempty"`
	Row        []Field             `json:"row,omitempty"`
	Given      []string            `json:"given,omitempty"` // what must hold of other rows
	Now        string              `json:"now,omitempty"`
}

// A Field is an element, or a path, and its value in the notation of conditions.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// String describes the user and the row.
func (s *Sample) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s", s.User, roleText(s.Roles))
	if s.Tenant != "" {
		fmt.Fprintf(&b, "; tenant %s", s.Tenant)
	}
	names := make([]string, 0, len(s.Attributes))
	for n := range s.Attributes {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if list := s.Attributes[n]; len(list) > 0 {
			fmt.Fprintf(&b, "; %s = %s", n, strings.Join(list, ", "))
		} else {
			fmt.Fprintf(&b, "; no %s", n)
		}
	}
	b.WriteString(")")
	sep := " and a row with "
	for _, f := range s.Row {
		fmt.Fprintf(&b, "%s%s = %s", sep, f.Name, f.Value)
		sep = ", "
	}
	if s.Now != "" {
		b.WriteString(" at " + s.Now)
	}
	sep = " where "
	for _, g := range s.Given {
		b.WriteString(sep + g)
		sep = " and "
	}
	return b.String()
}

// A finding is whether there is a user and a row for whom one condition holds and another one does not.
type finding struct {
	sample    *Sample
	undecided bool // none was found, which proves nothing
}

// find looks for a user with the roles and a row for whom yes holds and no does not. Names are looked up in the entities, in this order.
func find(roles []string, in []*csn.Entity, yes, no terms) finding {
	switch {
	case len(yes) == 0 || no.covers(yes):
		return finding{}
	}
	s := newSearch(roles, in)
	s.witnesses(yes, no)
	x, y := s.prepare(yes.expr()), s.prepare(no.expr())
	s.collect()
	return s.run(x, y)
}

// A search tries users and rows.
type search struct {
	roles    []string
	in       []*csn.Entity
	vars     []*variable
	byName   map[string]*variable
	others   []string // ways to other rows, of each of which one is tried
	links    links
	complete bool // whatever is not tried behaves as something that is
	related  bool // what is tried apart may depend on each other, so that an example may be impossible
}

func newSearch(roles []string, in []*csn.Entity) *search {
	return &search{roles: roles, in: in, byName: map[string]*variable{}, complete: true}
}

// The kinds of variables.
type variableKind uint8

const (
	rowValue  variableKind = iota
	otherRows              // whether there is another row
	userID
	userTenant
	userAttr
	userLocale
	clock
)

// A variable is what a condition depends on.
type variable struct {
	kind   variableKind
	name   string
	typ    *csn.Builtin // of a row's value; nil for text
	null   bool
	only   []cqn.Value // the values of an enum
	below  string      // of otherRows: how the names of its values begin
	values []choice
}

// A choice is one value of a variable: an SQL value, or the texts of an attribute.
type choice struct {
	value cqn.Value
	texts []string
}

// run tries all combinations, within bounds.
func (s *search) run(yes, no cqn.Expr) finding {
	if s.broken() {
		return finding{undecided: true}
	}
	n := 1
	for _, v := range s.vars {
		if n *= len(v.values); n > maxTries {
			s.complete = false
			n = maxTries
			break
		}
	}
	index := make([]int, len(s.vars))
	for range n {
		if sample := s.try(index, yes, no); sample != nil {
			if s.related {
				return finding{undecided: true}
			}
			return finding{sample: sample}
		}
		for i := range index {
			if index[i]++; index[i] < len(s.vars[i].values) {
				break
			}
			index[i] = 0
		}
	}
	return finding{undecided: !s.complete}
}

// broken reports whether there is a variable without a value to try.
func (s *search) broken() bool {
	return slices.ContainsFunc(s.vars, func(v *variable) bool { return len(v.values) == 0 })
}

// try asks both conditions for one user and one row.
func (s *search) try(index []int, yes, no cqn.Expr) *Sample {
	u := auth.User{ID: "alice", Attrs: map[string][]string{}}
	out := &Sample{Roles: s.roles, Attributes: u.Attrs}
	row := cqn.NewRow()
	env := &eval.Env{AbsentIsNull: true, Now: defaultNow}
	elements := csn.Elements{}
	var absent []string
	for i, v := range s.vars {
		c := v.values[index[i]]
		switch v.kind {
		case rowValue:
			row.Set(v.key(), c.value)
			out.Row = append(out.Row, Field{v.name, cqn.Format(&cqn.Lit{Value: c.value})})
			elements = append(elements, element(v.key(), v.typ))
		case otherRows:
			row.Set(v.key(), c.value)
			elements = append(elements, element(v.key(), &csn.Builtin{Name: "cds.Boolean", Kind: csn.Boolean}))
			text := "exists " + v.name
			if !c.value.Bool() {
				text = "not " + text
				absent = append(absent, v.below)
			}
			out.Given = append(out.Given, text)
		case userID:
			u.ID = c.value.Str()
		case userTenant:
			u.Tenant, out.Tenant = c.value.Str(), c.value.Str()
		case userLocale:
			u.Locale = c.value.Str()
		case userAttr:
			u.Attrs[v.name] = c.texts
		case clock:
			env.Now, out.Now = c.value.Str(), c.value.Str()
		}
	}
	env.User = auth.New(u, s.roles...)
	if !slices.ContainsFunc(s.roles, func(r string) bool { return r != auth.RoleAny }) {
		env.User, out.Attributes = auth.Anonymous, nil
	}
	out.User = env.User.ID
	e := &csn.Entity{Elements: elements, Flat: elements}
	a, err := eval.Test(yes, row, e, env)
	if err != nil || a != eval.True {
		s.failed(err)
		return nil
	}
	b, err := eval.Test(no, row, e, env)
	if err != nil || b == eval.True {
		s.failed(err)
		return nil
	}
	out.Row = slices.DeleteFunc(out.Row, func(f Field) bool {
		return slices.ContainsFunc(absent, func(p string) bool { return p != "" && strings.HasPrefix(f.Name, p) })
	})
	slices.SortFunc(out.Row, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func element(name string, typ *csn.Builtin) *csn.Element {
	if typ == nil {
		typ = textType()
	}
	return &csn.Element{Def: csn.Def{Name: name}, Type: typ}
}

// failed notes that a try told nothing.
func (s *search) failed(err error) {
	if err != nil {
		s.complete = false
	}
}
