package authz

import (
	"fmt"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// maskFunctionsHint lists what @mask.fn may name.
const maskFunctionsHint = "write 'last(4)', 'first(2)' or 'email' for texts, 'round(100)' for numbers, 'year' or 'month' for dates"

// The most that the number of a function may be: of letters, and for rounding.
const (
	maxMaskLetters = 1000
	maxMaskStep    = 1_000_000_000_000_000
)

// hiddenPart is what stands for what a function leaves out.
const hiddenPart = "***"

// parseMaskFunction splits "last(4)" into its name and number, which is 0 if there is none.
func parseMaskFunction(text string) (name string, n int64, ok bool) {
	name, rest, has := strings.Cut(strings.TrimSpace(text), "(")
	name = strings.TrimSpace(name)
	if !has {
		return name, 0, name != ""
	}
	num, after, closed := strings.Cut(rest, ")")
	num = strings.TrimSpace(num)
	if name == "" || !closed || strings.TrimSpace(after) != "" || num == "" || num[0] < '1' {
		return "", 0, false
	}
	n, err := strconv.ParseInt(num, 10, 64)
	return name, n, err == nil
}

// maskFunction returns the expression that a function of @mask.fn stands for on an element, or what is not understood.
func maskFunction(text string, el *csn.Element) (x cqn.Expr, fault string) {
	name, n, ok := parseMaskFunction(text)
	if !ok {
		return nil, "a name, and perhaps a number in parentheses, is expected"
	}
	kind, b := kindOfType(el.Scalar()), el.Scalar()
	if b == nil || b.Kind == csn.UUID {
		kind = kindOther
	}
	want, counted, most := kindText, true, int64(maxMaskLetters)
	switch name {
	case "last", "first":
	case "email":
		counted = false
	case "round":
		want, most = kindNumber, maxMaskStep
	case "year", "month":
		want, counted = kindDate, false
	default:
		if near := nearest(name, "last", "first", "email", "round", "year", "month"); near != "" {
			return nil, "there is no such function; did you mean " + near + "?"
		}
		return nil, "there is no such function"
	}
	switch {
	case counted && (n < 1 || n > most):
		return nil, fmt.Sprintf("it needs a number from 1 to %d in parentheses", most)
	case !counted && n != 0:
		return nil, "it takes no number"
	case !fits(kind, want) && !(want == kindDate && kind == kindMoment):
		return nil, fmt.Sprintf("it is for %s", map[maskKind]string{kindText: "texts", kindNumber: "numbers", kindDate: "dates and moments"}[want])
	}
	self := cqn.NewRef(el.Name)
	switch name {
	case "last":
		return longEnough(self, n, callOf("substring", self, intLit(-n)), false), ""
	case "first":
		return longEnough(self, n, callOf("substring", self, intLit(0), intLit(n)), true), ""
	case "email":
		return maskedMail(self), ""
	case "round":
		if b.Kind == csn.Double {
			return roundedDown(callOf(boundedCall, self), n, kind), ""
		}
		return roundedDown(self, n, kind), ""
	}
	return callOf("cds."+name+"_"+map[csn.Scalar]string{csn.Date: "date", csn.DateTime: "datetime", csn.Timestamp: "stamp"}[b.Kind], self), ""
}

func callOf(name string, args ...cqn.Expr) cqn.Expr { return &cqn.Call{Name: name, Args: args} }

func intLit(n int64) cqn.Expr { return &cqn.Lit{Value: cqn.Int(n)} }

func textLit(s string) cqn.Expr { return &cqn.Lit{Value: cqn.String(s)} }

func binaryOf(op cqn.BinaryOp, l, r cqn.Expr) cqn.Expr { return &cqn.Binary{Op: op, L: l, R: r} }

// longEnough shows a part of n letters of texts of which it is at most half, and of others nothing.
func longEnough(self cqn.Expr, n int64, part cqn.Expr, first bool) cqn.Expr {
	shown := callOf("concat", textLit(hiddenPart), part)
	if first {
		shown = callOf("concat", part, textLit(hiddenPart))
	}
	return &cqn.Case{Whens: []cqn.When{{Cond: binaryOf(cqn.Ge, callOf("length", self), intLit(2*n)), Then: shown}}, Else: textLit(hiddenPart)}
}

// maskedMail shows the first letter and the domain of an address, and nothing of what has not exactly one @ behind at least two letters.
func maskedMail(self cqn.Expr) cqn.Expr {
	at := callOf("indexof", self, textLit("@"))
	fine := binaryOf(cqn.And, binaryOf(cqn.Gt, at, intLit(1)),
		binaryOf(cqn.Lt, callOf("indexof", callOf("substring", self, binaryOf(cqn.Add, at, intLit(1))), textLit("@")), intLit(0)))
	return &cqn.Case{Whens: []cqn.When{{Cond: fine, Then: callOf("concat", callOf("substring", self, intLit(0), intLit(1)), textLit(hiddenPart), callOf("substring", self, at))}},
		Else: textLit(hiddenPart)}
}

// roundedDown is the multiple of n that is next to a number in the direction of zero.
func roundedDown(self cqn.Expr, n int64, kind maskKind) cqn.Expr {
	if kind == kindWhole {
		return binaryOf(cqn.Sub, self, binaryOf(cqn.Mod, self, intLit(n)))
	}
	multiple := func(x cqn.Expr) cqn.Expr {
		return binaryOf(cqn.Mul, callOf("floor", binaryOf(cqn.Div, x, intLit(n))), intLit(n))
	}
	minus := func(x cqn.Expr) cqn.Expr { return &cqn.Unary{Op: cqn.Neg, X: x} }
	return &cqn.Case{Whens: []cqn.When{{Cond: binaryOf(cqn.Lt, self, intLit(0)), Then: minus(multiple(minus(self)))}}, Else: multiple(self)}
}
