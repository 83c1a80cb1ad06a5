package sqlgen

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// Guarded is an occurrence of an entity in a statement that a guard was asked about, with the condition that it gave.
type Guarded struct {
	Entity *csn.Entity
	Use    Use
	Where  cqn.Expr // nil for all rows
	SQL    string   // of the condition, as it stands in the statement; "" for all rows
	Binds  []Bind   // parameters of the statement up to there
}

// CompileGuarded is Compile, and tells which conditions the guard has put on which entities. It is for reports that compare guards; requests use Compile.
func CompileGuarded(q cqn.Query, m *csn.Model, g Guarder, d Dialect) (*Plan, []Guarded, error) {
	q, _ = cqn.Parametrize(q)
	tr := &tracer{Guarder: g}
	c := &compiler{m: m, d: d, t: d.Tables(), g: tr}
	p, err := c.withBarrier(func(c *compiler) (*Plan, error) {
		tr.seen = nil
		return c.plan(q)
	})
	return p, tr.seen, err
}

// A tracer is a guard that notes what it is asked and how its answers were written.
type tracer struct {
	Guarder
	seen []Guarded
}

// Condition asks the guard behind.
func (t *tracer) Condition(e *csn.Entity, use Use) (Condition, error) {
	c, err := t.Guarder.Condition(e, use)
	if err == nil {
		x, _ := c.Expr()
		t.seen = append(t.seen, Guarded{Entity: e, Use: use, Where: x})
	}
	return c, err
}

// written notes the SQL of the condition that the guard has just given for a source.
func (sc *scope) written(e *csn.Entity, use Use, sql string) {
	t, ok := sc.g.(*tracer)
	if !ok {
		return
	}
	for i := len(t.seen) - 1; i >= 0; i-- {
		if g := &t.seen[i]; g.Entity == e && g.Use == use && g.SQL == "" {
			g.SQL, g.Binds = sql, sc.binds
			return
		}
	}
}
