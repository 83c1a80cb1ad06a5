package basic_test

import (
	"net/http/httptest"
	"testing"

	"cds/runtime/config"
	"cds/strategies/basic"
)

func BenchmarkAuthenticate(b *testing.B) {
	s, err := basic.New(config.Section{"users": map[string]any{"bob": map[string]any{"password": "a long enough password"}}})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth("bob", "a long enough password")
	b.ReportAllocs()
	for b.Loop() {
		if u, err := s.Authenticate(b.Context(), r); err != nil || u.ID != "bob" {
			b.Fatal(u, err)
		}
	}
}
