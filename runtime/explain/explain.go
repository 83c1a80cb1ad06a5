// Package explain tells people why somebody may or may not do something: the rules that were asked, where they stand, which part of a condition
// fails, what the database is asked, and what little would have to be different. It decides nothing: every answer comes from the policy
// that serves requests.
//
// What it tells is not for users. It belongs to the command line and to servers that are not in production.
package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/eval"
	"cds/runtime/sqlgen"
)

// An Ask is a question: may this user do that?
type Ask struct {
	User  *auth.User // nil is the anonymous one
	Event string     // READ, CREATE, UPDATE, DELETE, UPSERT or the name of an operation; "" is READ, or the operation that Target names
	// Target is the absolute name of a service, an entity, an operation of either, or an element: "S.Orders.total". Associations may follow an entity:
	// "S.Orders/items".
	Target string
	Key    string // of one row: "1", "ID=1,locale=de"; "" for none
}

// A Report is the answer.
type Report struct {
	User       User     `json:"user"`
	Event      string   `json:"event"`
	Target     string   `json:"target"`
	Key        string   `json:"key,omitempty"`
	Verdict    string   `json:"verdict"` // "allow", "allow if", "deny", "mask" for an element in whose place something else is shown, or "missing" where there is no row
	Status     int      `json:"status"`  // of an answer over HTTP
	Why        string   `json:"why"`
	Message    string   `json:"message,omitempty"` // text of the refusal that the model has
	Lacking    []string `json:"lacking,omitempty"` // roles of which one would help
	Steps      []Step   `json:"steps"`
	Condition  string   `json:"condition,omitempty"` // on the rows, all in all
	NewValues  string   `json:"newValues,omitempty"` // condition on what is written
	SQL        string   `json:"sql,omitempty"`
	Dialect    string   `json:"dialect,omitempty"`
	Rows       *Rows    `json:"rows,omitempty"`
	Changes    []string `json:"changes,omitempty"` // the smallest that would allow it, each alone
	NoDatabase bool     `json:"noDatabase,omitempty"`
}

// A User is who asks, as the rules see him.
type User struct {
	ID     string              `json:"id"`
	Tenant string              `json:"tenant,omitempty"`
	Roles  []string            `json:"roles"`
	Attrs  map[string][]string `json:"attrs,omitempty"`
}

// Rows says what conditions hide.
type Rows struct {
	All     int64 `json:"all"`
	Visible int64 `json:"visible"`
	// Found and Fits are about the row with the key.
	Found bool `json:"found,omitempty"`
	Fits  bool `json:"fits,omitempty"`
}

// A Step is one resource that was asked.
type Step struct {
	What   string  `json:"what"`
	On     string  `json:"on"`
	Event  string  `json:"event"`
	At     string  `json:"at,omitempty"`
	Note   string  `json:"note,omitempty"`
	Grants []Grant `json:"grants,omitempty"`
}

// A Grant is one privilege and how far it fits.
type Grant struct {
	Rule    string   `json:"rule"`
	At      string   `json:"at,omitempty"`
	Deny    bool     `json:"deny,omitempty"`
	Grant   []string `json:"grant,omitempty"`
	To      []string `json:"to,omitempty"`
	Where   string   `json:"where,omitempty"`
	Message string   `json:"message,omitempty"`
	// Result is "grants", "denies", "other event", "role" (the user has none of To), or for a condition its truth: "true", "false", "unknown",
	// "for some rows".
	Result string `json:"result"`
	Role   string `json:"role,omitempty"` // by which it fits
	Part   *Part  `json:"part,omitempty"`
}

// A Part is a condition, or a piece of one, with its truth for the row that was asked about.
type Part struct {
	Text   string   `json:"text"`
	Truth  string   `json:"truth"`            // "true", "false", "unknown", "for some rows", "by the database"
	Values []string `json:"values,omitempty"` // what it compared
	Parts  []Part   `json:"parts,omitempty"`  // of and, or
}

// An Error is a question that cannot be answered, with a hint.
type Error struct{ Message, Hint string }

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "\n  hint: " + e.Hint
}

// Of answers a question. Without a database (app.DB is nil) it tells nothing of rows; dialect then says in which SQL conditions are shown, nil for none.
func Of(ctx context.Context, app *cds.App, ask Ask, dialect sqlgen.Dialect) (*Report, error) {
	x := &explainer{ctx: ctx, app: app, user: ask.User, dialect: dialect}
	if x.user == nil {
		x.user = auth.Anonymous
	}
	if app.DB != nil {
		x.dialect = app.DB.Dialect()
	}
	if err := x.resolve(ask); err != nil {
		return nil, err
	}
	t := app.Policy.Trace(x.user, x.access, x.element)
	r := &Report{User: User{x.user.ID, x.user.Tenant, t.Roles, x.user.Attrs}, Event: string(x.access.Event), Target: ask.Target, Key: ask.Key,
		Lacking: t.Decision.Lacking, NoDatabase: app.DB == nil}
	if err := x.findRow(ask.Key); err != nil {
		return nil, err
	}
	if err := x.judge(&t.Decision, r); err != nil {
		return nil, err
	}
	for i := range t.Steps {
		r.Steps = append(r.Steps, x.step(&t.Steps[i]))
	}
	x.query(&t.Decision, r)
	if (r.Status >= 400 || r.Verdict == "mask") && r.Status != 405 && r.Verdict != "missing" {
		r.Changes = x.changes(&t, r)
	}
	return r, nil
}

// An explainer answers one question.
type explainer struct {
	ctx     context.Context
	app     *cds.App
	user    *auth.User
	dialect sqlgen.Dialect
	access  authz.Access
	element *csn.Element
	keyed   bool
	key     cqn.Expr // the condition for the key
	row     *cqn.Row // nil if there is none
	asked   int      // statements, which are bounded
}

