package sqlite

import (
	"strconv"

	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

type dialect struct{ tables sqlgen.Tables }

var _ sqlgen.Dialect = (*dialect)(nil)

// Dialect returns the facts of SQLite's SQL.
func Dialect() sqlgen.Dialect {
	return &dialect{sqlgen.Tables{
		Reserved:   reserved(),
		Types:      types(),
		Functions:  functions(),
		Sessions:   sessions(),
		HasColumn:  "SELECT count(*) FROM pragma_table_xinfo(trim(?1, '\"')) WHERE lower(name) = lower(?2)",
		Barrier:    "LIMIT -1 OFFSET 0",
		NullSafeEq: "?1 IS ?2",
		NullSafeNe: "?1 IS NOT ?2",
		True:       "TRUE",
		False:      "FALSE",
		Concat:     "?1 || ?2",
		Elements:   "SELECT value FROM json_each(?1)",
		Regexp:     "?1 REGEXP ?2",
		NullsOrder: true,
		LockUpdate: "",
		Bytes:      "x'?1'",
		RowID:      []string{"rowid", "_rowid_", "oid"},
	}}
}

func (d *dialect) Name() string           { return "sqlite" }
func (d *dialect) Tables() *sqlgen.Tables { return &d.tables }

// Param appends ?n. SQLite converts bound values by the affinity of what they are compared with, so types don't matter here.
func (d *dialect) Param(b []byte, n int, _ *csn.Builtin) []byte {
	return strconv.AppendInt(append(b, '?'), int64(n), 10)
}

// InList appends a search in the JSON array that the driver binds for a list.
func (d *dialect) InList(b []byte, n int, t *csn.Builtin, not bool) []byte {
	if not {
		b = append(b, " NOT"...)
	}
	b = append(b, " IN (SELECT "...)
	b = append(b, element(t)...)
	b = append(b, " FROM json_each("...)
	return append(d.Param(b, n, t), "))"...)
}

// ListRows appends a FROM item with the elements of a bound list in column "value" and their positions in "key".
func (d *dialect) ListRows(b []byte, n int, t *csn.Builtin, alias string) []byte {
	if element(t) == "value" {
		return append(append(d.Param(append(b, "json_each("...), n, t), ") AS "...), alias...)
	}
	b = append(b, "(SELECT key, "+element(t)+" AS value FROM json_each("...)
	return append(append(d.Param(b, n, t), ")) AS "...), alias...)
}

// element is the value of one array element: binaries travel as hexadecimal digits, since JSON has no bytes.
func element(t *csn.Builtin) string {
	if t != nil && (t.Kind == csn.Binary || t.Kind == csn.LargeBinary) {
		return "unhex(value)"
	}
	return "value"
}

// types are the column types. Names matter for SQLite's affinities: …TEXT and …CHAR make text, INT integers, REAL and DOUBLE
// numbers. They are those of CAP, so that either framework can open the other's file.
func types() map[string]string {
	return map[string]string{
		"cds.UUID":        "NVARCHAR(36)",
		"cds.Boolean":     "BOOLEAN",
		"cds.Integer":     "INTEGER",
		"cds.UInt8":       "TINYINT",
		"cds.Int16":       "SMALLINT",
		"cds.Int32":       "INTEGER",
		"cds.Int64":       "BIGINT",
		"cds.Integer64":   "BIGINT",
		"cds.Decimal":     "REAL_DECIMAL(%d,%d)",
		"cds.Double":      "DOUBLE",
		"cds.Date":        "DATE_TEXT",
		"cds.Time":        "TIME_TEXT",
		"cds.DateTime":    "DATETIME_TEXT",
		"cds.Timestamp":   "TIMESTAMP_TEXT",
		"cds.String":      "NVARCHAR(%d)",
		"cds.LargeString": "NCLOB",
		"cds.Binary":      "BINARY_BLOB(%d)",
		"cds.LargeBinary": "BLOB",
		"cds.Vector":      "BLOB",
		"cds.Map":         "JSON_TEXT",
	}
}

// sessions are the variables that views read from their connection.
func sessions() map[string]string {
	m := map[string]string{}
	for _, name := range []string{"$user.id", "$user.tenant", "$user.locale", "$now", "$valid.from", "$valid.to"} {
		m[name] = "session_context('" + name + "')"
	}
	m["$user"], m["$tenant"], m["$locale"] = m["$user.id"], m["$user.tenant"], m["$user.locale"]
	m["$at.from"], m["$at.to"] = m["$valid.from"], m["$valid.to"]
	return m
}

// functions are templates for functions that need one here; those that SQLite knows by the same name are listed with themselves, since
// everything that is not listed is refused.
func functions() map[string]string {
	m := map[string]string{
		// OData
		"contains":           "instr(?1, ?2) > 0",
		"startswith":         "substr(?1, 1, length(?2)) = ?2",
		"endswith":           "(length(?1) >= length(?2) AND substr(?1, length(?1) - length(?2) + 1) = ?2)",
		"indexof":            "instr(?1, ?2) - 1",
		"substring/2":        "substr(?1, CASE WHEN ?2 < 0 THEN max(length(?1) + ?2 + 1, 1) ELSE ?2 + 1 END)",
		"substring/3":        "substr(?1, CASE WHEN ?2 < 0 THEN max(length(?1) + ?2 + 1, 1) ELSE ?2 + 1 END, max(?3, 0))",
		"tolower":            "fold_lower(?1)",
		"toupper":            "fold_upper(?1)",
		"concat":             "concat_null(?*)",
		"year":               "CAST(strftime('%Y', ?1) AS INTEGER)",
		"month":              "CAST(strftime('%m', ?1) AS INTEGER)",
		"day":                "CAST(strftime('%d', ?1) AS INTEGER)",
		"hour":               "CAST(strftime('%H', ?1) AS INTEGER)",
		"minute":             "CAST(strftime('%M', ?1) AS INTEGER)",
		"second":             "CAST(strftime('%S', ?1) AS INTEGER)",
		"fractionalseconds":  "CAST('0.' || substr(strftime('%f', ?1), 4) AS REAL)",
		"date":               "strftime('%Y-%m-%d', ?1)",
		"time":               "strftime('%H:%M:%S', ?1)",
		"now":                "session_context('$now')",
		"maxdatetime":        "'9999-12-31T23:59:59.999Z'",
		"mindatetime":        "'0001-01-01T00:00:00.000Z'",
		"totaloffsetminutes": "CASE WHEN ?1 IS NULL THEN NULL ELSE 0 END",
		"matchespattern":     "?1 REGEXP ?2",
		"cds.search":         "fold_instr(?1, ?2)",
		"cds.items":          "json_array_length(?1)",
		"cds.seconds":        "round(unixepoch(?1, 'subsec') - unixepoch(?2, 'subsec'), 3)",
		"cds.add_date":       "date(?1, (?2) || ' seconds')",
		"cds.add_datetime":   "strftime('%Y-%m-%dT%H:%M:%SZ', ?1, (?2) || ' seconds')",
		"cds.add_timestamp":  "strftime('%Y-%m-%dT%H:%M:%fZ', ?1, (?2) || ' seconds')",
		"cds.year_date":      "substr(?1, 1, 4) || '-01-01'",
		"cds.year_datetime":  "substr(?1, 1, 4) || '-01-01T00:00:00Z'",
		"cds.year_stamp":     "substr(?1, 1, 4) || '-01-01T00:00:00.000Z'",
		"cds.month_date":     "substr(?1, 1, 7) || '-01'",
		"cds.month_datetime": "substr(?1, 1, 7) || '-01T00:00:00Z'",
		"cds.month_stamp":    "substr(?1, 1, 7) || '-01T00:00:00.000Z'",
		"cds.bounded":        "CASE WHEN ?1 = 0 OR abs(?1) BETWEEN 1e-100 AND 1e100 THEN ?1 END", // for masks, as is cds.whole
		"cds.whole":          "CASE WHEN ?1 BETWEEN -9200000000000000000 AND 9200000000000000000 THEN ?1 END",
		"cds.size":           "octet_length(?1)",
		"cds.piece":          "substr(CAST(?1 AS BLOB), ?2, ?3)",
		// SQL
		"substr/2":          "substr(?1, ?2)",
		"substr/3":          "substr(?1, ?2, ?3)",
		"locate":            "instr(?1, ?2)",
		"current_date":      "substr(session_context('$now'), 1, 10)",
		"current_time":      "substr(session_context('$now'), 12, 8)",
		"current_timestamp": "session_context('$now')",
		"length":            "length(?1)",
		"mod":               "?1 % ?2",
		"greatest":          "max(?*)",
		"least":             "min(?*)",
		"days_between":      "CAST(julianday(?2) - julianday(?1) AS INTEGER)",
		"average":           "avg(?1)",
		"countdistinct":     "count(DISTINCT ?1)",
		"years_between":     "(CAST(strftime('%Y', ?2) AS INTEGER) - CAST(strftime('%Y', ?1) AS INTEGER) - (strftime('%m-%d', ?2) < strftime('%m-%d', ?1)))",
	}
	for _, name := range []string{
		"lower", "upper", "trim", "ltrim", "rtrim", "replace", "coalesce", "ifnull", "nullif", "abs", "round", "floor", "ceil", "ceiling", "sign",
		"count", "sum", "avg", "min", "max", "total", "instr", "printf", "power", "sqrt", "strftime", "julianday", "hex", "char", "unicode",
		"row_number", "rank", "dense_rank", "lag", "lead", "first_value", "last_value", "ntile", "json_extract", "json_array_length", "session_context",
	} {
		m[name] = name + "(?*)"
	}
	return m
}

// reserved are the words that SQLite does not take as names without quotes.
func reserved() map[string]bool {
	m := map[string]bool{}
	for _, w := range []string{
		"ADD", "ALL", "ALTER", "AND", "AS", "AUTOINCREMENT", "BETWEEN", "CASE", "CHECK", "COLLATE", "COMMIT", "CONSTRAINT", "CREATE", "CROSS",
		"CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "DEFAULT", "DEFERRABLE", "DELETE", "DISTINCT", "DROP", "ELSE", "ESCAPE", "EXCEPT",
		"EXISTS", "FOREIGN", "FROM", "FULL", "GROUP", "HAVING", "IN", "INDEX", "INNER", "INSERT", "INTERSECT", "INTO", "IS", "ISNULL", "JOIN", "LEFT",
		"LIMIT", "NATURAL", "NOT", "NOTHING", "NOTNULL", "NULL", "ON", "OR", "ORDER", "OUTER", "OVER", "PARTITION", "PRIMARY", "REFERENCES", "RETURNING",
		"RIGHT", "SELECT", "SET", "TABLE", "THEN", "TO", "TRANSACTION", "TRUE", "FALSE", "UNION", "UNIQUE", "UPDATE", "USING", "VALUES", "WHEN", "WHERE",
		"WINDOW", "WITH", "FILTER", "GENERATED", "ALWAYS", "GLOB", "LIKE", "MATCH", "REGEXP", "RAISE", "CAST", "END", "BEGIN", "KEY", "ROWID", "OID", "_ROWID_",
		"ABORT", "ACTION", "AFTER", "ANALYZE", "ASC", "ATTACH", "BEFORE", "BY", "CASCADE", "COLUMN", "CONFLICT", "CURRENT", "DATABASE", "DEFERRED", "DESC",
		"DETACH", "DO", "EACH", "EXCLUDE", "EXCLUSIVE", "EXPLAIN", "FAIL", "FIRST", "FOLLOWING", "FOR", "GROUPS", "IF", "IGNORE", "IMMEDIATE", "INDEXED",
		"INITIALLY", "INSTEAD", "LAST", "MATERIALIZED", "NO", "NULLS", "OF", "OFFSET", "OTHERS", "PLAN", "PRAGMA", "PRECEDING", "QUERY", "RANGE", "RECURSIVE",
		"REINDEX", "RELEASE", "RENAME", "REPLACE", "RESTRICT", "ROLLBACK", "ROW", "ROWS", "SAVEPOINT", "TEMP", "TEMPORARY", "TIES", "TRIGGER", "UNBOUNDED",
		"VACUUM", "VIEW", "VIRTUAL", "WITHOUT",
	} {
		m[w] = true
	}
	return m
}
