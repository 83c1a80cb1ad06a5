package authztest

import (
	"fmt"
	"maps"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/auth"
	"cds/runtime/eval"
)

// newKey numbers the keys of rows that cases create: none of the rows that are there has them.
const newKey = 900001

// managed returns what the framework writes to an element on insert or update, for a user; false if it leaves it alone.
func (w *world) managed(el *csn.Element, annotation string, u *auth.User) (cqn.Value, bool) {
	v := el.Annotations.Get(annotation)
	if v == nil {
		v = el.Annotations.Get(annotation + ".=")
	}
	if v == nil || v.Kind == cqn.AnnoNull {
		return cqn.Null, false
	}
	name := v.Text
	if p, ok := v.Expr.(*cqn.Param); ok {
		name = cqn.Format(p)
	}
	switch name {
	case "$user", "$user.id":
		return cqn.String(u.ID), true
	case "$now":
		if t := el.Scalar(); t != nil && t.Kind == csn.Timestamp {
			return cqn.Text(cqn.KindTimestamp, w.now), true
		}
		out, _ := eval.Convert(w.now, el.Scalar())
		return out, true
	case "$user.tenant", "$tenant":
		return cqn.String(u.Tenant), u.Tenant != ""
	}
	return cqn.Null, true // something else, which is not known
}

// sendable reports whether a client may send an element, as far as that is no question of rights.
func sendable(el *csn.Element) bool {
	a := el.Annotations
	switch {
	case el.Assoc() != nil, el.Virtual, el.Internal, el.Value() != nil, el.Scalar() == nil, a.Is("readonly"), a.Is("Core.Computed"), a.Is("tenant"), a.Is("odata.etag"):
		return false
	case a.Get("cds.on.insert") != nil, a.Get("cds.on.update") != nil, a.Get("cds.on.insert.=") != nil, a.Get("cds.on.update.=") != nil:
		return false
	case strings.HasPrefix(el.Name, "DraftAdministrativeData"):
		return false
	}
	if fk := el.ForeignKey; fk != nil && (fk.Annotations.Is("readonly") || fk.Annotations.Is("Core.Computed")) {
		return false
	}
	if el.Origin == nil && el.Owner != nil && el.Owner.Source != nil {
		return false // computed by the view
	}
	switch el.Scalar().Kind {
	case csn.Binary, csn.LargeBinary, csn.Vector, csn.Map:
		return false
	}
	return true
}

// restricted reports whether an element has rules of its own.
func (w *world) restricted(el *csn.Element) bool {
	masked := false
	for i := range el.Annotations {
		masked = masked || el.Annotations[i].Name == "mask" || strings.HasPrefix(el.Annotations[i].Name, "mask.")
	}
	if fk := el.ForeignKey; fk != nil && w.policy.rules[fk] != nil {
		return true
	}
	return masked || w.policy.rules[el] != nil
}

// newcomer makes a new row like one that is there, and what a client sends to create it; nil if that can't be done.
func (w *world) newcomer(u *auth.User, like *row) (*row, *cqn.Row) {
	e := like.e
	out := &row{e: e, values: map[string]cqn.Value{}, tenant: like.tenant}
	if like.tenant != "" {
		out.tenant = u.Tenant
	}
	body := cqn.NewRow()
	fresh := false
	for _, el := range e.Flat {
		if el.Assoc() != nil || el.Virtual {
			continue
		}
		v := like.values[el.Name]
		switch m, ok := w.managed(el, "cds.on.insert", u); {
		case ok:
			v = m
		case el.Key && el.ForeignKey == nil:
			n, made := unique(el, newKey)
			if !made {
				return nil, nil
			}
			v, fresh = n, true
			body.Set(el.Name, v)
		case !sendable(el) || w.restricted(el):
			v = cqn.Null
			if l, ok := el.Default().(*cqn.Lit); ok {
				v = l.Value
			}
		case v.IsNull() && (el.NotNull || el.Annotations.Is("mandatory") || el.ForeignKey != nil && el.ForeignKey.Annotations.Is("mandatory")):
			return nil, nil
		case !fits(v, el):
			return nil, nil
		default:
			body.Set(el.Name, v)
		}
		out.values[el.Name] = v
	}
	if !fresh {
		return nil, nil
	}
	return out, body
}

