package generic_test

import (
	"context"
	"io"
	"strings"
	"testing"

	cds "cds/runtime"
	"cds/runtime/authz"
)

const pictures = `
context db { entity Pics { key ID : Integer; owner : String; name : String; price : Decimal(9,2); data : LargeBinary; kids : Composition of many Kids on kids.up = $self; }
entity Kids { key ID : Integer; up : Association to Pics; } }
service Cat { @restrict: [{ grant: '*', where: 'owner = $user' }] entity Pics as projection on db.Pics; }`

type pic struct{}

func TestMediaFromCode(t *testing.T) {
	a := newApp(t, pictures, `INSERT INTO db_Pics (ID, owner) VALUES (1, 'u'), (2, 'other');`, cds.AppOptions{}, nil)
	data := cds.NewMedia[pic]("Cat", "Cat.Pics", "data")
	id := func(n int32) cds.Pred[pic] { return cds.Col[pic, int32]("ID").Eq(n) }
	ctx := a.as(user("u"))
	read := func() string {
		t.Helper()
		r, err := data.Open(ctx, id(1))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil || r.Close() != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := read(); got != "" {
		t.Errorf("%q", got)
	}
	if err := data.Save(ctx, id(1), strings.NewReader("\x00\xffPNG")); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "\x00\xffPNG" {
		t.Errorf("%q", got)
	}
	if err := data.Save(ctx, id(1), nil); err != nil || read() != "" {
		t.Error(err)
	}
	for _, n := range []int32{2, 3} { // hidden, missing
		if _, err := data.Open(ctx, id(n)); status(err) != 404 {
			t.Errorf("%d: %v", n, err)
		}
		if err := data.Save(ctx, id(n), strings.NewReader("x")); status(err) != 404 {
			t.Errorf("%d: %v", n, err)
		}
	}
	if _, err := data.Open(ctx, cds.Pred[pic]{}); err == nil {
		t.Error("an empty condition")
	}
}

func TestDiff(t *testing.T) {
	var got []string
	a := newApp(t, pictures, `INSERT INTO db_Pics (ID, owner, name, price) VALUES (1, 'u', 'one', 1.5), (2, 'other', 'two', 1);`, cds.AppOptions{}, func(core *cds.App) {
		core.Service("Cat").Before(cds.Match{}, func(ctx context.Context, r *cds.RawRequest) error {
			if r.Event == authz.Read {
				return nil
			}
			diffs, err := r.Diff(ctx)
			for _, d := range diffs {
				s := string(r.Event) + text(d.Keys)
				for _, c := range d.Changes {
					s += " " + c.Element + ":" + c.Old.Format() + "→" + c.New.Format()
				}
				got = append(got, s)
			}
			return err
		})
	})
	u := user("u")
	a.want(req{event: authz.Update, path: "Cat.Pics(1)", user: u, data: row("name", "uno", "price", "1.50", "kids", []*cds.Row{row("ID", 1)})}, 200)
	a.want(req{event: authz.Update, path: "Cat.Pics(2)", user: u, data: row("name", "x")}, 404) // hidden: nothing to compare
	a.want(req{event: authz.Create, path: "Cat.Pics", user: u, data: row("ID", 5, "owner", "u", "name", "five")}, 200)
	a.want(req{event: authz.Delete, path: "Cat.Pics(5)", user: u}, 200)
	want := `UPDATE{"ID":1} name:one→uno; CREATE{"ID":5} owner:null→u name:null→five; DELETE{"ID":5}`
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}
