package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/google/uuid"

	"cds/parser/csn"
	"cds/runtime/sqlgen"
	"cds/runtime/sqlgen/ddl"
)

// maxDeep bounds the nesting of rows in a JSON file.
const maxDeep = 30

// A jsonLoader loads an array of objects. Objects may leave elements out, and have rows of their compositions in them.
type jsonLoader struct {
	*loader
	ctx  context.Context
	line int
	// sets are loaders by entity and columns: the rows of one have the same.
	sets map[string]*loader
}

// runJSON loads a JSON file.
func (l *loader) runJSON(ctx context.Context, text string) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	j := &jsonLoader{loader: l, ctx: ctx, line: 1, sets: map[string]*loader{}}
	lineAt := func() int { return 1 + strings.Count(text[:dec.InputOffset()], "\n") }
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		l.fault("json-syntax", lineAt(), 1, `such as [ { "ID": 1 } ]`, "an array of objects was expected")
		return nil
	}
	for dec.More() {
		if err := ctx.Err(); err != nil {
			return databaseError("the deployment was canceled", err)
		}
		var row map[string]any
		err := dec.Decode(&row)
		j.line = lineAt()
		if err != nil || row == nil {
			l.fault("json-syntax", j.line, 1, "", "an object was expected")
			return nil
		}
		if err := j.object(l.file.entity, row, nil, 0); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		l.fault("json-syntax", lineAt(), 1, "", "the array is not closed")
		return nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		l.fault("json-syntax", lineAt(), 1, "", "there is text after the array")
	}
	return nil
}

// A field is a value for an element.
type field struct {
	el   *csn.Element
	cell cell
}

// nested are rows of a composition.
type nested struct {
	assoc *csn.Assoc
	rows  []any
}

// object stores a row and what is nested in it. fixed are values that the row's parent decides.
func (j *jsonLoader) object(e *csn.Entity, row map[string]any, fixed []field, depth int) error {
	if depth > maxDeep {
		j.fault("json-too-deep", j.line, 1, "", "rows are nested more than %d deep", maxDeep)
		return nil
	}
	fields := slices.Clone(fixed)
	children, ok := j.fields(e, "", row, &fields)
	if !ok {
		return nil
	}
	for _, k := range e.Keys { // children must know them
		if s := k.Scalar(); valueOf(fields, k) == nil && k.ForeignKey == nil && s != nil && s.Kind == csn.UUID && len(children) > 0 {
			id, err := uuid.NewV7()
			if err != nil {
				return databaseError("no random numbers for a key", err)
			}
			fields = append(fields, field{k, cell{text: id.String(), line: j.line, col: 1}})
		}
	}
	if err := j.store(e, fields); err != nil {
		return err
	}
	for _, c := range children {
		if err := j.children(e, c, fields, depth); err != nil {
			return err
		}
	}
	return nil
}

