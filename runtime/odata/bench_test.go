package odata

import (
	"net/http/httptest"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/odata/internal/testmodel"
)

// BenchmarkDoor measures what the door adds to a service that answers at once.
func BenchmarkDoor(b *testing.B) {
	s := newStage(b, testmodel.Shop(b), "Shop", Options{})
	s.answer = func(r *cds.RawRequest) (*cds.Result, error) {
		return &cds.Result{Rows: []*cqn.Row{book()}, JSON: []byte("{\"ID\":1}"), N: 1, Count: -1}, nil
	}
	for _, bench := range []struct{ name, url string }{
		{"key", "/Books(1)"},
		{"list", "/Books?$select=ID,title&$filter=stock%20gt%205%20and%20contains(title,'a')&$orderby=title&$top=20&$expand=author($select=name)"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "http://host"+bench.url, nil)
			b.ReportAllocs()
			for b.Loop() {
				s.seen = s.seen[:0]
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
