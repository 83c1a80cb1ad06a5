package cds

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// A ConditionParser reads a condition that is written in the language of models: cds/parser.ParseExpr. The runtime has none of its own.
type ConditionParser = func(text string) (cqn.Expr, diag.List)

// conditionFunctions are what conditions from outside may call: functions of one row that take little time and memory.
var conditionFunctions = []string{"contains", "startswith", "endswith", "indexof", "substring", "tolower", "toupper", "lower", "upper", "concat", "length", "trim", "coalesce", "ifnull",
	"nullif", "abs", "round", "floor", "ceiling", "mod", "year", "month", "day", "hour", "minute", "second", "date", "time", "now", "days_between", "current_date"}

// ParseCondition reads a condition that comes from outside while the application runs. The error says what is not understood. Names are not looked at:
// see CheckCondition.
func ParseCondition(parse ConditionParser, text string) (cqn.Expr, error) {
	x, diags := parse(text)
	for _, d := range diags {
		if d.Severity == diag.Error {
			return nil, fmt.Errorf("the condition %s is not understood: %s", text, d.Message)
		}
	}
	if x == nil {
		return nil, fmt.Errorf("the condition %s is not understood", text)
	}
	fault := ""
	cqn.Walk(x, func(n any) bool {
		switch n := n.(type) {
		case *cqn.Lit:
			if n.Enum != "" {
				fault = "has the symbol #" + n.Enum + ": write the value that it stands for"
			}
		case *cqn.Call:
			if n.Star || n.Over != nil || n.Distinct || !slices.Contains(conditionFunctions, strings.ToLower(n.Name)) {
				fault = "calls " + n.Name + ", which is not supported in it"
			}
		case *cqn.Subquery:
			fault = "has a subquery, which is not supported in it"
		}
		return fault == ""
	})
	if fault != "" {
		return nil, fmt.Errorf("the condition %s %s", text, fault)
	}
	return x, nil
}

// CheckCondition tells what is wrong with a condition on the rows of e: it names what is not there, or asks what the database has no answer to, such as a
// function that is not one of ours. What passes can be put into queries.
func (a *App) CheckCondition(x cqn.Expr, e *csn.Entity) error {
	if err := authz.CheckCondition(x, e); err != nil {
		return err
	}
	if a.DB == nil || e.SkipPersistence {
		return nil
	}
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Columns: []cqn.Column{{X: &cqn.Call{Name: "count", Star: true}, As: "n"}}}
	_, err := sqlgen.Compile(q, a.Model, a.Policy.Privileged().Narrow(e, x), a.DB.Dialect())
	return err
}

// An AuthorizerFunc is a function as an Authorizer.
type AuthorizerFunc func(ctx context.Context, a Access) (Narrowing, error)

// Decide implements Authorizer.
func (f AuthorizerFunc) Decide(ctx context.Context, a Access) (Narrowing, error) { return f(ctx, a) }
