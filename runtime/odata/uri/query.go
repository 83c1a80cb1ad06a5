package uri

import (
	"encoding/base64"
	"slices"
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
	var token string
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
	if err := paging(q, sel, token); err != nil {
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

// apply reads $apply.
func (x *expander) apply(q *Query, sel *cqn.Select, sc *scope, text string) (*stage, error) {
	if sel.One {
		return nil, bad("$apply needs a collection")
	}
	st := newStage(x.p, sc.e, sel)
	c := &scanner{option: "$apply", s: text}
	if err := x.p.sequence(c, st); err != nil {
		return nil, err
	}
	if c.blanks(); !c.end() {
		return nil, c.fail("Expected \"/\" or end of input")
	}
	if st.limited {
		if err := st.open(); err != nil {
			return nil, err
		}
	}
	st.settle()
	q.Aggregated = st.e == nil
	return st, nil
}

// resultOptions reads the options that apply to a result of $apply.
func (x *expander) resultOptions(q *Query, st *stage, opts []option) error {
	var token, pick string
	picked := false
	if text, ok := find(opts, "$compute"); ok {
		c := &scanner{option: "$compute", s: text}
		if err := x.p.applyCompute(c, st); err != nil {
			return err
		}
		if c.blanks(); !c.end() {
			return c.fail("Expected \",\" or end of input")
		}
	}
	for _, o := range opts {
		var err error
		switch o.name {
		case "$select":
			pick, picked = o.value, true
		case "$expand":
			err = bad("The result of $apply has nothing to expand")
		case "$search":
			err = unsupported("$search is not supported on the result of $apply")
		case "$filter":
			if err = st.open(); err == nil {
				var f cqn.Expr
				if f, err = x.p.filter(o.name, o.value, st.sc); err == nil {
					st.and(f)
				}
			}
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
	if text, ok := find(opts, "$orderby"); ok { // last, since the columns stay from here on
		c := &scanner{option: "$orderby", s: text}
		if err := x.p.sortStage(c, st); err != nil {
			return err
		}
		if c.blanks(); !c.end() {
			return c.fail("Expected \",\", \"asc\", \"desc\" or end of input")
		}
	}
	return x.result(q, st, token, pick, picked)
}

// result finishes the query for a result of $apply. Its order is total as far as its columns tell rows apart, for the sake of pages.
func (x *expander) result(q *Query, st *stage, token, pick string, picked bool) error {
	all := func([]string) bool { return true }
	if picked {
		var err error
		if all, err = x.picker(st, pick); err != nil {
			return err
		}
	}
	st.sortByKeys()
	st.settle()
	st.sel.Columns = st.columns(all)
	if err := x.grouping(st); err != nil {
		return err
	}
	q.Select = st.sel
	return paging(q, st.sel, token)
}

// grouping sees to it that columns by which a query groups are there, also where they are not answered.
func (x *expander) grouping(st *stage) error {
	need := false
	for _, list := range [][]cqn.Expr{st.sel.GroupBy, orderExprs(st.sel.OrderBy)} {
		for _, g := range list {
			ref, ok := g.(*cqn.Ref)
			need = need || ok && st.grouped && strings.HasPrefix(ref.Path[0].Name, "#") && !hasColumn(st.sel.Columns, ref.Path[0].Name)
		}
	}
	if len(st.sel.Columns) == 0 {
		return bad("$select leaves nothing of the result of $apply")
	}
	if !need {
		return nil
	}
	names := map[string][]string{}
	for _, c := range st.sel.Columns {
		names[c.As] = c.Out
	}
	if err := st.derive(nil); err != nil {
		return err
	}
	st.settle()
	st.sel.Columns = st.columns(func(out []string) bool {
		for _, n := range names {
			if slices.Equal(n, out) {
				return true
			}
		}
		return false
	})
	return nil
}

func orderExprs(os []cqn.Order) []cqn.Expr {
	out := make([]cqn.Expr, len(os))
	for i := range os {
		out[i] = os[i].X
	}
	return out
}

// picker reads a $select on a result of $apply.
func (x *expander) picker(st *stage, text string) (func([]string) bool, error) {
	var want []string
	for item := range strings.SplitSeq(text, ",") {
		item = strings.Trim(item, " \t")
		if item == "*" {
			return func([]string) bool { return true }, nil
		}
		known := false
		for _, c := range st.cols {
			path := strings.Join(c.out, "/")
			known = known || c.out != nil && (path == item || strings.HasPrefix(path, item+"/"))
		}
		if !known {
			return nil, unknown("Property \"%s\" does not exist in %s", item, st.sc.entityName())
		}
		want = append(want, item)
	}
	return func(out []string) bool {
		path := strings.Join(out, "/")
		return slices.ContainsFunc(want, func(w string) bool { return path == w || strings.HasPrefix(path, w+"/") })
	}, nil
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

// orderBy reads $orderby.
func (p *exprParser) orderBy(text string, sc *scope) ([]cqn.Order, error) {
	c := &scanner{option: "$orderby", s: text}
	items, err := p.sortItems(c, sc)
	if err != nil {
		return nil, err
	}
	if !c.end() {
		return nil, c.fail("Expected \",\", \"asc\", \"desc\" or end of input")
	}
	out := make([]cqn.Order, len(items))
	for i, o := range items {
		out[i] = cqn.Order{X: o.o.x, Desc: o.desc}
	}
	return out, nil
}

// sortItems reads items to sort by, up to what can't belong to them.
func (p *exprParser) sortItems(c *scanner, sc *scope) ([]sortItem, error) {
	var out []sortItem
	for {
		c.blanks()
		o, err := p.or(c, sc)
		if err == nil {
			err = valueOnly(c, o)
		}
		if err != nil {
			return nil, err
		}
		if o.lit != nil {
			return nil, c.fail("Expected a property or function in place of a constant")
		}
		item := sortItem{o: o}
		if w, ok := c.keyword("asc", "desc"); ok {
			item.desc = w == "desc"
		}
		out = append(out, item)
		c.blanks()
		if !c.accept(',') {
			return out, nil
		}
	}
}

// sortStage reads items to sort a stage by; what was sorted before stays so within what is equal now. Groups can be sorted by their columns as
// they are, by anything else only from outside.
func (p *exprParser) sortStage(c *scanner, st *stage) error {
	from := c.i
	if st.limited || !st.grouped {
		if err := st.open(); err != nil {
			return err
		}
	}
	items, err := p.sortItems(c, st.sc)
	if err != nil {
		return err
	}
	if st.grouped && slices.ContainsFunc(items, func(i sortItem) bool { _, plain := i.o.x.(*cqn.Ref); return !plain }) {
		if err := st.open(); err != nil {
			return err
		}
		c.i = from
		if items, err = p.sortItems(c, st.sc); err != nil {
			return err
		}
	}
	st.orders = append(items, st.orders...)
	return nil
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

// paging sets Limit and Offset from $top, $skip and $skiptoken. The token of a page within $top holds the rows left and the offset, in
// base64; else it is the number of rows that earlier pages had.
func paging(q *Query, sel *cqn.Select, token string) error {
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
