package sqlgen

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// Sealed elements: @encrypted and @hash. The database has their encrypted or hashed form only, so an expression that names one is refused, whoever wrote
// it, but for the few places that are written here, which say that they know (unseal): a column of the result by itself, a null test, and, where equal values are
// kept equal, a comparison with values of the request.
//
// A plan has the seals of its columns and binds. Whoever runs it encrypts the one and decrypts the other.

// sealedUse is the error of all other uses.
func (sc *scope) sealedUse(name string, s *csn.Seal) error {
	switch {
	case s.Hashed():
		return sc.fail("ELEMENT_HASHED", "%q is hashed: it can be written, and compared with null", name)
	case s.Kind == csn.SealDeterministic:
		return sc.fail("ELEMENT_ENCRYPTED", "%q is encrypted: it can be selected, and compared with values by eq, ne and in", name)
	}
	return sc.fail("ELEMENT_ENCRYPTED", "%q is encrypted: it can be selected, and compared with null", name)
}

// unsealed compiles a path as value does, a sealed element too. seal is that of the element, nil for one that is kept as it is.
func (sc *scope) unsealed(r *cqn.Ref) (f frag, seal *csn.Seal, err error) {
	was := sc.compiler.unsealing
	sc.compiler.unsealing = r
	f, err = sc.expr(r, hint{})
	sc.compiler.unsealing = was
	return f, f.seal, err
}

// sealed finishes a path that ended in a sealed element: an error unless the path is being unsealed.
func (sc *scope) sealed(f frag, s *csn.Seal, name string, r *cqn.Ref) (frag, error) {
	if s != nil && sc.compiler.unsealing != r {
		return frag{}, sc.sealedUse(name, s)
	}
	f.seal = s
	return f, nil
}

// sealOf returns the seal of the element that an expression is a path to, nil for none.
func (sc *scope) sealOf(x cqn.Expr) *csn.Seal {
	r, ok := x.(*cqn.Ref)
	if !ok {
		return nil
	}
	src, path, err := sc.base(r)
	if err != nil || len(path) == 0 {
		return nil
	}
	if src.entity == nil {
		if c := src.derivedColumn(path[0].Name); c != nil {
			return c.seal
		}
		return nil
	}
	for e := src.entity; e != nil && len(path) > 0; {
		el, n := flat(e, path)
		if el == nil {
			return nil
		}
		if path = path[n:]; len(path) == 0 {
			return el.Seal()
		}
		if e = nil; el.Assoc() != nil {
			e = el.Assoc().Target
		}
	}
	return nil
}

// hash compiles cds.hash(element), the hash that is kept, for code that compares it with a value: as a column, and not among the functions that clients may call.
func (sc *scope) hash(x *cqn.Call) (frag, error) {
	if len(x.Args) == 1 {
		if r, ok := x.Args[0].(*cqn.Ref); ok {
			if seal := sc.sealOf(r); seal != nil && seal.Hashed() {
				f, _, err := sc.unsealed(r)
				return frag{sql: f.sql, prec: f.prec, typ: typeText}, err
			}
		}
	}
	return frag{}, sc.fail("INVALID_EXPRESSION", "cds.hash takes an element with @hash")
}

// output gives a column the seal of what it shows. Hashes show nothing; in the body of a view they are kept for those who compare them.
func (s *selection) output(c *Column, seal *csn.Seal) error {
	if seal == nil {
		return s.shownAs(c.Name, nil)
	}
	if seal.Hashed() && !s.view {
		name := c.Name
		if c.Element != nil {
			name = c.Element.Name
		}
		return s.fail("ELEMENT_HASHED", "%q is hashed: it cannot be read", name)
	}
	if !seal.Hashed() {
		c.Seal = seal
	}
	return s.shownAs(c.Name, seal)
}

// shownAs reports a column of a view that is not sealed as the view's element is: what was found out about the model and what is compiled must agree.
func (s *selection) shownAs(name string, seal *csn.Seal) error {
	if !s.view || s.result == nil {
		return nil
	}
	el := s.result.Flat.Lookup(name)
	if el == nil || el.Assoc() != nil {
		if seal != nil {
			return s.sealedUse(name, seal)
		}
		return nil
	}
	if own := el.Seal(); own != seal && (own == nil || seal == nil || *own != *seal) {
		if seal == nil {
			seal = own
		}
		return s.fail("ELEMENT_ENCRYPTED", "the column %q of %s is not what its element says: %s is encrypted or hashed", name, s.result.Name, seal.Column)
	}
	return nil
}

// skipped reports elements that are no part of *: hashes.
func (s *selection) skipped(el *csn.Element) bool {
	seal := el.Seal()
	return seal != nil && seal.Hashed() && !s.view
}

