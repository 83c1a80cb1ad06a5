package odata

import (
	"net/http"
	"strings"
	"testing"

	"cds/runtime/odata/internal/testmodel"
)

func TestAccepts(t *testing.T) {
	for _, tc := range []struct {
		header string
		json   bool
		multi  bool
	}{
		{"", true, true}, {"*/*", true, true}, {"application/json", true, false}, {"application/*", true, false}, {"multipart/mixed", false, true}, {"text/html", false, false},
		{"application/json;q=0", false, false}, {"*/*, application/json;q=0", false, true}, {"application/json;q=0, */*", false, true}, {"application/json;odata.metadata=none;q=0.1, text/plain", true, false},
		{"APPLICATION/JSON", true, false}, {`x/y;a="b,application/json"`, false, false}, {"application/json;", true, false}, {"garbage, application/json", true, false}, {`"`, false, false}, {";;,,", false, false},
	} {
		if got := accepts(tc.header, jsonMedia); got != tc.json {
			t.Errorf("%q admits JSON: %v", tc.header, got)
		}
		if got := accepts(tc.header, multipartType); got != tc.multi {
			t.Errorf("%q admits multipart: %v", tc.header, got)
		}
	}
}

// TestMetadataForm: the metadata document is XML unless JSON is what the client wants.
func TestMetadataForm(t *testing.T) {
	s := newStage(t, testmodel.Shop(t), "Shop", Options{})
	for _, tc := range []struct{ query, accept, want string }{
		{"", "", "application/xml"}, {"", "*/*", "application/xml"}, {"", "application/json", "application/json"}, {"", "application/xml, application/json", "application/xml"}, {"", "text/html", "application/xml"},
		{"?$format=json", "application/xml", "application/json"}, {"?$format=application/json", "", "application/json"}, {"?$format=xml", "application/json", "application/xml"},
	} {
		w := s.do("GET /$metadata"+tc.query, "", "Accept: "+tc.accept)
		if got := w.Header().Get("Content-Type"); w.Code != 200 || !strings.HasPrefix(got, tc.want) {
			t.Errorf("%+v: %d %s", tc, w.Code, got)
		}
	}
}

// FuzzHeaders: headers of any form are understood or passed over, never answered with a failure of the server.
func FuzzHeaders(f *testing.F) {
	f.Add(`W/"a,b", *`, `return=minimal;x="y", odata.continue-on-error`, "application/json;q=0.5, */*;q=0", "application/json; charset=utf-8", "de,en;q=0.1")
	f.Add(`"`, "=", ",;=", "multipart/mixed; boundary=\"", "\x00")
	s := newStage(f, testmodel.Shop(f), "Shop", Options{})
	f.Fuzz(func(t *testing.T, match, prefer, accept, contentType, language string) {
		s.t = t
		h := http.Header{"If-Match": {match}, "If-None-Match": {match}, "Prefer": {prefer}, "Accept": {accept}, "Content-Type": {contentType}, "Accept-Language": {language}}
		for _, request := range []string{"GET /Books(1)", "PATCH /Books(1)", "PUT /Books(1)/image", "POST /$batch", "GET /$metadata"} {
			body := ""
			if request[0] == 'P' {
				body = "{}"
			}
			w := s.send(request, body, h)
			if w.Code >= 500 && w.Code != http.StatusNotImplemented {
				t.Errorf("%s: %d %s", request, w.Code, w.Body)
			}
			for name, values := range w.Header() {
				for _, v := range values {
					if strings.ContainsAny(v, "\r\n\x00") {
						t.Errorf("%s: header %s: %q", request, name, v)
					}
				}
			}
		}
	})
}
