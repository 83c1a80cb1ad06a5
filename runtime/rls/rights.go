package rls

import (
	"fmt"
	"slices"
	"strings"
)

// dangerous are roles of PostgreSQL whose members read or write past all policies, or outside of the database.
const dangerous = "'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'"

// role asks whether the policies hold for the role of the server, and for all roles that it may become.
func (c *checker) role(*Schema) error {
	super := false
	err := c.each("SELECT r.rolname::text, (r.rolname = current_user)::text, r.rolsuper::text, r.rolbypassrls::text, r.rolcreaterole::text, r.rolreplication::text, (r.rolname IN ("+dangerous+"))::text "+
		"FROM pg_catalog.pg_roles r WHERE r.rolname = current_user OR NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user) AND pg_has_role(session_user, r.oid, 'MEMBER') "+
		"ORDER BY r.rolname <> current_user, r.rolname", func(r []string) {
		role, more := "the role "+r[0], ""
		if r[1] != "true" {
			role, more = "the role of the server", ", as a member of "+r[0]
		}
		switch {
		case r[2] == "true" || r[3] == "true":
			super = super || r[1] == "true" && r[2] == "true"
			c.add(role, "is not held to policies (SUPERUSER or BYPASSRLS)%s: the server has to connect with another one", more)
		case r[4] == "true":
			c.add(role, "may make itself a member of other roles (CREATEROLE)%s: take the right away", more)
		case r[5] == "true":
			c.add(role, "may copy the whole database (REPLICATION)%s: take the right away", more)
		case r[6] == "true":
			c.add(role, "has rights that policies do not hold for%s: take the membership away", more)
		}
	})
	if err != nil || super {
		c.owner = super
		return err // may do anything, so nothing that follows tells more
	}
	return c.each(myself+"SELECT current_user::text, (SELECT bool_or(has_schema_privilege(me.oid, current_schema(), 'CREATE')) FROM me)::text, "+
		"((SELECT count(*) FROM pg_catalog.pg_class c"+inSchema("c.relnamespace")+"WHERE c.relkind <> 'i' AND pg_has_role(session_user, c.relowner, 'MEMBER')) + "+
		"(SELECT count(*) FROM pg_catalog.pg_proc p"+inSchema("p.pronamespace")+"WHERE starts_with(p.proname, '"+prefix+"') AND pg_has_role(session_user, p.proowner, 'MEMBER')))::text", func(r []string) {
		role := "the role " + r[0]
		if c.owner = r[2] != "0"; c.owner {
			c.add(role, "owns tables, or is a member of the role that does: the server has to connect with another one")
		} else if r[1] == "true" {
			c.add(role, "may create tables and functions in the schema (CREATE): take the right away")
		}
	})
}

// myself are the role of the server and all that it may become by SET ROLE, whether it has their rights already or not.
const myself = "WITH me AS MATERIALIZED (SELECT r.oid FROM pg_catalog.pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER')) "

// may is whether one of these has a right on a relation c, if only on one of its columns.
func may(right string) string {
	has := "has_table_privilege"
	switch right {
	case "SELECT", "INSERT", "UPDATE", "REFERENCES":
		has = "has_any_column_privilege"
	}
	return "EXISTS (SELECT 1 FROM me WHERE " + has + "(me.oid, c.oid, '" + right + "'))"
}

// rights are all that a role may have on a table.
var rights = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}

// What the server is given on tables of the model, on its views (to lock rows by them), and on what it reads only: the table with what is deployed, and views of the audit log.
const (
	tableRights = "SELECT, INSERT, UPDATE, DELETE"
	viewRights  = "SELECT, UPDATE"
	readRights  = "SELECT"
)

// A relation is a table or view of the database that the server has a right on.
type relation struct {
	name            string
	view            bool
	locked, invoked bool // has row-level security; is read with the rights of who asks
	rights          []string
}

