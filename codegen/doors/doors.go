// Package doors compares the ways into services: what OData, REST, batches, code, paths, expands and filters come to for the same thing, asked by the same
// people. It runs requests against an empty database and looks at what they were answered and at the conditions in the SQL that was run, not at what the
// policy says that it would do.
package doors

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/crypt"
	"cds/runtime/db"
	"cds/runtime/db/sqlite"
	"cds/runtime/deploy"
	"cds/runtime/generic"
	"cds/runtime/odata"
	"cds/runtime/rest"
	"cds/runtime/sqlgen"
)

// Options say what is compared.
type Options struct {
	Policy  authz.Options
	Service string // only this service; "" for all
}

// The answers of doors.
const (
	Allowed   = "allowed"
	Refused   = "refused"    // 401 or 403
	Nobody    = "nobody"     // 405: whatever the roles
	Unreached = "no answer"  // the request was refused for another reason before anybody could be asked
	Unknown   = "unreadable" // a statement that was run cannot be read again
)

// A Door is what one way into a service came to.
type Door struct {
	Name   string `json:"door"`
	Answer string `json:"answer"`
	Status int    `json:"status"`
	// Where are the conditions on rows of the target, or on new values.
	Where []string `json:"where,omitempty"`
	// Hash is the hash of answer and conditions; doors with equal hashes let the same people do the same.
	Hash string `json:"hash"`
	// Statements is how many statements with a guard were looked at.
	Statements int `json:"statements,omitempty"`
}

// A Row is one operation on one target by one kind of people.
type Row struct {
	Service   string   `json:"service"`
	Target    string   `json:"target"`
	Operation string   `json:"operation"`
	Roles     []string `json:"roles"` // "any" is nobody in particular
	Same      bool     `json:"same"`
	Doors     []Door   `json:"doors"`
}

// A Report is the comparison.
type Report struct {
	Rows        []Row    `json:"rows"`
	Requests    int      `json:"requests"`
	Statements  int      `json:"statements"`
	Differences int      `json:"differences"`
	Notes       []string `json:"notes,omitempty"`
}

// A runner sends requests to an application with an empty database and watches what they come to.
type runner struct {
	app    *cds.App
	opt    Options
	report *Report
	seen   []cds.Observed
	odata  map[*csn.Service]http.Handler
	rest   map[*csn.Service]http.Handler
}

