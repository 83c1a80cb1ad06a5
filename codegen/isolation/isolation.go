// Package isolation proves that tenants in shared tables are kept apart: it makes the statements that requests come to, for every entity, path and event, and the bodies of
// all views, and looks at each occurrence of a table with rows of tenants. What it reads is SQL, not the intention of the compiler that wrote it.
package isolation

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// The answers of a row.
const (
	Bound  = "bound"  // rows of the user's tenant only
	Shared = "shared" // rows of everybody, as the model says
	None   = "none"   // no rows
	Hole   = "hole"
)

// A Row is one thing that can touch rows.
type Row struct {
	Kind   string `json:"kind"` // table, view, entity, path, operation, code
	Name   string `json:"name"`
	Answer string `json:"answer"`
	How    string `json:"how,omitempty"`
	At     string `json:"at,omitempty"` // file:line
	// Statements is how many statements were looked at, Occurrences how many occurrences of tables with rows of tenants they had.
	Statements  int `json:"statements,omitempty"`
	Occurrences int `json:"occurrences,omitempty"`
}

// A Report is the proof, or what speaks against it.
type Report struct {
	Tenants     bool     `json:"tenants"` // the model has elements with @tenant
	Databases   []string `json:"databases"`
	Rows        []Row    `json:"rows"`
	Statements  int      `json:"statements"`
	Occurrences int      `json:"occurrences"`
	Holes       int      `json:"holes"`
	Notes       []string `json:"notes,omitempty"`
}

// A Database is one for which statements are made.
type Database struct {
	Name    string
	Dialect sqlgen.Dialect
}

// New makes the report of a model. Its holes are rows with the answer "hole".
func New(m *csn.Model, files *token.FileSet, dbs ...Database) *Report {
	full, err := ddl.WithDrafts(m)
	p := &prover{m: full, files: files, dbs: dbs, report: &Report{}}
	if err != nil {
		p.hole("table", csn.DraftTable, token.Span{}, err.Error())
	}
	p.policy, _ = authz.Compile(full, authz.Options{}) // what is wrong with restrictions is told elsewhere
	p.report.Tenants = p.policy.Tenants()
	for _, db := range dbs {
		p.report.Databases = append(p.report.Databases, db.Name)
	}
	holes := map[string]bool{}
	for _, h := range p.policy.TenantHoles() {
		holes[h.Entity.Name] = true
		p.hole(kindOf(h.Entity), h.Entity.Name, h.Span, h.Why+"; "+h.Hint)
	}
	if p.report.Tenants {
		p.tables(holes)
		for _, e := range full.Entities {
			if e.Source != nil && !e.Exists && !e.SkipPersistence && len(e.Union) == 0 && len(e.Params) == 0 {
				p.view(e)
			}
			if e.Source == nil && e.Localized && e.Texts != nil && !e.SkipPersistence {
				p.localized(e)
			}
		}
		for _, s := range full.Services {
			for _, e := range s.Entities {
				p.entity(e)
			}
			for _, op := range s.Ops {
				p.add(Row{Kind: "operation", Name: op.Name, Answer: Bound, How: "its handler; see code", At: p.at(op.Span)})
			}
		}
		p.conditions()
		p.code()
		p.notes()
	}
	for _, r := range p.report.Rows {
		if r.Answer == Hole {
			p.report.Holes++
		}
	}
	return p.report
}

type prover struct {
	m      *csn.Model
	files  *token.FileSet
	dbs    []Database
	policy *authz.Policy
	report *Report
	names  []map[string]tenantTable // by database
}

func (p *prover) at(s token.Span) string {
	if p.files == nil || !s.Valid() {
		return ""
	}
	pos := p.files.Position(s)
	return fmt.Sprintf("%s:%d", pos.File, pos.Line)
}

func (p *prover) add(r Row) {
	p.report.Rows = append(p.report.Rows, r)
	p.report.Statements += r.Statements
	p.report.Occurrences += r.Occurrences
}

func (p *prover) hole(kind, name string, at token.Span, why string) {
	p.add(Row{Kind: kind, Name: name, Answer: Hole, How: why, At: p.at(at)})
}

