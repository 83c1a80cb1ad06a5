// Package authzmatrix shows what a compiled policy comes to: who may do what, on which rows, by which annotation. It makes tables for people,
// compares them with signed-off ones, and tells what changes between two models.
//
// Nothing is decided here: every line is the policy's own answer for somebody with certain roles.
package authzmatrix

import (
	"encoding/hex"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
	"cds/runtime/authz"
)

// Format is the number of the files' format.
const Format = 1

// Options say what a matrix is made of.
type Options struct {
	Policy  authz.Options
	Profile string         // of the configuration, for the heading
	Files   *token.FileSet // for places; nil leaves them out
	Doors   func(*csn.Service) []Door
	Service string // only this service
	Role    string // only what somebody with this role alone may do
}

// A Door is a protocol and a path at which a service is served.
type Door struct{ Protocol, Path string }

// The answers of a row.
const (
	Allow  = "allow"
	If     = "if"     // on the row's condition
	Masked = "masked" // something else is shown, as Reason says
	Deny   = "deny"   // a combination of roles takes a right away
	Nobody = "nobody" // whatever the roles
	Served = "served" // of a door
)

// The kinds of rows.
const (
	KindService   = "service"
	KindDoor      = "door"
	KindEntity    = "entity"
	KindElement   = "element"
	KindOperation = "operation"
	KindEvent     = "event"
)

// A Row is one line: who has all of Roles may do Operation with Target, on the condition Where.
//
// The line of an element says what is needed besides the right to its entity. Who has further roles has the rights of all lines that fit.
type Row struct {
	Service   string   `json:"service"`
	Kind      string   `json:"kind"`
	Target    string   `json:"target"`            // absolute name; with a path over compositions, "S.Orders/items"
	Element   string   `json:"element,omitempty"` // of an element's line
	Operation string   `json:"operation"`
	Roles     []string `json:"roles,omitempty"` // all are needed; none for Nobody and Served
	Answer    string   `json:"answer"`
	Where     string   `json:"where,omitempty"`     // "" for none
	NewValues string   `json:"newValues,omitempty"` // what new values must fulfil where that differs from Where
	Reason    string   `json:"reason,omitempty"`    // of Nobody; of Masked, and of If for other rows, what is shown
	Rules     []string `json:"rules,omitempty"`     // annotations that decided
	At        []string `json:"at,omitempty"`        // their places, file:line

	right  *right
	entity *csn.Entity // for places and types
	span   token.Span  // of what it is about
}

// A Matrix is the table of a model.
type Matrix struct {
	Format  int      `json:"format"`
	Model   string   `json:"model"`  // the model's fingerprint
	Policy  string   `json:"policy"` // the policy's
	Profile string   `json:"profile,omitempty"`
	Login   bool     `json:"login"` // services without a restriction demand a login
	Roles   []string `json:"roles"`
	Notes   []string `json:"notes,omitempty"`
	Rows    []Row    `json:"rows"`

	cells []cell
}

// A cell is what rows are about: one operation on one target.
type cell struct {
	row   Row // without what depends on roles
	roles []string
	ask   asker
}

func (c *cell) key() string {
	return strings.Join([]string{c.row.Service, c.row.Kind, c.row.Target, c.row.Element, c.row.Operation}, "\x00")
}

// New makes the matrix of a model. The list has what the policy compiler found.
func New(m *csn.Model, opt Options) (*Matrix, diag.List) {
	b, diags := prepared(m, opt)
	if b == nil {
		return nil, diags
	}
	b.fill()
	return b.out, diags
}

// Check compiles the policy of a model and returns its digest and what the policy compiler found.
func Check(m *csn.Model, opt Options) (digest string, found diag.List) {
	b, found := prepared(m, opt)
	if b == nil {
		return "", found
	}
	return b.out.Policy, found
}

type builder struct {
	model  *csn.Model
	policy *authz.Policy
	opt    Options
	out    *Matrix
}

