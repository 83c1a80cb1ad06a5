package rls

import (
	"encoding/hex"
	"fmt"
	"strings"

	"cds/runtime/db"
)

// maxAge is how long, in seconds, what the server has signed may be used to begin a transaction. Both clocks may differ by this much.
const maxAge = 600

// KeyTable has the key by which signatures are checked. Only its owner reads it.
const KeyTable = prefix + "key"

// An Application is who the second lock is for.
type Application struct {
	Role string     // the role in the database with which the server connects
	Key  *db.RowKey // that of the server
}

// Script returns the statements that put the second lock on all tables, in place of the one that may be there. They have to run in one transaction, by the owner of
// the tables, after those that make the tables and views.
func (s *Schema) Script(app Application) []string {
	out := append(Remove(false), base(app)...)
	role := quoteName(app.Role)
	for _, f := range s.Functions {
		out = append(out, f.create(), comment("FUNCTION "+f.Name, f.print()))
	}
	for _, t := range s.Tables {
		out = append(out, "ALTER TABLE "+t.Name+" ENABLE ROW LEVEL SECURITY")
		out = append(out, grant(t.Name, tableRights, role)...)
		for _, p := range t.Policies {
			out = append(out, p.create(t.Name), comment("POLICY "+p.Name+" ON "+t.Name, p.print()))
		}
	}
	for _, v := range s.Views {
		out = append(out, "ALTER VIEW "+v+" SET (security_invoker = true)")
		out = append(out, grant(v, viewRights, role)...)
	}
	out = append(out, s.others(role))
	if len(s.Logs) > 0 {
		out = append(out, s.logs(role))
	}
	return append(out, seal)
}

// grant gives the server's role rights on a table or view, and takes away what policies do not hold for, whoever gave that.
func grant(name, rights, role string) []string {
	return []string{"REVOKE ALL ON " + name + " FROM " + role, "REVOKE " + unheld + " ON " + name + " FROM PUBLIC", "GRANT " + rights + " ON " + name + " TO " + role}
}

// unheld are the rights that policies do not hold for.
const unheld = "TRUNCATE, REFERENCES, TRIGGER"

// Remove returns the statements that take the second lock away. Tables stay locked unless open is set: they are for a moment without policies, which hides all rows
// from everybody but the owner.
func Remove(open bool) []string {
	unlock := ""
	if open {
		unlock = "\n    EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', r.t);"
	}
	out := []string{`DO $cds$
DECLARE r record;
BEGIN
  FOR r IN SELECT c.oid::regclass AS t, p.polname AS p FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND starts_with(p.polname, '` + prefix + `') LOOP
    EXECUTE format('DROP POLICY %I ON %s', r.p, r.t);` + unlock + `
  END LOOP;
  FOR r IN SELECT p.oid::regprocedure AS f FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = current_schema() AND starts_with(p.proname, '` + prefix + `') LOOP
    EXECUTE format('DROP FUNCTION %s', r.f);
  END LOOP;
END $cds$`}
	if open {
		out = append(out, "DROP TABLE IF EXISTS "+KeyTable)
	}
	return out
}

// base are the key, and the functions that read what the session says.
func base(app Application) []string {
	role := quoteName(app.Role)
	out := []string{
		// Functions must not be led to other tables and functions of the same names.
		searchPath,
		"CREATE TABLE IF NOT EXISTS " + KeyTable + " (one boolean PRIMARY KEY CHECK (one), inner_pad bytea NOT NULL, outer_pad bytea NOT NULL)",
		"REVOKE ALL ON " + KeyTable + " FROM PUBLIC, " + role,
	}
	if app.Key != nil {
		inner, outer := app.Key.Pads()
		out = append(out, "DELETE FROM "+KeyTable,
			fmt.Sprintf(`INSERT INTO %s VALUES (true, '\x%s', '\x%s')`, KeyTable, hex.EncodeToString(inner), hex.EncodeToString(outer)))
	}
	for _, f := range helpers() {
		out = append(out, f.create(), comment("FUNCTION "+f.name, f.print()))
	}
	return append(out, "DO $cds$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', current_schema(), "+quote(role)+"); END $cds$")
}

const searchPath = "SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)"

// A helper is a function that every schema has.
type helper struct{ name, args, result, declare, body, more string }

func (h helper) create() string {
	return "CREATE FUNCTION " + h.name + "(" + h.args + ") RETURNS " + h.result + " LANGUAGE plpgsql STABLE PARALLEL SAFE" + h.more +
		" SET search_path FROM CURRENT AS $cds$\n" + h.declare + "BEGIN\n" + h.body + "END $cds$"
}

func (h helper) print() string { return hash(h.create()) }

