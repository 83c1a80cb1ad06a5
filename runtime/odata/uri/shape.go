package uri

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// Shape reads the options that say what is to be seen of a row of e that the request writes or an operation returns: $select and $expand, with
// what $compute gives them (URL Conventions 5.1 lists these for requests that are no GET). It returns nil if there are none. star is as for Query.
func (r *Resource) Shape(e *csn.Entity, star MayExpand) ([]cqn.Column, error) {
	var opts []option
	asked := false
	for _, o := range r.options {
		switch o.name {
		case "$select", "$expand":
			asked = true
			fallthrough
		case "$compute":
			opts = append(opts, o)
		}
	}
	if !asked {
		return nil, nil
	}
	row := r.Row(e, cqn.NewRow())
	row.options = opts
	q, err := row.Query(star)
	if err != nil {
		return nil, err
	}
	return q.Select.Columns, nil
}

// OutName returns the name of a column in the rows of an answer.
func OutName(c cqn.Column) string { return outName(c) }