func kindOf(e *csn.Entity) string {
	if e.Source != nil && !e.Exists {
		return "view"
	}
	return "table"
}

// tables lists how the rows of tables are bound.
func (p *prover) tables(holes map[string]bool) {
	p.names = make([]map[string]tenantTable, len(p.dbs))
	for i := range p.names {
		p.names[i] = map[string]tenantTable{}
	}
	for _, t := range p.policy.TenantTables() {
		e := t.Entity
		if e.Source != nil && !e.Exists || len(e.Union) > 0 || e.SkipPersistence {
			continue
		}
		r := Row{Kind: "table", Name: e.Name, At: p.at(e.Span)}
		switch {
		case t.Column != nil:
			r.Answer, r.How, r.At = Bound, "column "+t.Column.Name, cmp.Or(p.at(t.Column.Span), r.At)
		case len(t.Parents) > 0:
			var of []string
			for _, el := range t.Parents {
				of = append(of, el.Owner.Name)
			}
			slices.Sort(of)
			r.Answer, r.How = Bound, "part of "+strings.Join(slices.Compact(of), ", ")
		case t.Shared:
			r.Answer, r.How = Shared, "@tenant: false"
		default:
			r.Answer, r.How = None, "no service reads it"
			if strings.HasPrefix(e.Name, "DRAFT.") || strings.HasPrefix(e.Name, "cds.") {
				r.Answer, r.How = Shared, "the framework's"
			}
		}
		if !holes[e.Name] {
			p.add(r)
		}
		for i, db := range p.dbs {
			tt := tenantTable{}
			if t.Column != nil {
				tt.column = sqlgen.Quote(t.Column.Name, db.Dialect)
			}
			for _, el := range t.Parents {
				tt.parents = append(tt.parents, sqlgen.Quote(sqlgen.TableName(el.Owner), db.Dialect))
			}
			if t.Column != nil || len(t.Parents) > 0 {
				p.names[i][sqlgen.Quote(sqlgen.TableName(e), db.Dialect)] = tt
			}
		}
	}
}

// view looks at the body of a view, and of the one with texts in the user's language.
func (p *prover) view(e *csn.Entity) {
	r := Row{Kind: "view", Name: e.Name, At: p.at(e.Span)}
	for i, db := range p.dbs {
		for _, opt := range []sqlgen.ViewOptions{{}, {Localized: true}} {
			if opt.Localized && !e.Localized {
				continue
			}
			sql, err := sqlgen.CompileView(nil, e, p.m, db.Dialect, opt)
			if err != nil {
				continue // deployment tells
			}
			p.look(&r, i, sql, nil)
		}
	}
	p.finish(r, e)
}

// localized looks at the view that puts texts in the user's language in the place of those of a table.
func (p *prover) localized(e *csn.Entity) {
	r := Row{Kind: "view", Name: "localized." + e.Name, At: p.at(e.Span)}
	for i, db := range p.dbs {
		if sql, err := sqlgen.CompileLocalized(e, p.m, db.Dialect); err == nil {
			p.look(&r, i, sql, nil)
		}
	}
	p.finish(r, e)
}

// look looks at a statement.
func (p *prover) look(r *Row, db int, sql string, binds []sqlgen.Bind) {
	s := statement{sql: sql, binds: binds, d: p.dbs[db].Dialect}
	faults, n := s.open(p.names[db])
	r.Statements++
	r.Occurrences += n
	for _, f := range faults {
		if r.Answer != Hole {
			r.Answer, r.How = Hole, p.dbs[db].Name+": "+f
		}
	}
}

// finish answers for what was looked at.
func (p *prover) finish(r Row, e *csn.Entity) {
	switch {
	case r.Answer == Hole:
	case r.Statements == 0:
		r.Answer, r.How = None, cmp.Or(r.How, "not in the database")
	case sqlgen.TenantBound(e) || r.Occurrences > 0:
		r.Answer = Bound
	default:
		r.Answer = Shared
	}
	p.add(r)
}