// New compares the doors of a model. Errors are those of serving it.
func New(ctx context.Context, m *csn.Model, opt Options) (*Report, error) {
	pool, err := sqlite.New().Open(ctx, db.Config{URL: ":memory:"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = pool.Close() }()
	if err := deploy.Deploy(ctx, pool, m, nil, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	r := &runner{opt: opt, report: &Report{Rows: []Row{}}, odata: map[*csn.Service]http.Handler{}, rest: map[*csn.Service]http.Handler{}}
	if err := r.serve(ctx, m, pool); err != nil {
		return nil, err
	}
	for _, s := range r.app.Model.Services {
		if opt.Service == "" || s.Name == opt.Service {
			r.service(ctx, s)
		}
	}
	for i := range r.report.Rows {
		if !r.report.Rows[i].Same {
			r.report.Differences++
		}
	}
	return r.report, nil
}

// serve starts the application with all doors for all services.
func (r *runner) serve(ctx context.Context, m *csn.Model, pool db.Pool) error {
	opt := cds.AppOptions{Authz: r.opt.Policy, Log: slog.New(slog.DiscardHandler)}
	if crypt.Needs(m) != nil {
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return err
		}
		ring, err := crypt.New([]crypt.Key{{ID: "doors", Secret: secret}}, crypt.Options{})
		if err != nil {
			return err
		}
		opt.Keys = ring
	}
	app, diags := cds.NewApp(m, opt)
	if app == nil {
		return diags
	}
	generic.Install(app)
	app.Connect(pool)
	app.Observe(func(o cds.Observed) {
		if o.Decision != nil { // the decision belongs to the request, which goes on with it
			d := *o.Decision
			o.Decision = &d
		}
		r.seen = append(r.seen, o)
	})
	app.StandInMasks() // the application's code is not here
	if err := app.Start(ctx); err != nil {
		return err
	}
	r.app = app
	for _, s := range app.Services() {
		r.odata[s.Model] = odata.Mount(s, odata.Options{})
		r.rest[s.Model] = rest.Mount(s, rest.Options{})
	}
	return nil
}

// A person is who asks.
type person struct {
	roles []string
	user  *cds.User
}

// people are nobody in particular, somebody with a login, somebody with each of the roles alone, and somebody with all of them.
func people(roles []string) []person {
	login := func(roles ...string) *cds.User {
		return auth.New(auth.User{ID: "alice", Tenant: "t1"}, append([]string{auth.RoleAuthenticated}, roles...)...)
	}
	out := []person{{[]string{auth.RoleAny}, auth.Anonymous}, {[]string{auth.RoleAuthenticated}, login()}}
	for _, role := range roles {
		out = append(out, person{[]string{role}, login(role)})
	}
	if len(roles) > 1 {
		out = append(out, person{roles, login(roles...)})
	}
	return out
}

// A way is one door with a request: it answers the status.
type way struct {
	name string
	ask  func(ctx context.Context) int
}

// compare sends the requests of all doors for one operation, and adds the row.
func (r *runner) compare(ctx context.Context, row Row, p person, target *csn.Entity, reads bool, ways []way) {
	row.Roles, row.Same = p.roles, true
	if len(ways) == 0 {
		return
	}
	for _, w := range ways {
		r.seen = nil
		r.report.Requests++
		d := Door{Name: w.name, Status: w.ask(r.app.NewContext(ctx, p.user, ""))}
		r.judge(&d, row.Operation, target, reads)
		row.Doors = append(row.Doors, d)
		if row.Operation == string(authz.Create) {
			r.empty(ctx, target)
		}
	}
	first := ""
	for _, d := range row.Doors {
		switch {
		case d.Answer == Unknown:
			row.Same = false
		case d.Answer == Unreached:
		case first == "":
			first = d.Hash
		case first != d.Hash:
			row.Same = false
		}
	}
	r.report.Rows = append(r.report.Rows, row)
}

// empty removes what a door has created, so that the next one finds the same.
func (r *runner) empty(ctx context.Context, e *csn.Entity) {
	table := e.Table()
	if table == nil {
		return
	}
	ctx = r.app.NewContext(ctx, auth.Privileged, "")
	err := cds.Privileged(ctx, "comparison of doors", func(ctx context.Context) error {
		_, err := cds.DB(ctx).Run(ctx, &cqn.Delete{From: cqn.NewRef(table.Name)})
		return err
	})
	if err != nil {
		r.note("%s: rows that were created could not be removed", e.Name)
	}
}

// judge reads what a request came to.
func (r *runner) judge(d *Door, op string, target *csn.Entity, reads bool) {
	d.Answer = answer(d.Status)
	var where []string
	for i := range r.seen {
		o := &r.seen[i]
		if o.Decision != nil {
			where = append(where, r.decided(d, o, op, target)...)
			continue
		}
		if o.Plan == nil || privileged(o.Guard) {
			continue
		}
		found, err := r.guards(o, target, reads)
		if err != nil {
			d.Answer, d.Where = Unknown, []string{err.Error()}
			return
		}
		d.Statements++
		r.report.Statements++
		where = append(where, found...)
	}
	slices.Sort(where)
	d.Where = slices.Compact(where)
	if d.Answer != Allowed { // some rows may have been looked for before something else was refused
		d.Where = slices.DeleteFunc(d.Where, func(s string) bool { return !strings.HasPrefix(s, "new: ") })
	}
	sum := sha256.Sum256([]byte(d.Answer + "\x00" + strings.Join(d.Where, "\x00")))
	d.Hash = hex.EncodeToString(sum[:6])
}

// decided reads a decision about the target: new values are checked by its condition, and payloads that are refused later say nothing of rights.
func (r *runner) decided(d *Door, o *cds.Observed, op string, target *csn.Entity) []string {
	a := &o.Access
	if n := len(a.Path); n == 0 != (target == nil) || n > 0 && a.Path[n-1] != target {
		return nil
	}
	if name := string(a.Event); name != op && (a.Op == nil || a.Op.LocalName() != op) {
		return nil
	}
	if o.Decision.Allowed() {
		if d.Answer == Unreached {
			d.Answer = Allowed
		}
		if o.Decision.Check != nil {
			return []string{"new: " + text(o.Decision.Check)}
		}
	}
	return nil
}

// answer says what a status tells of rights.
func answer(status int) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Refused
	case status == http.StatusMethodNotAllowed:
		return Nobody
	case status < 300, status == http.StatusNotFound, status == http.StatusPreconditionFailed, status == http.StatusNotImplemented:
		return Allowed
	}
	return Unreached
}

// privileged tells the guard of the application's own queries.
func privileged(g sqlgen.Guarder) bool { return g == nil || strings.HasPrefix(g.Key(), "all") }

// errChanged is the error for a statement whose guard cannot be read again.
var errChanged = errors.New("the statement is not the one that its query and guard compile to")

func failedStatement(e *csn.Entity, sql string) error {
	return fmt.Errorf("the condition on %s is not joined with the others by AND in: %s", e.Name, sql)
}
