package odata

import (
	"strings"

	cds "cds/runtime"
)

// Clients ask for annotations of the rows of an answer by a preference (OData 8.2.8.4, in 4.01 without the prefix):
//
//	Prefer: odata.include-annotations="cds.may"
//
// Those that cannot set the header, as UI5's model, send the query option cds-may=true instead.
//
// There is one that costs something, and so is sent to those only who ask: what the user may do with each row. Its name in rows is cds.RowRights.

// rowRights is the name of the annotation with the rights on a row.
const rowRights = "cds.may"

// rightsOption is the query option that asks for them.
const rightsOption = "cds-may"

// askRights asks for the rights on rows if the client wants them, and says so in the answer.
func (c *call) askRights(req *cds.RawRequest) {
	if v, ok := c.res.Option(rightsOption); ok && v == "true" {
		req.May = true
	}
	if len(c.r.Header["Prefer"]) == 0 || !wantsAnnotation(c.r.Header["Prefer"], rowRights) {
		return
	}
	req.May = true
	h := c.w.Header()
	applied := `odata.include-annotations="` + rowRights + `"`
	if other := h.Get("Preference-Applied"); other != "" {
		applied = other + ", " + applied
	}
	h.Set("Preference-Applied", applied)
	h.Add("Vary", "Prefer")
}

// wantsAnnotation reports whether preferences include an annotation. What is said of it by its name counts before what is said of its namespace, and that
// before what is said of all; of the same, leaving it out counts more. Only the first preference of a name counts (RFC 7240, 2).
func wantsAnnotation(prefer []string, name string) bool {
	for _, header := range prefer {
		for item := range splitList(header) {
			item, _ = cutUnquoted(item, ';')
			key, value, _ := strings.Cut(item, "=")
			key = strings.ToLower(strings.TrimSpace(key))
			if key != "odata.include-annotations" && key != "include-annotations" {
				continue
			}
			return included(unquote(strings.TrimSpace(value)), name)
		}
	}
	return false
}

// included applies a list such as `*,-display.*,cds.may` to a name.
func included(list, name string) bool {
	namespace, _, _ := strings.Cut(name, ".")
	best, in := -1, false
	for spec := range strings.SplitSeq(list, ",") {
		spec, out := strings.CutPrefix(strings.TrimSpace(spec), "-")
		rank := -1
		switch spec {
		case "*":
			rank = 0
		case namespace + ".*":
			rank = 1
		case name:
			rank = 2
		}
		switch {
		case rank < 0 || rank < best:
		case rank > best:
			best, in = rank, !out
		case out:
			in = false
		}
	}
	return in
}

// cutUnquoted cuts at the first sep outside quotes.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquote takes the quotes and escapes off a quoted string; other values are as they are.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
