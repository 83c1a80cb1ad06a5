package cds

import (
	"context"
	"errors"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/db"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

// Execute runs a query on the database with the request's guard woven in. It is what generic handlers end with. Reads may go deep
// (expands); writes are flat: one table, no nested rows.
//
// The guard is woven in here, after all code of the application that may have rewritten the query (D5). New values are checked here
// too: a row that the user may not create, or may not change into what it became, fails with 403 AUTHZ_DATA.
func (r *RawRequest) Execute(ctx context.Context, q cqn.Query) (*Result, error) {
	if r.state == nil || r.state.guard == nil {
		return nil, &Error{Status: 403, Code: "403", Message: "Forbidden", Cause: errOutside}
	}
	res, err := r.execute(ctx, q)
	if err != nil {
		err = clientError(err)
		r.logForbidden(ctx, err)
		return nil, err
	}
	return res, nil
}

func (r *RawRequest) execute(ctx context.Context, q cqn.Query) (*Result, error) {
	r, err := r.forWrite(ctx, q)
	if err != nil {
		return nil, err
	}
	st := r.state
	u := st.unit
	switch q := q.(type) {
	case *cqn.Select, *cqn.SetOp:
		rows, _, err := u.read(ctx, q, st.guard, r.User, 0)
		return rowsResult(q, rows), err
	case *cqn.Insert:
		return r.insert(ctx, q, false)
	case *cqn.Update:
		return r.update(ctx, q)
	case *cqn.Delete:
		n, err := u.write(ctx, q, st.guard, r.User, nil)
		return &Result{Affected: n, Count: -1}, err
	}
	return nil, Reject(501, "501", "this kind of query cannot be executed; upserts go through the service")
}

// forWrite returns the request whose decision covers a write: r itself for its target and what is composed of it, else one that is decided
// anew as if the write had been sent by itself. So a handler that writes something else by Execute is held to the same rules.
func (r *RawRequest) forWrite(ctx context.Context, q cqn.Query) (*RawRequest, error) {
	var name string
	var ev Event
	switch q := q.(type) {
	case *cqn.Insert:
		name, ev = q.Into, authz.Create
	case *cqn.Update:
		if q.Entity == nil || len(q.Entity.Path) == 0 {
			return nil, Reject(400, "400", "The query names no entity.")
		}
		name, ev = q.Entity.Path[0].Name, authz.Update
	case *cqn.Delete:
		if q.From == nil || len(q.From.Path) == 0 {
			return nil, Reject(400, "400", "The query names no entity.")
		}
		name, ev = q.From.Path[0].Name, authz.Delete
	default:
		return r, nil
	}
	e := r.App().Model.Entity(name)
	if e == nil {
		return nil, Reject(404, "404", "Entity %q does not exist.", name)
	}
	own := r.state.access.Op == nil && r.state.access.Event != authz.Read
	if own && (e == r.Target || isPart(e, r.Target, 0)) {
		return r, nil
	}
	c := &RawRequest{Event: ev, Service: r.Service, Target: e, User: r.User, Locale: r.Locale}
	c.state = &state{unit: r.state.unit, scope: r.state.scope, chain: r.state.chain, root: r.state}
	return c, c.decide(ctx, ev, []*csn.Entity{e}, nil)
}

// isPart tells whether rows of e are composed, directly or not, of rows of root.
func isPart(e, root *csn.Entity, depth int) bool {
	if depth > 20 {
		return false
	}
	for _, p := range e.Parents {
		if p.Owner == root || p.Owner != e && p.Owner != nil && isPart(p.Owner, root, depth+1) {
			return true
		}
	}
	return false
}

func rowsResult(q cqn.Query, rows []*Row) *Result {
	s, ok := q.(*cqn.Select)
	return &Result{Rows: rows, N: len(rows), One: ok && s.One, Count: -1}
}

// logForbidden writes the decision log for denials that show only when a query is compiled.
func (r *RawRequest) logForbidden(ctx context.Context, err error) {
	var f *sqlgen.Forbidden
	if errors.As(err, &f) {
		r.logDenied(ctx, clientError(err).Status, f.Reason)
	}
}

// insert adds rows. With waits the database may hear of them later (see InsertLater).
func (r *RawRequest) insert(ctx context.Context, q *cqn.Insert, waits bool) (*Result, error) {
	e := r.App().Model.Entity(q.Into)
	check, parent, err := r.checks(e, authz.Create)
	if err != nil {
		return nil, err
	}
	part := r.App().Policy.Tenants() && partOfTenant(e)
	res := &Result{Count: -1}
	for _, row := range q.Rows {
		if row, err = r.state.unit.whole(ctx, row); err != nil {
			return nil, err
		}
		later := check != nil || part
		if check != nil { // before the insert where possible, so that a key collision tells nothing to those who may not insert
			ok, err := r.holds(check, row, e)
			var ne *eval.ErrNotEvaluable
			switch {
			case err == nil && !ok && r.Upsert:
				return nil, r.refused("403") // as for a row that is there and hidden
			case err == nil && !ok:
				return nil, r.refusedRow(e, "AUTHZ_DATA")
			case err == nil:
				later = part
			case !errors.As(err, &ne):
				return nil, err
			}
		}
		if part {
			if ok, err := r.state.unit.underTenant(ctx, e, row, r.User); err != nil {
				return nil, err
			} else if !ok {
				return nil, r.noParent()
			}
		}
		one := q
		if len(q.Rows) > 1 || row != q.Rows[0] {
			one = &cqn.Insert{Into: q.Into, Rows: []*Row{row}}
		}
		n := int64(1)
		if waits && !hasBlob(row) {
			err = r.state.unit.writeLater(ctx, r, e, one, row)
		} else if n, err = r.state.unit.write(ctx, one, r.state.guard, r.User, row); err != nil {
			err = r.unwritten(ctx, e, err)
		}
		if err != nil {
			return nil, err
		}
		if later {
			r.state.verifyLater(inPlace(pendingCheck{e, []*Row{row}, check, parent, r.Upsert}, part))
		}
		res.Affected += n
	}
	return res, nil
}

// checks returns the conditions for new values of e, nil for none: all of it, and the part of it about the composition parent.
func (r *RawRequest) checks(e *csn.Entity, ev Event) (check, parent cqn.Expr, err error) {
	if e == r.Target {
		check, parent = r.state.decision.Check, r.state.decision.Parent
	} else if check, err = r.state.decision.Guard.Check(e, ev); err != nil {
		return nil, nil, err
	}
	n := narrowerOf(r.state.guard)
	if n == nil {
		return check, parent, nil
	}
	use := sqlgen.Insert
	if ev == authz.Update {
		use = sqlgen.Update
	}
	where, err := n.whereOf(e, use)
	return and(check, where), parent, err
}

// refused is the answer for a row that the user may not write: 401 where a login could help.
func (r *RawRequest) refused(code string) *Error {
	if !r.User.Identified() {
		return &Error{Status: 401, Code: "401", Message: "Unauthorized"}
	}
	return &Error{Status: 403, Code: code, Message: "Forbidden"}
}

// refusedRow is refused with the text that the model has for rows of e and new values that fulfil no condition. It is for those who know of the row.
func (r *RawRequest) refusedRow(e *csn.Entity, code string) *Error {
	err := r.refused(code)
	if m := r.state.decision.Message; m != "" && err.Status == 403 && e == r.Target {
		err.Message = m
	}
	return err
}

// holds tells whether a new row satisfies a condition, as far as that can be told without the database.
func (r *RawRequest) holds(x cqn.Expr, row *Row, e *csn.Entity) (bool, error) {
	t, err := eval.Test(x, row, e, &eval.Env{User: r.User, Now: r.state.unit.nowText})
	return t == eval.True, err
}

func (r *RawRequest) update(ctx context.Context, q *cqn.Update) (*Result, error) {
	e := r.App().Model.Entity(q.Entity.Path[0].Name)
	check, parent, err := r.checks(e, authz.Update)
	if err != nil {
		return nil, err
	}
	moved := r.App().Policy.Tenants() && partOfTenant(e) && moves(e, q)
	var keys []*Row
	if check != nil || moved {
		if len(q.Entity.Path) > 1 {
			return nil, Reject(501, "501", "an update over a path needs its rows located first")
		}
		sel := &cqn.Select{From: &cqn.From{Path: q.Entity}, Where: q.Where, Columns: keyColumns(e)}
		if keys, _, err = r.state.unit.read(ctx, sel, asUse{r.state.guard, sqlgen.Update}, r.User, 0); err != nil {
			return nil, err
		}
		if len(keys) == 0 {
			return &Result{Count: -1}, nil
		}
	}
	data, err := r.state.unit.whole(ctx, q.Data)
	if err != nil {
		return nil, err
	}
	if data != q.Data {
		c := *q
		c.Data, q = data, &c
	}
	n, err := r.state.unit.write(ctx, q, r.state.guard, r.User, data)
	if err != nil {
		return nil, r.unwritten(ctx, e, err)
	}
	if check != nil || moved {
		r.state.verifyLater(inPlace(pendingCheck{e, keys, check, parent, false}, moved))
	}
	return &Result{Affected: n, Count: -1}, nil
}

// unwritten is the answer for a row of e that the database has not taken. What its row-level security forbids is refused as by a check of ours, which it
// comes ahead of.
func (r *RawRequest) unwritten(ctx context.Context, e *csn.Entity, err error) error {
	if !errors.Is(err, db.ErrRows) {
		return conflict(e, err)
	}
	r.logDenied(ctx, 403, "row-level security on new values of "+e.Name)
	if errors.Is(err, db.ErrRowsTenant) && partOfTenant(e) {
		return r.noParent()
	}
	if r.Upsert {
		return r.refused("403") // as for a row that is there and hidden
	}
	return r.refusedRow(e, "AUTHZ_DATA")
}

// A pendingCheck is a condition on rows that were written. It is checked after the on-phase, when the request has written everything, in
// its transaction (D2): a condition may ask about children that come after their root.
type pendingCheck struct {
	entity        *csn.Entity
	keys          []*Row
	check, parent cqn.Expr
	created       bool // by a PUT, which must not tell hidden rows from missing ones (decision 10)
}

// verify runs the pending checks. A parent that may not be changed is answered as one that does not exist (decision 6).
func (r *RawRequest) verify(ctx context.Context) error {
	pending := r.state.pending
	r.state.pending = nil
	for _, p := range pending {
		ok, err := r.satisfies(ctx, p.entity, p.keys, p.check)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		r.logDenied(ctx, 403, "condition on new values of "+p.entity.Name)
		if p.created {
			return r.refused("403") // as for a row that is there and hidden
		}
		if p.parent != nil {
			if ok, err := r.satisfies(ctx, p.entity, p.keys, p.parent); err == nil && !ok {
				return noTarget()
			}
		}
		return r.refusedRow(p.entity, "AUTHZ_DATA")
	}
	return nil
}

// satisfies tells whether rows, as they are now, fulfil a condition. The condition itself is read with the definer's right.
func (r *RawRequest) satisfies(ctx context.Context, e *csn.Entity, keys []*Row, x cqn.Expr) (bool, error) {
	for _, k := range keys {
		where := KeyFilter(e, k)
		if where == nil {
			return false, nil // not to be found again: cannot be checked
		}
		sel := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Columns: keyColumns(e), Where: where}
		rows, _, err := r.state.unit.read(ctx, sel, onlyIf{r.App().owner(), e, x}, r.User, 0)
		if err != nil || len(rows) != 1 {
			return false, err
		}
	}
	return true, nil
}

