package sqlgen

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Functions that are more than a template. Their first argument is no value:
//
//	cds.count(exists path[pred])       the number of rows at the end of a path
//	cds.sum(exists path[pred], x)      an aggregate of x over these rows; also cds.min, cds.max, cds.avg, cds.number (of values that are not null)
//	cds.words('raven')                 whether the word is in some searchable element of the row
var special = map[string]string{"cds.count": "count(*)", "cds.sum": "sum(", "cds.min": "min(", "cds.max": "max(", "cds.number": "count("}

// specialCall compiles a function that is more than a template; ok is false for all others.
func (sc *scope) specialCall(x *cqn.Call) (f frag, ok bool, err error) {
	name := strings.ToLower(x.Name)
	if name == "cds.words" && len(x.Args) == 1 {
		f, err = sc.words(x.Args[0])
		return f, true, err
	}
	if name == "cds.hash" {
		f, err = sc.hash(x)
		return f, true, err
	}
	head, ok := special[name]
	if !ok {
		return frag{}, false, nil
	}
	want := 2
	if name == "cds.count" {
		want = 1
	}
	if len(x.Args) != want {
		return frag{}, true, sc.fail("INVALID_EXPRESSION", "function %s takes %d arguments, not %d", x.Name, want, len(x.Args))
	}
	rows, ok := x.Args[0].(*cqn.Exists)
	if !ok || rows.Inverse != "" {
		return frag{}, true, sc.fail("INVALID_EXPRESSION", "function %s needs a path over associations", x.Name)
	}
	typ := typeInt64
	sql, err := sc.related(rows, func(in *scope) (string, error) {
		if want == 1 {
			return head, nil
		}
		v, err := in.expr(x.Args[1], hint{})
		if err == nil && name != "cds.number" {
			typ, err = v.typ, in.aggregable(name, v.typ)
		}
		return head + v.sql + ")", err
	})
	return frag{sql: sql, typ: typ}, true, err
}

// words compiles the search for one word or phrase as a condition, which is never unknown.
func (sc *scope) words(term cqn.Expr) (frag, error) {
	if len(sc.sources) != 1 || sc.sources[0].entity == nil {
		return frag{}, sc.fail("INVALID_QUERY", "only entities can be searched")
	}
	src := sc.sources[0]
	in := *sc
	in.vars = map[string]*source{searched: src}
	for name, v := range sc.vars {
		in.vars[name] = v
	}
	var found []string
	for _, p := range sc.searchable(src.entity) {
		f, err := in.cond(&cqn.Call{Name: "cds.search", Args: []cqn.Expr{p, term}})
		if err != nil {
			return frag{}, err
		}
		found = append(found, f.at(precOr))
	}
	if len(found) == 0 {
		return frag{sql: sc.t.False, typ: typeBool}, nil
	}
	return frag{sql: "coalesce(" + strings.Join(found, " OR ") + ", " + sc.t.False + ")", typ: typeBool}, nil
}

// aggregable refuses aggregates of what cannot be added up or compared, before a database does.
func (sc *scope) aggregable(name string, t *csn.Builtin) error {
	if t == nil {
		return nil
	}
	ok := true
	switch name {
	case "sum", "avg", "average", "total", "cds.sum":
		ok = numeric(t)
	case "min", "max", "cds.min", "cds.max":
		switch t.Kind {
		case csn.Boolean, csn.Binary, csn.LargeBinary, csn.Map, csn.Vector:
			ok = false
		}
	}
	if !ok {
		return sc.fail("INVALID_EXPRESSION", "%s of values of type %s is not possible", strings.TrimPrefix(name, "cds."), strings.TrimPrefix(t.Name, "cds."))
	}
	return nil
}
