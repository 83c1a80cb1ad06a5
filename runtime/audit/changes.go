package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// A Change is an entry of the history of a row.
type Change struct {
	At       time.Time
	User     string
	Element  string // of the entity that was asked
	Label    string // of the element, in the language of the request
	Object   string // what the row was called then: the elements of @changelog on the entity
	Action   string // create, update, delete
	Old, New *string
}

// maxChanges bounds the entries that are answered: the latest ones.
const maxChanges = 1000

// Changes returns the history of a row for the user of ctx, the latest first: nothing that a READ of the row by that user would not show. A row that is hidden
// or missing is 404, a forbidden entity 403. Entries about elements that the user may not read are left out; values of elements that are masked, or shown
// under a condition, are "***".
func (l *Log) Changes(ctx context.Context, s *cds.Service, e *csn.Entity, keys *cds.Row) ([]Change, error) {
	f := l.facts[e]
	where := cds.KeyFilter(e, keys)
	if f == nil || len(f.history) == 0 || where == nil {
		return nil, cds.Reject(404, "404", "Not Found")
	}
	res, err := s.Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Where: where, One: true})
	if err != nil {
		return nil, err
	}
	if len(res.Rows) != 1 {
		return nil, cds.Reject(404, "404", "Not Found")
	}
	names := map[string]*csn.Element{} // by name in the table
	for name := range f.history {
		if el := e.Element(name); el != nil && res.Rows[0].Has(name) {
			names[origin(el).Name] = el
		}
	}
	id := map[string]string{}
	for name, as := range f.keys {
		id[as] = value(res.Rows[0].Value(name))
	}
	return l.history(ctx, f, names, rowKey(id), s.App.Policy.OfTenants(e))
}

// maxKey bounds what the table of changes calls a row by.
const maxKey = 1000

// rowKey is what the table of changes calls a row by. A long key ends in a hash, lest two that begin alike have one history.
func rowKey(id map[string]string) string {
	s := keyText(id)
	if utf8.RuneCountInString(s) <= maxKey {
		return text(s, maxKey)
	}
	sum := sha256.Sum256([]byte(s))
	return text(s, maxKey-100) + hex.EncodeToString(sum[:])
}

