package deploy

import (
	"strings"

	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// Indexed returns a function that tells whether a key or an index that a deployment makes begins with a column of a table, so that rows can be found by it.
// Errors are those of making the schema.
func Indexed(m *csn.Model, d sqlgen.Dialect) (func(table, column string) bool, error) {
	schema, err := schemaOf(m, d, Options{})
	if err != nil {
		return nil, err
	}
	first := map[string]bool{}
	for i := range schema.Tables {
		if t := &schema.Tables[i]; len(t.Key) > 0 {
			first[t.Name+"\x00"+t.Key[0]] = true
		}
	}
	for _, x := range schema.Indexes {
		col := strings.TrimPrefix(x.SQL, "(")
		if i := strings.IndexAny(col, ",)"); i >= 0 {
			col = col[:i]
		}
		col = strings.TrimSpace(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(col, " NULLS FIRST"), " NULLS LAST"), descending))
		first[x.Table+"\x00"+col] = true
	}
	return func(table, column string) bool {
		return first[table+"\x00"+column] || first[table+"\x00"+sqlgen.Quote(column, d)]
	}, nil
}