// onlyIf is a guard that lets all rows through but of one entity, as root, those that satisfy a condition.
type onlyIf struct {
	sqlgen.Guarder
	entity *csn.Entity
	where  cqn.Expr
}

// Condition implements sqlgen.Guarder.
func (g onlyIf) Condition(e *csn.Entity, use sqlgen.Use) (sqlgen.Condition, error) {
	if e == g.entity && use == sqlgen.Root {
		return sqlgen.Where(g.where).ByOwner(), nil
	}
	return g.Guarder.Condition(e, use)
}

// Key differs for each condition.
func (g onlyIf) Key() string {
	key, values := cqn.Shape(&cqn.Delete{Where: g.where})
	b := keyBuilder{}
	b.WriteString(g.Guarder.Key() + "/if" + g.entity.Name + "/" + key)
	for _, v := range values {
		b.value(v)
	}
	return b.String()
}

// KeyFilter returns the condition that the keys of e have the values in row; nil if row lacks one or has null for it.
func KeyFilter(e *csn.Entity, row *Row) cqn.Expr {
	var x cqn.Expr
	for _, k := range e.Keys {
		v, ok := row.Get(k.Name)
		if !ok || v.IsNull() {
			return nil
		}
		x = and(x, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(k.Name), R: &cqn.Lit{Value: v}})
	}
	return x
}

