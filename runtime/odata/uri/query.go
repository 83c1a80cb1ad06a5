package uri

import (
	"encoding/base64"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// A Query is what the query options ask of the entity that a path leads to.
type Query struct {
	// Select reads the addressed rows: From, Columns, Where, Search, OrderBy, Limit, Offset.
	Select *cqn.Select
	Count  bool  // $count=true
	Top    int64 // $top, -1 for none
	// Skip is $skip, without the rows that Offset skips because of $skiptoken.
	Skip int64
	// Aggregated tells that the rows are a result of $apply, no rows of the entity any more.
	Aggregated bool
	// Personal tells that MayExpand was asked, so that the query holds for one user only.
	Personal bool
}

// MayExpand says whether $expand=* may take an association along: what is forbidden to the user is left out of a *.
type MayExpand func(from *csn.Entity, via *csn.Element) bool

// Query reads the query options. star may be nil: then * takes all.
func (r *Resource) Query(star MayExpand) (*Query, error) {
	if err := r.checkOptions(); err != nil {
		return nil, err
	}
	m := &struct { // one allocation
		q    Query
		sel  cqn.Select
		from cqn.From
		p    exprParser
		sc   scope
	}{}
	m.from.Path = r.Ref()
	m.sel.From, m.sel.One = &m.from, !r.Many()
	m.q.Top, m.q.Select = -1, &m.sel
	m.p.r = r
	x := expander{p: &m.p, star: star}
	m.sc.e = r.Entity()
	if err := x.options(&m.q, &m.sel, &m.sc, r.options, 0); err != nil {
		return nil, err
	}
	m.q.Personal = x.asked
	r.chooseSide(&m.sel, m.from.Path)
	return &m.q, nil
}

// An expander reads the options of a request and, nested, those of its expands.
type expander struct {
	p     *exprParser
	star  MayExpand
	asked bool // a * was expanded
}

// options fills sel from the options that apply to entity e. depth counts nested expands.
func (x *expander) options(q *Query, sel *cqn.Select, sc *scope, opts []option, depth int) error {
	var st *stage
	if text, ok := find(opts, "$apply"); ok {
		var err error
		if st, err = x.apply(q, sel, sc, text); err != nil {
			return err
		}
		if st.e == nil {
			return x.resultOptions(q, st, opts)
		}
		*sc, *sel = *st.sc, *st.sel
	}
	if text, ok := find(opts, "$compute"); ok {
		if err := x.compute(sc, text); err != nil {
			return err
		}
	}
	e := sc.e
	var out selected
	for _, o := range opts {
		var err error
		switch o.name {
		case "$select":
			out.given = true
			out.selects, err = x.selects(sc, o.value)
		case "$expand":
			out.expands, err = x.expands(e, o.value, depth)
		case "$filter":
			var f cqn.Expr
			if f, err = x.p.filter(o.name, o.value, sc); err == nil {
				sel.Where = conjunction(sel.Where, f)
			}
		case "$orderby":
			var orders []cqn.Order
			if orders, err = x.p.orderBy(o.value, sc); err == nil {
				sel.OrderBy = append(orders, sel.OrderBy...)
			}
		case "$search":
			var f cqn.Expr
			if sel.Search, f, err = x.p.search(o.value); f != nil {
				sel.Where = conjunction(sel.Where, f)
			}
		}
		if err != nil {
			return err
		}
	}
	if err := paging(q, sel, opts); err != nil {
		return err
	}
	out.columns(sel, sc)
	return nil
}

func find(opts []option, name string) (string, bool) {
	for i := range opts {
		if opts[i].name == name {
			return opts[i].value, true
		}
	}
	return "", false
}

// selected is what $select and $expand ask for.
type selected struct {
	given            bool // there is a $select
	selects, expands []cqn.Column
}

// columns sets what the query reads: by default everything, computed properties too.
func (s *selected) columns(sel *cqn.Select, sc *scope) {
	if s.given {
		sel.Columns = columns(sc, s.selects, s.expands)
		return
	}
	if len(s.expands) > 0 || len(sc.names) > 0 {
		sel.Columns = append(append([]cqn.Column{{Star: true}}, sc.computed()...), s.expands...)
	}
}

// computed returns the computed properties as columns.
func (s *scope) computed() []cqn.Column {
	var out []cqn.Column
	for _, n := range s.names {
		out = append(out, cqn.Column{X: n.o.x, As: n.path[0]})
	}
	return out
}

// compute reads $compute.
func (x *expander) compute(sc *scope, text string) error {
	c := &scanner{option: "$compute", s: text}
	names, err := x.p.computes(c, sc)
	if err != nil {
		return err
	}
	if c.blanks(); !c.end() {
		return c.fail("Expected \",\" or end of input")
	}
	sc.names = append(sc.names, names...)
	return nil
}

// columns puts together what a query reads: selected elements, expands, and always the keys.
func columns(sc *scope, selects, expands []cqn.Column) []cqn.Column {
	out := append(selects, expands...)
	if len(selects) > 0 && selects[0].Star {
		return out
	}
	for _, k := range sc.e.Keys {
		if !hasColumn(selects, k.Name) {
			out = append(out, cqn.Column{X: cqn.NewRef(k.Name)})
		}
	}
	if draftEnabled(sc.e) && !hasColumn(selects, csn.DraftActive) {
		out = append(out, cqn.Column{X: cqn.NewRef(csn.DraftActive)})
	}
	return out
}

func hasColumn(cols []cqn.Column, name string) bool {
	for _, c := range cols {
		if c.As == name {
			return true
		}
		if r, ok := c.X.(*cqn.Ref); ok && c.As == "" && len(r.Path) == 1 && r.Path[0].Name == name {
			return true
		}
	}
	return false
}

// selects reads $select. Associations select their foreign keys; paths over associations to one come out flat, as author_name.
func (x *expander) selects(sc *scope, text string) ([]cqn.Column, error) {
	e := sc.e
	// With room for keys and expands; the number of nodes bounds what can be asked.
	out := make([]cqn.Column, 0, min(strings.Count(text, ","), MaxNodes)+1+len(e.Keys)+1)
	star := false
	for item := range strings.SplitSeq(text, ",") {
		name := strings.Trim(item, " \t")
		if name == "*" {
			star = true
			continue
		}
		c := &scanner{option: "$select", s: name}
		w := c.word()
		switch {
		case c.peek() == '@' || strings.ContainsAny(name, "(."):
			return nil, unsupported("%q in $select is not supported", name)
		case w == "":
			return nil, c.fail("Expected a property")
		}
		if err := x.p.node(); err != nil {
			return nil, err
		}
		if n, size := sc.lookup(name); n != nil && size == len(name) {
			if !hasColumn(out, name) {
				out = append(out, cqn.Column{X: n.o.x, As: name})
			}
			continue
		}
		if el := e.Element(name); el != nil && w == name && el.Assoc() == nil && !el.Virtual { // most are this simple
			if !hasColumn(out, name) {
				out = append(out, cqn.Column{X: cqn.NewRef(name)})
			}
			continue
		}
		o, err := x.selectPath(c, e)
		if err != nil {
			return nil, err
		}
		for _, col := range o {
			if as := outName(col); !hasColumn(out, as) {
				out = append(out, col)
			}
		}
	}
	if star {
		out = withoutOwn(out)
		for _, col := range sc.computed() {
			if !hasColumn(out, col.As) {
				out = append(out, col)
			}
		}
		return append([]cqn.Column{{Star: true}}, out...), nil
	}
	return out, nil
}

// withoutOwn keeps the columns that a * does not bring: those over associations.
func withoutOwn(cols []cqn.Column) []cqn.Column {
	var out []cqn.Column
	for _, c := range cols {
		if r, ok := c.X.(*cqn.Ref); !ok || len(r.Path) > 1 || c.As != "" {
			out = append(out, c)
		}
	}
	return out
}

func outName(c cqn.Column) string {
	if c.As != "" {
		return c.As
	}
	r := c.X.(*cqn.Ref)
	return r.Path[len(r.Path)-1].Name
}

func (x *expander) selectPath(c *scanner, e *csn.Entity) ([]cqn.Column, error) {
	var path []string
	for len(path) < MaxPath {
		name := c.word()
		c.i += len(name)
		el := e.Element(name)
		if el == nil {
			return nil, noProperty(name, e)
		}
		path = append(path, name)
		a := el.Assoc()
		if c.end() {
			if el.Virtual { // no column: handlers fill it
				return nil, nil
			}
			if a == nil {
				col := cqn.Column{X: cqn.NewRef(path...)}
				if len(path) > 1 {
					col.As = strings.Join(path, "_")
				}
				return []cqn.Column{col}, nil
			}
			var cols []cqn.Column
			for _, fk := range a.FK {
				fkPath := append(append([]string(nil), path[:len(path)-1]...), fk.Name)
				col := cqn.Column{X: cqn.NewRef(fkPath...)}
				if len(fkPath) > 1 {
					col.As = strings.Join(fkPath, "_")
				}
				cols = append(cols, col)
			}
			return cols, nil
		}
		if !c.accept('/') {
			return nil, c.fail("Expected \",\", \"/\" or end of input")
		}
		if a == nil || a.Many || a.Target == nil || a.Target.Service != x.p.r.Service {
			return nil, bad("Navigation property \"%s\" is not defined in %s", name, e.Name)
		}
		e = a.Target
	}
	return nil, bad("Path in $select has more than %d steps", MaxPath)
}

func number64(o option) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(o.value), 10, 64)
	if err != nil {
		return 0, bad("Parsing URL failed: Expected an integer but %q found in %s.", o.value, o.name)
	}
	return max(n, -1), nil // negative ones count as none
}

