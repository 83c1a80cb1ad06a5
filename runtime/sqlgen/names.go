package sqlgen

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// TableName returns the unquoted name of an entity's table or view: dots become underscores.
func TableName(e *csn.Entity) string { return strings.ReplaceAll(e.Name, ".", "_") }

// localizedPrefix is put before the name of a view with texts in the user's language.
const localizedPrefix = "localized_"

// Quote returns a name as it must stand in SQL: in double quotes if it is reserved or no plain word.
func Quote(name string, d Dialect) string {
	if plain(name) && !d.Tables().Reserved[strings.ToUpper(name)] {
		return name
	}
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, "\x00", ""), `"`, `""`) + `"`
}

func plain(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// pathText returns the names of a path, for messages.
func pathText(r *cqn.Ref) string {
	var b strings.Builder
	for i := range r.Path {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(r.Path[i].Name)
	}
	return b.String()
}