// sealedComparison compiles a comparison with a sealed element; ok is false for all others. Since several keys may be in use, a value stands for a list of encrypted ones.
func (sc *scope) sealedComparison(x *cqn.Binary) (f frag, ok bool, err error) {
	ref, other := x.L, x.R
	seal := sc.sealOf(ref)
	if seal == nil {
		ref, other = x.R, x.L
		if seal = sc.sealOf(ref); seal == nil {
			return frag{}, false, nil
		}
	}
	r := ref.(*cqn.Ref)
	not, strict := false, false
	switch x.Op {
	case cqn.Eq, cqn.EqNull:
	case cqn.Ne:
		not = true
	case cqn.NeSQL:
		not, strict = true, true
	default:
		return frag{}, true, sc.sealedUse(pathText(r), seal)
	}
	t, err := sc.sealedIn(r, seal, other, not)
	switch {
	case err != nil:
	case x.Op == cqn.EqNull:
		t.frag = frag{sql: t.left + " IS NOT NULL AND " + t.sql, prec: precAnd}
	case not && !strict:
		t.frag = frag{sql: "(" + t.left + " IS NULL OR " + t.sql + ")"}
	}
	return t.frag, true, err
}

// A sealedTest is a condition with the column that it is about.
type sealedTest struct {
	frag
	left string
}

// sealedIn compiles whether a sealed element is, or is not, one of the encrypted forms of a value or of a list of values of the request.
func (sc *scope) sealedIn(r *cqn.Ref, seal *csn.Seal, set cqn.Expr, not bool) (sealedTest, error) {
	refused := sc.sealedUse(pathText(r), seal)
	if seal.Kind != csn.SealDeterministic || sc.view {
		return sealedTest{}, refused
	}
	b := Bind{List: true, Seal: seal}
	switch v := set.(type) {
	case *cqn.Param:
		if v.From != cqn.FromLiteral {
			return sealedTest{}, refused
		}
		b.Param = *v
	case *cqn.Lit:
		if v.Enum != "" || v.Value.IsNull() {
			return sealedTest{}, refused
		}
		b.Param, b.Const = cqn.Param{Index: -1}, v.Value
	default:
		return sealedTest{}, refused
	}
	f, _, err := sc.unsealed(r)
	if err != nil {
		return sealedTest{}, err
	}
	b.Type = f.typ
	n := sc.bindIndex(b)
	col := f.at(precAdd)
	return sealedTest{frag{sql: string(sc.d.InList([]byte(col), n, typeText, not)), prec: precCompare}, f.at(precCompare + 1)}, nil
}

// sealedMember compiles `x in (…)` for a sealed x; ok is false for all others.
func (sc *scope) sealedMember(x *cqn.In) (f frag, ok bool, err error) {
	seal := sc.sealOf(x.X)
	if seal == nil {
		return frag{}, false, nil
	}
	r := x.X.(*cqn.Ref)
	list, isList := x.Set.(*cqn.Tuple)
	if !isList {
		t, err := sc.sealedIn(r, seal, x.Set, x.Negated)
		return t.frag, true, err
	}
	if len(list.Items) == 0 {
		return frag{sql: sc.t.False}, true, sc.emptySet(x.Negated)
	}
	var all cqn.Expr
	op, word := cqn.Eq, cqn.Or
	if x.Negated {
		op, word = cqn.NeSQL, cqn.And
	}
	for _, item := range list.Items {
		var one cqn.Expr = &cqn.Binary{Op: op, L: r, R: item}
		if all != nil {
			one = &cqn.Binary{Op: word, L: all, R: one}
		}
		all = one
	}
	f, err = sc.cond(all)
	return f, true, err
}

// sealedValue is the bind of an assignment to a sealed element: values of the request only, since the database cannot encrypt.
func (sc *scope) sealedValue(b Bind, x cqn.Expr, name string) (Bind, bool, error) {
	if b.Seal == nil {
		return b, false, nil
	}
	switch v := x.(type) {
	case *cqn.Param:
		if v.From == cqn.FromLiteral {
			return Bind{Param: *v, Type: b.Type, Seal: b.Seal}, true, nil
		}
	case *cqn.Lit:
		if v.Enum == "" {
			return Bind{Param: cqn.Param{Index: -1}, Const: v.Value, Type: b.Type, Seal: b.Seal}, true, nil
		}
	}
	return b, true, sc.fail("ELEMENT_ENCRYPTED", "%q is encrypted or hashed: it can be set to a value, not to an expression", name)
}

// shown compiles what a column shows: a path may end in a sealed element.
func (s *selection) shown(at *scope, x cqn.Expr) (frag, error) {
	if ref, ok := x.(*cqn.Ref); ok {
		f, _, err := at.unsealed(ref)
		return f, err
	}
	return at.expr(x, hint{})
}

// noSeals refuses encrypted columns where rows are told apart by their values.
func (s *selection) noSeals(cols []Column) error {
	for i := range cols {
		if c := &cols[i]; c.Seal != nil {
			name := c.Name
			if c.Element != nil {
				name = c.Element.Name
			}
			return s.sealedUse(name, c.Seal)
		}
		if err := s.noSeals(cols[i].Nested); err != nil {
			return err
		}
	}
	return nil
}

// markSealed notes the encrypted columns of a finished plan and of its children.
func (p *Plan) markSealed() {
	if p == nil {
		return
	}
	p.Sealed = appendSealed(nil, p.Columns)
	for _, c := range p.Children {
		c.Plan.markSealed()
	}
}

func appendSealed(out, cols []Column) []Column {
	for i := range cols {
		if cols[i].Seal != nil {
			out = append(out, cols[i])
		}
		out = appendSealed(out, cols[i].Nested)
	}
	return out
}
