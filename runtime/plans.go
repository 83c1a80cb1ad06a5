package cds

import (
	"container/list"
	"sync"
	"sync/atomic"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// maxPlans bounds the plan cache: shapes come from outside.
const maxPlans = 2000

// maxShape bounds the key of a cached plan in bytes. Longer shapes are compiled anew each time.
const maxShape = 16 << 10

// A plan is compiled SQL with what reading its rows takes.
type plan struct {
	*sqlgen.Plan
	asked    []askedFor // what the guard was asked while compiling
	encoders [4]atomic.Pointer[encoder]
}

type askedFor struct {
	entity *csn.Entity
	use    sqlgen.Use
}

// A planCache keeps plans by shape and guard, least recently used ones go first. The model and the dialect belong to the App, so they need
// no place in the key.
type planCache struct {
	mu    sync.Mutex
	max   int
	items map[string]*list.Element
	order list.List // of *cached, the most recent in front
}

type cached struct {
	key  string
	plan *plan
}

func newPlanCache(max int) *planCache {
	return &planCache{max: max, items: make(map[string]*list.Element)}
}

func (c *planCache) get(key []byte) *plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[string(key)]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).plan
}

func (c *planCache) put(key string, p *plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.items[key]; e != nil {
		e.Value.(*cached).plan = p
		c.order.MoveToFront(e)
		return
	}
	c.items[key] = c.order.PushFront(&cached{key, p})
	if c.order.Len() > c.max {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.items, last.Value.(*cached).key)
	}
}

// guardRecorder notes what a guard is asked for.
type guardRecorder struct {
	sqlgen.Guarder
	asked []askedFor
}

// Condition asks the guard behind.
func (r *guardRecorder) Condition(e *csn.Entity, use sqlgen.Use) (sqlgen.Condition, error) {
	r.asked = append(r.asked, askedFor{e, use})
	return r.Guarder.Condition(e, use)
}

// buffers are memory for finding a plan and running it.
type buffers struct {
	key   []byte
	lits  []cqn.Value
	binds []cqn.Value
}

var bufferPool = sync.Pool{New: func() any { return new(buffers) }}

// release forgets the values, which belong to a request, and keeps the memory.
func (b *buffers) release() {
	clear(b.lits[:cap(b.lits)])
	clear(b.binds[:cap(b.binds)])
	if cap(b.key) <= maxShape && cap(b.lits)+cap(b.binds) <= maxValues {
		bufferPool.Put(b)
	}
}

// maxValues bounds the values of buffers that are kept.
const maxValues = 256

// plan returns the plan for a query under a guard, compiled on a miss, and leaves the query's literals in buf.
// Where Authorizers narrow, plans are found in two steps: the first key leads to the entities that the plan touches, the second has what
// Authorizers say about them.
func (a *App) plan(q cqn.Query, g sqlgen.Guarder, buf *buffers) (*plan, error) {
	p, err := a.findPlan(q, g, buf)
	if a.inner.observer != nil {
		a.observed(q, g, p, err)
	}
	return p, err
}

func (a *App) findPlan(q cqn.Query, g sqlgen.Guarder, buf *buffers) (*plan, error) {
	buf.key, buf.lits = cqn.AppendShape(buf.key[:0], buf.lits[:0], q)
	buf.key = append(buf.key, '/')
	buf.key = appendKey(buf.key, g)
	p := a.inner.plans.get(buf.key)
	n := narrowerOf(g)
	if p != nil && n != nil {
		second, err := n.narrowKey(p.asked)
		if err != nil {
			return nil, err
		}
		buf.key = append(append(buf.key, '#'), second...)
		p = a.inner.plans.get(buf.key)
	}
	if p != nil {
		return p, nil
	}
	return a.compile(q, g, n, buf.key)
}

// appendKey appends the key of a guard, without an allocation where the guard can do so.
func appendKey(b []byte, g sqlgen.Guarder) []byte {
	if k, ok := g.(interface{ AppendKey([]byte) []byte }); ok {
		return k.AppendKey(b)
	}
	return append(b, g.Key()...)
}

func (a *App) compile(q cqn.Query, g sqlgen.Guarder, n *narrower, key []byte) (*plan, error) {
	if a.DB == nil {
		return nil, errNoDB
	}
	pq, _ := cqn.Parametrize(q)
	rec := &guardRecorder{Guarder: g}
	sp, err := sqlgen.Compile(pq, a.Model, rec, a.DB.Dialect())
	if err != nil {
		return nil, err
	}
	p := &plan{Plan: sp, asked: rec.asked}
	if len(key) > maxShape {
		return p, nil
	}
	if n == nil {
		a.inner.plans.put(string(key), p)
		return p, nil
	}
	// key may be the first one or, with '#', the second one already.
	first, _ := cqn.AppendShape(nil, nil, q)
	first = append(append(first, '/'), g.Key()...)
	second, err := n.narrowKey(p.asked)
	if err != nil {
		return nil, err
	}
	a.inner.plans.put(string(first), p)
	a.inner.plans.put(string(first)+"#"+second, p)
	return p, nil
}

// A guardWrapper changes the questions to a guard.
type guardWrapper interface{ unwrap() sqlgen.Guarder }

func narrowerOf(g sqlgen.Guarder) *narrower {
	for {
		switch x := g.(type) {
		case *narrower:
			return x
		case guardWrapper:
			g = x.unwrap()
		default:
			return nil
		}
	}
}

// asUse is a guard under which the root of a query counts as a subject of a write: rows that may be changed, not rows that may be read.
type asUse struct {
	sqlgen.Guarder
	use sqlgen.Use
}

// Condition asks the guard behind, for the write instead of the root.
func (w asUse) Condition(e *csn.Entity, use sqlgen.Use) (sqlgen.Condition, error) {
	if use == sqlgen.Root {
		use = w.use
	}
	return w.Guarder.Condition(e, use)
}

// Key differs from the key of the guard behind.
func (w asUse) Key() string { return w.Guarder.Key() + "/as" + string(rune('0'+w.use)) }

func (w asUse) unwrap() sqlgen.Guarder { return w.Guarder }
