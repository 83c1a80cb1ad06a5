package uri

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cds/parser/csn"
	"cds/runtime/odata/internal/testmodel"
)

// services returns the indexes of a model's services by their path.
func services(t *testing.T, model string) map[string]*Index {
	out := map[string]*Index{}
	for _, s := range testmodel.Recorded(t, model).Services {
		if p := s.Annotations.Str("path"); strings.HasPrefix(p, "/") && s.Annotations.Get("protocol") == nil {
			out[p] = NewIndex(s)
		}
	}
	return out
}

func indexFor(all map[string]*Index, path string) (*Index, string) {
	for p, x := range all {
		if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
			return x, rest
		}
	}
	return nil, ""
}

func lines(t *testing.T, file string, f func([]byte)) {
	t.Helper()
	r, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		f(s.Bytes())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestRecordedURLs: what was answered with rows parses, and what was refused with 404 or 400 for its URL is refused alike. Errors that only
// a service can find, and what we understand beyond the recorded server, are not compared.
func TestRecordedURLs(t *testing.T) {
	dir := testmodel.Shared(t, "conformance", "cases")
	all := map[string]map[string]*Index{"bookshop": services(t, "bookshop"), "authlab": services(t, "authlab")}
	files, err := filepath.Glob(filepath.Join(dir, "*.expect.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, refused := 0, 0
	for _, file := range files {
		status := map[string]int{}
		message := map[string]string{}
		lines(t, file, func(b []byte) {
			var e struct {
				Name    string
				Answers []struct {
					Status int
					Body   any
				}
			}
			if err := json.Unmarshal(b, &e); err != nil || len(e.Answers) == 0 {
				t.Fatal(file, err)
			}
			status[e.Name] = e.Answers[0].Status
			if body, ok := e.Answers[0].Body.(map[string]any); ok {
				if fault, ok := body["error"].(map[string]any); ok {
					message[e.Name], _ = fault["message"].(string)
				}
			}
		})
		lines(t, strings.Replace(file, ".expect", "", 1), func(b []byte) {
			var c struct{ Name, Model, Method, Path string }
			if err := json.Unmarshal(b, &c); err != nil {
				t.Fatal(err)
			}
			x, rest := indexFor(all[c.Model], c.Path)
			if x == nil || strings.Contains(c.Path, "${") || strings.HasSuffix(c.Path, "/$ref") {
				return
			}
			_, _, err := parse(x, rest)
			var e *Error
			errors.As(err, &e)
			switch got := status[c.Name]; {
			case got >= 200 && got < 300:
				if parsed++; e != nil && e.Status != 501 && !strings.HasSuffix(c.Name, "uuid-bad-key") {
					t.Errorf("%s %s was answered %d, refused with %s", c.Name, c.Path, got, errText(err))
				}
			case strings.HasPrefix(message[c.Name], "Invalid resource path"):
				if refused++; e == nil || e.Status != 404 || e.Message != message[c.Name] {
					t.Errorf("%s %s: %v, recorded %s", c.Name, c.Path, err, message[c.Name])
				}
			case got == 400 && strings.HasPrefix(message[c.Name], "Property \"") && c.Method == "GET" && !strings.Contains(message[c.Name], "duration") && e == nil &&
				!strings.Contains(c.Path, "("+"a="):
				t.Errorf("%s %s is accepted, recorded %s", c.Name, c.Path, message[c.Name])
			}
		})
	}
	if parsed < 500 || refused < 10 {
		t.Errorf("only %d answered and %d refused URLs were compared", parsed, refused)
	}
	t.Logf("%d answered and %d refused URLs compared", parsed, refused)
}

// TestIndex: sets are found by the names that metadata shows.
func TestIndex(t *testing.T) {
	x := NewIndex(testmodel.Recorded(t, "bookshop").Service("CatalogService"))
	for name, want := range map[string]string{"Books": "CatalogService.Books", "Books_texts": "CatalogService.Books.texts", "Books.texts": "", "books": ""} {
		got := ""
		if e := x.Set(name); e != nil {
			got = e.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, e := range x.Service.Entities {
		if e.Exposure == csn.AutoExposed && x.Set(SetName(e)) != e {
			t.Errorf("%s is not found", e.Name)
		}
	}
}
