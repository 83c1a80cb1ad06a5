package cds

import (
	"context"
	"errors"
	"io"

	"cds/parser/cqn"
	"cds/parser/csn"
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

// Open returns the data of the row that key selects, through the service: a hidden row is a 404 like a missing one. No data is an empty reader. Close
// gives back the room of data that are too many for memory.
func (m Media[E]) Open(ctx context.Context, key Pred[E]) (io.ReadCloser, error) {
	if err := key.check(); err != nil {
		return nil, err
	}
	return openMedia(ctx, m.service, m.entity, m.element, key.x)
}

func openMedia(ctx context.Context, service, entity, element string, where cqn.Expr) (io.ReadCloser, error) {
	s, err := inService(service).find(ctx)
	if err != nil {
		return nil, err
	}
	e := s.App.Model.Entity(entity)
	if e == nil || e.Element(element) == nil {
		return nil, Reject(404, "404", "Not Found")
	}
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(entity)}, Where: where, One: true, Columns: append(keysToRead(e), cqn.Column{X: cqn.NewRef(element)})}
	r := &RawRequest{Event: "READ", Target: e, Path: []*csn.Entity{e}, Query: q, Media: &MediaRead{Element: e.Element(element)}}
	res, err := s.Dispatch(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(res.Rows) == 0 {
		return nil, Reject(404, "404", "Not Found")
	}
	v := res.Rows[0].Value(element)
	data, err := OpenMedia(v)
	if err != nil {
		ReleaseMedia(v)
		return nil, err
	}
	return &released{data, v}, nil
}

func keysToRead(e *csn.Entity) []cqn.Column {
	if len(e.Keys) == 0 {
		return nil
	}
	return keyColumns(e)
}

// A released gives back the room of its data when it is closed.
type released struct {
	io.ReadCloser
	v Value
}

// Close implements io.Closer.
func (r *released) Close() error {
	err := r.ReadCloser.Close()
	ReleaseMedia(r.v)
	return err
}

// Save writes the data of the row that key selects, through the service; nil removes it. A row that is not there, or that the user may not change, is
// an error. data are read to their end before the row is written.
func (m Media[E]) Save(ctx context.Context, key Pred[E], data io.Reader) error {
	if err := key.check(); err != nil {
		return err
	}
	s, err := inService(m.service).find(ctx)
	if err != nil {
		return err
	}
	v := cqn.Null
	if data != nil {
		if v, err = s.App.Spool(ctx, data, maxMedia); err != nil {
			return err
		}
		defer ReleaseMedia(v)
	}
	res, err := s.Run(ctx, &cqn.Update{Entity: cqn.NewRef(m.entity), Where: key.x, Data: cqn.NewRow(cqn.Field{Name: m.element, Value: v})})
	if err != nil {
		return err
	}
	if res.Affected == 0 {
		return Reject(404, "404", "Not Found")
	}
	return nil
}

// In returns the data that a row brings: of the data of a write in a before- or on-handler, of an answer in an after-handler of a READ of the element. ok
// is false if it brings none. The data can be read by several handlers, unless an on-handler answers what can be read once.
func (m Media[E]) In(row *E) (data io.ReadCloser, size int64, ok bool) {
	x, is := any(row).(interface{ ext() *Ext })
	if !is {
		return nil, 0, false
	}
	v, has := x.ext().Extra(m.element)
	if !has || v.IsNull() {
		return nil, 0, false
	}
	data, err := OpenMedia(v)
	return data, MediaSize(v), err == nil
}

// Set gives a row its data: what a write is to store in place of what was sent, or what an on-handler answers to a READ of the element. They are read when they
// are written or sent, which for an answer is when the transaction has ended. size is -1 if it is not known. nil is no data.
func (m Media[E]) Set(row *E, data io.Reader, size int64) {
	if x, is := any(row).(interface{ ext() *Ext }); is {
		x.ext().SetExtra(m.element, MediaValue(data, size))
	}
}

// Wanted reports whether a READ asks for the data of this element: it is then one of a single row, and an on-handler answers with Set.
func (m Media[E]) Wanted(r *RawRequest) bool {
	return r.Media != nil && r.Media.Element != nil && r.Media.Element.Name == m.element
}

// A Stream is binary data (LargeBinary) that an operation takes or returns. What is returned is read when the request's transaction has ended, and sent as it is
// if the result has @Core.MediaType.
type Stream struct{ v Value }

// NewStream returns a stream of what r has to read. size is -1 if it is not known. An io.Closer is closed in the end.
func NewStream(r io.Reader, size int64) Stream { return Stream{MediaValue(r, size)} }

// Open returns the data. Those that came with a request can be read several times.
func (s Stream) Open() (io.ReadCloser, error) { return OpenMedia(s.v) }

// Size is the number of bytes, -1 if it is not known.
func (s Stream) Size() int64 { return MediaSize(s.v) }

// CDSValue implements Valuer.
func (s Stream) CDSValue() Value { return s.v }

// CDSScan implements Scanner.
func (s *Stream) CDSScan(v Value) error {
	switch v.Kind() {
	case cqn.KindNull, cqn.KindBytes, cqn.KindBlob:
		s.v = v
		return nil
	}
	return errors.New("the value is no binary data")
}
