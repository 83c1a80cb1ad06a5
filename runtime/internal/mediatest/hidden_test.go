package mediatest

import (
	"net/http"
	"strings"
	"testing"

	"cds/runtime/cdstest"
)

// told is all that a client learns from an answer, but for its id.
func told(r *cdstest.Response) string {
	var b strings.Builder
	for _, h := range []string{"Content-Type", "Content-Length", "Content-Range", "Content-Disposition", "Accept-Ranges", "ETag", "Cache-Control", "Location"} {
		b.WriteString(h + ": " + r.Header(h) + "\n")
	}
	return http.StatusText(r.Code()) + "\n" + b.String() + r.Body()
}

// The data of a hidden row answer like those of one that is not there, whatever is sent, be there many of them, few or none; so do those in columns that the
// row has a place for.
func TestHiddenRows(t *testing.T) {
	both(t, nil, func(t *testing.T, a *cdstest.App) {
		for _, n := range []int{0, 10, 600_000} {
			a.HTTP().As("bob").With("Content-Type", "text/secret").PUT("/s/Files(2)/data", bytesOf(1, n)).Status(204)
			for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
				for _, path := range []string{"/data", "/data/$value", "/picture", "/parts(1)/data"} {
					for _, header := range [][2]string{{"Accept", "*/*"}, {"Range", "bytes=0-9"}, {"Range", "bytes=700000-"}, {"If-None-Match", "*"}, {"If-Match", "*"}} {
						ask := func(row string) string {
							var body any
							if method == "PUT" {
								body = bytesOf(2, 300_000)
							}
							return told(a.HTTP().As("alice").With(header[0], header[1]).With("Content-Type", "image/png").Do(method, "/s/Files("+row+")"+path, body))
						}
						if hidden, missing := ask("2"), ask("3"); hidden != missing || !strings.HasPrefix(hidden, "Not Found") {
							t.Errorf("%s %s, %v, %d bytes: hidden\n%s\nmissing\n%s", method, path, header, n, hidden, missing)
						}
					}
				}
			}
			if got := a.HTTP().As("bob").GET("/s/Files(2)/data").Status(200); got.Body() != bytesOf(1, n) || got.Header("Content-Type") != "text/secret; charset=utf-8" {
				t.Errorf("%d bytes have changed to %d", n, len(got.Body()))
			}
		}
	})
}

// Who may read a row need not be one who may write its data; elements have rights of their own, whatever the row; nothing of them is told by a batch or by
// another method.
func TestRestricted(t *testing.T) {
	both(t, nil, func(t *testing.T, a *cdstest.App) {
		big := bytesOf(1, 500_000)
		admin := a.HTTP().As("admin").With("Content-Type", "image/png")
		for _, el := range []string{"secret", "fixed", "data"} {
			admin.PUT("/s/Files(1)/"+el, big).Status(204)
		}
		rita := a.HTTP().As("rita")
		if got := rita.GET("/s/Files(1)/data").Status(200).Body(); got != big {
			t.Errorf("reader: %d bytes", len(got))
		}
		rita.PUT("/s/Files(1)/data", "x").Status(403)
		rita.DELETE("/s/Files(1)/data").Status(403)
		for _, name := range []string{"rita", "alice"} {
			c := a.HTTP().As(name).With("Content-Type", "image/png")
			for _, method := range []string{"GET", "HEAD"} {
				for _, row := range []string{"1", "3"} { // also for a row that is not there
					r := c.Do(method, "/s/Files("+row+")/secret", nil).Status(403)
					if strings.Contains(r.Body(), big[:50]) || r.Header("Content-Length") == "500000" {
						t.Error(r.Body()[:100])
					}
				}
				c.With("Range", "bytes=0-3").Do(method, "/s/Files(1)/secret", nil).Status(403)
			}
			c.PUT("/s/Files(1)/secret", big).Status(403)
			c.DELETE("/s/Files(1)/secret").Status(403)
			c.GET("/s/Files?$select=secret").Status(403)
			c.PUT("/s/Files(1)/fixed", big).Status(403)
			c.DELETE("/s/Files(1)/fixed").Status(403)
			if got := c.GET("/s/Files(1)/fixed").Status(200).Body(); got != big {
				t.Errorf("fixed: %d bytes", len(got))
			}
			a.HTTP().As(name).POST("/s/$batch", `{"requests":[{"id":"1","method":"GET","url":"Files(1)/secret"}]}`).Status(200).Contains(`"status":403`)
		}
		anonymous := a.HTTP()
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			anonymous.Do(method, "/s/Files(1)/data", "x").Status(401)
		}
		admin.GET("/s/Files(1)/secret").Status(200).Contains(big)
		admin.GET("/s/Files(1)/fixed").Status(200).Contains(big)
	})
}

// The sizes and pieces by which data are read are no words of clients.
func TestNotForClients(t *testing.T) {
	both(t, nil, func(t *testing.T, a *cdstest.App) {
		for _, q := range []string{"$filter=cds.size(data) gt 1", "$filter=cds.piece(data,1,1) eq null", "$filter=cds.place(data) gt 0", "$compute=cds.place(data) as p&$select=p", "$orderby=cds.size(data)",
			"$filter=rowid gt 0", "$apply=compute(cds.size(data) as s)"} {
			if r := a.HTTP().As("alice").GET("/s/Files?" + q); r.Code() != 400 && r.Code() != 501 {
				t.Errorf("%s: %d %s", q, r.Code(), r.Body())
			}
		}
	})
}
