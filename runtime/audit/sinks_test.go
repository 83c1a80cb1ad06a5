package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cds/runtime/audit"
	"cds/runtime/audit/audittest"
	"cds/runtime/config"
)

func parseLines(t *testing.T, b []byte) (out []audit.Record) {
	t.Helper()
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		var r audit.Record
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatalf("%v in %s", err, sc.Text())
		}
		out = append(out, r)
	}
	return out
}

func TestSinks(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		audittest.Run(t, func(t *testing.T) (audit.Sink, func() []audit.Record) {
			path := filepath.Join(t.TempDir(), "audit.log")
			return audit.File(path), func() []audit.Record {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				return parseLines(t, b)
			}
		})
	})
	t.Run("stdout", func(t *testing.T) {
		audittest.Run(t, func(t *testing.T) (audit.Sink, func() []audit.Record) {
			var b bytes.Buffer
			return audit.Stream(&b), func() []audit.Record { return parseLines(t, b.Bytes()) }
		})
	})
	t.Run("webhook", func(t *testing.T) {
		audittest.Run(t, func(t *testing.T) (audit.Sink, func() []audit.Record) {
			h := &receiver{}
			srv := httptest.NewServer(h)
			t.Cleanup(srv.Close)
			return audit.Webhook(srv.URL, "s3cret", &http.Client{}), func() []audit.Record { return h.records }
		})
	})
}

// A receiver takes records that are posted; fail makes it answer 500.
type receiver struct {
	mu      sync.Mutex
	records []audit.Record
	fail    bool
	token   string
}

func (h *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.token = r.Header.Get("Authorization")
	if h.fail {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	var all []audit.Record
	b, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(b, &all); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.records = append(h.records, all...)
	w.WriteHeader(http.StatusNoContent)
}

// The file is for its owner's eyes only, and a line that a crash has cut off does not spoil the next.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	s := audit.File(path)
	one := []audit.Record{{ID: "1", Event: audit.AccessDenied}}
	if err := s.Deliver(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	if err := os.WriteFile(path, []byte(`{"id":"0","ev`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if l := strings.Split(string(b), "\n"); len(l) != 3 || l[0] != `{"id":"0","ev` || !strings.HasPrefix(l[1], `{"id":"1"`) {
		t.Errorf("%q", b)
	}
	if err := audit.File(filepath.Join(path, "x")).Deliver(t.Context(), one); err == nil {
		t.Error("a file within a file was written")
	}
}

// A webhook's failure tells neither address nor token, and a redirect is one.
func TestWebhookFailures(t *testing.T) {
	moved := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	defer moved.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer slow.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, url := range map[string]string{"redirect": moved.URL, "slow": slow.URL, "gone": gone.URL + "/?key=topsecret"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := audit.Webhook(url, "topsecret", &http.Client{}).Deliver(ctx, []audit.Record{{ID: "1"}})
		cancel()
		if err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfig(t *testing.T) {
	read := func(rc string, production bool) (audit.Options, error) {
		sec := config.Section{}
		if err := json.Unmarshal([]byte(rc), &sec); err != nil {
			t.Fatal(err)
		}
		return audit.FromConfig(sec, true, audit.Place{Dir: "/tmp", Out: io.Discard, Production: production})
	}
	o, err := read(`{}`, true)
	if err != nil || !o.Enabled || !o.Table || len(o.Sinks) != 0 || o.FailOpen || !o.ShowPersonal || o.ShowSensitive {
		t.Errorf("defaults: %+v %v", o, err)
	}
	if o, err := read(`{"enabled":false,"sinks":["file"]}`, true); err != nil || o.Enabled || len(o.Sinks) > 0 {
		t.Errorf("off: %+v %v", o, err)
	}
	if o, err := read(`{"sinks":["file","stdout","webhook"],"webhook":{"url":"https://a.example/x"},"onFailure":"log","values":"all","queue":5}`, true); err != nil || o.Table || len(o.Sinks) != 3 || !o.FailOpen ||
		!o.ShowSensitive || o.Queue != 5 {
		t.Errorf("all: %+v %v", o, err)
	}
	for rc, want := range map[string]string{
		`{"sink":["file"]}`: "audit.sink", `{"sinks":["files"]}`: "audit.sinks", `{"sinks":[]}`: "audit.sinks", `{"sinks":["file","file"]}`: "audit.sinks", `{"onFailure":"ignore"}`: "audit.onFailure",
		`{"values":"some"}`: "audit.values", `{"queue":0}`: "audit.queue", `{"queue":"many"}`: "audit.queue", `{"sinks":["webhook"]}`: "audit.webhook.url",
		`{"sinks":["webhook"],"webhook":{"url":"http://a.example"}}`: "audit.webhook.url", `{"sinks":["webhook"],"webhook":{"url":"http://127.0.0.1:1"}}`: "audit.webhook.url",
	} {
		if _, err := read(rc, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", rc, err)
		}
	}
	if _, err := read(`{"sinks":["webhook"],"webhook":{"url":"http://127.0.0.1:1"}}`, false); err != nil {
		t.Error(err)
	}
}
