package rls

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/runtime/db"
)

// Apply puts the second lock on the tables of a database, in a transaction of its own. The pool is that of the owner of the tables.
func (s *Schema) Apply(ctx context.Context, pool db.Pool, app Application) error {
	return db.InTx(ctx, pool, func(tx db.Tx) error {
		for _, sql := range s.Script(app) {
			if err := tx.Script(ctx, sql); err != nil {
				return fmt.Errorf("row-level security: %s: %w", firstLine(sql), err)
			}
		}
		return nil
	})
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s[:min(len(s), 120)]
}

// A Problem is a difference between the second lock that a database has and that of the model, or a way around it.
type Problem struct {
	Object  string // such as "policy cds_rls_select of table my_Books"
	Message string
}

func (p Problem) String() string { return p.Object + " " + p.Message }

// Check compares the second lock of a database with that of the model, by what both say of each policy: the text that it was made from, and the text that the
// database shows of it, so that a change by hand is found. The pool is that of the server. An error is one of the database.
func (s *Schema) Check(ctx context.Context, pool db.Pool) ([]Problem, error) {
	tx, err := pool.Read(ctx, db.Session{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	c := &checker{ctx: ctx, tx: tx}
	if err := c.each(searchPath, func([]string) {}); err != nil {
		return nil, err
	}
	steps := []func(*Schema) error{c.role, c.tables, c.policies, c.functions, c.views, c.rights, c.elsewhere, c.key}
	for _, step := range steps {
		if err := step(s); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(c.found, func(a, b Problem) int { return strings.Compare(a.Object, b.Object) })
	return c.found, nil
}

// A checker looks at a database.
type checker struct {
	ctx    context.Context
	tx     db.Tx
	found  []Problem
	owner  bool // the server has all rights
	broken bool // functions are missing or others
}

func (c *checker) add(object, format string, args ...any) {
	c.found = append(c.found, Problem{object, fmt.Sprintf(format, args...)})
}

// each calls fn with the columns of each row of a query, as texts.
func (c *checker) each(sql string, fn func(cols []string), binds ...cqn.Value) error {
	return db.Each(c.ctx, c.tx, db.Stmt{SQL: sql, Binds: binds}, func(r db.Rows) error {
		cols := make([]string, r.Columns())
		for i := range cols {
			cols[i] = string(r.Text(i))
		}
		fn(cols)
		return nil
	})
}

// maxName is the length in bytes of names in PostgreSQL: it cuts off the rest.
const maxName = 63

// folded is the name that the database has for a name of ours.
func folded(name string) string {
	n, quoted := strings.CutPrefix(name, `"`)
	if quoted {
		n = strings.ReplaceAll(strings.TrimSuffix(n, `"`), `""`, `"`)
	} else {
		n = strings.ToLower(n)
	}
	if len(n) <= maxName {
		return n
	}
	for end := maxName; ; end-- {
		if utf8.RuneStart(n[end]) {
			return n[:end]
		}
	}
}

func (c *checker) tables(s *Schema) error {
	locked := map[string]bool{}
	err := c.each("SELECT c.relname::text FROM pg_catalog.pg_class c"+inSchema("c.relnamespace")+"WHERE c.relrowsecurity", func(r []string) { locked[r[0]] = true })
	for _, t := range s.Tables {
		if !locked[folded(t.Name)] {
			c.add("table "+t.Plain, "has no row-level security")
		}
	}
	return err
}

// A state is what a database says of a policy or function of ours: from what it was made, how it looked then, and how it looks now.
type state struct{ made, then, now string }

func stateOf(comment, now string) state {
	f := strings.Fields(comment)
	st := state{now: now}
	if len(f) == 3 && f[0] == "cds" {
		st.made, st.then = f[1], f[2]
	} else if len(f) == 2 {
		st.then = f[1]
	}
	return st
}

func (c *checker) compare(object, want string, have state, there bool) {
	switch {
	case !there:
		c.add(object, "is missing")
	case have.made != want:
		c.add(object, "was made from another state of the model")
	case have.then != have.now:
		c.add(object, "was changed by hand")
	}
}

func (c *checker) policies(s *Schema) error {
	have := map[[2]string]state{}
	err := c.each("SELECT c.relname::text, p.polname::text, coalesce(pg_catalog.obj_description(p.oid, 'pg_policy'), ''), "+deparsedPolicy+
		" FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid"+inSchema("c.relnamespace"), func(r []string) {
		have[[2]string{r[0], r[1]}] = stateOf(r[2], r[3])
	})
	if err != nil {
		return err
	}
	for _, t := range s.Tables {
		table := folded(t.Name)
		for _, p := range t.Policies {
			k := [2]string{table, p.Name}
			st, there := have[k]
			c.compare("policy "+p.Name+" of table "+t.Plain, p.print(), st, there)
			delete(have, k)
		}
		for k := range have {
			if k[0] == table {
				c.foreign("policy " + k[1] + " of table " + t.Plain)
				delete(have, k)
			}
		}
	}
	for k, st := range have {
		object := "policy " + k[1] + " of table " + k[0]
		switch {
		case !ours(k[0]): // of somebody who looks after his table himself
		case k[1] == systemPolicy, k == [2]string{auditTable, logPolicy} && len(s.Logs) > 0:
			c.compare(object, "", st, true)
		default:
			c.foreign(object)
		}
	}
	return nil
}

func (c *checker) foreign(object string) { c.add(object, "is not the model's: drop it") }

func (c *checker) functions(s *Schema) error {
	have := map[string][]state{}
	astray := map[string]bool{}
	err := c.each("SELECT p.proname::text, coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), ''), "+deparsedFunction+
		", coalesce(p.proconfig = ARRAY['search_path=' || quote_ident(current_schema()) || ', pg_temp'], false)::text"+
		" FROM pg_catalog.pg_proc p"+inSchema("p.pronamespace")+"WHERE starts_with(p.proname, '"+prefix+"')", func(r []string) {
		have[r[0]] = append(have[r[0]], stateOf(r[1], r[2]))
		astray[r[0]] = astray[r[0]] || r[3] != "true"
	})
	if err != nil {
		return err
	}
	before := len(c.found)
	one := func(name, object, print string) {
		switch all := have[name]; len(all) {
		case 0:
			c.compare(object, print, state{}, false)
		case 1:
			c.compare(object, print, all[0], true)
			if astray[name] { // the statements did not run in one transaction
				c.add(object, "looks for its tables elsewhere than in the schema alone (search_path)")
			}
		default:
			c.add(object, "is there more than once: drop what is not the model's")
		}
		delete(have, name)
	}
	for _, h := range helpers() {
		one(h.name, "function "+h.name, h.print())
	}
	for _, f := range s.Functions {
		one(f.Name, "function "+f.Name+", for table "+f.Table+",", f.print())
	}
	for name := range have {
		c.foreign("function " + name)
	}
	c.broken = len(c.found) > before
	return nil
}

func (c *checker) views(s *Schema) error {
	invoked := map[string]bool{}
	err := c.each("SELECT c.relname::text FROM pg_catalog.pg_class c"+inSchema("c.relnamespace")+
		"WHERE c.relkind = 'v' AND 'security_invoker=true' = ANY(c.reloptions)", func(r []string) { invoked[r[0]] = true })
	for _, v := range slices.Concat(s.Views, s.Logs) {
		if !invoked[folded(v)] {
			c.add("view "+v, "is not read with the rights of who asks (security_invoker)")
		}
	}
	return err
}

// key asks whether the database believes what this server signs.
func (c *checker) key(*Schema) error {
	if c.broken {
		return nil // the functions may be missing
	}
	err := c.each("SELECT cds_rls_open('cds.system')::text", func(r []string) {
		if r[0] != "true" {
			c.add("the key", "is not the one that the database was given (requires.db.rls.key)")
		}
	})
	if err != nil && !errors.Is(err, db.ErrBusy) && !errors.Is(err, db.ErrCanceled) {
		c.add("the key", "is not the one that the database was given (requires.db.rls.key), or the clocks of server and database differ")
		return nil
	}
	return err
}
