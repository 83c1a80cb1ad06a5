package odata

import (
	"net/http"
	"strings"
	"testing"

	"cds/parser/cqn"
	"cds/parser/csn"
)

const mediaModel = `{"definitions": {
  "S": {"kind": "service", "@path": "/s"},
  "S.Files": {"kind": "entity", "@http.CacheControl.maxAge": 60, "elements": {
    "ID": {"key": true, "type": "cds.Integer"},
    "mime": {"type": "cds.String"}, "name": {"type": "cds.String"},
    "data": {"type": "cds.LargeBinary", "@Core.MediaType": {"=": "mime"}, "@Core.ContentDisposition.Filename": {"=": "name"}},
    "shown": {"type": "cds.LargeBinary", "@Core.MediaType": "image/png", "@Core.AcceptableMediaTypes": ["image/*", "text/plain"], "@Core.ContentDisposition.Filename": "a b.png", "@Core.ContentDisposition.Type": "inline"}
  }}}}`

func readModel(t testing.TB, text string) *csn.Model {
	t.Helper()
	m, list := csn.Read([]byte(text))
	if list.HasErrors() {
		t.Fatal(list)
	}
	return m
}

// TestMediaNames: file names come from the row or the model, and cannot break out of their header.
func TestMediaNames(t *testing.T) {
	s := newStage(t, readModel(t, mediaModel), "S", Options{BasePath: "/s"})
	for name, want := range map[string]string{
		"a.png": `attachment; filename=a.png`, "": "attachment", "..": "attachment", "../../etc/passwd": "attachment; filename=passwd", `C:\x\y z.txt`: `attachment; filename="y z.txt"`,
		"a\r\nX-Evil: 1": `attachment; filename="aX-Evil: 1"`, `q".png`: `attachment; filename="q\".png"`, "ü.png": "attachment; filename*=utf-8''%C3%BC.png", strings.Repeat("x", 300): "attachment",
	} {
		s.rows(cqn.NewRow(field("ID", cqn.Int(1)), field("mime", cqn.String("image/png")), field("name", cqn.String(name)), field("data", cqn.Bytes([]byte("x")))))
		h := s.do("GET /s/Files(1)/data", "").Header()
		if got := h.Get("Content-Disposition"); got != want || h.Get("X-Evil") != "" {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	s.rows(cqn.NewRow(field("ID", cqn.Int(1)), field("shown", cqn.Bytes([]byte("x")))))
	h := s.do("GET /s/Files(1)/shown/$value", "").Header()
	if h.Get("Content-Disposition") != `inline; filename="a b.png"` || h.Get("Content-Type") != "image/png" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("inline: %v", h)
	}
}

// TestMediaTypes: what a stream takes may be limited by its model.
func TestMediaTypes(t *testing.T) {
	s := newStage(t, readModel(t, mediaModel), "S", Options{BasePath: "/s"})
	for ct, want := range map[string]int{"image/png": 204, "IMAGE/GIF; x=y": 204, "text/plain; charset=utf-8": 204, "text/html": 415, "imagex/png": 415, "": 415, "image": 415} {
		if w := s.do("PUT /s/Files(1)/shown", strings.Repeat("b", 200_000), "Content-Type: "+ct); w.Code != want {
			t.Errorf("%q: %d, want %d", ct, w.Code, want)
		}
		if want == 204 {
			if v := s.last().Data.Value("shown"); v.Kind() != cqn.KindBytes || len(v.Str()) != 200_000 {
				t.Errorf("%q: %d bytes", ct, len(v.Str()))
			}
		}
	}
}

// TestCacheControl: @http.CacheControl holds for reads that succeed; what a user sees is for that user's cache only.
func TestCacheControl(t *testing.T) {
	s := newStage(t, readModel(t, mediaModel), "S", Options{BasePath: "/s"})
	s.rows(cqn.NewRow(field("ID", cqn.Int(1)), field("data", cqn.Bytes([]byte("x")))))
	for _, tc := range []struct {
		user bool
		path string
		want string
	}{
		{false, "GET /s/Files", "max-age=60"}, {true, "GET /s/Files(1)", "private, max-age=60"}, {true, "GET /s/Files(1)/data", "private, max-age=60"}, {true, "PATCH /s/Files(1)", ""}, {false, "GET /s/Files?$top=x", ""},
	} {
		if s.user = userWith(); !tc.user {
			s.user = nil
		}
		body := ""
		if strings.HasPrefix(tc.path, http.MethodPatch) {
			body = "{}"
		}
		if got := s.do(tc.path, body).Header().Get("Cache-Control"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.path, got, tc.want)
		}
	}
}

// TestWritesRefuseUnknownOptions: a system query option that is not understood is refused on every method, custom ones pass.
func TestWritesRefuseUnknownOptions(t *testing.T) {
	s := newStage(t, readModel(t, mediaModel), "S", Options{BasePath: "/s"})
	s.rows(cqn.NewRow(field("ID", cqn.Int(1))))
	for _, m := range []string{"POST /s/Files", "PATCH /s/Files(1)", "PUT /s/Files(1)", "DELETE /s/Files(1)", "PUT /s/Files(1)/name"} {
		body := `{"ID":1}`
		if strings.HasSuffix(m, "name") {
			body = `{"value":"x"}`
		}
		for q, ok := range map[string]bool{"$frob=1": false, "$Filter=true": false, "$top=1&$top=2": false, "sap-client=100": true, "frob=1": true, "$select=ID": true} {
			if w := s.do(m+"?"+q, body); (w.Code == 400) == ok {
				t.Errorf("%s?%s: %d %s", m, q, w.Code, w.Body)
			}
		}
	}
}
