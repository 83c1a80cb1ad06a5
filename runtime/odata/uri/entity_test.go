package uri

import (
	"errors"
	"testing"

	"cds/runtime/odata/internal/testmodel"
)

// TestEntityID: an entity may be asked for by its id. Nothing else can be reached that way.
func TestEntityID(t *testing.T) {
	x := NewIndex(testmodel.Shop(t).Services[0])
	for query, want := range map[string]int{
		"$id=Books(1)": 0, "$id=Books%281%29&$select=title": 0, "%24id=http://host/shop/Books(1)": 0, "$id=Settings": 0, "id=Books(1)": 0, "$id=/shop/Codes(a=1,b='%2525')": 0,
		"": 400, "$id=": 400, "$id=Books": 400, "$id=Books(1)/title": 400, "$id=Books(1)/author": 400, "$id=Nope(1)": 404, "$id=$metadata": 400, "$id=$batch": 400, "$id=$entity": 400, "$id=Books(1)&$id=Books(2)": 400, "$id=reset": 400,
	} {
		r, err := x.Parse("$entity", query)
		status := 0
		var e *Error
		if errors.As(err, &e) {
			status = e.Status
		}
		if status != want || err == nil && (r.Kind != Single || r.CheckOptions() != nil) {
			t.Errorf("%s: %v, want %d", query, err, want)
		}
	}
	if r, err := x.Parse("$entity", "$id=Codes(a=1,b='%2525')"); err != nil || r.Segments[0].Keys.Value("b").Str() != "%25" {
		t.Errorf("decoded twice: %v %v", r, err)
	}
}
