package cds

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// An Endpoint is one way to reach a service: a protocol ("odata", "rest" or another kind named in the model) and the path of its root,
// which begins with a slash and ends without one.
type Endpoint struct {
	Protocol string
	Path     string
}

// Endpoints returns where a service is served, from @protocol, @odata, @rest, @graphql and @path. Without any of them a service is served by
// OData. `@protocol: 'none'` (or an empty list) yields none. A relative path is put below the root of its protocol: /odata/v4, /rest, /graphql.
// Without @path the last part of the service's name is taken: CatalogService → catalog, OrderItemsService → order-items.
func Endpoints(s *csn.Service) []Endpoint { return EndpointsAt(s, nil) }

// EndpointsAt is Endpoints for an application that has its protocols elsewhere: root returns the path that a protocol's relative paths are below,
// "" for the usual one.
func EndpointsAt(s *csn.Service, root func(protocol string) string) []Endpoint {
	var out []Endpoint
	add := func(kind, path string) {
		kind = protocol(kind)
		if kind == "" || kind == "none" {
			return
		}
		if path == "" {
			path = s.Annotations.Str("path")
		}
		if path == "" {
			path = slug(s.Name)
		}
		base := ""
		if root != nil {
			base = root(kind)
		}
		e := Endpoint{kind, absolute(kind, base, path)}
		for _, o := range out {
			if o == e {
				return
			}
		}
		out = append(out, e)
	}
	named := false
	if p := s.Annotations.Get("protocol"); p != nil && p.Kind != cqn.AnnoNull {
		named = true
		protocols(p, add)
	}
	if k := s.Annotations.Get("protocol.kind"); k != nil {
		named = true
		add(k.Str(), s.Annotations.Str("protocol.path"))
	}
	for _, kind := range []string{"odata", "rest", "graphql"} {
		switch a := s.Annotations.Get(kind); {
		case a.True():
			named = true
			add(kind, "")
		case a != nil && a.Kind == cqn.AnnoString:
			named = true
			add(kind, a.Text)
		}
	}
	if !named {
		add("odata", "")
	}
	return out
}

// protocols reads the value of @protocol: a name, a struct {kind, path}, or a list of these.
func protocols(v *cqn.AnnoValue, add func(kind, path string)) {
	switch v.Kind {
	case cqn.AnnoArray:
		for _, i := range v.Items {
			if i.Kind != cqn.AnnoArray {
				protocols(i, add)
			}
		}
	case cqn.AnnoStruct:
		add(v.Field("kind").Str(), v.Field("path").Str())
	default:
		add(v.Str(), "")
	}
}

func protocol(kind string) string {
	if kind == "odata-v4" {
		return "odata"
	}
	return kind
}

func absolute(kind, root, path string) string {
	if !strings.HasPrefix(path, "/") {
		switch {
		case root != "":
			root = "/" + strings.Trim(root, "/") + "/"
		case kind == "odata":
			root = "/odata/v4/"
		default:
			root = "/" + kind + "/"
		}
		path = strings.Replace(root, "//", "/", 1) + path
	}
	if p := strings.TrimRight(path, "/"); p != "" {
		return p
	}
	return "/"
}

// slug turns the last part of a service's name into a path segment.
func slug(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[i+1:]
	}
	if n := strings.TrimSuffix(name, "Service"); n != "" {
		name = n
	}
	b := make([]byte, 0, len(name)+4)
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '_':
			c = '-'
		case c >= 'A' && c <= 'Z':
			if i > 0 && (name[i-1] >= 'a' && name[i-1] <= 'z' || name[i-1] >= '0' && name[i-1] <= '9') {
				b = append(b, '-')
			}
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}
