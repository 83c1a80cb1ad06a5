package sqlgen

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// insertPlan compiles the insertion of flat rows. The plan adds one row per execution; all rows must have the fields of the first one.
func (c *compiler) insertPlan(q *cqn.Insert) (*Plan, error) {
	e := c.m.Entity(q.Into)
	if e == nil {
		return nil, &Error{Code: "UNKNOWN_ENTITY", Message: "entity " + strconv.Quote(q.Into) + " does not exist", Status: 404}
	}
	if len(q.Rows) == 0 || q.Rows[0] == nil {
		return nil, &Error{Code: "INVALID_QUERY", Message: "there is nothing to insert", Status: 400}
	}
	if e.Table() == nil {
		return nil, notUpdatable(e)
	}
	st := &stmt{compiler: c}
	sc := &scope{stmt: st, mapped: true}
	target, err := sc.newSource(e, Insert)
	if err != nil {
		return nil, err
	}
	if target.guard != "" {
		// Values cannot be judged here: the policy hands such conditions to the caller, who checks the row.
		return nil, &Forbidden{Entity: e.Name, Reason: "a condition on new rows cannot be part of the statement"}
	}
	st.binds = nil
	var names, values []string
	tenant := TenantColumn(e.Table())
	for _, f := range q.Rows[0].Fields() {
		col, b, err := sc.payload(target, f, Insert)
		if err != nil {
			return nil, err
		}
		if b.Column == "" {
			tenant = nil // is among them
		}
		names, values = append(names, col), append(values, st.bind(b))
	}
	if tenant != nil {
		names, values = append(names, Quote(tenant.Name, c.d)), append(values, st.bind(tenantBind(tenant)))
	}
	p := &Plan{Entity: e, SQL: "INSERT INTO " + target.from + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"}
	if len(names) == 0 {
		p.SQL = "INSERT INTO " + target.from + " DEFAULT VALUES"
	}
	p.Binds = st.binds
	return p, c.returnRows(p, target, q.Rows[0])
}

func notUpdatable(e *csn.Entity) error {
	return fmt.Errorf("%w: %s is a view that is no simple projection on a table", ErrNotUpdatable, e.Name)
}

// payload is the column and the bind for one field of a payload.
func (sc *scope) payload(target *source, f cqn.Field, use Use) (string, Bind, error) {
	el := target.entity.Element(f.Name)
	if el == nil || el.Assoc() != nil {
		return "", Bind{}, sc.fail("UNKNOWN_ELEMENT", "Property %q does not exist in %s", f.Name, target.entity.Name)
	}
	if k := f.Value.Kind(); k == cqn.KindRow || k == cqn.KindRows {
		return "", Bind{}, sc.fail("INVALID_QUERY", "%q has nested rows: only flat rows can be written", f.Name)
	}
	if err := sc.allowed(el, use); err != nil {
		return "", Bind{}, err
	}
	base := tableElement(target.entity, el)
	if base == nil {
		return "", Bind{}, fmt.Errorf("%w: element %s of %s is not a column of its table", ErrNotUpdatable, el.Name, target.entity.Name)
	}
	if base == TenantColumn(target.entity.Table()) { // whatever the payload says
		return Quote(base.Name, sc.d), tenantBind(base), nil
	}
	return Quote(base.Name, sc.d), Bind{Column: f.Name, Type: el.Scalar(), Seal: base.Seal()}, nil
}

// tenantBind fills a column with the tenant of the user.
func tenantBind(col *csn.Element) Bind {
	return Bind{Param: cqn.Param{From: cqn.FromUserTenant}, Type: col.Scalar()}
}

// A change is an UPDATE or DELETE being built.
type change struct {
	path  *cqn.Ref
	where cqn.Expr
	use   Use
	data  *cqn.Row
	with  []cqn.Assignment
}

func (c *compiler) updatePlan(q *cqn.Update) (*Plan, error) {
	return c.changePlan(&change{path: q.Entity, where: q.Where, use: Update, data: q.Data, with: q.With})
}

func (c *compiler) deletePlan(q *cqn.Delete) (*Plan, error) {
	return c.changePlan(&change{path: q.From, where: q.Where, use: Delete})
}

// changePlan compiles an update or deletion. Where every name of the conditions is a column of the table behind the entity, they stand in
// the statement itself; otherwise it changes the rows whose keys are those of the entity's rows that satisfy the conditions.
func (c *compiler) changePlan(ch *change) (*Plan, error) {
	if ch.path == nil || len(ch.path.Path) == 0 {
		return nil, &Error{Code: "INVALID_QUERY", Message: "the statement names no entity", Status: 400}
	}
	if !c.barrier && direct(c.m.Entity(ch.path.Path[0].Name), ch.path) {
		start := *c
		p, err := c.changeDirect(ch)
		if !errors.Is(err, ErrNotUpdatable) {
			return p, err
		}
		*c = start
	}
	return c.changeByKeys(ch)
}

// direct reports whether an entity shows all rows of its table.
func direct(e *csn.Entity, path *cqn.Ref) bool {
	if e == nil || len(path.Path) != 1 {
		return false
	}
	for ; e.Base != nil; e = e.Base {
		s, ok := e.Source.(*cqn.Select)
		if !ok || s.Where != nil || s.Having != nil || s.Limit != nil || s.Offset != nil || s.Distinct {
			return false
		}
		if f, ok := s.From.(*cqn.From); !ok || f.Path == nil || len(f.Path.Path) != 1 || f.Path.Path[0].Filter != nil {
			return false
		}
	}
	return e.Source == nil
}

func (c *compiler) changeDirect(ch *change) (*Plan, error) {
	s := &selection{scope: &scope{stmt: &stmt{compiler: c}, mapped: true, noJoin: true}, plan: &Plan{}}
	if err := s.readPath(ch.path, "", ch.use); err != nil {
		return nil, err
	}
	if err := s.andExpr(ch.where); err != nil {
		return nil, err
	}
	return s.change(ch, s.main, s.where)
}

func (c *compiler) changeByKeys(ch *change) (*Plan, error) {
	s := &selection{scope: &scope{stmt: &stmt{compiler: c}}, plan: &Plan{}}
	if err := s.readPath(ch.path, "", ch.use); err != nil {
		return nil, err
	}
	if err := s.andExpr(ch.where); err != nil {
		return nil, err
	}
	e := s.main.entity
	if e.Table() == nil {
		return nil, notUpdatable(e)
	}
	ids := identity(e)
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: %s does not show the key of its table", ErrNotUpdatable, e.Name)
	}
	keys, err := s.main.columns(ids)
	if err != nil {
		return nil, err
	}
	s.columns = keys
	// The table itself; the guard has been asked for the rows that the subquery finds.
	target, err := (&scope{stmt: s.stmt, mapped: true, definer: true}).newSource(e, ch.use)
	if err != nil {
		return nil, err
	}
	outer, err := target.columns(ids)
	if err != nil {
		return nil, err
	}
	return s.change(ch, target, []string{both(target.guard, tuple(outer)+" IN ("+s.sql(false)+")")})
}

