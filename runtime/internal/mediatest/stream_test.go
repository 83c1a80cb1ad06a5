package mediatest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"cds/runtime/cdstest"
)

const mb = 1 << 20

// What goes in comes out: sizes around every border, in columns in the middle of a row and with text behind, over a projection that renames, over one that joins.
func TestRoundTrip(t *testing.T) {
	both(t, nil, func(t *testing.T, a *cdstest.App) {
		alice := a.HTTP().As("alice").With("Content-Type", "application/pdf; x=y")
		for i, n := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, mb, mb + 1, 3*mb + 17} {
			data := bytesOf(uint64(i), n)
			alice.PUT("/s/Files(1)/data", data).Status(204)
			for _, path := range []string{"/s/Files(1)/data", "/s/Files(1)/data/$value", "/s/Names(1)/content", "/r/Files/1/data"} {
				r := alice.GET(path).Status(200)
				if r.Body() != data || r.Header("Content-Length") != strconv.Itoa(n) {
					t.Errorf("%s, %d bytes: got %d, Content-Length %s", path, n, len(r.Body()), r.Header("Content-Length"))
				}
			}
			if got := a.HTTP().As("admin").GET("/s/Joined(1)/data").Status(200).Body(); got != data {
				t.Errorf("join, %d bytes: got %d", n, len(got))
			}
		}
		r := alice.GET("/s/Files(1)/data")
		for name, want := range map[string]string{"Content-Type": "application/pdf", "Content-Disposition": "attachment; filename=a.bin", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "sandbox; default-src 'none'", "Accept-Ranges": "bytes", "Cache-Control": "no-store"} {
			if got := r.Header(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		alice.GET("/s/Files(1)").Status(200).Contains(`"note":"after"`, `"mime":"application/pdf"`)
		alice.PATCH("/s/Files(1)", map[string]any{"note": "changed"})
		if got := alice.GET("/s/Files(1)/data").Body(); len(got) != 3*mb+17 {
			t.Errorf("after a change of something else: %d bytes", len(got))
		}
		alice.PUT("/s/Files(1)/small", "GIF").Status(204)
		if got := alice.GET("/s/Files(1)/small").Status(200); got.Body() != "GIF" || got.Header("Content-Type") != "image/gif" {
			t.Errorf("%q %s", got.Body(), got.Header("Content-Type"))
		}
		alice.DELETE("/s/Files(1)/data").Status(204)
		alice.GET("/s/Files(1)/data").Status(204)
	})
}

// Ranges of what is in memory, of what is not, and with and without a place of its own in the database.
func TestRanges(t *testing.T) {
	both(t, nil, func(t *testing.T, a *cdstest.App) {
		for _, size := range []int{1000, 2*mb + 500} {
			data := bytesOf(7, size)
			a.HTTP().As("alice").With("Content-Type", "text/plain").PUT("/s/Files(1)/data", data).Status(204)
			last := size - 1
			for _, tc := range []struct {
				header   string
				from, to int // inclusive; to -1 for a range that is not there, -2 for all
			}{
				{"bytes=0-0", 0, 0}, {"bytes=0-99", 0, 99}, {"Bytes = 10-", 10, last}, {"bytes=-10", size - 10, last}, {fmt.Sprintf("bytes=%d-%d", size-1, size+99), last, last},
				{fmt.Sprintf("bytes=-%d", 10*size), 0, last}, {fmt.Sprintf("bytes=%d-", size), 0, -1}, {"bytes=-0", 0, -1}, {fmt.Sprintf("bytes=%d-%d", size+5, size+9), 0, -1},
				{"bytes=5-2", 0, -2}, {"bytes=0-1,5-6", 0, -2}, {"lines=0-1", 0, -2}, {"bytes=", 0, -2}, {"bytes=-", 0, -2}, {"bytes=a-b", 0, -2}, {"bytes=+1-2", 0, -2}, {"bytes=1-+2", 0, -2},
				{"bytes=99999999999999999999-", 0, -2}, {"", 0, -2},
			} {
				for user, path := range map[string]string{"alice": "/s/Files(1)/data", "admin": "/s/Joined(1)/data"} {
					r := a.HTTP().As(user).With("Range", tc.header).GET(path)
					switch {
					case tc.to == -1:
						if r.Status(416); r.Header("Content-Range") != fmt.Sprintf("bytes */%d", size) || r.Header("Content-Disposition") != "" {
							t.Errorf("%q: %v", tc.header, r.Header("Content-Range"))
						}
						r.Contains(`"code":"416"`)
					case tc.to == -2:
						if r.Status(200); r.Body() != data || r.Header("Content-Range") != "" {
							t.Errorf("%q: %d bytes", tc.header, len(r.Body()))
						}
					default:
						want := fmt.Sprintf("bytes %d-%d/%d", tc.from, tc.to, size)
						if r.Status(206); r.Body() != data[tc.from:tc.to+1] || r.Header("Content-Range") != want || r.Header("Content-Length") != strconv.Itoa(tc.to-tc.from+1) {
							t.Errorf("%q: %d bytes, %s, want %s", tc.header, len(r.Body()), r.Header("Content-Range"), want)
						}
					}
				}
			}
			r := a.HTTP().As("alice").With("Range", "bytes=0-0").With("If-Range", `"x"`).GET("/s/Files(1)/data").Status(200)
			if len(r.Body()) != size {
				t.Errorf("If-Range: %d bytes", len(r.Body()))
			}
			r = a.HTTP().As("alice").With("Range", "bytes=0-9").Do(http.MethodHead, "/s/Files(1)/data", nil).Status(200)
			if r.Body() != "" || r.Header("Content-Length") != strconv.Itoa(size) || r.Header("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("HEAD: %q %s %s", r.Body(), r.Header("Content-Length"), r.Header("Content-Type"))
			}
		}
		a.HTTP().As("alice").Do(http.MethodHead, "/s/Files(1)/note", nil).Status(405)
		a.HTTP().As("alice").Do(http.MethodHead, "/s/Files(2)/data", nil).Status(404)
	})
}

// Entity tags hold for data too. The table has a column that hides the number of its rows.
func TestEntityTags(t *testing.T) {
	both(t, nil, func(t *testing.T, a *cdstest.App) {
		data := bytesOf(1, mb)
		doc := a.HTTP().As("alice").With("Content-Type", "text/plain")
		doc.PUT("/s/Docs(1)/data", data).Status(428)
		a.HTTP().As("alice").With("If-Match", `W/"6"`).PUT("/s/Docs(1)/data", data).Status(412)
		a.HTTP().As("alice").With("If-Match", `W/"7"`).PUT("/s/Docs(1)/data", data).Status(204)
		r := doc.GET("/s/Docs(1)/data").Status(200)
		if r.Header("ETag") != `W/"7"` || r.Body() != data {
			t.Errorf("%s, %d bytes", r.Header("ETag"), len(r.Body()))
		}
		a.HTTP().As("alice").With("If-None-Match", `W/"7"`).GET("/s/Docs(1)/data").Status(304)
		a.HTTP().As("alice").With("If-None-Match", `W/"8"`).GET("/s/Docs(1)/data").Status(200)
		a.HTTP().As("alice").With("If-Match", `W/"8"`).GET("/s/Docs(1)/data").Status(412)
	})
}

// What is taken has a limit of size and of types, and a place to be that has one too.
func TestLimits(t *testing.T) {
	dir := t.TempDir()
	both(t, set(map[string]any{"limit": "1mb", "spool": "2mb", "dir": dir}), func(t *testing.T, a *cdstest.App) {
		s := connected(t, a)
		put := func(path string, n int64, announced bool, headers ...string) int {
			t.Helper()
			body := noise(1, n)
			if announced {
				body = strings.NewReader(bytesOf(1, int(n)))
			}
			res := send(t, "PUT", s.URL+path, "alice", body, headers...)
			_ = res.Body.Close()
			return res.StatusCode
		}
		for _, announced := range []bool{true, false} {
			if got := put("/s/Files(1)/data", mb, announced, "Content-Type", "text/plain"); got != 204 {
				t.Errorf("at the limit: %d", got)
			}
			if got := put("/s/Files(1)/data", mb+1, announced, "Content-Type", "text/plain"); got != 413 {
				t.Errorf("over the limit: %d", got)
			}
		}
		if got := put("/s/Files(1)/picture", 400_000, true, "Content-Type", "text/html"); got != 415 {
			t.Errorf("type: %d", got)
		}
		if got := put("/s/Files(1)/picture", 400_000, true, "Content-Type", "image/gif"); got != 204 {
			t.Errorf("type: %d", got)
		}
		if got := put("/s/Files(1)/data", 400_000, true, "Content-Encoding", "gzip"); got != 415 {
			t.Errorf("encoding: %d", got)
		}
		var held []io.Closer
		for range 2 { // two that are read fill the room
			v, err := a.CDS.Spool(t.Context(), noise(1, 500_000), mb)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, v.Blob().(io.Closer))
		}
		if got := put("/s/Files(1)/data", 500_000, true); got != 503 {
			t.Errorf("no room to write: %d", got)
		}
		res := send(t, "GET", s.URL+"/s/Files(1)/data", "alice", nil)
		_ = res.Body.Close()
		if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
			t.Errorf("no room to read: %d", res.StatusCode)
		}
		for _, c := range held {
			_ = c.Close()
			_ = c.Close() // gives nothing back twice
		}
		if got := put("/s/Files(1)/data", 500_000, true); got != 204 {
			t.Errorf("room again: %d", got)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("files with names: %v %v", list, err)
		}
	})
}

