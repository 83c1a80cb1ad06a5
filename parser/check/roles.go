package check

import (
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// The roles that nobody is given by name (section 9 of the authorization rules).
var pseudoRoles = []string{"any", "authenticated-user", "system-user", "internal-user"}

// A roleUse is one place where a role is named.
type roleUse struct {
	name string
	at   *cqn.AnnoValue
	r    *resource
}

// useRoles notes the roles that a restriction names.
func (c *checker) useRoles(r *resource, names []*cqn.AnnoValue) {
	for _, v := range names {
		c.roles = append(c.roles, roleUse{v.Text, v, r})
	}
}

// spelling warns of roles that are hardly meant as they are written: nearly a pseudo role, or another role but for case, since names are
// compared exactly (U6).
func (c *checker) spelling() {
	count := map[string]int{}
	most := map[string]string{} // by lower case: the spelling used most often, the first one of equals
	for _, u := range c.roles {
		count[u.name]++
	}
	for _, u := range c.roles {
		low := strings.ToLower(u.name)
		if m, ok := most[low]; !ok || count[u.name] > count[m] {
			most[low] = u.name
		}
	}
	for _, u := range c.roles {
		if slices.Contains(pseudoRoles, u.name) {
			continue
		}
		meant := nearPseudo(u.name)
		if m := most[strings.ToLower(u.name)]; meant == "" && m != u.name {
			meant = m
		}
		if meant != "" && meant != u.name {
			d := c.warn(u.r, u.at.Span, codeRole, "The role %q differs from %q in spelling; roles are compared exactly", u.name, meant)
			d.Hint = fmt.Sprintf("Did you mean '%s'?", meant)
		}
	}
}

// nearPseudo returns the pseudo role that a name resembles, "" if none.
func nearPseudo(name string) string {
	canon := strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(name), "_", "-"), " ", "-")
	for _, p := range pseudoRoles {
		if canon == p || canon == p+"s" || canon == strings.ReplaceAll(p, "-", "") || len(p) > 5 && csn.Edits(canon, p) <= 2 {
			return p
		}
	}
	return ""
}