// prepared compiles the policy and lists what there is to ask; nil if the model can't be served.
func prepared(m *csn.Model, opt Options) (*builder, diag.List) {
	print := m.Fingerprint()
	full, diags := csn.WithDrafts(m, "")
	if full == nil {
		return nil, diags
	}
	policy, found := authz.Compile(full, opt.Policy)
	b := &builder{model: full, policy: policy, opt: opt}
	b.out = &Matrix{Format: Format, Model: hex.EncodeToString(print[:]), Policy: policy.Digest(), Profile: opt.Profile, Login: opt.Policy.RestrictAllServices,
		Roles: policy.Roles(nil), Rows: []Row{}}
	if b.out.Roles == nil {
		b.out.Roles = []string{}
	}
	for _, s := range full.Services {
		if opt.Service == "" || s.Name == opt.Service {
			b.service(s)
		}
	}
	return b, append(diags, found...)
}

// fill asks for all cells.
func (b *builder) fill() {
	limited := 0
	for i := range b.out.cells {
		c := &b.out.cells[i]
		if n := len(c.roles); n > most(n) {
			limited = max(limited, n)
		}
		b.rows(c)
	}
	if limited > 0 {
		b.out.Notes = append(b.out.Notes, note(limited))
	}
}

// rows adds the lines of one cell.
func (b *builder) rows(c *cell) {
	if c.ask == nil {
		b.add(c.row, c.row.Rules)
		return
	}
	list := combinations(c.roles, c.ask)
	if len(list) == 0 {
		r := rightOf(nil, c.ask(append(slices.Clone(c.roles), base()[1]...)))
		row := c.row
		row.Answer, row.Reason, row.right = Nobody, r.refusal, r
		if len(c.roles) > most(len(c.roles)) && row.Reason == "" {
			row.Reason = "nobody with up to " + itoa(most(len(c.roles))) + " roles, or with all of them"
		}
		if row.Reason == "" && len(r.rules) > 0 {
			row.Reason = reason(r.rules[len(r.rules)-1])
		}
		b.add(row, r.rules)
		return
	}
	for _, r := range list {
		row := c.row
		row.Roles, row.right = r.roles, r
		switch {
		case r.none() && r.masked != "":
			row.Answer, row.Reason = Masked, r.masked
		case r.none():
			row.Answer = Deny
		case r.where.String() == "" && r.check.String() == "":
			row.Answer = Allow
		default:
			row.Answer, row.Where = If, r.where.String()
			if !r.check.equal(r.where) {
				row.NewValues = r.check.String()
			}
			row.Reason = r.masked
		}
		b.add(row, r.rules)
	}
}

// reason says in short why nobody may.
func reason(rule string) string {
	if strings.Contains(rule, ": no grant of ") {
		return "not granted"
	}
	return rule
}

// add adds a line, if it is wanted.
func (b *builder) add(row Row, rules []string) {
	if b.opt.Role != "" {
		if len(row.Roles) == 0 {
			return
		}
		for _, r := range row.Roles {
			if r != b.opt.Role && !slices.ContainsFunc(base(), func(s []string) bool { return s[0] == r }) {
				return
			}
		}
	}
	b.fillPlaces(&row, rules)
	b.out.Rows = append(b.out.Rows, row)
}

// fillPlaces names the rules that decided and where they stand.
func (b *builder) fillPlaces(row *Row, rules []string) {
	row.Rules, row.At = nil, nil
	for _, name := range rules {
		if name == ruleLogin {
			row.Rules = addOnce(row.Rules, name)
		}
		if span, ok := b.policy.RuleSpan(ruleName(name)); ok {
			row.Rules = addOnce(row.Rules, ruleName(name))
			if at := b.place(span); at != "" {
				row.At = addOnce(row.At, at)
			}
		}
	}
	if row.At == nil {
		if at := b.place(row.span); at != "" {
			row.At = []string{at}
		}
	}
}

// ruleLogin is the name of the rule that demands a login of services without a restriction.
const ruleLogin = "restrict_all_services"

// ruleName cuts what an explanation adds to the name of a rule.
func ruleName(s string) string {
	name, _, _ := strings.Cut(s, ": ")
	return name
}

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (b *builder) place(sp token.Span) string {
	if b.opt.Files == nil || !sp.Valid() {
		return ""
	}
	p := b.opt.Files.Position(sp)
	if p.File == "" {
		return ""
	}
	return p.File + ":" + itoa(p.Line)
}
