package serve_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// What a request allocates is bounded: a change that costs more says so here.
func TestRequestAllocations(t *testing.T) {
	h := speedServer(t)
	most := map[string]float64{"key": 28, "list": 22, "own": 24, "expand": 24, "aggregate": 22} // one of them for the deadline
	for _, q := range speedRequests {
		call := speedCall(t, h, q.path)
		for range 20 {
			call()
		}
		n := testing.AllocsPerRun(100, call)
		t.Logf("%s: %v allocations", q.name, n)
		if n > most[q.name]+raceAllocs {
			t.Errorf("%s: %v allocations, at most %v were expected", q.name, n, most[q.name])
		}
	}
}

func ask(h http.Handler, path, user string) (int, string) {
	r := httptest.NewRequest("GET", path, nil)
	if user != "" {
		r.SetBasicAuth(user, "pw")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(b)
}

// What is kept of a URL opens nothing: everyone gets the own rows, strangers nothing, and a * what the user may read.
func TestKeptURLs(t *testing.T) {
	h := speedServer(t)
	const own = "/odata/v4/bench/Orders?$orderby=orderNo&$top=3&$select=orderNo,owner"
	for range 3 {
		for _, user := range []string{"u001", "u002", "audit"} {
			status, body := ask(h, own, user)
			if n := strings.Count(body, `"owner":"`); status != 200 || n != strings.Count(body, `"owner":"`+user+`"`) || n == 0 && user != "audit" {
				t.Errorf("%s: %d %s", user, status, body)
			}
		}
		if status, body := ask(h, own, ""); status != 401 {
			t.Errorf("anonymous: %d %s", status, body)
		}
	}
	const all = "/odata/v4/ruled/Books?$expand=*&$top=2&$orderby=ID"
	const named = "/odata/v4/ruled/Books?$expand=author&$top=2&$orderby=ID"
	for range 3 {
		if status, body := ask(h, all, "audit"); status != 200 || !strings.Contains(body, "Author 1") {
			t.Errorf("audit: %d %s", status, body)
		}
		if status, body := ask(h, all, "u001"); status != 200 || strings.Contains(body, "Author 1") {
			t.Errorf("u001: %d %s", status, body)
		}
		if status, body := ask(h, named, "audit"); status != 200 || !strings.Contains(body, "Author 1") {
			t.Errorf("audit, by name: %d %s", status, body)
		}
		if status, body := ask(h, named, "u001"); status != 403 {
			t.Errorf("u001, by name: %d %s", status, body)
		}
	}
	// More URLs than are kept, with values that must not be mixed up.
	for round := range 2 {
		for i := range 300 {
			path := fmt.Sprintf("/odata/v4/bench/Books?$filter=ID%%20eq%%20%d&$select=ID,stock", i)
			status, body := ask(h, path, "u001")
			if want := fmt.Sprintf(`"value":[{"ID":%d,`, i); status != 200 || !strings.Contains(body, want) {
				t.Fatalf("round %d, %s: %d %s, want %s", round, path, status, body, want)
			}
		}
	}
}

// The same URLs at the same time: what is kept is shared, and nobody changes it. Buffers are not.
func TestKeptURLs_Parallel(t *testing.T) {
	h := speedServer(t)
	type key struct{ path, user string }
	want := map[key]string{}
	for _, q := range speedRequests {
		for _, user := range []string{"u001", "u002"} {
			_, want[key{q.path, user}] = ask(h, q.path, user)
		}
	}
	h = speedServer(t) // one that knows nothing yet
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				for k, body := range want {
					if status, got := ask(h, k.path, k.user); status != 200 || got != body {
						t.Errorf("%v: %d %s, want %s", k, status, got, body)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
