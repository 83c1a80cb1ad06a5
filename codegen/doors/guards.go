package doors

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/sqlgen"
)

// guards returns the conditions that a statement has on the rows of an entity. The query is compiled again under the same guard, which has to give the
// statement that was run; each condition must stand in it, joined with the others around it by AND.
//
// Statements that locate rows for a change, or change them, have the condition of the change. Those that only read have that of reading, and count for
// reading alone: after a change that found nothing, a door may look whether there is something to read.
func (r *runner) guards(o *cds.Observed, target *csn.Entity, reads bool) ([]string, error) {
	plan, seen, err := sqlgen.CompileGuarded(o.Query, r.app.Model, o.Guard, r.app.DB.Dialect())
	if err != nil {
		return nil, err
	}
	if plan.SQL != o.Plan.SQL {
		return nil, errChanged
	}
	all := statements(plan, nil)
	locates := strings.Contains(o.Guard.Key(), "/as")
	var out []string
	for i := range seen {
		g := &seen[i]
		if g.SQL != "" && !holds(all, g.SQL) {
			return nil, failedStatement(g.Entity, all[0])
		}
		changes := g.Use == sqlgen.Update || g.Use == sqlgen.Delete || locates && g.Use == sqlgen.Root
		if g.Entity != target || g.Use == sqlgen.Insert || reads == changes {
			continue
		}
		out = append(out, "row: "+text(g.Where))
	}
	return out, nil
}

// text is a condition in the notation of the model.
func text(x cqn.Expr) string {
	if x == nil {
		return "true"
	}
	return cqn.Format(x)
}

// statements are the SQL of a plan and of those for nested rows.
func statements(p *sqlgen.Plan, out []string) []string {
	out = append(out, p.SQL)
	for _, c := range p.Children {
		if c.One != "" {
			out = append(out, c.One)
		}
		out = statements(c.Plan, out)
	}
	return out
}

// holds reports whether a condition stands in one of the statements so that it must hold: after WHERE, ON or AND, or alone in a parenthesis, and not
// before OR.
func holds(all []string, cond string) bool {
	for _, sql := range all {
		for at := 0; ; {
			i := strings.Index(sql[at:], cond)
			if i < 0 {
				break
			}
			i += at
			if must(sql[:i], sql[i+len(cond):]) {
				return true
			}
			at = i + 1
		}
	}
	return false
}

func must(before, after string) bool {
	before, after = strings.TrimRight(before, " ("), strings.TrimLeft(after, ") ")
	ok := false
	for _, w := range []string{"WHERE", "AND", "ON", "WHEN"} {
		ok = ok || strings.HasSuffix(before, w)
	}
	return ok && !strings.HasPrefix(after, "OR ")
}
