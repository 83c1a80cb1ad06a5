package cds

import (
	"bytes"
	"context"
	"io"

	"cds/parser/cqn"
)

// Media is a reference to an element with media data (LargeBinary) of entity E. Rows never carry it: it is read and written by itself. Generated
// packages have one for each such element.
type Media[E any] struct{ service, entity, element string }

// NewMedia returns a reference, by the names of service, entity and element. Generated code calls it.
func NewMedia[E any](service, entity, element string) Media[E] {
	return Media[E]{service, entity, element}
}

// Path returns the name of the element.
func (m Media[E]) Path() string { return m.element }

// maxMedia bounds media data written from code; the database keeps it in one piece.
const maxMedia = 1 << 30

// Open returns the data of the row that key selects, through the service: a hidden row is a 404 like a missing one. No data is an empty reader.
func (m Media[E]) Open(ctx context.Context, key Pred[E]) (io.ReadCloser, error) {
	if err := key.check(); err != nil {
		return nil, err
	}
	res, err := inService(m.service).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(m.entity)}, Where: key.x, One: true,
		Columns: []cqn.Column{{X: ref(m.element)}}})
	if err != nil {
		return nil, err
	}
	if len(res.Rows) == 0 {
		return nil, Reject(404, "404", "Not Found")
	}
	var data []byte
	if v := res.Rows[0].Value(m.element); !v.IsNull() {
		if data, err = mediaBytes(v); err != nil {
			return nil, err
		}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func mediaBytes(v Value) ([]byte, error) {
	var b []byte
	err := scanValue(&b, v)
	return b, err
}

// Save writes the data of the row that key selects, through the service; nil removes it. A row that is not there, or that the user may not change, is
// an error.
func (m Media[E]) Save(ctx context.Context, key Pred[E], data io.Reader) error {
	if err := key.check(); err != nil {
		return err
	}
	v := cqn.Null
	if data != nil {
		b, err := io.ReadAll(io.LimitReader(data, maxMedia+1))
		if err != nil {
			return err
		}
		if len(b) > maxMedia {
			return Reject(413, "413", "The data are larger than %d bytes.", maxMedia)
		}
		v = cqn.Bytes(b)
	}
	res, err := inService(m.service).Run(ctx, &cqn.Update{Entity: cqn.NewRef(m.entity), Where: key.x, Data: cqn.NewRow(cqn.Field{Name: m.element, Value: v})})
	if err != nil {
		return err
	}
	if res.Affected == 0 {
		return Reject(404, "404", "Not Found")
	}
	return nil
}