// everything is the condition that all tables are open. What has a dot in its name is no table but a right of its own, which has to be named: other tenants' rows, and
// the tables that belong to no model.
const everything = "(o ? '*' AND strpos(t, '.') = 0)"

// helpers are the functions that read what the session says of its user. The first one believes it only if it is signed.
func helpers() []helper {
	return []helper{
		{name: "cds_rls_context", result: "jsonb", more: " SECURITY DEFINER",
			declare: "DECLARE\n  told text := current_setting('cds.rls', true);\n  body text := substr(told, 65);\n  k " + KeyTable + "%ROWTYPE;\n  c jsonb;\n",
			body: `  IF told IS NULL OR told = '' THEN
    RETURN NULL;
  END IF;
  SELECT * INTO k FROM ` + KeyTable + `;
  IF NOT FOUND OR left(told, 64) !~ '^[0-9a-f]{64}$' OR
    sha256(k.outer_pad || decode(left(told, 64), 'hex')) <> sha256(k.outer_pad || sha256(k.outer_pad || sha256(k.inner_pad || convert_to(body, 'UTF8')))) THEN
    RAISE EXCEPTION 'cds: what the session says of its user is not signed by the server' USING ERRCODE = 'insufficient_privilege';
  END IF;
  c := body::jsonb;
  IF coalesce((c->>'i')::float8, 0) < extract(epoch FROM now()) - ` + fmt.Sprint(maxAge) + ` THEN
    RAISE EXCEPTION 'cds: what the session says of its user is too old, or the clocks differ' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN c;
`},
		{name: "cds_rls_open", args: "t text", result: "boolean", declare: "DECLARE o jsonb := cds_rls_context()->'o';\n",
			body: "  RETURN coalesce(" + everything + " OR o ? t OR o ? ('+' || t), false);\n"},
		{name: "cds_rls_may", args: "t text", result: "boolean", declare: "DECLARE o jsonb := cds_rls_context()->'o';\n",
			body: "  RETURN coalesce(" + everything + " OR o ? ('+' || t), false);\n"},
		{name: "cds_rls_value", args: "k text", result: "text", body: "  RETURN cds_rls_context()->'v'->>k;\n"},
		{name: "cds_rls_list", args: "k text", result: "text[]", body: "  RETURN array(SELECT jsonb_array_elements_text(cds_rls_context()->'v'->k));\n"},
	}
}

func (f Function) create() string {
	return "CREATE FUNCTION " + f.Name + "(cds_row " + f.Table + ") RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path FROM CURRENT AS " +
		dollars(f.text())
}

func (f Function) text() string {
	out := "\n"
	if f.Declare != "" {
		out += "DECLARE\n" + f.Declare
	}
	return out + "BEGIN\n  RETURN " + f.Body + ";\nEND "
}

func (f Function) print() string { return hash(f.Table, f.Declare, f.Body) }

// dollars quotes a text by a word that is not in it.
func dollars(text string) string {
	tag := "$cds$"
	for n := 0; strings.Contains(text, tag); n++ {
		tag = fmt.Sprintf("$cds%d$", n)
	}
	return tag + text + tag
}

func (p Policy) create(table string) string {
	out := "CREATE POLICY " + p.Name + " ON " + table
	if p.Restrictive {
		out += " AS RESTRICTIVE"
	}
	out += " FOR " + p.Command
	if p.Using != "" {
		out += " USING (" + p.Using + ")"
	}
	if p.Check != "" {
		out += " WITH CHECK (" + p.Check + ")"
	}
	return out
}

func (p Policy) print() string { return hash(p.Command, fmt.Sprint(p.Restrictive), p.Using, p.Check) }

// comment remembers what an object was made from.
func comment(object, print string) string { return "COMMENT ON " + object + " IS 'cds " + print + "'" }

// modelTable remembers what is deployed. The server reads it only.
const modelTable = "cds_model"

// systemPolicy is the policy of tables of ours that belong to no model.
const systemPolicy = prefix + "system"

