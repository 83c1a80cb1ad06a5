package isolation

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/runtime/sqlgen"
)

// A statement is SQL to be looked at, with its parameters; none for the body of a view.
type statement struct {
	sql   string
	binds []sqlgen.Bind
	d     sqlgen.Dialect
}

// A tenantTable is a table whose rows belong to tenants: by a column, or by the tables that its rows are parts of.
type tenantTable struct {
	column  string // quoted; "" for none
	parents []string
}

// A word is a token of SQL with the parenthesis that it stands in.
type word struct {
	text  string
	group int
}

// words splits SQL. A name with its quotes and dots is one word, as is a text in quotes. A CASE counts as a parenthesis. parents are the parentheses around each.
func words(sql string) (out []word, parents []int) {
	groups, parents := []int{0}, []int{-1}
	enter := func() {
		parents = append(parents, groups[len(groups)-1])
		groups = append(groups, len(parents)-1)
	}
	leave := func() {
		if len(groups) > 1 {
			groups = groups[:len(groups)-1]
		}
	}
	for i := 0; i < len(sql); {
		c := sql[i]
		j := i + 1
		switch {
		case c == ' ' || c == '\n' || c == '\t':
			i++
			continue
		case c == '(':
			enter()
			i++
			continue
		case c == ')':
			leave()
			i++
			continue
		case c == '\'':
			j = quoted(sql, i)
		case nameByte(c):
			for j = i; j < len(sql) && nameByte(sql[j]); {
				if sql[j] == '"' {
					j = quoted(sql, j)
					continue
				}
				j++
			}
		}
		if sql[i:j] == "CASE" {
			enter()
		}
		out = append(out, word{sql[i:j], groups[len(groups)-1]})
		if sql[i:j] == "END" {
			leave()
		}
		i = j
	}
	return out, parents
}

