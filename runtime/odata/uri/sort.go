package uri

import (
	"slices"

	"cds/parser/cqn"
)

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
