package mediatest

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	cds "cds/runtime"
	"cds/runtime/cdstest"
)

// The typed side of S.Files and S.Docs as the generator would write it.
type (
	brand struct{}
	file  struct {
		ID    cds.Opt[int32]
		Owner cds.Opt[string]
		cds.Ext
	}
	fileRef struct{ cds.Entity[file] }
)

func (x *file) CDSFields(f *cds.Fields) {
	cds.Field(f, "ID", &x.ID)
	cds.Field(f, "owner", &x.Owner)
}

var (
	sFiles   = fileRef{cds.NewEntity[file]("S.Files")}
	fileData = cds.NewMedia[file]("S", "S.Files", "data")
	filePic  = cds.NewMedia[file]("S", "S.Files", "picture")
)

func fileID(n int32) cds.Pred[file] { return cds.Col[file, int32]("ID").Eq(n) }

// closing notes that it was closed.
type closing struct {
	io.Reader
	closed *int
}

func (c closing) Close() error { *c.closed++; return nil }

// Typed handlers read what comes in, put something else in its place, and answer a reader.
func TestTypedHandlers(t *testing.T) {
	const n = 700_000
	closed, sizes := 0, []int64{}
	change := func(c *cdstest.Config) {
		c.Register = func(app *cds.App) error {
			return cds.Serve(app, "S", cds.PolicyOf(app, "S"), nil, []cds.Handler[brand]{
				cds.BeforeEntity[brand](cds.Update, sFiles, func(_ context.Context, req *cds.Request[file]) error {
					in, size, ok := fileData.In(req.Data)
					if !ok {
						return nil
					}
					sizes = append(sizes, size)
					first := make([]byte, 1)
					if _, err := io.ReadFull(in, first); err != nil {
						return err
					}
					if err := in.Close(); err != nil {
						return err
					}
					if first[0] == 'V' {
						return req.Reject(422, "VIRUS", "No")
					}
					again, _, _ := fileData.In(req.Data) // can be read again
					fileData.Set(req.Data, io.MultiReader(strings.NewReader("checked:"), again), -1)
					return nil
				}),
				cds.OnEntity[brand](cds.Read, sFiles, func(ctx context.Context, req *cds.Request[file], next cds.NextRows[file]) ([]*file, error) {
					rows, err := next(ctx)
					if err == nil && filePic.Wanted(req.RawRequest) && len(rows) == 1 {
						size := int64(n)
						if req.HTTP.Header.Get("X-Unknown") != "" {
							size = -1
						}
						filePic.Set(rows[0], closing{noise(4, n), &closed}, size)
					}
					return rows, err
				})})
		}
	}
	both(t, change, func(t *testing.T, a *cdstest.App) {
		closed, sizes = 0, nil
		alice := a.HTTP().As("alice").With("Content-Type", "text/plain")
		for _, size := range []int{10, n} {
			data := "." + bytesOf(1, size)
			alice.PUT("/s/Files(1)/data", data).Status(204)
			if got := alice.GET("/s/Files(1)/data").Status(200).Body(); got != "checked:"+data {
				t.Errorf("%d bytes became %d", len(data), len(got))
			}
			alice.PUT("/s/Files(1)/data", "V"+data).Status(422)
			if got := alice.GET("/s/Files(1)/data").Status(200).Body(); got != "checked:"+data {
				t.Errorf("%d bytes became %d", len(data), len(got))
			}
		}
		if len(sizes) != 4 || sizes[0] != 11 || sizes[2] != n+1 {
			t.Error(sizes)
		}
		want := bytesOf(4, n)
		if r := alice.GET("/s/Files(1)/picture").Status(200); r.Body() != want || r.Header("Content-Length") != "700000" {
			t.Errorf("%d bytes", len(r.Body()))
		}
		if r := alice.With("Range", "bytes=600000-600009").GET("/s/Files(1)/picture").Status(206); r.Body() != want[600_000:600_010] {
			t.Errorf("%d bytes", len(r.Body()))
		}
		if r := alice.With("X-Unknown", "1").With("Range", "bytes=0-1").GET("/s/Files(1)/picture").Status(200); r.Body() != want || r.Header("Content-Length") != "" {
			t.Errorf("%d bytes", len(r.Body()))
		}
		alice.With("X-Unknown", "1").Do("HEAD", "/s/Files(1)/picture", nil).Status(200)
		alice.GET("/s/Files(2)/picture").Status(404)
		a.HTTP().As("alice").POST("/s/$batch", `{"requests":[{"id":"1","method":"GET","url":"Files(1)/picture"}]}`).Status(200).Contains(`"status":200`)
		if closed != 5 {
			t.Errorf("%d readers were closed", closed)
		}
		alice.GET("/s/Files").Status(200).Contains(`"owner":"alice"`)
	})
}

