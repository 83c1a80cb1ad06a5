package authz

import (
	"strconv"
	"strings"

	"cds/runtime/auth"
)

// A roleSet is a set of interned role names, one bit each.
type roleSet []uint64

// add returns the set with role n, grown if needed.
func (s roleSet) add(n int) roleSet {
	for n/64 >= len(s) {
		s = append(s, 0)
	}
	s[n/64] |= 1 << (n % 64)
	return s
}

// union adds all roles of t.
func (s roleSet) union(t roleSet) roleSet {
	for w, bits := range t {
		for w >= len(s) {
			s = append(s, 0)
		}
		s[w] |= bits
	}
	return s
}

// meets reports whether the sets have a role in common.
func (s roleSet) meets(t roleSet) bool {
	for i := range min(len(s), len(t)) {
		if s[i]&t[i] != 0 {
			return true
		}
	}
	return false
}

// append writes the set as text for keys. Sets that differ only in length give the same text.
func (s roleSet) append(b []byte) []byte {
	n := len(s)
	for n > 0 && s[n-1] == 0 {
		n--
	}
	for i := range n {
		b = strconv.AppendUint(b, s[i], 16)
		b = append(b, '.')
	}
	return b
}

// A roleTable interns the role names that a policy mentions. Roles of a user that no rule mentions don't count.
type roleTable struct {
	ids map[string]int
	// implied are the roles that a role includes, over all levels; nil without a hierarchy.
	implied map[int]roleSet
	// audiences are whom policies beside the model are for; nil for none.
	audiences *audiences
}

func (t *roleTable) intern(name string) int {
	if t.ids == nil {
		t.ids = map[string]int{}
	}
	n, ok := t.ids[name]
	if !ok {
		n = len(t.ids)
		t.ids[name] = n
	}
	return n
}

func (t *roleTable) set(names []string) roleSet {
	var s roleSet
	for _, n := range names {
		s = s.add(t.intern(n))
	}
	return s
}

// A subject is a user as the rules see them.
type subject struct {
	user *auth.User
	mask roleSet
	// all is set for users and code that pass every check on roles and rows; free for code that passes the static capabilities too.
	all, free bool
	// everyone is set where no user is asked about but all of them: roles become conditions then, see everyone.go.
	everyone *roleTable
}

// subject returns how the rules see a user; mask is memory for its roles.
func (t *roleTable) subject(u *auth.User, privileged bool, mask roleSet) subject {
	if u == nil {
		u = auth.Anonymous
	}
	s := subject{user: u}
	switch {
	case privileged || u.Kind == auth.KindPrivileged:
		s.all, s.free = true, true
		return s
	case u.Kind == auth.KindDummy:
		s.all = true
		return s
	}
	s.mask = mask
	for _, r := range u.Roles() {
		if n, ok := t.ids[r]; ok && !strings.HasPrefix(r, conditionRole) {
			s.mask = s.mask.add(n)
			if t.implied != nil {
				s.mask = s.mask.union(t.implied[n])
			}
		}
	}
	// `any` is everybody, whatever a strategy filled in.
	if n, ok := t.ids[auth.RoleAny]; ok {
		s.mask = s.mask.add(n)
	}
	if t.audiences != nil {
		s.mask = t.audiences.add(s.mask, u)
	}
	return s
}