// history reads the entries of a row about some elements, in the transaction of the request. Where tables are shared by tenants, a key may have been another one's
// before: what was changed then is not told.
func (l *Log) history(ctx context.Context, f *facts, names map[string]*csn.Element, key string, ofTenants bool) ([]Change, error) {
	objectShown := true
	for _, name := range f.objectID(f.entity) {
		el := f.entity.Element(name)
		objectShown = objectShown && el != nil && names[origin(el).Name] != nil && !veiled(el)
	}
	where, values := "entity = ? AND row_key = ?", []any{f.kind, key}
	if ofTenants {
		where, values = where+" AND tenant = ?", append(values, text(cds.UserFrom(ctx).Tenant, 255))
	}
	var rows []*cds.Row
	err := cds.Privileged(ctx, "history of "+f.entity.Name, func(ctx context.Context) error {
		res, err := cds.DB(ctx).NativeQuery(ctx, fmt.Sprintf("SELECT at, user_id, element, object, action, old_value, new_value FROM %s WHERE %s ORDER BY at DESC, id DESC LIMIT %d", ChangesTable, where, maxChanges), values...)
		if err == nil {
			rows = res.Rows
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, r := range rows {
		el := names[r.Value("element").Str()]
		if el == nil {
			continue
		}
		c := Change{At: time.UnixMilli(r.Value("at").Int()).UTC(), User: r.Value("user_id").Str(), Element: el.Name, Label: label(ctx, el), Action: r.Value("action").Str()}
		if objectShown {
			c.Object = r.Value("object").Str()
		}
		c.Old, c.New = shownValue(el, r.Value("old_value")), shownValue(el, r.Value("new_value"))
		out = append(out, c)
	}
	return out, nil
}

func shownValue(el *csn.Element, v cqn.Value) *string {
	if v.IsNull() {
		return nil
	}
	s := Hidden
	if !veiled(el) {
		s = v.Str()
	}
	return &s
}

// veiled tells elements whose values a user may see of some rows only, or not as they are: those of the past are not shown then.
func veiled(el *csn.Element) bool {
	for ; el != nil; el = el.Origin {
		for _, a := range el.Annotations {
			for _, name := range []string{"mask", "encrypted", "hash"} {
				if a.Name == name || strings.HasPrefix(a.Name, name+".") {
					return true
				}
			}
			if a.Name == "restrict" && conditional(a.Value) || strings.HasPrefix(a.Name, "restrict.") {
				return true
			}
		}
	}
	return false
}

// conditional reports whether a restriction has a condition, or is not what restrictions look like.
func conditional(v *cqn.AnnoValue) bool {
	if v == nil || v.Kind != cqn.AnnoArray {
		return true
	}
	for _, i := range v.Items {
		if i == nil || i.Kind != cqn.AnnoStruct || i.Field("where") != nil {
			return true
		}
	}
	return false
}

// label returns what an element is called in the language of the request.
func label(ctx context.Context, el *csn.Element) string {
	for _, name := range []string{"title", "Common.Label"} {
		if s := el.Annotations.Str(name); s != "" {
			return cds.Text(ctx, s)
		}
	}
	return el.Name
}

// ServeChanges gives functions that a model declares for histories their handlers: those bound to an entity that are annotated with @changelog, such as
//
//	entity Books … actions { @changelog function changes() returns array of { createdAt: Timestamp; createdBy: String; … } }
//
// Of each entry they answer those of the elements createdAt, createdBy, attribute, label, objectID, modification, valueChangedFrom and valueChangedTo that the type has. Rights are those of the function and of
// READ on the row. It belongs before App.Start.
func (l *Log) ServeChanges(app *cds.App) {
	for _, s := range app.Services() {
		for _, e := range s.Model.Entities {
			for _, o := range e.Actions {
				if !o.Function || !o.Annotations.Is(changelogName) {
					continue
				}
				if o.Returns == nil {
					app.Refuse(fmt.Errorf("function %s of %s is for histories: it must return an array of a structure", o.Name, e.Name))
					continue
				}
				s.GenericOn(cds.Match{Events: []cds.Event{cds.Event(o.LocalName())}, Entities: []string{e.LocalName()}}, l.serve(e))
			}
		}
	}
}

// serve is the handler of such a function.
func (l *Log) serve(e *csn.Entity) cds.On {
	return func(ctx context.Context, r *cds.RawRequest, _ cds.Next) (*cds.Result, error) {
		var keys *cds.Row
		if n := len(r.Params); n > 0 {
			keys = r.Params[n-1].Values
		}
		if keys == nil {
			return nil, cds.Reject(404, "404", "Not Found")
		}
		all, err := l.Changes(ctx, r.Service, e, keys)
		if err != nil {
			return nil, err
		}
		rows := make([]*cds.Row, len(all))
		for i, c := range all {
			row := cqn.NewRow()
			for _, f := range []cqn.Field{{Name: "createdAt", Value: cqn.Text(cqn.KindTimestamp, c.At.Format("2006-01-02T15:04:05.000Z"))}, {Name: "createdBy", Value: cqn.String(c.User)},
				{Name: "attribute", Value: cqn.String(c.Element)}, {Name: "label", Value: cqn.String(c.Label)}, {Name: "objectID", Value: cqn.String(c.Object)},
				{Name: "modification", Value: cqn.String(c.Action)}, {Name: "valueChangedFrom", Value: orNull(c.Old)}, {Name: "valueChangedTo", Value: orNull(c.New)}} {
				if returned(r.Op, f.Name) {
					row.Set(f.Name, f.Value)
				}
			}
			rows[i] = row
		}
		v := cqn.OfRows(rows)
		return &cds.Result{Value: &v}, nil
	}
}

func orNull(s *string) cqn.Value {
	if s == nil {
		return cqn.Null
	}
	return cqn.String(*s)
}

// returned reports whether the type that a function returns has an element.
func returned(o *csn.Operation, name string) bool {
	el := o.Returns
	if a, ok := el.Type.(*csn.Array); ok && a.Items != nil {
		el = a.Items
	}
	if st, ok := el.Type.(*csn.Struct); ok {
		return st.Elements.Lookup(name) != nil
	}
	return false
}
