package odata

import (
	"strings"
	"testing"

	"cds/parser/cqn"
	cds "cds/runtime"
	"cds/runtime/odata/internal/testmodel"
	"cds/runtime/odata/uri"
)

func shopDecoder(t testing.TB, body string) (*decoder, *uri.Index) {
	x := uri.NewIndex(testmodel.Shop(t).Service("Shop"))
	return &decoder{jsonReader: jsonReader{b: []byte(body)}, index: x}, x
}

// decode reads a row of Books.
func decode(t testing.TB, body string) string {
	d, x := shopDecoder(t, body)
	e := x.Set("Books")
	row, err := d.entity(e, "", e.Name)
	if err = d.done(err); err != nil {
		return failure(err)
	}
	return rowText(row)
}

func failure(err error) string {
	e := cds.AsError(err)
	text := e.Code + " " + e.Message
	if e.Target != "" {
		text += " @" + e.Target
	}
	for _, d := range e.Details {
		text += "; " + failure(d)
	}
	return text
}

func TestEntityBodies(t *testing.T) {
	const id = "0a000000-0000-4000-8000-00000000000a"
	for _, tc := range []struct{ body, want string }{
		{`{}`, "{}"},
		{" {\n\t} \r", "{}"},
		{`{"ID":1,"title":"x","stock":2}`, "{ID:1 title:x stock:2}"},
		{`{"title":null}`, "{title:null}"},
		{`{"title":"\u00fc\ud83d\ude00\n\/"}`, "{title:ü😀\n/}"},
		{`{"ID":"1","big":"9223372036854775807","price":"12.5","rate":"1e3"}`, "{ID:1 big:9223372036854775807 price:12.5 rate:1000}"},
		{`{"stock":1.0,"big":1e3}`, "{stock:1 big:1000}"},
		{`{"out":true}`, "{out:true}"},
		{`{"out":1}`, "{out:true}"},
		{`{"day":"2024-02-29","tod":"12:34","dt":"2024-01-01T01:00:00.5+01:00","at":"2024-01-01"}`,
			"{day:2024-02-29 tod:12:34:00 dt:2024-01-01T00:00:00Z at:2024-01-01T00:00:00.000Z}"},
		{`{"bin":"-_-_","image":"AQID"}`, "{bin:\xfb\xff\xbf image:\x01\x02\x03}"},
		{`{"tags":["a",null],"lines":[{"k":"x","v":1}]}`, "{tags:(a,null) lines:({k:x v:1})}"},
		{`{"@odata.etag":"x","@odata.type":"#Shop.Books","title@odata.type":"x","title@Core.Description":{"a":[1]}}`, "{}"},
		{`{"author":{"ID":"` + id + `"}}`, "{author_ID:" + id + "}"},
		{`{"author":null}`, "{author_ID:null}"},
		{`{"author":{}}`, "{}"},
		{`{"author@odata.bind":"Authors(` + id + `)"}`, "{author_ID:" + id + "}"},
		{`{"author@odata.bind":"http://host/shop/Authors(` + id + `)"}`, "{author_ID:" + id + "}"},
		{`{"author@odata.bind":null}`, "{author_ID:null}"},
		{`{"items":[{"pos":1,"author":{"ID":"` + id + `"}},{"pos":2}]}`, "{items:[{pos:1 author_ID:" + id + "} {pos:2}]}"},
		{`{"items":[]}`, "{items:[]}"},
		{`{"items":null}`, "{}"},
		{`{"calc":"x"}`, "{calc:x}"},

		{`{"frob":1}`, `400 Property "frob" does not exist in Shop.Books @Shop.Books`},
		{`{"Title":1}`, `400 Property "Title" does not exist in Shop.Books @Shop.Books`},
		{`{"@frob":1}`, `400 Property "@frob" does not exist in Shop.Books @Shop.Books`},
		{`{"items@delta":[]}`, `400 Property "items@delta" does not exist in Shop.Books @Shop.Books`},
		{`{"title":"a","title":"b"}`, `400 Property "title" is given twice`},
		{`{"title":"a","\u0074itle":"b"}`, `400 Property "title" is given twice`},
		{`{"author_ID":null,"author":null}`, `400 Property "author_ID" is given twice @author_ID`},
		{`{"title":5}`, "ASSERT_DATA_TYPE Value 5 is not a valid String(111) @title"},
		{`{"title":{}}`, "ASSERT_DATA_TYPE Value [object Object] is not a valid String(111) @title"},
		{`{"title":"` + strings.Repeat("ü", 111) + `"}`, "{title:" + strings.Repeat("ü", 111) + "}"},
		{`{"title":"` + strings.Repeat("x", 112) + `"}`, "ASSERT_DATA_TYPE Value " + strings.Repeat("x", 112) + " is not a valid String(111) @title"},
		{`{"ID":"x"}`, "ASSERT_DATA_TYPE Value x is not a valid Integer @ID"},
		{`{"ID":true}`, "ASSERT_DATA_TYPE Value true is not a valid Integer @ID"},
		{`{"stock":1.5}`, "ASSERT_DATA_TYPE Value 1.5 is not a valid Integer @stock"},
		{`{"stock":3000000000}`, "ASSERT_DATA_TYPE Value 3000000000 is not a valid Integer @stock"},
		{`{"big":"9223372036854775808"}`, "ASSERT_DATA_TYPE Value 9223372036854775808 is not a valid Int64 @big"},
		{`{"price":1.239}`, "ASSERT_DATA_TYPE Value 1.239 is not a valid Decimal(9,2) @price"},
		{`{"price":12345678.9}`, "ASSERT_DATA_TYPE Value 12345678.9 is not a valid Decimal(9,2) @price"},
		{`{"price":"1e3"}`, "ASSERT_DATA_TYPE Value 1e3 is not a valid Decimal(9,2) @price"},
		{`{"rate":"NaN"}`, "ASSERT_DATA_TYPE Value NaN is not a valid Double @rate"},
		{`{"out":"true"}`, "ASSERT_DATA_TYPE Value true is not a valid Boolean @out"},
		{`{"out":2}`, "ASSERT_DATA_TYPE Value 2 is not a valid Boolean @out"},
		{`{"day":"2023-02-29"}`, "ASSERT_DATA_TYPE Value 2023-02-29 is not a valid Date @day"},
		{`{"tod":"25:00:00"}`, "ASSERT_DATA_TYPE Value 25:00:00 is not a valid Time @tod"},
		{`{"at":"now"}`, "ASSERT_DATA_TYPE Value now is not a valid Timestamp @at"},
		{`{"uid":"xyz"}`, "ASSERT_DATA_TYPE Value xyz is not a valid UUID @uid"},
		{`{"bin":"***"}`, "ASSERT_DATA_TYPE Value *** is not a valid Binary @bin"},
		{`{"tags":"a"}`, "ASSERT_ARRAY Value must be an array @tags"},
		{`{"tags":[1]}`, "ASSERT_DATA_TYPE Value 1 is not a valid String @tags[0]"},
		{`{"lines":[{"zz":1}]}`, `400 Property "zz" does not exist in lines[0] @lines[0]`},
		{`{"author":5}`, "ASSERT_DATA_TYPE Value must be an object @author"},
		{`{"author":{"name":"x"}}`, `400 Property "name" does not exist in author @author`},
		{`{"author@odata.bind":"Books(1)"}`, `400 "Books(1)" is not the URL of an entity of Shop.Authors @author@odata.bind`},
		{`{"items@odata.bind":["x"]}`, `400 Property "items" cannot be bound @items@odata.bind`},
		{`{"items":{}}`, "ASSERT_ARRAY Value must be an array @items"},
		{`{"items":[1]}`, "ASSERT_DATA_TYPE Value must be an object @items[0]"},
		{`{"items":[{"pos":"x"}]}`, "ASSERT_DATA_TYPE Value x is not a valid Integer @items[0]/pos"},
		{`{"ID":"x","title":5}`, "MULTIPLE_ERRORS Multiple errors occurred, see details below.; ASSERT_DATA_TYPE Value x is not a valid Integer @ID; ASSERT_DATA_TYPE Value 5 is not a valid String(111) @title"},
	} {
		if got := decode(t, tc.body); got != tc.want {
			t.Errorf("%.100s:\n got %s\nwant %s", tc.body, got, tc.want)
		}
	}
}

