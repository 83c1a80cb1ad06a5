package cds

import (
	"context"
	"time"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// maxAsking is how long Authorizers are asked about the rights on a service, all in all. What they were not asked about by then is not allowed.
const maxAsking = 10 * time.Second

// A rightsAsker asks Authorizers about rights as requests would: about the request itself, about the rows, and about what these are parts of.
type rightsAsker struct {
	ctx     context.Context
	service *Service
	user    *User
	now     string
	answers []narrowed // about rows: each is asked for once
	failed  bool
}

// askRights returns what Authorizers leave of rights.
func (s *Service) askRights(ctx context.Context, u *User, r *Rights) *Rights {
	ctx, cancel := context.WithTimeout(ctx, maxAsking)
	defer cancel()
	z := rightsAsker{ctx: ctx, service: s, user: u, now: s.App.Options.Now().UTC().Format(nowForm)}
	return r.Narrowed(z.extent)
}

// extent returns how much Authorizers leave of one right. Where one gives no answer, that is nothing.
func (z *rightsAsker) extent(e *EntityRights, ev Event, op *csn.Operation) Extent {
	where, err := z.ask(e, ev, op)
	switch {
	case err != nil:
		z.note(err)
		return MayNone
	case where != nil:
		return MaySome
	}
	return MayAll
}

func (z *rightsAsker) ask(e *EntityRights, ev Event, op *csn.Operation) (cqn.Expr, error) {
	if err := z.ctx.Err(); err != nil {
		return nil, err
	}
	s := z.service
	r := &RawRequest{Event: ev, Service: s, Op: op, User: z.user}
	if e != nil {
		r.Target, r.Path, r.Via = e.Entity, e.Path, e.Via
	}
	r.state = &state{unit: &unit{app: s.App, nowText: z.now}, scope: &scope{app: s.App, user: z.user}, quiet: true,
		access: authz.Access{Service: s.Model, Event: ev, Path: r.Path, Via: r.Via, Op: op, Now: z.now}}
	n := &narrower{ctx: z.ctx, r: r, answers: z.answers}
	defer func() { z.answers = n.answers }()
	where, err := n.ask(Access{User: z.user, Event: ev, Service: s.Model, Target: r.Target, Op: op, Request: true})
	if err != nil || e == nil || op != nil && op.Collection {
		return where, err
	}
	if len(e.Path) > 1 && ev != authz.Read { // the way there leads over what it is a part of
		c := climber{n: n}
		if _, err := c.follow(e.Entity, authz.Read); err != nil {
			return nil, err
		}
	}
	rows, err := n.whereOf(e.Entity, useOf(ev))
	return and(where, rows), err
}

// useOf is what an event, or an operation on a row, does with rows.
func useOf(ev Event) sqlgen.Use {
	switch ev {
	case authz.Read:
		return sqlgen.Root
	case authz.Create:
		return sqlgen.Insert
	case authz.Delete:
		return sqlgen.Delete
	}
	return sqlgen.Update
}

// note logs why rights are not shown, once. What is denied is no failure.
func (z *rightsAsker) note(err error) {
	if status := AsError(err).Status; z.failed || status == 401 || status == 403 {
		return
	}
	z.failed = true
	z.service.App.Options.Log.WarnContext(z.ctx, "an Authorizer gives no answer, so rights are shown as none", "service", z.service.Model.Name, "user", z.user.ID, "err", err.Error())
}