// others locks tables of ours that belong to no model: logins, sessions, the audit log, what is deployed. They are open to statements that say so, which only the
// server can sign.
func (s *Schema) others(role string) string {
	known := make([]string, 0, len(s.Tables)+1)
	for _, t := range s.Tables {
		known = append(known, quote(t.Name)+"::regclass")
	}
	known = append(known, "'"+KeyTable+"'::regclass")
	return `DO $cds$
DECLARE r record;
BEGIN
  FOR r IN SELECT c.oid::regclass AS t, c.relname = '` + modelTable + `' AS fixed FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind = 'r' AND pg_catalog.pg_get_userbyid(c.relowner) = current_user
    AND (starts_with(c.relname, 'cds_') OR starts_with(c.relname, 'auth_')) AND c.oid NOT IN (` + strings.Join(known, ", ") + `) LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', r.t);
    EXECUTE format('CREATE POLICY ` + systemPolicy + ` ON %s USING ((SELECT cds_rls_open(''cds.system''))) WITH CHECK ((SELECT cds_rls_open(''cds.system'')))', r.t);
    EXECUTE format('REVOKE ALL ON %s FROM %s', r.t, ` + quote(role) + `);
    EXECUTE format(CASE WHEN r.fixed THEN 'REVOKE INSERT, UPDATE, DELETE, ` + unheld + ` ON %s FROM PUBLIC' ELSE 'REVOKE ` + unheld + ` ON %s FROM PUBLIC' END, r.t);
    EXECUTE format(CASE WHEN r.fixed THEN 'GRANT SELECT ON %s TO %s' ELSE 'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s' END, r.t, ` + quote(role) + `);
  END LOOP;
END $cds$`
}

// auditTable has the audit log, and logPolicy shows it to statements that read it by an entity of the model.
const (
	auditTable = "cds_audit"
	logPolicy  = prefix + "log"
)

// logs opens the audit log to the views that show it, as far as these are there: the server makes them, not the model.
func (s *Schema) logs(role string) string {
	views := make([]string, len(s.Logs))
	for i, v := range s.Logs {
		views[i] = quote(v)
	}
	return `DO $cds$
DECLARE v text;
BEGIN
  IF to_regclass('` + auditTable + `') IS NOT NULL THEN
    CREATE POLICY ` + logPolicy + ` ON ` + auditTable + ` FOR SELECT USING ((SELECT cds_rls_open('cds.audit')));
  END IF;
  FOREACH v IN ARRAY ARRAY[` + strings.Join(views, ", ") + `] LOOP
    IF to_regclass(v) IS NOT NULL THEN
      EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', to_regclass(v));
      EXECUTE format('REVOKE ALL ON %s FROM %s', to_regclass(v), ` + quote(role) + `);
      EXECUTE format('REVOKE ` + unheld + ` ON %s FROM PUBLIC', to_regclass(v));
      EXECUTE format('GRANT SELECT ON %s TO %s', to_regclass(v), ` + quote(role) + `);
    END IF;
  END LOOP;
END $cds$`
}

// deparsed is what the database itself says of a policy p, resp. a function p, as a fingerprint: by it changes by hand are found.
const (
	deparsedPolicy = "md5(coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || '|' || coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') || '|' || " +
		"p.polcmd::text || p.polpermissive::text || p.polroles::text)"
	deparsedFunction = "md5(CASE p.prokind WHEN 'f' THEN pg_catalog.pg_get_functiondef(p.oid) ELSE '' END)"
)

// seal adds these fingerprints to the comments.
const seal = `DO $cds$
DECLARE r record;
BEGIN
  FOR r IN SELECT p.polname AS p, p.polrelid::regclass AS t, coalesce(pg_catalog.obj_description(p.oid, 'pg_policy'), 'cds') || ' ' || ` + deparsedPolicy + ` AS c
    FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND starts_with(p.polname, '` + prefix + `') LOOP
    EXECUTE format('COMMENT ON POLICY %I ON %s IS %L', r.p, r.t, r.c);
  END LOOP;
  FOR r IN SELECT p.oid::regprocedure AS f, coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), 'cds') || ' ' || ` + deparsedFunction + ` AS c
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = current_schema() AND starts_with(p.proname, '` + prefix + `') LOOP
    EXECUTE format('COMMENT ON FUNCTION %s IS %L', r.f, r.c);
  END LOOP;
END $cds$`

func quoteName(s string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), `"`, `""`) + `"`
}

// Text is the second lock for people to read: the policies and functions of the model, without what every schema has.
func (s *Schema) Text() []byte {
	var b []byte
	add := func(sql string) { b = append(append(b, sql...), ";\n"...) }
	for _, f := range s.Functions {
		add(f.create())
	}
	for _, t := range s.Tables {
		if len(b) > 0 {
			b = append(b, '\n')
		}
		add("ALTER TABLE " + t.Name + " ENABLE ROW LEVEL SECURITY")
		for _, p := range t.Policies {
			add(p.create(t.Name))
		}
	}
	if len(s.Views) > 0 {
		b = append(b, '\n')
	}
	for _, v := range s.Views {
		add("ALTER VIEW " + v + " SET (security_invoker = true)")
	}
	for _, n := range s.Notes {
		b = append(append(b, "-- "+n.Entity+" "+n.Text...), '\n')
	}
	return b
}
