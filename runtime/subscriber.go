package cds

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"cds/parser/csn"
	"cds/runtime/authz"
)

// maxSubscriptions bounds the subscriptions of users at one time.
const maxSubscriptions = 10_000

// A Subscription is a user's to one event. It is the only way in which events reach users: doors that push to clients subscribe here.
type Subscription struct {
	app    *App
	event  *csn.Event
	user   *User
	fn     func(*EventMessage)
	closed atomic.Bool
}

// subscribers are the subscriptions of users.
type subscribers struct {
	mu  sync.RWMutex
	all []*Subscription
	n   atomic.Int32 // how many, so that events without any cost nothing
}

// SubscribeUser has fn called with every event of the given absolute name that the user may see, until the Subscription is closed. It is for doors that push
// events to clients; handlers of the application use Subscribe.
//
// Who may subscribe is decided by the service, and by @requires and @restrict of the event: the error is an *Error with 401, 403 or, for an event that is not
// there, 404; 503 if there are too many subscriptions. For each event it is decided anew, with the condition on its payload (`where`): what does not hold, or is
// unknown since an element is null, is not delivered. Elements that the user may not read are left out, and who has caused the event is not told. Events of other
// tenants' users are not delivered.
//
// fn is called after the transaction of the emitter was committed, by the goroutine of the emitter: it must not wait. A panic of it is logged. Rights are those of
// u; when they change, as with a new token, or end with a session, the door closes the subscription and asks again.
func (a *App) SubscribeUser(ctx context.Context, u *User, event string, fn func(*EventMessage)) (*Subscription, error) {
	if u == nil {
		u = anonymous
	}
	s, e := a.serviceOf(event)
	if s == nil {
		return nil, Reject(404, "404", "There is no event %q.", event)
	}
	if e == nil { // who may not see the service is not told what it lacks
		if err := s.Admit(ctx, u, authz.Read, nil, nil, nil); err != nil {
			return nil, err
		}
		return nil, Reject(404, "404", "There is no event %q.", event)
	}
	d := a.Policy.Subscribe(u, e, a.nowText())
	if err := denied(&d); err != nil {
		return nil, a.refuseSubscription(ctx, s, u, e, &d, err)
	}
	sub := &Subscription{app: a, event: e, user: u, fn: fn}
	l := &a.inner.subscribers
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) >= maxSubscriptions {
		return nil, Reject(503, "503", "Service Unavailable")
	}
	l.all = append(l.all, sub)
	l.n.Store(int32(len(l.all)))
	return sub, nil
}

func (a *App) nowText() string { return nowText(a.Options.Now().UTC()) }

// serviceOf finds the service that an event's absolute name is in, and the event; nil if it has no such event.
func (a *App) serviceOf(event string) (*Service, *csn.Event) {
	var in *Service
	for _, s := range a.inner.order {
		if local, ok := strings.CutPrefix(event, s.Model.Name+"."); ok {
			if e := s.event(local); e != nil {
				return s, e
			}
			in = s
		}
	}
	return in, nil
}

// refuseSubscription logs a refusal and keeps account of it, as of any other.
func (a *App) refuseSubscription(ctx context.Context, s *Service, u *User, e *csn.Event, d *authz.Decision, err *Error) error {
	reason := strings.Join(d.Rules, "; ")
	a.Options.Log.WarnContext(ctx, "authorization refused", "user", u.ID, "tenant", u.Tenant, "service", s.Model.Name, "event", "SUBSCRIBE", "target", e.Name, "status", err.Status, "reason", reason)
	if acc := a.inner.accounts; acc != nil {
		acc.admitted(ctx, AuditEvent{Kind: AuditDenied, Time: a.Options.Now().UTC(), User: u, Service: s.Model.Name, Event: "SUBSCRIBE", Target: e.Name, Rules: d.Rules, Status: err.Status, Reason: reason})
	}
	a.tellRefused(ctx, Refusal{Status: err.Status, User: u, Event: "SUBSCRIBE", Target: e.Name, Rules: d.Rules})
	return a.translate(err, LocaleFrom(ctx))
}

// Close ends the subscription. When it returns, fn may still be running for an event that was being delivered, but is not called again.
func (s *Subscription) Close() {
	if s.closed.Swap(true) {
		return
	}
	l := &s.app.inner.subscribers
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(slices.Clone(l.all), func(o *Subscription) bool { return o == s })
	l.n.Store(int32(len(l.all)))
}

// deliverToUsers gives an event to the users who have subscribed and may see it.
func (a *App) deliverToUsers(ctx context.Context, m *EventMessage) {
	l := &a.inner.subscribers
	if l.n.Load() == 0 {
		return
	}
	l.mu.RLock()
	all := l.all[:len(l.all):len(l.all)] // Close makes a new list
	l.mu.RUnlock()
	tenant := ""
	if m.User != nil {
		tenant = m.User.Tenant
	}
	for _, s := range all {
		if s.event != m.Event || s.user.Tenant != tenant || s.closed.Load() {
			continue
		}
		data, ok := a.Policy.Deliver(s.user, m.Event, m.Data, a.nowText())
		if !ok {
			continue
		}
		c := &EventMessage{Name: m.Name, Event: m.Event, Data: data, ID: m.ID, Time: m.Time}
		a.safely(ctx, "subscription", func() { s.fn(c) })
	}
}