func TestSyntax(t *testing.T) {
	for _, body := range []string{
		``, ` `, `{`, `{"`, `{"a`, `{"title"`, `{"title":`, `{"title":"x"`, `{"title":"x",`, `{"title":"x",}`, `{,}`, `{title:1}`, `{'title':1}`,
		`{"title":"x"}}`, `{"title":"x"} x`, `[`, `null`, `1`, `"x"`, `{"ID":01}`, `{"ID":+1}`, `{"ID":1.}`, `{"ID":.5}`, `{"ID":1e}`, `{"ID":-}`,
		`{"title":"` + "\x01" + `"}`, `{"title":"\x"}`, `{"title":"\u12"}`, `{"title":"\ud800"}`, `{"title":"\ud800\u0041"}`, `{"title":tru}`, `{"title":nul}`,
		`{"title":NaN}`, `{"tags":[1,]}`, `{"tags":["a" "b"]}`, "\ufeff{}", `{"@odata.x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
		strings.Repeat(`{"items":[`, 100_000),
	} {
		if got := decode(t, body); !strings.HasPrefix(got, "400 ") {
			t.Errorf("%.60s: %.200s", body, got)
		}
	}
}

// TestManyFaults: the answer does not grow with the number of faults.
func TestManyFaults(t *testing.T) {
	got := decode(t, `{"tags":[`+strings.Repeat("1,", 5000)+`1]}`)
	if n := strings.Count(got, "ASSERT_DATA_TYPE"); n != maxErrors {
		t.Errorf("%d faults told", n)
	}
}

func TestNestedParameters(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		{`{"p":{"a":1,"b":"x"},"l":[1,2]}`, "{p:{a:1 b:x} l:(1,2)}"},
		{`{"p":5}`, "ASSERT_DATA_TYPE Value 5 is not a valid structure @p"},
		{`{"p":{"zz":5}}`, `400 Property "zz" does not exist in p @p`},
		{`{"l":{"x":1}}`, "ASSERT_ARRAY Value must be an array @l"},
		{`{"q":1}`, `400 Property "q" does not exist in Shop.reset @Shop.reset`},
		{`[{"p":1}]`, `400 Property "0" does not exist in Shop.reset @Shop.reset`},
		{`{"l":["x"],"zz":1}`, `400 Property "zz" does not exist in Shop.reset @Shop.reset`},
	} {
		d, x := shopDecoder(t, tc.body)
		op := x.Service.Operation("reset")
		row, err := d.structure(op.Params, "", op.Name)
		got := ""
		if err = d.done(err); err != nil {
			got = failure(err)
		} else {
			got = rowText(row)
		}
		if got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.body, got, tc.want)
		}
	}
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{
		`{"ID":1,"title":"x","items":[{"pos":1,"author":{"ID":null}}],"tags":["a"],"lines":[{"k":"\u00fc"}]}`,
		`{"author@odata.bind":"Authors(1)","@odata.etag":"x","price":1.5e3}`, `{"title":"\ud83d\ude00"}`,
	} {
		f.Add(s)
	}
	_, x := shopDecoder(f, "")
	e := x.Set("Books")
	f.Fuzz(func(t *testing.T, body string) {
		d := &decoder{jsonReader: jsonReader{b: []byte(body)}, index: x}
		row, err := d.entity(e, "", e.Name)
		if err = d.done(err); err != nil {
			if s := cds.AsError(err).Status; s != 400 {
				t.Fatalf("%q: status %d", body, s)
			}
			return
		}
		for _, fd := range row.Fields() { // only elements of the model come through
			if e.Element(fd.Name) == nil {
				t.Fatalf("%q: %s", body, fd.Name)
			}
		}
		_ = cqn.OfRow(row)
	})
}