// rights compares what the server may do to the tables and views of the schema with what it is given.
func (c *checker) rights(s *Schema) error {
	if c.owner {
		return nil // all of them
	}
	asked := make([]string, len(rights))
	for i, r := range rights {
		asked[i] = "CASE WHEN " + may(r) + " THEN '" + r + " ' ELSE '' END"
	}
	given, foreign := s.given(), map[string]bool{}
	for _, e := range s.Exists {
		foreign[folded(e)] = true
	}
	return c.each(myself+"SELECT c.relname::text, (c.relkind = 'v')::text, c.relrowsecurity::text, coalesce('security_invoker=true' = ANY(c.reloptions), false)::text, "+strings.Join(asked, " || ")+
		" FROM pg_catalog.pg_class c"+inSchema("c.relnamespace")+"WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d "+
		"WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY c.relname", func(r []string) {
		rel := relation{r[0], r[1] == "true", r[2] == "true", r[3] == "true", strings.Fields(r[4])}
		may, known := given[rel.name]
		switch {
		case len(rel.rights) == 0:
		case known:
			c.beyond(rel, may)
			if rel.name == modelTable && !rel.locked {
				c.add("table "+rel.name, "has no row-level security")
			}
		case foreign[rel.name]:
		case ours(rel.name):
			c.beyond(rel, tableRights)
			if !rel.locked {
				c.add("table "+rel.name, "has no row-level security")
			}
		case rel.view && !rel.invoked:
			c.add("view "+rel.name, "is not the model's and is read with the rights of its owner: take the server's rights on it away, or set security_invoker")
		case !rel.view && !rel.locked:
			c.add("table "+rel.name, "is not the model's and has no row-level security: take the server's rights on it away, or declare an entity with @cds.persistence.exists")
		}
	})
}

// given are the rights that the server has on each table and view of the model.
func (s *Schema) given() map[string]string {
	out := map[string]string{KeyTable: "", modelTable: readRights}
	for _, t := range s.Tables {
		out[folded(t.Name)] = tableRights
	}
	for _, v := range s.Views {
		out[folded(v)] = viewRights
	}
	for _, v := range s.Logs {
		out[folded(v)] = readRights
	}
	return out
}

// beyond tells of rights that are not among those given.
func (c *checker) beyond(rel relation, given string) {
	more := slices.DeleteFunc(rel.rights, func(r string) bool { return strings.Contains(given, r) })
	if len(more) == 0 {
		return
	}
	kind := "table "
	if rel.view {
		kind = "view "
	}
	c.add(kind+rel.name, "can be used by the server beyond its policies (%s): take the right away", strings.Join(more, ", "))
}

// elsewhere tells of views in other schemas that show the server rows of tables of this one past their policies: those are read with the rights of the view's owner.
func (c *checker) elsewhere(*Schema) error {
	return c.each(myself+"SELECT DISTINCT n2.nspname::text, v.relname::text FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class v ON v.oid = w.ev_class JOIN pg_catalog.pg_namespace n2 ON n2.oid = v.relnamespace "+
		"JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass "+
		"JOIN pg_catalog.pg_class c ON c.oid = d.refobjid"+inSchema("c.relnamespace")+"JOIN pg_catalog.pg_roles o ON o.oid = v.relowner "+
		"WHERE n2.oid <> n.oid AND (v.relkind = 'm' OR v.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY(v.reloptions), false)) "+
		"AND (pg_has_role(o.oid, c.relowner, 'USAGE') OR o.rolbypassrls) "+
		"AND EXISTS (SELECT 1 FROM me WHERE has_schema_privilege(me.oid, n2.oid, 'USAGE') AND has_any_column_privilege(me.oid, v.oid, 'SELECT')) ORDER BY 1, 2", func(r []string) {
		c.add("view "+r[0]+"."+r[1], "shows the server tables of the model with the rights of its owner: take the server's rights on it away")
	})
}

// inSchema joins the schema of the model, as n, by a column with the schema of an object.
func inSchema(column string) string {
	return fmt.Sprintf(" JOIN pg_catalog.pg_namespace n ON n.oid = %s AND n.nspname = current_schema() ", column)
}

// ours reports whether a table that is not the model's is one of the server's own, by its name.
func ours(table string) bool {
	return strings.HasPrefix(table, "cds_") || strings.HasPrefix(table, "auth_")
}
