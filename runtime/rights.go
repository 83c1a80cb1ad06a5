package cds

import (
	"container/list"
	"context"
	"sync"

	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/authz"
)

// Names of the policy's answers to "what may I do", for doors and handlers.
type (
	Rights          = authz.Rights
	EntityRights    = authz.EntityRights
	OperationRights = authz.OperationRights
	ElementRights   = authz.ElementRights
	Extent          = authz.Extent
)

// The extents of rights: nothing, on a condition, all.
const (
	MayNone = authz.None
	MaySome = authz.Some
	MayAll  = authz.All
)

// maxRights bounds the users' rights that are kept: there is one for each set of roles that users really have.
const maxRights = 200

// Rights returns what the user of ctx may do with the service, as far as it does not depend on single rows: that is Some. The answer is shared, and
// must not be changed. It is for showing or hiding things; whatever is done is decided by itself. Authorizers are asked each time, for what the model allows:
// what they deny, or give no answer about, is None, and what they set a condition for is Some.
func (s *Service) Rights(ctx context.Context) *Rights {
	if sc := scopeOf(ctx); sc != nil && sc.privileged && sc.app == s.App {
		return s.rightsOf(auth.Privileged)
	}
	u := UserFrom(ctx)
	r := s.rightsOf(u)
	if len(s.App.Options.Authorizers) == 0 {
		return r
	}
	return s.askRights(ctx, u, r)
}

// rightsOf is Rights for a user, without Authorizers.
func (s *Service) rightsOf(u *User) *Rights {
	p, now := s.App.Policy.Current(u), s.App.Options.Now().UTC().Format(nowForm)
	key := rightsKey{p, s.Model, p.RightsKey(u, now), false}
	return s.App.inner.rights.get(key, func() *Rights { return p.Rights(u, s.Model, now) })
}

// RoleRightsOf returns what users with the roles of u may do with the service; what depends on anything else about them is Some. For users with equal roles
// it is the same, as long as it is kept. Authorizers are not asked.
func (s *Service) RoleRightsOf(u *User) *Rights {
	if u == nil {
		u = anonymous
	}
	p := s.App.Policy.Current(u)
	key := rightsKey{p, s.Model, p.RoleKey(u), true}
	return s.App.inner.rights.get(key, func() *Rights {
		if p.Unrestricted(u) {
			return p.Rights(u, s.Model, s.App.Options.Now().UTC().Format(nowForm))
		}
		return p.RoleRights(u, s.Model)
	})
}

// A rightsKey is what Rights depend on.
type rightsKey struct {
	policy  *authz.Policy
	service *csn.Service
	user    string
	roles   bool // those of the roles alone
}

// A rightsCache keeps Rights; least recently used ones go first.
type rightsCache struct {
	mu    sync.Mutex
	items map[rightsKey]*list.Element
	order list.List // of *keptRights, the most recent in front
}

type keptRights struct {
	key  rightsKey
	once sync.Once
	r    *Rights
}

// get returns the rights for a key; they are made once, by the first who asks.
func (c *rightsCache) get(key rightsKey, make func() *Rights) *Rights {
	k := c.entry(key)
	k.once.Do(func() { k.r = make() })
	return k.r
}

func (c *rightsCache) entry(key rightsKey) *keptRights {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.items[key]; e != nil {
		c.order.MoveToFront(e)
		return e.Value.(*keptRights)
	}
	if c.items == nil {
		c.items = map[rightsKey]*list.Element{}
	}
	k := &keptRights{key: key}
	c.items[key] = c.order.PushFront(k)
	if c.order.Len() > maxRights {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.items, last.Value.(*keptRights).key)
	}
	return k
}

// ReadOnly reports whether values of an element never come from a payload, whoever writes: computed, managed and calculated ones, and those that are said to be.
func (a *App) ReadOnly(e *csn.Entity, el *csn.Element) bool {
	return a.inner.readOnly != nil && a.inner.readOnly(e, el)
}

// TellReadOnly sets what ReadOnly answers. It belongs before Start, and is for the generic handlers.
func (a *App) TellReadOnly(fn func(e *csn.Entity, el *csn.Element) bool) { a.inner.readOnly = fn }