// entity looks at the statements that requests to an entity come to, without any restriction: what binds them to the tenant is not what restricts roles.
func (p *prover) entity(e *csn.Entity) {
	r := Row{Kind: "entity", Name: e.Name, At: p.at(e.Span)}
	for _, q := range queries(e) {
		p.try(&r, q)
	}
	p.finish(r, e)
	for _, el := range e.Elements {
		a := el.Assoc()
		if a == nil || a.Target == nil || a.Target.SkipPersistence {
			continue
		}
		r := Row{Kind: "path", Name: e.Name + "/" + el.Name, At: p.at(el.Span)}
		for _, q := range pathQueries(e, el) {
			p.try(&r, q)
		}
		p.finish(r, a.Target)
	}
	for _, op := range e.Actions {
		p.add(Row{Kind: "operation", Name: e.Name + "." + op.Name, Answer: Bound, How: "called on rows as the entity's; its handler: see code", At: p.at(op.Span)})
	}
}

// try compiles a query for each database and looks at its statements.
func (p *prover) try(r *Row, q cqn.Query) {
	for i, db := range p.dbs {
		plan, err := sqlgen.Compile(q, p.m, p.policy.Privileged(), db.Dialect)
		if err != nil {
			var known *sqlgen.Error
			if !errors.As(err, &known) && !errors.Is(err, sqlgen.ErrNotUpdatable) && r.Answer != Hole {
				r.Answer, r.How = Hole, db.Name+": "+err.Error()
			}
			continue // such a request is refused
		}
		p.plan(r, i, plan, 0)
	}
}

func (p *prover) plan(r *Row, db int, plan *sqlgen.Plan, depth int) {
	if plan == nil || depth > 50 {
		return
	}
	p.look(r, db, plan.SQL, plan.Binds)
	for _, c := range plan.Children {
		p.plan(r, db, c.Plan, depth+1)
		if c.One != "" {
			p.look(r, db, c.One, c.Plan.Binds)
		}
	}
}

// conditions looks at the conditions of restrictions, which look at other tables too.
func (p *prover) conditions() {
	for _, c := range p.policy.RowConditions() {
		r := Row{Kind: "condition", Name: c.Rule}
		q := &cqn.Select{From: from(c.Entity), Columns: []cqn.Column{{X: &cqn.Call{Name: "count", Star: true}, As: "n"}}}
		for i, db := range p.dbs {
			if plan, err := sqlgen.Compile(q, p.m, judged{p.policy.Privileged(), c.Entity, c.Where}, db.Dialect); err == nil {
				p.plan(&r, i, plan, 0)
			}
		}
		p.finish(r, c.Entity)
	}
}

// judged is a guard with one condition.
type judged struct {
	sqlgen.Guarder
	entity *csn.Entity
	where  cqn.Expr
}

// Condition implements sqlgen.Guarder.
func (j judged) Condition(e *csn.Entity, use sqlgen.Use) (sqlgen.Condition, error) {
	if e == j.entity {
		return sqlgen.Where(j.where), nil
	}
	return j.Guarder.Condition(e, use)
}

// code says what holds for the application's own code.
func (p *prover) code() {
	p.add(Row{Kind: "code", Name: "handlers before, on and after events; jobs", Answer: Bound, How: "their queries are bound as those above; cds.Privileged keeps the tenant"})
	p.add(Row{Kind: "code", Name: "cds.AsTenant, cds.AllTenants", Answer: Shared, How: "names another tenant; the reason is logged"})
	p.add(Row{Kind: "code", Name: "Database.NativeQuery, NativeExec", Answer: Shared, How: "the database's own SQL in cds.Privileged: nothing binds it; the reason is logged"})
}

// notes are what a reviewer should know though no row shows through it.
func (p *prover) notes() {
	for _, t := range p.policy.TenantTables() {
		e := t.Entity
		if t.Column == nil || t.Column.Key || e.Active != nil || e.Source != nil {
			continue
		}
		for _, k := range e.Keys {
			if s := k.Scalar(); s != nil && s.Kind != csn.UUID && k.ForeignKey == nil {
				p.report.Notes = append(p.report.Notes, fmt.Sprintf(
					"%s: keys are unique over all tenants, so that a new row with the key %s of another tenant's is refused, which tells of it: make %s a key too, or use UUIDs", e.Name, k.Name, t.Column.Name))
				break
			}
		}
	}
	slices.Sort(p.report.Notes)
}
