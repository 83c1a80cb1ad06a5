package cds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"cds/parser/cqn"
)

// Media data on their way. What is small stays in memory. The rest goes through a temporary file that has no name any more when the first byte is
// written to it: an upload is complete, and known not to be too large, before a transaction begins, and a download has left the database before the client
// gets its first byte. So nobody's slow line holds a connection or a lock, a fault of the database still has its status, and ranges cost nothing.

const (
	// inMemory is how many bytes of media data are kept in memory.
	inMemory = 256 << 10
	// mediaPiece is how much is asked of the database at once.
	mediaPiece = 1 << 20
	// spoolStep is how much room is reserved at once.
	spoolStep = 1 << 20
	// maxMedia bounds media data written from code; databases keep no more in one value.
	maxMedia = 1 << 30
	// defaultSpool bounds all temporary files of an App together.
	defaultSpool = 1 << 30
)

// A Spool is binary data in a temporary file, or a section of them. It implements cqn.Blob. Close gives the room back.
type Spool struct {
	app          *App
	file         *os.File // nil if it has no bytes
	size, off, n int64    // of all data; of what is here
	held         int64    // room reserved
	named        bool     // the file still has its name
	handed       bool     // to who asked, if nothing goes wrong
	close        sync.Once
}

// Size returns the size of all data, also if only a section is here.
func (s *Spool) Size() int64 { return s.size }

// Open returns the data from their beginning, any number of times.
func (s *Spool) Open() (io.ReadCloser, error) {
	r, err := s.Section(0, s.size)
	return io.NopCloser(r), err
}

// Section returns n bytes from off on, which must be among those that are here.
func (s *Spool) Section(off, n int64) (io.Reader, error) {
	if n == 0 {
		return strings.NewReader(""), nil
	}
	if s.file == nil || off < s.off || n < 0 || off+n > s.off+s.n {
		return nil, fmt.Errorf("bytes %d to %d are not among those that were asked for", off, off+n)
	}
	return &part{io.NewSectionReader(s.file, off-s.off, n), s}, nil
}

// A part keeps the whole in use while it is read.
type part struct {
	*io.SectionReader
	of *Spool
}

// Close implements io.Closer. Reading ends with it.
func (s *Spool) Close() error {
	var err error
	s.close.Do(func() {
		if s.file != nil {
			err = s.file.Close()
			if s.named {
				err = errors.Join(err, os.Remove(s.file.Name()))
			}
		}
		s.app.inner.spooled.Add(-s.held)
	})
	return err
}

// spool returns an empty one.
func (a *App) spool() (*Spool, error) {
	f, err := os.CreateTemp(a.Options.SpoolDir, "cds-media-")
	if err != nil {
		return nil, noRoom(err)
	}
	s := &Spool{app: a, file: f}
	runtime.SetFinalizer(s, (*Spool).Close) // of an answer that came to nothing, nobody calls it
	s.named = os.Remove(f.Name()) != nil    // where an open file can't be removed, Close does it
	return s, nil
}

func noRoom(err error) error {
	return &Error{Status: 503, Code: "503", Message: "Service Unavailable", Cause: fmt.Errorf("no room for media data: %w", err)}
}

var errSpoolFull = errors.New("the temporary files of all requests have reached their limit (server.media.spool)")

// Write implements io.Writer. It reserves room as it goes.
func (s *Spool) Write(b []byte) (int, error) {
	for s.n+int64(len(b)) > s.held {
		limit := s.app.Options.Spool
		if limit <= 0 {
			limit = defaultSpool
		}
		if s.app.inner.spooled.Add(spoolStep) > limit {
			s.app.inner.spooled.Add(-spoolStep)
			return 0, noRoom(errSpoolFull)
		}
		s.held += spoolStep
	}
	n, err := s.file.Write(b)
	s.n += int64(n)
	s.size = s.n
	if err != nil {
		return n, noRoom(err)
	}
	return n, nil
}

// Spool reads data to their end, or fails with 413 if there are more than limit bytes. Few bytes become a value of cqn.KindBytes, many one of
// cqn.KindBlob, for which the caller calls ReleaseMedia in the end.
func (a *App) Spool(ctx context.Context, r io.Reader, limit int64) (Value, error) {
	var head strings.Builder // the value is its memory, not a copy
	n, err := io.Copy(&head, io.LimitReader(r, min(limit, inMemory)+1))
	switch {
	case err != nil:
		return cqn.Null, err
	case n > limit:
		return cqn.Null, tooMuch(limit)
	case n <= inMemory:
		return cqn.Text(cqn.KindBytes, head.String()), nil
	}
	s, err := a.spool()
	if err != nil {
		return cqn.Null, err
	}
	if err := s.take(ctx, io.MultiReader(strings.NewReader(head.String()), io.LimitReader(r, limit-n+1))); err != nil {
		_ = s.Close() // the first error says more
		return cqn.Null, err
	}
	if s.size > limit {
		_ = s.Close() // only read until here
		return cqn.Null, tooMuch(limit)
	}
	return cqn.OfBlob(s), nil
}

func tooMuch(limit int64) error {
	return Reject(413, "413", "The data are larger than %d bytes", limit)
}

// take copies all of r.
func (s *Spool) take(ctx context.Context, r io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := s.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// ReleaseMedia gives back the room of a value that Spool or a READ with RawRequest.Media has returned. Other values need nothing.
func ReleaseMedia(v Value) {
	if c, ok := v.Blob().(io.Closer); ok {
		_ = c.Close() // nothing is lost with what was read
	}
}

// OpenMedia returns the bytes of a value of a LargeBinary element, be they in memory or not. Null has none. Data that an on-handler answers from a
// connection of its own can be read once.
func OpenMedia(v Value) (io.ReadCloser, error) {
	if b := v.Blob(); b != nil {
		return b.Open()
	}
	return io.NopCloser(strings.NewReader(v.Str())), nil
}

// MediaSize returns the number of bytes of a value of a LargeBinary element, -1 if that shows only at the end of reading.
func MediaSize(v Value) int64 {
	if b := v.Blob(); b != nil {
		return b.Size()
	}
	return int64(len(v.Str()))
}

// MediaValue makes a value of data that are to be read from r once: by the answer, when the request's transaction has ended, or by a write. size is -1 if it is
// not known. If r is an io.Closer it is closed in the end.
func MediaValue(r io.Reader, size int64) Value {
	if r == nil {
		return cqn.Null
	}
	return cqn.OfBlob(&once{r: r, size: max(size, -1)})
}

// A once is data that can be read once.
type once struct {
	mu   sync.Mutex
	r    io.Reader
	size int64
}

// Size implements cqn.Blob.
func (o *once) Size() int64 { return o.size }

// Open implements cqn.Blob.
func (o *once) Open() (io.ReadCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.r
	if r == nil {
		return nil, errors.New("these data were read already")
	}
	o.r = nil
	if c, ok := r.(io.ReadCloser); ok {
		return c, nil
	}
	return io.NopCloser(r), nil
}

// Close ends data that nobody has read.
func (o *once) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c, ok := o.r.(io.Closer); ok {
		o.r = nil
		return c.Close()
	}
	return nil
}
