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
	}{}
	m.from.Path = r.Ref()
	m.sel.From, m.sel.One = &m.from, !r.Many()
	m.q.Top, m.q.Select = -1, &m.sel
	m.p.r = r
	x := expander{p: &m.p, star: star}
	if err := x.options(&m.q, &m.sel, r.Entity(), r.options, 0); err != nil {
		return nil, err
	}
	m.q.Personal = x.asked
	return &m.q, nil
}

// An expander reads the options of a request and, nested, those of its expands.
type expander struct {
	p     *exprParser
	star  MayExpand
	asked bool // a * was expanded
}

// options fills sel from the options that apply to entity e. depth counts nested expands.
func (x *expander) options(q *Query, sel *cqn.Select, e *csn.Entity, opts []option, depth int) error {
	var selects []cqn.Column
	var expands []cqn.Column
	var token string
	selected := false
	for _, o := range opts {
		var err error
		switch o.name {
		case "$select":
			selected = true
			selects, err = x.selects(e, o.value)
		case "$expand":
			expands, err = x.expands(e, o.value, depth)
		case "$filter":
			var f cqn.Expr
			if f, err = x.p.filter(o.name, o.value, e); err == nil && sel.Where != nil {
				f = &cqn.Binary{Op: cqn.And, L: sel.Where, R: f}
			}
			sel.Where = f
		case "$orderby":
			sel.OrderBy, err = x.p.orderBy(o.value, e)
		case "$search":
			sel.Search, err = searchWords(o.value)
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
	switch {
	case selected:
		sel.Columns = columns(e, selects, expands)
	case len(expands) > 0:
		sel.Columns = append([]cqn.Column{{Star: true}}, expands...)
	}
	return nil
}

// columns puts together what a query reads: selected elements, expands, and always the keys.
func columns(e *csn.Entity, selects, expands []cqn.Column) []cqn.Column {
	out := append(selects, expands...)
	if len(selects) > 0 && selects[0].Star {
		return out
	}
	for _, k := range e.Keys {
		if !hasColumn(selects, k.Name) {
			out = append(out, cqn.Column{X: cqn.NewRef(k.Name)})
		}
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
func (x *expander) selects(e *csn.Entity, text string) ([]cqn.Column, error) {
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
		if w == "" {
			return nil, c.fail("Expected a property")
		}
		if err := x.p.node(); err != nil {
			return nil, err
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
		return append([]cqn.Column{{Star: true}}, withoutOwn(out)...), nil
	}
	return out, nil
}

// withoutOwn keeps the columns that a * does not bring: those over associations.
func withoutOwn(cols []cqn.Column) []cqn.Column {
	var out []cqn.Column
	for _, c := range cols {
		if r := c.X.(*cqn.Ref); len(r.Path) > 1 {
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
func (p *exprParser) orderBy(text string, e *csn.Entity) ([]cqn.Order, error) {
	c := &scanner{option: "$orderby", s: text}
	var out []cqn.Order
	for {
		c.blanks()
		o, err := p.additive(c, e)
		if err != nil {
			return nil, err
		}
		if o.assoc != nil {
			return nil, bad("Association %q can't be used as a value in an expression", o.assoc.Name)
		}
		if o.lit != nil {
			return nil, c.fail("Expected a property or function in place of a constant")
		}
		ord := cqn.Order{X: o.x}
		if w, ok := c.keyword("asc", "desc"); ok {
			ord.Desc = w == "desc"
		}
		out = append(out, ord)
		c.blanks()
		if c.end() {
			return out, nil
		}
		if !c.accept(',') {
			return nil, c.fail("Expected \",\", \"asc\", \"desc\" or end of input")
		}
	}
}

// searchWords reads $search: words and "phrases", all of which must be found.
func searchWords(text string) ([]string, error) {
	var out []string
	s := text
	for {
		s = strings.TrimLeft(s, " \t+")
		if s == "" {
			return out, nil
		}
		if len(out) >= 50 {
			return nil, bad("$search has more than 50 words")
		}
		if s[0] == '"' {
			i := 1
			var b strings.Builder
			for i < len(s) && s[i] != '"' {
				if s[i] == '\\' && i+1 < len(s) {
					i++
				}
				b.WriteByte(s[i])
				i++
			}
			if i >= len(s) {
				return nil, bad("Parsing URL failed: $search lacks a closing quote")
			}
			out = append(out, b.String())
			s = s[i+1:]
			continue
		}
		i := strings.IndexAny(s, " \t+\"")
		if i < 0 {
			i = len(s)
		}
		word := s[:i]
		s = s[i:]
		switch {
		case word == "OR" || word == "NOT" || strings.ContainsAny(word, "()"):
			return nil, unsupported("Only words and phrases, all of which must be found, are supported in $search, not %q", word)
		case word == "AND" && len(out) > 0:
		default:
			out = append(out, word)
		}
	}
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
