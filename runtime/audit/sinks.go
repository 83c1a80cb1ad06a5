package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

// lines writes records as JSON, one a line.
func lines(records []Record) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i := range records {
		if err := enc.Encode(&records[i]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

type file struct {
	path string
	mu   sync.Mutex
}

// File returns a sink that appends records to a file, as lines of JSON. It makes the file so that only its owner reads it, and opens it anew for each
// delivery, so it may be moved away at any time.
func File(path string) Sink { return &file{path: path} }

func (*file) Name() string { return "file" }

// Deliver writes the lines at once and has them brought to the disk. What a crash has cut off is ended first.
func (s *file) Deliver(_ context.Context, records []Record) (err error) {
	b, err := lines(records)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if cut, err := cutOff(f); err != nil {
		return err
	} else if cut {
		b = append([]byte{'\n'}, b...)
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

// cutOff reports whether the last line of a file has no end.
func cutOff(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 || !info.Mode().IsRegular() {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

func (*file) Close() error { return nil }

type stream struct {
	mu sync.Mutex
	w  io.Writer
}

// Stream returns a sink with the name stdout that writes lines of JSON.
func Stream(w io.Writer) Sink { return &stream{w: w} }

func (*stream) Name() string { return "stdout" }

func (s *stream) Deliver(_ context.Context, records []Record) error {
	b, err := lines(records)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.w.Write(b)
	return err
}

func (*stream) Close() error { return nil }

type webhook struct {
	url, token string
	client     *http.Client
}

// Webhook returns a sink that posts records as a JSON array. token, unless empty, is sent as bearer token. Anything but 2xx is a failure; redirects are not
// followed. The receiver tells records that come twice by their id.
func Webhook(url, token string, client *http.Client) Sink {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &webhook{url, token, &c}
}

func (*webhook) Name() string { return "webhook" }

func (s *webhook) Deliver(ctx context.Context, records []Record) error {
	b, err := json.Marshal(records)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(b))
	if err != nil {
		return errors.New("the address is not usable") // the error would have it, and what is secret in it
	}
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.New("the receiver cannot be reached")
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("the receiver answers %d", resp.StatusCode)
	}
	return nil
}

func (s *webhook) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
