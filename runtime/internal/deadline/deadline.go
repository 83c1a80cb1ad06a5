// Package deadline makes the deadlines of connections cheap. A server of net/http sets eight for each request, and each moves a timer of the Go
// runtime. Here a deadline is noted, and a timer is moved only where the connection has none that fires as early: one that fires too early for what
// is wanted by then is set anew. What a deadline means stays as it is: an operation fails once it has passed, and not before.
package deadline

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Listener returns ln with cheap deadlines for its TCP connections; others, such as those of TLS, are left as they are.
func Listener(ln net.Listener) net.Listener { return listener{ln} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		return newConn(tcp), nil
	}
	return c, err
}

// A conn is a TCP connection. It has what net/http looks for beyond net.Conn: ReadFrom sends files without copying them, CloseWrite ends one direction.
type conn struct {
	tcp         *net.TCPConn
	read, write side
}

var _ io.ReaderFrom = (*conn)(nil)

func newConn(tcp *net.TCPConn) *conn {
	c := &conn{tcp: tcp}
	c.read = side{set: tcp.SetReadDeadline, passed: &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}}
	c.write = side{set: tcp.SetWriteDeadline, passed: &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}}
	return c
}

// A side is reading or writing.
type side struct {
	set    func(time.Time) error
	passed error // what an operation after the deadline gives

	mu    sync.Mutex
	want  time.Time // the deadline; zero for none
	armed time.Time // the one that the connection has been given; zero for none
	busy  int       // operations under way
	exact int       // of them, those that cannot be gone on with
}

// change sets the deadline. Operations under way learn of it at once where it is earlier than what they would find out by themselves.
func (s *side) change(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = t
	if s.busy > 0 && s.late() || s.exact > 0 {
		return s.arm()
	}
	return nil
}

// late reports whether the connection would fail too late.
func (s *side) late() bool {
	return !s.want.IsZero() && (s.armed.IsZero() || s.want.Before(s.armed))
}

func (s *side) arm() error {
	s.armed = s.want
	return s.set(s.want)
}

// begin comes before an operation. An exact one cannot be gone on with after an error, so the connection has to know the deadline itself.
func (s *side) begin(exact bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if late := s.late(); late || exact {
		if late && !s.want.After(time.Now()) {
			return s.passed
		}
		if err := s.arm(); err != nil {
			return err
		}
	}
	s.busy++
	if exact {
		s.exact++
	}
	return nil
}

func (s *side) end(exact bool) {
	s.mu.Lock()
	s.busy--
	if exact {
		s.exact--
	}
	s.mu.Unlock()
}

// early reports whether an operation failed by a deadline that is not wanted any more; the one that is wanted has been set then.
func (s *side) early(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.want.IsZero() && !s.want.After(time.Now()) {
		return false
	}
	return s.arm() == nil
}

func (c *conn) Read(b []byte) (n int, err error) {
	if err := c.read.begin(false); err != nil {
		return 0, err
	}
	for {
		if n, err = c.tcp.Read(b); n > 0 || err == nil || !c.read.early(err) {
			break
		}
	}
	c.read.end(false)
	return n, err
}

func (c *conn) Write(b []byte) (n int, err error) {
	if err := c.write.begin(false); err != nil {
		return 0, err
	}
	for {
		var m int
		m, err = c.tcp.Write(b[n:])
		if n += m; err == nil || !c.write.early(err) {
			break
		}
	}
	c.write.end(false)
	return n, err
}

func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.write.begin(true); err != nil {
		return 0, err
	}
	defer c.write.end(true)
	return c.tcp.ReadFrom(r)
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.read.change(t), c.write.change(t))
}

func (c *conn) SetReadDeadline(t time.Time) error     { return c.read.change(t) }
func (c *conn) SetWriteDeadline(t time.Time) error    { return c.write.change(t) }
func (c *conn) Close() error                          { return c.tcp.Close() }
func (c *conn) CloseWrite() error                     { return c.tcp.CloseWrite() }
func (c *conn) LocalAddr() net.Addr                   { return c.tcp.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr                  { return c.tcp.RemoteAddr() }
func (c *conn) SyscallConn() (syscall.RawConn, error) { return c.tcp.SyscallConn() }
