package edm

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"cds/parser/cqn"
	"cds/parser/csn"
)

func TestParse(t *testing.T) {
	dec := &csn.Builtin{Name: "cds.Decimal", Kind: csn.Decimal, Precision: 5, Scale: 2, HasScale: true}
	for _, tc := range []struct {
		b    *csn.Builtin
		in   string
		want string // "" for refused
	}{
		{&csn.Builtin{Kind: csn.UInt8}, "255", "255"}, {&csn.Builtin{Kind: csn.UInt8}, "256", ""}, {&csn.Builtin{Kind: csn.UInt8}, "-1", ""},
		{&csn.Builtin{Kind: csn.Int16}, "-32768", "-32768"}, {&csn.Builtin{Kind: csn.Int16}, "32768", ""},
		{&csn.Builtin{Kind: csn.Integer}, "+1", ""}, {&csn.Builtin{Kind: csn.Integer}, "0x1", ""}, {&csn.Builtin{Kind: csn.Integer}, "1_000", ""},
		{&csn.Builtin{Kind: csn.Integer}, "", ""}, {&csn.Builtin{Kind: csn.Int64}, "-9223372036854775808", "-9223372036854775808"},
		{dec, "123.45", "123.45"}, {dec, "-123.450", "-123.450"}, {dec, "0123", ""}, {dec, "1234", ""}, {dec, "1.234", ""}, {dec, ".5", ""}, {dec, "1e1", ""},
		{&csn.Builtin{Kind: csn.Decimal}, "1234567890.123456789", "1234567890.123456789"},
		{&csn.Builtin{Kind: csn.Double}, "1e400", ""}, {&csn.Builtin{Kind: csn.Double}, "Inf", ""}, {&csn.Builtin{Kind: csn.Double}, "-1.5", "-1.5"},
		{&csn.Builtin{Kind: csn.Boolean}, "true", "true"}, {&csn.Builtin{Kind: csn.Boolean}, "TRUE", ""},
		{&csn.Builtin{Kind: csn.Date}, "0001-01-01", "0001-01-01"}, {&csn.Builtin{Kind: csn.Date}, "24-1-1", ""},
		{&csn.Builtin{Kind: csn.Timestamp}, "2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00.123Z"},
		{&csn.Builtin{Kind: csn.Timestamp}, "2024-01-01T00:00:00,5Z", ""}, {&csn.Builtin{Kind: csn.Timestamp}, "0000-01-01T00:00:00+23:59", ""},
		{&csn.Builtin{Kind: csn.UUID}, "0A000000-0000-4000-8000-00000000000B", "0A000000-0000-4000-8000-00000000000B"},
		{&csn.Builtin{Kind: csn.UUID}, "0A000000x0000-4000-8000-00000000000B", ""},
		{&csn.Builtin{Kind: csn.String, Length: 2}, "üü", "üü"}, {&csn.Builtin{Kind: csn.String, Length: 2}, "abc", ""},
		{&csn.Builtin{Kind: csn.Binary}, "AQID", "\x01\x02\x03"}, {&csn.Builtin{Kind: csn.Binary}, "AQ==", "\x01"},
	} {
		v, err := Parse(tc.b, tc.in)
		got := ""
		if err == nil {
			got = v.Format()
		}
		if got != tc.want {
			t.Errorf("%s %q: %q, want %q", TypeName(tc.b), tc.in, got, tc.want)
		}
	}
}

func TestAppendValue(t *testing.T) {
	dec := &csn.Builtin{Kind: csn.Decimal, Precision: 9, Scale: 2, HasScale: true}
	for _, tc := range []struct {
		v     cqn.Value
		t     *csn.Builtin
		exact bool
		want  string
	}{
		{cqn.Null, dec, true, `null`},
		{cqn.Decimal("14"), dec, true, `"14.00"`}, {cqn.Decimal("14"), dec, false, `14`}, {cqn.Int(14), dec, true, `"14.00"`},
		{cqn.Decimal("1"), &csn.Builtin{Kind: csn.Decimal}, true, `"1"`},
		{cqn.Int(5), &csn.Builtin{Kind: csn.Int64}, true, `"5"`}, {cqn.Int(5), &csn.Builtin{Kind: csn.Int64}, false, `5`}, {cqn.Int(5), nil, true, `5`},
		{cqn.Int(1), &csn.Builtin{Kind: csn.Boolean}, true, `true`}, {cqn.Bool(false), nil, true, `false`},
		{cqn.Float(1e300), nil, true, `1e+300`},
		{cqn.Bytes([]byte{0xfb, 0xff, 0xbf}), nil, true, `"-_-_"`},
		{cqn.Text(cqn.KindDate, "2024-01-01"), nil, true, `"2024-01-01"`},
		{cqn.String("a\"b\\\n\x01ü\xff"), nil, true, `"a\"b\\\n\u0001ü` + "\ufffd" + `"`},
	} {
		if got := string(AppendValue(nil, tc.v, tc.t, tc.exact)); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.v, got, tc.want)
		}
	}
}

func TestLiteral(t *testing.T) {
	for _, tc := range []struct {
		v    cqn.Value
		t    *csn.Builtin
		want string
	}{
		{cqn.String("it's"), nil, "'it''s'"}, {cqn.Int(1), nil, "1"}, {cqn.String("u"), &csn.Builtin{Kind: csn.UUID}, "u"},
		{cqn.Null, nil, "null"}, {cqn.Text(cqn.KindDate, "2024-01-01"), nil, "2024-01-01"}, {cqn.Bytes([]byte{1}), nil, "binary'AQ=='"},
	} {
		if got := Literal(tc.v, tc.t); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.v, got, tc.want)
		}
	}
}

// FuzzAppendString: whatever goes in, JSON comes out that reads back as the same text.
func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x7f\u2028ü😀")
	f.Add("\xff\xfe")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(AppendString(nil, s), &back); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(s) && back != s {
			t.Fatalf("%q became %q", s, back)
		}
	})
}
