package cdl

import "strings"

// keywords are words that mean something at some place of CDL. As names they are delimited.
var keywords = func() map[string]bool {
	m := map[string]bool{}
	for _, k := range strings.Fields(`
		abstract action actions all and annotate annotation any array as asc aspect association between both by case cast columns composition
		context cross default define desc distinct element elements else end entity enum escape event except excluding exists extend false first
		from full function group having hana in include inner intersect into is join key last leading left like limit localized many masked minus mixin
		namespace new not null nulls of offset on one or order others outer over parameters partition projection redirected returns right
		select service set some sort stored then to top trailing true type union up using variable view virtual when where with`) {
		m[k] = true
	}
	return m
}()
