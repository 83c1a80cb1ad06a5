package sqlgen

import (
	"fmt"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Limits for what a query may ask for; beyond them it is refused as too complex.
const (
	maxSources = 200 // table accesses in one plan
	maxDepth   = 150 // nesting of expressions, subqueries and conditions
	maxExpand  = 12  // nesting of expands
)

// A compiler holds what is common to all statements of a plan.
type compiler struct {
	m         *csn.Model
	d         Dialect
	t         *Tables
	g         Guarder
	view      bool        // makes the text of a view: constants in SQL, variables from the session, everything with the definer's right
	localized bool        // read the localized views where there are some
	body      *csn.Entity // the view that is made
	sources   int         // table accesses so far
	depth     int
	fallible  bool        // an expression of the client may fail on some rows
	guarded   bool        // some rows are hidden from the client
	asks      bool        // a view is read that asks the session, see Plan.Anonymous
	judging   int         // see slice
	barrier   bool        // guarded sources are closed against what is around them, see barrier.go
	tenanted  bool        // rows that belong to tenants are touched, see tenant.go
	unsealing *cqn.Ref    // the path that may end in a sealed element, see sealed.go
	opened    []string    // see rowsecurity.go
	locking   bool        // the query locks the rows that it reads
	reads     *[]tableUse // where the sources of a view are noted; nil for nowhere
}

// A stmt is one SQL statement with its parameters.
type stmt struct {
	*compiler
	binds   []Bind
	aliases int
}

// A scope is where names are looked up: one query, one filter or one condition.
type scope struct {
	*stmt
	parent  *scope             // the enclosing query, for correlated names; nil for filters and conditions
	vars    map[string]*source // variables of any and all; $source and $target of a join
	sources []*source
	self    *source      // what $self is
	definer bool         // table accesses from here are not guarded: conditions of the guard itself, and views
	noJoin  bool         // there is no FROM clause to join to; paths become scalar subqueries
	inner   bool         // a scope around this one is noJoin: so are sources of outer scopes
	mapped  bool         // the source of a write: the table itself, see source.mapped
	columns []cqn.Column // of the query, for $self and ORDER BY
	result  *csn.Entity  // the view that the query is the body of
	own     *source      // its row, for associations that it adds itself
	joins   []*source    // joined for paths, in order
	mix     *source      // has the mixins of the query as its elements
	settled bool         // expressions here are evaluated on rows that the conditions have let through, never before
}

// A source is one occurrence of an entity or subquery in a FROM clause.
type source struct {
	scope    *scope
	entity   *csn.Entity // nil for a derived table
	derived  []outColumn // columns of a derived table
	name     string      // by which expressions may refer to it
	explicit bool        // the name was given by the author: it goes before elements
	alias    string      // SQL alias
	from     string      // table, view or subquery; made by newSource only
	guard    string      // SQL of the guard's condition; "" for all rows
	first    string      // a condition that comes before all others, the guard's too; "" for none
	inner    []string    // conditions behind the barrier, the guard's first; nil for no barrier
	outer    bool        // the source is the first of a subquery: its join with a row outside may go behind the barrier
	on       string      // join condition, for sources joined by paths
	joined   map[string]*source
	mixins   map[*csn.Element]cqn.Expr // of scope.mix: the conditions
	own      bool                      // the row of the view being made: its columns are those of the query itself
	kept     string                    // the table behind a mapped source, without quotes; made by newSource only
	mapped   bool                      // alias stands for the table behind entity: element names are mapped to its columns
	// localized is set if texts are read in the language of the request.
	localized bool
}

// An outColumn is one column that a query puts out.
type outColumn struct {
	name string
	sql  string
	el   *csn.Element
	typ  csn.Type
	seal *csn.Seal
	// masked, if it shows a mask, is the refusal of all uses but showing it.
	masked error
}

func (sc *scope) fail(code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: 400}
}

// enter counts nesting; the caller defers leave.
func (c *compiler) enter() error {
	c.depth++
	if c.depth > maxDepth {
		return &Error{Code: "QUERY_TOO_DEEP", Message: "the query is nested too deeply", Status: 400}
	}
	return nil
}

func (c *compiler) leave() { c.depth-- }

// child returns a scope for a filter or condition on src alone.
func (sc *scope) child(src *source) *scope {
	return &scope{stmt: sc.stmt, sources: []*source{src}, self: sc.self, definer: sc.definer, noJoin: true}
}

// sub returns a scope for a subquery with sources of its own.
func (sc *scope) sub() *scope {
	return &scope{stmt: sc.stmt, self: sc.self, definer: sc.definer, inner: sc.noJoin || sc.inner}
}

