package check

import "strings"

// nearest returns the candidate that differs from name in case only, or in at most two letters (one if it is short), else "".
func nearest(name string, candidates ...string) string {
	best, least := "", 3
	low := strings.ToLower(name)
	for _, c := range candidates {
		most := 2
		if len(c) < 6 {
			most = 1
		}
		if n := len(c) - len(name); n > most || -n > most {
			continue
		}
		if d := distance(low, strings.ToLower(c)); d <= most && d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace, or swap with a neighbour. Long words are far from all others.
func distance(a, b string) int {
	const far = 40
	if len(a) > far || len(b) > far {
		return far
	}
	var rows [far + 1][far + 1]int
	for i := range len(a) + 1 {
		rows[i][0] = i
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
