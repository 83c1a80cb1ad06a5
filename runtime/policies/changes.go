package policies

import (
	"context"
	"strings"

	"cds/parser/cqn"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// Which policies have changed is kept by the database itself: triggers on the table count each change, whoever makes it, so that a look reads what has changed
// and no more. All changes have one counter, whose row is locked until a writer commits: their numbers are seen in their order.

// ChangesTable is where changes of the table of policies are counted.
const ChangesTable = "cds_policies_changes"

// Scopes are what a row of the table of changes is about.
const (
	scopeCounter = 0 // the number of the last change
	scopeTenant  = 1 // the last change of policies for the users of a tenant, "" for those of all tenants
	scopeTable   = 2 // the last change of everything at once
)

const changesDDL = "CREATE TABLE IF NOT EXISTS " + ChangesTable + " (scope INTEGER NOT NULL, tenant VARCHAR(255) NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (scope, tenant));\n" +
	"CREATE INDEX IF NOT EXISTS " + ChangesTable + "_version ON " + ChangesTable + " (version);\n"

// everything notes that all may have changed: nobody counted before.
const everything = "INSERT INTO " + ChangesTable + " (scope, tenant, version) VALUES (0, '', 1) ON CONFLICT (scope, tenant) DO UPDATE SET version = " + ChangesTable + ".version + 1;\n" +
	"INSERT INTO " + ChangesTable + " (scope, tenant, version) SELECT 2, '', version FROM " + ChangesTable + " WHERE scope = 0 ON CONFLICT (scope, tenant) DO UPDATE SET version = excluded.version;\n"

// triggersSQLite count the changes of rows.
func triggersSQLite() string {
	const next = "INSERT INTO " + ChangesTable + " (scope, tenant, version) VALUES (0, '', 1) ON CONFLICT (scope, tenant) DO UPDATE SET version = version + 1;\n"
	of := func(row string) string {
		return "INSERT INTO " + ChangesTable + " (scope, tenant, version) SELECT 1, " + row + ".tenant, version FROM " + ChangesTable +
			" WHERE scope = 0 ON CONFLICT (scope, tenant) DO UPDATE SET version = excluded.version;\n"
	}
	trigger := func(event, body string) string {
		return "CREATE TRIGGER " + triggerName + "_" + strings.ToLower(event) + " AFTER " + event + " ON " + Table + " BEGIN\n" + next + body + "END;\n"
	}
	return trigger("INSERT", of("NEW")) + trigger("UPDATE", of("OLD")+of("NEW")) + trigger("DELETE", of("OLD"))
}

// triggerName is the name of the trigger, or what those of SQLite, which has one for each event, begin with.
const triggerName = "cds_policies_count"

// triggersPostgres do the same. The function finds the table of changes beside the one that it is called for, whatever the session looks through.
func triggersPostgres() string {
	const next = `EXECUTE format('INSERT INTO %I.` + ChangesTable + ` AS c (scope, tenant, version) VALUES (0, '''', 1) ON CONFLICT (scope, tenant) DO UPDATE SET version = c.version + 1 RETURNING version', TG_TABLE_SCHEMA) INTO n;
`
	set := func(scope, tenant string) string {
		return `EXECUTE format('INSERT INTO %I.` + ChangesTable + ` (scope, tenant, version) VALUES (` + scope + `, $1, $2) ON CONFLICT (scope, tenant) DO UPDATE SET version = excluded.version', TG_TABLE_SCHEMA) USING ` + tenant + `, n;
`
	}
	return `CREATE OR REPLACE FUNCTION ` + triggerName + `() RETURNS trigger LANGUAGE plpgsql AS $cds$
DECLARE n bigint;
BEGIN
` + next + `IF TG_OP = 'TRUNCATE' THEN
` + set("2", "''::text") + `END IF;
IF TG_OP IN ('UPDATE', 'DELETE') THEN
` + set("1", "OLD.tenant") + `END IF;
IF TG_OP IN ('INSERT', 'UPDATE') THEN
` + set("1", "NEW.tenant") + `END IF;
RETURN NULL;
END $cds$;
DROP TRIGGER IF EXISTS ` + triggerName + ` ON ` + Table + `;
DROP TRIGGER IF EXISTS ` + triggerName + `_all ON ` + Table + `;
CREATE TRIGGER ` + triggerName + ` AFTER INSERT OR UPDATE OR DELETE ON ` + Table + ` FOR EACH ROW EXECUTE FUNCTION ` + triggerName + `();
CREATE TRIGGER ` + triggerName + `_all AFTER TRUNCATE ON ` + Table + ` FOR EACH STATEMENT EXECUTE FUNCTION ` + triggerName + `();
`
}

// counting returns the statements that let the database count changes.
func counting(d sqlgen.Dialect) string {
	if d.Name() == "postgres" {
		return changesDDL + triggersPostgres() + everything
	}
	return changesDDL + triggersSQLite() + everything
}

// counts reports whether the database counts changes.
func counts(ctx context.Context, pool db.Pool) (bool, error) {
	q, want := "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '"+Table+"' AND name LIKE '"+triggerName+"_%' OR type = 'table' AND name = '"+ChangesTable+"'", int64(4)
	if pool.Dialect().Name() == "postgres" {
		q, want = "SELECT (SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid = to_regclass('"+Table+"') AND tgenabled IN ('O', 'A') AND starts_with(tgname, '"+triggerName+
			"')) + (to_regclass('"+ChangesTable+"') IS NOT NULL)::int", 3
	}
	n, err := number(ctx, pool, q)
	return n == want, err
}

// number runs a query for one number.
func number(ctx context.Context, pool db.Pool, sql string) (n int64, err error) {
	tx, err := readOne(ctx, pool)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	err = db.Each(ctx, tx, db.Stmt{SQL: sql, Anonymous: true}, func(r db.Rows) error { n = r.Int(0); return nil })
	return n, err
}

// readOne begins a read of one statement.
func readOne(ctx context.Context, pool db.Pool) (db.Tx, error) {
	if p, ok := pool.(db.OneReader); ok {
		return p.ReadOne(ctx, db.Session{})
	}
	return pool.Read(ctx, db.Session{})
}

// A change is what a look has found.
type change struct {
	version int64 // of the last change
	all     bool  // everything has to be read, for it is not known what has changed
	tenants []string
}

// changes returns what has changed since a version. Policies that are read later may be newer than that: then the next look finds them again.
func changes(ctx context.Context, pool db.Pool, since int64) (c change, err error) {
	tx, err := readOne(ctx, pool)
	if err != nil {
		return change{}, err
	}
	defer func() { _ = tx.Rollback() }()
	counted := false
	st := db.Stmt{SQL: db.Numbered(pool.Dialect(), "SELECT scope, tenant, version FROM "+ChangesTable+" WHERE scope = 0 OR version > ?"), Binds: []cqn.Value{cqn.Int(since)}, Anonymous: true}
	err = db.Each(ctx, tx, st, func(r db.Rows) error {
		switch scope := r.Int(0); {
		case scope == scopeCounter:
			counted, c.version = true, r.Int(2)
		case scope == scopeTenant && len(r.Text(1)) > 0:
			c.tenants = append(c.tenants, string(r.Text(1)))
		default: // policies for everybody are part of what holds for each tenant
			c.all = true
		}
		return nil
	})
	// A counter that is gone, or goes back, is that of another table: a backup, or one that was made anew.
	c.all = c.all || !counted || c.version < since
	return c, err
}
