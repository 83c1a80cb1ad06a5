package postgres

import (
	"strconv"
	"strings"

	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

type dialect struct{ tables sqlgen.Tables }

var _ sqlgen.Dialect = (*dialect)(nil)

// Dialect returns the facts of PostgreSQL's SQL.
func Dialect() sqlgen.Dialect {
	return &dialect{sqlgen.Tables{
		Reserved:    reserved(),
		Types:       types(),
		Functions:   functions(),
		Sessions:    sessions(),
		Barrier:     "OFFSET 0",
		AlterColumn: "TYPE",
		HasColumn: "SELECT count(*) FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass($1) AND lower(attname) = lower($2) AND attnum > 0 " +
			"AND NOT attisdropped",
		NullSafeEq: "?1 IS NOT DISTINCT FROM ?2",
		NullSafeNe: "?1 IS DISTINCT FROM ?2",
		True:       "TRUE",
		False:      "FALSE",
		Concat:     "?1 || ?2",
		Elements:   "SELECT CAST(value AS ?2) FROM jsonb_array_elements_text(CAST(?1 AS jsonb))",
		Regexp:     "?1 ~ ?2",
		NullsOrder: true,
		NullsHigh:  true,
		LockUpdate: "FOR UPDATE OF ?1",
		Bytes:      `'\x?1'::bytea`,
		LikePlain:  " ESCAPE ''",
		// The value is unpacked once, by the subquery, whose row stays while the function makes the numbers that depend on it.
		Pieces:  "SELECT g.i, substring(s.x FROM g.i FOR ?4) FROM (?1 OFFSET 0) AS s(x) CROSS JOIN LATERAL generate_series(?2, least(?3, octet_length(s.x)), ?4) AS g(i)",
		MaxName: 63,
	}}
}

func (d *dialect) Name() string           { return "postgres" }
func (d *dialect) Tables() *sqlgen.Tables { return &d.tables }

// Param appends $n, with a cast where the type is known, so that nothing depends on what the server would take it for.
func (d *dialect) Param(b []byte, n int, t *csn.Builtin) []byte {
	b = strconv.AppendInt(append(b, '$'), int64(n), 10)
	if s := operandType(t); s != "" {
		b = append(append(b, "::"...), s...)
	}
	return b
}

// InList appends a comparison with an array. An array without type has that of the left side.
func (d *dialect) InList(b []byte, n int, t *csn.Builtin, not bool) []byte {
	if not {
		b = append(b, " <> ALL("...)
	} else {
		b = append(b, " = ANY("...)
	}
	return append(d.array(b, n, operandType(t)), ')')
}

// ListRows appends a FROM item with the elements of a bound array in column "value" and their positions in "key".
func (d *dialect) ListRows(b []byte, n int, t *csn.Builtin, alias string) []byte {
	s := operandType(t)
	if s == "" {
		s = "text"
	}
	b = d.array(append(b, "unnest("...), n, s)
	return append(append(append(b, ") WITH ORDINALITY AS "...), alias...), "(value, key)"...)
}

func (d *dialect) array(b []byte, n int, elem string) []byte {
	b = strconv.AppendInt(append(b, '$'), int64(n), 10)
	if elem != "" {
		b = append(append(append(b, "::"...), elem...), "[]"...)
	}
	return b
}

// operandType is the type that a value is given to be compared with elements of type t: without length, precision and scale, since a value
// that is too long for an element is only different from all of its values. "" for none.
func operandType(t *csn.Builtin) string {
	if t == nil {
		return ""
	}
	switch t.Kind {
	case csn.Boolean:
		return "boolean"
	case csn.Integer, csn.Int32:
		return "integer"
	case csn.UInt8, csn.Int16:
		return "smallint"
	case csn.Int64:
		return "bigint"
	case csn.Decimal:
		return "numeric"
	case csn.Double:
		return "float8"
	case csn.Date:
		return "date"
	case csn.Time:
		return "time"
	case csn.DateTime, csn.Timestamp:
		return "timestamp"
	case csn.UUID, csn.String, csn.LargeString:
		return "text"
	case csn.Binary, csn.LargeBinary:
		return "bytea"
	case csn.Map:
		return "jsonb"
	}
	return ""
}

// types are the column types, the same as CAP's, so that either framework can open the other's database.
func types() map[string]string {
	return map[string]string{
		"cds.UUID":        "VARCHAR(36)",
		"cds.Boolean":     "BOOLEAN",
		"cds.Integer":     "INTEGER",
		"cds.UInt8":       "SMALLINT",
		"cds.Int16":       "SMALLINT",
		"cds.Int32":       "INTEGER",
		"cds.Int64":       "BIGINT",
		"cds.Integer64":   "BIGINT",
		"cds.Decimal":     "DECIMAL(%d,%d)",
		"cds.Double":      "FLOAT8",
		"cds.Date":        "DATE",
		"cds.Time":        "TIME",
		"cds.DateTime":    "TIMESTAMP",
		"cds.Timestamp":   "TIMESTAMP",
		"cds.String":      "VARCHAR(%d)",
		"cds.LargeString": "TEXT",
		"cds.Binary":      "BYTEA",
		"cds.LargeBinary": "BYTEA",
		"cds.Vector":      "VECTOR(%d)",
		"cds.Map":         "JSONB",
	}
}

// sessions are the variables that views read from their transaction. One that is not set is null; after a transaction that has set it, it is
// the empty text. Moments have the type of the columns that they are compared with.
func sessions() map[string]string {
	text := func(name string) string { return "nullif(current_setting('cap." + name + "', true), '')" }
	moment := func(name string) string { return "CAST(" + text(name) + " AS timestamp)" }
	m := map[string]string{
		"$user.id": text("applicationuser"), "$user.tenant": text("tenant"), "$user.locale": text("locale"),
		"$now": moment("now"), "$valid.from": moment("valid_from"), "$valid.to": moment("valid_to"),
	}
	m["$user"], m["$tenant"], m["$locale"] = m["$user.id"], m["$user.tenant"], m["$user.locale"]
	m["$at.from"], m["$at.to"] = m["$valid.from"], m["$valid.to"]
	return m
}

// functions are templates for functions that need one here; those that PostgreSQL knows by the same name are listed with themselves, since
// everything that is not listed is refused. Numbers that count or place something are cast, as such parameters are integers only.
func functions() map[string]string {
	part := func(field string) string { return "CAST(extract(" + field + " FROM ?1) AS integer)" }
	now := sessions()["$now"]
	// The position that OData's substring begins at: from 0, from the end if negative.
	const from = "CAST(CASE WHEN ?2 < 0 THEN greatest(length(?1) + ?2 + 1, 1) WHEN ?2 < 2147483647 THEN ?2 + 1 ELSE 2147483647 END AS integer)"
	// Numbers that calculating with does not fail for: see masks.
	const (
		bounded = "CASE WHEN ?1 = 0 OR abs(?1) BETWEEN 1e-100 AND 1e100 THEN ?1 END"
		whole   = "CASE WHEN ?1 BETWEEN -9200000000000000000 AND 9200000000000000000 THEN ?1 END"
	)
	m := map[string]string{
		// OData
		"contains":           "strpos(?1, ?2) > 0",
		"startswith":         "starts_with(?1, ?2)",
		"endswith":           "right(?1, length(?2)) = ?2",
		"indexof":            "strpos(?1, ?2) - 1",
		"substring/2":        "substr(?1, " + from + ")",
		"substring/3":        "substr(?1, " + from + ", CAST(CASE WHEN ?3 > 2147483647 THEN 2147483647 WHEN ?3 > 0 THEN ?3 WHEN ?3 <= 0 THEN 0 END AS integer))",
		"tolower":            "lower(?1)",
		"toupper":            "upper(?1)",
		"year":               part("year"),
		"month":              part("month"),
		"day":                part("day"),
		"hour":               part("hour"),
		"minute":             part("minute"),
		"second":             "CAST(floor(extract(second FROM ?1)) AS integer)",
		"fractionalseconds":  "CAST(extract(second FROM ?1) - floor(extract(second FROM ?1)) AS float8)",
		"date":               "CAST(?1 AS date)",
		"time":               "CAST(date_trunc('second', ?1) AS time)",
		"now":                now,
		"maxdatetime":        "CAST('9999-12-31T23:59:59.999' AS timestamp)",
		"mindatetime":        "CAST('0001-01-01T00:00:00.000' AS timestamp)",
		"totaloffsetminutes": "CASE WHEN ?1 IS NULL THEN NULL ELSE 0 END",
		"matchespattern":     "?1 ~ ?2",
		"cds.search":         "strpos(lower(?1), lower(?2)) > 0",
		"cds.items":          "jsonb_array_length(CAST(?1 AS jsonb))",
		"cds.seconds":        "CAST(extract(epoch FROM CAST(?1 AS timestamp) - CAST(?2 AS timestamp)) AS float8)",
		"cds.add_date":       "CAST(?1 + (?2) * interval '1 second' AS date)",
		"cds.add_datetime":   "date_trunc('second', ?1 + (?2) * interval '1 second')",
		"cds.add_timestamp":  "(?1 + (?2) * interval '1 second')",
		"cds.year_date":      "CAST(date_trunc('year', ?1) AS date)",
		"cds.year_datetime":  "date_trunc('year', ?1)",
		"cds.year_stamp":     "date_trunc('year', ?1)",
		"cds.month_date":     "CAST(date_trunc('month', ?1) AS date)",
		"cds.month_datetime": "date_trunc('month', ?1)",
		"cds.month_stamp":    "date_trunc('month', ?1)",
		"cds.bounded":        bounded,
		"cds.whole":          whole,
		"cds.size":           "octet_length(?1)",
		"cds.unpacked":       "(?1 || ''::bytea)",
		"cds.piece":          "substring(?1 FROM CAST(?2 AS integer) FOR CAST(?3 AS integer))",
		"round":              "round(CAST(?1 AS numeric))", // half away from zero also for binary numbers
		// SQL
		"substr/2":          "substr(?1, CAST(?2 AS integer))",
		"substr/3":          "substr(?1, CAST(?2 AS integer), CAST(?3 AS integer))",
		"locate":            "strpos(?1, ?2)",
		"instr":             "strpos(?1, ?2)",
		"current_date":      "CAST(" + now + " AS date)",
		"current_time":      "CAST(date_trunc('second', " + now + ") AS time)",
		"current_timestamp": now,
		"ifnull":            "coalesce(?1, ?2)",
		"mod":               "mod(?1, ?2)",
		"greatest":          "CASE WHEN ?1 >= ?2 THEN ?1 WHEN ?1 < ?2 THEN ?2 END", // null if either is
		"least":             "CASE WHEN ?1 <= ?2 THEN ?1 WHEN ?1 > ?2 THEN ?2 END",
		"days_between":      "CAST(extract(day FROM CAST(?2 AS timestamp) - CAST(?1 AS timestamp)) AS integer)",
		"average":           "CAST(avg(?1) AS float8)",
		"countdistinct":     "count(DISTINCT ?1)",
		"total":             "coalesce(CAST(sum(?1) AS float8), 0)",
		"years_between": "(CAST(extract(year FROM ?2) - extract(year FROM ?1) AS integer) - CASE WHEN to_char(CAST(?2 AS timestamp), 'MMDD') < " +
			"to_char(CAST(?1 AS timestamp), 'MMDD') THEN 1 ELSE 0 END)",
		"ntile":  "ntile(CAST(?1 AS integer))",
		"lag/2":  "lag(?1, CAST(?2 AS integer))",
		"lead/2": "lead(?1, CAST(?2 AS integer))",
	}
	for _, name := range []string{
		"lower", "upper", "trim", "ltrim", "rtrim", "replace", "coalesce", "nullif", "abs", "floor", "ceil", "ceiling", "sign", "length",
		"count", "sum", "avg", "min", "max", "power", "sqrt", "row_number", "rank", "dense_rank", "lag", "lead", "first_value", "last_value",
	} {
		m[name] = name + "(?*)"
	}
	// || is null if one of its operands is, unlike the function concat.
	parts := []string{"CAST(?1 AS text)"}
	for n := 2; n <= 9; n++ {
		parts = append(parts, "CAST(?"+strconv.Itoa(n)+" AS text)")
		m["concat/"+strconv.Itoa(n)] = "(" + strings.Join(parts, " || ") + ")"
	}
	return m
}

// reserved are the words that PostgreSQL does not take as names of columns and tables without quotes.
func reserved() map[string]bool {
	m := map[string]bool{}
	for _, w := range []string{
		"ALL", "ANALYSE", "ANALYZE", "AND", "ANY", "ARRAY", "AS", "ASC", "ASYMMETRIC", "AUTHORIZATION", "BINARY", "BOTH", "CASE", "CAST", "CHECK", "COLLATE",
		"COLLATION", "COLUMN", "CONCURRENTLY", "CONSTRAINT", "CREATE", "CROSS", "CURRENT_CATALOG", "CURRENT_DATE", "CURRENT_ROLE", "CURRENT_SCHEMA",
		"CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "DEFAULT", "DEFERRABLE", "DESC", "DISTINCT", "DO", "ELSE", "END", "EXCEPT", "FALSE", "FETCH",
		"FOR", "FOREIGN", "FREEZE", "FROM", "FULL", "GRANT", "GROUP", "HAVING", "ILIKE", "IN", "INITIALLY", "INNER", "INTERSECT", "INTO", "IS", "ISNULL", "JOIN",
		"LATERAL", "LEADING", "LEFT", "LIKE", "LIMIT", "LOCALTIME", "LOCALTIMESTAMP", "NATURAL", "NOT", "NOTNULL", "NULL", "OFFSET", "ON", "ONLY", "OR", "ORDER",
		"OUTER", "OVERLAPS", "PLACING", "PRIMARY", "REFERENCES", "RETURNING", "RIGHT", "SELECT", "SESSION_USER", "SIMILAR", "SOME", "SYMMETRIC",
		"SYSTEM_USER", "TABLE", "TABLESAMPLE", "THEN", "TO", "TRAILING", "TRUE", "UNION", "UNIQUE", "USER", "USING", "VARIADIC", "VERBOSE", "WHEN", "WHERE",
		"WINDOW", "WITH",
	} {
		m[w] = true
	}
	return m
}