func boolean(o option) (bool, error) {
	switch strings.TrimSpace(o.value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, bad("Parsing URL failed: Expected a boolean but %q found in %s.", o.value, o.name)
}

// paging sets Limit and Offset from $top, $skip and $skiptoken, and reads $count. The token of a page within $top holds the rows left and the offset, in
// base64; else it is the number of rows that earlier pages had.
func paging(q *Query, sel *cqn.Select, opts []option) error {
	token := ""
	for _, o := range opts {
		var err error
		switch o.name {
		case "$top":
			q.Top, err = number64(o)
		case "$skip":
			q.Skip, err = number64(o)
		case "$count":
			q.Count, err = boolean(o)
		case "$skiptoken":
			token = o.value
		}
		if err != nil {
			return err
		}
	}
	q.Skip = max(q.Skip, 0)
	top, skip := q.Top, q.Skip
	if token != "" {
		n, err := strconv.ParseInt(token, 10, 63)
		if err != nil || n < 0 {
			var rows int64
			if rows, n, err = decodeToken(token); err != nil {
				return err
			}
			top = rows
		}
		if skip += n; skip < 0 {
			return bad("$skip and $skiptoken are too large")
		}
	}
	if top >= 0 {
		sel.Limit = &cqn.Lit{Value: cqn.Int(top)}
	}
	if skip > 0 {
		sel.Offset = &cqn.Lit{Value: cqn.Int(skip)}
	}
	return nil
}

// Token returns the $skiptoken of a further page: after offset rows since $skip, with rows still wanted of $top, or rows < 0 for no $top.
func Token(rows, offset int64) string {
	n := strconv.FormatInt(offset, 10)
	if rows < 0 {
		return n
	}
	return base64.StdEncoding.EncodeToString([]byte("$rows=" + strconv.FormatInt(rows, 10) + "&$offset=" + n))
}

func decodeToken(token string) (rows, offset int64, err error) {
	raw, err := base64.StdEncoding.DecodeString(token)
	if err == nil {
		r, o, ok := strings.Cut(string(raw), "&")
		if ok && strings.HasPrefix(r, "$rows=") && strings.HasPrefix(o, "$offset=") {
			rows, err = strconv.ParseInt(r[len("$rows="):], 10, 63)
			if err == nil {
				offset, err = strconv.ParseInt(o[len("$offset="):], 10, 63)
			}
			if err == nil && rows >= 0 && offset >= 0 {
				return rows, offset, nil
			}
		}
	}
	return 0, 0, bad("$skiptoken %q was not made by this service", token)
}
