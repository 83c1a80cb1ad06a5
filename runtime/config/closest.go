package config

import "strings"

// Closest returns the name among known ones that name was probably meant to be, "" if none is near: what differs in case only, what begins like it, or
// what differs in one letter, in longer names in two. Neighbours that are swapped count as one.
func Closest(name string, known []string) string {
	best, least := "", 2
	if len(name) > 5 {
		least = 3
	}
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k
		}
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if len(name) > 2 && strings.HasPrefix(strings.ToLower(k), strings.ToLower(name)) {
			d = 1
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, replace or swap to get from a to b. Texts beyond 64 letters are far from everything.
func distance(a, b string) int {
	const far = 64
	if len(a) > far || len(b) > far {
		return far
	}
	var rows [3][far + 1]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, up, upper := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(up[j-1]+cost, up[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], upper[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
