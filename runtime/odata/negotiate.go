package odata

import (
	"mime"
	"strconv"
	"strings"
)

// accepts reports whether an Accept header admits a media type, whatever its parameters (RFC 9110 12.5.1). No header admits all.
func accepts(header, mediaType string) bool {
	if header == "" || header == "*/*" {
		return true
	}
	major, _, _ := strings.Cut(mediaType, "/")
	best, quality := -1, 0.0
	for item := range splitList(header) {
		t, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		specific := -1
		switch t {
		case mediaType:
			specific = 2
		case major + "/*":
			specific = 1
		case "*/*", "*":
			specific = 0
		}
		if specific <= best && specific < 2 || specific < 0 {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if n, err := strconv.ParseFloat(text, 64); err == nil {
				q = n
			}
		}
		if specific > best || q > quality {
			best, quality = specific, q
		}
	}
	return best >= 0 && quality > 0
}

// splitList yields the items of a comma-separated header, with care for quoted strings. Empty ones are left out.
func splitList(header string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		quoted, from := false, 0
		for i := 0; i <= len(header); i++ {
			switch {
			case i < len(header) && quoted && header[i] == '\\':
				i++
			case i < len(header) && header[i] == '"':
				quoted = !quoted
			case i == len(header) || header[i] == ',' && !quoted:
				if item := strings.TrimSpace(header[from:min(i, len(header))]); item != "" && !yield(item) {
					return
				}
				from = i + 1
			}
		}
		if from < len(header) && quoted { // a quote that is not closed
			if item := strings.TrimSpace(header[from:]); item != "" {
				yield(item)
			}
		}
	}
}

// preferences returns what the client prefers (RFC 7240), one name[=value] each.
func (c *call) preferences() []string {
	var out []string
	for _, v := range c.r.Header["Prefer"] {
		for _, p := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' }) {
			out = append(out, strings.TrimSpace(p))
		}
	}
	return out
}