// children stores the rows of a composition, which get the keys that join them with their parent.
func (j *jsonLoader) children(e *csn.Entity, c nested, parent []field, depth int) error {
	a := c.assoc
	if a.Target == nil || a.Target.Source != nil || len(a.Pairs) == 0 {
		j.fault("json-not-nested", j.line, 1, "give the rows a file of their own", "rows of %s cannot be nested in %s", a.TargetName, e.Name)
		return nil
	}
	var fixed []field
	for _, p := range a.Pairs {
		v := valueOf(parent, p.Source)
		if v == nil {
			j.fault("json-missing-key", j.line, 1, "", "%s has nested rows, but no value for %q, which they are joined by", e.Name, p.Source.Name)
			return nil
		}
		fixed = append(fixed, field{p.Target, v.cell})
	}
	for _, r := range c.rows {
		row, ok := r.(map[string]any)
		if !ok {
			j.fault("json-syntax", j.line, 1, "", "nested rows must be objects")
			return nil
		}
		if err := j.object(a.Target, row, fixed, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func valueOf(fields []field, el *csn.Element) *field {
	for i := range fields {
		if fields[i].el == el {
			return &fields[i]
		}
	}
	return nil
}

// fields resolves the names of an object. Structures are entered, managed associations become their foreign keys.
func (j *jsonLoader) fields(e *csn.Entity, prefix string, row map[string]any, out *[]field) (children []nested, ok bool) {
	columns := ddl.Columns(e)
	ok = true
	put := func(el *csn.Element, v any) {
		switch {
		case el.Value() != nil:
			j.fault("json-unknown-element", j.line, 1, "remove it", "%s.%s is calculated, it cannot be loaded", e.Name, el.Name)
			ok = false
		case valueOf(*out, el) == nil:
			*out = append(*out, field{el, j.cell(v)})
		}
	}
	names := make([]string, 0, len(row))
	for name := range row {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		v := row[name]
		flat := prefix + name
		if el := column(columns, flat); el != nil {
			put(el, v)
			continue
		}
		el := e.Flat.Lookup(flat)
		switch object, isObject := v.(map[string]any); {
		case el != nil && el.Assoc() != nil && len(el.Assoc().FK) > 0 && (isObject || v == nil):
			a := el.Assoc()
			for i, fk := range a.FK {
				put(fk, object[a.FKTarget[i].Name])
			}
		case el != nil && el.Assoc() != nil && el.Assoc().Composition:
			rows, many := v.([]any)
			if !many && v != nil {
				rows = []any{v}
			}
			children = append(children, nested{el.Assoc(), rows})
		case isObject && hasPrefix(columns, flat+"_"):
			more, good := j.fields(e, flat+"_", object, out)
			children, ok = append(children, more...), ok && good
		default:
			j.fault("json-unknown-element", j.line, 1, j.columnHint(flat, flatNames(columns)), "%s has no element %q", e.Name, flat)
			ok = false
		}
	}
	return children, ok
}

func hasPrefix(columns []*csn.Element, prefix string) bool {
	return slices.ContainsFunc(columns, func(el *csn.Element) bool { return strings.HasPrefix(el.Name, prefix) })
}

func flatNames(columns []*csn.Element) []string {
	out := make([]string, len(columns))
	for i, el := range columns {
		out[i] = el.Name
	}
	return out
}

// cell is a value as a cell of a CSV file would have it.
func (j *jsonLoader) cell(v any) cell {
	c := cell{line: j.line, col: 1, quoted: true}
	switch v := v.(type) {
	case nil:
		c.quoted = false
	case string:
		c.text = v
	case json.Number:
		c.text = v.String()
	case bool:
		c.text = fmt.Sprint(v)
	default: // arrays and maps are stored as JSON
		b, err := json.Marshal(v)
		if err == nil {
			c.text = string(b)
		}
	}
	return c
}

// store stores a row with the loader for its columns.
func (j *jsonLoader) store(e *csn.Entity, fields []field) error {
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.el.Name, b.el.Name) })
	key := e.Name
	for _, f := range fields {
		key += "," + f.el.Name
	}
	set, known := j.sets[key]
	if !known {
		set = &loader{tx: j.tx, d: j.d, file: dataFile{j.file.path, e}, now: j.now, faults: j.faults, log: j.log, isNew: j.isNew, box: j.box,
			upsert: !j.isNew(sqlgen.TableName(e))}
		for _, f := range fields {
			set.cols = append(set.cols, f.el)
		}
		if !set.prepare(j.line, ddl.Columns(e)) {
			set = nil
		}
		j.sets[key] = set
	}
	if set == nil {
		return nil
	}
	row := make([]cell, len(fields))
	for i, f := range fields {
		row[i] = f.cell
	}
	before := set.rows
	if len(row) == 0 {
		j.fault("json-empty", j.line, 1, "", "a row of %s has no values", e.Name)
		return nil
	}
	err := set.row(j.ctx, row)
	j.rows += set.rows - before
	return err
}