// newSource makes an occurrence of an entity. It is the only function that names a table, and it asks the guarder: nothing reads or
// writes rows around it. The condition, in src.guard, must be ANDed by the caller with join, whereOf or the like.
func (sc *scope) newSource(e *csn.Entity, use Use) (*source, error) {
	sc.compiler.sources++
	if sc.compiler.sources > maxSources {
		return nil, sc.fail("QUERY_TOO_COMPLEX", "the query reads too many entities")
	}
	if e == nil {
		return nil, sc.fail("NO_ENTITY", "the association has no target in the database")
	}
	if e.SkipPersistence {
		return nil, &Error{Code: "NO_TABLE", Message: "entity " + e.Name + " is not in the database", Status: 501}
	}
	sc.aliases++
	src := &source{scope: sc, entity: e, alias: "t" + strconv.Itoa(sc.aliases), name: e.Name[strings.LastIndexByte(e.Name, '.')+1:]}
	if len(e.Union) > 0 {
		var err error
		src.from, err = sc.union(e, use) // guarded within
		return src, err
	}
	name := TableName(e)
	if sc.localized && e.Localized && use < Update && (sc.view || !sc.definer) {
		name, src.localized = localizedPrefix+name, true
		sc.compiler.asks = true
	} else if !sc.view && !sc.compiler.asks {
		sc.compiler.asks = !sc.mapped && asksSession(e, 0) || sc.mapped && defaultsAsk(e.Table())
	}
	if sc.mapped {
		src.mapped, name = true, TableName(e.Table())
		src.kept = name
	}
	src.from = Quote(name, sc.d)
	if err := sc.tenant(src, use); err != nil {
		return nil, fmt.Errorf("tenant of %s: %w", e.Name, err)
	}
	if sc.definer {
		sc.open(src, use, name != TableName(e) && !src.mapped, readers)
		if sc.view && sc.body != nil && fallibleView(sc.body, 0) {
			src.shut()
		}
		return src, sc.slice(src)
	}
	return src, sc.protect(src, use, name != TableName(e) && !src.mapped)
}

// protect adds the guarder's condition to a new source.
func (sc *scope) protect(src *source, use Use, localized bool) error {
	e := src.entity
	if sc.g == nil {
		return fmt.Errorf("no guard for %s", e.Name)
	}
	cond, err := sc.g.Condition(e, use)
	if err != nil {
		return err
	}
	x, ok := cond.Expr()
	if !ok {
		return &Forbidden{Entity: e.Name, Reason: "the guard gave no condition"}
	}
	sc.open(src, use, localized, cond.right)
	if x != nil {
		if src.guard != "" && anyFallible(x) {
			sc.compiler.fallible = sc.compiler.fallible || src.mapped
			src.shut()
		}
		gs := &scope{stmt: sc.stmt, sources: []*source{src}, self: src, definer: true, noJoin: true}
		was := sc.compiler.judge(judging)
		f, err := gs.guardCond(src, x, localized)
		sc.compiler.judge(was)
		if err != nil {
			return fmt.Errorf("condition on %s: %w", e.Name, err)
		}
		src.guard = both(src.guard, f.at(precAnd))
		sc.compiler.guarded = true
		sc.written(e, use, f.at(precAnd))
	}
	if src.guard == "" {
		return nil
	}
	if fallibleFilter(e, 0) {
		sc.compiler.fallible = true
	}
	if sc.compiler.barrier && !src.mapped {
		src.enclose()
	}
	return nil
}

// guardCond compiles the guard's condition on a source. What a user may see must not depend on the language, so where the source has translated
// texts and the condition looks at some, it is asked of the original row.
func (sc *scope) guardCond(src *source, x cqn.Expr, localized bool) (frag, error) {
	if !localized || !mentionsLocalized(src.entity, x) {
		return sc.cond(x)
	}
	keys, err := src.keys()
	if err != nil {
		return frag{}, err
	}
	if len(keys) == 0 {
		return frag{}, sc.fail("INVALID_QUERY", "%s has no key, so its condition cannot be judged on translated texts", src.entity.Name)
	}
	in := &scope{stmt: sc.stmt, definer: true}
	was := sc.compiler.judge(judgingNot) // it is the row itself
	orig, err := in.newSource(src.entity, Path)
	sc.compiler.judge(was)
	if err != nil {
		return frag{}, err
	}
	in.sources, in.self = []*source{orig}, orig
	origKeys, err := orig.keys()
	if err != nil {
		return frag{}, err
	}
	f, err := in.cond(x)
	if err != nil {
		return frag{}, err
	}
	return frag{sql: tuple(keys) + " IN (SELECT " + strings.Join(origKeys, ", ") + " FROM " + in.from(orig.table()) + " WHERE " + both(orig.guard, f.at(precAnd)) + ")", prec: precCompare}, nil
}

// mentionsLocalized reports whether a condition may look at a translated element of e itself.
func mentionsLocalized(e *csn.Entity, x cqn.Expr) bool {
	found := false
	cqn.Walk(x, func(n any) bool {
		r, ok := n.(*cqn.Ref)
		if !ok || found {
			return !found
		}
		for _, s := range r.Path { // any step will do: too often costs little, too seldom would be wrong
			el := e.Flat.Lookup(s.Name)
			for el != nil && !found {
				found = el.Localized
				el = el.Origin
			}
		}
		return !found
	})
	return found
}

