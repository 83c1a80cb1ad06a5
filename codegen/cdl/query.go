package cdl

// query writes what stands behind `as` of a view.
func (w *writer) query(d *obj) {
	if p := d.obj("projection"); p != nil {
		w.add("projection on ")
		w.source(p.obj("from"))
		w.tail(p)
		return
	}
	w.queryOf(d.obj("query"))
}

func (w *writer) queryOf(q *obj) {
	ok, leave := w.enter()
	defer leave()
	if !ok {
		return
	}
	if s := q.obj("SELECT"); s != nil {
		w.add("select ")
		if s.is("distinct") {
			w.add("distinct ")
		}
		w.add("from ")
		w.source(s.obj("from"))
		w.tail(s)
		return
	}
	set := q.obj("SET")
	for i, a := range set.list("args") {
		if i > 0 {
			w.add(" ", set.str("op"), " ")
			if set.is("all") {
				w.add("all ")
			}
		}
		arg, _ := a.(*obj)
		w.add("(")
		w.queryOf(arg)
		w.add(")")
	}
	w.order(set)
}

// source writes what a query reads from.
func (w *writer) source(s *obj) {
	ok, leave := w.enter()
	defer leave()
	switch {
	case !ok || s == nil:
	case s.present("ref"):
		for i, st := range s.list("ref") {
			switch i {
			case 0:
			case 1:
				w.add(":")
			default:
				w.add(".")
			}
			w.step(st, i == 0)
		}
	case s.present("join"):
		args := s.list("args")
		for i, a := range args {
			if i > 0 {
				w.add(" ", s.str("join"), " join ")
			}
			x, _ := a.(*obj)
			nested := x != nil && x.present("join")
			if nested {
				w.add("(")
			}
			w.source(x)
			if nested {
				w.add(")")
			}
		}
		if s.has("on") {
			w.add(" on ")
			w.tokens(s.list("on"))
		}
		return
	default:
		w.add("(")
		w.queryOf(s)
		w.add(")")
	}
	if as := s.str("as"); as != "" {
		w.add(" as ", id(as))
	}
}

// tail writes everything behind the source.
func (w *writer) tail(s *obj) {
	if m := s.obj("mixin"); m != nil {
		w.add(" mixin ")
		w.elements(m, 0)
		w.add(" into")
	}
	if cols, ok := s.get("columns").([]any); ok {
		w.add(" ")
		w.columns(cols, 0)
	} else if s.has("mixin") {
		w.add(" { * }")
	}
	w.excluding(s)
	if s.has("where") {
		w.add(" where ")
		w.tokens(s.list("where"))
	}
	for i, g := range s.list("groupBy") {
		w.add(map[bool]string{true: " group by ", false: ", "}[i == 0])
		if x, ok := g.(*obj); ok {
			w.operand(x, true)
		}
	}
	if s.has("having") {
		w.add(" having ")
		w.tokens(s.list("having"))
	}
	w.order(s)
}

func (w *writer) order(s *obj) {
	for i, o := range s.list("orderBy") {
		w.add(map[bool]string{true: " order by ", false: ", "}[i == 0])
		x, ok := o.(*obj)
		if !ok {
			continue
		}
		w.operand(x, true)
		if sort := x.str("sort"); sort != "" {
			w.add(" ", sort)
		}
		if nulls := x.str("nulls"); nulls != "" {
			w.add(" nulls ", nulls)
		}
	}
	if l := s.obj("limit"); l != nil {
		if rows := l.obj("rows"); rows != nil {
			w.add(" limit ")
			w.operand(rows, true)
		}
		if off := l.obj("offset"); off != nil {
			w.add(" offset ")
			w.operand(off, true)
		}
	}
}

func (w *writer) excluding(s *obj) {
	for i, x := range s.list("excluding") {
		w.add(map[bool]string{true: " excluding { ", false: ", "}[i == 0])
		name, _ := x.(string)
		w.add(id(name))
	}
	if len(s.list("excluding")) > 0 {
		w.add(" }")
	}
}

func (w *writer) columns(cols []any, indent int) {
	ok, leave := w.enter()
	defer leave()
	w.add("{")
	for i, c := range cols {
		if !ok {
			break
		}
		if i > 0 {
			w.add(",")
		}
		w.line(indent + 1)
		if s, star := c.(string); star {
			w.add(s)
		} else if o, is := c.(*obj); is {
			w.column(o, indent+1)
		}
	}
	w.line(indent)
	w.add("}")
}

func (w *writer) column(c *obj, indent int) {
	w.notes(c, indent)
	for _, f := range []string{"key", "virtual", "masked", "localized"} {
		if c.is(f) {
			w.add(f, " ")
		}
	}
	w.plainOperand(c, true)
	if cols, ok := c.get("inline").([]any); ok {
		w.add(".")
		w.columns(cols, indent)
	}
	if as := c.str("as"); as != "" {
		w.add(" as ", id(as))
	}
	if cols, ok := c.get("expand").([]any); ok {
		w.add(" ")
		w.columns(cols, indent)
	}
	w.excluding(c)
	switch cast := c.obj("cast"); {
	case cast == nil:
	case cast.str("type") == "cds.Association":
		w.add(" : redirected to ", path(cast.str("target")))
		w.condition(cast)
	default:
		w.add(" : ")
		w.typ(cast, indent)
	}
}
