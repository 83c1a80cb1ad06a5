package uri

import (
	"testing"

	"pgregory.net/rapid"
)

// TestTokens: a token reads back as what it was made of.
func TestTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, offset := rapid.Int64Range(0, 1<<40).Draw(t, "rows"), rapid.Int64Range(0, 1<<40).Draw(t, "offset")
		r, o, err := decodeToken(Token(rows, offset))
		if err != nil || r != rows || o != offset {
			t.Fatalf("%d %d became %d %d, %v", rows, offset, r, o, err)
		}
	})
	for _, forged := range []string{"", "x", "JHJvd3M9LTEmJG9mZnNldD0y" /* $rows=-1&$offset=2 */, "JHJvd3M9MQ==", "99999999999999999999"} {
		if _, _, err := decodeToken(forged); err == nil {
			t.Errorf("%q is accepted", forged)
		}
	}
}

// TestNextQuery: the options of a next link are those of the request, whatever text is in them.
func TestNextQuery(t *testing.T) {
	x := shop(t)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		r, err := x.Parse("Books", "a="+string(EscapeOption(nil, value))+"&@p=1&$skiptoken=5&$top=3")
		if err != nil {
			t.Skip() // a text that is no UTF-8
		}
		again, err := x.Parse("Books", r.NextQuery("7"))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := r.lookup("a")
		got, _ := again.lookup("a")
		token, _ := again.lookup("$skiptoken")
		if got != want || token != "7" || again.aliases["@p"] != "1" || len(again.options) != 3 {
			t.Fatalf("%q: %v", value, again.options)
		}
	})
}

func TestScalar(t *testing.T) {
	x := shop(t)
	b := x.Set("Books").Element("title").Scalar()
	n := x.Set("Books").Element("stock").Scalar()
	for _, tc := range []struct {
		text    string
		literal bool
		want    string // "" for refused
	}{
		{"'a''b'", true, "a'b"}, {"plain", true, ""}, {"plain", false, "plain"}, {"null", true, "null"}, {"'null'", true, "null"}, {"'a'b'", true, ""}, {"''", false, "null?"},
	} {
		v, err := Scalar(b, tc.text, tc.literal)
		got := v.Format()
		if err != nil {
			got = ""
		}
		if tc.text == "''" {
			if err != nil || v.Str() != "" || v.IsNull() {
				t.Errorf("'': %v %v", v, err)
			}
			continue
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.text, got, tc.want)
		}
	}
	if v, err := Scalar(n, "-12", true); err != nil || v.Int() != -12 {
		t.Errorf("-12: %v %v", v, err)
	}
	if _, err := Scalar(n, "x", false); err == nil {
		t.Error("x is accepted as a number")
	}
}
