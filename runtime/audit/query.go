package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"cds/parser/cqn"
	"cds/runtime/db"
)

// A Query selects records of the table. The zero value is for the last ones.
type Query struct {
	User, Event string    // "" for all
	Since       time.Time // zero for all
	Limit       int       // the last ones of them; 0 means 100
}

// ErrNoTable is the error of a database without an audit log.
var ErrNoTable = errors.New("the database has no audit log")

// Read returns records of the table, in the order of their times. It is for those who have the database: it asks for no rights.
func Read(ctx context.Context, pool db.Pool, q Query) ([]Record, error) {
	ok, err := there(ctx, pool)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrNoTable
	}
	sql, binds := "SELECT id, data FROM "+Table+" WHERE at >= ?", []cqn.Value{cqn.Int(0)}
	if !q.Since.IsZero() {
		binds[0] = cqn.Int(q.Since.UnixMilli())
	}
	if q.User != "" {
		sql, binds = sql+" AND user_id = ?", append(binds, cqn.String(q.User))
	}
	if q.Event != "" {
		sql, binds = sql+" AND event = ?", append(binds, cqn.String(q.Event))
	}
	n := q.Limit
	if n <= 0 {
		n = 100
	}
	tx, err := pool.Read(ctx, db.Session{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }()
	var out []Record
	err = db.Each(ctx, tx, stmt(pool.Dialect(), sql+fmt.Sprintf(" ORDER BY at DESC, id DESC LIMIT %d", n), binds...), func(r db.Rows) error {
		var rec Record
		if err := json.Unmarshal(r.Text(1), &rec); err != nil {
			return fmt.Errorf("record %s is damaged: %w", r.Text(0), err)
		}
		out = append(out, rec)
		return nil
	})
	slices.Reverse(out)
	return out, err
}