// Code opens and saves data through the service, as much as there is; what it opens is given back when it is closed.
func TestFromCode(t *testing.T) {
	both(t, set(map[string]any{"spool": "1mb"}), func(t *testing.T, a *cdstest.App) {
		ctx := a.As("alice")
		for i := range 5 { // more than there would be room for if nothing was given back
			if err := fileData.Save(ctx, fileID(1), noise(uint64(i), 600_000)); err != nil {
				t.Fatal(err)
			}
			r, err := fileData.Open(ctx, fileID(1))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil || string(b) != bytesOf(uint64(i), 600_000) || r.Close() != nil {
				t.Errorf("%d bytes, %v", len(b), err)
			}
		}
		for _, n := range []int32{2, 3} {
			_, err := fileData.Open(ctx, fileID(n))
			cdstest.NotFound(t, err)
			cdstest.NotFound(t, fileData.Save(ctx, fileID(n), noise(1, 600_000)))
		}
		if err := fileData.Save(ctx, fileID(1), broken{}); err == nil {
			t.Error("a reader that fails")
		}
		if err := fileData.Save(ctx, fileID(1), nil); err != nil {
			t.Error(err)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

// Untyped handlers do without next: what comes in goes elsewhere, and comes from there.
func TestRawHandlers(t *testing.T) {
	store := map[string]string{}
	both(t, handlers(func(app *cds.App) {
		s := app.Service("S")
		s.On(cds.Match{Events: []cds.Event{"UPDATE"}, Entities: []string{"Pages", "Files"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			v, ok := r.Data.Get("data")
			if !ok {
				return next(ctx, r)
			}
			in, err := cds.OpenMedia(v)
			if err != nil {
				return nil, err
			}
			b, err := io.ReadAll(in)
			store["data"] = string(b)
			r.Data.Delete("data")
			if err != nil || in.Close() != nil {
				return nil, err
			}
			return next(ctx, r)
		})
		s.On(cds.Match{Events: []cds.Event{"READ"}, Entities: []string{"Files"}}, func(ctx context.Context, r *cds.RawRequest, next cds.Next) (*cds.Result, error) {
			res, err := next(ctx, r)
			if err == nil && r.Media != nil && len(res.Rows) == 1 {
				res.Rows[0].Set("data", cds.MediaValue(strings.NewReader(store["data"]), int64(len(store["data"]))))
			}
			return res, err
		})
		s.Before(cds.Match{Events: []cds.Event{"UPDATE"}, Entities: []string{"Files"}}, func(ctx context.Context, r *cds.RawRequest) error {
			d, err := r.Diff(ctx)
			if err == nil && len(d) == 1 && len(d[0].Changes) == 0 {
				return errors.New("no change")
			}
			return err
		})
	}), func(t *testing.T, a *cdstest.App) {
		data := bytesOf(8, 500_000)
		a.HTTP().As("alice").With("Content-Type", "a/b").PUT("/s/Files(1)/data", data).Status(204)
		if r := a.HTTP().As("alice").GET("/s/Files(1)/data").Status(200); r.Body() != data || r.Header("Content-Type") != "a/b" {
			t.Errorf("%d bytes, %s", len(r.Body()), r.Header("Content-Type"))
		}
		a.HTTP().As("alice").GET("/s/Files(2)/data").Status(404)
	})
}

// Operations return data as they are if their result has a media type, of whatever size; else as a text in JSON, within bounds.
func TestOperations(t *testing.T) {
	both(t, handlers(func(app *cds.App) {
		image := cds.NewOperation[number]("S", "image", cds.ReturnsValue[cds.Stream]())
		plain := cds.NewOperation[number]("S", "plain", cds.ReturnsValue[cds.Stream]())
		err := cds.Serve(app, "S", cds.PolicyOf(app, "S"), nil, []cds.Handler[brand]{cds.Implement[brand](image, stream), cds.Implement[brand](plain, stream)})
		app.Refuse(err)
	}), func(t *testing.T, a *cdstest.App) {
		alice := a.HTTP().As("alice")
		for _, n := range []int{3, 900_000} {
			data := bytesOf(6, n)
			r := alice.GET("/s/image(n=" + strconv.Itoa(n) + ")").Status(200)
			if r.Body() != data || r.Header("Content-Type") != "image/png" || r.Header("Content-Disposition") != "attachment; filename=i.png" || r.Header("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%d bytes, %s, %s", len(r.Body()), r.Header("Content-Type"), r.Header("Content-Disposition"))
			}
			var plain struct{ Value string }
			alice.POST("/s/plain", map[string]any{"n": n}).Status(200).JSON(&plain)
			if b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(plain.Value, "=")); err != nil || string(b) != data {
				t.Errorf("%d bytes, %v", len(b), err)
			}
		}
		alice.GET("/s/image(n=0)").Status(204)
		alice.POST("/s/plain", map[string]any{"n": 17 * mb}).Status(500)
		op := cds.NewOperation[number]("S", "image", cds.ReturnsValue[cds.Stream]())
		out, err := op.Call(a.As("alice"), number{cds.Some(int32(700_000))})
		got, _ := out.Get()
		r, oerr := got.Open()
		if err != nil || oerr != nil || got.Size() != -1 {
			t.Fatal(err, oerr, got.Size())
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != bytesOf(6, 700_000) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	})
}

type number struct{ N cds.Opt[int32] }

func (x *number) CDSFields(f *cds.Fields) { cds.Field(f, "n", &x.N) }

func stream(_ context.Context, req *cds.Request[number]) (cds.Opt[cds.Stream], error) {
	n := req.Data.N.Or(0)
	if n == 0 {
		return cds.Null[cds.Stream](), nil
	}
	return cds.Some(cds.NewStream(noise(6, int64(n)), -1)), nil
}
