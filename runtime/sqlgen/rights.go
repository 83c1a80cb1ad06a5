package sqlgen

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// RightsColumn is the function whose value tells what may be done with a row, as an object of truth values: `cds.rights()`, or `cds.rights(items.product)` for the rows
// of an expand within an expand. Which they are says the guard, if it is a RowGuarder; clients cannot name it.
const RightsColumn = "cds.rights"

// A RowRight says of which rows something is allowed.
type RowRight struct {
	Group, Name string // the member is in the object called Group, "" for the outermost
	// On are the alternatives: of each entity whose rows the query may show, the condition of the rows with which it is allowed. None is never.
	On []RowCondition
}

// A RowCondition is a guard's answer for the rows of an entity.
type RowCondition struct {
	Entity *csn.Entity
	When   Condition
}

// A RowGuarder is a Guarder that knows what may be done with each row beside reading it. level is the path of expands that leads to the rows, nil for those of the
// query itself.
type RowGuarder interface {
	RowRights(level []string) []RowRight
}

// RightsOf returns the column that asks for the rights on the rows of a level.
func RightsOf(level []string, as string) cqn.Column {
	call := &cqn.Call{Name: RightsColumn}
	if len(level) > 0 {
		call.Args = []cqn.Expr{cqn.NewRef(level...)}
	}
	return cqn.Column{X: call, As: as}
}

// IsRights reports whether a column asks for rights, and for those on the rows of which level.
func IsRights(c *cqn.Column) (level []string, ok bool) {
	call, ok := c.X.(*cqn.Call)
	if !ok || call.Name != RightsColumn {
		return nil, false
	}
	for _, a := range call.Args {
		if ref, ok := a.(*cqn.Ref); ok {
			for _, st := range ref.Path {
				level = append(level, st.Name)
			}
		}
	}
	return level, true
}

// rights makes the object with what may be done with a row. Conditions are compiled as those of guards are: on the row itself, with the definer's right.
// Where one is unknown, it is not allowed.
func (s *selection) rights(src *source, level []string, name string) ([]Column, error) {
	g, ok := s.g.(RowGuarder)
	if !ok || src == nil || src.entity == nil || s.view {
		return nil, s.fail("INVALID_QUERY", "the rights on a row cannot be asked for here")
	}
	if !s.plain {
		return nil, s.fail("INVALID_QUERY", "the rights on a row cannot be asked for in a query that groups")
	}
	rights := g.RowRights(level)
	if len(rights) == 0 {
		return nil, nil // the guard knows nothing of these rows
	}
	root := noColumn()
	root.Name, root.Nested = name, []Column{}
	groups := map[string]int{}
	known := map[string]int{}
	for _, r := range rights {
		sql, err := s.allowedRows(src, r.On)
		if err != nil {
			return nil, err
		}
		at, ok := known[sql]
		if !ok {
			at = s.add(sql)
			known[sql] = at
		}
		c := noColumn()
		c.Name, c.Index, c.Type = r.Name, at, typeBool
		if r.Group == "" {
			root.Nested = append(root.Nested, c)
			continue
		}
		i, ok := groups[r.Group]
		if !ok {
			i = len(root.Nested)
			groups[r.Group] = i
			group := noColumn()
			group.Name = r.Group
			root.Nested = append(root.Nested, group)
		}
		root.Nested[i].Nested = append(root.Nested[i].Nested, c)
	}
	return []Column{root}, nil
}

// allowedRows is the condition that one of the alternatives holds for the row of src.
func (s *selection) allowedRows(src *source, on []RowCondition) (string, error) {
	var parts []string
	for _, o := range on {
		x, ok := o.When.Expr()
		if !ok {
			continue
		}
		if x != nil && (s.use != Root || src != s.main) && (anyFallible(x) || refersFallible([]*csn.Entity{o.Entity}, x, 0)) {
			s.compiler.fallible = true // computed where the rows are joined, it may come before other conditions
		}
		var sql string
		var err error
		switch {
		case o.Entity != src.entity:
			sql, err = s.sideAllowed(src, o.Entity, x)
		case x == nil:
			return s.t.True, nil
		default:
			sql, err = s.rowAllowed(src, x)
		}
		if err != nil {
			return "", err
		}
		if sql != "" {
			parts = append(parts, sql)
		}
	}
	if len(parts) == 0 {
		return s.t.False, nil
	}
	return "coalesce(" + strings.Join(parts, " OR ") + ", " + s.t.False + ")", nil
}

// rowAllowed is a guard's condition, asked of the row of src.
func (s *selection) rowAllowed(src *source, x cqn.Expr) (string, error) {
	in := &scope{stmt: s.stmt, sources: []*source{src}, self: src, definer: true, noJoin: true}
	was := s.compiler.judge(judging)
	defer s.compiler.judge(was)
	f, err := in.guardCond(src, x, src.localized)
	return "coalesce(" + f.sql + ", " + s.t.False + ")", err
}

// sideAllowed is the condition that the row of a union is one of an entity that the union is made of, which has the keys of the row and fulfils a
// condition; "" if the entity is not among them.
func (s *selection) sideAllowed(src *source, e *csn.Entity, x cqn.Expr) (string, error) {
	flag := src.entity.Element(csn.DraftActive)
	if flag == nil || !slices.Contains(src.entity.Union, e) {
		return "", nil
	}
	side, err := src.column(flag)
	if err != nil {
		return "", err
	}
	if e.Active != nil {
		side += " = " + s.t.False
	} else {
		side += " = " + s.t.True
	}
	if x == nil {
		return side, nil
	}
	in := s.sub()
	in.definer = true
	row, err := in.newSource(e, Path)
	if err != nil {
		return "", err
	}
	in.sources, in.self = []*source{row}, row
	conds := []string{}
	for _, k := range e.Keys {
		other := src.entity.Element(k.Name)
		if other == nil {
			return "", s.fail("INVALID_QUERY", "%s has no key %s", src.entity.Name, k.Name)
		}
		own, err := row.column(k)
		if err != nil {
			return "", err
		}
		outer, err := src.column(other)
		if err != nil {
			return "", err
		}
		conds = append(conds, own+" = "+outer)
	}
	was := s.compiler.judge(judging)
	defer s.compiler.judge(was)
	f, err := in.cond(x)
	if err != nil {
		return "", err
	}
	conds = append(conds, f.at(precAnd))
	return side + " AND EXISTS (SELECT 1 FROM " + in.from(row.table()) + " WHERE " + strings.Join(conds, " AND ") + ")", nil
}
