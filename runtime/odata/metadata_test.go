package odata

import (
	"encoding/json"
	"strings"
	"testing"

	"cds/runtime/odata/internal/testmodel"
)

// The metadata document is also there as JSON, with an entity tag of its own.
func TestMetadata_JSON(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	w := s.do("GET /$metadata?$format=json", "")
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["$EntityContainer"] != "Shop.EntityContainer" {
		t.Errorf("%v", doc["$EntityContainer"])
	}
	xml := s.do("GET /$metadata", "")
	if xml.Header().Get("ETag") == w.Header().Get("ETag") {
		t.Error("both forms have the same entity tag")
	}
	if again := s.do("GET /$metadata?$format=application/json", "", "If-None-Match: "+w.Header().Get("ETag")); again.Code != 304 {
		t.Errorf("not modified: %d", again.Code)
	}
}
