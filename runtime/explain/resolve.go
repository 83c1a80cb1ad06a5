package explain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// nowForm is the form of $now in conditions.
const nowForm = "2006-01-02T15:04:05.000Z"

// resolve finds what the question is about.
func (x *explainer) resolve(ask Ask) error {
	m := x.app.Model
	x.access.Now = x.app.Options.Now().UTC().Format(nowForm)
	x.access.Event = authz.Event(ask.Event)
	name, steps, _ := strings.Cut(ask.Target, "/")
	if s := m.Service(name); s != nil && steps == "" {
		x.access.Service = s
		return x.event(s.Name, nil)
	}
	if op, ok := m.Lookup(name).(*csn.Operation); ok && op.Service != nil {
		x.access.Service, x.access.Op = op.Service, op
		return x.event(op.LocalName(), nil)
	}
	e, last := m.Entity(name), ""
	if i := strings.LastIndexByte(name, '.'); e == nil && i > 0 {
		e, last = m.Entity(name[:i]), name[i+1:]
	}
	if e == nil || e.Service == nil {
		return &Error{fmt.Sprintf("there is no service, entity or operation %s to be served", name), similar(name, x.names())}
	}
	x.access.Service, x.access.Path = e.Service, []*csn.Entity{e}
	for _, step := range strings.Split(steps, "/") {
		if step == "" {
			continue
		}
		el := e.Flat.Lookup(step)
		if el == nil {
			el = e.Elements.Lookup(step)
		}
		if el == nil || el.Assoc() == nil || el.Assoc().Target == nil {
			return &Error{e.Name + " has no association " + step, ""}
		}
		e = el.Assoc().Target
		x.access.Via, x.access.Path = append(x.access.Via, el), append(x.access.Path, e)
	}
	if last == "" {
		return x.event("", e)
	}
	if op := e.Action(last); op != nil {
		x.access.Op = op
		return x.event(op.LocalName(), nil)
	}
	if x.element = e.Flat.Lookup(last); x.element == nil {
		x.element = e.Elements.Lookup(last)
	}
	if x.element == nil {
		return &Error{fmt.Sprintf("%s has no element and no operation %s", e.Name, last), similar(last, elementNames(e))}
	}
	return x.event("", e)
}

// event checks the event. own is the only one that is possible, "" for the standard events and the operations of e.
func (x *explainer) event(own string, e *csn.Entity) error {
	ev := string(x.access.Event)
	standard := []string{"READ", "CREATE", "UPDATE", "DELETE", "UPSERT"}
	switch {
	case e == nil && x.access.Op == nil: // a service
		if ev != "" && ev != "READ" {
			return &Error{"a service by itself can only be asked about READ, which is its root and $metadata", "name an entity of it: " + own + ".…"}
		}
		x.access.Event = authz.Read
	case own != "":
		if ev != "" && ev != own {
			return &Error{fmt.Sprintf("the event of an operation is its name, %s", own), "leave the event out"}
		}
		x.access.Event = authz.Event(own)
	case ev == "":
		x.access.Event = authz.Read
	case slices.Contains(standard, ev):
	default:
		if op := e.Action(ev); op != nil && x.element == nil {
			x.access.Op = op
			return nil
		}
		return &Error{fmt.Sprintf("%s is no event of %s", ev, e.Name), similar(ev, append(standard, actionNames(e)...))}
	}
	return nil
}

func actionNames(e *csn.Entity) (out []string) {
	for _, o := range e.Actions {
		out = append(out, o.Name)
	}
	return out
}

func elementNames(e *csn.Entity) (out []string) {
	for _, el := range e.Flat {
		out = append(out, el.Name)
	}
	return append(out, actionNames(e)...)
}

func (x *explainer) names() (out []string) {
	for _, s := range x.app.Model.Services {
		out = append(out, s.Name)
		for _, e := range s.Entities {
			out = append(out, e.Name)
		}
		for _, o := range s.Ops {
			out = append(out, o.Name)
		}
	}
	return out
}

// similar is a hint at names that are like one that is not known.
func similar(name string, all []string) string {
	var found []string
	low := strings.ToLower(name)
	for _, n := range all {
		short := strings.ToLower(n[strings.LastIndexByte(n, '.')+1:])
		if strings.EqualFold(n, name) || short == low || strings.HasSuffix(low, "."+short) || len(low) > 2 && strings.Contains(strings.ToLower(n), low) {
			found = append(found, n)
		}
	}
	if len(found) == 0 || len(found) > 6 {
		return ""
	}
	return "did you mean " + strings.Join(found, " or ") + "?"
}

// findRow reads the row with the key.
func (x *explainer) findRow(text string) error {
	e := x.target()
	if text == "" || e == nil {
		if text != "" {
			return &Error{"a key needs an entity", ""}
		}
		return nil
	}
	row, err := keyOf(e, text)
	if err != nil {
		return err
	}
	x.keyed = true
	if x.key = cds.KeyFilter(e, row); x.key == nil {
		return &Error{"the key of " + e.Name + " is not complete", "its keys are " + strings.Join(keyNames(e), ", ")}
	}
	if x.app.DB == nil {
		return nil
	}
	rows, err := x.run(x.user, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Where: x.key})
	if err != nil {
		return err
	}
	if len(rows) == 1 {
		x.row = rows[0]
	}
	return nil
}

func keyNames(e *csn.Entity) (out []string) {
	for _, el := range e.Flat {
		if el.Key && el.Assoc() == nil {
			out = append(out, el.Name)
		}
	}
	return out
}

// keyOf reads a key: one value, or name=value pairs separated by commas. Values may stand in single quotes.
func keyOf(e *csn.Entity, text string) (*cqn.Row, error) {
	names := keyNames(e)
	row := cqn.NewRow()
	pairs := map[string]string{}
	if len(names) == 1 && !strings.HasPrefix(text, names[0]+"=") {
		pairs[names[0]] = text
	} else {
		for _, part := range strings.Split(text, ",") {
			name, value, ok := strings.Cut(part, "=")
			if !ok {
				return nil, &Error{"the key must be written as name=value,…", "the keys of " + e.Name + " are " + strings.Join(names, ", ")}
			}
			pairs[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	for name, value := range pairs {
		el := e.Flat.Lookup(name)
		if el == nil || !slices.Contains(names, name) {
			return nil, &Error{e.Name + " has no key " + name, "its keys are " + strings.Join(names, ", ")}
		}
		if len(value) > 1 && value[0] == '\'' && value[len(value)-1] == '\'' {
			value = strings.ReplaceAll(value[1:len(value)-1], "''", "'")
		}
		v, err := cds.Convert(el, typed(el, value), name)
		if err != nil {
			return nil, &Error{fmt.Sprintf("%s is no value for %s.%s", strconv.Quote(value), e.Name, name), ""}
		}
		row.Set(name, v)
	}
	return row, nil
}

// typed makes a value of the element's type from a text.
func typed(el *csn.Element, text string) cqn.Value {
	t, _ := el.Type.(*csn.Builtin)
	if t == nil {
		return cqn.String(text)
	}
	switch t.Name {
	case "cds.Integer", "cds.Int16", "cds.Int32", "cds.Int64", "cds.Integer64", "cds.UInt8":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return cqn.Int(n)
		}
	case "cds.Boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return cqn.Bool(b)
		}
	}
	return cqn.String(text)
}