func (x *explainer) target() *csn.Entity {
	if n := len(x.access.Path); n > 0 {
		return x.access.Path[n-1]
	}
	return nil
}

func (x *explainer) env(u *auth.User) *eval.Env { return &eval.Env{User: u, Now: x.access.Now} }

// conditions returns what a decision asks of rows, and of new values.
func (x *explainer) conditions(d *authz.Decision) (rows, values cqn.Expr, err error) {
	e := x.target()
	if e == nil || !d.Allowed() || d.Guard == nil {
		return nil, nil, nil
	}
	if x.access.Plain().Event == authz.Create && x.access.Op == nil {
		return nil, d.Check, nil
	}
	c, err := d.Guard.Subject().Condition(e, sqlgen.Root)
	if err != nil {
		return nil, nil, err
	}
	rows, _ = c.Expr()
	return rows, d.Check, nil
}

// judge fills the verdict.
func (x *explainer) judge(d *authz.Decision, r *Report) error {
	if !d.Allowed() {
		r.Verdict, r.Why, r.Message = "deny", strings.Join(d.Rules, "; "), d.Message
		r.Status = map[authz.Verdict]int{authz.Deny401: 401, authz.Deny403: 403, authz.Deny405: 405}[d.Verdict]
		return nil
	}
	rows, values, err := x.conditions(d)
	if err != nil {
		return err
	}
	if x.element != nil {
		if err := d.Guard.Element(x.element, useOf(x.access.Event)); err != nil {
			var f *sqlgen.Forbidden
			r.Verdict, r.Status, r.Why = "deny", 403, "the element is forbidden"
			if errors.As(err, &f) {
				if f.Mask != nil {
					return x.judgeMask(f, r)
				}
				r.Message = f.Message
				r.Why = f.Reason
				if f.Anonymous {
					r.Status = 401
				}
			}
			if x.access.Event == authz.Read {
				r.Why += "; it is left out where nobody names it, and 403 where it is named"
			}
			return nil
		}
	}
	r.Verdict, r.Status, r.Why = "allow", 200, strings.Join(d.Rules, "; ")
	if x.access.Event == authz.Create {
		r.Status = 201
	}
	if values != nil && (x.access.Event == authz.Create || x.access.Event == authz.Update || x.access.Event == authz.Upsert) {
		r.NewValues = cqn.Format(values)
		r.Verdict = "allow if"
	}
	if rows != nil {
		r.Condition, r.Verdict = cqn.Format(rows), "allow if"
	}
	return x.judgeRow(d, rows, r)
}

func useOf(ev authz.Event) sqlgen.Use {
	switch ev {
	case authz.Create:
		return sqlgen.Insert
	case authz.Update, authz.Upsert:
		return sqlgen.Update
	}
	return sqlgen.Root
}

// judgeRow tells what the conditions make of the row with the key, and how many rows they hide.
func (x *explainer) judgeRow(d *authz.Decision, cond cqn.Expr, r *Report) error {
	e := x.target()
	if e == nil || x.app.DB == nil || x.access.Event == authz.Create {
		return nil
	}
	rows := &Rows{}
	var err error
	if rows.All, err = x.count(x.user, nil); err != nil {
		return err
	}
	if rows.Visible = rows.All; cond != nil {
		if rows.Visible, err = x.count(x.user, cond); err != nil {
			return err
		}
	}
	r.Rows = rows
	if !x.keyed {
		return nil
	}
	rows.Found = x.row != nil
	if rows.Found {
		if rows.Fits, err = x.fits(x.user, cond); err != nil {
			return err
		}
	}
	if rows.Fits {
		if r.NewValues == "" {
			r.Verdict = "allow"
		}
		return nil
	}
	r.Verdict, r.Status, r.Why = "missing", 404, "there is no such row"
	if rows.Found {
		r.Verdict, r.Why = "deny", "the row is there, but no grant's condition holds for it: it is hidden"
		if x.access.Event != authz.Read {
			readable, err := x.readable()
			if err != nil {
				return err
			}
			if readable || x.app.Options.Authz.Disclose {
				r.Status, r.Message = 403, d.Message
				r.Why = "the user may read the row, but no condition for " + string(x.access.Event) + " holds for it"
			}
		}
	}
	return nil
}

// readable tells whether the user may read the row.
func (x *explainer) readable() (bool, error) {
	a := x.access
	a.Event, a.Op = authz.Read, nil
	d := x.app.Policy.Decide(x.user, a)
	if !d.Allowed() {
		return false, nil
	}
	c, err := d.Guard.Condition(x.target(), sqlgen.Root)
	if err != nil {
		return false, nil // not to be read
	}
	cond, _ := c.Expr()
	return x.fits(x.user, cond)
}

// query shows what the database is asked.
func (x *explainer) query(d *authz.Decision, r *Report) {
	e := x.target()
	if e == nil || x.dialect == nil || !d.Allowed() || r.Condition == "" {
		return
	}
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Columns: []cqn.Column{{X: &cqn.Call{Name: "count", Star: true}, As: "n"}}}
	p, err := sqlgen.Compile(q, x.app.Model, d.Guard.Subject(), x.dialect)
	if err != nil {
		return
	}
	r.SQL, r.Dialect = p.SQL, x.dialect.Name()
	for i, b := range p.Binds {
		if v := bindText(b); v != "" {
			r.SQL += fmt.Sprintf("\n-- %d: %s", i+1, v)
		}
	}
}

// bindText says what a parameter is filled with.
func bindText(b sqlgen.Bind) string {
	if b.Param.Index == -1 {
		return b.Const.Format()
	}
	p := b.Param
	text := cqn.Format(&p)
	if b.IsNull {
		text += " is null"
	}
	return text
}