// table is how a FROM clause writes the source.
func (src *source) table() string {
	from := src.from
	if src.first != "" {
		from = "(SELECT * FROM " + from + " AS " + src.alias + " WHERE " + src.first + " " + src.scope.t.Barrier + ")"
	}
	if src.inner != nil {
		return "(SELECT * FROM " + from + " AS " + src.alias + " WHERE " + strings.Join(src.inner, " AND ") + " " + src.scope.t.Barrier + ") AS " + src.alias
	}
	return from + " AS " + src.alias
}

// column returns the SQL of an element of the source.
func (src *source) column(el *csn.Element) (string, error) {
	name := el.Name
	if src.own {
		f, err := src.scope.ownValue(el.Name)
		return f.at(precConcat + 1), err
	}
	if src.mapped {
		base := tableElement(src.entity, el)
		if base == nil {
			return "", fmt.Errorf("%w: element %s of %s is not a column of its table", ErrNotUpdatable, el.Name, src.entity.Name)
		}
		name = base.Name
	}
	return src.alias + "." + Quote(name, src.scope.d), nil
}

// tableElement returns the column of the table behind a chain of simple projections, nil if there is none.
func tableElement(e *csn.Entity, el *csn.Element) *csn.Element {
	for e.Base != nil {
		if el = el.Origin; el == nil {
			return nil
		}
		e = e.Base
	}
	if e.Source != nil || el.Virtual || el.Value() != nil && !el.Stored {
		return nil
	}
	return el
}

// flat finds the element that a path begins with: structures are passed through to their flat elements. n is the number of steps
// used; the element is an association or the end of the path, or nil.
func flat(e *csn.Entity, path []cqn.Step) (el *csn.Element, n int) {
	name := ""
	for i := range path {
		if i > 0 {
			name += "_"
		}
		name += path[i].Name
		if el := e.Flat.Lookup(name); el != nil {
			return el, i + 1
		}
		if path[i].Filter != nil || len(path[i].Args) > 0 {
			return nil, 0
		}
	}
	return nil, 0
}

// isStruct reports whether a path names a structured element, and returns its parts.
func structParts(e *csn.Entity, path []cqn.Step) []*csn.Element {
	var out []*csn.Element
	for _, el := range e.Flat {
		if len(el.Path()) > len(path) {
			match := true
			for i := range path {
				match = match && el.Path()[i] == path[i].Name
			}
			if match {
				out = append(out, el)
			}
		}
	}
	return out
}

// has reports whether the source has what the path begins with.
func (src *source) has(path []cqn.Step) bool {
	if src.entity == nil {
		return src.derivedColumn(path[0].Name) != nil
	}
	el, _ := flat(src.entity, path)
	return el != nil || len(structParts(src.entity, path)) > 0
}

func (src *source) derivedColumn(name string) *outColumn {
	for i := range src.derived {
		if src.derived[i].name == name {
			return &src.derived[i]
		}
	}
	return nil
}

// base finds the source that a path begins in and the steps that remain.
func (sc *scope) base(r *cqn.Ref) (*source, []cqn.Step, error) {
	if len(r.Path) == 0 {
		return nil, nil, sc.fail("INVALID_PATH", "empty path")
	}
	first, path := r.Path[0].Name, r.Path
	if (first == "$self" || first == "$projection") && len(path) > 1 && sc.self != nil {
		return sc.self, path[1:], nil
	}
	for s := sc; s != nil; s = s.parent {
		if v := s.vars[first]; v != nil {
			return v, path[1:], nil
		}
		if len(path) > 1 {
			for _, src := range s.sources {
				if src.explicit && src.name == first {
					return src, path[1:], nil
				}
			}
		}
		if s.mix != nil && s.mix.has(path) {
			return s.mix, path, nil
		}
		var found *source
		for _, src := range s.sources {
			if src.has(path) {
				if found != nil {
					return nil, nil, sc.fail("AMBIGUOUS_NAME", "%q is ambiguous: it occurs in %s and %s", first, found.name, src.name)
				}
				found = src
			}
		}
		if found != nil {
			return found, path, nil
		}
		if len(path) > 1 {
			for _, src := range s.sources {
				if src.name == first {
					return src, path[1:], nil
				}
			}
		}
		if s.own != nil && s.own.has(path) {
			return s.own, path, nil
		}
	}
	if len(path) == 1 { // the row itself, as in `select B.* from B`
		for _, src := range sc.sources {
			if src.name == first {
				return src, nil, nil
			}
		}
	}
	return nil, nil, sc.unknown(r)
}

func (sc *scope) unknown(r *cqn.Ref) error {
	in := ""
	if len(sc.sources) > 0 && sc.sources[0].entity != nil {
		in = " in " + sc.sources[0].entity.Name
	}
	return sc.fail("UNKNOWN_ELEMENT", "%q does not exist%s", pathText(r), in)
}

// allowed asks the guarder whether the element may be named.
func (sc *scope) allowed(el *csn.Element, use Use) error {
	if sc.definer || sc.g == nil {
		return nil
	}
	return sc.g.Element(el, use)
}