// untouched is a change of a row that changes nothing: an element gets the value that it has.
func (w *world) untouched(r *row) *cqn.Row {
	for _, el := range r.e.Flat {
		v := r.values[el.Name]
		if el.Key || el.ForeignKey != nil || v.IsNull() || !sendable(el) || w.restricted(el) || !fits(v, el) || el.Annotations.Is("Core.Immutable") {
			continue
		}
		return cqn.NewRow(cqn.Field{Name: el.Name, Value: v})
	}
	return cqn.NewRow()
}

// changes are new values for a row that conditions compare with something.
func (w *world) changes(r *row) []*cqn.Row {
	var out []*cqn.Row
	for _, el := range r.e.Flat {
		b := bottom(el)
		if el.Key || el.ForeignKey != nil || !sendable(el) || w.restricted(el) || b.Owner == nil || !w.spare.compared(b) || el.Annotations.Is("Core.Immutable") {
			continue
		}
		p := w.spare.pools.of("el:" + b.Owner.Name + "." + b.Name)
		if p == nil {
			continue
		}
		for _, x := range p.texts {
			if v, ok := eval.Convert(x, el.Scalar()); ok && fits(v, el) && inEnum(v, el) && !v.Equal(r.values[el.Name]) {
				out = append(out, cqn.NewRow(cqn.Field{Name: el.Name, Value: v}))
			}
		}
	}
	return out
}

func inEnum(v cqn.Value, el *csn.Element) bool {
	if len(el.Enum()) == 0 {
		return true
	}
	for _, s := range el.Enum() {
		if s.Val().Equal(v) {
			return true
		}
	}
	return false
}

// changed is a row with new values and those that the framework writes.
func (w *world) changed(r *row, u *auth.User, body *cqn.Row) *row {
	out := *r
	out.values = maps.Clone(r.values)
	for _, f := range body.Fields() {
		out.values[f.Name] = f.Value
	}
	for _, el := range r.e.Flat {
		if v, ok := w.managed(el, "cds.on.update", u); ok {
			out.values[el.Name] = v
		}
	}
	return &out
}

// onlyData reports whether a change is refused for its new values alone: the row itself may be changed.
func (w *world) onlyData(o *oracle, c *Case) bool { return o.onRow(c.r, evUpdate, false).allowed }

// heavy reports whether deleting a row deletes parts that have rules of their own, or leaves references to it.
func (w *world) heavy(r *row) bool {
	for _, el := range r.e.Flat {
		a := el.Assoc()
		if a == nil || !a.Composition || a.Target == nil {
			continue
		}
		j := &judge{w: w, u: auth.Privileged}
		for _, t := range w.of(a.Target) {
			if !w.joined(j, a, r, t) {
				continue
			}
			if w.policy.rules[t.e] != nil || w.deep(t.e) {
				return true
			}
		}
	}
	return false
}

// deep reports whether an entity has parts.
func (w *world) deep(e *csn.Entity) bool {
	for _, el := range e.Flat {
		if a := el.Assoc(); a != nil && a.Composition && a.Target != nil && !strings.HasSuffix(a.Target.Name, ".texts") {
			return true
		}
	}
	return false
}

// jsonOf writes a payload.
func jsonOf(r *cqn.Row) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range r.Fields() {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:%s", quoted(f.Name), jsonValue(f.Value))
	}
	b.WriteByte('}')
	return b.String()
}

func jsonValue(v cqn.Value) string {
	switch v.Kind() {
	case cqn.KindNull:
		return "null"
	case cqn.KindBool, cqn.KindInt, cqn.KindFloat:
		return v.Format()
	case cqn.KindDecimal:
		return quoted(v.Str())
	case cqn.KindList:
		parts := make([]string, len(v.List()))
		for i, x := range v.List() {
			parts[i] = jsonValue(x)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case cqn.KindRow:
		return jsonOf(v.Row())
	case cqn.KindRows:
		parts := make([]string, len(v.Rows()))
		for i, r := range v.Rows() {
			parts[i] = jsonOf(r)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return quoted(v.Str())
}
