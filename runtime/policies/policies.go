// Package policies keeps policies as data: rules that people with the right to do so write while the application runs, beside those of the model. They
// narrow what the model allows, or deny it; where the configuration says so, they also grant.
//
// The table is cds_policies. It is no part of any model: no door, query or view reaches it. What it says is compiled into the policy that decides
// every request, so there is no second filter that something could pass by. What does not fit the model denies what it is about, and policies that
// cannot be read for a while deny everything.
package policies

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	cds "cds/runtime"
	"cds/runtime/authz"
)

// Bounds of what is kept.
const (
	maxID     = 64
	maxName   = 255 // characters of names, entities, users, roles, tenants
	maxWhere  = 2000
	maxList   = 100   // events, roles, users of one policy
	maxLength = 20000 // bytes of such a list
	// MaxPolicies is how many policies there may be for the users of one tenant, and how many for those of all tenants, inactive ones too.
	MaxPolicies = 1000
)

// A Policy is a rule as it is kept.
type Policy struct {
	ID     string   `json:"id"`             // letters, digits, dots, hyphens, underscores; unique among those of its tenant
	Name   string   `json:"name,omitempty"` // for people
	Entity string   `json:"entity"`         // entity of a service, a service, or "*"
	Events []string `json:"events,omitempty"`
	Roles  []string `json:"roles,omitempty"` // any of; without roles and users everybody
	Users  []string `json:"users,omitempty"` // ids of users, in addition
	Tenant string   `json:"tenant,omitempty"`
	// Effect is restrict (only rows that fulfil Where), deny, or grant.
	Effect string `json:"effect"`
	Where  string `json:"where,omitempty"` // as where of @restrict
	Active bool   `json:"active"`

	Created    time.Time `json:"createdAt"`
	CreatedBy  string    `json:"createdBy,omitempty"`
	Modified   time.Time `json:"modifiedAt"`
	ModifiedBy string    `json:"modifiedBy,omitempty"`
}

// The errors about policies. ErrInvalid is wrapped by an *Error.
var (
	ErrInvalid  = errors.New("policy is not valid")
	ErrExists   = errors.New("there is a policy with this id")
	ErrNotFound = errors.New("there is no such policy")
	ErrFull     = fmt.Errorf("there are %d policies, more are not taken", MaxPolicies)
)

// An Error says what is wrong with a policy that somebody wants to write.
type Error struct{ ID, Message, Hint string }

func (e *Error) Error() string { return e.Message }

// Unwrap returns ErrInvalid.
func (e *Error) Unwrap() error { return ErrInvalid }

// String describes a policy in one line, for logs and for the audit log.
func (p *Policy) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", p.Effect, p.Entity)
	for _, part := range []struct {
		word string
		list []string
	}{{"events", p.Events}, {"roles", p.Roles}, {"users", p.Users}} {
		if len(part.list) > 0 {
			b.WriteString(" " + part.word + " " + strings.Join(part.list, ", "))
		}
	}
	if p.Tenant != "" {
		b.WriteString(" tenant " + p.Tenant)
	}
	if p.Where != "" {
		b.WriteString(" where " + p.Where)
	}
	if !p.Active {
		b.WriteString(" (inactive)")
	}
	return b.String()
}

// checkForm reports what can be said about a policy without a model.
func (p *Policy) checkForm() error {
	bad := func(format string, args ...any) error { return &Error{ID: p.ID, Message: fmt.Sprintf(format, args...)} }
	if p.ID == "" || len(p.ID) > maxID || strings.ContainsFunc(p.ID, func(r rune) bool { return !idRune(r) }) {
		return bad("the id of a policy has at most %d letters, digits, dots, hyphens and underscores", maxID)
	}
	for _, f := range []struct{ what, text string }{{"name", p.Name}, {"entity", p.Entity}, {"tenant", p.Tenant}} {
		if !readable(f.text) {
			return bad("the %s of a policy has at most %d characters, none of which are control characters", f.what, maxName)
		}
	}
	if p.Entity == "" {
		return bad("a policy names the entity of a service, a service, or * for all of them")
	}
	for _, f := range []struct {
		what string
		list []string
	}{{"events", p.Events}, {"roles", p.Roles}, {"users", p.Users}} {
		if len(f.list) > maxList || len(strings.Join(f.list, "")) > maxLength {
			return bad("a policy has at most %d %s", maxList, f.what)
		}
		if slices.ContainsFunc(f.list, func(s string) bool { return s == "" || !readable(s) }) {
			return bad("the %s of a policy are texts of at most %d characters", f.what, maxName)
		}
	}
	if !utf8.ValidString(p.Where) || len(p.Where) > maxWhere || strings.ContainsFunc(p.Where, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }) {
		return bad("the condition of a policy has at most %d characters, none of which are control characters", maxWhere)
	}
	return nil
}

func idRune(r rune) bool {
	return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '.' || r == '-' || r == '_'
}

func readable(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxName && !strings.ContainsFunc(s, unicode.IsControl)
}

// compiled returns the policy for the policy compiler.
func (p *Policy) compiled(parse cds.ConditionParser) authz.DataPolicy {
	d := authz.DataPolicy{ID: p.ID, Name: p.Name, Entity: p.Entity, Events: p.Events, Roles: p.Roles, Users: p.Users, Tenant: p.Tenant, Effect: authz.Effect(p.Effect), Text: p.Where}
	if err := p.checkForm(); err != nil {
		d.Fault = err.Error()
		return d
	}
	if strings.TrimSpace(p.Where) == "" {
		d.Text = ""
		return d
	}
	x, err := cds.ParseCondition(parse, p.Where)
	if err != nil {
		d.Fault = err.Error()
	}
	d.Where = x
	return d
}
