package odata

import (
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// cacheControl returns what @http.CacheControl: {maxAge: seconds} says about entities of a service.
func cacheControl(s *csn.Service) map[*csn.Entity]string {
	var out map[*csn.Entity]string
	for _, e := range s.Entities {
		a := e.Annotations.Get("http.CacheControl.maxAge")
		if a == nil || a.Kind != cqn.AnnoNumber {
			continue
		}
		if n, err := strconv.ParseUint(a.Text, 10, 31); err == nil {
			if out == nil {
				out = map[*csn.Entity]string{}
			}
			out[e] = "max-age=" + strconv.FormatUint(n, 10)
		}
	}
	return out
}

// cacheable lets caches keep an answer with rows of e for as long as its model says: the client's own only, if somebody is logged in.
func (c *call) cacheable(e *csn.Entity) {
	if len(c.cached) == 0 || c.r.Method != "GET" {
		return
	}
	text, ok := c.cached[e]
	if !ok {
		return
	}
	if c.user().Identified() {
		text = "private, " + text
	}
	c.w.Header().Set("Cache-Control", text)
}
