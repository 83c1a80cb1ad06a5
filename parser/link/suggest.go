package link

import (
	"sort"
	"strings"
)

// didYouMean returns a hint naming the known name nearest to a misspelt one, "" if none is near.
func didYouMean(name string, known []string) string {
	best, dist := "", max(1, len(name)/3)+1
	sort.Strings(known)
	for _, k := range known {
		if k == name || k == "" {
			continue
		}
		d := distance(strings.ToLower(name), strings.ToLower(k), dist)
		if strings.EqualFold(name, k) {
			d = 0
		}
		if d < dist {
			best, dist = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "Did you mean “" + best + "”?"
}

// distance is the number of edits between two words, swapped letters being one, counted up to limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 200 {
		return limit
	}
	older, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			c := prev[j-1]
			if a[i-1] != b[j-1] {
				c++
			}
			cur[j] = min(c, prev[j]+1, cur[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], older[j-2]+1)
			}
		}
		older, prev, cur = prev, cur, older
	}
	return prev[len(b)]
}