// Parts of a batch may be data, as long as they fit into memory.
func TestBatch(t *testing.T) {
	both(t, set(map[string]any{"limit": "2mb"}), func(t *testing.T, a *cdstest.App) {
		data := bytesOf(3, mb)
		alice := a.HTTP().As("alice")
		alice.With("Content-Type", "text/plain").PUT("/s/Files(1)/data", data).Status(204)
		const head = "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
		body := head + "GET Files(1)/data HTTP/1.1\r\n\r\n\r\n" + head + "PUT Files(1)/data HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: 300000\r\n\r\n" +
			strings.Repeat("y", 300_000) + "\r\n" + head + "GET Files(1)/data HTTP/1.1\r\n\r\n\r\n--b--\r\n"
		r := alice.With("Content-Type", "multipart/mixed; boundary=b").POST("/s/$batch", body).Status(200)
		if !strings.Contains(r.Body(), data) || !strings.Contains(r.Body(), strings.Repeat("y", 300_000)) || strings.Contains(r.Body(), "HTTP/1.1 4") {
			t.Errorf("%d bytes", len(r.Body()))
		}
		set := "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n" + strings.ReplaceAll(head, "--b", "--c") +
			"PUT Files(1)/data HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: 400000\r\n\r\n" + strings.Repeat("z", 400_000) + "\r\n" + strings.ReplaceAll(head, "--b", "--c") +
			"PUT Files(99)/data HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: 1\r\n\r\nz\r\n--c--\r\n--b--\r\n"
		alice.With("Content-Type", "multipart/mixed; boundary=b").POST("/s/$batch", set).Status(200).Contains("HTTP/1.1 404")
		if got := alice.GET("/s/Files(1)/data").Body(); got != strings.Repeat("y", 300_000) {
			t.Errorf("the change set was undone: %d bytes of %.1s", len(got), got)
		}
	})
	both(t, nil, func(t *testing.T, a *cdstest.App) {
		a.HTTP().As("alice").PUT("/s/Files(1)/data", bytesOf(1, 16*mb)).Status(204)
		if r := a.HTTP().As("alice").POST("/s/$batch", `{"requests":[{"id":"1","method":"GET","url":"Files(1)/data"}]}`).Status(200); !strings.Contains(r.Body(), `"status":200`) {
			t.Errorf("%.200s", r.Body())
		}
	})
	both(t, set(map[string]any{"limit": "17mb"}), func(t *testing.T, a *cdstest.App) {
		a.HTTP().As("alice").PUT("/s/Files(1)/data", bytesOf(1, 16*mb+1)).Status(204)
		a.HTTP().As("alice").POST("/s/$batch", `{"requests":[{"id":"1","method":"GET","url":"Files(1)/data"}]}`).Status(200).Contains("MEDIA_TOO_LARGE")
	})
}

