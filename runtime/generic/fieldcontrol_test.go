package generic_test

import (
	"testing"

	cds "cds/runtime"
	"cds/runtime/authz"
)

const controlled = `
context db {
@assert: (case when first > last then 'ORDER' when exists parts[n > 100] then 'PART' end)
entity Plans { key ID : Integer; first : Integer; last : Integer; state : String; fc : Integer;
  fixed : String @Common.FieldControl: #ReadOnly;
  none : String @Common.FieldControl: #Inapplicable;
  must : String default 'm' @Common.FieldControl: #Mandatory;
  seven : String default 's' @Common.FieldControl: 7;
  note : String @Common.FieldControl: (case state when 'Mandatory' then 7 when 'closed' then 1 when 'gone' then 0 else 3 end);
  memo : String @Common.FieldControl: (state = 'closed' ? #ReadOnly : state = 'paid' ? #Mandatory : #Optional);
  led : String @Common.FieldControl: fc;
  who : Association to Users @Common.FieldControl: (case when state = 'owned' then 7 when state = 'closed' then 1 end);
  virtual ui : Integer; free : String @Common.FieldControl: ui;
  parts : Composition of many Parts on parts.up = $self; }
@assert: (n <> 13) @assert.message: 'Unlucky'
entity Parts { key up : Association to Plans; key n : Integer; text : String @Common.FieldControl: (n = 5 ? #Mandatory : #Optional); }
entity Users { key ID : Integer; }
}
service Cat { entity Plans as projection on db.Plans { *, first as begin } excluding { first }; entity Users as projection on db.Users; }`

const controlledData = `INSERT INTO db_Plans (ID, first, last, state, note, memo, led, fixed, must, seven, fc, who_ID) VALUES (1, 1, 5, 'closed', 'n', 'm', 'b', 'f', 'x', 'x', 1, 1);
INSERT INTO db_Users (ID) VALUES (1), (2);`

func TestFieldControl(t *testing.T) {
	a := newApp(t, controlled, controlledData, cds.AppOptions{}, nil)
	parts := func(rows ...*cds.Row) []*cds.Row { return rows }
	const missing = "ASSERT_MANDATORY Provide the missing value. "
	for _, tt := range []struct {
		name string
		data *cds.Row
		want string
	}{
		{"fine", row("begin", 1, "last", 2), "ok"},
		{"entity, renamed element", row("begin", 3, "last", 2), "ASSERT ORDER "},
		{"entity, exists", row("begin", 1, "last", 2, "parts", parts(row("n", 300))), "ASSERT PART "},
		{"child entity, condition", row("begin", 1, "last", 20, "parts", parts(row("n", 12), row("n", 13))), "ASSERT Unlucky parts(up_ID=100,n=13)"},
		{"constant", row("must", " "), missing + "must"},
		{"number", row("seven", nil), missing + "seven"},
		{"expression", row("state", "Mandatory"), missing + "note"},
		{"expression that holds", row("state", "Mandatory", "note", "n"), "ok"},
		{"expression of symbols", row("state", "paid"), missing + "memo"},
		{"path", row("fc", 7), missing + "led"},
		{"path, given", row("fc", 7, "led", "x"), "ok"},
		{"path to what is not stored", row("ui", 7), "ok"},
		{"association", row("state", "owned"), missing + "who"},
		{"association, given", row("state", "owned", "who_ID", 1), "ok"},
		{"child", row("last", 9, "parts", parts(row("n", 5), row("n", 6))), missing + "parts(up_ID=100,n=5)/text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.data.Set("ID", row("ID", 100).Value("ID"))
			_, err := a.do(req{event: authz.Create, path: "Cat.Plans", user: user("u"), data: tt.data})
			if got := faults(err); !sameParts(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			a.clear("db.Plans", 100)
		})
	}
	if _, err := a.do(req{event: authz.Update, path: "Cat.Plans(1)", user: user("u"), data: row("note", "N", "memo", "M", "led", "B", "fixed", "F", "none", "N", "who_ID", 2, "free", "set")}); err != nil {
		t.Fatal(err)
	}
	for col, want := range map[string]string{"note": "n", "memo": "m", "led": "b", "fixed": "f", "none": "null", "who_ID": "1", "free": "set"} {
		if got := a.sql("db.Plans", col); got != want {
			t.Errorf("%s is %s, want %s", col, got, want)
		}
	}
	if _, err := a.do(req{event: authz.Update, path: "Cat.Plans(1)", user: user("u"), data: row("state", "open")}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.do(req{event: authz.Update, path: "Cat.Plans(1)", user: user("u"), data: row("note", "N")}); err != nil || a.sql("db.Plans", "note") != "N" {
		t.Errorf("note is %s, %v", a.sql("db.Plans", "note"), err)
	}
	_, err := a.do(req{event: authz.Update, path: "Cat.Plans(1)", user: user("u"), data: row("begin", 6)})
	if got := faults(err); got != "ASSERT ORDER " {
		t.Errorf("update: %s", got)
	}
}
