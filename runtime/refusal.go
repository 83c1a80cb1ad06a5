package cds

import (
	"context"
	"errors"
	"strings"

	"cds/runtime/authz"
)

// A Refusal is why a request was refused, or found less than there may be.
type Refusal struct {
	// Status is 401, 403 or 405; 404 for a row that is missing or hidden, which is not found out; 200 for a list that conditions have left empty.
	Status        int
	User          *User
	Event, Target string
	Rules         []string // those that refused, or whose conditions hold for the rows: see authz.Decision
	At            []string // file:line of each rule; "" where the model does not know
}

// tellRefused calls AppOptions.OnRefused.
func (r *RawRequest) tellRefused(ctx context.Context, status int, rules []string) {
	if r.App().Options.OnRefused == nil {
		return
	}
	f := Refusal{Status: status, User: r.User, Event: string(r.Event), Target: entityName(r.Target), Rules: rules}
	if f.Target == "" && r.Op != nil {
		f.Target = r.Op.Name
	}
	if len(rules) == 1 {
		f.Rules = strings.Split(rules[0], "; ")
	}
	if len(f.Rules) == 1 && f.Rules[0] == "row condition" {
		f.Rules = r.state.decision.Rules
	}
	r.App().tellRefused(ctx, f)
}

// tellRefused adds the places of the rules and calls AppOptions.OnRefused.
func (a *App) tellRefused(ctx context.Context, f Refusal) {
	if a.Options.OnRefused == nil {
		return
	}
	for _, rule := range f.Rules {
		f.At = append(f.At, a.Policy.Position(rule))
	}
	a.Options.OnRefused(ctx, f)
}

// tellHidden tells of rows that may be there and be hidden. Whether they are is not asked.
func (r *RawRequest) tellHidden(ctx context.Context, res *Result, err error) {
	if r.state == nil || r.state.decision.Verdict != authz.AllowIf {
		return
	}
	var e *Error
	switch {
	case errors.As(err, &e) && e.Status == 404:
		r.tellRefused(ctx, 404, r.state.decision.Rules)
	case err == nil && r.Event == authz.Read && res != nil && res.N == 0:
		status := 200
		if res.One {
			status = 404
		}
		r.tellRefused(ctx, status, r.state.decision.Rules)
	}
}
