package check

import (
	"strings"

	"cds/parser/csn"
)

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
		if d := csn.Edits(low, strings.ToLower(c)); d <= most && d < least {
			best, least = c, d
		}
	}
	return best
}
