package cds

import (
	"slices"

	"cds/parser/cqn"
	"cds/runtime/authz"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// Where the database takes several statements in one message, a read is sent together with the inserts that wait for it, with its children if their
// parent's key is demanded by the query, and with the end of the transaction if nothing follows. Each statement is the same as alone.

// ReadLast tells that nothing follows in the request but one read of its target, for instance of the row that was created; Flush takes it back. The
// database may be told of the end of the transaction with that read, so it is heeded only where no code of the application and no check
// comes after it, and where everything else has been sent with it.
func (r *RawRequest) ReadLast() {
	st := r.state
	if st == nil || st.unit == nil || st.root != nil || st.chain == nil || !r.Service.Plain(authz.Read, r.Target) {
		return
	}
	u := st.unit
	u.mu.Lock()
	defer u.mu.Unlock()
	u.readLast = u.first == r && u.hooks == nil && len(u.noted) == 0 && len(u.later) > 0 && !u.flushed && len(st.pending)+len(st.errors)+len(st.chain.after) == 0 && !st.chain.userOn
}

// takeLast reports whether the next query is the last one. Callers hold t.mu.
func (t *unit) takeLast() bool {
	last := t.readLast
	t.readLast = false
	return last
}

// beginQuery is begin for a query whose reader sends the inserts that wait. Callers hold t.mu.
func (t *unit) beginQuery(write bool) (db.Tx, error) {
	if _, ok := t.tx.(db.Pipeliner); ok && len(t.later) > 0 && !t.ended {
		return t.tx, nil
	}
	return t.begin(write)
}

// first runs the statement of the outermost level of a read.
func (rd *reader) first(p *sqlgen.Plan) (db.Rows, error) {
	rows, err := rd.firstRows(p)
	return rd.delivered(p, rows, err)
}

func (rd *reader) firstRows(p *sqlgen.Plan) (db.Rows, error) {
	u := rd.binds.unit
	binds, err := rd.fillAll(p)
	if err != nil {
		return nil, err
	}
	u.app.logStatement(rd.ctx, p.SQL, len(binds))
	stmt := db.Stmt{SQL: p.SQL, Binds: binds, Anonymous: p.Anonymous, Opens: p.Opens}
	pipe, ok := rd.tx.(db.Pipeliner)
	ahead := ok && known(p, binds)
	last := rd.last && (ahead || len(p.Children) == 0)
	if !ok || len(u.later) == 0 && !ahead && !last {
		return rd.tx.Query(rd.ctx, stmt)
	}
	queries := []db.Stmt{stmt}
	if ahead {
		if queries, err = rd.withChildren(p, stmt); err != nil {
			return nil, err
		}
	}
	before := make([]db.Stmt, len(u.later))
	for i := range u.later {
		before[i] = u.later[i].stmt
	}
	all := u.later
	u.later = nil
	done, rows, err := pipe.QueryAll(rd.ctx, before, queries, last)
	if err == nil {
		return rows, nil
	}
	rd.ahead = 0
	if done < len(all) {
		err = all[done].failed(rd.ctx, err)
		u.failed = err
	}
	return nil, err
}

// known reports whether all children of a plan can be asked for at once.
func known(p *sqlgen.Plan, binds []cqn.Value) bool {
	for _, c := range p.Children {
		if c.Known == 0 || binds[c.Known-1].IsNull() {
			return false
		}
	}
	return len(p.Children) > 0
}

// withChildren returns the statement of a plan with those of its children.
func (rd *reader) withChildren(p *sqlgen.Plan, stmt db.Stmt) ([]db.Stmt, error) {
	stmt.Binds = slices.Clone(stmt.Binds) // the memory is used for the children
	queries := append(make([]db.Stmt, 0, 1+len(p.Children)), stmt)
	for _, c := range p.Children {
		rd.binds.keys = stmt.Binds[c.Known-1 : c.Known : c.Known]
		binds, err := rd.fillAll(c.Plan)
		if err != nil {
			return nil, err
		}
		rd.binds.unit.app.logStatement(rd.ctx, c.One, len(binds))
		queries = append(queries, db.Stmt{SQL: c.One, Binds: slices.Clone(binds), Anonymous: c.Plan.Anonymous, Opens: c.Plan.Opens})
	}
	rd.ahead = len(p.Children)
	return queries, nil
}

// childRows returns the rows of the next child, nil where nobody has any.
func (rd *reader) childRows(c *sqlgen.Child, g *groups) (db.Rows, error) {
	if rd.ahead > 0 {
		rd.ahead--
		rows, err := rd.tx.(db.Pipeliner).NextRows(rd.ctx)
		if err == nil && len(g.index) == 0 {
			return nil, rows.Close()
		}
		return rd.delivered(c.Plan, rows, err)
	}
	if len(g.index) == 0 {
		return nil, nil
	}
	sub := *rd
	return sub.queryChildren(c, g)
}
