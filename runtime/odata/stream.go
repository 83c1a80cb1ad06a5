package odata

import (
	"net/http"
	"strconv"
	"time"

	cds "cds/runtime"
	"cds/runtime/odata/internal/edm"
	"cds/runtime/odata/uri"
)

// Long answers are sent while their rows are read (see cds.RawRequest.Stream). What is known only at the end, count and next link, follows
// the rows then: the order of the members of an answer has no meaning (OData JSON 4.5). REST has them in headers, so there only answers flow that have neither.

// writeStall is how long a client may take no byte of a streamed answer. The database's connection is held until then.
const writeStall = 10 * time.Second

// WriteRows sends a first or further part of the rows of a collection.
func (c *call) WriteRows(rows []byte) error {
	if !c.streaming {
		c.streaming = true
		c.set(2, "Content-Type", jsonType)
		c.cacheable(c.res.Entity())
		c.w.WriteHeader(http.StatusOK)
		if c.opt.Plain {
			c.buf.body = append(c.buf.body[:0], '[')
		} else {
			c.buf.body = append(c.appendContext(c.buf.body[:0], uri.SetName(c.res.Entity()), ""), `,"value":[`...)
		}
		if err := c.sendPart(c.buf.body); err != nil {
			return err
		}
	}
	return c.sendPart(rows)
}

func (c *call) sendPart(b []byte) error {
	if c.r.Method == http.MethodHead {
		return nil
	}
	// The writer of a test, or of a batch, has no deadlines.
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(writeStall))
	_, err := c.w.Write(b)
	return err
}

// endStream sends the rest of a streamed answer. If the read failed on its way, the connection is cut: the client must not take what it has
// for the whole.
func (c *call) endStream(res *cds.Result, next string, err error) error {
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	b := append(append(c.buf.body[:0], res.JSON...), ']')
	if res.Count >= 0 {
		b = append(b, `,"@odata.count":`...)
		b = strconv.AppendInt(b, res.Count, 10)
	}
	if next != "" {
		b = append(b, `,"@odata.nextLink":`...)
		b = edm.AppendString(b, next)
	}
	if c.buf.body = b; !c.opt.Plain {
		c.buf.body = append(b, '}')
	}
	if c.sendPart(c.buf.body) != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	return nil
}
