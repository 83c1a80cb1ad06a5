package deadline

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var (
	past = time.Unix(1, 0) // as net/http ends a read by
	far  = time.Now().Add(time.Hour)
)

// pair returns the two ends of a connection, the first with cheap deadlines.
func pair(t testing.TB) (*conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	wrapped := Listener(ln)
	defer func() { _ = wrapped.Close() }()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := wrapped.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), peer.Close() })
	return c.(*conn), peer.(*net.TCPConn)
}

func timeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout() && errors.Is(err, os.ErrDeadlineExceeded)
}

// waitBusy returns when an operation is under way.
func waitBusy(s *side) {
	for {
		s.mu.Lock()
		n := s.busy
		s.mu.Unlock()
		if n > 0 {
			return
		}
	}
}

func TestPast(t *testing.T) {
	c, peer := pair(t)
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	for _, at := range []time.Time{past, time.Now()} {
		if err := c.SetDeadline(at); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(b); n != 0 || !timeout(err) {
			t.Errorf("read after the deadline: %d, %v", n, err)
		}
		if n, err := c.Write(b); n != 0 || !timeout(err) {
			t.Errorf("write after the deadline: %d, %v", n, err)
		}
		if n, err := c.ReadFrom(strings.NewReader("abc")); n != 0 || !timeout(err) {
			t.Errorf("copy after the deadline: %d, %v", n, err)
		}
	}
	for _, at := range []time.Time{{}, far} {
		if err := c.SetDeadline(at); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Write(b[:1]); n != 1 || err != nil {
			t.Errorf("write before the deadline: %d, %v", n, err)
		}
	}
	if n, err := c.Read(b); n != 1 || err != nil {
		t.Errorf("read before the deadline: %d, %v", n, err)
	}
}

// TestUnderWay: an earlier deadline ends what has begun.
func TestUnderWay(t *testing.T) {
	for _, before := range []time.Time{{}, far} {
		for name, op := range map[string]func(c *conn) (*side, func() error){
			"read": func(c *conn) (*side, func() error) {
				return &c.read, func() error { _, err := c.Read(make([]byte, 1)); return err }
			},
			"write": func(c *conn) (*side, func() error) {
				return &c.write, func() error { _, err := c.Write(make([]byte, 64<<20)); return err }
			},
			"copy": func(c *conn) (*side, func() error) {
				return &c.write, func() error { _, err := c.ReadFrom(bytes.NewReader(make([]byte, 64<<20))); return err }
			},
		} {
			t.Run(fmt.Sprint(name, before.IsZero()), func(t *testing.T) {
				c, _ := pair(t)
				if err := c.SetDeadline(before); err != nil {
					t.Fatal(err)
				}
				side, do := op(c)
				done := make(chan error)
				go func() { done <- do() }()
				waitBusy(side)
				if err := c.SetDeadline(past); err != nil {
					t.Fatal(err)
				}
				if err := <-done; !timeout(err) {
					t.Error(err)
				}
			})
		}
	}
}

// TestEarly: a timer that fires for a deadline that has been moved ends nothing, and no byte is lost or written twice.
func TestEarly(t *testing.T) {
	for _, want := range []time.Time{{}, far} {
		c, peer := pair(t)
		fired := func(s *side) {
			s.mu.Lock()
			s.armed = past
			if err := s.set(past); err != nil {
				t.Error(err)
			}
			s.mu.Unlock()
		}
		if err := c.SetDeadline(want); err != nil {
			t.Fatal(err)
		}
		fired(&c.read) // before the operation
		read := make(chan string)
		go func() {
			b := make([]byte, 8)
			n, err := io.ReadFull(c, b)
			read <- fmt.Sprint(string(b[:n]), err)
		}()
		waitBusy(&c.read)
		fired(&c.read) // within it
		if _, err := peer.Write([]byte("abcd")); err != nil {
			t.Fatal(err)
		}
		fired(&c.read)
		if _, err := peer.Write([]byte("efgh")); err != nil {
			t.Fatal(err)
		}
		if got := <-read; got != "abcdefgh<nil>" {
			t.Error(got)
		}

		data := make([]byte, 16<<20)
		for i := range data {
			data[i] = byte(i % 251)
		}
		fired(&c.write)
		wrote := make(chan error)
		go func() {
			n, err := c.Write(data)
			if err == nil && n != len(data) {
				err = io.ErrShortWrite
			}
			_ = c.CloseWrite()
			wrote <- err
		}()
		waitBusy(&c.write)
		var got bytes.Buffer
		for {
			fired(&c.write)
			if _, err := io.CopyN(&got, peer, 1<<20); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if err := <-wrote; err != nil || !bytes.Equal(got.Bytes(), data) {
			t.Errorf("%v, %d bytes of %d", err, got.Len(), len(data))
		}
	}
}

// TestHTTP: under net/http deadlines hold, and hardly a timer is moved for requests on one connection.
func TestHTTP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var sets atomic.Int64
	release := make(chan struct{})
	srv := &http.Server{ReadHeaderTimeout: 50 * time.Millisecond, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/slow":
				<-r.Context().Done() // the client goes
				close(release)
			case "/late":
				if err := http.NewResponseController(w).SetWriteDeadline(past); err != nil {
					t.Error(err)
				}
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body)
		})}
	go func() { _ = srv.Serve(counting{Listener(ln), &sets}) }()
	defer func() { _ = srv.Close() }()
	addr := ln.Addr().String()

	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	for i := range 200 {
		res, err := client.Post("http://"+addr+"/x", "text/plain", strings.NewReader(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err != nil || string(b) != fmt.Sprintf("/x %d", i) {
			t.Fatalf("%s %v", b, err)
		}
		_ = res.Body.Close()
	}

	if n := sets.Load(); n > 20 { // net/http alone: eight a request
		t.Errorf("timers were moved %d times for 200 requests", n)
	}
	client.CloseIdleConnections()

	raw := func(text string) string {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(bufio.NewReader(c)) // until the server closes it
		return string(answer)
	}
	if got := raw("GET / HTTP/1.1\r\nHost: x\r\nHalf: "); strings.Contains(got, "200 OK") {
		t.Errorf("half a header was answered: %s", got)
	}
	if got := raw("GET /late HTTP/1.1\r\nHost: x\r\n\r\n"); got != "" {
		t.Errorf("written after the deadline: %s", got)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	<-release
}

// counting counts how often timers are moved.
type counting struct {
	net.Listener
	n *atomic.Int64
}

func (l counting) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if c, ok := nc.(*conn); ok {
		for _, s := range []*side{&c.read, &c.write} {
			set := s.set
			s.set = func(t time.Time) error { l.n.Add(1); return set(t) }
		}
	}
	return nc, err
}

// TestOther: connections that are not TCP ones are left alone.
func TestOther(t *testing.T) {
	ln, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Skip("no sockets of this kind: ", err)
	}
	wrapped := Listener(ln)
	defer func() { _ = wrapped.Close() }()
	go func() {
		if c, err := net.Dial("unix", ln.Addr().String()); err == nil {
			_ = c.Close()
		}
	}()
	c, err := wrapped.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.(*conn); ok {
		t.Error("it is wrapped")
	}
	_ = c.Close()
}