func nameByte(c byte) bool {
	return c == '"' || c == '_' || c == '.' || c == '$' || c == '?' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// quoted returns where a text in quotes that begins at i ends.
func quoted(sql string, i int) int {
	for j := i + 1; j < len(sql); j++ {
		if sql[j] == sql[i] {
			if j+1 < len(sql) && sql[j+1] == sql[i] {
				j++
				continue
			}
			return j + 1
		}
	}
	return len(sql)
}

// open returns what is wrong with a statement: occurrences of tables that are not bound to the tenant. n counts those that are looked at.
func (s *statement) open(tables map[string]tenantTable) (faults []string, n int) {
	ws, parents := words(s.sql)
	for i, w := range ws {
		t, ok := tables[w.text]
		if !ok || !slices.Contains([]string{"FROM", "JOIN", "INTO", "UPDATE", ","}, before(ws, i)) && i > 0 {
			continue
		}
		n++
		if before(ws, i) == "INTO" {
			if t.column != "" && !s.inserts(ws[i:], t.column) {
				faults = append(faults, w.text+": a new row does not get the tenant of the user")
			}
			continue
		}
		if i+2 >= len(ws) || ws[i+1].text != "AS" {
			faults = append(faults, w.text+": occurs without a name")
			continue
		}
		if alias := ws[i+2].text; !s.bound(ws, parents, i, alias, t) {
			faults = append(faults, w.text+": its rows are not compared with the tenant")
		}
	}
	return faults, n
}

func before(ws []word, i int) string {
	if i == 0 {
		return ""
	}
	return ws[i-1].text
}

// bound reports whether the statement compares the rows of an occurrence with the tenant, by a condition that is joined with all others around it by AND. It has to be in the
// query of the occurrence.
func (s *statement) bound(ws []word, parents []int, at int, alias string, t tenantTable) bool {
	home := ws[at].group
	for j := at + 3; j < len(ws); j++ {
		if !within(parents, ws[j].group, home) {
			continue
		}
		switch {
		case t.column != "":
			if ws[j].group == home && ws[j].text == alias+"."+t.column && j+2 < len(ws) && ws[j+1].text == "=" && s.tenant(ws[j+2:]) && holds(ws, j, alias) {
				return true
			}
		case ws[j].text == "EXISTS" && j+2 < len(ws) && before(ws, j) != "NOT":
			if !s.inQuery(ws, parents, ws[j+1].group, alias, t.parents) {
				continue
			}
			group := ws[j].group
			if group == home && holds(ws, j, alias) {
				return true
			}
			if parents[group] == home && onlyExists(ws, parents, group, alias, t.parents, s) && holds(ws, place(ws, group, home), alias) {
				return true
			}
		}
	}
	return false
}

// place returns the word before a parenthesis, in the one around it.
func place(ws []word, group, home int) int {
	for k, w := range ws {
		if w.group == group {
			for ; k > 0 && ws[k].group != home; k-- {
			}
			return k
		}
	}
	return 0
}

// holds reports whether the condition of which word j is a part must hold for a row of alias: it is joined with all others of its WHERE by AND, or of the ON by which alias is
// joined.
func holds(ws []word, j int, alias string) bool {
	group := ws[j].group
	if before(ws, j) == "NOT" {
		return false
	}
	k := j
	for ; k >= 0; k-- {
		if ws[k].group != group {
			continue
		}
		switch ws[k].text {
		case "OR", "SELECT", "FROM", "SET":
			return false
		case "ON":
			if before(ws, k) != alias {
				return false
			}
		case "WHERE":
		default:
			continue
		}
		break
	}
	if k < 0 {
		return false
	}
	for k = j; k < len(ws); k++ {
		if ws[k].group != group {
			continue
		}
		switch ws[k].text {
		case "OR":
			return false
		case "GROUP", "ORDER", "LIMIT", "OFFSET", "HAVING", "UNION", "INTERSECT", "EXCEPT", "JOIN", "LEFT", "RIGHT", "FULL", "CROSS", "WHERE", "ON", "FOR", "RETURNING":
			return true
		}
	}
	return true
}

// inQuery reports whether the subquery in a parenthesis is about a parent of the row.
func (s *statement) inQuery(ws []word, parents []int, in int, alias string, tables []string) bool {
	from, row := false, false
	for k, w := range ws {
		if w.group == in && slices.Contains(tables, w.text) && before(ws, k) == "FROM" {
			from = true
		}
		row = row || within(parents, w.group, in) && strings.HasPrefix(w.text, alias+".")
	}
	return from && row
}

// onlyExists reports whether all that a parenthesis has are such subqueries, joined by OR.
func onlyExists(ws []word, parents []int, group int, alias string, tables []string, s *statement) bool {
	for k, w := range ws {
		if w.group != group {
			continue
		}
		switch {
		case w.text == "OR":
		case w.text == "EXISTS" && before(ws, k) != "NOT" && k+1 < len(ws) && parents[ws[k+1].group] == group && s.inQuery(ws, parents, ws[k+1].group, alias, tables):
		default:
			return false
		}
	}
	return true
}

func within(parents []int, group, in int) bool {
	for group >= 0 && group < len(parents) {
		if group == in {
			return true
		}
		group = parents[group]
	}
	return false
}

// tenant reports whether an operand is the tenant of the user: a parameter with it, or the variable of the session.
func (s *statement) tenant(ws []word) bool {
	session, _ := words(s.d.Tables().Sessions["$user.tenant"])
	if len(session) > 0 && len(ws) >= len(session) && !slices.ContainsFunc(session, func(w word) bool { return w.text == "" }) {
		same := true
		for i := range session {
			same = same && ws[i].text == session[i].text
		}
		if same {
			return true
		}
	}
	n := 0
	for _, c := range strings.TrimLeft(ws[0].text, "?$") {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
		if n > len(s.binds) {
			return false
		}
	}
	return n > 0 && tenantParam(s.binds[n-1])
}

func tenantParam(b sqlgen.Bind) bool {
	return b.Param.From == cqn.FromUserTenant && b.Column == "" && b.Param.Index >= 0 && !b.IsNull && !b.List
}

// inserts reports whether a new row gets the tenant: the column at some position, and the parameter at the same one.
func (s *statement) inserts(ws []word, column string) bool {
	cols, vals := list(ws, 1), []word(nil)
	for i, w := range ws {
		if w.text == "VALUES" {
			vals = list(ws, i+1)
			break
		}
	}
	pos, n := -1, 0
	for _, w := range cols {
		if w.text == "," {
			n++
		}
		if w.text == column {
			pos = n
		}
	}
	n = 0
	for i, w := range vals {
		if n == pos {
			return s.tenant(vals[i:])
		}
		if w.text == "," {
			n++
		}
	}
	return false
}

// list returns the words of the parenthesis that begins at i.
func list(ws []word, i int) []word {
	if i >= len(ws) {
		return nil
	}
	j := i
	for j < len(ws) && ws[j].group == ws[i].group {
		j++
	}
	return ws[i:j]
}
