package generic

import (
	"context"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// validate checks @mandatory, @assert.range, @assert.format and enums of payloads. All faults are collected: missing values first, then
// the others in order of the payload.
func (h *handlers) validate(ctx context.Context, r *cds.RawRequest) error {
	v := validator{h: h, ctx: ctx, r: r}
	for _, row := range payload(r) {
		v.row(row, r.Target, "", r.Event != authz.Update, 0)
	}
	return nil
}

type validator struct {
	h   *handlers
	ctx context.Context
	r   *cds.RawRequest
}

// row checks one row; whole says that it must be complete. Nested rows always are.
func (v *validator) row(row *cds.Row, e *csn.Entity, path string, whole bool, depth int) {
	for _, el := range e.Flat {
		if !mandatory(el) || el.Assoc() != nil || !whole && !row.Has(el.Name) {
			continue
		}
		if el.Key && el.ForeignKey != nil && !row.Has(el.Name) {
			continue // a key that the parent gives
		}
		if depth > 0 && !row.Has(el.Name) && v.parentGives(e, el) {
			continue
		}
		if empty(row.Value(el.Name)) && !v.typeFault(sub(path, el.Name)) {
			v.missing(sub(path, el.Name))
		}
	}
	for _, f := range row.Fields() {
		el := element(e, f.Name)
		if el == nil {
			continue
		}
		p := sub(path, f.Name)
		if a := el.Assoc(); a != nil {
			if a.Composition && a.Target != nil && depth < maxDepth {
				for i, c := range children(f.Value) {
					at := p
					if a.Many {
						at = rowPath(p, a.Target, c, strconv.Itoa(i))
					}
					v.row(c, a.Target, at, true, depth+1)
				}
			}
			continue
		}
		v.value(el, f.Value, p)
	}
}

// parentGives tells foreign keys that a nested row gets from its parent.
func (v *validator) parentGives(e *csn.Entity, el *csn.Element) bool {
	if el.ForeignKey == nil {
		return false
	}
	for _, p := range e.Parents {
		if a := p.Assoc(); a != nil && a.Backlink != nil && a.Backlink.Name == el.ForeignKey.Name {
			return true
		}
	}
	return false
}

// typeFault tells whether a value of the payload was refused already.
func (v *validator) typeFault(target string) bool {
	for _, e := range v.r.Errors() {
		if e.Target == target {
			return true
		}
	}
	return false
}

func (v *validator) missing(target string) {
	v.r.Error(400, "ASSERT_MANDATORY", target, "Provide the missing value.")
}

func empty(v cqn.Value) bool {
	return v.IsNull() || v.Kind() == cqn.KindString && strings.TrimSpace(v.Str()) == ""
}

// value checks the assertions of one element; null passes them.
func (v *validator) value(el *csn.Element, x cqn.Value, target string) {
	if x.IsNull() || readOnly(el) {
		return
	}
	if a := anno(el, "assert.range"); a != nil {
		switch {
		case a.Kind == cqn.AnnoArray && len(a.Items) == 2:
			v.between(a.Items[0], a.Items[1], x, target)
		case a.True():
			v.enum(el, x, target)
		}
	}
	if a := anno(el, "assert.enum"); a.True() {
		v.enum(el, x, target)
	}
	if a := anno(el, "assert.format"); a != nil && a.Kind == cqn.AnnoString {
		if p := v.h.pattern(v.ctx, a.Text); p == nil || !p.MatchString(x.Format()) {
			v.r.Error(400, "ASSERT_FORMAT", target, "Enter a value matching the pattern %s.", a.Text)
		}
	}
}

func (v *validator) enum(el *csn.Element, x cqn.Value, target string) {
	for o := el; o != nil; o = o.Origin {
		if len(o.Enum) > 0 {
			el = o
			break
		}
	}
	if len(el.Enum) == 0 {
		return
	}
	names := make([]string, len(el.Enum))
	for i := range el.Enum {
		val := el.Enum[i].Val()
		if compare(x, val) == 0 {
			return
		}
		names[i] = val.Format()
	}
	v.r.Error(400, "ASSERT_ENUM", target, "Enter one of the allowed values: %s.", strings.Join(names, ", "))
}

// A bound is one end of an @assert.range: a value, exclusive if it stands in parentheses, or none (`_`).
type bound struct {
	value     cqn.Value
	exclusive bool
	open      bool
}

func readBound(a *cqn.AnnoValue) bound {
	switch a.Kind {
	case cqn.AnnoNumber:
		return bound{value: cqn.Decimal(a.Text)}
	case cqn.AnnoString:
		return bound{value: cqn.String(a.Text)}
	case cqn.AnnoExpr:
		if v, ok := constant(a.Expr); ok {
			return bound{value: v, exclusive: true}
		}
	}
	return bound{open: true}
}

func constant(x cqn.Expr) (cqn.Value, bool) {
	switch x := x.(type) {
	case *cqn.Lit:
		return x.Value, !x.Value.IsNull()
	case *cqn.Unary:
		if l, ok := x.X.(*cqn.Lit); ok && x.Op == cqn.Neg {
			return cqn.Decimal("-" + l.Value.Format()), true
		}
	}
	return cqn.Null, false
}

func (b bound) text(sign string) string {
	switch {
	case b.open:
		return "_"
	case b.exclusive:
		return sign + b.value.Format()
	}
	return b.value.Format()
}

func (v *validator) between(min, max *cqn.AnnoValue, x cqn.Value, target string) {
	lo, hi := readBound(min), readBound(max)
	ok := true
	if c := compare(x, lo.value); !lo.open && (c < 0 || c == 0 && lo.exclusive) {
		ok = false
	}
	if c := compare(x, hi.value); !hi.open && (c > 0 || c == 0 && hi.exclusive) {
		ok = false
	}
	if !ok {
		v.r.Error(400, "ASSERT_RANGE", target, "Enter a value between %s and %s.", lo.text(">"), hi.text("<"))
	}
}

// compare orders two values: as exact numbers if both are, else as text. Dates and times order as text does.
func compare(x, y cqn.Value) int {
	a, okA := number(x)
	b, okB := number(y)
	if okA && okB {
		return a.Cmp(b)
	}
	return strings.Compare(x.Format(), y.Format())
}

func number(v cqn.Value) (*apd.Decimal, bool) {
	switch v.Kind() {
	case cqn.KindInt:
		return apd.New(v.Int(), 0), true
	case cqn.KindFloat:
		d := new(apd.Decimal)
		_, err := d.SetFloat64(v.Float())
		return d, err == nil
	case cqn.KindDecimal:
		d, _, err := apd.NewFromString(v.Str())
		return d, err == nil
	}
	return nil, false
}

// parameters checks and converts the parameters of an operation. A parameter that is `not null` is mandatory.
func (h *handlers) parameters(ctx context.Context, r *cds.RawRequest) error {
	if r.Op == nil {
		return nil
	}
	if r.Data == nil {
		r.Data = cqn.NewRow()
	}
	in := inputter{r: r}
	where := r.Service.Model.Name + "." + r.Op.LocalName()
	for _, f := range r.Data.Fields() {
		p := r.Op.Params.Lookup(f.Name)
		if p == nil {
			return noProperty(f.Name, where)
		}
		if err := in.unknownIn(f.Value, p.Type, f.Name, 0); err != nil {
			return err
		}
	}
	v := validator{h: h, ctx: ctx, r: r}
	for _, p := range r.Op.Params {
		if p.Default != nil && !r.Data.Has(p.Name) {
			m := manager{h: h, r: r}
			if x, ok := m.value(p, p.Default); ok {
				r.Data.Set(p.Name, x)
			}
		}
		if (p.NotNull || mandatory(p)) && empty(r.Data.Value(p.Name)) {
			v.missing(p.Name)
		}
	}
	for _, f := range append([]cqn.Field(nil), r.Data.Fields()...) {
		p := r.Op.Params.Lookup(f.Name)
		if x, ok := in.value(p.Type, p, f.Value, f.Name, 0); ok {
			r.Data.Set(f.Name, x)
			v.value(p, x, f.Name)
		}
	}
	return nil
}