func keyColumns(e *csn.Entity) []cqn.Column {
	var cols []cqn.Column
	for _, k := range e.Keys {
		cols = append(cols, cqn.Column{X: cqn.NewRef(k.Name)})
	}
	if len(cols) == 0 {
		cols = []cqn.Column{{X: &cqn.Lit{Value: cqn.Int(1)}, As: "one"}}
	}
	return cols
}

// App returns the App that serves the request.
func (r *RawRequest) App() *App { return r.Service.App }

// Now returns the time of the request: the same all through it, and what $now stands for. As a value it is a Timestamp.
func (r *RawRequest) Now() Value {
	if r.state == nil || r.state.unit == nil {
		return cqn.Null
	}
	return cqn.Text(cqn.KindTimestamp, r.state.unit.nowText)
}

// Locate returns the rows that q addresses and that the request's event may change: the root's condition is that of the event, not of READ.
// For events that only read, and for operations, it is the condition of the event all the same.
func (r *RawRequest) Locate(ctx context.Context, q *cqn.Select) ([]*Row, error) {
	use := sqlgen.Update
	if r.state.access.Event == authz.Delete {
		use = sqlgen.Delete
	}
	rows, _, err := r.state.unit.read(ctx, q, asUse{r.state.guard, use}, r.User, 0)
	if err != nil {
		return nil, clientError(err)
	}
	return rows, nil
}