// Links to data elsewhere.
func TestLinks(t *testing.T) {
	both(t, nil, func(t *testing.T, a *cdstest.App) {
		alice := a.HTTP().As("alice")
		alice.GET("/s/Pages(1)").Status(200).Contains(`"url@odata.mediaReadLink":"https://media.example/a.jpg","url@odata.mediaContentType":"image/jpeg"`, `"mime":"image/jpeg"`).Lacks(`"url":`, `fixed`)
		alice.GET("/s/Pages(2)?$select=fixed").Status(200).Contains(`"fixed@odata.mediaReadLink":"http://x.example/y","fixed@odata.mediaContentType":"image/png"`)
		alice.GET("/s/Pages(3)").Status(200).Lacks("url", "fixed")
		alice.GET("/s/Pages?$filter=contains(url,'media')").Status(200).Contains(`"ID":1`).Lacks(`"ID":2`)
		if r := alice.GET("/s/Pages(1)/url").Status(302); r.Header("Location") != "https://media.example/a.jpg" {
			t.Error(r.Header("Location"))
		}
		alice.GET("/s/Pages(2)/url").Status(404).Lacks("javascript")
		alice.GET("/s/Pages(3)/url").Status(204)
		alice.POST("/s/Pages", `{"ID":4,"url":"http://z.example/z","mime":"a/b"}`).Status(201).Contains(`"url@odata.mediaReadLink":"http://z.example/z"`)
		alice.GET("/s/$metadata").Status(200).Contains(`<Property Name="url" Type="Edm.Stream"`)
	})
}
