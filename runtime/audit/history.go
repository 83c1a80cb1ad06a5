package audit

import (
	"context"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/db"
	"cds/runtime/sqlgen"
)

// A change is one element of one row in the history.
type change struct {
	id, user, tenant, entity, key, object, element, action string
	at                                                     int64
	old, new                                               cqn.Value
}

// objectID returns the elements that name a row for people: those of @changelog: [a, b] on the entity.
func (f *facts) objectID(e *csn.Entity) []string {
	v := e.Annotations.Get(changelogName)
	if v == nil || v.Kind != cqn.AnnoArray {
		return nil
	}
	var out []string
	for _, i := range v.Items {
		if name := pathOf(i); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// pathOf reads an element of the entity itself out of an annotation; "" for a longer path, which is not followed.
func pathOf(v *cqn.AnnoValue) string {
	s := strings.ReplaceAll(v.Text, ".", "_")
	return s
}

// change makes an entry of the history. Its element is named as in the table, so that all doors find it.
func (l *Log) change(e *cds.AuditEvent, f *facts, row *cqn.Row, c cds.Change) change {
	o := f.object(row)
	out := change{id: l.opt.NewID(), at: e.Time.UnixMilli(), entity: f.kind, key: rowKey(o.ID), element: c.Element, action: actions[e.Kind],
		old: historic(c.Old), new: historic(c.New)}
	if el := f.entity.Element(c.Element); el != nil {
		out.element = origin(el).Name
	}
	if e.User != nil {
		out.user, out.tenant = text(e.User.ID, 255), text(e.User.Tenant, 255)
	}
	var names []string
	for _, name := range f.objectID(f.entity) {
		if v := row.Value(name); !v.IsNull() {
			names = append(names, value(v))
		}
	}
	out.object = text(strings.Join(names, ", "), 1000)
	return out
}

func historic(v cqn.Value) cqn.Value {
	if v.IsNull() {
		return cqn.Null
	}
	return cqn.String(value(v))
}

func insertChanges(ctx context.Context, tx db.Tx, d sqlgen.Dialect, all []change) error {
	for i := range all {
		c := &all[i]
		if _, err := tx.Exec(ctx, stmt(d, "INSERT INTO "+ChangesTable+" (id, at, user_id, tenant, entity, row_key, object, element, action, old_value, new_value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			cqn.String(c.id), cqn.Int(c.at), cqn.String(c.user), cqn.String(c.tenant), cqn.String(c.entity), cqn.String(c.key), cqn.String(c.object), cqn.String(c.element),
			cqn.String(c.action), c.old, c.new)); err != nil {
			return err
		}
	}
	return nil
}
