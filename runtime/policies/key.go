package policies

import (
	"context"
	"strings"

	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// Tables that were made before ids were each tenant's own have the id alone as their key: a tenant would learn from a conflict which ids others have.

// oldKey reports whether the key of the table is not that of tenant and id.
func oldKey(ctx context.Context, pool db.Pool) (bool, error) {
	q := "SELECT count(*) FROM pragma_table_info('" + Table + "') WHERE pk > 0 AND lower(name) IN ('tenant', 'id')"
	if pool.Dialect().Name() == "postgres" {
		q = "SELECT count(*) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) " +
			"WHERE i.indrelid = to_regclass('" + Table + "') AND i.indisprimary AND a.attname IN ('tenant', 'id')"
	}
	n, err := number(ctx, pool, q)
	return n != 2, err
}

// rekey gives the table its key, in a transaction that keeps its rows. Each of them can stay: what was unique by its id is unique by tenant and id.
func rekey(ctx context.Context, tx db.Tx, d sqlgen.Dialect) error {
	if d.Name() == "postgres" {
		return tx.Script(ctx, `DO $cds$
DECLARE k name;
BEGIN
  LOCK TABLE `+Table+` IN ACCESS EXCLUSIVE MODE;
  SELECT conname INTO k FROM pg_catalog.pg_constraint WHERE conrelid = to_regclass('`+Table+`') AND contype = 'p';
  IF k IS NOT NULL THEN
    EXECUTE format('ALTER TABLE `+Table+` DROP CONSTRAINT %I', k);
  END IF;
  ALTER TABLE `+Table+` ADD PRIMARY KEY (tenant, id);
END $cds$`)
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	list := strings.Join(names, ", ")
	return tx.Script(ctx, "CREATE TABLE "+Table+"_new ("+ddl()+");\nINSERT INTO "+Table+"_new ("+list+") SELECT "+list+" FROM "+Table+";\nDROP TABLE "+Table+";\nALTER TABLE "+Table+"_new RENAME TO "+Table)
}