// Removable counts the rows of an entity that the request may delete, and locks them until the transaction ends. A row that is to go after its parts must be
// asked for before: what allows it may be about the parts.
func (r *RawRequest) Removable(ctx context.Context, e *csn.Entity, where cqn.Expr) (int, error) {
	if r.state == nil || r.state.guard == nil {
		return 0, &Error{Status: 403, Code: "403", Message: "Forbidden", Cause: errOutside}
	}
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Where: where, Lock: cqn.LockUpdate}
	for _, k := range e.Keys {
		q.Columns = append(q.Columns, cqn.Column{X: cqn.NewRef(k.Name)})
	}
	r, err := r.forWrite(ctx, &cqn.Delete{From: cqn.NewRef(e.Name)})
	if err != nil {
		return 0, clientError(err)
	}
	rows, _, err := r.state.unit.read(ctx, q, asUse{r.state.guard, sqlgen.Delete}, r.User, 0)
	if err != nil {
		err = clientError(err)
		r.logForbidden(ctx, err)
		return 0, err
	}
	return len(rows), nil
}

// Page runs the final query of a READ: at most limit rows are answered (0: all), More tells that there would be further ones. It answers
// with JSON if the request asks for a Format and no handler needs to see the rows.
func (r *RawRequest) Page(ctx context.Context, q cqn.Query, limit int64) (*Result, error) {
	st := r.state
	res := rowsResult(q, nil)
	var err error
	guard := st.guard
	if r.May && guard != nil {
		guard = r.rowGuard(ctx, q)
	}
	if r.Format != nil && len(st.chain.after) == 0 && !st.chain.userOn {
		dst := r.Buffer
		if dst == nil {
			dst = make([]byte, 0, 1024)
		}
		alone := st.unit.first == r && !r.Count
		to := r.Stream
		if res.One || st.unit.first != r || len(st.messages) > 0 || r.StreamWhole && (limit > 0 || r.Count) {
			to = nil
		}
		res.JSON, res.N, res.More, err = st.unit.readJSON(ctx, q, guard, r.User, *r.Format, limit, alone, to, dst[:0])
		if r.Buffer != nil && err == nil {
			r.Buffer = res.JSON[:0]
		}
		if res.JSON == nil {
			res.JSON = []byte{}
		}
	} else {
		res.Rows, res.More, err = st.unit.read(ctx, q, guard, r.User, limit)
		res.N = len(res.Rows)
	}
	if err != nil {
		err = clientError(err)
		r.logForbidden(ctx, err)
		return nil, err
	}
	return res, nil
}

