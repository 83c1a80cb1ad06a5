package generic

import (
	"bytes"
	"context"
	"errors"
	"io"

	"cds/parser/cqn"
	cds "cds/runtime"
)

// readMedia answers a READ for the data of one element of a row. Whether the client has them already is told by the row's entity tag.
func (h *handlers) readMedia(ctx context.Context, r *cds.RawRequest, sel *cqn.Select) (*cds.Result, error) {
	tag := ""
	if h.etag(r.Target) != nil {
		var err error
		if tag, err = h.notModified(ctx, r, sel); err != nil {
			return nil, err
		}
	}
	sel.One = true
	res, err := r.ReadMedia(ctx, sel)
	if err != nil {
		return nil, err
	}
	res.ETag, res.One, res.Count = tag, true, -1
	return res, nil
}

// sameMedia compares data byte by byte. Those that can't be read are taken for different, so that they are written.
func sameMedia(a, b cqn.Value) bool {
	if cds.MediaSize(a) != cds.MediaSize(b) {
		return false
	}
	x, err := cds.OpenMedia(a)
	if err != nil {
		return false
	}
	defer func() { _ = x.Close() }() // was only read
	y, err := cds.OpenMedia(b)
	if err != nil {
		return false
	}
	defer func() { _ = y.Close() }() // was only read
	p, q := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, errX := io.ReadFull(x, p)
		m, errY := io.ReadFull(y, q)
		if n != m || !bytes.Equal(p[:n], q[:m]) {
			return false
		}
		if errX != nil || errY != nil { // both are at their end, or one is at fault
			return atEnd(errX) && atEnd(errY)
		}
	}
}

func atEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
