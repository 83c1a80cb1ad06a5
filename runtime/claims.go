package cds

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/runtime/authz"
	"cds/runtime/internal/jsonw"
	"cds/runtime/sqlgen"
)

// A Claim is a value that a database with row-level security is told of the user, under the name by which its policies ask for it.
type Claim struct {
	Key  string
	Bind sqlgen.Bind
}

// RowSecurity makes the App tell the database of each request what its policies ask of the user. The database must have been opened with a key for it
// (db.Config.RowKey). It belongs before Start.
func (a *App) RowSecurity(claims []Claim) {
	a.inner.rowSecurity, a.inner.claims = true, claims
}

// claim notes who asks and puts into the session what row-level security is told of him.
func (t *unit) claim() {
	if t.asker == nil {
		t.session.Claims = ""
		return
	}
	b := bindings{user: t.asker, unit: t}
	dst := append(make([]byte, 0, 256), '{')
	for i := range t.app.inner.claims {
		c := &t.app.inner.claims[i]
		v, err := b.claimed(&c.Bind)
		if err != nil || v.IsNull() {
			continue // not there: satisfies nothing
		}
		n := len(dst)
		if n > 1 {
			dst = append(dst, ',')
		}
		dst = append(jsonw.String(dst, c.Key), ':')
		if v.Kind() != cqn.KindList {
			var ok bool
			if dst, ok = appendClaim(dst, v); !ok {
				dst = dst[:n]
			}
			continue
		}
		dst = append(dst, '[')
		for _, x := range v.List() {
			n := len(dst)
			if dst[n-1] != '[' {
				dst = append(dst, ',')
			}
			var ok bool
			if dst, ok = appendClaim(dst, x); !ok {
				dst = dst[:n]
			}
		}
		dst = append(dst, ']')
	}
	t.session.Claims = string(append(dst, '}'))
}

// claimed returns the value of a claim: that of the same parameter of a statement. Roles are a list of their own.
func (b *bindings) claimed(bd *sqlgen.Bind) (cqn.Value, error) {
	if bd.Param.From != cqn.FromUserAttr || bd.Param.Name != authz.RoleAttribute {
		return b.implicit(bd)
	}
	roles := b.user.Roles()
	vs := make([]cqn.Value, len(roles))
	for i, r := range roles {
		vs[i] = cqn.String(r)
	}
	return cqn.List(vs), nil
}

// appendClaim appends a value as text that the database casts to the type that it is compared with. A text that no column can have is left out.
func appendClaim(dst []byte, v cqn.Value) ([]byte, bool) {
	switch v.Kind() {
	case cqn.KindBytes:
		return jsonw.String(dst, `\x`+hex.EncodeToString([]byte(v.Str()))), true
	case cqn.KindBool:
		if v.Bool() {
			return append(dst, `"true"`...), true
		}
		return append(dst, `"false"`...), true
	}
	s := v.Format()
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return dst, false
	}
	return jsonw.String(dst, s), true
}

// ClaimsOf returns what a database with row-level security is told of a user, for db.Session.
func (a *App) ClaimsOf(u *User) string {
	t := unit{app: a, asker: u, nowText: a.Options.Now().UTC().Format(nowForm)}
	t.claim()
	return t.session.Claims
}
