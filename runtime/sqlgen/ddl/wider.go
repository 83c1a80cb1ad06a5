package ddl

import (
	"strconv"
	"strings"
)

// families are types that can hold the values of those before them.
var families = [][]string{
	{"TINYINT", "SMALLINT", "INTEGER", "BIGINT"},
	{"NVARCHAR", "NCLOB"},
	{"VARCHAR", "TEXT"},
	{"BINARY_BLOB", "BLOB"},
}

// wider reports whether a column of one type can become one of another without any value being lost: every value of the first is one of the second.
func wider(from, to string) bool {
	if from == to {
		return true
	}
	fb, fa := splitType(from)
	tb, ta := splitType(to)
	if fb == tb {
		if strings.Contains(fb, "DECIMAL") {
			return widerDecimal(fa, ta)
		}
		return len(ta) == 0 || len(fa) == 1 && len(ta) == 1 && fa[0] <= ta[0]
	}
	for _, family := range families {
		i, j := index(family, fb), index(family, tb)
		if i >= 0 && j > i {
			return true
		}
	}
	return false
}

// widerDecimal compares precision and scale: neither digits before the point nor behind it may get fewer. Without any the number is not limited.
func widerDecimal(from, to []int) bool {
	if len(to) == 0 {
		return true
	}
	if len(from) == 0 {
		return false
	}
	fs, ts := 0, 0
	if len(from) > 1 {
		fs = from[1]
	}
	if len(to) > 1 {
		ts = to[1]
	}
	return ts >= fs && to[0]-ts >= from[0]-fs
}

func index(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}

// splitType splits NVARCHAR(10) into its name and numbers. Numbers that cannot be read make a type that is wider than none.
func splitType(t string) (string, []int) {
	name, rest, ok := strings.Cut(t, "(")
	name = strings.ToUpper(strings.TrimSpace(name))
	if !ok {
		return name, nil
	}
	var args []int
	for _, s := range strings.Split(strings.TrimSuffix(rest, ")"), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil {
			return t, nil
		}
		args = append(args, n)
	}
	return name, args
}
