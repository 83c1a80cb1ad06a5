package authzmatrix

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
)

// maxTerms bounds the alternatives of one condition. What has more is compared as a whole.
const maxTerms = 64

// A term is one alternative of a condition: all its parts must hold. A term without parts is always true.
type term struct {
	texts []string // of parts, sorted
	parts []cqn.Expr
}

// terms are a condition's alternatives in one order, none of them covered by another. No terms are false; one term without parts is true.
type terms []term

// always are the terms of what has no condition.
func always() terms { return terms{{}} }

// termsOf brings a condition, nil for none, into alternatives, so that conditions that differ in order only are equal.
func termsOf(x cqn.Expr) terms { return reduce(alternatives(x, 0)) }

func atom(x cqn.Expr) terms {
	text := cqn.Format(x)
	if len(text) > maxText {
		key, values := cqn.Shape(&cqn.Delete{Where: x})
		for _, v := range values {
			key += content(v)
		}
		text = long(text, key)
	}
	return terms{{texts: []string{text}, parts: []cqn.Expr{x}}}
}

// content is a value with all its parts.
func content(v cqn.Value) string {
	if v.Kind() != cqn.KindList {
		return strconv.Itoa(int(v.Kind())) + strconv.Quote(v.Format())
	}
	var b strings.Builder
	b.WriteByte('(')
	for _, item := range v.List() {
		b.WriteString(content(item))
	}
	b.WriteByte(')')
	return b.String()
}

// maxText is how long a condition is shown. What is longer is cut, and told from others by a hash.
const maxText = 8 << 10

func long(text, all string) string {
	sum := sha256.Sum256([]byte(all))
	return text[:min(len(text), maxText)] + "… #" + hex.EncodeToString(sum[:])
}

func alternatives(x cqn.Expr, depth int) terms {
	if x == nil {
		return always()
	}
	if depth > maxTerms {
		return atom(x)
	}
	switch x := x.(type) {
	case *cqn.Lit:
		if x.Value.Kind() == cqn.KindBool {
			if x.Value.Bool() {
				return always()
			}
			return nil
		}
	case *cqn.Binary:
		switch x.Op {
		case cqn.Or:
			out := append(slices.Clone(alternatives(x.L, depth+1)), alternatives(x.R, depth+1)...)
			if len(out) <= maxTerms {
				return out
			}
		case cqn.And:
			l, r := alternatives(x.L, depth+1), alternatives(x.R, depth+1)
			if len(l)*len(r) <= maxTerms {
				return product(l, r)
			}
		}
	case *cqn.Unary:
		if l, ok := x.X.(*cqn.Lit); ok && x.Op == cqn.Not && l.Value.Kind() == cqn.KindBool {
			if l.Value.Bool() {
				return nil
			}
			return always()
		}
	case *cqn.Exists:
		return existing(x, depth)
	}
	return atom(x)
}

// existing takes an exists apart: a row that fulfils one of two conditions is a row for the one, or a row for the other.
func existing(x *cqn.Exists, depth int) terms {
	bare, pred := asked(x)
	if pred == nil || x.Var != "" {
		return atom(x)
	}
	out := terms{}
	for _, t := range reduce(alternatives(pred, depth+1)) {
		one := *bare
		one.Pred = t.expr()
		out = append(out, atom(&one)...)
	}
	return out
}

func product(l, r terms) terms {
	var out terms
	for _, a := range l {
		for _, b := range r {
			t := term{slices.Clone(a.texts), slices.Clone(a.parts)}
			for i, text := range b.texts {
				if at, found := slices.BinarySearch(t.texts, text); !found {
					t.texts, t.parts = slices.Insert(t.texts, at, text), slices.Insert(t.parts, at, b.parts[i])
				}
			}
			out = append(out, t)
		}
	}
	return out
}

// reduce sorts, and leaves out what another alternative covers.
func reduce(ts terms) terms {
	out := terms{}
	for i, t := range ts {
		if !slices.ContainsFunc(out, t.within) && !slices.ContainsFunc(ts[i+1:], func(o term) bool { return t.within(o) && !o.within(t) }) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b term) int { return slices.Compare(a.texts, b.texts) })
	return out
}

// within reports whether t implies o since o has no part that t lacks.
func (t term) within(o term) bool {
	for _, text := range o.texts {
		if _, found := slices.BinarySearch(t.texts, text); !found {
			return false
		}
	}
	return true
}

func (t term) expr() cqn.Expr {
	var x cqn.Expr
	for _, p := range t.parts {
		if x == nil {
			x = p
		} else {
			x = &cqn.Binary{Op: cqn.And, L: x, R: p}
		}
	}
	return x
}

// expr returns the condition, nil for none; that of no terms is false.
func (ts terms) expr() cqn.Expr {
	if len(ts) == 0 {
		return &cqn.Lit{Value: cqn.Bool(false)}
	}
	var x cqn.Expr
	for _, t := range ts {
		y := t.expr()
		switch {
		case y == nil:
			return nil
		case x == nil:
			x = y
		default:
			x = &cqn.Binary{Op: cqn.Or, L: x, R: y}
		}
	}
	return x
}

// union returns the alternatives of both.
func (ts terms) union(o terms) terms { return reduce(append(slices.Clone(ts), o...)) }

// covers reports whether each alternative of o is covered by one of ts. It may miss some that only arithmetic would find.
func (ts terms) covers(o terms) bool {
	for _, t := range o {
		if !slices.ContainsFunc(ts, t.within) {
			return false
		}
	}
	return true
}

func (ts terms) equal(o terms) bool { return ts.covers(o) && o.covers(ts) }

// String returns the condition as text, "" for none.
func (ts terms) String() string {
	x := ts.expr()
	if x == nil {
		return ""
	}
	text := cqn.Format(x)
	if len(text) > maxText {
		var all []string
		for _, t := range ts {
			all = append(all, t.texts...)
			all = append(all, "")
		}
		text = long(text, strings.Join(all, "\x00"))
	}
	return text
}
