package check

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// services checks where services are served.
func (c *checker) services() {
	at := map[string]*csn.Service{}
	for _, s := range c.model.Services {
		r := &resource{home: home("service", s.Name), span: s.Span}
		if v := s.Annotations.Get("path"); v != nil && v.Kind != cqn.AnnoNull && !pathOK(v) {
			d := c.diags.Errorf(codePathForm, placeOf(v, s), "@path of %s is no path", s.Name)
			d.Home, d.Hint = r.home, "Write a text such as '/browse' or 'catalog/v1'."
			continue
		}
		for _, key := range endpoints(s) {
			if o := at[key]; o != nil {
				d := c.diags.Errorf(codePathClash, s.Span, "%s and %s are served at the same path", o.Name, s.Name)
				d.Home, d.Hint = r.home, "Give one of them another @path."
				d.Related = append(d.Related, diag.Related{Message: "the other service", Span: o.Span})
				continue
			}
			at[key] = s
		}
	}
}

// endpoints returns a key for each place where a service is served: protocol and path as they are written, or the last part of the
// name. Two services with one key collide, whatever the server makes of it.
func endpoints(s *csn.Service) []string {
	path := strings.TrimRight(s.Annotations.Str("path"), "/")
	if path == "" {
		name := s.Name[strings.LastIndexByte(s.Name, '.')+1:]
		if n := strings.TrimSuffix(name, "Service"); n != "" {
			name = n
		}
		path = strings.ToLower(name)
	}
	var out []string
	add := func(v *cqn.AnnoValue) {
		if p := v.Str(); p != "" && p != "none" {
			out = append(out, strings.TrimSuffix(p, "-v4")+" "+path)
		}
	}
	v := s.Annotations.Get("protocol")
	switch {
	case v == nil && s.Annotations.Get("protocol.kind") == nil && !served(s):
		out = append(out, "odata "+path)
	case v != nil && v.Kind == cqn.AnnoArray:
		for _, i := range v.Items {
			add(i)
		}
	case v != nil:
		add(v)
	}
	return out
}

// served reports whether a service names its protocol by an annotation of the protocol's name, perhaps with a path of its own.
func served(s *csn.Service) bool {
	for _, p := range []string{"odata", "rest", "graphql"} {
		if v := s.Annotations.Get(p); v != nil && !v.False() {
			return true
		}
	}
	return false
}

// pathOK reports whether a value is a path of segments that mean nothing special in a URL.
func pathOK(v *cqn.AnnoValue) bool {
	if v.Kind != cqn.AnnoString || v.Text == "" {
		return false
	}
	if strings.ContainsAny(v.Text, "?#%\\ \t\r\n\"<>{}*") {
		return false
	}
	for _, seg := range strings.Split(strings.Trim(v.Text, "/"), "/") {
		if seg == "." || seg == ".." {
			return false
		}
	}
	return true
}

// placeOf returns the place of a value, or of its service.
func placeOf(v *cqn.AnnoValue, s *csn.Service) token.Span {
	if v.Span.Valid() {
		return v.Span
	}
	return s.Span
}
