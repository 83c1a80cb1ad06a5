package postgres

import (
	"strconv"
	"strings"
	"time"

	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// rowSecurity is what a pool knows of a database with row-level security: how to tell it who is asking so that it believes it.
type rowSecurity struct {
	key *db.RowKey
	now func() time.Time
}

// setSessionRows is setSession for a database with row-level security.
const setSessionRows = setSession + `, set_config('cds.rls', $7, true)`

func (p *pool) setSession() string {
	if p.rows != nil {
		return setSessionRows
	}
	return setSession
}

// context returns the setting that policies read: when and for whom the session is, and which tables are open to the statement, signed. It is set for one
// transaction at a time, like all of the session.
func (r *rowSecurity) context(claims, opens string) []byte {
	if claims == "" {
		claims, opens = "{}", alsoOpen(opens, db.SystemTables)
	}
	b := make([]byte, 0, len(claims)+len(opens)+40)
	b = strconv.AppendInt(append(b, `{"i":`...), r.now().Unix(), 10)
	b = append(append(append(b, `,"o":[`...), opens...), `],"v":`...)
	return r.key.Sign(append(append(b, claims...), '}'))
}

// alsoOpen puts two lists of open tables together.
func alsoOpen(a, b string) string {
	switch {
	case a == "" || a == b:
		return b
	case b == "" || strings.Contains(a, b):
		return a
	}
	return a + "," + b
}

// RowSecurityDialect is Dialect for a database with row-level security.
func RowSecurityDialect() sqlgen.Dialect {
	d := Dialect().(*dialect)
	d.tables.RowSecurity = true
	return d
}