// Subject is the query for the rows that the request addresses (path, keys); guarded when run.
func (r *RawRequest) Subject() *cqn.Select {
	switch q := r.Query.(type) {
	case *cqn.Select:
		return &cqn.Select{From: q.From, Where: q.Where, Search: q.Search, Terms: q.Terms}
	case *cqn.Update:
		if q.Entity != nil {
			return &cqn.Select{From: &cqn.From{Path: q.Entity}, Where: q.Where}
		}
	case *cqn.Delete:
		if q.From != nil {
			return &cqn.Select{From: &cqn.From{Path: q.From}, Where: q.Where}
		}
	}
	return r.addressed()
}

// addressed builds the subject from the path and its keys.
func (r *RawRequest) addressed() *cqn.Select {
	if len(r.Path) == 0 {
		return nil
	}
	ref := &cqn.Ref{}
	for i, e := range r.Path {
		st := cqn.Step{Name: e.Name}
		if i > 0 {
			st.Name = r.Via[i-1].Name
		}
		if i < len(r.Params) && r.Params[i].Values != nil {
			for _, f := range r.Params[i].Values.Fields() {
				st.Filter = and(st.Filter, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(f.Name), R: &cqn.Lit{Value: f.Value}})
			}
		}
		ref.Path = append(ref.Path, st)
	}
	return &cqn.Select{From: &cqn.From{Path: ref}}
}

// checkInstance checks the row part of a bound operation before any handler of the application runs: the addressed row must satisfy
// the conditions of the operation and of the path, and those of what it is a part of, and belong to the user's tenant where rows belong to tenants. Without any of
// these it need not exist, as in CAP.
func (r *RawRequest) checkInstance(ctx context.Context) error {
	if r.Op == nil || r.Op.Entity == nil || r.Op.Collection || r.Target == nil {
		return nil
	}
	st := r.state
	if st.decision.Verdict != authz.AllowIf && len(r.Path) < 2 && st.where == nil && !r.App().Policy.OfTenants(r.Target) && !r.rowAsked() {
		return nil
	}
	sub := r.Subject()
	sub.Columns = keyColumns(r.Target)
	if st.where != nil {
		sub.Where = and(sub.Where, st.where)
	}
	rows, err := r.Locate(ctx, sub)
	if err != nil {
		r.logForbidden(ctx, err)
		return err
	}
	if len(rows) > 0 {
		return nil
	}
	return r.Missing(ctx)
}

// rowAsked reports whether Authorizers ask anything of the rows of the target or of what these are parts of, or refuse them: who calls an operation on a row is taken
// for somebody who changes it, as where rights are shown with rows.
func (r *RawRequest) rowAsked() bool {
	n := narrowerOf(r.state.guard)
	if n == nil {
		return false
	}
	x, err := n.where(r.Target, sqlgen.Update)
	return x != nil || err != nil
}

// Missing returns the answer for a write (or bound operation) that found none of the rows it addresses: 403 if the user may read the row,
// and so may know of it, else 404 (D4). Options.Authz.Disclose answers 403 for hidden rows too, as CAP does.
func (r *RawRequest) Missing(ctx context.Context) error {
	sub := r.Subject()
	sub.Columns = keyColumns(r.Target)
	guard := r.state.guard
	if r.App().Options.Authz.Disclose {
		guard = r.App().owner()
	}
	rows, _, err := r.state.unit.read(ctx, sub, guard, r.User, 0)
	var f *sqlgen.Forbidden
	if err != nil && !errors.As(err, &f) {
		return clientError(err)
	}
	if len(rows) == 0 {
		return &Error{Status: 404, Code: "404", Message: "Not Found"}
	}
	r.logDenied(ctx, 403, "row condition")
	if r.App().Options.Authz.Disclose { // the row may be hidden: nothing more is said of it
		return r.refused("403")
	}
	return r.refusedRow(r.Target, "403")
}

// owner is the guard of elevated code: all rows.
func (a *App) owner() sqlgen.Guarder { return a.Policy.Privileged() }
