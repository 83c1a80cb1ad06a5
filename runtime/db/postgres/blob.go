package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"cds/parser/cqn"
	"cds/runtime/db"
)

// Large values. The protocol has no way to send a parameter in pieces, but nothing says that a message is put together in memory before it is sent: the
// one that binds the parameters is written to the connection as it is read from where the data are. The library has no call for that, so it goes past
// the library, which is in between two statements then.

const (
	// pieceSize is how much of a value is copied at once.
	pieceSize = 64 << 10
	// maxMessage is what the server takes in one message.
	maxMessage = 1<<30 - 1<<10
)

// hasBlob tells statements that are sent in pieces.
func hasBlob(s db.Stmt) bool {
	return slices.ContainsFunc(s.Binds, func(v cqn.Value) bool { return v.Kind() == cqn.KindBlob })
}

// execBlobs is Exec for statements with large data.
func (t *tx) execBlobs(ctx context.Context, s db.Stmt) (int64, error) {
	if t.one {
		return 0, errUsed
	}
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	t.c.watch(ctx, t.ctx)
	defer t.c.unwatch()
	if err := t.open(s.Opens); err != nil {
		return 0, t.ended(err, ctx)
	}
	tag, err := t.c.sendBlobs(ctx, s)
	if err != nil {
		return 0, t.ended(t.c.wrap(err), ctx)
	}
	return tag.RowsAffected(), nil
}

// sendBlobs binds and runs a statement.
func (c *conn) sendBlobs(ctx context.Context, s db.Stmt) (tag pgconn.CommandTag, err error) {
	still := context.Background() // the statement is watched already
	plain := slices.Clone(s.Binds)
	for i, v := range plain {
		if v.Kind() == cqn.KindBlob {
			plain[i] = cqn.Text(cqn.KindBytes, "")
		}
	}
	e, err := c.prepared(still, db.Stmt{SQL: s.SQL, Binds: plain})
	if err != nil {
		return tag, err
	}
	for i, v := range s.Binds {
		if v.Kind() == cqn.KindBlob && e.stmt.ParamOIDs[i] != oidBytea {
			return tag, fmt.Errorf("%w: parameter %d takes no binary data", db.ErrValue, i+1)
		}
	}
	size := int64(4 + 1 + len(e.stmt.Name) + 1 + 2 + 2*len(c.formats) + 2 + 4*len(c.values) + 2)
	for i, v := range s.Binds {
		if v.Kind() == cqn.KindBlob {
			size += v.Blob().Size()
		} else {
			size += int64(len(c.values[i]))
		}
	}
	if size > min(maxMessage, math.MaxInt32) {
		return tag, fmt.Errorf("%w: %d bytes are more than the database takes at once", db.ErrValue, size)
	}
	if err := c.pg.SyncConn(still); err != nil {
		return tag, err
	}
	if err := c.writeBind(ctx, e.stmt.Name, size, s.Binds); err != nil {
		_ = c.pg.Conn().Close() // in the middle of a message: nothing else can be said on this connection
		_ = c.pg.Close(still)   // so that the pool knows
		return tag, err
	}
	f := c.pg.Frontend()
	f.Send(&pgproto3.Execute{})
	f.Send(&pgproto3.Sync{})
	if err := f.Flush(); err != nil {
		return tag, err
	}
	return c.result(still)
}

// writeBind writes the message that binds parameters: the scratch memory has those that are no large data.
func (c *conn) writeBind(ctx context.Context, statement string, size int64, binds []cqn.Value) error {
	w := c.pg.Conn()
	b := binary.BigEndian.AppendUint32([]byte{'B'}, uint32(size))
	b = append(b, 0) // the portal without name
	b = append(append(b, statement...), 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.formats)))
	for _, f := range c.formats {
		b = binary.BigEndian.AppendUint16(b, uint16(f))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.values)))
	for i, v := range binds {
		switch {
		case v.Kind() == cqn.KindBlob:
			b = binary.BigEndian.AppendUint32(b, uint32(v.Blob().Size()))
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
			if err := writeBlob(ctx, w, v.Blob()); err != nil {
				return err
			}
		case c.values[i] == nil:
			b = binary.BigEndian.AppendUint32(b, math.MaxUint32) // null
		default:
			b = binary.BigEndian.AppendUint32(b, uint32(len(c.values[i])))
			b = append(b, c.values[i]...)
		}
	}
	b = append(b, 0, 0) // results as text: there are none
	_, err := w.Write(b)
	return err
}

// writeBlob writes exactly as many bytes as the data are said to have.
func writeBlob(ctx context.Context, w io.Writer, data cqn.Blob) error {
	from, err := data.Open()
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // was only read
	left := data.Size()
	piece := make([]byte, min(left, pieceSize))
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(left, int64(len(piece)))
		if _, err := io.ReadFull(from, piece[:n]); err != nil {
			return fmt.Errorf("large data cannot be read: %w", err)
		}
		if _, err := w.Write(piece[:n]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// result reads the answer to a statement without rows.
func (c *conn) result(ctx context.Context) (tag pgconn.CommandTag, err error) {
	for {
		msg, rerr := c.pg.ReceiveMessage(ctx)
		if rerr != nil {
			return tag, rerr
		}
		switch msg := msg.(type) {
		case *pgproto3.CommandComplete:
			tag = pgconn.NewCommandTag(string(msg.CommandTag))
		case *pgproto3.ErrorResponse:
			err = pgconn.ErrorResponseToPgError(msg)
		case *pgproto3.ReadyForQuery:
			return tag, err
		}
	}
}