// identity returns the elements of a projection that are the key of its table, none if some are missing. The projection's own keys won't do:
// they may be others, and then rows that the conditions do not let through could share them.
func identity(e *csn.Entity) []*csn.Element {
	var ids []*csn.Element
	for _, k := range e.Table().Keys {
		n := len(ids)
		for _, el := range e.Flat {
			if el.Assoc() == nil && tableElement(e, el) == k {
				ids = append(ids, el)
				break
			}
		}
		if len(ids) == n {
			return nil
		}
	}
	return ids
}

// change puts the statement together.
func (s *selection) change(ch *change, target *source, where []string) (*Plan, error) {
	if target.entity.Table() == nil {
		return nil, notUpdatable(target.entity)
	}
	p := &Plan{Entity: target.entity}
	if ch.use == Delete {
		p.SQL = "DELETE FROM " + target.table()
	} else {
		sets, err := s.assignments(ch, target)
		if err != nil {
			return nil, err
		}
		if len(sets) == 0 {
			return nil, s.fail("INVALID_QUERY", "there is nothing to update")
		}
		p.SQL = "UPDATE " + target.table() + " SET " + strings.Join(sets, ", ")
	}
	if len(where) > 0 {
		p.SQL += " WHERE " + strings.Join(where, " AND ")
	}
	p.Binds = s.binds
	if ch.use == Delete {
		return p, nil
	}
	return p, s.returnRows(p, target, ch.data)
}

func (s *selection) assignments(ch *change, target *source) ([]string, error) {
	var sets []string
	for _, f := range ch.data.Fields() {
		in := &scope{stmt: s.stmt, definer: s.definer}
		col, b, err := in.payload(target, f, Update)
		if err != nil {
			return nil, err
		}
		sets = append(sets, col+" = "+s.bind(b))
	}
	row := &scope{stmt: s.stmt, sources: []*source{target}, self: target, noJoin: true, definer: s.definer, settled: true}
	for _, a := range ch.with {
		col, b, err := row.payload(target, cqn.Field{Name: a.Name}, Update)
		if err != nil {
			return nil, err
		}
		if b.Column == "" {
			return nil, s.fail("TENANT_FIXED", "the tenant of a row cannot be changed")
		}
		if v, sealed, err := row.sealedValue(b, a.X, a.Name); sealed {
			if err != nil {
				return nil, err
			}
			sets = append(sets, col+" = "+s.bind(v))
			continue
		}
		f, err := row.expr(a.X, hint{typ: b.Type, el: target.entity.Element(a.Name)})
		if err != nil {
			return nil, err
		}
		sets = append(sets, col+" = "+f.sql)
	}
	return sets, nil
}
