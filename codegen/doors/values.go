package doors

import (
	"encoding/json"
	"net/url"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// sample returns a value of an element's type, and how JSON and URLs write it; false if there is none.
func sample(el *csn.Element) (v cqn.Value, lit string, ok bool) {
	t := el.Scalar()
	if t == nil {
		return cqn.Null, "", false
	}
	if all := el.Enum(); len(all) > 0 {
		v = all[0].Val()
		if v.Kind() == cqn.KindString {
			return v, "'" + strings.ReplaceAll(v.Str(), "'", "''") + "'", true
		}
		return v, v.Format(), true
	}
	switch t.Kind {
	case csn.UUID:
		const id = "11111111-1111-4111-8111-111111111111"
		return cqn.String(id), id, true
	case csn.Boolean:
		return cqn.Bool(true), "true", true
	case csn.Integer, csn.UInt8, csn.Int16, csn.Int32, csn.Int64:
		return cqn.Int(1), "1", true
	case csn.Decimal, csn.Double:
		return cqn.Int(1), "1", true
	case csn.Date:
		return cqn.Text(cqn.KindDate, "2020-01-01"), "2020-01-01", true
	case csn.Time:
		return cqn.Text(cqn.KindTime, "12:00:00"), "12:00:00", true
	case csn.DateTime:
		return cqn.Text(cqn.KindDateTime, "2020-01-01T00:00:00Z"), "2020-01-01T00:00:00Z", true
	case csn.Timestamp:
		return cqn.Text(cqn.KindTimestamp, "2020-01-01T00:00:00.000Z"), "2020-01-01T00:00:00.000Z", true
	case csn.String, csn.LargeString:
		return cqn.String("x"), "'x'", true
	}
	return cqn.Null, "", false
}

// keys are values for the keys of an entity.
func keys(e *csn.Entity) *cqn.Row {
	out := cqn.NewRow()
	for _, k := range e.Keys {
		if v, _, ok := sample(k); ok {
			out.Set(k.Name, v)
		}
	}
	return out
}

// key is a key predicate of OData; "" for an entity that cannot be addressed by one.
func key(e *csn.Entity) string {
	var parts []string
	for _, k := range e.Keys {
		_, lit, ok := sample(k)
		if !ok {
			return ""
		}
		if len(e.Keys) > 1 {
			lit = k.Name + "=" + lit
		}
		parts = append(parts, lit)
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, ",") + ")"
}

func keyIs(e *csn.Entity) cqn.Expr {
	var x cqn.Expr
	for _, f := range keys(e).Fields() {
		y := &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(f.Name), R: &cqn.Lit{Value: f.Value}}
		if x == nil {
			x = y
		} else {
			x = &cqn.Binary{Op: cqn.And, L: x, R: y}
		}
	}
	return x
}

// written are the elements that a payload sets: all that a client may, and for a change one of those that are no keys.
func written(e *csn.Entity, create bool) (out []*csn.Element) {
	for _, el := range e.Flat {
		if el.Assoc() != nil || el.Virtual || el.Value() != nil || el.OnRead || el.Internal || el.Key && !create || el.Annotations.Is("readonly") || el.Annotations.Is("Core.Computed") {
			continue
		}
		if _, _, ok := sample(el); !ok || el.Annotations.Get("cds.on.insert") != nil || el.Annotations.Get("cds.on.update") != nil || el.Annotations.Is("tenant") {
			continue
		}
		out = append(out, el)
		if !create {
			return out
		}
	}
	return out
}

func row(e *csn.Entity, create bool) *cqn.Row {
	out := cqn.NewRow()
	for _, el := range written(e, create) {
		v, _, _ := sample(el)
		out.Set(el.Name, v)
	}
	return out
}

func payload(e *csn.Entity, create bool) string { return jsonOf(written(e, create)) }

// jsonOf is a JSON object with a value for each element.
func jsonOf(els []*csn.Element) string {
	out := map[string]any{}
	for _, el := range els {
		v, _, ok := sample(el)
		switch {
		case !ok:
		case v.Kind() == cqn.KindInt:
			out[el.Name] = v.Int()
		case v.Kind() == cqn.KindBool:
			out[el.Name] = v.Bool()
		default:
			out[el.Name] = v.Str()
		}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return "{}"
	}
	return string(b)
}

// arguments are those of a function, in the notation of a URL.
func arguments(params []*csn.Element) string {
	var parts []string
	for _, p := range params {
		if _, lit, ok := sample(p); ok {
			parts = append(parts, p.Name+"="+url.PathEscape(lit))
		}
	}
	return strings.Join(parts, ",")
}
