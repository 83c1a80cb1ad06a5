package uri

import "strings"

// entity resolves $entity?$id=…, which asks for an entity by its id (URL Conventions 4.8): its URL, absolute or relative to the service.
func (x *Index) entity(r *Resource, rawQuery string) (*Resource, error) {
	id, ok := r.Option("$id")
	if !ok {
		id, ok = r.Option("id") // OData 4.01 lets the dollar sign be left out
	}
	if !ok {
		return nil, bad("$entity needs $id, the URL of an entity")
	}
	if strings.Contains(id, "$entity") {
		return nil, bad("%q is not the URL of an entity", id)
	}
	if i := strings.IndexByte(id, '('); i >= 0 { // what comes before the set's name is where the service is
		id = id[strings.LastIndexByte(id[:i], '/')+1:]
	}
	var rest []string
	for part := range strings.SplitSeq(rawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if n, err := unescape(name); err != nil || n != "$id" && n != "id" {
			rest = append(rest, part)
		}
	}
	id = strings.ReplaceAll(id, "%", "%25") // it was decoded already
	out, err := x.Parse(id, strings.Join(rest, "&"))
	if err != nil {
		return nil, err
	}
	if out.Kind != Single || len(out.Segments) != 1 {
		return nil, bad("%q is not the URL of an entity", id)
	}
	return out, nil
}
